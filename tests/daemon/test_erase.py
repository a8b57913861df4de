"""Erasing people, and the list of the requests for it."""

import gzip
import json
import os
import re

import pytest

from braze import batch, event, receipt
from commands import FOUND, USAGE, lines, tool
from conftest import NO_QUOTA, members, until
from names import (Choice, Command, Erased, Erasure, Ledger, Log, Option,
                   Place, Queue, Row, State, Text, erase)

FAST = {"heap_linger": "10ms", **NO_QUOTA}
PERSON = "person-of-the-test"


def about(person, **changes):
    return event(user={"external_user_id": person}, **changes)


@pytest.mark.file
def test_erase(start_daemon, heapsim):
    daemon = start_daemon(**FAST)
    state = daemon.env["CURRENTSD_STATE_DIR"]
    daemon.post(batch(about(PERSON), about("other")))
    until(lambda: daemon.queue()["delivered"] == 2, "delivered")
    daemon.command(*Command.PAUSE, "heap")
    daemon.post(batch(about(PERSON), about("other"), about(PERSON)))
    invalid = {"id": 5, "time": 1, "user": {"user_id": PERSON}}
    daemon.post(batch(invalid, {**invalid, "user": {"user_id": "other"}}))
    cut = ('{"events":[{"user":{"external_user_id":"%s"}}' % PERSON).encode()
    assert daemon.post(cut).status == 400
    assert daemon.post(gzip.compress(cut),
                       content_encoding="gzip").status == 400
    assert daemon.post(cut.replace(PERSON.encode(), b"other")).status == 400
    assert tool(daemon, *erase(PERSON)) == {
        Erased.QUEUED: 2, Erased.ARCHIVE: 1, Erased.DEAD: 1,
        Erased.UNREADABLE: 2, Erased.UNREADABLE_UNCLEAR: 0,
        Erased.MEMBERS: 0, Erased.DAMAGED: 0, Erased.FOUND: 0,
        Erased.ALONE: 1, Erased.SHARED: 0}
    for place in (Place.QUEUED, Place.ARCHIVE, Place.DEAD):
        text = daemon.command(*Command.EXPORT[place])
        assert PERSON not in text and len(lines(text)) == 1
    total = tool(daemon, "ledger", "--check")[Ledger.TOTAL]
    assert total[Ledger.ERASED] == 3 and total[Ledger.QUEUED] == 1
    daemon.stop()
    for name in os.listdir(state):
        with open(f"{state}/{name}", "rb") as file:
            assert PERSON.encode() not in file.read(), name
    assert tool(daemon, *erase("other"))[Erased.QUEUED] == 1
    daemon.start()
    daemon.command(*Command.RESUME, "heap")
    assert daemon.queued() == 0 and len(heapsim.keys()) == 2


def test_what_is_ready_to_be_sent_is_erased_too(start_daemon, heapsim):
    """While Heap is away its events are mapped, and wait in memory."""
    daemon = start_daemon(**FAST, heap_backoff_first="100ms",
                          heap_backoff_most="200ms")
    heapsim.control(reset_percent=100)
    daemon.post(batch(about(PERSON), about("other")))
    until(lambda: heapsim.books()["requests"] > 0, "it is tried")
    assert tool(daemon, *erase(PERSON))[Erased.QUEUED] == 1
    heapsim.control(reset_percent=0)
    until(lambda: daemon.queued() == 0, "the other is delivered")
    assert len(heapsim.keys()) == 1
    assert "identity:other" in heapsim.users().values()


def test_what_is_in_flight_is_not_sent_again(start_daemon, heapsim):
    """The answer to the request that holds the person never comes."""
    daemon = start_daemon(**FAST, heap_timeout="2s",
                          heap_backoff_first="100ms",
                          heap_backoff_most="200ms")
    heapsim.control(hang_percent=100)
    daemon.post(batch(about(PERSON), about("other")))
    until(lambda: heapsim.books()["requests"] > 0, "it is in flight")
    assert tool(daemon, *erase(PERSON))[Erased.QUEUED] == 1
    heapsim.control(hang_percent=0)
    until(lambda: daemon.queued() == 0, "the other is delivered")
    assert set(heapsim.users().values()) == {"identity:other"}


def test_what_cannot_be_read_to_its_end_is_told(start_daemon):
    daemon = start_daemon(**FAST)
    packed = gzip.compress(json.dumps(batch(about(PERSON))).encode())
    assert daemon.post(packed[:-12], content_encoding="gzip").status == 400
    assert tool(daemon, *erase("nobody-there"), code=FOUND)[
        Erased.UNREADABLE_UNCLEAR] == 1
    assert tool(daemon, *erase(PERSON))[Erased.UNREADABLE] == 1


