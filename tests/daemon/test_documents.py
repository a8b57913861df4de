"""What the documents say to type works as it stands there: only the host, the
folders and the user are put in. Chapters of deploy/OPERATING.md are typed into
a shell on a host in a folder, whose systemctl starts and stops the daemon."""

import json
import os
import re
import shlex
import shutil
import subprocess
import textwrap
import time

import pytest

from braze import batch, event
from commands import FINE, USAGE, run
from conftest import BUILD, PATIENCE, PROGRAM, REPO, ask, until
from names import Ledger, Log
from test_segments import header, page, send
from test_tls import certificate

NAMES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "deploy/OPERATING.md",
         "deploy/MAPPING.md", "deploy/SEGMENTS.md")
TEXTS = {name: (REPO / name).read_text(encoding="utf-8") for name in NAMES}
OPERATING, MAPPING, SEGMENTS_MD = (
    TEXTS[f"deploy/{name}.md"] for name in ("OPERATING", "MAPPING", "SEGMENTS"))
SITE = "https://currents.example.com"
# Where a disk and ports are is not what is tested.
ANYWHERE = {"allow_volatile_state": "yes", "queue_min_free": 0,
            "queue_reserve": 0, "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0"}


def blocks(text):
    """The indented blocks, without their indentation."""
    return [textwrap.dedent(found) for found in re.findall(
        r"(?<=\n\n)((?: {4,}.*\n)+)", text)]


def example(text, begin):
    """The only block that begins so."""
    found, = [block for block in blocks(text) if block.startswith(begin)]
    return found


def chapter(text, head):
    """From a head to the next one of the same level or a higher one."""
    level = head.split()[0]
    return re.search(rf"^{re.escape(head)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)",
                     text, re.M | re.S)[1]


def variables(text):
    return {name.removeprefix("CURRENTSD_").lower(): value
            for name, value in re.findall(r"^(\w+)=(.*)$", text, re.M)}


def put_in(text, folder):
    """Make the files of secrets that are named, in this folder."""
    for name in re.findall(r"/etc/currentsd/([\w.]+)", text):
        # one of them has a URL in it, and any text will do for a token
        (folder / name).write_text(f"https://example.com/a-secret-of-{name}\n")
        (folder / name).chmod(0o600)
    if "tls.pem" in text:
        certificate(folder, "tls")
    return text.replace("/etc/currentsd", str(folder))


SEGMENTS = variables(example(SEGMENTS_MD, "CURRENTSD_SEGMENTS_SECRET="))
TOKEN = variables(example(OPERATING, "CURRENTSD_TOKEN=5f2b...\n"))["token"]
ATTRIBUTES = example(SEGMENTS_MD, 'source "segments"')
COHORTS = ATTRIBUTES.partition("destination")[0] + example(
    SEGMENTS_MD, 'destination "braze" {\n    kind = cohorts')
SEVERAL = example(OPERATING, 'source "shop"')


# ---- every command ----

def typed(text):
    """The commands of currentsd in the blocks, as words."""
    for block in blocks(text):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.sub(r"(^|\s)#.*", "", line).split(" | "):
                if part.startswith("currentsd "):
                    yield shlex.split(re.sub(r"[<>].*", "", part))[1:]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_taken(name, tmp_path):
    """There is no queue, so that none of them does anything; usage is judged
    before that."""
    (tmp_path / "FILE").write_text("")
    for words in typed(TEXTS[name]):
        done = subprocess.run(
            [PROGRAM, *words], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "CURRENTSD_CONFIG": "/dev/null",
                 "CURRENTSD_ENV_FILE": "/dev/null",
                 "CURRENTSD_STATE_DIR": str(tmp_path / "none")},
            stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False)
        assert done.returncode != USAGE, (words, done.stderr)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_that_is_named(name):
    """In the text: there is such a command, with such options."""
    known = set(re.findall(r"^  (\S+(?: \S+)?)  +\S", run("help").stdout,
                           re.M))
    assert "segments syncs" in known
    for span in re.findall(r"`currentsd ([^`]*)`", TEXTS[name]):
        words = span.replace("COMMAND", "status").split()
        of = [" ".join(words[:n]) for n in (2, 1)
              if " ".join(words[:n]) in known]
        assert of, f"there is no {span}"
        told = run("help", *of[0].split()).stdout
        for option in re.findall(r"--\w[\w-]*", span):
            assert option in told, span


