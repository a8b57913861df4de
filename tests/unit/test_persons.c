/* Whose events an erasure is about: what stands beside an id, and devices. */

#include "daemon/persons.h"

#include "settings_help.h"

#define USER(members) "{\"event_type\":\"a\",\"user\":{" members "}}"
#define EXTERNAL(id)  "\"external_user_id\":\"" id "\""
#define BRAZE(id)     "\"user_id\":\"" id "\""
#define DEVICE(id)    "\"device_id\":\"" id "\""
#define ALIAS(id)     "\"user_alias\":{\"alias_name\":\"" id "\"}"

static struct settings settings;

static int
settings_make(void **state)
{
	static const char *const pairs[] = {"CURRENTSD_TOKEN=t",
	    "CURRENTSD_STATE_DIR=/tmp", "CURRENTSD_HEAP_APP_ID=1",
	    "CURRENTSD_HEAP_REGION=us", "CURRENTSD_HEAP_PLACEHOLDERS=n/a",
	    NULL};
	struct err err;

	(void)state;
	environment_set(pairs);
	assert_true(settings_read(NULL, &settings, &err));
	assert_true(settings_rules_complete(
	    &settings, &settings.destinations[0], &err));
	return 0;
}

static int
settings_free(void **state)
{
	(void)state;
	settings_fini(&settings);
	return 0;
}

/* All passes over these events, for the person "b". */
static struct persons *
passes(const char *const *events)
{
	static const char *const given[] = {"b"};
	struct persons *persons;
	bool devices;
	struct err err;

	assert_true(persons_new(&settings, given, 1, &persons, &err));
	for (size_t i = 0; events[i] != NULL; i++)
		persons_find(persons, str_text(events[i]));
	assert_true(persons_found(persons, &devices, &err));
	for (size_t i = 0; devices && events[i] != NULL; i++)
		persons_share(persons, str_text(events[i]));
	return persons;
}

/* What of the events is theirs: a letter for each. */
static void
match(const char *const *events, const char *theirs, struct persons_told told)
{
	struct persons *persons = passes(events);
	struct persons_told is = persons_told(persons);

	for (size_t i = 0; events[i] != NULL; i++) {
		bool yes = persons_match(persons, str_text(events[i]));

		if (yes != (theirs[i] == 'y'))
			fail_msg("%zu: %s", i, events[i]);
	}
	assert_int_equal(is.found, told.found);
	assert_int_equal(is.alone, told.alone);
	assert_int_equal(is.shared, told.shared);
	persons_free(persons);
}

static void
test_ids_beside_it(void **state)
{
	static const char *const events[] = {
	    USER(BRAZE("b") "," EXTERNAL("e")),
	    USER(EXTERNAL("e")), /* by the id beside it */
	    USER(BRAZE("b") "," ALIAS("a")),
	    USER(ALIAS("a")),
	    USER(EXTERNAL("e") "," BRAZE("second")),
	    USER(BRAZE("second")), /* one step, not two */
	    USER(EXTERNAL("other")),
	    USER(ALIAS("e")), /* of whatever kind */
	    NULL,
	};

	(void)state;
	match(events, "yyyyynny", (struct persons_told){.found = 2});
}

static void
test_an_id_alone(void **state)
{
	static const char *const events[] = {
	    USER(BRAZE("b")),
	    USER(EXTERNAL("e")),
	    USER(BRAZE("b") "," EXTERNAL("guest")), /* stands for many */
	    USER(EXTERNAL("guest")),
	    USER(BRAZE("b") "," EXTERNAL("N/A")),
	    USER(EXTERNAL("n/a")),
	    NULL,
	};

	(void)state;
	match(events, "ynynyn", (struct persons_told){.alone = 1});
}

static void
test_devices(void **state)
{
	static const char *const own[] = {
	    USER(BRAZE("b") "," DEVICE("d")),
	    USER(DEVICE("d")),
	    USER(BRAZE("anonymous profile") "," DEVICE("d")),
	    USER(DEVICE("another")),
	    NULL,
	};
	static const char *const shared[] = {
	    USER(BRAZE("b") "," DEVICE("d")),
	    USER(DEVICE("d")),
	    USER(EXTERNAL("other") "," DEVICE("d")),
	    NULL,
	};
	static const char *const asked[] = {USER(DEVICE("b")), NULL};

	(void)state;
	match(own, "yyyn", (struct persons_told){.alone = 1});
	match(shared, "ynn", (struct persons_told){.alone = 1, .shared = 1});
	match(asked, "y", (struct persons_told){.alone = 1});
}

/* The person who took over another one's events is not that one. */
static void
test_orphans(void **state)
{
	static const char *const events[] = {
	    "{\"user\":{\"user_id\":\"b\"},"
	    "\"properties\":{\"orphaned_by_id\":\"heir\"}}",
	    USER(BRAZE("heir")),
	    "{\"user\":{\"user_id\":\"orphan\"},"
	    "\"properties\":{\"orphaned_by_id\":\"b\"}}",
	    USER(BRAZE("orphan")),
	    NULL,
	};

	(void)state;
	match(events, "ynyn", (struct persons_told){.alone = 1});
}

/* What cannot be read is searched for all ids. */
static void
test_in_doubt(void **state)
{
	static const char *const events[] = {
	    USER(BRAZE("b") "," EXTERNAL("eva")),
	    "{\"user\":{\"external_user_id\":\"eva\"",
	    "{\"user\":{\"external_user_id\":\"adam\"",
	    NULL,
	};

	(void)state;
	match(events, "yyn", (struct persons_told){.found = 1});
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ids_beside_it),
	    cmocka_unit_test(test_an_id_alone),
	    cmocka_unit_test(test_devices),
	    cmocka_unit_test(test_orphans),
	    cmocka_unit_test(test_in_doubt),
	};

	return cmocka_run_group_tests(tests, settings_make, settings_free);
}
