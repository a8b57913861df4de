"""The settings of the mapping, as an operator and a person in Heap see them."""

import hmac
import json
import re
import secrets
import time

import pytest

from commands import FOUND, tool
from conftest import REPO, until
from disk import everything_on_disk
from names import (Check, Choice, Command, Destination, Done, Fate, Finding,
                   Log, Metric, Queue, Receipt, Row, Rule, State, Text)
from test_delivery import SWIFT, event, key, put, state, wait_settled

KEY = "0123456789abcdef"


@pytest.fixture
def hash_key(tmp_path):
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    path.chmod(0o600)
    return str(path)


def keyed(text):
    return hmac.new(KEY.encode(), text.encode(), "sha256").hexdigest()


def explained(daemon, tmp_path, sent):
    path = tmp_path / "event.json"
    path.write_text(json.dumps(sent))
    return json.loads(daemon.command("explain", str(path), "--json"))


def test_explain_and_heap_agree_under_settings(start_daemon, heapsim,
                                               tmp_path, hash_key):
    daemon = start_daemon(
        heap_prefix="braze-", heap_rename="url=link,dispatch_id=run",
        heap_identity_hash="yes", heap_hash="link_*", heap_keep="contact",
        heap_drop="*/is_amp", heap_hash_key_file=hash_key,
        heap_add_timezone="no", **SWIFT)
    sent = event(properties={
        "app_group_id": "g", "dispatch_id": "d", "url": "https://example.com",
        "email_address": "ann@example.com", "is_amp": True,
        "link_alias": "buy"})
    heap = explained(daemon, tmp_path, sent)[Finding.EVENT]
    assert heap["event"] == "braze-users.messages.email.Click"
    assert heap["identity"] == keyed("customer-0")
    assert heap["properties"]["braze-email_address"] == "ann@example.com"
    assert heap["properties"]["braze-link_alias"] == keyed("buy")
    assert heap["properties"]["run"] == "d"
    assert "braze-is_amp" not in heap["properties"]
    put(daemon, [sent])
    wait_settled(daemon)
    assert heapsim.users() == {key(sent): "identity:" + keyed("customer-0")}
    daemon.stop()


@pytest.mark.file
def test_trial_loses_nothing(start_daemon, heapsim):
    daemon = start_daemon(heap_trial="yes", **SWIFT)
    nobody = event(user={"external_user_id": "guest"})
    request = event(event_type="users.UserDeleteRequest",
                    user={"user_id": "0123456789abcdef01234567"},
                    properties={})
    sent = [event(n) for n in range(50)]
    put(daemon, [*sent, nobody, request])
    until(lambda: daemon.destination()[Destination.TRIAL] == {
        Destination.TRIAL_SENT: 50, Destination.TRIAL_DROPPED: 1,
        Destination.TRIAL_DEAD: 1}, "a look at each")
    assert state(daemon) == State.TRIAL
    assert daemon.destination()[Destination.QUEUED] == 52
    assert daemon.metric(Metric.TRIAL_SENT % "heap") == 50
    assert Text.TRIAL in daemon.command("check")
    assert heapsim.keys() == {}
    daemon.stop()
    assert heapsim.keys() == {}

    daemon.change(heap_trial=None)
    daemon.start()
    queue = wait_settled(daemon)
    assert (queue["delivered"], queue["dropped"], queue[Queue.DEAD]) == (
        50, 1, 1)
    assert heapsim.keys() == {key(one): 1 for one in sent}
    daemon.stop()


def test_properties_left_out_are_counted(start_daemon):
    daemon = start_daemon(**SWIFT)
    put(daemon, [event(n, properties={
        "app_group_id": "g", "dispatch_id": "d", "url": "u" * 2000,
        "email_address": "ann@example.com"}) for n in range(10)])
    wait_settled(daemon)
    cut = Metric.PROPERTIES % ("heap", "url", Destination.CUT)
    until(lambda: cut in daemon.admin("/metrics").text, "the count")
    assert daemon.metric(cut) == 10
    assert daemon.metric(Metric.PROPERTIES % (
        "heap", "email_address", Destination.REDACTED)) == 10
    assert {Destination.PROPERTY: "url",
            Destination.PROPERTY_WHAT: Destination.CUT,
            Destination.PROPERTY_COUNT: 10} in \
        daemon.destination()[Destination.PROPERTIES]
    daemon.stop()


