/*
 * The file of the queue and the place it is in: one owner, what it refuses,
 * its bounds, a kill in mid-flight, damage.
 */

#include "queue_fixture.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void
test_unreadable_is_kept_once_within_its_bound(void **state)
{
	struct fixture *fixture = *state;
	struct queue_unreadable body = {.source = "main",
	    .data = STR("not json"),
	    .encoding = "",
	    .reason = "offset 0"};
	struct stats_totals totals_now;
	struct answer answer;
	struct err err;
	char *large;

	for (int i = 0; i < 2; i++) {
		answer_init(&answer);
		assert_true(queue_put_unreadable(
		    fixture->queue, &body, answer_done, &answer, &err));
		assert_true(answer_wait(&answer));
	}
	stats_totals(fixture->queue, &totals_now);
	assert_int_equal(totals_now.unreadable, 1);

	queue_test_close(fixture->queue);
	fixture->settings.unreadable_max_bytes = 100;
	fixture->queue = queue_test_open(&fixture->settings);
	large = malloc(4096);
	assert_non_null(large);
	for (size_t i = 0; i < 4096; i++)
		large[i] = (char)(i * 7919 % 251);
	body.data = str_bytes(large, 4096);
	answer_init(&answer);
	assert_true(queue_put_unreadable(
	    fixture->queue, &body, answer_done, &answer, &err));
	assert_false(answer_wait(&answer));
	assert_int_equal(answer.err.code, ERR_FULL);
	free(large);
	/* the refusal of one is not that of others */
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 1, ITEM_QUEUE, &answer));
}

static void
test_full_by_bytes_and_by_free_space(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	struct err err;

	queue_test_close(fixture->queue);
	fixture->settings.max_bytes = 16384;
	fixture->queue = queue_test_open(&fixture->settings);
	assert_false(queue_test_put(
	    fixture->queue, "main", "Open", "a", 1, ITEM_QUEUE, &answer));
	assert_int_equal(answer.err.code, ERR_FULL);
	answer_init(&answer);
	assert_true(queue_probe(fixture->queue, 1, answer_done, &answer, &err));
	assert_false(answer_wait(&answer));
	queue_test_close(fixture->queue);

	fixture->settings = queue_test_settings(fixture->dir);
	fixture->settings.min_free_bytes = INT64_MAX / 2;
	fixture->queue = queue_test_open(&fixture->settings);
	assert_false(queue_test_put(
	    fixture->queue, "main", "Open", "a", 1, ITEM_QUEUE, &answer));
	assert_int_equal(answer.err.code, ERR_FULL);
	queue_test_close(fixture->queue);

	fixture->settings = queue_test_settings(fixture->dir);
	fixture->queue = queue_test_open(&fixture->settings);
	/* what was refused was not remembered as seen */
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 1, ITEM_QUEUE, &answer));
	assert_int_equal(answer.receipt.queued, 1);
}

static void
test_probe(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	struct err err;

	for (int64_t now_ms = 5000; now_ms < 8000; now_ms += 500) {
		answer_init(&answer);
		assert_true(queue_probe(
		    fixture->queue, now_ms, answer_done, &answer, &err));
		assert_true(answer_wait(&answer));
		assert_int_equal(answer.receipt.received, 0);
	}
}

static void
test_one_owner(void **state)
{
	struct fixture *fixture = *state;
	struct queue *second = NULL;
	struct err err;

	FILE_ONLY();
	assert_false(queue_open(&fixture->settings, &second, &err));
	assert_int_equal(err.code, ERR_CONFIG);
	assert_non_null(strstr(err.text, "in use by process"));
}

/* Overwrite bytes of queue.db at an offset. */
static void
scribble(struct fixture *fixture, off_t at, const char *bytes, size_t len)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/queue.db", fixture->dir);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
	assert_int_equal(close(fd), 0);
}

