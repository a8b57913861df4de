"""The one law: whatever is killed in between, every event that was sent is
at Heap exactly once, or buried, or dropped by a rule that was set.

Here no rule drops and nothing is wrong with the events, so all of them have
to arrive: through twenty times SIGKILL, and a Heap that fails one request in
three, before storing the events, after it, or in the middle of its answer.
"""

import random

from load import FAST, LONG, Brazesim, check_law, drain
from conftest import until

KILLS = 20
EVENTS = 200_000 if LONG else 20_000
FAULTS = {  # per cent; 34 together
    "fail_percent": 8,         # 500, nothing stored
    "reset_percent": 8,        # closed, nothing stored
    "fail_after_percent": 9,   # 500, all stored
    "close_percent": 9,        # closed in the middle of the 200
}


def test_law_kill_9_and_a_failing_heap(start_daemon, heapsim, tmp_path,
                                       capsys):
    chance = random.Random(20261123)
    heapsim.control(quota=False, **FAULTS)
    daemon = start_daemon(**FAST)
    # Restarts come back where Braze looks for it.
    daemon.env["CURRENTSD_LISTEN"] = f"127.0.0.1:{daemon.port}"

    # From nothing accepted (0) to everything delivered (2 * EVENTS).
    def progress():
        books = daemon.books()
        return (books["received"] - books["duplicates"]
                + heapsim.books()["accepted"])

    with Brazesim(tmp_path, f"http://127.0.0.1:{daemon.port}/currents",
                  "--connections", "8", "--count", str(EVENTS)) as braze:
        for kill in range(KILLS):
            moment = (kill + chance.random()) / KILLS * 2 * EVENTS
            until(lambda: progress() >= moment, f"{moment} of {2 * EVENTS}")
            daemon.kill()
            daemon.start()
        books = braze.books()
    assert books["acked"] == books["distinct_events"] == EVENTS
    drain(daemon)
    check_law(daemon, heapsim, braze.acked())
    there = heapsim.books()
    assert min(there["failed"], there["failed_after"], there["reset"],
               there["cut"]) > 0, "the faults did not happen"
    failed = sum(there[how] for how in
                 ("failed", "failed_after", "reset", "cut"))
    with capsys.disabled():
        print(f"\nthe law: {EVENTS} events, {KILLS} kills, {failed} of "
              f"{there['requests']} requests to Heap failed; {there['keys']} "
              f"keys at Heap, {there['accepted']} stored, "
              f"{there['split']} split")
