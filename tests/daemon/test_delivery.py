"""Delivery: whose fault it is, and that every event ends in one place."""

import http.server
import json
import re
import sqlite3
import threading
import uuid

import pytest

from conftest import until

# Back-offs and waits that a person has days for and a test has not.
SWIFT = {
    "heap_linger": "50ms",
    "heap_backoff_first": "20ms",
    "heap_backoff_most": "200ms",
    "heap_probe": "200ms",
    "heap_set_aside": "500ms",
    "heap_timeout": "1s",
    "heap_events_per_minute": 0,
    "heap_identity_per_minute": 0,
}


def event(number=0, **changes):
    made = {
        "event_type": "users.messages.email.Click",
        "id": str(uuid.uuid4()),
        "time": 1763935200,
        "user": {"user_id": "0123456789abcdef01234567",
                 "external_user_id": f"customer-{number}"},
        "properties": {"app_group_id": "0123456789abcdef01234567",
                       "dispatch_id": "d", "url": "https://example.com"},
    }
    return {**made, **changes}


def key(sent):
    return f"{sent['event_type']}:{sent['id']}"


def put(daemon, sent):
    answer = daemon.post({"events": sent})
    assert answer.status == 200, answer
    return answer.json


def lane(daemon):
    return daemon.status()["destinations"][0]


def wait_settled(daemon):
    until(lambda: daemon.books()["waiting"] == 0, "an empty queue")
    return daemon.books()


def buried_rows(daemon):
    """As they lie in the file; the daemon has to be stopped."""
    path = f"{daemon.env['CURRENTSD_STATE_DIR']}/queue.db"
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return database.execute(
            "SELECT reason, status, words, sent, data FROM buried").fetchall()
    finally:
        database.close()


def post_lines(daemon, result):
    return [line for line in daemon.run.lines
            if re.search(rf"forwarder: post .*result={result}$", line)]


def delivered_once(heapsim, sent):
    """At Heap, in effect, is what was sent, and nothing else."""
    assert set(heapsim.keys()) == {key(one) for one in sent}


def test_one_flawed_event_in_a_hundred(start_daemon, heapsim):
    daemon = start_daemon(**SWIFT)
    sent = [event(i) for i in range(100)]
    sent[42]["time"] = "yesterday"
    receipt = put(daemon, sent)
    assert (receipt["queued"], receipt["buried"]) == (99, 1)
    books = wait_settled(daemon)
    assert (books["delivered"], books["buried"]) == (99, 1)
    delivered_once(heapsim, sent[:42] + sent[43:])


def test_light_load_leaves_within_linger(start_daemon, heapsim):
    daemon = start_daemon(**{**SWIFT, "heap_linger": "300ms"})
    sent = [event(i) for i in range(3)]
    put(daemon, sent)
    wait_settled(daemon)
    delivered_once(heapsim, sent)
    assert len(post_lines(daemon, "accepted")) == 1


def test_poison_is_buried_alone_with_heaps_words(start_daemon, heapsim):
    daemon = start_daemon(**SWIFT)
    sent = [event(i) for i in range(100)]
    heapsim.control(refuse_key=sent[63]["id"])
    put(daemon, sent)
    books = wait_settled(daemon)
    assert (books["delivered"], books["buried"]) == (99, 1)
    delivered_once(heapsim, sent[:63] + sent[64:])
    # Halving 100: at most twice the logarithm, and the first.
    assert len(post_lines(daemon, r"\w+")) <= 1 + 2 * 7
    daemon.stop()
    shown = json.loads(daemon.command("queue", "show", "1", "--json"))
    assert 7 <= shown["attempts"] <= 8  # whole, and in each half
    (reason, status, words, posted, data), = buried_rows(daemon)
    assert (reason, status) == ("refused by the destination", 400)
    assert b"events[0]" in bytes(words)
    assert json.loads(posted)["idempotency_key"] == key(sent[63])
    assert json.loads(data) == sent[63]


def test_refusing_everything_buries_nothing(start_daemon, heapsim):
    daemon = start_daemon(**SWIFT)
    heapsim.control(refuse_all=400)
    sent = [event(i) for i in range(500)]
    put(daemon, sent[:100])
    until(lambda: lane(daemon)["state"] == "stopped", "the lane stopped")
    why = lane(daemon)["why"]
    assert "were refused" in why and "HTTP 400" in why
    assert len(post_lines(daemon, "event")) < 100
    for at in range(100, 500, 100):  # taken in all the while
        put(daemon, sent[at:at + 100])
    assert daemon.get("/readyz").status == 200
    probes = len(post_lines(daemon, "event"))
    until(lambda: len(post_lines(daemon, "event")) > probes + 2, "probes")
    books = daemon.books()
    assert (books["buried"], books["delivered"]) == (0, 0)
    assert books["waiting"] == 500

    heapsim.control(refuse_all=0)
    books = wait_settled(daemon)
    assert (books["buried"], books["delivered"]) == (0, 500)
    assert lane(daemon)["state"] == "running"
    delivered_once(heapsim, sent)


