/*
 * The half of the settings that is about changes of sets: which sources and
 * destinations variables make, what they need, and who may send to whom.
 */

#include "settings_help.h"

#define STATE  "CURRENTSD_STATE_DIR=/x"
#define EVENTS "CURRENTSD_TOKEN=a-token-of-many-words"
#define HEAP   "CURRENTSD_HEAP_APP_ID=1", "CURRENTSD_HEAP_REGION=us"
#define SECRET "CURRENTSD_SEGMENTS_SECRET=sesame"
#define URL    "CURRENTSD_BRAZE_URL=https://rest.iad-01.braze.com"
#define KEY    "CURRENTSD_BRAZE_API_KEY=key-sesame"
#define PARTNER                                                                \
	"CURRENTSD_BRAZE_KIND=cohorts", "CURRENTSD_BRAZE_PARTNER=acme",        \
	    "CURRENTSD_BRAZE_PARTNER_KEY=sesame",                              \
	    "CURRENTSD_BRAZE_IMPORT_KEY=sesame"

/* Read and complete; false with the reason, which has no secret. */
static bool
complete(const char *file, const char *const *pairs, struct settings *ret,
    struct err *reterr)
{
	char path[32];
	bool ok;

	environment_set(pairs);
	if (file != NULL)
		file_make(file, 0600, path);
	ok = settings_read(file != NULL ? path : NULL, ret, reterr);
	if (ok && !settings_complete(ret, reterr)) {
		settings_fini(ret);
		ok = false;
	}
	if (file != NULL)
		assert_int_equal(unlink(path), 0);
	if (ok)
		return true;
	assert_int_equal(reterr->code, ERR_CONFIG);
	assert_null(strstr(reterr->text, "sesame"));
	return false;
}

/* "SOURCE>DESTINATION", for each source, and "+DESTINATION" where none goes. */
static void
ways_write(const struct settings *settings, char *ret, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < settings->source_count; i++) {
		const struct server_source *s = &settings->sources[i].server;

		len += (size_t)snprintf(ret + len, size - len, "%s%s:%s>%s",
		    i > 0 ? " " : "", s->name, s->intake->kind, s->destination);
	}
	for (size_t i = 0; i < settings->destination_count; i++)
		len += (size_t)snprintf(ret + len, size - len, " %s:%s",
		    settings->destinations[i].forwarder.name,
		    settings->destinations[i].forwarder.outlet->kind);
}

