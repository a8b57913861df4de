"""deploy/openapi.json says what is served: each path, method and parameter,
what it asks for, and the members of the answers."""

import functools
import json
import re
import subprocess

import jsonschema
import pytest

from braze import batch, event
from commands import INVALID, lines
from conftest import BUILD, NO_QUOTA, REPO, ask, until
from names import Command
from test_segments import SECRET, page, send

VIEW, ADMIN = "the-view-token", "the-admin-token"
RIGHTS = {"counts": [], "view": [{"view_token": []}, {"admin_token": []}],
          "change": [{"admin_token": []}]}
LINES = "application/x-ndjson"

NO_UTF8 = tuple(f".row.{name}_base64" for name in (
    "body", "change", "event", "group", "member"))
DRY_RUN = [f"dry_run{one}" for one in ("", ".sent", ".dropped", ".dead")]
PARKED = [f"parked[].{one}" for one in (
    "type", "what", "events", "since", "why")]
STRANDED = [f".stranded[].{one}" for one in ("name", "queued")]
PROPERTIES = [f"properties[].{one}" for one in ("property", "what", "count")]
# Members that the answers here do not have: of what is not UTF-8, was refused,
# waits for another try, or is of a destination that is gone.
SELDOM = {
    "/dead": (".row.answer",),
    "/dead/*": (".sent", ".answer", ".member", ".member_base64", ".entered"),
    "/events": (*NO_UTF8, ".row.replay"),
    "/events/*": (*NO_UTF8, ".row.answer", ".row.parked", ".row.replay",
                  ".row.sent", ".row.unexplained"),
    "/unreadable": NO_UTF8,
    # no job runs: see test_tools.py
    "/jobs": (".jobs[].name", ".jobs[].since", ".jobs[].progress"),
    # neither left out, nor known by another name
    "/drift": {".row.settings"},
    # not of the only segment here, which is new
    "/segments": {f".row.{name}" for name in (
        "pages", "pages_total", "why", "trouble")},
    "/segments/*": {".pages", ".pages_total", ".why", ".trouble"},
    "/segments/*/syncs": {f".summary.{name}" for name in (
        "pages", "pages_total", "why", "trouble")},
    # not of a person with a change alone
    "/persons/*": {f".summary.timeline[].{name}" for name in (
        "type", "event_id", "time", "replay", "settled", "id", "reason")} | {
            ".summary.earlier"},
    # dry_run is not set, nothing is parked, all destinations are served
    "/destinations": [*STRANDED, *(
        f".destinations[].{one}" for one in (*DRY_RUN, *PARKED))],
    "/destinations/*": [  # of the kind that leaves nothing out
        f".{one}" for one in (*DRY_RUN, *PARKED, *PROPERTIES)],
    "/queue/stats": [*STRANDED, ".sources[].segment"],  # only types have it
    "/sources/*": [f".attention[].action.{one}" for one in (
        "method", "path")],  # no call repairs a source
    "/status": [*STRANDED, *(
        f".destinations[].{one}" for one in (*DRY_RUN, *PARKED)),
        # only what was refused by a destination has a status
        ".queue.dead_why[].status", ".queue.dropped_why[].status"],
}


@functools.cache
def document():
    return json.loads((REPO / "deploy" / "openapi.json").read_text())


@functools.cache
def routes():
    """(method, path): the route, as the program has it."""
    done = subprocess.run([BUILD / "routes_probe"], check=True,
                          capture_output=True, text=True)
    rows = lines(done.stdout)
    assert len({(row["method"], row["path"]) for row in rows}) == len(rows)
    return {(row["method"], row["path"]): row for row in rows}


@functools.cache
def operations():
    """(method, path with a star): (path, the operation), as described."""
    return {(method.upper(), re.sub(r"\{\w+\}", "*", path)): (path, one)
            for path, methods in document()["paths"].items()
            for method, one in methods.items()}


def parameters(operation, place):
    return {one["name"]: one for one in operation.get("parameters", ())
            if one["in"] == place}


# ---- the document

def test_every_route_is_described_and_no_other():
    assert sorted(operations()) == sorted(routes())


def both():
    return sorted(set(operations()) & set(routes()))


@pytest.mark.parametrize("method, path", both())
def test_what_an_operation_takes(method, path):
    route, (templated, operation) = (routes()[method, path],
                                     operations()[method, path])
    assert sorted(parameters(operation, "query")) == sorted(
        route["params"].split())
    assert sorted(parameters(operation, "path")) == sorted(
        re.findall(r"\{(\w+)\}", templated))
    assert operation.get("security", document()["security"]) == RIGHTS[
        route["right"]]
    assert ("requestBody" in operation) == (route["body_max"] > 0)


