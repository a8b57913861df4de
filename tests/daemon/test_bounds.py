"""The bounds of the queue: what cannot be delivered makes no accept fail for
anybody else, and what goes is told before and when it happens."""

import os
import pathlib
import re

import pytest

from braze import batch
from commands import FOUND, tool
from conftest import NO_QUOTA, until
from disk import damage_pointer_maps
from names import Command, Erasure, Log, Metric, Place, Queue, Row, Text
from test_delivery import event
from test_destinations import post, put, start_several  # noqa: F401

NOBODY, INVALID_EVENTS, AT_ONCE = 40_000, 20_000, 100
EVENTS = 2_000  # to the healthy one, meanwhile
BOUND = "16M"


def nobody(number):
    """Of no one: as landing pages have them."""
    return {"event_type": "users.messages.landingpage.Impression",
            "id": f"nobody-{number}", "time": 1764000000,
            "properties": {"landing_page_id": "l-1"}}


def invalid(number):
    return event(number, id=f"invalid-{number}", time="soon",
                 link=f"https://example.com/{os.urandom(150).hex()}")


def bulky(number):
    return {"event_type": "users.behaviors.CustomEvent",
            "id": f"bulky-{number}", "time": 1764000000,
            "user": {"external_user_id": "u"},
            "properties": {"name": os.urandom(2000).hex()}}


def groups(make, count):
    for at in range(0, count, AT_ONCE):
        yield [make(number) for number in range(at, at + AT_ONCE)]


def test_what_cannot_be_delivered_harms_no_other(
        start_several, start_heapsim, figure):  # noqa: F811
    """A dead destination fills its share; events of nobody and invalid ones
    come in masses: the healthy source only ever gets 200."""
    heaps = {"fine": start_heapsim("--no-quota"), "dead": start_heapsim()}
    heaps["dead"].control(refuse_all=503)
    daemon = start_several({"well": "fine", "ill": "dead"}, heaps,
                           main={"queue_max_bytes": BOUND},
                           events_per_minute=0)
    answers = {}
    good = iter([event(number) for number in range(EVENTS)])

    def send(source, sent):
        answer = post(daemon, source, sent).status
        answers.setdefault(source, []).append(answer)
        one = next(good, None)
        if one is not None:
            put(daemon, "well", [one])  # 200, or it fails
        return answer

    until(lambda: send("ill", [bulky(n) for n in range(
        len(answers.get("ill", ())) * 50,
        len(answers.get("ill", ())) * 50 + 50)]) == 503, "its share is full")
    for group in groups(nobody, NOBODY):
        send("well", group)
    for group in groups(invalid, INVALID_EVENTS):
        send("ill", group)
    put(daemon, "well", list(good))
    assert set(answers["well"]) == {200}
    until(lambda: len(heaps["fine"].keys()) == EVENTS, "all at Heap")
    queue = daemon.queue()
    figure(f"{len(answers['ill'])} posts to the dead one, "
           f"{answers['ill'].count(503)} of them refused; "
           f"{queue[Queue.LIVE_BYTES]} bytes live, {queue['queued']} queued, "
           f"{queue[Queue.DEAD]} dead, {queue['expired']} expired")
    assert queue["dropped"] == NOBODY
    assert queue[Queue.DEAD] + queue["expired"] == INVALID_EVENTS
    assert queue["expired"] > 0
    assert queue["imbalance"] == 0
    assert daemon.destination("dead")["bytes"] > 8 << 20
    assert " uses " in daemon.command("status")
    assert daemon.get("/readyz").status == 200


def test_the_list_of_erasures_harms_no_other(start_several, start_heapsim):  # noqa: F811
    """It has no end, and goes only when the operator is done. One source asks
    for more and more: that does not come in, and everything else does."""
    heaps = {"heap": start_heapsim("--no-quota")}
    daemon = start_several({"well": "heap", "ill": "heap"}, heaps,
                           main={"queue_max_bytes": BOUND},
                           events_per_minute=0)
    put(daemon, "well", [invalid(0)])

    def ask():
        return post(daemon, "ill", [{
            "event_type": "users.UserDeleteRequest", "id": os.urandom(8).hex(),
            "time": 1764000000, "user": {"user_id": os.urandom(120).hex()}}
            for _ in range(AT_ONCE * 5)])

    refused = until(lambda: (answer := ask()).status == 503 and answer,
                    "the list is full")
    assert "erasures" in refused.json["error"]
    put(daemon, "well", [event(number) for number in range(EVENTS)])
    put(daemon, "ill", [event(EVENTS)])
    until(lambda: len(heaps["heap"].keys()) == EVENTS + 1, "all at Heap")
    assert daemon.queue()["expired"] == 0
    users = [row[Erasure.USER] for row in tool(daemon, *Command.ERASURES_LIST)]
    for at in range(0, 4 * 1000, 1000):
        daemon.command(*Command.ERASURES_DONE, *users[at:at + 1000])
    until(lambda: ask().status == 200, "there is room again")