static void
test_variables(void **state)
{
	static const struct {
		const char *pairs[12];
		const char *ways, *error;
	} cases[] = {
	    {{STATE, EVENTS, HEAP}, "main:currents>heap heap:track", NULL},
	    {{STATE, SECRET, URL, KEY},
		"segments:segments>braze braze:attributes", NULL},
	    {{STATE, SECRET, URL, PARTNER},
		"segments:segments>braze braze:cohorts", NULL},
	    {{STATE, EVENTS, HEAP, SECRET, URL, KEY},
		"main:currents>heap segments:segments>braze heap:track "
		"braze:attributes",
		NULL},
	    /* a half has two ends */
	    {{STATE, SECRET}, NULL, "no url: set CURRENTSD_BRAZE_URL"},
	    {{STATE, URL, KEY}, NULL, "set CURRENTSD_SEGMENTS_SECRET"},
	    {{STATE, EVENTS, HEAP, SECRET}, NULL, "CURRENTSD_BRAZE_URL"},
	    {{STATE, EVENTS, SECRET, URL, KEY}, NULL, "CURRENTSD_HEAP_APP_ID"},
	    /* each kind has its own */
	    {{STATE, SECRET, URL}, NULL, "set CURRENTSD_BRAZE_API_KEY"},
	    {{STATE, SECRET, URL, "CURRENTSD_BRAZE_KIND=cohorts"}, NULL,
		"set CURRENTSD_BRAZE_PARTNER "},
	    {{STATE, SECRET, URL, KEY, "CURRENTSD_BRAZE_PARTNER=acme"}, NULL,
		"CURRENTSD_BRAZE_PARTNER is not a setting of the kind "
		"attributes"},
	    {{STATE, SECRET, URL, PARTNER, KEY}, NULL,
		"CURRENTSD_BRAZE_API_KEY is not a setting of the kind cohorts"},
	    {{STATE, SECRET, URL, PARTNER, "CURRENTSD_BRAZE_HOLD=1m"}, NULL,
		"CURRENTSD_BRAZE_HOLD is not"},
	    {{STATE, SECRET, URL, "CURRENTSD_BRAZE_KIND=track"}, NULL,
		"should be one of attributes|cohorts"},
	    /* values that the dialects judge */
	    {{STATE, SECRET, "CURRENTSD_BRAZE_URL=http://rest.example", KEY},
		NULL, "is plain http"},
	    {{STATE, SECRET, "CURRENTSD_BRAZE_URL=https://u:p@h", KEY}, NULL,
		"without user"},
	    {{STATE, SECRET, URL, KEY, "CURRENTSD_BRAZE_MATCH=device_id"}, NULL,
		"\"braze\": match should be one of"},
	    {{STATE, SECRET, URL, KEY, "CURRENTSD_BRAZE_ATTRIBUTE=heap"}, NULL,
		"attribute should have {id}"},
	    {{STATE, SECRET, URL, "CURRENTSD_BRAZE_API_KEY=se\"same"}, NULL,
		"the API key has a character"},
	    {{STATE, "CURRENTSD_SEGMENTS_SECRET=ses ame", URL, KEY}, NULL,
		"secret number 1 contains a space"},
	    {{STATE, "CURRENTSD_SEGMENTS_SECRET=1,2,3,4,5,6,7,8,9", URL, KEY},
		NULL, "at most 8 secrets"},
	    {{STATE, SECRET, URL, KEY, "CURRENTSD_BRAZE_BACKOFF_FIRST=1h"},
		NULL, "backoff_first should be at most"},
	};
	struct settings settings;
	struct err err;
	char ways[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (complete(NULL, cases[i].pairs, &settings, &err)) {
			if (cases[i].ways == NULL)
				fail_msg("case %zu is fine", i);
			ways_write(&settings, ways, sizeof(ways));
			assert_string_equal(ways, cases[i].ways);
			assert_int_equal(settings.warnings.len, 0);
			settings_fini(&settings);
		} else if (cases[i].error == NULL ||
			   strstr(err.text, cases[i].error) == NULL) {
			fail_msg("case %zu: %s", i, err.text);
		}
	}
}

/* Where each value goes. */
static void
test_values(void **state)
{
	static const char *const attributes[] = {STATE, URL, KEY,
	    "CURRENTSD_SEGMENTS_SECRET=one,two", "CURRENTSD_SEGMENTS_WINDOW=1m",
	    "CURRENTSD_SEGMENTS_SYNC_TIMEOUT=2h",
	    "CURRENTSD_SEGMENTS_HOLD_OVER=0", "CURRENTSD_GROUPS_MAX=7",
	    "CURRENTSD_KEEP_LEFT=2d", "CURRENTSD_BRAZE_MATCH=alias:crm",
	    "CURRENTSD_BRAZE_HOLD=3m", "CURRENTSD_BRAZE_LINGER=50ms",
	    "CURRENTSD_BRAZE_PROBE=2s", "CURRENTSD_BRAZE_VALUE=array",
	    "CURRENTSD_BRAZE_SINCE=yes", "CURRENTSD_BRAZE_BACKOFF_MOST=9m",
	    "CURRENTSD_BRAZE_RETRY_AFTER_MOST=5m", NULL};
	static const char *const cohorts[] = {STATE, SECRET, URL, PARTNER,
	    "CURRENTSD_BRAZE_MATCH=device_id",
	    "CURRENTSD_BRAZE_REQUESTS_PER_HOUR=9", NULL};
	const struct settings_destination *destination;
	struct settings settings;
	struct err err;

	(void)state;
	if (!complete(NULL, attributes, &settings, &err))
		fail_msg("%s", err.text);
	destination = &settings.destinations[0];
	assert_int_equal(
	    settings_list_count(settings.sources[0].server.secrets), 2);
	assert_int_equal(settings.sources[0].segments.window_ms, 60000);
	assert_int_equal(settings.queue.sync_timeout_ms, 7200000);
	assert_int_equal(settings.queue.hold_over, 0);
	assert_int_equal(settings.queue.groups_max, 7);
	assert_int_equal(settings.queue.keep_left_ms, 2 * 86400000);
	assert_string_equal(destination->attributes.match, "alias:crm");
	assert_int_equal(destination->attributes.hold_ms, 180000);
	assert_int_equal(destination->attributes.value, ATTRIBUTES_ARRAY);
	assert_true(destination->attributes.since);
	assert_int_equal(destination->attributes.retry_after_most_ms, 300000);
	assert_int_equal(destination->request_items[SETTINGS_ATTRIBUTES], 50);
	assert_int_equal(destination->forwarder.linger_ms, 50);
	assert_int_equal(destination->forwarder.probe_ms, 2000);
	assert_int_equal(destination->forwarder.backoff_most_ms, 540000);
	settings_fini(&settings);

	if (!complete(NULL, cohorts, &settings, &err))
		fail_msg("%s", err.text);
	destination = &settings.destinations[0];
	assert_string_equal(destination->cohorts.match, "device_id");
	assert_int_equal(destination->cohorts.requests_per_hour, 9);
	assert_ptr_equal(
	    settings_outlet_settings(destination), &destination->cohorts);
	settings_fini(&settings);
}

