"""Whose fault it is: an event's, a type's, or the destination's.

Scenes as of tests/unit/test_fault_scenes.c, with the real daemon: no good
event becomes a dead letter in any of them. Each is played without a restart,
with planned ones, and with kill -9."""

import json
import random
import re
import time

import pytest

from commands import lines, tool
from conftest import until
from names import (Command, Destination, Log, Metric, Outcome, Queue, Row,
                   Rule, State, Text)
from test_delivery import (SWIFT, delivered_once, event, key, post_lines, put,
                           state, wait_settled)

# As operators have them, but for the time that a test has.
PATIENT = {**SWIFT, "heap_backoff_first": "1s", "heap_backoff_most": "5s",
           "heap_timeout": "2s", "heap_defer": "100ms", "heap_probe": "1s"}

BOUNCE = "users.messages.email.Bounce"


@pytest.fixture(params=[
    pytest.param(None, id="no restart"),
    pytest.param("stop", id="stop", marks=pytest.mark.file),
    pytest.param("kill", id="kill", marks=pytest.mark.file)])
def restart(request):
    """A function that restarts a daemon, or does nothing."""
    def again(daemon):
        if request.param is not None:
            getattr(daemon, request.param)()
            daemon.start()

    return again


def deferred(daemon):
    return daemon.destination()[Destination.DEFERRED]


def parked(daemon):
    return [one["type"] for one in daemon.destination()["parked"]]


def dead(daemon):
    """The keys of the dead letters."""
    return {key(row[Row.EVENT])
            for row in lines(daemon.command(*Command.DEAD_EXPORT))}


def keys(sent):
    return {key(one) for one in sent}


def arrived(heapsim, sent):
    """How many of these are at Heap."""
    return len(keys(sent) & set(heapsim.keys()))


def fates(daemon, heapsim, good):
    return (f"{arrived(heapsim, good)} of {len(good)} good delivered, "
            f"{len(dead(daemon) & keys(good))} dead")


def put_all(daemon, sent):
    for at in range(0, len(sent), 100):
        put(daemon, sent[at:at + 100])


def wait_arrived(heapsim, sent, since):
    """All of these; how long it took."""
    until(lambda: arrived(heapsim, sent) == len(sent), "all the good ones")
    return time.monotonic() - since


