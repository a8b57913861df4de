"""check: ports, the state directory, the way to the destinations, and --url:
a probe that proves who answers.
"""

import contextlib
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading

import pytest

from commands import FINE, FOUND, USAGE, enough, run, settings
from conftest import PATIENCE, TOKEN
from names import Check

WRONG = "another-token-of-somebody"


def checked(*words, code=FINE, **given):
    done = run("check", "--json", *words, **given)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


@contextlib.contextmanager
def listener():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def listens(told):
    """The state of the only address."""
    address, = told[Check.LISTEN]
    return address[Check.STATE]


# ---- addresses

def test_free_ports(tmp_path):
    with listener() as port:
        pass
    told = checked("--offline", **enough(tmp_path, listen=f"127.0.0.1:{port}"))
    assert listens(told) == told[Check.ADMIN_STATE] == Check.FREE
    assert told[Check.PROBLEMS] == [] and told[Check.DAEMON] is None


def test_a_port_of_another_program(tmp_path):
    with listener() as port:
        given = enough(tmp_path, admin=f"127.0.0.1:{port}")
        told = checked("--offline", code=FOUND, **given)
        assert told[Check.ADMIN_STATE] == Check.TAKEN
        problem, = told[Check.PROBLEMS]
        assert problem.startswith(f"admin: 127.0.0.1:{port} is in use by ")
        assert f"(process {os.getpid()})" in problem
        text = run("check", "--offline", **given)
        assert text.returncode == FOUND and problem in text.stdout
        assert "can start" not in text.stdout


def test_an_address_of_another_machine(tmp_path):
    told = checked("--offline", code=FOUND,
                   **enough(tmp_path, listen="192.0.2.1:8080"))
    assert "cannot listen at 192.0.2.1:8080" in told[Check.PROBLEMS][0]


@pytest.mark.file
def test_ports_of_the_daemon_itself(daemon):
    given = {**settings(daemon), "listen": f"127.0.0.1:{daemon.port}",
             "admin": f"127.0.0.1:{daemon.admin_port}"}
    told = checked("--offline", **given)
    assert listens(told) == told[Check.ADMIN_STATE] == Check.OURS
    assert told[Check.DAEMON] == daemon.run.process.pid
    assert "used by the daemon" in run("check", "--offline", **given).stdout
    other = {**given, "state_dir": given["state_dir"] + "-other"}
    told = checked("--offline", code=FOUND, **other)
    assert listens(told) == Check.TAKEN


# ---- the state directory

def test_too_little_room(tmp_path):
    told = checked("--offline", code=FOUND,
                   **enough(tmp_path, queue_min_free="1000G"))
    assert "less free space than queue_min_free" in told[Check.PROBLEMS][0]


def test_a_queue_of_another_user(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    given = enough(tmp_path)
    given["state_dir"].mkdir(mode=0o700)
    queue = given["state_dir"] / "queue.db"
    queue.touch()
    assert checked("--offline", **given)[Check.PROBLEMS] == []
    os.chown(queue, 12345, 12345)
    problem, = checked("--offline", code=FOUND, **given)[Check.PROBLEMS]
    assert "belongs to 12345" in problem


# ---- destinations

def test_a_destination_that_answers(tmp_path, heapsim):
    told = checked(**enough(tmp_path, heap_url=heapsim.url))
    assert told[Check.DESTINATIONS][0][Check.REACHED] is True
    assert heapsim.books()["requests"] == 0, "nothing was sent"


@pytest.mark.parametrize("url, says", [
    ("http://127.0.0.1:9", "nothing listens"),
    ("https://nowhere.invalid", "cannot be resolved"),
])
def test_a_destination_that_does_not(tmp_path, url, says):
    told = checked(code=FOUND, **enough(tmp_path, heap_url=url))
    assert told[Check.DESTINATIONS][0][Check.REACHED] is False
    problem, = told[Check.PROBLEMS]
    assert problem.startswith("destination heap: ") and says in problem
    told = checked("--offline", **enough(tmp_path, heap_url=url))
    assert told[Check.DESTINATIONS][0][Check.REACHED] is None


def test_a_destination_without_tls(tmp_path, heapsim):
    url = heapsim.url.replace("http:", "https:")
    problem, = checked(code=FOUND, **enough(tmp_path, heap_url=url))[
        Check.PROBLEMS]
    assert "TLS" in problem


# ---- --url

def probed(url, *words, code=FOUND, **given):
    return checked("--url", url, *words, code=code, **given)


def at(daemon, path="/currents"):
    return f"http://127.0.0.1:{daemon.port}{path}"


def test_the_daemon_proves_itself(daemon):
    given = settings(daemon)
    told = probed(at(daemon), code=FINE, **given)
    assert told[Check.PROVEN] is True and told[Check.PROBLEM] is None
    assert told[Check.STATUS] == 200 and told[Check.SOURCE] == "main"
    assert daemon.queued() == 0
    text = run("check", "--url", at(daemon, "/currents/main"), **given)
    assert text.returncode == FINE and "\nproven " in text.stdout
    assert TOKEN not in text.stdout


def test_a_source_by_its_path(start_daemon, tmp_path):
    path = tmp_path / "currentsd.conf"
    path.write_text("""
        source "one" { token = "token-of-the-first-one" }
        source "two" { token = "token-of-the-second-one" }
    """)
    path.chmod(0o600)
    daemon = start_daemon(config=path, token=None)
    given = settings(daemon)
    for url, words, source in (("/currents", (), "one"),
                               ("/currents/two", (), "two"),
                               ("/currents/two/?a=b", (), "two"),
                               ("/currents/one", ("--source", "one"), "one")):
        told = probed(at(daemon, url), *words, code=FINE, **given)
        assert told[Check.SOURCE] == source and told[Check.PROVEN]
    told = probed(at(daemon, "/currents/two"), "--source", "one", **given)
    assert told[Check.STATUS] == 401
    done = run("check", "--url", at(daemon), "--source", "no", **given)
    assert done.returncode == USAGE and "no source no" in done.stderr


def test_an_open_source_proves_itself(start_daemon):
    daemon = start_daemon(token=None, open="yes")
    assert probed(at(daemon), code=FINE, **settings(daemon))[Check.PROVEN]


@pytest.mark.parametrize("path, given, says", [
    ("/currents", {"token": WRONG}, "does not take this token"),
    ("/elsewhere", {}, "nothing is at this path"),
    ("/healthz", {}, "POST"),
])
def test_what_the_daemon_refuses(daemon, path, given, says):
    told = probed(at(daemon, path), **{**settings(daemon), **given})
    assert told[Check.PROVEN] is False and says in told[Check.PROBLEM]


RECEIPT = json.dumps({"received": 0, "queued": 0, "dead": 0, "duplicates": 0,
                      "dropped": 0})


class Stub:
    """A proxy that answers by itself."""

    def __init__(self, status, headers, body, context=None):
        self.asked = []
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["Content-Length"])
                stub.asked.append((self.headers, self.rfile.read(length)))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True,
                do_handshake_on_connect=False)
        self.url = f"http://127.0.0.1:{self.server.server_port}/currents"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join(PATIENCE)
        self.server.server_close()