def described(thing, names=False):
    """Each schema of a property, with its name. `names`: the keys of this
    object are names of properties."""
    if isinstance(thing, dict):
        if names:
            yield from thing.items()
        for key, one in thing.items():
            yield from described(one, key == "properties" and not names)
    elif isinstance(thing, list):
        for one in thing:
            yield from described(one)


def test_everything_has_a_description():
    for method, operation in operations().values():
        assert operation["summary"].endswith("."), method
        for one in operation.get("parameters", ()):
            assert one["description"], (method, one["name"])
    for name, schema in described(document()):
        assert {"description", "$ref", "allOf"} & set(schema) or \
            name in ("row", "summary", "progress"), (name, schema)


# ---- schemas that allow nothing else

def resolved(schema):
    """Without references, with `nullable` as a type, and members that are
    not described forbidden."""
    if "$ref" in schema:
        found = document()
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return resolved(found)
    made = dict(schema)
    if "allOf" in made:
        for part in map(resolved, made.pop("allOf")):
            made.setdefault("type", part.get("type"))
            made["properties"] = {**made.get("properties", {}),
                                  **part.get("properties", {})}
            made["required"] = made.get("required", []) + part.get(
                "required", [])
    if "properties" in made:
        made["properties"] = {name: resolved(one) for name, one
                              in made["properties"].items()}
        made["additionalProperties"] = False
    if "items" in made:
        made["items"] = resolved(made["items"])
    if isinstance(made.get("additionalProperties"), dict):
        made["additionalProperties"] = resolved(made["additionalProperties"])
    if made.pop("nullable", False):
        made = {"anyOf": [made, {"type": "null"}]}
    return made


def schema_of(operation):
    """The kind of the answer, and its schema; of lines one for a line."""
    (kind, content), = operation["responses"]["200"]["content"].items()
    schema = resolved(content["schema"])
    if kind == LINES:
        line = resolved(document()["components"]["schemas"]["Line"])
        schema["properties"] = {
            **{name: one for name, one in line["properties"].items()
               if name not in ("row", "summary")}, **schema["properties"]}
        schema["minProperties"] = schema["maxProperties"] = 1
    return kind, schema


def members(schema, at=""):
    """The path of each member that a schema describes."""
    schema = schema.get("anyOf", [schema])[0]
    for name, one in schema.get("properties", {}).items():
        yield f"{at}.{name}"
        yield from members(one, f"{at}.{name}")
    if "items" in schema:
        yield from members(schema["items"], f"{at}[]")


