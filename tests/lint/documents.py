"""What the documents say is what the code says.

- README.md's table of event types is that of schema/currents/events.json: if it
  is not, the one to paste is printed.
- Every path that README.md names is there.
"""

import json
import re

import tree


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
    check_readme_types(found)
    check_readme_paths(found)
    found.end()


main()
