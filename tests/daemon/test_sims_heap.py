"""heapsim keeps books of keys, enforces the quotas, fails on request."""

import http.client
import json
import time

import pytest

from conftest import until
from sims import EVENT, JSON, Heap, event, events


@pytest.fixture
def heap():
    heap = Heap()
    yield heap
    assert heap.end() == 0


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
    assert heap.rows() == [
        ["users.A:k1", "identity:u1", "2", "a"],
        ["users.A:k1", "identity:u2", "1", "a"],
        ["k2", "identity:u1", "1", "b\\tc"],
        ["users.A:k1", "identity:u1", "1", "a"],
    ]
    answer = heap.ask("GET", "/event?key=users.A:k1")
    assert (answer.status, answer.text) == (200, json.dumps(event()))
    assert heap.ask("GET", "/event?key=other").status == 404
    heap.ask("POST", "/reset", "")
    assert heap.books()["requests"] == 0
    assert heap.rows() == []


def test_heap_forgets_bodies(heap):
    heap.control(keep_events=1)
    heap.bulk(*events(2))
    assert heap.ask("GET", "/event?key=k0").status == 200
    assert heap.ask("GET", "/event?key=k1").status == 410


def test_heap_app_quota(heap):
    heap.control(app_quota=10, retry_after="7")
    many = [event(identity=f"u{i}", idempotency_key=f"k{i}")
            for i in range(11)]
    assert heap.bulk(*many[:6]) == 200
    answer = heap.post({"app_id": "11", "events": many[6:]})
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    assert heap.bulk(*many[6:10]) == 200
    assert heap.bulk(many[10]) == 429
    assert heap.bulk(many[10], app_id="12") == 200
    books = heap.books()
    assert books["accepted"] == 11
    assert books["over_quota"] == 2
    assert books["over_quota_events"] == 6
    assert books["max_window"] == 11
    assert books["by_status"] == {"200": 3, "429": 2}


def test_heap_user_quota(heap):
    heap.control(user_quota=3)
    assert heap.bulk(*events(3)) == 200
    assert heap.bulk(event(identity="u2")) == 200
    assert heap.bulk(event(identity=None, user_id="1")) == 200
    assert heap.bulk(event()) == 429
    books = heap.books()
    assert books["max_user_window"] == 4
    assert books["apps"]["11"]["max_user"] == "identity:u1"


def test_heap_quota_silent(heap):
    heap.control(app_quota=4, user_quota=3, over_quota="drop")
    assert heap.bulk(*events(5)) == 200
    assert heap.bulk(event(identity="u2"), event(identity="u3")) == 200
    books = heap.books()
    assert (books["accepted"], books["dropped"]) == (4, 3)
    assert books["max_window"] == 5


def test_heap_quota_measured_only(heap):
    heap.control(app_quota=1, user_quota=1, quota=False)
    assert heap.bulk(*events(20)) == 200
    assert heap.books()["max_window"] == 20


def test_heap_quota_slides(heap):
    heap.control(app_quota=10, quota_window_ms=300)
    start = time.monotonic()
    assert heap.bulk(*events(10)) == 200
    while heap.bulk(*events(10)) != 200:
        assert time.monotonic() - start < 20
    assert time.monotonic() - start >= 0.295
    assert heap.books()["over_quota"] > 0


def test_heap_refused_count_for_the_quota(heap):
    heap.control(app_quota=3)
    assert heap.bulk(event(), event(), event(event="")) == 400
    assert heap.bulk(event()) == 429


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 500, 503, 429])
def test_heap_refuses_everything(heap, status):
    heap.control(refuse_all=status)
    assert heap.bulk(event()) == status
    heap.control(refuse_all=0)
    assert heap.bulk(event()) == 200
    books = heap.books()
    assert books["by_status"] == {str(status): 1, "200": 1}
    assert (books["accepted"], books["failed"]) == (1, 1)


def test_heap_refuses_everything_at_times(heap):
    heap.control(refuse_all=400, refuse_all_ms=100, refuse_all_every_ms=200)
    statuses = {heap.bulk(event())}
    until(lambda: statuses.add(heap.bulk(event())) or len(statuses) > 1,
          "the other answer")
    assert statuses == {200, 400}


def test_heap_fails_before_and_after(heap):
    heap.control(fail_percent=100, fail_status=503)
    assert heap.bulk(event()) == 503
    assert heap.books()["accepted"] == 0
    heap.control(fail_percent=0, fail_after_percent=100)
    assert heap.bulk(event()) == 500
    books = heap.books()
    assert (books["accepted"], books["failed_after"]) == (1, 1)


