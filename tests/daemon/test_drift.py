"""What Braze changes is seen: logged once, counted, kept, adoptable."""

import json
import re
import subprocess

from conftest import BUILD, REPO

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
    return [line for line in daemon.run.lines if " server: drift " in line]


def seen(daemon):
    return {(row["what"], row["type"], row["field"], row["json"]):
            row["events"] for row in json.loads(daemon.command("drift",
                                                               "--json"))}


def test_seen_once_and_kept(daemon):
    sound = event(ORPHAN, 0, app_id="x")
    assert daemon.command("drift").startswith("nothing was seen")
    body = {"events": [event(NEW_TYPE, 1), event(NEW_TYPE, 2), sound,
                       event(ORPHAN, 3)]}
    assert daemon.post(body).status == 200
    fax, orphan = "users.messages.fax.Send", "users.UserOrphan"
    expected = {
        ("unknown type", fax, "", ""): 2,
        ("unknown property", fax, "app_id", "string"): 2,
        ("unknown property", fax, "pages", "integer"): 2,
        ("unknown property", fax, "secret-value", "string"): 2,
        ("unknown user member", fax, "user_id", "string"): 2,
        ("unknown user member", fax, "external_user_id", "string"): 2,
        ("unknown property", orphan, "new_field", "string"): 1,
        ("unknown property", orphan, "pages", "number"): 1,
        ("blank required", orphan, "orphaned_by_id", "blank"): 1,
        ("new json type", orphan, "app_id", "integer"): 1,
    }
    assert seen(daemon) == expected
    first = drift_lines(daemon)
    assert len(first) == len(expected)
    assert re.search(r'what="unknown type" type="users.messages.fax.Send" '
                     r'field="" json=""', "\n".join(first))
    assert daemon.metric("currentsd_drift_first_total") == len(expected)
    assert daemon.metric(
        'currentsd_drift_total{what="unknown property"}') == 8
    # again, and after a restart: counted, not told again
    assert daemon.post({"events": [event(NEW_TYPE, 4)]}).status == 200
    assert drift_lines(daemon) == first
    daemon.stop()
    daemon.start()
    assert daemon.post({"events": [event(NEW_TYPE, 5)]}).status == 200
    assert seen(daemon)["unknown type", fax, "", ""] == 4
    assert not drift_lines(daemon)
    # never a value
    told = daemon.command("drift") + daemon.command("drift", "--json") + \
        daemon.command("drift", "--adopt") + "\n".join(first)
    assert "s3cr3t" not in told and "hidden words" not in told


def test_required_ones_that_went_are_seen(daemon):
    orphan = "users.UserOrphan"
    body = {"events": [
        {"event_type": orphan, "id": "a", "time": 1, "properties": {}},
        {"event_type": orphan, "id": "b", "time": 1,
         "properties": {"orphaned_by_id": None}}]}
    assert daemon.post(body).json["buried"] == 2
    assert seen(daemon) == {
        ("blank required", orphan, "orphaned_by_id", "absent"): 1,
        ("blank required", orphan, "orphaned_by_id", "null"): 1}


def test_what_is_known_is_not_noted(daemon):
    events = daemon.command("sample", "--all", "--count", "300", "--batch")
    assert daemon.post(events).status == 200
    assert daemon.command("drift").startswith("nothing was seen")


def test_adopted_lines_are_a_catalogue(daemon, tmp_path):
    assert daemon.post({"events": [
        event(NEW_TYPE, 1), event(ORPHAN, 2, app_id="x")]}).status == 200
    lines = [line for line in daemon.command("drift", "--adopt").splitlines()
             if not line.startswith("#")]
    catalogue = json.loads((REPO / "schema/events.json").read_text())
    for line in lines:
        ((name, value),) = json.loads("{" + line.rstrip(",") + "}").items()
        if "family" in value:
            catalogue["events"][name] = value
        else:
            catalogue["properties"][name] = value
    assert catalogue["properties"]["pages"] == {"type": "number"}
    assert catalogue["events"][NEW_TYPE["event_type"]] == {
        "family": "messages", "required": [],
        "properties": ["app_id", "pages", "secret-value"],
        "user": ["external_user_id", "user_id"]}
    orphan = catalogue["events"]["users.UserOrphan"]
    assert {"new_field", "pages", "app_id"} < set(orphan["properties"])
    assert orphan["required"] == ["orphaned_by_id"]
    # our own compiler takes it
    (tmp_path / "events.json").write_text(json.dumps(catalogue))
    subprocess.run([BUILD / "catalogue_compile", tmp_path / "events.json",
                    tmp_path / "tables.c"], check=True)
    subprocess.run(["cc", "-std=c17", "-fsyntax-only", f"-I{REPO}",
                    tmp_path / "tables.c"], check=True)
