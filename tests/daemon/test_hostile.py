"""Hostile input: the memory is bounded, the status is right, and everybody
else is served meanwhile.

413 makes Braze split a batch and 503 send it again; 400 is for an unreadable
body, which is stored. What breaks HTTP itself is answered by
libmicrohttpd, in its way, or closed.
"""

import gzip
import json
import os
import resource
import socket
import subprocess
import time

import pytest

import conftest
from braze import PROBES, batch, event, raw
from commands import CONFIG, bare, enough
from conftest import PATIENCE, PROGRAM, TOKEN, until, variable
from hostile import MIB, POST, bounded, is_served, statuses
from load import sanitized
from names import Log, Metric, Queue, Source, Status, Text
from test_first_bytes import answer_on

__all__ = ["bounded"]  # a fixture

HEADERS_MOST = 256 * 1024  # more than libmicrohttpd keeps of a request
IDLE = 10_000


def was_swept(daemon):
    until(lambda: daemon.metric(Metric.CONNECTIONS_SWEPT) == 1,
          "a connection swept")


# ---- clients that drip ----

@pytest.mark.parametrize("begun, drip", [
    (b"", b"a"),
    (b"POST /", b"a"),
    (POST, b"X-Drip: 1\r\n"),
    (POST + b"X-Drip: ", b"a"),
    (POST + b"Content-Length: 100000\r\n\r\n", b" "),
    (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    (POST + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a"),
    (b"POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
     b" "),
], ids=["nothing", "line", "headers", "header", "body", "chunks",
        "extension", "refused"])
def test_a_client_that_drips_is_closed(bounded, begun, drip):
    daemon = bounded(4, request_timeout="1s", idle_timeout="2s")
    with daemon.connect() as sock:
        sock.sendall(begun)
        is_served(daemon)
        sock.settimeout(0.05)  # the time between two drops
        end = time.monotonic() + PATIENCE
        answer = None
        while answer is None and time.monotonic() < end:
            try:
                sock.sendall(drip)
                answer = sock.recv(4096)
            except TimeoutError:
                pass
            except OSError:
                answer = b""
        assert answer == b"", "was not closed"
    was_swept(daemon)


# ---- crowds ----

@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < IDLE + 1000:
        pytest.skip(f"only {hard} open files are permitted")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("most", [None, IDLE + 100])
def test_ten_thousand_idle_connections(bounded, most):
    """Above the bound the client that is idle for longest makes room; a
    large bound costs memory, about 4 KiB each."""
    settings = {"max_connections": most} if most else {}
    daemon = bounded(64, **settings)
    crowd = []
    try:
        for _ in range(IDLE):
            crowd.append(daemon.connect())
        is_served(daemon)
        fds = f"/proc/{daemon.run.process.pid}/fd"
        if most:
            until(lambda: len(os.listdir(fds)) > IDLE, "all taken in")
            is_served(daemon)
        else:
            until(lambda: len(os.listdir(fds)) < 1200, "room made")
    finally:
        for sock in crowd:
            sock.close()


def test_crowd_of_begun_requests(bounded):
    """Busy connections stay open: a client that comes then gets a 503."""
    daemon = bounded(8, max_connections=64, request_timeout="2s")
    crowd = []
    for _ in range(64):
        crowd.append(daemon.connect())
        crowd[-1].sendall(POST + b"Expect: 100-continue\r\n"
                          b"Content-Length: 1000\r\n\r\n")
        assert crowd[-1].recv(100).startswith(b"HTTP/1.1 100 ")
    assert daemon.post(batch(event())).status == 503
    assert daemon.get("/healthz").status == 200
    until(lambda: daemon.post(batch(event())).status == 200, "sweep")
    for sock in crowd:
        sock.close()


@pytest.fixture
def start_two(start_daemon, tmp_path, heapsim):
    """A function that starts a daemon with two sources, main and other."""
    def start(**settings):
        config = tmp_path / "currentsd.conf"
        config.write_text("".join(
            f'source "{name}" {{ token = "{TOKEN}" }}\n'
            for name in ("main", "other"))
            + f'destination "heap" {{ app_id = "11" url = "{heapsim.url}" }}')
        return start_daemon(config=config, token=None, heap_app_id=None,
                            heap_url=None, request_timeout="10m",
                            idle_timeout="10m", **settings)
    return start


LARGE = json.dumps(batch(*[event() for _ in range(100)]))


@pytest.mark.parametrize("lengths", [
    [1000] * 100, [500_000] * 20 + [2000] * 20], ids=["many", "large"])
def test_a_source_that_stalls_harms_no_other(start_two, lengths):
    """All the connections and all the memory that it can get."""
    daemon = start_two(max_connections=64, body_memory="8M", body_limit="1M",
                       max_events=1000)
    crowd = []
    try:
        for length in lengths:
            crowd.append(daemon.connect())
            crowd[-1].sendall(POST + b"Content-Length: %d\r\n\r\n{" % length)
            assert daemon.get("/healthz").status == 200
        for _ in range(10):
            assert daemon.post(LARGE, "/currents/other").status == 200
    finally:
        for sock in crowd:
            sock.close()


@pytest.mark.parametrize("begun", [
    b"POST /cur", b"POST /currents HTTP/1.1\r\nHost: x\r\nX-Drip: ",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx"],
    ids=["line", "headers", "body"])
def test_a_crowd_without_a_token_keeps_nobody_out(bounded, begun):
    """The slowest that has shown no token makes room, whatever it began; one
    that has shown it stays."""
    daemon = bounded(8, max_connections=64, threads=1,
                     request_timeout="10m", idle_timeout="10m")
    body = json.dumps(batch(event())).encode()
    proven = daemon.connect()
    proven.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body))
    crowd = []
    try:
        for _ in range(80):
            crowd.append(daemon.connect())
            crowd[-1].sendall(begun)
            # Once it is answered, what was begun has been read.
            assert daemon.get("/healthz").status == 200
        is_served(daemon)
        proven.sendall(body)
        assert statuses(proven.recv(4096)) == [200]
    finally:
        for sock in [proven, *crowd]:
            sock.close()


def test_crowds_that_come_at_once(bounded):
    """More than max_connections, before a thread can look at any of them."""
    daemon = bounded(8, max_connections=16, threads=2)
    for _ in range(10):
        crowd = [daemon.connect() for _ in range(100)]
        for sock in crowd:
            sock.sendall(b"POST /cur")
        is_served(daemon)
        for sock in crowd:
            sock.close()


@pytest.mark.skipif(sanitized(), reason="sanitizers abort without memory")
def test_a_crowd_without_memory_takes_no_places(start_daemon):
    """What the library has no memory for it closes, and tells nobody."""
    daemon = start_daemon(max_connections=8)
    is_served(daemon)
    pid, data = daemon.run.process.pid, resource.RLIMIT_DATA
    soft, hard = resource.prlimit(pid, data)
    resource.prlimit(pid, data, (1, hard))
    for _ in range(100):
        with daemon.connect() as sock:
            answer_on(sock, b"POST /cur\r\n\r\n")
    resource.prlimit(pid, data, (soft, hard))

    def answered():
        with daemon.connect() as sock:
            return answer_on(sock, b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
                             b"Connection: close\r\n\r\n")

    until(answered, "a place")
    is_served(daemon)


def test_a_crowd_leaves_files_for_delivery(start_daemon, heapsim, tmp_path,
                                           monkeypatch):
    """The limit of open files may be far below max_connections."""
    limited = tmp_path / "limited"
    limited.write_text(f'#!/bin/sh\nulimit -n 192\nexec {PROGRAM} "$@"\n')
    limited.chmod(0o755)
    monkeypatch.setattr(conftest, "PROGRAM", str(limited))
    daemon = start_daemon()
    crowd = []
    try:
        for _ in range(400):
            crowd.append(daemon.connect())
        is_served(daemon)
        until(lambda: daemon.queue()["delivered"] == 1, "it is delivered")
        assert daemon.command("status")
    finally:
        for sock in crowd:
            sock.close()
    daemon.run.wait_line(Log.FEWER_CONNECTIONS)


def test_too_few_files_for_queue_and_delivery(tmp_path):
    """They would be enough for a few connections alone."""
    env = {variable(name): str(value)
           for name, value in enough(tmp_path).items()}
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 96; exec "$0" serve', PROGRAM],
        env={**bare(), **env}, stderr=subprocess.PIPE, text=True,
        timeout=PATIENCE, check=False)
    assert done.returncode == CONFIG
    assert "the limit of open files is 96, but at least" in done.stderr


