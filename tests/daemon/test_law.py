"""The one law: whatever is killed in between, every event that was sent is
at Heap exactly once, or a dead letter, or dropped by a rule that was set.

Here no rule drops and nothing is wrong with the events, so all of them have
to arrive: through 25 times SIGKILL (500 in the long run), a Braze that sends
some of them twice and hangs up on some answers, and a Heap that fails one
request in three, before storing the events, after it, or in the middle of
its answer.

CURRENTSD_ROUNDS and CURRENTSD_SEED choose otherwise. The seed draws when to
kill; where the daemon is at that moment is up to the scheduler.
"""

import os
import random
import time

import pytest

from load import FAST, LONG, Brazesim, check_law, drain
from conftest import until

ROUNDS = int(os.environ.get("CURRENTSD_ROUNDS", 500 if LONG else 25))
SEED = int(os.environ.get("CURRENTSD_SEED", 20261123))
EVENTS = 800 * ROUNDS
# Small requests, many of them, and coming in for as long as there are rounds:
# at most of the kills some are on their way on either side.
LOAD = ("--connections", "8", "--batch", "20", "--rate", "4000",
        "--backoff-ms", "10..200")
# Killing in step with our own asking would meet the daemon in few places.
OUT_OF_STEP_S = 0.03
HEAP_FAULTS = {  # per cent; 34 together
    "fail_percent": 8,         # 500, nothing stored
    "reset_percent": 8,        # closed, nothing stored
    "fail_after_percent": 9,   # 500, all stored
    "close_percent": 9,        # closed in the middle of the 200
}
BRAZE_FAULTS = ("--duplicate-percent", "3", "--unknown-outcome", "3")


@pytest.mark.file
def test_law_kill_9_and_a_failing_heap(start_daemon, heapsim, tmp_path,
                                       figure):
    began = time.monotonic()
    chance = random.Random(SEED)
    heapsim.control(quota=False, **HEAP_FAULTS)
    daemon = start_daemon(**FAST, heap_request_events=100)
    # Restarts come back where Braze looks for it.
    daemon.env["CURRENTSD_LISTEN"] = f"127.0.0.1:{daemon.port}"

    # From nothing accepted (0) to everything delivered (2 * EVENTS).
    def progress():
        queue = daemon.queue()
        return (queue["received"] - queue["duplicates"]
                + heapsim.books()["accepted"])

    rounds = 0
    with Brazesim(tmp_path, f"http://127.0.0.1:{daemon.port}/currents",
                  "--count", str(EVENTS), "--seed", str(SEED), *LOAD,
                  *BRAZE_FAULTS) as braze:
        while rounds < ROUNDS:
            point = (rounds + chance.random()) / ROUNDS * 2 * EVENTS
            until(lambda: progress() >= point, f"{point} of {2 * EVENTS}")
            time.sleep(chance.uniform(0, OUT_OF_STEP_S))
            daemon.kill()
            daemon.start()
            rounds += 1
        books = braze.books()
    assert books["acked"] == books["distinct_events"] == EVENTS
    drain(daemon)
    check_law(daemon, heapsim, braze.acked())
    there = heapsim.books()
    assert min(there["failed"], there["failed_after"], there["reset"],
               there["cut"]) > 0, "the faults did not happen"
    assert books["network_errors"] > 0, "Braze did not notice a kill"
    failed = sum(there[how] for how in
                 ("failed", "failed_after", "reset", "cut"))
    figure(f"the law: seed {SEED}, {rounds} rounds of kill -9 in "
           f"{time.monotonic() - began:.0f} s, {EVENTS} events; "
           f"{books['network_errors']} of {books['requests']} requests of "
           f"Braze and {failed} of {there['requests']} to Heap failed; "
           f"{there['keys']} keys at Heap, {there['accepted']} stored, "
           f"{there['split']} split")