def test_every_variable_that_is_named():
    known = set(re.findall(r"CURRENTSD_\w+", run("help", "settings").stdout))
    known |= {"CURRENTSD_CONFIG", "CURRENTSD_ENV_FILE", "CURRENTSD_BUILD",
              "CURRENTSD_TESTS",
              "CURRENTSD_LONG"}
    assert len(known) > 100
    for name, text in TEXTS.items():
        assert set(re.findall(r"CURRENTSD_\w+", text)) <= known, name


def test_every_metric_that_is_named(daemon):
    """Those of things that are not there yet are in the manual."""
    manual = (BUILD / "man" / "currentsd-admin.7").read_text(encoding="utf-8")
    known = set(re.findall(r"currentsd_[a-z]\w+", daemon.admin("/metrics").text
                           + re.sub(r"\\f.|\\", "", manual)))
    for name, text in TEXTS.items():
        assert set(re.findall(r"\bcurrentsd_[a-z]\w+", text)) <= known, name


# ---- examples ----

@pytest.mark.parametrize("text, begin", [(OPERATING, "curl -i"),
                                         (SEGMENTS_MD, "secret=")],
                         ids=["events", "segments"])
def test_what_is_typed_to_try(start_daemon, start_audiencesim, text, begin):
    braze = start_audiencesim("--api-key", SEGMENTS["braze_api_key"])
    daemon = start_daemon(token=TOKEN, **{**SEGMENTS, "braze_url": braze.url})
    block = example(text, begin)
    assert SITE in block
    done = subprocess.run(
        ["bash", "-c", block.replace(SITE, f"http://127.0.0.1:{daemon.port}")],
        text=True, capture_output=True, timeout=PATIENCE, check=False)
    last = block.splitlines()[-1]
    answer = re.search(r"answers `(.*?)`", text[text.index(last):])[1]
    assert done.stdout.startswith("HTTP/1.1 200 OK"), done
    assert done.stdout.splitlines()[-1] == answer
    until(lambda: daemon.queue()["delivered"] == 1, "it is delivered")
    assert braze.memberships() == ({} if begin == "curl -i" else {
        ("heap_try_me_7", "external_id:try-me"): "in"})


@pytest.mark.parametrize("settings", [ATTRIBUTES, COHORTS, SEVERAL],
                         ids=["attributes", "cohorts", "several"])
def test_examples_of_files(tmp_path, settings):
    path = tmp_path / "settings"
    path.write_text(put_in(settings, tmp_path))
    path.chmod(0o600)
    done = run("check", "--offline", "--config", str(path), **ANYWHERE,
               state_dir=tmp_path / "state")
    assert done.returncode == FINE, done.stdout + done.stderr
    assert done.stdout.endswith("serve can start with these settings.\n")


@pytest.mark.parametrize("name", NAMES)
def test_examples_of_variables(tmp_path, name):
    """Each is a setting; what is whole is enough to start with, together with
    what stands elsewhere."""
    for block in blocks(TEXTS[name]):
        if not block.startswith("CURRENTSD_") or " currentsd " in block:
            continue
        given = {"token": TOKEN, "heap_app_id": 1, "heap_region": "us",
                 "state_dir": tmp_path / "state",
                 **variables(put_in(block, tmp_path))}
        if "braze_kind" in given:
            given["segments_secret"] = SEGMENTS["segments_secret"]
        done = run("check", "--offline", **{**given, **ANYWHERE})
        assert done.returncode == FINE, done.stdout + done.stderr


def test_lines_of_settings(tmp_path):
    """Those to paste into a section, and of the catalogue."""
    line = example(MAPPING, "keep += ")
    catalogue = tmp_path / "catalogue.json"
    catalogue.write_text(example(MAPPING, '{"properties"'))
    path = tmp_path / "settings"
    path.write_text(
        f'catalogue = "{catalogue}"\n' + put_in(SEVERAL, tmp_path).replace(
            "region = us\n", f"region = us\n{line}"))
    path.chmod(0o600)
    done = run("check", "--offline", "--config", str(path), **ANYWHERE,
               state_dir=tmp_path / "state")
    assert done.returncode == FINE, done.stdout + done.stderr
    assert "tone" in run("config", "--config", str(path)).stdout