static void
test_refuses_what_is_not_its_file(void **state)
{
	struct fixture *fixture = *state;
	struct queue *queue = NULL;
	char path[256], away[256];
	struct err err;

	FILE_ONLY();
	queue_test_close(fixture->queue);
	fixture->queue = NULL;
	(void)snprintf(path, sizeof(path), "%s/queue.db", fixture->dir);
	(void)snprintf(away, sizeof(away), "%s/away", fixture->dir);

	/* another format, older or newer: the user version is at byte 60
	 * (sqlite.org/fileformat2.html) */
	for (const char *version = "\x02\x63"; *version != '\0'; version++) {
		char bytes[4] = {0, 0, 0, *version};

		scribble(fixture, 60, bytes, sizeof(bytes));
		assert_false(queue_open(&fixture->settings, &queue, &err));
		assert_int_equal(err.code, ERR_CONFIG);
		assert_non_null(strstr(err.text, "reads only format 10"));
	}
	scribble(fixture, 60, "\0\0\0\x03", 4);

	/* another program's file: the application id is at byte 68 */
	scribble(fixture, 68, "\0\0\0\x07", 4);
	assert_false(queue_open(&fixture->settings, &queue, &err));
	assert_int_equal(err.code, ERR_DAMAGED);
	scribble(fixture, 0, "garbage garbage ", 16);
	assert_false(queue_open(&fixture->settings, &queue, &err));
	assert_int_equal(err.code, ERR_DAMAGED);

	assert_int_equal(rename(path, away), 0);
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
	assert_false(queue_open(&fixture->settings, &queue, &err));
	assert_non_null(strstr(err.text, "empty"));
	assert_int_equal(unlink(path), 0);

	(void)snprintf(away, sizeof(away), "%s/queue.db-wal", fixture->dir);
	assert_int_equal(close(open(away, O_CREAT | O_WRONLY, 0600)), 0);
	assert_false(queue_open(&fixture->settings, &queue, &err));
	assert_non_null(strstr(err.text, "missing"));
	assert_int_equal(access(path, F_OK), -1);
}

static void
test_modes(void **state)
{
	struct fixture *fixture = *state;
	const char *names[] = {"queue.db", "queue.db-wal", "lock", "reserve"};
	struct stat info;
	char path[256];

	FILE_ONLY();
	for (size_t i = 0; i < 4; i++) {
		(void)snprintf(
		    path, sizeof(path), "%s/%s", fixture->dir, names[i]);
		assert_int_equal(stat(path, &info), 0);
		assert_int_equal(info.st_mode & 0777, 0600);
	}
}

static off_t
log_size(struct fixture *fixture)
{
	struct stat info;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/queue.db-wal", fixture->dir);
	assert_int_equal(stat(path, &info), 0);
	return info.st_size;
}

/* A child puts until it is killed; whatever it was told is durable is there
 * afterwards, and no longer in the log: the file was written, so that the
 * disk is known to take it before the first answer. */
static void
test_killed_in_mid_flight(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	int64_t told = -1, got;
	int pipes[2];
	pid_t child;
	char prefix[16];
	struct err err;

	FILE_ONLY();
	queue_test_close(fixture->queue);
	fixture->queue = NULL;
	assert_int_equal(pipe(pipes), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct queue *queue = queue_test_open(&fixture->settings);

		for (int64_t n = 0;; n++) {
			(void)snprintf(prefix, sizeof(prefix), "p%d", (int)n);
			if (!queue_test_put(queue, "main", "Open", prefix, 2,
				ITEM_QUEUE, &answer) ||
			    write(pipes[1], &n, sizeof(n)) != sizeof(n))
				_exit(1);
		}
	}
	assert_int_equal(close(pipes[1]), 0);
	while (told < 200 &&
	       read(pipes[0], &got, sizeof(got)) == (ssize_t)sizeof(got))
		told = got;
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	while (read(pipes[0], &got, sizeof(got)) == (ssize_t)sizeof(got))
		told = got;
	assert_int_equal(close(pipes[0]), 0);
	assert_true(told >= 200);

	assert_true(log_size(fixture) > 0);
	assert_true(queue_open(&fixture->settings, &fixture->queue, &err));
	assert_int_equal(log_size(fixture), 0);
	assert_true(queue_start(fixture->queue, &err));
	assert_true(totals(fixture).queued >= 2 * (told + 1));
	assert_true(totals(fixture).queued <= 2 * (told + 2));
}

