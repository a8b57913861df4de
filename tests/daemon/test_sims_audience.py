"""audiencesim refuses what Braze refuses, notes each breach of its rules,
fails on request, and holds what was said last of each membership."""

import http.client
import json
import time

import pytest

from conftest import ask, until

JSON = {"Content-Type": "application/json"}
BEARER = {**JSON, "Authorization": "Bearer api-key"}
KEYS = {"partner_api_key": "partner-key", "client_secret": "import-key"}


@pytest.fixture
def audience(start_audiencesim):
    return start_audiencesim()


def track(sim, *objects, headers=BEARER, **more):
    return ask(sim.port, "POST", "/users/track",
               json.dumps({"attributes": objects, **more}), headers)


def person(id_="ann", **attributes):
    return {"external_id": id_, "_update_existing_only": True, **attributes}


def cohort(sim, headers=JSON, partner="partner", **changes):
    body = {**KEYS, "cohort_id": "c1", "name": "One",
            "created_at": "2026-11-29T10:00:00Z", **changes}
    body = {name: value for name, value in body.items() if value is not None}
    return ask(sim.port, "POST", f"/partners/{partner}/cohorts",
               json.dumps(body), headers)


def users(sim, *changes, headers=JSON, path="/partners/partner/cohorts/users",
          **more):
    body = {**KEYS, "cohort_id": "c1", "cohort_changes": list(changes), **more}
    return ask(sim.port, "POST", path, json.dumps(body), headers)


def export(sim, headers=BEARER, **body):
    body = {"fields_to_export": ["custom_attributes"], **body}
    return ask(sim.port, "POST", "/users/export/ids", json.dumps(body),
               headers)


def violations(sim):
    return sim.report()["violations"]


def test_track_keeps_the_last_value(audience):
    answer = track(audience, person(heap_a=True), person("bob", heap_a=True),
                   person(heap_b=False))
    assert answer.status == 201
    assert answer.json == {"message": "success", "attributes_processed": 3}
    assert track(audience, person("bob", heap_a=False)).status == 201
    assert track(audience, person("bob", heap_b=True)).status == 201
    assert track(audience, person("bob", heap_b=None)).status == 201
    text = ask(audience.port, "GET", "/memberships").text
    assert text == ("heap_a\texternal_id:ann\tin\t1\n"
                    "heap_a\texternal_id:bob\tout\t2\n"
                    "heap_b\texternal_id:ann\tout\t1\n"
                    "heap_b\texternal_id:bob\tout\t2\n")
    report = audience.report()
    assert (report["requests"], report["objects"], report["writes"]) == \
        (4, 6, 6)
    assert (report["memberships"], report["in"]) == (4, 1)
    assert report["violations"] == {}
    assert report["interfaces"]["track"]["most_items"] == 3
    assert report["by_status"] == {"201": 4}


@pytest.mark.parametrize("who, name", [
    ({"external_id": "x"}, "external_id:x"),
    ({"braze_id": "x"}, "braze_id:x"),
    ({"email": "x@y"}, "email:x@y"),
    ({"phone": "+1"}, "phone:+1"),
    ({"user_alias": {"alias_name": "x", "alias_label": "l"}}, "alias:l:x"),
])
def test_track_takes_each_identity(audience, who, name):
    assert track(audience, {**who, "a": True}).status == 201
    assert audience.memberships() == {("a", name): "in"}


def test_track_takes_dates_and_arrays(audience):
    audience.control(most_elements=2)
    assert track(audience, person(since="2026-11-29T10:00:00.5+01:00"),
                 person(many={"add": ["x", "y"]})).status == 201
    assert track(audience, person(many={"add": ["x"]})).status == 201
    assert track(audience, person(many={"add": ["z"]})).status == 201
    assert audience.memberships() == {
        ("many/x", "external_id:ann"): "in",
        ("many/y", "external_id:ann"): "out",
        ("many/z", "external_id:ann"): "in"}
    assert audience.report()["fell_out"] == 1
    found = export(audience, external_ids=["ann"]).json
    assert found["users"] == [{"external_id": "ann", "custom_attributes": {
        "since": "2026-11-29T09:00:00.000Z", "many": ["x", "z"]}}]
    assert track(audience, person(many={"remove": ["x"]})).status == 201
    assert audience.memberships()["many/x", "external_id:ann"] == "out"
    assert violations(audience) == {}


