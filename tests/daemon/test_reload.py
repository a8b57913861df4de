"""The settings are read again while the daemon runs: all of them are put in
force, or none; nobody who posts and nothing that is sent notices."""

import concurrent.futures
import contextlib
import json
import os
import select
import signal
import socket
import threading
import time

import pytest

import conftest
from braze import batch, event
from commands import CONFIG
from conftest import BUILD, PATIENCE, PROGRAM, TOKEN, Process, ask, until
from load import FAST, LONG, Brazesim, check_law, drain
from names import (Destination, Finding, Metric, Reload, Row, Source, State,
                   Status)
from test_delivery import key
from test_doubt import BATCHES, sent_and_stored
from test_events import rows_of, tap
from test_segments import API_KEY, SECRET, send as send_page, page

OTHER = "another-token-of-the-tests"
ADMIN = "the-admin-token-of-the-tests"
WORDS = {name.removeprefix("heap_"): value for name, value in FAST.items()}


def value_text(value):
    if isinstance(value, (list, tuple)):
        return "{" + ", ".join(f'"{one}"' for one in value) + "}"
    return f'"{value}"'


class Settings:
    """A file of settings that changes: `top` and, by name, `sources` and
    `destinations`, each a dict. What None stands for is left out."""

    def __init__(self, path, heapsim):
        self.path = path
        self.top = {}
        self.sources = {"main": {"token": [TOKEN]}}
        self.destinations = {"heap": {
            "app_id": "11", "url": heapsim.url, **WORDS}}

    def _lines(self, values, indent=""):
        return [f"{indent}{name} = {value_text(value)}"
                for name, value in values.items() if value is not None]

    def write(self):
        lines = self._lines(self.top)
        for section, all_ in (("source", self.sources),
                              ("destination", self.destinations)):
            for name, values in all_.items():
                lines += [f'{section} "{name}" {{',
                          *self._lines(values, "    "), "}"]
        # as editors do it, so that nobody reads a half
        fresh = self.path.with_suffix(".new")
        fresh.write_text("\n".join(lines) + "\n")
        fresh.replace(self.path)


@pytest.fixture
def settings(tmp_path, heapsim):
    return Settings(tmp_path / "currentsd.conf", heapsim)


@pytest.fixture
def start(start_daemon, settings):
    """A function that starts a daemon with the file, and variables."""
    def start_(**variables):
        settings.write()
        return start_daemon(**{"config": settings.path, "token": None,
                               "heap_app_id": None, "heap_url": None,
                               **variables})
    return start_


def reload(daemon, settings=None, *words):
    """By the command; what it answers."""
    if settings is not None:
        settings.write()
    return json.loads(daemon.command("reload", "--json", *words))


def refused(daemon, settings, *words, code=1):
    """Why a reload fails, which changes nothing; `code` is what the command
    exits with."""
    settings.write()
    said = daemon._command(["reload", *words], code).stderr
    assert said.startswith("currentsd: ")
    return said


def nothing(**lists):
    return {**dict.fromkeys(Reload.LISTS, []), **lists}


def attention(daemon):
    return [one["what"] for one in daemon.status()["attention"]
            if one["about"] == "settings"]


# ---- what is put in force ----

def test_nothing_differs(start, settings):
    daemon = start()
    assert reload(daemon) == nothing()
    assert daemon.command("reload") == (
        "No setting differs; the files that they name were read again.\n")
    assert daemon.status()[Status.RELOAD][Reload.FAILED] is False
    assert attention(daemon) == []


def test_a_token_is_rotated_under_traffic(start, settings, heapsim, tmp_path):
    heapsim.control(quota=False)
    daemon = start()
    url = f"http://127.0.0.1:{daemon.port}/currents"
    load = ("--count", "4000", "--batch", "20", "--rate", "2000",
            "--connections", "4")
    with Brazesim(tmp_path, url, *load, "--seed", "1", name="old") as old:
        until(lambda: daemon.queue()["received"] > 200, "traffic")
        settings.sources["main"]["token"] = [TOKEN, OTHER]
        assert reload(daemon, settings) == nothing(
            changed=["source main: token"])
        with Brazesim(tmp_path, url, *load, "--seed", "2", "--token", OTHER,
                      name="new") as new:
            books = [old.books()]
            settings.sources["main"]["token"] = [OTHER]
            reload(daemon, settings)
            assert daemon.post(batch(event())).status == 401
            books.append(new.books())
    assert [one["acked"] for one in books] == [4000, 4000]
    for one in books:  # none was refused, whenever it came
        assert set(one["by_status"]) == {"200"}, one
    drain(daemon)
    check_law(daemon, heapsim, [*old.acked(), *new.acked()])