static void
test_damaged_batch_is_quarantined(void **state)
{
	struct fixture *fixture = *state;
	struct stats_totals totals_now;
	struct queue_lease *lease;
	struct answer answer;
	char path[256], *bytes;
	static const unsigned char magic[4] = {0x28, 0xb5, 0x2f, 0xfd};
	struct stat info;
	char *frame;
	int fd;

	FILE_ONLY();
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 20, ITEM_QUEUE, &answer));
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "b", 1, ITEM_QUEUE, &answer));
	queue_test_close(fixture->queue);
	(void)snprintf(path, sizeof(path), "%s/queue.db", fixture->dir);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &info), 0);
	bytes = malloc((size_t)info.st_size);
	assert_non_null(bytes);
	assert_int_equal(
	    pread(fd, bytes, (size_t)info.st_size, 0), info.st_size);
	/* rows grow from the end of a page: the last frame is the first */
	frame = NULL;
	for (off_t i = 0; i + 4 < info.st_size; i++) {
		if (memcmp(bytes + i, magic, 4) == 0)
			frame = bytes + i;
	}
	assert_non_null(frame);
	frame[20] = (char)~frame[20];
	assert_int_equal(
	    pwrite(fd, bytes, (size_t)info.st_size, 0), info.st_size);
	assert_int_equal(close(fd), 0);
	free(bytes);

	fixture->queue = queue_test_open(&fixture->settings);
	fixture->destination = destination_test_open(fixture->queue, "heap");
	lease = take(fixture, 1);
	assert_non_null(lease);
	assert_int_equal(lease->count, 1);
	queue_lease_free(fixture->queue, lease);
	stats_totals(fixture->queue, &totals_now);
	assert_int_equal(totals_now.quarantined_batches, 1);
	assert_int_equal(totals_now.events.queued, 21);
}

static void
test_stopping_refuses(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	struct err err;

	queue_stop(fixture->queue);
	assert_false(queue_test_put(
	    fixture->queue, "main", "Open", "a", 1, ITEM_QUEUE, &answer));
	assert_int_equal(answer.err.code, ERR_STOPPING);
	queue_close(fixture->queue);
	fixture->queue = NULL;
	assert_true(queue_open(&fixture->settings, &fixture->queue, &err));
}

/* A file, and whether the transaction at hand has a batch. */
struct vanish {
	char path[256];
	bool batch;
};

static void
vanish_row(
    void *arg, int how, const char *base, const char *table, sqlite3_int64 row)
{
	struct vanish *vanish = arg;

	(void)base;
	(void)row;
	vanish->batch |= how == SQLITE_INSERT && strcmp(table, "batch") == 0;
}

/* The housekeeping commits too, whenever it likes. */
static int
vanish_commit(void *arg)
{
	struct vanish *vanish = arg;

	if (vanish->batch)
		assert_int_equal(unlink(vanish->path), 0);
	return 0;
}

/* The commit succeeds, perhaps into nothing: the put is not acknowledged, and
 * what is counted agrees with what is there. */
static void
test_file_vanishes_during_a_commit(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	struct sqlite3 *sqlite;
	struct vanish vanish = {.batch = false};

	FILE_ONLY();
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 1, ITEM_QUEUE, &answer));
	(void)snprintf(
	    vanish.path, sizeof(vanish.path), "%s/queue.db", fixture->dir);
	fair_lock_hold(&fixture->queue->lock);
	sqlite = sqlite_connection(fixture->queue->store);
	(void)sqlite3_update_hook(sqlite, vanish_row, &vanish);
	(void)sqlite3_commit_hook(sqlite, vanish_commit, &vanish);
	fair_lock_drop(&fixture->queue->lock);
	assert_false(queue_test_put(
	    fixture->queue, "main", "Open", "b", 1, ITEM_QUEUE, &answer));
	assert_int_equal(answer.err.code, ERR_IO);
	assert_int_equal(access(vanish.path, F_OK), -1);
	fair_lock_hold(&fixture->queue->lock);
	(void)sqlite3_update_hook(sqlite, NULL, NULL);
	(void)sqlite3_commit_hook(sqlite, NULL, NULL);
	fair_lock_drop(&fixture->queue->lock);
	/* the committer has made a round when it answers the next one */
	assert_false(queue_test_put(
	    fixture->queue, "main", "Open", "c", 1, ITEM_QUEUE, &answer));
	assert_non_null(strstr(answer.err.text, "removed or replaced"));
	assert_int_equal(totals(fixture).queued, 2);
}

