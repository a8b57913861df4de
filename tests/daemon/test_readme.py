"""What README.md says to type works as it stands there: only the host and the
folder of the settings are put in."""

import json
import re
import subprocess
import textwrap

import pytest

from commands import FINE, run
from conftest import PATIENCE, REPO, until

README = (REPO / "README.md").read_text(encoding="utf-8")
SITE = "https://currents.example.com"
# Where a disk and ports are is not what is tested.
ANYWHERE = {"allow_volatile_state": "yes", "queue_min_free": 0,
            "queue_reserve": 0, "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0"}


def example(begin):
    """The indented lines that begin so, up to a blank one."""
    found = re.search(rf"^ {{4,}}{re.escape(begin)}(.*\n)+?(?=\s*\n)", README,
                      re.M)
    return textwrap.dedent(found[0])


def variables(text):
    return {name.removeprefix("CURRENTSD_").lower(): value
            for name, value in re.findall(r"^(\w+)=(.*)$", text, re.M)}


def put_in(text, folder):
    """Make the files of secrets that are named, in this folder."""
    for name in re.findall(r"/etc/currentsd/([\w.]+)", text):
        (folder / name).write_text("a-secret-of-its-own\n")
        (folder / name).chmod(0o600)
    return text.replace("/etc/currentsd", str(folder))


SEGMENTS = variables(example("CURRENTSD_SEGMENTS_SECRET="))
ATTRIBUTES = example('source "segments"')
COHORTS = ATTRIBUTES.partition("destination")[0] + example(
    'destination "braze" {\n        kind = cohorts')


@pytest.mark.parametrize("begin", ["curl -i", "secret="])
def test_what_is_typed_to_try(start_daemon, start_audiencesim, begin):
    braze = start_audiencesim("--api-key", SEGMENTS["braze_api_key"])
    daemon = start_daemon(
        token=variables(example("CURRENTSD_TOKEN="))["token"],
        **{**SEGMENTS, "braze_url": braze.url})
    text = example(begin)
    assert SITE in text
    done = subprocess.run(
        ["bash", "-c", text.replace(SITE, f"http://127.0.0.1:{daemon.port}")],
        text=True, capture_output=True, timeout=PATIENCE, check=False)
    answer = re.search(r"answers `(.*?)`",
                       README[README.index(text.splitlines()[-1]):])[1]
    assert done.stdout.startswith("HTTP/1.1 200 OK"), done
    assert done.stdout.splitlines()[-1] == answer
    until(lambda: daemon.queue()["delivered"] == 1, "it is delivered")
    assert braze.memberships() == ({} if begin == "curl -i" else {
        ("heap_try_me_7", "external_id:try-me"): "in"})


@pytest.mark.parametrize("settings", [ATTRIBUTES, COHORTS],
                         ids=["attributes", "cohorts"])
def test_examples_of_files(tmp_path, settings):
    path = tmp_path / "settings"
    path.write_text(put_in(settings, tmp_path))
    path.chmod(0o600)
    done = run("check", "--offline", "--config", str(path), **ANYWHERE,
               state_dir=tmp_path / "state")
    assert done.returncode == FINE, done.stdout + done.stderr
    assert done.stdout.endswith("serve can start with these settings.\n")


@pytest.mark.parametrize("begin", ["CURRENTSD_TOKEN=",
                                   "CURRENTSD_SEGMENTS_SECRET=",
                                   "CURRENTSD_BRAZE_KIND=cohorts"])
def test_examples_of_variables(tmp_path, begin):
    text = put_in(example(begin), tmp_path)
    given = {**variables(text), "state_dir": tmp_path / "state"}
    if "braze_kind" in given:
        given["segments_secret"] = SEGMENTS["segments_secret"]
    done = run("check", "--offline", **ANYWHERE, **given)
    assert done.returncode == FINE, done.stdout + done.stderr


def test_what_is_typed_at_the_admin_interface(daemon, tmp_path):
    """The events are those that `events export` would print."""
    (tmp_path / "events.ndjson").write_text(run("sample", "--count", "3").stdout)
    text = example("curl --unix-socket")
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
