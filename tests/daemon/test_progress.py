"""How far a long command has come, for an operator who watches it."""

import json
import os
import re
import subprocess

import pytest

from braze import event
from commands import BINARY, FINE
from names import Command, Place
from test_events import answering


def progress(daemon, *words):
    """What a terminal shows while a command's output goes elsewhere."""
    mine, its = os.openpty()
    with subprocess.Popen([BINARY, *words], env=daemon.env, stderr=its,
                          stdout=subprocess.DEVNULL) as process:
        os.close(its)
        shown = b""
        try:
            while piece := os.read(mine, 4096):
                shown += piece
        except OSError:
            pass  # the other side is closed
        assert process.wait() == FINE
    os.close(mine)
    return shown.decode()


@pytest.mark.file
@pytest.mark.parametrize("running", [True, False])
def test_progress_on_a_terminal(daemon, running, tmp_path):
    """How many, how far in the file, how fast."""
    if not running:
        daemon.stop()
    path = tmp_path / "events"
    path.write_text("".join(json.dumps(event()) + "\n" for _ in range(3000)))
    shown = progress(daemon, *Command.IMPORT, str(path))
    assert re.search(
        r"imported 2,000 events, 67 % of the file, [\d,]+/s\r\x1b\[K",
        shown), repr(shown)
    assert shown.endswith("\r\x1b[K"), "it is wiped at the end"


@pytest.mark.file
def test_progress_of_the_daemon(daemon):
    """What it tells while it looks."""
    daemon.stop()
    said = "found 0; looked at 1,000,000 events, 2,000,000/s"
    with answering(daemon, "application/x-ndjson",
                   json.dumps({"progress": {"text": said}}).encode() + b"\n",
                   b'{"summary":{}}\n'):
        shown = progress(daemon, *Command.EXPORT[Place.QUEUED])
    assert said + "\r\x1b[K" in shown, repr(shown)
