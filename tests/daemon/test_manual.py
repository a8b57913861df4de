"""The manual, which the build completes with the program's tables, and what
README.md and deploy/currentsd.conf say of the settings."""

import functools
import re
import subprocess

import pytest

from commands import lines, run
from conftest import BUILD, PROGRAM, REPO

COMMANDS, SETTINGS, ADMIN = PAGES = (
    "currentsd.8", "currentsd.conf.5", "currentsd-admin.7")
EXAMPLE, README = REPO / "deploy" / "currentsd.conf", REPO / "README.md"
WIDTH = 80


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
    variables, help)."""
    rows, section = [], None
    for line in text_of(PROGRAM, "help", "settings").splitlines():
        row = re.match(r"  (\w+) = (.*?)(?:  \[(.*)\])?$", line)
        if row:
            rows.append([section, row[1], row[2], row[3], [], ""])
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
        for option in re.findall(r"^  (--\S+(?: \S+)?)  +", "  --" + options,
                                 re.M):
            assert has(COMMANDS, option)


def test_every_setting_is_there():
    for _, key, form, preset, variables, what in settings():
        assert has(SETTINGS, f"{key} = {form} {what}")
        assert has(SETTINGS, f"{what} Default: {preset}." if preset else
                   f"{what} No default.")
        if variables:
            assert has(SETTINGS, f"Variable: {', '.join(variables)}.")


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
    tokens = {"counts": "", "view": " (view_token)",
              "change": " (admin_token)"}
    for row in lines(text_of(BUILD / "routes_probe")):
        path = r"\{\w+\}".join(map(re.escape, row["path"].split("*")))
        call = re.search(
            rf" {row['method']} {path}{re.escape(tokens[row['right']])} "
            rf"(?!\().*?(?= (?:GET|POST) /|$)", words(rendered(ADMIN)))
        assert call, row
        listed = re.search(r"Parameters: ([\w, ]+)\.", call[0])
        assert sorted(listed[1].split(", ") if listed else []) == sorted(
            row["params"].split())


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
            value = value.replace(", ", ",")
            # a section says of which kind it is; of some keys the default
            # depends on that
            if text.lstrip().startswith("#") and any(presets) and \
                    key[1] != "kind" and value not in presets:
                found.append(f"the default of {key[1]} is " + " or ".join(
                    filter(None, presets)))
    found += [f"{row[1]} ({row[0]}) is not there" for row in settings()
              if (row[0], row[1]) not in shown]
    assert found == []


def test_the_readme_has_every_variable():
    """Its tables, with the defaults; and it names no other."""
    text, found = README.read_text(encoding="utf-8"), []
    table = dict(re.findall(r"^\| `(CURRENTSD_\w+)` \|.*\| (.+?) \|$", text,
                            re.M))
    known = {variable: row[3] for row in settings() for variable in row[4]}
    for name in sorted(set(re.findall(r"CURRENTSD_\w+", text)) - {
            *known, "CURRENTSD_CONFIG", "CURRENTSD_ENV_FILE",
            "CURRENTSD_BUILD", "CURRENTSD_LONG"}):
        found.append(f"there is no {name}")
    for variable, preset in known.items():
        if variable not in table:
            found.append(f"{variable} is not in the table")
        elif preset is not None and table[variable].strip("`") != preset:
            found.append(f"the default of {variable} is {preset}")
    assert found == []
