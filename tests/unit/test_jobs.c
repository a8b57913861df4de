/*
 * The operator's jobs on the queue: looking, sending again, dropping,
 * copying. After each the ledger must agree.
 */

#include "jobs_help.h"

#include "base/clock.h"

#include <sys/stat.h>

static void
test_scan_sees_every_place(void **state)
{
	struct fixture *fixture = *state;
	char prefix[16];

	put(fixture, "gone", 5, ITEM_QUEUE);
	assert_int_equal(deliver(fixture), 5);
	put(fixture, "dead", 200, ITEM_DEAD);
	for (int i = 0; i < 30; i++) {
		(void)snprintf(prefix, sizeof(prefix), "wait%d", i);
		put(fixture, prefix, 3, ITEM_QUEUE);
	}
	assert_int_equal(
	    run(fixture, JOBS_QUEUED, jobs_scan, NULL).matched, 90);
	assert_int_equal(
	    run(fixture, JOBS_QUEUED, jobs_scan, "wait7-1").matched, 1);
	assert_int_equal(
	    run(fixture, JOBS_ARCHIVE, jobs_scan, NULL).matched, 5);
	assert_int_equal(run(fixture, JOBS_DEAD, jobs_scan, NULL).matched, 200);
	assert_int_equal(
	    run(fixture, JOBS_DEAD, jobs_scan, "dead-19\"").matched, 1);
}

static size_t
count_place(struct fixture *fixture, enum jobs_place place)
{
	return run(fixture, place, jobs_scan, NULL).matched;
}

static void
put_each(struct fixture *fixture, char first, int count, enum item_fate fate)
{
	char prefix[16];

	for (int i = 0; i < count; i++) {
		(void)snprintf(prefix, sizeof(prefix), "%c%d", first, i);
		put(fixture, prefix, 1, fate);
	}
}

/* Take one step, let others come in, and walk on: it ends with those that were
 * there at first. */
static void
walk_ends(struct fixture *fixture, enum jobs_place place, size_t there,
    void (*more)(struct fixture *fixture))
{
	struct jobs_walk job = {.cursor = {.place = place}};
	struct err err;

	assert_int_equal(count_place(fixture, place), there);
	assert_true(jobs_scan(fixture->queue, &job, &err));
	assert_true(job.more);
	assert_true(job.matched < there);
	more(fixture);
	while (job.more)
		assert_true(jobs_scan(fixture->queue, &job, &err));
	assert_int_equal(job.matched, there);
	assert_true(count_place(fixture, place) > there);
}

static void
more_queued(struct fixture *fixture)
{
	struct answer answer;

	put_each(fixture, 'n', 20, ITEM_QUEUE);
	/* of a source that sorts behind all others, too */
	assert_true(queue_test_put(
	    fixture->queue, "other", "Open", "n", 3, ITEM_QUEUE, &answer));
}

static void
more_archive(struct fixture *fixture)
{
	put_each(fixture, 'm', 20, ITEM_QUEUE);
	assert_int_equal(deliver(fixture), 60);
}

static void
more_dead(struct fixture *fixture)
{
	put(fixture, "late", 100, ITEM_DEAD);
}

static void
test_a_walk_ends_at_what_was_there(void **state)
{
	struct fixture *fixture = *state;

	put_each(fixture, 'o', 20, ITEM_QUEUE);
	assert_int_equal(deliver(fixture), 20);
	put_each(fixture, 'q', 17, ITEM_QUEUE);
	put(fixture, "dead", 150, ITEM_DEAD);
	walk_ends(fixture, JOBS_QUEUED, 17, more_queued);
	walk_ends(fixture, JOBS_ARCHIVE, 20, more_archive);
	walk_ends(fixture, JOBS_DEAD, 150, more_dead);
}

/* What is deferred during a walk moves into a new batch, ahead of the walk,
 * which sees it there: erasing must not miss it. */
static void
test_a_walk_sees_what_is_deferred_meanwhile(void **state)
{
	struct fixture *fixture = *state;
	struct jobs_walk job = {.cursor = {.place = JOBS_QUEUED}};
	struct queue_lease *leases[20], *lease;
	struct err err;
	size_t count = 0;

	put_each(fixture, 'q', 20, ITEM_QUEUE);
	while ((lease = take(fixture, 9000)) != NULL)
		leases[count++] = lease;
	assert_int_equal(count, 20);
	assert_true(jobs_scan(fixture->queue, &job, &err));
	assert_true(job.matched < 20);
	settle_all(fixture, leases[19], QUEUE_DEFERRED, 9500);
	while (job.more)
		assert_true(jobs_scan(fixture->queue, &job, &err));
	assert_int_equal(job.matched, 20);
	while (count > 0)
		queue_lease_free(fixture->queue, leases[--count]);
}

