"""A Heap whose answer does not end: the daemon hangs up, long before its
time-out, and believes what the head of the answer said.
"""

import socket
import threading

import pytest

from braze import batch, event
from conftest import PATIENCE, until
from hostile import MIB, bounded
from load import FAST

__all__ = ["bounded"]  # a fixture

# What is poured until the daemon hangs up, after a head.
CHUNK = b"10000\r\n" + b"{" * 0x10000 + b"\r\n"
HEADER = b"X-More: " + b"y" * 1000 + b"\r\n"
HEADS = {
    "200": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNK),
    "500": (b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNK),
    "headers": (b"HTTP/1.1 200 OK\r\n", HEADER),
    "interim": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
}
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class EndlessHeap:
    """Takes one post after another, each on a connection of its own: pours
    for the first of them, answers the later ones."""

    def __init__(self, head, piece):
        self.head, self.piece = head, piece
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.posts = 0
        self.poured = None  # bytes, when the daemon has hung up
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return  # closed
            with sock:
                sock.settimeout(PATIENCE)
                if not self._read_post(sock):
                    continue
                self.posts += 1
                if self.posts == 1:
                    self.poured = self._pour(sock)
                else:
                    sock.sendall(FINE)

    @staticmethod
    def _read_post(sock):
        came = b""
        while b"\r\n\r\n" not in came:
            more = sock.recv(65536)
            if not more:
                return False
            came += more
        head, _, body = came.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        while len(body) < length:
            body += sock.recv(65536)
        return True

    def _pour(self, sock):
        poured = 0
        try:
            sock.sendall(self.head)
            while True:
                sock.sendall(self.piece)
                poured += len(self.piece)
        except TimeoutError:
            return None  # nobody reads, and nobody hangs up
        except OSError:
            return poured

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(PATIENCE)


@pytest.mark.file
@pytest.mark.parametrize("what, posts", [
    ("200", 1), ("500", 2), ("headers", 2), ("interim", 2)])
def test_endless_answer_is_hung_up_on(bounded, what, posts):
    heap = EndlessHeap(*HEADS[what])
    try:
        daemon = bounded(32, heap_url=heap.url, heap_timeout="10m", **FAST)
        until(lambda: heap.poured is not None, "the daemon hangs up")
        # What lay in the sockets comes on top.
        assert heap.poured < 32 * MIB
        until(lambda: daemon.queued() == 0, "delivery")
        # An answer that said 200 is one; any other is asked for again.
        assert heap.posts == posts
        assert daemon.queue()["delivered"] == 1
        # And it goes on.
        assert daemon.post(batch(event())).status == 200
        until(lambda: daemon.queue()["delivered"] == 2, "delivery")
    finally:
        heap.close()
