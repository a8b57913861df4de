"""The settings, as an operator meets them: what serve and check say of the
wrong ones, and a file with several sources.
"""

import json
import os
import subprocess

import pytest

from commands import CONFIG, FINE, FOUND, INVALID, enough, run
from conftest import TOKEN, setting
from names import Check, Choice, Ledger, Receipt, Source, Status


def test_an_address_that_is_not_up_yet(tmp_path):
    """It may be, soon: no fault of the settings."""
    served = run("serve", **enough(tmp_path, listen="192.0.2.1:1"))
    assert served.returncode == FOUND, served.stderr
    assert "192.0.2.1:1" in served.stderr.splitlines()[-1]


@pytest.mark.parametrize("settings, says", [
    ({"token": None}, "CURRENTSD_TOKEN"),
    ({"heap_app_id": None}, "CURRENTSD_HEAP_APP_ID"),
    ({"heap_app_id": "x1"}, "digits"),
    ({"heap_url": None}, "CURRENTSD_HEAP_REGION"),
    ({"heap_url": "http://192.0.2.1"}, "https://"),
    ({"listn": "x"}, "did you mean CURRENTSD_LISTEN"),
    ({"body_limit": "512k"}, "from 1M"),
    ({"token_file": "/nowhere"}, "/nowhere"),
    ({"config": "/nowhere.conf"}, "/nowhere.conf"),
    ({"state_dir": "/proc/1/nowhere"}, "CURRENTSD_STATE_DIR"),
])
def test_settings_that_keep_it_from_starting(tmp_path, settings, says):
    settings = enough(tmp_path, **settings)
    served = run("serve", **settings)
    assert served.returncode == CONFIG, served.stderr
    assert says in served.stderr.splitlines()[-1]
    assert TOKEN not in served.stderr
    checked = run("check", **settings)
    assert checked.returncode == CONFIG
    assert says in checked.stderr


def test_memory_is_no_place_for_a_queue(tmp_path):
    kind = subprocess.run(["stat", "-f", "-c", "%T", "/dev/shm"],
                          capture_output=True, text=True, check=False)
    if kind.stdout.strip() != "tmpfs":
        pytest.skip("no tmpfs at /dev/shm")
    settings = enough(tmp_path, state_dir=f"/dev/shm/{tmp_path.name}",
                      allow_volatile_state=None)
    done = run("serve", **settings)
    assert done.returncode == CONFIG
    assert "tmpfs" in done.stderr
    assert "CURRENTSD_ALLOW_VOLATILE_STATE" in done.stderr
    assert not os.path.exists(settings["state_dir"])


def test_check_tells_what_would_run(tmp_path):
    done = run("check", "--offline", **enough(tmp_path))
    assert done.returncode == FINE
    for word in ("/currents/main", "http://127.0.0.1:9/api/track", "app id 11",
                 "1 token"):
        assert word in done.stdout
    told = json.loads(
        run("check", "--offline", "--json", **enough(tmp_path)).stdout)
    assert told[Check.SOURCES] == [{
        Check.NAME: "main", Check.KIND: "currents", Check.TOKENS: 1,
        Check.OPEN: False, Check.DESTINATION: "heap"}]
    assert TOKEN not in done.stdout
    assert not (tmp_path / "state").exists(), "check makes nothing"


def test_a_file_of_settings(start_daemon, heapsim, tmp_path):
    path = tmp_path / "currentsd.conf"
    path.write_text("""
        source "first" { token = "token-of-the-first" }
        source "second" {
            token = "${SECOND}"
            parameter = "brand=Two"
            %s = %s
        }
        destination "there" { app_id = 7  url = "%s" linger = 10ms }
    """ % (setting("invalid"), Choice.DROP, heapsim.url))
    path.chmod(0o600)
    os.environ["SECOND"] = "token-of-the-second"
    try:
        daemon = start_daemon(config=path, token="", heap_app_id="",
                              heap_url="")
    finally:
        del os.environ["SECOND"]
    body = '{"events":[%s]}' % INVALID
    assert daemon.post(
        body, token="token-of-the-first").json[Receipt.DEAD] == 1
    assert daemon.post(body, "/currents/second",
                       token="token-of-the-second").json["dropped"] == 1
    assert daemon.post(body, "/currents/second",
                       token="token-of-the-first").status == 401
    status = daemon.status()
    assert [s[Source.NAME] for s in status[Status.SOURCES]] == [
        "first", "second"]
    assert [d["name"] for d in status[Status.DESTINATIONS]] == ["there"]
    rows = json.loads(daemon.command("ledger", "--by", "source", "--json"))
    assert {row[Ledger.LABEL]: row["received"]
            for row in rows[Ledger.LINES]} == {"first": 1, "second": 1}
