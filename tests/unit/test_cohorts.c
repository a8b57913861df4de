/*
 * Braze's cohort API behind the seam: announcements, the two lists of a
 * request, and what its answers mean.
 */

#include "schema/cohorts/cohorts.h"

#define OUTLET cohorts_outlet
#include "audience_help.h"

#define HEAD                                                                   \
	"{\"partner_api_key\":\"secret-partner\",\"client_secret\":"           \
	"\"secret-import\",\"cohort_id\":\"7\","

static const struct outlet_group vip = {
    .id = STR("7"),
    .name = STR("VIP"),
    .label = STR("7"),
};

static struct cohorts_settings
settings_make(void)
{
	struct cohorts_settings settings;

	cohorts_settings_init(&settings);
	settings.url = "https://rest.example/";
	settings.partner = "acme";
	settings.partner_key = "secret-partner";
	settings.import_key = "secret-import";
	return settings;
}

static void
test_context(void **state)
{
	struct cohorts_settings settings = settings_make();
	struct outlet_context *context = context_make(&settings);
	struct outlet_address address;
	struct err err;
	char large[1100];

	(void)state;
	cohorts_outlet.address(context, true, &address);
	assert_string_equal(
	    address.url, "https://rest.example/partners/acme/cohorts");
	cohorts_outlet.address(context, false, &address);
	assert_string_equal(
	    address.url, "https://rest.example/partners/acme/cohorts/users");
	/* the keys are in the body alone */
	assert_string_equal(
	    address.headers[0], "Content-Type: application/json");
	assert_string_equal(address.headers[1], "Accept: application/json");
	assert_null(address.headers[2]);
	assert_true(
	    str_equal_text(cohorts_outlet.rules(context), "external_id"));
	assert_int_equal(cohorts_outlet.hold_ms(context), 0);
	assert_true(cohorts_outlet.set);
	assert_true(cohorts_outlet.group_alone);
	cohorts_outlet.context_free(context);
	cohorts_outlet.context_free(NULL);

	settings.user_agent = "partner-Acme-currentsd/1";
	settings.match = "alias:crm";
	context = context_make(&settings);
	cohorts_outlet.address(context, true, &address);
	assert_string_equal(
	    address.headers[2], "User-Agent: partner-Acme-currentsd/1");
	assert_null(address.headers[3]);
	assert_true(str_equal_text(cohorts_outlet.rules(context), "alias:crm"));
	cohorts_outlet.context_free(context);

	starved = true;
	assert_false(cohorts_outlet.context_new(&settings, &context, &err));
	starved = false;
	assert_int_equal(err.code, ERR_NOMEM);

	memset(large, 'a', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	settings.user_agent = large;
	assert_refused(&settings, "user_agent");
	settings.user_agent = "partner\r\nHost: other";
	assert_refused(&settings, "user_agent");
	settings = settings_make();
	settings.url = NULL;
	assert_refused(&settings, "URL");
	settings.url = large;
	assert_refused(&settings, "URL");
	large[1000] = '\0'; /* there is room for one path, not for the other */
	settings.url = large;
	assert_refused(&settings, "URL");
	settings = settings_make();
	settings.partner_key = NULL;
	assert_refused(&settings, "partner key");
	settings.partner_key = "secret-\"";
	assert_refused(&settings, "partner key");
	settings = settings_make();
	settings.import_key = "secret- ";
	assert_refused(&settings, "data import key");
}

static void
test_partner_and_match(void **state)
{
	static const char *const wrong[] = {NULL, "", "a/b", "a?b", "a b", "..",
	    "0123456789012345678901234567890123456789012345678901234567890123"
	    "4"};
	static const char *const no_match[] = {
	    NULL, "", "braze_id", "email", "alias:"};
	struct cohorts_settings settings = settings_make();

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		settings.partner = wrong[i];
		assert_refused(&settings, "partner");
	}
	settings = settings_make();
	for (size_t i = 0; i < sizeof(no_match) / sizeof(*no_match); i++) {
		settings.match = no_match[i];
		assert_refused(&settings, "match");
	}
}

/* ---- the cohort ---- */

static const char *
announce(const struct outlet_context *context, const struct outlet_group *group,
    int64_t first_ms)
{
	struct buf body;
	struct err err;

	buf_init(&body, 1 << 16);
	assert_true(
	    cohorts_outlet.announce(context, group, first_ms, &body, &err));
	return buf_string(&body);
}

