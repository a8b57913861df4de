"""These folders name no vendor and no dialect.

Only schema/ knows what Braze posts and what Heap accepts; the others see the
tables of schema/dialect.h. Comments count: one that needs a vendor's name
explains what belongs elsewhere.
"""

import re

import tree

FOLDERS = ("server", "forwarder", "queue")

NAME = re.compile(r"\b(heap|braze|currents_|track_|segments_|audience_|"
                  r"attributes_|cohorts_)", re.I)


def main():
    found = tree.Findings()
    for path in tree.files(".c", ".h"):
        if path.parts[0] not in FOLDERS:
            continue
        for number, text in tree.lines(path):
            name = NAME.search(text)
            if name:
                found.add(path, number, f"{name[0]}: only schema/ knows "
                          "a dialect")
    found.end()


main()
