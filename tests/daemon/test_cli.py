"""The commands, as an operator meets them: what they say, their exit codes,
and that they say the same beside a running daemon and without one.
"""

import json
import os
import re
import signal
import socket
import sqlite3
import threading
import time

import pytest

from commands import CONFIG, FINE, FLAWED, FOUND, USAGE, enough, run, sample
from conftest import PATIENCE, TOKEN, Daemon, until


@pytest.fixture
def fed(start_daemon, heapsim):
    """A daemon that has delivered, dropped and buried."""
    daemon = start_daemon(heap_linger="10ms")
    body = json.loads(sample("--all", "--batch"))
    answer = daemon.post(body)
    assert answer.json["queued"] == len(body["events"])
    assert daemon.post(body).json["duplicates"] == len(body["events"])
    assert daemon.post('{"events":[%s]}' % FLAWED).json["buried"] == 1
    until(lambda: daemon.books()["waiting"] == 0, "all is delivered")
    return daemon


# ---- words and exit codes

@pytest.mark.parametrize("words, code, says", [
    ([], USAGE, "usage: currentsd"),
    (["nonsense"], USAGE, "no command"),
    (["queue"], USAGE, "queue list"),
    (["queue", "nonsense"], USAGE, "queue list"),
    (["queue", "--help"], FINE, "queue list"),
    (["nonsense", "--help"], USAGE, "no command"),
    (["--help"], FINE, "usage: currentsd"),
    (["help"], FINE, "usage: currentsd"),
    (["help", "settings"], FINE, "CURRENTSD_HEAP_SHARE"),
    (["help", "queue", "list"], FINE, "--after ID"),
    (["serve", "--help"], FINE, "CURRENTSD_HEAP_SHARE"),
    (["--version"], FINE, "currentsd "),
    (["version", "--nonsense"], USAGE, "no option --nonsense"),
    (["serve", "nonsense"], USAGE, "takes no words"),
    (["queue", "list", "3"], USAGE, "takes no words: 3"),
    (["queue", "export", "3"], USAGE, "takes no words: 3"),
    (["replay", "a.Type", "--since", "1h"], USAGE, "takes no words: a.Type"),
    (["serve", "--config"], USAGE, "--config FILE"),
    (["status"], CONFIG, "CURRENTSD_STATE_DIR"),
    (["sample", "no.such.Type"], USAGE, "no type no.such.Type"),
    (["sample", "--count", "x"], USAGE, "whole number"),
])
def test_words(words, code, says):
    done = run(*words)
    assert done.returncode == code
    text, other = done.stdout, done.stderr
    if code >= USAGE and words:
        text, other = other, text
    assert says in done.stdout + done.stderr
    assert other == "" or not words, "one of the two streams"


def test_every_command_has_help():
    names = re.findall(r"^  (\w+(?: \w+)?) {2,}", run("help").stdout, re.M)
    assert "serve" in names and "queue show" in names
    for name in names:
        done = run(*name.split(), "--help")
        assert done.returncode == FINE
        assert done.stdout.startswith(f"usage: currentsd {name}")


def test_help_fits_a_terminal():
    for words in (["help"], ["help", "settings"], ["sample", "--help"]):
        for line in run(*words).stdout.splitlines():
            assert len(line) <= 80, line


# ---- the same beside a running daemon and without one

def test_commands_agree_running_and_stopped(fed):
    commands = (["ledger", "--by", "type", "--check", "--json"],
                ["ledger", "--by", "hour", "--json"],
                ["ledger", "--by", "source"],
                ["queue", "list"], ["queue", "list", "--json"],
                ["queue", "show", "1"], ["queue", "show", "1", "--json"],
                ["queue", "stats"])
    running = [fed.command(*words) for words in commands]
    books = fed.books()
    fed.stop()
    assert [fed.command(*words) for words in commands] == running
    stopped = json.loads(fed.command("status", "--json"))
    assert stopped["state"] == "stopped"
    for name in ("received", "delivered", "buried", "dropped", "duplicates",
                 "imbalance", "undecodable"):
        assert stopped["queue"][name] == books[name]
    assert "NOT RUNNING" in fed.command("status")


def test_ledger_adds_up(fed):
    total = json.loads(fed.command("ledger", "--json"))["total"]
    assert total["received"] == sum(
        total[name] for name in ("waiting", "delivered", "buried", "dropped",
                                 "duplicates", "forgotten", "expired"))
    for by in ("source", "type", "hour"):
        rows = json.loads(fed.command("ledger", "--by", by, "--json"))["lines"]
        for name, value in total.items():
            assert sum(row[name] for row in rows) == value, (by, name)
    drops = json.loads(fed.command("ledger", "--json"))["drops"]
    assert sum(drop["count"] for drop in drops) == total["dropped"]


