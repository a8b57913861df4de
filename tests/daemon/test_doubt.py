"""An event that may be at Heap keeps its identity when the settings change:
under another one it would be there twice."""

import socketserver
import threading

import pytest

from conftest import until
from names import State, Status
from test_delivery import SWIFT, delivered_once, event, put, wait_settled

# Enough that not all of it is in flight at once.
BATCHES = {**SWIFT, "heap_request_events": 25, "heap_in_flight": 2}


def sent_and_stored(daemon, heapsim, fault):
    """Heap stores what comes and answers with trouble."""
    heapsim.control(**fault)
    sent = [event(i) for i in range(200)]
    # In requests of their own, because a request that was posted in part
    # keeps its identity as a whole.
    for at in range(0, 100, 25):
        put(daemon, sent[at:at + 25])
    until(lambda: len(heapsim.keys()) >= 25, "a request at Heap")
    for at in range(100, 200, 25):
        put(daemon, sent[at:at + 25])
    return sent


@pytest.mark.file
@pytest.mark.parametrize("fault", [
    {"fail_after_percent": 100},
    {"reset_after_percent": 100},
    {"hang_after_percent": 100},
])
@pytest.mark.parametrize("stop", ["kill", "stop"])
def test_identity_stays_while_in_doubt(start_daemon, heapsim, fault, stop):
    daemon = start_daemon(**BATCHES)
    sent = sent_and_stored(daemon, heapsim, fault)
    getattr(daemon, stop)()
    daemon.change(heap_identity="user_id")
    heapsim.control(**{name: 0 for name in fault})
    daemon.start()
    assert wait_settled(daemon)["delivered"] == 200
    delivered_once(heapsim, sent)
    books = heapsim.books()
    assert books["split"] == 0
    # What was not posted before follows the settings.
    assert "identity:0123456789abcdef01234567" in heapsim.users().values()


@pytest.mark.file
def test_identity_stays_over_several_changes(start_daemon, heapsim):
    daemon = start_daemon(**BATCHES)
    sent = sent_and_stored(daemon, heapsim, {"fail_after_percent": 100})
    for identity in ("user_id", "external_user_id", "user_id"):
        received = heapsim.books()["received"]
        daemon.kill()
        daemon.change(heap_identity=identity)
        daemon.start()
        until(lambda: heapsim.books()["received"] > received, "a request")
    heapsim.control(fail_after_percent=0)
    assert wait_settled(daemon)["delivered"] == 200
    delivered_once(heapsim, sent)
    assert heapsim.books()["split"] == 0


class Garbler(socketserver.BaseRequestHandler):
    """Takes a request whole, and answers what is no HTTP."""

    def handle(self):
        got = b""
        while b'"events"' not in got:
            got += self.request.recv(1 << 16)
        self.server.requests += 1
        self.request.sendall(b"no such protocol\n")


def test_a_garbled_answer_leaves_doubt(start_daemon):
    """The request was sent: it is tried again, and the sender is not
    halted."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Garbler) as server:
        server.requests = 0
        threading.Thread(target=server.serve_forever, daemon=True).start()
        daemon = start_daemon(
            **SWIFT, heap_url=f"http://127.0.0.1:{server.server_address[1]}")
        put(daemon, [event(0)])
        until(lambda: server.requests >= 3, "it is tried again")
        destination, = daemon.status()[Status.DESTINATIONS]
        assert destination["state"] != State.HALTED
        daemon.stop()
        server.shutdown()
