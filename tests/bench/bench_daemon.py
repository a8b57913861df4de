"""What bench.py measures: programs of a build, and the daemon under load."""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).parents[1] / "daemon"))
from names import Log, Queue, Status

TOKEN = "bench"
CONNECTIONS = 32
WINDOW = 1_000_000  # events remembered to tell duplicates, 24 bytes each
PATIENCE = 120
RATE_S, RATE_FIXED_S = 3, 12  # how long each run takes
FIXED = 5000  # events a second, where the time of an answer is measured
FIXED_RUNS = 3


class Bench:
    def __init__(self, build, state):
        self.build, self.dir = build, state
        self.started = []  # processes, to be ended if a run fails
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir(parents=True)
        self.samples = state / "samples"
        with open(self.samples, "wb") as out:
            subprocess.run([build / "currentsd", "sample", "--all", "--seed",
                            "1", "--count", "9600", "--time", "1790000000"],
                           stdout=out, check=True)

    def end(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

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

    def load_begin(self, port, *words):
        process = subprocess.Popen(
            [self.build / "bench_load", "--port", str(port), "--token", TOKEN,
             "--connections", str(CONNECTIONS), *map(str, words),
             self.samples], stdout=subprocess.PIPE, text=True)
        self.started.append(process)
        return process

    def load_end(self, process):
        """Its figures."""
        out = process.communicate()[0]
        if process.returncode != 0:
            raise SystemExit("bench_load failed")
        loaded = json.loads(out)
        if loaded["refused"]:
            raise SystemExit(f"refused {loaded['refused']} requests")
        return loaded

    def load(self, port, *words):
        return self.load_end(self.load_begin(port, *words))


class Daemon:
    """`currentsd serve`, whose Heap is away unless a URL is given; with None
    its sources and destinations are in a file."""

    def __init__(self, bench, name, heap_url="http://127.0.0.1:1", **settings):
        self.bench = bench
        self.state = bench.dir / name
        self.log = bench.dir / f"{name}.log"
        self.env = {key: value for key, value in os.environ.items()
                    if not key.startswith("CURRENTSD_")}
        self.env.update(
            CURRENTSD_CONFIG="/dev/null", CURRENTSD_ENV_FILE="/dev/null",
            CURRENTSD_LISTEN="127.0.0.1:0", CURRENTSD_ADMIN="127.0.0.1:0",
            CURRENTSD_STATE_DIR=str(self.state),
            CURRENTSD_ALLOW_VOLATILE_STATE="yes",
            CURRENTSD_QUEUE_MAX_BYTES="20G",
            CURRENTSD_QUEUE_WINDOW=str(WINDOW))
        if heap_url is not None:
            self.env.update(
                CURRENTSD_TOKEN=TOKEN, CURRENTSD_HEAP_APP_ID="11",
                CURRENTSD_HEAP_URL=heap_url)
        self.env.update({"CURRENTSD_" + key.upper(): str(value)
                         for key, value in settings.items()})

    def start(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [self.bench.build / "currentsd", "serve"], env=self.env,
                stderr=log)
        self.bench.started.append(self.process)
        self.port, self.admin = self.wait("listen"), self.wait("admin")
        # The same address after a restart.
        self.env["CURRENTSD_LISTEN"] = f"127.0.0.1:{self.port}"

    def wait(self, name):
        end = time.monotonic() + PATIENCE
        pattern = re.compile(Log.ADDRESS % name + r"\n")
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

    def resident(self, field="VmRSS"):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(field + r":\s+(\d+) kB", status)[1]) * 1024

    def wakeups(self):
        """How often any of its threads slept and was woken, so far."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)",
                                 (task / "status").read_text())[1])
                   for task in tasks)

    def get(self, path):
        link = http.client.HTTPConnection("127.0.0.1", self.admin,
                                          timeout=PATIENCE)
        link.request("GET", path)
        body = link.getresponse().read()
        link.close()
        return body

    def queue(self):
        """The queue's part of /status."""
        return json.loads(self.get("/status"))[Status.QUEUE]

    def queued(self):
        return self.queue()[Queue.QUEUED]

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
        return [self.load("--seconds", RATE_FIXED_S, "--rate", FIXED)
                for _ in range(FIXED_RUNS)]

    def renew(self):
        """Start with nothing queued, and a full window of duplicates."""
        self.start()
        self.load("--events", WINDOW)

    def begin(self, *words):
        """Start a command beside it, whose output is thrown away."""
        process = subprocess.Popen(
            [self.bench.build / "currentsd", *words], env=self.env,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.bench.started.append(process)
        return process

    def command(self, *words):
        """Run one to its end."""
        subprocess.run([self.bench.build / "currentsd", *words], env=self.env,
                       stdout=subprocess.DEVNULL, check=True)

    def post(self, body, path="/currents"):
        link = http.client.HTTPConnection("127.0.0.1", self.port,
                                          timeout=PATIENCE)
        link.request("POST", path, body,
                     {"Authorization": f"Bearer {TOKEN}"})
        status = link.getresponse().status
        link.close()
        if status != 200:
            raise SystemExit(f"an event is answered {status}")

    def remove(self):
        self.stop()
        shutil.rmtree(self.state)
