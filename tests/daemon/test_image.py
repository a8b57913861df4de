"""The image of deploy/docker/Dockerfile, built by buildah on a base that
debootstrap makes, and run as docker would: its user, its root read only. It
takes minutes, so only the long run does it; test_containers.py is the rest."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from braze import batch, event
from conftest import NO_FILES, REPO, TOKEN, Process, ask, until
from load import LONG
from names import Log

pytestmark = [pytest.mark.file,
              pytest.mark.skipif(not LONG, reason="takes minutes")]
MINUTES = 30  # of each step, at most
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# In a mount namespace of its own; "$1" is the root, "$2" the volume.
INSIDE = """
set -e
mount --bind "$1" "$1"
mount --bind "$2" "$1/var/lib/currentsd"
mount --bind /dev "$1/dev"
mount -t proc proc "$1/proc"
mount -o remount,bind,ro "$1"
! touch "$1/tmp/file" 2>/dev/null
exec chroot --userspec="$3" "$1" currentsd serve
"""


def run(*words):
    done = subprocess.run(words, cwd=REPO, check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60 * MINUTES)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture
def buildah():
    """A function that runs buildah with a store of its own."""
    with tempfile.TemporaryDirectory(prefix="currentsd-image-") as name:
        store = ("--root", f"{name}/store", "--runroot", f"{name}/run",
                 "--storage-driver", "vfs")
        yield lambda *words: run(
            "buildah", *store, *words).rstrip("\n").rpartition("\n")[2]
        run("buildah", *store, "umount", "--all")


def base(tree):
    """Debian as the image's first line wants it, with apt as it is here."""
    site, *_ = run("apt-get", "indextargets", "--format", "$(REPO_URI)",
                   "Created-By: Packages", "Codename: bookworm").split()
    run("debootstrap", "--variant=minbase", "bookworm", str(tree), site)
    (tree / "etc" / "apt" / "sources.list").unlink()
    shutil.copytree("/etc/apt", tree / "etc" / "apt", dirs_exist_ok=True)
    return tree


def test_an_event_passes_through_the_image(buildah, heapsim, tmp_path):
    first = buildah("from", "scratch")
    tree = base(tmp_path / "base")
    buildah("add", "-q", first, str(tree), "/")
    buildah("commit", "-q", first, "docker.io/library/debian:12-slim")
    shutil.rmtree(tree)
    buildah("build", "--isolation", "chroot", "--pull-never", "--format",
            "docker", "-f", "deploy/docker/Dockerfile", "-t", "currentsd", ".")
    made = buildah("from", "--pull-never", "currentsd")
    root = pathlib.Path(buildah("mount", made))
    user = buildah("inspect", "--format", "{{.OCIv1.Config.User}}", made)
    state = tmp_path / "volume"
    state.mkdir(mode=0o700)
    os.chown(state, *map(int, user.split(":")))
    tmp_path.chmod(0o755)
    env = {**NO_FILES, "PATH": PATH, "CURRENTSD_TOKEN": TOKEN,
           "CURRENTSD_HEAP_APP_ID": "11", "CURRENTSD_HEAP_URL": heapsim.url,
           "CURRENTSD_LISTEN": "127.0.0.1:0", "CURRENTSD_ADMIN": "127.0.0.1:0",
           "CURRENTSD_QUEUE_MIN_FREE": "0", "CURRENTSD_QUEUE_RESERVE": "1M",
           "CURRENTSD_ALLOW_VOLATILE_STATE": "yes"}
    daemon = Process(["unshare", "-m", "bash", "-c", INSIDE, "inside",
                      str(root), str(state), user], env=env)
    try:
        port = int(daemon.wait_line(Log.ADDRESS % "listen").group(1))
        answer = ask(port, "POST", "/currents", json.dumps(batch(event())),
                     {"Authorization": f"Bearer {TOKEN}"})
        assert answer.status == 200
        until(lambda: heapsim.books()["keys"] == 1, "it is at Heap")
        healthy = subprocess.run(
            ["nsenter", "-t", str(daemon.process.pid), "-m", "chroot",
             f"--userspec={user}", str(root), "currentsd", "status",
             "--healthy"], env=env, check=False, capture_output=True)
        assert healthy.returncode == 0, healthy
    finally:
        code = daemon.end()
    assert code == 0, "\n".join(daemon.lines)
    assert (state / "queue.db").stat().st_uid == int(user.split(":")[0])
