"""Delivery: that every event ends in one place, once."""

import http.server
import re
import socketserver
import threading
import time

import pytest

import braze
from conftest import NO_QUOTA, until
from names import (Destination, Log, Metric, Outcome, Queue, Receipt, State,
                   Text)

# Back-offs and waits that an operator has days for and a test has not.
SWIFT = {
    "heap_linger": "50ms",
    "heap_backoff_first": "20ms",
    "heap_backoff_most": "200ms",
    "heap_probe": "200ms",
    "heap_defer": "500ms",
    "heap_timeout": "1s",
    **NO_QUOTA,
}


def event(number=0, **changes):
    user = {"user_id": "0123456789abcdef01234567",
            "external_user_id": f"customer-{number}"}
    return braze.event(**{"user": user, **changes})


def key(sent):
    return f"{sent['event_type']}:{sent['id']}"


def put(daemon, sent):
    answer = daemon.post({"events": sent})
    assert answer.status == 200, answer
    return answer.json


def state(daemon):
    return daemon.destination()["state"]


def wait_settled(daemon):
    until(lambda: daemon.queued() == 0, "an empty queue")
    return daemon.queue()


def post_lines(daemon, outcome):
    return [line for line in daemon.run.lines
            if re.search(Log.POST % outcome, line)]


def delivered_once(heapsim, sent):
    """At Heap, in effect, is what was sent, and nothing else."""
    assert set(heapsim.keys()) == {key(one) for one in sent}


def test_one_invalid_event_in_a_hundred(start_daemon, heapsim):
    daemon = start_daemon(**SWIFT)
    sent = [event(i) for i in range(100)]
    sent[42]["time"] = "yesterday"
    receipt = put(daemon, sent)
    assert (receipt["queued"], receipt[Receipt.DEAD]) == (99, 1)
    queue = wait_settled(daemon)
    assert (queue["delivered"], queue[Queue.DEAD]) == (99, 1)
    delivered_once(heapsim, sent[:42] + sent[43:])


def test_light_load_leaves_within_linger(start_daemon, heapsim):
    daemon = start_daemon(**{**SWIFT, "heap_linger": "300ms"})
    sent = [event(i) for i in range(3)]
    put(daemon, sent)
    wait_settled(daemon)
    delivered_once(heapsim, sent)
    assert len(post_lines(daemon, Outcome.ACCEPTED)) == 1


def test_the_first_event_leaves_at_once(start_daemon, heapsim):
    """An idle destination lingers only for the events that follow."""
    daemon = start_daemon(**{**SWIFT, "heap_linger": "5m"})
    first, second, third = [event(i) for i in range(3)]
    put(daemon, [first])
    wait_settled(daemon)
    put(daemon, [second])
    put(daemon, [third])
    assert daemon.get("/readyz").status == 200
    delivered_once(heapsim, [first])


@pytest.mark.file
@pytest.mark.parametrize("status, wanted", [(407, State.HALTED),
                                            (403, State.HALTED),
                                            (502, State.BACKING_OFF)])
def test_a_proxy_that_opens_no_tunnel(start_daemon, status, wanted):
    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self):
            self.send_error(status)

        def log_message(self, *_):
            pass
    with http.server.HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        daemon = start_daemon(**{
            **SWIFT, "heap_url": "https://heap.invalid",
            "heap_proxy": f"http://127.0.0.1:{proxy.server_port}"})
        put(daemon, [event()])
        until(lambda: state(daemon) == wanted, f"the state {wanted}")
        why = daemon.destination()["why"]
        assert str(status) in why
        assert ("check the proxy" in why) == (wanted == State.HALTED)
        assert daemon.queued() == 1
        daemon.stop()
        proxy.shutdown()
        thread.join()


@pytest.mark.file
def test_a_page_of_a_proxy_is_no_acceptance(start_daemon, heapsim):
    """A proxy that answers 200 in Heap's place stores nothing there."""
    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            page = b"<html>Please sign in</html>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_):
            pass
    with http.server.HTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        daemon = start_daemon(**{
            **SWIFT, "heap_url": f"http://127.0.0.1:{proxy.server_port}"})
        put(daemon, [event()])
        until(lambda: state(daemon) == State.BACKING_OFF, "it backs off")
        assert ("HTTP 200: the answer is not from Heap: check the URL and the"
                " proxies on the way; <html>Please sign in</html>"
                in daemon.destination()["why"])
        assert daemon.metric(Metric.POSTS_DOUBTED) >= 3
        assert daemon.queued() == 1
        daemon.stop()
        proxy.shutdown()
        thread.join()
    daemon.change(heap_url=heapsim.url)
    daemon.start()
    wait_settled(daemon)
    assert daemon.metric(Metric.POSTS_DOUBTED) == 0
    assert heapsim.books()["accepted"] == 1


