"""validate and explain, of files as operators have them: broken lines, rules
of a source, names that would move a terminal."""

import json

import pytest

from commands import FINE, FOUND, USAGE, run
from names import Choice, Fate, Finding, Rule, Text, Verdict

GOOD = {"event_type": "users.behaviors.CustomEvent", "id": "a", "time": 1,
        "user": {"external_user_id": "ann"}, "properties": {"name": "n"}}


def good(**changed):
    return json.dumps({**GOOD, **changed})


def rows(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def told(command, text, code, *words, **settings):
    done = run(command, "--json", *words, stdin=text, **settings)
    assert done.returncode == code, done
    assert done.stderr == ""
    return [(row[Finding.LINE], row[Finding.AT],
             row.get(Finding.VERDICT, row.get(Finding.FATE)))
            for row in rows(done)]


# ---- lines and bodies

@pytest.mark.parametrize("command, fine, fault", [
    ("validate", Verdict.VALID, Verdict.FAULT),
    ("explain", Fate.SEND, Fate.FAULT)])
@pytest.mark.parametrize("broken, at", [
    ("{", 1), ('{"event_type":', 14), ("nonsense", 0), ("", None),
    (good()[:-9], None), ('{"a":1}}', 7)])
def test_a_broken_line_hides_no_other(command, fine, fault, broken, at):
    for before in (0, 1, 2):
        lines = [good(id=str(i)) for i in range(3)]
        lines.insert(before, broken)
        starts = [sum(len(line) + 1 for line in lines[:i]) for i in range(4)]
        found = told(command, "\n".join(lines) + "\n",
                     FOUND if broken else FINE)
        expected = [(i + 1, starts[i], fine) for i in range(4) if i != before]
        assert [row for row in found if row[2] == fine] == expected
        faults = [row for row in found if row[2] != fine]
        assert len(faults) == (1 if broken else 0)
        if broken:
            assert faults[0][0] == before + 1 and faults[0][2] == fault
            assert at is None or faults[0][1] == starts[before] + at


@pytest.mark.parametrize("command, fault", [("validate", Verdict.FAULT),
                                            ("explain", Fate.FAULT)])
def test_a_body_of_many_lines_is_one(command, fault):
    body = '{"events":[\n' + good() + ",\n" + good(id="b") + "\n]}\n"
    assert [row[0] for row in told(command, body, FINE)] == [2, 3]
    broken = body.replace(",\n", "\n", 1)
    assert told(command, broken, FOUND) == [
        (3, broken.index("\n", 13) + 1, fault)]


def test_explain_says_where_the_fault_is_to_people_too():
    done = run("explain", stdin=good() + "\n{\n" + good(id="b") + "\n")
    assert done.returncode == FOUND and done.stderr == ""
    assert (f"line 2 byte {len(good()) + 2}\n  {Fate.FAULT}: "
            in done.stdout)
    assert done.stdout.count("\nWould be   identity ann ") == 2


# ---- words and files

@pytest.mark.parametrize("command", ["validate", "explain"])
def test_a_file_that_cannot_be_read(command, tmp_path):
    for name, says in ((tmp_path / "none", "No such file"),
                       (tmp_path, "Is a directory")):
        done = run(command, str(name))
        assert done.returncode == USAGE and done.stdout == ""
        assert str(name) in done.stderr and says in done.stderr


@pytest.mark.parametrize("words", [
    ["validate", "a", "b"], ["explain", "a", "b"], ["version", "foo"],
    ["check", "foo"], ["status", "foo"], ["ledger", "foo"], ["drift", "foo"],
    ["explain", "--source", "none"], ["explain", "--destination", "none"]])
def test_words_too_many(words, tmp_path):
    done = run(*words, state_dir=tmp_path, stdin="")
    assert done.returncode == USAGE and done.stdout == ""
    assert done.stderr.startswith("currentsd: ")


# ---- the rules of a source

def fates(text, code, *words, **settings):
    done = run("explain", "--json", *words, stdin=text, **settings)
    assert done.returncode == code, done
    return [(row[Finding.FATE], row[Finding.REASON]) for row in rows(done)]


def test_the_rules_of_the_source():
    strange, invalid = good(event_type="x.New"), good(time="late")
    text = "\n".join((good(), strange, invalid))
    late = "no usable time: should be an integer, UNIX seconds"
    assert fates(text, FOUND) == [
        (Fate.SEND, None), (Fate.SEND, None), (Fate.DEAD, late)]
    assert fates(text, FINE, unknown_type=Choice.DROP, invalid=Choice.DROP,
                 exclude="*.CustomEvent") == [
        (Fate.DROP, Rule.EXCLUDED % "*.CustomEvent"),
        (Fate.DROP, Rule.UNKNOWN_TYPE),
        (Fate.DROP, Rule.EXCLUDED % "*.CustomEvent")]
    assert fates(text, FOUND, unknown_type=Choice.DEAD) == [
        (Fate.SEND, None), (Fate.DEAD, Rule.UNKNOWN_TYPE), (Fate.DEAD, late)]
    assert fates(text, FINE, include="x.*") == [
        (Fate.DROP, Rule.NOT_INCLUDED), (Fate.SEND, None),
        (Fate.DROP, Rule.NOT_INCLUDED)]
    assert fates(invalid, FINE, invalid=Choice.DROP) == [
        (Fate.DROP, Rule.INVALID)]
    shown = run("explain", stdin=invalid, invalid=Choice.DROP).stdout
    assert late in shown and f"   dropped: {Rule.INVALID}, " in shown


def test_a_source_and_its_destination(tmp_path):
    path = tmp_path / "conf"
    path.write_text('source "a" {\nexclude = {"x.*"}\ndestination = "one"\n}\n'
                    'source "b" {\ndestination = "two"\n}\n'
                    'destination "one" {}\n'
                    'destination "two" {\nprefix = "two-"\n}\n')
    config = ["--config", str(path)]
    assert fates(good(event_type="x.New"), FINE, *config) == [
        (Fate.DROP, Rule.EXCLUDED % "x.*")]
    for words, name in (([], GOOD["event_type"]),
                        (["--source", "a"], GOOD["event_type"]),
                        (["--source", "b"], "two-" + GOOD["event_type"]),
                        (["--destination", "two"],
                         "two-" + GOOD["event_type"])):
        row, = rows(run("explain", "--json", *config, *words, stdin=good()))
        assert row[Finding.EVENT]["event"] == name


# ---- what comes from outside

def test_nothing_moves_the_terminal():
    nasty = f"\x1b[2J\r\n  {Fate.SEND}: forged\x07"
    for text in (good(event_type="x" + nasty),
                 good(event_type="x" + nasty, time="late"),
                 good(properties={"name": "n", nasty: 1}),
                 good(properties={"name": "n", "custom_properties": {
                     nasty: "v" * 2000}}),
                 good(properties={"name": nasty})):
        for settings in ({}, {"heap_custom_event_name": "name"}):
            shown = run("explain", stdin=text, **settings).stdout
            assert "forged" in shown
            assert not set(shown) & set(map(chr, range(32))) - {"\n"}
            assert f"\n  {Fate.SEND}: forged" not in shown


@pytest.mark.parametrize("blank", [" ", "\t", "\u00a0\u2003"])
def test_a_blank_name_is_told(blank):
    for member, word in (("event_type", "event_type"), ("id", "id")):
        text = good(**{member: blank})
        done = run("validate", stdin=text)
        assert done.returncode == FINE
        assert Text.DEAD_BY_MAPPING % word in done.stdout
        row, = rows(run("validate", "--json", stdin=text))
        assert row[Finding.VERDICT] == Verdict.VALID
        assert word in row[Finding.BUT]
        assert fates(text, FOUND) == [(Fate.DEAD, "no " + word)]
    assert Finding.BUT not in rows(
        run("validate", "--json", stdin=good()))[0]
