"""Nobody waits for what hangs: a log that nobody reads, a disk that does not
answer."""

import signal

import pytest

from braze import batch, event
from conftest import NO_QUOTA, PATIENCE
from names import Log, Metric, Status


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
