"""The files that the lints look at, and how they tell what they found."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULES = ("base", "schema", "queue", "server", "forwarder", "daemon",
           "cli")


def files(*suffixes):
    """Paths, relative to the root, of what git tracks or would track."""
    out = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others",
         "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found = [pathlib.Path(name) for name in out.split("\0") if name]
    return sorted({path for path in found
                   if path.suffix in suffixes and (ROOT / path).is_file()})


def lines(path):
    """(number, text) of each line."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return list(enumerate(text.splitlines(), 1))


class Findings:
    def __init__(self):
        self.count = 0

    def add(self, path, line, what):
        print(f"{path}:{line}: {what}")
        self.count += 1

    def end(self):
        sys.exit(1 if self.count else 0)
