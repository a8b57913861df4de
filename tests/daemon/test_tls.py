"""TLS of our own: what plain connections promise holds within it, too."""

import contextlib
import http.client
import json
import pathlib
import re
import socket
import ssl
import subprocess
import time
import warnings

import pytest

from braze import batch, event
from commands import CONFIG, FINE, enough, run
from conftest import PATIENCE, TOKEN, until
from hostile import POST, statuses
from names import Log, Metric, Text
from test_first_bytes import MALFORMED, V1, V2_LOCAL, answer_on

DAY_S = 24 * 3600
ENTRIES = b"".join(b"X-%d: %s\r\n" % (i, b"x" * 1000) for i in range(200))


def openssl(*words):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True,
                          text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr


def certificate(tmp_path, name, days=30, **signer):
    """A certificate for localhost and its key, of its own or by another."""
    pem, key = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
    more = []
    if "ca" in signer:
        more = ["-CA", signer["ca"], "-CAkey", signer["ca_key"]]
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", pem,
            "-days", days, "-subj", f"/CN={name}", "-addext",
            signer.get("ext", "subjectAltName=DNS:localhost"), *more)
    return pem, key


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("tls"), "one")


@pytest.fixture
def start_tls(start_daemon, files):
    def start(**settings):
        daemon = start_daemon(ready=False, tls_certificate=files[0],
                              tls_key=files[1], **settings)
        until(lambda: daemon.admin("/readyz").status == 200, "/readyz 200")
        return daemon
    return start


@pytest.fixture
def daemon(start_tls):
    return start_tls()


def context(pem):
    return ssl.create_default_context(cafile=pem)


@contextlib.contextmanager
def connected(daemon, files, before=b"", how=None):
    with daemon.connect() as plain:
        plain.sendall(before)
        with (how or context(files[0])).wrap_socket(
                plain, server_hostname="localhost",
                suppress_ragged_eofs=True) as sock:
            yield sock


def asked(daemon, files, request, **how):
    with connected(daemon, files, **how) as sock:
        return answer_on(sock, request)


