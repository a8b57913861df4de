"""The answers table, its rows about limits: too large, full, stopping; and
requests that have no end.

413 makes Braze split a batch, 503 makes it send it again: nothing is lost.
"""

import gzip
import json
import os
import zlib

import pytest

from braze import AUTH, PROBES, batch, event, keep_alive, raw
from conftest import TOKEN, until
from names import Log, Metric, Queue


# ---- body over the limit, plain or inflated: 413 ----

@pytest.mark.parametrize("encode", [None, "gzip", "deflate"])
def test_body_over_the_limit(start_daemon, encode):
    pack = {None: bytes, "gzip": gzip.compress, "deflate": zlib.compress}
    daemon = start_daemon(body_limit="1M")
    headers = {"content_encoding": encode} if encode else {}
    for over, status in ((0, 200), (1, 413)):
        body = pack[encode](b" " * ((1 << 20) + over))
        assert daemon.post(body, **headers).status == status


def test_body_over_the_limit_in_chunks(start_daemon):
    daemon = start_daemon(body_limit="1M")
    connection = keep_alive(daemon)
    connection.request("POST", "/currents", iter([b" " * 65536] * 17),
                       {"Authorization": f"Bearer {TOKEN}"},
                       encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 413
    answer.read()
    # The rest was read, so the connection goes on.
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()


def test_too_many_events(start_daemon):
    daemon = start_daemon(max_events=100)
    assert daemon.post([7] * 101).status == 413
    assert daemon.post([7] * 100).status == 200


# ---- queue at its bound, disk full, memory or connections spent,
#      shutting down: 503 with Retry-After ----

def is_503(answer):
    assert answer.status == 503, answer
    assert int(answer.headers["Retry-After"]) > 0


def reading(daemon, length):
    """A connection whose body is waited for."""
    sock = daemon.connect()
    sock.sendall(b"POST /currents HTTP/1.1\r\nHost: x\r\n" + AUTH.encode()
                 + b"Expect: 100-continue\r\n"
                 b"Content-Length: %d\r\n\r\n" % length)
    assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
    return sock


def is_full(daemon):
    """Refuses events, and nothing else: a probe asks for the credential
    only."""
    is_503(daemon.post(batch(event())))
    assert daemon.get("/readyz").status == 503
    assert daemon.get("/healthz").status == 200
    for body in PROBES:
        assert daemon.post(body).status == 200
    assert daemon.post(batch(event()), token="wrong").status == 401
    assert daemon.post("", content_encoding="br").status == 415


def test_queue_at_its_bound(start_daemon, heapsim):
    heapsim.control(refuse_all=500)
    daemon = start_daemon(queue_max_bytes="2M", heap_backoff_most="1s")
    accepted = 0
    while accepted < 100:
        noise = os.urandom(50_000).hex()
        answer = daemon.post(batch(event(properties={"noise": noise})))
        if answer.status != 200:
            break
        accepted += 1
    is_full(daemon)
    queue = daemon.queue()
    assert queue["received"] == accepted > 0
    assert queue[Queue.QUEUED] == accepted
    # When Heap is back there is room again, without an operator.
    heapsim.control(refuse_all=0)
    until(lambda: daemon.post(batch(event())).status == 200, "room again")


@pytest.mark.file
def test_disk_full(start_daemon, tmp_path):
    """As the settings see it: so much should stay free."""
    disk = os.statvfs(tmp_path)
    if disk.f_bavail * disk.f_frsize > 1024 << 30:
        pytest.skip("more than 1 TiB is free: no setting can forbid that")
    daemon = start_daemon(ready=False, queue_min_free="1024G")
    is_full(daemon)
    assert daemon.queue()["received"] == 0


def test_memory_spent(start_daemon):
    """Two bodies that do not end, and what they are read into, leave too
    little memory for a third."""
    daemon = start_daemon(body_limit="1M", body_memory="3M", max_events=100)
    held = [reading(daemon, 1 << 20) for _ in range(2)]
    body = b"[" + b" " * 1_040_000 + b"]"
    is_503(daemon.post(gzip.compress(body), content_encoding="gzip"))
    assert daemon.post("{}").status == 200
    for sock in held:
        sock.close()

    def accepted():
        return daemon.post(gzip.compress(body),
                           content_encoding="gzip").status == 200
    until(accepted, "memory given back")


def test_connections_spent(start_daemon):
    """All busy; idle ones would make room."""
    daemon = start_daemon(max_connections=16)
    held = [reading(daemon, 9) for _ in range(16)]
    is_503(daemon.post(batch(event())))
    assert daemon.get("/healthz").status == 200
    held.pop().close()
    until(lambda: daemon.post(batch(event())).status == 200,
          "a connection given back")
    for sock in held:
        sock.close()


@pytest.mark.file
def test_shutting_down(daemon):
    """A request that is being read may end; what begins is refused."""
    body = json.dumps(batch(event())).encode()
    later = keep_alive(daemon)
    probe = keep_alive(daemon)
    with reading(daemon, len(body)) as begun:
        daemon.run.process.terminate()
        daemon.run.wait_line(Log.STOP)

        def draining():
            probe.request("GET", "/readyz")
            answer = probe.getresponse()
            answer.read()
            return answer.status == 503
        until(draining, "/readyz 503")
        later.request("POST", "/currents", body,
                      {"Authorization": f"Bearer {TOKEN}"})
        answer = later.getresponse()
        is_503(answer)
        assert answer.headers["Connection"] == "close"
        begun.sendall(body)
        assert begun.recv(4096).startswith(b"HTTP/1.1 200 ")
    probe.close()
    later.close()


# ---- beside the table: requests whose end is uncertain ----

@pytest.mark.parametrize("framing", [
    b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    b"Content-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\n{}\r\n0\r\n\r\n",
    b"Content-Length : 2\r\n\r\n{}",
])
def test_ambiguous_length(daemon, framing):
    """Not the events' fault: Braze shall send them again."""
    answer = raw(daemon, b"POST /currents HTTP/1.1\r\nHost: x\r\n"
                 + AUTH.encode() + framing)
    assert answer.startswith(b"HTTP/1.1 503 "), answer
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("begun", [
    b"POST /currents HTTP/1.1\r\nHost:",
    b"POST /currents HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
    b"POST /none HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1\r\n{\r\n",
])
def test_request_that_drips_is_closed(start_daemon, begun):
    daemon = start_daemon(request_timeout="1s")
    assert raw(daemon, begun) == b""
    until(lambda: daemon.metric(Metric.CONNECTIONS_SWEPT) == 1,
          "a connection swept")
