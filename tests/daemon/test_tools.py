"""The operator's tools, each beside a running daemon and without one."""

import base64
import json
import re
import sqlite3
import subprocess

import pytest

from braze import batch, event
from commands import (BINARY, FINE, FLAWED, FOUND, USAGE, lines, run, settings,
                      tool)
from conftest import PATIENCE, until

FAST = {"heap_linger": "10ms", "heap_set_aside": "200ms"}


@pytest.fixture
def places(start_daemon):
    """A daemon with an event in every place, {place: event}."""
    daemon = start_daemon(**FAST)
    made = {"kept": event(), "waiting": event()}
    daemon.post(batch(made["kept"]))
    until(lambda: daemon.books()["delivered"] == 1, "it is delivered")
    daemon.command("queue", "pause", "heap")
    daemon.post(batch(made["waiting"]))
    daemon.post('{"events":[%s]}' % FLAWED)
    assert daemon.post('{"events":[{"id":"lost-one"').status == 400
    daemon.made = made
    return daemon


@pytest.fixture(params=["running", "stopped"])
def either(request, places):
    """The same, running or stopped."""
    if request.param == "stopped":
        places.stop()
    return places


# ---- looking

def test_list(either):
    for place in ("waiting", "kept"):
        row, = tool(either, "queue", "list", "--place", place)
        assert row["event_id"] == either.made[place]["id"]
        assert row["type"] == either.made[place]["event_type"]
        text = either.command("queue", "list", "--place", place)
        assert either.made[place]["id"] in text
    row, = tool(either, "queue", "list")
    assert "id" in row["reason"] and row["status"] == 0
    body, = tool(either, "queue", "list", "--place", "undecodable")
    assert body["bytes"] == 27
    either.command("queue", "list", "--place", "nowhere", code=USAGE)


def test_filters(either):
    def count(*words, place="waiting"):
        return len(tool(either, "queue", "list", "--place", place, *words))
    kind = either.made["waiting"]["event_type"]
    assert count("--type", kind) == count("--type", "users.*.Click") == 1
    assert count("--type", "users.nothing") == 0
    assert count("--user", "customer-1") == count("--user", "0123456789abcdef"
                                                  "01234567") == 1
    assert count("--user", "customer") == 0
    assert count("--source", "main") == 1 and count("--source", "x") == 0
    assert count("--since", "1h") == count("--since", "2020-01-01") == 1
    assert count("--since", "2100-01-01T00:00:00Z") == 0
    assert count("--reason", "id", place="buried") == 1
    assert count("--reason", "nothing", place="buried") == 0
    either.command("queue", "list", "--since", "yesterday", code=USAGE)


def test_find(either):
    for place in ("waiting", "kept"):
        row, = tool(either, "queue", "find", either.made[place]["id"])
        assert row["place"] == place
        assert either.command(
            "queue", "find", either.made[place]["id"]).startswith(place)
        key = f"{either.made[place]['event_type']}:{either.made[place]['id']}"
        row, = tool(either, "queue", "find", key)
        assert row["place"] == place, "by the key that Heap has"
        tool(either, "queue", "find", f"users.other:{key}", code=FOUND)
    row, = tool(either, "queue", "find", "5")
    assert row["place"] == "buried"
    row, = tool(either, "queue", "find", "lost-one")
    assert row["place"] == "undecodable"
    assert tool(either, "queue", "find", "nobody-has-it", code=FOUND) == []
    assert "nowhere" in either.command("queue", "find", "nobody-has-it",
                                       code=FOUND)


def test_show(either):
    body, = tool(either, "queue", "list", "--place", "undecodable")
    shown = tool(either, "queue", "show", "undecodable", str(body["id"]))
    assert shown["body"] == '{"events":[{"id":"lost-one"'
    assert '"lost-one"' in either.command("queue", "show", "undecodable",
                                          str(body["id"]))
    either.command("queue", "show", "undecodable", "999", code=FOUND)
    assert tool(either, "queue", "show", "1")["event"] == FLAWED


def test_stats(either):
    stats = tool(either, "queue", "stats", "--age")
    assert stats["waiting"] == 1
    for table in ("sources_by_age", "types_by_age"):
        row, = stats[table]
        assert row["waiting"] == row["ages"][0] == sum(row["ages"]) == 1
    assert "1280m" in either.command("queue", "stats", "--age")


# ---- deciding

