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
the same reason a daemon with many events waiting and one with few take turns.
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

TOKEN = "bench"
CONNECTIONS = 32
WINDOW = 1_000_000  # events remembered to tell duplicates, 24 bytes each
PATIENCE = 120
MIB = 1 << 20
RATE_S, RATE_FIXED_S = 3, 12  # how long each run takes
RATE_RUNS = 5
FIXED = 5000  # events a second, where the time of an answer is measured
DELIVERED = 200_000


class Bench:
    def __init__(self, build, state):
        self.build, self.dir = build, state
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir(parents=True)
        self.samples = state / "samples"
        with open(self.samples, "wb") as out:
            subprocess.run([build / "currentsd", "sample", "--all", "--seed",
                            "1", "--count", "9600", "--time", "1790000000"],
                           stdout=out, check=True)

    def run(self, program, *words):
        out = subprocess.run([self.build / program, *map(str, words)],
                             check=True, capture_output=True, text=True)
        return json.loads(out.stdout)

    def yardstick(self, *words):
        return self.run("bench_yardstick", *words)

    def json_rate(self, seconds):
        return self.yardstick("json", self.samples, seconds)["rate"]

    def saturate(self, daemon):
        """One run at saturation, beside J: also in units of J and 1 / J."""
        before = self.json_rate(1)
        run = daemon.load("--seconds", RATE_S)
        run["j"] = (before + self.json_rate(1)) / 2
        run["rate_in_j"] = run["rate"] / run["j"]
        run["event_in_j"] = run["event_us"] * run["j"] / 1e6
        return run

    def load(self, port, *words):
        loaded = self.run("bench_load", "--port", port, "--token", TOKEN,
                          "--connections", CONNECTIONS, *words, self.samples)
        if loaded["refused"]:
            raise SystemExit(f"refused {loaded['refused']} requests")
        return loaded