def test_when_a_token_was_used_survives(start, settings):
    daemon = start()
    assert daemon.post(batch(event())).status == 200
    before, = daemon.status()[Status.SOURCES]
    settings.sources["main"]["token"] = [OTHER, TOKEN]
    reload(daemon, settings)
    after, = daemon.status()[Status.SOURCES]
    assert after["answers_today"] == before["answers_today"]
    assert after[Source.LAST_SUCCESS_S] is not None
    used = {one[Source.TOKEN_NUMBER]: one[Source.TOKEN_LAST_USED_S]
            for one in after[Source.TOKENS]}
    assert used[1] is None and used[2] is not None


def test_files_of_secrets(start, settings, tmp_path):
    secrets, tokens = tmp_path / "secrets", tmp_path / "tokens"
    secrets.write_text(SECRET + "\n")
    tokens.write_text(ADMIN + "\n")
    tokens.chmod(0o600)
    settings.top["admin_token_file"] = tokens
    settings.sources["segments"] = {"kind": "segments",
                                    "secret_file": secrets}
    settings.destinations["braze"] = {
        "kind": "attributes", "url": "http://127.0.0.1:1", "api_key": "k"}
    daemon = start()
    assert send_page(daemon, page(["ann"])).status == 200
    secrets.write_text("another-secret\n")
    tokens.write_text(OTHER + "\n")

    def admin(token, path="/reload"):
        return ask(daemon.admin_port, "POST", path,
                   headers={"Authorization": f"Bearer {token}"})

    assert admin(OTHER).status == 401
    assert admin(ADMIN).json == nothing(
        changed=["admin_token", "source segments: secret"])
    assert send_page(daemon, page(["bob"])).status in (401, 403)
    assert admin(ADMIN).status == 401
    assert admin(OTHER).json == nothing()


def test_rules_of_a_source(start, settings):
    daemon = start()
    kind = "users.messages.email.Click"
    settings.sources["main"]["exclude"] = [kind]
    assert reload(daemon, settings)[Reload.CHANGED] == ["source main: exclude"]
    assert daemon.post(batch(event(kind))).json["dropped"] == 1
    del settings.sources["main"]["exclude"]
    reload(daemon, settings)
    assert daemon.post(batch(event(kind))).json["queued"] == 1


def test_what_the_daemon_itself_goes_by(start, settings):
    daemon = start()
    settings.top.update(log_level="warn", retry_after="77s",
                        admin_hosts=["currentsd.example"])

    def named():
        return ask(daemon.admin_port, "GET", "/status",
                   headers={"Host": "currentsd.example"}).status

    assert named() == 403
    assert reload(daemon, settings)[Reload.CHANGED] == [
        "admin_hosts", "log_level", "retry_after"]
    assert named() == 200
    # a line for each post, but not at this level
    assert daemon.post(batch(event())).status == 200
    settings.top["log_level"] = "info"
    reload(daemon, settings)
    assert daemon.post(batch(event(), event())).status == 200
    daemon.run.wait_line("event=accept .*events=2")
    assert not any("event=accept" in line and " events=1 " in line
                   for line in daemon.run.lines)


def test_settings_of_a_destination(start, settings, heapsim):
    settings.destinations["heap"]["prefix"] = "old-"
    daemon = start()
    first, second = event(), event()
    daemon.post(batch(first))
    until(lambda: daemon.destination()[Destination.ACCEPTED] == 1, "an answer")
    before = daemon.destination()
    settings.destinations["heap"]["prefix"] = "new-"
    assert reload(daemon, settings) == nothing(
        changed=["destination heap: prefix"])
    after = daemon.destination()
    for name in (Destination.POSTS, Destination.ACCEPTED,
                 Destination.LAST_ACCEPTED):
        assert after[name] == before[name]
    daemon.post(batch(second))
    until(lambda: len(heapsim.keys()) == 2, "delivery")
    for one, prefix in ((first, "old-"), (second, "new-")):
        sent = ask(heapsim.port, "GET", f"/event?key={key(one)}").json
        assert sent["event"].startswith(prefix)


