/*
 * The promises of queue.h: durable puts, duplicates, leases, settling that
 * may be repeated, books that balance, and a file that one process owns.
 */

#include "queue_help.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct fixture {
	char *dir;
	struct queue_settings settings;
	struct queue *queue;
	int64_t lane;
};

static int
setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->dir = state_dir();
	fixture->settings = queue_test_settings(fixture->dir);
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->lane = lane_test_open(fixture->queue, "heap");
	*state = fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;

	if (fixture->queue != NULL) {
		books_test_agree(fixture->queue);
		queue_test_close(fixture->queue);
	}
	state_dir_remove(fixture->dir);
	free(fixture);
	return 0;
}

static void
reopen(struct fixture *fixture)
{
	queue_test_close(fixture->queue);
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->lane = lane_test_open(fixture->queue, "heap");
}

static struct queue_lease *
take(struct fixture *fixture, int64_t now_ms)
{
	struct queue_lease *lease = NULL;
	struct err err;

	if (!queue_take(fixture->queue, fixture->lane, now_ms, &lease, &err))
		fail_msg("queue_take: %s", err.text);
	return lease;
}

static void
settle_all(struct fixture *fixture, const struct queue_lease *lease,
    enum queue_outcome outcome, int64_t due_ms)
{
	struct queue_verdict verdicts[64];
	struct err err;

	assert_true(lease->count <= 64);
	for (size_t i = 0; i < lease->count; i++)
		verdicts[i] = (struct queue_verdict){.lease = lease,
		    .event = i,
		    .outcome = outcome,
		    .due_ms = due_ms,
		    .reason = "refused",
		    .status = 400,
		    .words = "no",
		    .words_len = 2,
		    .sent = "{}",
		    .sent_len = 2};
	if (!queue_settle(fixture->queue, verdicts, lease->count, 5000, &err))
		fail_msg("queue_settle: %s", err.text);
}

static struct books_line
totals(struct fixture *fixture)
{
	struct books_totals books;

	books_totals(fixture->queue, &books);
	return books.events;
}

static void
test_put_take_settle(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct answer answer;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 3, QUEUE_WAIT, &answer));
	assert_int_equal(answer.receipt.received, 3);
	assert_int_equal(answer.receipt.queued, 3);
	assert_int_equal(books_lane_waiting(fixture->queue, "heap"), 3);

	lease = take(fixture, 1000);
	assert_non_null(lease);
	assert_int_equal(lease->count, 3);
	assert_string_equal(lease->source, "main");
	assert_int_equal(lease->accepted_ms, 1764000000000);
	assert_memory_equal(lease->events[1].kind, "Open", 4);
	assert_memory_equal(lease->events[1].data,
	    "{\"id\":\"a-1\",\"kind\":\"Open\"}", lease->events[1].data_len);
	assert_null(take(fixture, 1000)); /* one holder at a time */

	settle_all(fixture, lease, QUEUE_DONE, 0);
	queue_lease_free(fixture->queue, lease);
	assert_null(take(fixture, 1000));
	assert_int_equal(totals(fixture).delivered, 3);
	assert_int_equal(totals(fixture).waiting, 0);
	assert_int_equal(books_lane_waiting(fixture->queue, "heap"), 0);
}

static void
test_survives_reopen(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct answer answer;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 5, QUEUE_WAIT, &answer));
	reopen(fixture);
	assert_int_equal(totals(fixture).waiting, 5);
	assert_int_equal(books_lane_waiting(fixture->queue, "heap"), 5);
	lease = take(fixture, 1000);
	assert_int_equal(lease->count, 5);
	queue_lease_free(fixture->queue, lease);
}