def test_drop_needs_yes(either):
    either.command("queue", "drop", "--all", code=USAGE)
    either.command("queue", "drop", "--yes", code=USAGE)
    assert tool(either, "queue", "drop", "--all", "--yes") == {"dropped": 1}
    assert tool(either, "queue", "list") == []
    drop, = tool(either, "ledger", "--check")["drops"]
    assert drop["rule"] == "operator" and drop["count"] == 1
    assert tool(either, "queue", "drop", "--place", "undecodable", "--all",
                "--yes") == {"dropped": 1}
    assert tool(either, "queue", "list", "--place", "undecodable") == []
    assert tool(either, "ledger")["undecodable_bodies"] == {
        "kept": 0, "removed": 1}
    assert "0 kept, 1 removed" in either.command("ledger")
    assert "1 more undecodable were removed" in either.command("status")


def test_requeue_after_mending(start_daemon, heapsim):
    heapsim.control(refuse_event="Bounce")
    daemon = start_daemon(**FAST)
    good = [event() for _ in range(50)]
    bad = event(kind="users.messages.email.Bounce")
    daemon.post(batch(*good, bad))
    until(lambda: daemon.books()["buried"] == 1, "the bad one is buried")
    row, = tool(daemon, "queue", "list", "--reason", "refused")
    assert row["type"] == bad["event_type"] and row["status"] == 400
    assert "refused" in row["words"] and "Bounce" not in row["reason"]
    same, = tool(daemon, "queue", "list", "--reason", row["words"][2:20])
    assert same == row, "in the destination's words"
    assert re.search(r"400 refused by the destination: \S.*refused",
                     daemon.command("queue", "list"))
    heapsim.control(refuse_event="")
    assert tool(daemon, "queue", "requeue", "--reason", "not these") == {
        "requeued": 0}
    assert tool(daemon, "queue", "requeue", "--type", "*Click") == {
        "requeued": 0}
    assert tool(daemon, "queue", "requeue", "--type", "*Bounce") == {
        "requeued": 1}
    until(lambda: daemon.books()["delivered"] == 51, "all is delivered")
    assert len(heapsim.keys()) == 51


def test_requeue_without_a_daemon(start_daemon, heapsim):
    daemon = start_daemon(**FAST, unknown_type="bury")
    daemon.post(batch(*[event(kind="users.new.Thing") for _ in range(200)]))
    until(lambda: daemon.books()["buried"] == 200, "all are buried")
    daemon.stop()
    daemon.command("queue", "requeue", code=USAGE)
    assert tool(daemon, "queue", "requeue", "1") == {"requeued": 1}
    assert tool(daemon, "queue", "requeue", "1", code=FOUND) == {
        "requeued": 0}
    assert tool(daemon, "queue", "requeue", "--all", "--limit", "9") == {
        "requeued": 9}
    assert tool(daemon, "queue", "requeue", "--all") == {"requeued": 190}
    daemon.start()
    until(lambda: len(heapsim.keys()) == 200, "all arrive")


def test_pause_survives_a_restart(places, heapsim):
    places.stop()
    places.start()
    status, = places.status()["destinations"]
    assert status["state"] == "paused" and status["waiting"] == 1
    places.command("queue", "pause", "nowhere", code=USAGE)
    places.stop()
    assert "goes on" in places.command("queue", "resume", "heap")
    places.start()
    until(lambda: len(heapsim.keys()) == 2, "it is delivered after all")


def test_resume(places, heapsim):
    places.command("queue", "resume", "heap")
    until(lambda: len(heapsim.keys()) == 2, "it is delivered after all")


# ---- out and in

def test_export_and_import(either, start_daemon, tmp_path):
    rows, path = {}, tmp_path / "export"
    for place in ("waiting", "kept", "buried"):
        text = either.command("queue", "export", "--place", place)
        with path.open("a") as file:
            file.write(text)
        row, = rows[place] = lines(text)
        assert row["place"] == place and row["source"] == "main"
        assert row["lane"] == "heap"
    assert rows["waiting"][0]["event"] == either.made["waiting"]
    assert rows["buried"][0]["event"] == json.loads(FLAWED)
    again = tool(either, "queue", "import", str(path))
    assert again == {"received": 3, "queued": 0, "buried": 0,
                     "duplicates": 3, "dropped": 0, "unreadable": 0}
    other = start_daemon(**FAST)
    taken = tool(other, "queue", "import", str(path))
    assert taken["queued"] == 2 and taken["buried"] == 1
    either.command("ledger", "--check")


