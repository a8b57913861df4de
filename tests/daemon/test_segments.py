"""Segments of Heap come in as signed pages, and what they say of people
reaches Braze: as attributes, or as cohorts. What is not signed, is stale, came
before or says nothing that can be believed changes nothing there."""

import base64
import gzip
import hashlib
import hmac
import json
import os
import resource
import signal
import subprocess
import time

import pytest

from braze import batch, event, receipt
from commands import CONFIG, FINE, FOUND, enough, lines, run, tool
from conftest import NO_QUOTA, PROGRAM, TOKEN, ask, until
from names import (Check, Command, Erased, Ledger, Place, Queue, Row, Source,
                   Status, erase)

SECRET = "what-heap-shows-to-customers"
API_KEY = "the-key-of-the-workspace"
# The hold between two changes of a person is of minutes; nobody waits for it.
QUICK = {"braze_linger": "10ms", "braze_hold": "0",
         "braze_requests_per_minute": 0, "braze_backoff_first": "50ms",
         "braze_backoff_most": "200ms", "braze_defer": "200ms",
         "heap_linger": "10ms", **NO_QUOTA}
EVENTS = ("token", "heap_app_id", "heap_url", "heap_linger", *NO_QUOTA)


def header(body, secret=SECRET, age_s=0, unit=1000, code=None):
    """As Heap signs a body."""
    stamp = str(int((time.time() - age_s) * unit))
    mac = hmac.new(secret.encode(), stamp.encode() + body, hashlib.sha256)
    text = base64.b64encode(mac.digest()).decode()
    return f"ts:{stamp},hmac:{code(mac) if code else text}"


def page(add=(), remove=(), segment=7, number=None, total=None, sync="s1",
         name="Funnel", action="segment.users.sync"):
    data = {"segment": {"id": segment, "name": name},
            "add": [{"id": id_} for id_ in add],
            "remove": [{"id": id_} for id_ in remove]}
    if number:
        data["sync_info"] = {"page_number": number, "total_pages": total,
                             "sync_task_id": sync}
    return json.dumps({"action_type": action, "data": data}).encode()


def send(daemon, body, signature=None, path="/segments", **headers):
    sent = {"Content-Type": "application/json",
            "Heap-Hash": header(body) if signature is None else signature,
            **{name.replace("_", "-"): value
               for name, value in headers.items()}}
    return ask(daemon.port, "POST", path, body, sent)


def taken(daemon, *words, **more):
    """A page that is answered 200; its receipt."""
    answer = send(daemon, page(*words, **more))
    assert answer.status == 200, answer
    return answer.json


@pytest.fixture
def braze(start_audiencesim):
    return start_audiencesim("--api-key", API_KEY)


@pytest.fixture
def start(start_daemon, braze):
    """A function that starts a daemon of both halves."""
    def start_(**settings):
        return start_daemon(**{
            "segments_secret": SECRET, "braze_url": braze.url,
            "braze_api_key": API_KEY, **QUICK, **settings})
    return start_


@pytest.fixture
def daemon(start):
    return start()


def settled(daemon):
    until(lambda: daemon.queued() == 0, "nothing is queued")


def members(braze):
    """{person: in or out} of the only segment."""
    made = braze.memberships()
    assert len({group for group, _ in made}) <= 1
    return {person.partition(":")[2]: word
            for (_, person), word in made.items()}


# ---- what is taken ----

def test_one_daemon_does_both(daemon, braze, heapsim):
    assert daemon.post(batch(event())).status == 200
    assert taken(daemon, ["ann", "bob"], ["cid"]) == receipt(3, queued=3)
    settled(daemon)
    assert braze.memberships() == {
        ("heap_funnel_7", "external_id:ann"): "in",
        ("heap_funnel_7", "external_id:bob"): "in",
        ("heap_funnel_7", "external_id:cid"): "out"}
    assert len(heapsim.keys()) == 1
    assert daemon.destination("heap")["kind"] == "track"
    assert daemon.destination("braze")["kind"] == "attributes"
    assert {source["name"]: source["kind"]
            for source in daemon.status()[Status.SOURCES]} == {
                "main": "currents", "segments": "segments"}


