/*
 * What a sender does with the mapping's result: omissions are counted once,
 * want of memory blames no event, and a trial run looks at each event once and
 * leaves all as it was.
 */

#include "sender_world.h"

#include "base/log.h"
#include "forwarder/left_out.h"

static uint64_t
omitted(void)
{
	const struct omissions *omissions = sender_omissions(world->sender);

	if (omissions->count == 0)
		return 0;
	assert_string_equal(omissions->rows[0].property, "plan");
	assert_string_equal(omissions->rows[0].what, "cut");
	return omissions->rows[0].count;
}

static void
test_dropped(void **state)
{
	(void)state;
	world_start(300);
	for (size_t i = 0; i < 300; i += 3)
		world->events[i].drop = true;
	world_sender_start();
	world_pass(60000);
	assert_int_equal(world->done, 200);
	assert_int_equal(world->dropped, 100);
	assert_int_equal(omitted(), 2 * 300);
	world_end();
}

/* An event that waits for its identity's room is mapped again, and its
 * omissions still count once. */
static void
test_omissions_count_once(void **state)
{
	(void)state;
	world_start(300);
	for (size_t i = 0; i < 300; i++)
		world->events[i].identity = 7;
	world_quotas(0, 100);
	world_sender_start();
	world_pass(10 * 60000);
	assert_int_equal(world->done, 300);
	assert_int_equal(omitted(), 2 * 300);
	world_end();
}

static void
test_no_memory_blames_no_event(void **state)
{
	(void)state;
	world_start(100);
	world->map_fails = ERR_NOMEM;
	world_sender_start();
	world_pass(30000);
	assert_int_equal(world->settles, 0);
	assert_int_equal(world->posts, 0);
	world->map_fails = ERR_NONE;
	world_pass(30000);
	assert_int_equal(world->done, 100);
	assert_int_equal(world->dead, 0);
	world_end();
}

static void
test_dry_run(void **state)
{
	struct forwarder_destination_status status;

	(void)state;
	world_start(12000);
	world->events[3].drop = true;
	world->settings.dry_run = true;
	world_quotas(14250, 0);
	world->count = 10000;
	world_sender_start();
	world_pass(10000);
	status = world_status();
	assert_int_equal(status.state, FORWARDER_TRIAL);
	assert_int_equal(status.trial_sent, 9999);
	assert_int_equal(status.trial_dropped, 1);
	assert_int_equal(status.trial_dead, 0);
	assert_int_equal(omitted(), 2 * 10000);

	/* paused it looks at nothing, and goes on where it was */
	sender_pause(world->sender, true, &world->now);
	world->count = 12000;
	sender_wake(world->sender);
	world_pass(5000);
	assert_int_equal(world_status().trial_sent, 9999);
	sender_pause(world->sender, false, &world->now);
	world_pass(5000);
	assert_int_equal(world_status().trial_sent, 11999);

	assert_int_equal(world->posts, 0);
	assert_int_equal(world->settles, 0);
	assert_int_equal(world->leased, 0);
	for (size_t i = 0; i < world->count; i++)
		assert_int_equal(world->events[i].fate, QUEUED);
	world_end();
}

/* Put one more event, and return by what time it was judged. */
static int64_t
judged_ms(void)
{
	world->judged_ms = -1;
	world->count++;
	sender_wake(world->sender);
	world_pass(10000);
	assert_int_equal(world->done, world->count);
	return world->judged_ms;
}

/* By a clock that is known to be wrong no item is judged. */
static void
test_a_clock_that_is_wrong(void **state)
{
	enum { DAY_MS = 24 * 3600 * 1000 };
	struct clock_times right;
	int64_t before_ms;

	(void)state;
	/* it never ran, and nobody has told the machine the time */
	world_start(10);
	world->count = 0;
	right = world->now;
	world->now.wall_ms = 5000;
	world_sender_start();
	assert_int_equal(judged_ms(), 0);
	assert_int_equal(judged_ms(), 0);
	world->now.wall_ms = right.wall_ms;
	before_ms = world->now.wall_ms;
	assert_in_range(judged_ms(), before_ms, before_ms + 10000);

	/* it is set back while it runs */
	world->now.wall_ms -= 30 * (int64_t)DAY_MS;
	before_ms += 10000;
	assert_in_range(judged_ms(), before_ms, before_ms + 20000);
	world->now.wall_ms += 30 * (int64_t)DAY_MS;

	/* the machine starts with an old clock */
	world_sender_stop(false);
	world->shared.boot++;
	world->now.mono_ms = 9000;
	world->now.wall_ms -= 30 * (int64_t)DAY_MS;
	world_sender_start();
	world_pass(2 * 60000); /* until it has cooled down */
	assert_int_equal(judged_ms(), 0);
	world->now.wall_ms += 30 * (int64_t)DAY_MS;
	before_ms = world->now.wall_ms;
	assert_in_range(judged_ms(), before_ms, before_ms + 10000);
	world_end();
}

