/* What the daemon tells the queue of an event. */

#include "daemon/daemon.h"
#include "settings_help.h"

#include "queue_help.h"

/* 2052-03-31T21:30Z: in Berlin 23:30, of a day with 23 hours; and too late for
 * the committer to fold. */
#define LATE_S INT64_C(2595533400)
enum { LATE_DAY = 30040, HOUR_S = 3600 };

static const struct {
	const char *event; /* %lld: LATE_S, and so many seconds later */
	int64_t later_s;
	int64_t day;
	const char *kind, *id, *name;
} cases[] = {
    {"{\"event_type\":\"t\",\"id\":\"1\",\"time\":%lld,\"properties\":"
     "{\"campaign_id\":\"c\",\"campaign_name\":\"Spring\"}}",
	0, LATE_DAY, "campaign", "c", "Spring"},
    {"{\"event_type\":\"t\",\"id\":\"2\",\"time\":%lld,\"properties\":"
     "{\"canvas_id\":\"v\",\"campaign_id\":null}}",
	HOUR_S, LATE_DAY + 1, "canvas", "v", ""},
    {"{\"event_type\":\"t\",\"id\":\"3\",\"time\":%lld}", -30 * 24 * HOUR_S,
	LATE_DAY - 30, "", "", ""},
    /* of the future, or without a time: by the hour of acceptance */
    {"{\"event_type\":\"t\",\"id\":\"4\",\"time\":%lld}", 26 * HOUR_S, LATE_DAY,
	"", "", ""},
    {"{\"event_type\":\"t\",\"id\":\"5\",\"time\":\"%lld\"}", 26 * HOUR_S,
	LATE_DAY, "", "", ""},
    {"not JSON %lld", 0, LATE_DAY, "", "", ""},
};

static bool
note_report(void *arg, const struct stats_report *report)
{
	size_t i = *(const size_t *)arg;

	/* of the case at hand alone */
	if (report->type[0] != (char)('a' + i))
		return true;
	assert_int_equal(report->dropped, 1);
	assert_int_equal(report->day, cases[i].day);
	assert_false(report->month);
	assert_string_equal(report->kind, cases[i].kind);
	assert_string_equal(report->id, cases[i].id);
	assert_string_equal(report->name, cases[i].name);
	*(size_t *)arg = SIZE_MAX;
	return true;
}

static void
test_reports(void **state)
{
	static const char *const pairs[] = {
	    "CURRENTSD_REPORT_TIMEZONE=Europe/Berlin",
	    "CURRENTSD_QUEUE_RESERVE=0", NULL};
	char *dir = state_dir();
	struct settings settings;
	struct daemon daemon;
	struct err err;

	(void)state;
	environment_set(pairs);
	assert_int_equal(setenv("CURRENTSD_STATE_DIR", dir, 1), 0);
	assert_true(settings_read(NULL, &settings, &err));
	daemon_init(&daemon, &settings);
	if (!daemon_queue_open(&daemon, true, &err))
		fail_msg("%s", err.text);
	assert_true(queue_start(daemon.queue, &err));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char event[256], type[] = {(char)('a' + i), '\0'};
		struct item item = {.fate = ITEM_DROP,
		    .type = str_text(type),
		    .reason = "a rule"};
		struct queue_batch batch = {.source = "s",
		    .destination = "d",
		    .now_ms = LATE_S * 1000,
		    .items = &item,
		    .count = 1};
		struct answer answer;
		size_t seen = i;

/* the events are constants */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(event, sizeof(event), cases[i].event,
		    (long long)(LATE_S + cases[i].later_s));
#pragma GCC diagnostic pop
		item.data = str_text(event);
		answer_init(&answer);
		assert_true(queue_put(
		    daemon.queue, &batch, answer_done, &answer, &err));
		assert_true(answer_wait(&answer));
		assert_true(
		    stats_reports(daemon.queue, 0, note_report, &seen, &err));
		assert_int_equal(seen, SIZE_MAX);
	}
	queue_stop(daemon.queue);
	daemon_fini(&daemon);
	settings_fini(&settings);
	state_dir_remove(dir);
}

static void
test_no_zone(void **state)
{
	static const char *const pairs[] = {
	    "CURRENTSD_REPORT_TIMEZONE=Mars/Olympus", NULL};
	struct settings settings;
	struct daemon daemon;
	struct err err;

	(void)state;
	environment_set(pairs);
	assert_int_equal(setenv("CURRENTSD_STATE_DIR", "/x", 1), 0);
	assert_true(settings_read(NULL, &settings, &err));
	daemon_init(&daemon, &settings);
	assert_false(daemon_queue_open(&daemon, true, &err));
	assert_int_equal(err.code, ERR_CONFIG);
	assert_non_null(strstr(err.text, "report_timezone"));
	daemon_fini(&daemon);
	settings_fini(&settings);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reports),
	    cmocka_unit_test(test_no_zone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
