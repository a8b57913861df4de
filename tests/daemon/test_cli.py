"""The commands, as an operator meets them: what they say, their exit codes,
and that they say the same beside a running daemon and without one.
"""

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import threading
import time

import pytest

from commands import CONFIG, FINE, FOUND, INVALID, USAGE, enough, run, sample
from conftest import PATIENCE, TOKEN, Daemon, until
from names import (Command, Destination, File, Ledger, Log, Metric, Option,
                   Pattern, Queue, Receipt, Row, Source, State, Status, Text)


@pytest.fixture
def fed(start_daemon, heapsim):
    """A daemon that has delivered and dropped events, and a dead letter."""
    daemon = start_daemon(heap_linger="10ms")
    body = json.loads(sample("--all", "--batch"))
    answer = daemon.post(body)
    assert answer.json["queued"] == len(body["events"])
    assert daemon.post(body).json["duplicates"] == len(body["events"])
    assert daemon.post(
        '{"events":[%s]}' % INVALID).json[Receipt.DEAD] == 1
    until(lambda: daemon.queued() == 0, "all is delivered")
    return daemon


# ---- words and exit codes

def words_of(command):
    return " ".join(command)


# Where there are several commands of one first word.
GROUP, ONE_OF_GROUP = Command.DEAD_LIST[0], words_of(Command.DEAD_LIST)