def test_what_is_typed_at_the_admin_interface(daemon, tmp_path):
    """The events are those that `events export` would print."""
    (tmp_path / "events.ndjson").write_text(run("sample", "--count", "3").stdout)
    text = example(OPERATING, "curl --unix-socket")
    assert text.count("curl ") == 2
    done = subprocess.run(
        ["bash", "-ec", text.replace("/var/lib/currentsd",
                                     daemon.env["CURRENTSD_STATE_DIR"])],
        text=True, capture_output=True, timeout=PATIENCE, check=False,
        cwd=tmp_path)
    assert done.returncode == 0, done
    jobs, *rows, last = done.stdout.splitlines()
    assert json.loads(jobs) == {"jobs": []}
    assert json.loads(last)["summary"]["received"] == 3, rows


# ---- chapters, on a host in a folder ----

# systemd, as far as the documents use it.
SYSTEMCTL = r"""#!/bin/bash
set -e
runs()
{
    grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$(<"$ROOT/pid")/status"
}
stop()
{
    [ -s "$ROOT/pid" ] || return 0
    kill "$(<"$ROOT/pid")" || true
    while runs; do sleep 0.05; done
    rm "$ROOT/pid"
}
start()
{
    [ ! -s "$ROOT/pid" ] || return 0
    mkdir -p -m 0700 "$ROOT/var/lib/currentsd"
    set -a
    . "$ROOT/etc/currentsd/currentsd.env"
    setsid ${CONFINE:-} "$ROOT/usr/local/bin/currentsd" serve \
        </dev/null >/dev/null 2>"$ROOT/log" &
    echo $! >"$ROOT/pid"
    until curl -sf --unix-socket "$ROOT/var/lib/currentsd/admin.sock" \
        http://localhost/readyz >/dev/null; do
        runs || { cat "$ROOT/log" >&2; rm "$ROOT/pid"; exit 1; }
        sleep 0.05
    done
}
case $1 in
start | stop) $1 ;;
restart) stop; start ;;
enable) start ;;
disable) stop ;;
daemon-reload) ;;
show) cat "$ROOT/pid" ;;
*) exit 1 ;;
esac
"""
# With ProtectSystem=strict and StateDirectory=: only that directory, as it is
# now, can be written to.
CONFINE = r"""#!/bin/bash
[ -n "${CONFINED:-}" ] || exec unshare --mount env CONFINED=1 "$0" "$@"
set -e
mount --bind "$ROOT/var/lib" "$ROOT/var/lib"
mount --bind "$ROOT/var/lib/currentsd" "$ROOT/var/lib/currentsd"
mount -o remount,bind,ro "$ROOT/var/lib"
exec "$@"
"""