static void
test_announce(void **state)
{
	struct cohorts_settings settings = settings_make();
	struct outlet_context *context = context_make(&settings);
	struct outlet_group group = vip;
	char name[1024];
	struct buf body;
	struct err err;

	(void)state;
	assert_string_equal(announce(context, &vip, NOW_MS),
	    HEAD "\"name\":\"VIP\",\"created_at\":"
		 "\"2026-11-23T22:05:01.123Z\"}");
	group.name = str_text("a\"\xe9\xa1\xa7\n");
	assert_string_equal(announce(context, &group, 0),
	    HEAD "\"name\":\"a\\\"\xe9\xa1\xa7\\n\",\"created_at\":"
		 "\"1970-01-01T00:00:00.000Z\"}");
	/* Braze refuses a name that is empty */
	group.name = str_text("");
	assert_string_equal(announce(context, &group, 0),
	    HEAD "\"name\":\"7\",\"created_at\":\"1970-01-01T00:00:00.000Z\"}");
	group.name = str_text(" \t");
	assert_string_equal(announce(context, &group, 0),
	    HEAD "\"name\":\"7\",\"created_at\":\"1970-01-01T00:00:00.000Z\"}");
	memset(name, 'n', sizeof(name));
	group.name = str_bytes(name, sizeof(name));
	assert_int_equal(strlen(announce(context, &group, 0)),
	    strlen(announce(context, &vip, 0)) - strlen("VIP") + 255);

	buf_init(&body, 1 << 16);
	starved = true;
	assert_false(cohorts_outlet.announce(context, &vip, 0, &body, &err));
	starved = false;
	assert_int_equal(err.code, ERR_NOMEM);
	buf_fini(&body);
	cohorts_outlet.context_free(context);
}

static void
test_label(void **state)
{
	static char large[COHORTS_LABEL_MOST + 2];
	struct cohorts_settings settings = settings_make();
	struct outlet_context *context = context_make(&settings);
	struct outlet_group group = {.name = STR("VIP")};
	struct buf label;
	struct err err;

	(void)state;
	assert_string_equal(label_of(context, "VIP", "7"), "7");
	assert_string_equal(
	    label_of(context, "", "A-b\xc3\xa4"), "A-b\xc3\xa4");
	memset(large, 'x', sizeof(large) - 1);
	large[COHORTS_LABEL_MOST] = '\0';
	assert_string_equal(label_of(context, "VIP", large), large);
	large[COHORTS_LABEL_MOST] = 'x';
	group.id = str_text(large);
	buf_init(&label, 4096);
	assert_false(cohorts_outlet.label(context, &group, &label, &err));
	assert_int_equal(err.code, ERR_INPUT);
	group.id = str_text("7");
	starved = true;
	assert_false(cohorts_outlet.label(context, &group, &label, &err));
	starved = false;
	assert_int_equal(err.code, ERR_NOMEM);
	buf_fini(&label);
	cohorts_outlet.context_free(context);
}

/* ---- its members ---- */

static void
test_prepare(void **state)
{
	static const struct {
		const char *match, *change, *expected;
	} cases[] = {
	    {"external_id", "+ann", "+\"ann\""},
	    {"external_id", "-ann", "-\"ann\""},
	    {"external_id", "+-a\"\xc3\xa4", "+\"-a\\\"\xc3\xa4\""},
	    {"device_id", "-5f1e", "-\"5f1e\""},
	    {"alias:c\"rm", "+ann",
		"+{\"alias_name\":\"ann\",\"alias_label\":\"c\\\"rm\"}"},
	};
	struct cohorts_settings settings = settings_make();
	struct outlet_context *context;
	struct outlet_prepared prepared, other;
	char large[989];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		settings.match = cases[i].match;
		context = context_make(&settings);
		assert_sent(context, &vip, cases[i].change, cases[i].expected);
		assert_whole_or_nothing(context, &vip, cases[i].change);
		cohorts_outlet.context_free(context);
	}
	settings = settings_make();
	context = context_make(&settings);
	(void)prepare(context, &vip, str_text("+ann"), 0, &prepared);
	(void)prepare(context, &vip, str_text("-ann"), 0, &other);
	assert_true(prepared.key == other.key);
	assert_dead(context, &vip, str_text("ann"), "neither entered nor left");
	assert_dead(context, &vip, str_text("+ "), "the id is blank");
	assert_dead(context, &vip, str_text("+\xc3"),
	    "the id has an unreadable character");
	memset(large, '+', sizeof(large));
	assert_dead(context, &vip, str_bytes(large, sizeof(large)),
	    "the id is longer than 987 bytes");
	cohorts_outlet.context_free(context);
}

