"""What the operator's file adds to the catalogue is known like what is built in:
to the daemon, and to the commands that read the same settings.
"""

import json
import subprocess

import pytest

from commands import CONFIG, FINE, FOUND, USAGE, enough, lines, run, tool
from conftest import REPO, until
from names import (Choice, Command, Drift, Fate, Finding, Place, Receipt, Row,
                   Text, Verdict)

FAX, ORPHAN = "users.messages.fax.Send", "users.UserOrphan"
CATALOGUE = {
    "properties": {
        "pages": {"type": "integer"},
        "words": {"type": "string", "class": "content"},
        "campaign_name": {"class": "content"},
        "update_token": {"class": "plain"},
    },
    "events": {
        FAX: {"properties": ["pages", "words", "campaign_name"],
              "required": ["pages"],
              "user": ["external_user_id"]},
        ORPHAN: {"properties": ["pages"]},
    },
}


def fax(number, **properties):
    return {"event_type": FAX, "id": f"fax-{number}", "time": 1,
            "user": {"external_user_id": "ann"}, "properties": properties}


def orphan(number, **properties):
    return {"event_type": ORPHAN, "id": f"orphan-{number}", "time": 1,
            "user": {"external_user_id": "ann"},
            "properties": {"orphaned_by_id": "bob", **properties}}


def drift(daemon):
    return {(row[Drift.WHAT], row[Drift.TYPE], row[Drift.FIELD]):
            row[Drift.EVENTS] for row in tool(daemon, "drift")}


@pytest.fixture
def catalogue(tmp_path):
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps(CATALOGUE))
    return path


@pytest.mark.file
def test_unknown_before_and_known_after(start_daemon, heapsim, catalogue):
    daemon = start_daemon(unknown_type=Choice.DROP, redact_at=Choice.ACCEPT)
    before = [fax(1, pages=3, words="hush", campaign_name="c"),
              orphan(1, pages="many", more=1)]
    answer = daemon.post({"events": before}).json
    assert answer["dropped"] == 1 and answer["queued"] == 1
    assert drift(daemon) == {
        (Drift.UNKNOWN_TYPE, FAX, ""): 1,
        (Drift.UNKNOWN_PROPERTY, FAX, "pages"): 1,
        (Drift.UNKNOWN_PROPERTY, FAX, "words"): 1,
        (Drift.UNKNOWN_PROPERTY, FAX, "campaign_name"): 1,
        (Drift.UNKNOWN_USER_MEMBER, FAX, "external_user_id"): 1,
        (Drift.UNKNOWN_PROPERTY, ORPHAN, "pages"): 1,
        (Drift.UNKNOWN_PROPERTY, ORPHAN, "more"): 1,
        (Drift.LEFT_OUT, FAX, "words"): 1,
        (Drift.LEFT_OUT, ORPHAN, "pages"): 1,
    }
    daemon.stop()
    daemon.change(catalogue=catalogue)
    daemon.start()
    # what was recorded and is known by now is not shown
    still = {(Drift.UNKNOWN_PROPERTY, ORPHAN, "more"): 1}
    assert drift(daemon) == still
    answer = daemon.post({"events": [
        fax(2, pages=3, words="hush", campaign_name="c"),
        fax(3, pages="3"), fax(4, words="hush"), orphan(2, pages=2)]}).json
    assert answer["queued"] == 2 and answer[Receipt.DEAD] == 2
    assert drift(daemon).keys() - still.keys() == {
        (Drift.NEW_JSON_TYPE, FAX, "pages"),
        (Drift.BLANK_REQUIRED, FAX, "pages")}
    # a built-in type never becomes invalid by the file
    answer = daemon.post({"events": [orphan(3, pages="many")]}).json
    assert answer["queued"] == 1 and answer[Receipt.DEAD] == 0
    assert (Drift.NEW_JSON_TYPE, ORPHAN, "pages") in drift(daemon)
    until(lambda: heapsim.keys().keys() >= {f"{FAX}:fax-2",
                                            f"{ORPHAN}:orphan-3"}, "delivery")
    assert f"{FAX}:fax-1" not in heapsim.keys()
    # the classes hold when events are accepted
    until(lambda: daemon.queued() == 0, "an empty queue")
    kept = {row[Row.EVENT]["id"]: row[Row.EVENT]["properties"] for row in
            lines(daemon.command(*Command.EXPORT[Place.ARCHIVE]))}
    assert kept["fax-2"] == {"pages": 3}


