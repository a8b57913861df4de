"""heapsim refuses what contracts say that Heap refuses, and nothing else."""

import json

import pytest

from sims import EVENT, Heap, event, events


@pytest.fixture
def heap():
    heap = Heap()
    yield heap
    assert heap.end() == 0


GOOD = {
    "plain": event(),
    "longest event": event(event="e" * 1024),
    "longest identity": event(identity="i" * 255),
    "non-ASCII identity": event(identity="\u00e9" * 255),
    "identity of pairs": event(identity="\U0001f600" * 255),
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
    "identity of pairs": (event(identity="\U0001f600" * 256),
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
    assert heap.bulk(GOOD[name]) == 200
    single = {"app_id": "11", **GOOD[name]}
    assert heap.post(single).status == 200
    books = heap.books()
    assert (books["accepted"], books["repeated"]) == (1, 1)


@pytest.mark.parametrize("name", BAD)
def test_heap_refuses_an_event(heap, name):
    bad, reason = BAD[name]
    body = {"app_id": "11", "events": [event(idempotency_key="k2"), bad]}
    heap.is_refused(body, reason)
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
    (b'{"app_id":"11","events":[{"event":"\xed\xa0\x80"}]}', "at byte 35"),
    ('{"app_id":"11","events":[{"event":"a\tb"}]}', "at byte 36"),
    ('{"app_id":"11","events":[{"event":"\\x"}]}', "at byte 35"),
    ('{"app_id":"11","events":[01]}', "at byte 26"),
    ('{"app_id":"11","events":[1.]}', "at byte 27"),
    ('{"app_id":"11","events":[1,]}', "at byte 27"),
    ("[" * 1000 + "]" * 1000, "at byte 512"),
    (json.dumps({"app_id": "11", "events": [EVENT]}).replace(
        '"x": 1', '"x": 1e400'), "string or number"),
])
def test_heap_refuses_a_request(heap, body, reason):
    heap.is_refused(body, reason)


def test_heap_reads_every_form_of_text(heap):
    """Escapes mean what they stand for, in names of members too."""
    body = json.dumps({"app_id": "11", "events": [event(
        idempotency_key="k\u00e9\U0001f600\n\\", event="plain text " * 9)]})
    assert "\\ud83d\\ude00" in body
    assert heap.post(body.replace("identity", "\\u0069dentity")).status == 200
    assert heap.rows() == [["k\u00e9\U0001f600\\n\\\\", "identity:u1", "1",
                            "plain text " * 9]]
    same = json.dumps(json.loads(body), ensure_ascii=False).encode()
    assert heap.post(same).status == 200
    assert heap.books()["repeated"] == 1


def test_heap_takes_a_thousand(heap):
    assert heap.bulk(*events(1000)) == 200
    assert heap.books()["accepted"] == 1000


def test_heap_refuses_headers(heap):
    body = {"app_id": "11", "events": [EVENT]}
    heap.is_refused(body, "Content-Type", headers={"Content-Type": "text/x"})
    heap.is_refused(body, "Content-Encoding", headers={
        "Content-Type": "application/json", "Content-Encoding": "gzip"})
    assert heap.ask("GET", "/api/track").status == 405
    assert heap.ask("POST", "/api/trick", "").status == 404


@pytest.mark.parametrize("bad", [
    event(identity="null"), event(identity="[REDACTED]"),
    event(identity="Undefined"), event(identity=" "),
    event(properties={"": 1}), event(properties={" \u3000": 1}),
    event(properties={"x": "\t\u00a0"}), event(properties={"x": ""}),
    event(event="\u2003 \n"),
])
def test_heap_strict(heap, bad):
    heap.control(strict=True)
    heap.is_refused({"app_id": "11", "events": [bad]}, "postBody.events[0]")


def test_heap_strict_repeated_name(heap):
    body = json.dumps({"app_id": "11", "events": [EVENT]})
    body = body.replace('"x": 1', '"x": 1, "y": 2, "x": 3')
    heap.control(strict=True)
    heap.is_refused(body, "repeat a name")
