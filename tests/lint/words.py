"""Small things that do not belong in the tree.

- Work left for later (in the usual capitals) and code that is commented out:
  what is not done is not there.
- A default: in a switch over our own enums, which would keep the compiler
  from naming the forgotten case. Over characters and numbers it is fine.
- A sleep in a test that is not in a loop, which asks again for what can be
  observed. (A benchmark may sleep: its pauses are what it measures.)
- A space at the end of a line, and no newline at the end of a file.
- A line of C above 80 columns: clang-format wraps no comment and no table.
"""

import re

import tree

# In pieces, so that this file does not find itself.
LEFT = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b|#\s*if\s+0\b")
SLEEP = re.compile(r"\b(time\.sleep|u?sleep|nanosleep)\s*\(")
LOOP = re.compile(r"\s*(for|while)\b")
ENUM_CASE = re.compile(r"\s*case\s+[A-Z][A-Z0-9]*_[A-Z0-9_]+\s*:")
NUMBER_CASES = re.compile(r"\s*case\s+(MHD_|CURL|SQLITE_|Z_|ZSTD_|SIG|E[A-Z]+:)")


def check_defaults(found, path):
    """A switch is recognised by its indentation, which is clang-format's."""
    switches = []  # [indent, over our own enum]
    for number, text in tree.lines(path):
        indent = len(text) - len(text.lstrip("\t"))
        while switches and text.strip() and (
                indent < switches[-1][0] or
                (indent == switches[-1][0] and text.strip().startswith("}"))):
            switches.pop()
        if re.match(r"\s*switch \(", text):
            switches.append([indent, False])
        elif switches and ENUM_CASE.match(text) and \
                not NUMBER_CASES.match(text):
            switches[-1][1] = True
        elif switches and switches[-1][1] and text.strip() == "default:":
            found.add(path, number, "default: over an enum of ours hides "
                      "the case that is added later")


def in_loop(path, number):
    """Is there the head of a loop shortly above, further to the left?"""
    texts = [text for _, text in tree.lines(path)]
    depth = len(texts[number - 1]) - len(texts[number - 1].lstrip())
    return any(LOOP.match(text) and len(text) - len(text.lstrip()) < depth
               for text in texts[max(0, number - 10):number - 1])


def check_lines(found, path):
    for number, text in tree.lines(path):
        left = LEFT.search(text)
        if left:
            found.add(path, number, f"{left[0]}: what is not done is not "
                      "in the tree")
        if text != text.rstrip():
            found.add(path, number, "space at the end of the line")
        if path.suffix in (".c", ".h") and len(text.expandtabs(8)) > 80:
            found.add(path, number, "above 80 columns")
        if path.parts[0] == "tests" and path.parts[1] != "bench" and \
                SLEEP.search(text) and not in_loop(path, number):
            found.add(path, number, "a sleep is no synchronisation: wait "
                      "for what can be observed")
    data = (tree.ROOT / path).read_bytes()
    if data and not data.endswith(b"\n"):
        found.add(path, len(tree.lines(path)), "no newline at the end")


def main():
    found = tree.Findings()
    for path in tree.files(".c", ".h", ".py", ".sh", ".md", ".conf", ".txt",
                           ".service"):
        check_lines(found, path)
        if path.suffix == ".c":
            check_defaults(found, path)
    found.end()


main()