@pytest.mark.file
def test_drift_becomes_the_file(start_daemon, tmp_path):
    daemon = start_daemon()
    assert daemon.post({"events": [
        {**fax(1, pages=3, words="hush", app_id="a"),
         "user": {"user_id": "u", "fax number": "1"}},
        orphan(1, pages=2.5, price="1")]}).status == 200
    made = subprocess.run([REPO / "deploy/drift-to-catalogue.py"],
                          input=daemon.command("drift", "--json"),
                          capture_output=True, text=True, check=True)
    path = tmp_path / "catalogue.json"
    path.write_text(made.stdout)
    assert len(drift(daemon)) > 5
    daemon.stop()
    daemon.change(catalogue=path)
    daemon.start()
    assert drift(daemon) == {}
    assert daemon.command("drift").startswith(Text.NO_DRIFT)


def test_the_commands_know_it(tmp_path, catalogue):
    made = enough(tmp_path, catalogue=catalogue)
    event = fax(1, pages=3, words="hush", campaign_name="c")
    bad = json.dumps(fax(2, pages="x"))
    # validate
    assert lines(run("validate", "--json", stdin=bad).stdout)[0][
        Finding.VERDICT] == Verdict.VALID
    done = run("validate", "--json", stdin=bad, **made)
    assert done.returncode == FOUND
    assert "pages" in lines(done.stdout)[0][Finding.REASON]
    # explain
    done = run("explain", "--json", stdin=json.dumps(event), **made)
    assert done.returncode == FINE
    row, = lines(done.stdout)
    assert row[Finding.FATE] == Fate.SEND
    sent = row[Finding.EVENT]["properties"]
    assert sent["pages"] == 3 and "words" not in sent
    assert "campaign_name" not in sent
    said = {one["of"]: one["is"] for one in row[Finding.DECISIONS]}
    assert "class content" in said["words"]
    assert "class content" in said["campaign_name"]
    # schema and sample
    assert run("schema", FAX).returncode == USAGE
    schema = json.loads(run("schema", FAX, **made).stdout)
    assert schema["properties"]["properties"]["required"] == ["pages"]
    assert FAX in run("schema", **made).stdout
    assert run("sample", FAX).returncode == USAGE
    made_up = run("sample", FAX, "--count", "20", **made).stdout
    assert all(row["event_type"] == FAX for row in lines(made_up))
    assert run("validate", stdin=made_up, **made).returncode == FINE
    # check, with what the file says in vain
    checked = run("check", "--offline", **made)
    assert checked.returncode == FINE and str(catalogue) in checked.stdout
    assert '"update_token": "plain" is ignored' in checked.stdout


@pytest.mark.parametrize("text, says", [
    ('{"events":{"users.x.Y":{"properties":["foo"]}}}',
     'events: "users.x.Y": unknown property "foo"; add it under properties'),
    ('{"events":{\n"users.x.Y":{,}}}', "line 2: not JSON"),
    ("the-token-of-the-tests", "line 1: not JSON"),
])
def test_a_wrong_file_keeps_it_from_starting(tmp_path, text, says):
    path = tmp_path / "catalogue.json"
    path.write_text(text)
    made = enough(tmp_path, catalogue=path)
    for command in "serve", "check", "schema", "sample", "validate":
        done = run(command, stdin="", **made)
        assert done.returncode == CONFIG, done.stderr
        assert str(path) in done.stderr and says in done.stderr
        assert "the-token" not in done.stderr
    assert not (tmp_path / "state").exists()
