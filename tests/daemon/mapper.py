"""Maps a Braze Currents event to a Heap event: a second opinion.

Written from what Braze and Heap document and from the rules that
deploy/MAPPING.md promises, and not from the C, so that the two can be compared.
Slow and plain.
"""

import datetime
import fnmatch
import hashlib
import hmac
import itertools
import json
import pathlib
import re
import struct

from mapper_text import (Hashed, Number, Object, bare, blank, cut, get,
                         members, parse, readable, sent_number, units)
from names import Choice, Fate

CATALOGUE = json.loads(
    (pathlib.Path(__file__).parents[2] / "schema/currents/events.json").read_text(
        encoding="utf-8"))

PLACEHOLDERS = "null undefined none nil 0 user guest anonymous unknown".split()
PLACEHOLDERS += ["[REDACTED]", "00000000-0000-0000-0000-000000000000",
                 hashlib.sha256(b"").hexdigest()]

DEFAULTS = {"identity": "external_user_id", "alias_label": None,
            "anonymous": ["device", "braze_id"], "no_user": Choice.DROP,
            "placeholders": [], "identity_hash": False, "prefix": "",
            "renames": {}, "custom_event_name": "type",
            "add": ["channel", "event_id", "user_id", "device_id",
                    "timezone"],
            "keep": [], "drop": [], "hash": [], "key": None,
            "time_ahead": 7 * 24 * 3600, "now": None}


class NotSent(Exception):
    """(fate, reason)"""


def there(value):
    return value is not None and not (
        isinstance(value, str) and blank(readable(value)))


def trouble(value, rules):
    if not isinstance(value, str):
        return "is not text"
    text = readable(value)
    if "\ufffd" in text:
        return "has an unreadable character"
    if bare(text) in ["", *map(bare, PLACEHOLDERS + rules["placeholders"])]:
        return "is a placeholder"
    if len(text) > 255:
        return "is longer than 255 characters"
    return None


def numeric_user(text):
    low, _, high, _ = struct.unpack("<4I", hashlib.md5(text.encode()).digest())
    return str((high & 0x1fffff) << 32 | low)


def keyed(text, rules):
    return hmac.new(rules["key"].encode(), text.encode(),
                    "sha256").hexdigest()


def marked(text):
    """The hash in a text that was hashed at acceptance, or None."""
    found = re.fullmatch("hmac-sha256:([0-9a-f]{64})", text)
    return found and found[1]


def was_number(value):
    """May it have been one, before it was hashed at acceptance?"""
    return isinstance(value, str) and marked(str(readable(value)))


def hashed(text, rules):
    return marked(text) or keyed(text, rules)


def identified(name, value, rules):
    wrong = trouble(value, rules)
    if wrong:
        raise NotSent(Fate.DEAD, f"{name} {wrong}")
    if not rules["identity_hash"]:
        return {"identity": str(value)}
    if marked(value):
        return {"identity": marked(value)}
    if rules["key"] is None:
        raise NotSent(Fate.DEAD, "identity_hash without a key")
    return {"identity": keyed(value, rules)}


def find_alias(user, rules):
    """(is there one, the one to use)"""
    any_alias = False
    for alias in get(user, "alias"), get(user, "user_alias"), user:
        name, label = alias, None
        if isinstance(alias, Object):
            name, label = get(alias, "alias_name"), get(alias, "alias_label")
            if isinstance(label, Number):
                label = None
        if not there(name):
            continue
        any_alias = True
        if rules["alias_label"] is None or (
                isinstance(label, str) and readable(label) == rules["alias_label"]):
            return True, name
    return any_alias, None


def heap_user(user, known, rules):
    external, braze = get(user, "external_user_id"), get(user, "user_id")
    any_alias, alias = find_alias(user, rules)
    listed = any(there(found) and found != [] for found in (
        get(user, "aliases"), get(user, "user_aliases")))
    if rules["identity"] == "user_id":
        if there(braze):
            return identified("user_id", braze, rules)
        if there(external) or any_alias or listed:
            raise NotSent(Fate.DEAD, "identified, but no user_id")
    elif there(external):
        return identified("external_user_id", external, rules)
    elif alias is not None:
        return identified("alias", alias, rules)
    elif any_alias:
        raise NotSent(Fate.DEAD, "no alias with the wanted label")
    elif listed:
        raise NotSent(Fate.DEAD, "a list of aliases is not an identity")
    reason = None
    ids = {"device": ("device_id", get(user, "device_id")),
           "braze_id": ("user_id", braze)}
    for source in rules["anonymous"]:
        name, value = ids[source]
        if not there(value):
            continue
        wrong = trouble(value, rules)
        if not wrong:
            return {"user_id": numeric_user(value)}
        reason = reason or f"{name} {wrong}"
    if reason:
        raise NotSent(Fate.DEAD, reason)
    if not rules["anonymous"] and any(there(v) for _, v in ids.values()):
        raise NotSent(Fate.DROP, "anonymous")
    reason = "no user"
    for source, other in ("braze_id", "device"), ("device", "braze_id"):
        if there(ids[source][1]):
            reason = f"anonymous, and without {ids[other][0]}"
            break
    raise NotSent(
        Fate.DEAD if rules["no_user"] == Choice.DEAD else Fate.DROP, reason)