static void
test_duplicates_are_told(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 3, QUEUE_WAIT, &answer));
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 5, QUEUE_WAIT, &answer));
	assert_int_equal(answer.receipt.duplicates, 3);
	assert_int_equal(answer.receipt.queued, 2);
	/* another source, another kind: not the same event */
	assert_true(queue_test_put(
	    fixture->queue, "other", "Open", "a", 1, QUEUE_WAIT, &answer));
	assert_int_equal(answer.receipt.queued, 1);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Click", "a", 1, QUEUE_WAIT, &answer));
	assert_int_equal(answer.receipt.queued, 1);
	/* the window outlives the process and the parcels */
	for (struct queue_lease *lease; (lease = take(fixture, 1)) != NULL;) {
		settle_all(fixture, lease, QUEUE_DONE, 0);
		queue_lease_free(fixture->queue, lease);
	}
	reopen(fixture);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 5, QUEUE_WAIT, &answer));
	assert_int_equal(answer.receipt.duplicates, 5);
	assert_null(take(fixture, 1000));
}

static void
test_window_forgets_the_oldest(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;

	queue_test_close(fixture->queue);
	fixture->settings.window_events = 10;
	fixture->queue = queue_test_open(&fixture->settings);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 8, QUEUE_WAIT, &answer));
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "b", 8, QUEUE_WAIT, &answer));
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "b", 8, QUEUE_WAIT, &answer));
	assert_int_equal(answer.receipt.duplicates, 8);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 6, QUEUE_WAIT, &answer));
	assert_int_equal(answer.receipt.duplicates, 0);
	reopen(fixture);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 6, QUEUE_WAIT, &answer));
	assert_int_equal(answer.receipt.duplicates, 6);
}

static void
test_set_aside_is_repacked(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *first, *second, *lease;
	struct queue_verdict verdicts[3];
	struct answer answer;
	struct err err;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 2, QUEUE_WAIT, &answer));
	assert_true(queue_test_put(
	    fixture->queue, "main", "Click", "b", 2, QUEUE_WAIT, &answer));
	first = take(fixture, 1000);
	second = take(fixture, 1000);
	verdicts[0] = (struct queue_verdict){.lease = second,
	    .event = 0,
	    .outcome = QUEUE_AGAIN,
	    .due_ms = 9000};
	verdicts[1] = (struct queue_verdict){
	    .lease = first, .event = 1, .outcome = QUEUE_AGAIN, .due_ms = 9000};
	verdicts[2] = (struct queue_verdict){
	    .lease = first, .event = 0, .outcome = QUEUE_DONE};
	assert_true(queue_settle(fixture->queue, verdicts, 3, 5000, &err));
	/* repeating changes nothing */
	assert_true(queue_settle(fixture->queue, verdicts, 3, 5000, &err));
	assert_int_equal(totals(fixture).delivered, 1);
	assert_int_equal(totals(fixture).waiting, 3);
	queue_lease_free(fixture->queue, first);
	queue_lease_free(fixture->queue, second);

	assert_int_equal(queue_due_ms(fixture->queue, fixture->lane), 9000);
	lease = take(fixture, 8999); /* what is left of the second */
	assert_int_equal(lease->count, 1);
	assert_int_equal(lease->events[0].index, 1);
	assert_null(take(fixture, 8999));
	first = take(fixture, 9000); /* one parcel, in accept order */
	assert_int_equal(first->count, 2);
	assert_int_equal(first->attempts, 1);
	assert_memory_equal(first->events[0].data, "{\"id\":\"a-1\"", 11);
	assert_memory_equal(first->events[1].data, "{\"id\":\"b-0\"", 11);
	assert_int_equal(
	    queue_due_ms(fixture->queue, fixture->lane), INT64_MAX);
	queue_lease_free(fixture->queue, lease);
	queue_lease_free(fixture->queue, first);
}

static void
test_lease_given_back_is_due_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *first, *second;
	struct answer answer;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 2, QUEUE_WAIT, &answer));
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "b", 2, QUEUE_WAIT, &answer));
	first = take(fixture, 1);
	second = take(fixture, 1);
	queue_lease_free(fixture->queue, first);
	first = take(fixture, 1);
	assert_memory_equal(first->events[0].data, "{\"id\":\"a-0\"", 11);
	queue_lease_free(fixture->queue, second);
	queue_lease_free(fixture->queue, first);
	first = take(fixture, 1);
	assert_memory_equal(first->events[0].data, "{\"id\":\"a-0\"", 11);
	queue_lease_free(fixture->queue, first);
}

