"""The real binary on real sockets: `heapsim`, `daemon`, `start_daemon`.

Every daemon that a test starts is stopped at its end with SIGTERM and must
exit with 0. Its ledger must agree with the rows, also if it was killed.

With CURRENTSD_ENGINE=memory the tests run on the queue's second engine, but
for those that are marked "file": they restart the daemon or look at its files.
"""

import contextlib
import gzip
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from xdist.scheduler import LoadScheduling

import names
from names import Log, Queue, Status

REPO = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CURRENTSD_BUILD",
                                    REPO / "build" / "release")).resolve()
MEMORY = os.environ.get("CURRENTSD_ENGINE") == "memory"
PROGRAM = str(BUILD / ("currentsd_memory" if MEMORY else "currentsd"))
TOKEN = "the-token-of-the-tests"
# The default places of settings are those of the machine.
NO_FILES = {"CURRENTSD_CONFIG": "/dev/null", "CURRENTSD_ENV_FILE": "/dev/null"}
# Of a destination whose limits are not what is tested: after a restart it need
# not wait for them, which may take a minute.
NO_QUOTA = {"heap_events_per_minute": 0, "heap_identity_per_minute": 0}
PATIENCE = int(os.environ.get("CURRENTSD_PATIENCE", 120))  # seconds; only a broken program needs them


def pytest_configure(config):
    # A shell without job control has what runs in its background ignore both,
    # and so would the programs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    config.addinivalue_line("markers", "file: restarts the daemon, or looks "
                            "at its files")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return NextScheduling(config, log)


class NextScheduling(LoadScheduling):
    """A worker gets one test more than it runs, not many in advance: those
    that take long stand beside each other, and would all be one worker's."""

    def _send_tests(self, node, num):
        super()._send_tests(node, 2 - len(self.node2pending[node]))


def pytest_terminal_summary(terminalreporter):
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, text in getattr(report, "user_properties", ()):
                if name == "figure" and report.when == "call":
                    test = report.nodeid.rpartition("::")[2]
                    terminalreporter.write_line(f"{test}: {text}")


@pytest.fixture
def figure(record_property):
    """A function to call with what was measured: shown after all tests."""
    return lambda text: record_property("figure", text)


def pytest_collection_modifyitems(config, items):
    about_file = [item for item in items
                  if MEMORY and item.get_closest_marker("file")]
    if about_file:
        config.hook.pytest_deselected(items=about_file)
        items[:] = [item for item in items if item not in about_file]


def setting(name):
    """What the daemon calls a setting, in lower case."""
    return names.SETTINGS.get(name, name)


def variable(name):
    return "CURRENTSD_" + setting(name).upper()


def until(condition, what):
    """Ask again and again until it is true; fail after PATIENCE."""
    end = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"never came: {what}")
        time.sleep(0.02)  # poll


VALUE = r'[^\s"=\\]+|"(?:[^"\\]|\\["\\])*"'
MEMBER = re.compile(rf'([a-z_]+)=({VALUE})(?: |$)')


def members(line):
    """{key: value} of a line of the log, which must be logfmt, with each key
    once."""
    found, at = {}, 0
    while at < len(line):
        member = MEMBER.match(line, at)
        assert member, f"no logfmt at {at}: {line}"
        key, value = member.groups()
        assert key not in found, f"{key} twice: {line}"
        if value[0] == '"':
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        found[key] = value
        at = member.end()
    return found


class Process:
    """A program whose output is collected line by line."""

    def __init__(self, command, env=None, stream="stderr", pass_fds=()):
        self.lines = []
        self.more = threading.Condition()
        self.ended = False
        self.process = subprocess.Popen(command, env=env, pass_fds=pass_fds,
                                        **{stream: subprocess.PIPE}, text=True)
        self.reader = threading.Thread(
            target=self._read, args=(getattr(self.process, stream),),
            daemon=True)
        self.reader.start()

    def _read(self, stream):
        with stream:
            for line in stream:
                with self.more:
                    self.lines.append(line.rstrip("\n"))
                    self.more.notify_all()
        with self.more:
            self.ended = True
            self.more.notify_all()

    def wait_line(self, pattern, seen=0):
        """The first line that matches, as a match, after so many lines; waits
        for it."""
        end = time.monotonic() + PATIENCE
        with self.more:
            while True:
                for line in self.lines[seen:]:
                    match = re.search(pattern, line)
                    if match:
                        return match
                seen = len(self.lines)
                left = end - time.monotonic()
                if self.ended or left <= 0:
                    raise AssertionError(f"no line with {pattern}:\n"
                                         + "\n".join(self.lines))
                self.more.wait(left)

    @contextlib.contextmanager
    def unread(self):
        """Nobody reads its output meanwhile, but for what Python has read
        ahead."""
        with self.more:
            yield

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(timeout=PATIENCE)
        self.reader.join(timeout=PATIENCE)
        return code


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        body = response.read()
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.text = body.decode()

    @property
    def json(self):
        return json.loads(self.text)

    def __repr__(self):
        return f"<{self.status} {self.text!r}>"