def test_cohorts(start_audiencesim, start):
    braze = start_audiencesim("--partner", "acme", "--partner-key", "pk",
                              "--import-key", "ik")
    daemon = start(braze_url=braze.url, braze_kind="cohorts",
                   braze_api_key=None, braze_partner="acme",
                   braze_partner_key="pk", braze_import_key="ik",
                   braze_hold=None, braze_requests_per_minute=None)
    taken(daemon, ["ann", "bob"])
    settled(daemon)
    taken(daemon, [], ["ann"])
    settled(daemon)
    assert members(braze) == {"ann": "out", "bob": "in"}
    assert not braze.report()["violations"]


def test_a_bare_number_is_no_change(daemon, braze):
    """Though one below zero begins as a change does: nobody leaves, even if
    its dead letter is requeued."""
    taken(daemon, ["5"])
    settled(daemon)
    bare = page(["x"]).replace(b'{"id": "x"}', b"-5")
    assert send(daemon, bare).json == receipt(1, dead=1)
    daemon.command(*Command.DEAD_REQUEUE, "--all")
    settled(daemon)
    assert members(braze) == {"5": "in"}
    until(lambda: daemon.queue()[Ledger.DEAD] == 1, "it is dead again")


def test_either_half_alone(start, braze):
    daemon = start(**dict.fromkeys(EVENTS))
    taken(daemon, ["ann"])
    settled(daemon)
    assert members(braze) == {"ann": "in"}
    assert daemon.post(batch(event())).status == 404
    assert [one["name"] for one in daemon.status()["destinations"]] == [
        "braze"]
    other = start(segments_secret=None, braze_url=None, braze_api_key=None,
                  **dict.fromkeys(name for name in QUICK
                                  if name.startswith("braze_")))
    assert send(other, page(["ann"])).status == 404
    assert other.post(batch(event())).status == 200


def test_signatures(start, braze):
    """Two secrets, two codes, two units of time; over the bytes as sent."""
    daemon = start(segments_secret=f"{SECRET},the-next-secret")
    body = page(["ann"])
    for signature in (
            header(body), header(body, secret="the-next-secret"),
            header(body, code=lambda mac: mac.hexdigest()),
            header(body, code=lambda mac: mac.hexdigest().upper()),
            header(body, unit=1), header(body, age_s=250),
            header(body, age_s=-250)):
        assert send(daemon, body, signature).status == 200, signature
    packed = gzip.compress(page(["bob"], number=1, total=1))
    assert send(daemon, packed, content_encoding="gzip").status == 200
    settled(daemon)
    assert members(braze) == {"ann": "in", "bob": "in"}


def test_empty_pages(daemon, braze):
    """They are noted like any other: a sync may have nothing else."""
    for _ in range(2):
        assert taken(daemon, number=1, total=2) == receipt()
    assert taken(daemon, ["ann"], number=2, total=2) == receipt(1, queued=1)
    assert taken(daemon) == receipt()
    settled(daemon)
    assert members(braze) == {"ann": "in"}


def test_a_page_counts_once(daemon, braze):
    """The same bytes, and the same page signed anew; but a page of another
    sync is another page."""
    body = page(["ann", "bob"], number=1, total=1)
    signature = header(body)
    assert send(daemon, body, signature).json == receipt(2, queued=2)
    settled(daemon)
    # a sync since then says something else
    taken(daemon, [], ["ann"], number=1, total=1, sync="s2")
    settled(daemon)
    for again in (signature, header(body), header(body, unit=1)):
        assert send(daemon, body, again).json == receipt(2, duplicates=2)
    settled(daemon)
    assert members(braze) == {"ann": "out", "bob": "in"}


def test_members_with_flaws(daemon, braze):
    """Each is its own dead letter, with its reason; its neighbours go."""
    flawed = [{"id": ""}, {}, {"id": None}, {"id": "null"}, {"id": 1.5},
              {"id": "x" * 988}, {"id": "a\0b"}, "ann", {"id": ["ann"]}]
    body = json.loads(page(["ann"], [7]))
    body["data"]["add"] += flawed
    answer = send(daemon, json.dumps(body).encode())
    assert answer.status == 200
    assert answer.json == receipt(len(flawed) + 2, queued=2, dead=len(flawed))
    settled(daemon)
    assert members(braze) == {"ann": "in", "7": "out"}
    dead = tool(daemon, *Command.DEAD_LIST)
    assert len(dead) == len(flawed)
    assert all(row[Row.REASON].startswith("entered, but ") for row in dead)
    assert {row[Row.TYPE] for row in dead} == {"7"}


