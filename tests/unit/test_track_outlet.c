/*
 * Heap behind the seam: its limits, the identity of a first post, the body of
 * a request, and what its answers mean.
 */

#include "schema/track/track.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define EVENT                                                                  \
	"{\"event_type\":\"users.behaviors.app.SessionStart\",\"id\":\"e1\","  \
	"\"time\":1700000000,\"user\":{\"external_user_id\":\"ann\","          \
	"\"user_id\":\"b1\"},\"properties\":{\"session_id\":\"s\","            \
	"\"platform\":\"ios\",\"app_id\":\"a\"}}"

#define REASON_AHEAD "its time is further in the future than time_ahead allows"

static struct track_settings
settings_make(void)
{
	struct track_settings settings;

	track_settings_init(&settings);
	settings.app_id = "11";
	settings.url = "https://heap.example/api/track";
	return settings;
}

static struct outlet_context *
context_make(const struct track_settings *settings)
{
	struct outlet_context *context = NULL;
	struct err err = {.text = ""};

	if (!track_outlet.context_new(settings, &context, &err))
		fail_msg("%s", err.text);
	return context;
}

static void
test_limits(void **state)
{
	static const struct {
		unsigned events, identity, share;
		size_t count;
		unsigned amounts[2];
	} cases[] = {
	    {15000, 1000, 95, 2, {14250, 950}},
	    {15000, 1000, 100, 2, {15000, 1000}},
	    {15000, 0, 50, 1, {7500, 0}},
	    {0, 1000, 1, 1, {10, 0}},
	    {10, 10, 1, 2, {1, 1}}, /* 0 would be no quota */
	    {0, 0, 95, 0, {0, 0}},
	    {100000000, 100000000, 100, 2, {100000000, 100000000}},
	};
	struct outlet_limit limits[OUTLET_LIMITS_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct track_settings settings = settings_make();
		struct outlet_context *context;
		size_t count;

		settings.events_per_minute = cases[i].events;
		settings.identity_per_minute = cases[i].identity;
		settings.share_percent = cases[i].share;
		context = context_make(&settings);
		count = track_outlet.limits(context, limits);
		assert_int_equal(count, cases[i].count);
		for (size_t n = 0; n < count; n++) {
			bool key = n == 1 || cases[i].events == 0;

			assert_int_equal(limits[n].amount, cases[i].amounts[n]);
			assert_int_equal(limits[n].unit, OUTLET_ITEMS);
			assert_int_equal(limits[n].scope,
			    key ? OUTLET_KEY : OUTLET_DESTINATION);
			assert_int_equal(limits[n].window_ms, 60000);
			assert_false(limits[n].on_the_hour);
		}
		track_outlet.context_free(context);
	}
}

static void
test_context(void **state)
{
	struct track_settings settings = settings_make();
	struct outlet_context *context = context_make(&settings);
	struct outlet_address address;
	struct err err;

	(void)state;
	track_outlet.address(context, false, &address);
	assert_string_equal(address.url, settings.url);
	assert_string_equal(
	    address.headers[0], "Content-Type: application/json");
	track_outlet.context_free(context);
	track_outlet.context_free(NULL);
	settings.app_id = "123456789012345678901";
	assert_false(track_outlet.context_new(&settings, &context, &err));
	assert_int_equal(err.code, ERR_CONFIG);
	settings.app_id = NULL;
	assert_false(track_outlet.context_new(&settings, &context, &err));
}

/* What is sent of the event, under the rules of a first post. */
static struct outlet_prepared
prepare_at(struct outlet_context *context, struct str rules, const char *event,
    int64_t now_ms, char *ret, size_t size)
{
	const struct item item = {.data = str_text(event)};
	struct outlet_prepared prepared;
	struct buf out;
	struct err err;

	buf_init(&out, size - 1);
	assert_true(track_outlet.prepare(
	    context, rules, NULL, &item, now_ms, &out, &prepared, &err));
	if (out.len > 0)
		memcpy(ret, out.data, out.len);
	ret[out.len] = '\0';
	buf_fini(&out);
	return prepared;
}

static struct outlet_prepared
prepare(struct outlet_context *context, struct str rules, const char *event,
    char *ret, size_t size)
{
	return prepare_at(context, rules, event, 0, ret, size);
}