@pytest.mark.parametrize("words, code, says", [
    ([], USAGE, "usage: currentsd"),
    (["nonsense"], USAGE, "no command"),
    ([GROUP], USAGE, ONE_OF_GROUP),
    ([GROUP, "nonsense"], USAGE, ONE_OF_GROUP),
    ([GROUP, "--help"], FINE, ONE_OF_GROUP),
    (["nonsense", "--help"], USAGE, "no command"),
    (["--help"], FINE, "usage: currentsd"),
    (["help"], FINE, "usage: currentsd"),
    (["help", "settings"], FINE, "CURRENTSD_HEAP_SHARE"),
    (["help", *Command.DEAD_LIST], FINE, Option.AFTER),
    (["serve", "--help"], FINE, "CURRENTSD_HEAP_SHARE"),
    (["--version"], FINE, "currentsd "),
    (["version", "--nonsense"], USAGE, "no option --nonsense"),
    (["serve", "nonsense"], USAGE, "takes no arguments"),
    ([*Command.DEAD_LIST, "3"], USAGE, "takes no arguments: 3"),
    ([*Command.DEAD_EXPORT, "3"], USAGE, "takes no arguments: 3"),
    (["replay", "a.Type", "--since", "1h"], USAGE, "takes no arguments: a.Type"),
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
    listed = re.findall(r"^  (\w+(?: \w+)?) +[A-Z]", run("help").stdout, re.M)
    assert "serve" in listed and words_of(Command.DEAD_SHOW) in listed
    for command in listed:
        done = run(*command.split(), "--help")
        assert done.returncode == FINE
        assert done.stdout.startswith(f"usage: currentsd {command}")


def test_help_fits_a_terminal():
    for words in (["help"], ["help", "settings"], ["sample", "--help"]):
        for line in run(*words).stdout.splitlines():
            assert len(line) <= 80, line


# ---- the same beside a running daemon and without one

@pytest.mark.file
def test_commands_agree_running_and_stopped(fed):
    commands = (["ledger", "--by", "type", "--check", "--json"],
                ["ledger", "--by", "hour", "--json"],
                ["ledger", "--by", "source"],
                Command.DEAD_LIST, [*Command.DEAD_LIST, "--json"],
                [*Command.DEAD_SHOW, "1"], [*Command.DEAD_SHOW, "1", "--json"],
                Command.STATS)
    running = [fed.command(*words) for words in commands]
    queue = fed.queue()
    fed.stop()
    assert [fed.command(*words) for words in commands] == running
    stopped = json.loads(fed.command("status", "--json"))
    assert stopped[Status.STATE] == Status.STOPPED
    for key in ("received", "delivered", Queue.DEAD, "dropped", "duplicates",
                Queue.IMBALANCE, Queue.UNREADABLE):
        assert stopped[Status.QUEUE][key] == queue[key]
    assert Text.NOT_RUNNING in fed.command("status")


def test_ledger_adds_up(fed):
    total = json.loads(fed.command("ledger", "--json"))[Ledger.TOTAL]
    assert total["received"] == sum(total[key] for key in Ledger.PARTS)
    for by in ("source", "type", "hour"):
        rows = json.loads(
            fed.command("ledger", "--by", by, "--json"))[Ledger.LINES]
        for key, value in total.items():
            assert sum(row[key] for row in rows) == value, (by, key)
    drops = json.loads(fed.command("ledger", "--json"))[Ledger.DROPS]
    assert sum(drop[Ledger.COUNT] for drop in drops) == total["dropped"]


def test_dead_show_has_the_exact_bytes(fed):
    assert fed.command(*Command.DEAD_SHOW, "1").endswith(f"\n{INVALID}\n")
    shown = json.loads(fed.command(*Command.DEAD_SHOW, "1", "--json"))
    assert shown[Row.EVENT] == INVALID
    assert "id" in shown[Row.REASON]
    assert Text.NO_DEAD_LETTER in fed.failing(*Command.DEAD_SHOW, "2")
    fed.command(*Command.DEAD_SHOW, "x", code=USAGE)


def test_status(fed):
    status = json.loads(fed.command("status", "--json"))
    over_http = fed.status()
    assert status.keys() == over_http.keys()
    assert status[Status.STATE] == Status.RUNNING
    assert status[Status.ALIVE] is True
    assert status[Status.QUEUE][Queue.IMBALANCE] == 0
    source, = status[Status.SOURCES]
    assert source[Source.LAST_SUCCESS_S] >= 0
    assert source[Source.FAILING_SINCE] is None
    destination, = status[Status.DESTINATIONS]
    assert destination["state"] == State.RUNNING
    assert destination[Destination.QUEUED] == 0
    assert destination[Destination.ACCEPTED] == \
        status[Status.QUEUE]["delivered"]
    assert destination[Destination.DRAIN_FORECAST_S] == 0
    text = fed.command("status")
    assert Text.RUNNING in text


@pytest.mark.file
def test_status_says_why(fed):
    """Running or stopped: why events were dropped and why they are dead, the
    most frequent reasons first."""
    queue = fed.queue()
    assert [(row[Queue.WHY_COUNT], Queue.WHY_STATUS in row)
            for row in queue[Queue.DEAD_WHY]] == [(1, False)]
    assert sum(row[Queue.WHY_COUNT]
               for row in queue[Queue.DROPPED_WHY]) == queue["dropped"]
    text = fed.command("status")
    dead, = queue[Queue.DEAD_WHY]
    assert Text.DEAD_WHY % (1, dead[Queue.WHY]) in text
    assert f" {queue[Queue.DROPPED_WHY][0][Queue.WHY]}" in re.search(
        Pattern.DROPPED_WHY, text)[0]
    fed.stop()
    assert dead[Queue.WHY] in fed.command("status")


@pytest.mark.file
def test_ledger_of_folded_days(fed):
    """A day that old hours were folded into is no hour."""
    fed.stop()
    path = fed.env["CURRENTSD_STATE_DIR"] + "/queue.db"
    day = int(time.time()) // 86400 - 40
    with sqlite3.connect(path) as db:
        source, kind = db.execute(
            f"SELECT {File.LEDGER_SOURCE}, {File.LEDGER_TYPE} "
            f"FROM {File.LEDGER} LIMIT 1").fetchone()
        row = {column: 0 for _, column, *_ in db.execute(
            f"PRAGMA table_info({File.LEDGER})")}
        row.update({File.LEDGER_HOUR: day * 24, File.LEDGER_SOURCE: source,
                    File.LEDGER_TYPE: kind, "received": 7, "delivered": 7})
        db.execute(f"INSERT INTO {File.LEDGER}({','.join(row)}) "
                   f"VALUES({','.join('?' * len(row))})", [*row.values()])
    db.close()
    first, *rest = json.loads(fed.command("ledger", "--by", "hour",
                                          "--json"))[Ledger.LINES]
    date = time.strftime("%Y-%m-%d", time.gmtime(day * 86400))
    assert first[Ledger.LABEL] == date and first["received"] == 7
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:00Z", row[Ledger.LABEL])
               for row in rest) and rest
    assert f"\n{date}  " in fed.command("ledger", "--by", "hour")


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
            histogram = row.endswith(" histogram")
            continue
        assert re.fullmatch(r'(\w+)(\{(\w+="[^"]*",?)+\})? -?\d+(\.\d+)?', row)
        name = re.match(r"\w+", row)[0]
        if histogram:
            name = re.sub("_(bucket|sum|count)$", "", name)
        assert name == current
    for metric in (Metric.IMBALANCE, Metric.QUEUED, Metric.OLDEST_QUEUED,
                   Metric.LAST_ACCEPTED, Metric.STATE, Metric.BUILD,
                   Metric.SOURCE_FAILING):
        assert metric.partition("{")[0] in families
    assert fed.metric(Metric.IMBALANCE) == 0
    assert fed.metric(Metric.STATE % ("heap", State.RUNNING)) == 1


# ---- the socket

def admin_socket(daemon):
    path = daemon.env["CURRENTSD_STATE_DIR"] + "/admin.sock"
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(path)
    return client


@pytest.mark.parametrize("answer, says", [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine", "not what this"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "did not answer"),
    (b"HTTP/1.1 404 Not Found\r\nServer: currentsd/0.0.1\r\n"
     b"Content-Length: 24\r\n\r\n{\"error\":\"no such path\"}",
     "the daemon is version 0.0.1"),
    (b"fine 0\n", "did not answer")],
    ids=["text", "cut", "older", "other"])
def test_an_answer_that_cannot_be_read_is_no_success(tmp_path, answer, says):
    """Whatever it is that listens there."""
    stop = threading.Event()

    def serve(server):
        while not stop.is_set():
            with server.accept()[0] as client, \
                    contextlib.suppress(ConnectionError):
                if client.recv(4096):
                    client.sendall(answer)

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "admin.sock"))
        server.listen()
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        failing = Daemon(tmp_path, "http://127.0.0.1:1", {}).failing
        assert says in failing(*Command.PAUSE, "heap")
        stop.set()
        socket.socket(socket.AF_UNIX).connect(str(tmp_path / "admin.sock"))
        thread.join()


