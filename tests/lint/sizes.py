"""Files of at most 400 lines, functions of at most 70.

What is longer must stand here with the reason, and only a flat list has one.
"""

import re

import tree

FILE_LINES = 400
FUNCTION_LINES = 70

# "file" or "file: function" -> why it may be longer.
ALLOWED = {}


def functions(path):
    """(name, first line, length) of each; the house's style puts the name
    and both braces of a definition in the first column."""
    name, name_line, start = None, 0, None
    for number, text in tree.lines(path):
        head = re.match(r"(\w+)\(", text)
        if head:
            name, name_line = head[1], number
        elif text == "{" and name:
            start = name_line
        elif text.startswith("}"):
            if start is not None:
                yield name, start, number - start + 1
            name, start = None, None


def main():
    found = tree.Findings()
    unused = set(ALLOWED)
    for path in tree.files(".c", ".h", ".py", ".sh"):
        length = len(tree.lines(path))
        if length > FILE_LINES and str(path) in ALLOWED:
            unused.discard(str(path))
        elif length > FILE_LINES:
            found.add(path, length, f"{length} lines, more than "
                      f"{FILE_LINES}: a file is read in one sitting")
        if path.suffix not in (".c", ".h"):
            continue
        for name, line, count in functions(path):
            if count > FUNCTION_LINES and f"{path}: {name}" in ALLOWED:
                unused.discard(f"{path}: {name}")
            elif count > FUNCTION_LINES:
                found.add(path, line, f"{name}() has {count} lines, more "
                          f"than {FUNCTION_LINES}")
    for key in sorted(unused):
        found.add("tests/lint/sizes.py", 1, f"{key} is short enough by now")
    found.end()


main()
