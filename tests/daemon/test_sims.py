"""The simulators themselves: what they refuse, count, and do with an answer.

The daemon's tests lean on them, so each rule is shown to bite here.
"""

import http.client
import http.server
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CURRENTSD_BUILD",
                                    REPO / "build" / "release"))
EVENT = {
    "event": "a",
    "identity": "u1",
    "properties": {"x": 1},
    "timestamp": "2026-01-01T00:00:00Z",
    "idempotency_key": "users.A:k1",
}


def event(**changes):
    """An event that Heap takes, with changes; None takes a member away."""
    made = {**EVENT, **changes}
    return {name: value for name, value in made.items() if value is not None}


def events(n, **changes):
    return [event(idempotency_key=f"k{i}", **changes) for i in range(n)]


class Heap:
    """A running heapsim."""

    def __init__(self, *options):
        self.process = subprocess.Popen([BUILD / "heapsim", *options],
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:")
        self.port = int(line.rsplit(":", 1)[1])

    def ask(self, method, path, body=None, headers=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers
        finally:
            connection.close()

    def post(self, body, headers=None, timeout=30):
        if not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        headers = headers or {"Content-Type": "application/json"}
        return self.ask("POST", "/api/track", body, headers, timeout)

    def bulk(self, *given, app_id="11"):
        return self.post({"app_id": app_id, "events": list(given)})[:2]

    def control(self, **settings):
        status, body, _ = self.ask("POST", "/control", json.dumps(settings))
        assert status == 200, body

    def books(self):
        return json.loads(self.ask("GET", "/books")[1])

    def keys(self):
        return [line.split("\t")
                for line in self.ask("GET", "/keys")[1].splitlines()]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=10)
        return self.process.returncode, out


@pytest.fixture
def heap():
    heap = Heap()
    yield heap
    code, _ = heap.stop()
    assert code == 0


def is_refused(heap, body, reason, **kwargs):
    status, text, _ = heap.post(body, **kwargs)
    assert status == 400, text
    assert reason in text
    books = heap.books()
    assert books["accepted"] == 0
    assert books["last_refusal"] == text


GOOD = {
    "plain": event(),
    "longest event": event(event="e" * 1024),
    "longest identity": event(identity="i" * 255),
    "non-ASCII identity": event(identity="\u00e9" * 255),
    "user_id": event(identity=None, user_id="0"),
    "largest user_id": event(identity=None, user_id="9007199254740991"),
    "no properties": event(properties=None),
    "longest value": event(properties={"k" * 1023: "v" * 1023}),
    "array of scalars": event(properties={"a": ["x", 1, 2.5]}),
    "large integer": event(properties={"a": 12345678901234567890}),
    "zone": event(timestamp="2026-02-28T23:59:59.123456+14:00"),
    "placeholder": event(identity="null"),
}

BAD = {
    "not an object": (7, " should be object"),
    "no event": (event(event=None), "required property 'event'"),
    "event number": (event(event=1), ".event should be string"),
    "event empty": (event(event=""), ".event should NOT be shorter"),
    "event too long": (event(event="e" * 1025), ".event should NOT be longer"),
    "no user": (event(identity=None), "identity or user_id"),
    "both users": (event(user_id="1"), "not both"),
    "identity number": (event(identity=1), ".identity should be string"),
    "identity empty": (event(identity=""), ".identity should NOT be shorter"),
    "identity too long": (event(identity="i" * 256), ".identity should NOT"),
    "identity of pairs": (event(identity="\U0001f600" * 128),
                          ".identity should NOT be longer"),
    "user_id number": (event(identity=None, user_id=1), ".user_id should"),
    "user_id 2^53": (event(identity=None, user_id="9007199254740992"),
                     ".user_id should"),
    "user_id words": (event(identity=None, user_id="abc"), ".user_id should"),
    "user_id sign": (event(identity=None, user_id="-1"), ".user_id should"),
    "user_id zero": (event(identity=None, user_id="01"), ".user_id should"),
    "properties array": (event(properties=[]), ".properties should be object"),
    "properties text": (event(properties="x"), ".properties should be object"),
    "value boolean": (event(properties={"x": True}), "string or number"),
    "value null": (event(properties={"x": None}), "string or number"),
    "value object": (event(properties={"x": {}}), "string or number"),
    "array boolean": (event(properties={"x": [True]}), "string or number"),
    "array nested": (event(properties={"x": [["a"]]}), "string or number"),
    "name too long": (event(properties={"k" * 1024: 1}), "1024 characters"),
    "value too long": (event(properties={"x": "v" * 1024}), "shorter than"),
    "no timestamp": (event(timestamp=None), "required property 'timestamp'"),
    "time number": (event(timestamp=1767225600), ".timestamp should be"),
    "time words": (event(timestamp="yesterday"), ".timestamp should be"),
    "time no zone": (event(timestamp="2026-01-01T00:00:00"), ".timestamp"),
    "time no day": (event(timestamp="2026-02-29T00:00:00Z"), ".timestamp"),
    "time no hour": (event(timestamp="2026-02-28T24:00:00Z"), ".timestamp"),
    "no key": (event(idempotency_key=None), "property 'idempotency_key'"),
    "key empty": (event(idempotency_key=""), ".idempotency_key should NOT"),
    "key number": (event(idempotency_key=1), ".idempotency_key should be"),
    "unknown member": (event(session_id="1"), "additional property"),
}


@pytest.mark.parametrize("name", GOOD)
def test_heap_takes(heap, name):
    assert heap.bulk(GOOD[name]) == (200, "{}")
    single = {"app_id": "11", **GOOD[name]}
    assert heap.post(single)[:2] == (200, "{}")
    books = heap.books()
    assert (books["accepted"], books["repeated"]) == (1, 1)


@pytest.mark.parametrize("name", BAD)
def test_heap_refuses_an_event(heap, name):
    bad, reason = BAD[name]
    body = {"app_id": "11", "events": [event(idempotency_key="k2"), bad]}
    is_refused(heap, body, reason)
    assert heap.books()["last_refusal"].startswith("postBody.events[1]")


@pytest.mark.parametrize("body, reason", [
    ("", "postBody should be JSON"),
    ("{", "postBody should be JSON"),
    (b'{"app_id":"1\xff"}', "postBody should be JSON"),
    ('{"app_id":"11","events":[]} x', "postBody should be JSON"),
    ("[]", "postBody should be object"),
    ({"events": [EVENT]}, "required property 'app_id'"),
    ({"app_id": 11, "events": [EVENT]}, "app_id should be a numeric"),
    ({"app_id": "x11", "events": [EVENT]}, "app_id should be a numeric"),
    ({"app_id": "", "events": [EVENT]}, "app_id should be a numeric"),
    ({"app_id": "11", "events": {}}, "events should be array"),
    ({"app_id": "11", "events": []}, "NOT have fewer"),
    ({"app_id": "11", "events": events(1001)}, "NOT have more than 1000"),
    ({"app_id": "11", "events": [EVENT], "x": 1}, "additional properties"),
    ('{"app_id":"11","events":[{"event":"a","event":"b"}]}', "comes twice"),
    ({"app_id": "11"}, "required property 'event'"),
    (json.dumps({"app_id": "11", "events": [EVENT]}).replace(
        '"x": 1', '"x": 1e400'), "string or number"),
])
def test_heap_refuses_a_request(heap, body, reason):
    is_refused(heap, body, reason)


def test_heap_takes_a_thousand(heap):
    assert heap.bulk(*events(1000)) == (200, "{}")
    assert heap.books()["accepted"] == 1000


def test_heap_refuses_headers(heap):
    body = {"app_id": "11", "events": [EVENT]}
    is_refused(heap, body, "Content-Type", headers={"Content-Type": "text/x"})
    is_refused(heap, body, "Content-Encoding", headers={
        "Content-Type": "application/json", "Content-Encoding": "gzip"})
    assert heap.ask("GET", "/api/track")[0] == 405
    assert heap.ask("POST", "/api/trick", "")[0] == 404


@pytest.mark.parametrize("bad", [
    event(identity="null"), event(identity="[REDACTED]"),
    event(identity="Undefined"), event(identity=" "),
    event(properties={"": 1}),
])
def test_heap_strict(heap, bad):
    heap.control(strict=True)
    is_refused(heap, {"app_id": "11", "events": [bad]}, "postBody.events[0]")


def test_heap_strict_repeated_name(heap):
    body = json.dumps({"app_id": "11", "events": [EVENT]})
    body = body.replace('"x": 1', '"x": 1, "y": 2, "x": 3')
    heap.control(strict=True)
    is_refused(heap, body, "repeat a name")


def test_heap_keys(heap):
    heap.bulk(event(), event(identity="u2"), event(event="b\tc",
                                                   idempotency_key="k2"))
    heap.bulk(event())
    heap.bulk(event(), app_id="12")
    books = heap.books()
    assert books["accepted"] == 4
    assert books["repeated"] == 1
    assert books["split"] == 1
    assert books["keys"] == 3
    assert books["by_event"] == {"a": 3, "b\tc": 1}
    assert books["apps"]["12"]["accepted"] == 1
    assert heap.keys() == [
        ["users.A:k1", "identity:u1", "2", "a"],
        ["users.A:k1", "identity:u2", "1", "a"],
        ["k2", "identity:u1", "1", "b\\tc"],
        ["users.A:k1", "identity:u1", "1", "a"],
    ]
    status, body, _ = heap.ask("GET", "/event?key=users.A:k1")
    assert (status, body) == (200, json.dumps(event()))
    assert heap.ask("GET", "/event?key=other")[0] == 404
    heap.ask("POST", "/reset", "")
    assert heap.books()["requests"] == 0
    assert heap.keys() == []


def test_heap_forgets_bodies(heap):
    heap.control(keep_events=1)
    heap.bulk(*events(2))
    assert heap.ask("GET", "/event?key=k0")[0] == 200
    assert heap.ask("GET", "/event?key=k1")[0] == 410


def test_heap_app_quota(heap):
    heap.control(app_quota=10, retry_after="7")
    many = [event(identity=f"u{i}", idempotency_key=f"k{i}")
            for i in range(11)]
    assert heap.bulk(*many[:6])[0] == 200
    status, _, headers = heap.post({"app_id": "11", "events": many[6:]})
    assert (status, headers["Retry-After"]) == (429, "7")
    assert heap.bulk(*many[6:10])[0] == 200
    assert heap.bulk(many[10])[0] == 429
    assert heap.bulk(many[10], app_id="12")[0] == 200
    books = heap.books()
    assert books["accepted"] == 11
    assert books["over_quota"] == 2
    assert books["over_quota_events"] == 6
    assert books["max_window"] == 11
    assert books["by_status"] == {"200": 3, "429": 2}


def test_heap_user_quota(heap):
    heap.control(user_quota=3)
    assert heap.bulk(*events(3))[0] == 200
    assert heap.bulk(event(identity="u2"))[0] == 200
    assert heap.bulk(event(identity=None, user_id="1"))[0] == 200
    assert heap.bulk(event())[0] == 429
    books = heap.books()
    assert books["max_user_window"] == 4
    assert books["apps"]["11"]["max_user"] == "identity:u1"


def test_heap_quota_silent(heap):
    heap.control(app_quota=4, user_quota=3, over_quota="drop")
    assert heap.bulk(*events(5)) == (200, "{}")
    assert heap.bulk(event(identity="u2"), event(identity="u3")) == (200, "{}")
    books = heap.books()
    assert (books["accepted"], books["dropped"]) == (4, 3)
    assert books["max_window"] == 5


def test_heap_quota_measured_only(heap):
    heap.control(app_quota=1, user_quota=1, quota=False)
    assert heap.bulk(*events(20))[0] == 200
    assert heap.books()["max_window"] == 20


def test_heap_quota_slides(heap):
    heap.control(app_quota=10, quota_window_ms=300)
    start = time.monotonic()
    assert heap.bulk(*events(10))[0] == 200
    while heap.bulk(*events(10))[0] != 200:
        assert time.monotonic() - start < 20
    assert time.monotonic() - start >= 0.295
    assert heap.books()["over_quota"] > 0


def test_heap_refused_count_for_the_quota(heap):
    heap.control(app_quota=3)
    assert heap.bulk(event(), event(), event(event=""))[0] == 400
    assert heap.bulk(event())[0] == 429


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 500, 503, 429])
def test_heap_refuses_everything(heap, status):
    heap.control(refuse_all=status)
    assert heap.bulk(event())[0] == status
    heap.control(refuse_all=0)
    assert heap.bulk(event())[0] == 200
    books = heap.books()
    assert books["by_status"] == {str(status): 1, "200": 1}
    assert (books["accepted"], books["failed"]) == (1, 1)