@pytest.mark.parametrize("status, headers, body, says", [
    (200, {}, "<html>Welcome</html>", "answers by itself"),
    (204, {}, "", "answers by itself"),
    (200, {}, RECEIPT, "proves nothing"),
    (200, {"Currentsd-Proof": "0" * 64}, RECEIPT, "from a cache"),
    (301, {"Location": "https://elsewhere/x"}, "",
     "a redirect to https://elsewhere/x"),
    (401, {"WWW-Authenticate": "Basic realm=x"}, "", "credentials of its own"),
    (401, {"WWW-Authenticate": "Bearer"},
     '{"error":"no Authorization header"}', "a proxy removes it"),
    (403, {}, "", "refuses the request"),
    (404, {}, "", "end with /currents or /currents/main"),
    (413, {}, "", "limit of bodies"),
    (502, {}, "", "does not reach currentsd"),
    (503, {}, "", "currentsd status"),
])
def test_what_a_proxy_answers(tmp_path, status, headers, body, says):
    with Stub(status, headers, body) as stub:
        told = probed(stub.url, **enough(tmp_path))
        text = run("check", "--url", stub.url, **enough(tmp_path))
    assert (told[Check.PROVEN], told[Check.STATUS]) == (False, status)
    assert says in told[Check.PROBLEM]
    assert text.returncode == FOUND and told[Check.PROBLEM] in text.stdout
    headers, sent = stub.asked[0]
    assert sent == b'{"events":[]}'
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Braze-Currents-Version"] == "1"
    nonces = {headers["Currentsd-Probe"] for headers, _ in stub.asked}
    assert len(nonces) == 2, "each time another one"


def test_escapes_in_an_answer_are_inert(tmp_path):
    with Stub(200, {"Server": "\x1b[31mx"}, "\x1b]0;x\x07") as stub:
        text = run("check", "--url", stub.url, **enough(tmp_path)).stdout
    assert "\x1b" not in text and "\\x1b" in text


def test_a_certificate_nobody_knows(tmp_path):
    cert = tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-keyout", cert, "-out", tmp_path / "chain.pem"],
        check=True, capture_output=True, timeout=PATIENCE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain.pem", cert)
    with Stub(200, {}, "", context) as stub:
        told = probed(stub.url.replace("http:", "https:"), **enough(tmp_path))
    assert "certificate cannot be trusted" in told[Check.PROBLEM]
    assert stub.asked == [], "the token was not sent"


@pytest.mark.parametrize("words", [
    ("--url", "http://example.com/currents"), ("--url", "example.com"),
    ("--url", "http://localhost.example.com/currents"),
    ("--url", "http://127.0.0.1.example.com/currents"),
    ("--url", "http://localhost:80@example.com/currents"),
    ("--url", "https://example.com", "--offline"),
    ("--url", "https://example.com", "--send-test", "ann")])
def test_words_that_check_refuses(tmp_path, words):
    done = run("check", *words, **enough(tmp_path))
    assert done.returncode == USAGE and done.stdout == ""
