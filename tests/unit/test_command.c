/* The table of commands, and repeated options. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/command.h"
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

enum { WORDS_MAX = 4 };

/* Split at blanks; the words point into `copy`. */
static size_t
split(const char *name, char copy[64], const char *words[WORDS_MAX])
{
	size_t count = 0;

	(void)snprintf(copy, 64, "%s", name);
	for (char *rest = copy; rest != NULL && count < WORDS_MAX;)
		words[count++] = strsep(&rest, " ");
	return count;
}

static const struct command *
find(const char *name)
{
	const char *words[WORDS_MAX];
	char copy[64];
	size_t len;

	return help_find(commands_all, split(name, copy, words), words, &len);
}

static void
test_every_command_is_found(void **state)
{
	(void)state;
	for (const struct command *c = commands_all; c->name != NULL; c++)
		assert_ptr_equal(find(c->name), c);
}

static void
test_repeated_options(void **state)
{
	static const char *const argv[] = {
	    "--user", "a", "--json", "--user=b", "--user", "--user", "--", "c"};
	const char *values[OPTIONS_SET_MAX];
	struct options options;
	struct err err;

	(void)state;
	assert_true(options_read("erase", command_erase_options,
	    sizeof(argv) / sizeof(argv[0]), argv, &options, &err));
	assert_int_equal(options_values(&options, "--user", values), 3);
	assert_string_equal(values[0], "a");
	assert_string_equal(values[1], "b");
	assert_string_equal(values[2], "--user");
	assert_string_equal(options_value(&options, "--user"), "--user");
	assert_int_equal(options_values(&options, "--listed", values), 0);
	assert_int_equal(options.word_count, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_command_is_found),
	    cmocka_unit_test(test_repeated_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
