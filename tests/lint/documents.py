"""What the documents say is what the tree has.

- The table of event types in deploy/MAPPING.md is that of
  schema/currents/events.json: if it is not, the one to paste is printed.
- Every path that a document names is there, and so is every file and head that
  it links to.
- No line is longer than 80 columns, but for tables, which cannot be wrapped.
"""

import json
import re

import tree

TYPES = "deploy/MAPPING.md"
WIDTH = 80


def types_table():
    """The lines between the marks of the types."""
    groups = {}
    types = json.loads((tree.ROOT / "schema/currents/events.json").read_text(
        encoding="utf-8"))["events"]
    for name in types:
        prefix, _, last = name.rpartition(".")
        groups.setdefault(prefix + ".", []).append(last)
    return [f"| {len(types)} event types | |", "|---|---|"] + [
        f"| `{prefix}` | {', '.join(names)} |"
        for prefix, names in groups.items()]


def check_types(found):
    text = [line for _, line in tree.lines(TYPES)]
    marks = "<!-- types -->", "<!-- /types -->"
    if any(text.count(mark) != 1 for mark in marks):
        found.add(TYPES, 1, "has no marks of the table of types")
        return
    begin, end = (text.index(mark) for mark in marks)
    if text[begin + 1:end] != types_table():
        found.add(TYPES, begin + 1, "not the types of the catalogue: "
                  "put there\n" + "\n".join(types_table()))


def check_paths(found, path):
    for number, text in tree.lines(path):
        for name in re.findall(r"`((?:\.ci|[a-z]+)/[\w./-]*)`", text):
            first = name.split("/")[0]
            if first in (*tree.MODULES, "tests", "deploy", ".ci") and \
                    not (tree.ROOT / name).exists():
                found.add(path, number, f"there is no {name}")


def anchors(path):
    """Of the heads of a document, as its viewers make them."""
    return {re.sub(r"[^\w -]", "", text.lstrip("# ").lower()).replace(" ", "-")
            for _, text in tree.lines(path) if re.match(r"#+ ", text)}


def check_links(found, path):
    whole = (tree.ROOT / path).read_text(encoding="utf-8")
    for link in re.finditer(r"\]\(([^)\s]+)\)", whole):
        number = whole.count("\n", 0, link.start()) + 1
        if re.match(r"https?://", link[1]):
            continue
        name, _, anchor = link[1].partition("#")
        to = (tree.ROOT / path).parent / name if name else tree.ROOT / path
        if not to.exists():
            found.add(path, number, f"there is no {name}")
        elif anchor and anchor not in anchors(to):
            found.add(path, number, f"{name or path} has no head {anchor}")


def check_width(found, path):
    for number, text in tree.lines(path):
        if len(text) > WIDTH and not text.lstrip().startswith("|"):
            found.add(path, number, f"longer than {WIDTH} columns")


def main():
    found = tree.Findings()
    check_types(found)
    for path in tree.files(".md"):
        check_paths(found, path)
        check_links(found, path)
        check_width(found, path)
    found.end()


main()