def scalar(value):
    """As text; "" for what is not sent."""
    if value is None:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    return str(value) if isinstance(value, Number) else readable(value)


def escape(text):
    names = dict(zip('"\\\n\r\t', ['\\"', "\\\\", "\\n", "\\r", "\\t"]))
    return '"' + "".join(
        names.get(c) or (f"\\u{ord(c):04x}" if c < " " or c == "\x7f" else c)
        for c in readable(text)) + '"'


def compact(value):
    if isinstance(value, Object):
        return "{" + ",".join(escape(k) + ":" + compact(v)
                              for k, v in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    if isinstance(value, str) and not isinstance(value, Number):
        return escape(value)
    return "null" if value is None else scalar(value)


def inside(value, way, judge, rules, hash_it=False):
    """What an array holds, each member of an object in it judged."""
    if isinstance(value, Object):
        kept = Object()
        for key, inner in value:
            what = judge((*way, readable(key)))
            if what != "drop":
                kept.append((key, inside(inner, (*way, readable(key)), judge,
                                         rules, what == "hash")))
        return kept
    if isinstance(value, list):
        return [inside(inner, way, judge, rules, hash_it) for inner in value]
    if hash_it and not blank(scalar(value)):
        return hashed(scalar(value), rules)
    return value


def array(value):
    """As text; None if there is nothing to send."""
    if any(isinstance(v, list) for v in value):
        items, between, ends = [compact(v) for v in value], ",", "[]"
    else:
        items = [scalar(v) for v in value]
        items, between, ends = [v for v in items if not blank(v)], "||", ""
    kept = []
    for item in items:
        if units(between.join([*kept, item])) + len(ends) <= 1023:
            kept.append(item)
    return ends[:1] + between.join(kept) + ends[1:] if kept else None


def leaves(value, way=(), klass=None):
    """(way, class, value)"""
    for key, inner in members(value):
        if way == ():
            klass = class_of(key, inner)
        if isinstance(inner, Object):
            yield from leaves(inner, (*way, key), klass)
        else:
            yield (*way, key), klass, inner


def selects(selector, event_type, path, klass):
    wanted = [selector]
    of_type, slash, of_property = selector.partition("/")
    if slash and glob(of_type, event_type):
        wanted.append(of_property)
    names = [path[:m.start()] for m in re.finditer(r"\.", path)] + [path]
    if klass:
        names.append(klass)
    return any(glob(one, name) for one in wanted for name in names)


def glob(pattern, text):
    pattern = "*".join(re.sub(r"([?\[])", r"[\1]", p)
                       for p in pattern.split("*"))
    return fnmatch.fnmatchcase(text, pattern)


def class_of(name, value):
    """Of a property by its name, and if no type has that, by its value."""
    if name in CATALOGUE["properties"]:
        return CATALOGUE["properties"][name].get("class")
    if isinstance(value, (Object, list)):
        return "unclassified"
    if isinstance(value, str) and not isinstance(value, Number) and \
            not blank(readable(value)):
        return "unclassified"
    return None


def privacy(event_type, way, rules, klass=None):
    """What to do with a property: send, hash or drop."""
    path = ".".join(way)
    known = cut(path, 512)

    def listed(name):
        return any(selects(s, event_type, known, klass) for s in rules[name])
    if klass == "secret":
        return "drop"
    if units(path) > 512 and (rules["drop"] or rules["hash"]):
        return "drop"
    if listed("drop"):
        return "drop"
    if listed("hash") or (rules["identity_hash"] and
                          rules["identity"] == "user_id" and
                          re.match(r"orphaned_by_id(\.|$)", path)):
        return "hash" if rules["key"] is not None else "drop"
    if listed("keep"):
        return "send"
    return "drop" if klass in (
        "content", "contact", "unclassified") else "send"


def outgoing(value):
    """What is sent for a value, still uncut; None for nothing."""
    if isinstance(value, Hashed):
        return value
    if isinstance(value, Number):
        if len(value) > 1023:
            return None
        number = sent_number(value)
        return str(value) if number is None else Number(number)
    if isinstance(value, list):
        return array(value)
    text = scalar(value)
    return None if blank(text) else text


def final_name(path, added, rules):
    if path in rules["renames"]:
        return cut(rules["renames"][path], 512)
    if not (added and path.startswith("braze_")):
        path = rules["prefix"] + path
    return cut(path, 512)


def part(claims):
    """Give each of [(order, name, value)] a name of its own."""
    named, rest, claims = {}, [], sorted(claims, key=lambda c: c[0])
    for _, name, value in claims:
        if name in named:
            rest.append((name, value))
        else:
            named[name] = value
    for name, value in rest:
        others = (cut(name, 512 - len(f"#{n}")) + f"#{n}"
                  for n in itertools.count(2))
        named[next(o for o in others if o not in named)] = value
    return named


def added(event, event_type, rules):
    user = get(event, "user")
    parts = event_type.rsplit(".", 2)
    yield "channel", "braze_channel", parts[-2] if len(parts) > 1 else None
    yield "channel", "braze_action", parts[-1]
    yield "event_id", "braze_event_id", get(event, "id")
    braze = get(user, "user_id")
    if rules["identity_hash"] and rules["identity"] == "user_id" and \
            there(braze):
        braze = Hashed(hashed(readable(braze), rules))
    yield "user_id", "braze_user_id", braze
    yield "device_id", "device_id", get(user, "device_id")
    yield "timezone", "timezone", get(user, "timezone")


def properties(event, event_type, rules):
    claims = []

    def claim(order, way, klass, value, is_added):
        path = ".".join(way)
        if klass == "unclassified" and len(way) == 1 and was_number(value) \
                and privacy(event_type, way, rules) == "hash":
            klass = None
        what = privacy(event_type, way, rules, klass)
        if what == "drop" or blank(cut(path, 512)):
            return
        hash_of = hashed
        if isinstance(value, list):
            hash_of = keyed
            value = inside(value, way, lambda member: inner(member, what,
                                                             klass),
                           rules)
        value = outgoing(value)
        if value is None:
            return
        if what == "hash" and not isinstance(value, Hashed):
            value = hash_of(str(value), rules)
        if not isinstance(value, Number):
            value = cut(value, 1023)
        name = final_name(path, is_added, rules)
        if not blank(value) and not blank(name):
            claims.append(((is_added, path in rules["renames"], *order),
                           name, value))

    def inner(way, outer, klass):
        """Of a member in an array: hashed once, alone or with the whole."""
        what = privacy(event_type, way, rules, klass)
        return "send" if what == outer == "hash" else what

    sent = get(event, "properties")
    for number, (way, klass, value) in enumerate(
            leaves(sent) if isinstance(sent, Object) else ()):
        claim((len(way), [k.encode() for k in way], number), way, klass,
              value, False)
    for number, (which, name, value) in enumerate(
            added(event, event_type, rules)):
        if which in rules["add"] and isinstance(value, str):
            text = str(readable(value))
            claim((number,), (name,), None,
                  value if isinstance(value, Hashed) else text, True)
    return part(claims)


def event_name(event, event_type, rules):
    names = [event_type]
    if event_type == "users.behaviors.CustomEvent" and \
            rules["custom_event_name"] == "name":
        custom = get(get(event, "properties"), "name")
        if isinstance(custom, str) and there(custom) and \
                privacy(event_type, ("name",), rules) == "send":
            names.insert(0, readable(custom))
    for name in names:
        name = cut(rules["renames"].get(name, rules["prefix"] + name), 512)
        if not blank(name):
            return name
    raise NotSent(Fate.DEAD, "the event's name is blank")


def in_time(time, rules):
    """Against the clock, if there is one."""
    if rules["now"] and rules["time_ahead"] and \
            time > rules["now"] + rules["time_ahead"]:
        raise NotSent(Fate.DEAD, "its time is further in the future than "
                      "time_ahead allows")


def timestamp(literal):
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(
        seconds=int(literal))).strftime("%FT%TZ")


def explain(text, **changed):
    """{"fate", "reason", "event"} of one event's text, as `explain`."""
    rules = {**DEFAULTS, **changed}
    event = parse(text)
    event_type = readable(get(event, "event_type"))
    try:
        if event_type == "users.UserDeleteRequest":
            braze = get(get(event, "user"), "user_id")
            if not there(braze):
                raise NotSent(Fate.DEAD, "erasure request without user_id")
            if trouble(braze, rules):
                raise NotSent(Fate.DEAD, f"user_id {trouble(braze, rules)}")
            raise NotSent(Fate.DROP, "erasure request")
        user = heap_user(get(event, "user"),
                         CATALOGUE["events"].get(event_type), rules)
        in_time(int(get(event, "time")), rules)
        name = event_name(event, event_type, rules)
    except NotSent as told:
        return {"fate": told.args[0], "reason": told.args[1], "event": None}
    return {"fate": Fate.SEND, "reason": None, "event": {
        "event": name,
        **user,
        "timestamp": timestamp(get(event, "time")),
        "idempotency_key": f"{event_type}:{readable(get(event, 'id'))}",
        "properties": properties(event, event_type, rules)}}