static void
test_sources_take_turns(void **state)
{
	struct fixture *fixture = *state;
	const char *expected[] = {"one", "two", "one", "two", "one", "one"};
	struct queue_lease *leases[6];
	struct answer answer;
	char prefix[16];

	for (int i = 0; i < 4; i++) {
		(void)snprintf(prefix, sizeof(prefix), "p%d", i);
		assert_true(queue_test_put(fixture->queue, "one", "Open",
		    prefix, 1, QUEUE_WAIT, &answer));
	}
	for (int i = 0; i < 2; i++) {
		(void)snprintf(prefix, sizeof(prefix), "p%d", i);
		assert_true(queue_test_put(fixture->queue, "two", "Open",
		    prefix, 1, QUEUE_WAIT, &answer));
	}
	for (int i = 0; i < 6; i++) {
		leases[i] = take(fixture, 1);
		assert_string_equal(leases[i]->source, expected[i]);
	}
	for (int i = 0; i < 6; i++)
		queue_lease_free(fixture->queue, leases[i]);
}

struct found {
	size_t count;
	char reason[32], words[32], data[64], sent[32];
	int status;
};

static bool
note_buried(void *arg, const struct books_buried *buried)
{
	struct found *found = arg;

	found->count++;
	(void)snprintf(
	    found->reason, sizeof(found->reason), "%s", buried->reason);
	(void)snprintf(found->words, sizeof(found->words), "%.*s",
	    (int)buried->words_len, buried->words);
	(void)snprintf(found->sent, sizeof(found->sent), "%.*s",
	    (int)buried->sent_len, buried->sent);
	(void)snprintf(found->data, sizeof(found->data), "%.*s",
	    (int)buried->data_len, buried->data);
	found->status = buried->status;
	return true;
}

static bool
note_drop(void *arg, const char *rule, const char *kind, int64_t count)
{
	struct found *found = arg;

	found->count += (size_t)count;
	(void)snprintf(
	    found->reason, sizeof(found->reason), "%s %s", rule, kind);
	return true;
}

static void
test_buried_and_dropped(void **state)
{
	struct fixture *fixture = *state;
	struct found found = {.count = 0};
	struct queue_lease *lease;
	struct answer answer;
	struct err err;

	assert_true(queue_test_put(
	    fixture->queue, "main", "", "bad", 1, QUEUE_BURY, &answer));
	assert_int_equal(answer.receipt.buried, 1);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "x", 4, QUEUE_DROP, &answer));
	assert_int_equal(answer.receipt.dropped, 4);
	assert_null(take(fixture, 1));
	assert_true(
	    books_buried(fixture->queue, 0, 10, note_buried, &found, &err));
	assert_int_equal(found.count, 1);
	assert_string_equal(found.reason, "because");
	assert_string_equal(found.data, "{\"id\":\"bad-0\",\"kind\":\"\"}");
	found.count = 0;
	assert_true(books_drops(fixture->queue, note_drop, &found, &err));
	assert_int_equal(found.count, 4);
	assert_string_equal(found.reason, "because Open");

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "y", 1, QUEUE_WAIT, &answer));
	lease = take(fixture, 1);
	settle_all(fixture, lease, QUEUE_BURIED, 0);
	queue_lease_free(fixture->queue, lease);
	found.count = 0;
	assert_true(
	    books_buried(fixture->queue, 1, 10, note_buried, &found, &err));
	assert_int_equal(found.count, 1);
	assert_string_equal(found.words, "no");
	assert_string_equal(found.sent, "{}");
	assert_int_equal(found.status, 400);
	assert_int_equal(totals(fixture).buried, 2);
	assert_int_equal(totals(fixture).dropped, 4);
}

