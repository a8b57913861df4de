"""Properties of names that the catalogue does not know: their texts are not
sent, this is said once, and what was delivered without them is counted."""

import json
import re
import urllib.parse

import pytest

from commands import tool
from conftest import ask, until
from disk import everything_on_disk
from names import Drift, Finding, LeftOut, Ledger, Log, Metric, Status
from test_delivery import SWIFT, event, key, put, wait_settled

TYPE = "users.messages.email.Click"
KEEP = f"{TYPE}/tone"
LINE = f"keep += {KEEP}"


def toned(number, **more):
    return event(number, properties={
        "app_group_id": "g", "tone": "w4rm words", "pitch": 3, "loud": True,
        "custom_properties": {"song": "mine"}, **more})


def at_heap(heapsim, sent):
    """The properties of an event as Heap has it."""
    path = "/event?key=" + urllib.parse.quote(key(sent), safe="")
    return ask(heapsim.port, "GET", path).json["properties"]


def drift(daemon):
    return {(row[Drift.TYPE], row[Drift.FIELD]): row
            for row in json.loads(daemon.command("drift", "--json"))
            if row[Drift.WHAT] == Drift.LEFT_OUT}


def lines(daemon, module):
    return [line for line in daemon.run.lines
            if re.search(Log.LEFT_OUT % module, line)]


@pytest.mark.file
def test_said_once_and_counted_when_delivered(start_daemon, heapsim, tmp_path):
    daemon = start_daemon(**SWIFT)
    assert daemon.status()[Status.LEFT_OUT] == {
        LeftOut.PROPERTIES: [], LeftOut.COUNT: 0}
    sent = [toned(n) for n in range(3)]
    put(daemon, sent)
    wait_settled(daemon)
    got = at_heap(heapsim, sent[0])
    assert "tone" not in got
    assert (got["pitch"], got["loud"], got["custom_properties.song"]) == (
        3, "true", "mine")
    row = drift(daemon)[TYPE, "tone"]
    assert list(drift(daemon)) == [(TYPE, "tone")]
    assert row[Drift.EVENTS] == 3 and row[Drift.JSON] == "string"
    assert row[Drift.SETTINGS] == LINE
    assert LINE in daemon.command("drift")
    first, = lines(daemon, "forwarder")
    assert f'settings="{LINE}"' in first and 'destination=heap' in first
    left_out = daemon.status()[Status.LEFT_OUT]
    shown, = left_out[LeftOut.PROPERTIES]
    assert left_out[LeftOut.COUNT] == 1
    assert shown[LeftOut.SETTINGS] == LINE and shown[LeftOut.EVENTS] == 3
    assert (shown[LeftOut.TYPE], shown[LeftOut.PROPERTY]) == (TYPE, "tone")
    assert shown[LeftOut.SINCE][:19] == row[Drift.FIRST][:19]
    assert LINE in daemon.command("status")
    assert daemon.metric(Metric.LEFT_OUT) == 1
    assert daemon.metric(Metric.DRIFT % Drift.LEFT_OUT) == 3

    # what is not delivered does not count yet, and nothing is said again
    daemon.command("destinations", "pause", "heap")
    put(daemon, [toned(4)])
    assert drift(daemon)[TYPE, "tone"][Drift.EVENTS] == 3
    daemon.command("destinations", "resume", "heap")
    wait_settled(daemon)
    assert drift(daemon)[TYPE, "tone"][Drift.EVENTS] == 4
    assert lines(daemon, "forwarder") == [first]
    told = daemon.command("drift") + "\n".join(daemon.run.lines)
    assert "w4rm" not in told

    # the line decides; what was delivered without it stays so
    path = tmp_path / "event.json"
    path.write_text(json.dumps(toned(5)))
    why = daemon.command("explain", str(path), "--json")
    assert ["tone", "left out: class unclassified, not in keep"] in [
        list(one.values())
        for one in json.loads(why)[Finding.DECISIONS]]
    daemon.stop()
    daemon.change(heap_keep=KEEP)
    daemon.start()
    assert daemon.status()[Status.LEFT_OUT][LeftOut.COUNT] == 0
    assert daemon.metric(Metric.LEFT_OUT) == 0
    later = toned(5)
    put(daemon, [later])
    wait_settled(daemon)
    assert at_heap(heapsim, later)["tone"] == "w4rm words"
    assert drift(daemon)[TYPE, "tone"][Drift.EVENTS] == 4
    assert not lines(daemon, "forwarder")
    daemon.stop()


