"""The life of the package in a Debian: installed, upgraded, removed, purged;
and run by its systemd."""

import json
import re

import pytest

from conftest import BUILD, until

ENV = "/etc/currentsd/currentsd.env"
STATE = "/var/lib/currentsd"
SETTINGS = {"CURRENTSD_TOKEN": "a-token-of-the-tests-of-the-package",
            "CURRENTSD_HEAP_APP_ID": "11",
            "CURRENTSD_HEAP_URL": "http://127.0.0.1:9"}
EVENT = {"event_type": "users.behaviors.app.SessionStart",
         "id": "0c5b7f0e-7c1f-4a58-9a0e-0d8f6f3c2a11", "time": 1767225600,
         "user": {"external_user_id": "try-me"},
         "properties": {"session_id": "s-1"}}


@pytest.fixture
def installed(tree, deb):
    """A tree with the package, and what this said. It goes with all that was
    set and queued."""
    tree.put(deb)
    tree.said = tree.run(
        f"apt-get -q install -y --no-install-recommends /root/{deb.name}")
    yield tree
    tree.run(f"dpkg --purge currentsd; rm -rf /etc/currentsd {STATE}")


def configure(tree, **more):
    """As an operator does with an editor: the file keeps owner and mode."""
    with open(tree.path / ENV[1:], "a", encoding="utf-8") as file:
        for name, value in {**SETTINGS, **more}.items():
            file.write(f"{name}={value}\n")


def queue(tree):
    return json.loads(tree.run("currentsd status --json"))["queue"]


def fill(tree):
    """One event, which waits: Heap is not there."""
    (tree.path / "root/event").write_text(json.dumps(EVENT) + "\n", "utf-8")
    tree.run(f"""
        install -d -m 0700 -o currentsd -g currentsd {STATE}
        setpriv --reuid currentsd --regid currentsd --init-groups \
            currentsd serve &
        until [ -S {STATE}/admin.sock ]; do sleep 0.1; done
        currentsd import /root/event
        kill $! && wait $!""", CURRENTSD_LISTEN="127.0.0.1:0",
        CURRENTSD_ADMIN="127.0.0.1:0")
    assert queue(tree)["queued"] == 1


def there(tree, path):
    return tree.run(f"test -e {path} && echo yes", ok=False) == "yes\n"


# ---- dpkg

def test_install(installed):
    assert "is installed, and not started" in installed.said
    assert installed.run(f"stat -c '%a %U %G' {ENV}") == \
        "640 root currentsd\n"
    assert installed.run("getent passwd currentsd").endswith(
        f":{STATE}:/usr/sbin/nologin\n")
    for unit in ("service", "socket"):
        assert installed.run(f"systemctl is-enabled currentsd.{unit}",
                             ok=False) == "disabled\n"
    assert "has no token" in installed.run("currentsd check --offline",
                                           ok=False)
    configure(installed)
    assert "currentsd serve can start" in installed.run(
        "currentsd check --offline")


def test_upgrade_keeps_what_was_set_and_queued(installed, next_deb):
    configure(installed)
    fill(installed)
    installed.put(next_deb)
    installed.run(f"apt-get -q install -y /root/{next_deb.name}")
    assert installed.run("dpkg-query -W -f '${Version}' currentsd") == \
        "9.0.0-1"
    assert SETTINGS["CURRENTSD_TOKEN"] in installed.run(f"cat {ENV}")
    assert installed.run(f"stat -c '%a %U %G' {ENV}") == \
        "640 root currentsd\n"
    assert queue(installed)["queued"] == 1


def test_purge_keeps_a_queue_with_events(installed, deb):
    configure(installed)
    fill(installed)
    installed.run("apt-get -q remove -y currentsd")
    assert there(installed, ENV) and not there(installed, "/usr/bin/currentsd")
    said = installed.run("apt-get -q purge -y currentsd")
    assert f"The queue stays in {STATE}" in said
    assert not there(installed, ENV)
    installed.run(f"apt-get -q install -y /root/{deb.name}")
    configure(installed)
    assert queue(installed)["queued"] == 1
    installed.run("echo currentsd currentsd/purge_queue boolean true | "
                  "debconf-set-selections")
    installed.run("apt-get -q purge -y currentsd")
    assert not there(installed, STATE)
    assert there(installed, "/etc/passwd")


def test_purge_deletes_an_empty_queue(installed):
    configure(installed)
    fill(installed)
    installed.run("currentsd erase --user try-me")
    assert queue(installed)["queued"] == 0
    assert "stays" not in installed.run("apt-get -q purge -y currentsd")
    assert not there(installed, STATE)
    assert "currentsd" in installed.run("getent passwd currentsd")


# ---- systemd

@pytest.fixture
def machine(installed):
    """A systemd with the package, and with heapsim."""
    installed.run("apt-get -q install -y --no-install-recommends curl")
    installed.put(BUILD / "heapsim", at="usr/local/bin")
    with installed.booted() as running:
        yield running


def start_heapsim(machine):
    machine.run("systemd-run --unit heapsim --property StandardOutput="
                "file:/run/heapsim /usr/local/bin/heapsim")
    return until(lambda: re.search(r"listening on (\S+)\n", machine.run(
        "cat /run/heapsim", ok=False)), "heapsim")[1]


def pid(machine):
    return int(machine.show("currentsd", "MainPID"))