#define OF_SEGMENTS(more)                                                      \
	"source \"s\" { kind = segments secret = {\"one\", \"two\"} " more     \
	" }\n"
#define OF_CURRENTS(more) "source \"c\" { open = yes " more " }\n"
#define AT_BRAZE(more)                                                         \
	"destination \"b\" { kind = attributes url = \"https://h\" "           \
	"api_key = \"key-sesame\" " more " }\n"
#define AT_HEAP "destination \"h\" { app_id = 1 region = us }\n"

static void
test_file(void **state)
{
	static const struct {
		const char *text, *ways, *error;
		const char *pairs[4];
	} cases[] = {
	    {OF_SEGMENTS("") AT_BRAZE(""), "s:segments>b b:attributes", NULL,
		{STATE}},
	    /* to the first that takes it */
	    {AT_HEAP AT_BRAZE("") OF_SEGMENTS("") OF_CURRENTS(""),
		"s:segments>b c:currents>h h:track b:attributes", NULL,
		{STATE}},
	    {OF_SEGMENTS("destination = b") OF_CURRENTS("destination = h")
		    AT_HEAP AT_BRAZE(""),
		"s:segments>b c:currents>h h:track b:attributes", NULL,
		{STATE}},
	    /* and to no other */
	    {OF_SEGMENTS("destination = h") AT_HEAP AT_BRAZE(""), NULL,
		"source \"s\" sends changes, but destination \"h\" (kind "
		"track) takes events",
		{STATE}},
	    {OF_CURRENTS("destination = b") OF_SEGMENTS("")
		    AT_HEAP AT_BRAZE(""),
		NULL, "source \"c\" sends events, but destination \"b\"",
		{STATE}},
	    {OF_SEGMENTS("destination = x") AT_BRAZE(""), NULL,
		"there is no destination \"x\"", {STATE}},
	    /* a key of another kind would have no effect */
	    {OF_SEGMENTS("open = yes") AT_BRAZE(""), NULL,
		"source \"s\": open is not a setting of the kind segments",
		{STATE}},
	    {OF_SEGMENTS("") AT_BRAZE("partner = acme"), NULL,
		"partner is not a setting of the kind attributes", {STATE}},
	    {OF_SEGMENTS("") "destination \"b\" { kind = cohorts hold = 1m }",
		NULL, "hold is not a setting of the kind cohorts", {STATE}},
	    {OF_CURRENTS("secret = sesame") AT_HEAP, NULL,
		"secret is not a setting of the kind currents", {STATE}},
	    /* variables set what there is one of, and make the rest */
	    {OF_SEGMENTS("") AT_BRAZE(""), "s:segments>b b:attributes", NULL,
		{STATE, "CURRENTSD_BRAZE_MATCH=email",
		    "CURRENTSD_SEGMENTS_WINDOW=1m"}},
	    {OF_SEGMENTS(""), "s:segments>braze braze:attributes", NULL,
		{STATE, URL, KEY}},
	    {OF_CURRENTS("") AT_HEAP AT_BRAZE(""),
		"c:currents>h segments:segments>b h:track b:attributes", NULL,
		{STATE, SECRET}},
	    {AT_BRAZE("") "destination \"b2\" { kind = cohorts }", NULL,
		"CURRENTSD_BRAZE_URL is set, but the file has 2 destinations",
		{STATE, SECRET, URL}},
	    {"destination \"braze\" { app_id = 1 region = us }", NULL,
		"destination \"braze\": the name is that of", {STATE, SECRET}},
	};
	struct settings settings;
	struct err err;
	char ways[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (complete(cases[i].text, cases[i].pairs, &settings, &err)) {
			if (cases[i].ways == NULL)
				fail_msg("accepted: %s", cases[i].text);
			ways_write(&settings, ways, sizeof(ways));
			assert_string_equal(ways, cases[i].ways);
			settings_fini(&settings);
		} else if (cases[i].error == NULL ||
			   strstr(err.text, cases[i].error) == NULL) {
			fail_msg("case %zu: %s", i, err.text);
		}
	}
}