BAD_OBJECTS = {
    "no object": (7, "not an object"),
    "no profile": ({"a": True}, "not one profile"),
    "two profiles": ({"external_id": "x", "email": "x@y", "a": True},
                     "not one profile"),
    "device": ({"external_id": "x", "device_id": "d", "a": True},
               "device id"),
    "id number": ({"external_id": 7, "a": True}, "id"),
    "id empty": ({"external_id": "", "a": True}, "id"),
    "alias without label": ({"user_alias": {"alias_name": "x"}, "a": True},
                            "alias"),
    "alias with more": ({"user_alias": {
        "alias_name": "x", "alias_label": "l", "more": 1}}, "alias"),
    "name too long": (person(**{"a" * 256: True}), "attribute name"),
    "name empty": (person(**{"": True}), "attribute name"),
    "number": (person(a=1), "value"),
    "text": (person(a="yes"), "value"),
    "date without zone": (person(a="2026-11-29T10:00:00"), "value"),
    "no such day": (person(a="2026-02-30T10:00:00Z"), "value"),
    "plain array": (person(a=["x"]), "value"),
    "other member": (person(a={"add": ["x"], "set": ["y"]}), "value"),
    "element number": (person(a={"add": [7]}), "value"),
    "element too long": (person(a={"add": ["x" * 256]}), "value"),
    "existing number": ({**person(a=True), "_update_existing_only": 1},
                        "value"),
    "twice": (person("bob", held=True), "twice in a request"),
    "type": (person(held="2026-11-29T10:00:00Z"),
             "type of an attribute changed"),
}


@pytest.mark.parametrize("name", BAD_OBJECTS)
def test_track_notes_a_bad_object(audience, name):
    bad, rule = BAD_OBJECTS[name]
    assert track(audience, person(held=True)).status == 201
    answer = track(audience, person("bob", held=True), bad,
                   person("eve", held=True))
    assert answer.status == 201
    assert answer.json["attributes_processed"] == 2
    error, = answer.json["errors"]
    assert (error["input_array"], error["index"]) == ("attributes", 1)
    assert violations(audience)[rule] >= 1
    assert audience.memberships() == {
        ("held", f"external_id:{who}"): "in" for who in ("ann", "bob", "eve")}
    answer = track(audience, {"external_id": 7})
    assert answer.status == 400
    assert answer.json["message"].startswith("Valid data must be provided")
    assert len(answer.json["errors"]) == 1
    assert audience.report()["refused_objects"] == 2


def test_track_longest_is_good(audience):
    assert track(audience, person("x" * 987, **{"a" * 255: True})).json == {
        "message": "success", "attributes_processed": 1}
    answer = track(audience, person("x" * 988, a=True))
    assert answer.status == 400
    assert answer.json["errors"][0]["type"] == "EXTERNAL_USER_ID_TOO_LARGE"
    assert violations(audience) == {}


@pytest.mark.parametrize("body, headers, status, rule", [
    ('{"attributes":[]}', JSON, 401, None),
    ('{"attributes":[]}', {**JSON, "Authorization": "Bearer x"}, 401, None),
    ('{"attributes":[]}', BEARER, 400, None),
    ("{", BEARER, 400, "not JSON"),
    ("[]", BEARER, 400, "not JSON"),
    ('{"attributes":[],"attributes":[]}', BEARER, 400, "not JSON"),
    ("{}", BEARER, 400, "not an array"),
    ('{"attributes":{}}', BEARER, 400, "not an array"),
    ('{"attributes":[],"events":[]}', BEARER, 400, "unexpected member"),
    ('{"attributes":[]}', {"Authorization": "Bearer api-key"}, 400,
     "content type"),
    ('{"attributes":[]}', {**BEARER, "Content-Encoding": "gzip"}, 400,
     "content encoding"),
])
def test_track_notes_a_bad_request(audience, body, headers, status, rule):
    answer = ask(audience.port, "POST", "/users/track", body, headers)
    assert answer.status == status, answer
    assert list(violations(audience)) == ([] if rule is None else [rule])
    assert audience.report()["refused"] == 1


