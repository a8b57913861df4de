"""Events as Braze sends them, and ways to send them."""

import http.client
import uuid

from conftest import PATIENCE, TOKEN
from names import Receipt

# What Braze sends to try the credentials.
PROBES = ["", " \r\n\t", "{}", '{"events":[]}', '{"events":null}']

AUTH = f"Authorization: Bearer {TOKEN}\r\n"


def event(kind="users.messages.email.Click", **changes):
    made = {
        "event_type": kind,
        "id": str(uuid.uuid4()),
        "time": 1763935200,
        "user": {"user_id": "0123456789abcdef01234567",
                 "external_user_id": "customer-1"},
        "properties": {"app_group_id": "0123456789abcdef01234567",
                       "dispatch_id": "d", "url": "https://example.com"},
    }
    return {**made, **changes}


def batch(*events):
    return {"events": list(events)}


def receipt(received=0, queued=0, dead=0, duplicates=0, dropped=0):
    """What a request is answered."""
    return {"received": received, "queued": queued, Receipt.DEAD: dead,
            "duplicates": duplicates, "dropped": dropped}


def raw(daemon, request):
    """Send bytes as they are; all that comes back until the close."""
    with daemon.connect() as sock:
        sock.sendall(request)
        answer = b""
        while True:
            more = sock.recv(65536)
            if not more:
                return answer
            answer += more


def keep_alive(daemon):
    """A connection that is known to be taken in."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port,
                                            timeout=PATIENCE)
    connection.request("GET", "/healthz")
    assert connection.getresponse().read() == b"ok\n"
    return connection