@pytest.mark.file
def test_a_request_for_erasure_until_it_is_done(start_daemon):
    daemon = start_daemon(**FAST)
    asked = {"user_id": "0123456789abcdef01234567"}
    daemon.post(batch(event(kind="users.UserDeleteRequest", user=asked,
                            properties={}),
                      event(kind="users.UserDeleteRequest", properties={},
                            user={"user_id": "89abcdef0123456789abcdef"})))
    rows = tool(daemon, *Command.ERASURES_LIST)
    assert [row[Erasure.USER] for row in rows][0] == asked["user_id"]
    tool(daemon, *erase(asked["user_id"]))
    row, = tool(daemon, *Command.ERASURES_LIST)
    assert row[Erasure.SOURCE] == "main"
    daemon.stop()
    daemon.command(*Command.ERASURES_DONE, row[Erasure.USER])
    assert tool(daemon, *Command.ERASURES_LIST) == []


def request(user, **changes):
    return event(kind="users.UserDeleteRequest", properties={}, user=user,
                 **changes)


@pytest.mark.file
@pytest.mark.parametrize("state", [State.PAUSED, State.HALTED, State.TRIAL,
                                   "unreachable"])
def test_requests_are_listed_when_accepted(start_daemon, heapsim, state):
    """Whatever state the destination is in, and whatever happens then: once,
    and not again when they are delivered, or when they come again."""
    url = {"unreachable": {"heap_url": "http://127.0.0.1:9"},
           State.TRIAL: {"heap_trial": "yes"}}.get(state, {})
    daemon = start_daemon(**FAST, **url)
    if state == State.PAUSED:
        daemon.command(*Command.PAUSE, "heap")
    elif state == State.HALTED:
        heapsim.control(refuse_all=401)
        daemon.post(batch(event(), event()))
        until(lambda: daemon.destination()["state"] == state, state)
    asked = "7" * 24
    body = batch(event(), request({"user_id": asked}, id="r-1"),
                 request({"user_id": "null"}), request({"user_id": "a\0b"}),
                 request({"user_id": " "}), request({}),
                 request({"external_user_id": PERSON}))
    assert daemon.post(body).json["queued"] == 7
    daemon.kill()
    row, = tool(daemon, *Command.ERASURES_LIST)
    assert row[Erasure.USER] == asked and not row[Erasure.ERASED]
    daemon.command(*Command.ERASURES_DONE, asked)
    daemon.change(heap_url=heapsim.url, heap_trial=None)
    heapsim.control(refuse_all=0)
    daemon.start()
    daemon.command(*Command.RESUME, "heap")
    assert daemon.post(body).json["duplicates"] == 7
    until(lambda: daemon.queued() == 0, "settled")
    assert tool(daemon, *Command.ERASURES_LIST) == []


@pytest.mark.file
def test_a_request_that_is_imported_is_listed(start_daemon):
    """A second time only if what was received before counts, too: it brings
    back the events of these people."""
    daemon = start_daemon(**FAST)
    daemon.stop()
    asked = "8" * 24
    text = json.dumps(request({"user_id": asked})) + "\n"
    for option, listed in (((), 1), ((), 0), ((Option.AGAIN,), 1)):
        tool(daemon, *Command.IMPORT, *option, stdin=text)
        rows = tool(daemon, *Command.ERASURES_LIST)
        assert [row[Erasure.USER] for row in rows] == [asked] * listed
        if rows:
            daemon.command(*Command.ERASURES_DONE, asked)


def test_a_request_for_no_id_is_not_listed(start_daemon):
    """The list keeps what it is given, uncompressed and without end."""
    daemon = start_daemon(**FAST)
    users = ["u" * length for length in (24, 1024, 1025, 1000000)]
    for user in users:
        daemon.post(batch(request({"user_id": user})))
    assert [row[Erasure.USER]
            for row in tool(daemon, *Command.ERASURES_LIST)] == users[:2]


def test_on_delete_erase(start_daemon):
    """They are erased without an operator's doing, and stay on the list as
    erased here: Heap has them still."""
    daemon = start_daemon(on_delete=Choice.ERASE, erase_interval="1s", **FAST)
    for n, user in enumerate(("fedcba9876543210fedcba98",
                             "89abcdef0123456789abcdef")):
        asked = {"user_id": user}
        daemon.post(batch(event(user=asked), event()))
        until(lambda: daemon.queue()["delivered"] == 2 * n + 2, "archived")
        daemon.post(batch(event(kind="users.UserDeleteRequest",
                                properties={}, user=asked)))
        done = until(lambda: [line for line in daemon.run.lines
                              if re.search(Log.ERASED % 1, line)][n:],
                     "erased")
        removed = members(done[0])
        assert removed[Erased.ARCHIVE] == "1"
        assert removed[Erased.QUEUED] == "0"
        assert [row[Erasure.USER]
                for row in tool(daemon, *Command.ERASURES_LIST)
                if row[Erasure.ERASED]][n:] == [user]
        assert len(lines(daemon.command(
            *Command.EXPORT[Place.ARCHIVE]))) == n + 1
        assert not [line for line in daemon.run.lines if user in line]
    assert tool(daemon, "ledger",
                "--check")[Ledger.TOTAL][Ledger.ERASED] == 0
    daemon.command(*Command.ERASURES_DONE, user)
    assert len(tool(daemon, *Command.ERASURES_LIST)) == 1


