"""segmentsim sends segments as Heap does, and knows the last word of each
membership by the order that a receiver can know."""

import base64
import hashlib
import hmac
import http.server
import json
import random
import re
import signal
import threading
import time

import pytest

from conftest import until

SECRET = "the webhook's secret"
FLAWS = ["no header", "empty header", "no timestamp", "no mac", "empty mac",
         "other secret", "other body", "other timestamp", "body alone",
         "short mac", "long mac", "one bit", "stale", "ahead", "truncated",
         "cut"]


def is_signed(header, body):
    """By the contract; seconds and milliseconds, Base64 and hex."""
    found = re.fullmatch(r"ts:(\d+),hmac:(\S+)", header or "")
    if not found:
        return False
    timestamp, mac = found.groups()
    seconds = int(timestamp) / (1000 if len(timestamp) > 11 else 1)
    digest = hmac.new(SECRET.encode(), timestamp.encode() + body,
                      hashlib.sha256).digest()
    return abs(time.time() - seconds) < 300 and (
        mac in (base64.b64encode(digest).decode(), digest.hex()))


class Receiver:
    """Stores what is signed, in the order in which it comes. before(n) may
    say a status to answer instead, after(n) one to answer though the page is
    stored; None closes the connection."""

    def __init__(self, before=lambda n: 200, after=lambda n: 200):
        self.lock = threading.Lock()
        self.pages = []  # as stored
        self.headers = []
        self.n = 0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 4096

            def do_POST(self):
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    self.close_connection = True
                    return
                status = receiver.judge(self.headers, body, before, after)
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *ignored):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 64

            def handle_error(self, *ignored):
                pass  # a client that leaves is what some tests want

        self.server = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/segments"

    def judge(self, headers, body, before, after):
        with self.lock:
            if not is_signed(headers["Heap-Hash"], body):
                return 403
            self.n += 1
            status = before(self.n)
            if status == 200:
                self.headers.append(dict(headers))
                self.pages.append(json.loads(body))
                status = after(self.n)
            return status

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def sync_of(page):
    return page["data"]["sync_info"]["sync_task_id"]


def segment_of(page):
    return str(page["data"]["segment"]["id"])


def changes_of(page):
    for word, name in (("in", "add"), ("out", "remove")):
        for member in page["data"].get(name, []):
            yield str(member["id"]), word


def applied(pages):
    """A sync is as old as its first page; the youngest sync that names a
    member has the last word; a page that was stored before says nothing."""
    stamps, seen, words = {}, set(), {}
    for number, page in enumerate(pages):
        info = page["data"].get("sync_info")
        stamp = number
        if info is not None:
            stamp = stamps.setdefault(sync_of(page), number)
            if (sync_of(page), info["page_number"]) in seen:
                continue
            seen.add((sync_of(page), info["page_number"]))
        for person, word in changes_of(page):
            member = segment_of(page), person
            if stamp >= words.get(member, (-1,))[0]:
                words[member] = stamp, word
    return {member: word for member, (_, word) in words.items()}


SMALL = ["--backoff-first-ms", "1", "--backoff-most-ms", "5"]
HARD = [*SMALL, "--segments", "5", "--people", "300", "--page", "10",
        "--churn", "60", "--changes", "5000", "--connections", "8",
        "--late-percent", "30", "--late-syncs", "3", "--spread-ms", "5",
        "--duplicate-percent", "20", "--replay-percent", "20",
        "--unknown-outcome", "5"]


def failing(seed):
    """A third of all answers."""
    choices = random.Random(seed)
    return lambda n: choices.choice([200, 200, 200, 200, 503, None])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_truth_is_what_a_receiver_can_know(start_segmentsim, seed):
    with Receiver(failing(seed), failing(-seed)) as receiver:
        sim = start_segmentsim(receiver.url, SECRET, "--seed", str(seed),
                               *HARD)
        report, code = sim.wait()
        truth = sim.truth()
        pages = list(receiver.pages)
    assert code == 0
    assert truth == applied(pages)
    assert set(truth.values()) == {"in", "out"}
    assert report["changes"] == report["acked_changes"] == 5000
    assert report["acked_pages"] == report["pages"]
    assert report["memberships"] == len(truth)
    assert report["in"] == list(truth.values()).count("in")
    assert report["differs"] == report["unknown"] == 0
    for what in ("duplicate_requests", "replayed_requests", "late_pages",
                 "network_errors", "unknown_outcomes"):
        assert report[what] > 0, what
    # By the order of the pages alone it would be another.
    plain = {(segment_of(page), person): word for page in pages
             for person, word in changes_of(page)}
    assert plain != truth


