"""The answers table: one test for each row, named after it.

What Braze does with an answer decides it: 400 deletes events, 401, 403 and
404 strand them, 413 splits the batch, all else is sent again.
"""

import gzip
import http.client
import json
import os
import socket
import uuid
import zlib

import pytest

from conftest import PATIENCE, TOKEN, until

AUTH = f"Authorization: Bearer {TOKEN}\r\n"


def event(kind="users.messages.email.Click", **changes):
    made = {
        "event_type": kind,
        "id": str(uuid.uuid4()),
        "time": 1763935200,
        "user": {"user_id": "0123456789abcdef01234567",
                 "external_user_id": "customer-1"},
        "properties": {"app_group_id": "0123456789abcdef01234567",
                       "dispatch_id": "d", "url": "https://example.com"},
    }
    return {**made, **changes}


def batch(*events):
    return {"events": list(events)}


def zeroes(**changes):
    return {"received": 0, "queued": 0, "buried": 0, "duplicates": 0,
            "dropped": 0, **changes}


def raw(daemon, request, end=False):
    """Send bytes as they are; all that comes back until the close."""
    with daemon.connect() as sock:
        sock.sendall(request)
        if end:
            sock.shutdown(socket.SHUT_WR)
        answer = b""
        while True:
            more = sock.recv(65536)
            if not more:
                return answer
            answer += more


def keep_alive(daemon):
    """A connection that is known to be taken in."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port,
                                            timeout=PATIENCE)
    connection.request("GET", "/healthz")
    assert connection.getresponse().read() == b"ok\n"
    return connection


# ---- batch, now on disk: 200 ----

def test_batch_now_on_disk(daemon, heapsim):
    """The receipt holds although the daemon dies right after it."""
    sent = [event() for _ in range(10)]
    answer = daemon.post(batch(*sent))
    daemon.kill()
    assert answer.status == 200
    assert answer.json == zeroes(received=10, queued=10)
    daemon.start()
    assert daemon.books()["received"] == 10
    until(lambda: len(heapsim.keys()) == 10, "ten events at Heap")


def test_batch_sent_twice_is_duplicates(daemon):
    sent = batch(event(), event())
    assert daemon.post(sent).json == zeroes(received=2, queued=2)
    assert daemon.post(sent).json == zeroes(received=2, duplicates=2)


@pytest.mark.parametrize("encoding, pack", [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("GZIP", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
    ("deflate", zlib.compress),
    ("deflate", lambda data: zlib.compress(data, wbits=-15)),
    ("identity", lambda data: data),
])
def test_batch_encoded(daemon, encoding, pack):
    body = pack(json.dumps(batch(event())).encode())
    answer = daemon.post(body, content_encoding=encoding)
    assert answer.status == 200, answer
    assert answer.json == zeroes(received=1, queued=1)


@pytest.mark.parametrize("path", [
    "/currents", "/currents/", "/currents/main", "/currents/main/",
    "/currents?your_app_group_key=%22Brand%20A%22", "/currents/main/?a",
])
def test_batch_at_any_form_of_the_path(daemon, path):
    assert daemon.post(batch(event()), path).json["queued"] == 1


def test_batch_with_a_raw_space_in_the_query(daemon):
    """Braze's documentation has ?your_app_group_key="Brand A"."""
    body = json.dumps(batch(event())).encode()
    answer = raw(daemon, b'POST /currents?your_app_group_key="Brand A" '
                 b"HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                 + AUTH.encode() + b"Content-Length: %d\r\n\r\n" % len(body)
                 + body)
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert b'"queued":1' in answer


def test_batch_in_chunks(daemon):
    body = json.dumps(batch(event())).encode()
    connection = keep_alive(daemon)
    connection.request("POST", "/currents", iter([body[:7], body[7:]]),
                       {"Authorization": f"Bearer {TOKEN}"},
                       encode_chunked=True)
    assert json.loads(connection.getresponse().read())["queued"] == 1
    connection.close()


# ---- empty or white body, {}, {"events":[]}, {"events":null}: 200 ----

PROBES = ["", " \r\n\t", "{}", '{"events":[]}', '{"events":null}']