# ---- what is not ----

BODY = page(["mallory"], number=1, total=1, sync="bad")


def altered(change):
    stamp, mac = header(BODY).removeprefix("ts:").split(",hmac:")
    return change(stamp, mac)


def bit(mac):
    raw = bytearray(base64.b64decode(mac))
    raw[5] ^= 4
    return base64.b64encode(raw).decode()


def body_alone():
    mac = hmac.new(SECRET.encode(), BODY, hashlib.sha256).digest()
    return base64.b64encode(mac).decode()


# What is signed how, its answer, and whether it is like one of Heap's, so that
# an operator should know of it.
BAD = {
    "empty header": (lambda: "", 400, False),
    "no timestamp": (lambda: altered(lambda t, m: f"hmac:{m}"), 400, False),
    "no mac": (lambda: altered(lambda t, m: f"ts:{t}"), 400, False),
    "empty mac": (lambda: altered(lambda t, m: f"ts:{t},hmac:"), 400, False),
    "a word for a time": (
        lambda: altered(lambda t, m: f"ts:now,hmac:{m}"), 400, False),
    "short mac": (
        lambda: altered(lambda t, m: f"ts:{t},hmac:{m[:20]}"), 403, False),
    "long mac": (
        lambda: altered(lambda t, m: f"ts:{t},hmac:{m}{m}"), 403, False),
    "no Base64": (
        lambda: altered(lambda t, m: f"ts:{t},hmac:{'!' * 43}="), 403, False),
    "other secret": (lambda: header(BODY, secret="guessed"), 403, True),
    "empty secret": (lambda: header(BODY, secret=""), 403, True),
    "other body": (lambda: header(BODY + b" "), 403, True),
    "cut body": (lambda: header(BODY[:-1]), 403, True),
    "other timestamp": (
        lambda: altered(lambda t, m: f"ts:{int(t) + 1},hmac:{m}"), 403, True),
    "body alone": (
        lambda: altered(lambda t, m: f"ts:{t},hmac:{body_alone()}"), 403,
        True),
    "one bit": (
        lambda: altered(lambda t, m: f"ts:{t},hmac:{bit(m)}"), 403, True),
    "stale": (lambda: header(BODY, age_s=400), 400, None),
    "ahead": (lambda: header(BODY, age_s=-400), 400, None),
    "stale in seconds": (
        lambda: header(BODY, age_s=400, unit=1), 400, None),
}


def refused(daemon):
    """The refusals that the source has, and those of strangers."""
    status = daemon.status()
    source = next(one for one in status[Status.SOURCES]
                  if one[Source.NAME] == "segments")
    return [0 if row is None else row[Source.REFUSED_COUNT]
            for row in (source[Source.REFUSED],
                        status[Status.REFUSED_STRANGERS])]


def test_bad_signatures(daemon, braze):
    plain = ask(daemon.port, "POST", "/segments", BODY, {})
    assert plain.status == 400 and "signature" in plain.json["error"]
    source, strangers = refused(daemon)
    assert (source, strangers) == (0, 1)
    for what, (signature, status, heaps) in BAD.items():
        answer = send(daemon, BODY, signature())
        assert answer.status == status, (what, answer)
        if heaps is not None:
            source, strangers = source + heaps, strangers + (not heaps)
        assert refused(daemon) == [source, strangers], what
    # a token is no signature
    assert daemon.post(BODY, "/segments", TOKEN).status == 400
    assert daemon.queue()["received"] == 0
    assert daemon.queue()[Queue.UNREADABLE] == 0
    taken(daemon, ["ann"])
    settled(daemon)
    assert members(braze) == {"ann": "in"}
    assert daemon.queue()["received"] == 1


def test_the_window(start):
    daemon = start(segments_window="10s")
    assert send(daemon, BODY, header(BODY, age_s=60)).status == 400
    assert send(daemon, BODY, header(BODY)).status == 200


