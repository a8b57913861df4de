"""No two source files of a folder need each other, not even by way of a third.

An arrow goes from the file that uses a function or an object to the file of
the same folder that defines it.
"""

import collections
import re

import tree

NOISE = re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
                   r"|\b(?:struct|enum|union)\s+\w+", re.S)
# The house's style puts the name of a function in the first column, with its
# type on the line above.
FUNCTION = re.compile(r"^(.*)\n(\w+)\([^;]*?\)\n\{", re.M)
OBJECT = re.compile(r"^(?!static\b)(?:const )?[\w ]*?\*?(?:const )?"
                    r"(\w+)(?:\[[^\]]*\])* =\s*\{", re.M)
WORD = re.compile(r"\b[a-z_]\w*\b")


def definitions(text):
    for kind, name in FUNCTION.findall(text):
        if not kind.startswith("static"):
            yield name
    yield from OBJECT.findall(text)


def arrows(files):
    """{user: {definer: {names}}}"""
    homes = {name: stem for stem, text in files.items()
             for name in definitions(text)}
    found = collections.defaultdict(lambda: collections.defaultdict(set))
    for stem, text in files.items():
        for name in set(WORD.findall(text)):
            if homes.get(name, stem) != stem:
                found[stem][homes[name]].add(name)
    return found


def circle(graph):
    """The files of one circle, or None."""
    done, path = set(), []

    def visit(node):
        path.append(node)
        for other in sorted(graph.get(node, ())):
            if other in path:
                return path[path.index(other):]
            hit = visit(other) if other not in done else None
            if hit:
                return hit
        done.add(path.pop())
        return None

    for node in sorted(graph):
        hit = visit(node) if node not in done else None
        if hit:
            return hit
    return None


def main():
    found = tree.Findings()
    folders = collections.defaultdict(dict)
    for path in tree.files(".c"):
        if path.parts[0] in tree.MODULES:
            text = (tree.ROOT / path).read_text(encoding="utf-8")
            folders[path.parent][path.name] = NOISE.sub(" ", text)
    for folder, files in sorted(folders.items()):
        graph = arrows(files)
        while hit := circle(graph):
            found.add(folder, 1, "files in a circle: " + "; ".join(
                f"{user} uses {sorted(graph[user][home])[0]}() of {home}"
                for user, home in zip(hit, hit[1:] + hit[:1])))
            del graph[hit[-1]][hit[0]]  # to see the others
    found.end()


main()
