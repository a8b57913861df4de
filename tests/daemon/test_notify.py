"""Being told without Prometheus: notify_url, as the receiver of a chat's
webhook sees it. When something is told is in tests/unit/test_notices.c."""

import http.server
import json
import threading

import pytest

from braze import batch, event
from commands import CONFIG, FINE, FOUND, enough, run
from conftest import NO_QUOTA, until
from names import Log, Metric, State

SECRET = "/services/T0/the-secret-of-the-webhook"
PERSON = "jane.doe@example.com"
# A halted destination is not tried by itself while a test looks.
SLOW = {"heap_linger": "10ms", "heap_probe": "1h", "heap_backoff_first": "1h",
        "heap_backoff_most": "1h", "heap_request_events": 1, **NO_QUOTA}
SOON = {"notify_after": "100ms"}


class Receiver:
    """Takes posts; answers `status`, or (None) not at all."""

    def __init__(self, status=200, answer=b"ok"):
        self.status, self.answer = status, answer
        self.asked = []  # all that came: (path, body)
        self.posts = []  # bodies that were taken, as JSON
        self.leave = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length).decode()
                receiver.asked.append((self.path, body))
                if receiver.status is None:
                    receiver.leave.wait()
                    return
                if receiver.status == 200:
                    assert self.headers["Content-Type"] == "application/json"
                    receiver.posts.append(json.loads(body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", str(len(receiver.answer)))
                self.end_headers()
                self.wfile.write(receiver.answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        self.url = self.base + SECRET
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def close(self):
        self.leave.set()
        self.server.shutdown()
        self.server.server_close()

    def told(self):
        return [(post["state"], post.get("about"), post.get("condition"))
                for post in self.posts]


@pytest.fixture
def receive():
    """A function that starts a receiver."""
    started = []

    def start(**how):
        started.append(Receiver(**how))
        return started[-1]

    yield start
    for receiver in started:
        receiver.close()


def halt(daemon, heapsim):
    """Two requests are refused as nobody may send."""
    heapsim.control(refuse_all=401)
    daemon.post(batch(event(), event()))
    until(lambda: daemon.destination()["state"] == State.HALTED, "halted")


def noted(daemon, posts):
    """The daemon has seen that so many were taken."""
    until(lambda: daemon.metric(Metric.NOTICES % "accepted") == posts, "noted")


def attention(daemon, condition):
    return [one for one in daemon.status()["attention"]
            if one["condition"] == condition]


HALTED = ("new", "destination:heap", "halted")
RESOLVED = ("resolved", "destination:heap", "halted")


def test_halted_then_resolved(start_daemon, heapsim, receive):
    receiver = receive()
    daemon = start_daemon(**SLOW, **SOON, notify_url=receiver.url)
    halt(daemon, heapsim)
    until(lambda: receiver.told() == [HALTED], "told")
    post, = receiver.posts
    assert post["level"] == "wrong"
    assert post["what"] == "Destination heap is halted: HTTP 401."
    assert "currentsd destinations retry heap" in post["help"]
    assert post["text"] == (
        f"currentsd on {post['host']}: {post['what']} {post['help']}")
    heapsim.control(refuse_all=0)
    daemon.command("destinations", "retry", "heap")
    until(lambda: receiver.told() == [HALTED, RESOLVED], "resolved")
    assert receiver.posts[1]["text"] == (
        f"currentsd on {post['host']}: Resolved: {post['what']}")
    assert receiver.posts[1]["since"] == post["since"]
    noted(daemon, 2)
    assert daemon.metric(Metric.NOTICES % "failed") == 0
    assert {path for path, _ in receiver.asked} == {SECRET}


def test_no_secret_is_shown_and_no_person_told(start_daemon, receive):
    """The destination's answer may name a person: the admin interface shows
    it, as far as it can be shown, and the chat gets the status alone."""
    heap = receive(status=401, answer=f"who is {PERSON}?".encode())
    receiver = receive()
    daemon = start_daemon(**SLOW, **SOON, heap_url=heap.base,
                          notify_url=receiver.url)
    user = {"external_user_id": PERSON}
    daemon.post(batch(event(user=user), event(user=user), event(
        "users.behaviors.CustomEvent", user=user, properties={"n": PERSON})))
    until(lambda: HALTED in receiver.told(), "told")
    said, = attention(daemon, "halted")
    assert "who is" in said["what"]
    until(lambda: ("new", "dead", "new") in receiver.told(), "dead letter")
    for _, body in receiver.asked:
        assert "who is" not in body and "example" not in body
    shown = "\n".join([*daemon.run.lines, json.dumps(daemon.status()),
                       daemon.admin("/metrics").text,
                       daemon.command("config", "--all")])
    assert "the-secret" not in shown and "********" in shown
    daemon.run.wait_line(Log.NOTICE % "destination:heap")


def test_a_property_that_is_left_out(start_daemon, receive):
    receiver = receive()
    daemon = start_daemon(**SLOW, **SOON, notify_url=receiver.url)
    daemon.post(batch(event(properties={
        "app_group_id": "g", "tone <!channel> @all": "warm words"})))
    until(lambda: receiver.posts, "told")
    post = receiver.posts[0]
    assert (post["state"], post["condition"]) == ("new", "left_out")
    assert post["about"] == "property:tone <!channel> @all"
    # A chat would ring everybody.
    assert "tone (!channel> (at)all" in post["text"]
    assert "warm words" not in receiver.asked[0][1]
    assert "keep += " in post["help"]


def test_a_silent_source(start_daemon, receive):
    receiver = receive()
    daemon = start_daemon(**SLOW, **SOON, source_silence="2s",
                          notify_url=receiver.url)
    assert attention(daemon, "silent") == []  # it never sent anything
    daemon.post(batch(event()))
    until(lambda: receiver.told() == [("new", "source:main", "silent")],
          "told")
    assert "no event came for" in receiver.posts[0]["what"]
    assert attention(daemon, "silent")


@pytest.mark.file
def test_many_are_summed_up_and_a_restart_repeats_nothing(
        start_daemon, heapsim, receive):
    """They are there before anyone may be told, and so due together."""
    receiver = receive()
    daemon = start_daemon(**SLOW)
    daemon.post(batch(event("users.behaviors.CustomEvent", properties={}),
                      event(properties={"app_group_id": "g", "tone": "x"})))
    until(lambda: daemon.queue()["delivered"] == 1 and
          daemon.queue()["dead"] == 1, "settled")
    daemon.stop()
    daemon.change(**SOON, notify_url=receiver.url, notify_per_hour=2)
    daemon.start()
    until(lambda: receiver.posts, "told")
    summary, = receiver.posts
    assert summary["state"] == "summary"
    assert {(one["about"], one["condition"]) for one in summary["notices"]
            } == {("dead", "new"), ("property:tone", "left_out")}
    lines = summary["text"].split("\n")
    assert lines[0].endswith(": 2 notices") and len(lines) == 3
    noted(daemon, 1)
    daemon.stop()
    # What is told after the restart is only what is new then.
    daemon.start()
    halt(daemon, heapsim)
    until(lambda: len(receiver.posts) == 2, "told")
    assert receiver.told()[1] == HALTED


@pytest.mark.file
def test_resolved_while_it_was_stopped(start_daemon, heapsim, receive):
    receiver = receive()
    daemon = start_daemon(**SLOW, **SOON, notify_url=receiver.url)
    halt(daemon, heapsim)
    until(lambda: receiver.told() == [HALTED], "told")
    noted(daemon, 1)
    daemon.stop()
    heapsim.control(refuse_all=0)
    daemon.start()
    until(lambda: receiver.told() == [HALTED, RESOLVED], "resolved")


def test_a_receiver_that_hangs(start_daemon, heapsim, receive):
    """Events flow, and the stop does not wait for the post, which may take an
    hour: the daemon would be ended by stop_timeout, with another code."""
    receiver = receive(status=None)
    daemon = start_daemon(**SLOW, **SOON, notify_url=receiver.url,
                          notify_timeout="1h")
    daemon.post(batch(event("users.behaviors.CustomEvent", properties={})))
    until(lambda: receiver.asked, "it is asked")
    daemon.post(batch(event()))
    until(lambda: daemon.queue()["delivered"] == 1, "delivered")
    assert receiver.posts == []
    daemon.stop()


def test_a_receiver_that_fails(start_daemon, receive):
    """It is logged and counted, without the URL, and status says so."""
    receiver = receive(status=404, answer=b"no_service")
    daemon = start_daemon(**SLOW, **SOON, notify_url=receiver.url)
    daemon.post(batch(event("users.behaviors.CustomEvent", properties={})))
    line = daemon.run.wait_line(Log.NOTICE_FAILED).group(0)
    assert 'why="HTTP 404"' in line and "the-secret" not in line
    until(lambda: daemon.metric(Metric.NOTICES % "failed") > 0, "counted")
    said, = until(lambda: attention(daemon, "untold"), "it is shown")
    assert (said["about"], said["level"]) == ("daemon", "waiting")
    daemon.post(batch(event()))
    until(lambda: daemon.queue()["delivered"] == 1, "delivered")


# ---- check --notify

def test_check_posts_a_test(tmp_path, receive):
    receiver = receive()
    done = run("check", "--notify", **enough(tmp_path,
                                             notify_url=receiver.url))
    assert (done.returncode, done.stdout) == (FINE, "answer       HTTP 200\n")
    post, = receiver.posts
    assert post["state"] == "test" and "This is a test" in post["text"]
    assert not (tmp_path / "state").exists()
    secret = tmp_path / "url"
    secret.write_text(receiver.url + "\n")
    secret.chmod(0o600)
    receiver.status = 403
    done = run("check", "--notify", "--json",
               **enough(tmp_path, notify_url_file=secret))
    assert done.returncode == FOUND
    assert json.loads(done.stdout) == {"status": 403, "answer": "HTTP 403"}
    done = run("check", "--offline", **enough(tmp_path,
                                              notify_url_file=secret))
    assert "currentsd check --notify" in done.stdout
    assert "the-secret" not in done.stdout


def test_check_of_nobody(tmp_path):
    done = run("check", "--notify", **enough(
        tmp_path, notify_url="http://127.0.0.1:9/hook"))
    assert done.returncode == FOUND
    assert done.stdout.startswith("no answer    ")
    assert "/hook" not in done.stdout
    done = run("check", "--notify", **enough(tmp_path))
    assert done.returncode != FINE and "notify_url is not set" in done.stderr


@pytest.mark.parametrize("url", ["ftp://example.com/", "example.com",
                                 "https://a b/"])
def test_bad_urls(tmp_path, url):
    done = run("check", "--offline", **enough(tmp_path, notify_url=url))
    assert done.returncode == CONFIG and "NOTIFY_URL" in done.stderr
    assert url not in done.stderr


def test_two_urls(tmp_path):
    secret = tmp_path / "url"
    secret.write_text("https://example.com/a\nhttps://example.com/b\n")
    secret.chmod(0o600)
    done = run("check", "--offline", **enough(tmp_path,
                                              notify_url_file=secret))
    assert done.returncode == CONFIG and "one URL" in done.stderr
    done = run("check", "--offline", **enough(
        tmp_path, notify_url="https://a/", notify_url_file=secret))
    assert done.returncode == CONFIG and "both set" in done.stderr
