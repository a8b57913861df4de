"""Nothing of an erased person is left in any byte of the files."""

import random

import pytest

from braze import batch, event
from commands import tool
from conftest import NO_QUOTA, until
from disk import everything_on_disk, left_on_disk, opened, rows_on_disk
from names import Command, Erased, File, Queue, erase

PERSON = "person-to-be-erased"
WINDOW = 32
FAST = {"heap_linger": "10ms", **NO_QUOTA}


def windows(data):
    return {data[at:at + WINDOW] for at in range(len(data) - WINDOW + 1)}


class World:
    """A daemon, and every row that ever held the person."""

    def __init__(self, daemon, tmp_path):
        self.daemon, self.tmp_path = daemon, tmp_path
        self.random = random.Random(1)
        self.rows = []

    def about(self, person, **changes):
        secret = "%0400x" % self.random.getrandbits(1600)
        return event(user={"external_user_id": person,
                           "user_id": "b" + person}, properties={
                               "url": person + secret}, **changes)

    def post(self, count, **changes):
        """Batches of the person's events alone, and among those of others."""
        for n in range(count):
            mine = [self.about(PERSON, **changes) for _ in range(5)]
            others = [self.about(f"other-{n}-{i}") for i in range(5)]
            assert self.daemon.post(batch(*mine)).status == 200
            assert self.daemon.post(batch(*mine, *others)).status == 200
            assert self.daemon.post(batch(
                *others, *(self.about(PERSON) for _ in range(2)))
            ).status == 200

    def post_small(self, count, **changes):
        """Short rows, which share their pages with those of others. When they
        go, the others move together, from page to page."""
        for n in range(count):
            for person in (PERSON, f"other-{n}", PERSON):
                salt = "%020x" % self.random.getrandbits(80)
                assert self.daemon.post(batch(event(
                    user={"external_user_id": person},
                    properties={"url": salt}, **changes))).status == 200

    def remember(self):
        """Stop, and remember the rows that hold the person now."""
        self.daemon.stop()
        self.rows += [row for row in rows_on_disk(self.daemon, self.tmp_path)
                      if PERSON.encode() in row[2]]

    def start(self, **settings):
        self.daemon.change(**settings)
        self.daemon.start()

    def deliver(self):
        self.daemon.command(*Command.RESUME, "heap")
        until(lambda: self.daemon.queued() == 0, "delivered")

    def pause(self):
        self.daemon.command(*Command.PAUSE, "heap")


def stored_windows(rows, others):
    """Of compressed rows every slice. Of plain ones those that no other row
    has: all events look alike in part."""
    wanted = set()
    for _, stored, _ in rows:
        wanted |= windows(stored)
    for _, stored, came in others:
        wanted -= windows(stored) | windows(came)
    return wanted


@pytest.mark.file
@pytest.mark.parametrize("running", [True, False])
def test_no_trace_is_left(start_daemon, tmp_path, running):
    world = World(start_daemon(keep_archive="0s", **FAST), tmp_path)
    world.pause()
    world.post(20)
    world.remember()
    world.start()
    world.deliver()  # and deleted: nothing of it is a row any more
    assert world.daemon.queue()[Queue.ARCHIVE_BATCHES] == 0
    world.pause()
    world.daemon.stop()
    world.start(keep_archive="7d")
    world.post(10)
    world.remember()
    world.start()
    world.deliver()
    assert world.daemon.queue()[Queue.ARCHIVE_BATCHES] == 30
    world.pause()
    world.post(10)
    world.post_small(60)
    world.post(3, time="never")
    world.post_small(20, time="never")
    whole = batch(world.about(PERSON))
    assert world.daemon.post(str(whole)).status == 400
    world.remember()
    tables = {table for table, _, _ in world.rows}
    assert min(len(stored) for _, stored, _ in world.rows) < 300
    assert tables == {File.BATCH, File.DEAD, File.UNREADABLE}
    assert len(world.rows) > 100
    before = everything_on_disk(world.daemon)
    assert PERSON.encode() in before

    if running:
        world.start()
    told = tool(world.daemon, *erase(PERSON))
    assert min(told[place] for place in (
        Erased.QUEUED, Erased.ARCHIVE, Erased.DEAD, Erased.UNREADABLE)) > 0
    after = everything_on_disk(world.daemon)
    if running:
        # what is written next has nothing of it either, nor has its log
        for n in range(20):
            assert world.daemon.post(batch(
                world.about(f"later-{n}"))).status == 200
        after += everything_on_disk(world.daemon)
        world.daemon.stop()
        after += everything_on_disk(world.daemon)
    assert PERSON.encode() not in after
    left = list(rows_on_disk(world.daemon, tmp_path))
    assert not [row for row in left if PERSON.encode() in row[2]]
    assert b"other-1-1" in b"".join(row[2] for row in left)
    wanted = stored_windows(world.rows, left)
    found = windows(after) & wanted
    assert windows(before) & wanted, "slices are found where they are"
    assert not found, (len(found), len(wanted))
    assert left_on_disk(world.daemon, tmp_path) == []


@pytest.mark.file
def test_no_trace_is_left_of_small_rows(start_daemon, heapsim, tmp_path):
    """Of any table: the files have nothing but the rows that there are."""
    heapsim.control(quota=False)
    daemon = start_daemon(keep_archive="0s", **FAST)
    secret = random.Random(2)
    people = ["%024x" % secret.getrandbits(96) for _ in range(150)]
    for person in people:
        daemon.post(batch(event(kind="users.UserDeleteRequest", properties={},
                                user={"user_id": person})))
    until(lambda: len(tool(daemon, *Command.ERASURES_LIST)) == len(people),
          "all are on the list")
    daemon.command(*Command.PAUSE, "heap")
    for n, person in enumerate(people):
        user = {"user_id": person}
        assert daemon.post(batch(
            event(kind=f"users.type.number{n}", user=user,
                  properties={f"property-{person[:6]}": n}),
            event(user=user, time="never"))).status == 200
    gone = people[::3]
    tool(daemon, *erase(*gone))
    daemon.command(*Command.RESUME, "heap")
    until(lambda: daemon.queued() == 0, "delivered or dead")
    daemon.stop()
    with opened(daemon, tmp_path) as base:
        for table in File.SMALL:
            rows, = base.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert rows > 0, table
    assert left_on_disk(daemon, tmp_path) == []
    everything = everything_on_disk(daemon)
    assert not [person for person in gone if person.encode() in everything]
    assert people[1].encode() in everything