def test_one_who_cannot_be_erased_keeps_nobody_waiting(start_daemon):
    """An id that stands beside too many others is no person's, as long as
    their events are here. Then it is tried again."""
    daemon = start_daemon(on_delete=Choice.ERASE, erase_interval="1s",
                          keep_archive="0s", **FAST)
    daemon.command(*Command.PAUSE, "heap")
    everybody, users = "e" * 24, ["a" * 24, "b" * 24, "c" * 24]
    for first in range(0, 66000, 11000):
        daemon.post(batch(*(event(user={"user_id": everybody,
                                        "external_user_id": f"x{n}"})
                            for n in range(first, first + 11000))))
    for user in (users[0], everybody, *users[1:]):
        daemon.post(batch(
            event(user={"user_id": user}),
            event(kind="users.UserDeleteRequest", properties={},
                  user={"user_id": user})))

    def erased():
        return [row[Erasure.USER]
                for row in tool(daemon, *Command.ERASURES_LIST)
                if row[Erasure.ERASED]]

    until(lambda: erased() == users, "the others are erased")
    daemon.command(*Command.RESUME, "heap")
    until(lambda: everybody in erased(), "it is erased, too")


@pytest.mark.file
@pytest.mark.parametrize("running", [True, False])
def test_people_hashed_at_acceptance_are_found(start_daemon, tmp_path,
                                               running):
    key = tmp_path / "key"
    key.write_text("0123456789abcdef")
    key.chmod(0o600)
    daemon = start_daemon(redact_at=Choice.ACCEPT, heap_identity_hash="yes",
                          heap_hash="braze_user_id", heap_hash_key_file=key,
                          **FAST)
    daemon.command(*Command.PAUSE, "heap")
    daemon.post(batch(about(PERSON), event(
        user={"external_user_id": "x", "user_id": "b1"}), about("other")))
    assert PERSON not in daemon.command(*Command.EXPORT[Place.QUEUED])
    if not running:
        daemon.stop()
    assert tool(daemon, *erase(PERSON))[Erased.QUEUED] == 1
    assert tool(daemon, *erase("b1"))[Erased.QUEUED] == 1
    assert tool(daemon, *erase("nobody"))[Erased.QUEUED] == 0


def test_an_id_of_braze_reaches_the_others(start_daemon):
    """A request names Braze's id alone: what only the external id or the
    device names goes too, but not what somebody else may have done."""
    daemon = start_daemon(**FAST)
    daemon.command(*Command.PAUSE, "heap")
    braze, alone, common = "5" * 24, "device-1", "device-2"
    daemon.post(batch(
        event(user={"user_id": braze, "external_user_id": PERSON,
                    "device_id": alone}),
        event(user={"external_user_id": PERSON, "device_id": common}),
        event(user={"user_id": braze, "device_id": common}),
        event(user={"external_user_id": "other", "device_id": common}),
        event(user={"device_id": alone}), event(user={"device_id": common})))
    assert tool(daemon, *erase(braze)) == {
        Erased.QUEUED: 4, Erased.ARCHIVE: 0, Erased.DEAD: 0,
        Erased.UNREADABLE: 0, Erased.UNREADABLE_UNCLEAR: 0,
        Erased.MEMBERS: 0, Erased.DAMAGED: 0, Erased.FOUND: 1,
        Erased.ALONE: 0, Erased.SHARED: 1}
    left = daemon.command(*Command.EXPORT[Place.QUEUED])
    assert PERSON not in left and braze not in left and alone not in left
    assert len(lines(left)) == 2


