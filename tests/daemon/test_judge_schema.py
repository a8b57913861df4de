"""The judge and the JSON Schemas that we print give the same verdicts.

The schemas are read by an independent validator (python3-jsonschema). Events
are those of `currentsd sample`, as they are and spoiled in every way that
leaves them JSON. CURRENTSD_LONG=1 compares 100,000, else 10,000.
"""

import collections
import copy
import decimal
import json
import os
import random
import sys

import jsonschema
import pytest

from commands import odd_sample, run, sample
from conftest import REPO
from names import Finding, Schema, Verdict

LONG = os.environ.get("CURRENTSD_LONG") not in (None, "", "0")
EVENTS = 100_000 if LONG else 10_000
BODIES = EVENTS // 10
sys.set_int_max_str_digits(0)


class Number(str):
    """A number as it is written."""


class Again(str):
    """A key that is written although the object has it already."""
    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other


def deep(levels):
    value = Number("1")
    for level in range(levels):
        value = {"d": value} if level % 2 else [value]
    return value


STRINGS = ["", " ", "x", "[REDACTED]", "true", "5", "null", "a\0b", "\ud800",
           "\udc00\ud800", "\U0001f600", "\u202eRTL", "\u2028", "e\u0301",
           "\x7f", "\"\\/\b\f\n\r\t", "\ufeff", "v" * 5000]
NUMBERS = [Number(n) for n in (
    "0", "-0", "1", "-1", "5.0", "5.5", "1e3", "1E+2", "10e-1", "15e-1",
    "1e400", "-1e400", "1e-400", "0e-400", "0.0", "-0.0e9", "12345678901234567890",
    "1" + "0" * 400, "1" + "0" * 400 + "e-400", "0." + "0" * 400 + "1e401",
    "9007199254740993", "253402300799", "253402300800", "253402300799.0",
    "2534023007990e-1", "1000000000000000000000e-12", "1e99999", "1.5e1",
    "100e-2", "101e-2")]
SCALARS = [None, True, False, *STRINGS, *NUMBERS]
ARRAYS = [[], [""], ["a", "b"], ["a", None], [None], [Number("1")], ["a", []],
          [{}], [["a"]], [True]]
OBJECTS = [{}, {"": ""}, {"a": None}, {"\ud800": 1}, {"a": {"b": [{}]}}]
VALUES = [*SCALARS, *ARRAYS, *ARRAYS, *OBJECTS, deep(20), deep(59)]
KEYS = ["", "new_field", "price ", "Price", "pric\u0435", "a.b", "\0", "\ud83d",
        "k" * 600, "name\0", "\U0001f600"]
USER = ["user_id", "external_user_id", "device_id", "timezone", "user_alias"]
TYPES = ["x.New", "users.behaviors.Purchase2", "users.behaviors.purchase",
         "users.behaviors.Purchase\0", " users.behaviors.Purchase", "\ud800",
         "event"]


