"""Where the daemon listens: several addresses, unix sockets with their names,
modes and groups."""

import grp
import json
import os
import re
import signal
import socket
import stat

import pytest

from braze import AUTH, batch, event, keep_alive
from commands import CONFIG, FINE, FOUND, enough, run
from conftest import PATIENCE, until
from hostile import POST, statuses
from names import Check, Log, Metric
from test_first_bytes import CHUNKED, answer_on

ENDED = 1  # "may pass": a service manager tries again


def connected(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(PATIENCE)
    sock.connect(str(path))
    return sock


def post(*headers):
    body = json.dumps(batch(event()))
    return (f"POST /currents HTTP/1.1\r\nHost: x\r\n{AUTH}"
            + "".join(header + "\r\n" for header in headers)
            + f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            + body).encode()


def posted(path, *headers, before=b""):
    with connected(path) as sock:
        return statuses(answer_on(sock, before + post(*headers)))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "http.sock"


def test_several_addresses(start_daemon, path, tmp_path):
    other = tmp_path / "other.sock"
    daemon = start_daemon(
        listen=f"unix:{path},127.0.0.1:0,unix:{other}")
    assert posted(path) == posted(other) == [200]
    assert daemon.post(batch(event())).status == 200
    assert daemon.queue()["received"] == 3
    for one in (path, other):
        assert stat.S_IMODE(one.stat().st_mode) == 0o660
    # The admin interface is elsewhere.
    with connected(path) as sock:
        assert statuses(answer_on(sock, b"GET /status HTTP/1.1\r\nHost: x\r\n"
                             b"Connection: close\r\n\r\n")) == [404]
    daemon.stop()
    assert not path.exists() and not other.exists()


def test_mode_and_group(start_daemon, path):
    name = grp.getgrgid(os.getgid()).gr_name
    if os.geteuid() == 0:
        name = "nogroup"
    start_daemon(listen=f"127.0.0.1:0,unix:{path}", listen_mode="0606",
                 listen_group=name)
    assert stat.S_IMODE(path.stat().st_mode) == 0o606
    assert grp.getgrgid(path.stat().st_gid).gr_name == name


@pytest.mark.file
def test_name_left_by_a_crash(start_daemon, path):
    daemon = start_daemon(listen=f"127.0.0.1:0,unix:{path}")
    daemon.kill()
    with pytest.raises(ConnectionRefusedError):
        connected(path)
    daemon.start()
    assert posted(path) == [200]


def failing(tmp_path, code, says, **given):
    done = run("serve", **enough(tmp_path, **given))
    assert done.returncode == code and re.search(says, done.stderr), \
        done.stderr


@pytest.mark.parametrize("which", ["listen", "admin"])
def test_port_of_another_program(tmp_path, which):
    """It may end, as that of a daemon that is restarted does."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        failing(tmp_path, ENDED, f"cannot listen on {address}: "
                "Address already in use", **{which: address})


def test_name_of_another_program(tmp_path, path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(0)
        for _ in range(2):  # the second finds its backlog full
            failing(tmp_path, ENDED, f"another program listens at {path}: "
                    "stop it, or listen at another path",
                    listen=f"unix:{path}")
            with socket.socket(socket.AF_UNIX) as filler:
                filler.setblocking(False)
                filler.connect_ex(str(path))
        assert path.exists()


def test_names_that_cannot_be(tmp_path, path):
    path.write_text("mine")
    failing(tmp_path, CONFIG, "is no socket: remove it",
            listen=f"unix:{path}")
    assert path.read_text() == "mine"
    failing(tmp_path, CONFIG, "whose directory must be there",
            listen=f"unix:{tmp_path}/none/http.sock")
    failing(tmp_path, CONFIG, "there is no group nobody-at-all",
            listen=f"unix:{tmp_path}/b.sock", listen_group="nobody-at-all")
    failing(tmp_path, CONFIG, "LISTEN should be an IP address",
            listen="unix:" + "/long" * 30)
    assert not (tmp_path / "b.sock").exists()


def test_body_without_a_length(start_daemon, path):
    """The kernel does not count what arrives here, as it does for TCP. If there
    is a body its type goes before it."""
    daemon = start_daemon(listen=f"127.0.0.1:0,unix:{path}")

    def asked(*headers, body=""):
        head = "".join(f"{line}\r\n" for line in (
            "POST /currents HTTP/1.1", "Host: x", "Connection: close",
            *headers))
        with connected(path) as sock:
            return statuses(answer_on(sock, (head + AUTH + "\r\n"
                                             + body).encode()))

    typed = "Content-Type: application/json"
    assert asked(typed, body=json.dumps(batch(event()))) == [503]
    assert daemon.queue()["received"] == 0
    daemon.run.wait_line(Log.REFUSE % 503 + ".*neither Content-Length")
    assert asked() == [200]
    assert asked(typed, "Content-Length: 0") == [200]


def test_a_name_that_became_another_programs(start_daemon, path):
    daemon = start_daemon(listen=f"127.0.0.1:0,unix:{path}")
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        daemon.stop()
        assert path.exists()


@pytest.mark.parametrize("trusted, before, client", [
    (None, b"", "192.0.2.1"), ("127.0.0.0/8", b"", "unix")])
def test_client_address(start_daemon, path, trusted, before, client):
    daemon = start_daemon(listen=f"127.0.0.1:0,unix:{path}",
                          trusted_proxies=trusted)
    assert posted(path, "X-Forwarded-For: 192.0.2.1") == [200]
    assert daemon.run.wait_line(Log.ACCEPTED_FROM)[1] == client


def test_proxy_protocol(start_daemon, path):
    daemon = start_daemon(listen=f"127.0.0.1:0,unix:{path}", ready=False,
                          listen_proxy_protocol="yes")
    assert posted(path, before=b"PROXY TCP4 192.0.2.1 192.0.2.2 5 443\r\n") \
        == [200]
    assert daemon.run.wait_line(Log.ACCEPTED_FROM)[1] == "192.0.2.1:5"
    with connected(path) as sock:
        assert answer_on(sock, post()) == b""


def test_addresses_share_the_limits(start_daemon, path):
    """A crowd at one address gives way to those who come to another."""
    daemon = start_daemon(listen=f"127.0.0.1:0,unix:{path}",
                          max_connections=16)
    crowd = [connected(path) for _ in range(60)]
    until(lambda: daemon.metric(Metric.CONNECTIONS_SWEPT) >= 40, "room made")
    assert daemon.post(batch(event())).status == 200
    assert posted(path) == [200]
    for sock in crowd:
        sock.close()


def test_body_that_cannot_be_read_is_no_400(start_daemon, path):
    daemon = start_daemon(listen=f"127.0.0.1:0,unix:{path}")
    for request in (b"POST /currents HTTP/1.1\r\nHost: x\r\n"
                    b"Content-Length: 2 \r\n\r\n{}",
                    CHUNKED + b" 2\r\n{}\r\n0\r\n\r\n"):
        with connected(path) as sock:
            assert answer_on(sock, request) == b""
    until(lambda: daemon.metric(Metric.HUNG_UP) == 2, "counted")


# ---- check

def told(tmp_path, code, listen):
    done = run("check", "--offline", "--json",
               **enough(tmp_path, listen=listen))
    assert done.returncode == code, done.stdout + done.stderr
    done = json.loads(done.stdout)
    return [one[Check.STATE] for one in done[Check.LISTEN]], \
        done[Check.PROBLEMS]


def test_check(tmp_path, path):
    assert told(tmp_path, FINE, f"unix:{path},127.0.0.1:0") \
        == ([Check.FREE, Check.FREE], [])
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        states, problems = told(tmp_path, FOUND, f"unix:{path}")
        assert states == [Check.TAKEN]
        assert f"listen: unix:{path} is in use by " in problems[0]
        assert f"(process {os.getpid()})" in problems[0]
    assert told(tmp_path, FINE, f"unix:{path}") == ([Check.FREE], []), \
        "the name is left over"
    path.unlink()
    path.write_text("mine")
    assert told(tmp_path, FOUND, f"unix:{path}")[0] == ["error"]
    states, problems = told(tmp_path, FOUND, f"unix:{tmp_path}/none/x")
    assert states == ["error"] and "No such file" in problems[0]


@pytest.mark.file
def test_check_of_the_daemon_itself(start_daemon, path):
    daemon = start_daemon(listen=f"unix:{path},127.0.0.1:0")
    text = daemon.command("check", "--offline")
    assert f"listen       unix:{path}, used by the daemon\n" in text


def test_strangers_that_stay_give_way(daemon):
    """256 connections may stay open after an answer. Strangers do not keep
    those from it who have a token."""
    crowd = [keep_alive(daemon) for _ in range(256)]
    with daemon.connect() as sock:
        for _ in range(3):
            sock.sendall(POST + b"Content-Length: 2\r\n\r\n{}")
            answer = sock.recv(4096)
            assert statuses(answer) == [200]
            assert b"Connection: close" not in answer
    for client in crowd:
        client.close()