@pytest.mark.parametrize("where", [Place.QUEUED, Place.ARCHIVE, Place.DEAD])
def test_what_stands_in_one_place_counts_in_all(start_daemon, where):
    """The ids beside the one that is given, and whose a device is, too."""
    daemon = start_daemon(**FAST)
    braze, device = "4" * 24, "device-of-the-test"
    places = (Place.ARCHIVE, Place.DEAD, Place.QUEUED)
    users = {place: [{"external_user_id": PERSON},
                     {"external_user_id": "other"}] for place in places}
    users[where] += [{"user_id": braze, "external_user_id": PERSON,
                      "device_id": device},
                     {"external_user_id": "other", "device_id": device}]
    users[Place.QUEUED].append({"device_id": device})
    for place in places:
        if place == Place.QUEUED:
            daemon.command(*Command.PAUSE, "heap")
        wrong = {"time": "soon"} if place == Place.DEAD else {}
        daemon.post(batch(*(event(user=user, **wrong)
                            for user in users[place])))
        if place == Place.ARCHIVE:
            until(lambda: daemon.queued() == 0, "delivered")
    erased = tool(daemon, *erase(braze))
    assert [erased[place] for place in places] == [
        1 + (place == where) for place in places]
    assert (erased[Erased.FOUND], erased[Erased.SHARED]) == (1, 1)
    left = [row[Row.EVENT]["user"] for place in places
            for row in lines(daemon.command(*Command.EXPORT[place]))]
    assert left == [user for place in places for user in users[place]
                    if user.get("external_user_id") != PERSON]


def test_what_cannot_be_resolved_is_told(start_daemon):
    daemon = start_daemon(**FAST)
    daemon.command(*Command.PAUSE, "heap")
    alone = {"user_id": "3" * 24, "device_id": "device"}
    daemon.post(batch(event(user=alone), event(
        user={"external_user_id": "other", "device_id": "device"})))
    told = " ".join(daemon.command(*erase(alone["user_id"])).split())
    assert Text.ALONE in told and Text.SHARED in told


def test_ids_beside_it_in_what_is_settled(start_daemon):
    """Of a batch a part is delivered, and the quota keeps the rest: what was
    delivered is not in the archive yet, and names the person by both ids."""
    daemon = start_daemon(heap_linger="10ms", heap_share=1,
                          heap_events_per_minute=10,
                          heap_identity_per_minute=0)
    braze = "4" * 24
    daemon.post(batch(
        event(user={"user_id": braze, "external_user_id": PERSON}),
        *(event(user={"user_id": braze}) for _ in range(29))))
    until(lambda: daemon.queue()["delivered"] > 0, "a part is delivered")
    daemon.command(*Command.PAUSE, "heap")
    assert daemon.queue()[Queue.ARCHIVE_BATCHES] == 0
    told = tool(daemon, *erase(PERSON))
    assert told[Erased.FOUND] == 1 and told[Erased.ALONE] == 0
    assert told[Erased.QUEUED] == 30 - daemon.queue()["delivered"]
    assert daemon.queued() == 0


@pytest.mark.file
def test_who_was_erased_stays_erased(start_daemon):
    """Also over a restart: by any of the ids, until `suppress` is over; but a
    request to erase them is taken."""
    daemon = start_daemon(**FAST)
    braze = "6" * 24
    daemon.post(batch(event(user={"user_id": braze,
                                  "external_user_id": PERSON})))
    until(lambda: daemon.queue()["delivered"] == 1, "delivered")
    tool(daemon, *erase(braze))
    for _ in range(2):
        answer = daemon.post(batch(about(PERSON), event(
            user={"user_id": braze}), about("other")))
        assert answer.json == receipt(received=3, queued=1, dropped=2)
        daemon.stop()
        daemon.start()
    why = {row["why"]: row["count"]
           for row in daemon.queue()[Queue.DROPPED_WHY]}
    assert why == {"erased": 4}
    daemon.post(batch(event(kind="users.UserDeleteRequest", properties={},
                            user={"user_id": braze})))
    until(lambda: tool(daemon, *Command.ERASURES_LIST), "the request")


def test_suppressing_can_be_switched_off(start_daemon):
    daemon = start_daemon(suppress="0", **FAST)
    tool(daemon, *erase(PERSON))
    assert daemon.post(batch(about(PERSON))).json == receipt(
        received=1, queued=1)


def test_several_are_erased_at_once(start_daemon):
    daemon = start_daemon(**FAST)
    people = [f"person-{n}" for n in range(300)]
    daemon.post(batch(*(about(person) for person in people)))
    until(lambda: daemon.queue()["delivered"] == 300, "delivered")
    assert tool(daemon, *erase(*people[1:]))[Erased.ARCHIVE] == 299
    daemon.command(*erase("x", ""), code=USAGE)
    daemon.command(*erase(), code=USAGE)


@pytest.mark.file
def test_erasures(start_daemon):
    daemon = start_daemon(**FAST)
    assert tool(daemon, *Command.ERASURES_LIST) == []
    assert "empty" in daemon.command(*Command.ERASURES_LIST)
    daemon.command(*Command.ERASURES_DONE, "x", code=FOUND)
    daemon.stop()
    assert tool(daemon, *Command.ERASURES_LIST) == []