static void
test_prepare(void **state)
{
	struct track_settings settings = settings_make();
	struct outlet_context *context = context_make(&settings);
	const struct str now = {NULL, 0};
	struct outlet_prepared prepared, other;
	char sent[2048];

	(void)state;
	prepared = prepare(context, now, EVENT, sent, sizeof(sent));
	assert_int_equal(prepared.fate, OUTLET_SEND);
	assert_null(prepared.reason);
	assert_non_null(strstr(sent, "\"identity\":\"ann\""));
	other = prepare(
	    context, track_outlet.rules(context), EVENT, sent, sizeof(sent));
	assert_int_equal(other.key, prepared.key);

	prepared = prepare(context, now,
	    "{\"event_type\":\"users.UserDeleteRequest\",\"id\":\"e2\","
	    "\"time\":1,\"user\":{\"user_id\":\"b7\"},\"properties\":{}}",
	    sent, sizeof(sent));
	assert_int_equal(prepared.fate, OUTLET_DROP);
	assert_non_null(prepared.reason);
	assert_string_equal(sent, "");

	prepared = prepare(context, now, "[]", sent, sizeof(sent));
	assert_int_equal(prepared.fate, OUTLET_DEAD);
	assert_non_null(prepared.reason);
	assert_string_equal(sent, "");

	/* what is left out, by property */
	prepared = prepare(context, now,
	    "{\"event_type\":\"users.messages.email.Open\",\"id\":\"e3\","
	    "\"time\":1,\"user\":{\"user_id\":\"b7\"},\"properties\":{"
	    "\"email_address\":\"a@example.com\"}}",
	    sent, sizeof(sent));
	assert_int_equal(prepared.fate, OUTLET_SEND);
	assert_int_equal(prepared.omission_count, 1);
	assert_string_equal(prepared.omissions[0].property, "email_address");
	assert_string_equal(prepared.omissions[0].what, "private");
	assert_int_equal(prepared.omissions[0].count, 1);
	track_outlet.context_free(context);
}

/* Also under the rules of a first post: those say nothing of its time. */
static void
test_from_the_future(void **state)
{
	static const int64_t event_ms = INT64_C(1700000000000),
			     week_ms = INT64_C(7) * 24 * 3600 * 1000;
	static const struct {
		int64_t ahead_ms, now_ms;
		enum outlet_fate fate;
	} cases[] = {
	    {week_ms, event_ms + week_ms, OUTLET_SEND},
	    {week_ms, event_ms - week_ms, OUTLET_SEND},
	    {week_ms, event_ms - week_ms - 1, OUTLET_DEAD},
	    {week_ms, 1, OUTLET_DEAD},
	    {week_ms + 1, event_ms - week_ms - 1, OUTLET_SEND},
	    {1, event_ms, OUTLET_SEND},
	    {1, event_ms - 2, OUTLET_DEAD},
	    /* switched off, and without a clock */
	    {0, 1, OUTLET_SEND},
	    {week_ms, 0, OUTLET_SEND},
	};
	struct track_settings settings = settings_make();
	struct outlet_context *context, *other;
	struct outlet_prepared prepared;
	char sent[2048];

	(void)state;
	assert_int_equal(settings.rules.time_ahead_ms, week_ms);
	settings.rules.identity = TRACK_IDENTITY_BRAZE;
	other = context_make(&settings);
	settings.rules.identity = TRACK_IDENTITY_EXTERNAL;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases) * 2; i++) {
		struct str rules = {NULL, 0};

		if (i % 2 == 1)
			rules = track_outlet.rules(other);
		settings.rules.time_ahead_ms = cases[i / 2].ahead_ms;
		context = context_make(&settings);
		prepared = prepare_at(context, rules, EVENT,
		    cases[i / 2].now_ms, sent, sizeof(sent));
		assert_int_equal(prepared.fate, cases[i / 2].fate);
		assert_true(
		    (prepared.fate == OUTLET_DEAD) == (sent[0] == '\0'));
		if (prepared.fate == OUTLET_DEAD)
			assert_string_equal(prepared.reason, REASON_AHEAD);
		track_outlet.context_free(context);
	}
	/* what is not sent anyway is not dead for its time */
	settings.rules.time_ahead_ms = week_ms;
	context = context_make(&settings);
	prepared = prepare_at(context, (struct str){NULL, 0},
	    "{\"event_type\":\"users.UserDeleteRequest\",\"id\":\"e2\","
	    "\"time\":1700000000,\"user\":{\"user_id\":\"b7\"}}",
	    1, sent, sizeof(sent));
	assert_int_equal(prepared.fate, OUTLET_DROP);
	prepared = prepare_at(context, (struct str){NULL, 0},
	    "{\"event_type\":\"agentconsole.ToolInvocation\",\"id\":\"i\","
	    "\"time\":1700000000,\"user\":{}}",
	    1, sent, sizeof(sent));
	assert_int_equal(prepared.fate, OUTLET_DROP);
	track_outlet.context_free(context);
	track_outlet.context_free(other);
}

