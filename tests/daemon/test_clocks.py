"""The clocks: for how long Braze has been in trouble with us, what of that
outlives a crash, and what strands events without any trouble."""

import datetime
import json
import os
import pathlib
import re

import pytest

from braze import PROBES, batch, event
from commands import tool
from conftest import TOKEN, ask, until
from names import (Command, Destination, File, Metric, Pattern, Source, State,
                   Status, Text)


def full(daemon):
    """Until the queue is at its bound; the answer that says so."""
    for _ in range(100):
        noise = os.urandom(50_000).hex()
        answer = daemon.post(batch(event(properties={"noise": noise})))
        if answer.status != 200:
            return answer
    raise AssertionError("it never was full")


def source(daemon):
    found, = daemon.status()[Status.SOURCES]
    return found


def on_disk(daemon, text):
    """The log of the file has it: a crash would not lose it."""
    state = pathlib.Path(daemon.env["CURRENTSD_STATE_DIR"])
    return any(text in path.read_bytes() for path in state.glob("queue.db*"))


@pytest.fixture
def failing(start_daemon, heapsim):
    heapsim.control(refuse_all=503)
    daemon = start_daemon(queue_max_bytes="2M", heap_backoff_most="1s")
    assert full(daemon).status == 503
    return daemon


def test_a_probe_is_no_success(failing):
    before = source(failing)
    assert before[Source.FAILING_SINCE]
    assert before[Source.FAILING_STATUS] == 503
    assert "limit" in before[Source.FAILING_WHY]
    assert 0 < before[Source.BRAZE_ALERTS_IN_S] <= 24 * 3600
    assert 0 < before[Source.BRAZE_GIVES_UP_IN_S] <= 5 * 24 * 3600
    for body in PROBES:
        assert failing.post(body).status == 200
    after = source(failing)
    assert after[Source.FAILING_SINCE] == before[Source.FAILING_SINCE]
    assert re.search(Pattern.FAILING % (503, "the queue has reached its limit"),
                     failing.command("status"))


@pytest.mark.file
def test_a_crash_stops_no_clock(failing):
    """Neither before nor after a restart, nor while nothing runs."""
    before = source(failing)
    since, why = before[Source.FAILING_SINCE], before[Source.FAILING_WHY]
    until(lambda: on_disk(failing, File.FAILING), "it is on disk")
    for _ in range(2):
        failing.kill()
        stopped, = tool(failing, "status")[Status.SOURCES]
        assert stopped[Source.FAILING_SINCE] == since
        assert Text.FAILING_FOR in failing.command("status")
        failing.start(ready=False)
        assert source(failing)[Source.FAILING_SINCE] == since
        assert source(failing)[Source.FAILING_WHY] == why
    token, = source(failing)[Source.TOKENS]
    assert token[Source.TOKEN_LAST_USED_S] is not None
    assert source(failing)[Source.LAST_SUCCESS_S] is not None
    failing.kill()
    failing.change(queue_max_bytes="10M")
    failing.start()
    assert source(failing)[Source.FAILING_SINCE] == since
    assert failing.post(batch(event())).status == 200
    assert source(failing)[Source.FAILING_SINCE] is None
    assert Text.FAILING not in failing.command("status")


@pytest.mark.file
def test_when_heap_last_accepted(daemon):
    def accepted(status):
        destination, = status[Status.DESTINATIONS]
        return destination[Destination.LAST_ACCEPTED]
    assert accepted(daemon.status()) is None
    assert re.search(Pattern.NEVER_ACCEPTED, daemon.command("status"))
    daemon.post(batch(event()))
    until(lambda: daemon.queue()["delivered"] == 1, "it is delivered")
    before = accepted(daemon.status())
    daemon.kill()
    # The file has the time of the settling, which is after the answer.
    stored = accepted(tool(daemon, "status"))
    assert stored >= before
    daemon.start()
    assert accepted(daemon.status()) == stored
    assert not re.search(Pattern.NEVER_ACCEPTED, daemon.command("status"))
    when = datetime.datetime.fromisoformat(stored.replace("Z", "+00:00"))
    assert daemon.metric(Metric.LAST_ACCEPTED % "heap") == pytest.approx(
        when.timestamp(), abs=0.001)


