"""brazesim at work beside a daemon, and the comparison of what both know."""

import json
import os
import subprocess

from commands import sample
from conftest import BUILD, NO_QUOTA, TOKEN, until
from names import Queue

LONG = bool(os.environ.get("CURRENTSD_LONG"))

# Types of which Heap gets nothing: no user to give them to; and by a rule.
DROPPED = ("agentconsole.ToolInvocation", "contentoptimizer.ComponentStore",
           "users.messages.landingpage.Impression", "users.UserDeleteRequest")

# Without quotas and without long waits: what is tested is not patience.
FAST = {
    **NO_QUOTA,
    "heap_linger": "50ms",
    "heap_backoff_first": "20ms",
    "heap_backoff_most": "200ms",
    "heap_defer": "200ms",
}

ZERO = dict.fromkeys((
    Queue.QUEUED, Queue.DEAD, "dropped", Queue.ERASED, "expired",
    Queue.IMBALANCE, Queue.UNREADABLE, Queue.QUARANTINED), 0)


def sanitized():
    """Is this build instrumented? Then it is slow, and large."""
    cache = (BUILD / "CMakeCache.txt").read_text(encoding="utf-8")
    return "\nCURRENTSD_SANITIZE:STRING=\n" not in cache


def samples(path, count=960):
    """A file of events, a line each, all of which Heap should get."""
    out = sample("--all", "--count", str(count), "--anonymous", "0")
    path.write_text("".join(
        line for line in out.splitlines(keepends=True)
        if not any(kind in line for kind in DROPPED)), encoding="utf-8")
    return path


class Brazesim:
    """brazesim at work, in the background, until the end of its with."""

    def __init__(self, tmp_path, url, *options, name="braze"):
        self.acked_path = tmp_path / f"{name}.acked"
        events = samples(tmp_path / f"{name}.events")
        self.process = subprocess.Popen(
            [str(BUILD / "brazesim"), "--url", url, "--token", TOKEN,
             "--mix", "any", "--acked", str(self.acked_path), *options,
             str(events)],
            stdout=subprocess.PIPE, text=True)

    def books(self, timeout=600 if LONG else 120):
        """Wait for the end: every event was acked."""
        try:
            out, _ = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            raise AssertionError(self.process.communicate()[0]) from None
        assert self.process.returncode == 0, out
        return json.loads(out)

    def acked(self):
        return self.acked_path.read_text(encoding="utf-8").splitlines()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.communicate()


def drain(daemon):
    """Wait until nothing is queued; each step forward renews the patience."""
    left = daemon.queued()
    while left:
        before = left
        until(lambda: daemon.queued() < before,
              f"delivery goes on: {daemon.status()}")
        left = daemon.queued()


def check_law(daemon, heapsim, acked):
    """What was acked is at Heap exactly once, and the ledger agrees."""
    keys = heapsim.keys()
    assert len(set(acked)) == len(acked)
    assert set(keys) == set(acked)
    here, there = daemon.queue(), heapsim.books()
    assert there["accepted"] == there["keys"] == len(acked)
    assert there["split"] == 0
    assert here["delivered"] == len(acked)
    assert here["received"] == len(acked) + here["duplicates"]
    assert {name: here[name] for name in ZERO} == ZERO
    daemon.command("ledger", "--check")