def test_heap_fails_a_third(heap):
    heap.control(fail_percent=33)
    statuses = [heap.bulk(event()) for _ in range(300)]
    assert 60 < statuses.count(500) < 140
    heap.ask("POST", "/reset", "")
    assert statuses == [heap.bulk(event()) for _ in range(300)]


def is_not_answered(heap, body):
    connection = http.client.HTTPConnection("127.0.0.1", heap.port,
                                            timeout=0.3)
    connection.request("POST", "/api/track", json.dumps(body), JSON)
    with pytest.raises((OSError, http.client.HTTPException)):
        connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize("setting, stored, count", [
    ("hang_percent", 0, "hung"), ("hang_after_percent", 1, "hung"),
    ("reset_percent", 0, "reset"), ("reset_after_percent", 1, "reset"),
    ("close_percent", 1, "cut"),
])
def test_heap_leaves_the_sender_without_an_answer(heap, setting, stored,
                                                  count):
    heap.control(**{setting: 100})
    is_not_answered(heap, {"app_id": "11", "events": [EVENT]})
    books = heap.books()
    assert (books["accepted"], books[count]) == (stored, 1)
    assert books["by_status"] == {}
    heap.control(**{setting: 0})
    assert heap.bulk(event()) == 200
    assert heap.books()["repeated"] == stored


def test_heap_stops_while_a_request_hangs():
    heap = Heap("--hang-percent", "100")
    connection = http.client.HTTPConnection("127.0.0.1", heap.port)
    connection.request("POST", "/api/track", "{}")
    until(lambda: heap.books()["hung"] == 1, "a request that hangs")
    assert heap.end() == 0
    connection.close()


def test_heap_delays(heap):
    heap.control(delay_ms=200)
    start = time.monotonic()
    assert heap.bulk(event()) == 200
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
    heap.is_refused({"app_id": "11", "events": [good, bad]},
                    "postBody.events[1]")
    heap.control(refuse="event")
    assert heap.bulk(good, bad) == 200
    books = heap.books()
    assert (books["accepted"], books["refused_events"]) == (1, 1)
    assert heap.rows() == [["good", "identity:u1", "1", "a"]]


@pytest.mark.parametrize("setting", [
    {"refuse_status": 422}, {"refuse_status": 500}, {"refuse": "reset"},
    {"refuse": "hang"}])
def test_heap_draws(heap, setting):
    """A bad event draws this, and the request of a good one does not."""
    heap.control(refuse_key="poison", **setting)
    body = {"app_id": "11", "events": [event(),
                                       event(idempotency_key="poison")]}
    status = setting.get("refuse_status")
    if status is not None:
        answer = heap.post(body)
        assert answer.status == status and "postBody.events[1]" in answer.text
    else:
        is_not_answered(heap, body)
    assert heap.bulk(event()) == 200
    books = heap.books()
    assert books["keys"] == books["requests"] - 1 == 1
    assert (books["reset"], books["hung"]) == (
        setting.get("refuse") == "reset", setting.get("refuse") == "hang")


def test_heap_max_bytes(heap):
    heap.control(max_bytes=2000)
    assert heap.bulk(event()) == 200
    assert heap.bulk(*events(50)) == 413
    assert heap.books()["accepted"] == 1


def test_heap_user_properties(heap):
    body = json.dumps({"app_id": "11", "users": []})
    answer = heap.ask("POST", "/api/add_user_properties", body, JSON)
    assert (answer.status, answer.text) == (200, "{}")
    assert heap.books()["user_properties"] == 1


@pytest.mark.parametrize("settings", [
    "x", "[]", '{"nonsense":1}', '{"fail_percent":101}', '{"seed":2}',
    '{"over_quota":"maybe"}', '{"quota":"perhaps"}', '{"refuse_all":100}',
    '{"fail_percent":60,"hang_percent":60}',
])
def test_heap_control_is_all_or_nothing(heap, settings):
    before = heap.ask("GET", "/control").json
    if settings.startswith('{"'):
        settings = settings.replace("{", '{"delay_ms":5,', 1)
    assert heap.ask("POST", "/control", settings).status == 400
    assert heap.ask("GET", "/control").json == before


def test_heap_books_at_the_end(tmp_path):
    heap = Heap("--books", str(tmp_path / "books"))
    heap.bulk(event())
    assert heap.end() == 0
    assert json.loads(heap.lines[-1])["accepted"] == 1
    assert (tmp_path / "books").read_text() == heap.lines[-1] + "\n"