def test_track_body_has_a_most(audience):
    object_ = json.dumps({"attributes": [person(a=True)]})
    fits = ask(audience.port, "POST", "/users/track",
               object_.ljust(4194304), BEARER)
    assert fits.status == 201
    over = ask(audience.port, "POST", "/users/track",
               object_.ljust(4194305), BEARER)
    assert over.status == 413
    assert violations(audience) == {"body too large": 1}


def test_track_has_a_most(audience):
    many = [person(f"p{i}", a=True) for i in range(76)]
    assert track(audience, *many[:75]).status == 201
    answer = track(audience, *many)
    assert (answer.status, answer.json["message"]) == (
        400, "Max Input Length Exceeded")
    assert violations(audience) == {"too many objects": 1}
    assert len(audience.memberships()) == 75


def test_permissions(audience):
    audience.control(may_track=False, may_export=False)
    assert track(audience, person(a=True)).status == 403
    assert export(audience, external_ids=["ann"]).status == 403
    assert ask(audience.port, "POST", "/users/other", "{}").status == 404


def test_profiles_are_made_only_if_asked_for(audience):
    audience.control(unknown="nobody")
    assert track(audience, person("nobody-1", a=True)).status == 201
    alias = {"alias_name": "nobody-2", "alias_label": "l"}
    assert track(audience, {"user_alias": alias, "a": True}).status == 201
    report = audience.report()
    assert (report["passed_over"], report["memberships"]) == (2, 0)
    assert export(audience, external_ids=["nobody-1"],
                  user_aliases=[alias]).json == {
        "message": "success", "users": [],
        "invalid_user_ids": ["nobody-1", alias]}
    assert track(audience, {"external_id": "nobody-1", "a": True}).status == \
        201
    assert track(audience, person("nobody-1", b=True)).status == 201
    report = audience.report()
    assert (report["profiles_made"], report["memberships"]) == (1, 2)


def test_people_and_attributes_are_refused(audience):
    audience.control(refuse_person="bad", refuse_group="blocked",
                     refuse_type="a sentence")
    answer = track(audience, person(a=True), person("bad-1", a=True),
                   person(blocked_1=True))
    assert answer.status == 201
    assert [error["index"] for error in answer.json["errors"]] == [1, 2]
    assert answer.json["errors"][0]["type"] == "a sentence"
    audience.control(refuse="request")
    answer = track(audience, person(a=False), person("bad-1", a=True))
    assert (answer.status, "errors" in answer.json) == (400, False)
    assert audience.memberships() == {("a", "external_id:ann"): "in"}
    assert cohort(audience).status == 201
    assert users(audience, {"user_ids": ["ann", "bad-1"]}).status == 400
    assert cohort(audience, cohort_id="blocked").status == 400
    assert len(audience.memberships()) == 1
    assert violations(audience) == {}


