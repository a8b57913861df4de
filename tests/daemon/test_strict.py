"""What the mapping makes of nasty events, Heap takes: the strictest Heap.

heapsim --strict refuses what Heap refuses, and placeholders, blank names and
names that come twice besides. CURRENTSD_LONG=1 sends 20,000 events, else
5,000.
"""

import pytest

from commands import odd_sample, tool
from load import LONG
from names import Command, Queue, Receipt, Row, Rule
from test_delivery import SWIFT, wait_settled

COUNT = 20_000 if LONG else 5_000


def odd_events():
    lines = odd_sample(COUNT, 1).encode().split(b"\n")[:-1]
    assert len(lines) == COUNT
    return lines


@pytest.mark.file
@pytest.mark.parametrize("keep", ["", "content,contact"])
def test_strict_heap_takes_every_valid_event(start_heapsim, start_daemon,
                                             keep):
    heapsim = start_heapsim("--strict", "--no-quota")
    settings = {"heap_keep": keep} if keep else {}
    daemon = start_daemon(heap_url=heapsim.url, body_limit="64M", **settings,
                          **SWIFT)
    lines, invalid = odd_events(), 0
    for at in range(0, COUNT, 100):
        answer = daemon.post(
            b'{"events":[' + b",".join(lines[at:at + 100]) + b"]}")
        assert answer.status == 200, answer
        invalid += answer.json[Receipt.DEAD]
        assert answer.json["dropped"] == 0
    queue = wait_settled(daemon)
    assert len(heapsim.keys()) == queue["delivered"] > COUNT // 3
    assert heapsim.books()["refused"] == 0
    assert heapsim.books()["last_refusal"] == ""
    daemon.stop()
    for row in tool(daemon, *Command.DEAD_LIST, "--limit", str(COUNT)):
        assert row[Row.REASON] != Rule.REFUSED
    assert invalid <= queue[Queue.DEAD]