@pytest.mark.parametrize("body", PROBES)
def test_probe(daemon, body):
    answer = daemon.post(body)
    assert answer.status == 200
    assert answer.json == zeroes()
    assert daemon.books()["received"] == 0
    assert daemon.metric("currentsd_probes_total") == 1


# ---- bad or no token (also on a probe): 401 ----

@pytest.mark.parametrize("body", [*PROBES, batch(event())])
@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x"])
def test_bad_or_no_token(daemon, token, body):
    answer = daemon.post(body, token=token)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert daemon.books()["received"] == 0


def test_bad_token_before_the_body_is_read(daemon):
    """Who waits for "100 Continue" gets the 401 instead of it."""
    answer = raw(daemon, b"POST /currents HTTP/1.1\r\nHost: x\r\n"
                 b"Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401 "), answer


def test_two_tokens_are_valid_at_once(start_daemon):
    first, second = "first-token-0123456789", "second-token-0123456789"
    daemon = start_daemon(token=f"{first},{second}")
    for token in (first, second):
        assert daemon.post("", token=token).status == 200
        assert daemon.post("", token=None,
                           authorization=f"bEARER  {token}").status == 200
    assert daemon.post("", token=f"{first},{second}").status == 401


# ---- some events flawed or of unknown type: 200 ----

def test_some_events_flawed_or_of_unknown_type(daemon, heapsim):
    """The flawed are buried with their bytes, the unknown forwarded."""
    unknown = event("users.NewThing", properties={"x": 1})
    flawed = '{"event_type": "users.X", "id":"a", "time": "yesterday"}'
    good = [event() for _ in range(98)]
    whole = [json.dumps(one) for one in good]
    body = '{"events":[%s,%s,%s]}' % (",".join(whole), flawed,
                                      json.dumps(unknown))
    answer = daemon.post(body)
    assert answer.status == 200
    assert answer.json == zeroes(received=100, queued=99, buried=1)
    shown = daemon.command("queue", "show", "1")
    assert flawed in shown
    assert "time" in shown
    until(lambda: len(heapsim.keys()) == 99, "the others at Heap")


@pytest.mark.parametrize("rule, fate", [
    ("forward", "queued"), ("bury", "buried"), ("drop", "dropped")])
def test_unknown_type_by_rule(start_daemon, rule, fate):
    daemon = start_daemon(unknown_type=rule)
    answer = daemon.post(batch(event("users.NewThing")))
    assert answer.json == zeroes(received=1, **{fate: 1})


@pytest.mark.parametrize("rule, fate", [("bury", "buried"),
                                        ("drop", "dropped")])
def test_flawed_by_rule(start_daemon, rule, fate):
    daemon = start_daemon(flawed=rule)
    assert daemon.post("[7]").json == zeroes(received=1, **{fate: 1})


# ---- not JSON, events of another type, nothing to point at: 400 ----

STORAGE = {"id": {"string": "a"}, "user_id": {"string": "b"},
           "time": {"int": 1}}


@pytest.mark.parametrize("body, encoding, offset", [
    ("nonsense", None, 0),
    ('{"events":[{"id":"a"}', None, 21),
    ('{"events":7}', None, 10),
    (json.dumps(STORAGE), None, None),
    (gzip.compress(b"nonsense"), "gzip", 0),
    (gzip.compress(b"{}")[:-1], "gzip", 21),
    ("{}", "gzip", None),
    (b"\xff\xff\xff\xff", "deflate", None),
])
def test_body_is_not_json(daemon, body, encoding, offset):
    """Kept first: Braze deletes what is answered 400 twice."""
    headers = {"content_encoding": encoding} if encoding else {}
    answer = daemon.post(body, **headers)
    daemon.kill()
    assert answer.status == 400, answer
    assert answer.json["error"]
    if offset is not None:
        assert answer.json["offset"] == offset
    daemon.start()
    assert daemon.books()["undecodable"] == 1
    assert daemon.books()["received"] == 0


