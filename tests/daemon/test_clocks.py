"""The clocks: for how long Braze has been in trouble with us, what is kept of
it over crashes, and what strands events without any trouble."""

import os
import pathlib
import re

import pytest

from braze import PROBES, batch, event
from commands import tool
from conftest import until


def full(daemon):
    """Until the queue is at its bound; the answer that says so."""
    for _ in range(100):
        noise = os.urandom(50_000).hex()
        answer = daemon.post(batch(event(properties={"noise": noise})))
        if answer.status != 200:
            return answer
    raise AssertionError("it never was full")


def source(daemon):
    found, = daemon.status()["sources"]
    return found


def kept(daemon, text):
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
    assert before["failing_since"] and before["failing_status"] == 503
    assert "bound" in before["failing_why"]
    assert 0 < before["braze_alerts_in_s"] <= 24 * 3600
    assert 0 < before["braze_gives_up_in_s"] <= 5 * 24 * 3600
    for body in PROBES:
        assert failing.post(body).status == 200
    after = source(failing)
    assert after["failing_since"] == before["failing_since"]
    text = failing.command("status")
    assert re.search(r"FAILING for \d+ s, the last answer was 503\n"
                     r" +why: the queue is at its bound.*\n"
                     r" +Braze alerts its own people in (1 d|23 h) .*\n"
                     r" +Braze switches the connector off in [45] d ", text)


def test_a_crash_stops_no_clock(failing):
    """Neither before nor after a restart, nor while nothing runs."""
    before = source(failing)
    until(lambda: kept(failing, b"failing main the queue"), "it is kept")
    for _ in range(2):
        failing.kill()
        stopped, = tool(failing, "status")["sources"]
        assert stopped["failing_since"] == before["failing_since"]
        assert "FAILING for" in failing.command("status")
        failing.start(ready=False)
        assert source(failing)["failing_since"] == before["failing_since"]
        assert source(failing)["failing_why"] == before["failing_why"]
    token, = source(failing)["tokens"]
    assert token["last_used_s"] is not None
    assert source(failing)["last_success_s"] is not None
    failing.kill()
    failing.env["CURRENTSD_QUEUE_MAX_BYTES"] = "10M"
    failing.start()
    assert source(failing)["failing_since"] == before["failing_since"]
    assert failing.post(batch(event())).status == 200
    assert source(failing)["failing_since"] is None
    assert "FAILING" not in failing.command("status")


def test_when_heap_last_accepted(daemon):
    def accepted(status):
        lane, = status["destinations"]
        return lane["last_accepted"]
    assert accepted(daemon.status()) is None
    daemon.post(batch(event()))
    until(lambda: daemon.books()["delivered"] == 1, "it is delivered")
    before = accepted(daemon.status())
    daemon.kill()
    # What is kept is when it was settled, which is after the answer.
    kept = accepted(tool(daemon, "status"))
    assert kept >= before
    daemon.start()
    assert accepted(daemon.status()) == kept
    assert "last accepted not yet" not in daemon.command("status")
    assert daemon.metric(
        'currentsd_lane_since_accepted_seconds{lane="heap"}') >= 0


def test_refused_requests_are_told(daemon):
    for _ in range(3):
        assert daemon.post(batch(event()), token="old").status == 401
    assert daemon.post(batch(event()), "/current").status == 404
    assert daemon.post(batch(event()), "/currents/nobody").status == 404
    refused = source(daemon)["refused"]
    assert refused["count"] == 3 and refused["status"] == 401
    assert refused["why"] == "the token is not one of this source"
    assert daemon.status()["refused_without_source"]["count"] == 2
    assert daemon.metric(
        'currentsd_source_refused_requests{source="main"}') == 3
    assert source(daemon)["failing_since"] is None, "anybody can cause a 401"
    daemon.stop()
    text = daemon.command("status")
    assert re.search(r"REFUSED requests: 3, the first .* ago, the last .* ago\n"
                     r" +why: 401, the token is not one of this source\n",
                     text)
    assert re.search(r"no source .*\n +REFUSED requests: 2, .*\n +why: 404, no source",
                     text)


def test_paused_is_seen_without_a_daemon(daemon):
    daemon.command("queue", "pause", "heap")
    daemon.stop()
    lane, = tool(daemon, "status")["destinations"]
    assert lane["state"] == "paused"
    assert re.search(r"to +heap +paused, waiting 0, last accepted not yet\n"
                     r" +`currentsd queue resume heap` ends that",
                     daemon.command("status"))
    daemon.start()
    assert "`queue resume` ends that" in daemon.command("status")
