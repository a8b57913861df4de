/* Properties, names, privacy, omissions, and what happens without room. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/track/track.h"

#include <stdio.h>
#include <string.h>

enum { ROOM = 1 << 20, EVENT_MAX = 1 << 18 };

#define LIST(...)                                                              \
	{                                                                      \
		(const char *const[]){__VA_ARGS__},                            \
		    sizeof((const char *const[]){__VA_ARGS__}) /               \
			sizeof(char *)                                         \
	}

struct fixture {
	struct track_rules rules;
	struct track_result result;
	struct buf event, out;
};

static int
setup(void **state)
{
	static const char *const unclassified = "unclassified";
	static struct fixture f;

	track_rules_init(&f.rules);
	/* most names below are of no type */
	f.rules.keep = (struct track_list){&unclassified, 1};
	f.rules.add_channel = f.rules.add_event_id = false;
	buf_init(&f.event, EVENT_MAX);
	buf_init(&f.out, ROOM);
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	buf_fini(&f->event);
	buf_fini(&f->out);
	return 0;
}

static void
put_event(struct fixture *f, const char *type, const char *properties)
{
	buf_reset(&f->event);
	(void)buf_printf(&f->event,
	    "{\"event_type\":\"%s\",\"id\":\"i\","
	    "\"time\":1,\"user\":{\"external_user_id\":\"u\"},",
	    type);
	(void)buf_printf(&f->event, "\"properties\":%s}", properties);
	assert_true(buf_ok(&f->event, NULL));
}

/* Map properties and compare those that would be sent. */
static void
check(struct fixture *f, const char *type, const char *properties,
    const char *want)
{
	const char *got;

	put_event(f, type, properties);
	buf_reset(&f->out);
	assert_true(
	    track_write(&f->rules, str_bytes(f->event.data, f->event.len), 0,
		&f->out, &f->result, NULL));
	assert_int_equal(f->result.fate, TRACK_SEND);
	(void)buf_char(&f->out, '\0');
	got = strstr(f->out.data, "\"properties\":");
	assert_non_null(got);
	f->out.data[f->out.len - 2] = '\0'; /* the last brace */
	assert_string_equal(got + strlen("\"properties\":"), want);
}

