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


def copied(daemon, tmp_path):
    """A copy of the files of a daemon that is stopped, or idle."""
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(daemon.env["CURRENTSD_STATE_DIR"], copy,
                    ignore=shutil.ignore_patterns("*.sock", File.RESERVE))
    return copy / "queue.db"


def opened(daemon, tmp_path):
    """A copy of a stopped daemon's queue, as a database."""
    return contextlib.closing(sqlite3.connect(copied(daemon, tmp_path)))


def left_on_disk(daemon, tmp_path):
    """What is left of rows that a stopped daemon's queue does not have."""
    return Pages(copied(daemon, tmp_path)).left()


def rows_on_disk(daemon, tmp_path):
    """The blobs that a stopped daemon's queue holds, each as
    (table, bytes as stored, bytes as they came)."""
    with opened(daemon, tmp_path) as base:
        for table, column in File.BYTES:
            for stored, in base.execute(
                    f"SELECT {column} FROM {table} WHERE {column} NOTNULL"):
                stored = bytes(stored)
                yield table, stored, b"".join(inflated(stored)) or stored


def pointer_maps(page_size, file_size):
    """Where they begin: each is about as many pages as it has entries."""
    return range(page_size, file_size, (page_size // 5 + 1) * page_size)


def damage_pointer_maps(path):
    """Every page is a page below the first."""
    with open(path, "r+b") as file:
        for at in pointer_maps(File.PAGE, path.stat().st_size):
            file.seek(at)
            file.write(b"\5\0\0\0\1" * (File.PAGE // 5))


def damage_first_batch(daemon):
    """Of a stopped daemon's queue."""
    path = f"{daemon.env['CURRENTSD_STATE_DIR']}/queue.db"
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.execute(File.BATCH_DAMAGE)
        base.commit()


class Pages:
    """What a database file has where no row, list or pointer is: the format
    is sqlite.org/fileformat2.html, with pointer maps."""

    def __init__(self, path):
        self.data = path.read_bytes()
        self.size = self.int(16, 2)
        self.used = bytearray(len(self.data))
        self.use(0, 100)
        for at in pointer_maps(self.size, len(self.data)):
            self.use(at, self.size)
        self.free_list(self.int(32, 4))
        with contextlib.closing(sqlite3.connect(path)) as base:
            roots = base.execute("SELECT rootpage FROM sqlite_schema"
                                 " WHERE rootpage > 0").fetchall()
        for root in [1, *(root for root, in roots)]:
            self.tree(root)

    def int(self, at, length):
        return int.from_bytes(self.data[at:at + length], "big")

    def at(self, page):
        return (page - 1) * self.size

    def use(self, at, length):
        self.used[at:at + length] = b"\1" * length

    def free_list(self, page):
        """A page of it lists others, and keeps the numbers of those that are
        used again."""
        while page:
            at = self.at(page)
            end = at + 8
            while end < at + self.size and \
                    0 < self.int(end, 4) <= len(self.data) // self.size:
                end += 4
            self.use(at, end - at)
            page = self.int(at, 4)

    def number(self, at):
        """A variable-length integer, and where it ends."""
        value = 0
        for n in range(9):
            byte = self.data[at + n]
            value = value << (8 if n == 8 else 7) | byte & (
                255 if n == 8 else 127)
            if n == 8 or byte < 128:
                return value, at + n + 1

    def tree(self, page):
        start = self.at(page)
        at = start + (100 if page == 1 else 0)
        kind, cells = self.data[at], self.int(at + 3, 2)
        inner, index = kind in (2, 5), kind in (2, 10)
        pointers = at + (12 if inner else 8)
        self.use(at, pointers - at + 2 * cells)
        block = self.int(at + 1, 2)
        while block:
            self.use(start + block, 4)
            block = self.int(start + block, 2)
        for n in range(cells):
            cell = start + self.int(pointers + 2 * n, 2)
            end = cell
            if inner:
                self.tree(self.int(cell, 4))
                end += 4
            if kind != 5:
                length, end = self.number(end)
            if not index:
                _, end = self.number(end)
            if kind != 5:
                end = self.payload(end, length, index)
            self.use(cell, max(4, end - cell))
        if inner:
            self.tree(self.int(at + 8, 4))

    def payload(self, at, length, index):
        """Its end on the page of its row."""
        most = (self.size - 12) * 64 // 255 - 23 if index else self.size - 35
        if length <= most:
            return at + length
        least = (self.size - 12) * 32 // 255 - 23
        local = least + (length - least) % (self.size - 4)
        local = local if local <= most else least
        page, left = self.int(at + local, 4), length - local
        while left > 0:
            part = min(left, self.size - 4)
            self.use(self.at(page), 4 + part)
            page, left = self.int(self.at(page), 4), left - part
        return at + local + 4

    def left(self):
        """The places that are not used, and not zero, each with its page."""
        return [(at // self.size + 1, at % self.size)
                for at, (byte, used) in enumerate(zip(self.data, self.used))
                if byte and not used]


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