class Host:
    """A Debian whose root is a folder."""

    def __init__(self, root, heap, **settings):
        self.root = root
        for name in ("usr/local/bin", "var/backups", "var/lib", "stubs"):
            (root / name).mkdir(parents=True)
        self.stub("systemctl", SYSTEMCTL)
        self.stub("adduser", "#!/bin/sh\n")
        self.stub("chown", "#!/bin/sh\n")
        # of the file that is edited, the variables that are to be set
        self.settings = {"token": TOKEN, "heap_app_id": "11",
                         "heap_url": heap.url, **settings}
        self.env = {
            **{name: value for name, value in os.environ.items()
               if not name.startswith("CURRENTSD_")},
            "ROOT": str(root), "DESTDIR": str(root), "EDITOR": str(root / "stubs/editor"),
            "PATH": f"{root}/stubs:{root}/usr/local/bin:{os.environ['PATH']}",
            "CURRENTSD_CONFIG": str(root / "etc/currentsd/currentsd.conf"),
            "CURRENTSD_ENV_FILE": str(root / "etc/currentsd/currentsd.env"),
            "CURRENTSD_STATE_DIR": str(root / "var/lib/currentsd"),
            **{f"CURRENTSD_{name.upper()}": str(value)
               for name, value in ANYWHERE.items()}}

    def stub(self, name, text):
        path = self.root / "stubs" / name
        path.write_text(text)
        path.chmod(0o755)

    def edit(self, **settings):
        """What the operator will write into the file when the editor opens;
        None takes a line out."""
        self.settings.update(settings)
        self.stub("editor", "#!/bin/sh\ncat >\"$1\" <<'END'\n" + "".join(
            f"CURRENTSD_{name.upper()}={value}\n"
            for name, value in self.settings.items() if value is not None)
            + "END\n")

    def type(self, text, cwd=None):
        """Run it in a shell that stops at the first failure."""
        text = re.sub(r" -[og] currentsd\b", "", text)
        text = re.sub(r"(?<![\w.])/(etc|var|usr)/(?!bin/)",
                      rf"{self.root}/\1/", text)
        text = text.replace("build/release", str(BUILD))
        done = subprocess.run(
            ["bash", "-euc", text], env=self.env, cwd=cwd or self.root,
            capture_output=True, text=True, timeout=PATIENCE, check=False,
            stdin=subprocess.DEVNULL)
        assert done.returncode == 0, (text, done.stdout, done.stderr)
        return done.stdout

    def install(self, whole=False):
        """As deploy/OPERATING.md has it, from a tree that is built. What cmake
        installs is enough once: it writes to the tree as well."""
        (self.root / "etc/currentsd").mkdir(parents=True)
        (self.root / "etc/currentsd/currentsd.conf").touch()
        self.edit()
        text = example(OPERATING, "cmake --install")
        if not whole:
            shutil.copy(PROGRAM, self.root / "usr/local/bin/currentsd")
            text = text.partition("\n")[2]
        return self.type(text, REPO)

    def port(self, name="listen"):
        return int(re.search(Log.ADDRESS % name + "$", (
            self.root / "log").read_text(), re.M)[1])

    def post(self, *events, token=TOKEN):
        return ask(self.port(), "POST", "/currents", json.dumps(
            batch(*events)), {"Authorization": f"Bearer {token}"}).status

    def ledger(self):
        return json.loads(self.type("currentsd ledger --json"))[Ledger.TOTAL]

    def end(self):
        if (self.root / "pid").exists():
            self.type("systemctl stop currentsd; currentsd ledger --check")


@pytest.fixture
def start_host(tmp_path, heapsim):
    """A function that makes a host on which currentsd is installed."""
    hosts = []

    def start(whole=False, **settings):
        settings = {"heap_events_per_minute": 0,
                    "heap_identity_per_minute": 0, "heap_linger": "10ms",
                    **settings}
        hosts.append(Host(tmp_path / f"host{len(hosts)}", heapsim, **settings))
        hosts[-1].install(whole)
        return hosts[-1]

    yield start
    for host_ in hosts:
        host_.end()


@pytest.fixture
def host(start_host):
    return start_host()


@pytest.mark.file
def test_install(start_host, heapsim, figure):
    """From nothing to the first event at Heap."""
    begin = time.monotonic()
    host = start_host(whole=True)
    host.type(example(OPERATING, "curl -i").replace(
        SITE, f"http://127.0.0.1:{host.port()}"))
    until(lambda: host.ledger()["delivered"] == 1, "it is delivered")
    assert heapsim.books()["accepted"] == 1
    figure(f"installed, and an event at Heap, after "
           f"{time.monotonic() - begin:.1f} s")
    for name in ("lib/systemd/system/currentsd.service",
                 "share/man/man8/currentsd.8",
                 "share/bash-completion/completions/currentsd",
                 "share/doc/currentsd/deploy/OPERATING.md"):
        assert (host.root / "usr/local" / name).exists(), name
    assert (host.root / "etc/currentsd/currentsd.env").stat().st_mode & 0o7 \
        == 0


@pytest.mark.file
def test_change_a_setting(host):
    new = host.root / "etc/currentsd/currentsd.conf.new"
    new.write_text("log_level = warn\n")
    text = example(OPERATING, "currentsd check --offline --config")
    check, diff, *rest = text.splitlines(True)
    # 1: there is a difference
    told = host.type(f"{check}! {diff}{''.join(rest)}")
    assert "info -> warn" in told
    assert "log_level = warn" in host.type("currentsd config")