def test_cohorts(audience):
    assert users(audience).status == 201  # tests the keys
    assert cohort(audience).status == 201
    answer = users(audience, {"user_ids": ["ann", "bob"]},
                   {"device_ids": ["d1"], "aliases": [
                       {"alias_name": "eve", "alias_label": "l"}]})
    assert answer.status == 201
    assert users(audience, {"user_ids": ["bob"], "device_ids": [],
                            "should_remove": True}).status == 201
    assert cohort(audience, name="Two").status == 201
    assert cohort(audience, name="Two").status == 201
    assert audience.memberships() == {
        ("c1", "external_id:ann"): "in", ("c1", "external_id:bob"): "out",
        ("c1", "device_id:d1"): "in", ("c1", "alias:l:eve"): "in"}
    report = audience.report()
    assert report["cohorts"] == {
        "c1": {"name": "Two", "made": 3, "renamed": 1}}
    assert report["interfaces"]["cohorts"]["requests"] == 6
    assert report["interfaces"]["cohorts"]["most_items"] == 4
    assert report["interfaces"]["cohorts"]["peak"]["3s"] <= 6
    assert report["interfaces"]["cohorts"]["peak"]["hour"] == 6
    assert (report["ids"], report["violations"]) == (5, {})


@pytest.mark.parametrize("changes, status, rule", [
    ({"partner_api_key": "x"}, 401, None),
    ({"client_secret": "x"}, 401, None),
    ({"partner_api_key": None}, 401, "no key"),
    ({"partner": "other"}, 404, None),
    ({"name": ""}, 400, "name"),
    ({"name": None}, 400, "name"),
    ({"created_at": "yesterday"}, 400, "created_at"),
    ({"created_at": None}, 400, "created_at"),
    ({"cohort_id": 7}, 400, "cohort_id"),
    ({"cohort_id": ""}, 400, "cohort_id"),
    ({"more": 1}, 400, "unexpected member"),
    ({"headers": {**JSON, "X-Key": "import-key"}}, 400,
     "key outside of the body"),
    ({"headers": BEARER}, 400, "key outside of the body"),
    ({"headers": {}}, 400, "content type"),
])
def test_a_cohort_is_badly_made(audience, changes, status, rule):
    assert cohort(audience, **changes).status == status
    assert list(violations(audience)) == ([] if rule is None else [rule])
    assert audience.report()["cohorts"] == {}


@pytest.mark.parametrize("change, more, rule", [
    (7, {}, "shape"),
    ({"user_ids": "ann"}, {}, "shape"),
    ({"user_ids": [7]}, {}, "shape"),
    ({"user_ids": [""]}, {}, "shape"),
    ({"aliases": {"alias_name": "x", "alias_label": "l"}}, {}, "shape"),
    ({"aliases": [{"alias_name": "x"}]}, {}, "shape"),
    ({"user_ids": ["x"], "should_remove": "yes"}, {}, "shape"),
    ({"user_ids": ["x"], "add": True}, {}, "shape"),
    ({"user_ids": ["x"]}, {"name": "One"}, "shape"),
    ({"user_ids": ["x"]}, {"cohort_changes": {}}, "shape"),
    ({"user_ids": ["x"]}, {"cohort_id": "c2"}, "unknown cohort"),
    ({"user_ids": ["x", "y", "x"]}, {}, "twice in a request"),
    ({"user_ids": [f"p{i}" for i in range(1001)]}, {}, "too many ids"),
    ({"user_ids": ["x"]}, {"headers": {**JSON, "X-Key": "k partner-key"}},
     "key outside of the body"),
    ({"user_ids": ["x"]}, {
        "path": "/partners/partner/cohorts/users?key=import-key"},
     "key outside of the body"),
])
def test_a_cohort_is_badly_changed(audience, change, more, rule):
    assert cohort(audience).status == 201
    assert users(audience, change, **more).status == 400
    assert violations(audience)[rule] >= 1
    assert audience.memberships() == {}


def test_twice_over_changes_of_a_request(audience):
    assert cohort(audience).status == 201
    assert users(audience, {"user_ids": ["x"]}, {
        "user_ids": ["x"], "should_remove": True}).status == 400
    assert violations(audience) == {"twice in a request": 1}
    assert users(audience, {"user_ids": [
        f"p{i}" for i in range(1000)]}).status == 201


def hang(sim, path, body, headers):
    """A connection whose request is never answered."""
    hung = sim.report()["hung"]
    connection = http.client.HTTPConnection("127.0.0.1", sim.port)
    connection.request("POST", path, json.dumps(body), headers)
    until(lambda: sim.report()["hung"] > hung, "the hung request")
    return connection