static void
test_omissions_are_bounded(void **state)
{
	static char names[FORWARDER_OMISSIONS_MAX + 100][8];
	struct omissions omissions = {0};
	struct outlet_prepared prepared = {
	    .omission_count = 1, .omissions_lost = 1};
	char copy[8];

	(void)state;
	for (size_t i = 0; i < FORWARDER_OMISSIONS_MAX + 100; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "%zu", i);
		prepared.omissions[0] =
		    (struct outlet_omission){names[i], "blank", 2};
		omissions_add(&omissions, &prepared);
	}
	assert_int_equal(omissions.count, FORWARDER_OMISSIONS_MAX);
	assert_int_equal(
	    omissions.lost, FORWARDER_OMISSIONS_MAX + 100 + 2 * 100);

	/* the same text elsewhere is the same property */
	(void)strcpy(copy, "5");
	prepared = (struct outlet_prepared){.omission_count = 2};
	prepared.omissions[0] = (struct outlet_omission){copy, "blank", 40};
	prepared.omissions[1] = (struct outlet_omission){copy, "cut", 1};
	omissions_add(&omissions, &prepared);
	assert_int_equal(
	    omissions.lost, FORWARDER_OMISSIONS_MAX + 100 + 2 * 100 + 1);
	assert_int_equal(omissions.count, FORWARDER_OMISSIONS_MAX);
	for (size_t i = 0; i < omissions.count; i++) {
		if (strcmp(omissions.rows[i].property, "5") == 0)
			assert_int_equal(omissions.rows[i].count, 42);
	}
	omissions_fini(&omissions);
}

/* Few texts for many items; those that were delivered count, once. */
static void
test_left_out_counts_when_delivered(void **state)
{
	static const char two[] = "one\0two"; /* with its NUL */
	struct outlet_prepared prepared = {.left_out_len = 0};
	struct queue_item items[6] = {{.index = 0}};
	struct queue_lease lease = {.count = 6, .items = items};
	struct left_out left_out = {.count = 0};
	const char *first, *last = NULL;

	(void)state;
	assert_null(left_out_of(&left_out, &prepared));
	memcpy(prepared.left_out, two, sizeof(two));
	prepared.left_out_len = sizeof(two);
	first = left_out_of(&left_out, &prepared);
	assert_memory_equal(first, "one\0two\0", sizeof(two) + 1);
	assert_ptr_equal(left_out_of(&left_out, &prepared), first);
	for (size_t i = 0; i < 6; i++) {
		items[i].left_out = first;
		items[i].outcome = QUEUE_DELIVERED;
	}
	items[1].outcome = QUEUE_DEAD;
	items[2].outcome = QUEUE_OPEN;
	items[3].settled = true;
	items[4].left_out = NULL;
	left_out_count(&lease);
	assert_int_equal(lease.drift_count, 2);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(lease.drift[i].events, 2);
	assert_string_equal(lease.drift[0].text, "one");
	assert_string_equal(lease.drift[1].text, "two");
	left_out_counted(&lease);
	lease.replay = true;
	left_out_count(&lease);
	assert_int_equal(lease.drift_count, 0);
	left_out_counted(&lease);
	/* beyond the bound all count together */
	for (int i = 0; i < LEFT_OUT_MAX; i++) {
		prepared.left_out_len = (size_t)snprintf(prepared.left_out,
					    OUTLET_LEFT_OUT_MAX, "%d", i) +
					1;
		last = left_out_of(&left_out, &prepared);
	}
	assert_string_equal(last, "(more)");
	assert_int_equal(left_out.count, LEFT_OUT_MAX);
	left_out_fini(&left_out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dropped),
	    cmocka_unit_test(test_omissions_count_once),
	    cmocka_unit_test(test_no_memory_blames_no_event),
	    cmocka_unit_test(test_dry_run),
	    cmocka_unit_test(test_a_clock_that_is_wrong),
	    cmocka_unit_test(test_omissions_are_bounded),
	    cmocka_unit_test(test_left_out_counts_when_delivered),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