def test_a_stuck_client_stalls_nobody(daemon):
    stuck = [admin_socket(daemon) for _ in range(40)]
    for client in stuck[:20]:
        client.sendall(b"GET /status HTTP/1.1\r\nHos")
    for client in stuck[20:30]:
        client.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
    assert Text.RUNNING in daemon.command("status")
    for client in stuck:
        client.close()


@pytest.mark.parametrize("question", [
    b"", b"status", b"\0", b"GET /status", b"x\0" * 1000,
    b"GET /" + b"y" * 200000 + b" HTTP/1.1\r\n\r\n"],
    ids=["nothing", "words", "blank", "cut", "many", "long"])
def test_nonsense_at_the_socket(daemon, question):
    client = admin_socket(daemon)
    try:
        client.sendall(question)
        client.shutdown(socket.SHUT_WR)
        answer = client.recv(1000)
    except (BrokenPipeError, ConnectionResetError):
        answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert Text.RUNNING in daemon.command("status")


def test_modes(daemon):
    state = daemon.env["CURRENTSD_STATE_DIR"]
    assert os.stat(state).st_mode & 0o777 == 0o700
    for name in os.listdir(state):
        assert os.stat(f"{state}/{name}").st_mode & 0o777 == 0o600, name


@pytest.mark.file
def test_a_socket_that_a_crash_left(daemon):
    daemon.kill()
    assert os.path.exists(daemon.env["CURRENTSD_STATE_DIR"] + "/admin.sock")
    assert Text.NOT_RUNNING in daemon.command("status")
    daemon.start()
    assert Text.RUNNING in daemon.command("status")


@pytest.mark.file
def test_a_long_path(start_daemon, tmp_path):
    state = tmp_path / ("long" * 40)
    daemon = start_daemon(state_dir=state)
    assert Text.RUNNING in daemon.command("status")
    daemon.stop()
    assert Text.NOT_RUNNING in daemon.command("status")


def test_a_wrong_path_makes_no_queue(tmp_path):
    done = run("status", state_dir=tmp_path / "nowhere")
    assert done.returncode == CONFIG
    assert "no queue" in done.stderr
    assert not (tmp_path / "nowhere").exists()


# ---- serve

@pytest.mark.file
def test_one_daemon_one_queue(daemon):
    settings = {name[10:].lower(): value for name, value in daemon.env.items()
                if name.startswith("CURRENTSD_")}
    done = run("serve", **settings)
    assert done.returncode == CONFIG
    assert "in use" in done.stderr
    assert Text.RUNNING in daemon.command("status")


def test_signals(daemon):
    process = daemon.run.process
    process.send_signal(signal.SIGHUP)
    daemon.run.wait_line(Log.HANGUP)
    assert Text.RUNNING in daemon.command("status")
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
        while told == b"WATCHDOG=1" or told.startswith(b"STATUS="):
            told = manager.recv(100)
        assert told == b"STOPPING=1"


def test_no_token_is_ever_shown(fed):
    fed.post("{}", token="a-wrong-token-of-somebody")
    fed.command("status")
    lines = fed.run.lines
    fed.stop()
    text = "\n".join(lines)
    assert Log.START in text
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