def test_bytes_survive_the_way(start_daemon):
    """What is no JSON on one line comes back as it was."""
    daemon = start_daemon(**FAST)
    odd = [b'{"event_type":"x","id":1,\n"time":2}',
           b'{"event_type":"x","id":1,"time":"\xff"}', b'"text"', b"17"]
    daemon.post(b'{"events":[' + b",".join(odd) + b"]}")
    exported = daemon.command("queue", "export")
    rows = lines(exported)
    got = [base64.b64decode(row["event_base64"]) for row in rows[:2]]
    assert got == odd[:2]
    assert [row["event"] for row in rows[2:]] == ["text", 17]
    daemon.command("queue", "drop", "--all", "--yes")
    again = tool(daemon, "queue", "import", stdin=exported)
    assert again["duplicates"] == len(odd)


def test_import_of_many(either, tmp_path):
    made = [event() for _ in range(2500)]
    path = tmp_path / "events"
    path.write_text("\n" + "".join(json.dumps(row) + "\n"
                                   for row in made[:1000])
                    + json.dumps(batch(*made[1000:2000])) + "\nnonsense\n"
                    + "\n".join(json.dumps(row) for row in made[2000:]))
    done = run("queue", "import", str(path), "--source", "main", "--json",
               **settings(either))
    assert done.returncode == FOUND
    assert "line 1003" in done.stderr
    assert json.loads(done.stdout) == {
        "received": 2500, "queued": 2500, "buried": 0, "duplicates": 0,
        "dropped": 0, "unreadable": 1}
    again = tool(either, "queue", "import", "-", code=FOUND,
                 stdin=path.read_text())
    assert again["duplicates"] == 2500
    exported = lines(either.command("queue", "export", "--place", "waiting"))
    assert {row["event"]["id"] for row in exported} == {
        row["id"] for row in made + [either.made["waiting"]]}
    either.command("queue", "import", "--source", "x", str(path), code=USAGE)
    either.command("queue", "import", "/nonexistent", code=USAGE)


def test_replay_into_a_second_destination(start_daemon, heapsim,
                                          start_heapsim, tmp_path):
    second = start_heapsim()
    path = tmp_path / "two.conf"
    path.write_text('source "main" { destination = "heap"\n open = yes }\n' + "".join(
        f'destination "{name}" {{ app_id = "1"\n url = "{sim.url}"\n'
        " linger = 10ms }\n"
        for name, sim in (("heap", heapsim), ("second", second))))
    daemon = start_daemon(config=path, token="", heap_app_id="", heap_url="")
    made = [event() for _ in range(20)]
    daemon.post(batch(*made))
    until(lambda: daemon.books()["delivered"] == 20, "delivered")
    keys = heapsim.keys()
    assert len(keys) == 20 and second.keys() == {}
    daemon.command("queue", "find", made[3]["id"])
    daemon.command("replay", code=USAGE)
    daemon.command("replay", "--since", "1h", "--destination", "x", code=FOUND)
    assert tool(daemon, "replay", "--since", "1h", "--type", "x") == {
        "replayed": 0}
    told = daemon.command("replay", "--since", "1h", "--destination",
                          "second")
    assert "20 delivered" in told and "ignores" in told
    until(lambda: len(second.keys()) == 20, "the replay arrives")
    assert second.keys().keys() == keys.keys() and heapsim.keys() == keys
    until(lambda: tool(daemon, "ledger")["total"]["replay_delivered"] == 20,
          "booked")
    assert re.search(r"replayed = +waiting \+ +delivered \+ +refused  source\n"
                     r" +20 +0 +20 +0  main\n +20 +0 +20 +0  all\n",
                     daemon.command("ledger", "--by", "source", "--check"))
    daemon.stop()
    assert tool(daemon, "replay", "--since", "1h") == {"replayed": 20}
    daemon.start()
    until(lambda: set(heapsim.keys().values()) == {2}, "the same keys again")


# ---- the file

