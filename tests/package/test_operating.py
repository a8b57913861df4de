"""deploy/OPERATING.md's install, word by word, in a Debian in which nothing was
installed: from the sources to the first event at heapsim."""

import re
import shlex
import time

from conftest import BUILD, REPO, run, until

HEAP = "127.0.0.1:8090"
EDITOR = f"""#!/bin/sh
# What an operator writes; heapsim is Heap.
sed -i -e "s/^CURRENTSD_TOKEN=.*/CURRENTSD_TOKEN=$(openssl rand -hex 32)/" \\
    -e 's/^CURRENTSD_HEAP_APP_ID=.*/CURRENTSD_HEAP_APP_ID=1234567890/' "$1"
echo CURRENTSD_HEAP_URL=http://{HEAP} >>"$1"
"""


def chapter():
    text = (REPO / "deploy/OPERATING.md").read_text("utf-8")
    return re.search(r"^## Install\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1]


def steps():
    """The commands of each step; one may go on in lines that are indented."""
    return [re.sub(r"\\?\n {4,}", " ", re.sub(r"^ {3}", "", block, flags=re.M))
            .strip().splitlines()
            for block in re.findall(r"```sh\n(.*?)```", chapter(), re.S)]


def test_every_path_is_installed(deb):
    """Those that the package has, or its scripts make."""
    files = run("dpkg-deb", "--contents", deb)
    for path in re.findall(r"`(/(?:usr|lib)/[^`]*)`", chapter()):
        assert path in files, path


def test_install_word_by_word(tree):
    shell = []  # a shell that stays open would have these behind it
    transcript = []

    def type_in(where, command):
        since = time.monotonic()
        said = where.run("cd /root/currentsd\n" + "\n".join(
            [*shell, command]))
        took = time.monotonic() - since
        transcript.append(f"# {command}\n{said}[{took:.1f} s]\n")
        if command.startswith(". "):
            shell.append(command)
        return said

    sources = tree.path / "root/currentsd"
    sources.mkdir()
    run("sh", "-c", "git ls-files -z | xargs -0 cp --parents -t "
        + shlex.quote(str(sources)), cwd=REPO)
    editor = tree.path / "usr/local/bin/editor"
    editor.write_text(EDITOR, encoding="utf-8")
    editor.chmod(0o755)
    tree.put(BUILD / "heapsim", at="usr/local/bin")

    since = time.monotonic()
    build, *rest = steps()
    for command in build:
        type_in(tree, command)
    with tree.booted() as machine:
        machine.run("systemd-run --unit heapsim /usr/local/bin/heapsim "
                    f"--port {HEAP.partition(':')[2]}")
        said = [type_in(machine, command)
                for commands in rest for command in commands]
        until(lambda: re.search('"accepted": *1[,}]', machine.run(
            f"curl -sS http://{HEAP}/books")), "the event at heapsim")
    took = time.monotonic() - since
    transcript.append(f"From the sources to the first event: {took:.0f} s\n")
    (BUILD / "install.txt").write_text("".join(transcript), encoding="utf-8")
    assert any('"queued":1' in text for text in said)
    assert any("Status: " in text for text in said)