@pytest.mark.parametrize("fault", ["hang_percent", "hang_after_percent"])
def test_one_request_of_a_cohort_at_a_time(audience, fault):
    assert cohort(audience).status == 201
    assert cohort(audience, cohort_id="c2").status == 201
    audience.control(**{fault: 100})
    connection = hang(audience, "/partners/partner/cohorts/users", {
        **KEYS, "cohort_id": "c1", "cohort_changes": []}, JSON)
    audience.control(**{fault: 0})
    assert users(audience, {"user_ids": ["bob"]}).status == 423
    assert cohort(audience, name="Two").status == 423
    assert users(audience, {"user_ids": ["bob"]},
                 cohort_id="c2").status == 201
    connection.close()
    assert users(audience, {"user_ids": ["eve"]}).status == 201
    assert violations(audience) == {"two requests of a cohort": 2}
    assert audience.memberships() == {("c1", "external_id:eve"): "in",
                                      ("c2", "external_id:bob"): "in"}


def test_who_gave_up_has_no_request_in_flight(audience):
    assert cohort(audience).status == 201
    for _ in range(20):
        audience.control(hang_after_percent=100)
        connection = hang(audience, "/partners/partner/cohorts/users", {
            **KEYS, "cohort_id": "c1", "cohort_changes": []}, JSON)
        audience.control(hang_after_percent=0)
        connection.close()
        assert users(audience, {"user_ids": ["ann"]}).status == 201
    assert violations(audience) == {}


def test_track_limit(audience):
    audience.control(track_limit=3, track_window_ms=600000)
    statuses = [track(audience, person(a=True)).status for _ in range(5)]
    assert statuses == [201, 201, 201, 429, 429]
    audience.control(track_window_ms=50)
    start = time.monotonic()
    while track(audience, person(a=True)).status != 201:
        assert time.monotonic() - start < 20
    report = audience.report()
    assert report["limited"] >= 2
    assert report["interfaces"]["track"]["peak"]["hour"] == \
        report["requests"]


def test_cohorts_limit_by_the_clock(audience):
    audience.control(cohorts_limit=2, cohorts_window_ms=10000000)
    assert [cohort(audience).status for _ in range(3)] == [201, 201, 429]


def test_export_limit(audience):
    audience.control(export_limit=1, export_window_ms=600000)
    assert export(audience, external_ids=["ann"]).status == 201
    assert export(audience, external_ids=["ann"]).status == 429


@pytest.mark.parametrize("words, names", [
    ("utc", {"limit", "remaining", "reset"}),
    ("left", {"limit", "remaining", "reset"}),
    ("retry", {"retry-after"}),
    ("none", set()),
])
def test_limit_headers(audience, words, names):
    audience.control(limit_headers=words, refuse_all=429, retry_after_s=7)
    headers = track(audience, person(a=True)).headers
    assert {name.removeprefix("x-ratelimit-") for name in headers
            if name.startswith("x-ratelimit-")} == names
    assert "Retry-After" not in headers
    reset = headers.get("x-ratelimit-reset")
    if words == "utc":
        assert 0 <= time.time() + 7 - int(reset) < 60
    elif words == "left":
        assert reset == "7"
    elif words == "retry":
        assert headers["x-ratelimit-retry-after"] == "7"
    audience.control(refuse_all=0)
    headers = track(audience, person(a=True)).headers
    assert ("x-ratelimit-remaining" in headers) == (words in ("utc", "left"))


def test_export(audience):
    alias = {"alias_name": "eve", "alias_label": "l"}
    assert track(audience, person(a=True, b=False),
                 {"user_alias": alias, "a": True}).status == 201
    assert track(audience, person(b=None)).status == 201
    assert export(audience, external_ids=["ann"], user_aliases=[alias]).json[
        "users"] == [
            {"external_id": "ann", "custom_attributes": {"a": True}},
            {"user_aliases": [alias], "custom_attributes": {"a": True}}]
    assert violations(audience) == {}
    assert export(audience, external_ids=["ann"],
                  fields_to_export=[]).status == 400
    assert export(audience, external_ids="ann").status == 400
    assert export(audience, external_ids=[
        f"p{i}" for i in range(51)]).status == 400
    assert violations(audience) == {"shape": 2, "too many ids": 1}


