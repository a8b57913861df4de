"""What a balancer or a proxy may do to a connection: the PROXY protocol, HTTP
that the library refuses by itself, a body whose length was lost. None of it is
answered 400, because Braze would delete what it posted, or 200."""

import json
import resource
import socket

import pytest

from braze import PROBES, batch, event, raw
from conftest import until
from hostile import POST, bounded, is_served, statuses
from names import Log, Metric, Source, Status

__all__ = ["bounded"]  # a fixture

V1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 50000 443\r\n"
V1_V6 = b"PROXY TCP6 2001:db8::7 ::1 50000 443\r\n"
V1_UNKNOWN = b"PROXY UNKNOWN\r\n"
V2_START = b"\r\n\r\n\0\r\nQUIT\n"
V2 = (V2_START + b"\x21\x11\0\x0c" + socket.inet_aton("192.0.2.1")
      + socket.inet_aton("192.0.2.2") + b"\xc3\x50\x01\xbb")
V2_V6 = (V2_START + b"\x21\x21\0\x24"
         + socket.inet_pton(socket.AF_INET6, "2001:db8::7") * 2
         + b"\xc3\x50\x01\xbb")
V2_LOCAL = V2_START + b"\x20\0\0\0"


def post(body=None, more=b""):
    body = json.dumps(batch(event())).encode() if body is None else body
    return (POST + b"Connection: close\r\n" + more
            + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def ended(daemon, request):
    """Send it; all that comes back, also if the connection is reset."""
    with daemon.connect() as sock:
        return answer_on(sock, request)


def answer_on(sock, request=b""):
    answer = b""
    try:
        if request:
            sock.sendall(request)
        while more := sock.recv(65536):
            answer += more
    except ConnectionError:
        pass
    return answer


def hung_up(daemon):
    return daemon.metric(Metric.HUNG_UP)


# ---- the PROXY protocol ----

@pytest.mark.parametrize("header, address", [
    (V1, "192.0.2.1:50000"), (V1_V6, "[2001:db8::7]:50000"),
    (V1_UNKNOWN, "127.0.0.1:"), (V2, "192.0.2.1:50000"),
    (V2_V6, "[2001:db8::7]:50000"), (V2_LOCAL, "127.0.0.1:"),
], ids=["v1", "v1-v6", "v1-unknown", "v2", "v2-v6", "v2-local"])
def test_proxy_protocol_on(start_daemon, header, address):
    daemon = start_daemon(listen_proxy_protocol="yes", ready=False)
    answer = raw(daemon, header + post())
    assert statuses(answer) == [200] and b'"queued":1' in answer, answer
    assert statuses(raw(daemon, header + post(b""))) == [200]
    # In pieces, and several requests on one connection.
    with daemon.connect() as sock:
        for byte in header:
            sock.sendall(bytes([byte]))
        for _ in range(3):
            sock.sendall(POST + b"Content-Length: 2\r\n\r\n{}")
            assert statuses(sock.recv(4096)) == [200]
    assert hung_up(daemon) == 0
    assert statuses(raw(daemon, header + b"POST /none HTTP/1.1\r\n"
                        b"Host: x\r\nConnection: close\r\n\r\n")) == [404]
    assert address in daemon.run.wait_line(Log.REFUSED_FROM)[1]


@pytest.mark.parametrize("begun", [
    post(), b"\x16\x03\x01\x02\0" + bytes(100), b"PROXY nonsense\r\n" + post(),
    V2_START + b"\x31\x11\0\0" + post(), V2_START + b"\x21\x11\xff\xff"],
    ids=["none", "tls", "v1", "v2", "long"])
def test_proxy_protocol_on_without_a_valid_header(start_daemon, begun):
    daemon = start_daemon(listen_proxy_protocol="yes", ready=False)
    assert ended(daemon, begun) == b""
    until(lambda: hung_up(daemon) == 1, "counted")
    daemon.run.wait_line(Log.HUNG_UP)
    assert daemon.status()["queue"]["received"] == 0


@pytest.mark.parametrize("header", [V1, V1_V6, V1_UNKNOWN, V2, V2_LOCAL],
                         ids=["v1", "v1-v6", "v1-unknown", "v2", "v2-local"])
def test_proxy_protocol_off(daemon, header):
    """Never 400: closed, counted, shown, and the log says what to set."""
    assert ended(daemon, header + post()) == b""
    until(lambda: hung_up(daemon) == 1, "counted")
    daemon.run.wait_line(Log.HUNG_UP + ".*set listen_proxy_protocol = yes")
    refused = daemon.status()[Status.REFUSED_WITHOUT_SOURCE]
    assert refused[Source.REFUSED_COUNT] == 1
    assert "listen_proxy_protocol = yes" in refused[Source.REFUSED_WHY]
    assert "closed without an answer" in daemon.command("status")
    is_served(daemon)


def test_proxy_header_that_does_not_end(start_daemon):
    """It costs no thread, and its time is limited; others are served."""
    daemon = start_daemon(listen_proxy_protocol="yes", threads=1,
                          idle_timeout="2s", ready=False)
    crowd = [daemon.connect() for _ in range(100)]
    for sock in crowd[:-1]:
        sock.sendall(V1[:20])
    assert statuses(raw(daemon, V1 + post())) == [200]
    with crowd.pop() as silent:
        assert silent.recv(1) == b""
    for sock in crowd:
        assert answer_on(sock) == b""
        sock.close()
    until(lambda: hung_up(daemon) == 99, "the silent one is not counted")


def test_pending_connections_count_and_go_first(start_daemon):
    """A crowd that sends too little to tell leaves those alone that have sent
    a request."""
    daemon = start_daemon(max_connections=64, idle_timeout="10m")
    body = json.dumps(batch(event())).encode()
    begun = []
    for _ in range(8):
        begun.append(daemon.connect())
        begun[-1].sendall(POST + b"Expect: 100-continue\r\n"
                          b"Content-Length: %d\r\n\r\n" % len(body))
        assert begun[-1].recv(100).startswith(b"HTTP/1.1 100 ")
    crowd = [daemon.connect() for _ in range(300)]
    for sock in crowd[::2]:
        sock.sendall(b"P")
    is_served(daemon)
    until(lambda: daemon.metric(Metric.CONNECTIONS_SWEPT) >= 300 - 64,
          "room made")
    for sock in begun:
        sock.sendall(body)
        assert statuses(sock.recv(4096)) == [200]
    for sock in begun + crowd:
        sock.close()


def test_too_few_files_do_not_spin(start_daemon):
    """At the limit of open files the acceptor pauses between its tries."""
    daemon = start_daemon(log_burst=1)
    pid = daemon.run.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, before[1]))
    with daemon.connect() as sock:
        sock.sendall(post())
        daemon.run.wait_line(Log.ACCEPT_FAILED)
        tries = daemon.run.wait_line(Log.ACCEPT_FAILED + ".*" +
                                     Log.SUPPRESSED)[1]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        assert statuses(answer_on(sock)) == [200]
    assert int(tries) < 100


