/*
 * What is counted by type, and what was observed: names of strangers are
 * bounded, and those that are not seen any more make room for others.
 */

#include "queue_fixture.h"

enum { STRANGE = LEDGER_TYPES_MAX };

/* An event of each type "PREFIX.N". */
static void
put_types(struct fixture *fixture, const char *prefix, size_t count,
    enum item_fate fate)
{
	static struct item items[STRANGE];
	static char types[STRANGE][32];
	struct queue_batch batch = {.source = "main",
	    .destination = "heap",
	    .now_ms = 1764000000000,
	    .again = true,
	    .items = items,
	    .count = count};
	struct answer answer;
	struct err err;

	assert_true(count <= STRANGE);
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(types[i], sizeof(types[i]), "%s.%zu", prefix, i);
		items[i] = (struct item){.fate = fate,
		    .type = str_text(types[i]),
		    .id = str_text(types[i]),
		    .data = str_text(types[i]),
		    .reason = "a rule"};
	}
	answer_init(&answer);
	assert_true(
	    queue_put(fixture->queue, &batch, answer_done, &answer, &err));
	assert_true(answer_wait(&answer));
}

struct wanted {
	const char *label;
	struct stats_line line; /* of that label */
	bool below;		/* there is less than nothing somewhere */
};

static bool
note_line(void *arg, const char *label, const struct stats_line *line)
{
	struct wanted *wanted = arg;

	if (strcmp(label, wanted->label) == 0)
		wanted->line = *line;
	wanted->below = wanted->below || line->queued < 0 || line->dead < 0;
	return true;
}

/* What the ledger has of a type. */
static struct stats_line
line_of(struct fixture *fixture, const char *type)
{
	struct wanted wanted = {.label = type};
	struct err err;

	assert_true(stats_ledger(
	    fixture->queue, STATS_BY_TYPE, note_line, &wanted, &err));
	assert_false(wanted.below);
	return wanted.line;
}

static bool
note_drop(void *arg, const char *rule, const char *type, int64_t events)
{
	assert_string_equal(rule, "a rule");
	if (strcmp(type, "(other)") == 0)
		*(int64_t *)arg = events;
	return true;
}

static void
age(struct fixture *fixture, int64_t ms)
{
	fair_lock_hold(&fixture->queue->lock);
	fixture->queue->bounds.age_ms += ms;
	fair_lock_drop(&fixture->queue->lock);
}

/* Wait until the housekeeping has counted more of them as "(other)". */
static int64_t
forgotten(struct fixture *fixture, int64_t before)
{
	for (int tries = 0;; tries++) {
		int64_t now = line_of(fixture, "(other)").received;

		if (now > before)
			return now - before;
		assert_true(tries < 3000);
		(void)usleep(10000);
	}
}

/* Types that are not seen any more make room, unless something of them is
 * still there; also if the daemon is restarted meanwhile. */
static void
test_types_that_are_not_seen_make_room(void **state)
{
	struct fixture *fixture = *state;
	int64_t count, dropped = 0;
	struct err err;

	put_types(fixture, "odd", STRANGE, ITEM_DROP);
	put_types(fixture, "odd", 1, ITEM_QUEUE);
	put_types(fixture, "odd", 2, ITEM_DEAD);
	put_types(fixture, "new", 1, ITEM_DROP);
	assert_int_equal(line_of(fixture, "new.0").received, 0);
	assert_int_equal(line_of(fixture, "(other)").received, 1);
	age(fixture, LEDGER_KEEP_MS / 2);
	reopen(fixture);
	put_types(fixture, "odd", 3, ITEM_DROP);
	age(fixture, LEDGER_KEEP_MS / 2);
	count = forgotten(fixture, 1);
	assert_true(count < STRANGE - 3);
	put_types(fixture, "new", 1, ITEM_DROP);
	assert_int_equal(line_of(fixture, "new.0").received, 1);
	assert_int_equal(line_of(fixture, "(other)").received, 1 + count);
	assert_true(stats_drops(fixture->queue, note_drop, &dropped, &err));
	assert_int_equal(dropped, 1 + count);
	assert_int_equal(line_of(fixture, "odd.0").received, 4);
	assert_int_equal(line_of(fixture, "odd.1").received, 3);
	assert_int_equal(line_of(fixture, "odd.2").received, 2);
	assert_int_equal(totals(fixture).received, STRANGE + 8);
}

