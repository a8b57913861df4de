/*
 * The queue through trouble: opened anew with leases out, a value that the
 * file cannot take, too little room, a reserve that is not whole.
 */

#include "queue_fixture.h"

#include "base/clock.h"
#include "base/digest.h"

#include <sys/stat.h>

/* Break the queue as a failed disk would, and wait until it is open again. */
static void
break_and_reopen(struct queue *queue)
{
	struct answer answer;
	struct err err;
	bool ok = false;

	fair_lock_hold(&queue->lock);
	if (on_memory())
		memory_break(queue->store);
	else
		sqlite_break(queue->store);
	fair_lock_drop(&queue->lock);
	while (!ok) {
		answer_init(&answer);
		assert_true(queue_probe(queue, 1, answer_done, &answer, &err));
		ok = answer_wait(&answer);
	}
}

static void
test_lease_outlives_a_reopen(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct answer answer;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 3, ITEM_QUEUE, &answer));
	lease = take(fixture, 1);
	assert_non_null(lease);
	break_and_reopen(fixture->queue);
	assert_string_equal(lease->source, "main");
	settle_all(fixture, lease, QUEUE_DELIVERED, 0);
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(totals(fixture).delivered, 3);
}

/* A destination on trial shows each batch once, whatever happens to the
 * store. */
static void
test_a_trial_outlives_a_reopen(void **state)
{
	struct fixture *fixture = *state;
	int64_t trial = 0;
	struct queue_want want = {
	    .destination = fixture->destination, .after_seq = &trial};
	struct queue_lease *lease;
	struct answer answer;
	struct err err;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 3, ITEM_QUEUE, &answer));
	assert_true(queue_take(fixture->queue, &want, 1, 1, &lease, &err));
	assert_non_null(lease);
	queue_lease_free(fixture->queue, lease);
	for (int round = 0; round < 2; round++) {
		assert_true(
		    queue_take(fixture->queue, &want, 1, 1, &lease, &err));
		assert_null(lease);
		break_and_reopen(fixture->queue);
	}
}

/* A store that was closed is not opened again on what is in its place now. */
static void
test_another_file_is_not_opened(void **state)
{
	struct fixture *fixture = *state;
	struct queue *queue = fixture->queue;
	char file[256], other[256], command[600];
	struct answer answer;
	bool reopened, more;
	struct err err;

	FILE_ONLY();
	assert_true(
	    queue_test_put(queue, "main", "Open", "a", 3, ITEM_QUEUE, &answer));
	(void)snprintf(file, sizeof(file), "%s/queue.db", fixture->dir);
	(void)snprintf(other, sizeof(other), "%s/other", fixture->dir);
	(void)snprintf(command, sizeof(command), "cp '%s' '%s'", file, other);
	assert_int_equal(system(command), 0);
	fair_lock_hold(&queue->lock);
	sqlite_break(queue->store);
	assert_int_equal(rename(other, file), 0);
	assert_false(queue->engine->upkeep(
	    queue->store, INT64_MAX / 2, &reopened, &more, &err));
	assert_non_null(strstr(err.text, "removed or replaced"));
	assert_null(sqlite_connection(queue->store));
	fair_lock_drop(&queue->lock);
	queue_test_close(queue);
	fixture->queue = NULL;
}

static bool
is_broken(struct queue *queue)
{
	struct stats_totals totals;

	stats_totals(queue, &totals);
	return totals.broken;
}

static void
test_too_large_a_value_breaks_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct item item = {.fate = ITEM_DEAD,
	    .type = STR("Open"),
	    .id = STR("a"),
	    .data.len = 4000,
	    .reason = "because"};
	struct queue_batch batch = {.source = "main",
	    .destination = "heap",
	    .now_ms = 1,
	    .items = &item,
	    .count = 1};
	struct answer answer;
	char bytes[4000]; /* that cannot be compressed */
	struct err err;

	FILE_ONLY();
	digest_random(bytes, sizeof(bytes));
	item.data.data = bytes;
	fair_lock_hold(&fixture->queue->lock);
	(void)sqlite3_limit(sqlite_connection(fixture->queue->store),
	    SQLITE_LIMIT_LENGTH, 2000);
	fair_lock_drop(&fixture->queue->lock);
	answer_init(&answer);
	assert_true(
	    queue_put(fixture->queue, &batch, answer_done, &answer, &err));
	assert_false(answer_wait(&answer));
	assert_int_equal(answer.err.code, ERR_LIMIT);
	assert_false(is_broken(fixture->queue));
}

