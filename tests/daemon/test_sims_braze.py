"""brazesim sends as Braze does and reacts to answers as Braze does."""

import gzip
import http.server
import json
import signal
import subprocess
import threading

import pytest

from conftest import BUILD, until


@pytest.mark.parametrize("command", [
    ["heapsim", "--nonsense"], ["heapsim", "--port", "x"],
    ["heapsim", "--port"], ["heapsim", "more"], ["heapsim", "-x"],
    ["heapsim", "--fail-percent=60", "--hang-percent=60"],
    ["brazesim"], ["brazesim", "-"], ["brazesim", "--url=http://x"],
    ["brazesim", "--url", "not a url://", "-"],
    ["brazesim", "--url=http://x", "--sample=x", "-"],
    ["brazesim", "--url=http://x", "--backoff-ms=5", "-"],
    ["brazesim", "--url=http://x", "--batch=0", "-"],
    ["brazesim", "--url=http://x", "/nonexistent/file"],
    ["audiencesim", "more"], ["audiencesim", "--amid-percent=101"],
    ["audiencesim", "--amid-percent=60", "--close-percent=60"],
    ["segmentsim", "--url=http://x"], ["segmentsim", "--secret=x"],
    ["segmentsim", "--url=http://x", "--secret=x", "more"],
    ["segmentsim", "--url=http://x", "--secret=x", "--no-sync-info",
     "--late-percent=1"],
    ["segmentsim", "--url=http://x", "--secret=x", "--no-sync-info",
     "--unknown-outcome=1"],
])
def test_bad_usage(command):
    done = subprocess.run([BUILD / command[0], *command[1:]],
                          capture_output=True, text=True, timeout=10,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stdout == ""
    assert command[0] in done.stderr


@pytest.mark.parametrize("program", ["heapsim", "brazesim", "audiencesim",
                                     "segmentsim"])
def test_help(program):
    done = subprocess.run([BUILD / program, "--help"], capture_output=True,
                          text=True, timeout=10)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: " + program)
    assert "\n  --seed N " in done.stdout


class Receiver:
    """What brazesim posts to: answers as the test says, notes it all."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.headers = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 4096

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.headers.append((self.path, dict(self.headers)))
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                batch = json.loads(body)["events"]
                receiver.requests.append(batch)
                status = receiver.answer(len(receiver.requests), batch)
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *ignored):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *ignored):
                pass  # a client that leaves is what some tests want

        self.server = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/currents"

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def braze_events(n, types=2):
    return "".join(json.dumps({
        "event_type": f"users.T{i % types}", "id": f"id-{i}", "time": 1,
        "user": {}, "properties": {"id": "untouched"}}) + "\n"
        for i in range(n))


def braze(url, n, *options, types=2):
    done = subprocess.run(
        [BUILD / "brazesim", "--url", url, "--backoff-ms", "1..5",
         "--connections", "1", *options, "-"], input=braze_events(n, types),
        capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_braze_sends_like_braze(tmp_path):
    with Receiver(lambda number, batch: 200) as receiver:
        code, books = braze(receiver.url + '?k="Brand A"', 250, "--token",
                            "t0", "--acked", tmp_path / "acked")
    assert code == 0
    assert books["acked"] == books["sent_events"] == 250
    assert sorted(len(batch) for batch in receiver.requests) == [
        25, 25, 100, 100]
    for batch in receiver.requests:
        assert len({one["event_type"] for one in batch}) == 1
    path, headers = receiver.headers[0]
    assert path == '/currents?k="Brand%20A"'
    assert headers["Braze-Currents-Version"] == "1"
    assert headers["Authorization"] == "Bearer t0"
    assert sorted((tmp_path / "acked").read_text().split()) == sorted(
        f"users.T{i % 2}:id-{i}" for i in range(250))


def test_braze_makes_new_events(tmp_path):
    with Receiver(lambda number, batch: 200) as receiver:
        code, books = braze(receiver.url, 3, "--count", "1000", "--gzip",
                            "--mix", "any", "--batch", "300", "--acked",
                            tmp_path / "acked")
    assert (code, books["acked"]) == (0, 1000)
    assert [len(batch) for batch in receiver.requests] == [300, 300, 300, 100]
    sent = [one for batch in receiver.requests for one in batch]
    assert len({one["id"] for one in sent}) == 1000
    assert {one["properties"]["id"] for one in sent} == {"untouched"}
    assert [f"{one['event_type']}:{one['id']}" for one in sent] == (
        tmp_path / "acked").read_text().split()


@pytest.mark.parametrize("status", [500, 503, 429, 302, 418, None])
def test_braze_sends_again(status):
    def answer(number, batch):
        return status if number <= 3 else 200

    with Receiver(answer) as receiver:
        code, books = braze(receiver.url, 10, types=1)
    assert (code, books["acked"]) == (0, 10)
    assert len(receiver.requests) == 4
    assert all(one == receiver.requests[0] for one in receiver.requests)
    if status is None:
        assert books["network_errors"] == 3
    else:
        assert books["by_status"] == {str(status): 3, "200": 1}


def test_braze_times_out():
    gate = threading.Event()

    def answer(number, batch):
        if number == 1:
            gate.wait(20)
        return 200

    with Receiver(answer) as receiver:
        code, books = braze(receiver.url, 1, "--timeout-ms", "200")
        gate.set()
    assert (code, books["network_errors"], books["acked"]) == (0, 1, 1)


def test_braze_deletes_after_400(tmp_path):
    def answer(number, batch):
        return 400 if any(one["id"] == "id-7" for one in batch) else 200

    with Receiver(answer) as receiver:
        code, books = braze(receiver.url, 10, "--deleted",
                            tmp_path / "deleted", types=1)
    assert code == 1
    assert (books["acked"], books["deleted"]) == (9, 1)
    assert [len(batch) for batch in receiver.requests] == [10] + [1] * 10
    assert (tmp_path / "deleted").read_text() == "users.T0:id-7\n"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_braze_strands(status, tmp_path):
    with Receiver(lambda number, batch: status) as receiver:
        code, books = braze(receiver.url, 10, "--stranded", tmp_path / "s",
                            types=1)
    assert (code, books["stranded"], books["requests"]) == (1, 10, 1)
    assert len((tmp_path / "s").read_text().split()) == 10


def test_braze_halves_after_413():
    with Receiver(lambda number, batch: 413 if len(batch) > 3 else 200) as (
            receiver):
        code, books = braze(receiver.url, 10, types=1)
    assert (code, books["acked"]) == (0, 10)
    assert sorted(len(batch) for batch in receiver.requests) == [
        2, 2, 3, 3, 5, 5, 10]


def test_braze_sends_twice():
    with Receiver(lambda number, batch: 200) as receiver:
        code, books = braze(receiver.url, 500, "--batch", "10",
                            "--duplicate-percent", "30")
    assert (code, books["acked"]) == (0, 500)
    assert books["duplicate_requests"] > 5
    assert len(receiver.requests) == 50 + books["duplicate_requests"]


def test_braze_leaves_before_the_answer():
    with Receiver(lambda number, batch: 200) as receiver:
        code, books = braze(receiver.url, 500, "--batch", "10",
                            "--unknown-outcome", "30")
    assert (code, books["acked"]) == (0, 500)
    assert books["unknown_outcomes"] > 5
    assert books["network_errors"] == 0
    assert books["requests"] == 50 + books["unknown_outcomes"]


def test_braze_keeps_the_rate():
    with Receiver(lambda number, batch: 200) as receiver:
        code, books = braze(receiver.url, 100, "--batch", "10", "--rate",
                            "200")
    assert code == 0
    assert 0.4 < books["seconds"] < 5


def test_braze_gives_up(tmp_path):
    with Receiver(lambda number, batch: 500) as receiver:
        code, books = braze(receiver.url, 10, "--deadline-s", "0.3",
                            "--unresolved", tmp_path / "left")
    assert (code, books["unresolved"]) == (1, 10)
    assert len((tmp_path / "left").read_text().split()) == 10


def test_braze_stops_on_a_signal():
    with Receiver(lambda number, batch: 500) as receiver:
        process = subprocess.Popen(
            [BUILD / "brazesim", "--url", receiver.url, "-"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdin.write(braze_events(10))
        process.stdin.close()
        until(lambda: receiver.requests, "a request")
        process.send_signal(signal.SIGTERM)
        books = json.loads(process.stdout.read())
        process.stdout.close()
        assert process.wait(10) == 1
    assert books["unresolved"] == 10


def test_braze_runs_a_sample_command(tmp_path):
    sample = tmp_path / "sample"
    sample.write_text(braze_events(2) + '{"event_type":"no id"}\n')
    with Receiver(lambda number, batch: 200) as receiver:
        done = subprocess.run(
            [BUILD / "brazesim", "--url", receiver.url, "--count", "6",
             "--acked", tmp_path / "acked", "--sample", f"cat '{sample}'"],
            capture_output=True, text=True, timeout=20)
    assert done.returncode == 0
    assert json.loads(done.stdout)["acked"] == 6
    acked = (tmp_path / "acked").read_text().splitlines()
    assert len(set(acked)) == 5
    assert acked.count("no id:?") == 2


def test_braze_says_that_a_sample_command_failed():
    done = subprocess.run(
        [BUILD / "brazesim", "--url", "http://127.0.0.1:1/", "--sample",
         "echo '{}'; false"], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (1, "")
    assert "failed: echo" in done.stderr
