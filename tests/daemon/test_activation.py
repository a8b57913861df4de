"""Sockets that systemd passes: a restart refuses nobody."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading

import pytest

from braze import AUTH, batch, event
from commands import CONFIG, FINE, bare, enough, run
from conftest import (BUILD, PATIENCE, PROGRAM, Daemon, passing, until,
                      variable)
from hostile import statuses
from names import Check, Metric
from test_first_bytes import answer_on


def listening(family=socket.AF_INET, address=("127.0.0.1", 0)):
    sock = socket.socket(family)
    sock.bind(address)
    sock.listen(1024)
    return sock


def posted(sock, address):
    """Connect, post an event; the statuses of what comes back."""
    body = json.dumps(batch(event()))
    with socket.socket(sock.family) as client:
        client.settimeout(PATIENCE)
        client.connect(address)
        return statuses(answer_on(client, (
            f"POST /currents HTTP/1.1\r\nHost: x\r\n{AUTH}Connection: close"
            f"\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()))


@pytest.fixture
def pass_sockets(tmp_path, heapsim):
    """A function that starts a daemon with sockets: pass_sockets((name, socket))."""
    started = []

    def start(*passed, **settings):
        daemon = Daemon(tmp_path / "state", heapsim.url, settings)
        daemon.passed = passed
        started.append(daemon)
        return daemon.start()

    yield start
    for daemon in started:
        daemon.stop()
        for _, sock in daemon.passed:
            sock.close()


def test_sockets_by_their_names(pass_sockets, tmp_path):
    """Without the name admin it is for the posts; what is in the settings is
    not opened then."""
    public, admin = listening(), listening()
    local = listening(socket.AF_UNIX, str(tmp_path / "http.sock"))
    daemon = pass_sockets(("currentsd.socket", public), ("admin", admin),
                     ("", local), listen="192.0.2.1:80", admin="192.0.2.1:81")
    assert daemon.port == public.getsockname()[1]
    assert daemon.admin_port == admin.getsockname()[1]
    assert posted(public, public.getsockname()) == [200]
    assert posted(local, local.getsockname()) == [200]
    assert daemon.queue()["received"] == 2
    daemon.run.wait_line(r"event=adopt sockets=3 .*replace listen and admin")
    daemon.stop()
    assert os.path.exists(local.getsockname()), "systemd's name stays"


def test_public_only(pass_sockets):
    public = listening()
    daemon = pass_sockets(("x", public), listen="192.0.2.1:80")
    assert posted(public, public.getsockname()) == [200]
    assert daemon.admin("/healthz").status == 200
    daemon.run.wait_line("adopt sockets=1 .*they replace listen\"")


def test_admin_only(pass_sockets):
    admin = listening()
    daemon = pass_sockets(("admin", admin), admin="192.0.2.1:81")
    assert daemon.post(batch(event())).status == 200
    assert daemon.admin_port == admin.getsockname()[1]
    daemon.run.wait_line("adopt sockets=1 .*they replace admin\"")


@pytest.mark.file
def test_a_restart_refuses_nobody(pass_sockets):
    """Clients connect all the time, while the daemon stops and starts: each is
    answered, and what was answered 200 is there."""
    public = listening()
    daemon = pass_sockets(("x", public))
    over, answers = threading.Event(), []

    def post_on():
        while not over.is_set():
            answers.append(posted(public, public.getsockname()))

    clients = [threading.Thread(target=post_on) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        for _ in range(4):
            seen = len(answers)
            daemon.stop()
            daemon.start()
            until(lambda count=seen + 20: len(answers) >= count or not any(
                client.is_alive() for client in clients), "twenty more")
    finally:
        over.set()
        for client in clients:
            client.join()
    assert all(answer in ([200], [503]) for answer in answers), answers
    assert len(answers) >= 80
    assert daemon.queue()["received"] == answers.count([200])


def test_connections_that_have_sent_nothing_yet(pass_sockets):
    """One that is accepted as the stop begins may still send; one that says
    nothing does not hold the stop up for long."""
    public = listening()
    daemon = pass_sockets(("x", public))
    before = daemon.metric(Metric.CONNECTIONS)
    silent = socket.create_connection(public.getsockname(), timeout=PATIENCE)
    begun = socket.create_connection(public.getsockname(), timeout=PATIENCE)
    body = json.dumps(batch(event()))
    begun.sendall(f"POST /currents HTTP/1.1\r\nHost: x\r\n{AUTH}"
                  f"Content-Length: {len(body)}\r\n\r\n{body[:5]}".encode())
    until(lambda: daemon.metric(Metric.CONNECTIONS) == before + 2,
          "both are accepted")
    daemon.run.process.terminate()
    daemon.run.wait_line("stop signal=TERM")
    begun.sendall(body[5:].encode())
    assert statuses(begun.recv(4096)) in ([200], [503])
    with silent, begun:
        daemon.stop()


@pytest.mark.file
def test_a_connection_that_is_being_accepted(pass_sockets, tmp_path):
    """As the stop begins: it is answered, too."""
    hang = tmp_path / "hang"
    public = listening()
    daemon = pass_sockets(("x", public))
    daemon.stop()
    daemon.env.update({
        "LD_PRELOAD": str(BUILD / "tests" / "libhang.so"), "HANG": str(hang),
        "HANG_IN": "accept4", "ASAN_OPTIONS": "verify_asan_link_order=0"})
    daemon.start()
    hang.touch()
    answers = []
    client = threading.Thread(target=lambda: answers.append(
        posted(public, public.getsockname())))
    client.start()
    until(hang.with_suffix(".met").exists, "it is being accepted")
    daemon.run.process.terminate()
    daemon.run.wait_line("stop signal=TERM")
    hang.unlink()
    client.join()
    assert answers[0] in ([200], [503])


# ---- what cannot be served

def started_with(tmp_path, fds, environment=(), **given):
    """`serve` with these descriptors; what it says as it fails."""
    env = {**bare(), **dict(environment),
           **{variable(name): str(value) for name, value in
              enough(tmp_path, **given).items()}}
    return subprocess.run(
        [*passing(fds), PROGRAM, "serve"], env=env, pass_fds=fds,
        capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_descriptors_that_do_not_listen(tmp_path):
    with listening() as good, socket.socket() as bare_, \
            socket.socket(type=socket.SOCK_DGRAM) as datagrams, \
            open("/dev/null", "rb") as null:
        datagrams.bind(("127.0.0.1", 0))
        for bad in (bare_, datagrams, null):
            done = started_with(tmp_path, [good.fileno(), bad.fileno()])
            assert done.returncode == CONFIG
            assert "descriptor 4 of LISTEN_FDS does not listen for streams: " \
                "the socket unit needs ListenStream=" in done.stderr


def test_sockets_of_another_process(tmp_path):
    """As a variable that was left over: what is in the settings counts."""
    with listening() as sock, listening() as taken:
        port = taken.getsockname()[1]
        done = started_with(tmp_path, [sock.fileno()], {"LISTEN_PID": "1"},
                            listen=f"127.0.0.1:{port}")
        assert f"cannot listen on 127.0.0.1:{port}" in done.stderr


# ---- check

def test_check_of_what_systemd_holds(tmp_path):
    """Any process of that name counts: each user's systemd may pass sockets
    too."""
    systemd = tmp_path / "systemd"
    systemd.symlink_to(sys.executable)
    holder = subprocess.Popen(
        [systemd, "-c", "import socket, sys\n"
         "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n"
         "u = socket.socket(socket.AF_UNIX); u.bind(sys.argv[1]); u.listen()\n"
         "print(s.getsockname()[1], flush=True); sys.stdin.read()",
         tmp_path / "http.sock"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with holder:
        port = int(holder.stdout.readline())
        given = enough(tmp_path, listen=f"127.0.0.1:{port},"
                       f"unix:{tmp_path}/http.sock")
        done = run("check", "--offline", "--json", **given)
        assert done.returncode == FINE, done.stdout
        assert [one[Check.STATE] for one in
                json.loads(done.stdout)[Check.LISTEN]] == [Check.SYSTEMD] * 2
        assert ", held by systemd for the daemon\n" in \
            run("check", "--offline", **given).stdout
        holder.stdin.close()


def test_check_by_a_user_who_cannot_look():
    """As before a start in a unit: pid 1's descriptors are hidden."""
    if os.geteuid() != 0:
        pytest.skip("only root becomes another user")
    with listening() as sock, tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        env = {**bare(), **{
            variable(name): str(value) for name, value in
            enough(pathlib.Path(place),
                   listen=f"127.0.0.1:{sock.getsockname()[1]}").items()}}
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", PROGRAM, "check",
             "--offline", "--json"], env=env, capture_output=True, text=True,
            timeout=PATIENCE, check=False)
    assert done.returncode == FINE, done.stdout + done.stderr
    warning, = (text for text in json.loads(done.stdout)["warnings"]
                if text.startswith("listen: "))
    assert "in use by a program of root" in warning