class Trickle:
    """One event after the other, beside which suspects are tried."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.sent = []
        self.before = daemon.queue()["delivered"]

    def until(self, condition, what):
        def one_more():
            if condition():
                return True
            if (self.daemon.queue()["delivered"]
                    >= self.before + len(self.sent)):
                self.sent.append(event())
                put(self.daemon, self.sent[-1:])
            return False
        until(one_more, what)


def prove(daemon, count):
    """Send events until so many are dead; returns those that were sent."""
    trickle = Trickle(daemon)
    trickle.until(lambda: daemon.queue()[Queue.DEAD] >= count,
                  f"{count} dead letters")
    return trickle.sent


# ---- an event's

# What the event always draws; the reason, status and answer of its dead
# letter; and the tries that this takes at least.
REFUSED = (Rule.REFUSED, "postBody.events[0]", 3)
FAILED = (Rule.FAILED, "", 11)
DRAWS = {
    "400": ({"refuse_status": 400}, 400, *REFUSED),
    "422": ({"refuse_status": 422}, 422, *REFUSED),
    "403": ({"refuse_status": 403}, 403, *FAILED),
    "500": ({"refuse_status": 500}, 500, *FAILED),
    "reset": ({"refuse": "reset"}, 0, *FAILED),
    "time-out": ({"refuse": "hang"}, 0, *FAILED),
}


def troubles(heapsim):
    """How many requests were not accepted."""
    books = heapsim.books()
    return books["requests"] - books["by_status"].get("200", 0)


@pytest.mark.parametrize("draws", DRAWS)
def test_one_of_61(start_daemon, heapsim, restart, figure, draws):
    control, status, reason, answer, attempts = DRAWS[draws]
    heapsim.control(**control, refuse_key="-poison")
    daemon = start_daemon(**PATIENT)
    sent = [event(i) for i in range(61)]
    bad = sent[17]
    bad["id"] += "-poison"
    good = sent[:17] + sent[18:]
    begin = time.monotonic()
    put(daemon, sent)
    until(lambda: heapsim.books()["requests"] > 0, "a request")
    restart(daemon)
    seconds = wait_arrived(heapsim, good, begin)
    until(lambda: deferred(daemon)[Destination.DEFERRED_EVENTS] == 1,
          "a deferred event")
    assert daemon.queue()[Queue.DEAD] == 0
    trickle = Trickle(daemon)
    trickle.until(lambda: len(trickle.sent) == 10, "some others")
    runs = [daemon.run]  # it may be dead by now
    restart(daemon)
    runs.append(daemon.run)
    while daemon.queue()[Queue.DEAD] == 0:
        before = troubles(heapsim)
        trickle.until(lambda: troubles(heapsim) > before
                      or daemon.queue()[Queue.DEAD] == 1, "another try of it")
    proof_s = time.monotonic() - begin
    queue = wait_settled(daemon)
    good += trickle.sent
    figure(f"{fates(daemon, heapsim, good)}, those of the start within "
           f"{seconds:.1f} s; the bad one dead after {proof_s:.1f} s, "
           f"{len(trickle.sent)} others and {troubles(heapsim)} posts with it")
    assert (queue["delivered"], queue[Queue.DEAD]) == (len(good), 1)
    delivered_once(heapsim, good)
    line = Log.DEAD % (
        bad["event_type"], reason, f"HTTP {status}: " if status else "")
    until(lambda: any(re.search(line, logged)
                      for run in runs for logged in run.lines), "its line")
    row, = tool(daemon, *Command.DEAD_LIST)
    shown = tool(daemon, *Command.DEAD_SHOW, str(row[Row.ID]))
    assert (shown[Row.REASON], shown[Row.STATUS]) == (reason, status)
    assert answer in shown[Row.ANSWER]
    assert shown[Row.ATTEMPTS] >= attempts
    assert json.loads(shown[Row.SENT])["idempotency_key"] == key(bad)
    assert json.loads(shown[Row.EVENT]) == bad


def test_a_bad_event_alone_is_dead_in_the_end(start_daemon, heapsim):
    daemon = start_daemon(**SWIFT)
    heapsim.control(refuse_key="-poison")
    poison = event(id="the-poison")
    put(daemon, [poison])
    until(lambda: deferred(daemon)[Destination.DEFERRED_EVENTS] == 1,
          "a deferred event")
    others = prove(daemon, 1)
    queue = wait_settled(daemon)
    assert (queue["delivered"], queue[Queue.DEAD]) == (len(others), 1)
    assert deferred(daemon)[Destination.DEFERRED_EVENTS] == 0


def test_seven_bad_ones_in_ten_thousand(start_daemon, start_heapsim, figure):
    heapsim = start_heapsim("--no-quota")
    daemon = start_daemon(**{**SWIFT, "heap_url": heapsim.url})
    heapsim.control(refuse_all=503)
    heapsim.control(refuse_key="-poison")
    sent = [event(i) for i in range(10000)]
    bad = sent[123::1427]
    assert len(bad) == 7
    for one in bad:
        one["id"] += "-poison"
    for at in range(0, 10000, 1000):
        put(daemon, sent[at:at + 1000])
    heapsim.control(refuse_all=0)
    until(lambda: daemon.queued() == 7, "the others' delivery")
    judged = len(post_lines(
        daemon, f"({Outcome.ACCEPTED}|{Outcome.REFUSED})"))
    # Full requests, 2*log2(1000) for each, and suspects tried meanwhile.
    bound = 11 + 7 * (2 * 10 + 4)
    figure(f"{judged} requests of at most {bound} for seven bad events in"
           " ten thousand")
    assert judged <= bound
    others = prove(daemon, 7)
    queue = wait_settled(daemon)
    assert (queue["delivered"], queue[Queue.DEAD]) == (9993 + len(others), 7)
    delivered_once(
        heapsim, [one for one in sent if one not in bad] + others)
    assert dead(daemon) == keys(bad)


def test_deferred_events_are_seen(start_daemon, heapsim):
    """A new daemon and a Heap that refuses the few events there are: no
    sender halts for them, so status says what is the matter."""
    daemon = start_daemon(**{**SWIFT, "heap_defer": "1h"})
    assert deferred(daemon) == {
        Destination.DEFERRED_EVENTS: 0, Destination.DEFERRED_WHY: "",
        Destination.DEFERRED_UNTIL: None}
    heapsim.control(refuse_property="braze_channel")
    put(daemon, [event(i) for i in range(3)])
    until(lambda: deferred(daemon)[Destination.DEFERRED_EVENTS] == 3,
          "deferred events")
    told = daemon.destination()
    assert told["state"] == State.RUNNING
    assert told[Destination.DRAIN_FORECAST_S] is None
    told = told[Destination.DEFERRED]
    assert "HTTP 400" in told[Destination.DEFERRED_WHY]
    assert "braze_channel" in told[Destination.DEFERRED_WHY]
    assert told[Destination.DEFERRED_UNTIL] is not None
    text = daemon.command("status")
    assert Text.DEFERRED % 3 in text and "braze_channel" in text
    assert Text.NO_FORECAST in text
    assert daemon.metric(Metric.DEFERRED % "heap") == 3
    daemon.run.wait_line(Log.DEFERRED_OF % ("[123]", "braze_channel"))
    assert sum(re.search(Log.DEFERRED, line) is not None
               for line in daemon.run.lines) == 1
    assert (daemon.queue()[Queue.QUEUED], daemon.queue()[Queue.DEAD]) == (3, 0)


# ---- a type's

def test_one_type_is_refused(start_daemon, start_heapsim, restart, figure):
    """8 % of the events: of these all. How long the others take is shown
    beside how long they take alone."""
    good, bad = [], []
    for i in range(5460):
        if random.Random(i).random() < 0.08:
            bad.append(event(i, event_type=BOUNCE))
        else:
            good.append(event(i))
    sent = good + bad
    random.Random(1).shuffle(sent)

    fine = start_heapsim("--no-quota", "--delay-ms", "60")
    daemon = start_daemon(**PATIENT, heap_url=fine.url)
    begin = time.monotonic()
    put_all(daemon, good)
    alone_s = wait_arrived(fine, good, begin)
    daemon.stop()

    heapsim = start_heapsim("--no-quota", "--delay-ms", "60",
                            "--refuse-event", "Bounce")
    daemon = start_daemon(**PATIENT, heap_url=heapsim.url)
    begin = time.monotonic()
    put_all(daemon, sent)
    until(lambda: arrived(heapsim, good) >= 1000, "some of the good ones")
    restart(daemon)
    seconds = wait_arrived(heapsim, good, begin)
    until(lambda: parked(daemon) == [BOUNCE], "its type is parked")
    restart(daemon)
    assert parked(daemon) == [BOUNCE]
    assert f"{BOUNCE} is parked" in daemon.command("status")
    assert state(daemon) == State.RUNNING
    until(lambda: daemon.queued() + daemon.queue()[Queue.DEAD] == len(bad),
          "the good ones are settled")
    dead_bad = dead(daemon)  # proven before the type was parked
    figure(f"{fates(daemon, heapsim, good)}, within {seconds:.1f} s "
           f"(alone {alone_s:.1f} s); {len(bad) - len(dead_bad)} bad parked, "
           f"{len(dead_bad)} dead; {heapsim.books()['requests']} posts")
    assert dead_bad < keys(bad)
    heapsim.control(refuse_event="")
    queue = wait_settled(daemon)  # once one was tried: one is, each minute
    assert queue["delivered"] == len(sent) - len(dead_bad)
    assert parked(daemon) == []


def test_one_type_is_refused_and_first(start_daemon, start_heapsim, restart,
                                       figure):
    """More of it than is held in memory, and nothing was accepted yet."""
    heapsim = start_heapsim("--no-quota", "--refuse-event", "Bounce")
    daemon = start_daemon(**PATIENT, heap_url=heapsim.url,
                          heap_request_bytes="16k")
    daemon.command(*Command.PAUSE, "heap")
    bad = [event(i, event_type=BOUNCE) for i in range(3000)]
    good = [event(i) for i in range(500)]
    put_all(daemon, bad + good)
    begin = time.monotonic()
    daemon.command(*Command.RESUME, "heap")
    until(lambda: heapsim.books()["refused"] > 5, "it is refused")
    restart(daemon)
    seconds = wait_arrived(heapsim, good, begin)
    until(lambda: parked(daemon) == [BOUNCE], "its type is parked")
    until(lambda: daemon.queued() + daemon.queue()[Queue.DEAD] == len(bad),
          "the good ones are settled")
    figure(f"{fates(daemon, heapsim, good)}, within {seconds:.1f} s; "
           f"{heapsim.books()['requests']} posts")
    assert dead(daemon) < keys(bad)
    assert state(daemon) == State.RUNNING


def test_one_type_is_refused_under_a_trickle(start_daemon, heapsim):
    """One by one, every third of a type that Heap never takes, with many
    accepted before: what helped the first must not help the next."""
    daemon = start_daemon(**{**SWIFT, "heap_linger": "1ms"})
    before = [event(i) for i in range(200)]
    put(daemon, before)
    wait_settled(daemon)
    heapsim.control(refuse_event="Bounce")
    sent = [event(i) for i in range(120)]
    for number, one in enumerate(sent):
        if number % 3 == 2:
            one["event_type"] = BOUNCE
        posts = daemon.destination()[Destination.POSTS]
        put(daemon, [one])
        until(lambda: daemon.destination()[Destination.POSTS] > posts
              or state(daemon) == State.HALTED
              or parked(daemon), "a post")
    assert daemon.destination()[Destination.REFUSED] >= 20
    # Before the type is parked some may be proven; those are bad, too.
    assert daemon.queue()[Queue.DEAD] < 20
    assert parked(daemon) == [BOUNCE]
    until(lambda: daemon.queued() + daemon.queue()[Queue.DEAD] == 40,
          "the others' delivery")


# ---- the destination's

@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 422])
def test_everything_is_refused(start_daemon, heapsim, restart, figure,
                               status):
    daemon = start_daemon(**SWIFT)
    heapsim.control(refuse_all=status)
    sent = [event(i) for i in range(500)]

    def wait_halted():
        until(lambda: state(daemon) == State.HALTED, "it is halted")
        why = daemon.destination()["why"]
        assert f"HTTP {status}" in why
        assert ("were refused" in why) == (status in (400, 422))
        daemon.run.wait_line(Log.HALTED % status)

    put(daemon, sent[:100])
    wait_halted()
    halted = next(at for at, line in enumerate(daemon.run.lines)
                  if re.search(Log.HALTED % status, line))
    tries = sum(re.search(Log.POST % r"\w+", line) is not None
                for line in daemon.run.lines[:halted])
    assert tries <= 20
    restart(daemon)
    wait_halted()
    put_all(daemon, sent[100:])  # taken in all the while
    assert daemon.get("/readyz").status == 200
    posts = daemon.destination()[Destination.POSTS]
    until(lambda: daemon.destination()[Destination.POSTS] > posts + 2, "tries")
    queue = daemon.queue()
    assert (queue[Queue.DEAD], queue["delivered"]) == (0, 0)
    assert queue[Queue.QUEUED] == 500

    begin = time.monotonic()
    heapsim.control(refuse_all=0)
    queue = wait_settled(daemon)
    figure(f"{fates(daemon, heapsim, sent)}, halted after {tries} posts, "
           f"drained within {time.monotonic() - begin:.1f} s of the repair")
    assert (queue[Queue.DEAD], queue["delivered"]) == (0, 500)
    assert state(daemon) == State.RUNNING
    delivered_once(heapsim, sent)


@pytest.mark.file
def test_a_wrong_mapping_makes_no_dead_letter(start_daemon, heapsim):
    """A property that all events have is refused, after all went well."""
    daemon = start_daemon(**SWIFT)
    before = [event(i) for i in range(200)]
    put(daemon, before)
    wait_settled(daemon)
    heapsim.control(refuse_property="braze_channel")
    sent = [event(i) for i in range(500)]
    put(daemon, sent)
    until(lambda: state(daemon) == State.HALTED, "the destination is halted")
    queue = daemon.queue()
    assert (queue[Queue.DEAD], queue["delivered"]) == (0, 200)
    # Corrected here, not at Heap: what is queued is mapped anew.
    daemon.stop()
    daemon.change(heap_add_channel="no")
    daemon.start()
    queue = wait_settled(daemon)
    assert (queue[Queue.DEAD], queue["delivered"]) == (0, 700)
    delivered_once(heapsim, before + sent)


def test_bursts_of_400(start_daemon, start_heapsim, restart, figure):
    """Half a second in each four everybody is refused, under load."""
    heapsim = start_heapsim("--no-quota", "--delay-ms", "60",
                            "--refuse-all", "400", "--refuse-all-ms", "500")
    daemon = start_daemon(**PATIENT, heap_url=heapsim.url,
                          heap_request_events=25)
    sent = []
    begin = time.monotonic()

    def load(refused):
        """Until so many requests were refused."""
        while heapsim.books()["by_status"].get("400", 0) < refused:
            made = [event(len(sent) + i) for i in range(50)]
            put(daemon, made)
            sent.extend(made)
            until(lambda: daemon.queued() < 2000, "not too many are queued")

    load(60)
    restart(daemon)
    load(120)
    refused = heapsim.books()["by_status"]["400"]
    heapsim.control(refuse_all=0)
    queue = wait_settled(daemon)
    figure(f"{fates(daemon, heapsim, sent)}, within "
           f"{time.monotonic() - begin:.1f} s; {refused} posts refused")
    assert (queue["delivered"], queue[Queue.DEAD]) == (len(sent), 0)
    delivered_once(heapsim, sent)
