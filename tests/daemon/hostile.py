"""A daemon that is treated badly and must bear it in bounded memory."""

import re

import pytest

from braze import AUTH, batch, event
from load import sanitized

MIB = 1 << 20
POST = b"POST /currents HTTP/1.1\r\nHost: x\r\n" + AUTH.encode()


def is_served(daemon):
    """Somebody else, at the same time."""
    answer = daemon.post(batch(event()))
    assert answer.status == 200 and answer.json["queued"] == 1, answer
    assert daemon.get("/healthz").status == 200
    assert daemon.admin("/healthz").status == 200


def memory_most(daemon):
    path = f"/proc/{daemon.run.process.pid}/status"
    with open(path, encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]) * 1024


@pytest.fixture
def bounded(start_daemon):
    """Start a daemon; what it uses in the test may not exceed `mib` more
    than it does after one request, and it serves at the end."""
    checks = []

    def start(mib, **settings):
        daemon = start_daemon(**settings)
        is_served(daemon)
        checks.append((daemon, memory_most(daemon), mib))
        return daemon

    yield start
    for daemon, before, mib in checks:
        is_served(daemon)
        if not sanitized():
            assert memory_most(daemon) - before <= mib * MIB


def statuses(answer):
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]
