"""What an operator sees of segments and of a person in them, and does to them:
with the real daemon, and both simulators."""

import json
import pty
import os
import re
import subprocess

import pytest

from braze import batch, event
from commands import FOUND, USAGE, tool
from conftest import PROGRAM, ask, until
from names import Done, Metric, Row, Status, Text
from test_segments import (API_KEY, braze, daemon, members,  # noqa: F401
                           settled, start, taken)

# pylint: disable=redefined-outer-name


def shown(daemon, *words):
    """The rows of `segments`, by id."""
    return {row["id"]: row for row in tool(daemon, "segments", *words)}


def one(daemon, segment="7"):
    return tool(daemon, "segments", "show", segment)


def becomes(daemon, state, segment="7"):
    until(lambda: one(daemon, segment)["state"] == state, state)


def whole(daemon, add=(), remove=(), sync="s1", **more):
    taken(daemon, add, remove, number=1, total=1, sync=sync, **more)


def people(count):
    return [f"p{number}" for number in range(count)]


# ---- what is shown ----

def test_a_segment_from_its_first_page_on(daemon, braze):
    assert daemon.command("segments") == "no segment has come yet\n"
    assert tool(daemon, "segments") == []
    daemon.command("destinations", "pause", "braze")
    whole(daemon, ["ann", "bob"])
    row = one(daemon)
    assert (row["state"], row["wanted"], row["sent"], row["waiting"],
            row["done_s"]) == ("sending", 2, 0, 2, None)
    assert row["last_complete"] and row["label"] == ""
    daemon.command("destinations", "resume", "braze")
    settled(daemon)
    row = one(daemon, "Funnel")
    assert (row["state"], row["wanted"], row["sent"], row["waiting"],
            row["done_s"]) == ("fresh", 2, 2, 0, 0)
    assert row["label"] == "heap_funnel_7"
    sync, = tool(daemon, "segments", "syncs", "7")
    assert (sync["pages"], sync["pages_total"], sync["entered"], sync["left"],
            sync["delivered"], sync["state"]) == (1, 1, 2, 0, 2, "done")
    text = daemon.command("segments", "show", "7")
    assert "Funnel (7)" in text and "heap_funnel_7" in text
    assert "Segments   1 fresh; 0 changes wait" in daemon.command("status")


def test_the_tables_are_whole(daemon):
    """Numbers stand to the right, and what comes from outside breaks no
    line."""
    whole(daemon, ["ann"], name="Abandoned\ncheckout after step 3 " + "x" * 90)
    whole(daemon, people(1200), segment=1234567, name="Née à Paris " * 9)
    settled(daemon)
    head, *rows = daemon.command("segments").splitlines()
    assert len(rows) == 2
    for number in ("WANTED", "SENT", "WAITING", "DEAD"):
        end = head.index(f" {number}") + 1 + len(number)
        assert all(row[end - 1].isdigit() and row[end] == " "
                   for row in rows), number
    assert len(daemon.command("segments", "syncs", "7").splitlines()) == 2
    ann = daemon.command("person", "ann").splitlines()
    assert len(ann) == 5  # two heads, a blank, a segment and a change


def test_names(start):
    """By id before name; what is ambiguous is told with the ids."""
    daemon = start()
    for segment, name in ((7, "Funnel"), (8, "Funnel"), (9, "7")):
        whole(daemon, ["ann"], segment=segment, name=name)
    assert one(daemon, "7")["name"] == "Funnel"
    assert one(daemon, "9")["name"] == "7"
    said = daemon.failing("segments", "show", "Funnel")
    assert "7 (source segments" in said and "8 (source segments" in said
    assert "no segment nothing" in daemon.failing("segments", "show",
                                                  "nothing")
    assert shown(daemon, "--destination", "other") == {}
    assert "no segment 7" in daemon.failing(
        "segments", "show", "7", "--source", "other")
    for words in ((), ("7", "8")):
        done = subprocess.run([PROGRAM, "segments", "show", *words],
                              env=daemon.env, capture_output=True, text=True,
                              check=False)
        assert done.returncode == USAGE, done.stderr
    settled(daemon)