class Daemon:
    """`currentsd serve`, whose Heap is away unless a URL is given."""

    def __init__(self, bench, name, heap_url="http://127.0.0.1:1", **settings):
        self.bench = bench
        self.state = bench.dir / name
        self.log = bench.dir / f"{name}.log"
        self.env = {key: value for key, value in os.environ.items()
                    if not key.startswith("CURRENTSD_")}
        self.env.update(
            CURRENTSD_LISTEN="127.0.0.1:0", CURRENTSD_ADMIN="127.0.0.1:0",
            CURRENTSD_STATE_DIR=str(self.state), CURRENTSD_TOKEN=TOKEN,
            CURRENTSD_ALLOW_VOLATILE_STATE="yes", CURRENTSD_HEAP_APP_ID="11",
            CURRENTSD_HEAP_URL=heap_url, CURRENTSD_QUEUE_MAX_BYTES="20G",
            CURRENTSD_QUEUE_WINDOW=str(WINDOW))
        self.env.update({"CURRENTSD_" + key.upper(): str(value)
                         for key, value in settings.items()})

    def start(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [self.bench.build / "currentsd", "serve"], env=self.env,
                stderr=log)
        self.port, self.admin = self.wait("listen"), self.wait("admin")
        # The same address after a restart.
        self.env["CURRENTSD_LISTEN"] = f"127.0.0.1:{self.port}"

    def wait(self, name):
        end = time.monotonic() + PATIENCE
        pattern = re.compile(rf"server: {name} address=\S+:(\d+)\n")
        while time.monotonic() < end:
            found = pattern.search(self.log.read_text())
            if found:
                return int(found[1])
            if self.process.poll() is not None:
                break
            time.sleep(0.001)  # poll
        raise SystemExit(f"the daemon does not start: see {self.log}")

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(timeout=PATIENCE)

    def processor_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        user, system = fields.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def resident_most(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

    def books(self):
        link = http.client.HTTPConnection("127.0.0.1", self.admin,
                                          timeout=PATIENCE)
        link.request("GET", "/status")
        books = json.load(link.getresponse())["queue"]
        link.close()
        return books

    def bytes_on_disk(self):
        return sum(path.stat().st_size for path in self.state.glob("queue.db*"))

    def load(self, *words):
        """Load it; the figures, with the processor time of an event in µs."""
        before = self.processor_s()
        loaded = self.bench.load(self.port, *words)
        loaded["event_us"] = \
            (self.processor_s() - before) * 1e6 / loaded["events"]
        return loaded

    def fixed(self):
        return self.load("--seconds", RATE_FIXED_S, "--rate", FIXED)

    def renew(self):
        """Start with nothing waiting, and a full window of duplicates."""
        self.start()
        self.load("--events", WINDOW)

    def remove(self):
        self.stop()
        shutil.rmtree(self.state)


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


def measure_delivery(bench):
    """Events a second to heapsim, and the daemon's time for each in µs."""
    heapsim = subprocess.Popen(
        [bench.build / "heapsim", "--no-quota", "--forget-bodies"],
        stdout=subprocess.PIPE, text=True)
    port = heapsim.stdout.readline().rpartition(":")[2].strip()
    daemon = Daemon(bench, "delivery", heap_events_per_minute=0,
                    heap_identity_per_minute=0)
    daemon.start()
    daemon.load("--events", DELIVERED)
    daemon.stop()
    daemon.env["CURRENTSD_HEAP_URL"] = f"http://127.0.0.1:{port}"
    daemon.start()
    waiting = daemon.books()["waiting"]
    started, before = time.monotonic(), daemon.processor_s()
    left = waiting
    while left and time.monotonic() - started < PATIENCE:
        time.sleep(0.02)  # poll
        left = daemon.books()["waiting"]
    took = time.monotonic() - started
    used = daemon.processor_s() - before
    daemon.stop()
    heapsim.terminate()
    heapsim.communicate()
    return (waiting - left) / took, used * 1e6 / (waiting - left)


def stripped_bytes(bench):
    copy = bench.dir / "stripped"
    subprocess.run(["strip", "-o", copy, bench.build / "currentsd"],
                   check=True)
    return copy.stat().st_size


def measure(bench, waiting):
    table = Table()
    j = bench.yardstick("json", bench.samples, 3)
    h = measure_http(bench)
    s = bench.yardstick("rows", bench.samples, bench.dir, 3)["rate"]
    f = bench.yardstick("fsync", bench.dir, 3)
    p99_bound = f["p99_ms"] + 5
    print(f"J  {thousands(j['rate'])} events/s parsed by jansson on one core,"
          " at first\n"
          f"H  {thousands(h)} requests/s by a bare libmicrohttpd\n"
          f"S  {thousands(s)} events/s as rows of SQLite\n"
          f"F  {f['p50_ms']:.2f} ms median, {f['p99_ms']:.2f} ms p99 of an"
          f" fsync of 16 KiB ({f['count']} times)\n"
          f"bodies of {thousands(j['body_bytes'])} bytes on average,"
          f" {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
          flush=True)

    def p99_row(name, loaded):
        table.row(name, f"{loaded['p99_ms']:.1f} ms (median"
                  f" {loaded['p50_ms']:.1f})", f"<= {p99_bound:.1f} ms",
                  loaded["p99_ms"] <= p99_bound)

    empty = Daemon(bench, "empty")
    empty.renew()
    runs = [bench.saturate(empty) for _ in range(RATE_RUNS)]
    empty_fixed = empty.fixed()
    empty.remove()
    accepted = middle(runs, "rate_in_j")
    table.row("accepted events/s", thousands(accepted["rate"])
              + f" ({accepted['rate_in_j']:.1f} J;"
              f" {spread(runs, 'rate_in_j')})", ">= 3 J",
              accepted["rate_in_j"] >= 3)
    used = middle(runs, "event_in_j")
    table.row("processor time of an event", f"{used['event_us']:.1f} us"
              f" ({used['event_in_j']:.2f} / J;"
              f" {spread(runs, 'event_in_j')})", "<= 0.4 / J",
              used["event_in_j"] <= 0.4)
    p99_row(f"answer at {thousands(FIXED)} events/s, p99", empty_fixed)

    daemon = Daemon(bench, "waiting")
    daemon.start()
    daemon.load("--events", waiting)
    shares = []
    for _ in range(RATE_RUNS):
        empty.renew()
        of_empty = empty.load("--seconds", RATE_S)["rate"]
        empty.remove()
        full = daemon.load("--seconds", RATE_S)["rate"]
        shares.append({"rate": full, "share": full / of_empty})
    full = middle(shares, "share")
    table.row(f"accepted events/s, {thousands(waiting)} waiting",
              f"{thousands(full['rate'])} ({full['share']:.0%} of empty;"
              f" {spread(shares, 'share')})",
              ">= 90%", full["share"] >= 0.9)
    p99_row(f"p99, {thousands(waiting)} waiting", daemon.fixed())
    left = daemon.books()["waiting"]
    resident = (daemon.resident_most() - 24 * WINDOW) / MIB
    table.row("most memory beyond the window", f"{resident:.0f} MiB",
              "<= 64 MiB", resident <= 64)
    # The log of the window has 16 bytes of an event, of the last so many.
    room = daemon.bytes_on_disk() / left
    window = 16 * min(left, WINDOW) / left
    table.row("bytes on disk of a waiting event", f"{room:.0f}"
              f" ({window:.0f} of the window)", "<= 250", room <= 250)

    loader = subprocess.Popen(
        [bench.build / "bench_load", "--port", str(daemon.port), "--token",
         TOKEN, "--seconds", "600", bench.samples],
        stderr=subprocess.DEVNULL)
    before = daemon.books()["received"]
    while daemon.books()["received"] < before + 10_000:
        time.sleep(0.01)  # poll
    daemon.stop(signal.SIGKILL)
    loader.wait()
    cold = drop_caches()
    body = subprocess.check_output([bench.build / "currentsd", "sample",
                                    "--batch", "--count", "100"])
    took = first_200(daemon, body)
    table.row("first 200 after SIGKILL, " + ("cold" if cold else
              "warm: no right to drop caches"), f"{took:.2f} s", "<= 1 s",
              took <= 1)
    daemon.remove()

    before = bench.json_rate(1)
    rate, event_us = measure_delivery(bench)
    rate_in_j = rate / ((before + bench.json_rate(1)) / 2)
    table.row("delivered events/s", f"{thousands(rate)} ({rate_in_j:.2f} J,"
              f" {event_us:.1f} us of ours)", ">= 0.3 J", rate_in_j >= 0.3)
    size = stripped_bytes(bench)
    table.row("release binary, stripped", f"{size / 1024:.0f} KiB",
              "<= 1024 KiB", size <= MIB)
    print(f"\n{table}\n\naccept is {accepted['rate_in_j']:.1f} x J,"
          f" {accepted['requests_rate'] / h:.1%} of H,"
          f" {accepted['rate'] / s:.1f} x S; its p99 at a fixed rate is"
          f" {empty_fixed['p99_ms'] / f['p99_ms']:.1f} x that of F")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    parser.add_argument("--waiting", type=int, default=1_000_000)
    arguments = parser.parse_args()
    started = time.monotonic()
    bench = Bench(arguments.build.resolve(), arguments.dir.resolve())
    try:
        measure(bench, arguments.waiting)
    finally:
        shutil.rmtree(bench.dir, ignore_errors=True)
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