def test_heap_fails_before_and_after(heap):
    heap.control(fail_percent=100, fail_status=503)
    assert heap.bulk(event())[0] == 503
    assert heap.books()["accepted"] == 0
    heap.control(fail_percent=0, fail_after_percent=100)
    assert heap.bulk(event())[0] == 500
    books = heap.books()
    assert (books["accepted"], books["failed_after"]) == (1, 1)


def test_heap_fails_a_third():
    heap = Heap("--fail-percent", "33", "--seed", "7")
    statuses = [heap.bulk(event())[0] for _ in range(300)]
    assert 60 < statuses.count(500) < 140
    heap.ask("POST", "/reset", "")
    assert statuses == [heap.bulk(event())[0] for _ in range(300)]
    assert heap.stop()[0] == 0


@pytest.mark.parametrize("setting, stored, count", [
    ("hang_percent", 0, "hung"), ("hang_after_percent", 1, "hung"),
    ("reset_percent", 0, "reset"), ("reset_after_percent", 1, "reset"),
    ("close_percent", 1, "cut"),
])
def test_heap_leaves_the_sender_without_an_answer(heap, setting, stored,
                                                  count):
    heap.control(**{setting: 100})
    with pytest.raises((OSError, http.client.HTTPException)):
        heap.post({"app_id": "11", "events": [EVENT]}, timeout=0.3)
    books = heap.books()
    assert (books["accepted"], books[count]) == (stored, 1)
    assert books["by_status"] == {}
    heap.control(**{setting: 0})
    assert heap.bulk(event())[0] == 200
    assert heap.books()["repeated"] == stored


