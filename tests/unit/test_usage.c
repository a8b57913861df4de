/*
 * Arguments, judged by the usage line and the options of a command.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/help.h"
#include "cli/usage.h"

#include <stdio.h>
#include <string.h>

enum { WORDS_MAX = 12 };

static void
usage_check(const char *arguments, size_t least, size_t most, bool ways,
    const char *word)
{
	struct usage usage;

	usage_read(arguments, &usage);
	if (usage.least != least || usage.most != most || usage.ways != ways ||
	    strcmp(usage.word, word) != 0)
		fail_msg("%s: %zu to %zu, \"%s\"", arguments, usage.least,
		    usage.most, usage.word);
}

static void
test_usage_lines(void **state)
{
	(void)state;
	usage_check("", 0, 0, false, "");
	usage_check("[--json]", 0, 0, false, "");
	usage_check("[--a X [--b Y]] [FILTER...]", 0, 0, false, "");
	usage_check("NAME", 1, 1, false, "NAME");
	usage_check("NAME [--sample N] [--json]", 1, 1, false, "NAME");
	usage_check("[TYPE:]ID [--json]", 1, 1, false, "[TYPE:]ID");
	usage_check("[FILE|-] [--json]", 0, 1, false, "FILE|-");
	usage_check("[TYPE...|--all] [OPTION...]", 0, USAGE_MANY, false,
	    "TYPE...|--all");
	usage_check("ID | FILTER... | --all --yes [--json]", 0, 1, true, "ID");
	usage_check("--since WHEN [FILTER...] [--force]", 0, 0, false, "");
	usage_check("--user PERSON... [--listed]", 0, 0, false, "");
	usage_check("[FILTER...|--all] --yes [--json]", 0, 0, false, "");
}

/* Judge a line as typed; returns the error, or "" if it is fine. */
static const char *
judged(const char *line)
{
	static struct err err;
	const char *words[WORDS_MAX];
	const struct command *command;
	struct options options;
	size_t count = 0, name;
	char copy[256];

	(void)snprintf(copy, sizeof(copy), "%s", line);
	for (char *rest = copy; rest != NULL && count < WORDS_MAX;)
		words[count++] = strsep(&rest, " ");
	command = help_find(commands_all, count, words, &name);
	assert_non_null(command);
	if (options_read(command->name, command->options, count - name,
		words + name, &options, &err) &&
	    usage_judge(command, &options, 1000000000000, &err))
		return "";
	assert_int_equal(err.code, ERR_INPUT);
	return err.text;
}

static void
test_arguments(void **state)
{
	static const struct {
		const char *line, *says; /* NULL: fine */
	} cases[] = {
	    {"status", NULL},
	    {"status x", "status takes no arguments: x"},
	    {"status --josn", "no option --josn; did you mean --json?"},
	    {"status --zzzzzzzz", "no option --zzzzzzzz; `currentsd"},
	    {"status --json=1", "--json takes no value"},
	    {"dead list --limit 5", NULL},
	    {"dead list --limit 0", "--limit should be a whole number from 1"},
	    {"dead list --limit 5x", "and not: 5x"},
	    {"dead list --limit=", "--limit is empty"},
	    {"dead list --limit", "--limit needs a value: --limit N"},
	    {"dead list --since 2h", NULL},
	    {"dead list --since 2026-11-23T14:00", NULL},
	    {"dead list --since yesterday", "--since should be how long ago"},
	    {"dead list --type *.Open", NULL},
	    {"dead list --type=", "--type is empty"},
	    {"dead show 7", NULL},
	    {"dead show", "dead show needs ID"},
	    {"dead show x", "dead show ID: should be a whole number"},
	    {"dead show 7 8", "takes one argument, ID, and not also: 8"},
	    {"dead requeue", "needs an ID, filters, or --all"},
	    {"dead requeue --all", NULL},
	    {"dead requeue 7", NULL},
	    {"dead requeue --type a", NULL},
	    {"dead requeue --json", "needs an ID, filters, or --all"},
	    {"ledger --by type", NULL},
	    {"ledger --by tpe", "type, day, hour or campaign, and not: tpe"},
	    {"events find a:b", NULL},
	    {"events find", "events find needs [TYPE:]EVENT-ID"},
	    {"erase --user a --user b", NULL},
	    {"erase", "erase needs --user PERSON"},
	    {"erase a", "erase takes no arguments: a"},
	    {"erase a --user b", "erase takes no arguments: a"},
	    {"erase --user=", "--user is empty"},
	    {"replay --since 1h", NULL},
	    {"replay", "replay needs --since WHEN"},
	    {"import -", NULL},
	    {"validate a b", "takes one argument, FILE, and not also: b"},
	    {"sample a b c", NULL},
	    {"sample --count 0", NULL},
	    {"sample --count x", "--count should be a whole number"},
	    {"help dead list", NULL},
	    {"completion bash", NULL},
	    {"completion zsh", "completion bash: should be bash"},
	    {"config diff", "config diff needs FILE"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *text = judged(cases[i].line);

		if (cases[i].says == NULL ? *text != '\0'
					  : strstr(text, cases[i].says) == NULL)
			fail_msg("%s: \"%s\"", cases[i].line, text);
	}
}

/* Every row of the table has a usage line that is understood: the options in
 * it are options of the command. */
static void
test_every_usage_line(void **state)
{
	(void)state;
	for (const struct command *c = commands_all; c->name != NULL; c++) {
		for (const char *at = c->arguments;
		     (at = strstr(at, "--")) != NULL;) {
			const struct option_row *row = c->options;
			size_t len = strcspn(at, " ]|");

			while (row != NULL && row->name != NULL &&
			       (strlen(row->name) != len ||
				   memcmp(row->name, at, len) != 0))
				row++;
			if (row == NULL || row->name == NULL)
				fail_msg("%s: %s", c->name, at);
			at += len;
		}
	}
}

/* An ID is a number, and a person's is none. */
static void
test_persons(void **state)
{
	size_t count = 0;

	(void)state;
	for (const struct command *c = commands_all; c->name != NULL; c++) {
		for (const struct option_row *row = c->options;
		     row != NULL && row->name != NULL; row++) {
			if (strcmp(row->name, "--user") != 0)
				continue;
			assert_string_equal(row->value, "PERSON");
			count++;
		}
	}
	assert_true(count > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_usage_lines),
	    cmocka_unit_test(test_arguments),
	    cmocka_unit_test(test_every_usage_line),
	    cmocka_unit_test(test_persons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