/* Looks at each event for longer than a step may take. */
static bool
slow(void *arg, const struct jobs_event *event)
{
	int64_t until_ms = clock_mono_ms() + 3;

	(void)arg;
	(void)event;
	while (clock_mono_ms() < until_ms)
		;
	return true;
}

/* As far as it has the lock: searching for what is to be erased is done without
 * it. */
static void
test_a_step_is_bounded_by_time(void **state)
{
	struct fixture *fixture = *state;
	struct jobs_walk queued = {
	    .cursor = {.place = JOBS_QUEUED}, .match = slow};
	struct jobs_walk dead = {.cursor = {.place = JOBS_DEAD}, .match = slow};
	struct err err;

	put_each(fixture, 'q', 4, ITEM_QUEUE);
	put(fixture, "dead", 4, ITEM_DEAD);
	for (size_t step = 1; step <= 4; step++) {
		assert_true(jobs_erase(fixture->queue, &queued, &err));
		assert_int_equal(queued.matched, step);
		assert_true(jobs_scan(fixture->queue, &dead, &err));
		assert_int_equal(dead.matched, step);
	}
	assert_true(jobs_erase(fixture->queue, &queued, &err));
	assert_false(queued.more);
	assert_true(jobs_scan(fixture->queue, &dead, &err));
	assert_false(dead.more);
}

static void
test_requeue(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, "dead", 150, ITEM_DEAD);
	put(fixture, "other", 2, ITEM_DEAD);
	assert_int_equal(
	    run(fixture, JOBS_DEAD, jobs_requeue, "dead").matched, 150);
	assert_int_equal(totals(fixture).dead, 2);
	assert_int_equal(totals(fixture).queued, 150);
	ledger_test_agree(fixture->queue);
	assert_int_equal(deliver(fixture), 150);
	assert_int_equal(totals(fixture).delivered, 150);
}

/* The ledger has it under its new type. */
static void
test_requeue_one(void **state)
{
	static const char text[] = "{\"id\":\"corrected\"}";
	const struct item item = {
	    .type = STR("Click"), .data = STR("{\"id\":\"corrected\"}")};
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct jobs_walk dead;
	struct err err;
	bool found;

	put(fixture, "dead", 150, ITEM_DEAD);
	assert_true(
	    jobs_requeue_one(fixture->queue, 999999, NULL, &found, &err));
	assert_false(found);
	dead = run(fixture, JOBS_DEAD, jobs_scan, NULL);
	assert_int_equal(dead.matched, 150);
	assert_true(jobs_requeue_one(
	    fixture->queue, dead.cursor.letter, &item, &found, &err));
	assert_true(found);
	assert_int_equal(totals(fixture).dead, 149);
	assert_int_equal(totals(fixture).received, 150);
	ledger_test_agree(fixture->queue);
	lease = take(fixture, 9000);
	assert_non_null(lease);
	assert_int_equal(lease->count, 1);
	assert_true(str_equal_text(lease->items[0].type, "Click"));
	assert_true(str_equal_text(lease->items[0].data, text));
	judge_all(lease, QUEUE_DELIVERED, 0);
	queue_test_settle(fixture->queue, lease, 9000);
	queue_lease_free(fixture->queue, lease);
	ledger_test_agree(fixture->queue);
	assert_true(jobs_requeue_one(
	    fixture->queue, dead.cursor.letter - 1, NULL, &found, &err));
	assert_true(found);
	assert_int_equal(deliver(fixture), 1);
	assert_int_equal(totals(fixture).dead, 148);
}

/* In the order of acceptance, whatever the order of the rows is. */
static bool
in_order(void *arg, const struct jobs_event *event)
{
	int64_t *last = arg;

	assert_true(event->id >= *last);
	*last = event->id;
	return true;
}

static void
test_walk_after(void **state)
{
	const struct jobs_look all = {.ids = NULL};
	struct fixture *fixture = *state;
	struct jobs_walk job = {
	    .cursor = {.place = JOBS_QUEUED}, .match = in_order, .look = &all};
	int64_t first = 0, last = 0;
	struct err err;

	put_each(fixture, 'q', 9, ITEM_QUEUE);
	job.arg = &first;
	job.more = true;
	while (job.more)
		assert_true(jobs_scan(fixture->queue, &job, &err));
	assert_int_equal(job.matched, 9);
	jobs_walk_fini(&job);
	job = (struct jobs_walk){.cursor = {.place = JOBS_QUEUED},
	    .match = in_order,
	    .arg = &last,
	    .look = &all,
	    .more = true};
	jobs_walk_after(&job, first - 4);
	while (job.more)
		assert_true(jobs_scan(fixture->queue, &job, &err));
	assert_int_equal(job.matched, 4);
	assert_int_equal(last, first);
	jobs_walk_fini(&job);
}