static void
test_values(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
	    {"{}", "{}"},
	    {"{\"a\":null,\"b\":\"\",\"c\":\" \\t\\u2003\",\"d\":[]}", "{}"},
	    {"{\"a\":true,\"b\":false}", "{\"a\":\"true\",\"b\":\"false\"}"},
	    {"{\"a\":\"x\\u0000y\\ud800\"}",
		"{\"a\":\"x\xef\xbf\xbdy\xef\xbf\xbd\"}"},
	    {"{\"a\":[1,\"x\",null,\" \",true,\"\\u00e9\"]}",
		"{\"a\":\"1||x||true||\xc3\xa9\"}"},
	    {"{\"a\":[ {\"k\" : [ ] }, null, \"q\\\"\" ]}",
		"{\"a\":\"[{\\\"k\\\":[]},null,\\\"q\\\\\\\"\\\"]\"}"},
	    {"{\"a\":{\"b\":{\"c\":1}},\"d\":{}}", "{\"a.b.c\":1}"},
	    {"{\"a\":{\"x\":1},\"a\":{\"y\":2}}", "{\"a.y\":2}"},
	    {"{\"a\":1,\"\\u0061\":2}", "{\"a\":2}"},
	    {"{\" \":1,\"a\":{\"\":2}}", "{\"a.\":2}"},
	    {"null", "{}"},
	    {"[1]", "{}"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check(*state, "a.b.C", cases[i].in, cases[i].want);
}

/* As written, and as sent; a text is in quotes. */
static void
test_numbers(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
	    /* integers: as they are, while a double holds them */
	    {"0", "0"},
	    {"-0", "0"},
	    {"-12", "-12"},
	    {"9007199254740992", "9007199254740992"},
	    {"-9007199254740992", "-9007199254740992"},
	    {"9007199254740993", "\"9007199254740993\""},
	    {"-9007199254740993", "\"-9007199254740993\""},
	    {"12345678901234567890", "\"12345678901234567890\""},
	    /* the others: the shortest decimal of the same double */
	    {"59.970000000000006", "59.970000000000006"},
	    {"0.1", "0.1"},
	    {"1.50", "1.5"},
	    {"-1.50", "-1.5"},
	    {"15e-1", "1.5"},
	    {"1.0", "1"},
	    {"100.0", "100"},
	    {"1e3", "1000"},
	    {"1E+3", "1000"},
	    {"-0.0", "0"},
	    {"0e999", "0"},
	    {"-0E-99999999999999999999", "0"},
	    {"123456789.0123456", "123456789.0123456"},
	    {"0.30000000000000004441", "0.30000000000000004"},
	    {"0.3000000000000000166", "0.3"},
	    {"9007199254740993.0", "9007199254740992"},
	    {"9999999999999998.0", "9999999999999998"},
	    {"1e16", "1e+16"},
	    {"12345678901234567890.5", "1.2345678901234567e+19"},
	    {"1e23", "1e+23"},
	    {"0.000001", "0.000001"},
	    {"0.00000123", "0.00000123"},
	    {"1.5e-7", "1.5e-7"},
	    {"0.1e-300", "1e-301"},
	    {"1e300", "1e+300"},
	    {"1.7976931348623157e308", "1.7976931348623157e+308"},
	    {"179769313486231580793e288", "1.7976931348623157e+308"},
	    {"2.2250738585072014e-308", "2.2250738585072014e-308"},
	    {"5e-324", "5e-324"},
	    {"4.940656458412465e-324", "5e-324"},
	    /* 2^-44, where the nearest of 16 digits is not the shortest */
	    {"5.684341886080801486968994140625e-14", "5.684341886080802e-14"},
	    /* what no double holds */
	    {"1e400", "\"1e400\""},
	    {"-1e400", "\"-1e400\""},
	    {"1.8e308", "\"1.8e308\""},
	    {"1e-400", "\"1e-400\""},
	    {"-2e-324", "\"-2e-324\""},
	    {"1e99999999999999999999", "\"1e99999999999999999999\""},
	};
	struct fixture *f = *state;
	char in[128], want[128];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		bool text = cases[i].want[0] == '"';

		(void)snprintf(in, sizeof(in), "{\"url\":%s}", cases[i].in);
		(void)snprintf(
		    want, sizeof(want), "{\"url\":%s}", cases[i].want);
		check(f, "a.b.C", in, want);
		assert_int_equal(f->result.omission_count, text);
		if (!text)
			continue;
		assert_string_equal(f->result.omissions[0].property, "url");
		assert_int_equal(
		    f->result.omissions[0].kind, TRACK_OMISSION_NUMBER_AS_TEXT);
		assert_int_equal(f->result.omissions[0].count, 1);
	}
}

