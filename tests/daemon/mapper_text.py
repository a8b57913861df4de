"""JSON and text for the second opinion of mapper.py, as it is documented."""

import decimal
import json
import math
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


def sent_number(literal):
    """How a number is sent as a number; None if it must be text."""
    if re.fullmatch(r"-?\d+", literal):
        return str(int(literal)) if abs(int(literal)) <= 2 ** 53 else None
    value = float(literal)
    if math.isinf(value):
        return None
    if value == 0:
        written = re.split("[eE]", literal)[0]
        return None if re.search("[1-9]", written) else "0"
    shortest = decimal.Decimal(repr(value)).normalize()
    if 1e-6 <= abs(value) < 1e16:
        return format(shortest, "f")
    sign, digits, _ = shortest.as_tuple()
    first, *rest = map(str, digits)
    return (sign * "-" + ".".join([first, "".join(rest)]).rstrip(".") +
            f"e{shortest.adjusted():+d}")
