"""The manual, which the build completes with the program's tables, and what
deploy/currentsd.conf says of the settings."""

import functools
import json
import re
import subprocess

import pytest

from commands import CONFIG, FINE, INVALID, lines, run
from conftest import BUILD, PATIENCE, PROGRAM, REPO, ask

COMMANDS, SETTINGS, ADMIN = PAGES = (
    "currentsd.8", "currentsd.conf.5", "currentsd-admin.7")
EXAMPLE = REPO / "deploy" / "currentsd.conf"
WIDTH = 80
# Where a disk and ports are is not what is tested.
ANYWHERE = {"allow_volatile_state": "yes", "queue_min_free": 0,
            "queue_reserve": 0, "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0"}


def text_of(*command):
    return subprocess.run(command, check=True, capture_output=True,
                          text=True).stdout


@functools.cache
def rendered(name):
    """As a terminal shows it, without bold and slanted."""
    return re.sub(".\b", "", text_of(
        "mandoc", "-T", "utf8", "-O", f"width={WIDTH}", BUILD / "man" / name))


def words(text):
    return " ".join(text.split())


def has(name, text):
    """In bold, backticks are not needed."""
    return words(text.replace("`", "")) in words(rendered(name))


@functools.cache
def settings():
    """The rows of `currentsd help settings`: (section, key, form, default,
    variables, help, whether it is marked as live)."""
    rows, section = [], None
    for line in text_of(PROGRAM, "help", "settings").splitlines():
        row = re.match(r"  (\w+) = (.*?)(?:  \[(.*)\])?(  \*)?$", line)
        if row:
            rows.append([section, row[1], row[2], row[3], [], "",
                         row[4] is not None])
        elif line.startswith(" " * 6):
            if re.fullmatch(r" +CURRENTSD_\w+(, CURRENTSD_\w+)*", line):
                rows[-1][4] = line.strip().split(", ")
            else:
                rows[-1][5] += line.strip() + " "
        elif line:
            section = next((word for word in ("source", "destination")
                            if f" {word}" in line), "main")
    assert len(rows) > 100
    return rows


# ---- the pages

@pytest.mark.parametrize("name", PAGES)
def test_the_roff_is_clean(name):
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", BUILD / "man" / name],
        capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", PAGES)
def test_every_line_fits(name):
    assert [line for line in rendered(name).splitlines()
            if len(line) > WIDTH] == []


def test_every_command_is_there():
    names = re.findall(r"^  (\S+(?: \S+)?)  +\S", text_of(PROGRAM, "help"),
                       re.M)
    assert "serve" in names and "dead requeue" in names
    for name in names:
        text, _, options = text_of(PROGRAM, "help", *name.split()).partition(
            "\n\n  --")
        usage, *paragraphs = text.split("\n\n")
        assert has(COMMANDS, usage.removeprefix("usage: currentsd "))
        for paragraph in paragraphs:
            if not paragraph.startswith("A FILTER is"):  # once for all
                assert has(COMMANDS, paragraph)
        for option, what in re.findall(
                r"^  (--\S+(?: \S+)?)  +(\S.*(?:\n {10,}.*)*)",
                "  --" + options, re.M):
            assert has(COMMANDS, f"{option} {what}")


def test_every_setting_is_there():
    for _, key, form, preset, variables, what, live in settings():
        assert has(SETTINGS, f"{key} = {form} {what}")
        assert has(SETTINGS, f"{what} Default: {preset}." if preset else
                   f"{what} No default.")
        if variables:
            assert has(SETTINGS, f"Variable: {', '.join(variables)}." + (
                " Put in force by a reload." if live else ""))


def test_limits_are_those_that_are_enforced():
    """Of numbers: what the page gives as the least and the most is taken, and
    what is beyond is refused with the same words."""
    def check(value):
        for kind in ("attributes", "cohorts"):
            done = run("config", **{
                variable.removeprefix("CURRENTSD_").lower(): value,
                "braze_kind": kind})
            if "not a setting of the kind" not in done.stderr:
                return done
        raise AssertionError(f"no kind has {variable}")

    found = 0
    for match in re.finditer(
            r"From (\S+) to (\S+)\. Variable: (\w+)", words(rendered(SETTINGS))):
        least, most, variable = match.groups()
        assert check(least).returncode == check(most).returncode == 0
        assert f"from {least} to {most}" in check("9" * 18).stderr
        found += 1
    assert found > 40


def test_every_metric_and_member_is_there():
    rows = re.findall(r"^  (\S.*)\n((?: {6}.*\n)+)",
                      text_of(PROGRAM, "help", "metrics"), re.M)
    assert len(rows) > 100
    for names, what in rows:
        for name in names.split(", "):
            labels = r"(?:\{[\w,]+\})? " if "currentsd_" in name else " "
            assert re.search(
                rf" {re.escape(name)}{labels}{re.escape(words(what))}".replace(
                    "`", ""), words(rendered(ADMIN))), name


def test_every_call_is_there():
    calls = words(rendered(ADMIN).partition("\nCALLS\n")[2].partition(
        "\nSTATUS\n")[0])
    tokens = {"counts": "", "view": " (view_token)",
              "change": " (admin_token)"}
    for row in lines(text_of(BUILD / "routes_probe")):
        path = r"\{\w+\}".join(map(re.escape, row["path"].split("*")))
        call = re.search(
            rf" {row['method']} {path}{re.escape(tokens[row['right']])} "
            rf"(?!\().*?(?= (?:GET|POST) /|$)", calls)
        assert call, row
        listed = re.search(r"Parameters: ([\w, ]+)\.", call[0])
        assert sorted(listed[1].split(", ") if listed else []) == sorted(
            row["params"].split())


# ---- what the pages show to be typed, or to be in a file