def test_pages_are_complete_and_cross_each_other(start_segmentsim):
    with Receiver() as receiver:
        start_segmentsim(receiver.url, SECRET, *HARD).wait()
        pages = list(receiver.pages)
    numbers, totals, last = {}, {}, {}
    for number, page in enumerate(pages):
        info = page["data"]["sync_info"]
        assert page["action_type"] == "segment.users.sync"
        assert 1 <= sum(1 for _ in changes_of(page)) <= 10
        numbers.setdefault(sync_of(page), set()).add(info["page_number"])
        assert totals.setdefault(sync_of(page), info["total_pages"]) == \
            info["total_pages"]
        last[sync_of(page)] = segment_of(page), number
    for sync, seen in numbers.items():
        assert seen == set(range(1, totals[sync] + 1))
    first = {}
    for number, page in enumerate(pages):
        first.setdefault(sync_of(page), number)
    crossings = [sync for sync in first for other in first
                 if last[sync][0] == last[other][0]
                 and first[sync] < first[other] < last[sync][1]]
    assert crossings
    shuffled = [page["data"]["sync_info"]["page_number"] for page in pages]
    assert shuffled != sorted(shuffled)


def test_the_same_seed_says_the_same(start_segmentsim):
    said = []
    for before in (lambda n: 200, failing(1)):
        with Receiver(before) as receiver:
            sim = start_segmentsim(receiver.url, SECRET, *HARD)
            assert sim.wait()[1] == 0
            said.append((sim.truth(), {
                json.dumps(page) for page in receiver.pages}))
    assert said[0] == said[1]


@pytest.mark.parametrize("options, unit, mac", [
    ((), 13, 44), (("--timestamp", "s"), 10, 44), (("--mac", "hex"), 13, 64)])
def test_headers(start_segmentsim, options, unit, mac):
    with Receiver() as receiver:
        sim = start_segmentsim(receiver.url, SECRET, "--syncs", "3", *options)
        assert sim.wait()[1] == 0
    for headers in receiver.headers:
        found = re.fullmatch(r"ts:(\d+),hmac:(\S+)", headers["Heap-Hash"])
        assert (len(found.group(1)), len(found.group(2))) == (unit, mac)
        assert headers["Content-Type"] == "application/json"


def test_a_retry_has_a_new_timestamp(start_segmentsim):
    seen = []

    def slow(n):
        seen.append(n)
        return 503 if n <= 3 else 200

    with Receiver(slow) as receiver:
        stamps = []
        judge = receiver.judge

        def note(headers, *rest):
            stamps.append(headers["Heap-Hash"])
            return judge(headers, *rest)

        receiver.judge = note
        sim = start_segmentsim(receiver.url, SECRET, "--syncs", "1",
                               "--segments", "1", "--backoff-first-ms", "50")
        report, code = sim.wait()
    assert (code, report["by_status"]) == (0, {"200": 1, "503": 3})
    assert len(set(stamps)) > 1


def test_ids_and_names(start_segmentsim):
    with Receiver() as receiver:
        sim = start_segmentsim(
            receiver.url, SECRET, "--ids", "integer", "--segment-ids",
            "string", "--id-token", "a-uuid", "--rename-every", "2",
            "--segments", "1", "--syncs", "3", "--people", "50")
        sim.wait()
        truth = sim.truth()
    assert [page["data"]["segment"]["name"] for page in receiver.pages] == [
        "Segment 1", "Segment 1", "Segment 1, name 2"]
    assert {page["data"]["segment"]["id"] for page in receiver.pages} == {
        "1000"}
    assert {page["id_token"] for page in receiver.pages} == {"a-uuid"}
    assert all(isinstance(member["id"], int) for page in receiver.pages
               for member in page["data"]["add"])
    assert truth == applied(receiver.pages)
    assert any(member[1] == "49" for member in truth)


def test_odd_members(start_segmentsim):
    with Receiver() as receiver:
        sim = start_segmentsim(receiver.url, SECRET, "--odd", "4", "--syncs",
                               "20")
        report, _ = sim.wait()
        truth = sim.truth()
    odd = [member for page in receiver.pages for member in page["data"]["add"]
           if not member.get("id", "").startswith("person-")]
    assert len(odd) == report["odd_members"] == 4 * len(receiver.pages)
    assert odd[:2] == [{}, {"id": " "}]
    assert len(odd[2]["id"]) == 1100
    assert odd[3] == {"id": "null"}
    assert all(person.startswith("person-") for _, person in truth)


def test_without_sync_info(start_segmentsim):
    with Receiver(failing(4), failing(5)) as receiver:
        sim = start_segmentsim(
            receiver.url, SECRET, *SMALL, "--no-sync-info", "--segments", "3",
            "--people", "100", "--page", "7", "--churn", "30", "--syncs",
            "60", "--duplicate-percent", "20")
        code = sim.wait()[1]
        assert code == 0
        assert sim.truth() == applied(receiver.pages)
    assert not any("sync_info" in page["data"] for page in receiver.pages)


