"""The lines of the log can be taken apart, and the manual knows them.

- The format of each is an event and its members, EVENT KEY=VALUE..., as
  base/log.h has it (or %.*s, members that another function wrote): a value
  that may contain a space, or look like a number without being one, is in
  quotes.
- The manual has every event that is a warning or an error, under its module,
  and no other.
"""

import re

import tree

CALL = re.compile(r"\b(log_line|log_tell|api_log)\(")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
PRI = {"PRId64": "lld", "PRIu64": "llu", "PRIx64": "llx"}

# What may be written as it is: words of ours, and addresses.
WORD = r'"(?:[\w-]*|\\"(?:[^"\\]|\\[^"])*\\")"'
WORDS = re.compile(
    rf".* \? {WORD} : {WORD}$|evict_(names|whys)\[|"
    r"(forwarder_state|verdict)_name\(|"
    r".*\b(listener|filesystem|acceptor->settings)(->|\.)name$|"
    r".*\b(kind|caller|due|from|listen|admin|origin|path|url)$|"
    r"(what|clock|least|text|dir|CURRENTSD_VERSION)$")
KEY = r"(?:[a-z_]|%s)+"
NUMBER = r"-?\d+|%(?:l|ll|z)?[du]"
QUOTED = r'"(?:[^"\\]|\\\\.)*"'
VALUE = rf"(?:{QUOTED}|{NUMBER}|[\w.-]+|%s(?:/%s)?(?![\w%]))"
FORMAT = re.compile(
    rf"(?:%s|[a-z_]+)(?: {KEY}={VALUE}| %\.\*s(?:%s)?)*$")


def arguments(text):
    """Those of a call, from behind its parenthesis on."""
    found, depth, begin = [], 0, 0
    for part in re.finditer(r'"(?:[^"\\]|\\.)*"|[()\[\]{},]', text):
        char = part[0]
        if char in "([{":
            depth += 1
        elif char in ")]}" and depth > 0:
            depth -= 1
        elif depth == 0 and char in ",)":
            found.append(" ".join(text[begin:part.start()].split())
                         .replace('" "', ""))
            begin = part.end()
            if char == ")":
                return found
    return found


def literal(argument):
    """The text of adjacent literals, or None."""
    for name, letters in PRI.items():
        argument = argument.replace(name, f'"{letters}"')
    if LITERAL.sub("", argument).strip():
        return None
    return "".join(LITERAL.findall(argument)).replace('\\"', '"')


def calls():
    """(path, line, level or None, module, format, arguments)"""
    for path in tree.files(".c"):
        if path.parts[0] not in tree.MODULES:
            continue
        text = (tree.ROOT / path).read_text(encoding="utf-8")
        for call in CALL.finditer(text):
            given = arguments(text[call.end():])
            at = {"log_line": 2, "log_tell": 0, "api_log": 1}[call[1]]
            format_ = literal(given[at]) if len(given) > at else None
            if format_ is None:
                continue  # its definition
            level, module = {
                "log_line": lambda: (given[0], literal(given[1])),
                "log_tell": lambda: ("LOG_WARN", "log"),
                "api_log": lambda: ("LOG_INFO", "admin")}[call[1]]()
            yield (path, text.count("\n", 0, call.start()) + 1, level, module,
                   format_, given[at + 1:])


def check_format(found, path, line, format_, given):
    if not FORMAT.match(format_):
        found.add(path, line, f"not EVENT KEY=VALUE...: {format_}")
        return
    at = 0
    for conversion in re.finditer(r'(=?"?)%(\.\*)?(?:l|ll|z|0\d+ll)*([a-z])',
                                  format_):
        argument = given[at + (conversion[2] is not None)]
        at += 1 + (conversion[2] is not None)
        if conversion[1] == "=" and conversion[3] == "s" and not (
                argument.startswith("LOG_QUOTE") or WORDS.match(argument)):
            found.add(path, line, f"{argument} needs LOG_QUOTE()")


def states():
    """The events of a sender's state, with their levels."""
    text = (tree.ROOT / "forwarder/sender.c").read_text(encoding="utf-8")
    return re.findall(r'\] = \{"(\w+)", (LOG_\w+)\}', text)


def events(level, format_, given):
    """Those of a call that are a warning or an error."""
    name = format_.split(" ")[0]
    if name == "%s" and given[0].startswith("forwarder_state_name"):
        return {state for state, severity in states()
                if severity in ("LOG_WARN", "LOG_ERROR")}
    if not re.search("LOG_(WARN|ERROR)", level):
        return set()
    return set(LITERAL.findall(given[0])) if name == "%s" else {name}


def check_manual(found, told):
    known = {}
    for path in tree.files(".in"):
        for number, text in tree.lines(path):
            row = re.match(r"\.B (\w+): ([\w, ]+)$", text)
            for event in row[2].split(", ") if row else ():
                known[row[1], event] = path, number
    for key in told.keys() - known.keys():
        found.add(*told[key], f"the manual does not have \"{key[0]}: {key[1]}\"")
    for key in known.keys() - told.keys():
        found.add(*known[key], f"no warning or error is \"{key[0]}: {key[1]}\"")


def main():
    found, told, count = tree.Findings(), {}, 0
    for path, line, level, module, format_, given in calls():
        count += 1
        check_format(found, path, line, format_, given)
        for event in events(level, format_, given):
            told.setdefault((module, event), (path, line))
    check_manual(found, told)
    if count < 50:
        found.add("tests/lint/log.py", 1, f"only {count} calls were found")
    found.end()


main()