def found(value, at=""):
    """The path of each member that an answer has."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield f"{at}.{name}"
            yield from found(one, f"{at}.{name}")
    elif isinstance(value, list):
        for one in value:
            yield from found(one, f"{at}[]")


def test_the_schemas_themselves():
    for _, operation in operations().values():
        _, schema = schema_of(operation)
        jsonschema.Draft202012Validator.check_schema(schema)


# ---- a daemon that has something of everything

@pytest.fixture
def world(start_daemon, tmp_path):
    daemon = start_daemon(
        heap_linger="10ms", view_token=VIEW, admin_token=ADMIN,
        segments_secret=SECRET, braze_url="http://127.0.0.1:9",
        braze_api_key="key", **NO_QUOTA)
    # a property that nobody knows, and an event of nobody
    daemon.post(batch(
        event(id="sent", properties={"app_group_id": "g", "tone": "warm"}),
        event(user={})))
    until(lambda: daemon.queue()["delivered"] == 1, "it is delivered")
    until(lambda: daemon.queue()["dropped"] == 1, "it is dropped")
    daemon.post(batch(event()), "/currents/nobody")
    ask(daemon.port, "GET", "/.env")
    daemon.command(*Command.PAUSE, "heap")
    daemon.command(*Command.PAUSE, "braze")
    daemon.post(batch(event(id="waits"), event(event_type="x.New")))
    daemon.post('{"events":[%s]}' % INVALID)
    daemon.post(batch(event(event_type="users.UserDeleteRequest", user={
        "user_id": "0123456789abcdef01234567"}, properties={})))
    assert daemon.post('{"lost"').status == 400
    assert send(daemon, page(["ann"])).status == 200
    assert daemon.post(batch(event()), token="x").status in (401, 403)
    return daemon


def get(daemon, path, method="GET", token=ADMIN, body=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return ask(daemon.admin_port, method, path, body, headers)


def test_credentials(world):
    """401 or 403 unless the token is one that is described."""
    for (method, path), (_, operation) in operations().items():
        allowed = {name for one in operation.get("security", ())
                   for name in one}
        # a parameter that is none: what passes does nothing
        asked = path.replace("*", "x") + "?no-such-parameter=1"
        for name, token in ((None, None), ("none", "another"),
                            ("view_token", VIEW), ("admin_token", ADMIN)):
            status = get(world, asked, method, token).status
            if name in allowed or not allowed and name is None or \
                    name == "admin_token":
                assert status == 400, (method, path, name)
            elif allowed:
                assert status in (401, 403), (method, path, name)


EXAMPLES = {  # what a path's star is here
    "/destinations/*": "braze", "/sources/*": "main", "/segments/*": "7",
    "/segments/*/syncs": "7", "/persons/*": "ann", "/dead/*": "1",
    "/unreadable/*": "1", "/events/*": ("5", "sent", "waits", "ann", "lost"),
}
QUERIES = {  # more than the plain path
    "/events": ["?full=yes", "?place=archive", "?place=dead"],
    "/ledger": ["?by=source", "?by=type", "?by=day", "?by=hour",
                "?by=campaign", "?check=yes"],
    "/queue/stats": ["?age=yes"],
    "/unreadable": ["?full=yes"],
    "/events/*": ["?full=yes&raw=yes", "?full=yes"],
    "/tap": None,  # has no end
}


def answers_of(daemon, path):
    queries = QUERIES.get(path, [])
    if queries is None:
        return
    names = EXAMPLES.get(path, "")
    for name in [names] if isinstance(names, str) else names:
        for query in ["", *queries]:
            answer = get(daemon, path.replace("*", name) + query)
            assert answer.status == 200, (path, query, answer)
            yield answer


def checked(operation, answer, seen):
    """The answer has only members that are described, and those that are
    required."""
    kind, schema = schema_of(operation)
    assert answer.headers["Content-Type"].split(";")[0] == kind
    if kind == "application/json":
        rows = [answer.json]
    elif kind == LINES:
        rows = lines(answer.text)
        assert "summary" in rows[-1]
    else:
        return
    for row in rows:
        jsonschema.validate(row, schema,
                            jsonschema.Draft202012Validator)
        seen.update(found(row))


def test_members_of_what_is_read(world):
    """Of each GET route: no answer has a member that is not described, and
    each that is described was seen."""
    missing = {}
    for (method, path), (_, operation) in sorted(operations().items()):
        if method != "GET" or (method, path) not in routes():
            continue
        seen = set()
        for answer in answers_of(world, path):
            checked(operation, answer, seen)
        kind, schema = schema_of(operation)
        if kind == "text/plain" or QUERIES.get(path, []) is None:
            continue
        unseen = {one for one in members(schema) if not re.match(
            r"\.(message|progress|error)\b", one)}
        unseen -= seen | set(SELDOM.get(path, ()))
        if unseen:
            missing[path] = sorted(unseen)
    assert missing == {}


@pytest.mark.file
def test_members_of_what_is_done(world, tmp_path):
    """Likewise of the calls that can be made here."""
    odd = json.dumps({"place": "queued", "group": "7", "change": "+bob"})
    changes = page(["ann", "null"]).decode()
    missing = {}
    for path, calls in {
            "/explain": [("", "\n".join((json.dumps(event()), "{", odd))),
                         ("", changes)],
            "/import": [("?again=yes", json.dumps(event()) + "\nnonsense")],
            "/replay": [("?since=1h", None)],
            "/queue/backup": [(f"?path={tmp_path}/copy", None)],
            "/queue/check": [("", None)],
            "/erase": [("", '{"users":["ann"]}')],
            "/erasures/done": [("", '{"subjects":["x"]}')]}.items():
        operation, seen = operations()["POST", path][1], set()
        for query, body in calls:
            answer = get(world, path + query, "POST", body=body)
            assert answer.status == 200, (path, answer)
            checked(operation, answer, seen)
        unseen = {one for one in members(schema_of(operation)[1])
                  if re.match(r"\.(row|summary)\b", one)} - seen
        if unseen:
            missing[path] = sorted(unseen)
    assert missing == {
        "/explain": [f".row.{name}_base64" for name in (
            "data", "group", "name")],
        "/queue/check": [".row", ".row.fault"],  # the file is whole
    }
