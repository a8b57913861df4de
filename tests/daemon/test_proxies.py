"""Through the real nginx, Caddy, HAProxy and Apache, each with its file in
deploy/ as it is (proxies.py): the law holds whatever is killed or reloaded,
answers and bodies pass unchanged, and no proxy answers 400, 401, 403 or 404 by
itself where that can be avoided. The traps that the comments of those files
name are shown, too: what follows if a setting is another one.
"""

import contextlib
import functools
import gzip
import json
import os
import pathlib
import re
import tempfile

import pytest

from braze import PROBES, batch, event
from commands import FINE, FOUND, enough, run, settings
from conftest import REPO, TOKEN, until
from load import FAST, LONG, Brazesim, check_law, drain
from names import Check, Metric
from proxies import (NAME, PROXIES, Apache, Caddy, Certificate, Haproxy,
                     Recorder, Relay, Server)

STRANDS = {400, 401, 403, 404}  # Braze deletes or strands what is answered so
EVENTS = 100_000 if LONG else 3_000
CHANGES = 100_000 if LONG else 3_000
ROUNDS = 8 if LONG else 1  # of each fault


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def start_proxy(certificate):
    """A function that starts a proxy before a port."""
    with contextlib.ExitStack() as ends:
        def start(kind, port, *changes):
            directory = pathlib.Path(
                ends.enter_context(tempfile.TemporaryDirectory()))
            directory.chmod(0o755)
            proxy = kind(directory, port, certificate, *changes)
            ends.callback(proxy.end)
            proxy.start()
            return proxy

        yield start


@pytest.fixture(params=PROXIES)
def kind(request):
    return PROXIES[request.param]


@pytest.fixture
def proxied(kind, start_proxy):
    """A function that starts a proxy of each kind before a port."""
    return functools.partial(start_proxy, kind)


@pytest.fixture
def recorder():
    """A server that notes what comes: its port, and the notes."""
    seen = []
    with Server(Recorder, seen=seen) as server:
        server.seen = seen
        yield server


def return_there(daemon):
    """Restarts come back where the proxy looks for them."""
    daemon.env["CURRENTSD_LISTEN"] = f"127.0.0.1:{daemon.port}"


def restart(daemon):
    daemon.kill()
    daemon.start()


def restart_proxy(proxy):
    proxy.kill()
    proxy.start()


def disturb(daemon, proxy, process, most):
    """Kill and reload, spread over what is to be received."""
    faults = (lambda: restart(daemon), proxy.reload,
              lambda: restart_proxy(proxy)) * ROUNDS
    for number, fault in enumerate(faults, 1):
        point = most * number / (len(faults) + 1)
        until(lambda: daemon.queue()["received"] >= point
              or process.poll() is not None, f"{point} of {most}")
        fault()


# ---- the law ----

@pytest.mark.file
def test_law(proxied, start_daemon, heapsim, tmp_path, figure):
    """What was acknowledged is at Heap exactly once, though the daemon and the
    proxy are killed and the proxy is reloaded."""
    heapsim.control(quota=False)
    daemon = start_daemon(**FAST)
    return_there(daemon)
    proxy = proxied(daemon.port)
    with Brazesim(tmp_path, f"{proxy.url}/currents", "--insecure", "--count",
                  str(EVENTS), "--connections", "8", "--batch", "20",
                  "--rate", "4000", "--backoff-ms", "10..200",
                  "--unknown-outcome", "2") as braze:
        disturb(daemon, proxy, braze.process, EVENTS)
        books = braze.books()
    assert books["acked"] == books["distinct_events"] == EVENTS
    assert not STRANDS & {int(status) for status in books["by_status"]}
    drain(daemon)
    check_law(daemon, heapsim, braze.acked())
    figure(f"{books['requests']} requests, {books['network_errors']} network "
           f"errors, {books['by_status']}")