def written(value, rng):
    """JSON text with odd white space and escapes."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(written(v, rng) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(written(k, rng) + ":" + written(v, rng)
                              for k, v in value.items()) + "}"
    if isinstance(value, str) and value and rng.random() < 0.05:
        return '"' + "".join(f"\\u{unit:04x}" for unit in units(value)) + '"'
    return json.dumps(str(value) if isinstance(value, str) else value)


def units(text):
    data = text.encode("utf-16-be", "surrogatepass")
    return [data[i] << 8 | data[i + 1] for i in range(0, len(data), 2)]


def members(event, name):
    value = event.get(name)
    if not isinstance(value, dict):
        value = event[name] = {}
    return value


class Spoiler:
    """Changes events, each way by a method whose name begins with do_."""

    def __init__(self, rng, properties):
        self.rng = rng
        self.properties = properties  # of any type
        self.ways = [getattr(self, name) for name in dir(self)
                     if name.startswith("do_")]

    def spoil(self, event):
        for _ in range(self.rng.choice((0, 0, 1, 1, 1, 2, 3))):
            self.rng.choice(self.ways)(event)

    def pick(self, values):
        return copy.deepcopy(self.rng.choice(values))

    def a_property(self, event):
        mine = list(members(event, "properties"))
        return self.rng.choice(mine or self.properties)

    def do_change(self, event):
        key = self.a_property(event)
        event["properties"][key] = self.pick(VALUES)

    do_change_too = do_change

    def do_null(self, event):
        key = self.a_property(event)
        event["properties"][key] = None

    def do_blank(self, event):
        key = self.a_property(event)
        event["properties"][key] = ""

    def do_remove(self, event):
        key = self.a_property(event)
        event["properties"].pop(key, None)

    def do_number(self, event):
        key = self.a_property(event)
        event["properties"][key] = self.rng.choice(NUMBERS)

    def do_array(self, event):
        lists = [k for k, v in members(event, "properties").items()
                 if isinstance(v, list)]
        key = self.rng.choice(lists) if lists else self.a_property(event)
        event["properties"][key] = self.pick(ARRAYS)

    def do_unknown_property(self, event):
        members(event, "properties")[self.rng.choice(KEYS)] = \
            self.pick(VALUES)

    def do_property_of_another(self, event):
        members(event, "properties")[self.rng.choice(self.properties)] = \
            self.pick(VALUES)

    def do_nest(self, event):
        event["properties"] = {
            **members(event, "properties"),
            self.rng.choice(["custom_properties", "new_object"]):
            deep(self.rng.randrange(60))}

    def do_twice(self, event):
        key = self.a_property(event)
        event["properties"][Again(key)] = self.pick(VALUES)

    def do_member_twice(self, event):
        event[Again(self.rng.choice(list(event)))] = self.pick(VALUES)

    def do_type(self, event):
        event["event_type"] = self.rng.choice(TYPES) \
            if self.rng.random() < 0.7 else self.pick(VALUES)

    def do_id(self, event):
        event["id"] = self.pick(VALUES)

    def do_time(self, event):
        event["time"] = self.rng.choice(
            NUMBERS if self.rng.random() < 0.7 else VALUES)

    def do_remove_member(self, event):
        event.pop(self.rng.choice(list(event)), None)

    def do_unknown_member(self, event):
        event[self.rng.choice(KEYS)] = self.pick(VALUES)

    def do_user(self, event):
        event["user"] = self.pick(VALUES)

    def do_user_member(self, event):
        members(event, "user")[self.rng.choice(USER)] = \
            self.pick(VALUES)

    def do_properties(self, event):
        event["properties"] = self.pick(VALUES)


def is_integer(_, value):
    if isinstance(value, decimal.Decimal):
        return value == value.to_integral_value()
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(_, value):
    return isinstance(value, (int, decimal.Decimal)) and \
        not isinstance(value, bool)


Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": is_integer, "number": is_number}))


def schema(*words):
    done = run("schema", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def validators():
    """{type: validator}, and None for a whole request, "" for any event."""
    made = {row[Schema.TYPE]: Validator(schema(row[Schema.TYPE]))
            for row in schema("--json")}
    request = schema("--all")
    Validator.check_schema(request)
    made[None] = Validator(request)
    made[""] = Validator({**request, "anyOf": [{"$ref": "#/$defs/event"}]})
    return made


def judged(lines):
    """For each line, the findings of `currentsd validate`. The empty probe
    before them makes it a file of lines, whatever they are."""
    done = run("validate", "--json", stdin="\n".join(["{}", *lines]) + "\n")
    assert done.returncode in (0, 1), done.stderr
    found = collections.defaultdict(list)
    for line in done.stdout.split("\n")[:-1]:
        finding = json.loads(line)
        found[finding[Finding.LINE] - 2].append(finding)
    return found


def parsed(text):
    return json.loads(text, parse_float=decimal.Decimal)


def spoiled(count, seed):
    """JSON texts of events."""
    rng = random.Random(seed)
    plain = [json.loads(line, parse_float=Number, parse_int=Number) for line in
             sample("--all", "--count", str(count), "--seed", str(seed))
             .splitlines()]
    properties = sorted({key for event in plain[:500]
                         for key in event["properties"]})
    spoiler = Spoiler(rng, properties)
    for event in plain:
        spoiler.spoil(event)
        yield written(event, rng)


def check(texts, found, accepts):
    """Compare; returns how many were valid."""
    wrong, valid = [], 0
    for index, text in enumerate(texts):
        ours = all(f[Finding.VERDICT] == Verdict.VALID for f in found[index])
        valid += ours
        if accepts(parsed(text)) != ours:
            wrong.append(f"{found[index]}\n{text[:2000]}")
    assert not wrong, f"{len(wrong)} disagree, as:\n" + "\n".join(wrong[:3])
    return valid


def test_events(validators, figure):
    texts = list(spoiled(EVENTS, 11))

    def accepts(event):
        kind = event.get("event_type")
        if isinstance(kind, str) and kind in validators:
            return validators[kind or ""].is_valid(event)
        return validators[""].is_valid(event)

    valid = check(texts, judged(texts), accepts)
    assert EVENTS // 4 < valid < EVENTS * 3 // 4
    figure(f"judge and schemas agree on {EVENTS} events, {valid} valid")


def a_body(rng, events):
    some = [next(events) for _ in range(rng.choice((0, 1, 1, 1, 2, 3)))]
    listed = "[" + ",".join(some) + "]"
    return rng.choice([
        f'{{"events":{listed}}}', f'{{"events": {listed}, "id":5, "x":{{}}}}',
        f'{{"x":1,"events":{listed}}}', listed, *some, *some,
        *(one[:-1] + ',"events":null}' for one in some if len(one) > 2),
        '{"events":null}', '{"events":null,"id":"a"}', '{"events":null,"a":1}',
        '{"events":{}}', '{"events":""}', '{"a":1}', '{}', '5', '"x"', 'null',
        '{"id":{"string":"a"},"time":1,"user_id":"b"}'])


def test_bodies(validators, figure):
    rng = random.Random(12)
    events = spoiled(BODIES * 3, 13)
    texts = [a_body(rng, events) for _ in range(BODIES)]
    valid = check(texts, judged(texts), validators[None].is_valid)
    assert BODIES // 4 < valid < BODIES * 3 // 4
    figure(f"judge and bundle agree on {BODIES} bodies, {valid} valid")


def test_every_sample_is_valid(validators):
    lines = sample("--all", "--count", "500", "--seed", "14") + odd_sample(
        500, 14)
    for text in lines.split("\n")[:-1]:
        event = parsed(text)
        validators.get(event["event_type"], validators[""]).validate(event)


def test_list():
    rows = schema("--json")
    text = run("schema").stdout.splitlines()
    assert len(rows) == len(text) > 90
    for row, line in zip(rows, text):
        words = line.split()
        assert words[:3] == [row[Schema.TYPE], row[Schema.FAMILY],
                             str(row[Schema.PROPERTIES])]
        assert line.endswith(row[Schema.STATUS] or "properties")


def test_the_document_lists_the_types():
    groups = {}
    for row in schema("--json"):
        prefix, _, last = row[Schema.TYPE].rpartition(".")
        groups.setdefault(prefix + ".", []).append(last)
    table = "".join(f"| `{prefix}` | {', '.join(names)} |\n"
                    for prefix, names in groups.items())
    text = (REPO / "deploy" / "MAPPING.md").read_text(encoding="utf-8")
    told = text.split("<!-- types -->\n")[1].split("<!-- /types -->")[0]
    head = f"| {len(schema('--json'))} event types | |\n|---|---|\n"
    assert told == head + table, f"write there:\n{head + table}"


def test_no_enums_and_wrong_words():
    text = run("schema", "--all").stdout
    assert '"enum"' not in text
    assert run("schema", "users.None").returncode == 2
    assert run("schema", "--all", "users.UserOrphan").returncode == 2