def test_check_and_backup(either, tmp_path):
    assert tool(either, "queue", "check")["faults"] == []
    path = tmp_path / "copy" / "queue.db"
    path.parent.mkdir()
    path.parent.chmod(0o700)
    either.command("queue", "backup", "relative", code=USAGE)
    either.command("queue", "backup", str(path))
    either.command("queue", "backup", str(path), code=78)
    assert path.stat().st_mode & 0o777 == 0o600
    copy = {**settings(either), "state_dir": path.parent}
    for place in ("waiting", "kept"):
        done = run("queue", "find", either.made[place]["id"], **copy)
        assert done.stdout.startswith(place)
    assert run("ledger", "--check", **copy).returncode == FINE


def test_check_of_a_damaged_file(places):
    places.stop()
    path = places.env["CURRENTSD_STATE_DIR"] + "/queue.db"
    with sqlite3.connect(path) as db:
        table, = db.execute("SELECT name FROM sqlite_master WHERE name LIKE "
                            "'parcel%' AND type = 'table'").fetchone()
        columns = [row[1] for row in db.execute(
            f"PRAGMA table_info({table})") if row[2] == "BLOB"]
        changed = db.execute(
            f"UPDATE {table} SET {columns[0]} = zeroblob("
            f"length({columns[0]}))").rowcount
    db.close()
    assert changed == 2
    done = run("queue", "check", "--json", **settings(places))
    assert done.returncode == FOUND
    assert len(json.loads(done.stdout)["faults"]) == 2


# ---- the clocks

def test_clocks(places):
    status = places.status()
    source, = status["sources"]
    assert [row["number"] for row in source["tokens"]] == [1]
    assert source["tokens"][0]["last_used_s"] >= 0
    lane, = status["destinations"]
    assert lane["last_accepted_s"] >= 0 and lane["oldest_waiting_s"] >= 0
    assert status["queue"]["kept_parcels"] == 1
    name = 'currentsd_token_since_used_seconds{source="main",token="1"}'
    assert places.metric(name) >= 0
    assert places.metric(
        'currentsd_lane_drain_forecast_seconds{lane="heap"}') == -1
    assert "token 1 last used" in places.command("status")


def test_a_client_that_goes_ends_its_job(either, tmp_path):
    """Nobody reads the export: the daemon goes on all the same."""
    path = tmp_path / "events"
    path.write_text("".join(json.dumps(event()) + "\n" for _ in range(3000)))
    either.command("queue", "import", str(path))
    with subprocess.Popen([BINARY, "queue", "export", "--place", "waiting"],
                          env=either.env, stdout=subprocess.PIPE) as process:
        assert b'"place":"waiting"' in process.stdout.readline()
        process.stdout.close()
        process.wait(timeout=PATIENCE)
    assert tool(either, "ledger", "--check")["total"]["waiting"] == 3001


def test_one_job_at_a_time_and_others_are_served(places):
    """An import waits for its input; status answers, another job does not."""
    with subprocess.Popen([BINARY, "queue", "import", "-"], env=places.env,
                          stdin=subprocess.PIPE) as process:
        places.run.wait_line("begin command=.queue import")
        assert "running" in places.command("status")
        assert len(tool(places, "queue", "list")) == 1
        assert "at work" in places.failing("queue", "check")
        assert places.post(batch(event())).status == 200
        process.stdin.write((json.dumps(event()) + "\n").encode())
        process.stdin.close()
        assert process.wait(timeout=PATIENCE) == 0
    assert places.books()["waiting"] == 3


def test_a_stop_ends_a_job(places):
    with subprocess.Popen([BINARY, "queue", "import", "-"], env=places.env,
                          stdin=subprocess.PIPE) as process:
        places.run.wait_line("begin command=.queue import")
        places.stop()
        process.stdin.close()
        assert process.wait(timeout=PATIENCE) == FOUND


def test_replays_are_marked(places):
    """Among the waiting they are no new events."""
    places.command("replay", "--since", "1h")
    new, again = sorted(tool(places, "queue", "list", "--place", "waiting"),
                        key=lambda row: "replay" in row)
    assert again["event_id"] == places.made["kept"]["id"]
    assert again["replay"] is True and "replay" not in new
    marked, = [row for row in places.command(
        "queue", "list", "--place", "waiting").splitlines()
        if row.endswith(" (replay)")]
    assert places.made["kept"]["id"] in marked
    exported = lines(places.command("queue", "export", "--place", "waiting"))
    assert [row.get("replay") for row in exported
            if row["event"]["id"] == places.made["kept"]["id"]] == [True]
    assert sum("replay" in row for row in exported) == 1