@pytest.mark.file
def test_from_the_future(start_daemon, heapsim, tmp_path):
    """Dead as long as its time is too far ahead, and sent when it is not."""
    day = 24 * 3600
    daemon = start_daemon(**SWIFT)
    near, far = (event(n, time=int(time.time()) + days * day)
                 for n, days in enumerate((6, 8)))
    put(daemon, [near, far])
    queue = wait_settled(daemon)
    assert (queue["delivered"], queue[Queue.DEAD]) == (1, 1)
    row, = tool(daemon, *Command.DEAD_LIST)
    assert row[Row.REASON] == Rule.AHEAD
    path = tmp_path / "event.json"
    path.write_text(json.dumps(far))
    told = json.loads(daemon.command("explain", str(path), "--json",
                                     code=FOUND))
    assert (told[Finding.FATE], told[Finding.REASON]) == (
        Fate.DEAD, Rule.AHEAD)

    def requeue():
        before, = tool(daemon, *Command.DEAD_LIST)
        assert tool(daemon, *Command.DEAD_REQUEUE, str(before[Row.ID])) == {
            Done.REQUEUED: 1}
        wait_settled(daemon)
        return daemon.queue()

    queue = requeue()
    assert (queue["delivered"], queue[Queue.DEAD]) == (1, 1)
    assert heapsim.keys() == {key(near): 1}
    daemon.stop()
    daemon.change(heap_time_ahead="9d")
    daemon.start()
    queue = requeue()
    assert (queue["delivered"], queue[Queue.DEAD]) == (2, 0)
    assert heapsim.keys() == {key(near): 1, key(far): 1}


@pytest.mark.file
def test_any_time_is_sent_without_the_limit(start_daemon, heapsim):
    daemon = start_daemon(heap_time_ahead="0", **SWIFT)
    sent = event(time=2_034_000_000)
    put(daemon, [sent])
    wait_settled(daemon)
    assert heapsim.keys() == {key(sent): 1}


@pytest.mark.file
def test_erasure_requests_are_listed_and_never_sent(start_daemon, heapsim):
    daemon = start_daemon(**SWIFT)
    asked = event(event_type="users.UserDeleteRequest",
                  user={"user_id": "fedcba9876543210fedcba98"}, properties={})
    nobody = event(event_type="users.UserDeleteRequest", user={},
                   properties={})
    put(daemon, [asked, nobody, event()])
    queue = wait_settled(daemon)
    assert (queue["delivered"], queue["dropped"], queue[Queue.DEAD]) == (
        1, 1, 1)
    assert key(asked) not in heapsim.keys()
    assert "fedcba9876543210fedcba98" in daemon.command(
        *Command.ERASURES_LIST)
    daemon.stop()
    assert "fedcba9876543210fedcba98" in daemon.command(
        *Command.ERASURES_LIST)


@pytest.mark.file
@pytest.mark.parametrize("redact_at", [Choice.DELIVERY, Choice.ACCEPT])
def test_what_is_redacted_at_accept_never_touches_the_disk(
        start_daemon, heapsim, hash_key, redact_at):
    """With delivery they are found: so they would be with accept."""
    dropped, hashed, person, unread = (
        secrets.token_hex(20) for _ in range(4))
    daemon = start_daemon(
        redact_at=redact_at, heap_drop="custom_properties.salary",
        heap_hash="custom_properties.house,custom_properties.list.no,contact",
        heap_identity_hash="yes",
        heap_hash_key_file=hash_key, heap_url="http://127.0.0.1:9", **SWIFT)
    sent = event(
        event_type="users.behaviors.CustomEvent",
        user={"external_user_id": person, "user_id": "b", "email": unread,
              "alias": {"alias_name": person + "x", "alias_label": "l"}},
        properties={"name": "n", "email_address": hashed, "app_group_id": "g",
                    "custom_properties": {"salary": [dropped], "b": 2,
                                          "house": {"no": hashed},
                                          "list": [{"no": hashed}]}})
    late = event(event_type="users.behaviors.CustomEvent", time="late",
                 properties={"custom_properties": {"salary": dropped}})
    too_long = event(user={"external_user_id": person * 7, "device_id": "d"})
    invalid = [late, event(properties=[unread]), [{"email": unread}], unread]
    answer = daemon.post(json.dumps({"events": [sent, too_long, *invalid]},
                                    ensure_ascii=False))
    stored = redact_at == Choice.DELIVERY
    assert answer.json["queued"] == 2
    # what is no object is null at accept, and none a duplicate of another
    assert answer.json[Receipt.DEAD] == 4
    daemon.stop()
    disk = everything_on_disk(daemon)
    for text in dropped, hashed, person, unread:
        assert (text.encode() in disk) is stored

    daemon.change(heap_url=heapsim.url)
    daemon.start()
    wait_settled(daemon)
    assert heapsim.users() == {key(sent): "identity:" + keyed(person)}
    assert "external_user_id is longer than 255" in daemon.command(
        *Command.DEAD_LIST)
    daemon.stop()