def test_queue_show_has_the_exact_bytes(fed):
    assert fed.command("queue", "show", "1").endswith(f"\n{FLAWED}\n")
    shown = json.loads(fed.command("queue", "show", "1", "--json"))
    assert shown["event"] == FLAWED
    assert "id" in shown["reason"]
    assert "no buried event" in fed.failing("queue", "show", "2")
    fed.command("queue", "show", "x", code=USAGE)


def test_status(fed):
    status = json.loads(fed.command("status", "--json"))
    over_http = fed.status()
    assert status.keys() == over_http.keys()
    assert status["state"] == "running" and status["alive"] is True
    assert status["queue"]["imbalance"] == 0
    source, = status["sources"]
    assert source["last_success_s"] >= 0 and source["failing_since"] is None
    lane, = status["destinations"]
    assert lane["state"] == "running" and lane["waiting"] == 0
    assert lane["accepted"] == status["queue"]["delivered"]
    assert lane["drain_forecast_s"] == 0
    text = fed.command("status")
    assert "running" in text and all(len(row) <= 100
                                     for row in text.splitlines())


def test_status_says_why(fed):
    """Running or stopped: what was dropped and buried, by the most frequent."""
    queue = fed.books()
    assert [(row["count"], "status" in row) for row in queue["buried_why"]] == [
        (1, False)]
    assert sum(row["count"] for row in queue["dropped_why"]) == queue["dropped"]
    text = fed.command("status")
    buried, = queue["buried_why"]
    assert f"\n           buried: 1 {buried['why']}\n" in text
    assert f" {queue['dropped_why'][0]['why']}" in re.search(
        r"\n           dropped: (.*)\n", text)[0]
    fed.stop()
    assert buried["why"] in fed.command("status")


def test_ledger_of_folded_days(fed):
    """A day that old hours were folded into is no hour."""
    fed.stop()
    path = fed.env["CURRENTSD_STATE_DIR"] + "/queue.db"
    day = int(time.time()) // 86400 - 40
    with sqlite3.connect(path) as db:
        source, kind = db.execute(
            "SELECT source, kind FROM ledger LIMIT 1").fetchone()
        columns = len(db.execute("PRAGMA table_info(ledger)").fetchall())
        values = [day * 24, source, kind, 7, 0, 7] + [0] * (columns - 6)
        db.execute(f"INSERT INTO ledger VALUES({','.join('?' * columns)})",
                   values)
    db.close()
    first, *rest = json.loads(fed.command("ledger", "--by", "hour",
                                          "--json"))["lines"]
    date = time.strftime("%Y-%m-%d", time.gmtime(day * 86400))
    assert first["label"] == date and first["received"] == 7
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:00Z", row["label"])
               for row in rest) and rest
    assert f"  {date}\n" in fed.command("ledger", "--by", "hour")


def test_metrics_are_prometheus_text(fed):
    text = fed.admin("/metrics").text
    families, current = set(), None
    for row in text.splitlines():
        head = re.match(r"# (HELP|TYPE) (\w+) .+", row)
        if head:
            if head[1] == "HELP":
                assert head[2] not in families, "a family is in one piece"
                families.add(head[2])
                current = head[2]
            assert head[2] == current
            continue
        assert re.fullmatch(r'(\w+)(\{(\w+="[^"]*",?)+\})? -?\d+(\.\d+)?', row)
        assert re.match(r"\w+", row)[0] == current
    for name in ("currentsd_ledger_imbalance", "currentsd_lane_waiting",
                 "currentsd_lane_oldest_waiting_seconds",
                 "currentsd_lane_since_accepted_seconds",
                 "currentsd_lane_state", "currentsd_build_info",
                 "currentsd_source_failing_seconds"):
        assert name in families
    assert fed.metric("currentsd_ledger_imbalance") == 0
    assert fed.metric('currentsd_lane_state{lane="heap",state="running"}') == 1


# ---- the socket

def admin_socket(daemon):
    path = daemon.env["CURRENTSD_STATE_DIR"] + "/admin.sock"
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(path)
    return client


def test_an_answer_that_cannot_be_read_is_no_success(tmp_path):
    def answer(server):
        with server.accept()[0] as client:
            client.recv(4096)
            client.sendall(b"fine 0\n")

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "admin.sock"))
        server.listen()
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        Daemon(tmp_path, "http://127.0.0.1:1", {}).command("status",
                                                           code=FOUND)
        thread.join()


def test_a_stuck_client_stalls_nobody(daemon):
    stuck = [admin_socket(daemon) for _ in range(2)]
    began = time.monotonic()
    assert "running" in daemon.command("status")
    assert time.monotonic() - began < 10
    for client in stuck:
        assert client.recv(100) == b"", "it was cut off"
        client.close()


@pytest.mark.parametrize("question", [
    b"", b"status", b"\0", b"serve\0", b"x\0" * 1000, b"y" * 200000 + b"\0"],
    ids=["nothing", "cut", "blank", "serve", "many", "long"])
