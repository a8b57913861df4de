"""Under load: a planned stop loses nothing, and an outage of Heap costs disk
and not memory."""

import re
import signal
import time

import pytest

from load import FAST, LONG, Brazesim, check_law, drain, sanitized
from conftest import PATIENCE, until
from names import State

# How many are queued, first and then. Memory is compared from 100,000 on, where
# what is bounded has reached its bound.
if sanitized():
    QUEUED = (5_000, 20_000)
else:
    QUEUED = (100_000, 1_000_000) if LONG else (100_000, 200_000)
EVENTS = 200_000 if LONG else 20_000
STOP_S = 10
HEAPS = {
    "quick": {},
    "slow": {"delay_ms": 200},
    "hanging": {"hang_after_percent": 50},
}


def resident_mib(daemon):
    with open(f"/proc/{daemon.run.process.pid}/status",
              encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) / 1024


@pytest.mark.file
@pytest.mark.parametrize("heap", HEAPS)
def test_sigterm_under_load_loses_nothing(start_daemon, heapsim, tmp_path,
                                          heap):
    heapsim.control(quota=False, **HEAPS[heap])
    daemon = start_daemon(**FAST, heap_timeout="20s")
    daemon.env["CURRENTSD_LISTEN"] = f"127.0.0.1:{daemon.port}"
    with Brazesim(tmp_path, f"http://127.0.0.1:{daemon.port}/currents",
                  "--connections", "8", "--count", str(EVENTS),
                  "--backoff-ms", "20..100") as braze:
        until(lambda: heapsim.books()["requests"] > 0
              and daemon.queue()["received"] > EVENTS / 4, "load")
        run, daemon.run = daemon.run, None
        started = time.monotonic()
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(timeout=PATIENCE) == 0, run.lines[-40:]
        assert time.monotonic() - started < STOP_S

        heapsim.control(delay_ms=0, hang_after_percent=0)
        daemon.start()
        books = braze.books()
    assert books["acked"] == EVENTS
    drain(daemon)
    check_law(daemon, heapsim, braze.acked())


@pytest.mark.file
def test_outage_of_heap_costs_disk_and_not_memory(start_daemon, heapsim,
                                                  tmp_path, figure):
    heapsim.control(quota=False, reset_percent=100, forget_bodies=True)
    daemon = start_daemon(**FAST)
    url = f"http://127.0.0.1:{daemon.port}/currents"
    resident, acked, sent = [], [], 0
    for queued in QUEUED:
        with Brazesim(tmp_path, url, "--connections", "8", "--count",
                      str(queued - sent), "--seed", str(queued),
                      name=f"braze{queued}") as braze:
            books = braze.books()
        # Ingest does not notice: one answer for each request, and a good one.
        assert books["by_status"] == {"200": books["requests"]}
        assert books["network_errors"] == 0
        assert daemon.get("/readyz").status == 200
        assert daemon.queued() == queued
        acked += braze.acked()
        sent = queued
        resident.append(resident_mib(daemon))
    figure("resident MiB by queued events: "
           f"{dict(zip(QUEUED, (round(mib, 1) for mib in resident)))}")
    destination = daemon.destination()
    assert destination["state"] == State.BACKING_OFF and destination["why"]
    if not sanitized():
        assert resident[1] - resident[0] < 16, resident

    heapsim.control(reset_percent=0)
    drain(daemon)
    check_law(daemon, heapsim, acked)