def shown(name, section):
    """The blocks of a section that are not text."""
    page = (BUILD / "man" / name).read_text(encoding="utf-8")
    text = page.partition(f".SH {section}")[2].partition("\n.SH ")[0]
    return [block.replace("\\-", "-").replace("\\e", "\\")
            for block in re.findall(r"\n\.nf\n(.*?)\n\.fi", text, re.S)]


def typed(text, folder, env):
    """With our program as currentsd, in this folder."""
    (folder / "bin").mkdir(exist_ok=True)
    if not (folder / "bin" / "currentsd").exists():
        (folder / "bin" / "currentsd").symlink_to(PROGRAM)
    return subprocess.run(
        ["bash", "-ec", text], cwd=folder, text=True, capture_output=True,
        timeout=PATIENCE, check=False,
        env={**env, "PATH": f"{folder / 'bin'}:{env['PATH']}"})


def variables(text):
    return {name.lower(): value for name, value in re.findall(
        r"CURRENTSD_(\w+)=(\S+)", text)}


@pytest.mark.file
def test_examples_of_commands(start_daemon, tmp_path):
    begin, *blocks = shown(COMMANDS, "EXAMPLES")
    serve, post = begin.split("\n\n")
    daemon = start_daemon(**{**variables(serve),
                             "state_dir": tmp_path / "state"})
    done = typed(post.replace(":8080", f":{daemon.port}"), tmp_path,
                 daemon.env)
    assert json.loads(done.stdout)["queued"] > 100, done
    answer = ask(daemon.port, "POST", "/currents", f"[{INVALID}]", {
        "Authorization": "Bearer " + variables(serve)["token"]})
    assert answer.json["dead"] == 1
    (tmp_path / "new.conf").write_text("log_level = warn\n")
    for block in blocks:
        # there is one destination here, and an invalid event stays a dead
        # letter, which explain says with its exit code
        text = block.replace("/backup", str(tmp_path)).replace(
            "--destination other", "--destination heap")
        done = typed(text, tmp_path, daemon.env)
        assert done.returncode == ("explain" in text), done
        assert done.stderr == ""
    assert list(tmp_path.glob("queue-*.db"))
    assert (tmp_path / "dead.ndjson").read_text().count("\n") == 1


def test_examples_of_settings(tmp_path):
    for minimum in shown(SETTINGS, "DESCRIPTION"):
        done = run("check", "--offline", **{
            **ANYWHERE, "state_dir": tmp_path, **variables(minimum)})
        assert done.returncode == FINE, done
    [text] = shown(SETTINGS, "THE FILE OF SETTINGS")
    for path in re.findall(r"/etc/currentsd/([\w.-]+)", text):
        (tmp_path / path).write_text("a-token-of-brand-a")
    (tmp_path / "file").write_text(
        text.replace("/etc/currentsd", str(tmp_path)))
    given = {**ANYWHERE, "state_dir": tmp_path, "config": tmp_path / "file"}
    done = run("check", "--offline", **given)
    assert done.returncode == CONFIG and "${NAME}" in done.stderr
    (tmp_path / "file").write_text((tmp_path / "file").read_text().replace(
        "${BRAND_B_TOKEN}", "${BRAND_B_TOKEN:-a-token-of-brand-b}"))
    done = run("check", "--offline", **given)
    assert done.returncode == FINE, done
    keep = json.loads(run("config", "--json", **given).stdout)
    assert "users.messages.sms.*/to_phone_number" in json.dumps(keep)


def test_example_of_a_catalogue(tmp_path):
    [text] = shown(SETTINGS, "CATALOGUE")
    (tmp_path / "catalogue").write_text(text)
    done = run("schema", "users.messages.fax.*", "--json",
               catalogue=tmp_path / "catalogue")
    assert "users.messages.fax.Send" in done.stdout, done


def test_examples_of_calls(start_daemon, tmp_path):
    daemon = start_daemon(admin_token="the-admin-token")
    [text] = shown(ADMIN, "DESCRIPTION")
    text = text.replace(":8081", f":{daemon.admin_port}").replace(
        "/var/lib/currentsd", daemon.env["CURRENTSD_STATE_DIR"])
    done = typed(text, tmp_path, {**daemon.env, "TOKEN": "the-admin-token"})
    assert done.returncode == 0, done
    assert '"state":"running"' in done.stdout
    assert "currentsd_build_info" in done.stdout
    assert daemon.destination()["state"] == "paused"


# ---- other documents

def test_the_example_has_every_setting():
    """A commented one shows its default."""
    shown, section, found = set(), "main", []
    for text in EXAMPLE.read_text(encoding="utf-8").splitlines():
        head = re.match(r"#?\s*(source|destination)\b.*\{", text)
        key = re.match(r"\s*#?\s*(\w+) = (.+?)(\s+#.*)?$", text)
        if head:
            section = head[1]
        elif re.match(r"#?\s*\}", text):
            section = "main"
        elif key:
            presets = [row[3] for row in settings()
                       if (row[0], row[1]) == (section, key[1])]
            if not presets:
                found.append(f"there is no {key[1]} in {section}")
            shown.add((section, key[1]))
            value = key[2].strip('"')
            value = value.strip("{}") if value[0] == "{" and \
                value[-1] == "}" else value
            value = value.replace(", ", ",").replace('"', "")
            # a section says of which kind it is; of some keys the default
            # depends on that
            if text.lstrip().startswith("#") and any(presets) and \
                    key[1] != "kind" and value not in presets:
                found.append(f"the default of {key[1]} is " + " or ".join(
                    filter(None, presets)))
    found += [f"{row[1]} ({row[0]}) is not there" for row in settings()
              if (row[0], row[1]) not in shown]
    assert found == []