/* The file got shorter as it took the log in; that is no damage, though it
 * could not be opened again at once. */
static void
test_log_vanishes_while_the_file_shrinks(void **state)
{
	struct fixture *fixture = *state;
	const struct engine *engine = fixture->queue->engine;
	struct store *store = fixture->queue->store;
	bool ok, reopened = false, more;
	struct rlimit files, none;
	struct queue_lease *lease;
	struct answer answer;
	struct err err;
	char path[256];

	FILE_ONLY();
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 20000, ITEM_QUEUE, &answer));
	while ((lease = take(fixture, 9000)) != NULL) {
		settle_all(fixture, lease, QUEUE_DROPPED, 0);
		queue_lease_free(fixture->queue, lease);
	}
	assert_true(jobs_flush(fixture->queue, &err));
	queue_stop(fixture->queue);
	assert_int_equal(sqlite3_exec(sqlite_connection(store),
			     "PRAGMA incremental_vacuum", NULL, NULL, NULL),
	    SQLITE_OK);
	(void)snprintf(path, sizeof(path), "%s/queue.db-wal", fixture->dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	none = files;
	none.rlim_cur = 0;
	fixture->queue->settings.reopen_ms = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	fair_lock_hold(&fixture->queue->lock);
	ok = engine->upkeep(store, 1, &reopened, &more, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	assert_true(ok && !reopened && sqlite_connection(store) == NULL);
	if (!engine->upkeep(store, 1, &reopened, &more, &err))
		fail_msg("upkeep: %s", err.text);
	assert_true(reopened);
	assert_true(queue_load(fixture->queue, &err));
	fair_lock_drop(&fixture->queue->lock);
}

/* Who removes all files removes the log first, perhaps: the connection must not
 * be closed for a new one before the file is gone, too, as it holds the last
 * copy. */
static void
test_file_vanishes_after_the_log(void **state)
{
	struct fixture *fixture = *state;
	const struct engine *engine = fixture->queue->engine;
	struct store *store = fixture->queue->store;
	struct rlimit files, none;
	struct queue_lease *lease;
	struct answer answer;
	bool reopened, more;
	struct err err;
	char path[256];

	FILE_ONLY();
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 1, ITEM_QUEUE, &answer));
	queue_stop(fixture->queue);
	(void)snprintf(path, sizeof(path), "%s/queue.db-wal", fixture->dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	none = files;
	none.rlim_cur = 0; /* as if the file were gone for an open, already */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	fair_lock_hold(&fixture->queue->lock);
	(void)!engine->upkeep(store, 1, &reopened, &more, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	(void)snprintf(path, sizeof(path), "%s/queue.db", fixture->dir);
	assert_int_equal(unlink(path), 0);
	(void)!engine->upkeep(store, 2, &reopened, &more, &err);
	assert_non_null(sqlite_connection(store));
	fair_lock_drop(&fixture->queue->lock);
	lease = take(fixture, 9000);
	assert_non_null(lease);
	assert_int_equal(lease->count, 1);
	queue_lease_free(fixture->queue, lease);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_unreadable_is_kept_once_within_its_bound),
	    TEST(test_full_by_bytes_and_by_free_space),
	    TEST(test_probe),
	    TEST(test_one_owner),
	    TEST(test_refuses_what_is_not_its_file),
	    TEST(test_modes),
	    TEST(test_killed_in_mid_flight),
	    TEST(test_damaged_batch_is_quarantined),
	    TEST(test_stopping_refuses),
	    TEST(test_file_vanishes_during_a_commit),
	    TEST(test_log_vanishes_while_the_file_shrinks),
	    TEST(test_file_vanishes_after_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
