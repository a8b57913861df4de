"""Measure the daemon beside its yardsticks and print one table.

The bodies are those of `currentsd sample --seed 1`: 100 events of one type
each, the types take turns. Yardsticks, in the same run:

  J  events a second that one core parses with jansson
  H  requests a second that a bare libmicrohttpd accepts and discards
  S  events a second inserted into SQLite as rows, 3,200 a transaction
  F  milliseconds of an fsync of 16 KiB

Rates are of wall clock time, J is of processor time: what else runs on the
machine can make the daemon look worse, never better. A shared processor
changes its pace from second to second, so J is taken before and after each
run at saturation, and what counts is the middle one of the runs' ratios. For
the same reason a daemon with many events queued and one with few take turns.
A disk has its moods too: of answers at a fixed rate, of the shrinking file and
of a cold page cache the middle one of several runs counts. The range of the
runs stands beside it.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import uuid

from bench_daemon import (FIXED, PATIENCE, RATE_FIXED_S, RATE_S, TOKEN, WINDOW,
                          Bench, Daemon)
from bench_sets import Sets
from names import Command, File, Option, Place, Queue, erase

RATE_RUNS = 5
COLD_RUNS = SHRINK_RUNS = 3
DELIVERED = 200_000
BESIDE = 1_000_000  # events queued while the operator's jobs run
LONELY = 20         # events that are sent one a second
MANY = (1, 64, 1024)  # destinations, each with a source of its own
MANY_S, MANY_RATE = 10, 100  # seconds of each run; events a second, in turn
ERASED, ERASED_BATCHES = "person-to-be-erased", 20
SLICE, SLICE_STEP = 24, 97  # bytes of a stored row that are looked for, of each
PAUSE_MS = 50  # the longest answer beside an erasure
SHRUNK_MS, SHRUNK_RATE = 25, 70  # likewise beside the shrinking; MB/s of it
MIB = 1 << 20


class Table:
    def __init__(self):
        self.rows = [("figure", "measured", "to reach", "reached")]

    def row(self, figure, measured, bound, reached):
        self.rows.append((figure, measured, bound,
                          "yes" if reached else "NO"))

    def __str__(self):
        widths = [max(map(len, column)) for column in zip(*self.rows)]
        lines = ["  ".join(cell.ljust(width) for cell, width
                           in zip(row, widths)).rstrip() for row in self.rows]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def thousands(number):
    return f"{number:,.0f}"


def middle(runs, key):
    """The run with the median of these figures (their number is odd)."""
    return sorted(runs, key=lambda run: run[key])[len(runs) // 2]


def spread(runs, key):
    values = [run[key] for run in runs]
    return f"{min(values):.2f} to {max(values):.2f}"


def drop_caches():
    """Forget what the page cache holds; False if that is not permitted."""
    os.sync()
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


def needle(bench, number):
    """An event like no other, its id and its person's."""
    event = json.loads(subprocess.check_output(
        [bench.build / "currentsd", "sample", "--seed", str(900 + number),
         "users.behaviors.app.SessionStart"]))
    event["user"]["external_user_id"] = f"needle-{number}"
    return json.dumps(event).encode(), event["id"], f"needle-{number}"


def best(daemon, *words):
    """Milliseconds of a command: with a cold page cache, if that is permitted,
    in ascending order, and the best of those with a warm one."""
    cold, warm = [], []
    for _ in range(COLD_RUNS):
        drop_caches()
        for took in cold, warm:
            began = time.monotonic()
            daemon.begin(*words).wait()
            took.append((time.monotonic() - began) * 1e3)
    return sorted(cold), min(warm)


