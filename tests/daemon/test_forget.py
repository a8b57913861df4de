"""Forgetting a person, and the list of those who asked for it."""

import gzip
import json
import os
import re

import pytest

from braze import batch, event
from commands import FOUND, USAGE, lines, tool
from conftest import until

FAST = {"heap_linger": "10ms"}
PERSON = "person-of-the-test"


def about(person, **changes):
    return event(user={"external_user_id": person}, **changes)


def test_forget(start_daemon, heapsim):
    daemon = start_daemon(**FAST)
    state = daemon.env["CURRENTSD_STATE_DIR"]
    daemon.post(batch(about(PERSON), about("other")))
    until(lambda: daemon.books()["delivered"] == 2, "delivered")
    daemon.command("queue", "pause", "heap")
    daemon.post(batch(about(PERSON), about("other"), about(PERSON)))
    flawed = {"id": 5, "time": 1, "user": {"user_id": PERSON}}
    daemon.post(batch(flawed, {**flawed, "user": {"user_id": "other"}}))
    cut = ('{"events":[{"user":{"external_user_id":"%s"}}' % PERSON).encode()
    assert daemon.post(cut).status == 400
    assert daemon.post(gzip.compress(cut),
                       content_encoding="gzip").status == 400
    assert daemon.post(cut.replace(PERSON.encode(), b"other")).status == 400
    told = tool(daemon, "forget", PERSON)
    assert told == {"waiting": 2, "kept": 1, "buried": 1, "undecodable": 2,
                    "undecodable_unclear": 0, "damaged_parcels": 0}
    for place in ("waiting", "kept", "buried"):
        text = daemon.command("queue", "export", "--place", place)
        assert PERSON not in text and len(lines(text)) == 1
    total = tool(daemon, "ledger", "--check")["total"]
    assert total["forgotten"] == 3 and total["waiting"] == 1
    daemon.stop()
    for name in os.listdir(state):
        with open(f"{state}/{name}", "rb") as file:
            assert PERSON.encode() not in file.read(), name
    assert tool(daemon, "forget", "other")["waiting"] == 1
    daemon.start()
    daemon.command("queue", "resume", "heap")
    assert daemon.books()["waiting"] == 0 and len(heapsim.keys()) == 2


def test_what_is_ready_to_be_sent_is_forgotten_too(start_daemon, heapsim):
    """While Heap is away its events are mapped, and wait in memory."""
    daemon = start_daemon(**FAST, heap_backoff_first="100ms",
                          heap_backoff_most="200ms")
    heapsim.control(reset_percent=100)
    daemon.post(batch(about(PERSON), about("other")))
    until(lambda: heapsim.books()["requests"] > 0, "it is tried")
    assert tool(daemon, "forget", PERSON)["waiting"] == 1
    heapsim.control(reset_percent=0)
    until(lambda: daemon.books()["waiting"] == 0, "the other is delivered")
    assert len(heapsim.keys()) == 1 and "identity:other" in heapsim.users().values()


def test_what_cannot_be_read_to_its_end_is_told(start_daemon):
    daemon = start_daemon(**FAST)
    packed = gzip.compress(json.dumps(batch(about(PERSON))).encode())
    assert daemon.post(packed[:-12], content_encoding="gzip").status == 400
    assert tool(daemon, "forget", "nobody-there", code=FOUND)[
        "undecodable_unclear"] == 1
    assert tool(daemon, "forget", PERSON)["undecodable"] == 1


def test_a_request_for_erasure_until_it_is_done(start_daemon):
    daemon = start_daemon(**FAST)
    asked = {"user_id": "0123456789abcdef01234567"}
    daemon.post(batch(event(kind="users.UserDeleteRequest", user=asked,
                            properties={}),
                      event(kind="users.UserDeleteRequest", properties={},
                            user={"user_id": "89abcdef0123456789abcdef"})))
    until(lambda: daemon.books()["dropped"] == 2, "both are on the list")
    rows = tool(daemon, "queue", "erasures")
    assert [row["subject"] for row in rows][0] == asked["user_id"]
    tool(daemon, "forget", asked["user_id"])
    row, = tool(daemon, "queue", "erasures")
    assert row["source"] == "main"
    daemon.stop()
    daemon.command("queue", "erasures", "--done", row["subject"])
    assert tool(daemon, "queue", "erasures") == []


def test_on_delete_forget(start_daemon):
    """They are erased without a person's doing, and stay on the list as
    forgotten here: Heap has them still."""
    daemon = start_daemon(on_delete="forget", forget_interval="1s", **FAST)
    for n, who in enumerate(("fedcba9876543210fedcba98",
                             "89abcdef0123456789abcdef")):
        asked = {"user_id": who}
        daemon.post(batch(event(user=asked), event()))
        until(lambda: daemon.books()["delivered"] == 2 * n + 2, "kept")
        daemon.post(batch(event(kind="users.UserDeleteRequest",
                                properties={}, user=asked)))
        done = until(lambda: [line for line in daemon.run.lines
                              if "erase: forgot people=1" in line][n:],
                     "erased")
        removed = json.loads(re.search(r"removed=(\{.*\})", done[0])[1])
        assert removed["kept"] == 1 and removed["waiting"] == 0
        assert [row["subject"] for row in tool(daemon, "queue", "erasures")
                if row["forgotten"]][n:] == [who]
        assert len(lines(daemon.command("queue", "export", "--place",
                                        "kept"))) == n + 1
        assert not [line for line in daemon.run.lines if who in line]
    assert tool(daemon, "ledger", "--check")["total"]["forgotten"] == 0
    daemon.command("queue", "erasures", "--done", who)
    assert len(tool(daemon, "queue", "erasures")) == 1


@pytest.mark.parametrize("running", [True, False])
def test_who_was_hashed_at_acceptance_is_found(start_daemon, tmp_path,
                                               running):
    key = tmp_path / "key"
    key.write_text("0123456789abcdef")
    key.chmod(0o600)
    daemon = start_daemon(private_at="accept", heap_identity_hash="yes",
                          heap_hash="braze_user_id", heap_hash_key_file=key,
                          **FAST)
    daemon.command("queue", "pause", "heap")
    daemon.post(batch(about(PERSON), event(
        user={"external_user_id": "x", "user_id": "b1"}), about("other")))
    assert PERSON not in daemon.command("queue", "export", "--place",
                                        "waiting")
    if not running:
        daemon.stop()
    assert tool(daemon, "forget", PERSON)["waiting"] == 1
    assert tool(daemon, "forget", "b1")["waiting"] == 1
    assert tool(daemon, "forget", "nobody")["waiting"] == 0


def test_several_are_forgotten_at_once(start_daemon):
    daemon = start_daemon(**FAST)
    people = [f"person-{n}" for n in range(300)]
    daemon.post(batch(*(about(person) for person in people)))
    until(lambda: daemon.books()["delivered"] == 300, "delivered")
    assert tool(daemon, "forget", *people[1:])["kept"] == 299
    daemon.command("forget", "x", "", code=USAGE)
    daemon.command("forget", code=USAGE)


def test_erasures(start_daemon):
    daemon = start_daemon(**FAST)
    assert tool(daemon, "queue", "erasures") == []
    assert "nobody" in daemon.command("queue", "erasures")
    daemon.command("queue", "erasures", "--done", "x", code=FOUND)
    daemon.stop()
    assert tool(daemon, "queue", "erasures") == []
