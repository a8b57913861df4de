"""Runs commands of currentsd with chosen settings, for the tests of cli/."""

import json
import os
import subprocess

from conftest import BUILD, NO_FILES, PATIENCE, PROGRAM, TOKEN, variable

FINE, FOUND, USAGE, CONFIG = 0, 1, 2, 78
INVALID = '{"event_type":"users.behaviors.app.SessionStart", "id":5,"time":1}'
BINARY = PROGRAM


def bare():
    """The environment without settings, and without ours, which the daemon
    would take for unknown ones; and without those in /etc of this machine."""
    return {**{name: value for name, value in os.environ.items()
               if not name.startswith("CURRENTSD_") and
               name != "STATE_DIRECTORY"}, **NO_FILES}


def run(*words, stdin=None, **settings):
    """A command with these settings and no others."""
    env = bare()
    env.update({variable(name): str(value)
                for name, value in settings.items() if value is not None})
    return subprocess.run([BINARY, *words], env=env, input=stdin,
                          capture_output=True, text=True, timeout=PATIENCE,
                          check=False)


def enough(tmp_path, **settings):
    """Settings that serve can start with, but for those given."""
    return {"state_dir": tmp_path / "state", "token": TOKEN,
            "allow_volatile_state": "yes", "heap_app_id": "11",
            "heap_url": "http://127.0.0.1:9", "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0", "queue_min_free": "0",
            "queue_reserve": "1M", **settings}


def sample(*words):
    done = run("sample", *words)
    assert done.returncode == FINE, done.stderr
    return done.stdout


def odd_sample(count, seed):
    """Valid but difficult events, a line each."""
    return subprocess.run(
        [BUILD / "odd_probe", str(count), str(seed)], check=True,
        capture_output=True, encoding="utf-8", timeout=PATIENCE).stdout


def settings(daemon):
    return {name[10:].lower(): value for name, value in daemon.env.items()
            if name.startswith("CURRENTSD_")}


def tool(daemon, *words, code=FINE, stdin=None):
    """A command beside a daemon, running or not, whose output is JSON."""
    done = run(*words, "--json", stdin=stdin, **settings(daemon))
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def lines(text):
    return [json.loads(row) for row in text.splitlines()]