/* A file of secrets adds to those that are set, a file of a key replaces it. */
static void
test_secret_files(void **state)
{
	static const struct {
		const char *name, *text;
		mode_t mode;
		const char *more; /* another variable, or NULL */
		const char *error, *warning;
	} cases[] = {
	    {"SEGMENTS_SECRET_FILE", "sesame\nopen\n", 0600, KEY, NULL, NULL},
	    {"SEGMENTS_SECRET_FILE", "sesame\n", 0644, KEY, NULL, "chmod o-r"},
	    {"SEGMENTS_SECRET_FILE", "ses ame\n", 0600, KEY, "not a secret",
		NULL},
	    {"BRAZE_API_KEY_FILE", "key-sesame\n", 0600, SECRET, NULL, NULL},
	    {"BRAZE_API_KEY_FILE", "key-sesame\n", 0644, SECRET, NULL,
		"chmod o-r"},
	    {"BRAZE_API_KEY_FILE", "", 0600, SECRET, "has no key", NULL},
	    {"BRAZE_API_KEY_FILE", "sesame\nsesame\n", 0600, SECRET,
		"one key only", NULL},
	    {"BRAZE_API_KEY_FILE", "key\n", 0600, KEY,
		"api_key and api_key_file are both set", NULL},
	};
	char path[32], pair[128];
	struct settings settings;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *pairs[] = {
		    STATE, URL, pair, cases[i].more, SECRET, NULL};
		bool ok;

		file_make(cases[i].text, cases[i].mode, path);
		(void)snprintf(
		    pair, sizeof(pair), "CURRENTSD_%s=%s", cases[i].name, path);
		ok = complete(NULL, pairs, &settings, &err);
		assert_int_equal(unlink(path), 0);
		if (ok != (cases[i].error == NULL) ||
		    (!ok && strstr(err.text, cases[i].error) == NULL))
			fail_msg("case %zu: %s", i, ok ? "fine" : err.text);
		if (!ok)
			continue;
		assert_string_equal(
		    settings.destinations[0].attributes.api_key, "key-sesame");
		assert_string_equal(
		    settings.sources[0].server.secrets[0], "sesame");
		assert_true(
		    cases[i].warning == NULL
			? settings.warnings.len == 0
			: buf_has(&settings.warnings, cases[i].warning));
		settings_fini(&settings);
	}
}

/* What is logged of a destination has no key of it. */
static void
test_log(void **state)
{
	static const char *const lists[][10] = {
	    {STATE, SECRET, URL, KEY}, {STATE, SECRET, URL, PARTNER}};
	struct settings settings;
	struct err err;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		if (!complete(NULL, lists[i], &settings, &err))
			fail_msg("%s", err.text);
		buf_init(&out, 4096);
		settings_outlet_write(&settings.destinations[0], &out);
		assert_true(buf_has(&out, "url=https://rest.iad-01.braze.com"));
		assert_false(buf_has(&out, "sesame"));
		buf_fini(&out);
		settings_fini(&settings);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_variables),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_file),
	    cmocka_unit_test(test_secret_files),
	    cmocka_unit_test(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