@pytest.mark.file
def test_a_disk_below_min_free_deletes_no_archive(start_daemon, heapsim,
                                                  tmp_path):
    """Neither for a probe nor for a post, since it would not help; and a kill
    changes nothing."""
    disk = os.statvfs(tmp_path)
    if disk.f_bavail * disk.f_frsize > 1024 << 30:
        pytest.skip("more than 1 TiB is free: no setting can forbid that")
    daemon = start_daemon(heap_linger="10ms", **NO_QUOTA)
    acked = [f"kept-{number}" for number in range(20)]
    for number, name in enumerate(acked):
        assert daemon.post({"events": [event(number, id=name)]}).status == 200
    until(lambda: daemon.queued() == 0, "all at Heap")
    before = daemon.queue()[Queue.ARCHIVE_BATCHES]
    assert before > 0
    daemon.stop()
    daemon.change(queue_min_free="1024G")
    daemon.start(ready=False)
    for number in range(3):
        assert daemon.get("/readyz").status == 503
        assert daemon.post({"events": [event()]}).status == 503
    assert daemon.queue()[Queue.ARCHIVE_BATCHES] == before
    daemon.kill()
    daemon.change(queue_min_free="0")
    daemon.start()
    assert daemon.queue()[Queue.ARCHIVE_BATCHES] == before
    assert {row[Row.EVENT_ID] for row in tool(
        daemon, *Command.LIST[Place.ARCHIVE])} == set(acked)


@pytest.mark.file
def test_what_gives_way_is_told(start_daemon, heapsim):
    """Before it does, at 80 % of its bound, and when it does: log, status and
    metrics say so. That of the archive has arrived, so it needs nobody."""
    heapsim.control(quota=False)
    daemon = start_daemon(heap_linger="10ms", **NO_QUOTA)
    for number in range(40):
        assert daemon.post(batch(*(invalid(number * 50 + n)
                                   for n in range(50)))).status == 200
        assert daemon.post("x" + os.urandom(4_000).hex()).status == 400
        assert daemon.post(batch(*(bulky(number * 50 + n)
                                   for n in range(50)))).status == 200
    until(lambda: daemon.queued() == 0, "all at Heap")
    queue = daemon.queue()
    used = {kind: queue[f"{kind}_bytes"] for kind in Place.GIVING}
    daemon.stop()
    most = {kind: used[kind] * 10 // 9 for kind in Place.GIVING}
    daemon.change(**{f"{kind}_max_bytes": most[kind] for kind in most})
    daemon.start()
    status = daemon.command("status")
    assert re.search(Text.ARCHIVE, status)
    assert daemon.queue()["archive_max_bytes"] == most[Place.ARCHIVE]
    for kind in Place.GIVING:
        last_copy = kind != Place.ARCHIVE
        daemon.run.wait_line(
            Log.NEAR % ("warn" if last_copy else "info", kind, most[kind]))
        assert (Text.NEAR % kind in status) == last_copy
        assert daemon.metric(Metric.STORE % kind) \
            > 0.8 * daemon.metric(Metric.STORE_MAX % kind) > 0
        assert daemon.metric(Metric.EVICTED % kind) == 0
    daemon.stop()
    daemon.change(**{f"{kind}_max_bytes": used[kind] // 2
                     for kind in Place.GIVING})
    daemon.start()
    for kind in Place.GIVING:
        count, gone = daemon.run.wait_line(
            Log.EVICTED % (kind, "bytes")).groups()
        assert int(count) > 0 and int(gone) > 0
        until(lambda: daemon.queue()[f"{kind}_bytes"] <= used[kind] // 2,
              "it is within its bound")
        assert daemon.metric(Metric.EVICTED % kind) >= int(count)
    assert daemon.metric(Metric.EVICTED % Place.DEAD) \
        == daemon.queue()["expired"] > 0


@pytest.mark.file
def test_dead_letters_that_expire_soon_are_told(start_daemon):
    """They are the last copy: log, status and metrics say so in time."""
    daemon = start_daemon(keep_dead="6d")
    assert daemon.post(batch(invalid(1))).status == 200
    daemon.stop()
    daemon.start()
    daemon.run.wait_line(Log.EXPIRE)
    assert Text.EXPIRE in daemon.command("status")
    assert 5 * 86400 < daemon.metric("currentsd_dead_expires_seconds") \
        <= 6 * 86400


@pytest.mark.file
def test_dead_letters_that_expire_late_are_not_told(start_daemon):
    daemon = start_daemon(keep_dead="8d")
    assert daemon.post(batch(invalid(1))).status == 200
    daemon.stop()
    daemon.start()
    until(lambda: daemon.metric("currentsd_dead_expires_seconds")
          > 7 * 86400, "it is known")
    assert Text.EXPIRE_ANY not in daemon.command("status")
    lines = daemon.run.lines
    daemon.stop()
    assert not [line for line in lines if re.search(Log.EXPIRE, line)]


@pytest.mark.file
def test_a_damaged_pointer_map_stops_the_shrinking(start_daemon, heapsim):
    """Only the shrinking: it is told once, and the check names it."""
    heapsim.control(quota=False)
    daemon = start_daemon(heap_linger="10ms", **NO_QUOTA)
    for number in range(300):
        events = [bulky(number * 50 + n) for n in range(50)]
        assert daemon.post({"events": events}).status == 200
    until(lambda: daemon.queued() == 0, "all at Heap")
    daemon.stop()
    file = pathlib.Path(daemon.env["CURRENTSD_STATE_DIR"], "queue.db")
    damage_pointer_maps(file)
    size = file.stat().st_size
    daemon.change(archive_max_bytes="4M")
    daemon.start()
    daemon.run.wait_line("module=queue event=shrink result=failed")
    for number in range(3):
        assert daemon.post({"events": [
            bulky(100_000 + number)]}).status == 200
    until(lambda: daemon.queued() == 0, "delivered")
    assert file.stat().st_size > size / 2
    assert len([line for line in daemon.run.lines if "shrink" in line]) == 1
    assert "ptr map" in daemon.command(*Command.CHECK, code=FOUND)
