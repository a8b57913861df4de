"""Include and exclude lists: what is dropped is counted by rule and type."""

import json

import pytest

from commands import CONFIG, FINE, enough, lines, run, tool

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
    books = json.loads(daemon.command("ledger", "--json"))
    assert books["total"]["received"] == sum(
        books["total"][name] for name in (
            "waiting", "delivered", "buried", "dropped", "duplicates",
            "forgotten", "expired"))
    return {(row["rule"], row["type"]): row["count"]
            for row in books["drops"]}


@pytest.mark.parametrize("running", [True, False])
def test_an_import_is_judged_as_a_request_is(start_daemon, running):
    daemon = start_daemon(include="users.messages.*", exclude="*.Send",
                          private_at="accept", heap_drop="url")
    daemon.command("queue", "pause", "heap")
    if not running:
        daemon.stop()
    told = tool(daemon, "queue", "import", stdin="".join(
        json.dumps(made) + "\n" for made in (
            event(CLICK, 1), event(SEND, 1), event(PURCHASE, 1))))
    assert told["queued"] == 1 and told["dropped"] == 2
    assert drops(daemon) == {("excluded: *.Send", SEND): 1,
                             ("not included", PURCHASE): 1}
    row, = lines(daemon.command("queue", "export", "--place", "waiting"))
    assert "url" not in row["event"]["properties"]
    assert row["event"]["properties"]["product_id"] == "p"


def test_what_was_accepted_once_is_accepted_again(start_daemon, tmp_path):
    """A property that its type requires may have been taken out for privacy
    since: the price."""
    private = {"private_at": "accept", "heap_drop": "price"}
    daemon = start_daemon(**private)
    daemon.command("queue", "pause", "heap")
    daemon.post({"events": [event(PURCHASE, 1), event(PURCHASE, 2, time="x")]})
    rows = [daemon.command("queue", "export", "--place", place)
            for place in ("waiting", "buried")]
    assert "price" not in rows[0]
    other = start_daemon(**private)
    told = tool(other, "queue", "import", stdin="".join(rows))
    assert (told["queued"], told["buried"]) == (1, 1)
    assert tool(other, "queue", "import", stdin=rows[0])["duplicates"] == 1
    daemon.stop()
    rescued = daemon.command(
        "queue", "rescue", daemon.env["CURRENTSD_STATE_DIR"] + "/queue.db")
    third = start_daemon(**private)
    assert tool(third, "queue", "import", stdin=rescued)["queued"] == 1


def test_include_and_exclude(start_daemon):
    daemon = start_daemon(include="users.messages.*,x.*",
                          exclude="*.Send,x.Old")
    answer = daemon.post({"events": [
        event(CLICK, 1), event(SEND, 1), event(SEND, 2), event(PURCHASE, 1),
        event("x.New", 1), event("x.Old", 1), event(ERASURE, 1),
        event(PURCHASE, 2, time="flawed"), {"id": "no type"}]})
    assert answer.json["received"] == 9
    assert answer.json["dropped"] == 5
    assert answer.json["buried"] == 1
    assert answer.json["queued"] == 3
    found = drops(daemon)
    assert found.pop(("excluded: *.Send", SEND)) == 2
    assert found.pop(("excluded: x.Old", "x.Old")) == 1
    assert found.pop(("not included", PURCHASE)) == 2
    assert not [key for key in found if key[1] != ERASURE]


def test_erasure_is_excluded_by_its_full_name(start_daemon):
    daemon = start_daemon(exclude="users.*")
    assert daemon.post({"events": [event(ERASURE, 1)]}).json["dropped"] == 0
    daemon = start_daemon(exclude=ERASURE)
    assert daemon.post({"events": [event(ERASURE, 1)]}).json["dropped"] == 1
    assert drops(daemon) == {("excluded: " + ERASURE, ERASURE): 1}


def test_a_pattern_of_nothing_is_told(tmp_path):
    done = run("check", **enough(tmp_path, exclude="users.message.*"))
    assert done.returncode not in (CONFIG, FINE + 2)
    assert "users.message.*" in done.stdout + done.stderr
    done = run("check", **enough(tmp_path, exclude="users.messages.*"))
    assert "users.messages.*" not in done.stdout + done.stderr
