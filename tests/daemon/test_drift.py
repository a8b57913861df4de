"""What Braze changes is seen: logged once, counted, stored, adoptable."""

import json
import re
import subprocess

import pytest

from conftest import BUILD, REPO
from names import Drift, Log, Metric, Option, Receipt, Text

NEW_TYPE = {"event_type": "users.messages.fax.Send", "id": "a", "time": 1,
            "user": {"user_id": "u", "external_user_id": "e"},
            "properties": {"app_id": "x", "pages": 3, "secret-value": "s3cr3t"}}
ORPHAN = {"event_type": "users.UserOrphan", "id": "b", "time": 1,
          "properties": {"orphaned_by_id": "", "new_field": "hidden words",
                         "pages": 2.5, "app_id": 5}}


def event(base, number, **properties):
    return {**base, "id": f"id-{number}",
            "properties": {**base["properties"], **properties}}


def drift_lines(daemon):
    return [line for line in daemon.run.lines if re.search(Log.DRIFT, line)]


def seen(daemon):
    return {(row[Drift.WHAT], row[Drift.TYPE], row[Drift.FIELD],
             row[Drift.JSON]): row[Drift.EVENTS]
            for row in json.loads(daemon.command("drift", "--json"))}


@pytest.mark.file
def test_seen_once_and_stored(daemon):
    usual = event(ORPHAN, 0, app_id="x")
    assert daemon.command("drift").startswith(Text.NO_DRIFT)
    body = {"events": [event(NEW_TYPE, 1), event(NEW_TYPE, 2), usual,
                       event(ORPHAN, 3)]}
    assert daemon.post(body).status == 200
    fax, orphan = "users.messages.fax.Send", "users.UserOrphan"
    expected = {
        (Drift.UNKNOWN_TYPE, fax, "", ""): 2,
        (Drift.UNKNOWN_PROPERTY, fax, "app_id", "string"): 2,
        (Drift.UNKNOWN_PROPERTY, fax, "pages", "integer"): 2,
        (Drift.UNKNOWN_PROPERTY, fax, "secret-value", "string"): 2,
        (Drift.UNKNOWN_USER_MEMBER, fax, "user_id", "string"): 2,
        (Drift.UNKNOWN_USER_MEMBER, fax, "external_user_id", "string"): 2,
        (Drift.UNKNOWN_PROPERTY, orphan, "new_field", "string"): 1,
        (Drift.UNKNOWN_PROPERTY, orphan, "pages", "number"): 1,
        (Drift.BLANK_REQUIRED, orphan, "orphaned_by_id", "blank"): 1,
        (Drift.NEW_JSON_TYPE, orphan, "app_id", "integer"): 1,
    }
    assert seen(daemon) == expected
    first = drift_lines(daemon)
    assert len(first) == len(expected)
    assert re.search(Log.DRIFT_OF % (Drift.UNKNOWN_TYPE, fax, "", ""),
                     "\n".join(first))
    assert daemon.metric(Metric.DRIFT_FIRST) == len(expected)
    assert daemon.metric(Metric.DRIFT % Drift.UNKNOWN_PROPERTY) == 8
    # again, and after a restart: counted, not told again
    assert daemon.post({"events": [event(NEW_TYPE, 4)]}).status == 200
    assert drift_lines(daemon) == first
    daemon.stop()
    daemon.start()
    assert daemon.post({"events": [event(NEW_TYPE, 5)]}).status == 200
    assert seen(daemon)[Drift.UNKNOWN_TYPE, fax, "", ""] == 4
    assert not drift_lines(daemon)
    # never a value
    told = daemon.command("drift") + daemon.command("drift", "--json") + \
        daemon.command("drift", Option.ADOPT) + "\n".join(first)
    assert "s3cr3t" not in told and "hidden words" not in told


def test_required_ones_that_went_are_seen(daemon):
    orphan = "users.UserOrphan"
    body = {"events": [
        {"event_type": orphan, "id": "a", "time": 1, "properties": {}},
        {"event_type": orphan, "id": "b", "time": 1,
         "properties": {"orphaned_by_id": None}}]}
    assert daemon.post(body).json[Receipt.DEAD] == 2
    assert seen(daemon) == {
        (Drift.BLANK_REQUIRED, orphan, "orphaned_by_id", "absent"): 1,
        (Drift.BLANK_REQUIRED, orphan, "orphaned_by_id", "null"): 1}


