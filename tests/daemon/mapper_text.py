"""JSON and text for the second opinion of mapper.py, as it is documented."""

import json
import re

WHITE = "".join(map(chr, [*range(9, 14), 0x20, 0x85, 0xa0, 0x1680,
                          *range(0x2000, 0x200b), 0x2028, 0x2029, 0x202f,
                          0x205f, 0x3000]))


THIN = "\u200b\u200c\u200d\u2060\ufeff"


class Number(str):
    """A number's literal."""


class Object(list):
    """The members of an object in order, repetitions included."""


class Hashed(str):
    """A hash already."""


def no_constant(name):
    raise ValueError(name)


def parse(text):
    return json.loads(text, object_pairs_hook=Object, parse_int=Number,
                      parse_float=Number, parse_constant=no_constant)


def readable(text):
    """What no UTF-8 can carry, and NUL, become U+FFFD."""
    return "".join("\ufffd" if c == "\0" or 0xd800 <= ord(c) < 0xe000 else c
                   for c in text)


def members(value):
    """The last of each key wins, but for keys that could not be read."""
    kept = {}
    for number, (key, inner) in enumerate(value):
        key = readable(key)
        again = number if "\ufffd" in key else None
        kept.pop((key, again), None)
        kept[key, again] = inner
    return [(key, inner) for (key, _), inner in kept.items()]


def get(value, name):
    if not isinstance(value, Object):
        return None
    return dict(members(value)).get(name)


def blank(text):
    return text.strip(WHITE) == ""


def units(text):
    return len(text.encode("utf-16-le")) // 2


def cut(text, most):
    while units(text) > most:
        text = text[:-max(1, (units(text) - most) // 2)]
    return text


def bare(text):
    """Trimmed, also of what has no width, and folded."""
    return text.strip(WHITE + THIN).casefold()


def stays_number(literal):
    if re.fullmatch(r"-?\d+", literal):
        return abs(int(literal)) <= 2 ** 53
    mantissa, _, exponent = literal.lower().lstrip("-").partition("e")
    whole, _, part = mantissa.partition(".")
    digits = (whole + part).lstrip("0")
    power = int(exponent or 0)
    if digits:
        power += len(whole) - 1 - (len(whole + part) - len(digits))
    return len(digits.rstrip("0")) <= 15 and abs(power) <= 300
