/*
 * The operator's jobs on the queue: looking, sending again, dropping,
 * forgetting, copying. After each the books must agree.
 */

#include "queue_fixture.h"

#include "queue/tools.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <zstd.h>

static int
setup(void **state)
{
	struct fixture *fixture;

	(void)fixture_setup(state);
	fixture = *state;
	queue_test_close(fixture->queue);
	fixture->settings.keep_ms = INT64_MAX / 2;
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->lane = lane_test_open(fixture->queue, "heap");
	return 0;
}

static void
put(struct fixture *fixture, const char *prefix, size_t count,
    enum queue_fate fate)
{
	struct answer answer;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", prefix, count, fate, &answer));
}

/* Deliver everything that is due; says how many events that were. */
static size_t
deliver(struct fixture *fixture)
{
	struct queue_verdict verdicts[256];
	struct queue_lease *lease;
	size_t delivered = 0;
	struct err err;

	for (;;) {
		assert_true(queue_take(
		    fixture->queue, fixture->lane, 9000, &lease, &err));
		if (lease == NULL)
			return delivered;
		assert_true(lease->count <= 256);
		for (size_t i = 0; i < lease->count; i++)
			verdicts[i] = (struct queue_verdict){
			    .lease = lease, .event = i, .outcome = QUEUE_DONE};
		assert_true(queue_settle(
		    fixture->queue, verdicts, lease->count, 9000, &err));
		delivered += lease->count;
		queue_lease_free(fixture->queue, lease);
	}
}

/* The event's bytes contain the text. */
static bool
contains(void *arg, const struct tools_event *event)
{
	const char *text = arg;

	return memmem(event->data, event->data_len, text, strlen(text)) != NULL;
}

typedef bool
step_fn(struct queue *queue, struct tools_job *job, struct err *reterr);

static struct tools_job
run(struct fixture *fixture, enum tools_place place, step_fn *step,
    const char *text)
{
	struct tools_job job = {
	    .cursor = {.place = place},
	    .match = text == NULL ? NULL : contains,
	    .arg = (void *)(uintptr_t)text,
	    .now_ms = 9000,
	    .more = true,
	};
	struct err err;

	while (job.more) {
		if (!step(fixture->queue, &job, &err))
			fail_msg("step: %s", err.text);
	}
	return job;
}

static bool
replay(struct queue *queue, struct tools_job *job, struct err *reterr)
{
	return tools_replay(queue, job, NULL, reterr);
}

static bool
drop(struct queue *queue, struct tools_job *job, struct err *reterr)
{
	return tools_drop(queue, job, "operator", reterr);
}

static void
test_scan_sees_every_place(void **state)
{
	struct fixture *fixture = *state;
	char prefix[16];

	put(fixture, "gone", 5, QUEUE_WAIT);
	assert_int_equal(deliver(fixture), 5);
	put(fixture, "grave", 200, QUEUE_BURY);
	for (int i = 0; i < 30; i++) {
		(void)snprintf(prefix, sizeof(prefix), "wait%d", i);
		put(fixture, prefix, 3, QUEUE_WAIT);
	}
	assert_int_equal(
	    run(fixture, TOOLS_WAITING, tools_scan, NULL).matched, 90);
	assert_int_equal(
	    run(fixture, TOOLS_WAITING, tools_scan, "wait7-1").matched, 1);
	assert_int_equal(run(fixture, TOOLS_KEPT, tools_scan, NULL).matched, 5);
	assert_int_equal(
	    run(fixture, TOOLS_BURIED, tools_scan, NULL).matched, 200);
	assert_int_equal(
	    run(fixture, TOOLS_BURIED, tools_scan, "grave-19\"").matched, 1);
}

static void
test_requeue(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, "grave", 150, QUEUE_BURY);
	put(fixture, "other", 2, QUEUE_BURY);
	assert_int_equal(
	    run(fixture, TOOLS_BURIED, tools_requeue, "grave").matched, 150);
	assert_int_equal(totals(fixture).buried, 2);
	assert_int_equal(totals(fixture).waiting, 150);
	books_test_agree(fixture->queue);
	assert_int_equal(deliver(fixture), 150);
	assert_int_equal(totals(fixture).delivered, 150);
}

static void
test_drop(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, "grave", 10, QUEUE_BURY);
	assert_int_equal(
	    run(fixture, TOOLS_BURIED, drop, "grave-3").matched, 1);
	assert_int_equal(totals(fixture).buried, 9);
	assert_int_equal(totals(fixture).dropped, 1);
}

