"""Include and exclude lists: what is dropped is counted by rule and type."""

import json

import pytest

from commands import CONFIG, FINE, enough, lines, run, tool
from names import Choice, Command, Ledger, Place, Receipt, Row, Rule

CLICK = "users.messages.email.Click"
SEND = "users.messages.email.Send"
PURCHASE = "users.behaviors.Purchase"
ERASURE = "users.UserDeleteRequest"


def event(kind, number, **more):
    return {"event_type": kind, "id": f"{kind}-{number}", "time": 1,
            "user": {"external_user_id": "ann"},
            "properties": {"product_id": "p", "price": 1, "currency": "USD",
                           "url": "u"}, **more}


def drops(daemon):
    ledger = json.loads(daemon.command("ledger", "--json"))
    assert ledger[Ledger.TOTAL]["received"] == sum(
        ledger[Ledger.TOTAL][key] for key in Ledger.PARTS)
    return {(row[Ledger.RULE], row[Ledger.TYPE]): row[Ledger.COUNT]
            for row in ledger[Ledger.DROPS]}


@pytest.mark.file
@pytest.mark.parametrize("running", [True, False])
def test_an_import_is_judged_as_a_request_is(start_daemon, running):
    daemon = start_daemon(include="users.messages.*", exclude="*.Send",
                          redact_at=Choice.ACCEPT, heap_drop="url")
    daemon.command(*Command.PAUSE, "heap")
    if not running:
        daemon.stop()
    told = tool(daemon, *Command.IMPORT, stdin="".join(
        json.dumps(made) + "\n" for made in (
            event(CLICK, 1), event(SEND, 1), event(PURCHASE, 1))))
    assert told["queued"] == 1 and told["dropped"] == 2
    assert drops(daemon) == {(Rule.EXCLUDED % "*.Send", SEND): 1,
                             (Rule.NOT_INCLUDED, PURCHASE): 1}
    row, = lines(daemon.command(*Command.EXPORT[Place.QUEUED]))
    assert "url" not in row[Row.EVENT]["properties"]
    assert row[Row.EVENT]["properties"]["product_id"] == "p"


@pytest.mark.file
def test_what_was_accepted_once_is_accepted_again(start_daemon, tmp_path):
    """A property that its type requires may have been redacted since: the
    price."""
    redacting = {"redact_at": Choice.ACCEPT, "heap_drop": "price"}
    daemon = start_daemon(**redacting)
    daemon.command(*Command.PAUSE, "heap")
    daemon.post({"events": [event(PURCHASE, 1), event(PURCHASE, 2, time="x")]})
    rows = [daemon.command(*Command.EXPORT[place])
            for place in (Place.QUEUED, Place.DEAD)]
    assert "price" not in rows[0]
    other = start_daemon(**redacting)
    told = tool(other, *Command.IMPORT, stdin="".join(rows))
    assert (told["queued"], told[Receipt.DEAD]) == (1, 1)
    assert tool(other, *Command.IMPORT, stdin=rows[0])["duplicates"] == 1
    daemon.stop()
    rescued = daemon.command(
        *Command.RESCUE, daemon.env["CURRENTSD_STATE_DIR"] + "/queue.db")
    third = start_daemon(**redacting)
    assert tool(third, *Command.IMPORT, stdin=rescued)["queued"] == 1


def test_include_and_exclude(start_daemon):
    daemon = start_daemon(include="users.messages.*,x.*",
                          exclude="*.Send,x.Old")
    answer = daemon.post({"events": [
        event(CLICK, 1), event(SEND, 1), event(SEND, 2), event(PURCHASE, 1),
        event("x.New", 1), event("x.Old", 1), event(ERASURE, 1),
        event(PURCHASE, 2, time="invalid"), {"id": "no type"}]})
    assert answer.json["received"] == 9
    assert answer.json["dropped"] == 5
    assert answer.json[Receipt.DEAD] == 1
    assert answer.json["queued"] == 3
    found = drops(daemon)
    assert found.pop((Rule.EXCLUDED % "*.Send", SEND)) == 2
    assert found.pop((Rule.EXCLUDED % "x.Old", "x.Old")) == 1
    assert found.pop((Rule.NOT_INCLUDED, PURCHASE)) == 2
    assert not [key for key in found if key[1] != ERASURE]


def test_erasure_is_excluded_by_its_full_name(start_daemon):
    daemon = start_daemon(exclude="users.*")
    assert daemon.post({"events": [event(ERASURE, 1)]}).json["dropped"] == 0
    daemon = start_daemon(exclude=ERASURE)
    assert daemon.post({"events": [event(ERASURE, 1)]}).json["dropped"] == 1
    assert drops(daemon) == {(Rule.EXCLUDED % ERASURE, ERASURE): 1}


def test_a_pattern_of_nothing_is_told(tmp_path):
    done = run("check", "--offline",
               **enough(tmp_path, exclude="users.message.*"))
    assert done.returncode not in (CONFIG, FINE + 2)
    assert "users.message.*" in done.stdout + done.stderr
    done = run("check", "--offline",
               **enough(tmp_path, exclude="users.messages.*"))
    assert "users.messages.*" not in done.stdout + done.stderr