FAULTS = {
    "fail_percent": (503, "failed", 0),
    "reset_percent": (None, "reset", 0),
    "amid_percent": (None, "failed_amid", 1),
    "fail_after_percent": (503, "failed_after", 2),
    "reset_after_percent": (None, "reset", 2),
    "close_percent": (None, "cut", 2),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(audience, name):
    status, counted, taken = FAULTS[name]
    assert cohort(audience).status == 201
    audience.control(**{name: 100}, fail_status=503, fail_after_status=503)
    for send in (lambda: track(audience, person(a=True), person(b=True)),
                 lambda: users(audience, {"user_ids": ["ann", "bob"]})):
        if status is None:
            with pytest.raises((http.client.HTTPException, OSError)):
                send()
        else:
            assert send().status == status
    report = audience.report()
    assert (report[counted], report["memberships"]) == (2, 2 * taken)
    assert violations(audience) == {}


@pytest.mark.parametrize("name, taken", [("hang_percent", 0),
                                         ("hang_after_percent", 1)])
def test_hangs(audience, name, taken):
    audience.control(**{name: 100})
    hang(audience, "/users/track", {"attributes": [person(a=True)]},
         BEARER).close()
    assert audience.report()["memberships"] == taken


def test_faults_of_any_status(audience):
    audience.control(fail_percent=100, fail_status=0)
    for _ in range(60):
        track(audience, person(a=True))
    assert set(audience.report()["by_status"]) == {
        "423", "429", "500", "502", "503", "504"}


def test_a_cohort_that_failed_is_unknown(audience):
    audience.control(refuse_all=503)
    assert cohort(audience).status == 503
    audience.control(refuse_all=0)
    assert users(audience, {"user_ids": ["ann"]}).status == 400
    assert violations(audience) == {"unknown cohort": 1}


def test_quick_changes_may_overtake_each_other(audience):
    for i in range(40):
        assert track(audience, person(f"p{i}", a=True)).status == 201
        assert track(audience, person(f"p{i}", a=False)).status == 201
    assert audience.report()["in"] == 0
    assert audience.report()["rewritten_ms"] >= 0
    audience.control(settle_ms=10000000)
    for i in range(40):
        assert track(audience, person(f"p{i}", a=True)).status == 201
    report = audience.report()
    assert report["in"] + report["out_of_order"] == 40
    assert 0 < report["in"] < 40


def test_settings_and_reset(audience):
    answer = ask(audience.port, "POST", "/control", '{"nonsense":1}')
    assert (answer.status, answer.text) == (400, "unknown setting: nonsense")
    answer = ask(audience.port, "POST", "/control",
                 '{"hang_percent":60,"reset_percent":60}')
    assert answer.status == 400
    assert ask(audience.port, "GET", "/control").json["hang_percent"] == 0
    assert track(audience, person(a=True)).status == 201
    assert ask(audience.port, "POST", "/reset", "").status == 200
    assert audience.report()["requests"] == 0
    assert audience.memberships() == {}


def test_files_at_the_end(start_audiencesim, tmp_path):
    sim = start_audiencesim("--report", str(tmp_path / "report"),
                            "--memberships", str(tmp_path / "memberships"))
    assert track(sim, person(a=True)).status == 201
    assert sim.end() == 0
    report = json.loads((tmp_path / "report").read_text())
    assert report == json.loads(sim.lines[-1])
    assert (report["writes"], report["by_status"]) == (1, {"201": 1})
    assert (tmp_path / "memberships").read_text() == \
        "a\texternal_id:ann\tin\t1\n"