@pytest.mark.parametrize("fault", [
    {"fail_percent": 50},
    {"fail_percent": 50, "fail_status": 408},
    {"hang_percent": 30},
    {"reset_percent": 50},
    {"fail_after_percent": 50},
    {"hang_after_percent": 30},
    {"reset_after_percent": 50},
    {"close_percent": 50},
])
def test_trouble_at_heap_loses_and_doubles_nothing(start_daemon, heapsim,
                                                   fault):
    daemon = start_daemon(**{**SWIFT, "heap_request_events": 25})
    heapsim.control(**fault)
    sent = [event(i) for i in range(400)]
    for at in range(0, 400, 100):
        put(daemon, sent[at:at + 100])
    queue = wait_settled(daemon)
    assert (queue["delivered"], queue[Queue.DEAD]) == (400, 0)
    delivered_once(heapsim, sent)
    # An answer of 200 that is cut in the middle is one.
    assert post_lines(daemon, Outcome.FAILED) or "close_percent" in fault


class Closer(socketserver.StreamRequestHandler):
    """Answers the first request of a connection, reads the second one whole
    and closes."""

    def request_read(self):
        length = 0
        while (line := self.rfile.readline().strip()):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        if length:
            self.rfile.read(length)
            self.server.requests += 1
        return length

    def handle(self):
        if self.request_read():
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            self.request_read()


def test_no_request_is_sent_again_in_silence(start_daemon):
    """On a connection that dies under its second request libcurl would send
    that again by itself, past the quota."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Closer) as server:
        server.requests = 0
        threading.Thread(target=server.serve_forever, daemon=True).start()
        daemon = start_daemon(**{
            **SWIFT,
            "heap_url": f"http://127.0.0.1:{server.server_address[1]}"})
        for i in range(4):
            put(daemon, [event(i)])
            wait_settled(daemon)
        posts = len(post_lines(daemon, r"\w+"))
        assert posts > 4
        assert server.requests == posts
        daemon.stop()
        server.shutdown()


def test_retry_after_is_obeyed_and_the_pace_lowered(start_daemon,
                                                    start_heapsim):
    heapsim = start_heapsim("--retry-after", "2")
    daemon = start_daemon(**{**SWIFT, "heap_url": heapsim.url,
                             "heap_events_per_minute": 15000})
    full = daemon.destination()[Destination.PACE_PER_MINUTE]
    assert full == 14250
    heapsim.control(refuse_all=429)
    put(daemon, [event(i) for i in range(10)])
    until(lambda: state(daemon) == State.BACKING_OFF, "it backs off")
    found = daemon.run.wait_line(Log.BACKING_OFF)
    assert int(found.group(1)) == 2000
    assert daemon.destination()[Destination.PACE_PER_MINUTE] == full // 2
    assert Text.PACE % ("7,125", "14,250") in daemon.command("status")
    for metric, value in ((Metric.PACE, full // 2), (Metric.PACE_FULL, full)):
        assert daemon.metric(metric % "heap") == value
    heapsim.control(refuse_all=0)
    assert wait_settled(daemon)["delivered"] == 10


def test_replays_are_told_beside_what_is_queued(start_daemon, heapsim):
    daemon = start_daemon(**SWIFT)
    put(daemon, [event(i) for i in range(20)])
    wait_settled(daemon)
    heapsim.control(refuse_all=503)
    daemon.command("replay", "--since", "1h")
    assert Text.REPLAYS % 20 in daemon.command("status")
    assert daemon.queued() == 0
    heapsim.control(refuse_all=0)
    until(lambda: Text.REPLAYS_ANY not in daemon.command("status"),
          "the replays' end")


@pytest.mark.file
def test_crash_with_requests_in_flight(start_daemon, heapsim):
    daemon = start_daemon(**SWIFT)
    heapsim.control(delay_ms=500)
    sent = [event(i) for i in range(300)]
    for at in range(0, 300, 100):
        put(daemon, sent[at:at + 100])
    until(lambda: heapsim.keys(), "a request at Heap")
    daemon.kill()
    heapsim.control(delay_ms=0)
    daemon.start()
    assert wait_settled(daemon)["delivered"] == 300
    delivered_once(heapsim, sent)


@pytest.mark.file
def test_cools_down_for_a_minute_after_a_crash(start_daemon, heapsim):
    """With a quota, for it is not known what was sent. After a planned stop
    it is known when the last was, and the wait is for the rest of the minute;
    a second stop adds nothing."""
    daemon = start_daemon(**{**SWIFT, "heap_events_per_minute": 15000})
    put(daemon, [event()])
    wait_settled(daemon)
    sent_s = time.monotonic()
    daemon.kill()
    daemon.start()
    assert state(daemon) == State.COOLING_DOWN
    put(daemon, [event()])
    assert daemon.queued() == 1
    assert len(heapsim.keys()) == 1
    for _ in range(2):
        daemon.stop()
        daemon.start()
        assert state(daemon) == State.COOLING_DOWN
    until(lambda: daemon.queued() == 0, "it resumes")
    assert time.monotonic() - sent_s < 75


@pytest.mark.file
def test_stop_lets_requests_end(start_daemon, heapsim):
    daemon = start_daemon(**SWIFT)
    heapsim.control(delay_ms=700)
    sent = [event(i) for i in range(100)]
    put(daemon, sent)
    until(lambda: daemon.destination()[Destination.IN_FLIGHT] > 0,
          "a request in flight")
    run = daemon.run
    daemon.stop()
    assert any(re.search(Log.POST % Outcome.ACCEPTED, line)
               for line in run.lines)
    delivered_once(heapsim, sent)
    heapsim.control(delay_ms=0)
    daemon.start()
    assert daemon.queue()["delivered"] == 100