def post(machine, token=SETTINGS["CURRENTSD_TOKEN"]):
    return machine.run(
        "curl -sS http://127.0.0.1:8080/currents -H 'Authorization: Bearer "
        f"{token}' -d '{json.dumps([EVENT])}'")


def test_without_settings_it_fails_once(machine):
    assert "failed" in machine.run("systemctl start currentsd", ok=False)
    assert machine.show("currentsd", "ExecMainStatus") == "78"
    assert machine.show("currentsd", "NRestarts") == "0"
    assert "has no token" in machine.run("journalctl -u currentsd")


def test_systemd_runs_it(installed, machine, next_deb):
    configure(installed,
              CURRENTSD_HEAP_URL="http://" + start_heapsim(machine))
    machine.run("systemctl enable --now currentsd")
    first = pid(machine)
    status = machine.run(f"cat /proc/{first}/status")
    assert re.search(r"\nUid:\s(?!0\s)", status)
    assert "\nNoNewPrivs:\t1\n" in status and "\nSeccomp:\t2\n" in status
    assert re.search(r"\nCapEff:\s0+\n", status)
    assert "currentsd serve can start" in machine.run("journalctl -u currentsd")

    assert json.loads(post(machine))["queued"] == 1
    for user in ("root", "currentsd"):
        until(lambda: json.loads(machine.run(
            f"runuser -u {user} -- currentsd status --json"))[
                "queue"]["delivered"] == 1, f"delivered, says {user}")
    until(lambda: machine.show("currentsd", "StatusText") ==
          "0 queued; heap running", "the line of status")

    new = "another-token-of-the-tests-of-the-package"
    machine.run(f"sed -i 's/^CURRENTSD_TOKEN=.*/CURRENTSD_TOKEN={new}/' {ENV} "
                "&& systemctl reload currentsd")
    assert json.loads(post(machine, new))["duplicates"] == 1
    machine.run(f"echo CURRENTSD_THREADS=none >>{ENV}")
    assert "failed" in machine.run("systemctl reload currentsd", ok=False)
    assert "CURRENTSD_THREADS" in machine.run("journalctl -u currentsd")
    assert json.loads(post(machine, new))["duplicates"] == 1
    machine.run(f"sed -i /THREADS/d {ENV}")
    assert pid(machine) == first

    installed.put(next_deb)
    machine.run(f"dpkg -i /root/{next_deb.name}")
    second = pid(machine)
    assert second not in (0, first), "the upgrade restarts it"
    assert machine.show("currentsd", "ActiveState") == "active"

    machine.run("apt-get -q purge -y currentsd")
    assert not there(installed, STATE), "nothing was in the queue"


def test_a_daemon_that_hangs_is_restarted(installed, machine):
    configure(installed)
    machine.run("mkdir -p /run/systemd/system/currentsd.service.d && "
                "printf '[Service]\\nWatchdogSec=3\\n' "
                ">/run/systemd/system/currentsd.service.d/fast.conf && "
                "systemctl daemon-reload && systemctl start currentsd")
    first = pid(machine)
    machine.run(f"kill -STOP {first}")
    until(lambda: pid(machine) not in (0, first) and machine.show(
        "currentsd", "ActiveState") == "active", "the restart")
    assert "Watchdog timeout" in machine.run("journalctl -u currentsd")


def test_credentials(installed, machine):
    """A token that only root may read."""
    configure(installed, CURRENTSD_TOKEN="", CURRENTSD_TOKEN_FILE=(
        "/run/credentials/currentsd.service/token"))
    machine.run("install -d -m 0700 /etc/currentsd/credentials && echo "
                f"{SETTINGS['CURRENTSD_TOKEN']} "
                ">/etc/currentsd/credentials/token && "
                "chmod 0600 /etc/currentsd/credentials/token && "
                "sed -i 's/^#LoadCredential=token/LoadCredential=token/' "
                "/lib/systemd/system/currentsd.service && "
                "systemctl daemon-reload && systemctl start currentsd")
    assert json.loads(post(machine))["queued"] == 1
    assert "1 token" in machine.run("currentsd check --offline")


def test_a_restart_refuses_nobody(installed, machine):
    """With the socket unit: who connects meanwhile is answered after it."""
    configure(installed)
    machine.run("systemctl enable --now currentsd.socket && "
                "systemctl start currentsd")
    (installed.path / "root/event").write_text(json.dumps([EVENT]), "utf-8")
    (installed.path / "root/post").write_text(
        "while [ ! -e /run/over ]; do curl -sS -o /dev/null -w '%{http_code}\\n'"
        " --data-binary @/root/event http://127.0.0.1:8080/currents -H "
        f"'Authorization: Bearer {SETTINGS['CURRENTSD_TOKEN']}'; done "
        ">>/run/answers 2>&1", "utf-8")
    machine.run("systemd-run --unit post sh /root/post")

    def answers():
        return machine.run("cat /run/answers", ok=False).split()

    before = pid(machine)
    for _ in range(5):
        seen = len(answers())
        machine.run("systemctl restart currentsd")
        until(lambda count=seen + 20: len(answers()) >= count, "20 answers")
    assert pid(machine) not in (0, before)
    machine.run("touch /run/over; systemctl stop currentsd")
    assert "200" in answers() and set(answers()) <= {"200", "503"}
    assert post(machine).startswith("{"), "a connection starts it"
    assert machine.show("currentsd", "ActiveState") == "active"