def ask(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port,
                                            timeout=PATIENCE)
    try:
        connection.request(method, path, body, headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


class Simulator(Process):
    """One that listens."""

    def __init__(self, program, *options):
        super().__init__([str(BUILD / program), *options], stream="stdout")
        found = self.wait_line(r"^listening on 127\.0\.0\.1:(\d+)$")
        self.port = int(found.group(1))
        self.url = f"http://127.0.0.1:{self.port}"

    def control(self, **settings):
        answer = ask(self.port, "POST", "/control", json.dumps(settings))
        assert answer.status == 200, answer


class Heapsim(Simulator):
    def __init__(self, *options):
        super().__init__("heapsim", *options)

    def books(self):
        return ask(self.port, "GET", "/books").json

    def users(self):
        """{idempotency key: whose}"""
        text = ask(self.port, "GET", "/keys").text
        return {row[0]: row[1] for row in
                (line.split("\t") for line in text.splitlines())}

    def keys(self):
        """{idempotency key: times received}"""
        text = ask(self.port, "GET", "/keys").text
        return {row[0]: int(row[2]) for row in
                (line.split("\t") for line in text.splitlines())}


class Audiencesim(Simulator):
    def __init__(self, *options):
        super().__init__("audiencesim", *options)

    def report(self):
        return ask(self.port, "GET", "/report").json

    def memberships(self):
        """{(attribute or cohort, KIND:ID): "in" or "out"}"""
        text = ask(self.port, "GET", "/memberships").text
        return {(row[0], row[1]): row[2] for row in
                (line.split("\t") for line in text.splitlines())}


class Segmentsim(Process):
    """Sends segments to a URL until all is sent, or end()."""

    def __init__(self, url, secret, truth, *options):
        self.truth_file = truth
        super().__init__([str(BUILD / "segmentsim"), "--url", url, "--secret",
                          secret, "--truth", str(truth), *options],
                         stream="stdout")

    def wait(self):
        """What it reports once it has ended, and its exit code."""
        code = self.process.wait(timeout=PATIENCE)
        self.reader.join(timeout=PATIENCE)
        return json.loads(self.lines[-1]), code

    def truth(self):
        """{(segment, person): "in", "out" or "unknown"}"""
        return {(row[0], row[1]): row[2] for row in
                (line.split("\t") for line in
                 self.truth_file.read_text().splitlines())}


# Becomes a program that has these descriptors from 3 on, as of systemd.
PASSING = """
import fcntl, os, sys
fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 200) for fd in sys.argv[1].split()]
for i, fd in enumerate(fds):
    os.dup2(fd, 3 + i)
os.closerange(3 + len(fds), 1000)
os.environ.setdefault("LISTEN_PID", str(os.getpid()))
os.environ["LISTEN_FDS"] = str(len(fds))
os.execv(sys.argv[2], sys.argv[2:])
"""


def passing(fds):
    """The beginning of a command that gets them."""
    return [sys.executable, "-c", PASSING, " ".join(map(str, fds))]


class Daemon:
    """`currentsd serve` with one state directory, over restarts."""

    def __init__(self, state_dir, heap_url, settings):
        self.env = {name: value for name, value in os.environ.items()
                    if not name.startswith("CURRENTSD_")}
        self.env.update({
            **NO_FILES,
            "CURRENTSD_LISTEN": "127.0.0.1:0",
            "CURRENTSD_ADMIN": "127.0.0.1:0",
            "CURRENTSD_STATE_DIR": str(state_dir),
            "CURRENTSD_ALLOW_VOLATILE_STATE": "yes",
            "CURRENTSD_TOKEN": TOKEN,
            "CURRENTSD_HEAP_APP_ID": "11",
            # The disk of whoever runs this may be nearly full.
            "CURRENTSD_QUEUE_MIN_FREE": "0",
        })
        # The memory of the usual window costs more than the rest of a start.
        self.change(**{"heap_url": heap_url, "queue_reserve": "1M",
                       "queue_window": 100000, **settings})
        self.run = None
        self.passed = []  # names and sockets, as systemd passes them
        self.agreed = True  # nothing has run since the ledger was checked

    def change(self, **settings):
        """Settings for the next start, by their lower-case names; None
        removes one."""
        for name, value in settings.items():
            self.env.pop(variable(name), None)
            if value is not None:
                self.env[variable(name)] = str(value)

    def start(self, ready=True):
        self.agreed = False
        fds = [sock.fileno() for _, sock in self.passed]
        self.run = Process(
            [*(passing(fds) if fds else []), PROGRAM, "serve"],
            env={**self.env, "LISTEN_FDNAMES":
                 ":".join(name for name, _ in self.passed)}, pass_fds=fds)
        address = Log.ADDRESS + "$"
        self.port = int(self.run.wait_line(address % "listen").group(1))
        self.admin_port = int(self.run.wait_line(address % "admin").group(1))
        if ready:
            until(lambda: self.get("/readyz").status == 200, "/readyz 200")
        return self

    def kill(self):
        assert self.run.end(signal.SIGKILL) == -signal.SIGKILL
        self.run = None

    def stop(self):
        """SIGTERM, if it runs: it must end with 0. The ledger must agree
        with the rows, also if the daemon was killed before."""
        run, self.run = self.run, None
        if run is not None and MEMORY:  # the rows will go with it
            self.agreed = True
            if run.process.poll() is None:
                self.command("ledger", "--check")
        if run is not None:
            assert run.end() == 0, "\n".join(run.lines[-40:])
            if variable("log_format") not in self.env:
                for line in run.lines:
                    assert list(members(line))[:4] == [
                        "time", "level", "module", "event"], line
        if not self.agreed:
            self.agreed = True
            self.command("ledger", "--check")

    def _command(self, words, code):
        done = subprocess.run([PROGRAM, *words],
                              env=self.env, capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def command(self, *words, code=0):
        return self._command(words, code).stdout

    def failing(self, *words):
        """What a command says that fails: nothing where results go."""
        done = self._command(words, 1)
        assert done.stdout == "" and done.stderr.startswith("currentsd: ")
        return done.stderr

    def get(self, path):
        return ask(self.port, "GET", path)

    def admin(self, path):
        return ask(self.admin_port, "GET", path)

    def status(self):
        return self.admin("/status").json

    def queue(self):
        """The queue's part of /status."""
        return self.status()[Status.QUEUE]

    def queued(self):
        return self.queue()[Queue.QUEUED]

    def destination(self, name=None):
        """A destination's part of /status; without a name, the first's."""
        return next(one for one in self.status()[Status.DESTINATIONS]
                    if name in (None, one["name"]))

    def metric(self, name):
        found = re.search(rf"^{re.escape(name)} (\S+)$",
                          self.admin("/metrics").text, re.M)
        assert found, f"no metric {name}"
        return float(found.group(1))

    def post(self, body, path="/currents", token=TOKEN, **headers):
        """Headers by keyword: content_encoding="gzip"."""
        if not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        sent = {"Braze-Currents-Version": "1"}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        for name, value in headers.items():
            sent[name.replace("_", "-")] = value
        if isinstance(body, str):
            body = body.encode()
        return ask(self.port, "POST", path, body, sent)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port),
                                        timeout=PATIENCE)