def test_nonsense_at_the_socket(daemon, question):
    client = admin_socket(daemon)
    try:
        client.sendall(question)
        client.shutdown(socket.SHUT_WR)
        answer = client.recv(1000)
    except (BrokenPipeError, ConnectionResetError):
        answer = b""
    assert answer == b"" or answer.startswith(b"2 ")
    assert "running" in daemon.command("status")


def test_modes(daemon):
    state = daemon.env["CURRENTSD_STATE_DIR"]
    assert os.stat(state).st_mode & 0o777 == 0o700
    for name in os.listdir(state):
        assert os.stat(f"{state}/{name}").st_mode & 0o777 == 0o600, name


def test_a_socket_that_a_crash_left(daemon):
    daemon.kill()
    assert os.path.exists(daemon.env["CURRENTSD_STATE_DIR"] + "/admin.sock")
    assert "NOT RUNNING" in daemon.command("status")
    daemon.start()
    assert "running" in daemon.command("status")


def test_a_long_path(start_daemon, tmp_path):
    state = tmp_path / ("long" * 40)
    daemon = start_daemon(state_dir=state)
    assert "running" in daemon.command("status")
    daemon.stop()
    assert "NOT RUNNING" in daemon.command("status")


def test_a_wrong_path_makes_no_queue(tmp_path):
    done = run("status", state_dir=tmp_path / "nowhere")
    assert done.returncode == CONFIG
    assert "no queue" in done.stderr
    assert not (tmp_path / "nowhere").exists()


# ---- serve

def test_one_daemon_one_queue(daemon):
    settings = {name[10:].lower(): value for name, value in daemon.env.items()
                if name.startswith("CURRENTSD_")}
    done = run("serve", **settings)
    assert done.returncode == CONFIG
    assert "in use" in done.stderr
    assert "running" in daemon.command("status")


def test_a_port_that_is_taken(daemon, tmp_path):
    done = run("serve", **enough(tmp_path,
                                 listen=f"127.0.0.1:{daemon.port}"))
    assert done.returncode == CONFIG
    assert f"127.0.0.1:{daemon.port}" in done.stderr.splitlines()[-1]


def test_signals(daemon):
    process = daemon.run.process
    process.send_signal(signal.SIGHUP)
    daemon.run.wait_line("ignore signal=HUP")
    assert "running" in daemon.command("status")
    process.send_signal(signal.SIGTERM)
    try:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
    except ProcessLookupError:
        pass
    assert process.wait(timeout=PATIENCE) == 0


def test_the_service_manager_is_told(start_daemon, tmp_path):
    path = str(tmp_path / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(PATIENCE)
        os.environ.update(NOTIFY_SOCKET=path, WATCHDOG_USEC="300000")
        try:
            daemon = start_daemon()
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
        assert manager.recv(100) == b"READY=1"
        assert manager.recv(100) == b"WATCHDOG=1"
        daemon.stop()
        told = manager.recv(100)
        while told == b"WATCHDOG=1":
            told = manager.recv(100)
        assert told == b"STOPPING=1"


def test_no_token_is_ever_shown(fed):
    fed.post("{}", token="a-wrong-token-of-somebody")
    fed.command("status")
    lines = fed.run.lines
    fed.stop()
    text = "\n".join(lines)
    assert "serve: start version=" in text
    assert TOKEN not in text and "a-wrong-token" not in text


# ---- sample

def test_sample():
    events = [json.loads(row) for row in
              sample("--all", "--time", "1800000000").splitlines()]
    types = [event["event_type"] for event in events]
    assert len(types) == len(set(types)) > 90
    assert len({event["id"] for event in events}) == len(events)
    again = sample("--all", "--time", "1800000000").splitlines()
    assert [json.loads(row) for row in again] == events
    assert sample("--seed", "2", "--time", "1800000000").splitlines() != again


def test_a_seed_makes_the_same_bytes_on_any_day():
    seeded = sample("--all", "--seed", "7")
    times = [json.loads(row)["time"] for row in seeded.splitlines()]
    assert min(times) > max(times) - 3600
    assert max(times) < time.time() - 86400, "no clock was read"
    assert sample("--all", "--seed", "7") == seeded
    assert sample("--all", "--seed", "7", "--time", "1782864000") == seeded


def test_sample_of_a_type():
    name = "users.messages.email.Open"
    events = [json.loads(row) for row in
              sample(name, "--count", "50", "--anonymous", "100").splitlines()]
    assert len(events) == 50
    assert {event["event_type"] for event in events} == {name}
    assert not any(event["user"].get("external_user_id") for event in events)
    body = json.loads(sample(name, "--count", "7", "--batch"))
    assert len(body["events"]) == 7
    assert json.loads(sample("--count", "0", "--batch")) == {"events": []}
