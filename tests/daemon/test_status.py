"""What the operator sees of the whole, and the orders to a destination: status,
top, sources, destinations, ledger; beside a running daemon and without one."""

import contextlib
import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
import termios
import time

import pytest

from braze import batch, event
from commands import FOUND, USAGE, tool
from conftest import PATIENCE, PROGRAM, until
from load import NO_QUOTA
from names import Destination, Ledger, Log, Source, State, Status, Text

SLOW = {"heap_linger": "10ms", "heap_probe": "1h", "heap_backoff_first": "1h",
        "heap_backoff_most": "1h", **NO_QUOTA}


def state(daemon):
    return daemon.destination()["state"]


def attention(daemon, about):
    return [one for one in daemon.status()["attention"]
            if one["about"] == about]


def posts(heapsim):
    return heapsim.books()["requests"]


def curl(daemon, method, path):
    """As somebody at the shell: the exit code is the only judge of curl's."""
    socket = daemon.env["CURRENTSD_STATE_DIR"] + "/admin.sock"
    done = subprocess.run(
        ["curl", "-sS", "--fail-with-body", "-X", method, "--unix-socket",
         socket, "http://localhost" + path],
        capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.returncode, json.loads(done.stdout)


class Terminal:
    """A command at a terminal of so many columns and rows."""

    def __init__(self, daemon, *words, columns=80, rows=24, **env):
        self.ours, its = pty.openpty()
        termios.tcsetwinsize(its, (rows, columns))
        self.before = termios.tcgetattr(its)
        self.its = its
        self.process = subprocess.Popen(
            [PROGRAM, *words], stdin=its, stdout=its, stderr=its,
            env={**daemon.env, "TERM": "xterm", "NO_COLOR": "", **env})
        self.shown = b""

    def read(self):
        with contextlib.suppress(OSError):
            self.shown += os.read(self.ours, 65536)

    def wait(self, text):
        until(lambda: self.read() or text in self.shown, text)

    def end(self):
        """The exit code; the terminal must be as it was."""
        code = self.process.wait(timeout=PATIENCE)
        assert termios.tcgetattr(self.its) == self.before
        os.close(self.its)
        with contextlib.suppress(OSError):
            while more := os.read(self.ours, 65536):
                self.shown += more
        os.close(self.ours)
        return code


def plain(shown):
    return re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", shown.decode())


# ---- what needs attention

def test_all_is_well(daemon):
    daemon.post(batch(event(), event()))
    until(lambda: daemon.queue()["delivered"] == 2, "delivered")
    assert daemon.status()["attention"] == []
    text = daemon.command("status")
    assert "all 2 events accounted for" in text
    assert not re.search(r"^[!*] ", text, re.M)
    assert re.search(r"^main .* 1 x 200 ", text, re.M)
    assert daemon.status()["last_hour"] == {"received": 2, "delivered": 2}
    source, = daemon.status()[Status.SOURCES]
    assert source["answers_today"] == [{"status": 200, "count": 1}]
    assert source["received_per_second"] > 0
    assert daemon.destination()["accepted_per_second"] > 0


@pytest.mark.file  # what it asks once the daemon has ended
def test_a_stopped_daemon_is_the_first_thing_said(daemon):
    daemon.stop()
    first, *_ = tool(daemon, "status")["attention"]
    assert (first["level"], first["about"], first["action"]) == (
        "wrong", "daemon", None)
    assert "nothing is accepted" in daemon.command("status")


def test_what_to_do_about_refused_events(daemon):
    """Braze holds some of them back, and deletes others. Nothing is said to
    come again that does not."""
    daemon.post(batch(event()), token="of-another-connector")
    said, = attention(daemon, "source:main")
    assert "list its token" in said["help"]
    assert "Since then" not in said["what"]
    assert daemon.post(batch(event())).status == 200
    said, = attention(daemon, "source:main")
    assert said["what"].endswith(" Since then others were accepted.")
    shown = daemon.command("sources", "show", "main")
    assert re.search(r"^refused\.status +401 ", shown, re.M)

    assert daemon.post("no JSON").status == 400
    said, _ = attention(daemon, "source:main")
    assert said["condition"] == "failing"
    assert "currentsd unreadable list" in said["help"]
    assert "sends all of it again" not in said["help"]

    daemon.post(batch(event()), path="/currents/elsewhere")
    said, = attention(daemon, "source:none")
    assert said["help"].endswith("currentsd check")


def test_a_halted_destination_is_retried(start_daemon, heapsim):
    """Without the order the next try would be in an hour."""
    heapsim.control(refuse_all=401)
    daemon = start_daemon(**SLOW, heap_request_events=1)
    daemon.post(batch(event(), event()))
    until(lambda: state(daemon) == State.HALTED, "it is halted")
    said, = attention(daemon, "destination:heap")
    assert said["level"] == "wrong" and "HTTP 401" in said["what"]
    assert said["help"].startswith("2 events wait, next try in ")
    assert said["action"] == {
        "method": "POST", "path": "/destinations/heap/retry"}
    assert "currentsd destinations retry heap" in said["help"]
    text = daemon.command("status")
    assert f"! {said['what']}\n    {said['help']}\n" in re.sub(
        r"next try in .*?\.", re.search(r"next try in .*?\.",
                                        said["help"])[0], text)
    told = daemon.command("destinations", "retry", "heap")
    assert re.match(
        r"heap is (tried now: 2 queued; its last trouble was: |"
        r"still halted: 2 queued, next try .*; )HTTP 401", told)
    heapsim.control(refuse_all=0)
    code, answer = curl(daemon, *said["action"].values())
    assert code == 0 and answer["name"] == "heap" and answer["followed"]
    until(lambda: daemon.queue()["delivered"] == 2, "delivered")
    assert attention(daemon, "destination:heap") == []
    daemon.run.wait_line("module=admin event=retry destination=heap caller=admin.sock")


def test_a_destination_that_asked_to_be_left_alone(start_daemon,
                                                   start_heapsim):
    heapsim = start_heapsim("--retry-after", "3000")
    heapsim.control(refuse_all=503)
    daemon = start_daemon(**SLOW, heap_url=heapsim.url)
    daemon.post(batch(event()))
    until(lambda: state(daemon) == State.BACKING_OFF, "it backs off")
    assert daemon.destination()["asked_until"] is not None
    before = posts(heapsim)
    assert "asked to be left alone until 20" in daemon.failing(
        "destinations", "retry", "heap")
    assert curl(daemon, "POST", "/destinations/heap/retry")[0] == 22
    # a pause and a resume do not get round it
    daemon.command("destinations", "pause", "heap")
    told = daemon.command("destinations", "resume", "heap")
    assert re.match(r"heap is still backing off: 1 queued, next try .*; HTTP "
                    r"503", told)
    assert posts(heapsim) == before
    heapsim.control(refuse_all=0)
    daemon.command("destinations", "retry", "heap", "--force")
    until(lambda: daemon.queue()["delivered"] == 1, "delivered")


@pytest.mark.file  # what it asks once the daemon has ended
def test_orders_that_make_no_sense(daemon):
    assert "what failed is tried now" in daemon.command(
        "destinations", "retry", "heap")
    assert daemon.command("destinations", "pause", "heap") == (
        "heap is paused: 0 queued; requests in flight still complete\n")
    assert "is paused by the operator" in daemon.failing(
        "destinations", "retry", "heap")
    assert daemon.command("destinations", "resume", "heap") == (
        "heap is running: 0 queued\n")
    for order in ("pause", "resume", "retry", "show"):
        daemon.command("destinations", order, code=USAGE)
        assert "no destination of this name" in daemon.failing(
            "destinations", order, "nobody")
    daemon.stop()
    assert "is not running" in daemon.failing("destinations", "retry", "heap")
    assert "is paused" in daemon.command("destinations", "pause", "heap")
    assert daemon.command("destinations", "resume", "heap") == (
        "heap is resumed: 0 queued, sent as soon as the daemon runs\n")


@pytest.mark.file  # what it asks once the daemon has ended
def test_one_destination_and_one_source(daemon):
    daemon.post(batch(event()))
    until(lambda: daemon.queue()["delivered"] == 1, "delivered")
    one = tool(daemon, "destinations", "show", "heap")
    listed, = tool(daemon, "destinations")["destinations"]
    assert {**one, "now": None} == {
        **listed, "now": None, "paused": False, "attention": [],
        "last_accepted_s": one["last_accepted_s"],
        "accepted_per_second": one["accepted_per_second"]}
    assert {limit["scope"] for limit in one["limits"]} <= {
        "destination", "person"}
    text = daemon.command("destinations", "show", "heap")
    assert re.search(r"^accepted +1 +Events and changes that the destination "
                     r"accepted", text, re.M)
    source = tool(daemon, "sources", "show", "main")
    assert source["name"] == "main" and source[Source.TOKENS]
    assert [row["name"] for row in tool(daemon, "sources")["sources"]] == [
        "main"]
    assert Text.TOKEN % 1 in daemon.command("sources", "show", "main")
    daemon.failing("sources", "show", "nobody")
    daemon.command("sources", "show", code=USAGE)
    daemon.stop()
    assert tool(daemon, "destinations", "show", "heap")["state"] == "stopped"
    assert "answers_today" in tool(daemon, "sources", "show", "main")


# ---- on a terminal

def test_it_fits_the_terminal(start_daemon, heapsim):
    """With trouble of each kind, at 80 columns; in colour, or not."""
    heapsim.control(refuse_all=403)
    daemon = start_daemon(**SLOW)
    daemon.post(batch(event(), event(time="late")))
    daemon.post(batch(event()), token="old")
    daemon.command("destinations", "retry", "heap")
    for words in (["status"], ["top", "--once"], ["destinations"],
                  ["sources"], ["ledger", "--by", "type"],
                  ["queue", "stats"], ["destinations", "show", "heap"]):
        for columns in (80, 120):
            terminal = Terminal(daemon, *words, columns=columns)
            assert terminal.end() == 0
            for line in plain(terminal.shown).splitlines():
                assert len(line) <= columns, line
            assert b"\x1b[" in terminal.shown or words[0] not in (
                "status", "top")
    terminal = Terminal(daemon, "status", NO_COLOR="1")
    assert terminal.end() == 0 and b"\x1b" not in terminal.shown
    assert b"\x1b" not in daemon.command("status").encode()


@pytest.mark.parametrize("how", ["q", signal.SIGTERM, signal.SIGINT])
def test_top_is_live(daemon, how):
    daemon.post(batch(event()))
    terminal = Terminal(daemon, "top")
    terminal.wait(b"all 1 events accounted for")
    daemon.post(batch(event(), event()))
    terminal.wait(b"all 3 events accounted for")
    if how == "q":
        os.write(terminal.ours, b"q")
    else:
        terminal.process.send_signal(how)
    assert terminal.end() == 0
    assert terminal.shown.endswith(b"\x1b[?25h\x1b[?1049l")
    rows = terminal.shown.split(b"\x1b[H")
    assert len(rows) > 2


@pytest.mark.file  # what it asks once the daemon has ended
def test_top_without_a_terminal_or_a_daemon(daemon):
    assert Text.RUNNING in daemon.command("top")
    assert Text.RUNNING in daemon.command("status", "--watch")
    daemon.stop()
    assert Text.NOT_RUNNING in daemon.command("top")


# ---- the ledger, and history

@pytest.mark.file  # what it asks once the daemon has ended
def test_ledger_by_day(daemon):
    daemon.post(batch(*(event() for _ in range(3)), event(time="late")))
    until(lambda: daemon.queue()["delivered"] == 3, "delivered")
    answer = tool(daemon, "ledger", "--by", "day")
    assert answer["balances"]
    for key in ("received", *Ledger.PARTS):
        assert sum(line[key] for line in answer[Ledger.LINES]) == \
            answer[Ledger.TOTAL][key]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", line[Ledger.LABEL])
               for line in answer[Ledger.LINES])
    assert tool(daemon, "ledger", "--by", "day", "--last", "2d")[
        Ledger.LINES] == answer[Ledger.LINES]
    text = daemon.command("ledger", "--by", "day")
    assert text.startswith("DAY (UTC) ") and "Every row balances.\n" in text
    rows = list(csv.DictReader(io.StringIO(
        daemon.command("ledger", "--by", "day", "--csv"))))
    assert sum(int(row["RECEIVED"]) for row in rows) == 4
    assert sum(int(row["DEAD"]) for row in rows) == 1
    daemon.command("ledger", "--by", "type", "--last", "2d", code=USAGE)
    daemon.command("ledger", "--by", "colour", code=USAGE)
    code, over_http = curl(daemon, "GET", "/ledger?by=day&check=yes")
    assert code == 0 and over_http["check"] == {
        "differences": [], "agree": True}
    daemon.stop()
    assert tool(daemon, "ledger", "--by", "day")[Ledger.LINES] == \
        answer[Ledger.LINES]


