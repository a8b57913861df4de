/*
 * The operator's jobs on the queue: looking, sending again, dropping,
 * copying. After each the books must agree.
 */

#include "tools_help.h"

#include <sys/stat.h>

static void
test_scan_sees_every_place(void **state)
{
	struct fixture *fixture = *state;
	char prefix[16];

	put(fixture, "gone", 5, ITEM_QUEUE);
	assert_int_equal(deliver(fixture), 5);
	put(fixture, "grave", 200, ITEM_DEAD);
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
	    run(fixture, JOBS_DEAD, jobs_scan, "grave-19\"").matched, 1);
}

static void
test_requeue(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, "grave", 150, ITEM_DEAD);
	put(fixture, "other", 2, ITEM_DEAD);
	assert_int_equal(
	    run(fixture, JOBS_DEAD, jobs_requeue, "grave").matched, 150);
	assert_int_equal(totals(fixture).dead, 2);
	assert_int_equal(totals(fixture).queued, 150);
	books_test_agree(fixture->queue);
	assert_int_equal(deliver(fixture), 150);
	assert_int_equal(totals(fixture).delivered, 150);
}

static void
test_drop(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, "grave", 10, ITEM_DEAD);
	assert_int_equal(run(fixture, JOBS_DEAD, drop, "grave-3").matched, 1);
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
	books_test_agree(fixture->queue);
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
	struct err err;

	put(fixture, "old", 3, ITEM_QUEUE);
	assert_int_equal(deliver(fixture), 3);
	assert_int_equal(run(fixture, JOBS_ARCHIVE, replay, NULL).matched, 3);
	put(fixture, "new", 2, ITEM_QUEUE);
	assert_true(queue_take(
	    fixture->queue, fixture->destination, 9000, &lease, &err));
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
	struct stats_totals books;
	char dir[256], path[300];
	int64_t left;
	bool more = true;
	struct err err;

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
	stats_totals(copy, &books);
	assert_int_equal(books.events.queued, 100);
	books_test_agree(copy);
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
	assert_int_equal(check.parcels, 20);
	assert_int_equal(check.faults, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_scan_sees_every_place),
	    TEST(test_requeue),
	    TEST(test_drop),
	    TEST(test_replay_has_its_own_columns),
	    TEST(test_replay_comes_after_live_traffic),
	    TEST(test_backup_is_a_queue),
	    TEST(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