static bool
seen(struct fixture *fixture, const char *source, const char *type,
    const char *id)
{
	struct err err;
	bool found;

	assert_true(stats_seen(fixture->queue, source, str_text(type),
	    str_text(id), &found, &err));
	return found;
}

static void
test_seen(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, "a", 2, ITEM_QUEUE);
	assert_int_equal(deliver(fixture), 2);
	assert_true(seen(fixture, "main", "Open", "a-1"));
	assert_false(seen(fixture, "main", "Open", "a-2"));
	assert_false(seen(fixture, "main", "Click", "a-1"));
	assert_false(seen(fixture, "other", "Open", "a-1"));
}

static void
test_drop(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, "dead", 10, ITEM_DEAD);
	assert_int_equal(run(fixture, JOBS_DEAD, drop, "dead-3").matched, 1);
	assert_int_equal(totals(fixture).dead, 9);
	assert_int_equal(totals(fixture).dropped, 1);
}

static void
test_replay_has_its_own_columns(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, "a", 100, ITEM_QUEUE);
	assert_int_equal(deliver(fixture), 100);
	assert_int_equal(run(fixture, JOBS_ARCHIVE, replay, "a-1").matched, 11);
	assert_int_equal(totals(fixture).replayed, 11);
	assert_int_equal(totals(fixture).queued, 0);
	ledger_test_agree(fixture->queue);
	assert_int_equal(deliver(fixture), 11);
	assert_int_equal(totals(fixture).replay_delivered, 11);
	assert_int_equal(totals(fixture).delivered, 100);
	/* and they can be sent once more, once each */
	assert_int_equal(run(fixture, JOBS_ARCHIVE, replay, NULL).matched, 100);
}

static void
test_replay_comes_after_live_traffic(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;

	put(fixture, "old", 3, ITEM_QUEUE);
	assert_int_equal(deliver(fixture), 3);
	assert_int_equal(run(fixture, JOBS_ARCHIVE, replay, NULL).matched, 3);
	put(fixture, "new", 2, ITEM_QUEUE);
	lease = take(fixture, 9000);
	assert_int_equal(lease->count, 2);
	assert_false(lease->replay);
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(deliver(fixture), 5);
}

static void
test_backup_is_a_queue(void **state)
{
	struct fixture *fixture = *state;
	struct queue_settings settings;
	struct jobs_backup *backup;
	struct queue *copy = NULL;
	struct stats_totals totals;
	char dir[256], path[300];
	int64_t left;
	bool more = true;
	struct err err;

	if (on_memory()) {
		assert_false(jobs_backup_begin(
		    fixture->queue, "/nowhere", &backup, &err));
		assert_int_equal(err.code, ERR_UNSUPPORTED);
		return;
	}
	put(fixture, "a", 50, ITEM_QUEUE);
	(void)snprintf(dir, sizeof(dir), "%s/copy", fixture->dir);
	(void)snprintf(path, sizeof(path), "%s/queue.db", dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_true(jobs_backup_begin(fixture->queue, path, &backup, &err));
	put(fixture, "b", 50, ITEM_QUEUE); /* beside it */
	while (more)
		assert_true(jobs_backup_step(backup, &more, &left, &err));
	jobs_backup_end(backup);
	assert_false(jobs_backup_begin(fixture->queue, path, &backup, &err));

	settings = queue_test_settings(dir);
	if (!queue_open(&settings, &copy, &err))
		fail_msg("queue_open: %s", err.text);
	stats_totals(copy, &totals);
	assert_int_equal(totals.events.queued, 100);
	ledger_test_agree(copy);
	queue_close(copy);
}

static void
note_fault(void *arg, const char *text)
{
	(void)arg;
	print_message("fault: %s\n", text);
}

static void
test_check(void **state)
{
	struct fixture *fixture = *state;
	struct jobs_check check = {.fn = note_fault, .more = true};
	char prefix[16];
	struct err err;

	for (int i = 0; i < 20; i++) {
		(void)snprintf(prefix, sizeof(prefix), "p%d", i);
		put(fixture, prefix, 5, ITEM_QUEUE);
	}
	while (check.more)
		assert_true(jobs_check(fixture->queue, &check, &err));
	assert_int_equal(check.batches, 20);
	assert_int_equal(check.faults, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_scan_sees_every_place),
	    TEST(test_a_walk_ends_at_what_was_there),
	    TEST(test_a_walk_sees_what_is_deferred_meanwhile),
	    TEST(test_a_step_is_bounded_by_time),
	    TEST(test_requeue),
	    TEST(test_requeue_one),
	    TEST(test_walk_after),
	    TEST(test_seen),
	    TEST(test_drop),
	    TEST(test_replay_has_its_own_columns),
	    TEST(test_replay_comes_after_live_traffic),
	    TEST(test_backup_is_a_queue),
	    TEST(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