def campaign(name, number, time_s, **changes):
    return event(time=time_s, properties={
        "app_group_id": "g", "campaign_id": f"c{number}",
        "campaign_name": name}, **changes)


@pytest.mark.file
def test_ledger_by_campaign(start_daemon):
    """By the day in Berlin, which has another month than UTC in the last hour
    of January. Days of long ago are told as months."""
    half_past_ten = 20484 * 86400 + 22 * 3600 + 1800  # 2026-01-31, UTC
    half_past_eleven = half_past_ten + 3600
    daemon = start_daemon(report_timezone="Europe/Berlin", heap_linger="10ms",
                          **NO_QUOTA)
    daemon.post(batch(
        campaign("Hello", 1, half_past_ten),
        campaign("Hello", 1, half_past_ten),
        campaign("Hallo", 1, half_past_eleven),
        campaign("=evil", 2, half_past_ten, user={})))
    until(lambda: daemon.queue()["delivered"] == 3, "delivered")
    until(lambda: daemon.queue()["dropped"] == 1, "dropped")
    answer = tool(daemon, "ledger", "--by", "campaign")
    assert answer["timezone"] == "Europe/Berlin" and answer["balances"]
    found = {(line["day"][:7], line["id"]): line for line in answer["lines"]}
    assert len(found) == len(answer["lines"]) == 3
    first = found["2026-01", "c1"]
    assert (first["kind"], first["delivered"]) == ("campaign", 2)
    assert found["2026-02", "c1"]["delivered"] == 1
    assert found["2026-01", "c2"]["dropped"] == 1
    assert {line["type"] for line in answer["lines"]} == {event()["event_type"]}
    text = daemon.command("ledger", "--by", "campaign")
    assert "Hallo" in text and "in Europe/Berlin" in text
    rows = list(csv.DictReader(io.StringIO(
        daemon.command("ledger", "--by", "campaign", "--csv"))))
    assert sum(int(row["DELIVERED"]) for row in rows) == 3
    assert "'=evil" in {row["CAMPAIGN"] for row in rows}
    daemon.stop()
    assert tool(daemon, "ledger", "--by", "campaign")["lines"] == \
        answer["lines"]


def test_history(daemon):
    until(lambda: curl(daemon, "GET", "/history")[1]["at"], "a sample")
    history = curl(daemon, "GET", "/history")[1]
    assert history["step_s"] == 60
    assert abs(history["at"][0] - time.time()) < 3600
    assert len(history["queued"]) == len(history["at"])
    assert history["destinations"][0]["name"] == "heap"
    assert curl(daemon, "GET", "/history?since=tomorrow")[0] == 22


def test_every_metric_is_in_the_help(daemon):
    daemon.post(batch(event()))
    listed = daemon.command("help", "metrics")
    for name in re.findall(r"^# TYPE (\w+) ", daemon.admin("/metrics").text,
                           re.M):
        assert re.search(rf"\b{name}$", listed, re.M), name
    for name in ("oldest_queued_s", "accepted_per_second", "braze_alerts_in_s"):
        assert re.search(rf"^  {name}\b", listed, re.M), name