static void
take_all(struct fixture *fixture, enum queue_outcome outcome)
{
	struct queue_lease *lease;

	while ((lease = take(fixture, 9000)) != NULL) {
		settle_all(fixture, lease, outcome, 0);
		queue_lease_free(fixture->queue, lease);
	}
}

static bool
drop_dead(struct queue *queue, struct jobs_walk *job, struct err *reterr)
{
	return jobs_drop(queue, job, "operator", reterr);
}

static void
job(struct fixture *fixture, enum jobs_place place,
    bool (*step)(struct queue *, struct jobs_walk *, struct err *))
{
	struct jobs_walk walk = {.cursor = {.place = place}, .more = true};
	struct err err;

	while (walk.more)
		assert_true(step(fixture->queue, &walk, &err));
}

/* What was counted as "(other)" is settled there, though its type has a name
 * since: nothing is ever less than nothing. */
static void
test_what_came_as_another_goes_as_another(void **state)
{
	static const struct {
		enum queue_outcome outcome;
		enum jobs_place place;
		bool (*step)(struct queue *, struct jobs_walk *, struct err *);
	} ways[] = {
	    {QUEUE_DELIVERED, JOBS_DEAD, jobs_requeue},
	    {QUEUE_DROPPED, JOBS_DEAD, drop_dead},
	    {QUEUE_DEAD, JOBS_QUEUED, jobs_erase},
	    {QUEUE_DEAD, JOBS_DEAD, jobs_erase},
	};
	struct fixture *fixture = *state;
	struct stats_line other;

	put_types(fixture, "odd", STRANGE, ITEM_DROP);
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		put_types(fixture, "late", 3, ITEM_QUEUE);
		put_types(fixture, "late", 3, ITEM_DEAD);
	}
	assert_int_equal(line_of(fixture, "(other)").queued, 12);
	age(fixture, LEDGER_KEEP_MS);
	(void)forgotten(fixture, 24);
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		put_types(fixture, "late", 2, ITEM_QUEUE);
		put_types(fixture, "late", 2, ITEM_DEAD);
		assert_true(line_of(fixture, "late.1").received > 0);
		job(fixture, ways[i].place, ways[i].step);
		(void)line_of(fixture, "");
		take_all(fixture, ways[i].outcome);
		(void)line_of(fixture, "");
	}
	job(fixture, JOBS_DEAD, drop_dead);
	other = line_of(fixture, "(other)");
	assert_int_equal(other.queued, 0);
	assert_int_equal(other.dead, 0);
	assert_int_equal(stats_imbalance(&other), 0);
	assert_int_equal(line_of(fixture, "late.0").queued, 0);
	assert_int_equal(line_of(fixture, "late.0").dead, 0);
}

static void
observe(struct fixture *fixture, const char *text)
{
	struct queue_drift drift = {.text = text, .events = 1};
	struct queue_batch batch = {.source = "main",
	    .destination = "heap",
	    .now_ms = 1764000000000,
	    .drift = &drift,
	    .drift_count = 1};

	batch_put(fixture->queue, &batch);
}

static bool
note_drift(void *arg, const char *text, int64_t events, int64_t first_ms,
    int64_t last_ms)
{
	char *all = arg;

	assert_int_equal(first_ms, 1764000000000);
	assert_int_equal(last_ms, 1764000000000);
	(void)snprintf(
	    all + strlen(all), 200 - strlen(all), "%s=%d ", text, (int)events);
	return true;
}

/* Wait until that is what was observed. */
static void
observed(struct fixture *fixture, const char *wanted)
{
	char all[200] = "";
	struct err err;

	for (int tries = 0; strcmp(all, wanted) != 0; tries++) {
		if (tries > 0)
			(void)usleep(10000);
		if (tries == 3000)
			fail_msg("%s, not %s", all, wanted);
		all[0] = '\0';
		assert_true(stats_drift(fixture->queue, note_drift, all, &err));
	}
}

/* The housekeeping does so when it begins. */
static void
test_what_is_not_observed_makes_room(void **state)
{
	struct fixture *fixture = *state;

	fixture->settings.drift_max = 3;
	reopen(fixture);
	observe(fixture, "one");
	observe(fixture, "one");
	observe(fixture, "two");
	age(fixture, LEDGER_KEEP_MS);
	observe(fixture, "three");
	reopen(fixture);
	observed(fixture, "(more)=3 three=1 ");
	observe(fixture, "two");
	observe(fixture, "four");
	observed(fixture, "(more)=4 three=1 two=1 ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_types_that_are_not_seen_make_room),
	    TEST(test_what_came_as_another_goes_as_another),
	    TEST(test_what_is_not_observed_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
