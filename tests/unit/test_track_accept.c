/* What private_at = accept keeps of what is never sent. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/track_help.h"

#include <stdio.h>

#define STARS_16 "****************"
#define STARS_64 STARS_16 STARS_16 STARS_16 STARS_16
#define LONG	 "0123456789abcdef"
#define LONG_64	 LONG LONG LONG LONG

#define NEEDED		  "{\"event_type\":\"a.b.C\",\"id\":\"i\",\"time\":1"
#define BARE(more)	  NEEDED more "}"
#define EVENT(user, more) BARE(",\"user\":" user more)

/* Members of a form that is never read, and unknown ones. */
static void
test_unread(void **state)
{
	static const struct {
		const char *in, *kept;
	} cases[] = {
	    {"[\"s\"]", "null"},
	    {" \"s\" ", "null"},
	    {"17", "null"},
	    {"null", "null"},
	    {EVENT("{}", ",\"properties\":[\"s\"]"), BARE("")},
	    {EVENT("{}", ",\"properties\":\"s\""), BARE("")},
	    {EVENT("{}", ",\"properties\":null"), BARE("")},
	    {EVENT("\"s\"", ",\"properties\":{\"a\":1}"),
		BARE(",\"properties\":{\"a\":1}")},
	    {BARE(",\"properties\":{\"a\":{\"b\":{}},\"c\":[]}"),
		BARE(",\"properties\":{\"c\":[]}")},
	    {BARE(",\"properties\":{\"a\":1,\"a\" : {\"s\":2},\"a\" : 3 }"),
		BARE(",\"properties\":{\"a\" : 3}")},
	    {EVENT("{}", ",\"later\":{\"s\":[1]}"), BARE("")},
	    {EVENT("{\"email\":\"s\",\"device_id\":\"d\",\"x\":{\"y\":1}}", ""),
		EVENT("{\"device_id\":\"d\"}", "")},
	    {EVENT("{\"alias\":{\"alias_name\":\"n\",\"e\":\"s\","
		   "\"alias_label\":[\"s\"]}}",
		 ""),
		EVENT("{\"alias\":{\"alias_name\":\"n\"}}", "")},
	    {EVENT("{\"aliases\":[{\"alias_name\":\"s\"}]}", ""),
		EVENT("{\"aliases\":[[]]}", "")},
	    {EVENT(
		 "{\"external_user_id\":{\"e\":\"s\"},\"device_id\":[1]}", ""),
		EVENT("{\"external_user_id\":[]}", "")},
	    {EVENT("{\"device_id\":[1],\"user_id\":\" \"}", ""),
		EVENT("{\"device_id\":[]}", "")},
	    {"{\"event_type\":[\"s\"],\"id\":{\"e\":\"s\"},\"time\":\"late\"}",
		"{\"time\":\"late\"}"},
	    {"{\"a\":1}", "{}"},
	};
	struct fixture *f = *state;
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		keep(f, str_text(cases[i].in));
		(void)buf_char(&f->kept, '\0');
		assert_string_equal(f->kept.data, cases[i].kept);
	}
	buf_reset(&f->kept);
	assert_false(
	    redact_write(&f->rules, str_text("{\"a\""), &f->kept, &err));
	assert_int_equal(err.code, ERR_INPUT);
	assert_int_equal(f->kept.len, 0);
}

/* Dead for the same reason as it would be, but no id is kept. */
static void
test_unusable_identities(void **state)
{
	static const struct {
		const char *user, *kept, *reason;
	} cases[] = {
	    {"{\"external_user_id\":\"" LONG_64 LONG_64 LONG_64 LONG_64 "\","
	     "\"alias\":\"" DATA "\",\"device_id\":\"d\",\"user_id\":\"b\","
	     "\"timezone\":\"t\"}",
		"{\"external_user_id\":\"" STARS_64 STARS_64 STARS_64 STARS_64
		"\",\"alias\":\"" MARK "\"}",
		"external_user_id is longer than 255 characters"},
	    {"{\"external_user_id\":\" NULL\",\"device_id\":\"d\"}",
		"{\"external_user_id\":\" NULL\"}",
		"external_user_id is a placeholder"},
	    {"{\"external_user_id\":\"s\\u0000\"}",
		"{\"external_user_id\":\"\xef\xbf\xbd\"}",
		"external_user_id has an unreadable character"},
	    {"{\"external_user_id\":true}", "{\"external_user_id\":[]}",
		"external_user_id is not text"},
	    {"{\"alias\":{\"alias_name\":\"" DATA "\"}}",
		"{\"alias\":{\"alias_name\":\"" MARK "\"}}",
		"no alias with the wanted label"},
	    {"{\"alias_name\":\"guest\",\"user_alias\":\"" DATA "\"}",
		"{\"alias_name\":\"guest\",\"user_alias\":\"" MARK "\"}",
		"no alias with the wanted label"},
	    {"{\"aliases\":[\"s\"],\"device_id\":\"d\"}", "{\"aliases\":[[]]}",
		"a list of aliases is not an identity"},
	    /* this person is known by nothing else */
	    {"{\"device_id\":\"d\",\"user_id\":\"b\",\"timezone\":\"t\"}",
		"{\"device_id\":\"d\",\"user_id\":\"b\"}", NULL},
	};
	struct fixture *f = *state;
	char want[1024];

	f->rules.identity_hash = true;
	f->rules.alias_label = "crm";
	f->rules.drop =
	    (struct track_list)LIST("device_id", "braze_user_id", "timezone");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		put(f, "a.b.C", cases[i].user, "\"properties\":{}");
		keep(f, view(&f->event));
		map(f, view(&f->event));
		if (cases[i].reason != NULL)
			assert_string_equal(f->result.reason, cases[i].reason);
		else
			assert_int_equal(f->result.fate, TRACK_SEND);
		map(f, view(&f->kept));
		if (cases[i].reason != NULL)
			assert_string_equal(f->result.reason, cases[i].reason);
		else
			assert_int_equal(f->result.fate, TRACK_SEND);
		(void)buf_char(&f->kept, '\0');
		snprintf(want, sizeof(want), "\"user\":%s}", cases[i].kept);
		if (strstr(f->kept.data, want) == NULL)
			fail_msg("%s: %s", want, f->kept.data);
	}
}

