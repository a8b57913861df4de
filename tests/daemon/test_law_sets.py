"""The law for sets: whatever is killed in between, each membership at Braze
ends as Heap's last word says.

Segments come as Heap sends them: pages late, twice and out of order, some with
badly signed ones before them. The daemon is killed with SIGKILL 25 times, and
a third of Braze's answers fail, before, amid or after what was asked for took
effect.

CURRENTSD_ROUNDS, CURRENTSD_CHANGES and CURRENTSD_SEED choose otherwise.
"""

import json
import os
import random
import signal
import time

import pytest

from conftest import until
from load import LONG, drain

SECRET = "the-secret-of-the-webhook"
ROUNDS = int(os.environ.get("CURRENTSD_ROUNDS", 25 if LONG else 8))
CHANGES = int(os.environ.get("CURRENTSD_CHANGES",
                             2_000_000 if LONG else 60_000))
SEED = int(os.environ.get("CURRENTSD_SEED", 20261129))
SEGMENTS = 200 if LONG else 40
PEOPLE = 50_000 if LONG else 4_000
# Small syncs, many of them: a member's words come close together.
SENT = ("--segments", str(SEGMENTS), "--people", str(PEOPLE),
        "--changes", str(CHANGES), "--churn", "60", "--page", "50",
        "--first-percent", "5", "--odd", "1", "--rename-every", "5",
        "--connections", "8", "--late-percent", "10",
        "--duplicate-percent", "10", "--replay-percent", "3",
        "--unknown-outcome", "5", "--bad-percent", "3",
        "--seed", str(SEED))
FAULTS = {  # per cent; 34 together
    "fail_percent": 8, "fail_status": 0,
    "reset_percent": 6,
    "amid_percent": 6,
    "fail_after_percent": 6, "fail_after_status": 0,
    "reset_after_percent": 4,
    "close_percent": 4,
    "limit_headers": "none",  # else each 429 asks for a second
}
# What is tested is not patience.
FAST = {"braze_linger": "20ms", "braze_backoff_first": "20ms",
        "braze_backoff_most": "200ms", "braze_probe": "200ms",
        "braze_defer": "200ms", "segments_hold_over": 0}
KINDS = {
    "attributes": {"braze_api_key": "api-key", "braze_hold": "0",
                   "braze_requests_per_minute": 0},
    "cohorts": {"braze_kind": "cohorts", "braze_partner": "partner",
                "braze_partner_key": "partner-key",
                "braze_import_key": "import-key"},
}


def there(braze):
    """{(segment, person): in or out}, by what Braze was told."""
    return {(label.rpartition("_")[2], person.partition(":")[2]): word
            for (label, person), word in braze.memberships().items()}


@pytest.mark.file
@pytest.mark.parametrize("kind", KINDS)
def test_law_for_sets(kind, start_daemon, start_audiencesim, start_segmentsim,
                      figure):
    began = time.monotonic()
    chance = random.Random(SEED)
    braze = start_audiencesim("--seed", str(SEED))
    braze.control(**FAULTS)
    daemon = start_daemon(segments_secret=SECRET, braze_url=braze.url, **FAST,
                          **KINDS[kind])
    # Restarts come back where Heap looks for them.
    daemon.env["CURRENTSD_LISTEN"] = f"127.0.0.1:{daemon.port}"
    heap = start_segmentsim(
        f"http://127.0.0.1:{daemon.port}/segments", SECRET, *SENT)

    for round_ in range(ROUNDS):
        point = (round_ + chance.random()) / ROUNDS * CHANGES
        until(lambda: daemon.queue()["received"] >= point
              or heap.process.poll() is not None, f"{point} of {CHANGES}")
        time.sleep(chance.uniform(0, 0.03))
        daemon.kill()
        daemon.start()
    sent, code = heap.wait()
    assert code == 0, sent
    drain(daemon)

    truth = heap.truth()
    assert "unknown" not in truth.values()
    now = there(braze)
    wrong = {place: (word, now.get(place)) for place, word in truth.items()
             if now.get(place) != word}
    assert not wrong, (len(wrong), dict(list(wrong.items())[:5]))
    assert set(now) == set(truth)
    daemon.command("ledger", "--check")
    queue, report = daemon.queue(), braze.report()
    assert report["violations"] == {}, report
    assert queue["queued"] == queue["imbalance"] == 0
    assert queue["dead"] == sent["odd_members"], "those without a usable id"
    figure(f"the law for sets, {kind}: seed {SEED}, {ROUNDS} rounds of kill "
           f"-9 in {time.monotonic() - began:.0f} s; {queue['received']} "
           f"changes received, {queue['delivered']} delivered in "
           f"{report.get('requests')} requests, {queue['dropped']} dropped, "
           f"{len(truth)} memberships as Heap last said")


def segments(daemon):
    """{id: its row}"""
    return {row["id"]: row for row in
            json.loads(daemon.command("segments", "--json"))}


def test_every_third_sync_loses_a_page(start_daemon, start_audiencesim,
                                       start_segmentsim):
    """They are shown as incomplete, until a full sync has come."""
    braze = start_audiencesim()
    daemon = start_daemon(segments_secret=SECRET, braze_url=braze.url, **FAST,
                          **KINDS["attributes"], segments_sync_timeout="1s")
    heap = start_segmentsim(
        f"http://127.0.0.1:{daemon.port}/segments", SECRET, "--segments", "6",
        "--people", "400", "--first-percent", "50", "--syncs", "24",
        "--churn", "40", "--page", "20", "--lose-every", "3", "--repair", "signal", "--seed", str(SEED))
    heap.wait_line("waiting for SIGUSR1")
    drain(daemon)
    until(lambda: "incomplete" in {row["state"] for row in
                                   segments(daemon).values()},
          "what is incomplete is shown")
    time_out = {id_ for id_, row in segments(daemon).items()
                if row["state"] == "incomplete"}
    heap.process.send_signal(signal.SIGUSR1)
    sent, code = heap.wait()
    assert code == 0, sent
    assert sent["lost_pages"] > 0
    assert time_out == {str(lost["segment"]) for lost in sent["lost"]}
    drain(daemon)
    until(lambda: {row["state"] for row in segments(daemon).values()} ==
          {"fresh"}, "all is well again")
    truth = {place: word for place, word in heap.truth().items()
             if word == "in"}
    assert {place: word for place, word in there(braze).items()
            if word == "in"} == truth


def test_the_brake(start_daemon, start_audiencesim, start_segmentsim):
    """A sync that empties a segment is not sent before it is released."""
    braze = start_audiencesim()
    daemon = start_daemon(
        segments_secret=SECRET, braze_url=braze.url, **KINDS["attributes"],
        **{**FAST, "segments_hold_over": 50})
    heap = start_segmentsim(
        f"http://127.0.0.1:{daemon.port}/segments", SECRET, "--segments", "1",
        "--people", "2000", "--first-percent", "100", "--syncs", "2",
        "--page", "300", "--empty-at", "2")
    sent, code = heap.wait()
    assert code == 0, sent
    row, = segments(daemon).values()
    assert row["state"] == "held"
    until(lambda: daemon.queued() == 2000, "all but what is held is sent")
    assert set(there(braze).values()) == {"in"}
    daemon.command("segments", "release", row["id"])
    drain(daemon)
    assert there(braze) == heap.truth()
    assert set(there(braze).values()) == {"out"}
