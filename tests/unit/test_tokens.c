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
	size_t number;

	(void)state;
	assert_non_null(tokens);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(tokens_find(tokens, cases[i].header, &number),
		    cases[i].match);
	assert_int_equal(tokens_count(tokens), 2);
	assert_true(tokens_find(tokens, "Bearer new", &number));
	assert_int_equal(number, 1);
	assert_true(tokens_find(tokens, "Bearer old token", &number));
	assert_int_equal(number, 0);
	tokens_free(tokens);
}

/* The name follows a token to another place in the list. */
static void
test_name(void **state)
{
	static const char *const list[] = {"abc", "new", NULL},
				 *const turned[] = {"new", "abc", NULL};
	struct tokens *tokens = tokens_new(list), *others = tokens_new(turned);
	char name[TOKENS_NAME], other[TOKENS_NAME];

	(void)state;
	assert_non_null(tokens);
	assert_non_null(others);
	/* The beginning of the SHA-256 of "abc" (FIPS 180-2, B.1). */
	tokens_name(tokens, 0, name);
	assert_string_equal(name, "ba7816bf8f01");
	tokens_name(others, 1, other);
	assert_string_equal(other, name);
	tokens_name(others, 0, other);
	assert_string_not_equal(other, name);
	tokens_free(tokens);
	tokens_free(others);
}

/* Who knows a token knows its proof, and nobody else does. */
static void
test_proof(void **state)
{
	static const char *const list[] = {"abc", "new", NULL};
	static const char nonce[] = "0123456789abcdef";
	char proof[SERVER_PROOF], wanted[SERVER_PROOF];
	struct tokens *tokens = tokens_new(list);

	(void)state;
	assert_non_null(tokens);
	tokens_prove(tokens, 0, nonce, proof);
	/* printf 0123456789abcdef | openssl dgst -sha256 -mac HMAC -macopt
	 * hexkey:$(printf abc | sha256sum | cut -c1-64) */
	assert_string_equal(proof, "d27f74ebe5bb28ec5be9881027901412"
				   "5d4814d6f23ede94898f59152b9f3c31");
	server_probe_proof("abc", nonce, wanted);
	assert_string_equal(proof, wanted);
	tokens_prove(tokens, 1, nonce, proof);
	assert_string_not_equal(proof, wanted);
	tokens_prove(tokens, 0, "0123456789abcdee", proof);
	assert_string_not_equal(proof, wanted);
	/* An open source has no token. */
	tokens_prove(tokens, SIZE_MAX, nonce, proof);
	server_probe_proof(NULL, nonce, wanted);
	assert_string_equal(proof, wanted);
	tokens_free(tokens);
}

/* Without tokens nothing matches, not even an empty one. */
static void
test_none(void **state)
{
	static const char *const empty[] = {NULL};
	struct tokens *tokens = tokens_new(empty);
	size_t number;

	(void)state;
	assert_non_null(tokens);
	assert_false(tokens_find(tokens, "Bearer x", &number));
	assert_false(tokens_find(tokens, "Bearer ", &number));
	tokens_free(tokens);
	tokens = tokens_new(NULL);
	assert_non_null(tokens);
	assert_false(tokens_find(tokens, NULL, &number));
	tokens_free(tokens);
	tokens_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_match),
	    cmocka_unit_test(test_name),
	    cmocka_unit_test(test_proof),
	    cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