/* Deliver `count` batches of one event each into the archive. */
static void
deliver(struct fixture *fixture, size_t count)
{
	struct queue_lease *lease;
	struct answer answer;
	char prefix[32];

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(prefix, sizeof(prefix), "d%zu", i);
		assert_true(queue_test_put(fixture->queue, "main", "Open",
		    prefix, 1, ITEM_QUEUE, &answer));
		lease = take(fixture, 1);
		assert_non_null(lease);
		settle_all(fixture, lease, QUEUE_DELIVERED, 0);
		queue_lease_free(fixture->queue, lease);
	}
}

/* What can give way does not, if it would not be enough, or for a probe. */
static void
test_nothing_gives_way_in_vain(void **state)
{
	struct fixture *fixture = *state;
	struct stats_totals totals;
	struct answer answer;
	struct err err;

	queue_test_close(fixture->queue);
	fixture->settings.keep_ms = INT64_MAX / 2;
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->destination = destination_test_open(fixture->queue, "heap");
	deliver(fixture, 100);
	queue_test_close(fixture->queue);

	fixture->settings.min_free_bytes = INT64_MAX / 2;
	fixture->queue = queue_test_open(&fixture->settings);
	for (int i = 0; i < 3; i++) {
		assert_false(queue_test_put(fixture->queue, "main", "Open", "x",
		    1, ITEM_QUEUE, &answer));
		assert_int_equal(answer.err.code, ERR_FULL);
		answer_init(&answer);
		assert_true(queue_probe(
		    fixture->queue, 1 + i, answer_done, &answer, &err));
		assert_false(answer_wait(&answer));
	}
	stats_totals(fixture->queue, &totals);
	assert_int_equal(totals.archive_batches, 100);
	assert_false(is_broken(fixture->queue));
}

static void
test_reserve_is_laid_anew_unless_whole(void **state)
{
	struct fixture *fixture = *state;
	struct stat info;
	char path[256];

	FILE_ONLY();
	(void)snprintf(path, sizeof(path), "%s/reserve", fixture->dir);
	queue_test_close(fixture->queue);
	/* as a crash may leave it */
	assert_int_equal(truncate(path, 0), 0);
	fixture->queue = queue_test_open(&fixture->settings);
	assert_int_equal(stat(path, &info), 0);
	assert_true(info.st_size >= fixture->settings.reserve_bytes);
}

static bool
contains(void *arg, const struct jobs_event *event)
{
	const char *text = arg;

	return memmem(event->data.data, event->data.len, text, strlen(text)) !=
	       NULL;
}

static size_t
erase(struct fixture *fixture, enum jobs_place place, const char *text)
{
	struct jobs_walk job = {.cursor = {.place = place},
	    .match = contains,
	    .arg = (void *)(uintptr_t)text,
	    .more = true};
	struct err err;

	while (job.more)
		assert_true(jobs_erase(fixture->queue, &job, &err));
	return job.matched;
}

/* The totals of the archive are compared at the end, as for each test. */
static void
test_erased_on_lease_and_in_the_archive(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct answer answer;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 40, ITEM_QUEUE, &answer));
	lease = take(fixture, 1);
	assert_int_equal(erase(fixture, JOBS_QUEUED, "\"a-3"), 11);
	settle_all(fixture, lease, QUEUE_DELIVERED, 0);
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(erase(fixture, JOBS_ARCHIVE, "\"a-2"), 11);
	assert_int_equal(totals(fixture).delivered, 29);
	assert_int_equal(totals(fixture).erased, 11);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_lease_outlives_a_reopen),
	    TEST(test_a_trial_outlives_a_reopen),
	    TEST(test_another_file_is_not_opened),
	    TEST(test_too_large_a_value_breaks_nothing),
	    TEST(test_nothing_gives_way_in_vain),
	    TEST(test_reserve_is_laid_anew_unless_whole),
	    TEST(test_erased_on_lease_and_in_the_archive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