@pytest.mark.file
def test_replace_a_token(host):
    """Neither is refused in between."""
    head = "### Replace a token, secret or key"
    both, = [block for block in blocks(chapter(OPERATING, head))
             if block.startswith("CURRENTSD_TOKEN=")]
    new, old = variables(both)["token"].split(",")
    assert old == TOKEN
    assert (host.post(event()), host.post(event(), token=new)) == (200, 401)
    host.edit(**variables(both))
    reload = "$EDITOR /etc/currentsd/currentsd.env\ncurrentsd reload"
    host.type(reload)
    assert host.post(event()) == host.post(event(), token=new) == 200
    assert "token 1" in host.type("currentsd sources show main").lower()
    host.edit(token=new)
    host.type(reload)
    assert (host.post(event()), host.post(event(), token=new)) == (401, 200)


@pytest.mark.file
def test_upgrade_and_roll_back(host):
    keep, package, new, old = blocks(
        chapter(OPERATING, "### Upgrade and roll back"))
    assert package.startswith("apt-get ")  # tests/package does that
    assert host.post(event()) == 200
    host.type(keep)
    assert (host.root / "var/backups/currentsd-before.db").exists()
    program = host.root / "usr/local/bin/currentsd"
    host.type(new, REPO)
    kept = (host.root / "usr/local/bin/currentsd.old").stat().st_ino
    assert program.stat().st_ino != kept
    assert host.post(event()) == 200
    host.type(old)
    assert program.stat().st_ino == kept
    assert host.post(event()) == 200
    assert host.ledger()["received"] == 3


@pytest.mark.file
def test_move_to_another_host(start_host, heapsim):
    """What was queued goes out from there, once."""
    heapsim.control(reset_percent=100)
    old, new = start_host(), start_host()
    new.type("systemctl stop currentsd; rm -r /var/lib/currentsd")
    events = [event() for _ in range(20)]
    assert old.post(*events) == 200
    leave, pack, arrive = blocks(chapter(OPERATING, "### Move to another host"))
    old.type(leave + pack)
    tar = "var/backups/currentsd.tar"
    (old.root / tar).rename(new.root / tar)
    heapsim.control(reset_percent=0)
    new.type(arrive)
    until(lambda: new.ledger()["delivered"] == 20, "delivered from there")
    assert new.post(events[0]) == 200
    assert new.ledger()["duplicates"] == 1
    assert sorted(heapsim.keys().values()) == [1] * 20


@pytest.mark.file
def test_back_up_and_restore(start_host, heapsim):
    """The copy is of before the last event; rescue finds that one, too."""
    heapsim.control(reset_percent=100)
    host = start_host(heap_backoff_first="50ms", heap_backoff_most="100ms")
    copy, restore, rescue = blocks(chapter(OPERATING, "### Back up and restore"))
    first, last = event(), event()
    assert host.post(first) == 200
    host.type(copy)
    made, = (host.root / "var/backups").iterdir()
    made.rename(host.root / "var/backups/currentsd-before.db")
    assert host.post(last) == 200
    host.type(restore)
    assert host.ledger()["queued"] == 1
    host.type(rescue)
    assert host.ledger()["queued"] == 2
    heapsim.control(reset_percent=0)
    until(lambda: host.ledger()["delivered"] == 2, "both are delivered")
    assert set(heapsim.keys()) == {
        f"{one['event_type']}:{one['id']}" for one in (first, last)}