static void
test_names_that_clash(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
	    {"{\"a\":{\"b\":1},\"a.b\":2}", "{\"a.b#2\":1,\"a.b\":2}"},
	    {"{\"a\":{\"b.c\":1},\"a.b\":{\"c\":2}}",
		"{\"a.b.c\":1,\"a.b.c#2\":2}"},
	    {"{\"a.b\":{\"c\":2},\"a\":{\"b.c\":1}}",
		"{\"a.b.c#2\":2,\"a.b.c\":1}"},
	    {"{\"a\":{\"b\":1},\"a.b\":2,\"a.b#2\":3}",
		"{\"a.b#3\":1,\"a.b\":2,\"a.b#2\":3}"},
	    {"{\"\\u0000\":1,\"\\ud800\":2}",
		"{\"\xef\xbf\xbd\":1,\"\xef\xbf\xbd#2\":2}"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check(*state, "a.b.C", cases[i].in, cases[i].want);
}

static const struct track_omission *
omission_find(const struct fixture *f, const char *property,
    enum track_omission_kind kind)
{
	for (unsigned i = 0; i < f->result.omission_count; i++) {
		const struct track_omission *omission = &f->result.omissions[i];

		if (omission->kind == kind &&
		    strcmp(omission->property, property) == 0)
			return omission;
	}
	return NULL;
}

/* An event whose property `name` is so many times `part`, quoted. */
static void
put_long(struct fixture *f, const char *name, const char *part, int times)
{
	put_event(f, "a.b.C", "");
	f->event.len--;
	(void)buf_printf(&f->event, "{\"%s\":\"", name);
	for (int i = 0; i < times; i++)
		(void)buf_text(&f->event, part);
	(void)buf_text(&f->event, "\"}}");
	buf_reset(&f->out);
	assert_true(
	    track_write(&f->rules, str_bytes(f->event.data, f->event.len), 0,
		&f->out, &f->result, NULL));
	(void)buf_char(&f->out, '\0');
}

static void
test_cut(void **state)
{
	struct fixture *f = *state;

	put_long(f, "name", "x", 1023);
	assert_null(omission_find(f, "name", TRACK_OMISSION_CUT));
	put_long(f, "name", "x", 1024);
	assert_int_equal(
	    omission_find(f, "name", TRACK_OMISSION_CUT)->count, 1);
	/* two units each: 511 fit, and half a character is none */
	put_long(f, "name", "\xf0\x9f\x98\x80", 512);
	assert_non_null(omission_find(f, "name", TRACK_OMISSION_CUT));
	assert_int_equal(strlen(strstr(f->out.data, "\xf0\x9f\x98\x80")),
	    511 * 4 + strlen("\"}}"));
	put_long(f, "unheard_of", "x", 2000);
	assert_non_null(omission_find(f, "other", TRACK_OMISSION_CUT));
}

static void
test_elements_that_do_not_fit(void **state)
{
	struct fixture *f = *state;
	char in[4096], want[4096];

	snprintf(
	    in, sizeof(in), "{\"a\":[\"%01000d\",\"%0100d\",\"x\"]}", 0, 0);
	snprintf(want, sizeof(want), "{\"a\":\"%01000d||x\"}", 0);
	check(f, "a.b.C", in, want);
	assert_int_equal(
	    omission_find(f, "other", TRACK_OMISSION_ELEMENTS)->count, 1);
	snprintf(in, sizeof(in), "{\"a\":[[\"%01100d\"],{}]}", 0);
	check(f, "a.b.C", in, "{\"a\":\"[{}]\"}");
	snprintf(in, sizeof(in), "{\"a\":[[\"%01100d\"]]}", 0);
	check(f, "a.b.C", in, "{}");
	assert_non_null(omission_find(f, "other", TRACK_OMISSION_TOO_LONG));
}

static void
test_privacy(void **state)
{
	static const char in[] =
	    "{\"push_token\":\"s\",\"message_body\":\"m\","
	    "\"email_address\":\"e\",\"custom_properties\":{\"a\":{\"b\":1}},"
	    "\"esp\":\"x\"}";
	const struct {
		struct track_list keep, drop;
		const char *want;
	} cases[] = {
	    {.want = "{\"custom_properties.a.b\":1,\"esp\":\"x\"}"},
	    {.keep = LIST("*", "secret"),
		.want = "{\"message_body\":\"m\",\"email_address\":\"e\","
			"\"custom_properties.a.b\":1,\"esp\":\"x\"}"},
	    {.keep = LIST("contact"),
		.drop = LIST("custom_properties.a"),
		.want = "{\"email_address\":\"e\",\"esp\":\"x\"}"},
	    {.keep = LIST("users.*/email_*", "no.Type/*"),
		.drop = LIST("*.b", "es"),
		.want = "{\"email_address\":\"e\",\"esp\":\"x\"}"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		f->rules.keep = cases[i].keep;
		f->rules.drop = cases[i].drop;
		check(f, "users.messages.email.Open", in, cases[i].want);
		assert_int_equal(
		    omission_find(f, "push_token", TRACK_OMISSION_PRIVATE)
			->count,
		    1);
	}
}

/* RFC 4231, test case 2; without a key what should be hashed is not sent. */
static void
test_hash(void **state)
{
	static const char in[] = "{\"a\":\"what do ya want for nothing?\","
				 "\"push_token\":\"s\"}";
	struct fixture *f = *state;

	f->rules.hash = (struct track_list)LIST("a", "push_token");
	check(f, "a.b.C", in, "{}");
	f->rules.key = str_text("Jefe");
	check(f, "a.b.C", in,
	    "{\"a\":\"5bdcc146bf60754e6a042426089575c7"
	    "5a003f089d2739839dec58b964ec3843\"}");
}

static void
test_names(void **state)
{
	static const struct track_rename renames[] = {{"custom.a", "A"},
	    {"users.behaviors.CustomEvent", "custom"}, {"bought", "Bought"}};
	static const char custom[] = "users.behaviors.CustomEvent";
	struct fixture *f = *state;

	f->rules.add_channel = true;
	f->rules.prefix = "braze-";
	f->rules.renames = renames;
	f->rules.rename_count = 3;
	check(f, "users.messages.email.Open", "{\"custom\":{\"a\":1,\"b\":2}}",
	    "{\"braze_channel\":\"email\",\"braze_action\":\"Open\","
	    "\"A\":1,\"braze-custom.b\":2}");
	assert_non_null(strstr(
	    f->out.data, "\"event\":\"braze-users.messages.email.Open\""));
	check(f, custom, "{\"name\":\"bought\"}",
	    "{\"braze_channel\":\"behaviors\","
	    "\"braze_action\":\"CustomEvent\",\"braze-name\":\"bought\"}");
	assert_non_null(strstr(f->out.data, "{\"event\":\"custom\""));
	f->rules.custom_event_name = true;
	put_event(f, custom, "{\"name\":\"bought\"}");
	buf_reset(&f->out);
	assert_true(
	    track_write(&f->rules, str_bytes(f->event.data, f->event.len), 0,
		&f->out, &f->result, NULL));
	assert_memory_equal(f->out.data, "{\"event\":\"Bought\"", 17);
	put_event(f, custom, "{\"name\":\"sold\"}");
	buf_reset(&f->out);
	assert_true(
	    track_write(&f->rules, str_bytes(f->event.data, f->event.len), 0,
		&f->out, &f->result, NULL));
	assert_memory_equal(f->out.data, "{\"event\":\"braze-sold\"", 21);
}

/* At every size of a buffer that is too small, it is left as it was. */
static void
test_no_room(void **state)
{
	struct fixture *f = *state;
	struct track_result result;
	size_t whole;
	struct err err;

	put_event(f, "a.b.C", "{\"a\":\"x\\ny\",\"b\":[1,[2]],\"c\":3}");
	assert_true(
	    track_write(&f->rules, str_bytes(f->event.data, f->event.len), 0,
		&f->out, &f->result, NULL));
	whole = f->out.len;
	for (size_t limit = 1; limit <= whole; limit++) {
		struct buf out;

		buf_init(&out, limit);
		(void)buf_char(&out, '#');
		assert_false(track_write(&f->rules,
		    str_bytes(f->event.data, f->event.len), 0, &out, &result,
		    &err));
		assert_int_equal(err.code, ERR_LIMIT);
		assert_int_equal(out.len, 1);
		assert_false(out.failed);
		buf_fini(&out);
	}
}

static void
test_fates(void **state)
{
	static const struct {
		const char *event;
		enum track_fate fate;
		const char *reason;
	} cases[] = {
	    {"", TRACK_DEAD, "not a readable event"},
	    {"[]", TRACK_DEAD, "not a readable event"},
	    {"{} {}", TRACK_DEAD, "not a readable event"},
	    {"{\"a\":\"\xff\"}", TRACK_DEAD, "not a readable event"},
	    {"{}", TRACK_DEAD, "no event_type"},
	    {"{\"event_type\":\"x\"}", TRACK_DEAD, "no id"},
	    {"{\"event_type\":\"x\",\"id\":\"i\",\"time\":1e40}", TRACK_DEAD,
		"time is outside the range that Heap reads"},
	    {"{\"event_type\":\"x\",\"id\":\"i\",\"time\":1}", TRACK_DROP,
		"no user"},
	    {"{\"event_type\":\"users.UserDeleteRequest\",\"id\":\"i\","
	     "\"time\":1,\"user\":{\"external_user_id\":\"u\"}}",
		TRACK_DEAD, "erasure request without user_id"},
	    {"{\"event_type\":\"users.UserDeleteRequest\",\"id\":\"i\","
	     "\"time\":1,\"user\":{\"user_id\":\"[redacted]\"}}",
		TRACK_DEAD, "user_id is a placeholder"},
	    {"{\"event_type\":\"users.UserDeleteRequest\",\"id\":\"i\","
	     "\"time\":1,\"user\":{\"user_id\":\"b\\u0061c\"}}",
		TRACK_DROP, "erasure request"},
	    {"{\"event_type\":\"agentconsole.ToolInvocation\",\"id\":\"i\","
	     "\"time\":1,\"user\":{}}",
		TRACK_DROP, "no user"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_true(track_write(&f->rules, str_text(cases[i].event), 0,
		    &f->out, &f->result, NULL));
		assert_int_equal(f->result.fate, cases[i].fate);
		assert_string_equal(f->result.reason, cases[i].reason);
		assert_int_equal(f->out.len, 0);
	}
}

static void
test_around(void **state)
{
	struct fixture *f = *state;

	track_head_write(&f->out, "123");
	track_tail_write(&f->out);
	(void)buf_char(&f->out, '\0');
	assert_string_equal(f->out.data, "{\"app_id\":\"123\",\"events\":[]}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_values),
	    TEST(test_numbers),
	    TEST(test_names_that_clash),
	    TEST(test_cut),
	    TEST(test_elements_that_do_not_fit),
	    TEST(test_privacy),
	    TEST(test_hash),
	    TEST(test_names),
	    TEST(test_no_room),
	    TEST(test_fates),
	    TEST(test_around),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