def test_privacy_is_said_at_the_start_and_by_check(start_daemon):
    daemon = start_daemon(heap_keep="*/contact,contakt",
                          heap_identity="user_id")
    said = Text.PRIVACY_LINE
    daemon.run.wait_line(Log.PRIVACY % ("heap", re.escape(said)))
    for warned in Text.PRIVACY, "contakt selects nothing":
        assert any("level=warn" in line and warned in line
                   for line in daemon.run.lines), warned
    shown = daemon.command("check")
    assert said in shown
    assert "users.UserOrphan" in shown
    assert said in json.loads(
        daemon.command("check", "--json"))[Check.DESTINATIONS][0][
            Check.PRIVACY]
    daemon.stop()


def test_send_test(start_daemon, heapsim):
    daemon = start_daemon(heap_trial="yes")
    shown = daemon.command("check", "--send-test", "ann")
    assert "HTTP 200" in shown and "does not prove" in shown
    (sent, user), = heapsim.users().items()
    assert user == "identity:ann"
    assert sent.split(":")[1] in shown
    told = json.loads(
        daemon.command("check", "--send-test", "bob", "--json"))
    assert told[Check.STATUS] == 200
    assert told[Check.SENT]["events"][0]["properties"][
        "custom_properties.currentsd_test"] == told[Check.ID]
    shown = daemon.failing("check", "--send-test", "guest")
    assert "is a placeholder" in shown
    heapsim.control(refuse_all=400)
    assert "HTTP 400" in daemon.command(
        "check", "--send-test", "ann", code=1)
    daemon.stop()


def test_what_is_not_told_apart_is_counted(start_daemon, heapsim):
    daemon = start_daemon(**SWIFT)
    metric = Metric.PROPERTIES_LOST % "heap"
    assert daemon.metric(metric) == 0
    properties = json.loads(
        (REPO / "schema/currents/events.json").read_text())["properties"]
    put(daemon, [event(event_type="x.New",
                       properties=dict.fromkeys(properties))])
    wait_settled(daemon)
    told = daemon.destination()
    counts = [(row[Destination.PROPERTY], row[Destination.PROPERTY_COUNT])
              for row in told[Destination.PROPERTIES]]
    assert sum(count for _, count in counts) == len(properties)
    lost = sum(count for name, count in counts
               if name == Destination.OTHER_PROPERTY)
    assert told[Destination.PROPERTIES_LOST] == daemon.metric(metric) == \
        lost > 0
    daemon.stop()


@pytest.mark.parametrize("settings, names", [
    ({"prefix": "braze-"},
     ["braze_event_id", "braze-custom_properties.currentsd_test"]),
    ({"rename": 'custom_properties.currentsd_test=a "mark",'
                "braze_event_id=the id"}, ["the id", 'a "mark"']),
    ({"drop": "custom_properties"}, ["braze_event_id"]),
    ({"hash": "*currentsd_test"}, ["braze_event_id"]),
    ({"add_event_id": "no"}, ["custom_properties.currentsd_test"]),
    ({"add_event_id": "no", "drop": "custom_properties.*"}, []),
    ({"add_event_id": "no", "hash": "*"}, []),
])
def test_send_test_names_what_is_there(start_daemon, heapsim, hash_key,
                                       settings, names):
    daemon = start_daemon(
        heap_hash_key_file=hash_key,
        **{"heap_" + name: value for name, value in settings.items()})
    if not names:
        said = daemon.failing("check", "--send-test", "ann", "--json")
        assert "could not find" in said and not heapsim.users()
        daemon.stop()
        return
    told = json.loads(
        daemon.command("check", "--send-test", "ann", "--json"))
    properties = told[Check.SENT]["events"][0]["properties"]
    marked = {name for name, value in properties.items()
              if value == told[Check.ID]}
    assert marked == set(names)
    for shown in (told[Check.HINT],
                  daemon.command("check", "--send-test", "ann")):
        for name in names:
            assert json.dumps(name) in shown
    if "custom_properties" not in "".join(names):
        assert "custom_properties" not in told[Check.HINT]
    daemon.stop()
