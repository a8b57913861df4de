/*
 * Erasing a person: in every place, on lease, and without a trace.
 */

#include "jobs_help.h"

#include "queue/jobs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <zstd.h>

static void
test_erased_in_every_place(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, "old", 20, ITEM_QUEUE);
	assert_int_equal(deliver(fixture), 20);
	put(fixture, "wait", 20, ITEM_QUEUE);
	put(fixture, "lone-3", 1, ITEM_QUEUE);
	put(fixture, "dead", 20, ITEM_DEAD);
	assert_int_equal(
	    run(fixture, JOBS_QUEUED, jobs_erase, "-3").matched, 2);
	assert_int_equal(
	    run(fixture, JOBS_ARCHIVE, jobs_erase, "-3\"").matched, 1);
	assert_int_equal(
	    run(fixture, JOBS_DEAD, jobs_erase, "-3\"").matched, 1);
	assert_int_equal(totals(fixture).erased, 3);
	assert_int_equal(totals(fixture).delivered, 20);
	ledger_test_agree(fixture->queue);
	assert_int_equal(run(fixture, JOBS_QUEUED, jobs_scan, "-3").matched, 0);
	assert_int_equal(
	    run(fixture, JOBS_ARCHIVE, jobs_scan, "-3\"").matched, 0);
	assert_int_equal(run(fixture, JOBS_ARCHIVE, replay, NULL).matched, 19);
	assert_int_equal(deliver(fixture), 19 + 19);
}

/* Takes the lock, which would fail if it were held. */
static bool
match_nothing(void *arg, const struct jobs_event *event)
{
	struct queue *queue = arg;
	struct err err;

	(void)event;
	assert_true(stats_hold(queue, &err));
	fair_lock_drop(&queue->lock);
	return false;
}

/* A search that finds nothing does not keep puts waiting. */
static void
test_batches_are_searched_without_the_lock(void **state)
{
	struct fixture *fixture = *state;
	struct err err;

	put(fixture, "old", 20, ITEM_QUEUE);
	assert_int_equal(deliver(fixture), 20);
	put(fixture, "wait", 20, ITEM_QUEUE);
	for (int place = 0; place <= JOBS_ARCHIVE; place++) {
		for (int erase = 0; erase <= 1; erase++) {
			struct jobs_walk job = {
			    .cursor = {.place = (enum jobs_place)place},
			    .match = match_nothing,
			    .arg = fixture->queue,
			    .more = true,
			};

			while (job.more)
				assert_true(
				    (erase != 0 ? jobs_erase : jobs_scan)(
					fixture->queue, &job, &err));
			assert_int_equal(job.seen, 20);
			assert_int_equal(job.matched, 0);
		}
	}
}

/* What a step shows may have to fit in memory, however well it was packed. */
static void
test_a_step_is_bounded_by_what_it_unpacks(void **state)
{
	const size_t len = JOBS_PAGE_BYTES / 2 + 1;
	struct fixture *fixture = *state;
	struct jobs_walk job = {.cursor = {.place = JOBS_QUEUED}};
	char *bytes = malloc(len);
	struct err err;

	assert_non_null(bytes);
	memset(bytes, ' ', len);
	memcpy(bytes, "{}", 2);
	for (int i = 0; i < 4; i++) {
		char id[] = {(char)('0' + i), '\0'};
		const struct item item = {.type = STR("Open"),
		    .id = str_text(id),
		    .data = str_bytes(bytes, len)};
		const struct queue_batch batch = {.source = "main",
		    .destination = "heap",
		    .now_ms = 1,
		    .items = &item,
		    .count = 1};
		struct answer answer;

		answer_init(&answer);
		assert_true(queue_put(
		    fixture->queue, &batch, answer_done, &answer, &err));
		assert_true(answer_wait(&answer));
	}
	free(bytes);
	assert_true(jobs_scan(fixture->queue, &job, &err));
	assert_in_range(job.seen, 1, 2);
	while (job.more)
		assert_true(jobs_scan(fixture->queue, &job, &err));
	assert_int_equal(job.matched, 4);
}