static const char *
frame(const struct outlet_context *context, const struct outlet_group *group,
    const struct str *items, size_t count)
{
	struct buf body;
	struct err err;

	buf_init(&body, 1 << 16);
	assert_true(
	    cohorts_outlet.frame(context, group, items, count, &body, &err));
	return buf_string(&body);
}

static void
test_frame(void **state)
{
	const struct str changes[] = {
	    STR("-\"a\""), STR("+\"b\""), STR("-\"c\""), STR("+\"d\"")};
	const struct str aliases[] = {STR("+{\"x\":1}"), STR("-{\"y\":2}")};
	struct cohorts_settings settings = settings_make();
	struct outlet_context *context = context_make(&settings);
	const struct str none = {NULL, 0};
	struct buf body;
	struct err err;

	(void)state;
	assert_string_equal(frame(context, &vip, changes, 4),
	    HEAD "\"cohort_changes\":[{\"user_ids\":[\"b\",\"d\"]},"
		 "{\"user_ids\":[\"a\",\"c\"],\"should_remove\":true}]}");
	assert_string_equal(frame(context, &vip, changes, 1),
	    HEAD "\"cohort_changes\":[{\"user_ids\":[\"a\"],"
		 "\"should_remove\":true}]}");
	assert_string_equal(frame(context, &vip, changes + 1, 1),
	    HEAD "\"cohort_changes\":[{\"user_ids\":[\"b\"]}]}");
	/* Of no group: only whom we post to, and as whom. */
	assert_string_equal(frame(context, NULL, &none, 1),
	    "{\"partner_api_key\":\"secret-partner\",\"client_secret\":"
	    "\"secret-import\",\"cohort_id\":\"\",\"cohort_changes\":[]}");
	buf_init(&body, 100);
	assert_false(
	    cohorts_outlet.frame(context, &vip, changes, 4, &body, &err));
	assert_int_equal(err.code, ERR_LIMIT);
	buf_fini(&body);
	buf_init(&body, 4096);
	starved = true;
	assert_false(
	    cohorts_outlet.frame(context, &vip, changes, 4, &body, &err));
	starved = false;
	assert_int_equal(err.code, ERR_NOMEM);
	buf_fini(&body);
	cohorts_outlet.context_free(context);

	settings.match = "alias:crm";
	context = context_make(&settings);
	assert_string_equal(frame(context, &vip, aliases, 2),
	    HEAD "\"cohort_changes\":[{\"user_ids\":[],\"aliases\":"
		 "[{\"x\":1}]},{\"user_ids\":[],\"aliases\":[{\"y\":2}],"
		 "\"should_remove\":true}]}");
	cohorts_outlet.context_free(context);
	settings.match = "device_id";
	context = context_make(&settings);
	assert_string_equal(frame(context, &vip, changes, 2),
	    HEAD "\"cohort_changes\":[{\"user_ids\":[],\"device_ids\":"
		 "[\"b\"]},{\"user_ids\":[],\"device_ids\":[\"a\"],"
		 "\"should_remove\":true}]}");
	cohorts_outlet.context_free(context);
}

/* The longest keys and the longest id, all of it escaped. */
static void
test_frame_bytes(void **state)
{
	static char key[513], label[COHORTS_LABEL_MOST];
	static struct str items[COHORTS_IDS_MOST];
	struct cohorts_settings settings = settings_make();
	struct outlet_group group = vip;
	struct outlet_context *context;
	struct buf body;
	struct err err;

	(void)state;
	memset(key, 'k', sizeof(key) - 1);
	memset(label, '\1', sizeof(label));
	settings.partner_key = settings.import_key = key;
	settings.match = "device_id";
	context = context_make(&settings);
	group.label = str_bytes(label, sizeof(label));
	assert_int_equal(cohorts_outlet.request_items_most, COHORTS_IDS_MOST);
	for (size_t i = 0; i < COHORTS_IDS_MOST; i++)
		items[i] = str_text(i % 2 == 0 ? "+\"a\"" : "-\"b\"");
	buf_init(&body, 1 << 20);
	assert_true(cohorts_outlet.frame(
	    context, &group, items, COHORTS_IDS_MOST, &body, &err));
	assert_true(
	    body.len <= 4 * COHORTS_IDS_MOST + cohorts_outlet.frame_bytes);
	buf_fini(&body);
	cohorts_outlet.context_free(context);
}

