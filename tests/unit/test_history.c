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
	history_json(history, since_ms, &json);
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
	struct history *history = history_new();
	int64_t now_ms = clock_wall_ms();
	struct daemon daemon;
	char *text;

	daemon_init(&daemon, &settings);
	daemon.queue = fixture->queue;

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
	struct history *history = history_new();
	struct daemon daemon;
	int64_t ms = 0;
	char *text;

	daemon_init(&daemon, &settings);
	daemon.queue = fixture->queue;

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
	struct fixture *fixture = *state;
	struct history *history = history_new();
	struct settings_destination many[16];
	struct settings of_many = {
	    .destinations = many,
	    .destination_count = 16,
	};
	char names[16][4];
	struct daemon daemon;
	size_t before, bytes;

	assert_non_null(history);
	for (size_t i = 0; i < 16; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "%zu", i);
		many[i] = destination;
		many[i].forwarder.name = names[i];
	}
	daemon_init(&daemon, &of_many);
	daemon.queue = fixture->queue;
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	history_take(history, &daemon, 0, 0);
	bytes = mallinfo2().uordblks + mallinfo2().hblkhd - before +
		malloc_usable_size(history);
	print_message("a day of 16 destinations: %zu bytes\n", bytes);
	assert_true(bytes <= 2 * 1024 * 1024);
	history_free(history);
}

/* Other settings are read: what is new has a place of its own. */
static void
test_other_settings(void **state)
{
	struct fixture *fixture = *state;
	struct history *history = history_new();
	struct settings_destination two[] = {destination, destination};
	struct settings both = {.destinations = two, .destination_count = 2};
	struct generation generation;
	struct daemon daemon;
	char *text;

	two[0].forwarder.name = "new";
	daemon_init(&daemon, &settings);
	daemon.queue = fixture->queue;
	history_take(history, &daemon, 0, 0);
	generation_init(&generation, &both);
	daemon.in_force.generation = &generation;
	history_take(history, &daemon, MINUTE_MS, MINUTE_MS);
	text = shown(history, &daemon, 0);
	assert_non_null(strstr(text,
	    "\"destinations\":[{\"name\":\"heap\",\"queued\":[0,0],"
	    "\"accepted\":[0,0]},{\"name\":\"new\",\"queued\":[0,0],"
	    "\"accepted\":[0,0]}]"));
	free(text);
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
	    cmocka_unit_test_setup_teardown(
		test_memory, fixture_setup, fixture_teardown),
	    cmocka_unit_test_setup_teardown(
		test_other_settings, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