static void
test_replay_has_its_own_columns(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, "a", 100, QUEUE_WAIT);
	assert_int_equal(deliver(fixture), 100);
	assert_int_equal(run(fixture, TOOLS_KEPT, replay, "a-1").matched, 11);
	assert_int_equal(totals(fixture).replayed, 11);
	assert_int_equal(totals(fixture).waiting, 0);
	books_test_agree(fixture->queue);
	assert_int_equal(deliver(fixture), 11);
	assert_int_equal(totals(fixture).replay_delivered, 11);
	assert_int_equal(totals(fixture).delivered, 100);
	/* and they can be sent once more, once each */
	assert_int_equal(run(fixture, TOOLS_KEPT, replay, NULL).matched, 100);
}

static void
test_replay_comes_after_live_traffic(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct err err;

	put(fixture, "old", 3, QUEUE_WAIT);
	assert_int_equal(deliver(fixture), 3);
	assert_int_equal(run(fixture, TOOLS_KEPT, replay, NULL).matched, 3);
	put(fixture, "new", 2, QUEUE_WAIT);
	assert_true(
	    queue_take(fixture->queue, fixture->lane, 9000, &lease, &err));
	assert_int_equal(lease->count, 2);
	assert_false(lease->replay);
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(deliver(fixture), 5);
}

static void
test_forget_in_every_place(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, "kept", 20, QUEUE_WAIT);
	assert_int_equal(deliver(fixture), 20);
	put(fixture, "wait", 20, QUEUE_WAIT);
	put(fixture, "lone-3", 1, QUEUE_WAIT);
	put(fixture, "grave", 20, QUEUE_BURY);
	assert_int_equal(
	    run(fixture, TOOLS_WAITING, tools_forget, "-3").matched, 2);
	assert_int_equal(
	    run(fixture, TOOLS_KEPT, tools_forget, "-3\"").matched, 1);
	assert_int_equal(
	    run(fixture, TOOLS_BURIED, tools_forget, "-3\"").matched, 1);
	assert_int_equal(totals(fixture).forgotten, 3);
	assert_int_equal(totals(fixture).delivered, 20);
	books_test_agree(fixture->queue);
	assert_int_equal(
	    run(fixture, TOOLS_WAITING, tools_scan, "-3").matched, 0);
	assert_int_equal(
	    run(fixture, TOOLS_KEPT, tools_scan, "-3\"").matched, 0);
	assert_int_equal(run(fixture, TOOLS_KEPT, replay, NULL).matched, 19);
	assert_int_equal(deliver(fixture), 19 + 19);
}

static void
test_forget_on_lease(void **state)
{
	struct fixture *fixture = *state;
	struct queue_verdict verdicts[3];
	struct queue_lease *lease;
	struct err err;

	put(fixture, "a", 3, QUEUE_WAIT);
	assert_true(
	    queue_take(fixture->queue, fixture->lane, 9000, &lease, &err));
	assert_int_equal(
	    run(fixture, TOOLS_WAITING, tools_forget, "a-1").matched, 1);
	/* what its holder says of the forgotten one does not count, and does
	 * not bring it back */
	verdicts[0] = (struct queue_verdict){
	    .lease = lease, .event = 0, .outcome = QUEUE_DONE};
	verdicts[1] = (struct queue_verdict){
	    .lease = lease, .event = 1, .outcome = QUEUE_AGAIN, .due_ms = 1};
	verdicts[2] = (struct queue_verdict){
	    .lease = lease, .event = 2, .outcome = QUEUE_AGAIN, .due_ms = 1};
	assert_true(queue_settle(fixture->queue, verdicts, 3, 9000, &err));
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(totals(fixture).forgotten, 1);
	assert_int_equal(totals(fixture).waiting, 1);
	assert_int_equal(deliver(fixture), 1);
}

/* Does any file of the state directory hold the text, as it is or inside a
 * zstd frame that can be read? */
static bool
traced(struct fixture *fixture, const char *text)
{
	static const unsigned char magic[4] = {0x28, 0xb5, 0x2f, 0xfd};
	const char *names[] = {"queue.db", "queue.db-wal"};
	char path[256], *bytes, *plain;
	bool found = false;

	plain = malloc(1 << 20);
	assert_non_null(plain);
	for (size_t i = 0; i < 2; i++) {
		struct stat info;
		int fd;

		(void)snprintf(
		    path, sizeof(path), "%s/%s", fixture->dir, names[i]);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			continue;
		assert_int_equal(fstat(fd, &info), 0);
		bytes = malloc((size_t)info.st_size + 1);
		assert_non_null(bytes);
		assert_int_equal(
		    pread(fd, bytes, (size_t)info.st_size, 0), info.st_size);
		assert_int_equal(close(fd), 0);
		if (memmem(bytes, (size_t)info.st_size, text, strlen(text)))
			found = true;
		for (off_t at = 0; at + 4 < info.st_size; at++) {
			size_t size, got;

			if (memcmp(bytes + at, magic, 4) != 0)
				continue;
			size = ZSTD_findFrameCompressedSize(
			    bytes + at, (size_t)(info.st_size - at));
			if (ZSTD_isError(size))
				continue;
			got = ZSTD_decompress(plain, 1 << 20, bytes + at, size);
			if (!ZSTD_isError(got) &&
			    memmem(plain, got, text, strlen(text)))
				found = true;
		}
		free(bytes);
	}
	free(plain);
	return found;
}