def test_a_body_that_ends_early(daemon, braze):
    with daemon.connect() as sock:
        sock.sendall(b"POST /segments HTTP/1.1\r\nHost: x\r\nHeap-Hash: "
                     + header(BODY).encode() + b"\r\nContent-Length: "
                     + str(len(BODY)).encode() + b"\r\n\r\n" + BODY[:-9])
    taken(daemon, ["ann"])
    settled(daemon)
    assert members(braze) == {"ann": "in"}
    assert daemon.queue()["received"] == 1


def test_what_is_no_page_is_kept(daemon, braze):
    """Heap sends it again, and an operator sees it whole."""
    drain = page(action="segment.users.drain")
    bodies = [(drain, 405), (b'{"action_type":', 400),
              (b'{"action_type":"segment.users.sync"}', 405), (b"[]", 405),
              (page(action="other"), 405), (page(segment=None), 405)]
    taken(daemon, ["ann"])
    settled(daemon)
    for body, status in bodies:
        answer = send(daemon, body)
        assert answer.status == status, (body, answer)
        assert answer.json["error"]
    kept = tool(daemon, *Command.LIST[Place.UNREADABLE])
    assert len(kept) == len(bodies) == daemon.queue()[Queue.UNREADABLE]
    assert {row[Row.SOURCE] for row in kept} == {"segments"}
    assert any("segment.users.drain" in row[Row.REASON] for row in kept)
    assert daemon.command(*Command.UNREADABLE_SHOW, str(kept[0][Row.ID]),
                          ).encode().count(b"segment.users.drain") >= 1
    settled(daemon)
    assert members(braze) == {"ann": "in"}


def test_other_requests(start):
    daemon = start(body_limit="1M")
    large = page(["x" * 900 + str(n) for n in range(1200)])
    assert len(large) > 1 << 20
    assert send(daemon, large).status == 413
    answer = send(daemon, BODY, content_encoding="br")
    assert answer.status == 415 and answer.headers["Accept-Encoding"]
    for method in ("GET", "PUT", "DELETE"):
        answer = ask(daemon.port, method, "/segments")
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert send(daemon, BODY, path="/segments/nobody").status == 404
    assert send(daemon, BODY, path="/currents").status in (401, 404)
    assert daemon.queue()["received"] == 0
    assert send(daemon, BODY, path="/segments/segments").status == 200


# ---- people ----

def test_people_are_found_and_erased(start, braze):
    daemon = start()
    taken(daemon, ["ann", "annie"])
    settled(daemon)
    daemon.command(*Command.PAUSE, "braze")
    taken(daemon, ["dora"], ["ann", "annie"])
    taken(daemon, ["ann"], segment=8, name="Trial")
    body = json.loads(page())
    body["data"]["add"] = [{"id": "ann", "ID": 0}, {"id": ["ann"]}]
    send(daemon, json.dumps(body).encode())

    def of(person, place=Place.QUEUED):
        return sorted(
            (row[Row.TYPE], row["member"], row["entered"])
            for row in tool(daemon, *Command.LIST[place], "--user", person))

    assert of("ann", Place.ARCHIVE) == [("7", "ann", True)]
    assert ("7", "ann", False) in of("ann")
    assert ("8", "ann", True) in of("ann")
    assert of("nobody") == []
    found = tool(daemon, *Command.FIND, "annie")
    assert {row[Row.PLACE] for row in found} == {Place.QUEUED, Place.ARCHIVE}
    assert len(tool(daemon, *Command.DEAD_LIST, "--user", "ann")) == 1

    gone = tool(daemon, *erase("ann"))
    assert gone[Erased.ARCHIVE] == 1 and gone[Erased.DEAD] == 1
    assert gone[Erased.QUEUED] >= 2 and gone[Erased.MEMBERS] >= 1
    assert of("ann") == of("ann", Place.ARCHIVE) == []
    assert of("annie") == [("7", "annie", False)]
    # what comes later is dropped
    assert taken(daemon, ["ann", "eva"], segment=9) == receipt(
        2, queued=1, dropped=1)
    daemon.command(*Command.RESUME, "braze")
    settled(daemon)
    assert braze.memberships() == {
        ("heap_funnel_7", "external_id:ann"): "in",  # as Braze was told
        ("heap_funnel_7", "external_id:annie"): "out",
        ("heap_funnel_7", "external_id:dora"): "in",
        ("heap_funnel_9", "external_id:eva"): "in"}
    assert tool(daemon, "ledger", "--check")[Ledger.TOTAL][
        Ledger.IMBALANCE] == 0