def test_heap_stops_while_a_request_hangs():
    heap = Heap("--hang-percent", "100")
    connection = http.client.HTTPConnection("127.0.0.1", heap.port)
    connection.request("POST", "/api/track", "{}")
    while heap.books()["hung"] == 0:
        pass
    assert heap.stop()[0] == 0
    connection.close()


def test_heap_delays(heap):
    heap.control(delay_ms=200)
    start = time.monotonic()
    assert heap.bulk(event())[0] == 200
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize("setting, text, bad", [
    ("refuse_key", "poison", event(idempotency_key="a:poison")),
    ("refuse_identity", "poison", event(identity="poisoned")),
    ("refuse_identity", "66", event(identity=None, user_id="1666")),
    ("refuse_event", "poison", event(event="some poison")),
    ("refuse_property", "poison", event(properties={"poison": 1})),
])
def test_heap_poison(heap, setting, text, bad):
    heap.control(**{setting: text})
    good = event(idempotency_key="good", properties={"poisoned": 1})
    status, body = heap.bulk(good, bad)
    assert status == 400
    assert "postBody.events[1]" in body
    assert heap.books()["accepted"] == 0
    heap.control(refuse="event")
    assert heap.bulk(good, bad) == (200, "{}")
    books = heap.books()
    assert (books["accepted"], books["refused_events"]) == (1, 1)
    assert heap.keys() == [["good", "identity:u1", "1", "a"]]