def post(body=None, more=b""):
    body = json.dumps(batch(event())).encode() if body is None else body
    return (POST + b"Connection: close\r\n" + more
            + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def answered(sock, request):
    """Its status, once all of it is here: it comes in several records."""
    sock.sendall(request)
    answer = sock.recv(65536)
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int((re.search(rb"Content-Length: (\d+)", head) or [0, 0])[1])
    while len(body) < length:
        body += sock.recv(65536)
    return statuses(head)


def is_served(daemon, files):
    assert statuses(asked(daemon, files, post())) == [200]


# ---- it serves

def test_requests(daemon, files):
    is_served(daemon, files)
    client = http.client.HTTPSConnection("localhost", daemon.port,
                                         timeout=PATIENCE,
                                         context=context(files[0]))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    large = json.dumps({"events": [
        event(properties={"filler": "x" * 100000}) for _ in range(100)]})
    for status, body in ((200, json.dumps(batch(event()))), (200, large),
                         (200, "{}"), (400, "["), (200, large)):
        client.request("POST", "/currents", body=body, headers=headers)
        answer = client.getresponse()
        assert answer.status == status and answer.read(), answer.status
    client.close()
    assert daemon.queue()["received"] == 202
    assert daemon.run.wait_line(Log.ACCEPTED_FROM)[1].startswith("127.0.0.1:")


def test_chunks_and_continue(daemon, files):
    with connected(daemon, files) as sock:
        assert answered(sock, POST + b"Expect: 100-continue\r\n"
                        b"Content-Length: 2\r\n\r\n") == [100]
        assert answered(sock, b"{}") == [200]
        assert answered(sock, POST + b"Transfer-Encoding: chunked\r\n\r\n"
                        b"2\r\n{}\r\n0\r\n\r\n") == [200]
        assert answered(sock, POST + b"\r\n") == [200], "without a length"


def test_body_without_a_length(daemon, files):
    """How much of it arrived is not known, as on a unix socket: if there is a
    body its type goes before it."""
    with connected(daemon, files) as sock:
        assert answered(sock, POST + b"Content-Type: application/json\r\n\r\n"
                        + json.dumps(batch(event())).encode()) == [503]
    assert daemon.queue()["received"] == 0


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_versions(daemon, files, version):
    how = context(files[0])
    how.minimum_version = how.maximum_version = ssl.TLSVersion[version]
    with connected(daemon, files, how=how) as sock:
        assert sock.version() == version.replace("_", ".")


def test_older_versions_are_refused(daemon, files):
    how = context(files[0])
    how.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        how.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        how.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        asked(daemon, files, post(), how=how)
    is_served(daemon, files)


def test_chain(start_daemon, tmp_path):
    """A client that knows the root only is sent what is between."""
    ca = "basicConstraints=critical,CA:TRUE"
    root, root_key = certificate(tmp_path, "root", ext=ca)
    middle, middle_key = certificate(tmp_path, "middle", ext=ca, ca=root,
                                     ca_key=root_key)
    leaf, key = certificate(tmp_path, "leaf", ca=middle, ca_key=middle_key)
    chain = tmp_path / "chain.pem"
    chain.write_text(leaf.read_text() + middle.read_text())
    daemon = start_daemon(ready=False, tls_certificate=chain, tls_key=key)
    is_served(daemon, (root, None))


def test_proxy_protocol_comes_before(start_tls, files):
    daemon = start_tls(listen_proxy_protocol="yes")
    assert statuses(asked(daemon, files, post(), before=V1)) == [200]
    assert daemon.run.wait_line(Log.ACCEPTED_FROM)[1] == "192.0.2.1:50000"


def test_unix_socket(start_tls, files, tmp_path):
    path = tmp_path / "http.sock"
    start_tls(listen=f"127.0.0.1:0,unix:{path}")
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(PATIENCE)
        plain.connect(str(path))
        with context(files[0]).wrap_socket(
                plain, server_hostname="localhost") as sock:
            assert statuses(answer_on(sock, post())) == [200]


# ---- no 400

@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
def test_no_400_of_the_library(daemon, files, request_):
    """On a new connection, and after an answer on the same one."""
    first = POST + b"Content-Length: 2\r\n\r\n{}"
    assert asked(daemon, files, request_) == b""
    with connected(daemon, files) as sock:
        assert answered(sock, first) == [200]
        assert answer_on(sock, request_) == b""
    assert 400 not in statuses(asked(daemon, files, first + request_))
    until(lambda: daemon.metric(Metric.HUNG_UP) == 3, "counted")
    assert daemon.metric(Metric.ANSWERS % 400) == 0
    is_served(daemon, files)


@pytest.mark.parametrize("request_", [
    b"\x16\x03\x01 nonsense\r\n\r\n", b"GET\r\n\r\n", b"\r\n\r\n\r\n",
    b"POST /currents HTTP/9.9\r\nHost: x\r\n\r\n",
    b"POST /currents\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    POST + ENTRIES + b"Content-Length: 2\r\n\r\n{}",
    b"POST /currents?" + b"x" * 200000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    POST + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    POST + b"Content-Length: -1\r\n\r\n{}",
    POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    POST + b"Transfer-Encoding: gzip\r\n\r\n{}",
], ids=["tls", "line", "empty", "version", "nul", "headers", "target",
        "length-large", "length-negative", "length-twice", "coding"])
def test_answers_are_those_of_plain_connections(daemon, start_daemon, files,
                                                request_):
    plain = start_daemon()
    request_ += (b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
                 b"Connection: close\r\n\r\n")
    with plain.connect() as sock:
        wanted = answer_on(sock, request_)

    def same():
        # One that comes before all is sent may be lost.
        with contextlib.suppress(ssl.SSLError):
            got = statuses(asked(daemon, files, request_))
            assert 400 not in got
            return got[:1] == statuses(wanted)[:1]

    until(same, "the same answer")
    is_served(daemon, files)


def test_our_own_400_is_sent(start_daemon, files):
    """A signature that is not valid: Heap is to sign anew."""
    daemon = start_daemon(
        ready=False, tls_certificate=files[0], tls_key=files[1],
        segments_secret="a-secret", braze_url="http://127.0.0.1:9",
        braze_api_key="k")
    answer = asked(
        daemon, files,
        b"POST /segments HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Heap-Hash: ts=1,v1=" + b"0" * 64 + b"\r\n"
        b"Content-Length: 2\r\n\r\n{}")
    assert statuses(answer) == [400], answer


# ---- who speaks otherwise

def test_plain_requests_are_hung_up_on(daemon, files):
    with daemon.connect() as sock:
        assert answer_on(sock, post()) == b""
    until(lambda: daemon.metric(Metric.HUNG_UP) == 1, "counted")
    daemon.run.wait_line(Log.HUNG_UP + ".*began without TLS: let the client "
                         "use https, or remove tls_certificate")
    is_served(daemon, files)


def test_tls_where_it_is_not_spoken(start_daemon, files):
    daemon = start_daemon()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        asked(daemon, files, post())
    daemon.run.wait_line(Log.HUNG_UP + ".*began with TLS: .*set "
                         "tls_certificate")


def test_a_client_that_does_not_trust_us(daemon, files, tmp_path):
    other, _ = certificate(tmp_path, "other")
    with pytest.raises(ssl.SSLCertVerificationError):
        asked(daemon, (other, None), post())
    daemon.run.wait_line(Log.HUNG_UP + ".*does the client trust the "
                         "certificate")
    is_served(daemon, files)


def waits(daemon):
    """Does none of its threads run?"""
    tasks = pathlib.Path(f"/proc/{daemon.run.process.pid}/task")
    return all(task.read_text().rpartition(") ")[2].startswith("S")
               for task in tasks.glob("*/stat"))


@pytest.mark.parametrize("begun", [
    b"\x16", b"\x16\x03\x01\x02\0\x01\0", b"\x16\x03\x01\0\x05hello",
    b"\x16\x03\x01\xff\xff" + bytes(1000)])
def test_handshakes_that_do_not_go_on(start_tls, files, begun):
    """They cost no thread, and their time is limited."""
    daemon = start_tls(threads=1, request_timeout="2s", idle_timeout="10m")
    crowd = [daemon.connect() for _ in range(100)]
    for sock in crowd:
        sock.sendall(begun)
    is_served(daemon, files)
    for sock in crowd:
        answer = answer_on(sock)
        assert b"HTTP" not in answer
        sock.close()
    is_served(daemon, files)


@pytest.mark.parametrize("begun", [b"\x16", b"\x16\x03\x01\x02\0\x01\0"])
def test_nothing_runs_while_a_handshake_waits(start_tls, files, begun):
    daemon = start_tls(request_timeout="1h")
    with daemon.connect() as sock:
        sock.sendall(begun)
        is_served(daemon, files)
        until(lambda: waits(daemon), "all threads wait")


def test_a_stop_blames_no_handshake(start_tls, files):
    daemon = start_tls()
    with daemon.connect() as sock:
        sock.sendall(b"\x16\x03\x01\x02\0\x01\0")
        is_served(daemon, files)
        run_ = daemon.run
        daemon.stop()
    assert not [line for line in run_.lines if re.search(Log.HUNG_UP, line)]


def test_handshakes_count_to_the_limit(start_tls, files):
    daemon = start_tls(max_connections=16, request_timeout="10m",
                       idle_timeout="10m")
    crowd = [daemon.connect() for _ in range(200)]
    for sock in crowd:
        sock.sendall(b"\x16\x03\x01\x02\0\x01\0")
    until(lambda: daemon.metric(Metric.CONNECTIONS_SWEPT) >= 184, "room made")
    is_served(daemon, files)
    # Nobody is blamed for what we closed.
    assert daemon.metric(Metric.HUNG_UP) == 0
    for sock in crowd:
        sock.close()


def test_health_checks_of_a_balancer(start_tls, files):
    """They end before the handshake, and say nothing about the certificate."""
    daemon = start_tls(threads=1, listen_proxy_protocol="yes")
    for _ in range(10):
        with daemon.connect() as sock:
            sock.sendall(V2_LOCAL)
            sock.shutdown(socket.SHUT_WR)
            assert answer_on(sock) == b""
    assert daemon.metric(Metric.HUNG_UP) == 0
    with daemon.connect() as sock:
        sock.sendall(V2_LOCAL + b"\x16\x03\x01\x02\0\x01\0")
        sock.shutdown(socket.SHUT_WR)
        answer_on(sock)
    until(lambda: daemon.metric(Metric.HUNG_UP) == 1, "counted")


# ---- the files

def failing(tmp_path, says, pem, key):
    given = enough(tmp_path, tls_certificate=pem, tls_key=key)
    for command in (["serve"], ["check", "--offline"]):
        done = run(*command, **given)
        assert done.returncode == CONFIG
        assert re.search(says, done.stderr), done.stderr


def test_files_that_cannot_be_used(tmp_path, files):
    pem, key = files
    junk = tmp_path / "junk"
    junk.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n")
    other, other_key = certificate(tmp_path, "other")
    none = tmp_path / "none"
    for says, *given in (
            (f"cannot read the file of tls_certificate, {none}: No such file",
             none, key),
            (f"cannot read the file of tls_key, {none}: No such file",
             pem, none),
            ("cannot read the file of tls_key, .*: Is a directory",
             pem, tmp_path),
            ("tls_certificate: .*junk has no certificate that can be read",
             junk, key),
            ("tls_certificate: .*one.key has no certificate", key, key),
            ("tls_key: .*junk has no key that can be read", pem, junk),
            ("tls_key: .*one.pem has no key that can be read", pem, pem),
            (r"the key in \S+other.key \(tls_key\) is not that of the first "
             r"certificate in \S+one.pem", pem, other_key),
            ("tls_certificate and tls_key belong together", pem, None),
            ("tls_certificate and tls_key belong together", None, key)):
        failing(tmp_path, says, *given)


def test_a_key_with_a_passphrase(tmp_path, files):
    sealed = tmp_path / "sealed.key"
    openssl("ec", "-in", files[1], "-aes128", "-passout", "pass:x", "-out",
            sealed)
    failing(tmp_path, "tls_key: .*without a passphrase", files[0], sealed)


def test_a_certificate_that_expires(tmp_path, start_daemon):
    """It is a warning: some clients do not look, and events would be lost."""
    pem, key = certificate(tmp_path, "short", days=3)
    done = run("check", "--offline", "--json", **enough(
        tmp_path, tls_certificate=pem, tls_key=key))
    assert done.returncode == FINE, done.stderr
    told = json.loads(done.stdout)
    assert re.search(r"the certificate in \S+ expires on \d{4}-\d\d-\d\d",
                     "\n".join(told["warnings"]))
    daemon = start_daemon(ready=False, tls_certificate=pem, tls_key=key)
    daemon.run.wait_line(r"level=warn module=settings .*expires on \d{4}-")
    is_served(daemon, (pem, key))


def test_a_certificate_that_expires_is_told_while_it_is_used(tmp_path,
                                                             start_daemon):
    """The daemon runs for longer than a certificate: status and a metric say
    so in time, until one with more of it is read."""
    pem, key = certificate(tmp_path, "short", days=3)
    daemon = start_daemon(ready=False, tls_certificate=pem, tls_key=key)
    until(lambda: daemon.admin("/readyz").status == 200, "/readyz 200")
    assert daemon.metric(Metric.TLS_EXPIRY) == pytest.approx(
        time.time() + 3 * DAY_S, abs=DAY_S / 24)
    assert Text.TLS_EXPIRES in daemon.command("status")
    for file, renewed in zip((pem, key), certificate(tmp_path, "renewed")):
        file.write_bytes(renewed.read_bytes())
    daemon.command("reload")
    assert daemon.metric(Metric.TLS_EXPIRY) == pytest.approx(
        time.time() + 30 * DAY_S, abs=DAY_S / 24)
    assert Text.TLS_EXPIRES_ANY not in daemon.command("status")


def test_without_a_certificate_none_expires(start_daemon):
    daemon = start_daemon()
    assert daemon.metric(Metric.TLS_EXPIRY) == 0
    assert Text.TLS_EXPIRES_ANY not in daemon.command("status")


def test_check_shows_the_scheme(tmp_path, files):
    text = run("check", "--offline", **enough(
        tmp_path, tls_certificate=files[0], tls_key=files[1])).stdout
    assert "listen       https://127.0.0.1:0, free\n" in text
    assert "admin        http://" in text



@pytest.mark.file
def test_a_renewed_certificate(start_daemon, tmp_path):
    """A reload gives it to new connections; those that are open stay. While
    the files are wrong, that of before is used."""
    pem, key = certificate(tmp_path, "used")
    old = context(pem)
    daemon = start_daemon(ready=False, tls_certificate=pem, tls_key=key)
    until(lambda: daemon.admin("/readyz").status == 200, "/readyz 200")
    new_pem, new_key = certificate(tmp_path, "renewed")
    request = post().replace(b"Connection: close\r\n", b"")
    with connected(daemon, None, how=old) as sock:
        assert answered(sock, request) == [200]
        pem.write_bytes(new_pem.read_bytes())
        assert "is not that of the first certificate" in \
            daemon._command(["reload"], CONFIG).stderr
        assert statuses(asked(daemon, None, post(), how=old)) == [200]
        key.write_bytes(new_key.read_bytes())
        daemon.command("reload")
        is_served(daemon, (new_pem, new_key))
        with pytest.raises(ssl.SSLCertVerificationError):
            asked(daemon, None, post(), how=old)
        assert answered(sock, request) == [200]