# ---- settings, and what they show ----

def test_no_secret_is_shown(start):
    daemon = start()
    taken(daemon, ["ann"])
    send(daemon, BODY, "ts:1,hmac:x")
    settled(daemon)
    shown = [daemon.admin("/status").text, daemon.admin("/metrics").text,
             daemon.command("status"), daemon.command("check"),
             daemon.command("check", "--json"), "\n".join(daemon.run.lines)]
    for text in shown:
        assert SECRET not in text and API_KEY not in text
    checked = tool(daemon, "check")
    assert [(one[Check.NAME], one[Check.KIND], one[Check.DESTINATION])
            for one in checked[Check.SOURCES]] == [
                ("main", "currents", "heap"), ("segments", "segments", "braze")]
    assert [(one[Check.NAME], one[Check.KIND])
            for one in checked[Check.DESTINATIONS]] == [
                ("heap", "track"), ("braze", "attributes")]


def dumped(command, directory, env=None):
    """Does it leave a core when it is killed by SIGQUIT? It says something first."""
    def limit():
        resource.setrlimit(resource.RLIMIT_CORE, 2 * (
            resource.getrlimit(resource.RLIMIT_CORE)[1],))

    with subprocess.Popen(command, cwd=directory, env=env, text=True,
                          stderr=subprocess.PIPE, preexec_fn=limit) as process:
        process.stderr.readline()
        os.kill(process.pid, signal.SIGQUIT)
        process.stderr.read()
        _, status = os.waitpid(process.pid, 0)
        process.returncode = -os.WTERMSIG(status)
    assert process.returncode == -signal.SIGQUIT
    return os.WCOREDUMP(status)


def test_a_core_file_would_have_secrets(daemon, tmp_path):
    daemon.stop()
    if not dumped(["sh", "-c", "echo >&2; exec sleep 100"], tmp_path):
        pytest.skip("no program leaves a core here")
    assert not dumped([PROGRAM, "serve"], tmp_path, daemon.env)


@pytest.mark.parametrize("text, why", [
    ('source "s" { kind = segments secret = one destination = h }\n'
     'destination "h" { app_id = 1 region = us }', "takes events"),
    ('source "c" { open = yes destination = b }\n'
     'destination "b" { kind = attributes url = "https://h" api_key = k }',
     "takes changes"),
    ('source "s" { kind = segments }\n'
     'destination "b" { kind = attributes url = "https://h" api_key = k }',
     "has no secret")])
def test_what_does_not_fit_is_told(tmp_path, text, why):
    path = tmp_path / "settings"
    path.write_text(text)
    path.chmod(0o600)
    for command in ("serve", "check"):
        done = run(command, "--config", str(path), state_dir=tmp_path / "s",
                   allow_volatile_state="yes", listen="127.0.0.1:0",
                   admin="127.0.0.1:0")
        assert done.returncode == CONFIG
        assert why in done.stdout + done.stderr


