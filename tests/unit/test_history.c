/* The samples of the last day. */

#include "set_help.h"

#include "base/clock.h"
#include "daemon/daemon.h"
#include "daemon/history.h"
#include "schema/attributes/attributes.h"

#include <malloc.h>

static struct settings_destination destination = {
    .kind = SETTINGS_ATTRIBUTES,
    .forwarder = {.name = "heap", .outlet = &attributes_outlet},
};
static struct settings settings = {
    .destinations = &destination,
    .destination_count = 1,
};

enum { MINUTE_MS = 60 * 1000 };

static char *
shown(struct history *history, struct daemon *daemon, int64_t since_ms)
{
	struct json json;
	struct buf out;
	size_t len;

	buf_init(&out, 1 << 20);
	json_init(&json, &out);
	json_object_open(&json, NULL);
	history_json(history, daemon, since_ms, &json);
	json_object_open(&json, "last_hour");
	history_hour_json(history, daemon, &json);
	json_object_close(&json);
	json_object_close(&json);
	assert_true(buf_char(&out, '\0'));
	return buf_take(&out, &len);
}

static size_t
commas(const char *text)
{
	size_t count = 0;

	for (; *text != ']'; text++)
		count += *text == ',';
	return count;
}

static void
test_history(void **state)
{
	struct fixture *fixture = *state;
	struct daemon daemon = {.settings = &settings, .queue = fixture->queue};
	struct history *history = history_new(1);
	int64_t now_ms = clock_wall_ms();
	char *text;

	assert_non_null(history);
	text = shown(history, &daemon, 0);
	assert_non_null(strstr(text, "\"at\":[],"));
	assert_non_null(
	    strstr(text, "\"last_hour\":{\"received\":0,\"delivered\":0}"));
	free(text);

	history_take(history, &daemon, 0, 0);
	(void)page_put(fixture->queue,
	    &(struct page){"7", "a", 1, 1, "+ann +bob"}, now_ms);
	/* No minute is over yet. */
	history_take(history, &daemon, MINUTE_MS - 1, 1);
	history_take(history, &daemon, MINUTE_MS, MINUTE_MS);
	free(set_deliver(fixture, QUEUE_DELIVERED, 0, now_ms));
	history_take(history, &daemon, 2 * MINUTE_MS, 2 * MINUTE_MS);
	text = shown(history, &daemon, 0);
	assert_string_equal(text,
	    "{\"step_s\":60,\"at\":[0,60,120],\"received\":[0,2,2],"
	    "\"delivered\":[0,0,2],\"dropped\":[0,0,0],\"queued\":[0,2,0],"
	    "\"dead\":[0,0,0],\"destinations\":[{\"name\":\"heap\","
	    "\"queued\":[0,2,0],\"accepted\":[0,0,0]}],"
	    "\"last_hour\":{\"received\":2,\"delivered\":2}}");
	free(text);
	text = shown(history, &daemon, MINUTE_MS + 1);
	assert_non_null(strstr(text, "\"at\":[120],\"received\":[2],"));
	free(text);
	history_free(history);
}

/* After more than a day the oldest are gone, and what came more than an hour
 * ago does not count for the last hour. */
static void
test_full(void **state)
{
	struct fixture *fixture = *state;
	struct daemon daemon = {.settings = &settings, .queue = fixture->queue};
	struct history *history = history_new(1);
	int64_t ms = 0;
	char *text;

	assert_non_null(history);
	for (int i = 0; i < HISTORY_SAMPLES + 5; i++, ms += MINUTE_MS) {
		if (i == 3)
			(void)page_put(fixture->queue,
			    &(struct page){"7", "a", 1, 1, "+ann +bob"},
			    clock_wall_ms());
		history_take(history, &daemon, ms, ms);
	}
	text = shown(history, &daemon, 0);
	assert_non_null(strstr(text, "\"at\":[300,360,"));
	assert_int_equal(commas(strstr(text, "\"at\":[")), HISTORY_SAMPLES - 1);
	assert_non_null(
	    strstr(text, "\"last_hour\":{\"received\":0,\"delivered\":0}"));
	free(text);
	history_free(history);
}

/* A day costs little memory. */
static void
test_memory(void **state)
{
	struct history *history = history_new(16);
	size_t bytes;

	(void)state;
	assert_non_null(history);
	bytes = malloc_usable_size(history);
	print_message("a day of 16 destinations: %zu bytes\n", bytes);
	assert_true(bytes <= 2 * 1024 * 1024);
	history_free(history);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_history, fixture_setup, fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		test_full, fixture_setup, fixture_teardown),
	    cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