@pytest.mark.file
@pytest.mark.parametrize("confined", [False, True])
def test_the_files_are_gone(start_host, heapsim, confined):
    if confined and subprocess.run(
            ["unshare", "--mount", "mount", "--bind", "/", "/"],
            stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("needs the right to mount")
    heapsim.control(reset_percent=100)
    host = start_host(heap_backoff_first="50ms", heap_backoff_most="100ms")
    if confined:
        host.stub("confine", CONFINE)
        host.env["CONFINE"] = "confine"
        host.type("systemctl restart currentsd")
    assert host.post(event()) == 200
    state = host.root / "var/lib/currentsd"
    shutil.rmtree(state)
    until(lambda: host.post(event()) == 503, "nothing is accepted")
    make, mount, copy = blocks(chapter(OPERATING,
                                       "### The queue's files are gone"))
    host.type(make)
    if confined:
        host.type(mount)
    until((state / "admin.sock").exists, "it takes commands")
    host.type(copy)
    # and that copy is restored
    (state / "saved.db").rename(host.root / "var/backups/currentsd-before.db")
    host.env.pop("CONFINE", None)
    host.type(blocks(chapter(OPERATING, "### Back up and restore"))[1])
    assert host.ledger()["queued"] == 1


@pytest.mark.file
def test_choose_what_to_send(start_host, heapsim):
    """What the trial queued goes through the new rules."""
    text = chapter(OPERATING, "## Choose what to send")
    look, one, choose, again = blocks(text)
    trial, = re.findall(r"Add `CURRENTSD_(\w+=yes)`", text)
    name, value = trial.lower().split("=")
    host = start_host(**{name: value})
    kinds = ["users.messages.email.Open"] * 3 + [
        "users.messages.email.Delivery", "users.behaviors.Purchase",
        "users.behaviors.app.SessionStart"]
    events = [json.loads(run("sample", kind, "--seed", str(seed)).stdout)
              for seed, kind in enumerate(kinds)]
    assert host.post(*events) == 200
    told = host.type(look)
    assert re.search(r"users\.messages\.email\.Open +3 +0 +3 ", told)
    opened = events[0]["id"]
    assert "email.Open" in host.type(one.replace("EVENT-ID", opened))
    assert heapsim.books()["accepted"] == 0
    host.edit(**variables(choose), **{name: None})
    told = host.type(again)
    assert "not included" in told and "excluded" in told
    until(lambda: host.ledger()["queued"] == 0, "all is delivered")
    assert set(heapsim.keys()) == {
        f"{one['event_type']}:{one['id']}" for one in events[:3] + events[4:5]}


@pytest.mark.file
def test_what_an_incomplete_segment_needs(start_daemon, start_audiencesim):
    """Only those stay whom the next sync names."""
    braze = start_audiencesim("--api-key", SEGMENTS["braze_api_key"])
    daemon = start_daemon(**{**SEGMENTS, "braze_url": braze.url,
                             "braze_hold": "0", "braze_linger": "10ms",
                             "segments_hold_over": "0"})
    secret = SEGMENTS["segments_secret"]
    text = example(SEGMENTS_MD, "currentsd destinations pause braze")
    before, after = text.split("press \"sync now\" in Heap\n")

    def members():
        return {who.removeprefix("external_id:") for (_, who), has
                in braze.memberships().items() if has == "in"}

    def sync(*ids):
        body = page(ids, segment=8)
        assert send(daemon, body, header(body, secret)).status == 200

    def command(words):
        subprocess.run(["bash", "-euc", words], env={
            **daemon.env, "PATH": f"{BUILD}:{os.environ['PATH']}"},
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            timeout=PATIENCE)

    sync("ann", "bob", "eve")
    until(lambda: members() == {"ann", "bob", "eve"}, "they are in")
    # there is no terminal on which it could ask
    command(before.rsplit("#", 1)[0].replace("retire 8", "retire 8 --yes"))
    sync("ann", "zoe")
    command(after)
    until(lambda: members() == {"ann", "zoe"}, "those of the sync are in")


@pytest.mark.file
def test_drift_to_a_catalogue(host):
    text = example(MAPPING, "currentsd drift --json")
    made = event("users.messages.email.Open")
    made["properties"]["tone"] = "warm"
    assert host.post(made) == 200
    until(lambda: "tone" in host.type("currentsd drift"), "it is drift")
    host.stub("editor", "#!/bin/sh\n")
    told = host.type(text.replace("deploy/drift", f"{REPO}/deploy/drift"))
    assert told.endswith("serve can start with these settings.\n")
    assert json.loads((host.root / "catalogue.json").read_text())[
        "properties"]["tone"]["class"] == "content"