def test_body_is_not_json_and_cannot_be_kept(start_daemon):
    daemon = start_daemon(undecodable_max_bytes="1M")
    bodies = ["x" + os.urandom(400_000).hex() for _ in range(4)]
    answers = [daemon.post(body) for body in bodies]
    assert answers[0].status == 400
    assert answers[-1].status == 503
    assert answers[-1].headers["Retry-After"]
    # What can be read is taken all the same.
    assert daemon.post(batch(event())).status == 200


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
    books = daemon.books()
    assert books["received"] == accepted > 0
    assert books["waiting"] == accepted
    # When Heap is back there is room again, without a person.
    heapsim.control(refuse_all=0)
    until(lambda: daemon.post(batch(event())).status == 200, "room again")


def test_disk_full(start_daemon, tmp_path):
    """As the settings see it: so much should stay free."""
    disk = os.statvfs(tmp_path)
    if disk.f_bavail * disk.f_frsize > 1024 << 30:
        pytest.skip("more than 1 TiB is free: no setting can forbid that")
    daemon = start_daemon(ready=False, queue_min_free="1024G")
    is_full(daemon)
    assert daemon.books()["received"] == 0


def test_memory_spent(start_daemon):
    """Three bodies that do not end hold all the memory."""
    daemon = start_daemon(body_limit="1M", body_memory="3M", max_events=100)
    held = []
    for _ in range(3):
        sock = daemon.connect()
        sock.sendall(b"POST /currents HTTP/1.1\r\nHost: x\r\n"
                     + AUTH.encode() + b"Expect: 100-continue\r\n"
                     b"Content-Length: 1048576\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        held.append(sock)
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
    daemon = start_daemon(max_connections=16)
    held = [keep_alive(daemon) for _ in range(16)]
    is_503(daemon.post(batch(event())))
    assert daemon.get("/healthz").status == 200
    held.pop().close()
    until(lambda: daemon.post(batch(event())).status == 200,
          "a connection given back")
    for connection in held:
        connection.close()


def test_shutting_down(daemon):
    """A request that is being read may end; what begins is refused."""
    body = json.dumps(batch(event())).encode()
    later = keep_alive(daemon)
    probe = keep_alive(daemon)
    with daemon.connect() as reading:
        reading.sendall(b"POST /currents HTTP/1.1\r\nHost: x\r\n"
                        + AUTH.encode() + b"Expect: 100-continue\r\n"
                        b"Content-Length: %d\r\n\r\n" % len(body))
        assert reading.recv(100).startswith(b"HTTP/1.1 100 ")
        daemon.run.process.terminate()
        daemon.run.wait_line("stop signal=TERM")

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
        reading.sendall(body)
        assert reading.recv(4096).startswith(b"HTTP/1.1 200 ")
    probe.close()
    later.close()


# ---- unknown path 404, another method 405, unknown encoding 415 ----

@pytest.mark.parametrize("path", ["/", "/current", "/currents/other",
                                  "/metrics", "/status"])
def test_unknown_path(daemon, path):
    assert daemon.post(batch(event()), path).status == 404
    assert daemon.run.has_line(r" warn +server: refuse status=404 ")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_known_path_with_another_method(daemon, method):
    connection = keep_alive(daemon)
    connection.request(method, "/currents", b"{}" if method == "PUT" else
                       None)
    answer = connection.getresponse()
    assert answer.status == 405
    assert answer.headers["Allow"] == "POST"
    assert daemon.run.has_line(r" warn +server: refuse status=405 ")
    connection.close()


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_encoding_we_do_not_know(daemon, encoding):
    answer = daemon.post(batch(event()), content_encoding=encoding)
    assert answer.status == 415
    assert daemon.run.has_line(r" warn +server: refuse status=415 ")
    assert daemon.books()["received"] == 0


# ---- Braze-Currents-Version missing or not 1: as if it were right ----

@pytest.mark.parametrize("version", [None, "2", ""])
def test_version_missing_or_not_1(daemon, version):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    if version is not None:
        headers["Braze-Currents-Version"] = version
    connection = keep_alive(daemon)
    connection.request("POST", "/currents", json.dumps(batch(event())),
                       headers)
    assert json.loads(connection.getresponse().read())["queued"] == 1
    connection.close()
    assert daemon.metric("currentsd_unexpected_version_total") == 1


# ---- beside the table: requests whose end is uncertain ----

@pytest.mark.parametrize("framing", [
    b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    b"Content-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\n{}\r\n0\r\n\r\n",
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
    assert daemon.metric("currentsd_connections_swept_total") == 1