@pytest.mark.file
def test_refused_requests_are_told(daemon):
    for _ in range(3):
        assert daemon.post(batch(event()), token="old").status == 401
    assert daemon.post(batch(event()), "/current").status == 404
    assert daemon.post(batch(event()), "/currents/nobody").status == 404
    refused = source(daemon)[Source.REFUSED]
    assert refused[Source.REFUSED_COUNT] == 3
    assert refused[Source.REFUSED_STATUS] == 401
    why = "the token is not valid for this source"
    assert refused[Source.REFUSED_WHY] == why
    assert daemon.status()[Status.REFUSED_WITHOUT_SOURCE][
        Source.REFUSED_COUNT] == 2
    assert daemon.metric(Metric.SOURCE_REFUSED % "main") == 3
    assert source(daemon)[Source.FAILING_SINCE] is None, \
        "anybody can cause a 401"
    daemon.stop()
    text = daemon.command("status")
    assert re.search(Pattern.REFUSED % (3, 401, why), text)
    assert re.search(Pattern.REFUSED_WITHOUT_SOURCE % (2, 404), text)


@pytest.mark.file
def test_what_a_stranger_does_is_not_charged_to_the_source(daemon):
    """A stranger: no valid token, and no header that Braze always sends."""
    body = json.dumps(batch(event())).encode()
    asked = [("POST", "/currents", {"Authorization": "Bearer wrong"}, 401),
             ("POST", "/currents", {"Content-Encoding": "br"}, 401),
             ("PUT", "/currents", {}, 405), ("GET", "/currents", {}, 405),
             ("PUT", "/currents", {  # Braze only posts
                 "Authorization": f"Bearer {TOKEN}",
                 "Braze-Currents-Version": "1"}, 405),
             ("POST", "/login", {}, 404),
             ("POST", "/current", {  # by check --url
                 "Authorization": f"Bearer {TOKEN}",
                 "Braze-Currents-Version": "1",
                 "Currentsd-Probe": "0123456789abcdef"}, 404),
             ("GET", "/.env", {}, 404)]
    for method, path, headers, status in asked:
        assert ask(daemon.port, method, path, body, headers).status == status
    assert source(daemon)[Source.REFUSED] is None
    assert source(daemon)[Source.FAILING_SINCE] is None
    assert daemon.status()[Status.REFUSED_WITHOUT_SOURCE] is None
    strangers = daemon.status()[Status.REFUSED_STRANGERS]
    assert strangers[Source.REFUSED_COUNT] == len(asked)
    assert strangers[Source.REFUSED_STATUS] == 404
    assert daemon.metric(Metric.REFUSED_STRANGERS) == len(asked)
    daemon.stop()  # and kept without a daemon
    text = daemon.command("status")
    assert re.search(Pattern.STRANGERS % len(asked), text), text
    assert Text.FAILING not in text and Text.REFUSED not in text


def test_an_answer_that_strands_is_no_trouble(daemon):
    """Trouble is sent again until Braze gives up; this is told otherwise."""
    answer = daemon.post(batch(event()), content_encoding="br")
    assert answer.status == 415
    assert source(daemon)[Source.REFUSED][Source.REFUSED_COUNT] == 1
    assert source(daemon)[Source.FAILING_SINCE] is None


@pytest.mark.file
def test_paused_is_seen_without_a_daemon(daemon):
    daemon.command(*Command.PAUSE, "heap")
    daemon.stop()
    destination, = tool(daemon, "status")[Status.DESTINATIONS]
    assert destination["state"] == State.PAUSED
    assert re.search(Pattern.PAUSED_STOPPED % ("heap", "heap"),
                     daemon.command("status"))
    daemon.start()
    assert Text.PAUSED in daemon.command("status")
