"""What the tests of the simulators share: a heapsim and events for it."""

import json

from conftest import Heapsim, ask

EVENT = {
    "event": "a",
    "identity": "u1",
    "properties": {"x": 1},
    "timestamp": "2026-01-01T00:00:00Z",
    "idempotency_key": "users.A:k1",
}
JSON = {"Content-Type": "application/json"}


def event(**changes):
    """An event that Heap takes, with changes; None takes a member away."""
    made = {**EVENT, **changes}
    return {name: value for name, value in made.items() if value is not None}


def events(n, **changes):
    return [event(idempotency_key=f"k{i}", **changes) for i in range(n)]


class Heap(Heapsim):
    """A heapsim that is posted to by hand."""

    def ask(self, method, path, body=None, headers=None):
        return ask(self.port, method, path, body, headers)

    def post(self, body, headers=None):
        if not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        return self.ask("POST", "/api/track", body, headers or JSON)

    def bulk(self, *given, app_id="11"):
        return self.post({"app_id": app_id, "events": list(given)}).status

    def rows(self):
        return [line.split("\t")
                for line in self.ask("GET", "/keys").text.splitlines()]

    def is_refused(self, body, reason, headers=None):
        answer = self.post(body, headers)
        assert answer.status == 400, answer
        assert reason in answer.text
        books = self.books()
        assert books["accepted"] == 0
        assert books["last_refusal"] == answer.text