static void
test_undecodable_is_kept_once_within_its_bound(void **state)
{
	struct fixture *fixture = *state;
	struct queue_body body = {.source = "main",
	    .data = "not json",
	    .len = 8,
	    .encoding = "",
	    .reason = "offset 0"};
	struct books_totals books;
	struct answer answer;
	struct err err;
	char *large;

	for (int i = 0; i < 2; i++) {
		answer_init(&answer);
		assert_true(queue_keep(
		    fixture->queue, &body, answer_done, &answer, &err));
		assert_true(answer_wait(&answer));
	}
	books_totals(fixture->queue, &books);
	assert_int_equal(books.undecodable, 1);

	queue_test_close(fixture->queue);
	fixture->settings.undecodable_max_bytes = 100;
	fixture->queue = queue_test_open(&fixture->settings);
	large = malloc(4096);
	assert_non_null(large);
	for (size_t i = 0; i < 4096; i++)
		large[i] = (char)(i * 7919 % 251);
	body.data = large;
	body.len = 4096;
	answer_init(&answer);
	assert_true(
	    queue_keep(fixture->queue, &body, answer_done, &answer, &err));
	assert_false(answer_wait(&answer));
	assert_int_equal(answer.err.code, ERR_FULL);
	free(large);
	/* the refusal of one is not that of others */
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 1, QUEUE_WAIT, &answer));
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
	    fixture->queue, "main", "Open", "a", 1, QUEUE_WAIT, &answer));
	assert_int_equal(answer.err.code, ERR_FULL);
	answer_init(&answer);
	assert_true(queue_probe(fixture->queue, 1, answer_done, &answer, &err));
	assert_false(answer_wait(&answer));
	queue_test_close(fixture->queue);

	fixture->settings = queue_test_settings(fixture->dir);
	fixture->settings.min_free_bytes = INT64_MAX / 2;
	fixture->queue = queue_test_open(&fixture->settings);
	assert_false(queue_test_put(
	    fixture->queue, "main", "Open", "a", 1, QUEUE_WAIT, &answer));
	assert_int_equal(answer.err.code, ERR_FULL);
	queue_test_close(fixture->queue);

	fixture->settings = queue_test_settings(fixture->dir);
	fixture->queue = queue_test_open(&fixture->settings);
	/* what was refused was not remembered as seen */
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 1, QUEUE_WAIT, &answer));
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

	queue_test_close(fixture->queue);
	fixture->queue = NULL;
	(void)snprintf(path, sizeof(path), "%s/queue.db", fixture->dir);
	(void)snprintf(away, sizeof(away), "%s/away", fixture->dir);

	/* a newer format: the user version is at byte 60 (fileformat2) */
	scribble(fixture, 60, "\0\0\0\x63", 4);
	assert_false(queue_open(&fixture->settings, &queue, &err));
	assert_int_equal(err.code, ERR_CONFIG);
	assert_non_null(strstr(err.text, "newer"));
	scribble(fixture, 60, "\0\0\0\x01", 4);

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
	const char *names[] = {"queue.db", "queue.db-wal", "lock", "ballast"};
	struct stat info;
	char path[256];

	for (size_t i = 0; i < 4; i++) {
		(void)snprintf(
		    path, sizeof(path), "%s/%s", fixture->dir, names[i]);
		assert_int_equal(stat(path, &info), 0);
		assert_int_equal(info.st_mode & 0777, 0600);
	}
}

/* A child puts until it is killed; whatever it was told is durable is there
 * afterwards. */
static void
test_killed_in_mid_flight(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	int64_t told = -1, got;
	int pipes[2];
	pid_t child;
	char prefix[16];

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
				QUEUE_WAIT, &answer) ||
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

	fixture->queue = queue_test_open(&fixture->settings);
	assert_true(totals(fixture).waiting >= 2 * (told + 1));
	assert_true(totals(fixture).waiting <= 2 * (told + 2));
}

static void
test_damaged_parcel_is_set_aside(void **state)
{
	struct fixture *fixture = *state;
	struct books_totals books;
	struct queue_lease *lease;
	struct answer answer;
	char path[256], *bytes;
	static const unsigned char magic[4] = {0x28, 0xb5, 0x2f, 0xfd};
	struct stat info;
	char *frame;
	int fd;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 20, QUEUE_WAIT, &answer));
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "b", 1, QUEUE_WAIT, &answer));
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
	fixture->lane = lane_test_open(fixture->queue, "heap");
	lease = take(fixture, 1);
	assert_non_null(lease);
	assert_int_equal(lease->count, 1);
	queue_lease_free(fixture->queue, lease);
	books_totals(fixture->queue, &books);
	assert_int_equal(books.set_aside_parcels, 1);
	assert_int_equal(books.events.waiting, 21);
}

