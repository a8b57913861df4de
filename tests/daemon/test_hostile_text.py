"""Hostile bodies: what is wrong in one event is that event's affair, and what
is no JSON at all is stored as unreadable and answered 400.
"""

import contextlib
import json
import os
import pty
import re
import subprocess

import pytest

from braze import event, raw, receipt
from conftest import PATIENCE, PROGRAM
from hostile import POST, bounded, statuses
from names import Log, Queue, Receipt

__all__ = ["bounded"]  # a fixture


def post_raw(daemon, body, *headers):
    """The answer to a body of any bytes, and no other after it."""
    head = b"".join(header + b"\r\n" for header in headers)
    answer = raw(daemon, POST + head + b"Connection: close\r\n"
                 b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert len(statuses(answer)) == 1, answer
    return statuses(answer)[0], json.loads(answer.partition(b"\r\n\r\n")[2])


def spoiled(old, new):
    """Two events, the second of them with other bytes."""
    good, bad = (json.dumps(event()).encode() for _ in range(2))
    assert old in bad
    return b'{"events":[' + good + b"," + bad.replace(old, new) + b"]}"


DISPATCH = b'"dispatch_id": "d"'


@pytest.mark.parametrize("new, dead", [
    (b'"x": ' + b"[" * 100_000 + b"]" * 100_000, 1),
    (b'"x": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 1),
    (b'"dispatch_id": "\xff\xfe"', 1),
    (b'"dispatch_id": "\xc0\x80"', 1),
    (b'"dispatch_id": "\xed\xa0\x80"', 1),
    (b'"dispatch_id": "\xf4\x90\x80\x80"', 1),
    (b'"\xff": 1', 1),
    (b'"dispatch_id": "a\\u0000b"', 0),
    (b'"dispatch_id": "\\ud800"', 0),
    (b'"x": ' + b"9" * 100_000, 0),
    (b'"x": 1e999999', 0),
    (b'"x": "' + b"a" * 900_000 + b'"', 0),
], ids=["arrays", "objects", "ff", "c080", "surrogate", "beyond", "key",
        "nul", "half", "digits", "exponent", "long"])
def test_one_bad_event_spoils_no_other(bounded, new, dead):
    daemon = bounded(24)
    status, answer = post_raw(daemon, spoiled(DISPATCH, new))
    assert status == 200
    assert answer == receipt(received=2, queued=2 - dead, dead=dead)


@pytest.mark.parametrize("body", [
    b"[" * 1_000_000,
    b'{"a":' * 200_000,
    b'{"events":' + b"[" * 1_000_000 + b"]" * 1_000_000,
    b"\0" * 1000,
    b'{"events":[]}\0',
    b'{"events":[\0]}',
    b'\xff\xfe{"events":[]}',
    '{"events":[]}'.encode("utf-16"),
    '{"events":[]}'.encode("utf-32"),
    b'{"events":[{"event_type":"a\0b"}]}',
], ids=["arrays", "objects", "unclosed", "nuls", "nul-after", "nul-between",
        "utf8", "utf16", "utf32", "nul-inside"])
def test_body_that_is_no_json_is_unreadable(bounded, body):
    daemon = bounded(24)
    status, answer = post_raw(daemon, body)
    assert status == 400 and answer[Receipt.ERROR]
    assert daemon.queue()[Queue.UNREADABLE] == 1


def test_a_path_cannot_forge_the_log(daemon):
    """Its quotes do not end the value, its line ends not the line."""
    answer = raw(daemon, b'GET /%22%20source=forged%0d%0aline HTTP/1.1\r\n'
                 b"Host: x\r\nConnection: close\r\n\r\n")
    assert statuses(answer) == [404]
    daemon.run.wait_line(Log.REFUSE_PATH % (
        404, r'"/\\" source=forged\\\\x0d\\\\x0aline"'))


def on_a_terminal(daemon, *words):
    """What a terminal gets from a command, on stdout and stderr."""
    ours, its = pty.openpty()
    with subprocess.Popen([PROGRAM, *words], env=daemon.env, stdout=its,
                          stderr=its) as process:
        os.close(its)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while more := os.read(ours, 65536):
                shown += more
        process.wait(timeout=PATIENCE)
    os.close(ours)
    return shown


@pytest.mark.parametrize("escape", ["\x1b]0;gone\x07", "\x9b2J", "\x7f\x08"])
def test_no_escape_sequence_reaches_a_terminal(start_daemon, escape):
    """From type, id, person and property, however JSON writes them, and from
    a body that is not JSON; commands and log."""
    daemon = start_daemon(unknown_type="dead")
    controls = {one for one in escape if not one.isprintable()}
    evil = event(kind="e." + escape, id="i" + escape)
    evil["user"]["external_user_id"] = "u" + escape
    evil["properties"]["p" + escape] = escape
    body = json.dumps({"events": [evil]}, ensure_ascii="\x1b" in escape)
    assert daemon.post(body).status == 200
    assert daemon.post(escape).status == 400
    for words in (("events", "list", "--place", "dead"), ("dead", "list"),
                  ("dead", "show", "1"), ("dead", "export"), ("drift",),
                  ("unreadable", "list"), ("unreadable", "show", "1"),
                  ("status",), ("ledger", "--by", "type"),
                  ("events", "find", evil["id"]),
                  ("events", "show", evil["id"]),
                  ("events", "show", evil["id"], "--raw"),
                  ("events", "find", "no" + escape)):
        shown = on_a_terminal(daemon, *words).decode()
        # our own: they wipe the line of progress, and colour a table
        shown = re.sub("\r\x1b\\[K|\x1b\\[(0|1|2|31|32|33)m", "", shown)
        assert shown and not set(shown) & controls
    assert not set("".join(daemon.run.lines)) & controls