@pytest.mark.file
def test_law_of_segments(proxied, start_daemon, start_audiencesim,
                         start_segmentsim):
    """The same for memberships. What Heap signed is what arrives."""
    braze = start_audiencesim()
    daemon = start_daemon(
        **FAST, segments_secret=TOKEN, braze_url=braze.url,
        braze_api_key="api-key", braze_hold="0", braze_linger="10ms",
        braze_requests_per_minute=0)
    return_there(daemon)
    proxy = proxied(daemon.port)
    heap = start_segmentsim(
        f"{proxy.url}/segments", TOKEN, "--insecure", "--changes",
        str(CHANGES), "--page", "20", "--bad-percent", "40",
        "--duplicate-percent", "10", "--rate", "3000",
        "--backoff-most-ms", "200")
    disturb(daemon, proxy, heap.process, CHANGES)
    report, code = heap.wait()
    assert code == 0, report
    refusals = set().union(*report["by_flaw"].values())
    assert {"400", "403"} <= refusals, "those of currentsd"
    drain(daemon)
    assert {(group.rpartition("_")[2], person.partition(":")[2]): word
            for (group, person), word in braze.memberships().items()
            } == heap.truth()


def test_undisturbed_compressed(proxied, start_daemon, heapsim, tmp_path):
    heapsim.control(quota=False)
    daemon = start_daemon(**FAST)
    proxy = proxied(daemon.port)
    with Brazesim(tmp_path, f"{proxy.url}/currents", "--insecure", "--count",
                  "3000", "--gzip") as braze:
        books = braze.books()
    assert books["by_status"] == {"200": books["requests"]}
    assert books["network_errors"] == 0
    drain(daemon)
    check_law(daemon, heapsim, braze.acked())


def test_a_reload_breaks_no_upload_off(proxied, daemon):
    proxy = proxied(daemon.port)
    body = json.dumps(batch(event())).encode()

    def parts():
        yield body[:100]
        proxy.reload()
        yield body[100:]

    answer = proxy.post(parts())
    assert answer.status == 200 and answer.json["queued"] == 1


# ---- what passes ----

def test_requests_pass_unchanged(proxied, recorder):
    proxy = proxied(recorder.server_port)
    body = gzip.compress(os.urandom(100_000))
    path = "/currents/main//?a=%22Brand%20A%22&b=%2F"
    assert proxy.post(
        body, path, content_encoding="gzip", currentsd_probe="0" * 16,
        x_forwarded_for="192.0.2.1", forwarded="for=192.0.2.1").status == 200
    assert proxy.post(iter([body[:70_000], body[70_000:]]), path,
                      content_encoding="gzip").status == 200
    posts = [note for note in recorder.seen if note[2]]
    assert [note[0] for note in posts] == [path] * 2
    assert [note[2] for note in posts] == [body] * 2
    for _, headers, _ in posts:
        assert headers["Host"].partition(":")[0] == NAME
        assert headers["Authorization"] == f"Bearer {TOKEN}"
        assert headers["Content-Encoding"] == "gzip"
        # The client's address, and not what the client says.
        assert headers.get_all("X-Forwarded-For") == ["127.0.0.1"]
        assert "Forwarded" not in headers
    assert posts[0][1]["Currentsd-Probe"] == "0" * 16


def test_nothing_is_sent_twice(proxied, recorder):
    """Whether currentsd took what it did not answer is for Braze to ask."""
    proxy = proxied(recorder.server_port)
    assert proxy.post("{}").status == 200  # also on a connection in use
    recorder.seen.clear()
    assert proxy.post("{}", "/hang-up").status == 502
    assert len([note for note in recorder.seen if note[2]]) == 1


