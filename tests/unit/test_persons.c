/* Whose items an erasure is about: what stands beside an id, devices, and
 * members of sets. */

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

/* An event's own type; of a change, and of one that is flawed, the group. */
static struct str
type_of(const char *item)
{
	if (strstr(item, "\"event_type\"") != NULL)
		return str_text("a");
	return str_text(
	    strchr("+-[", *item) != NULL || strstr(item, "\"id\"") != NULL
		? "7"
		: "");
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
		persons_find(persons, type_of(events[i]), str_text(events[i]));
	assert_true(persons_found(persons, &devices, &err));
	for (size_t i = 0; devices && events[i] != NULL; i++)
		persons_share(persons, type_of(events[i]), str_text(events[i]));
	return persons;
}

/* What of the events is theirs: a letter for each. */
static void
match(const char *const *events, const char *theirs, struct persons_told told)
{
	struct persons *persons = passes(events);
	struct persons_told is = persons_told(persons);

	for (size_t i = 0; events[i] != NULL; i++) {
		bool yes = persons_match(
		    persons, type_of(events[i]), str_text(events[i]));

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

/* Too long ids are too many: that is no lack of memory, which may pass. */
static void
test_ids_of_many_bytes(void **state)
{
	enum { LONG = 1 << 20, EVENTS = 66 };
	static const char *const given[] = {"b"};
	static const char begin[] =
	    "{\"event_type\":\"a\",\"user\":{\"user_id\":\"b\","
	    "\"external_user_id\":\"";
	size_t at = sizeof(begin) - 1;
	char *event = malloc(at + LONG + 4);
	struct persons *persons;
	bool devices;
	struct err err;

	(void)state;
	assert_non_null(event);
	memcpy(event, begin, at);
	memset(event + at, 'x', LONG);
	memcpy(event + at + LONG, "\"}}", 4);
	assert_true(persons_new(&settings, given, 1, &persons, &err));
	for (int i = 0; i < EVENTS; i++) {
		event[at] = (char)(' ' + 3 + i);
		persons_find(persons, str_text("users.X"), str_text(event));
	}
	assert_false(persons_found(persons, &devices, &err));
	assert_int_equal(err.code, ERR_LIMIT);
	persons_free(persons);
	free(event);
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

/* A change has its member's id, which may be one that stands beside another;
 * what stood for a member is searched. */
static void
test_changes(void **state)
{
	static const char *const items[] = {
	    USER(BRAZE("b") "," EXTERNAL("eva")),
	    "+eva",
	    "-eva",
	    "+b",
	    "-bob",
	    "+eva@example.org",
	    "{\"id\":\"eva\",\"id\":\"adam\"}",
	    "{\"id\":\"adam\",\"id\":\"bob\"}",
	    "[\"id\",\"b\"]",
	    NULL,
	};

	(void)state;
	match(items, "yyyynnyny", (struct persons_told){.found = 1});
}

/* What a look-up by a person's id finds. */
static void
test_matches(void **state)
{
	static const struct str ids[] = {{"ann", sizeof("ann") - 1}, {"5", 1}};
	static const struct {
		const char *type, *data;
		bool matches;
	} cases[] = {
	    {"7", "+ann", true},
	    {"7", "-5", true},
	    {"7", "+annie", false},
	    {"7", "+ann@example.org", false},
	    {"7", "+", false},
	    {"", "-5", true}, /* an invalid event: it may be anybody's */
	    {"", "-55", false},
	    {"a", USER(EXTERNAL("ann")), true},
	    {"a", USER(EXTERNAL("bob")), false},
	    {"7", "{\"id\":\"\",\"name\":\"ann\"}", true},
	};
	struct str member;
	bool entered;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (persons_matches(str_text(cases[i].type),
			str_text(cases[i].data), ids, 2) != cases[i].matches)
			fail_msg("%s", cases[i].data);
	}
	assert_true(
	    persons_change(str_text("7"), str_text("-ann"), &member, &entered));
	assert_true(str_equal_text(member, "ann"));
	assert_false(entered);
	assert_false(
	    persons_change(str_text(""), str_text("-5"), &member, &entered));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ids_beside_it),
	    cmocka_unit_test(test_ids_of_many_bytes),
	    cmocka_unit_test(test_an_id_alone),
	    cmocka_unit_test(test_devices),
	    cmocka_unit_test(test_orphans),
	    cmocka_unit_test(test_in_doubt),
	    cmocka_unit_test(test_changes),
	    cmocka_unit_test(test_matches),
	};

	return cmocka_run_group_tests(tests, settings_make, settings_free);
}