def test_others_are_not_disturbed(start, settings, start_heapsim):
    """One that is halted stays so if nothing of it changed; and what is in
    flight ends before one that changes goes on."""
    slow, bad = start_heapsim(), start_heapsim()
    bad.control(refuse_all=401)
    slow.control(delay_ms=1500)
    for name, heap in (("slow", slow), ("bad", bad)):
        settings.destinations[name] = {
            **settings.destinations["heap"], "url": heap.url, "probe": "1h"}
        settings.sources[name] = {"token": [TOKEN], "destination": name}
    settings.sources["main"]["destination"] = "heap"
    daemon = start()
    daemon.post(batch(event()), path="/currents/bad")
    daemon.post(batch(event()), path="/currents/bad")
    until(lambda: daemon.destination("bad")["state"] == State.HALTED, "a halt")
    halted = daemon.destination("bad")
    daemon.post(batch(event()), path="/currents/slow")
    until(lambda: daemon.destination("slow")[Destination.IN_FLIGHT] == 1,
          "a request in flight")
    settings.destinations["slow"]["linger"] = "20ms"
    assert reload(daemon, settings)[Reload.CHANGED] == [
        "destination slow: linger"]
    still = daemon.destination("bad")
    for name in ("state", "why", Destination.POSTS):
        assert still[name] == halted[name]
    until(lambda: daemon.destination("slow")[Destination.ACCEPTED] == 1,
          "the answer")
    assert slow.books()["requests"] == 1


def test_a_key_that_is_repaired_is_tried_at_once(start, settings,
                                                 start_audiencesim):
    braze = start_audiencesim("--api-key", API_KEY)
    settings.sources["segments"] = {"kind": "segments", "secret": [SECRET]}
    settings.destinations["braze"] = {
        "kind": "attributes", "url": braze.url, "api_key": "wrong",
        "probe": "1h", "linger": "10ms", "hold": "0"}
    daemon = start()
    for name in ("ann", "bob"):
        assert send_page(daemon, page([name])).status == 200
    until(lambda: daemon.destination("braze")["state"] == State.HALTED,
          "a halt")
    settings.destinations["braze"]["api_key"] = API_KEY
    assert reload(daemon, settings) == nothing(
        changed=["destination braze: api_key"])
    until(lambda: daemon.queued() == 0, "delivery")
    assert len(braze.memberships()) == 2


def test_paused_stays_paused(start, settings):
    daemon = start()
    daemon.command("destinations", "pause", "heap")
    settings.destinations["heap"]["linger"] = "20ms"
    reload(daemon, settings)
    assert daemon.destination()["state"] == State.PAUSED
    daemon.post(batch(event()))
    daemon.command("destinations", "resume", "heap")
    until(lambda: daemon.queued() == 0, "delivery")


@pytest.mark.parametrize("fault", ["fail_after_percent",
                                   "reset_after_percent"])
def test_identity_stays_while_in_doubt(start, settings, heapsim, fault):
    settings.destinations["heap"].update({
        name.removeprefix("heap_"): value for name, value in BATCHES.items()})
    daemon = start()
    sent_and_stored(daemon, heapsim, {fault: 100})
    for identity in ("user_id", "external_user_id", "user_id"):
        received = heapsim.books()["received"]
        settings.destinations["heap"]["identity"] = identity
        reload(daemon, settings)
        until(lambda: heapsim.books()["received"] > received, "a request")
    heapsim.control(**{fault: 0})
    drain(daemon)
    assert daemon.queue()["delivered"] == 200
    books = heapsim.books()
    assert books["split"] == 0 and books["keys"] == 200
    assert "identity:0123456789abcdef01234567" in heapsim.users().values()


# ---- variables ----

def test_the_file_of_variables(start_daemon, monkeypatch, tmp_path):
    """systemd puts the whole of it into the environment: what both have alike
    is the file's to change."""
    path, conf = tmp_path / "currentsd.env", tmp_path / "currentsd.conf"
    conf.write_text('source "main" { token = ${MINE}\n'
                    'exclude = {"${KIND:-a}", \'${b}\'} }\n')

    def write(**pairs):
        path.write_text("".join(f"{name}={value}\n"
                                for name, value in pairs.items()))

    write(MINE=TOKEN, CURRENTSD_RETRY_AFTER="11s", CURRENTSD_REQUEST_TIMEOUT="33s")
    monkeypatch.setenv("MINE", TOKEN)
    daemon = start_daemon(token=None, config=conf, env_file=path,
                          retry_after="11s", request_timeout="33s",
                          heap_linger="50ms")
    write(MINE=OTHER, CURRENTSD_RETRY_AFTER="12s",
          CURRENTSD_HEAP_LINGER="70ms", KIND="users.*")
    # heap_linger is of the environment alone, which wins
    daemon.run.process.send_signal(signal.SIGHUP)
    daemon.run.wait_line('reload changed="request_timeout, retry_after, source '
                         'main: token, source main: exclude" ')
    assert daemon.post(batch(event())).status == 401
    assert daemon.post(batch(event()), token=OTHER).json["dropped"] == 1
    write(CURRENTSD_RETRY_AFTER="12s")
    daemon.run.process.send_signal(signal.SIGHUP)
    daemon.run.wait_line(r"reload_failed why=.*an unset \$\{NAME\} is empty")
    write(MINE=TOKEN)
    daemon.run.process.send_signal(signal.SIGHUP)
    daemon.run.wait_line('reload changed="retry_after, source main: token')