def test_doubt_is_seen(start_daemon, heapsim):
    """A new daemon and a Heap that refuses the few events there are: no
    lane stops for them, so status says what is the matter."""
    daemon = start_daemon(**{**SWIFT, "heap_set_aside": "1h"})
    assert lane(daemon)["suspects"] == {"events": 0, "why": "", "until": None}
    heapsim.control(refuse_property="braze_channel")
    put(daemon, [event(i) for i in range(3)])
    until(lambda: lane(daemon)["suspects"]["events"] == 3, "doubt")
    told = lane(daemon)
    assert told["state"] == "running" and told["drain_forecast_s"] is None
    assert "HTTP 400" in told["suspects"]["why"]
    assert "braze_channel" in told["suspects"]["why"]
    assert told["suspects"]["until"] is not None
    text = daemon.command("status")
    assert "3 set aside" in text and "braze_channel" in text
    assert "cannot be told when it is empty" in text
    assert daemon.metric('currentsd_lane_suspects{lane="heap"}') == 3
    daemon.run.wait_line(r"warn  forwarder: set aside .*events=[123] .*"
                         r"braze_channel")
    assert sum(" warn " in line and "set aside" in line
               for line in daemon.run.lines) == 1
    assert (daemon.books()["waiting"], daemon.books()["buried"]) == (3, 0)


def test_a_kind_that_is_always_refused_is_not_buried(start_daemon, heapsim):
    """One by one, every third of a type that Heap never takes, with many
    accepted before: what helped the first must not help the next."""
    daemon = start_daemon(**{**SWIFT, "heap_linger": "1ms"})
    before = [event(i) for i in range(200)]
    put(daemon, before)
    wait_settled(daemon)
    heapsim.control(refuse_event="Bounce")
    sent = [event(i) for i in range(120)]
    for number, one in enumerate(sent):
        if number % 3 == 2:
            one["event_type"] = "users.messages.email.Bounce"
        posts = lane(daemon)["posts"]
        put(daemon, [one])
        until(lambda: lane(daemon)["posts"] > posts
              or lane(daemon)["state"] == "stopped", "a post")
    assert lane(daemon)["refused"] >= 20
    assert daemon.books()["buried"] == 0
    heapsim.control(refuse_event="")
    books = wait_settled(daemon)
    assert (books["delivered"], books["buried"]) == (320, 0)
    delivered_once(heapsim, before + sent)


def test_a_bad_event_alone_is_buried_in_the_end(start_daemon, heapsim):
    daemon = start_daemon(**SWIFT)
    heapsim.control(refuse_key="-poison")
    poison = event(id="the-poison")
    put(daemon, [poison])
    until(lambda: lane(daemon)["suspects"]["events"] == 1, "doubt")
    put(daemon, [event(i) for i in range(19)])
    books = wait_settled(daemon)
    assert (books["delivered"], books["buried"]) == (19, 1)
    assert lane(daemon)["suspects"]["events"] == 0


@pytest.mark.parametrize("status", [401, 403, 404, 422, 302])
def test_operator_must_act(start_daemon, heapsim, status):
    daemon = start_daemon(**SWIFT)
    heapsim.control(refuse_all=status)
    sent = [event(i) for i in range(50)]
    put(daemon, sent)
    until(lambda: lane(daemon)["state"] == "stopped", "the lane stopped")
    assert f"HTTP {status}" in lane(daemon)["why"]
    daemon.run.wait_line(rf"error forwarder: stopped .*HTTP {status}")
    assert daemon.books()["waiting"] == 50
    heapsim.control(refuse_all=0)
    assert wait_settled(daemon)["delivered"] == 50
    delivered_once(heapsim, sent)


@pytest.mark.parametrize("status, state", [(407, "stopped"),
                                           (403, "stopped"),
                                           (502, "waiting")])
def test_a_proxy_that_opens_no_tunnel(start_daemon, status, state):
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
        until(lambda: lane(daemon)["state"] == state, "the lane's verdict")
        told = lane(daemon)
        assert str(status) in told["why"]
        assert ("check the proxy" in told["why"]) == (state == "stopped")
        assert daemon.books()["waiting"] == 1
        daemon.stop()
        proxy.shutdown()
        thread.join()


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
    books = wait_settled(daemon)
    assert (books["delivered"], books["buried"]) == (400, 0)
    delivered_once(heapsim, sent)
    assert post_lines(daemon, "destination")