def test_a_change_is_sent_on_trial(tmp_path, braze, start_audiencesim):
    settings = enough(tmp_path, segments_secret="one", braze_url=braze.url,
                      braze_api_key=API_KEY)
    words = ("check", "--send-test", "ann", "--destination", "braze")
    done = run(*words, "--json", **settings)
    assert done.returncode == FINE, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told[Check.ID], told[Check.STATUS]) == ("heap_currentsd_test_0",
                                                   201)
    assert told[Check.SENT]["attributes"][0][told[Check.ID]] is True
    assert braze.memberships() == {
        ("heap_currentsd_test_0", "external_id:ann"): "in"}
    assert "Search Users" in " ".join(
        run(*words, **settings).stdout.split())
    done = run(*words, **{**settings, "braze_api_key": "another-key"})
    assert done.returncode == FOUND and "HTTP 401" in done.stdout
    assert "another-key" not in done.stdout
    cohorts = start_audiencesim("--partner", "acme", "--partner-key", "pk-1",
                                "--import-key", "ik-1")
    settings.update(braze_url=cohorts.url, braze_kind="cohorts",
                    braze_api_key=None, braze_partner="acme",
                    braze_partner_key="pk-1", braze_import_key="ik-1")
    for more in ((), ("--json",)):
        done = run(*words, *more, **settings)
        assert done.returncode == FINE
        assert "currentsd test" in done.stdout
        assert "pk-1" not in done.stdout and "ik-1" not in done.stdout
    assert list(cohorts.memberships().values()) == ["in"]
    done = run(*words, **{**settings, "braze_import_key": "ik-2"})
    assert done.returncode == FOUND and "announcement" in done.stdout
    assert not cohorts.report()["violations"]


def test_explain_and_validate(tmp_path):
    """Without keys: each change as it would be sent, or its flaw."""
    text = page(["ann", "null"], [5]).decode()
    known = {"segments_secret": "one", "braze_url": "https://h"}
    done = run("explain", "--json", stdin=text, **known)
    assert done.returncode == FOUND, done.stderr
    rows = lines(done.stdout)
    assert [row["fate"] for row in rows] == ["send", "dead", "send"]
    assert rows[0]["sent"] == {"external_id": "ann", "heap_funnel_7": True,
                               "_update_existing_only": True}
    assert rows[2]["sent"]["heap_funnel_7"] is False
    assert "placeholder" in rows[1]["reason"]
    done = run("explain", "--json", stdin=page(["ann"]).decode(),
               braze_kind="cohorts", **known)
    assert done.returncode == FINE
    assert lines(done.stdout)[0]["sent"] == '+"ann"'
    done = run("validate", "--json", stdin=text)
    assert done.returncode == FOUND
    assert [row["verdict"] for row in lines(done.stdout)] == [
        "valid", "invalid", "valid"]
    done = run("validate", "--json",
               stdin=page(action="segment.users.drain").decode())
    assert done.returncode == FOUND
    assert lines(done.stdout)[0]["verdict"] == "fault"


# ---- the simulators ----

@pytest.mark.parametrize("kind", ["attributes", "cohorts"])
def test_the_last_word(start_audiencesim, start_segmentsim, start, kind):
    """Late, doubled, replayed and bad pages, while Braze fails often: each
    membership ends as the sender's last word."""
    braze = start_audiencesim(
        "--fail-percent", "10", "--fail-status", "0", "--reset-percent", "5",
        "--amid-percent", "5", "--reset-after-percent", "5",
        "--close-percent", "5")
    keys = {"braze_api_key": "api-key"} if kind == "attributes" else {
        "braze_api_key": None, "braze_hold": None,
        "braze_requests_per_minute": None, "braze_partner": "partner",
        "braze_partner_key": "partner-key", "braze_import_key": "import-key"}
    daemon = start(braze_url=braze.url, braze_kind=kind,
                   segments_hold_over=0, **keys)
    sim = start_segmentsim(
        f"http://127.0.0.1:{daemon.port}/segments", SECRET, "--segments", "5",
        "--people", "300", "--page", "20", "--churn", "60", "--changes",
        "4000", "--late-percent", "30", "--duplicate-percent", "20",
        "--replay-percent", "20", "--bad-percent", "20", "--odd", "1",
        "--unknown-outcome", "5", "--backoff-first-ms", "1",
        "--backoff-most-ms", "5")
    report, code = sim.wait()
    assert code == 0, report
    settled(daemon)
    said = {(group.rpartition("_")[2], person.partition(":")[2]): word
            for (group, person), word in braze.memberships().items()}
    assert said == sim.truth()
    assert not braze.report()["violations"]
    assert daemon.queue()[Queue.IMBALANCE] == 0


# ---- the first line of a start ----

def test_the_settings_are_logged(start):
    daemon = start()
    daemon.run.wait_line(r"module=serve event=source name=segments path=/segments/segments"
                         r" secrets=1 open=no destination=braze")
    daemon.run.wait_line(r"module=serve event=destination name=braze kind=attributes url=")
