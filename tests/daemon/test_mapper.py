"""The mapping to Heap: the daemon's and mapper.py's give the same events.

Events are generated with all that customers can put into them; rules are
generated too. CURRENTSD_LONG=1 compares 50,000, else 5,000.
"""

import json
import math
import os
import pathlib
import random
import struct
import subprocess

import pytest

import mapper
from names import Choice, Fate, Finding, Probe

REPO = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CURRENTSD_BUILD",
                                    REPO / "build" / "release"))
LONG = os.environ.get("CURRENTSD_LONG") not in (None, "", "0")
NOW = 1_790_000_000
EVENTS = 50_000 if LONG else 5_000
BARE = {name: value for name, value in os.environ.items()
        if not name.startswith("CURRENTSD_")}

IDS = ["user-1", "user-2", "user-3", "user-4", "user-5", "user-6", "user-7",
       "user-8", "ann@example.com", "Żółw", "null", " NULL ", "0", "guest",
       "[REDACTED]", "00000000-0000-0000-0000-000000000000", "x" * 255,
       "x" * 256, "\U0001f600" * 255, "a\0b", "\ud800", "", " ", None,
       "5a41f0df-b69a-4a99-b656-79506a86c3f8", 7, 7.0, 0, "house", "\u3000",
       "ŻÓŁW", "\u200bnull\ufeff", "\ufeff", "ΧΡΉΣΤΗΣ", "\u212a", "x\u200b",
       "hmac-sha256:" + "5d" * 32, "hmac-sha256:" + "5D" * 32,
       "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
KEYS = ["a", "b", "a.b", "a.b.c", "plan", "email", "", " ", "ключ", "k" * 511,
        "k" * 600, "\U0001f600" * 256, "\U0001f600" * 257, "a\0", "\ufffd",
        "\udc00", "\"q\"", "a#2", "a.b#2", "name", "x/y", "device_id",
        " " * 512 + "k", "orphaned_by_id", "A"]
STRINGS = ["", " \t", "x", "Żółw", "a||b", "v" * 1023, "v" * 1024,
           "v" * 1022 + "\U0001f600", "\U0001f600" * 600, "a\0b", "\ud83d",
           " " * 1023 + "x", "\u2003" * 600 + "x",
           "hmac-sha256:" + "0e" * 32,
           "\"\\\b\f\n\r\t\x7f\x1f/", "\u2028", "true", "null", "{\"a\":1}"]
NUMBERS = ["0", "-0", "1", "-1", "1.5", "1.50", "9007199254740992",
           "9007199254740993", "-9007199254740993", "12345678901234567890",
           "1e400", "-1e-400", "1e300", "1e301", "1e-300", "0.1e-299",
           "1e-301", "123456789.012345", "123456789.0123456", "1E+2", "0e999",
           "0.0", "1.000000000000000000000", "0.000000000000000000001",
           "1" + "0" * 30, "1" * 1023, "1" * 1024, "0." + "0" * 400 + "1",
           "1e" + "9" * 30, "100000000000000000000.5", "5e-324",
           "59.970000000000006", "1e3", "-0.0", "-2e-324", "1.8e308",
           "9999999999999998.0", "1e16", "0.000001", "0.00000099", "2e-7",
           "5.684341886080801486968994140625e-14", "3." + "1" * 1021,
           "2.2250738585072011e-308", "179769313486231580793e289"]


class Raw(str):
    """JSON text that is put in as it is."""


def write(random_, value):
    """JSON as senders write it: any white space, any escapes."""
    space = random_.choice(["", "", "", " ", "\n\t"])
    if isinstance(value, Raw):
        return value
    if isinstance(value, list):
        return "[" + space + ("," + space).join(
            write(random_, v) for v in value) + space + "]"
    if isinstance(value, mapper.Object) or isinstance(value, tuple):
        return "{" + space + ("," + space).join(
            write(random_, k) + space + ":" + space + write(random_, v)
            for k, v in value) + "}"
    text = json.dumps(value)
    if isinstance(value, str) and random_.random() < 0.5:
        try:
            raw = json.dumps(value, ensure_ascii=False)
            raw.encode()
            return raw
        except UnicodeEncodeError:
            return text
    return text


def some_scalar(random_):
    return random_.choice([
        None, True, False, random_.choice(STRINGS),
        Raw(random_.choice(NUMBERS)), Raw(random_.choice(NUMBERS)),
        random_.choice(STRINGS) + str(random_.randrange(9))])


def some_value(random_, depth):
    dice = random_.random()
    if depth > 0 and dice < 0.25:
        return some_object(random_, depth - 1)
    if depth > 0 and dice < 0.35:
        return [some_value(random_, depth - 1)
                for _ in range(random_.randrange(5))]
    if dice < 0.45:
        return [some_scalar(random_) for _ in range(random_.randrange(6))]
    if dice < 0.47:
        return ["e" * random_.randrange(700) for _ in range(5)]
    return some_scalar(random_)


def some_object(random_, depth):
    return tuple((random_.choice(KEYS), some_value(random_, depth))
                 for _ in range(random_.choice([0, 1, 2, 3, 5, 8])))


def some_properties(random_, documented):
    catalogue = mapper.CATALOGUE["properties"]
    for name in documented:
        if random_.random() < 0.3:
            continue
        kind = catalogue[name]["type"]
        if kind == "object":
            value = some_object(random_, random_.choice([1, 2, 3, 6]))
        elif kind.startswith("array"):
            value = [random_.choice(STRINGS)
                     for _ in range(random_.randrange(5))]
        elif kind in ("integer", "number"):
            value = Raw(random_.choice(NUMBERS))
        else:
            value = some_scalar(random_)
        yield name, value
    while random_.random() < 0.3:
        yield random_.choice(KEYS), some_value(random_, 2)
    if random_.random() < 0.02:
        for number in range(random_.randrange(300)):
            yield f"many.{number % 90}", number
        yield "many", tuple((str(n), n) for n in range(90))


def some_alias(random_):
    name, label = random_.choice(IDS), random_.choice(["crm", "web", None, 3])
    alias = [("alias_name", name), ("alias_label", label)]
    return random_.choice([tuple(alias), tuple(alias[:1]), (), None, name,
                           [tuple(alias)], (("alias_name", tuple(alias)),)])


def some_user(random_):
    for name in "external_user_id", "user_id", "device_id", "timezone":
        while random_.random() < 0.5:
            yield name, random_.choice(IDS)
    for name in "alias", "user_alias", "aliases", "user_aliases":
        if random_.random() < 0.15:
            yield name, some_alias(random_)
    if random_.random() < 0.1:
        yield "alias_name", random_.choice(IDS)
        yield "alias_label", random_.choice(["crm", None])
    if random_.random() < 0.2:
        yield "email", some_value(random_, 2)


def some_event(random_):
    types = list(mapper.CATALOGUE["events"])
    name = random_.choice(types + ["users.behaviors.CustomEvent"] * 20 +
                          ["users.UserOrphan"] * 5 +
                          ["new.Type", "Bare", ".", "a..b", "t" * 600,
                           "\u2003" * 512 + "t"])
    documented = mapper.CATALOGUE["events"].get(name, {}).get(
        "properties", ["custom_properties", "name", "email_address"])
    event = [("event_type", name), ("id", random_.choice(
        ["a56ea893-bae1-4fd7-ae88-56ae6dc3a2bf", "i\0\"", "i" * 1100])),
        ("time", random_.choice([0, 1, NOW, NOW + 86400, NOW + 86401,
                                 4102444799, -1])),
        ("user", tuple(some_user(random_))),
        ("properties", tuple(some_properties(random_, documented))),
        ("later", some_value(random_, 1))]
    random_.shuffle(event)
    return write(random_, tuple(event)).replace("\n", " ")


def some_rules(random_):
    selectors = ["content", "contact", "secret", "unclassified",
                 "*/unclassified", "new.Type/unclassified", "un*", "email_address", "*",
                 "custom_properties", "custom_properties.a", "*.email",
                 "users.behaviors.*/custom_properties.*", "*/name", "a*b",
                 "custom_properties.a.*", "device_id", "braze_*", "", "[a]",
                 "custom_properties.x/y", "*.b", "con*", "custom_properties.*.a",
                 "*/*.plan", "custom_properties.plan.email"]

    def some(of, most):
        return random_.sample(of, random_.randrange(most + 1))
    return {
        "identity": random_.choice(["external_user_id", "user_id"]),
        "alias_label": random_.choice([None, None, "crm"]),
        "anonymous": random_.choice([["device", "braze_id"], [], ["device"],
                                     ["braze_id", "device"]]),
        "no_user": random_.choice([Choice.DEAD, Choice.DROP]),
        "placeholders": some(["Żółw", " HOUSE ", "7", "\u200bχρήστης", "k"], 3),
        "identity_hash": random_.random() < 0.3,
        "prefix": random_.choice(["", "braze-", "p" * 200]),
        "renames": dict(some([("custom_properties.a", "A"), ("name", "a"),
                              ("users.canvas.Entry", "entered"),
                              ("braze_channel", "channel"),
                              ("a", "b"), ("plan", "x/y"),
                              ("app_id", "r" * 600)], 3)),
        "custom_event_name": random_.choice(["type", "name"]),
        "add": some(mapper.DEFAULTS["add"], 5),
        "keep": some(selectors, 3),
        "drop": some(selectors, 1),
        "hash": some(selectors, 2),
        "time_ahead": random_.choice([0, 86400, 10 ** 9]),
        "now": random_.choice([None, NOW]),
        "key": random_.choice([None, "k", "0123456789abcdef" * 5])}


def probe(lines):
    done = subprocess.run([BUILD / "mapper_probe"],
                          input="\n".join(lines).encode() + b"\n",
                          stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().split("\n")[:-1]


def told(line):
    fate, reason, event = line.split("\t")
    return {"fate": fate, "reason": reason or None,
            "event": plain(mapper.parse(event)) if event else None}


def plain(value):
    """For comparison: an object as a dict whose keys must not repeat."""
    if isinstance(value, mapper.Object):
        assert len(dict(value)) == len(value), "a key comes twice"
        return {key: plain(inner) for key, inner in value}
    return (type(value).__name__, value)


def expected(event, rules):
    made = mapper.explain(event, **rules)

    def typed(value):
        if isinstance(value, dict):
            return {key: typed(inner) for key, inner in value.items()}
        kind = "Number" if isinstance(value, mapper.Number) else "str"
        return (kind, value)
    if made["event"] is not None:
        made["event"] = typed(made["event"])
    return made


def compare(seed, count, rules_of):
    random_ = random.Random(seed)
    lines, wanted = [], []
    for _ in range(count // 50):
        rules = rules_of(random_)
        lines.append(json.dumps({"rules": rules}, separators=(",", ":")))
        for _ in range(50):
            lines.append(some_event(random_))
            wanted.append((lines[-1], {
                name: rule for name, rule in rules.items()
                if name in mapper.DEFAULTS}))
    answers = probe(lines)
    assert len(answers) == len(wanted)
    sent = 0
    for answer, (event, rules) in zip(answers, wanted):
        assert told(answer) == expected(event, rules), (event, rules)
        sent += answer.startswith(Fate.SEND)
    return sent


def test_default_rules_agree():
    sent = compare(1, EVENTS, lambda random_: mapper.DEFAULTS)
    assert sent > EVENTS // 5


def test_any_rules_agree():
    sent = compare(2, EVENTS, some_rules)
    assert sent > EVENTS // 5


def test_redacting_at_accept_sends_the_same():
    """Taken out before the disk or after it: Heap gets the same.

    Only a custom event's name that the rules take out cannot name it."""
    sent = compare(3, EVENTS, lambda random_: {
        **some_rules(random_), Probe.REDACT_AT: Choice.ACCEPT,
        "custom_event_name": "type"})
    assert sent > EVENTS // 5


@pytest.mark.parametrize("literal, stays", [
    ("9007199254740992", True), ("9007199254740993", False),
    ("1e400", False), ("1.5", True), ("123456789.0123456", True)])
def test_second_opinion_on_numbers(literal, stays):
    """What both say is also what the contract says."""
    assert (mapper.sent_number(literal) is not None) is stays


def test_numbers_of_any_bits_agree():
    """Doubles of any bits, powers of two, and decimals of any length."""
    random_ = random.Random(4)
    numbers = [repr(float.fromhex(f"0x1p{power}"))
               for power in range(-1074, 1024)]
    while len(numbers) < EVENTS:
        value, = struct.unpack("<d", random_.randbytes(8))
        if math.isfinite(value):
            numbers.append(repr(value))
        numbers.append(f"{random_.uniform(-1, 1) * 100:.{random_.randrange(1, 25)}f}")
        numbers.append(f"{random_.randrange(10 ** random_.randrange(1, 25))}"
                       f"e{random_.randrange(-345, 320)}")
    event = ('{"event_type":"a.b.C","id":"i","time":1,'
             '"user":{"external_user_id":"u"},"properties":{"n":%s}}')
    lines = [event % number for number in numbers]
    rules = json.dumps({"rules": mapper.DEFAULTS}, separators=(",", ":"))
    for answer, line, number in zip(
            probe([rules, *lines]), lines, numbers, strict=True):
        assert told(answer) == expected(line, mapper.DEFAULTS), line
        kind, sent = told(answer)["event"]["properties"]["n"]
        assert sent == number if kind == "str" else \
            float(sent) == float(number)


def test_second_opinion_on_anonymous_users():
    """The example that Heap's own integration is known by."""
    assert mapper.numeric_user("5a41f0df-b69a-4a99-b656-79506a86c3f8") == \
        "8325872782136936"


def test_explain_says_the_same():
    """The command that an operator would ask, about events of the real form."""
    sample = subprocess.run(
        [BUILD / "currentsd", "sample", "--all", "--count", str(EVENTS // 5),
         "--anonymous", "40"], stdout=subprocess.PIPE, env=BARE,
        check=True).stdout
    told_all = subprocess.run(
        [BUILD / "currentsd", "explain", "--json", "-"], input=sample,
        env=BARE, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    events = sample.decode().splitlines()
    assert len(told_all) == len(events) == EVENTS // 5
    for line, event in zip(told_all, events):
        answer, want = mapper.parse(line), expected(event, {})
        assert mapper.get(answer, Finding.FATE) == want["fate"]
        assert mapper.get(answer, Finding.REASON) == want["reason"]
        heap = mapper.get(answer, Finding.EVENT)
        assert (plain(heap) if heap else None) == want["event"], event
        assert mapper.get(answer, Finding.DECISIONS) or \
            want["fate"] != Fate.SEND
