"""The rows about sets: segments come from segmentsim, audiences go to
audiencesim, and Currents beside them."""

import json
import subprocess
import time

from bench_daemon import FIXED, PATIENCE, RATE_FIXED_S, Daemon

SECRET = "bench"
SEGMENTS, PEOPLE = 20, 50_000  # a member for each pair
PAGE, PAGES = 1000, 20         # changes; a second
APART_RATE = 5                 # pages a second, of such
DEAD = "http://127.0.0.1:1"
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

    def url(self):
        port = self.process.stdout.readline().rpartition(":")[2].strip()
        return f"http://127.0.0.1:{port}"

    def report(self, end=False):
        if end:
            self.process.terminate()
        return json.loads(self.process.communicate()[0].splitlines()[-1])


class Sets:
    def __init__(self, bench, table):
        self.bench, self.table = bench, table

    def daemon(self, name, braze=DEAD, heap=DEAD):
        made = Daemon(self.bench, name, heap, segments_secret=SECRET,
                      braze_url=braze, braze_api_key="api-key", **HURRY,
                      heap_events_per_minute=0, heap_identity_per_minute=0)
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
        daemon = self.daemon("members", braze.url())
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
        daemon = self.daemon("beside", braze.url())
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

    def apart(self):
        """Both flows at once, and one of the destinations dead."""
        base = None
        for name, heap_there, braze_there in (
                ("both alive", True, True), ("Braze dead", True, False),
                ("Heap dead", False, True)):
            heap = Sim(self.bench, "heapsim", "--no-quota", "--forget-bodies")
            braze = Sim(self.bench, "audiencesim")
            heap_url, braze_url = heap.url(), braze.url()
            daemon = self.daemon("apart", braze_url if braze_there else DEAD,
                                 heap_url if heap_there else DEAD)
            pages = self.segments(daemon, "--segments", 200, "--churn", PAGE,
                                  "--changes", 10 ** 9, "--rate",
                                  APART_RATE * PAGE)
            run = daemon.load("--seconds", RATE_FIXED_S, "--rate", FIXED)
            taken = {row["name"]: row["accepted"] / RATE_FIXED_S for row in
                     json.loads(daemon.get("/status"))["destinations"]}
            pages.report(end=True)
            daemon.remove()
            for sim in heap, braze:
                sim.process.terminate()
                sim.process.communicate()
            base = base or (run["p99_ms"], taken)
            self.table.row(
                f"both flows, {name}", f"p99 of Currents {run['p99_ms']:.1f}"
                f" ms; delivered {taken['heap']:,.0f} events/s,"
                f" {taken['braze']:,.0f} changes/s", "as with both alive",
                run["p99_ms"] <= 2 * base[0] and all(
                    taken[of] >= 0.8 * base[1][of] for of, there in
                    (("heap", heap_there), ("braze", braze_there)) if there))

    def measure(self):
        self.accepted()
        self.members()
        self.beside()
        self.apart()
