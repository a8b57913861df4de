"""The log: its forms, the ids of requests, repeats, and nothing private."""

import http.server
import json
import os
import re
import subprocess
import threading

import pytest

from braze import batch, event, raw
from commands import tool
from conftest import (NO_QUOTA, PATIENCE, PROGRAM, TOKEN, ask, members,
                      until)
from names import Command, Log, Queue, Row

SWIFT = {**NO_QUOTA, "heap_linger": 0, "heap_backoff_first": "20ms",
         "heap_backoff_most": "20ms", "heap_probe": "100ms",
         "heap_defer": "100ms"}


class Heap:
    """Keeps the headers of each post, and answers as told."""

    def __init__(self):
        self.headers = []
        self.answer = lambda body: (200, b"")
        heap = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                heap.headers.append(self.headers)
                status, text = heap.answer(body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def heap():
    made = Heap()
    yield made
    made.close()


def log_of(daemon):
    """The members of each line so far."""
    return [members(line) for line in list(daemon.run.lines)]


# ---- the forms ----

def hostile(daemon):
    """What others can get into the log."""
    raw(daemon, b'GET /a"%20b=%0a\\%c3%28 HTTP/1.1\r\nHost: x\r\n'
        b"Connection: close\r\n\r\n")
    raw(daemon, b'X"=Y /currents HTTP/1.1\r\nHost: x\r\n'
        b"Connection: close\r\n\r\n")
    raw(daemon, b"\x00\x1b[31m\x85\r\n\r\n")
    odd = 'a"b c=\\d\n\x1b[31m\u202e\u00e9' + "x" * 3000
    daemon.post(batch(event(), event(kind=odd),
                      event(properties={odd: odd, "id": 7})))
    daemon.post(b'{"events":[\xff')


def test_json(start_daemon):
    """One object a line, whatever comes; numbers are numbers."""
    daemon = start_daemon(log_format="json", log_level="debug",
                          idle_timeout="1s", **NO_QUOTA)
    hostile(daemon)
    until(lambda: daemon.queued() == 0, "all settled")
    lines = daemon.run.lines
    daemon.stop()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        assert list(row)[:4] == ["time", "level", "module", "event"]
    accepted = next(row for row in rows if row["event"] == "accept")
    assert (accepted["source"], accepted["events"]) == ("main", 3)
    assert any(row["event"] == "refuse" and row["path"].startswith("/a")
               for row in rows)


def test_logfmt(start_daemon):
    """Each line is parsed strictly when the daemon stops."""
    daemon = start_daemon(log_level="debug", idle_timeout="1s", **NO_QUOTA)
    hostile(daemon)
    until(lambda: daemon.queued() == 0, "all settled")
    lines = daemon.run.lines
    daemon.stop()
    assert any(members(line)["event"] == "drift" for line in lines)


def test_the_journal(start_daemon):
    """Where stderr is the journal a line has a priority, and no time."""
    daemon = start_daemon()
    daemon.stop()
    ours, its = os.pipe()
    is_ = os.fstat(its)
    with open(ours, encoding="utf-8") as log, subprocess.Popen(
            [PROGRAM, "serve"], stderr=its,
            env={**daemon.env,
                 "JOURNAL_STREAM": f"{is_.st_dev}:{is_.st_ino}"}) as serve:
        os.close(its)
        seen = []
        for line in log:
            seen.append(line)
            if "event=start " in line:
                serve.terminate()
        assert serve.wait(timeout=PATIENCE) == 0
    for line in seen:
        priority, rest = re.match(r"<([3467])>(.*)\n$", line).groups()
        told = members(rest)
        assert list(told)[:2] == ["module", "event"] and "time" not in told
        assert priority == {"create": "4"}.get(told["event"], "6")


# ---- ids of requests ----

OWN = r"[0-9a-f]{16}$"


@pytest.mark.parametrize("sent, taken", [
    ("6f1d-4a.b_c~!", True), ("x" * 128, True),
    ("x" * 129, False), ("", False), ("a b", False), ('a"b', False),
    ("a=b", False), ("ann@example.com", False), (None, False),
])
def test_the_id_of_a_request(daemon, sent, taken):
    """It is in the answer and in the log; what is no token is not taken."""
    headers = {} if sent is None else {"X_Request_Id": sent}
    good = daemon.post(batch(event()), **headers)
    bad = daemon.post(batch(event()), token="wrong", **headers)
    said = [answer.headers["X-Request-Id"] for answer in (good, bad)]
    for id_ in said:
        assert id_ == sent if taken else re.match(OWN, id_)
    assert taken or said[0] != said[1]
    until(lambda: [row.get("request") for row in log_of(daemon)
                   if row["event"] in ("accept", "refuse")] == said,
          "both lines")


def test_every_answer_has_an_id(daemon):
    for answer in (daemon.get("/healthz"), daemon.get("/nothing"),
                   daemon.admin("/metrics"), daemon.admin("/nothing"),
                   ask(daemon.admin_port, "POST", "/reports", "{}")):
        assert re.match(OWN, answer.headers["X-Request-Id"]), answer


def test_each_post_has_an_id_of_its_own(start_daemon, heap):
    daemon = start_daemon(heap_url=heap.url, **SWIFT)
    heap.answer = lambda body: (500, b"")
    daemon.post(batch(event()))
    until(lambda: len(heap.headers) >= 3, "posts")
    heap.answer = lambda body: (200, b"")
    until(lambda: daemon.queued() == 0, "it is delivered")
    sent = [headers["X-Request-Id"] for headers in heap.headers]
    assert len(set(sent)) == len(sent) and all(
        re.match(OWN, id_) for id_ in sent)
    until(lambda: [row["request"] for row in log_of(daemon)
                   if row["event"] == "post"] == sent, "their lines")


# ---- repeats ----

def test_repeats_are_limited(start_daemon):
    """Whoever asks for nothing a thousand times gets few lines."""
    daemon = start_daemon(log_burst=3)
    for _ in range(200):
        assert daemon.get("/nothing").status == 404
    assert daemon.post(batch(event()), token="wrong").status == 401
    daemon.run.wait_line(Log.REFUSE % 401)
    lines = [line for line in daemon.run.lines
             if re.search(Log.REFUSE % 404, line)]
    assert len(lines) < 200
    until(lambda: daemon.get("/nothing") and any(
        re.search(Log.SUPPRESSED, line) for line in daemon.run.lines),
        "how many were left out")


# ---- nothing private ----

# Letters that no id has, nor a word of ours.
ANN = "quux.wyzzy@zyx.org"
PRIVATE = re.compile("quux|wyzzy|zyx", re.I)


def echo(status, template="the user %s (QUUX Wyzzy) is not known: %s"):
    def answer(body):
        who = json.loads(body)["events"][0]["identity"]
        return status, (template % (who, body.decode())).encode()
    return answer


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_an_answer_that_repeats_a_person(start_daemon, heap, status):
    """Its own words are shown, and what it repeats is not."""
    daemon = start_daemon(heap_url=heap.url, log_level="debug", **SWIFT)
    heap.answer = echo(status)
    daemon.post(batch(event(user={"external_user_id": ANN})))
    until(lambda: len(heap.headers) >= 3, "posts")
    daemon.run.wait_line("HTTP %d: .*the user" % status)
    heap.answer = lambda body: (200, b"")
    until(lambda: daemon.queued() == 0, "it is delivered")
    shown = "\n".join(daemon.run.lines)
    assert not PRIVATE.search(shown), PRIVATE.search(shown)


def test_the_full_answer_stands_with_the_dead_letter(start_daemon, heap):
    def answer(body):
        return echo(400)(body) if ANN.encode() in body else (200, b"")
    heap.answer = answer
    daemon = start_daemon(heap_url=heap.url, **SWIFT)

    def dead():
        daemon.post(batch(event(user={"external_user_id": "bob"})))
        return daemon.queue()[Queue.DEAD]
    daemon.post(batch(event(user={"external_user_id": ANN})))
    until(dead, "a dead letter")
    row, = tool(daemon, *Command.DEAD_LIST)
    assert ANN in tool(daemon, *Command.DEAD_SHOW, str(row[Row.ID]))[
        Row.ANSWER]
    line = daemon.run.wait_line("event=dead .*the user").string
    assert not PRIVATE.search(line)
    assert ANN not in daemon.admin("/status").text


def test_requests_leave_nothing_private(start_daemon):
    """Not in the path, the query, a header, or an event that is refused."""
    daemon = start_daemon(log_level="debug", view_token="a-token-to-view-with",
                          admin_token="a-token-to-change-with", **NO_QUOTA)
    private = "quux.wyzzy%40zyx.org"
    for port in daemon.port, daemon.admin_port:
        for method in "GET", "POST", "DELETE":
            for path in (f"/persons/{private}", f"/currents?user={private}",
                         f"/events?user={private}&zyx=1",
                         f"/currents?user={private}&user={private}"):
                ask(port, method, path, None, {
                    "Authorization": f"Bearer {ANN}",
                    "X-Request-Id": ANN, "From": ANN, "Cookie": ANN,
                    "User-Agent": ANN, "Content-Type": ANN})
    ask(daemon.admin_port, "GET", f"/events?user={private}", None,
        {"Authorization": "Bearer a-token-to-view-with"})
    for body in (f'["{ANN}"]', f'{{"events":[{{"id":"{ANN}"', ANN,
                 batch(event(user={"external_user_id": ANN}, time=ANN)),
                 batch(event(id={"zyx": ANN}), event(kind=7, id=ANN))):
        daemon.post(body)
        daemon.post(body, path=f"/currents/{private}")
        daemon.post(body, content_encoding=ANN)
    raw(daemon, f"POST /currents HTTP/1.1\r\nHost: {ANN}\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: {ANN}\r\n"
        f"Transfer-Encoding: {ANN}\r\nConnection: close\r\n\r\n".encode())
    raw(daemon, f"{ANN} {ANN} {ANN}\r\n{ANN}\r\n\r\n".encode())
    daemon.command("events", "find", ANN)
    until(lambda: daemon.queued() == 0, "all settled")
    lines = daemon.run.lines
    daemon.stop()
    assert len(lines) > 10
    for line in lines:
        assert not PRIVATE.search(line), line


# ---- traces ----

def parent(trace, flags="01"):
    return f"00-{trace}-{'b7' * 8}-{flags}"


def send(daemon, trace=None, flags="01", count=1):
    headers = {} if trace is None else {"traceparent": parent(trace, flags)}
    assert daemon.post(batch(*(event() for _ in range(count))),
                       **headers).status == 200


@pytest.mark.file
def test_a_trace_goes_on(start_daemon, heap):
    """Through the queue and restarts; each post is a span of its own, whose
    id is that of the request."""
    daemon = start_daemon(heap_url=heap.url, tracing="yes", **SWIFT)
    heap.answer = lambda body: (500, b"")
    trace = "4b" * 16
    send(daemon, trace, count=3)
    daemon.run.wait_line(Log.ACCEPT + f".*trace={trace} ")
    until(lambda: len(heap.headers) >= 2, "posts")
    daemon.kill()
    seen = len(heap.headers)
    heap.answer = lambda body: (200, b"")
    daemon.start()
    until(lambda: daemon.queued() == 0, "delivered")
    assert len(heap.headers) > seen
    for headers in heap.headers:
        assert headers["traceparent"] == \
            f"00-{trace}-{headers['X-Request-Id']}-01"
        assert "tracestate" not in headers
    daemon.run.wait_line(Log.POST % "accepted")
    for row in log_of(daemon):
        if row["event"] == "post":
            assert row["trace"] == trace


A, B = "0a" * 16, "0b" * 16


@pytest.mark.parametrize("sent, wanted", [
    ([(None, None)] * 2, None),
    ([(A, "00")] * 2, rf"00-{A}-\w{{16}}-00"),
    ([(A, "01")] * 2, rf"00-{A}-\w{{16}}-01"),
    ([(A, "00"), (B, "00")], rf"00-(?!{A}|{B})\w{{32}}-\w{{16}}-00"),
    ([(A, "00"), (B, "01")], rf"00-(?!{A}|{B})\w{{32}}-\w{{16}}-01"),
    ([(None, None), (B, "01")], rf"00-(?!{B})\w{{32}}-\w{{16}}-01"),
])
def test_posts_of_several_traces(start_daemon, heap, sent, wanted):
    """One: that. Several: a new one, sampled if any is. None: none."""
    daemon = start_daemon(heap_url=heap.url, tracing="yes", **SWIFT)
    daemon.command(*Command.PAUSE, "heap")
    for trace, flags in sent:
        send(daemon, trace, flags=flags)
    daemon.command(*Command.RESUME, "heap")
    until(lambda: daemon.queued() == 0, "delivered")
    had, = (headers.get("traceparent") for headers in heap.headers)
    assert had is None if wanted is None else re.fullmatch(wanted, had)


@pytest.mark.parametrize("tracing, trace", [("no", A), ("yes", "0" * 32),
                                            ("yes", "quux")])
def test_no_trace(start_daemon, heap, tracing, trace):
    """It is off by default; and one that is wrong is none."""
    settings = {} if tracing == "no" else {"tracing": tracing}
    daemon = start_daemon(heap_url=heap.url, **settings, **SWIFT)
    send(daemon, trace)
    until(lambda: daemon.queued() == 0, "delivered")
    assert "traceparent" not in heap.headers[0]
    daemon.run.wait_line(Log.POST % "accepted")
    assert not any("trace" in row for row in log_of(daemon))


def test_what_is_deferred_keeps_its_trace(start_daemon, heap):
    """In the new batch that it goes into, beside those of other traces."""
    daemon = start_daemon(heap_url=heap.url, tracing="yes",
                          **{**SWIFT, "heap_defer": "1s"})
    refused = {"url": "https://refused.example"}
    heap.answer = lambda body: (400 if b"refused" in body else 200, b"")
    bad = event(properties={**event()["properties"], **refused})
    for _ in range(3):
        send(daemon, B)
    assert daemon.post(batch(bad), traceparent=parent(A)).status == 200

    def dead():
        send(daemon, B)
        return daemon.queue()[Queue.DEAD]
    until(dead, "a dead letter")
    tries = [row for row in log_of(daemon)
             if row["event"] == "post" and row["result"] == "event"]
    assert len(tries) >= 2 and tries[-1]["trace"] == A
    assert int(tries[-1]["events"]) == 1