/* An event keeps the identity of its first post, whatever the rules are now,
 * and however many there have been. */
static void
test_rules_of_then(void **state)
{
	enum { PAST = 20 }; /* more than are remembered */
	static const char *const words[PAST] = {"a", "b", "c", "d", "e", "f",
	    "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s",
	    "t"};
	struct track_settings settings = settings_make(), then;
	struct outlet_context *now, *past[PAST];
	struct outlet_prepared prepared;
	char sent[2048];

	(void)state;
	now = context_make(&settings);
	for (size_t i = 0; i < PAST; i++) {
		then = settings;
		then.rules.identity = TRACK_IDENTITY_BRAZE;
		then.rules.placeholders =
		    (struct track_list){&words[i], 1}; /* to tell them apart */
		past[i] = context_make(&then);
	}
	for (size_t i = 0; i < 3 * PAST; i++) {
		struct str rules = track_outlet.rules(past[i % PAST]);

		prepared = prepare(now, rules, EVENT, sent, sizeof(sent));
		assert_int_equal(prepared.fate, OUTLET_SEND);
		assert_non_null(strstr(sent, "\"identity\":\"b1\""));
		(void)prepare(
		    now, str_bytes(NULL, 0), EVENT, sent, sizeof(sent));
		assert_non_null(strstr(sent, "\"identity\":\"ann\""));
	}
	/* Other bytes are no rules: it is not sent under another identity. */
	prepared =
	    prepare(now, str_text("something else"), EVENT, sent, sizeof(sent));
	assert_int_equal(prepared.fate, OUTLET_DEAD);
	assert_string_equal(sent, "");
	for (size_t i = 0; i < PAST; i++)
		track_outlet.context_free(past[i]);
	track_outlet.context_free(now);
}

static void
test_frame(void **state)
{
	static char large[TRACK_EVENTS_MAX][4];
	struct track_settings settings = settings_make();
	struct str items[TRACK_EVENTS_MAX];
	struct outlet_context *context;
	struct buf body;
	struct err err;

	(void)state;
	settings.app_id = "12345678901234567890";
	context = context_make(&settings);
	buf_init(&body, 65536);
	for (size_t i = 0; i < TRACK_EVENTS_MAX; i++) {
		(void)memcpy(large[i], "{}", 3);
		items[i] = str_bytes(large[i], 2);
	}
	assert_true(track_outlet.frame(context, NULL, items, 2, &body, &err));
	assert_int_equal(body.len,
	    strlen("{\"app_id\":\"12345678901234567890\",\"events\":[{},{}]}"));
	assert_memory_equal(body.data,
	    "{\"app_id\":\"12345678901234567890\",\"events\":[{},{}]}",
	    body.len);
	buf_reset(&body);
	assert_true(track_outlet.frame(context, NULL, items,
	    track_outlet.request_items_most, &body, &err));
	assert_true(
	    body.len <= 2 * TRACK_EVENTS_MAX + track_outlet.frame_bytes);
	buf_fini(&body);
	buf_init(&body, 40);
	assert_false(track_outlet.frame(context, NULL, items, 2, &body, &err));
	assert_int_equal(err.code, ERR_LIMIT);
	buf_fini(&body);
	track_outlet.context_free(context);
}

static const char *
header(void *arg, const char *name)
{
	return strcmp(name, "Retry-After") == 0 ? arg : NULL;
}