def test_a_lost_page(start):
    """Incomplete until a sync of all members came whole."""
    daemon = start(segments_sync_timeout="1s")
    taken(daemon, ["ann"], number=1, total=3, sync="a")
    taken(daemon, ["bob"], number=3, total=3, sync="a")
    becomes(daemon, "incomplete")
    row = one(daemon)
    assert (row["pages"], row["pages_total"]) == (2, 3)
    told = "Funnel (7) is incomplete: 2 of 3 pages; press sync now in Heap"
    assert told in daemon.command("segments")
    assert told in daemon.command("segments", "--attention")
    assert told in daemon.command("status")
    assert tool(daemon, "segments", "syncs", "7")[0]["state"] == "incomplete"
    daemon.run.wait_line("sync result=incomplete .*press sync now in Heap")
    segments = daemon.status()[Status.SEGMENTS]
    assert segments["states"]["incomplete"] == segments["count"] == 1
    assert daemon.metric(Metric.SEGMENTS % "incomplete") == 1
    assert daemon.metric(Metric.SEGMENTS_INCOMPLETE) == 1
    whole(daemon, ["ann", "bob", "cid"], sync="b")
    becomes(daemon, "fresh")
    assert daemon.metric(Metric.SEGMENTS_INCOMPLETE) == 0
    assert "no segment is like that" in daemon.command(
        "segments", "--attention")


def test_a_held_sync(start, braze):
    daemon = start()
    whole(daemon, people(1000))
    settled(daemon)
    assert tool(daemon, "segments", "release", "7", code=FOUND) == {
        Done.RELEASED: 0}
    whole(daemon, ["new"], people(700), sync="b")
    row = one(daemon)
    assert (row["state"], row["waiting"], row["done_s"], row["held_syncs"]
            ) == ("held", 701, None, 1)
    told = daemon.command("status")
    assert "Funnel (7) is held: " in told
    assert "701 changes wait" in told
    assert Text.NO_FORECAST in told
    assert daemon.destination("braze")["held"] == 701
    assert daemon.metric(Metric.SEGMENTS_HELD) == 1
    assert tool(daemon, "segments", "syncs", "7")[0]["state"] == "held"
    assert tool(daemon, "segments", "release", "7") == {Done.RELEASED: 1}
    settled(daemon)
    assert sorted(members(braze).values()).count("in") == 301
    becomes(daemon, "fresh")


def test_a_destination_that_refuses(start, braze):
    daemon = start(braze_api_key="a-key-of-elsewhere",
                   braze_request_items=2)
    whole(daemon, people(100))
    becomes(daemon, "refused")
    assert "destination braze takes none of it: HTTP 401" in daemon.command(
        "segments")
    assert one(daemon)["done_s"] is None
    assert members(braze) == {}
    about = [item["about"] for item in daemon.status()["attention"]]
    assert about == ["destination:braze"]


def test_a_halted_destination_hides_no_other_trouble(start, braze):
    daemon = start(braze_request_items=2)
    taken(daemon, ["ann"], number=1, total=2, sync="a")
    whole(daemon, ["ann"], segment=8, name="Trial")
    settled(daemon)
    braze.control(api_key="another-key")
    whole(daemon, people(100), segment=9, name="Third")
    becomes(daemon, "refused", "9")
    assert {id: row["state"] for id, row in shown(daemon).items()} == {
        "7": "fresh", "8": "fresh", "9": "refused"}


def test_a_segment_that_is_refused(start, braze):
    """Alone: others at the destination go on."""
    braze.control(refuse_group="funnel")
    daemon = start(braze_defer="100ms")
    for number in range(20):
        whole(daemon, [f"x{number}"], sync=f"a{number}", segment=8,
              name="Trial")
        whole(daemon, [f"{number}-{n}" for n in range(50)], sync=f"b{number}")
    becomes(daemon, "refused")
    becomes(daemon, "fresh", "8")
    assert "Funnel (7) is refused: " in daemon.command("status")
    assert "the attribute" in one(daemon)["why"]


# ---- what is done ----

def ids(braze):
    """{segment's attribute: {person: in or out}}"""
    made = {}
    for (group, person), word in braze.memberships().items():
        made.setdefault(group, {})[person.partition(":")[2]] = word
    return made


def test_sent_again(daemon, braze):
    """To a workspace that has forgotten all of it: the members as they are by
    now, those who left as well."""
    whole(daemon, ["ann", "bob"], ["cid"])
    whole(daemon, ["dan"], ["bob"], sync="b")
    settled(daemon)
    before = members(braze)
    ask(braze.port, "POST", "/reset")
    assert members(braze) == {}
    assert tool(daemon, "segments", "resend", "7") == {Done.RESENT: 4}
    settled(daemon)
    assert members(braze) == before == {
        "ann": "in", "bob": "out", "cid": "out", "dan": "in"}
    row = one(daemon)
    assert (row["wanted"], row["sent"]) == (2, 2)