def test_answers_pass_unchanged(proxied, daemon):
    proxy = proxied(daemon.port)
    assert proxy.post("{}").status == 200
    assert proxy.post("{}", "/currents/main/").status == 200
    assert proxy.post("{}", "//currents").status == 200
    assert proxy.post(
        "{}", "/currents?your_app_group_key=%22Brand%20A%22").status == 200
    refused = proxy.post("{}", token="wrong")
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert proxy.post("{}", "/nowhere").status == 404
    refused = proxy.post("not JSON")
    assert refused.status == 400 and refused.json["offset"] == 0


@pytest.mark.file
def test_what_is_answered_without_room(proxied, start_daemon, tmp_path):
    """Probes and a wrong token are answered by currentsd still."""
    disk = os.statvfs(tmp_path)
    if disk.f_bavail * disk.f_frsize > 1024 << 30:
        pytest.skip("more than 1 TiB is free: no setting can forbid that")
    daemon = start_daemon(ready=False, queue_min_free="1024G")
    proxy = proxied(daemon.port)
    full = proxy.post(json.dumps(batch(event())))
    assert full.status == 503 and full.headers["Retry-After"]
    assert "stay free" in full.json["error"]
    assert {proxy.post(probe).status for probe in PROBES} == {200}
    assert proxy.post("{}", token="wrong").status == 401


def test_large_bodies(proxied, daemon, tmp_path):
    """413, and never a reset: so Braze sends smaller batches. The limits that
    nginx and Apache have themselves are between 18 and 22 MiB."""
    proxy = proxied(daemon.port)
    path = tmp_path / "large"

    def status(way, mib):
        body = b" " * (mib << 20)
        if way == "whole":
            return proxy.post(body).status
        if way == "chunked":
            return proxy.post(iter([body[:9 << 20], body[9 << 20:]])).status
        path.write_bytes(body)
        version, answer = proxy.http2(path)
        assert version == "2"
        return answer

    before = daemon.metric(Metric.ANSWERS % 413)
    assert [status("whole", 18), status("chunked", 18)] == [413, 413]
    assert daemon.metric(Metric.ANSWERS % 413) == before + 2
    assert [status("http2", 22), status("http2", 15)] == [413, 200]
    if LONG:
        assert {status(way, mib) for way in ("whole", "chunked", "http2")
                for mib in (17, 22, 64)} == {413}
        assert {status(way, 16) for way in ("whole", "chunked", "http2")
                } == {200}


# ---- what a proxy answers by itself ----

def raw_post(target, *headers, host=NAME):
    return "\r\n".join((f"POST {target} HTTP/1.1", f"Host: {host}",
                        f"Authorization: Bearer {TOKEN}", *headers,
                        "Content-Length: 2", "", "{}")).encode()


REFUSED = {
    "blank": raw_post('/currents?k="Brand A"'),
    "escape": raw_post("/currents?k=%zz"),
    "no host": raw_post("/currents").replace(b"Host: localhost\r\n", b""),
    "host": raw_post("/currents", host="a b"),
    "length": raw_post("/currents").replace(b"h: 2", b"h: x"),
    "framing": raw_post("/currents", "Transfer-Encoding: x"),
    "header": raw_post("/currents", "A header: x"),
    "long path": raw_post("/currents?" + "a" * 20_000),
    "long header": raw_post("/currents", "A: " + "a" * 70_000),
    "not HTTP": b"\x16\x03\x01\r\n\r\n",
    "version": raw_post("/currents").replace(b"HTTP/1.1", b"HTTP/4.1"),
}
# What no setting changes; caddy/Caddyfile says so.
FIXED = {"caddy": {"blank": 400, "no host": 400, "host": 400, "length": 400,
                   "header": 400, "not HTTP": 400}}


def test_what_a_proxy_refuses_itself(proxied, kind, daemon):
    proxy = proxied(daemon.port)
    answered = {what: proxy.raw(request) for what, request in REFUSED.items()}
    assert {what: status for what, status in answered.items()
            if status in STRANDS} == FIXED.get(kind.PROGRAM, {}), answered
    assert proxy.post("{}").status == 200