def test_retry_after_is_obeyed_and_the_pace_lowered(start_daemon,
                                                    start_heapsim):
    heapsim = start_heapsim("--retry-after", "2")
    daemon = start_daemon(**{**SWIFT, "heap_url": heapsim.url,
                             "heap_events_per_minute": 15000})
    full = lane(daemon)["pace_per_minute"]
    assert full == 14250
    heapsim.control(refuse_all=429)
    put(daemon, [event(i) for i in range(10)])
    until(lambda: lane(daemon)["state"] == "waiting", "the lane waits")
    found = daemon.run.wait_line(r"warn  forwarder: waiting .*next_ms=(\d+)")
    assert int(found.group(1)) == 2000
    assert lane(daemon)["pace_per_minute"] == full // 2
    assert "pace 7,125 of 14,250 a minute after 429" in daemon.command(
        "status")
    for name, value in (("", full // 2), ("full_", full)):
        assert daemon.metric(
            f'currentsd_lane_pace_{name}per_minute{{lane="heap"}}') == value
    heapsim.control(refuse_all=0)
    assert wait_settled(daemon)["delivered"] == 10


def test_replays_are_told_beside_what_waits(start_daemon, heapsim):
    daemon = start_daemon(**SWIFT)
    put(daemon, [event(i) for i in range(20)])
    wait_settled(daemon)
    heapsim.control(refuse_all=503)
    daemon.command("replay", "--since", "1h")
    assert "20 replays are still to be sent" in daemon.command("status")
    assert daemon.books()["waiting"] == 0
    heapsim.control(refuse_all=0)
    until(lambda: "still to be sent" not in daemon.command("status"),
          "the replays' end")


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


def test_rests_a_minute_after_a_crash(start_daemon, heapsim):
    """With a quota, for it is not known what was sent; a planned stop
    leaves the log."""
    daemon = start_daemon(**{**SWIFT, "heap_events_per_minute": 15000})
    put(daemon, [event()])
    wait_settled(daemon)
    daemon.stop()
    daemon.start()
    assert lane(daemon)["state"] == "running"
    put(daemon, [event()])
    wait_settled(daemon)
    daemon.kill()
    daemon.start()
    assert lane(daemon)["state"] == "resting"
    put(daemon, [event()])
    assert daemon.books()["waiting"] == 1
    assert len(heapsim.keys()) == 2


def test_stop_lets_requests_end(start_daemon, heapsim):
    daemon = start_daemon(**SWIFT)
    heapsim.control(delay_ms=700)
    sent = [event(i) for i in range(100)]
    put(daemon, sent)
    until(lambda: lane(daemon)["in_flight"] > 0, "a request in flight")
    run = daemon.run
    daemon.stop()
    assert any("result=accepted" in line for line in run.lines)
    delivered_once(heapsim, sent)
    heapsim.control(delay_ms=0)
    daemon.start()
    assert daemon.books()["delivered"] == 100


def test_seven_bad_ones_in_ten_thousand(start_daemon, start_heapsim):
    heapsim = start_heapsim("--no-quota")
    daemon = start_daemon(**{**SWIFT, "heap_url": heapsim.url})
    heapsim.control(refuse_all=503)
    heapsim.control(refuse_key="-poison")
    sent = [event(i) for i in range(10000)]
    bad = sent[123::1427]
    assert len(bad) == 7
    for one in bad:
        one["id"] += "-poison"
    for at in range(0, 10000, 1000):
        put(daemon, sent[at:at + 1000])
    heapsim.control(refuse_all=0)
    books = wait_settled(daemon)
    assert (books["delivered"], books["buried"]) == (9993, 7)
    delivered_once(heapsim, [one for one in sent if one not in bad])
    judged = len(post_lines(daemon, "(accepted|event)"))
    bound = 11 + 7 * 2 * 10  # full requests, and 2*log2(1000) for each
    print(f"{judged} requests of at most {bound}")
    assert judged <= bound
    daemon.stop()
    rows = buried_rows(daemon)
    assert {json.loads(row[3])["idempotency_key"] for row in rows} \
        == {key(one) for one in bad}
    for reason, status, words, _, _ in rows:
        assert (reason, status) == ("refused by the destination", 400)
        assert b"events[0]" in bytes(words)


def test_a_wrong_mapping_buries_nothing(start_daemon, heapsim):
    """A property that all events have is refused, after all went well."""
    daemon = start_daemon(**SWIFT)
    before = [event(i) for i in range(200)]
    put(daemon, before)
    wait_settled(daemon)
    heapsim.control(refuse_property="braze_channel")
    sent = [event(i) for i in range(500)]
    put(daemon, sent)
    until(lambda: lane(daemon)["state"] == "stopped", "the lane stopped")
    books = daemon.books()
    assert (books["buried"], books["delivered"]) == (0, 200)
    # Mended here, not at Heap: what waits is mapped anew.
    daemon.stop()
    daemon.env["CURRENTSD_HEAP_ADD_CHANNEL"] = "no"
    daemon.start()
    books = wait_settled(daemon)
    assert (books["buried"], books["delivered"]) == (0, 700)
    delivered_once(heapsim, before + sent)