def test_what_is_known_is_no_drift(daemon):
    events = daemon.command("sample", "--all", "--count", "300", "--batch")
    assert daemon.post(events).status == 200
    assert daemon.command("drift").startswith(Text.NO_DRIFT)


def compiled(tmp_path, catalogue):
    """Our own compiler takes it, and a C compiler what it makes."""
    (tmp_path / "events.json").write_text(json.dumps(catalogue))
    subprocess.run([BUILD / "catalogue_compile", tmp_path / "events.json",
                    tmp_path / "tables.c"], check=True)
    subprocess.run(["cc", "-std=c17", "-fsyntax-only", f"-I{REPO}",
                    tmp_path / "tables.c"], check=True)


def adopted(text):
    """The catalogue with every line pasted where its remark says."""
    catalogue = json.loads((REPO / "schema/currents/events.json").read_text())
    section, replaces = None, False
    for line in text.splitlines():
        into = re.fullmatch(r'# add to "(\w+)":', line)
        section = into[1] if into else section
        if line.startswith("#"):
            replaces = line == "# replace the existing line with:"
            continue
        ((name, value),) = json.loads("{" + line.rstrip(",") + "}").items()
        assert (name in catalogue[section]) is replaces, line
        catalogue[section][name] = value
        replaces = False
    return catalogue


def test_adopted_lines_are_a_catalogue(daemon, tmp_path):
    assert daemon.post({"events": [
        event(NEW_TYPE, 1), event(ORPHAN, 2, app_id="x")]}).status == 200
    catalogue = adopted(daemon.command("drift", Option.ADOPT))
    assert catalogue["properties"]["pages"] == {"type": "number"}
    assert catalogue["events"][NEW_TYPE["event_type"]] == {
        "family": "messages", "required": [],
        "properties": ["app_id", "pages", "secret-value"],
        "user": ["external_user_id", "user_id"]}
    orphan = catalogue["events"]["users.UserOrphan"]
    assert {"new_field", "pages", "app_id"} < set(orphan["properties"])
    assert orphan["required"] == ["orphaned_by_id"]
    compiled(tmp_path, catalogue)


def test_whatever_was_seen_the_lines_can_be_pasted(daemon, tmp_path):
    long = "n" * 300
    odd = {"": 1, " ": 1, "\u00a0": 1, "a\"b": 1, "a\\b": 1, "a\nb": 1,
           "\x1b[2J": 1, long: 1, "\u00fcber": "x", "none": None,
           "array": [{}], "price": [[1]], "plain": "x", "name": None}
    new = {**NEW_TYPE, "user": {"user_id": "u", "a new one": 5, "": 1,
                                "b\"c": 1, long: 1}, "properties": odd}
    events = [{**new, "id": str(i), "event_type": name} for i, name in
              enumerate(("x.New", " ", "x\"y", "x\ny", long, "x", "users.x",
                         "users..x", "users.UserOrphan"))]
    events[-1]["properties"] = {**odd, "orphaned_by_id": "o"}
    events.append({**ORPHAN, "id": "other", "properties": {
        "orphaned_by_id": None, "plain": True}})
    answer = daemon.post({"events": events})
    assert answer.json["received"] == len(events)
    text = daemon.command("drift", Option.ADOPT)
    catalogue = adopted(text)
    assert {"x.New", "x", "users.x", "users..x"} < set(catalogue["events"])
    assert "a new one" in catalogue["user"]
    assert catalogue["events"]["x.New"]["properties"].count("plain") == 1
    for name in ("array", "price"):
        assert name not in catalogue["events"]["x.New"]["properties"]
        assert re.search(rf"^# x.New {name} \(array\): decide", text, re.M)
    for name in ("", " ", "\u00a0", long[:128], 'x"y', 'a"b'):
        for section in "events", "properties", "user":
            assert name not in catalogue[section]
    compiled(tmp_path, catalogue)