# ---- what is wrong changes nothing ----

def spoil_syntax(settings, _tmp_path):
    settings.path.write_text(settings.path.read_text() + "source {\n")
    return "currentsd.conf, line "


def spoil_word(settings, _tmp_path):
    settings.path.write_text("no_such = 1\n" + settings.path.read_text())
    return "line 1: not a setting of this section"


def spoil_token_file(settings, tmp_path):
    settings.sources["main"]["token_file"] = tmp_path / "nowhere"
    settings.write()
    return "cannot read the token file"


def spoil_key(settings, tmp_path):
    path = tmp_path / "key"
    path.write_text("x" * 40)
    path.chmod(0o644)
    settings.destinations["heap"]["hash_key_file"] = path
    settings.write()
    return "other users can read or write the key file"


def spoil_catalogue(settings, tmp_path):
    path = tmp_path / "catalogue.json"
    path.write_text('{"events": 7}')
    settings.top["catalogue"] = path
    settings.write()
    return "catalogue.json"


def spoil_parts(settings, _tmp_path):
    settings.sources["main"]["destination"] = "nowhere"
    settings.write()
    return 'there is no destination "nowhere"'


def spoil_last(settings, _tmp_path):
    """Found only after all else was made."""
    settings.sources["more"] = {"token": [OTHER]}
    settings.destinations["a"] = {**settings.destinations["heap"],
                                  "share": "50"}
    settings.destinations["heap"]["share"] = "60"
    for one in ("a", "heap"):
        settings.destinations[one]["events_per_minute"] = "15000"
    settings.write()
    return "add up to at most 100"


@pytest.mark.parametrize("spoil", [
    spoil_syntax, spoil_word, spoil_token_file, spoil_key, spoil_catalogue,
    spoil_parts, spoil_last], ids=lambda spoil: spoil.__name__[6:])
def test_what_is_wrong_changes_nothing(start, settings, tmp_path, heapsim,
                                       spoil):
    settings.top.update(retry_after="11s", admin_token=[ADMIN])
    daemon = start()
    good = settings.path.read_text()
    settings.top["retry_after"] = "12s"
    settings.sources["main"]["token"] = [OTHER]
    settings.write()
    wrong = spoil(settings, tmp_path)
    answer = ask(daemon.admin_port, "POST", "/reload",
                 headers={"Authorization": f"Bearer {ADMIN}"})
    assert answer.status == 422 and wrong in answer.json["error"]
    assert wrong in daemon._command(["reload"], CONFIG).stderr
    daemon.run.process.send_signal(signal.SIGHUP)
    daemon.run.wait_line("reload_failed why=.* caller=SIGHUP")
    last = daemon.status()[Status.RELOAD]
    assert last[Reload.FAILED] is True and wrong in last[Reload.WHY]
    assert daemon.metric(Metric.RELOAD_FAILED) == 1
    said, = attention(daemon)
    assert said == f"The last reload failed: {last[Reload.WHY]}"
    # all of it is as before
    assert daemon.post(batch(event())).status == 200
    assert daemon.post(batch(event()), token=OTHER).status == 401
    assert [one["name"] for one in daemon.status()[Status.DESTINATIONS]] == [
        "heap"]
    until(lambda: len(heapsim.keys()) == 1, "delivery")
    settings.path.write_text(good)
    assert reload(daemon) == nothing()
    assert attention(daemon) == []
    assert daemon.metric(Metric.RELOAD_FAILED) == 0


def test_a_failed_reload_keeps_the_catalogue(start, settings, tmp_path,
                                             heapsim):
    """It may keep what is personal from being sent."""
    kind = "users.messages.email.Click"
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps({
        "properties": {"campaign_name": {"class": "content"}},
        "events": {"users.Own": {"properties": ["campaign_name"]}}}))
    settings.top["catalogue"] = path
    daemon = start()
    assert "users.Own" in daemon.command("schema")
    spoil_syntax(settings, tmp_path)
    daemon.run.process.send_signal(signal.SIGHUP)
    daemon.run.wait_line("reload_failed why=.* caller=SIGHUP")
    settings.write()
    one = event(kind)
    one["properties"]["campaign_name"] = "hush"
    assert daemon.post(batch(one)).status == 200
    until(lambda: len(heapsim.keys()) == 1, "delivery")
    sent = ask(heapsim.port, "GET", f"/event?key={key(one)}").json
    assert "hush" not in sent["properties"].values(), sent


