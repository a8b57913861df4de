"""Legal but nasty events get through: the strict Heap refuses none of them.

CURRENTSD_LONG=1 sends 20,000, else 2,000.
"""

import os

from commands import sample
from conftest import until

LONG = os.environ.get("CURRENTSD_LONG") not in (None, "", "0")
EVENTS = 20_000 if LONG else 2_000
BATCH = 100


def test_strict_heap_takes_every_odd_event(start_daemon, heapsim):
    heapsim.control(strict=True)
    daemon = start_daemon(heap_linger="50ms", heap_events_per_minute=0,
                          heap_identity_per_minute=0)
    lines = sample("--all", "--odd", "--count", str(EVENTS)).split("\n")[:-1]
    assert len(lines) == EVENTS
    queued = 0
    for at in range(0, EVENTS, BATCH):
        answer = daemon.post("[" + ",".join(lines[at:at + BATCH]) + "]")
        assert answer.status == 200, answer
        assert answer.json["buried"] == answer.json["duplicates"] == 0, answer
        queued += answer.json["queued"]
        until(lambda: daemon.books()["waiting"] < 10 * BATCH, "a short queue")
    assert queued == EVENTS
    until(lambda: daemon.books()["waiting"] == 0, "an empty queue")
    heap = heapsim.books()
    assert set(heap["by_status"]) == {"200"}, heap["last_refusal"]
    books = daemon.books()
    assert books["delivered"] > EVENTS // 3
    # the rest has nobody whom Heap could take it for
    assert books["delivered"] + books["buried"] + books["dropped"] == EVENTS
