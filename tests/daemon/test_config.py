"""config and config diff, the default places of settings, options before the
command, suggestions, and the completion of bash.
"""

import json
import os
import subprocess

import pytest

from commands import BINARY, CONFIG, FINE, FOUND, USAGE, bare, enough, run
from conftest import PATIENCE, TOKEN

FILE = """listen = "127.0.0.1:9000"
source "main" {
    token = "a-token-that-nobody-sees"
    include = {"users.*", "x"}
}
destination "heap" { app_id = 7 }
"""


@pytest.fixture
def conf(tmp_path):
    path = tmp_path / "currentsd.conf"
    path.write_text(FILE)
    path.chmod(0o600)
    return path


# ---- config

def rows(*words, **given):
    done = run("config", "--json", *words, **given)
    assert done.returncode == FINE, done.stderr
    return json.loads(done.stdout)["settings"]


def test_config_tells_where_settings_are_from(conf, tmp_path):
    variables = tmp_path / "currentsd.env"
    variables.write_text("# ours\nCURRENTSD_HEAP_REGION=eu\n")
    variables.chmod(0o600)
    found = {row["key"]: row for row in
             rows(config=conf, env_file=variables, heap_share=90)}
    assert {key: (row["value"], row["origin"], row["file"], row["line"])
            for key, row in found.items() if row["changed"]} == {
        "listen": (["127.0.0.1:9000"], "file", str(conf), 1),
        "token": ("********", "file", str(conf), 3),
        "include": (["users.*", "x"], "file", str(conf), 4),
        "app_id": ("7", "file", str(conf), 6),
        "region": ("eu", "environment", str(variables), 2),
        "share": ("90", "environment", None, None)}
    assert found["share"]["variable"] == "CURRENTSD_HEAP_SHARE"
    assert found["share"]["default"] == "95"


def test_config_is_a_file_of_settings(conf, tmp_path):
    """But for the secrets."""
    text = run("config", config=conf).stdout
    assert "a-token" not in text and "********" in text
    assert f"# {conf}:1; default 127.0.0.1:8080" in text
    again = tmp_path / "again.conf"
    again.write_text(text)
    again.chmod(0o600)
    assert [(row["key"], row["value"]) for row in rows(config=again)] == [
        (row["key"], row["value"]) for row in rows(config=conf)]


def test_config_of_all(conf):
    text = run("config", "--all", config=conf).stdout
    assert "\n# log_level = info\n" in text
    assert "    # parameter is not set\n" in text
    assert '\nlisten = {"127.0.0.1:9000"} ' in text
    assert len(rows("--all", config=conf)) > 90


def test_config_without_the_right_to_read():
    if os.geteuid() != 0:
        pytest.skip("only root becomes another user")
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", "env",
         "CURRENTSD_ENV_FILE=/etc/shadow", BINARY, "config"],
        capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == CONFIG
    assert "Permission denied; run this as root" in done.stderr


# ---- config diff

def test_diff(conf, tmp_path):
    new = tmp_path / "new.conf"
    new.write_text(FILE.replace("9000", "9001").replace("nobody", "somebody")
                   + 'source "more" { token = "yet-another-token" }\n')
    new.chmod(0o600)
    done = run("config", "diff", str(new), config=conf)
    assert done.returncode == FOUND, done.stderr
    assert ('listen (needs a restart)\n    {"127.0.0.1:9000"} -> '
            '{"127.0.0.1:9001"}\n') in done.stdout
    assert 'source main: token\n    "********" -> "********" (another one)' \
        in done.stdout
    assert 'source more: token\n    (not there) -> "********"' in done.stdout
    assert "reload` puts in force what needs no restart" in done.stdout
    assert "-token" not in done.stdout
    assert "would not start: destination" in done.stdout
    told = json.loads(run("config", "diff", str(new), "--json",
                          config=conf).stdout)
    assert [change["name"] for change in told["changes"]] == [
        "listen", "source main: token", "source more: kind",
        "source more: token"]
    assert [change["restart"] for change in told["changes"]] == [
        True, False, False, False]
    assert "region" in told["error"]


def test_no_difference(conf, tmp_path):
    other = tmp_path / "other.conf"
    other.write_text("# likewise\n" + FILE)
    other.chmod(0o600)
    done = run("config", "diff", str(other), config=conf, heap_region="eu")
    assert (done.returncode, done.stdout) == (
        FINE, "No setting would change.\n")
    assert run("config", "diff", "/nowhere", config=conf).returncode == CONFIG


# ---- the default places

