/* Which person an event is about, for erasing. */

#include "base/buf.h"
#include "schema/currents/currents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *event, *id;
	bool matches;
} cases[] = {
    {"{\"user\":{\"external_user_id\":\"ann\"}}", "ann", true},
    {"{\"user\":{\"external_user_id\":\"anna\"}}", "ann", false},
    {"{\"user\":{\"external_user_id\":\"\\u0061nn\"}}", "ann", true},
    {"{\"user\":{\"external_user_id\":12}}", "12", true},
    {"{\"user\":{\"external_user_id\":123}}", "12", false},
    {"{\"user\":{\"user_id\":\"0123\"}}", "0123", true},
    {"{\"user\":{\"device_id\":\"d-1\"}}", "d-1", true},
    {"{\"user\":{\"alias\":\"nick\"}}", "nick", true},
    {"{\"user\":{\"user_alias\":{\"alias_label\":\"l\","
     "\"alias_name\":\"nick\"}}}",
	"nick", true},
    {"{\"user\":{\"user_alias\":{\"alias_label\":\"l\","
     "\"alias_name\":\"nick\"}}}",
	"l", false},
    {"{\"user\":{\"alias_name\":\"nick\"}}", "nick", true},
    {"{\"user\":{\"aliases\":[1,{\"alias_label\":\"l\","
     "\"alias_name\":\"nick\"}]}}",
	"nick", true},
    {"{\"user\":{\"user_aliases\":[\"a\",\"nick\"]}}", "nick", true},
    {"{\"user\":{\"aliases\":[{\"x\":\"nick\"},[\"nick\"]]}}", "nick", false},
    {"{\"user\":{\"timezone\":\"ann\"},\"properties\":{\"a\":\"ann\"}}", "ann",
	false},
    {"{\"properties\":{\"orphaned_by_id\":\"0123\"}}", "0123", true},
    {"{\"user\":{\"user_id\":\"a\"},\"user\":{\"user_id\":\"b\"}}", "a", true},
    {"{\"user\":null}", "null", false},
    {"{\"user\":{\"x\":{\"user_id\":\"ann\"}}}", "ann", false},
    /* What is no JSON is searched. */
    {"{\"user\":{\"user_id\":\"ann\"", "ann", true},
    {"{\"time\":1234,", "12", false},
    {"{\"user_id\":\"12\",", "12", true},
    {"{\"user_id\":\"\\u00e9va\",", "\xc3\xa9va", true},
    {"{\"user_id\":\"\\ud83d\\ude00\",", "\xf0\x9f\x98\x80", true},
    {"external=ann&x", "ann", true},
    {"\\u00", "u", false},
    {"ann", "ann", true},
    {"an", "ann", false},
    {"", "ann", false},
    {"[\"ann\"]", "ann", true},
};

static void
test_person(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* Another id in the set changes nothing. */
		const struct str ids[] = {
		    STR("another"), str_text(cases[i].id)};
		struct str event = str_text(cases[i].event);

		if (person_matches(event, ids, 2) != cases[i].matches)
			fail_msg("%s in %s", cases[i].id, cases[i].event);
		assert_false(person_matches(event, ids, 1));
	}
	assert_false(person_mentioned(str_text("ann"), str_text("")));
	/* a NUL is no digit of an escape */
	assert_false(person_mentioned(
	    str_bytes("\\u\0\0\0\0", 6), str_text("\xff\xbf\xbf\xbf")));
}

/* ---- by what an event is found ---- */

static bool
key_write(void *arg, enum person_id kind, struct str id)
{
	struct buf *text = arg;

	(void)buf_printf(
	    text, "%s%.*s ", kind == PERSON_NONE ? "own " : "", STR_ARGS(id));
	return true;
}

static void
test_keys(void **state)
{
	/* NULL: it may be found by any word */
	static const struct {
		const char *event, *keys;
	} of[] = {
	    {"{\"id\":\"i\",\"user\":{\"user_id\":\"u\",\"device_id\":\"d\","
	     "\"external_user_id\":7,\"alias\":\"a\"},"
	     "\"properties\":{\"id\":\"no\",\"orphaned_by_id\":\"o\"}}",
		"own i u d 7 a o "},
	    {"{\"id\":\"\\u0069\"}", "own i "},
	    {"{\"\\u0069d\":\"i\"}", "own i "},
	    {"{\"id\":\"a\",\"id\":\"i\"}", "own a own i "},
	    {"{\"id\":\"a\",\"id\":{\"id\":\"i\"}}", NULL},
	    {"{\"id\":\"a\",\"id\":[\"i\"]}", NULL},
	    {"{\"id\":\"a\",\"id\":null}", NULL},
	    {"{\"id\":\"a\",\"id\":\"\"}", NULL},
	    {"{\"id\":null,\"id\":\"i\"}", "own i "},
	    {"{\"id\":5}", NULL},
	    {"{\"id\":\"\"}", NULL},
	    {"{\"user\":{\"user_id\":\"u\"}}", NULL},
	    {"{\"id\":\"i\"", NULL},
	    {"{\"id\":\"i\"}x", NULL},
	    {"{\"id\":\"\xff\"}", NULL},
	    {"\"i\"", NULL},
	    {"[{\"id\":\"i\"}]", NULL},
	    {"", NULL},
	};
	char escaped[8 * PERSON_ID_MAX] = "{\"id\":\"";
	struct buf text;

	(void)state;
	buf_init(&text, 1 << 16);
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		buf_reset(&text);
		assert_int_equal(
		    person_each_key(str_text(of[i].event), key_write, &text),
		    of[i].keys != NULL);
		if (of[i].keys == NULL)
			continue;
		assert_true(buf_char(&text, '\0'));
		assert_string_equal(text.data, of[i].keys);
	}
	/* too long to be decoded here */
	for (int i = 0; i < PERSON_ID_MAX / 6 + 1; i++)
		strcat(escaped, "\\u0061");
	strcat(escaped, "\"}");
	assert_false(person_each_key(str_text(escaped), key_write, &text));
	buf_fini(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_person),
	    cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
