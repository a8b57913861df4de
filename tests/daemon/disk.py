"""What the files of a state directory hold, whatever they are to SQLite."""

import contextlib
import ctypes
import pathlib
import re
import shutil
import sqlite3

from names import File


def inflated(data):
    """Every zstd frame in it, out of whatever else it is among."""
    zstd = ctypes.CDLL("libzstd.so.1")
    zstd.ZSTD_isError.argtypes = [ctypes.c_size_t]
    zstd.ZSTD_findFrameCompressedSize.restype = ctypes.c_size_t
    zstd.ZSTD_decompress.restype = ctypes.c_size_t
    room = ctypes.create_string_buffer(1 << 20)
    for start in re.finditer(rb"\x28\xb5\x2f\xfd", data):
        frame = data[start.start():]
        length = zstd.ZSTD_findFrameCompressedSize(
            frame, ctypes.c_size_t(len(frame)))
        if zstd.ZSTD_isError(length):
            continue
        size = zstd.ZSTD_decompress(room, ctypes.c_size_t(len(room)), frame,
                                    ctypes.c_size_t(length))
        if not zstd.ZSTD_isError(size):
            yield room.raw[:size]


def everything_on_disk(daemon):
    """The bytes of the files, and what is compressed in them."""
    state = pathlib.Path(daemon.env["CURRENTSD_STATE_DIR"])
    raw = b"".join(path.read_bytes() for path in sorted(state.iterdir())
                   if path.is_file())
    return raw + b"".join(inflated(raw))


def opened(daemon, tmp_path):
    """A copy of a stopped daemon's queue, as a database."""
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(daemon.env["CURRENTSD_STATE_DIR"], copy,
                    ignore=shutil.ignore_patterns("*.sock", File.RESERVE))
    return contextlib.closing(sqlite3.connect(copy / "queue.db"))


def rows_on_disk(daemon, tmp_path):
    """The blobs that a stopped daemon's queue holds, each as
    (table, bytes as stored, bytes as they came)."""
    with opened(daemon, tmp_path) as base:
        for table, column in File.BYTES:
            for stored, in base.execute(
                    f"SELECT {column} FROM {table} WHERE {column} NOTNULL"):
                stored = bytes(stored)
                yield table, stored, b"".join(inflated(stored)) or stored


def number(value):
    """As the queue's packed forms have them: LEB128."""
    text = bytearray()
    while value > 0x7f:
        text.append(value & 0x7f | 0x80)
        value >>= 7
    return bytes(text + bytes([value]))


def numbers(data, count):
    """So many from the start, and what follows them."""
    found = []
    while len(found) < count:
        end = next(i for i, byte in enumerate(data) if byte < 0x80)
        found.append(sum((byte & 0x7f) << 7 * i
                         for i, byte in enumerate(data[:end + 1])))
        data = data[end + 1:]
    return found, data


def compressed(data):
    zstd = ctypes.CDLL("libzstd.so.1")
    zstd.ZSTD_compress.restype = ctypes.c_size_t
    room = ctypes.create_string_buffer(len(data) + 1024)
    size = zstd.ZSTD_compress(room, ctypes.c_size_t(len(room)), data,
                              ctypes.c_size_t(len(data)), 1)
    return room.raw[:size]


def date_dead_letter(daemon, later_ms):
    """The only one of a stopped daemon is of a later time."""
    path = f"{daemon.env['CURRENTSD_STATE_DIR']}/queue.db"
    with contextlib.closing(sqlite3.connect(path)) as base:
        (stored,), = base.execute(File.DEAD_LETTERS)
        (*head, dead_ms), rest = numbers(next(inflated(stored)), 4)
        frame = compressed(b"".join(map(number, [*head, dead_ms + later_ms]))
                           + rest)
        base.execute(File.DEAD_LETTERS_PUT, (frame,))
        base.execute(File.DEAD_BYTES_PUT, (len(frame),))
        base.commit()
