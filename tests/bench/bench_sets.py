"""The rows about sets: segments come from segmentsim, audiences go to
audiencesim, and Currents beside them."""

import json
import subprocess
import time

from bench_daemon import FIXED, PATIENCE, RATE_FIXED_S, Daemon

SECRET = "bench"
SEGMENTS, PEOPLE = 20, 50_000  # a member for each pair
PAGE, PAGES = 1000, 20         # changes; a second
HURRY = {"braze_requests_per_minute": 0, "braze_hold": "0",
         "segments_hold_over": 0, "keep_archive": "0"}


class Sim:
    """A process that prints its port first, or nothing; its report at the
    end."""

    def __init__(self, bench, program, *words):
        self.process = subprocess.Popen(
            [bench.build / program, *map(str, words)], stdout=subprocess.PIPE,
            text=True)
        bench.started.append(self.process)

    def port(self):
        return self.process.stdout.readline().rpartition(":")[2].strip()

    def report(self, end=False):
        if end:
            self.process.terminate()
        return json.loads(self.process.communicate()[0].splitlines()[-1])


class Sets:
    def __init__(self, bench, table):
        self.bench, self.table = bench, table

    def daemon(self, name, braze="1"):
        made = Daemon(self.bench, name, segments_secret=SECRET,
                      braze_url=f"http://127.0.0.1:{braze}",
                      braze_api_key="api-key", **HURRY)
        made.start()
        return made

    def segments(self, daemon, *words):
        return Sim(self.bench, "segmentsim", "--url",
                   f"http://127.0.0.1:{daemon.port}/segments", "--secret",
                   SECRET, "--people", PEOPLE, "--page", PAGE,
                   "--connections", "8", *words)

    def accepted(self):
        daemon = self.daemon("pages")
        run = self.segments(daemon, "--segments", SEGMENTS, "--first-percent",
                            100, "--syncs", SEGMENTS).report()
        daemon.remove()
        rate = run["changes_per_second"]
        self.table.row("accepted changes/s", f"{rate:,.0f}", ">= 50,000",
                       rate >= 50_000)

    def members(self):
        """All of them are sent; what the file has then, for each."""
        braze = Sim(self.bench, "audiencesim")
        daemon = self.daemon("members", braze.port())
        self.segments(daemon, "--segments", SEGMENTS, "--first-percent", 100,
                      "--syncs", SEGMENTS).report()
        began, queued = time.monotonic(), daemon.queued()
        while daemon.queued() and time.monotonic() - began < PATIENCE * 10:
            time.sleep(0.05)  # poll
        took = time.monotonic() - began
        room = daemon.queue()["live_bytes"] / (SEGMENTS * PEOPLE)
        daemon.remove()
        braze.report(end=True)
        self.table.row("delivered changes/s", f"{queued / took:,.0f}", "-",
                       True)
        self.table.row(f"bytes on disk of a member, {SEGMENTS} groups of the"
                       f" same {PEOPLE:,} people", f"{room:.1f}", "<= 35",
                       room <= 35)

    def beside(self):
        """Currents at the fixed rate, beside pages that are delivered."""
        braze = Sim(self.bench, "audiencesim")
        daemon = self.daemon("beside", braze.port())
        rate = PAGE * PAGES
        for name, words, bound in (
                ("no pages", None, None),
                (f"{PAGES} pages of {PAGE:,} a second", ("--rate", rate), 10),
                ("as many pages as come", (), 30)):
            pages = None if words is None else self.segments(
                daemon, "--segments", 200, "--churn", PAGE, "--changes",
                10 ** 9, *words)
            run = daemon.load("--seconds", RATE_FIXED_S, "--rate", FIXED)
            if pages is not None:
                sent = pages.report(end=True)["changes_per_second"]
                name += f" ({sent:,.0f} changes/s)"
            self.table.row(
                f"p99 beside {name}", f"{run['p99_ms']:.1f} ms (median"
                f" {run['p50_ms']:.1f}, longest {run['p100_ms']:.1f})",
                "-" if bound is None else f"<= {bound} ms",
                bound is None or run["p99_ms"] <= bound)
        daemon.remove()
        braze.report(end=True)

    def measure(self):
        self.accepted()
        self.members()
        self.beside()