def measure_http(bench):
    server = subprocess.Popen([bench.build / "bench_yardstick", "http"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True)
    port = json.loads(server.stdout.readline())["port"]
    rate = bench.load(port, "--seconds", 3)["requests_rate"]
    server.communicate()
    return rate


def first_200(daemon, body):
    """Seconds from the start of the process to the first 200."""
    started = time.monotonic()
    daemon.start()
    while time.monotonic() - started < PATIENCE:
        link = http.client.HTTPConnection("127.0.0.1", daemon.port,
                                          timeout=PATIENCE)
        try:
            link.request("POST", "/currents", body,
                         {"Authorization": f"Bearer {TOKEN}"})
            if link.getresponse().status == 200:
                return time.monotonic() - started
        except OSError:
            pass
        finally:
            link.close()
        time.sleep(0.001)  # poll
    raise SystemExit("the daemon does not answer")


def start_heapsim(bench):
    """The process and its port."""
    heapsim = subprocess.Popen(
        [bench.build / "heapsim", "--no-quota", "--forget-bodies"],
        stdout=subprocess.PIPE, text=True)
    bench.started.append(heapsim)
    return heapsim, heapsim.stdout.readline().rpartition(":")[2].strip()


def end(process):
    process.terminate()
    process.communicate()


def measure_delivery(bench):
    """Events a second to heapsim, and the daemon's time for each in µs."""
    heapsim, port = start_heapsim(bench)
    daemon = Daemon(bench, "delivery", heap_events_per_minute=0,
                    heap_identity_per_minute=0)
    daemon.start()
    daemon.load("--events", DELIVERED)
    daemon.stop()
    daemon.env["CURRENTSD_HEAP_URL"] = f"http://127.0.0.1:{port}"
    daemon.start()
    queued = daemon.queued()
    started, before = time.monotonic(), daemon.processor_s()
    left = queued
    while left and time.monotonic() - started < PATIENCE:
        time.sleep(0.02)  # poll
        left = daemon.queued()
    took = time.monotonic() - started
    used = daemon.processor_s() - before
    daemon.stop()
    end(heapsim)
    return (queued - left) / took, used * 1e6 / (queued - left)


def stored(port):
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    link.request("GET", "/books")
    count = json.load(link.getresponse())["keys"]
    link.close()
    return count


def measure_lonely(bench):
    """Milliseconds from the answer to one event until it is at heapsim, when
    one comes a second; with what it takes to ask heapsim."""
    heapsim, port = start_heapsim(bench)
    daemon = Daemon(bench, "lonely", f"http://127.0.0.1:{port}")
    daemon.start()
    events = subprocess.check_output(
        [bench.build / "currentsd", "sample", "--count", str(LONELY),
         "users.behaviors.app.SessionStart"]).splitlines()
    took = []
    for number, event in enumerate(events, 1):
        began = time.monotonic()
        daemon.post(event)
        answered = time.monotonic()
        while stored(port) < number:
            if time.monotonic() - answered > PATIENCE:
                raise SystemExit("the event does not arrive")
        took.append((time.monotonic() - answered) * 1e3)
        time.sleep(max(0, began + 1 - time.monotonic()))
    daemon.stop()
    end(heapsim)
    return sorted(took)


class Beside:
    """Load at the fixed rate, until the end of the block."""

    def __init__(self, daemon):
        self.daemon = daemon

    def __enter__(self):
        self.load = self.daemon.bench.load_begin(
            self.daemon.port, "--seconds", PATIENCE * 10, "--rate", FIXED)
        self.began = time.monotonic()
        return self

    def __exit__(self, kind, *_):
        self.took = time.monotonic() - self.began
        self.load.terminate()
        if kind is None:
            self.run = self.daemon.bench.load_end(self.load)

    def __str__(self):
        return (f"{self.run['p100_ms']:.1f} ms (p99 {self.run['p99_ms']:.1f},"
                f" median {self.run['p50_ms']:.1f}, {self.took:.1f} s)")


class Erased:
    """A person of whom some batches are queued, and slices of these as they
    are stored."""

    def __init__(self, daemon):
        self.state = daemon.state
        for _ in range(ERASED_BATCHES):
            daemon.post(json.dumps([{
                "event_type": "users.behaviors.CustomEvent",
                "id": str(uuid.uuid4()), "time": 1790000000,
                "user": {"external_user_id": ERASED},
                "properties": {"name": ERASED + os.urandom(200).hex()},
            } for _ in range(5)]))
        daemon.stop()
        with contextlib.closing(
                sqlite3.connect(self.state / "queue.db")) as base:
            rows = [bytes(row) for row, in base.execute(
                File.LAST_BATCHES, (ERASED_BATCHES,))]
        self.slices = self.state.with_name("slices")
        self.slices.write_bytes(b"\n".join(
            [ERASED.encode()] + [
                row[at:at + SLICE] for row in rows
                for at in range(SLICE, len(row) - SLICE, SLICE_STEP)
                if b"\n" not in row[at:at + SLICE]]))
        if not self.found():
            raise SystemExit("nothing of the person is found where it is")
        daemon.start()

    def found(self):
        """In how many places of the files."""
        return subprocess.run(
            ["grep", "-raoFf", self.slices, self.state],
            env={"LC_ALL": "C"}, stdout=subprocess.PIPE,
            check=False).stdout.count(b"\n")


class Loop:
    """A command that runs again and again, until the end of the block."""

    def __init__(self, daemon, words):
        self.daemon, self.words = daemon, words
        self.runs, self.over = 0, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over.is_set():
            self.process = self.daemon.begin(*self.words(self.runs))
            self.process.wait()
            self.runs += self.process.returncode in (0, 1)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.process.terminate()
        self.thread.join()


class Usage:
    """What the daemon uses in the block: wakeups and processor time."""

    def __init__(self, daemon):
        self.daemon = daemon

    def __enter__(self):
        self.began = time.monotonic()
        self.woken = self.daemon.wakeups()
        self.used = self.daemon.processor_s()
        return self

    def __exit__(self, *_):
        took = time.monotonic() - self.began
        self.woken = (self.daemon.wakeups() - self.woken) / took
        self.used = (self.daemon.processor_s() - self.used) / took

    def __str__(self):
        return f"{self.woken:.1f} wakeups/s, {self.used:.2%} of a core"


def many_start(bench, count, port):
    """A daemon with so many destinations, and a source for each."""
    path = bench.dir / f"many{count}.conf"
    path.write_text("".join(
        f'source "s{i}" {{ token = {TOKEN} destination = "d{i}" }}\n'
        f'destination "d{i}" {{ app_id = {i + 1}'
        f' url = "http://127.0.0.1:{port}" }}\n' for i in range(count)))
    daemon = Daemon(bench, f"many{count}", None, config=path)
    daemon.start()
    return daemon


def many_traffic(bench, daemon, count):
    """Post events to all sources in turn; until they are all delivered."""
    events = subprocess.check_output(
        [bench.build / "currentsd", "sample", "--count",
         str(MANY_S * MANY_RATE), "users.behaviors.app.SessionStart"])
    began = time.monotonic()
    for number, event in enumerate(events.splitlines()):
        daemon.post(event, f"/currents/s{number % count}")
        time.sleep(max(0, began + number / MANY_RATE - time.monotonic()))
    while daemon.queued():
        if time.monotonic() - began > PATIENCE:
            raise SystemExit("the events do not arrive")
        time.sleep(0.1)  # poll


def stripped_bytes(bench):
    copy = bench.dir / "stripped"
    subprocess.run(["strip", "-o", copy, bench.build / "currentsd"],
                   check=True)
    return copy.stat().st_size


class Report:
    """The yardsticks, then the rows of the table in their order."""

    def __init__(self, bench, queued):
        self.bench, self.queued = bench, queued
        self.table = Table()
        j = bench.yardstick("json", bench.samples, 3)
        self.h = measure_http(bench)
        self.s = bench.yardstick("rows", bench.samples, bench.dir, 3)["rate"]
        self.f = bench.yardstick("fsync", bench.dir, 3)
        print(f"J  {thousands(j['rate'])} events/s parsed by jansson on one"
              " core, at first\n"
              f"H  {thousands(self.h)} requests/s by a bare libmicrohttpd\n"
              f"S  {thousands(self.s)} events/s as rows of SQLite\n"
              f"F  {self.f['p50_ms']:.2f} ms median, {self.f['p99_ms']:.2f} ms"
              f" p99 of an fsync of 16 KiB ({self.f['count']} times)\n"
              f"bodies of {thousands(j['body_bytes'])} bytes on average,"
              f" {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
              flush=True)

    def p99(self, name, runs):
        bound = self.f["p99_ms"] + 5
        run = middle(runs, "p99_ms")
        self.table.row(name, f"{run['p99_ms']:.1f} ms (median"
                       f" {run['p50_ms']:.1f}; {spread(runs, 'p99_ms')})",
                       f"<= {bound:.1f} ms", run["p99_ms"] <= bound)
        return run

    def accept(self):
        """Nothing queued; returns how this is in yardsticks."""
        daemon = Daemon(self.bench, "empty")
        daemon.renew()
        runs = [self.bench.saturate(daemon) for _ in range(RATE_RUNS)]
        answers = daemon.fixed()
        daemon.remove()
        accepted = middle(runs, "rate_in_j")
        self.table.row("accepted events/s", thousands(accepted["rate"])
                       + f" ({accepted['rate_in_j']:.1f} J;"
                       f" {spread(runs, 'rate_in_j')})", ">= 3 J",
                       accepted["rate_in_j"] >= 3)
        used = middle(runs, "event_in_j")
        self.table.row("processor time of an event",
                       f"{used['event_us']:.1f} us"
                       f" ({used['event_in_j']:.2f} / J;"
                       f" {spread(runs, 'event_in_j')})", "<= 0.4 / J",
                       used["event_in_j"] <= 0.4)
        fixed = self.p99(f"answer at {thousands(FIXED)} events/s, p99",
                         answers)
        return (f"accept is {accepted['rate_in_j']:.1f} x J,"
                f" {accepted['requests_rate'] / self.h:.1%} of H,"
                f" {accepted['rate'] / self.s:.1f} x S; its p99 at a fixed"
                f" rate is {fixed['p99_ms'] / self.f['p99_ms']:.1f} x that of"
                " F")

    def backlog(self, daemon):
        """A daemon with many queued, in turns with one that has none."""
        daemon.start()
        daemon.load("--events", self.queued // 2)
        body, self.needle_id, self.needle_user = needle(self.bench, 1)
        daemon.post(body)
        daemon.load("--events", self.queued // 2)
        empty, runs = Daemon(self.bench, "empty"), []
        for _ in range(RATE_RUNS):
            empty.renew()
            of_empty = empty.load("--seconds", RATE_S)["rate"]
            empty.remove()
            rate = daemon.load("--seconds", RATE_S)["rate"]
            runs.append({"rate": rate, "share": rate / of_empty})
        full = middle(runs, "share")
        self.table.row(f"accepted events/s, {thousands(self.queued)} queued",
                       f"{thousands(full['rate'])} ({full['share']:.0%} of"
                       f" empty; {spread(runs, 'share')})",
                       ">= 90%", full["share"] >= 0.9)
        self.p99(f"p99, {thousands(self.queued)} queued", daemon.fixed())

    def room(self, daemon):
        resident = (daemon.resident("VmHWM") - 24 * WINDOW) / MIB
        self.table.row("most memory beyond the window", f"{resident:.0f} MiB",
                       "<= 64 MiB", resident <= 64)
        # The log of the window has 16 bytes of an event, of the last so many.
        left = daemon.queued()
        room = daemon.bytes_on_disk() / left
        window = 16 * min(left, WINDOW) / left
        self.table.row("bytes on disk of a queued event", f"{room:.0f}"
                       f" ({window:.0f} of the window)", "<= 250",
                       room <= 250)

    def erase(self, daemon):
        """The longest answer while people are erased."""
        person = Erased(daemon)
        daemon.load("--events", WINDOW)
        with Beside(daemon) as quiet:
            time.sleep(RATE_FIXED_S)
        for name, user in ("nobody", "no-such-user"), ("a person", ERASED):
            with Beside(daemon) as beside:
                daemon.command(*erase(user))
            self.table.row(
                f"longest answer beside erasing {name}, "
                f"{thousands(self.queued)} queued",
                f"{beside}; quiet {quiet.run['p100_ms']:.1f}",
                f"<= {PAUSE_MS} ms", beside.run["p100_ms"] <= PAUSE_MS)
        left = person.found()
        self.table.row("places where an erased person is found", str(left),
                       "0", left == 0)

    def found(self, place, name, words, cold_ms, warm_ms):
        runs, warm = best(self.daemon, *words)
        cold = runs[len(runs) // 2]
        self.table.row(
            f"{name}, {thousands(self.held)} {place}",
            f"{cold:.0f} ms cold ({runs[0]:.0f} to {runs[-1]:.0f}),"
            f" {warm:.0f} ms warm",
            f"<= {cold_ms:.0f} ms, {warm_ms:.0f} ms", cold <= cold_ms and
            warm <= warm_ms)
        return warm

    def finding(self, daemon, place):
        """Of what is in a place: one event, a person's, those of a type."""
        held = {Place.QUEUED: Queue.QUEUED, Place.ARCHIVE: Queue.DELIVERED}
        self.daemon, self.held = daemon, daemon.queue()[held[place]]
        lists = Command.LIST[place]
        self.found(place, "find", (*Command.FIND, self.needle_id), 300, 100)
        self.found(place, "find nothing", (*Command.FIND, "no-such-event"),
                   300, 100)
        self.found(place, "list --user", (*lists, "--user",
                                          self.needle_user), 1000, 1000)
        # The filter by source leaves nothing to print, and has no marks.
        every = best(daemon, *lists, "--source", "none")[1]
        self.found(place, f"list --type (all: {every:.0f} ms)",
                   (*lists, "--source", "none", "--type",
                    "users.behaviors.app.SessionStart"),
                   every / 10, every / 10)

    def archive(self, daemon):
        """Deliver everything, look for it in the archive, and evict that."""
        heapsim, port = start_heapsim(self.bench)
        daemon.stop()
        daemon.env.update(CURRENTSD_HEAP_URL=f"http://127.0.0.1:{port}",
                          CURRENTSD_HEAP_EVENTS_PER_MINUTE="0",
                          CURRENTSD_HEAP_IDENTITY_PER_MINUTE="0",
                          CURRENTSD_ARCHIVE_MAX_BYTES="20G")
        daemon.start()
        while daemon.queued():
            time.sleep(0.1)  # poll
        self.finding(daemon, Place.ARCHIVE)
        daemon.stop()
        end(heapsim)
        daemon.env.update(CURRENTSD_HEAP_URL="http://127.0.0.1:1",
                          CURRENTSD_ARCHIVE_MAX_BYTES="1M")
        before = daemon.bytes_on_disk()
        kept = daemon.state.with_name("kept")
        shutil.copytree(daemon.state, kept)
        runs = []
        for _ in range(SHRINK_RUNS):
            shutil.rmtree(daemon.state)
            shutil.copytree(kept, daemon.state)
            os.sync()
            runs.append(self.shrink(daemon, before))
        shutil.rmtree(kept)
        shrunk = middle(runs, "p100_ms")
        self.table.row(
            "the file shrinks", f"{shrunk['rate']:.0f} MB/s"
            f" ({before / 1e6:.0f} MB; {spread(runs, 'rate')})",
            f">= {SHRUNK_RATE} MB/s", shrunk["rate"] >= SHRUNK_RATE)
        self.table.row(
            "longest answer meanwhile", f"{shrunk['text']};"
            f" {spread(runs, 'p100_ms')}", f"<= {SHRUNK_MS} ms",
            shrunk["p100_ms"] <= SHRUNK_MS)
        daemon.remove()

    @staticmethod
    def shrink(daemon, before):
        """MB a second, and the answers meanwhile."""
        file = before
        daemon.start()
        with Beside(daemon) as beside:
            while file > before / 10:
                time.sleep(0.1)  # poll
                file = daemon.bytes_on_disk()
        daemon.stop()
        return {"rate": (before - file) / beside.took / 1e6,
                "p100_ms": beside.run["p100_ms"], "text": str(beside)}

    def jobs(self):
        """The answers while the operator's jobs run in a loop."""
        daemon = Daemon(self.bench, "beside")
        daemon.start()
        daemon.load("--events", BESIDE)
        jobs = {
            "find": lambda _: (*Command.FIND, "no-such-event"),
            "list --user": lambda _: (*Command.LIST[Place.QUEUED], "--user",
                                      "no-such-user"),
            "stats --age": lambda _: (*Command.STATS, Option.AGE),
            "export": lambda _: Command.EXPORT[Place.QUEUED],
            # Deleting a copy would keep the disk busy, too: not yet.
            "backup": lambda run: (*Command.BACKUP,
                                   str(self.bench.dir / f"copy{run}")),
        }
        quiet = middle(daemon.fixed(), "p99_ms")["p99_ms"]
        for name, words in jobs.items():
            with Loop(daemon, words) as loop:
                run = middle(daemon.fixed(), "p99_ms")
            self.table.row(
                f"p99 beside {name}, {thousands(BESIDE)} queued",
                f"{run['p99_ms']:.1f} ms (median {run['p50_ms']:.1f}; quiet"
                f" {quiet:.1f}; {loop.runs} done)", "<= 3 x quiet",
                run["p99_ms"] <= 3 * quiet)
        daemon.remove()
        for copy in self.bench.dir.glob("copy*"):
            copy.unlink()

    def lonely(self):
        took = measure_lonely(self.bench)
        median = took[len(took) // 2]
        self.table.row("accept to Heap, one event a second",
                       f"{median:.1f} ms ({took[0]:.1f} to {took[-1]:.1f})",
                       "<= 20 ms", median <= 20)

    def many(self):
        """Many destinations, with nothing to do and with a little."""
        heapsim, port = start_heapsim(self.bench)
        for count in MANY:
            daemon = many_start(self.bench, count, port)
            time.sleep(MANY_S)  # what the start takes is not meant here
            with Usage(daemon) as idle:
                time.sleep(MANY_S)
            with Usage(daemon) as busy:
                many_traffic(self.bench, daemon, count)
            self.table.row(f"destinations: {count}, idle", str(idle),
                           "<= 10/s, 0.5%",
                           idle.woken <= 10 and idle.used <= 0.005)
            self.table.row(
                f"destinations: {count}, {MANY_RATE} events/s",
                f"{busy}; {daemon.resident() / MIB:.0f} MiB; /metrics"
                f" {len(daemon.get('/metrics')) / 1024:.0f} KiB", "-", True)
            daemon.remove()
        end(heapsim)

    def cold_start(self, daemon):
        loader = subprocess.Popen(
            [self.bench.build / "bench_load", "--port", str(daemon.port),
             "--token", TOKEN, "--seconds", "600", self.bench.samples],
            stderr=subprocess.DEVNULL)
        before = daemon.queue()["received"]
        while daemon.queue()["received"] < before + 10_000:
            time.sleep(0.01)  # poll
        daemon.stop(signal.SIGKILL)
        loader.wait()
        cold = drop_caches()
        took = first_200(daemon, subprocess.check_output(
            [self.bench.build / "currentsd", "sample", "--batch", "--count",
             "100"]))
        self.table.row("first 200 after SIGKILL, " + (
            "cold" if cold else "warm: no right to drop caches"),
            f"{took:.2f} s", "<= 1 s", took <= 1)

    def delivery(self):
        before = self.bench.json_rate(1)
        rate, event_us = measure_delivery(self.bench)
        rate_in_j = rate / ((before + self.bench.json_rate(1)) / 2)
        self.table.row("delivered events/s", f"{thousands(rate)}"
                       f" ({rate_in_j:.2f} J, {event_us:.1f} us of ours)",
                       ">= 0.3 J", rate_in_j >= 0.3)

    def binary(self):
        size = stripped_bytes(self.bench)
        self.table.row("release binary, stripped", f"{size / 1024:.0f} KiB",
                       "<= 1024 KiB", size <= MIB)


def measure(bench, queued):
    report = Report(bench, queued)
    in_yardsticks = report.accept()
    daemon = Daemon(bench, "queued")
    report.backlog(daemon)
    report.room(daemon)
    report.finding(daemon, Place.QUEUED)
    report.erase(daemon)
    report.cold_start(daemon)
    report.archive(daemon)
    report.jobs()
    report.delivery()
    report.lonely()
    report.many()
    Sets(bench, report.table).measure()
    report.binary()
    print(f"\n{report.table}\n\n{in_yardsticks}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    parser.add_argument("--queued", type=int, default=1_000_000)
    arguments = parser.parse_args()
    started = time.monotonic()
    bench = Bench(arguments.build.resolve(), arguments.dir.resolve())
    try:
        measure(bench, arguments.queued)
    finally:
        bench.end()
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