static void
test_limits(void **state)
{
	struct cohorts_settings settings = settings_make();
	struct outlet_limit limits[OUTLET_LIMITS_MAX];
	struct outlet_context *context = context_make(&settings);

	(void)state;
	assert_int_equal(cohorts_outlet.limits(context, limits), 1);
	assert_int_equal(limits[0].unit, OUTLET_REQUESTS);
	assert_int_equal(limits[0].scope, OUTLET_DESTINATION);
	assert_int_equal(limits[0].amount, 250000);
	assert_int_equal(limits[0].window_ms, 3600000);
	assert_true(limits[0].on_the_hour);
	cohorts_outlet.context_free(context);
	settings.requests_per_hour = 0;
	context = context_make(&settings);
	assert_int_equal(cohorts_outlet.limits(context, limits), 0);
	cohorts_outlet.context_free(context);
}

/* ---- the answer ---- */

static void
test_judge(void **state)
{
	static const struct judge_case cases[] = {
	    {OUTLET_WHOLE, 201, "{\"message\":\"success\"}", "AA",
		OUTLET_VERDICT_ACCEPTED, "", NULL},
	    {OUTLET_WHOLE, 204, "", "AA", OUTLET_VERDICT_ACCEPTED, "", NULL},
	    {OUTLET_WHOLE, 201, "{\"errors\":[]}", "AA",
		OUTLET_VERDICT_ACCEPTED, "", NULL},
	    /* There is no result per id: the request is halved. */
	    {OUTLET_WHOLE, 201, "{\"errors\":[{\"index\":0}]}", "RR",
		OUTLET_VERDICT_REFUSED, "", NULL},
	    {OUTLET_WHOLE, 200, "<html>", "FF", OUTLET_VERDICT_FAILED, "u",
		"not from Braze"},
	    {OUTLET_CUT, 201, "{\"message\":", "FF", OUTLET_VERDICT_FAILED, "u",
		NULL},
	    {OUTLET_UNKNOWN, 0, "", "FF", OUTLET_VERDICT_FAILED, "u", NULL},
	    {OUTLET_UNSENT, 0, "", "NN", OUTLET_VERDICT_FAILED, "", NULL},
	    {OUTLET_WHOLE, 400,
		"{\"message\":\"cohort_changes\",\"errors\":[\"over 1,000\"]}",
		"RR", OUTLET_VERDICT_REFUSED, "", NULL},
	    {OUTLET_WHOLE, 413, "", "RR", OUTLET_VERDICT_REFUSED, "sm", NULL},
	    {OUTLET_WHOLE, 401, "{\"message\":\"bad partner key\"}", "NN",
		OUTLET_VERDICT_DENIED, "", "data import key"},
	    {OUTLET_WHOLE, 403, "", "NN", OUTLET_VERDICT_DENIED, "",
		"partner key"},
	    {OUTLET_WHOLE, 404, "", "NN", OUTLET_VERDICT_DENIED, "",
		"partner's name"},
	    {OUTLET_WHOLE, 302, "", "NN", OUTLET_VERDICT_DENIED, "",
		"redirects"},
	    {OUTLET_WHOLE, 407, "", "NN", OUTLET_VERDICT_DENIED, "", "proxy"},
	    /* locked: it waits, and nobody is to blame */
	    {OUTLET_WHOLE, 423, "", "NN", OUTLET_VERDICT_FAILED, "", NULL},
	    {OUTLET_CUT, 423, "", "FF", OUTLET_VERDICT_FAILED, "u", NULL},
	    {OUTLET_WHOLE, 429, "", "NN", OUTLET_VERDICT_FAILED, "sl", NULL},
	    {OUTLET_WHOLE, 500, "", "FF", OUTLET_VERDICT_FAILED, "u", NULL},
	    {OUTLET_WHOLE, 503, "", "FF", OUTLET_VERDICT_FAILED, "u", NULL},
	};
	struct cohorts_settings settings = settings_make();
	struct outlet_context *context = context_make(&settings);

	(void)state;
	assert_judged(context, cases, sizeof(cases) / sizeof(*cases));
	cohorts_outlet.context_free(context);
}

static void
test_waits(void **state)
{
	struct cohorts_settings settings = settings_make();
	struct outlet_context *context = context_make(&settings);

	(void)state;
	assert_waits(context, 3600000);
	assert_int_equal(waits(context, 423, NULL, NULL), 5000);
	assert_int_equal(waits(context, 423, "Retry-After: 8", NULL), 8000);
	cohorts_outlet.context_free(context);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_context),
	    cmocka_unit_test(test_partner_and_match),
	    cmocka_unit_test(test_announce),
	    cmocka_unit_test(test_label),
	    cmocka_unit_test(test_prepare),
	    cmocka_unit_test(test_frame),
	    cmocka_unit_test(test_frame_bytes),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_judge),
	    cmocka_unit_test(test_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
