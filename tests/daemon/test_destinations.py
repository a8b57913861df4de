"""Several sources and destinations: each event arrives only where its source
says, and trouble at one destination is not that of the others."""

import json
import statistics
import time

import pytest

from conftest import Daemon, ask, setting, until
from load import sanitized
from names import Command, State
from test_delivery import SWIFT, event, key

WORDS = {name.removeprefix("heap_"): value for name, value in SWIFT.items()}


def write_settings(path, sources, destinations, words):
    lines = []
    for name, where in sources.items():
        lines += [f'source "{name}" {{', f'token = {{"token-of-{name}"}}',
                  f'destination = "{where}"', "}"]
    for name, heap in destinations.items():
        lines += [f'destination "{name}" {{', 'app_id = "11"',
                  f'url = "{heap.url}"',
                  *(f"{setting('heap_' + word).removeprefix('heap_')} = "
                    f"{value}" for word, value in words.items()),
                  "}"]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def start_several(tmp_path):
    """A function that starts a daemon with sources {name: destination} and
    destinations {name: heapsim}, by a settings file; `main` overrides it."""
    started = []

    def start(sources, destinations, main=None, **settings):
        number = len(started)
        path = tmp_path / f"several{number}.conf"
        write_settings(path, sources, destinations, {**WORDS, **settings})
        daemon = Daemon(tmp_path / f"several{number}", "",
                        {"config": path})
        daemon.change(token=None, heap_app_id=None, heap_url=None,
                      **main or {})
        started.append(daemon)
        return daemon.start()

    yield start
    for daemon in started:
        daemon.stop()


def post(daemon, source, sent, token=None):
    return ask(daemon.port, "POST", f"/currents/{source}",
               json.dumps({"events": sent}),
               {"Authorization": f"Bearer {token or 'token-of-' + source}",
                "Braze-Currents-Version": "1"})


def put(daemon, source, sent):
    for at in range(0, len(sent), 100):
        answer = post(daemon, source, sent[at:at + 100])
        assert answer.status == 200, answer


def state(daemon, name):
    return daemon.destination(name)["state"]


def keys(sent):
    return {key(one) for one in sent}


def test_events_arrive_only_where_their_source_says(start_several,
                                                    start_heapsim):
    heaps = {name: start_heapsim() for name in ("one", "two", "three")}
    daemon = start_several({"a": "one", "b": "two", "c": "three"}, heaps)
    sent = {source: [event(i) for i in range(50)] for source in "abc"}
    for source, events in sent.items():
        put(daemon, source, events)
    assert post(daemon, "a", [event()], "token-of-b").status == 401
    until(lambda: daemon.queued() == 0, "an empty queue")
    for source, heap in zip("abc", heaps.values()):
        assert set(heap.keys()) == keys(sent[source])


def test_sources_of_one_destination_take_turns(start_several, start_heapsim):
    heap = start_heapsim()
    daemon = start_several({"big": "one", "small": "one"}, {"one": heap},
                           request_events=100, in_flight=1,
                           backoff_most="20ms")
    heap.control(refuse_all=503)
    big, small = [event(i) for i in range(2000)], [event(i) for i in range(20)]
    put(daemon, "big", big)
    put(daemon, "small", small)
    heap.control(refuse_all=0, delay_ms=100)
    until(lambda: keys(small) <= set(heap.keys()), "the small source's")
    # Not at the end of the big one's backlog.
    assert len(heap.keys()) < 1500
    heap.control(delay_ms=0)
    until(lambda: daemon.queued() == 0, "an empty queue")


def drain_seconds(daemon, heap, sent):
    """How long the backlog of a destination that was paused takes."""
    daemon.command(*Command.PAUSE, "fine")
    until(lambda: state(daemon, "fine") == State.PAUSED, "it is paused")
    put(daemon, "c", sent)
    before = heap.books()["keys"]
    begin = time.monotonic()
    daemon.command(*Command.RESUME, "fine")
    until(lambda: heap.books()["keys"] == before + len(sent), "all arrived")
    return time.monotonic() - begin


def trouble(heaps, on):
    heaps["hangs"].control(hang_percent=100 if on else 0)
    heaps["fails"].control(refuse_all=500 if on else 0)


def test_a_failing_destination_slows_no_other(start_several, start_heapsim,
                                              figure):
    """One hangs, one answers 500: the ratio of the third one's throughput is
    printed, of rounds in turn, since the machine may be busy."""
    heaps = {name: start_heapsim("--no-quota")
             for name in ("hangs", "fails", "fine")}
    # The senders' manners are the defaults, but for the time that a test has.
    daemon = start_several({"a": "hangs", "b": "fails", "c": "fine"}, heaps,
                           backoff_first="1s", backoff_most="5s",
                           timeout="5s")
    seconds = {"alone": [], "beside": []}
    for _ in range(1 if sanitized() else 3):
        for case, taken in seconds.items():
            trouble(heaps, case == "beside")
            if case == "beside":
                for source in "ab":
                    put(daemon, source, [event(i) for i in range(2000)])
                until(lambda: state(daemon, "fails") == State.BACKING_OFF,
                      "trouble at one")
            taken.append(drain_seconds(
                daemon, heaps["fine"],
                [event(i) for i in range(2000 if sanitized() else 40000)]))
            if case == "beside":
                until(lambda: daemon.queued() == 4000,
                      "nothing is queued but for the failing ones")
            trouble(heaps, False)
            until(lambda: daemon.queued() == 0, "an empty queue")
    ratios = [alone / beside for alone, beside in
              zip(seconds["alone"], seconds["beside"])]
    figure("beside two failing ones the fine one keeps "
           f"{statistics.median(ratios):.0%} of its throughput "
           f"({min(ratios):.0%} to {max(ratios):.0%})")