# ---- HTTP that the library refuses ----

CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


# It would answer 400 to these by itself.
MALFORMED = {
    "blank": POST + b"Content-Length: 2 \r\n\r\n{}",
    "tab": POST + b"Content-Length: 2\t\r\n\r\n{}",
    "list": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "colon": POST + b"no colon\r\nContent-Length: 2\r\n\r\n{}",
    "chunk-blank": CHUNKED + b"2 \r\n{}\r\n0\r\n\r\n",
    "chunk-before": CHUNKED + b" 2\r\n{}\r\n0\r\n\r\n",
    "chunk-hex": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "trailer": CHUNKED + b"2\r\n{}\r\n0\r\nno colon\r\n\r\n",
    "version": b"POST /currents HTTP/1.1 x\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
def test_no_400_of_the_library(bounded, request_):
    """On a new connection, and after an answer on the same one."""
    daemon = bounded(4)
    first = POST + b"Content-Length: 2\r\n\r\n{}"
    assert ended(daemon, request_) == b""
    with daemon.connect() as sock:
        sock.sendall(first)
        assert statuses(sock.recv(4096)) == [200]
        assert answer_on(sock, request_) == b""
    assert 400 not in statuses(ended(daemon, first + request_))
    until(lambda: hung_up(daemon) == 3, "counted")
    assert daemon.metric(Metric.ANSWERS % 400) == 0
    assert daemon.metric(Metric.REFUSED_WITHOUT_SOURCE) == 3


@pytest.mark.parametrize("size", [b"A", b"a", b"000a", b"a;x=y", b'a;x="y z"',
                                  b"a;"])
def test_odd_chunk_sizes_are_read(daemon, size):
    answer = raw(daemon, POST + b"Connection: close\r\nTransfer-Encoding: "
                 b"chunked\r\n\r\n" + size + b"\r\n{        }\r\n0\r\n\r\n")
    assert statuses(answer) == [200]


# ---- a body without a length ----

BODY = json.dumps(batch(event())).encode()


@pytest.mark.parametrize("head", [
    POST, POST.replace(b"1.1", b"1.0"), POST + b"Connection: close\r\n"],
    ids=["1.1", "1.0", "close"])
def test_body_without_a_length(daemon, head):
    """It was taken for a probe, answered 200, and lost."""
    answer = ended(daemon, head + b"\r\n" + BODY)
    assert set(statuses(answer)) <= {503} and b" 200 " not in answer, answer
    assert daemon.queue()["received"] == 0
    daemon.run.wait_line(Log.REFUSE % 503 + ".*neither Content-Length")


def test_body_without_a_length_later_on_a_connection(daemon):
    with daemon.connect() as sock:
        for body in [*PROBES, json.dumps(batch(event()))]:
            sock.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body)
                         + body.encode())
            assert statuses(sock.recv(4096)) == [200]
        answer = answer_on(sock, POST + b"\r\n" + BODY)
    assert set(statuses(answer)) <= {503} and b" 200 " not in answer, answer


def test_body_without_a_length_after_chunks(daemon):
    """From then on it is not known how much has arrived: a body has a type."""
    with daemon.connect() as sock:
        sock.sendall(CHUNKED + b"2\r\n{}\r\n0\r\n\r\n")
        assert statuses(sock.recv(4096)) == [200]
        answer = answer_on(sock, POST + b"Content-Type: application/json\r\n"
                           b"\r\n" + BODY)
    assert set(statuses(answer)) <= {503} and b" 200 " not in answer, answer


def test_body_without_a_length_behind_a_proxy_header(start_daemon):
    daemon = start_daemon(listen_proxy_protocol="yes", ready=False)
    assert statuses(raw(daemon, V1 + POST + b"\r\n")) == [200]
    answer = ended(daemon, V1 + POST + b"\r\n" + BODY)
    assert b" 200 " not in answer, answer


@pytest.mark.parametrize("more", [b"", b"\r\n", b"{}"])
def test_probe_without_a_length(daemon, more):
    """No body, and an end of line that some clients add."""
    assert 200 in statuses(ended(daemon, POST + b"\r\n" + more))
    with daemon.connect() as sock:
        sock.sendall(POST + b"\r\n" + more)
        sock.shutdown(socket.SHUT_WR)
        assert 200 in statuses(answer_on(sock))
