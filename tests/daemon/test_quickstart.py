"""deploy/quickstart.sh ends well only if nothing is lost on either way, and
what it shows to try works. It builds what is released, so it is tested there."""

import os
import re
import shutil
import signal
import subprocess

import pytest

from conftest import BUILD, PATIENCE, REPO

pytestmark = [
    pytest.mark.file,
    pytest.mark.skipif(BUILD != REPO / "build" / "release",
                       reason="the quickstart runs what is released")]
SCRIPT = str(REPO / "deploy" / "quickstart.sh")


def quickstart(**variables):
    done = subprocess.run(
        [SCRIPT, "--once"], env={**os.environ, **variables}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE,
        check=False)
    return done.returncode, done.stdout


def test_both_halves():
    code, shown = quickstart()
    assert code == 0, shown
    assert "No such file" not in shown
    told = " ".join(shown.split())
    assert re.search(r" Events: of (\d+), one of every type, \d+ are at Heap "
                     r"exactly once; \d+ were dropped by a rule", told)
    found = re.search(r" Segments: of (\d+) changes, (\d+) were delivered, and "
                      r"(\d+) were overtaken .* The (\d+) memberships at Braze "
                      r"equal Heap's last words: yes\.$", told)
    changes, delivered, dropped, memberships = map(int, found.groups())
    assert changes == delivered + dropped >= 3000
    assert delivered >= memberships > 1000


@pytest.mark.parametrize("path, edit, why", [
    ("/memberships", "1d", "memberships are not at Braze as Heap said last"),
    ("/memberships", r"1s/\tin\t/\t-\t/; 1s/\tout\t/\tin\t/",
     "memberships are not at Braze as Heap said last"),
    ("/memberships", "1p; 1s/person-/person-of-nobody-/",
     "memberships are at Braze that Heap did not say"),
    ("/report", 's/"violations":{/&"a rule":1/', "a rule of Braze's"),
    ("/keys", "1d", "events are neither at Heap nor dropped"),
    ("/keys", "1p", "at Heap more than once")])
def test_a_simulator_that_differs(tmp_path, path, edit, why):
    """What curl fetches from there is edited on its way."""
    curl = tmp_path / "curl"
    curl.write_text(f"""#!/bin/sh
case "$*" in
*{path}) {shutil.which("curl")} "$@" | sed '{edit}' ;;
*) exec {shutil.which("curl")} "$@" ;;
esac
""")
    curl.chmod(0o700)
    code, shown = quickstart(PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert code == 1, shown
    assert f"quickstart: {why}" in shown


def test_what_it_shows_to_try():
    """The commands work as they are shown; Ctrl-C leaves nothing behind."""
    run = subprocess.Popen([SCRIPT], text=True, stdout=subprocess.PIPE)
    try:
        shown = ""
        for line in run.stdout:
            shown += line
            if line.startswith("Ctrl-C"):
                break
        commands = re.search(r"^an event:\n(.*)^status ", shown, re.M | re.S)
        done = subprocess.run(
            ["bash", "-c", re.sub(r"^\S.*:$", "", commands[1], flags=re.M)],
            text=True, capture_output=True, timeout=PATIENCE, check=False)
        assert done.stdout.count("HTTP/1.1 200 OK") == 2, done
        assert done.stdout.count('"received":1,"queued":1') == 2, done
    finally:
        run.send_signal(signal.SIGINT)
        run.stdout.close()
        assert run.wait(PATIENCE) == 130
    state = re.search(r"queue in (\S+)/state$", shown, re.M)[1]
    assert not os.path.exists(state)
