"""The answers table: one test for each row, named after it. The rows about
limits are in test_answers_limits.py.

What Braze does with an answer decides it: 400 deletes events, 401, 403 and
404 strand them, 413 splits the batch, all else is sent again.
"""

import gzip
import json
import os
import zlib

import pytest

from braze import AUTH, PROBES, batch, event, keep_alive, raw, receipt
from conftest import TOKEN, until
from names import Choice, Command, Log, Metric, Queue, Receipt

# ---- batch, now on disk: 200 ----

@pytest.mark.file
def test_batch_now_on_disk(daemon, heapsim):
    """The receipt holds although the daemon dies right after it."""
    sent = [event() for _ in range(10)]
    answer = daemon.post(batch(*sent))
    daemon.kill()
    assert answer.status == 200
    assert answer.json == receipt(received=10, queued=10)
    daemon.start()
    assert daemon.queue()["received"] == 10
    until(lambda: len(heapsim.keys()) == 10, "ten events at Heap")


def test_batch_sent_twice_is_duplicates(daemon):
    sent = batch(event(), event())
    assert daemon.post(sent).json == receipt(received=2, queued=2)
    assert daemon.post(sent).json == receipt(received=2, duplicates=2)


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
    assert answer.json == receipt(received=1, queued=1)


@pytest.mark.parametrize("encoding, pack", [
    ("gzip", lambda data: data),
    ("deflate", lambda data: b"\n " + data),
    ("deflate", lambda data: json.dumps(json.loads(data), indent=1).encode()),
    ("deflate", gzip.compress),
    (None, gzip.compress),
    (None, lambda data: b"\xef\xbb\xbf" + data),
    ("gzip", lambda data: b"\xef\xbb\xbf" + data),
    ("gzip", lambda data: gzip.compress(b"\xef\xbb\xbf" + data)),
])
def test_batch_with_a_wrong_label_or_a_mark(daemon, encoding, pack):
    """A proxy inflated it, and left the label; or dropped the label."""
    body = pack(json.dumps(batch(event())).encode())
    headers = {"content_encoding": encoding} if encoding else {}
    answer = daemon.post(body, **headers)
    assert answer.status == 200, answer
    assert answer.json == receipt(received=1, queued=1)


