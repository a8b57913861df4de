"""Nobody waits for what hangs: a log that nobody reads, a disk that does not
answer."""

import json
import signal

import pytest

from braze import batch, event
from conftest import BUILD, NO_QUOTA, PATIENCE, TOKEN, until
from names import Log, Metric, Queue, Status


def request(body):
    body = json.dumps(body).encode()
    return (f"POST /currents HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {TOKEN}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def fill_log(daemon):
    """Post until lines are dropped: more than pipe and buffer hold."""
    sent = 0
    while daemon.metric(Metric.LOG_DROPPED) == 0:
        for _ in range(50):
            assert daemon.post(batch(event())).status == 200
            sent += 1
    return sent


@pytest.mark.file
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_log_that_nobody_reads(start_daemon, how):
    daemon = start_daemon(log_buffer="64k", log_level="debug", **NO_QUOTA)
    with daemon.run.unread():
        sent = fill_log(daemon)
        assert daemon.get("/readyz").status == 200
        assert daemon.get("/healthz").status == 200
        assert daemon.status()[Status.LOG_DROPPED] > 0
        daemon.run.process.send_signal(how)
        code = daemon.run.process.wait(timeout=PATIENCE)
    assert code == (0 if how == signal.SIGTERM else -how)
    daemon.run = None
    daemon.start()
    assert daemon.queue()["received"] == sent


def test_the_log_tells_what_it_dropped(start_daemon):
    daemon = start_daemon(log_buffer="64k", log_level="debug", **NO_QUOTA)
    with daemon.run.unread():
        fill_log(daemon)
    assert int(daemon.run.wait_line(Log.DROP).group(1)) > 0


@pytest.mark.file
@pytest.mark.parametrize("how, code", [(signal.SIGTERM, 1),
                                       (signal.SIGKILL, -signal.SIGKILL)])
def test_a_disk_that_hangs(start_daemon, tmp_path, how, code):
    """Whoever asks how it is hears it, and a stop ends; what was answered
    before is there, and the post that waits was never answered."""
    hang = tmp_path / "hang"
    daemon = start_daemon(stop_timeout="2s", env={
        "LD_PRELOAD": str(BUILD / "tests" / "libhang.so"), "HANG": str(hang),
        "ASAN_OPTIONS": "verify_asan_link_order=0"}, **NO_QUOTA)
    assert daemon.post(batch(event())).status == 200
    hang.touch()
    with daemon.connect() as waiting:
        waiting.sendall(request(batch(event())))
        until(lambda: daemon.queue()[Queue.DISK_WAIT_S] >= 2, "the hang")
        assert daemon.metric(Metric.DISK_WAIT) >= 2
        assert daemon.metric(Metric.EVENTS_QUEUED) <= 1
        assert daemon.get("/healthz").status in (200, 503)
        assert daemon.run.end(how) == code
        assert waiting.recv(65536) == b""
    if how == signal.SIGTERM:
        daemon.run.wait_line(Log.ABANDON)
    hang.unlink()
    daemon.run = None
    daemon.start()
    assert daemon.queue()["received"] in (1, 2)