def test_heap_max_bytes(heap):
    heap.control(max_bytes=2000)
    assert heap.bulk(event())[0] == 200
    assert heap.bulk(*events(50))[0] == 413
    assert heap.books()["accepted"] == 1


def test_heap_user_properties(heap):
    body = json.dumps({"app_id": "11", "users": []})
    status, text, _ = heap.ask("POST", "/api/add_user_properties", body,
                               {"Content-Type": "application/json"})
    assert (status, text) == (200, "{}")
    assert heap.books()["user_properties"] == 1


@pytest.mark.parametrize("settings", [
    "x", "[]", '{"nonsense":1}', '{"fail_percent":101}', '{"seed":2}',
    '{"over_quota":"maybe"}', '{"quota":"perhaps"}', '{"refuse_all":100}',
    '{"fail_percent":60,"hang_percent":60}',
])
def test_heap_control_is_all_or_nothing(heap, settings):
    before = heap.ask("GET", "/control")[1]
    if settings.startswith('{"'):
        settings = settings.replace("{", '{"delay_ms":5,', 1)
    assert heap.ask("POST", "/control", settings)[0] == 400
    assert heap.ask("GET", "/control")[1] == before


def test_heap_books_at_the_end(tmp_path):
    heap = Heap("--books", tmp_path / "books")
    heap.bulk(event())
    code, out = heap.stop()
    assert code == 0
    assert json.loads(out)["accepted"] == 1
    assert (tmp_path / "books").read_text() == out