@pytest.mark.parametrize("path", [
    "/currents", "/currents/", "/currents/main", "/currents/main/",
    "//currents", "///currents//main", "/currents/main/?a",
    "/currents?your_app_group_key=%22Brand%20A%22",
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

@pytest.mark.parametrize("body", PROBES)
def test_probe(daemon, body):
    answer = daemon.post(body)
    assert answer.status == 200
    assert answer.json == receipt()
    assert daemon.queue()["received"] == 0
    assert daemon.metric(Metric.PROBES) == 1


# ---- bad or no token (also on a probe): 401 ----

@pytest.mark.parametrize("body", [*PROBES, batch(event())])
@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x"])
def test_bad_or_no_token(daemon, token, body):
    answer = daemon.post(body, token=token)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert daemon.queue()["received"] == 0


def test_bad_token_before_the_body_is_read(daemon):
    """A client that waits for "100 Continue" gets the 401 instead."""
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


# ---- some events invalid or of unknown type: 200 ----

def test_some_events_invalid_or_of_unknown_type(daemon, heapsim):
    """The invalid are dead letters with their bytes, the unknown forwarded."""
    unknown = event("users.NewThing", properties={"x": 1})
    invalid = '{"event_type": "users.X", "id":"a", "time": "yesterday"}'
    good = [event() for _ in range(98)]
    whole = [json.dumps(one) for one in good]
    body = '{"events":[%s,%s,%s]}' % (",".join(whole), invalid,
                                      json.dumps(unknown))
    answer = daemon.post(body)
    assert answer.status == 200
    assert answer.json == receipt(received=100, queued=99, dead=1)
    shown = daemon.command(*Command.DEAD_SHOW, "1")
    assert invalid in shown
    assert "time" in shown
    until(lambda: len(heapsim.keys()) == 99, "the others at Heap")


@pytest.mark.parametrize("choice, fate", [
    (Choice.FORWARD, "queued"), (Choice.DEAD, "dead"),
    (Choice.DROP, "dropped")])
def test_unknown_type_by_choice(start_daemon, choice, fate):
    daemon = start_daemon(unknown_type=choice)
    answer = daemon.post(batch(event("users.NewThing")))
    assert answer.json == receipt(received=1, **{fate: 1})


@pytest.mark.parametrize("choice, fate", [
    (Choice.DEAD, "dead"), (Choice.DROP, "dropped")])
def test_invalid_by_choice(start_daemon, choice, fate):
    daemon = start_daemon(invalid=choice)
    assert daemon.post("[7]").json == receipt(received=1, **{fate: 1})


# ---- not JSON, events of another type, nothing to point at: 400 ----

STORAGE = {"id": {"string": "a"}, "user_id": {"string": "b"},
           "time": {"int": 1}}


@pytest.mark.file
@pytest.mark.parametrize("body, encoding, offset", [
    ("nonsense", None, 0),
    ('{"events":[{"id":"a"}', None, 21),
    ('{"events":7}', None, 10),
    (json.dumps(STORAGE), None, None),
    (json.dumps(batch(STORAGE)), None, 12),
    (json.dumps([batch(event(id="a"))]), None, 1),
    (json.dumps({"batches": [batch(event(id="a"))]}), None, 0),
    ('{"events":[],"attributes":[{"external_id":"a"}]}', None, 0),
    ('{"type":"track","userId":"u","event":"e","properties":{}}', None, 0),
    (gzip.compress(b"nonsense", mtime=0), "gzip", 0),
    (gzip.compress(b"{}", mtime=0)[:-1], "gzip", 21),
    (b"\xff\xff\xff\xff", "deflate", None),
])
def test_body_is_not_json(daemon, body, encoding, offset):
    """Stored first: Braze deletes what is answered 400 twice."""
    headers = {"content_encoding": encoding} if encoding else {}
    answer = daemon.post(body, **headers)
    daemon.kill()
    assert answer.status == 400, answer
    assert answer.json[Receipt.ERROR]
    if offset is not None:
        assert answer.json[Receipt.OFFSET] == offset
    daemon.start()
    assert daemon.queue()[Queue.UNREADABLE] == 1
    assert daemon.queue()["received"] == 0


@pytest.mark.file
def test_what_is_no_object_is_no_duplicate(start_daemon):
    """Nothing tells one null from another: each is a dead letter."""
    daemon = start_daemon()
    for _ in range(2):
        answer = daemon.post('{"events":[null,17,null,"x"]}')
        assert answer.json == receipt(received=4, dead=4)
        daemon.stop()
        daemon.start()


def test_body_is_not_json_and_cannot_be_stored(start_daemon):
    daemon = start_daemon(unreadable_max_bytes="100k")
    answer = daemon.post("x" + os.urandom(400_000).hex())
    assert answer.status == 503
    assert answer.headers["Retry-After"]
    # What can be read is taken all the same.
    assert daemon.post(batch(event())).status == 200


def test_body_is_not_json_and_others_give_way(start_daemon):
    daemon = start_daemon(unreadable_max_bytes="1M")
    for _ in range(6):
        body = "x" + os.urandom(400_000).hex()
        assert daemon.post(body).status == 400
    until(lambda: daemon.queue()[Queue.UNREADABLE] == 2, "the oldest went")


# ---- unknown path 404, another method 405, unknown encoding 415 ----

@pytest.mark.parametrize("path", ["/", "/current", "/currents/other",
                                  "/metrics", "/status"])
def test_unknown_path(daemon, path):
    assert daemon.post(batch(event()), path).status == 404
    daemon.run.wait_line(Log.REFUSE % 404)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_known_path_with_another_method(daemon, method):
    connection = keep_alive(daemon)
    connection.request(method, "/currents", b"{}" if method == "PUT" else
                       None)
    answer = connection.getresponse()
    assert answer.status == 405
    assert answer.headers["Allow"] == "POST"
    daemon.run.wait_line(Log.REFUSE % 405)
    connection.close()


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_encoding_we_do_not_know(daemon, encoding):
    answer = daemon.post(batch(event()), content_encoding=encoding)
    assert answer.status == 415
    daemon.run.wait_line(Log.REFUSE % 415)
    assert daemon.queue()["received"] == 0


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
    assert daemon.metric(Metric.UNEXPECTED_VERSION) == 1