# The lines of the allow-list, as shipped, and as they are used.
ALLOW = {
    "nginx": ("# include /etc/nginx/currentsd-allow.conf;",
              "allow ADDRESS;\ndeny all;"),
    "caddy": ("# @stranger not remote_ip 192.0.2.0/24 198.51.100.7\n"
              "\t# respond @stranger 503",
              "@stranger not remote_ip ADDRESS\n\trespond @stranger 503"),
    "haproxy": ("# http-request deny deny_status 503 if "
                "!{ src -f /etc/haproxy/currentsd-allow.lst }",
                "http-request deny deny_status 503 if !{ src ADDRESS }"),
    "apache2": ("Require all granted\n"
                "        # Require ip 192.0.2.0/24 198.51.100.7",
                "Require ip ADDRESS"),
}


def test_allow_list(proxied, kind, daemon):
    old, new = ALLOW[kind.PROGRAM]
    for address, status in (("192.0.2.1", 503), ("127.0.0.1", 200)):
        proxy = proxied(daemon.port, (old, new.replace("ADDRESS", address)))
        assert proxy.post("{}").status == status


@pytest.mark.file
def test_while_currentsd_is_away(proxied, daemon):
    """And back at once, when it is."""
    return_there(daemon)
    proxy = proxied(daemon.port)
    assert proxy.post("{}").status == 200
    daemon.stop()
    assert proxy.post("{}").status in (502, 503, 504)
    daemon.start()
    until(lambda: proxy.post("{}").status == 200, "200 again")


# ---- check --url ----

def run_check(daemon, relay, path="/currents", name=NAME):
    done = run("check", "--json", "--url",
               f"http://{name}:{relay.server_port}{path}", **settings(daemon))
    assert done.returncode in (FINE, FOUND), done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told[Check.PROVEN] == (done.returncode == FINE)
    return told


def test_check_url(proxied, daemon):
    with Server(Relay, proxy=proxied(daemon.port)) as relay:
        assert run_check(daemon, relay)[Check.PROVEN]
        assert run_check(daemon, relay, "/current")[Check.STATUS] == 404
        # By a name that the file does not have: never 200 from another.
        other = run_check(daemon, relay, name="127.0.0.1")
        assert other[Check.PROVEN] or other[Check.STATUS] == 503


# A proxy that answers 200 by itself, to another name or path.
OWN = {
    "nginx": ("upstream currentsd {", """server {
                  listen 127.0.0.1:PORT ssl http2;
                  ssl_certificate CHAIN;
                  ssl_certificate_key KEY;
                  return 200;
              }
              upstream currentsd {"""),
    "caddy": ("""https://:PORT {
\trespond "no such host here" 503
}""", ""),
    "haproxy": ("default_backend currentsd", "http-request return status 200 "
                "if { req.hdr(host) -m beg 127.0.0.1 }\n"
                "    default_backend currentsd"),
    # As Debian's default-ssl does, which comes first.
    "apache2": ("<VirtualHost", """<VirtualHost 127.0.0.1:PORT>
                    ServerName other
                    SSLEngine on
                    SSLCertificateFile CHAIN
                    SSLCertificateKeyFile KEY
                    Alias "/currents" "/etc/os-release"
                </VirtualHost>
                <VirtualHost"""),
}


def test_check_url_finds_a_proxy_that_answers_itself(proxied, kind, daemon):
    proxy = proxied(daemon.port, OWN[kind.PROGRAM])
    with Server(Relay, proxy=proxy) as relay:
        assert run_check(daemon, relay)[Check.PROVEN]
        told = run_check(daemon, relay, name="127.0.0.1")
    assert told[Check.STATUS] == 200
    assert "answers by itself" in told[Check.PROBLEM]


# ---- idle connections ----