static void
test_judge(void **state)
{
	static const struct {
		enum outlet_transport transport;
		unsigned status;
		const char *body;
		enum outlet_verdict_kind kind;
		enum outlet_outcome outcome;
		const char *advice; /* has this; NULL: none */
	} cases[] = {
	    {OUTLET_WHOLE, 200, "", OUTLET_VERDICT_ACCEPTED, OUTLET_ACCEPTED,
		NULL},
	    {OUTLET_WHOLE, 200, " \r\n", OUTLET_VERDICT_ACCEPTED,
		OUTLET_ACCEPTED, NULL},
	    {OUTLET_WHOLE, 200, "{}", OUTLET_VERDICT_ACCEPTED, OUTLET_ACCEPTED,
		NULL},
	    {OUTLET_WHOLE, 202, " {\"ok\":[1,{\"error\":2}]}\n",
		OUTLET_VERDICT_ACCEPTED, OUTLET_ACCEPTED, NULL},
	    {OUTLET_WHOLE, 200, "{\"error\":\"no\"}", OUTLET_VERDICT_FAILED,
		OUTLET_FAILED, "names an error"},
	    {OUTLET_WHOLE, 200, "<html>Log in</html>", OUTLET_VERDICT_FAILED,
		OUTLET_FAILED, "not from Heap"},
	    {OUTLET_WHOLE, 200, "[]", OUTLET_VERDICT_FAILED, OUTLET_FAILED,
		"not from Heap"},
	    {OUTLET_WHOLE, 200, "ok", OUTLET_VERDICT_FAILED, OUTLET_FAILED,
		"not from Heap"},
	    {OUTLET_WHOLE, 200, "{\"a\":", OUTLET_VERDICT_FAILED, OUTLET_FAILED,
		"not from Heap"},
	    {OUTLET_WHOLE, 200, "{}{}", OUTLET_VERDICT_FAILED, OUTLET_FAILED,
		"not from Heap"},
	    /* a body that is not whole: the status counts, unless it is that
	     * of a page */
	    {OUTLET_CUT, 200, "", OUTLET_VERDICT_ACCEPTED, OUTLET_ACCEPTED,
		NULL},
	    {OUTLET_CUT, 200, "{\"a\":", OUTLET_VERDICT_ACCEPTED,
		OUTLET_ACCEPTED, NULL},
	    {OUTLET_CUT, 204, " {", OUTLET_VERDICT_ACCEPTED, OUTLET_ACCEPTED,
		NULL},
	    {OUTLET_CUT, 200, "<html>", OUTLET_VERDICT_FAILED, OUTLET_FAILED,
		"not from Heap"},
	    {OUTLET_CUT, 500, "", OUTLET_VERDICT_FAILED, OUTLET_FAILED, NULL},
	    {OUTLET_UNKNOWN, 0, "", OUTLET_VERDICT_FAILED, OUTLET_FAILED, NULL},
	    {OUTLET_UNSENT, 0, "", OUTLET_VERDICT_FAILED, OUTLET_NOT_TAKEN,
		NULL},
	    {OUTLET_WHOLE, 400, "<html>", OUTLET_VERDICT_REFUSED,
		OUTLET_REFUSED, NULL},
	    {OUTLET_WHOLE, 401, "", OUTLET_VERDICT_DENIED, OUTLET_NOT_TAKEN,
		"app id"},
	    {OUTLET_WHOLE, 404, "", OUTLET_VERDICT_DENIED, OUTLET_NOT_TAKEN,
		"check the URL"},
	    {OUTLET_WHOLE, 407, "", OUTLET_VERDICT_DENIED, OUTLET_NOT_TAKEN,
		"proxy"},
	};
	struct track_settings settings = settings_make();
	struct outlet_context *context = context_make(&settings);
	struct outlet_verdict verdict;
	enum outlet_outcome outcomes[2];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct outlet_answer answer = {
		    .transport = cases[i].transport,
		    .trouble = "",
		    .status = cases[i].status,
		    .header = header,
		    .body = str_text(cases[i].body),
		};

		track_outlet.judge(context, &answer, 2, outcomes, &verdict);
		if (verdict.kind != cases[i].kind ||
		    outcomes[0] != cases[i].outcome ||
		    outcomes[1] != cases[i].outcome)
			fail_msg(
			    "case %zu: %d, %d", i, verdict.kind, outcomes[0]);
		assert_int_equal(
		    verdict.advice != NULL, cases[i].advice != NULL);
		if (verdict.advice != NULL &&
		    strstr(verdict.advice, cases[i].advice) == NULL)
			fail_msg("case %zu: %s", i, verdict.advice);
		assert_int_equal(verdict.unknown, outcomes[0] == OUTLET_FAILED);
	}
	track_outlet.context_free(context);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_context),
	    cmocka_unit_test(test_prepare),
	    cmocka_unit_test(test_from_the_future),
	    cmocka_unit_test(test_rules_of_then),
	    cmocka_unit_test(test_frame),
	    cmocka_unit_test(test_judge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
