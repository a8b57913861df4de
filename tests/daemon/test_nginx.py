"""Through a real nginx, with deploy/nginx/currentsd.conf as it is: only the
ports and the certificate are put in."""

import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess

import pytest

from load import FAST, Brazesim, check_law, drain
from conftest import PATIENCE, REPO, TOKEN, Answer, Process, until
from names import Metric

CONF = REPO / "deploy" / "nginx" / "currentsd.conf"
NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
MAIN = """
daemon off;
master_process off;
pid {dir}/nginx.pid;
error_log stderr info;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    include {dir}/currentsd.conf;
}}
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def put_in(text, *pairs):
    for old, new in pairs:
        assert old in text, f"{CONF} has no {old}"
        text = text.replace(old, new)
    return text


class Nginx:
    def __init__(self, directory, daemon_port, *more):
        self.dir = directory
        self.port = free_port()
        self.cert = directory / "cert.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=currents.example.com", "-addext",
             "subjectAltName=IP:127.0.0.1", "-keyout",
             str(directory / "key.pem"), "-out", str(self.cert)],
            check=True, capture_output=True, timeout=PATIENCE)
        text = put_in(
            CONF.read_text(encoding="utf-8"),
            ("listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"),
            ("    listen [::]:443 ssl;\n", ""),
            ("/etc/ssl/certs/currents.example.com.pem", str(self.cert)),
            ("/etc/ssl/private/currents.example.com.key",
             str(directory / "key.pem")),
            ("127.0.0.1:8080", f"127.0.0.1:{daemon_port}"), *more)
        (directory / "currentsd.conf").write_text(text, encoding="utf-8")
        (directory / "nginx.conf").write_text(MAIN.format(dir=directory),
                                              encoding="utf-8")
        self.run = Process([NGINX, "-p", str(directory), "-c",
                            str(directory / "nginx.conf")])
        self.tls = ssl.create_default_context(cafile=str(self.cert))
        until(self._listens, "nginx listens")

    def _listens(self):
        assert self.run.process.poll() is None, "\n".join(self.run.lines)
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def post(self, body, path="/currents", token=TOKEN):
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=PATIENCE, context=self.tls)
        try:
            connection.request("POST", path, body,
                               {"Authorization": f"Bearer {token}"})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def raw(self, data):
        """Send bytes as they are; the status of the answer."""
        with socket.create_connection(("127.0.0.1", self.port),
                                      timeout=PATIENCE) as plain, \
                self.tls.wrap_socket(plain,
                                     server_hostname="127.0.0.1") as secure:
            secure.sendall(data)
            head = secure.recv(4096).decode()
        return int(re.match(r"HTTP/1\.1 (\d{3}) ", head)[1])


@pytest.fixture
def start_nginx(tmp_path):
    started = []

    def start(daemon, *more):
        directory = tmp_path / f"nginx{len(started)}"
        directory.mkdir()
        started.append(Nginx(directory, daemon.port, *more))
        return started[-1]

    yield start
    for nginx in started:
        nginx.run.end()


@pytest.mark.parametrize("options", [(), ("--gzip",)], ids=["plain", "gzip"])
def test_braze_through_nginx(start_daemon, start_nginx, heapsim, tmp_path,
                             options):
    heapsim.control(quota=False)
    daemon = start_daemon(**FAST)
    nginx = start_nginx(daemon)
    url = f"https://127.0.0.1:{nginx.port}/currents"
    with Brazesim(tmp_path, url, "--insecure", "--count", "5000",
                  *options) as braze:
        books = braze.books()
    assert books["by_status"] == {"200": books["requests"]}
    assert books["network_errors"] == 0
    drain(daemon)
    check_law(daemon, heapsim, braze.acked())


def test_heap_through_nginx(start_daemon, start_nginx, start_audiencesim,
                            start_segmentsim):
    """What Heap signed is what comes out of nginx."""
    braze = start_audiencesim()
    daemon = start_daemon(
        **FAST, segments_secret=TOKEN, braze_url=braze.url,
        braze_api_key="api-key", braze_hold="0", braze_linger="10ms",
        braze_requests_per_minute=0)
    sim = start_segmentsim(
        f"https://127.0.0.1:{start_nginx(daemon).port}/segments", TOKEN,
        "--insecure", "--changes", "3000", "--page", "50", "--bad-percent",
        "40", "--duplicate-percent", "10")
    report, code = sim.wait()
    assert code == 0, report
    assert report["by_flaw"]["stale"].keys() == {"400"}
    assert report["by_flaw"]["other secret"].keys() == {"403"}
    drain(daemon)
    assert {(group.rpartition("_")[2], person.partition(":")[2]): word
            for (group, person), word in braze.memberships().items()
            } == sim.truth()


def test_query_path_and_answers_pass_through_nginx(daemon, start_nginx):
    nginx = start_nginx(daemon)
    assert nginx.post("{}").status == 200
    assert nginx.post("{}", "/currents/main/").status == 200
    assert nginx.post(
        "{}", "/currents?your_app_group_key=%22Brand%20A%22").status == 200
    refused = nginx.post("{}", token="wrong")
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert nginx.post("{}", "/nowhere").status == 404
    assert nginx.post("not JSON").status == 400


def test_large_bodies_through_nginx_are_413(daemon, start_nginx):
    nginx = start_nginx(daemon)
    before = daemon.metric(Metric.ANSWERS % 413)
    # Above currentsd's limit, which says so itself and counts.
    assert nginx.post(b" " * (18 << 20)).status == 413
    assert daemon.metric(Metric.ANSWERS % 413) == before + 1
    # Above nginx's.
    assert nginx.post(b" " * (21 << 20)).status == 413
    # Below both.
    assert nginx.post(b" " * (15 << 20)).status == 200


@pytest.mark.parametrize("request_bytes", [
    b'POST /currents?k="Brand A" HTTP/1.1\r\nHost: a\r\n'
    b"Content-Length: 2\r\n\r\n{}",
    b"POST /%zz HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /currents HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /currents HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n{}",
    b"POST /currents?" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
], ids=["raw blank", "bad escape", "no host", "bad length", "long"])
def test_what_nginx_refuses_itself_is_503(daemon, start_nginx,
                                          request_bytes):
    assert start_nginx(daemon).raw(request_bytes) == 503


def test_a_client_not_on_the_list_gets_503(daemon, start_nginx, tmp_path):
    allow = tmp_path / "allow.conf"
    allow.write_text("allow 192.0.2.1;\ndeny all;\n", encoding="ascii")
    include = ("# include /etc/nginx/currentsd-allow.conf;",
               f"include {allow};")
    answer = start_nginx(daemon, include).post("{}")
    assert answer.status == 503
    assert answer.headers["Retry-After"]
    allow.write_text("allow 127.0.0.1;\ndeny all;\n", encoding="ascii")
    assert start_nginx(daemon, include).post("{}").status == 200


@pytest.mark.file
def test_while_currentsd_is_away_nginx_says_502(daemon, start_nginx):
    nginx = start_nginx(daemon)
    daemon.env["CURRENTSD_LISTEN"] = f"127.0.0.1:{daemon.port}"
    assert nginx.post("{}").status == 200
    daemon.stop()
    assert nginx.post("{}").status == 502
    daemon.start()
    assert nginx.post("{}").status == 200