@pytest.fixture
def start_heapsim():
    """A function that starts a heapsim with options."""
    started = []

    def start(*options):
        started.append(Heapsim(*options))
        return started[-1]

    yield start
    for heapsim_ in started:
        assert heapsim_.end() == 0


@pytest.fixture
def start_audiencesim():
    """A function that starts an audiencesim with options."""
    started = []

    def start(*options):
        started.append(Audiencesim(*options))
        return started[-1]

    yield start
    for audiencesim_ in started:
        assert audiencesim_.end() == 0


@pytest.fixture
def start_segmentsim(tmp_path):
    """A function that starts a segmentsim that posts to a URL."""
    started = []

    def start(url, secret, *options):
        truth = tmp_path / f"truth{len(started)}"
        started.append(Segmentsim(url, secret, truth, *options))
        return started[-1]

    yield start
    for segmentsim_ in started:
        segmentsim_.end()


@pytest.fixture
def heapsim(start_heapsim):
    return start_heapsim()


@pytest.fixture
def start_daemon(tmp_path, heapsim):
    """A function that starts a daemon with settings by their lower-case
    names: start_daemon(body_limit="1M"), and with more of an environment."""
    started = []

    def start(ready=True, **settings):
        state_dir = settings.pop("state_dir",
                                 tmp_path / f"state{len(started)}")
        settings.setdefault("heap_url", heapsim.url)
        url = settings.pop("heap_url")
        env = settings.pop("env", {})
        started.append(Daemon(state_dir, url, settings))
        started[-1].env.update(env)
        return started[-1].start(ready)

    yield start
    for daemon_ in started:
        daemon_.stop()


@pytest.fixture
def daemon(start_daemon):
    return start_daemon()
