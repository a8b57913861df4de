"""What Braze changes is seen: logged once, counted, stored, ready to be added."""

import itertools
import json
import re
import subprocess

import pytest

from commands import tool
from conftest import BUILD, REPO, members, until
from names import Drift, Ledger, Log, Metric, Receipt, Text

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
    # else what is delivered adds to it
    daemon.command("destinations", "pause", "heap")
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
    assert {tuple(members(line)[key] for key in (
        Drift.WHAT, Drift.TYPE, Drift.FIELD, Drift.JSON))
        for line in first} == set(expected)
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
        "\n".join(first)
    assert "s3cr3t" not in told and "hidden words" not in told


def test_thousands_of_new_types_hide_no_known_one(start_daemon):
    """Nor fill the log: what is left out of it is counted."""
    daemon = start_daemon(log_burst=5)

    def post(*kinds):
        body = {"events": [{"event_type": kind, "id": kind, "time": 1,
                            "properties": {}} for kind in kinds]}
        assert daemon.post(body).json["received"] == len(kinds)

    for first in range(0, 5000, 250):
        post(*(f"odd.{number}" for number in range(first, first + 250)))
    assert daemon.post({"events": [event(ORPHAN, 0, app_id="x")]}).status == 200
    received = {line[Ledger.LABEL]: line["received"] for line in tool(
        daemon, "ledger", "--by", "type")[Ledger.LINES]}
    assert received[ORPHAN["event_type"]] == 1
    assert received[Ledger.OTHER] == 5000 - 4096
    assert daemon.metric(Metric.DRIFT_FIRST) >= 5000
    assert 0 < len(drift_lines(daemon)) < 1000
    numbers = itertools.count()

    def told():
        post(f"late.{next(numbers)}")
        return any(re.search(Log.SUPPRESSED, line)
                   for line in drift_lines(daemon))
    until(told, "how many were left out")


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


def additions(rows):
    """What the script makes of the rows, and the lines of its stderr."""
    done = subprocess.run(
        [REPO / "deploy/drift-to-catalogue.py"], input=rows,
        capture_output=True, encoding="utf-8", check=True)
    return json.loads(done.stdout), done.stderr.splitlines()


def compiled(tmp_path, added):
    """Added to the catalogue: our own compiler takes it, and a C compiler what
    it makes."""
    catalogue = json.loads((REPO / "schema/currents/events.json").read_text())
    for section in "user", "properties":
        new = added.get(section, {})
        assert not set(new) & set(catalogue[section])
        catalogue[section].update(new)
    for name, event in added.get("events", {}).items():
        old = catalogue["events"].setdefault(name, {
            "family": "new", "required": [], "properties": [], "user": []})
        for names in "properties", "user":
            assert not set(event.get(names, [])) & set(old[names])
            old[names] = old[names] + event.get(names, [])
        old.setdefault("types", {}).update(event.get("types", {}))
    (tmp_path / "events.json").write_text(json.dumps(catalogue))
    subprocess.run([BUILD / "catalogue_compile", tmp_path / "events.json",
                    tmp_path / "tables.c"], check=True)
    subprocess.run(["cc", "-std=c17", "-fsyntax-only", f"-I{REPO}",
                    tmp_path / "tables.c"], check=True)


def test_drift_becomes_additions_to_the_catalogue(daemon, tmp_path):
    fax, orphan = NEW_TYPE["event_type"], "users.UserOrphan"
    flagged = event(NEW_TYPE, 3, price="12", ok=True, none=None)
    assert daemon.post({"events": [
        event(NEW_TYPE, 1), event(ORPHAN, 2, app_id="x"), flagged,
        {**event(ORPHAN, 4, app_id="x"), "user": {"a new one": 5}}]}
    ).status == 200
    rows = daemon.command("drift", "--json")
    known = {row[Drift.FIELD]: row[Drift.KNOWN_AS] for row in json.loads(rows)}
    assert known["price"] == "number" and known["pages"] is None
    added, remarks = additions(rows)
    content = {"type": "string", "class": "content"}
    assert added == {
        "user": {"a new one": "integer, seen by drift"},
        "properties": {"pages": {"type": "number"}, "ok": {"type": "boolean"},
                       "secret-value": content, "new_field": content,
                       "none": content},
        "events": {
            fax: {"properties": added["events"][fax]["properties"],
                  "types": {"price": "string"}},
            orphan: {"properties": added["events"][orphan]["properties"],
                     "user": ["a new one"]}}}
    assert sorted(added["events"][fax]["properties"]) == [
        "app_id", "none", "ok", "pages", "price", "secret-value"]
    assert sorted(added["events"][orphan]["properties"]) == [
        "new_field", "pages"]
    for name in "secret-value", "new_field", "none":
        assert any(f" {name} gets the class content" in line
                   for line in remarks), name
    assert any("blank required" in line and "'orphaned_by_id'" in line
               for line in remarks)
    compiled(tmp_path, added)


def test_whatever_was_seen_the_additions_fit(daemon, tmp_path):
    long = "n" * 300
    odd = {"": 1, " ": 1, "\u00a0": 1, "a\"b": 1, "a\\b": 1, "a\nb": 1,
           "\x1b[2J": 1, long: 1, "\u00fcber": "x", "none": None,
           "array": [{}], "price": [[1]], "plain": "x", "name": None,
           "list": ["a"], "mixed": 1}
    new = {**NEW_TYPE, "user": {"user_id": "u", "a new one": 5, "": 1,
                                "b\"c": 1, long: 1}, "properties": odd}
    events = [{**new, "id": str(i), "event_type": name} for i, name in
              enumerate(("x.New", " ", "x\"y", "x\ny", long, "x", "users.x",
                         "users..x", "users.UserOrphan"))]
    events[-1]["properties"] = {**odd, "orphaned_by_id": "o",
                                "list": ["a", None], "mixed": "text"}
    events.append({**ORPHAN, "id": "other", "properties": {
        "orphaned_by_id": None, "mixed": True}})
    answer = daemon.post({"events": events})
    assert answer.json["received"] == len(events)
    added, remarks = additions(daemon.command("drift", "--json"))
    assert set(added["events"]) == {"x.New", "x", "users.x", "users..x",
                                    "users.UserOrphan"}
    assert "a new one" in added["user"]
    for event_type in added["events"].values():
        assert sorted(event_type["properties"]) == [
            "list", "name", "none", "plain", "\u00fcber"]
    assert added["properties"]["list"] == {"type": "array<string|null>",
                                           "class": "content"}
    for name in ("array", "price", "mixed"):
        assert any(f"'x.New' '{name}'" in line and "decide on its type" in line
                   for line in remarks), name
    assert set(added["properties"]) == {"list", "none", "plain", "\u00fcber"}
    assert set(added["user"]) == {"a new one"}
    compiled(tmp_path, added)


@pytest.mark.parametrize("given", ["", "5", "[1]", '[{"what":"x"}]'])
def test_the_script_says_what_it_reads(given):
    done = subprocess.run(
        [REPO / "deploy/drift-to-catalogue.py"], input=given,
        capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1 and not done.stdout
    assert "currentsd drift --json" in done.stderr