def test_a_cohort_is_announced_again(start_audiencesim, start):
    braze = start_audiencesim("--partner", "acme", "--partner-key", "pk",
                              "--import-key", "ik")
    daemon = start(braze_url=braze.url, braze_kind="cohorts",
                   braze_api_key=None, braze_partner="acme",
                   braze_partner_key="pk", braze_import_key="ik",
                   braze_hold=None, braze_requests_per_minute=None)
    whole(daemon, ["ann"])
    settled(daemon)
    ask(braze.port, "POST", "/reset")
    tool(daemon, "segments", "resend", "7")
    settled(daemon)
    assert members(braze) == {"ann": "in"}
    assert not braze.report()["violations"]
    said = daemon.failing("segments", "verify", "7")
    assert "only a destination of kind attributes" in said


def test_retired(daemon, braze):
    whole(daemon, ["ann", "bob"], ["cid"])
    whole(daemon, ["ann"], segment=8, name="Trial")
    settled(daemon)
    assert tool(daemon, "segments", "retire", "7", "--yes") == {
        Done.RETIRED: 2}
    settled(daemon)
    assert ids(braze) == {
        "heap_funnel_7": {"ann": "out", "bob": "out", "cid": "out"},
        "heap_trial_8": {"ann": "in"}}
    assert one(daemon)["state"] == "retired"
    assert one(daemon, "8")["state"] == "fresh"
    # switched on again, it begins anew
    whole(daemon, ["bob"], sync="b")
    settled(daemon)
    assert one(daemon)["state"] == "fresh"
    assert ids(braze)["heap_funnel_7"]["bob"] == "in"