def test_default_places(tmp_path):
    """As on a machine where it is installed: /etc and /var/lib are others'."""
    etc, var = tmp_path / "etc", tmp_path / "lib"
    etc.mkdir()
    var.mkdir()
    (etc / "currentsd.conf").write_text('log_level = warn\n')
    (etc / "currentsd.env").write_text(
        f"CURRENTSD_TOKEN={TOKEN}\nCURRENTSD_HEAP_APP_ID=11\n"
        "CURRENTSD_HEAP_REGION=us\nCURRENTSD_ALLOW_VOLATILE_STATE=yes\n"
        "CURRENTSD_LISTEN=127.0.0.1:0\nCURRENTSD_ADMIN=127.0.0.1:0\n"
        "CURRENTSD_QUEUE_MIN_FREE=0\n")
    for path in etc.iterdir():
        path.chmod(0o600)
    script = """
        set -e
        mkdir -p /mnt/etc && mount -t tmpfs none /mnt
        mkdir -p /mnt/etc /mnt/work
        mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work /etc
        mkdir -p /etc/currentsd
        mount --bind "$1" /etc/currentsd
        mount --bind "$2" /var/lib
        exec "$3" "$4" ${5:+"$5"}
    """
    env = {name: value for name, value in bare().items()
           if not name.startswith("CURRENTSD_")}

    def installed(*words):
        return subprocess.run(
            ["unshare", "-Urm", "sh", "-c", script, "sh", etc, var, BINARY,
             *words], env=env, capture_output=True, text=True,
            timeout=PATIENCE, check=False)

    done = installed("config", "--json")
    if "unshare:" in done.stderr or "mount:" in done.stderr:
        pytest.skip("no name space to make an /etc in: " + done.stderr)
    assert done.returncode == FINE, done.stderr
    told = json.loads(done.stdout)
    assert told["file"] == "/etc/currentsd/currentsd.conf"
    assert told["variables_file"] == "/etc/currentsd/currentsd.env"
    assert {row["key"] for row in told["settings"]} >= {
        "log_level", "token", "app_id", "region"}
    done = installed("check", "--offline")
    assert done.returncode == FINE, done.stdout + done.stderr
    assert "state        /var/lib/currentsd " in done.stdout
    done = installed("status")
    assert done.returncode == CONFIG
    assert "no queue in /var/lib/currentsd" in done.stderr


# ---- words

@pytest.mark.parametrize("words, code, says", [
    (["-h"], FINE, "usage: currentsd"),
    (["-V"], FINE, "currentsd "),
    (["--json", "version"], FINE, '{"version":'),
    (["version", "-h"], FINE, "usage: currentsd version"),
    (["--help", "dead", "list"], FINE, "usage: currentsd dead list"),
    (["dead", "--help", "list"], FINE, "usage: currentsd dead list"),
    (["--config", "/nowhere", "check"], CONFIG, "/nowhere"),
    (["--config=/nowhere", "check"], CONFIG, "/nowhere"),
    (["--config"], USAGE, "without a command"),
    (["--nonsense", "status"], USAGE, "--nonsense"),
    (["stauts"], USAGE, 'did you mean "status"?'),
    (["dead", "lst"], USAGE, 'did you mean "dead list"?'),
    (["quue", "stats"], USAGE, 'did you mean "queue stats"?'),
    (["status", "--josn"], USAGE, "did you mean --json?"),
    (["sample", "users.nothing.*"], USAGE, "no type that matches"),
    (["sample", "*.email.Open"], FINE, "users.messages.email.Open"),
    (["schema", "*.email.*"], FINE, "users.messages.email.Open "),
    (["config", "diff"], USAGE, "config diff needs FILE"),
    (["completion", "zsh"], USAGE, "should be bash"),
])
def test_words(words, code, says):
    done = run(*words)
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stdout + done.stderr


@pytest.mark.parametrize("words", [
    ["events", "list", "--limit", "x"], ["dead", "show"], ["dead", "show", "x"],
    ["dead", "requeue"], ["ledger", "--by", "x"], ["erase"], ["replay"],
    ["status", "--nonsense"], ["queue", "rescue"], ["sample", "--count", "x"],
    ["schema", "a", "b"], ["config", "diff"], ["check", "--url"]])
def test_arguments_are_judged_before_settings(words):
    done = run(*words, config="/nowhere")
    assert done.returncode == USAGE and "/nowhere" not in done.stderr
    assert done.stdout == "" and done.stderr.startswith("currentsd: ")


# ---- completion

def completed(*words):
    """What bash makes of the last word."""
    script = f"""
        source <("$1" completion bash); shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _currentsd
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "-c", script, "bash", BINARY, BINARY, *words], env=bare(),
        capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("words, wanted", [
    (["chec"], ["check"]),
    (["stat"], ["status"]),
    (["config", ""], ["diff"]),
    (["dead", "re"], ["requeue"]),
    (["dead", "list", "--li"], ["--limit"]),
    (["ledger", "--by", "t"], ["type"]),
    (["ledger", "--by", "=", "h"], ["hour"]),
    (["--config", "x", "stat"], ["status"]),
    (["completion", ""], ["bash"]),
    (["help", "s"], ["settings"]),
    (["sample", "users.messages.email.O"], ["users.messages.email.Open"]),
    (["nonsense", "x"], []),
])
def test_completion(words, wanted):
    assert completed(*words) == wanted


def test_completion_of_files(tmp_path):
    (tmp_path / "queue.db").touch()
    assert completed("queue", "rescue", f"{tmp_path}/qu") == [
        f"{tmp_path}/queue.db"]
    assert completed("status", "--config", f"{tmp_path}/qu") == [
        f"{tmp_path}/queue.db"]


def test_completion_knows_every_command():
    listed = {line.split()[0] for line in run("help").stdout.splitlines()
              if line.startswith("  ")}
    assert set(completed("")) == listed
