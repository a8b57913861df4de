#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/tokens.h"

static void
test_match(void **state)
{
	static const char *const list[] = {"old token", "new", NULL};
	static const struct {
		const char *header;
		bool match;
	} cases[] = {
	    {"Bearer new", true},
	    {"bearer new", true},
	    {"BEARER   new", true},
	    {"Bearer\tnew \t", true},
	    {"Bearer old token", true},
	    {"Bearer", false},
	    {"Bearer ", false},
	    {"Bearernew", false},
	    {"Bearer ne", false},
	    {"Bearer news", false},
	    {"Bearer New", false},
	    {"Basic new", false},
	    {"new", false},
	    {"", false},
	    {NULL, false},
	};
	struct tokens *tokens = tokens_new(list);

	(void)state;
	assert_non_null(tokens);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    tokens_match(tokens, cases[i].header), cases[i].match);
	tokens_free(tokens);
}

/* Without tokens nothing matches, the empty one neither. */
static void
test_none(void **state)
{
	static const char *const empty[] = {NULL};
	struct tokens *tokens = tokens_new(empty);

	(void)state;
	assert_non_null(tokens);
	assert_false(tokens_match(tokens, "Bearer x"));
	assert_false(tokens_match(tokens, "Bearer "));
	tokens_free(tokens);
	tokens = tokens_new(NULL);
	assert_non_null(tokens);
	assert_false(tokens_match(tokens, NULL));
	tokens_free(tokens);
	tokens_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_match),
	    cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