/* Of a request to erase, whom Braze names stays, and no other id. */
static void
test_erasure(void **state)
{
	static const char erase[] = "{\"user_id\":\"b\","
				    "\"external_user_id\":\"" DATA "\"}",
			  kept[] = "\"user\":{\"user_id\":\"b\","
				   "\"external_user_id\":\"" MARK "\"}";
	struct fixture *f = *state;

	f->rules.identity_hash = true;
	f->rules.drop = (struct track_list)LIST("braze_user_id");
	put(f, "users.UserDeleteRequest", erase, "\"properties\":{}");
	keep(f, view(&f->event));
	map(f, view(&f->kept));
	assert_string_equal(f->result.reason, "erasure request");
	(void)buf_char(&f->kept, '\0');
	assert_non_null(strstr(f->kept.data, kept));
}

/*
 * What is hashed of a number is what would be sent: of an integer its digits,
 * whatever their number. Of an id it is the literal. And it is the same whether
 * it is hashed at acceptance or on the way out.
 */
static void
test_hashed_numbers(void **state)
{
	static const struct {
		const char *user, *number, *text;
	} cases[] = {
	    {"\"u\"", "42", "42"},
	    {"\"u\"", "-0", "0"},
	    {"\"u\"", "9007199254740993", "9007199254740993"},
	    {"\"u\"", "1.50", "1.5"},
	    {"\"u\"", "1.0", "1"},
	    {"\"u\"", "59.970000000000006", "59.970000000000006"},
	    {"\"u\"", "1e400", "1e400"},
	    {"7.0", "1", "1"},
	    {"-0", "1", "1"},
	    {"12345678901234567890", "1", "1"},
	};
	struct fixture *f = *state;
	struct buf sent;
	char user[128], quoted[128], more[128];

	f->rules.hash = (struct track_list)LIST("url", "device_id");
	f->rules.identity_hash = true;
	buf_init(&sent, ROOM);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *id = cases[i].user;
		bool text = id[0] == '"';

		snprintf(user, sizeof(user),
		    "{\"external_user_id\":%s,\"device_id\":%s}", id, id);
		snprintf(more, sizeof(more), "\"properties\":{\"url\":%s}",
		    cases[i].number);
		put(f, "a.b.C", user, more);
		keep(f, view(&f->event));
		map(f, view(&f->event));
		assert_int_equal(f->result.fate, TRACK_SEND);
		assert_int_equal(f->result.omission_count, 0);
		buf_reset(&sent);
		assert_true(buf_append(&sent, f->out.data, f->out.len));
		map(f, view(&f->kept));
		assert_string_equal(f->out.data, sent.data);
		snprintf(quoted, sizeof(quoted),
		    text ? "{\"external_user_id\":%s,\"device_id\":%s}"
			 : "{\"external_user_id\":\"%s\","
			   "\"device_id\":\"%s\"}",
		    id, id);
		snprintf(more, sizeof(more), "\"properties\":{\"url\":\"%s\"}",
		    cases[i].text);
		put(f, "a.b.C", quoted, more);
		map(f, view(&f->event));
		assert_string_equal(f->out.data, sent.data);
	}
	buf_fini(&sent);
}

/* A number that no class leaves out is sent as its hash, although that is a
 * text, which would be unclassified. */
static void
test_hashed_unknown_numbers(void **state)
{
	struct fixture *f = *state;

	f->rules.hash = (struct track_list)LIST("*");
	f->rules.drop = (struct track_list)LIST("unclassified");
	put(f, "a.b.C", "{\"external_user_id\":\"u\"}",
	    "\"properties\":{\"later\":17,\"note\":\"" DATA "\"}");
	keep(f, view(&f->event));
	map(f, view(&f->kept));
	assert_non_null(strstr(f->out.data, "\"later\":\""));
	assert_null(strstr(f->out.data, "hmac-sha256:"));
	assert_null(strstr(f->out.data, "\"note\""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_unread),
	    TEST(test_unusable_identities),
	    TEST(test_erasure),
	    TEST(test_hashed_numbers),
	    TEST(test_hashed_unknown_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