static void
test_erased_on_lease(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;

	put(fixture, "a", 3, ITEM_QUEUE);
	lease = take(fixture, 9000);
	assert_int_equal(
	    run(fixture, JOBS_QUEUED, jobs_erase, "a-1").matched, 1);
	/* an outcome of the erased event does not count, and does not bring
	 * it back */
	judge_all(lease, QUEUE_DEFERRED, 1);
	lease->items[0].outcome = QUEUE_DELIVERED;
	queue_test_settle(fixture->queue, lease, 9000);
	assert_int_equal(lease->open, 0);
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(totals(fixture).erased, 1);
	assert_int_equal(totals(fixture).queued, 1);
	assert_int_equal(deliver(fixture), 1);
}

/* An event is about a person of its own bytes. */
static void
person_of(struct str type, struct str data, queue_person_fn *fn, void *fn_arg)
{
	(void)type;
	fn(fn_arg, data);
}

/* A put that was handed over before somebody was erased, and is written after
 * the queue was searched. */
static void
test_erased_while_a_put_waits(void **state)
{
	struct fixture *fixture = *state;
	const struct item items[] = {
	    {.type = STR("Open"), .id = STR("1"), .data = STR("{\"u\":1}")},
	    {.type = STR("Open"), .id = STR("2"), .data = STR("{\"u\":2}")},
	};
	const struct queue_batch batch = {.source = "main",
	    .destination = "heap",
	    .now_ms = 1,
	    .items = items,
	    .count = 2};
	struct queue_lease *lease;
	struct answer answer;
	struct err err;

	queue_test_close(fixture->queue);
	fixture->settings.persons = person_of;
	assert_true(queue_open(&fixture->settings, &fixture->queue, &err));
	fixture->destination = destination_test_open(fixture->queue, "heap");
	answer_init(&answer);
	assert_true(
	    queue_put(fixture->queue, &batch, answer_done, &answer, &err));
	assert_true(jobs_suppress(fixture->queue, &items[0].data, 1, &err));
	assert_int_equal(
	    run(fixture, JOBS_QUEUED, jobs_erase, "\"u\":1").matched, 0);
	assert_true(queue_start(fixture->queue, &err));
	assert_true(answer_wait(&answer));
	assert_int_equal(answer.receipt.dropped, 1);
	assert_int_equal(answer.receipt.queued, 1);
	lease = take(fixture, 9000);
	assert_non_null(lease);
	assert_int_equal(lease->count, 1);
	assert_true(str_equal(lease->items[0].data, items[1].data));
	queue_lease_free(fixture->queue, lease);
}

enum { DAY_MS = 24 * 3600 * 1000 };

/* Is what comes of the person dropped? Each event is another one. */
static bool
suppressed(struct fixture *fixture, struct str person)
{
	static unsigned number;
	char id[16];
	struct item item = {.type = STR("Open"), .data = person};
	const struct queue_batch batch = {.source = "main",
	    .destination = "heap",
	    .now_ms = 1,
	    .items = &item,
	    .count = 1};
	struct answer answer;
	struct err err;

	(void)snprintf(id, sizeof(id), "%u", number++);
	item.id = str_text(id);
	answer_init(&answer);
	assert_true(
	    queue_put(fixture->queue, &batch, answer_done, &answer, &err));
	assert_true(answer_wait(&answer));
	return answer.receipt.dropped == 1;
}

/* So long after all that was before. */
static void
ages_pass(struct fixture *fixture, int64_t ms)
{
	fair_lock_hold(&fixture->queue->lock);
	fixture->queue->bounds.age_ms += ms;
	fair_lock_drop(&fixture->queue->lock);
	reopen(fixture);
}

/* For 90 days, unless it is said otherwise; then the hash goes, too. */
static void
test_suppressed_for_a_time(void **state)
{
	static const struct str ann = STR("{\"u\":1}"), bob = STR("{\"u\":2}");
	struct fixture *fixture = *state;
	struct stats_totals totals;
	struct err err;

	fixture->settings.persons = person_of;
	reopen(fixture);
	assert_true(jobs_suppress(fixture->queue, &ann, 1, &err));
	assert_true(suppressed(fixture, ann));
	assert_false(suppressed(fixture, bob));
	ages_pass(fixture, 89 * (int64_t)DAY_MS);
	assert_true(suppressed(fixture, ann));
	ages_pass(fixture, DAY_MS);
	assert_false(suppressed(fixture, ann));
	assert_true(jobs_suppress(fixture->queue, &bob, 1, &err));
	stats_totals(fixture->queue, &totals);
	assert_int_equal(totals.suppressed, 1);
}