# How long a proxy keeps one to currentsd, in seconds.
IDLE = {"nginx": r"\n    keepalive_timeout (\d+)s;",
        "caddy": r"\skeepalive (\d+)s", "haproxy": r" pool-purge-delay (\d+)s",
        "apache2": r" ttl=(\d+) "}
GOOGLE_S = 600  # Google's load balancers: fixed


def test_the_proxy_closes_idle_connections_first(kind, tmp_path):
    """Else a request may meet one that currentsd is closing. The default is
    enough for proxies whose time cannot be set, too."""
    rows = json.loads(run("config", "--all", "--json",
                          **enough(tmp_path)).stdout)["settings"]
    ours, = (row["value"] for row in rows if row["key"] == "idle_timeout")
    text = (REPO / "deploy" / kind.FILE).read_text(encoding="utf-8")
    assert int(re.search(IDLE[kind.PROGRAM], text)[1]) < GOOGLE_S
    assert GOOGLE_S < int(ours.removesuffix("s"))


def open_connections(daemon):
    """Established ones at its address for requests."""
    local = f"{daemon.port:04X}"
    rows = [row.split() for row in
            pathlib.Path("/proc/net/tcp").read_text("ascii").splitlines()]
    return sum(row[1].endswith(f":{local}") and row[3] == "01"
               for row in rows)


def test_currentsd_closes_idle_connections_first(proxied, start_daemon):
    """The proxy sees it, and connects again."""
    daemon = start_daemon(idle_timeout="1s")
    proxy = proxied(daemon.port)
    for _ in range(3):
        assert proxy.post("{}").status == 200
        until(lambda: open_connections(daemon) == 0, "all are closed")


# ---- traps ----

def test_haproxy_checks_health_and_not_readiness(start_proxy, recorder):
    """/readyz would take the only server away, and HAProxy would answer for
    it."""
    often = ("inter 2s downinter 500ms", "inter 10ms")
    proxy = start_proxy(Haproxy, recorder.server_port, often)
    until(lambda: len(recorder.seen) > 10, "checks")
    assert {path for path, _, _ in recorder.seen} == {"/healthz"}
    assert proxy.post("{}").status == 200
    proxy = start_proxy(Haproxy, recorder.server_port, often,
                        ("GET /healthz", "GET /readyz"))
    until(lambda: proxy.post("{}").status == 503, "the server is away")


@pytest.mark.parametrize("setting, status", [("no", 503), ("yes", 200)])
def test_haproxy_sends_the_proxy_protocol(start_proxy, start_daemon, setting,
                                          status):
    """Only together with the setting."""
    daemon = start_daemon(listen_proxy_protocol=setting, ready=False)
    proxy = start_proxy(Haproxy, daemon.port,
                        (" check inter 2s", " send-proxy-v2 check inter 10ms"))
    until(lambda: proxy.post("{}").status == status, "its answer")
    assert (daemon.metric(Metric.HUNG_UP) > 0) == (setting == "no")


def test_apache_inflates_bodies_if_told_to(start_proxy, recorder):
    """And leaves the label. As it is shipped: test_requests_pass_unchanged."""
    proxy = start_proxy(Apache, recorder.server_port, (
        "LimitRequestBody", "SetInputFilter DEFLATE\n    LimitRequestBody"))
    assert proxy.post(gzip.compress(b"a" * 100),
                      content_encoding="gzip").status == 200
    (_, headers, body), = recorder.seen
    assert body == b"a" * 100
    assert headers["Content-Encoding"] == "gzip"


def test_caddy_resets_a_large_upload_if_it_has_a_limit(start_proxy, daemon,
                                                       tmp_path):
    """As it is shipped: test_large_bodies."""
    proxy = start_proxy(Caddy, daemon.port, (
        "reverse_proxy 127", "request_body {\n\t\tmax_size 1MB\n\t}\n"
        "\treverse_proxy 127"))
    path = tmp_path / "large"
    path.write_bytes(b" " * (18 << 20))
    assert proxy.http2(path) == (0, 0)