static void
test_lane_remembers(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lane lane;
	struct err err;

	assert_true(queue_lane_post(fixture->queue, fixture->lane, 777, &err));
	assert_true(queue_lane_open(fixture->queue, "heap", &lane, &err));
	assert_int_equal(lane.last_post_ms, 777);
	assert_int_equal(lane.clean_ms, 0); /* as after a crash */
	queue_lane_fini(&lane);
	assert_true(queue_lane_rest(
	    fixture->queue, fixture->lane, 888, "log", 3, &err));
	assert_true(queue_lane_pause(fixture->queue, "heap", true, &err));
	assert_false(queue_lane_pause(fixture->queue, "nowhere", true, &err));
	assert_int_equal(err.code, ERR_NOT_FOUND);
	reopen(fixture);
	assert_true(queue_lane_rest(
	    fixture->queue, fixture->lane, 888, "log", 3, &err));
	assert_true(queue_lane_open(fixture->queue, "heap", &lane, &err));
	assert_int_equal(lane.clean_ms, 888);
	assert_int_equal(lane.sends_len, 3);
	assert_memory_equal(lane.sends, "log", 3);
	assert_true(lane.paused);
	queue_lane_fini(&lane);
}

static void
test_oldest(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	int64_t ms = -1;
	struct err err;

	assert_true(books_oldest_ms(fixture->queue, NULL, &ms, &err));
	assert_int_equal(ms, 0);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 1, QUEUE_WAIT, &answer));
	assert_true(books_oldest_ms(fixture->queue, "heap", &ms, &err));
	assert_int_equal(ms, 1764000000000);
}

static void
test_delivered_is_kept_and_evicted(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct books_totals books;
	struct answer answer;
	struct queue_verdict verdicts[2];
	struct err err;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 2, QUEUE_WAIT, &answer));
	lease = take(fixture, 1);
	/* in two steps, one of them dropped: still kept, for the other */
	verdicts[0] = (struct queue_verdict){
	    .lease = lease, .event = 0, .outcome = QUEUE_DONE};
	verdicts[1] = (struct queue_verdict){.lease = lease,
	    .event = 1,
	    .outcome = QUEUE_DROPPED,
	    .reason = "a rule"};
	assert_true(queue_settle(fixture->queue, &verdicts[0], 1, 5000, &err));
	assert_true(queue_settle(fixture->queue, &verdicts[1], 1, 5000, &err));
	queue_lease_free(fixture->queue, lease);
	books_totals(fixture->queue, &books);
	assert_int_equal(books.kept_parcels, 1);
	assert_true(books.kept_bytes > 0);
	books_test_agree(fixture->queue);

	/* its time was over long ago: it goes by itself */
	for (int tries = 0; tries < 1000 && books.kept_parcels > 0; tries++) {
		(void)usleep(10000);
		books_totals(fixture->queue, &books);
	}
	assert_int_equal(books.kept_parcels, 0);
	assert_int_equal(books.kept_bytes, 0);
}

static void
test_kept_goes_before_a_put_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct books_totals books;
	struct answer answer;
	char prefix[16];
	bool full = false;

	queue_test_close(fixture->queue);
	fixture->settings.keep_ms = INT64_MAX / 2;
	fixture->settings.max_bytes = 40 * 16384;
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->lane = lane_test_open(fixture->queue, "heap");
	for (int n = 0; n < 1000; n++) {
		(void)snprintf(prefix, sizeof(prefix), "p%d", n);
		assert_true(queue_test_put(fixture->queue, "main", "Open",
		    prefix, 50, QUEUE_WAIT, &answer));
		lease = take(fixture, 1);
		settle_all(fixture, lease, QUEUE_DONE, 0);
		queue_lease_free(fixture->queue, lease);
		books_totals(fixture->queue, &books);
		if (books.kept_parcels < n)
			full = true;
	}
	assert_true(full); /* the bound was met, and nothing was refused */
	assert_true(books.live_bytes <= fixture->settings.max_bytes + 65536);
}