/* An id cannot be guessed from what stays of it, without the file's key. */
static void
test_what_is_suppressed_is_a_keyed_hash(void **state)
{
	static const struct str ann = STR("ann");
	struct fixture *fixture = *state;
	struct queue *queue = fixture->queue;
	struct digest_short *digest = digest_short_new(queue->hash_key);
	unsigned char hash[DIGEST_SHORT];
	struct buf stored;
	struct err err;

	assert_non_null(digest);
	erased_hash(digest, ann, hash);
	digest_short_free(digest);
	assert_true(jobs_suppress(queue, &ann, 1, &err));
	buf_init(&stored, 1000);
	fair_lock_hold(&queue->lock);
	assert_true(queue->engine->state(
	    queue->store, "", erased_state, &stored, &err));
	fair_lock_drop(&queue->lock);
	assert_non_null(memmem(stored.data, stored.len, hash, sizeof(hash)));
	buf_fini(&stored);
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
test_erasing_leaves_no_trace(void **state)
{
	struct fixture *fixture = *state;
	struct err err;

	FILE_ONLY();
	put(fixture, "victim", 40, ITEM_QUEUE);
	put(fixture, "victim-dead", 4, ITEM_DEAD);
	put(fixture, "stays", 40, ITEM_QUEUE);
	assert_int_equal(deliver(fixture), 80);
	put(fixture, "victim-waits", 4, ITEM_QUEUE);
	assert_true(traced(fixture, "victim"));
	for (int place = 0; place < JOBS_PLACES; place++)
		(void)run(
		    fixture, (enum jobs_place)place, jobs_erase, "victim");
	assert_true(jobs_flush(fixture->queue, &err));
	assert_false(traced(fixture, "victim"));
	assert_true(traced(fixture, "stays"));
}

/* Bytes that this process has written, to whatever file. */
static int64_t
written(void)
{
	char text[512] = "";
	const char *at;
	int fd = open("/proc/self/io", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		skip();
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_int_equal(close(fd), 0);
	at = strstr(text, "wchar: ");
	assert_non_null(at);
	return strtoll(at + strlen("wchar: "), NULL, 10);
}

/* Nobody was there to be erased, so the file is not written anew. */
static void
test_erasing_nobody_writes_next_to_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct stats_totals totals;
	char prefix[16];
	int64_t before;
	struct err err;

	FILE_ONLY();
	for (int i = 0; i < 100; i++) {
		(void)snprintf(prefix, sizeof(prefix), "old%d", i);
		put(fixture, prefix, 500, ITEM_QUEUE);
	}
	put(fixture, "dead", 500, ITEM_DEAD);
	assert_int_equal(deliver(fixture), 50000);
	put(fixture, "wait", 500, ITEM_QUEUE);
	assert_true(jobs_flush(fixture->queue, &err));
	stats_totals(fixture->queue, &totals);
	before = written();
	for (int place = 0; place < JOBS_PLACES; place++)
		assert_int_equal(
		    run(fixture, (enum jobs_place)place, jobs_erase, "nobody")
			.matched,
		    0);
	assert_true(jobs_flush(fixture->queue, &err));
	assert_true(written() - before < totals.live_bytes / 4);
}

static bool
body_is(void *arg, const struct jobs_unreadable *body)
{
	const char *text = arg;

	return str_equal_text(body->data, text);
}

static void
body_keep(struct fixture *fixture, const char *text)
{
	struct queue_unreadable body = {.source = "main",
	    .data = str_text(text),
	    .encoding = "",
	    .reason = "offset 0"};
	struct answer answer;
	struct err err;

	answer_init(&answer);
	assert_true(queue_put_unreadable(
	    fixture->queue, &body, answer_done, &answer, &err));
	assert_true(answer_wait(&answer));
}

/* Delete those that `fn` chooses; returns how many are left. */
static int64_t
bodies_delete(struct fixture *fixture, jobs_unreadable_fn *fn, void *arg)
{
	struct stats_totals totals;
	int64_t last = 0;
	struct err err;

	do {
		assert_true(jobs_unreadable_next(
		    fixture->queue, last, fn, arg, true, &last, &err));
	} while (last != 0);
	stats_totals(fixture->queue, &totals);
	return totals.unreadable;
}

static void
test_bodies(void **state)
{
	struct fixture *fixture = *state;
	char meant[] = "not json one";
	struct stats_totals totals;

	body_keep(fixture, meant);
	body_keep(fixture, "not json two");
	assert_int_equal(bodies_delete(fixture, body_is, meant), 1);
	reopen(fixture);
	stats_totals(fixture->queue, &totals);
	assert_int_equal(totals.unreadable_removed, 1);
}

static bool
body_count(void *arg, const struct jobs_unreadable *body)
{
	(void)body;
	++*(size_t *)arg;
	return true;
}

static void
fault_count(void *arg, const char *text)
{
	assert_non_null(strstr(text, "body"));
	++*(size_t *)arg;
}

/* A flipped byte in the middle one of three. */
static void
body_damage(struct fixture *fixture)
{
	static const char sql[] =
	    "UPDATE unreadable SET data=substr(data,1,10)||x'ffff'||"
	    "substr(data,13) WHERE id=2";
	char path[256];
	sqlite3 *db;

	queue_test_close(fixture->queue);
	(void)snprintf(path, sizeof(path), "%s/queue.db", fixture->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_changes(db), 1);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	fixture->queue = queue_test_open(&fixture->settings);
}

/* It hides none behind it and is never deleted; the deep check tells. */
static void
test_damaged_body_is_passed_over(void **state)
{
	struct fixture *fixture = *state;
	size_t shown = 0, faults = 0;
	struct jobs_check check = {.fn = fault_count, .arg = &faults};
	struct err err;

	FILE_ONLY();
	body_keep(fixture, "not json one");
	body_keep(fixture, "not json two");
	body_keep(fixture, "not json three");
	body_damage(fixture);
	assert_int_equal(bodies_delete(fixture, body_count, &shown), 1);
	assert_int_equal(shown, 2);
	do {
		assert_true(jobs_check(fixture->queue, &check, &err));
	} while (check.more);
	assert_int_equal(faults, 1);
	assert_int_equal(check.faults, 1);
}

/* A person in a batch that was quarantined and can be read again. */
static void
test_quarantined_batch_is_erased_too(void **state)
{
	struct fixture *fixture = *state;
	struct jobs_erasing erasing;
	struct err err;

	put(fixture, "victim", 2, ITEM_QUEUE);
	batches_move(fixture, 1000);
	assert_int_equal(deliver(fixture), 0);
	batches_move(fixture, -1000);
	assert_true(jobs_erase_begin(fixture->queue, &erasing, &err));
	assert_int_equal(
	    run(fixture, JOBS_QUEUED, jobs_erase, "victim").matched, 2);
	assert_int_equal(jobs_erase_missed(fixture->queue, &erasing), 0);
	assert_int_equal(deliver(fixture), 0);
	assert_int_equal(totals(fixture).erased, 2);
}

/* And in one that is quarantined during the job: the job reports it. */
static void
test_batch_quarantined_meanwhile_is_reported(void **state)
{
	struct fixture *fixture = *state;
	struct jobs_erasing erasing;
	struct err err;

	put(fixture, "victim", 2, ITEM_QUEUE);
	assert_true(jobs_erase_begin(fixture->queue, &erasing, &err));
	batches_move(fixture, 1000);
	assert_int_equal(deliver(fixture), 0);
	assert_int_equal(
	    run(fixture, JOBS_QUEUED, jobs_erase, "victim").matched, 0);
	assert_int_equal(jobs_erase_missed(fixture->queue, &erasing), 1);
	batches_move(fixture, -1000);
}

/* What is on lease can be settled though its batch cannot be read any more,
 * and its row was changed meanwhile. */
static void
test_damaged_on_lease(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;

	put(fixture, "victim", 3, ITEM_QUEUE);
	lease = take(fixture, 9000);
	assert_int_equal(
	    run(fixture, JOBS_QUEUED, jobs_erase, "victim-1").matched, 1);
	batches_move(fixture, 1000);
	judge_all(lease, QUEUE_DEAD, 0);
	queue_test_settle(fixture->queue, lease, 9000);
	assert_int_equal(lease->open, 0);
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(totals(fixture).dead, 2);
	assert_int_equal(totals(fixture).erased, 1);
}

static void
erasure_ask(const void *arg, struct str type, struct str data,
    queue_person_fn *fn, void *fn_arg)
{
	(void)type;
	(void)data;
	fn(fn_arg, str_text(arg));
}

/* From here on each event is a request to erase the victim. */
static void
erasure_all_ask(struct fixture *fixture)
{
	fixture->settings.erasure = erasure_ask;
	fixture->settings.erasure_arg = "victim";
	reopen(fixture);
}

static bool
erasure_count(void *arg, int64_t id, const char *source, const char *subject,
    int64_t noted_ms, int64_t erased_ms)
{
	(void)id;
	(void)source;
	(void)subject;
	(void)noted_ms;
	*(size_t *)arg += erased_ms == 0;
	return true;
}

/* How many are still to be erased. */
static size_t
erasures_open(struct fixture *fixture)
{
	size_t count = 0;
	struct err err;

	assert_true(
	    stats_erasures(fixture->queue, 0, 10, erasure_count, &count, &err));
	return count;
}

/* A person who asks again during a job may have had events since: not done. */
static void
test_a_repeated_request_stays_listed(void **state)
{
	const char *const victim = "victim";
	struct fixture *fixture = *state;
	struct jobs_erasing erasing;
	struct err err;

	erasure_all_ask(fixture);
	put(fixture, "first", 1, ITEM_QUEUE);
	assert_true(jobs_erase_begin(fixture->queue, &erasing, &err));
	put(fixture, "second", 1, ITEM_QUEUE);
	for (int64_t erased_ms = 0; erased_ms < 2; erased_ms++) {
		assert_true(jobs_erasures_done(fixture->queue, &victim, 1,
		    erasing.last_erasure, erased_ms, &err));
		assert_int_equal(erasures_open(fixture), 1);
	}
	assert_true(jobs_erase_begin(fixture->queue, &erasing, &err));
	assert_true(jobs_erasures_done(
	    fixture->queue, &victim, 1, erasing.last_erasure, 9001, &err));
	assert_int_equal(erasures_open(fixture), 0);
}

static void
erasure_ask_each(const void *arg, struct str type, struct str data,
    queue_person_fn *fn, void *fn_arg)
{
	(void)arg;
	(void)type;
	fn(fn_arg, data);
}

static bool
erasure_last(void *arg, int64_t id, const char *source, const char *subject,
    int64_t noted_ms, int64_t erased_ms)
{
	(void)source;
	(void)subject;
	(void)noted_ms;
	(void)erased_ms;
	*(int64_t *)arg = id;
	return true;
}

/* The list is read in steps. */
static void
test_the_last_of_many_requests_is_known(void **state)
{
	struct fixture *fixture = *state;
	struct jobs_erasing erasing;
	int64_t last = 0;
	struct err err;

	fixture->settings.erasure = erasure_ask_each;
	reopen(fixture);
	put(fixture, "many", 3 * JOBS_STEP_ROWS, ITEM_QUEUE);
	assert_true(jobs_erase_begin(fixture->queue, &erasing, &err));
	assert_true(stats_erasures(
	    fixture->queue, 0, SIZE_MAX, erasure_last, &last, &err));
	assert_true(last >= 3 * JOBS_STEP_ROWS);
	assert_int_equal(erasing.last_erasure, last);
}

/* What was edited may name somebody now; a replay is no request. */
static void
test_a_request_that_is_requeued_is_listed(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, "old", 1, ITEM_QUEUE);
	assert_int_equal(deliver(fixture), 1);
	put(fixture, "dead", 1, ITEM_DEAD);
	erasure_all_ask(fixture);
	assert_int_equal(run(fixture, JOBS_ARCHIVE, replay, NULL).matched, 1);
	assert_int_equal(erasures_open(fixture), 0);
	assert_int_equal(
	    run(fixture, JOBS_DEAD, jobs_requeue, NULL).matched, 1);
	assert_int_equal(erasures_open(fixture), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_erased_in_every_place),
	    TEST(test_a_step_is_bounded_by_what_it_unpacks),
	    TEST(test_batches_are_searched_without_the_lock),
	    TEST(test_erased_on_lease),
	    TEST(test_erased_while_a_put_waits),
	    TEST(test_suppressed_for_a_time),
	    TEST(test_what_is_suppressed_is_a_keyed_hash),
	    TEST(test_erasing_leaves_no_trace),
	    TEST(test_erasing_nobody_writes_next_to_nothing),
	    TEST(test_bodies),
	    TEST(test_damaged_body_is_passed_over),
	    TEST(test_quarantined_batch_is_erased_too),
	    TEST(test_batch_quarantined_meanwhile_is_reported),
	    TEST(test_damaged_on_lease),
	    TEST(test_a_repeated_request_stays_listed),
	    TEST(test_the_last_of_many_requests_is_known),
	    TEST(test_a_request_that_is_requeued_is_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