static void
test_vacuum_leaves_no_trace(void **state)
{
	struct fixture *fixture = *state;
	struct err err;

	put(fixture, "victim", 40, QUEUE_WAIT);
	put(fixture, "victim-grave", 4, QUEUE_BURY);
	put(fixture, "stays", 40, QUEUE_WAIT);
	assert_int_equal(deliver(fixture), 80);
	put(fixture, "victim-waits", 4, QUEUE_WAIT);
	assert_true(traced(fixture, "victim"));
	for (int place = 0; place < TOOLS_PLACES; place++)
		(void)run(
		    fixture, (enum tools_place)place, tools_forget, "victim");
	assert_true(tools_vacuum(fixture->queue, &err));
	assert_false(traced(fixture, "victim"));
	assert_true(traced(fixture, "stays"));
}

static bool
body_is(void *arg, const struct tools_body *body)
{
	const char *text = arg;

	return body->len == strlen(text) &&
	       memcmp(body->data, text, body->len) == 0;
}

static void
test_bodies(void **state)
{
	struct fixture *fixture = *state;
	const char *texts[] = {"not json one", "not json two"};
	struct books_totals books;
	struct answer answer;
	int64_t last = 0;
	struct err err;

	for (size_t i = 0; i < 2; i++) {
		struct queue_body body = {.source = "main",
		    .data = texts[i],
		    .len = strlen(texts[i]),
		    .encoding = "",
		    .reason = "offset 0"};

		answer_init(&answer);
		assert_true(queue_keep(
		    fixture->queue, &body, answer_done, &answer, &err));
		assert_true(answer_wait(&answer));
	}
	do {
		assert_true(tools_bodies(fixture->queue, last, body_is,
		    (void *)(uintptr_t)texts[0], true, &last, &err));
	} while (last != 0);
	books_totals(fixture->queue, &books);
	assert_int_equal(books.undecodable, 1);
}

static void
test_backup_is_a_queue(void **state)
{
	struct fixture *fixture = *state;
	struct queue_settings settings;
	struct tools_backup *backup;
	struct queue *copy = NULL;
	struct books_totals books;
	char dir[256], path[300];
	int64_t left;
	bool more = true;
	struct err err;

	put(fixture, "a", 50, QUEUE_WAIT);
	(void)snprintf(dir, sizeof(dir), "%s/copy", fixture->dir);
	(void)snprintf(path, sizeof(path), "%s/queue.db", dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_true(tools_backup_begin(fixture->queue, path, &backup, &err));
	put(fixture, "b", 50, QUEUE_WAIT); /* beside it */
	while (more)
		assert_true(tools_backup_step(backup, &more, &left, &err));
	tools_backup_end(backup);
	assert_false(tools_backup_begin(fixture->queue, path, &backup, &err));

	settings = queue_test_settings(dir);
	if (!queue_open(&settings, &copy, &err))
		fail_msg("queue_open: %s", err.text);
	books_totals(copy, &books);
	assert_int_equal(books.events.waiting, 100);
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
	struct tools_check check = {.fn = note_fault, .more = true};
	char prefix[16];
	struct err err;

	for (int i = 0; i < 20; i++) {
		(void)snprintf(prefix, sizeof(prefix), "p%d", i);
		put(fixture, prefix, 5, QUEUE_WAIT);
	}
	while (check.more)
		assert_true(tools_check(fixture->queue, &check, &err));
	assert_int_equal(check.parcels, 20);
	assert_int_equal(check.faults, 0);
}

#undef TEST
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_scan_sees_every_place),
	    TEST(test_requeue),
	    TEST(test_drop),
	    TEST(test_replay_has_its_own_columns),
	    TEST(test_replay_comes_after_live_traffic),
	    TEST(test_forget_in_every_place),
	    TEST(test_forget_on_lease),
	    TEST(test_vacuum_leaves_no_trace),
	    TEST(test_bodies),
	    TEST(test_backup_is_a_queue),
	    TEST(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
