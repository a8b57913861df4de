/* The flat list: order, repetitions, paths, depth, and many members. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/json/flat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 5000, TEXT_MAX = 1 << 20 };

static bool
read_text(struct flat *flat, const char *text, struct err *ret_err)
{
	return flat_read(flat, str_text(text), ret_err);
}

/* The paths and values of what is not superseded, one a line. */
static void
list(struct flat *flat, char *ret)
{
	*ret = '\0';
	for (size_t i = 0; i < flat->count; i++) {
		const struct flat_node *node = &flat->nodes[i];

		if (node->superseded || node->kind == SCAN_OBJECT)
			continue;
		ret += sprintf(ret, "%.*s=%.*s\n", (int)node->path.len,
		    node->path.data, (int)node->text.len, node->text.data);
	}
}

static void
test_lists(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
	    {"{}", ""},
	    {" { \"a\" : 1 , \"b\" : [ 1 , { } ] } ", "a=1\nb=[ 1 , { } ]\n"},
	    {"{\"a\":{\"b\":{\"c\":\"x\\n\"},\"d\":null}}",
		"a.b.c=x\n\na.d=null\n"},
	    {"{\"a\":1,\"a\":2,\"b\":3}", "a=2\nb=3\n"},
	    {"{\"a\":{\"b\":1,\"b\":2},\"a\":{\"c\":3}}", "a.c=3\n"},
	    {"{\"a\":{\"c\":3},\"a\":{\"b\":1,\"b\":2}}", "a.b=2\n"},
	    {"{\"a\":{\"x\":1},\"b\":{\"x\":2}}", "a.x=1\nb.x=2\n"},
	    {"{\"a\":1,\"\\u0061\":2}", "a=2\n"},
	    {"{\"\\u0000\":1,\"\\u0000\":2}",
		"\xef\xbf\xbd=1\n\xef\xbf\xbd=2\n"},
	};
	char got[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct flat flat;

		assert_true(read_text(&flat, cases[i].in, NULL));
		assert_true(flat_paths(&flat, FLAT_ROOT, NULL));
		list(&flat, got);
		assert_string_equal(got, cases[i].want);
		flat_fini(&flat);
	}
}

static void
test_refuses(void **state)
{
	static const char *const cases[] = {"", " ", "1", "[]", "{", "{}x",
	    "{\"a\"}", "{\"a\":1,}", "{\"a\":\"\xff\"}", "{\"\xc0\x80\":1}",
	    "{\"a\":[1}", "{\"a\":01}", "{\"a\":{\"b\":[{\"c\":]}}"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct flat flat;
		struct err err;

		assert_false(read_text(&flat, cases[i], &err));
		assert_int_equal(err.code, ERR_INPUT);
		flat_fini(&flat);
	}
}

/* An object in an object, so many times, with `inside` in the innermost. */
static bool
nest(unsigned objects, const char *inside)
{
	char text[1024] = "";
	struct flat flat;
	size_t len = 0;
	bool ok;

	for (unsigned i = 1; i < objects; i++)
		len += (size_t)sprintf(text + len, "{\"a\":");
	len += (size_t)sprintf(text + len, "{\"a\":%s}", inside);
	for (unsigned i = 1; i < objects; i++)
		text[len++] = '}';
	ok = flat_read(&flat, str_bytes(text, len), NULL);
	if (ok)
		assert_int_equal(flat.nodes[flat.count - 1].depth, objects);
	flat_fini(&flat);
	return ok;
}

static void
test_depth(void **state)
{
	(void)state;
	assert_true(nest(64, "1"));
	assert_false(nest(64, "{}"));
	assert_false(nest(64, "[]"));
	assert_true(nest(63, "[]"));
	assert_false(nest(63, "[[]]"));
}

/* Many members, each twice: the same answer as for few. */
static void
test_many(void **state)
{
	char *text = malloc(TEXT_MAX);
	const struct flat_node *node;
	struct flat flat;
	size_t len = 0, left = 0;

	(void)state;
	assert_non_null(text);
	text[len++] = '{';
	for (int i = 0; i < 2 * MANY; i++)
		len += (size_t)sprintf(text + len, "\"k%d\":%d,", i % MANY, i);
	len += (size_t)sprintf(text + len, "\"end\":0}");
	assert_true(flat_read(&flat, str_bytes(text, len), NULL));
	assert_int_equal(flat.count, 2 * MANY + 1);
	for (size_t i = 0; i < flat.count; i++)
		left += !flat.nodes[i].superseded;
	assert_int_equal(left, MANY + 1);
	node = flat_find(&flat, FLAT_ROOT, "k7");
	assert_non_null(node);
	assert_int_equal(flat_index(&flat, node), MANY + 7);
	assert_null(flat_find(&flat, FLAT_ROOT, "k"));
	flat_fini(&flat);
	free(text);
}

/* A path is cut at a character, and what is in it has no longer one. */
static void
test_long_paths(void **state)
{
	char text[4096];
	struct flat flat;
	int len;

	(void)state;
	len = sprintf(text,
	    "{\"%0511d\":{\"\xf0\x9f\x98\x80\":{\"x\":1},"
	    "\"\":2}}",
	    0);
	assert_true(flat_read(&flat, str_bytes(text, (size_t)len), NULL));
	assert_true(flat_paths(&flat, FLAT_ROOT, NULL));
	assert_int_equal(flat.nodes[0].path.len, 511);
	assert_false(flat.nodes[0].path_cut);
	assert_int_equal(flat.nodes[1].path.len, 512);
	assert_true(flat.nodes[1].path_cut);
	assert_true(flat.nodes[2].path_cut);
	assert_int_equal(flat.nodes[2].path.len, 512);
	assert_int_equal(flat.nodes[3].path.len, 512);
	assert_false(flat.nodes[3].path_cut);
	flat_fini(&flat);
}

/* Long names above very many members would take far more than the event. */
static void
test_paths_are_bounded(void **state)
{
	char *text = malloc(TEXT_MAX);
	struct flat flat;
	struct err err;
	size_t len;

	(void)state;
	assert_non_null(text);
	len = (size_t)sprintf(text, "{\"%0500d\":{\"a\":0", 0);
	for (int i = 0; i < 20 * MANY; i++)
		len += (size_t)sprintf(text + len, ",\"\":1");
	text[len++] = '}';
	text[len++] = '}';
	assert_true(flat_read(&flat, str_bytes(text, len), NULL));
	assert_true(flat_paths(&flat, FLAT_ROOT, NULL)); /* all one key */
	flat_fini(&flat);
	len = (size_t)sprintf(text, "{\"%0500d\":{\"a\":0", 0);
	for (int i = 0; i < 20 * MANY; i++)
		len += (size_t)sprintf(text + len, ",\"%x\":1", i);
	text[len++] = '}';
	text[len++] = '}';
	assert_true(flat_read(&flat, str_bytes(text, len), NULL));
	assert_false(flat_paths(&flat, FLAT_ROOT, &err));
	assert_int_equal(err.code, ERR_LIMIT);
	flat_fini(&flat);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lists),
	    cmocka_unit_test(test_refuses),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_long_paths),
	    cmocka_unit_test(test_paths_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
