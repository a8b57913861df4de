/*
 * Salvage: what the pages still hold comes out, whatever was done to the
 * rest of the file; and old hours of the ledger fold without a loss.
 */

#include "queue_fixture.h"

#include "queue/sqlite/rescue.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

struct seen {
	size_t count;
	char last[128];
};

static bool
note_event(void *arg, const struct rescue_event *event)
{
	struct seen *seen = arg;

	seen->count++;
	(void)snprintf(seen->last, sizeof(seen->last), "%.*s",
	    (int)event->data.len, event->data.data);
	assert_int_equal(event->accepted_ms, 1764000000000);
	assert_memory_equal(event->type.data, "Open", 4);
	return true;
}

static struct rescue_found
rescue(struct fixture *fixture, struct seen *seen)
{
	struct rescue_found found;
	char path[256];
	struct err err;

	(void)snprintf(path, sizeof(path), "%s/queue.db", fixture->dir);
	*seen = (struct seen){.count = 0};
	if (!queue_rescue(path, note_event, seen, &found, &err))
		fail_msg("queue_rescue: %s", err.text);
	assert_int_equal(found.events, seen->count);
	return found;
}

static void
fill(struct fixture *fixture, int batches, size_t events)
{
	struct answer answer;
	char prefix[16];

	for (int i = 0; i < batches; i++) {
		(void)snprintf(prefix, sizeof(prefix), "p%d", i);
		assert_true(queue_test_put(fixture->queue, "main", "Open",
		    prefix, events, ITEM_QUEUE, &answer));
	}
}

static void
scribble(struct fixture *fixture, off_t at, int byte, size_t len)
{
	char path[256], *bytes = malloc(len);
	int fd;

	assert_non_null(bytes);
	memset(bytes, byte, len);
	(void)snprintf(path, sizeof(path), "%s/queue.db", fixture->dir);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
	assert_int_equal(close(fd), 0);
	free(bytes);
}

static void
test_from_the_log_while_it_runs(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen;

	fill(fixture, 10, 7);
	(void)rescue(fixture, &seen);
	assert_int_equal(seen.count, 70);
}

static void
test_without_the_first_pages(void **state)
{
	struct fixture *fixture = *state;
	struct queue *queue = NULL;
	struct seen seen;
	struct err err;

	/* enough for many leaves, and rows that overflow them */
	fill(fixture, 40, 50);
	fill(fixture, 1, 20000);
	queue_test_close(fixture->queue);
	fixture->queue = NULL;
	(void)rescue(fixture, &seen);
	assert_int_equal(seen.count, 2000 + 20000 - 50);
	/* the header and the list of tables */
	scribble(fixture, 0, 0xaa, 16384);
	assert_false(queue_open(&fixture->settings, &queue, &err));
	assert_int_equal(err.code, ERR_DAMAGED);
	(void)rescue(fixture, &seen);
	assert_int_equal(seen.count, 2000 + 20000 - 50);
}

static void
test_garbage_yields_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct rescue_found found;
	struct stat info;
	struct seen seen;
	char path[256];
	struct err err;

	fill(fixture, 4, 50);
	queue_test_close(fixture->queue);
	fixture->queue = NULL;
	(void)snprintf(path, sizeof(path), "%s/queue.db", fixture->dir);
	assert_int_equal(stat(path, &info), 0);
	for (int byte = 0; byte < 256; byte += 13) {
		scribble(fixture, 0, byte, (size_t)info.st_size);
		found = rescue(fixture, &seen);
		assert_int_equal(found.batches, 0);
	}
	assert_int_equal(truncate(path, 0), 0);
	assert_false(queue_rescue(path, note_event, &seen, &found, &err));
	assert_int_equal(err.code, ERR_INPUT);
}

static bool
count_line(void *arg, const char *label, const struct stats_line *line)
{
	size_t *lines = arg;

	(void)line;
	print_message("%s\n", label);
	(*lines)++;
	return true;
}

/* Events of 2025 were accepted by a clock that stood there; by today's their
 * hours are old. */
static void
test_old_hours_fold_into_days(void **state)
{
	struct fixture *fixture = *state;
	struct item item = {
	    .fate = ITEM_QUEUE, .type = STR("Open"), .data = STR("{}")};
	struct queue_batch batch = {.source = "main",
	    .destination = "heap",
	    .items = &item,
	    .count = 1};
	struct stats_totals totals_now;
	struct answer answer;
	size_t lines = 0;
	char id[16];
	struct err err;

	for (int hour = 0; hour < 48; hour++) {
		(void)snprintf(id, sizeof(id), "%d", hour);
		item.id.data = id;
		item.id.len = strlen(id);
		batch.now_ms = 1735689600000 + (int64_t)hour * 3600000;
		answer_init(&answer);
		assert_true(queue_put(
		    fixture->queue, &batch, answer_done, &answer, &err));
		assert_true(answer_wait(&answer));
	}
	/* folding comes with the first round of a committer */
	queue_test_close(fixture->queue);
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->destination = destination_test_open(fixture->queue, "heap");
	item.id.data = "x";
	item.id.len = 1;
	for (int i = 0; i < 3; i++) {
		answer_init(&answer);
		assert_true(queue_put(
		    fixture->queue, &batch, answer_done, &answer, &err));
		assert_true(answer_wait(&answer));
	}
	queue_test_close(fixture->queue);
	fixture->queue = queue_test_open(&fixture->settings);
	queue_test_close(fixture->queue);
	assert_true(queue_open(&fixture->settings, &fixture->queue, &err));
	assert_true(stats_ledger(
	    fixture->queue, STATS_BY_HOUR, count_line, &lines, &err));
	assert_int_equal(lines, 2);
	stats_totals(fixture->queue, &totals_now);
	assert_int_equal(totals_now.events.queued, 49);
	assert_int_equal(totals_now.events.duplicates, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_from_the_log_while_it_runs),
	    TEST(test_without_the_first_pages),
	    TEST(test_garbage_yields_nothing),
	    TEST(test_old_hours_fold_into_days),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