def at_terminal(daemon, answer, *words):
    """A command whose operator types this answer once it asks."""
    mine, its = pty.openpty()
    with subprocess.Popen([PROGRAM, *words], env=daemon.env, stdin=its,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as run:
        os.close(its)
        os.write(mine, answer.encode())
        out, err = run.communicate()
    os.close(mine)
    return run.returncode, out, err


def test_retire_asks(daemon, braze):
    whole(daemon, ["ann"])
    settled(daemon)
    for answer in ("no\n", "yesterday\n", "\n"):
        code, out, err = at_terminal(daemon, answer, "segments", "retire", "7")
        assert code == USAGE and out == ""
        assert "all 1 members of Funnel left" in err
        assert "nothing was done" in err
    settled(daemon)
    assert members(braze) == {"ann": "in"}
    code, out, err = at_terminal(daemon, "yes\n", "segments", "retire", "7")
    assert code == 0, err
    settled(daemon)
    assert members(braze) == {"ann": "out"}


# ---- what Braze has ----

MATCHES = {
    "external_id": ("external_id", {}),
    "alias:heap": ("user_alias", {"alias_label": "heap"}),
    "braze_id": ("braze_id", {}),
    "email": ("email", {}),
}


@pytest.mark.parametrize("match", MATCHES)
@pytest.mark.parametrize("value", ["boolean", "array"])
def test_verified(start, braze, match, value):
    daemon = start(braze_match=match, braze_value=value)
    everybody = [f"p{n}@example.org" for n in range(70)]
    whole(daemon, everybody[:60], everybody[60:])
    settled(daemon)
    told = tool(daemon, "segments", "verify", "7")
    assert told == {"asked": 70, "right": 70, "other": 0, "no_profile": 0,
                    "wrong": []}
    few = tool(daemon, "segments", "verify", "7", "--sample", "1")
    assert (few["asked"], few["right"]) == (1, 1)
    # somebody else writes one, and others have no profile any more
    kind, more = MATCHES[match]
    who = everybody[3]
    identity = {**more, "alias_name": who} if more else who
    other = False if value == "boolean" else {"remove": ["heap_funnel_7"]}
    name = "heap_funnel_7" if value == "boolean" else "heap_segments"
    answer = ask(braze.port, "POST", "/users/track", json.dumps(
        {"attributes": [{kind: identity, name: other}]}),
        {"Content-Type": "application/json",
         "Authorization": f"Bearer {API_KEY}"})
    assert answer.status == 201, answer
    braze.control(unknown="p5@")
    told = tool(daemon, "segments", "verify", "7", code=FOUND)
    assert (told["right"], told["other"], told["no_profile"]) == (68, 1, 1)
    assert {(row["member"], row["sent"], row["has"])
            for row in told["wrong"]} == {
                (who, True, False), ("p5@example.org", True, None)}
    assert not braze.report()["violations"]


def test_verified_as_fast_as_may_be(daemon, braze):
    whole(daemon, people(120))
    settled(daemon)
    braze.control(export_limit=2, export_window_ms=900)
    assert tool(daemon, "segments", "verify", "7")["right"] == 120
    assert braze.report()["limited"] > 0


@pytest.mark.file
def test_not_to_be_verified(start, braze):
    daemon = start()
    whole(daemon, ["ann"])
    settled(daemon)
    braze.control(may_export=False)
    said = daemon.failing("segments", "verify", "7")
    assert "HTTP 403" in said and "users.export.ids" in said
    braze.control(may_export=True, reset_percent=100)
    assert "there is no answer" in daemon.failing("segments", "verify", "7")
    braze.control(reset_percent=0)
    daemon.stop()
    assert tool(daemon, "segments", "verify", "7")["right"] == 1


# ---- a person ----

def test_why_did_ann_get_it(daemon, heapsim):
    whole(daemon, ["ann", "bob"])
    settled(daemon)
    daemon.post(batch(event(user={"external_user_id": "ann",
                                  "user_id": "b-ann"})))
    until(lambda: len(heapsim.keys()) == 1, "the event")
    daemon.command("destinations", "pause", "braze")
    whole(daemon, [], ["ann"], sync="b")
    whole(daemon, ["ann"], segment=8, name="Trial")
    told = tool(daemon, "person", "ann")
    assert [(row["segment"], row["sent"], row["waiting"])
            for row in told["memberships"]] == [
                ("7", "in", "out"), ("8", "never", "in")]
    assert [(row["place"], row.get("segment"), row.get("entered"))
            for row in told["timeline"]] == [
                ("archive", "7", True), ("archive", None, None),
                ("queued", "7", False), ("queued", "8", True)]
    assert told["timeline"][1][Row.TYPE].startswith("users.")
    text = daemon.command("person", "ann").splitlines()
    assert re.search(r"^\S+ +entered Funnel \(7\) +delivered to braze \S+$",
                     text[5])
    assert text[7].endswith("waits for braze")
    few = daemon.command("person", "ann", "--limit", "1").splitlines()
    assert "entered Trial (8)" in few[-2]
    assert few[-1].startswith("3 earlier ones are not shown")
    none = tool(daemon, "person", "nobody", code=FOUND)
    assert none == {"memberships": [], "timeline": []}
    daemon.command("destinations", "resume", "braze")
    settled(daemon)


# ---- other commands ----

def test_others_know_segments(daemon):
    whole(daemon, ["ann", "bob"])
    settled(daemon)
    daemon.command("destinations", "pause", "braze")
    whole(daemon, [], ["ann"], sync="b")
    assert {row["label"]: row.get("segment")
            for row in tool(daemon, "queue", "stats")["types"]} == {
                "7": "Funnel"}
    assert "Funnel" in daemon.command("ledger", "--by", "type")
    done = subprocess.run([PROGRAM, "replay", "--since", "1h"],
                          env=daemon.env, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0
    assert "passed over 2 changes of segments" in done.stderr
    labels = 'source="segments",destination="braze",segment="7"'
    for name, value in (("members_wanted", 1), ("members_sent", 2),
                        ("waiting", 1), ("dead", 0)):
        assert daemon.metric(
            f"currentsd_segment_{name}{{{labels}}}") == value, name
    assert daemon.metric(Metric.SEGMENTS % "sending") == 1
    assert daemon.metric(Metric.SEGMENTS_WAITING) == 1
    assert "users" not in daemon.command("segments")
    daemon.command("destinations", "resume", "braze")
    settled(daemon)


def test_labels_of_metrics_are_quoted(daemon):
    whole(daemon, ["ann"], segment='a"b\\c\nd')
    settled(daemon)
    assert daemon.metric("currentsd_segment_members_sent{"
                         'source="segments",destination="braze",'
                         'segment="a\\"b\\\\c\\nd"}') == 1