def test_a_segment_is_emptied(start_segmentsim):
    with Receiver() as receiver:
        sim = start_segmentsim(receiver.url, SECRET, "--segments", "2",
                               "--empty-at", "3", "--syncs", "6")
        report, _ = sim.wait()
        assert report["in"] == 0
        assert set(sim.truth().values()) == {"out"}
    assert not receiver.pages[-1]["data"].get("add")


LOSING = [*SMALL, "--segments", "3", "--people", "100", "--page", "5",
          "--churn", "30", "--syncs", "30", "--lose-every", "3"]


def missing(pages):
    """{sync: the page that is not there}"""
    seen, totals = {}, {}
    for page in pages:
        info = page["data"]["sync_info"]
        seen.setdefault(sync_of(page), set()).add(info["page_number"])
        totals[sync_of(page)] = info["total_pages"]
    return {sync: lost for sync, numbers in seen.items()
            for lost in set(range(1, totals[sync] + 1)) - numbers}


def test_lost_pages(start_segmentsim):
    with Receiver() as receiver:
        sim = start_segmentsim(receiver.url, SECRET, *LOSING)
        report, code = sim.wait()
        assert sim.truth() == applied(receiver.pages)
    assert code == 0
    assert report["lost_pages"] == len(report["lost"]) >= 9
    assert {loss["sync"]: loss["page"] for loss in report["lost"]} == \
        missing(receiver.pages)
    assert report["differs"] > 0
    assert report["full_syncs"] == 0


@pytest.mark.parametrize("repair", ["end", "signal"])
def test_full_syncs_repair(start_segmentsim, repair):
    with Receiver() as receiver:
        sim = start_segmentsim(receiver.url, SECRET, *LOSING, "--repair",
                               repair)
        if repair == "signal":
            sim.wait_line("^waiting for SIGUSR1$")
            before = len(receiver.pages)
            sim.process.send_signal(signal.SIGUSR1)
        report, code = sim.wait()
        assert sim.truth() == applied(receiver.pages)
    assert code == 0
    assert (report["differs"], report["full_syncs"]) == (0, 3)
    if repair == "signal":
        assert len(receiver.pages) > before


def test_bad_requests(start_segmentsim):
    with Receiver() as receiver:
        sim = start_segmentsim(
            receiver.url, SECRET, *SMALL, "--people", "200", "--page", "5",
            "--churn", "20", "--syncs", "40", "--bad-percent", "50")
        report, code = sim.wait()
        assert sim.truth() == applied(receiver.pages)
    assert code == 0
    assert list(report["by_flaw"]) == FLAWS
    for flaw, answers in report["by_flaw"].items():
        assert list(answers) == ["none" if flaw == "cut" else "403"], flaw
    assert report["bad_accepted"] == 0
    assert report["bad_requests"] >= len(FLAWS)


def test_bad_requests_that_are_taken(start_segmentsim):
    with Receiver() as receiver:
        receiver.judge = lambda *rest: 200
        sim = start_segmentsim(receiver.url, SECRET, "--syncs", "40",
                               "--bad-percent", "50")
        report, code = sim.wait()
    assert code == 1
    assert report["bad_accepted"] > 0


def test_stopped_before_the_end(start_segmentsim):
    answers = iter([200] * 10)
    with Receiver(lambda n: next(answers, 503)) as receiver:
        sim = start_segmentsim(receiver.url, SECRET, *HARD[:-6])
        until(lambda: receiver.n > 60, "60 requests")
        code = sim.end()
        report = json.loads(sim.lines[-1])
        truth = sim.truth()
        known = applied(receiver.pages)
    assert code == 1
    assert report["unresolved_pages"] > 0
    sure = {member: word for member, word in truth.items()
            if word != "unknown"}
    assert sure and len(sure) < len(truth)
    assert report["unknown"] == len(truth) - len(sure)
    assert sure.items() <= known.items()


def test_deadline(start_segmentsim):
    with Receiver(lambda n: 503) as receiver:
        sim = start_segmentsim(receiver.url, SECRET, "--deadline-s", "0.2")
        report, code = sim.wait()
    assert code == 1
    assert report["unresolved_pages"] > 0


def test_rate(start_segmentsim):
    with Receiver() as receiver:
        sim = start_segmentsim(
            receiver.url, SECRET, "--rate", "2000", "--segments", "2",
            "--page", "50", "--churn", "50", "--changes", "1500")
        report, _ = sim.wait()
    assert report["seconds"] > 0.5
    assert report["changes_per_second"] < 3000