def test_what_needs_a_restart_is_named(start, settings):
    settings.top["queue_window"] = "1000"
    daemon = start(queue_window=None)
    port = daemon.admin_port
    settings.top.update(queue_window="2000", threads="3", retry_after="12s")
    for _ in range(2):  # it is told again until it is no longer so
        answer = reload(daemon, settings)
        assert answer[Reload.RESTART] == ["threads", "queue_window"]
    assert "Needs a restart: threads, queue_window\n" in daemon.command(
        "reload")
    assert attention(daemon) == ["Needs a restart: threads, queue_window."]
    assert daemon.status()[Status.RELOAD][Reload.RESTART] == (
        "threads, queue_window")
    del settings.top["threads"]
    settings.top["queue_window"] = "1000"
    assert reload(daemon, settings) == nothing()
    assert attention(daemon) == [] and daemon.admin_port == port


# ---- the catalogue ----

FAX, CLICK = "users.messages.fax.Send", "users.messages.email.Click"


class Catalogue:
    """The operator's file, by which `sent` may be sent of an event, and `kept`
    may not."""

    def __init__(self, path):
        self.path = path

    def write(self, sent, kept, *more):
        """What is in `more` moves the numbers of the others."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({
            "properties": {
                **{one: {"type": "string"} for one in more},
                kept: {"type": "string", "class": "content"},
                sent: {"type": "string"}},
            "events": {
                **{f"users.{one}": {"properties": [one]} for one in more},
                FAX: {"properties": [sent, kept], "required": [sent]},
                CLICK: {"properties": [kept, sent]}}}))
        fresh.replace(self.path)


@pytest.fixture
def catalogue(tmp_path):
    return Catalogue(tmp_path / "catalogue.json")


def both(kind=CLICK):
    """An event with two texts of the file."""
    one = event(kind)
    one["properties"].update(left="the left", right="the right")
    return one


def got(heapsim, one):
    """Which of them arrived."""
    sent = ask(heapsim.port, "GET", f"/event?key={key(one)}").json
    return {"left", "right"} & sent["properties"].keys()


def delivered(heapsim, one):
    until(lambda: key(one) in heapsim.keys(), "delivery")
    return got(heapsim, one)


def test_a_type_becomes_known(start, settings, catalogue, tmp_path):
    settings.sources["main"]["unknown_type"] = "drop"
    daemon = start()
    assert daemon.post(batch(both(FAX))).json["dropped"] == 1
    catalogue.write("left", "right")
    settings.top["catalogue"] = catalogue.path
    assert reload(daemon, settings) == nothing(changed=["catalogue"])
    assert daemon.post(batch(both(FAX))).json["queued"] == 1
    assert reload(daemon) == nothing()
    # what the file says is known by its content
    catalogue.write("other", "right")
    assert reload(daemon) == nothing(changed=["catalogue"])
    answer = daemon.post(batch(both(FAX))).json
    assert answer["queued"] == 0 and answer["dropped"] == 0
    del settings.top["catalogue"]
    assert reload(daemon, settings) == nothing(changed=["catalogue"])
    assert daemon.post(batch(both(FAX))).json["dropped"] == 1


def test_a_class_is_decided(start, settings, heapsim, catalogue):
    catalogue.write("left", "right")
    settings.top["catalogue"] = catalogue.path
    daemon = start()
    one = both()
    assert daemon.post(batch(one)).status == 200
    assert delivered(heapsim, one) == {"left"}
    # also of what waits to be sent again
    heapsim.control(refuse_all=500)
    one = both()
    assert daemon.post(batch(one)).status == 200
    until(lambda: daemon.destination()["state"] == State.BACKING_OFF,
          "a failure")
    catalogue.write("right", "left")
    assert reload(daemon) == nothing(changed=["catalogue"])
    heapsim.control(refuse_all=0)
    assert delivered(heapsim, one) == {"right"}
    # a file that is wrong, and one that is not there, leave the one before
    catalogue.path.write_text('{"properties": {"left": {"class": "plain"}}')
    assert "not JSON" in refused(daemon, settings, code=CONFIG)
    catalogue.path.unlink()
    assert "cannot read the catalogue" in refused(
        daemon, settings, code=CONFIG)
    one = both()
    assert daemon.post(batch(one)).status == 200
    assert delivered(heapsim, one) == {"right"}
    catalogue.write("right", "left")
    assert reload(daemon) == nothing()


def test_a_catalogue_comes_with_its_rules(start, settings, heapsim, catalogue):
    """All of a reload, or nothing of it."""
    catalogue.write("left", "right")
    settings.top["catalogue"] = catalogue.path
    daemon = start()
    catalogue.write("right", "left")
    settings.destinations["heap"]["drop"] = "right"
    settings.sources["main"]["destination"] = "nowhere"
    assert "nowhere" in refused(daemon, settings, code=CONFIG)
    one = both()
    assert daemon.post(batch(one)).status == 200
    assert delivered(heapsim, one) == {"left"}
    del settings.sources["main"]["destination"]
    assert set(reload(daemon, settings)["changed"]) == {
        "catalogue", "destination heap: drop"}
    one = both()
    assert daemon.post(batch(one)).status == 200
    assert delivered(heapsim, one) == set()


def test_catalogues_change_under_load(start, settings, heapsim, catalogue):
    """Each event goes by one of them: what both leave out in turn never
    arrives together."""
    heapsim.control(quota=False)
    catalogue.write("left", "right")
    settings.top["catalogue"] = catalogue.path
    settings.sources["main"]["destination"] = "heap"
    settings.destinations["heap"]["share"] = "50"
    settings.destinations["early"] = dict(settings.destinations["heap"],
                                          share="40")
    settings.sources["early"] = {"token": [TOKEN], "private_at": "accept",
                                 "destination": "early"}
    daemon = start()
    ended = threading.Event()
    sent = {"/currents/main": [], "/currents/early": []}

    def post(path):
        while not ended.is_set():
            ones = [both(kind) for kind in (CLICK, FAX) for _ in range(5)]
            answer = daemon.post(batch(*ones), path=path)
            assert answer.status == 200, answer
            assert answer.json["received"] == len(ones)
            sent[path] += [one for one in ones
                           if one["event_type"] == CLICK]

    with concurrent.futures.ThreadPoolExecutor(len(sent)) as pool:
        posts = [pool.submit(post, path) for path in sent]
        try:
            for turn in range(20):
                catalogue.write(*(("right", "left") if turn % 2 else
                                  ("left", "right", "One", "Two", "Three")))
                assert reload(daemon)["changed"] == ["catalogue"]
                # what this one makes of an event is seen
                one = both()
                assert daemon.post(batch(one)).status == 200
                assert delivered(heapsim, one) == {
                    "right" if turn % 2 else "left"}
        finally:
            ended.set()
        for one in posts:
            one.result()
    drain(daemon)
    for path, ones in sent.items():
        assert ones
        for one in ones:
            arrived = got(heapsim, one)
            assert len(arrived) == 1 or (
                path == "/currents/early" and not arrived), one


# ---- sources and destinations come and go ----

def test_sources_come_and_go(start, settings):
    daemon = start()
    settings.sources["more"] = {"token": [OTHER]}
    assert reload(daemon, settings) == nothing(added=["source more"])
    assert daemon.post(batch(event()), path="/currents/more",
                       token=OTHER).status == 200
    assert [one["name"] for one in daemon.status()[Status.SOURCES]] == [
        "main", "more"]
    del settings.sources["more"]
    said = refused(daemon, settings)
    assert 'source "more"' in said and "--force" in said
    daemon.run.process.send_signal(signal.SIGHUP)  # which cannot insist
    daemon.run.wait_line("reload_failed .* caller=SIGHUP")
    assert daemon.post(batch(event()), path="/currents/more",
                       token=OTHER).status == 200
    assert reload(daemon, settings, "--force") == nothing(
        removed=["source more"])
    assert daemon.post(batch(event()), path="/currents/more",
                       token=OTHER).status == 404


def test_the_path_without_a_name_stays_with_its_source(start, settings):
    daemon = start()
    settings.sources = {"before": {"token": [OTHER]}, **settings.sources}
    said = refused(daemon, settings)
    assert 'source "before" comes before source "main"' in said
    assert daemon.post(batch(event())).status == 200
    reload(daemon, settings, "--force")
    assert daemon.post(batch(event())).status == 401


def test_destinations_come_and_go(start, settings, start_heapsim):
    more = start_heapsim()
    settings.sources["main"]["destination"] = "heap"
    daemon = start()
    settings.destinations["more"] = {
        **settings.destinations["heap"], "url": more.url}
    settings.sources["more"] = {"token": [TOKEN], "destination": "more"}
    assert reload(daemon, settings) == nothing(
        added=["source more", "destination more"])
    daemon.post(batch(event()), path="/currents/more")
    until(lambda: len(more.keys()) == 1, "delivery")
    more.control(refuse_all=500)
    daemon.post(batch(event()), path="/currents/more")
    daemon.command("destinations", "pause", "more")
    # with something queued it does not go, unless that is insisted on
    settings.sources["more"]["destination"] = "heap"
    kept = settings.destinations.pop("more")
    said = refused(daemon, settings)
    assert 'destination "more"' in said and "(1 event)" in said
    assert reload(daemon, settings, "--force") == nothing(
        changed=["source more: destination"], removed=["destination more"])
    assert [one["name"] for one in daemon.status()[Status.DESTINATIONS]] == [
        "heap"]
    assert daemon.queued() == 1
    # nothing is lost: it is added again
    more.control(refuse_all=0)
    settings.destinations["more"] = kept
    assert reload(daemon, settings) == nothing(added=["destination more"])
    assert daemon.destination("more")["state"] == State.PAUSED
    daemon.command("destinations", "resume", "more")
    until(lambda: len(more.keys()) == 2, "delivery")


def test_the_other_half_is_added(start, settings, start_audiencesim):
    braze = start_audiencesim("--api-key", API_KEY)
    daemon = start()
    assert send_page(daemon, page(["ann"])).status == 404
    settings.sources["segments"] = {"kind": "segments", "secret": [SECRET]}
    settings.destinations["braze"] = {
        "kind": "attributes", "url": braze.url, "api_key": API_KEY,
        "linger": "10ms", "hold": "0"}
    assert reload(daemon, settings) == nothing(
        added=["source segments", "destination braze"])
    assert send_page(daemon, page(["ann"])).status == 200
    until(lambda: daemon.queued() == 0, "delivery")
    assert len(braze.memberships()) == 1


def test_what_a_reload_cannot_do_is_refused(start, settings):
    daemon = start()
    settings.destinations["new"] = {
        **settings.destinations["heap"], "formerly": "older"}
    settings.destinations["new"]["app_id"] = "12"
    assert "(formerly), which needs a restart" in refused(
        daemon, settings, "--force")
    del settings.destinations["new"]
    assert reload(daemon, settings) == nothing()


# ---- when, and how often ----

def test_reloads_under_load_lose_nothing(start, settings, heapsim, tmp_path,
                                         figure):
    """One after the other, each with something else."""
    events = 40000 if LONG else 12000
    heapsim.control(quota=False, fail_percent=5, fail_after_percent=5)
    daemon = start(admin_token=ADMIN)
    reloads = done = 0
    with Brazesim(tmp_path, f"http://127.0.0.1:{daemon.port}/currents",
                  "--count", str(events), "--batch", "20", "--rate", "3000",
                  "--connections", "8", "--duplicate-percent", "3") as braze:
        while braze.process.poll() is None:
            reloads += 1
            settings.sources["main"]["token"] = [TOKEN, f"{OTHER}-{reloads}"]
            settings.destinations["heap"]["linger"] = f"{10 + reloads % 5}ms"
            settings.destinations["heap"]["in_flight"] = 1 + reloads % 4
            if reloads % 2:
                settings.sources["more"] = {"token": [OTHER]}
                settings.destinations["more"] = {
                    **settings.destinations["heap"], "app_id": "12"}
            else:
                del settings.sources["more"], settings.destinations["more"]
            settings.write()
            answer = ask(daemon.admin_port, "POST", "/reload?force=yes",
                         headers={"Authorization": f"Bearer {ADMIN}"})
            assert answer.status in (200, 503), answer
            done += answer.status == 200
        books = braze.books()
    assert books["acked"] == events and done > 2
    assert set(books["by_status"]) == {"200"}, books
    drain(daemon)
    check_law(daemon, heapsim, braze.acked())
    figure(f"{done} reloads while {events} events came: none was refused")


def test_more_sources_than_the_queue_takes(start, settings):
    """The queue was opened for so many."""
    settings.top["sources_max"] = 1
    daemon = start()
    assert daemon.post(batch(event())).status == 200
    settings.top["sources_max"] = 2
    settings.sources["more"] = {"token": [OTHER]}
    assert "sources_max is 1 until a restart" in refused(daemon, settings)
    assert daemon.status()[Status.RELOAD][Reload.FAILED] is True
    del settings.sources["more"]
    assert reload(daemon, settings)[Reload.RESTART] == ["sources_max"]


def test_what_is_added_gets_files(start, settings, monkeypatch, tmp_path):
    """More destinations need more open files, and take none from others."""
    limited = tmp_path / "limited"
    limited.write_text(f'#!/bin/sh\nulimit -S -n 100\nexec {PROGRAM} "$@"\n')
    limited.chmod(0o755)
    monkeypatch.setattr(conftest, "PROGRAM", str(limited))
    settings.top["max_connections"] = 8
    daemon = start()
    names = [f"silent{i}" for i in range(4)]
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as silent:
        for i, name in enumerate(names):
            settings.sources[name] = {"token": [TOKEN], "destination": name}
            settings.destinations[name] = {
                "app_id": 100 + i, "in_flight": 64, "request_events": 1,
                "url": f"http://127.0.0.1:{silent.getsockname()[1]}",
                "linger": 0, "timeout": "1h"}
        reload(daemon, settings)
        for name in names:
            for _ in range(64):
                assert daemon.post(batch(event()),
                                   f"/currents/{name}").status == 200
        assert daemon.post(batch(event())).status == 200
        until(lambda: daemon.queue()["delivered"] == 1, "it is delivered")


@pytest.mark.file
def test_a_start_that_fails_waits_for_no_reload(start, settings, tmp_path):
    """It waits for all calls, so none may wait for it."""
    def tasks():
        return len(os.listdir(f"/proc/{run_.process.pid}/task"))

    daemon = start()
    daemon.stop()
    taken, hang = tmp_path / "taken.sock", tmp_path / "hang"
    hang.touch()
    local = tmp_path / "state0" / "admin.sock"
    with socket.socket(socket.AF_UNIX) as other, \
            socket.socket(socket.AF_UNIX) as asking:
        other.bind(str(taken))
        other.listen(1)
        run_ = Process([PROGRAM, "serve"], env={
            **daemon.env, "CURRENTSD_LISTEN": f"unix:{taken}",
            "LD_PRELOAD": str(BUILD / "tests" / "libhang.so"),
            "HANG": str(hang), "HANG_IN": "connect",
            "ASAN_OPTIONS": "verify_asan_link_order=0"})
        try:
            until(local.exists, "admin.sock")
            until(lambda: asking.connect_ex(str(local)) == 0, "it listens")
            before = tasks()
            asking.sendall(b"POST /reload HTTP/1.1\r\nHost: x\r\n"
                           b"Content-Length: 0\r\n\r\n")
            until(lambda: tasks() > before or
                  select.select([asking], [], [], 0)[0], "it waits or is told")
            hang.unlink()
            assert run_.process.wait(timeout=PATIENCE) == 1
        finally:
            run_.end(signal.SIGKILL)
    run_.wait_line("another program listens")


def test_two_at_once(start, settings):
    daemon = start(admin_token=ADMIN)
    settings.top["retry_after"] = "12s"
    settings.write()
    answers = []

    def one():
        answers.append(ask(daemon.admin_port, "POST", "/reload",
                           headers={"Authorization": f"Bearer {ADMIN}"}))

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200] * 8
    changed = [answer.json[Reload.CHANGED] for answer in answers]
    assert sorted(changed) == [[]] * 7 + [["retry_after"]]


@pytest.mark.file
def test_sighup_while_it_starts_and_stops(start, settings):
    daemon = start()
    daemon.stop()
    daemon.run = run_ = Process([PROGRAM, "serve"], env=daemon.env)
    run_.wait_line("module=settings event=warn ")  # it is far from reading signals
    run_.process.send_signal(signal.SIGHUP)
    run_.wait_line("reload changed=.* caller=SIGHUP")
    run_.process.send_signal(signal.SIGTERM)
    with contextlib.suppress(ProcessLookupError):
        while run_.process.poll() is None:
            run_.process.send_signal(signal.SIGHUP)
    assert run_.process.wait(timeout=PATIENCE) == 0


def test_a_tap_follows(start, settings):
    """It shows what the destination gets now, and not what it got."""
    daemon = start()
    tapped = tap(daemon, "--rate", "1000")

    def sent():
        made = event()
        daemon.post(batch(made))
        row = until(lambda: rows_of(tapped, made), "it passes")[0]
        return row[Row.EXPLANATION][Finding.EVENT]["properties"]

    assert "dispatch_id" in sent()
    settings.destinations["heap"]["drop"] = ["dispatch_id"]
    reload(daemon, settings)
    assert "dispatch_id" not in sent()
    tapped.end()


@pytest.mark.file
def test_the_service_manager_waits(start, settings, tmp_path):
    def told():
        text = manager.recv(4096).decode()
        return told() if text.startswith("STATUS=") else text

    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(PATIENCE)
        settings.write()
        daemon = start()
        daemon.stop()
        daemon.env["NOTIFY_SOCKET"] = str(path)
        daemon.start()
        assert told() == "READY=1"
        before = time.monotonic_ns() // 1000
        daemon.run.process.send_signal(signal.SIGHUP)
        first, stamp = told().split("\n")
        assert first == "RELOADING=1"
        name, _, usec = stamp.partition("=")
        assert name == "MONOTONIC_USEC" and int(usec) >= before
        assert told() == "READY=1"


@pytest.mark.file
def test_without_a_daemon(start, settings):
    daemon = start()
    daemon.stop()
    assert "the daemon is not running" in daemon.failing("reload")
