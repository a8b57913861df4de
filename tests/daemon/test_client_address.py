"""The address of the client in the log: of the peer, or as a trusted proxy
names it. It decides nothing, so a forged header costs nothing but its own
bytes."""

import json
import pathlib

import pytest

from braze import AUTH, batch, event, raw
from hostile import is_served, statuses
from names import Log
from test_first_bytes import V1, V2_V6


def accepted(daemon, *headers, before=b""):
    """Post; the client that the log names."""
    body = json.dumps(batch(event()))
    request = (f"POST /currents HTTP/1.1\r\nHost: x\r\n{AUTH}"
               + "".join(header + "\r\n" for header in headers)
               + f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
               + body)
    seen = len(daemon.run.lines)
    assert statuses(raw(daemon, before + request.encode("latin-1"))) == [200]
    return daemon.run.wait_line(Log.ACCEPTED_FROM, seen)[1]


def test_proxies_on_this_machine_are_believed(daemon):
    assert accepted(daemon, "X-Forwarded-For: 192.0.2.1") == "192.0.2.1"
    assert accepted(daemon, "x-forwarded-for: 203.0.113.9, 192.0.2.1") \
        == "192.0.2.1", "what the client wrote itself"
    assert accepted(daemon, "X-Forwarded-For: 203.0.113.9",
                    "X-Forwarded-For: 192.0.2.1") == "192.0.2.1"
    assert accepted(daemon, "X-Forwarded-For: 192.0.2.1, 127.0.0.1, ::1") \
        == "192.0.2.1"
    assert accepted(daemon, 'Forwarded: for="[2001:db8::7]:4711";by=x') \
        == "[2001:db8::7]:4711"
    assert accepted(daemon, "Forwarded: for=192.0.2.1",
                    "X-Forwarded-For: 192.0.2.1") == "192.0.2.1"


@pytest.mark.parametrize("headers", [
    (), ("X-Forwarded-For: unknown",), ("X-Forwarded-For: _hidden",),
    ("X-Forwarded-For: 192.0.2.1 status=200 why=\"x\"",),
    ("X-Forwarded-For: \xff\xfe",), ("X-Forwarded-For:",),
    ("Forwarded: for=unknown;for=\"",), ("Forwarded: 192.0.2.1",),
    # One of the two was written by the client.
    ("X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.2"),
    ("X-Forwarded-For: 192.0.2.1", "Forwarded: for=unknown"),
    ("X-Forwarded-For: unknown", "Forwarded: for=192.0.2.1"),
], ids=range(11))
def test_a_proxy_that_says_nothing_of_use(daemon, headers):
    assert_peer(accepted(daemon, *headers))


def assert_peer(client):
    host, port = client.rsplit(":", 1)
    assert host == "127.0.0.1" and int(port) > 0


def test_others_are_not_believed(start_daemon):
    daemon = start_daemon(trusted_proxies="10.0.0.0/8,::1,unix")
    for headers in (("X-Forwarded-For: 192.0.2.1",),
                    ("Forwarded: for=10.0.0.1", "X-Forwarded-For: 10.0.0.1")):
        assert_peer(accepted(daemon, *headers))
    # What is refused shows it in the same way.
    assert daemon.post(batch(event()), path="/none",
                       x_forwarded_for="192.0.2.1").status == 404
    assert_peer(daemon.run.wait_line(Log.REFUSED_FROM)[1])


def test_refused_requests_and_strangers(daemon):
    assert statuses(raw(
        daemon, b"POST /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"X-Forwarded-For: 192.0.2.1\r\n\r\n")) == [404]
    assert daemon.run.wait_line(Log.REFUSED_FROM)[1] == "192.0.2.1"


@pytest.mark.parametrize("trusted, header, client", [
    ("127.0.0.1", V1, "192.0.2.1:50000"),
    ("127.0.0.1", V2_V6, "[2001:db8::7]:50000"),
    ("10.0.0.0/8", V1, None), ("unix", V2_V6, None)])
def test_proxy_protocol(start_daemon, trusted, header, client):
    """A header of the PROXY protocol is taken off in any case."""
    daemon = start_daemon(listen_proxy_protocol="yes", ready=False,
                          trusted_proxies=trusted)
    told = accepted(daemon, before=header)
    if client is None:
        assert_peer(told)
    else:
        assert told == client
    # Whom the balancer serves is not a proxy of ours.
    told = accepted(daemon, "X-Forwarded-For: 203.0.113.9", before=header)
    if client is None:
        assert_peer(told)
    else:
        assert told == client


def test_a_balancer_before_a_proxy(start_daemon):
    daemon = start_daemon(listen_proxy_protocol="yes", ready=False,
                          trusted_proxies="127.0.0.1,192.0.2.0/24")
    assert accepted(daemon, "X-Forwarded-For: 203.0.113.9, 198.51.100.1",
                    before=V1) == "198.51.100.1"


def test_thousands_of_proxies(daemon):
    many = ", ".join(["203.0.113.9"] + ["127.0.0.1"] * 4000)
    assert accepted(daemon, "X-Forwarded-For: " + many) == "203.0.113.9"
    lines = ["X-Forwarded-For: x"] * 1000 + ["X-Forwarded-For: 192.0.2.1"]
    assert accepted(daemon, *lines) == "192.0.2.1"
    is_served(daemon)


@pytest.mark.file
def test_it_is_not_stored(daemon):
    """Neither in the files nor in what any view shows."""
    assert accepted(daemon, "X-Forwarded-For: 198.51.100.77") \
        == "198.51.100.77"
    assert "198.51.100.77" not in daemon.admin("/status").text
    assert "198.51.100.77" not in daemon.admin("/metrics").text
    daemon.stop()
    files = [path for path in
             pathlib.Path(daemon.env["CURRENTSD_STATE_DIR"]).rglob("*")
             if path.is_file()]
    assert files
    for path in files:
        assert b"198.51.100.77" not in path.read_bytes(), path
