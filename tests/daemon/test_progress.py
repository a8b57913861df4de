"""How far a long command has come, for an operator who watches it."""

import json
import os
import re
import subprocess

import pytest

from braze import event
from commands import BINARY, FINE
from names import Command, Place


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
    """However much else goes over the socket."""
    if not running:
        daemon.stop()
    path = tmp_path / "events"
    path.write_text("".join(json.dumps(event()) + "\n" for _ in range(3000)))
    for words in ([*Command.IMPORT, str(path)],
                  Command.EXPORT[Place.QUEUED]):
        shown = progress(daemon, *words)
        assert re.search(r"\w+ed \d+"
                         r"( events|; looked at \d+ events, \d+/s)?\r\x1b\[K", shown), repr(shown)
        assert shown.endswith("\r\x1b[K"), "it is wiped at the end"
