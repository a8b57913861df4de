/* The hash table, beside a plain list that does the same slowly; and the bits
 * and views that go with it. */

#include "base/bits.h"
#include "base/str.h"
#include "base/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KEYS = 2000, STEPS = 100000 };

struct lookup {
	const uint64_t *keys; /* by position */
	uint64_t key;
};

static bool
key_equal(const void *arg, uint32_t position)
{
	const struct lookup *lookup = arg;

	return lookup->keys[position] == lookup->key;
}

/* The hash leaves out what would tell keys apart, so that many collide. */
static uint64_t
key_hash(uint64_t key, uint64_t mask)
{
	return str_hash(0, str_bytes((const char *)&key, sizeof(key))) & mask;
}

static void
table_against_list(uint64_t mask)
{
	static uint64_t keys[KEYS];
	static bool there[KEYS];
	struct table table = {.slots = NULL};
	size_t count = 0;
	unsigned random = 1;

	memset(there, 0, sizeof(there));
	for (uint32_t i = 0; i < KEYS; i++)
		keys[i] = i * 7919u;
	for (int step = 0; step < STEPS; step++) {
		struct lookup lookup = {.keys = keys};
		uint32_t at;
		uint64_t hash;

		random = random * 1103515245u + 12345u;
		at = (random >> 8) % KEYS;
		lookup.key = keys[at];
		hash = key_hash(keys[at], mask);
		assert_int_equal(table_find(&table, hash, key_equal, &lookup),
		    there[at] ? at : TABLE_NONE);
		if (there[at]) {
			table_remove(&table, hash, at);
			count--;
		} else {
			assert_true(table_reserve(&table, count + 1));
			table_add(&table, hash, at);
			count++;
		}
		there[at] = !there[at];
		assert_int_equal(table.count, count);
	}
	table_clear(&table);
	assert_int_equal(table.count, 0);
	table_fini(&table);
}

static void
test_table(void **state)
{
	(void)state;
	table_against_list(UINT64_MAX);
	table_against_list(7);
}

static void
test_bits(void **state)
{
	unsigned char bits[3] = {0}, copy[3];

	(void)state;
	assert_int_equal(bits_bytes(0), 1);
	assert_int_equal(bits_bytes(16), 3);
	assert_false(bits_any(bits, sizeof(bits)));
	for (size_t i = 0; i < 24; i += 5) {
		assert_true(bits_add(bits, i));
		assert_false(bits_add(bits, i));
	}
	for (size_t i = 0; i < 24; i++)
		assert_int_equal(bits_has(bits, i), i % 5 == 0);
	assert_true(bits_any(bits, sizeof(bits)));
	bits_copy(copy, sizeof(copy), bits, 1);
	assert_true(bits_has(copy, 5));
	assert_false(bits_has(copy, 10));
	bits_remove(bits, 10);
	assert_false(bits_has(bits, 10));
	assert_true(bits_has(bits, 15));
}

static void
test_str(void **state)
{
	char text[STR_DISTANCE_MAX + 2];
	static const struct str literal = STR("abc");

	(void)state;
	assert_true(str_equal(literal, str_text("abc")));
	assert_true(str_equal_text(literal, "abc"));
	assert_false(str_equal(literal, str_bytes("abcd", 4)));
	assert_true(str_equal(str_text(NULL), str_text("")));
	assert_true(str_compare(str_text("ab"), literal) < 0);
	assert_true(str_compare(str_text("b"), literal) > 0);
	assert_int_equal(str_compare(literal, str_text("abc")), 0);
	assert_true(str_hash(0, literal) == str_hash(0, str_text("abc")));
	assert_int_equal(str_distance("", ""), 0);
	assert_int_equal(str_distance("list", "list"), 0);
	assert_int_equal(str_distance("lst", "list"), 1);
	assert_int_equal(str_distance("stauts", "status"), 2);
	assert_int_equal(str_distance("abc", ""), 3);
	assert_int_equal(str_distance("abc", "xyz"), 3);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(str_distance(text, "x"), STR_DISTANCE_MAX);
	assert_true(str_hash(1, literal) != str_hash(0, literal));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_bits),
	    cmocka_unit_test(test_str),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