def test_pipelining(bounded):
    """Every request is answered, in order."""
    daemon = bounded(8)
    body = json.dumps(batch(event())).encode()
    requests, want = [], []
    for i in range(200):
        if i % 4 == 3:
            requests.append(b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n")
            want.append(404)
            continue
        new = body.replace(b"customer-1", b"customer-%d" % i)
        requests.append(POST + b"Content-Length: %d\r\n\r\n" % len(new) + new)
        want.append(200)
    requests.append(b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
                    b"Connection: close\r\n\r\n")
    assert statuses(raw(daemon, b"".join(requests))) == want + [200]


# ---- bodies without end, and too large ----

def pour(daemon, head, piece, most=None):
    """Send as much as is taken; (bytes sent, what came back)."""
    sent = 0
    with daemon.connect() as sock:
        sock.sendall(head)
        try:
            while most is None or sent < most:
                sock.sendall(piece)
                sent += len(piece)
            if piece.endswith(b"\r\n"):
                sock.sendall(b"0\r\n\r\n")
            return sent, sock.recv(4096)
        except OSError:
            return sent, b""


def chunk(size):
    return b"%x\r\n" % size + b" " * size + b"\r\n"


@pytest.mark.parametrize("piece", [chunk(1), chunk(65536)],
                         ids=["small", "large"])
def test_chunks_without_end(bounded, piece):
    daemon = bounded(8, body_limit="1M", request_timeout="2s")
    sent, answer = pour(daemon, POST + b"Transfer-Encoding: chunked\r\n\r\n",
                        piece)
    assert sent > 0 and answer == b""
    was_swept(daemon)


@pytest.mark.parametrize("framing, piece", [
    (b"Content-Length: %d" % (1024 * MIB), b" " * MIB),
    (b"Transfer-Encoding: chunked", chunk(MIB - 9)),
], ids=["declared", "chunked"])
@pytest.mark.parametrize("coding", [b"identity", b"gzip"])
def test_body_of_a_gibibyte(bounded, framing, piece, coding):
    """Read to its end, and 413 then; a declared one is not stored at all."""
    daemon = bounded(48)
    head = POST + b"Content-Encoding: " + coding + b"\r\n" + framing
    sent, answer = pour(daemon, head + b"\r\n\r\n", piece, 1024 * MIB)
    assert sent >= 1024 * MIB and statuses(answer) == [413], answer


def test_gibibyte_that_asks_first(bounded):
    daemon = bounded(2)
    answer = raw(daemon, POST + b"Expect: 100-continue\r\n"
                 b"Content-Length: %d\r\n\r\n" % (1024 * MIB))
    assert statuses(answer) == [413]


def test_many_large_bodies_at_once(bounded):
    """32 bodies of 12 MiB that do not end, at a budget of 64 MiB."""
    daemon = bounded(64 + 16, body_memory="64M", max_events=1000,
                     request_timeout="10m")
    crowd = [daemon.connect() for _ in range(32)]
    for sock in crowd:
        sock.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(12):
        for sock in crowd:
            sock.sendall(chunk(MIB))
    got = set()
    for sock in crowd:
        sock.sendall(b"0\r\n\r\n")
        got.update(statuses(sock.recv(4096)))
        sock.close()
    # Blanks are no body, but a probe.
    assert got <= {200, 503} and 503 in got


# ---- gzip ----

@pytest.mark.parametrize("plain", [b" ", b"7,"], ids=["blanks", "events"])
def test_gzip_bombs(bounded, plain):
    """A thousandfold, eight at once."""
    daemon = bounded(8 * 2 * 16, body_memory="256M")
    bomb = gzip.compress(b"[" + plain * (256 * MIB // len(plain)), 1)
    crowd = [daemon.connect() for _ in range(8)]
    for sock in crowd:
        sock.sendall(POST + b"Content-Encoding: gzip\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(bomb) + bomb)
    is_served(daemon)
    for sock in crowd:
        assert statuses(sock.recv(4096)) == [413]
        sock.close()


def test_gzip_of_many_members(bounded):
    daemon = bounded(64)
    member = gzip.compress(b"")
    assert daemon.post(member * 100_000 + gzip.compress(b"[]"),
                       content_encoding="gzip").status == 200


def test_too_many_tiny_events(bounded):
    """Each costs more memory than it has bytes."""
    daemon = bounded(96)
    assert daemon.post(b"[" + b"7," * (8 * MIB - 8) + b"7]").status == 413


# ---- headers ----

@pytest.mark.parametrize("flood", [
    b"X: " + b"a" * HEADERS_MOST + b"\r\n\r\n",
    b"".join(b"X%d: y\r\n" % i for i in range(10_000)) + b"\r\n",
    b"Content-Length: 2\r\n" * 10_000 + b"\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    + b"X: y\r\n" * 10_000 + b"\r\n",
], ids=["long", "many", "lengths", "trailers"])
def test_header_floods(bounded, flood):
    daemon = bounded(4)
    assert statuses(raw(daemon, POST + flood))[0] == 431


def test_long_address(bounded):
    daemon = bounded(4)
    answer = raw(daemon, b"POST /" + b"a" * HEADERS_MOST + b" HTTP/1.1\r\n\r\n")
    assert statuses(answer)[0] == 414


def test_headers_without_end(bounded):
    daemon = bounded(4)
    _, answer = pour(daemon, POST, b"X-More: " + b"a" * 1000 + b"\r\n",
                     64 * MIB)
    assert not answer or statuses(answer)[0] == 431


@pytest.mark.parametrize("framing, status", [
    (b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 503),
    (b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 503),
    (b"Content-Length : 2\r\n\r\n{}", 503),
    (b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"2\r\n{}\r\n0\r\n\r\n", 503),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n"
     b"2\r\n{}\r\n0\r\n\r\n", 503),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"2\r\n{}\r\n0\r\n\r\n", 503),
    (b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 503),
    (b"Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 503),
    (b"Transfer-Encoding: identity\r\n\r\n{}", 503),
    # Not a number, or not of this world: what libmicrohttpd would answer 400
    # by itself is hung up on.
    (b"Content-Length: 2, 2\r\n\r\n{}", None),
    (b"Content-Length: +2\r\n\r\n{}", None),
    (b"Content-Length: -2\r\n\r\n{}", None),
    (b"Content-Length: 0x2\r\n\r\n{}", None),
    (b"Content-Length: 2 2\r\n\r\n{}", None),
    (b"Content-Length: \r\n\r\n{}", None),
    (b"Content-Length: 99999999999999999999999\r\n\r\n{}", 413),
    (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", None),
    (b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n", None),
    (b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n", None),
    (b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}", 413),
    (b"X\0Y: z\r\nContent-Length: 2\r\n\r\n{}", None),
    (b"no colon\r\nContent-Length: 2\r\n\r\n{}", None),
])
def test_uncertain_framing(bounded, framing, status):
    """The connection ends: what follows on it may be anything, so the next
    request on it is not served."""
    daemon = bounded(4)
    before = daemon.queue()["received"]
    smuggled = json.dumps(batch(event())).encode()
    with daemon.connect() as sock:
        sock.sendall(POST + framing + POST + b"Content-Length: %d\r\n\r\n"
                     % len(smuggled) + smuggled)
        sock.shutdown(socket.SHUT_WR)
        answer, reset = b"", False
        try:
            while more := sock.recv(4096):
                answer += more
        except ConnectionResetError:
            reset = True  # and the answer may be lost with it
    if status is None:
        assert answer == b""
    else:
        assert set(statuses(answer)) == {status} or reset and not answer, answer
    assert daemon.queue()["received"] == before


@pytest.mark.parametrize("noise", [
    b"\0" * 100_000, b"\x16\x03\x01" + bytes(range(256)) * 400,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], ids=["nuls", "tls", "http2"])
def test_noise(bounded, noise):
    daemon = bounded(4, request_timeout="1s", idle_timeout="1s")
    _, answer = pour(daemon, noise, b"\0" * 1000, 2 * MIB)
    assert not statuses(answer) or statuses(answer)[0] >= 400


def test_nul_in_a_header(bounded):
    daemon = bounded(4)
    body = json.dumps(batch(event())).encode()
    answer = raw(daemon, POST + b"X: a\0b\r\nContent-Length: %d\r\n"
                 b"Connection: close\r\n\r\n" % len(body) + body)
    assert statuses(answer) == [200]


@pytest.mark.parametrize("head", [
    POST + b": x\r\nContent-Length: %d\r\n\r\n",
    POST + b": x\r\nTransfer-Encoding: chunked\r\nX: %d\r\n\r\n",
    POST + b"Content-Length: %d\r\n: x\r\n\r\n",
    POST + b"Content-Length: %d\r\n:\r\nX: y\r\n\r\n",
    POST + b"Content-Length: %d\r\n folded\r\n\r\n",
    POST.replace(b"Authorization", b": x\r\nAuthorization")
    + b"Content-Length: %d\r\n\r\n",
], ids=["length", "chunked", "body", "more", "folded", "token"])
def test_headers_that_the_library_misreads(bounded, head):
    """It takes a header without a name for the end of the headers: a 200 to
    the empty body, a 400 to the cut one, or a 401 would lose the events."""
    daemon = bounded(4)
    before = daemon.queue()
    body = json.dumps(batch(event())).encode()
    assert statuses(raw(daemon, head % len(body) + body)) == [503]
    after = daemon.queue()
    assert after["received"] == before["received"]
    assert after[Queue.UNREADABLE] == before[Queue.UNREADABLE]


@pytest.mark.parametrize("head", [
    POST + b"Content-Length:     %d\r\n",
    POST + b"X: y  \r\nContent-Length:%d\r\n",
    POST.replace(b"currents", b'currents?key="Brand  A"&b=%%25')
    + b"Content-Length: %d\r\n",
], ids=["blanks", "none", "query"])
def test_headers_that_are_only_odd(bounded, head):
    daemon = bounded(4)
    body = json.dumps(batch(event())).encode()
    answer = raw(daemon, head % len(body) + b"Connection: close\r\n\r\n"
                 + body)
    assert statuses(answer) == [200]
    assert b'"queued":1' in answer, answer


@pytest.mark.parametrize("probe", PROBES)
def test_a_doubled_blank_in_a_probe(bounded, probe):
    daemon = bounded(4)
    head = POST + b"X:  y\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    answer = raw(daemon, head % len(probe) + probe.encode())
    assert statuses(answer) == [200]


def test_probes_on_one_connection(bounded):
    """What the headers of one have does not count for the next."""
    daemon = bounded(4)
    probe = (POST.replace(b"currents", b'currents?your_app_group_key="A B"')
             + b"Content-Length: 0\r\n%s\r\n")
    answer = raw(daemon, probe % b"" + probe % b"X: y\r\n" + probe % b""
                 + probe % b"Connection: close\r\n")
    assert statuses(answer) == [200] * 4


def test_what_the_library_refuses_is_seen(daemon):
    """It would be a 400, which makes Braze delete, and no request of ours."""
    assert daemon.metric(Metric.REFUSED_WITHOUT_SOURCE) == 0
    for _ in range(2):
        assert raw(daemon, POST + b"Content-Length: abc\r\n\r\n") == b""
    daemon.run.wait_line(Log.LIBRARY % 400)
    refused = daemon.status()[Status.REFUSED_WITHOUT_SOURCE]
    assert refused[Source.REFUSED_COUNT] == 2
    assert refused[Source.REFUSED_STATUS] == 0
    assert daemon.metric(Metric.REFUSED_WITHOUT_SOURCE) == 2
    assert daemon.metric(Metric.HUNG_UP) == 2
    assert daemon.metric(Metric.ANSWERS % 400) == 0


@pytest.mark.parametrize("request_, status", [
    (POST + b"X: " + b"a" * HEADERS_MOST + b"\r\n\r\n", 431),
    (b"POST /" + b"a" * HEADERS_MOST + b" HTTP/1.1\r\n\r\n", 414),
    (POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}",
     413),
    (b"POST /currents HTTP/9.9\r\nHost: x\r\n\r\n", 505),
], ids=["headers", "address", "chunk", "version"])
def test_what_the_library_answers_is_seen(daemon, request_, status):
    """It makes nobody delete, but is answered to whoever tries again, too."""
    assert statuses(raw(daemon, request_))[0] == status
    daemon.run.wait_line(Log.LIBRARY % status)
    until(lambda: daemon.metric(Metric.REFUSED_WITHOUT_SOURCE) == 1, "shown")
    assert daemon.metric(Metric.ANSWERS % status) == 1
    refused = daemon.status()[Status.REFUSED_WITHOUT_SOURCE]
    assert refused[Source.REFUSED_COUNT] == 1
    assert refused[Source.REFUSED_STATUS] == status
    assert Text.SENDS_AGAIN in daemon.command("status")
