"""What the documents say is what the code says.

- README.md has every variable of the table of settings with its default, and
  no other; deploy/currentsd.conf has every key of it, likewise. The table is
  that of the manual page, which a unit test compares with the program's.
- README.md's table of event types is that of schema/currents/events.json: if it is not,
  the one to paste is printed.
- Every path that README.md names is there.
"""

import json
import re

import tree

TABLE = "deploy/man/currentsd.1"
EXAMPLE = "deploy/currentsd.conf"


def settings():
    """The rows of the table: (section, key, variable or None, default); one
    for each variable."""
    text = (tree.ROOT / TABLE).read_text(encoding="utf-8")
    text = text.partition("\n.SH SETTINGS\n")[2].partition("\n.SH ")[0]
    for head, rows in re.findall(r"\.SS (.*)\n((?:(?!\.SS).*\n)*)", text + "\n"):
        section = next((word for word in ("source", "destination")
                        if f" {word}" in head), "main")
        for row in rows.split(".TP\n")[1:]:
            key = re.match(r"\\fB(\w+)\\fR = ", row)[1]
            variables = re.search(r"^\\fB([\w, ]+)\\fR\.$", row, re.M)
            preset = re.search(r"^Default: (.*)\.$", row, re.M)
            for variable in variables[1].split(", ") if variables else [None]:
                yield (section, key, variable,
                       preset and preset[1].replace("\\-", "-"))


def check_readme_settings(found, rows):
    table = {}
    for number, text in tree.lines("README.md"):
        row = re.match(r"\| `(CURRENTSD_\w+)` \|.*\| (.+?) \|$", text)
        if row:
            table[row[1]] = (number, row[2].strip("`"))
        for name in re.findall(r"CURRENTSD_\w+", text):
            if name not in {variable for _, _, variable, _ in rows} | {
                    "CURRENTSD_CONFIG", "CURRENTSD_ENV_FILE",
                    "CURRENTSD_BUILD", "CURRENTSD_LONG"}:
                found.add("README.md", number, f"there is no {name}")
    for _, _, variable, preset in rows:
        if variable is None:
            continue
        if variable not in table:
            found.add("README.md", 1, f"{variable} is not in the table")
        elif preset is not None and table[variable][1] != preset:
            found.add("README.md", table[variable][0], f"the default of "
                      f"{variable} is {preset}")


def check_example(found, rows):
    """A commented setting shows its default; every key is there."""
    shown, section = set(), "main"
    for number, text in tree.lines(EXAMPLE):
        head = re.match(r'#?\s*(source|destination)\b.*\{', text)
        key = re.match(r"\s*#?\s*(\w+) = (.+?)(\s+#.*)?$", text)
        if head:
            section = head[1]
        elif re.match(r"#?\s*\}", text):
            section = "main"
        elif key:
            presets = [row[3] for row in rows
                       if row[:2] == (section, key[1])]
            if not presets:
                found.add(EXAMPLE, number, f"there is no {key[1]} here")
            shown.add((section, key[1]))
            value = key[2].strip('"')
            value = value.strip("{}") if value[0] == "{" and \
                value[-1] == "}" else value
            value = value.replace(", ", ",")
            # a section says of which kind it is; of some keys the default
            # depends on that
            if text.lstrip().startswith("#") and any(presets) and \
                    key[1] != "kind" and value not in presets:
                found.add(EXAMPLE, number, f"the default of {key[1]} is "
                          + " or ".join(filter(None, presets)))
    for row in rows:
        if row[:2] not in shown:
            found.add(EXAMPLE, 1, f"{row[1]} ({row[0]}) is not here")


def types_table():
    """The lines between README.md's marks of the types."""
    groups = {}
    types = json.loads((tree.ROOT / "schema/currents/events.json").read_text(
        encoding="utf-8"))["events"]
    for name in types:
        prefix, _, last = name.rpartition(".")
        groups.setdefault(prefix + ".", []).append(last)
    return [f"| {len(types)} event types | |", "|---|---|"] + [
        f"| `{prefix}` | {', '.join(names)} |"
        for prefix, names in groups.items()]


def check_readme_types(found):
    text = [line for _, line in tree.lines("README.md")]
    marks = "<!-- types -->", "<!-- /types -->"
    if any(text.count(mark) != 1 for mark in marks):
        found.add("README.md", 1, "has no marks of the table of types")
        return
    begin, end = (text.index(mark) for mark in marks)
    if text[begin + 1:end] != types_table():
        found.add("README.md", begin + 1, "not the types of the catalogue: "
                  "put there\n" + "\n".join(types_table()))


def check_readme_paths(found):
    for number, text in tree.lines("README.md"):
        for path in re.findall(r"`((?:\.ci|[a-z]+)/[\w./-]*)`", text):
            first = path.split("/")[0]
            if first in (*tree.MODULES, "tests", "deploy", ".ci") and \
                    not (tree.ROOT / path).exists():
                found.add("README.md", number, f"there is no {path}")


def main():
    found = tree.Findings()
    rows = list(settings())
    if not rows:
        found.add(TABLE, 1, "no rows found: mend tests/lint/documents.py")
    check_readme_settings(found, rows)
    check_example(found, rows)
    check_readme_types(found)
    check_readme_paths(found)
    found.end()


main()