@pytest.mark.parametrize("command", [
    ["heapsim", "--nonsense"], ["heapsim", "--port", "x"],
    ["heapsim", "--port"], ["heapsim", "more"], ["heapsim", "-x"],
    ["heapsim", "--fail-percent=60", "--hang-percent=60"],
    ["brazesim"], ["brazesim", "-"], ["brazesim", "--url=http://x"],
    ["brazesim", "--url", "not a url://", "-"],
    ["brazesim", "--url=http://x", "--sample=x", "-"],
    ["brazesim", "--url=http://x", "--backoff-ms=5", "-"],
    ["brazesim", "--url=http://x", "--batch=0", "-"],
    ["brazesim", "--url=http://x", "/nonexistent/file"],
])
def test_bad_usage(command):
    done = subprocess.run([BUILD / command[0], *command[1:]],
                          capture_output=True, text=True, timeout=10,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stdout == ""
    assert command[0] in done.stderr


@pytest.mark.parametrize("program", ["heapsim", "brazesim"])
def test_help(program):
    done = subprocess.run([BUILD / program, "--help"], capture_output=True,
                          text=True, timeout=10)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: " + program)
    assert "\n  --seed N " in done.stdout


class Receiver:
    """What brazesim posts to: answers as the test says, notes it all."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.headers = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 4096

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.headers.append((self.path, dict(self.headers)))
                if self.headers["Content-Encoding"] == "gzip":
                    import gzip
                    body = gzip.decompress(body)
                batch = json.loads(body)["events"]
                receiver.requests.append(batch)
                status = receiver.answer(len(receiver.requests), batch)
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *ignored):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *ignored):
                pass  # a client that leaves is what some tests want

        self.server = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/currents"

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def braze_events(n, types=2):
    return "".join(json.dumps({
        "event_type": f"users.T{i % types}", "id": f"id-{i}", "time": 1,
        "user": {}, "properties": {"id": "untouched"}}) + "\n"
        for i in range(n))


def braze(url, n, *options, types=2):
    done = subprocess.run(
        [BUILD / "brazesim", "--url", url, "--backoff-ms", "1..5",
         "--connections", "1", *options, "-"], input=braze_events(n, types),
        capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_braze_sends_like_braze(tmp_path):
    with Receiver(lambda number, batch: 200) as receiver:
        code, books = braze(receiver.url + '?k="Brand A"', 250, "--token",
                            "t0", "--acked", tmp_path / "acked")
    assert code == 0
    assert books["acked"] == books["sent_events"] == 250
    assert sorted(len(batch) for batch in receiver.requests) == [
        25, 25, 100, 100]
    for batch in receiver.requests:
        assert len({one["event_type"] for one in batch}) == 1
    path, headers = receiver.headers[0]
    assert path == '/currents?k="Brand%20A"'
    assert headers["Braze-Currents-Version"] == "1"
    assert headers["Authorization"] == "Bearer t0"
    assert sorted((tmp_path / "acked").read_text().split()) == sorted(
        f"users.T{i % 2}:id-{i}" for i in range(250))


def test_braze_makes_new_events(tmp_path):
    with Receiver(lambda number, batch: 200) as receiver:
        code, books = braze(receiver.url, 3, "--count", "1000", "--gzip",
                            "--mix", "any", "--batch", "300", "--acked",
                            tmp_path / "acked")
    assert (code, books["acked"]) == (0, 1000)
    assert [len(batch) for batch in receiver.requests] == [300, 300, 300, 100]
    sent = [one for batch in receiver.requests for one in batch]
    assert len({one["id"] for one in sent}) == 1000
    assert {one["properties"]["id"] for one in sent} == {"untouched"}
    assert [f"{one['event_type']}:{one['id']}" for one in sent] == (
        tmp_path / "acked").read_text().split()


@pytest.mark.parametrize("status", [500, 503, 429, 302, 418, None])
def test_braze_sends_again(status):
    def answer(number, batch):
        return status if number <= 3 else 200

    with Receiver(answer) as receiver:
        code, books = braze(receiver.url, 10, types=1)
    assert (code, books["acked"]) == (0, 10)
    assert len(receiver.requests) == 4
    assert all(one == receiver.requests[0] for one in receiver.requests)
    if status is None:
        assert books["network_errors"] == 3
    else:
        assert books["by_status"] == {str(status): 3, "200": 1}


def test_braze_times_out():
    gate = threading.Event()

    def answer(number, batch):
        if number == 1:
            gate.wait(20)
        return 200

    with Receiver(answer) as receiver:
        code, books = braze(receiver.url, 1, "--timeout-ms", "200")
        gate.set()
    assert (code, books["network_errors"], books["acked"]) == (0, 1, 1)


def test_braze_deletes_after_400(tmp_path):
    def answer(number, batch):
        return 400 if any(one["id"] == "id-7" for one in batch) else 200

    with Receiver(answer) as receiver:
        code, books = braze(receiver.url, 10, "--deleted",
                            tmp_path / "deleted", types=1)
    assert code == 1
    assert (books["acked"], books["deleted"]) == (9, 1)
    assert [len(batch) for batch in receiver.requests] == [10] + [1] * 10
    assert (tmp_path / "deleted").read_text() == "users.T0:id-7\n"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_braze_strands(status, tmp_path):
    with Receiver(lambda number, batch: status) as receiver:
        code, books = braze(receiver.url, 10, "--stranded", tmp_path / "s",
                            types=1)
    assert (code, books["stranded"], books["requests"]) == (1, 10, 1)
    assert len((tmp_path / "s").read_text().split()) == 10


def test_braze_halves_after_413():
    with Receiver(lambda number, batch: 413 if len(batch) > 3 else 200) as (
            receiver):
        code, books = braze(receiver.url, 10, types=1)
    assert (code, books["acked"]) == (0, 10)
    assert sorted(len(batch) for batch in receiver.requests) == [
        2, 2, 3, 3, 5, 5, 10]


def test_braze_sends_twice():
    with Receiver(lambda number, batch: 200) as receiver:
        code, books = braze(receiver.url, 500, "--batch", "10",
                            "--duplicate-percent", "30")
    assert (code, books["acked"]) == (0, 500)
    assert books["duplicate_requests"] > 5
    assert len(receiver.requests) == 50 + books["duplicate_requests"]


def test_braze_leaves_before_the_answer():
    with Receiver(lambda number, batch: 200) as receiver:
        code, books = braze(receiver.url, 500, "--batch", "10",
                            "--unknown-outcome", "30")
    assert (code, books["acked"]) == (0, 500)
    assert books["unknown_outcomes"] > 5
    assert books["network_errors"] == 0
    assert books["requests"] == 50 + books["unknown_outcomes"]


def test_braze_keeps_the_rate():
    with Receiver(lambda number, batch: 200) as receiver:
        code, books = braze(receiver.url, 100, "--batch", "10", "--rate",
                            "200")
    assert code == 0
    assert 0.4 < books["seconds"] < 5


def test_braze_gives_up(tmp_path):
    with Receiver(lambda number, batch: 500) as receiver:
        code, books = braze(receiver.url, 10, "--deadline-s", "0.3",
                            "--unresolved", tmp_path / "left")
    assert (code, books["unresolved"]) == (1, 10)
    assert len((tmp_path / "left").read_text().split()) == 10


def test_braze_stops_on_a_signal():
    with Receiver(lambda number, batch: 500) as receiver:
        process = subprocess.Popen(
            [BUILD / "brazesim", "--url", receiver.url, "-"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdin.write(braze_events(10))
        process.stdin.close()
        while not receiver.requests:
            time.sleep(0.001)
        process.send_signal(signal.SIGTERM)
        books = json.loads(process.stdout.read())
        process.stdout.close()
        assert process.wait(10) == 1
    assert books["unresolved"] == 10


def test_braze_runs_a_sample_command(tmp_path):
    sample = tmp_path / "sample"
    sample.write_text(braze_events(2) + '{"event_type":"no id"}\n')
    with Receiver(lambda number, batch: 200) as receiver:
        done = subprocess.run(
            [BUILD / "brazesim", "--url", receiver.url, "--count", "6",
             "--acked", tmp_path / "acked", "--sample", f"cat '{sample}'"],
            capture_output=True, text=True, timeout=20)
    assert done.returncode == 0
    assert json.loads(done.stdout)["acked"] == 6
    acked = (tmp_path / "acked").read_text().splitlines()
    assert len(set(acked)) == 5
    assert acked.count("no id:?") == 2


def test_braze_says_that_a_sample_command_failed():
    done = subprocess.run(
        [BUILD / "brazesim", "--url", "http://127.0.0.1:1/", "--sample",
         "echo '{}'; false"], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (1, "")
    assert "failed: echo" in done.stderr
