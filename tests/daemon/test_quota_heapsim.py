"""A backlog against a Heap that enforces its quotas. The long run takes
minutes of real time: CURRENTSD_LONG=1."""

import os
import re
import time

import pytest

from conftest import PATIENCE, until
from names import Command, Destination, Text
from test_delivery import SWIFT, delivered_once, event

# Heap's own quotas and our share: the defaults.
QUOTAS = {name: value for name, value in SWIFT.items()
          if not name.endswith("_per_minute")}
BATCH = 1000


def put_backlog(daemon, count, users):
    sent = [event(i % users) for i in range(count)]
    for at in range(0, count, BATCH):
        answer = daemon.post({"events": sent[at:at + BATCH]})
        assert answer.status == 200, answer
    return sent


def drain(daemon, patience):
    """Seconds until nothing is queued."""
    begin = time.monotonic()
    while daemon.queued() > 0:
        assert time.monotonic() - begin < patience, "never empty"
        time.sleep(0.2)  # poll
    return time.monotonic() - begin


def check(heapsim, sent):
    books = heapsim.books()
    assert books["over_quota"] == 0
    assert "429" not in books["by_status"]
    assert books["max_window"] <= 15000
    assert books["max_user_window"] <= 1000
    delivered_once(heapsim, sent)
    return books


def test_no_quota_is_exceeded_in_short(start_daemon, start_heapsim):
    """The same within seconds: a window and a quota are of one shape."""
    heapsim = start_heapsim("--app-quota", "400", "--user-quota", "100")
    daemon = start_daemon(**{**SWIFT, "heap_url": heapsim.url,
                             "heap_events_per_minute": 400,
                             "heap_identity_per_minute": 100})
    put_backlog(daemon, 700, 3)
    begin = time.monotonic()
    while daemon.queue()["delivered"] < 200:
        assert time.monotonic() - begin < PATIENCE, "never so many"
        time.sleep(0.05)  # poll
    books = heapsim.books()
    assert books["over_quota"] == 0
    assert books["max_window"] <= 380 and books["max_user_window"] <= 95


@pytest.mark.file
def test_forecast_counts_the_quota_of_a_person(start_daemon, start_heapsim):
    """The app has room for all of them, the one person has not."""
    heapsim = start_heapsim("--user-quota", "100")
    daemon = start_daemon(**{**QUOTAS, "heap_url": heapsim.url,
                             "heap_identity_per_minute": 100})
    put_backlog(daemon, 250, 1)

    def forecast():
        return daemon.destination()[Destination.DRAIN_FORECAST_S]
    until(lambda: daemon.queue()["delivered"] == 95, "the first minute's")
    until(lambda: 60 < (forecast() or 0) <= 124, "two more minutes")
    assert re.search(r"\nheap +running .* \d\d:\d\d ", daemon.command("status"))
    assert re.search(r"\nheap .* [12] min", daemon.command(*Command.STATS))
    daemon.kill()  # whose events are queued is not known any more
    daemon.start()
    assert forecast() is None
    assert Text.NO_FORECAST in daemon.command("status")


@pytest.mark.skipif("CURRENTSD_LONG" not in os.environ,
                    reason="takes five minutes: CURRENTSD_LONG=1")
def test_backlog_of_60000(start_daemon, heapsim, figure):
    daemon = start_daemon(**QUOTAS)
    begin = time.monotonic()
    sent = put_backlog(daemon, 60000, 5000)
    drain(daemon, 400)
    seconds = time.monotonic() - begin
    books = check(heapsim, sent)
    figure(f"60,000 events in {seconds:.1f} s, {books['requests']} requests, "
           f"most in a minute {books['max_window']}")
    assert seconds < 280