static bool
note_note(void *arg, const char *text, int64_t events, int64_t first_ms,
    int64_t last_ms)
{
	struct found *found = arg;

	found->count++;
	found->status = (int)events;
	(void)snprintf(found->reason, sizeof(found->reason), "%s", text);
	assert_int_equal(first_ms, 100);
	assert_int_equal(last_ms, 200);
	return true;
}

static void
test_notes_are_counted(void **state)
{
	struct fixture *fixture = *state;
	struct queue_note note = {.text = "unknown type", .events = 3};
	struct queue_batch batch = {.source = "main",
	    .lane = "heap",
	    .now_ms = 100,
	    .notes = &note,
	    .note_count = 1};
	struct found found = {.count = 0};
	struct answer answer;
	struct err err;

	answer_init(&answer);
	assert_true(
	    queue_put(fixture->queue, &batch, answer_done, &answer, &err));
	assert_true(answer_wait(&answer));
	assert_true(note.first);
	batch.now_ms = 200;
	answer_init(&answer);
	assert_true(
	    queue_put(fixture->queue, &batch, answer_done, &answer, &err));
	assert_true(answer_wait(&answer));
	assert_false(note.first);
	assert_true(books_notes(fixture->queue, note_note, &found, &err));
	assert_int_equal(found.count, 1);
	assert_int_equal(found.status, 6);
	assert_string_equal(found.reason, "unknown type");
}

static bool
note_erasure(void *arg, int64_t id, const char *source, const char *subject,
    int64_t noted_ms)
{
	struct found *found = arg;

	(void)id;
	found->count++;
	assert_string_equal(source, "main");
	assert_int_equal(noted_ms, 5000);
	(void)snprintf(found->reason, sizeof(found->reason), "%s", subject);
	return true;
}

static void
test_erasures_are_listed_once(void **state)
{
	struct fixture *fixture = *state;
	struct found found = {.count = 0};
	struct queue_verdict verdicts[2];
	struct queue_lease *lease;
	struct answer answer;
	struct err err;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Delete", "a", 2, QUEUE_WAIT, &answer));
	lease = take(fixture, 1);
	for (size_t i = 0; i < 2; i++)
		verdicts[i] = (struct queue_verdict){.lease = lease,
		    .event = i,
		    .outcome = QUEUE_DROPPED,
		    .reason = "erasure request",
		    .erase = "5f1c",
		    .erase_len = 4};
	assert_true(queue_settle(fixture->queue, verdicts, 2, 5000, &err));
	queue_lease_free(fixture->queue, lease);
	assert_true(
	    books_erasures(fixture->queue, 0, 10, note_erasure, &found, &err));
	assert_int_equal(found.count, 1);
	assert_string_equal(found.reason, "5f1c");
}

static void
test_stopping_refuses(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	struct err err;

	queue_stop(fixture->queue);
	assert_false(queue_test_put(
	    fixture->queue, "main", "Open", "a", 1, QUEUE_WAIT, &answer));
	assert_int_equal(answer.err.code, ERR_STOPPING);
	queue_close(fixture->queue);
	fixture->queue = NULL;
	assert_true(queue_open(&fixture->settings, &fixture->queue, &err));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_put_take_settle),
	    TEST(test_survives_reopen),
	    TEST(test_duplicates_are_told),
	    TEST(test_window_forgets_the_oldest),
	    TEST(test_set_aside_is_repacked),
	    TEST(test_lease_given_back_is_due_at_once),
	    TEST(test_sources_take_turns),
	    TEST(test_buried_and_dropped),
	    TEST(test_undecodable_is_kept_once_within_its_bound),
	    TEST(test_full_by_bytes_and_by_free_space),
	    TEST(test_probe),
	    TEST(test_one_owner),
	    TEST(test_refuses_what_is_not_its_file),
	    TEST(test_modes),
	    TEST(test_killed_in_mid_flight),
	    TEST(test_damaged_parcel_is_set_aside),
	    TEST(test_lane_remembers),
	    TEST(test_oldest),
	    TEST(test_delivered_is_kept_and_evicted),
	    TEST(test_kept_goes_before_a_put_is_refused),
	    TEST(test_notes_are_counted),
	    TEST(test_erasures_are_listed_once),
	    TEST(test_stopping_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