def test_the_line_is_one_of_the_file(start_daemon, tmp_path):
    """As it is shown, whether or not there is a keep before it."""
    daemon = start_daemon(**SWIFT)
    put(daemon, [toned(0)])
    wait_settled(daemon)
    line = drift(daemon)[TYPE, "tone"][Drift.SETTINGS]
    for before in "", 'keep = {"email_address"}\n':
        path = tmp_path / "currentsd.conf"
        path.write_text(
            f'state_dir = "{tmp_path}"\nallow_volatile_state = yes\n'
            'source main { open = yes }\n'
            'destination heap {\napp_id = "1"\nregion = us\n'
            f'{before}{line}\n}}\n')
        (tmp_path / "event.json").write_text(json.dumps(toned(1)))
        clean = {name: value for name, value in daemon.env.items()
                 if not name.startswith("CURRENTSD_")}
        kept, daemon.env = daemon.env, clean
        why = daemon.command("explain", "--config", str(path),
                             str(tmp_path / "event.json"), "--json")
        daemon.env = kept
        assert json.loads(why)[Finding.EVENT]["properties"]["tone"] == \
            "w4rm words"
    daemon.stop()


def test_names_that_no_selector_names(start_daemon):
    daemon = start_daemon(**SWIFT)
    put(daemon, [toned(0, **{"a*b": "x", "two words": ["x"], "n" * 300: {
        "y": 1}, "tone": "  ", "blank": "", "nothing": None, "list": [1],
        "object": {"n": 1}}),
        event(1, event_type="x.New Type", properties={"tone": "x"})])
    wait_settled(daemon)
    rows = {(row[Drift.FIELD][:9], row[Drift.JSON]): row[Drift.SETTINGS]
            for row in drift(daemon).values()}
    any_of_type = f"keep += {TYPE}/unclassified"
    assert rows == {
        ("a*b", "string"): any_of_type, ("two words", "array"): any_of_type,
        ("n" * 9, "object"): any_of_type,
        ("list", "array"): f"keep += {TYPE}/list",
        ("object", "object"): f"keep += {TYPE}/object",
        ("tone", "string"): "keep += tone"}
    daemon.stop()


def test_what_is_decided_is_not_asked(start_daemon, heapsim):
    daemon = start_daemon(heap_drop="tone", heap_keep="*/unclassified",
                          **SWIFT)
    sent = toned(0, other="sent")
    put(daemon, [sent])
    wait_settled(daemon)
    got = at_heap(heapsim, sent)
    assert "tone" not in got and got["other"] == "sent"
    assert drift(daemon) == {}
    assert not lines(daemon, "forwarder")
    daemon.stop()


@pytest.mark.file
def test_at_acceptance_it_never_reaches_the_disk(start_daemon, heapsim):
    daemon = start_daemon(private_at="accept", **SWIFT)
    sent = toned(0, list=["w4rm"], object={"a": ["w4rm"]})
    put(daemon, [sent])
    wait_settled(daemon)
    got = at_heap(heapsim, sent)
    assert not {"tone", "list", "object.a"} & set(got)
    assert got["custom_properties.song"] == "mine"
    assert {field: row[Drift.EVENTS] for (_, field), row in
            drift(daemon).items()} == {"tone": 1, "list": 1, "object": 1}
    assert len(lines(daemon, "server")) == 3
    put(daemon, [toned(1)])
    assert drift(daemon)[TYPE, "tone"][Drift.EVENTS] == 2
    assert len(lines(daemon, "server")) == 3
    assert not lines(daemon, "forwarder")
    assert daemon.status()[Status.LEFT_OUT][LeftOut.COUNT] == 3
    daemon.stop()
    assert b"w4rm" not in everything_on_disk(daemon)
    assert b"mine" in everything_on_disk(daemon)


def test_events_of_no_one(start_daemon):
    """Dropped by the rule, by type; also of a type that should have a user,
    and of one that nobody knows."""
    types = ["users.messages.email.Open", "users.new.Thing",
             "users.messages.landingpage.Impression",
             "contentoptimizer.ComponentStore", "agentconsole.AgentExecuted",
             "users.messages.sms.ShortLinkClick"]
    daemon = start_daemon(**SWIFT)
    put(daemon, [event(n, event_type=name, user={}, properties={})
                 for n, name in enumerate(types)])
    wait_settled(daemon)
    queue = daemon.queue()
    assert queue["dropped"] == len(types) and queue["dead"] == 0
    drops = tool(daemon, "ledger", "--check")[Ledger.DROPS]
    assert {row[Ledger.TYPE]: (row[Ledger.RULE], row[Ledger.COUNT])
            for row in drops} == {name: ("no user", 1) for name in types}


def test_events_of_no_one_are_kept(start_daemon):
    """As dead letters, if the operator wants them; whatever their type."""
    daemon = start_daemon(heap_no_user="dead", **SWIFT)
    put(daemon, [event(n, event_type=name, user={}, properties={})
                 for n, name in enumerate([
                     "users.messages.landingpage.Impression",
                     "users.new.Thing"])])
    wait_settled(daemon)
    assert daemon.queue()["dead"] == 2
