/*
 * The bounds of the store: what one destination may take, what gives way and
 * when, and the rows of dead letters.
 */

#include "queue_fixture.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "queue/engine.h"

#include <stdatomic.h>
#include <sys/stat.h>

enum { EVENTS = 20, EVENT_BYTES = 4000, HOUR_MS = 3600 * 1000 };

/* ---- the wall clock ---- */

static _Atomic int64_t wall_ahead_ms;

__typeof__(clock_wall_ms) __real_clock_wall_ms;
__typeof__(clock_wall_ms) __wrap_clock_wall_ms;

int64_t
__wrap_clock_wall_ms(void)
{
	return __real_clock_wall_ms() + atomic_load(&wall_ahead_ms);
}

/* ---- the log ---- */

static _Atomic size_t near_told[LOG_ERROR + 1]; /* by level */

void __wrap_log_line(enum log_level level, const char *module,
    const char *format, ...) PRINTF_LIKE(3, 4);

void
__wrap_log_line(
    enum log_level level, const char *module, const char *format, ...)
{
	(void)module;
	if (strncmp(format, "near ", strlen("near ")) == 0)
		atomic_fetch_add(&near_told[level], 1);
}

/* ---- filling it up ---- */

/* Put some events that cannot be compressed; true if they are durable. */
static bool
put_random(struct fixture *fixture, const char *destination,
    enum item_fate fate, struct answer *answer)
{
	static unsigned number;
	char(*data)[EVENT_BYTES] = calloc(EVENTS, sizeof(*data));
	char(*ids)[16] = calloc(EVENTS, sizeof(*ids));
	struct item items[EVENTS];
	struct queue_batch batch = {.source = destination,
	    .destination = destination,
	    .now_ms = 1764000000000,
	    .items = items,
	    .count = EVENTS};
	struct err err;
	bool ok;

	assert_non_null(data);
	assert_non_null(ids);
	digest_random(data, EVENTS * sizeof(*data));
	for (size_t i = 0; i < EVENTS; i++) {
		(void)snprintf(ids[i], sizeof(ids[i]), "%u", number++);
		items[i] = (struct item){.fate = fate,
		    .type = STR("Open"),
		    .id = str_text(ids[i]),
		    .data = str_bytes(data[i], sizeof(data[i])),
		    .reason = fate == ITEM_QUEUE ? NULL : "because"};
	}
	answer_init(answer);
	assert_true(
	    queue_put(fixture->queue, &batch, answer_done, answer, &err));
	ok = answer_wait(answer);
	free(data);
	free(ids);
	return ok;
}

static void
reopen_with(struct fixture *fixture, int64_t max_bytes)
{
	queue_test_close(fixture->queue);
	fixture->settings.max_bytes = max_bytes;
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->destination = destination_test_open(fixture->queue, "heap");
}

/* Fill up a destination; says how many bytes it got. */
static int64_t
fill(struct fixture *fixture, const char *destination)
{
	struct answer answer;

	while (put_random(fixture, destination, ITEM_QUEUE, &answer))
		;
	assert_int_equal(answer.err.code, ERR_FULL);
	return stats_destination_bytes(fixture->queue, destination);
}

/* Wait until the housekeeping has made it so. */
static struct stats_totals
totals_when(struct fixture *fixture,
    bool (*so)(const struct stats_totals *totals, int64_t most), int64_t most)
{
	struct stats_totals totals;

	for (int tries = 0;; tries++) {
		stats_totals(fixture->queue, &totals);
		if (so(&totals, most))
			return totals;
		assert_true(tries < 3000);
		(void)usleep(10000);
	}
}

static bool
dead_at_most(const struct stats_totals *totals, int64_t most)
{
	return totals->dead_bytes <= most;
}

static bool
unreadable_at_most(const struct stats_totals *totals, int64_t most)
{
	return totals->unreadable_bytes <= most;
}

/* The hashes of duplicates are in the bound, too, and never give way. */
static void
test_what_is_remembered_leaves_room(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	char prefix[32];

	fixture->settings.window_events = 1000000;
	reopen_with(fixture, 1 << 20);
	for (int i = 0; i < 100; i++) {
		(void)snprintf(prefix, sizeof(prefix), "p%d", i);
		if (!queue_test_put(fixture->queue, "main", "Open", prefix,
			1000, ITEM_DROP, &answer))
			fail_msg("%d: %s", i, answer.err.text);
	}
}

/* A dead destination leaves a fifth of the bound; a second one what is right of
 * that; and another, added later, has room at once. */
static void
test_a_destination_has_its_share(void **state)
{
	struct fixture *fixture = *state;
	const int64_t max = 8 << 20;
	struct answer answer;
	int64_t first, second;

	reopen_with(fixture, max);
	(void)destination_test_open(fixture->queue, "other");
	first = fill(fixture, "heap");
	assert_in_range(first, max * 70 / 100, max * 82 / 100);
	assert_true(put_random(fixture, "other", ITEM_QUEUE, &answer));
	second = fill(fixture, "other");
	assert_true(second > max * 10 / 100);
	assert_true(first + second < max);
	(void)destination_test_open(fixture->queue, "later");
	assert_true(put_random(fixture, "later", ITEM_QUEUE, &answer));
	/* what need not be queued is not refused */
	assert_true(put_random(fixture, "heap", ITEM_DEAD, &answer));
	assert_true(put_random(fixture, "heap", ITEM_DROP, &answer));
}

/* What is free beside the file on a disk of 8 MiB. */
static bool
totals_of_small_disk(struct store *store, bool recount,
    struct engine_totals *ret_totals, struct err *reterr)
{
	if (!engine_default->totals(store, recount, ret_totals, reterr))
		return false;
	ret_totals->free_bytes = (8 << 20) - ret_totals->file_bytes;
	return true;
}

/* Where the disk is smaller than the bound, it is what a dead destination
 * leaves a fifth of. */
static void
test_a_small_disk_is_shared(void **state)
{
	struct fixture *fixture = *state;
	struct engine engine = *engine_default;
	struct answer answer;

	FILE_ONLY();
	engine.totals = totals_of_small_disk;
	fixture->settings.engine = &engine;
	fixture->settings.min_free_bytes = 1 << 20;
	reopen_with(fixture, INT64_C(1) << 40);
	(void)destination_test_open(fixture->queue, "other");
	assert_in_range(fill(fixture, "heap"), 4 << 20, 6 << 20);
	assert_true(put_random(fixture, "other", ITEM_QUEUE, &answer));
	queue_test_close(fixture->queue);
	fixture->settings.engine = NULL;
	fixture->queue = queue_test_open(&fixture->settings);
}

static void
test_a_single_destination_has_all(void **state)
{
	struct fixture *fixture = *state;
	const int64_t max = 8 << 20;

	reopen_with(fixture, max);
	assert_true(fill(fixture, "heap") > max * 90 / 100);
}

static void
test_a_limit_of_its_own(void **state)
{
	struct fixture *fixture = *state;
	const int64_t most = 1 << 20;
	int64_t filled;

	queue_destination_limit(fixture->queue, fixture->destination, most);
	filled = fill(fixture, "heap");
	assert_in_range(filled, most, most + EVENTS * EVENT_BYTES + 4096);
}

/* A put that is refused is new when it comes again. */
static void
test_what_is_refused_is_no_duplicate(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;

	queue_destination_limit(fixture->queue, fixture->destination, 1);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 3, ITEM_QUEUE, &answer));
	assert_false(queue_test_put(
	    fixture->queue, "main", "Open", "b", 3, ITEM_QUEUE, &answer));
	assert_int_equal(answer.err.code, ERR_FULL);
	/* what is there already is no more */
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 3, ITEM_QUEUE, &answer));
	assert_int_equal(answer.receipt.duplicates, 3);
	queue_destination_limit(fixture->queue, fixture->destination, 0);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "b", 3, ITEM_QUEUE, &answer));
	assert_int_equal(answer.receipt.queued, 3);
}

/* The oldest dead letters expire, and the ledger knows. */
static void
test_dead_letters_are_bounded(void **state)
{
	struct fixture *fixture = *state;
	const int64_t most = 1 << 20;
	struct stats_totals totals;
	struct answer answer;

	queue_test_close(fixture->queue);
	fixture->settings.dead_max_bytes = most;
	fixture->queue = queue_test_open(&fixture->settings);
	for (int i = 0; i < 60; i++)
		assert_true(put_random(fixture, "heap", ITEM_DEAD, &answer));
	totals = totals_when(fixture, dead_at_most, most);
	assert_true(totals.events.expired > 0);
	assert_int_equal(
	    totals.events.dead + totals.events.expired, 60 * EVENTS);
	assert_true(totals.dead_bytes > most / 2);
}

static bool
some_expired(const struct stats_totals *totals, int64_t most)
{
	return totals->events.expired > most;
}

static void
test_dead_letters_have_a_tenth(void **state)
{
	struct fixture *fixture = *state;
	const int64_t max = 8 << 20;
	struct stats_totals totals;
	struct answer answer;

	reopen_with(fixture, max);
	for (int i = 0; i < 20; i++)
		assert_true(put_random(fixture, "heap", ITEM_DEAD, &answer));
	totals = totals_when(fixture, dead_at_most, max / 10);
	assert_true(totals.events.expired > 0);
	assert_true(totals.dead_bytes > max / 20);
}

/* Above the bound by themselves, the last ones stay until others come. */
static void
test_the_last_dead_letters_stay(void **state)
{
	struct fixture *fixture = *state;
	struct stats_totals totals;
	struct answer answer;
	bool more;

	queue_test_close(fixture->queue);
	fixture->settings.dead_max_bytes = 1;
	fixture->queue = queue_test_open(&fixture->settings);
	assert_true(put_random(fixture, "heap", ITEM_DEAD, &answer));
	fair_lock_hold(&fixture->queue->lock);
	evict_tidy(fixture->queue, &more);
	fair_lock_drop(&fixture->queue->lock);
	assert_false(more);
	stats_totals(fixture->queue, &totals);
	assert_true(totals.dead_bytes > 1);
	assert_int_equal(totals.events.dead, EVENTS);
	assert_int_equal(totals.events.expired, 0);
	for (int i = 0; i < 10; i++)
		assert_true(put_random(fixture, "heap", ITEM_DEAD, &answer));
	totals = totals_when(fixture, some_expired, 0);
	assert_true(totals.events.dead > 0);
}

/* They give way to what can be delivered, and so do unreadable bodies. */
static void
test_what_cannot_be_delivered_gives_way(void **state)
{
	struct fixture *fixture = *state;
	const int64_t max = 4 << 20;
	struct stats_totals totals;
	struct answer answer;

	fixture->settings.dead_max_bytes = max;
	reopen_with(fixture, max);
	for (int i = 0; i < 40; i++)
		assert_true(put_random(fixture, "heap", ITEM_DEAD, &answer));
	assert_true(fill(fixture, "heap") > max * 80 / 100);
	stats_totals(fixture->queue, &totals);
	assert_true(totals.events.expired > 0);
}

/* One who sends more of them than are evicted in passing does not fill the
 * queue: nobody else is refused. */
static void
test_many_dead_letters_refuse_nobody(void **state)
{
	enum { LETTERS = 100000, POSTS = 25 };
	struct fixture *fixture = *state;
	struct item *items = calloc(LETTERS, sizeof(*items));
	struct queue_batch batch = {.source = "bad",
	    .destination = "bad",
	    .now_ms = 1764000000000,
	    .items = items,
	    .count = LETTERS};
	struct answer bad, good;
	char prefix[16];
	struct err err;

	assert_non_null(items);
	reopen_with(fixture, 4 << 20);
	for (size_t i = 0; i < LETTERS; i++)
		items[i] = (struct item){.fate = ITEM_DEAD,
		    .data = STR("1"),
		    .reason = "not an object"};
	for (int i = 0; i < POSTS; i++) {
		(void)snprintf(prefix, sizeof(prefix), "%d", i);
		answer_init(&bad);
		assert_true(
		    queue_put(fixture->queue, &batch, answer_done, &bad, &err));
		if (!queue_test_put(fixture->queue, "good", "Open", prefix, 1,
			ITEM_QUEUE, &good))
			fail_msg("post %d: %s", i, good.err.text);
		(void)answer_wait(&bad);
	}
	free(items);
}

static bool
put_body(struct fixture *fixture, const char *source, char *bytes, size_t len)
{
	struct queue_unreadable body = {
	    .source = source,
	    .data = str_bytes(bytes, len),
	    .encoding = "",
	    .reason = "not JSON",
	    .now_ms = 1764000000000,
	};
	struct answer answer;
	struct err err;

	digest_random(bytes, len);
	answer_init(&answer);
	assert_true(queue_put_unreadable(
	    fixture->queue, &body, answer_done, &answer, &err));
	return answer_wait(&answer);
}

/* Evict all that is due; `later_ms`: the clock of the ages goes ahead. */
static struct stats_totals
evict_due(struct fixture *fixture, int64_t later_ms)
{
	struct queue *queue = fixture->queue;
	struct stats_totals totals;
	bool more = true;

	fair_lock_hold(&queue->lock);
	queue->bounds.age_ms += later_ms;
	while (more) {
		evict_tick(queue, clock_mono_ms(), false);
		evict_tidy(queue, &more);
	}
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	stats_totals(queue, &totals);
	return totals;
}

/* Put some events into the archive. */
static void
put_archived(struct fixture *fixture)
{
	struct queue_lease *lease;
	struct answer answer;

	assert_true(put_random(fixture, "heap", ITEM_QUEUE, &answer));
	lease = take(fixture, 1764000001000);
	assert_non_null(lease);
	settle_all(fixture, lease, QUEUE_DELIVERED, 0);
	queue_lease_free(fixture->queue, lease);
}

/* The oldest goes; one that is larger than all may be is refused. */
static void
test_unreadable_bodies_are_bounded(void **state)
{
	struct fixture *fixture = *state;
	struct stats_totals totals;
	char bytes[4096];

	queue_test_close(fixture->queue);
	fixture->settings.unreadable_max_bytes = 10000;
	fixture->queue = queue_test_open(&fixture->settings);
	for (int i = 0; i < 20; i++)
		assert_true(put_body(fixture, "main", bytes, sizeof(bytes)));
	totals = totals_when(fixture, unreadable_at_most, 10000);
	assert_int_equal(totals.unreadable, 2);
	queue_test_close(fixture->queue);
	fixture->settings.unreadable_max_bytes = 1000;
	fixture->queue = queue_test_open(&fixture->settings);
	assert_false(put_body(fixture, "main", bytes, sizeof(bytes)));
}

/* What there is of a source in the ledger. */
struct of_source {
	const char *source;
	struct stats_line line;
};

static bool
of_source_add(void *arg, const char *label, const struct stats_line *line)
{
	struct of_source *of = arg;

	if (strcmp(label, of->source) == 0)
		of->line = *line;
	return true;
}

static struct stats_line
of_source(struct fixture *fixture, const char *source)
{
	struct of_source of = {.source = source};
	struct err err;

	assert_true(stats_ledger(
	    fixture->queue, STATS_BY_SOURCE, of_source_add, &of, &err));
	return of.line;
}

/* Those of a destination with few stay, though they are the oldest; also while
 * room is made for what can be delivered. */
static void
test_many_dead_letters_harm_no_other(void **state)
{
	struct fixture *fixture = *state;
	const int64_t most = 1 << 20;
	struct answer answer;

	(void)destination_test_open(fixture->queue, "other");
	queue_test_close(fixture->queue);
	fixture->settings.dead_max_bytes = most;
	fixture->queue = queue_test_open(&fixture->settings);
	assert_true(put_random(fixture, "other", ITEM_DEAD, &answer));
	for (int i = 0; i < 60; i++)
		assert_true(put_random(fixture, "heap", ITEM_DEAD, &answer));
	(void)totals_when(fixture, dead_at_most, most);
	assert_int_equal(of_source(fixture, "other").dead, EVENTS);
	assert_true(of_source(fixture, "heap").expired > 0);

	fixture->settings.dead_max_bytes = 2 * most;
	reopen_with(fixture, 2 * most);
	assert_true(of_source(fixture, "heap").dead > 8 * EVENTS);
	while (of_source(fixture, "heap").dead > 8 * EVENTS)
		assert_true(put_random(fixture, "heap", ITEM_QUEUE, &answer));
	assert_int_equal(of_source(fixture, "other").dead, EVENTS);
}

static size_t walks_of_sums, walks_of_rows;

static bool
walk_counted(struct store *store, enum engine_table table,
    struct engine_cursor *cursor, size_t rows, engine_row_fn *fn, void *arg,
    bool *ret_more, struct err *reterr)
{
	walks_of_sums += table == ENGINE_DEAD_SUMS;
	walks_of_rows += table == ENGINE_DEAD && cursor->of.len > 0;
	return engine_default->walk(
	    store, table, cursor, rows, fn, arg, ret_more, reterr);
}

/* Who has most is not summed up for each step: there may be millions. */
static void
test_who_has_most_is_seldom_asked(void **state)
{
	struct fixture *fixture = *state;
	struct engine engine = *engine_default;
	struct answer answer;
	char prefix[16];
	bool more = true;

	FILE_ONLY();
	engine.walk = walk_counted;
	fixture->settings.engine = &engine;
	reopen_with(fixture, 64 << 20);
	for (int i = 0; i < 8; i++) {
		(void)snprintf(prefix, sizeof(prefix), "%d", i);
		assert_true(queue_test_put(fixture->queue, "main", "Open",
		    prefix, 20000, ITEM_DEAD, &answer));
	}
	fixture->settings.dead_max_bytes = 1000;
	reopen_with(fixture, 64 << 20);
	queue_stop(fixture->queue);
	fair_lock_hold(&fixture->queue->lock);
	for (walks_of_sums = walks_of_rows = 0; more;)
		evict_tidy(fixture->queue, &more);
	queue_publish(fixture->queue);
	fair_lock_drop(&fixture->queue->lock);
	assert_true(walks_of_rows > 10);
	assert_true(walks_of_sums < 4);
	queue_close(fixture->queue);
	fixture->settings.engine = NULL;
	fixture->queue = queue_test_open(&fixture->settings);
}

static bool
body_count(void *arg, const struct jobs_unreadable *body)
{
	size_t *count = arg;

	*count += strcmp(body->source, "few") == 0;
	return true;
}

static void
test_many_unreadable_bodies_harm_no_other(void **state)
{
	struct fixture *fixture = *state;
	char bytes[4096];
	int64_t at = 0;
	size_t few = 0;
	struct err err;

	queue_test_close(fixture->queue);
	fixture->settings.unreadable_max_bytes = 40000;
	fixture->queue = queue_test_open(&fixture->settings);
	for (int i = 0; i < 3; i++)
		assert_true(put_body(fixture, "few", bytes, sizeof(bytes)));
	for (int i = 0; i < 40; i++)
		assert_true(put_body(fixture, "many", bytes, sizeof(bytes)));
	(void)totals_when(fixture, unreadable_at_most, 40000);
	do {
		assert_true(jobs_unreadable_next(
		    fixture->queue, at, body_count, &few, false, &at, &err));
	} while (at != 0);
	assert_int_equal(few, 3);
}

static void
test_the_archive_is_bounded(void **state)
{
	struct fixture *fixture = *state;
	struct stats_totals totals;

	fixture->settings.keep_bytes = EVENTS * EVENT_BYTES * 5 / 2;
	reopen_with(fixture, 64 << 20);
	for (int i = 0; i < 10; i++)
		put_archived(fixture);
	totals = evict_due(fixture, 0);
	assert_int_equal(totals.archive_batches, 2);
	assert_int_equal(totals.events.delivered, 10 * EVENTS);
}

static int64_t used_percent; /* of the bound, by each kind */

static bool
totals_used(struct store *store, bool recount, struct engine_totals *ret_totals,
    struct err *reterr)
{
	if (!engine_default->totals(store, recount, ret_totals, reterr))
		return false;
	ret_totals->archive_bytes = ret_totals->dead_bytes =
	    ret_totals->unreadable_bytes = (1 << 20) * used_percent / 100;
	return true;
}

/* What is near its bound is told once, although it goes up and down; that of
 * the archive is no warning, because it has arrived. */
static void
test_what_is_near_its_bound_is_told(void **state)
{
	static const struct {
		int64_t percent;
		size_t told; /* so far, of each kind */
	} steps[] = {{79, 0}, {81, 1}, {100, 1}, {78, 1}, {81, 1}, {60, 1},
	    {79, 1}, {81, 2}};
	struct fixture *fixture = *state;
	struct engine engine = *engine_default;
	struct queue *queue;

	engine.totals = totals_used;
	fixture->settings.engine = &engine;
	fixture->settings.keep_bytes = fixture->settings.dead_max_bytes =
	    fixture->settings.unreadable_max_bytes = 1 << 20;
	used_percent = 0;
	reopen_with(fixture, 64 << 20);
	queue = fixture->queue;
	queue_stop(queue);
	atomic_store(&near_told[LOG_INFO], 0);
	atomic_store(&near_told[LOG_WARN], 0);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		used_percent = steps[i].percent;
		fair_lock_hold(&queue->lock);
		evict_tell(queue, queue->evictions.told_mono_ms);
		fair_lock_drop(&queue->lock);
		assert_int_equal(near_told[LOG_INFO], steps[i].told);
		assert_int_equal(near_told[LOG_WARN], 2 * steps[i].told);
	}
	queue_close(queue);
	fixture->settings.engine = NULL;
	fixture->queue = queue_test_open(&fixture->settings);
}

/* Not even what would help: that is for a put. */
static void
test_a_probe_deletes_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct stats_totals totals;
	struct answer answer;
	struct err err;

	for (int i = 0; i < 10; i++)
		put_archived(fixture);
	totals = evict_due(fixture, 0);
	reopen_with(fixture, totals.live_bytes - EVENTS * EVENT_BYTES);
	for (int64_t now_ms = 5000; now_ms < 8000; now_ms += 1000) {
		answer_init(&answer);
		assert_true(queue_probe(
		    fixture->queue, now_ms, answer_done, &answer, &err));
		assert_true(answer_wait(&answer));
	}
	stats_totals(fixture->queue, &totals);
	assert_int_equal(totals.archive_batches, 10);
	assert_true(put_random(fixture, "heap", ITEM_QUEUE, &answer));
	stats_totals(fixture->queue, &totals);
	assert_in_range(totals.archive_batches, 1, 9);
}

/* The oldest goes first, though it takes more than one step to make room. */
static void
test_the_oldest_gives_way_first(void **state)
{
	enum { ROWS = 600, BODIES = 60, PUTS = 100 };
	struct fixture *fixture = *state;
	const int64_t max = 4 << 20;
	struct stats_totals totals = {.unreadable = BODIES};
	struct answer answer;
	char bytes[4096], prefix[16];

	fixture->settings.dead_max_bytes = max;
	fixture->settings.keep_dead_ms = INT64_MAX / 4;
	fixture->settings.keep_unreadable_ms = INT64_MAX / 4;
	reopen_with(fixture, max);
	for (int i = 0; i < ROWS; i++) {
		(void)snprintf(prefix, sizeof(prefix), "%d", i);
		assert_true(queue_test_put(fixture->queue, "main", "Open",
		    prefix, 1, ITEM_DEAD, &answer));
		/* the next one begins another row */
		fair_lock_hold(&fixture->queue->lock);
		fixture->queue->bounds.age_ms += 2 * DEAD_ROW_MS;
		fair_lock_drop(&fixture->queue->lock);
	}
	for (int i = 0; i < BODIES; i++)
		assert_true(put_body(fixture, "main", bytes, sizeof(bytes)));
	/* the housekeeping has seen them */
	for (bool seen = false; !seen;) {
		const struct bounds *bounds = &fixture->queue->bounds;

		fair_lock_hold(&fixture->queue->lock);
		seen = bounds->oldest_ms[BOUNDS_UNREADABLE] < INT64_MAX;
		fair_lock_drop(&fixture->queue->lock);
		(void)usleep(1000);
	}
	for (int i = 0; i < PUTS && totals.unreadable == BODIES; i++) {
		(void)put_random(fixture, "heap", ITEM_QUEUE, &answer);
		stats_totals(fixture->queue, &totals);
	}
	assert_true(totals.events.expired > 0);
	assert_true(totals.unreadable == BODIES || totals.events.dead == 0);
}

/* Likewise if they are the older ones. */
static void
test_older_bodies_give_way_before_dead_letters(void **state)
{
	enum { BODIES = 60, PUTS = 100 };
	struct fixture *fixture = *state;
	const int64_t max = 4 << 20;
	struct stats_totals totals;
	struct answer answer;
	char bytes[4096];

	fixture->settings.dead_max_bytes = max;
	reopen_with(fixture, max);
	for (int i = 0; i < BODIES; i++)
		assert_true(put_body(fixture, "main", bytes, sizeof(bytes)));
	totals = evict_due(fixture, HOUR_MS);
	assert_true(put_random(fixture, "heap", ITEM_DEAD, &answer));
	totals = evict_due(fixture, 0);
	for (int i = 0; i < PUTS && totals.unreadable == BODIES &&
			totals.events.expired == 0;
	     i++) {
		(void)put_random(fixture, "heap", ITEM_QUEUE, &answer);
		stats_totals(fixture->queue, &totals);
	}
	assert_true(totals.unreadable < BODIES);
	assert_int_equal(totals.events.expired, 0);
}

/* Ages do not count while nothing runs, whatever the wall clock says. */
static void
test_ages_are_of_a_clock_that_runs(void **state)
{
	struct fixture *fixture = *state;
	struct stats_totals totals;
	struct answer answer;
	int64_t age_ms;

	assert_true(put_random(fixture, "heap", ITEM_DEAD, &answer));
	age_ms = fixture->queue->bounds.age_ms;
	queue_test_close(fixture->queue);
	fixture->settings.keep_dead_ms = 3600 * 1000;
	fixture->queue = queue_test_open(&fixture->settings);
	assert_true(fixture->queue->bounds.age_ms >= age_ms);
	assert_true(fixture->queue->bounds.age_ms < age_ms + 60 * 1000);
	fair_lock_hold(&fixture->queue->lock);
	fixture->queue->bounds.age_ms += 3599 * 1000 - 60 * 1000;
	fair_lock_drop(&fixture->queue->lock);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 1, ITEM_DEAD, &answer));
	stats_totals(fixture->queue, &totals);
	assert_int_equal(totals.events.dead, EVENTS + 1);
	fair_lock_hold(&fixture->queue->lock);
	fixture->queue->bounds.age_ms += 7200 * 1000;
	fair_lock_drop(&fixture->queue->lock);
	totals = totals_when(fixture, dead_at_most, 0);
	assert_int_equal(totals.events.expired, EVENTS + 1);
}

/* A batch of each. */
static void
put_each_kind(struct fixture *fixture)
{
	struct answer answer;
	char bytes[100];

	put_archived(fixture);
	assert_true(put_body(fixture, "main", bytes, sizeof(bytes)));
	assert_true(put_random(fixture, "heap", ITEM_DEAD, &answer));
}

static void
check_kinds(
    const struct stats_totals *totals, int archived, int bodies, int letters)
{
	assert_int_equal(totals->archive_batches, archived);
	assert_int_equal(totals->unreadable, bodies);
	assert_int_equal(totals->events.dead, letters);
}

static void
test_each_kind_has_its_age(void **state)
{
	struct fixture *fixture = *state;
	struct stats_totals totals;

	fixture->settings.keep_ms = HOUR_MS;
	fixture->settings.keep_unreadable_ms = 2 * HOUR_MS;
	fixture->settings.keep_dead_ms = 3 * HOUR_MS;
	reopen_with(fixture, 64 << 20);
	put_each_kind(fixture);
	totals = evict_due(fixture, 0);
	check_kinds(&totals, 1, 1, EVENTS);
	totals = evict_due(fixture, HOUR_MS);
	check_kinds(&totals, 0, 1, EVENTS);
	totals = evict_due(fixture, HOUR_MS);
	check_kinds(&totals, 0, 0, EVENTS);
	totals = evict_due(fixture, HOUR_MS);
	check_kinds(&totals, 0, 0, 0);
	assert_int_equal(totals.events.expired, EVENTS);
}

static void
test_a_jump_of_the_wall_clock_deletes_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct stats_totals totals;

	put_each_kind(fixture);
	atomic_store(&wall_ahead_ms, (int64_t)HOUR_MS * 24 * 365);
	totals = evict_due(fixture, 0);
	atomic_store(&wall_ahead_ms, 0);
	check_kinds(&totals, 1, 1, EVENTS);
}

/* ---- rows of dead letters ---- */

struct letters {
	size_t count;
	int64_t last;
	bool ascending;
};

static bool
note_letter(void *arg, const struct stats_dead *dead)
{
	struct letters *letters = arg;

	letters->ascending = letters->ascending && dead->id > letters->last;
	letters->last = dead->id;
	letters->count++;
	return true;
}

static struct letters
list(struct fixture *fixture, int64_t after)
{
	struct letters letters = {.ascending = true};
	struct err err;

	assert_true(stats_dead(
	    fixture->queue, after, SIZE_MAX, note_letter, &letters, &err));
	assert_true(letters.ascending);
	return letters;
}

static bool
is_this(void *arg, const struct jobs_event *event)
{
	return event->id == *(int64_t *)arg;
}

static void
drop_letter(struct fixture *fixture, int64_t id)
{
	struct jobs_walk job = {.cursor = {.place = JOBS_DEAD},
	    .match = is_this,
	    .arg = &id,
	    .more = true};
	struct err err;

	while (job.more)
		assert_true(jobs_drop(fixture->queue, &job, "operator", &err));
	assert_int_equal(job.matched, 1);
}

static bool
file_at_most(const struct stats_totals *totals, int64_t most)
{
	return totals->file_bytes <= most;
}

/* The room of a backlog goes back to the disk, and what is still queued stays
 * whole. */
static void
test_the_file_shrinks(void **state)
{
	const int64_t max = 8 << 20, now_ms = 1764000001000;
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct jobs_check check = {.more = true};
	struct stats_totals totals;
	struct answer answer;
	struct err err;
	char path[256];
	struct stat info;

	FILE_ONLY();
	fixture->settings.keep_ms = 0;
	fixture->settings.shrink_bytes = 64 * 1024;
	reopen_with(fixture, max);
	(void)destination_test_open(fixture->queue, "other");
	(void)fill(fixture, "heap");
	assert_true(put_random(fixture, "other", ITEM_QUEUE, &answer));
	stats_totals(fixture->queue, &totals);
	assert_true(totals.file_bytes > max / 2);
	while ((lease = take(fixture, now_ms)) != NULL) {
		judge_all(lease, QUEUE_DELIVERED, 0);
		queue_test_settle(fixture->queue, lease, now_ms);
		queue_lease_free(fixture->queue, lease);
	}
	(void)totals_when(fixture, file_at_most, max / 8);
	(void)snprintf(path, sizeof(path), "%s/queue.db", fixture->dir);
	for (int tries = 0;; tries++) {
		assert_int_equal(stat(path, &info), 0);
		if (info.st_size <= max / 8)
			break;
		assert_true(tries < 3000);
		(void)usleep(10000);
	}
	reopen_with(fixture, max);
	stats_totals(fixture->queue, &totals);
	assert_int_equal(totals.events.queued, EVENTS);
	while (check.more)
		assert_true(jobs_check(fixture->queue, &check, &err));
	assert_int_equal(check.batches, 1);
	assert_int_equal(check.faults, 0);
}

/* A step gives back a part, since a put waits for it. */
static void
test_the_file_shrinks_in_slices(void **state)
{
	enum { SLICE_MAX = 2 << 20 };
	struct fixture *fixture = *state;
	struct queue *queue = fixture->queue;
	struct engine_totals before, after;
	bool reopened, more;
	struct queue_lease *lease;
	struct answer answer;
	int slices = 0;
	struct err err;

	FILE_ONLY();
	for (int i = 0; i < 100; i++)
		assert_true(put_random(fixture, "heap", ITEM_QUEUE, &answer));
	while ((lease = take(fixture, 1764000001000)) != NULL) {
		settle_all(fixture, lease, QUEUE_DROPPED, 0);
		queue_lease_free(queue, lease);
	}
	queue_stop(queue);
	fair_lock_hold(&queue->lock);
	queue->settings.shrink_bytes = 64 * 1024;
	assert_true(queue->engine->totals(queue->store, false, &before, &err));
	assert_true(before.file_bytes - before.live_bytes > 3 * SLICE_MAX);
	after = before;
	for (int step = 0; after.file_bytes - after.live_bytes > SLICE_MAX;
	     step++) {
		assert_true(step < 10000);
		assert_true(queue->engine->upkeep(
		    queue->store, 1, &reopened, &more, &err));
		assert_true(
		    queue->engine->totals(queue->store, false, &after, &err));
		assert_true(before.file_bytes - after.file_bytes <= SLICE_MAX);
		slices += after.file_bytes < before.file_bytes;
		before = after;
	}
	fair_lock_drop(&queue->lock);
	assert_true(slices > 3);
}

/* One by one, they fill rows; each keeps its number, and no number comes
 * again. */
static void
test_letters_keep_their_numbers(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	struct letters all;
	char prefix[16];

	for (int i = 0; i < 150; i++) {
		(void)snprintf(prefix, sizeof(prefix), "a%d", i);
		assert_true(queue_test_put(fixture->queue, "main", "Open",
		    prefix, 1, ITEM_DEAD, &answer));
	}
	all = list(fixture, 0);
	assert_int_equal(all.count, 150);
	assert_int_equal(all.last, 150);
	drop_letter(fixture, 150);
	drop_letter(fixture, 7);
	assert_int_equal(list(fixture, 0).count, 148);
	assert_int_equal(list(fixture, 7).count, 142);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "b", 1, ITEM_DEAD, &answer));
	assert_true(list(fixture, 0).last > 150);
	reopen(fixture);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "c", 3, ITEM_DEAD, &answer));
	all = list(fixture, 0);
	assert_int_equal(all.count, 152);
}

/* As they come from Braze, with what was sent and the answer: 1,000 of them,
 * one by one. */
static void
test_letters_are_small(void **state)
{
	enum { LETTERS = 1000, LETTER_BYTES = 350 };
	struct fixture *fixture = *state;
	struct stats_totals totals;
	char data[1024], hex[113];
	unsigned char random[56];
	struct err err;

	for (int i = 0; i < LETTERS; i++) {
		struct item item = {.fate = ITEM_DEAD,
		    .type = STR("users.messages.email.Click"),
		    .reason = "app_id is not text"};
		struct queue_batch batch = {.source = "main",
		    .destination = "heap",
		    .now_ms = 1764000000000 + i * 977,
		    .items = &item,
		    .count = 1};
		struct answer answer;

		digest_random(random, sizeof(random));
		for (size_t n = 0; n < sizeof(random); n++)
			(void)snprintf(hex + 2 * n, sizeof(hex) - 2 * n, "%02x",
			    random[n]);
		(void)snprintf(data, sizeof(data),
		    "{\"event_type\":\"users.messages.email.Click\","
		    "\"id\":\"%.32s\",\"time\":%d,\"user\":{\"user_id\":"
		    "\"5f1d%.20s\",\"external_user_id\":\"customer-%u\","
		    "\"timezone\":\"Europe/Berlin\"},\"properties\":{"
		    "\"app_id\":false,\"campaign_id\":"
		    "\"7c5a1f4e-5d0c-4b8e-9f36-1c2f7a9e6b10\","
		    "\"campaign_name\":\"Autumn sale, second reminder\","
		    "\"dispatch_id\":\"%.32s\",\"email_address\":"
		    "\"person%u@example.com\",\"link_url\":"
		    "\"https://www.example.com/sale?utm=%.12s\","
		    "\"message_variation_id\":"
		    "\"e1a7c4a2-7f6d-4d7e-9a55-0b2b9f8a4c31\","
		    "\"user_agent\":\"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 "
		    "like Mac OS X) AppleWebKit/605.1.15\"}}",
		    hex, 1764000000 + i, hex + 32,
		    random[0] * 977u + (unsigned)i, hex + 56, random[1] * 31u,
		    hex + 92);
		item.id = str_bytes(hex, 32);
		item.data = str_text(data);
		answer_init(&answer);
		assert_true(queue_put(
		    fixture->queue, &batch, answer_done, &answer, &err));
		assert_true(answer_wait(&answer));
	}
	stats_totals(fixture->queue, &totals);
	assert_int_equal(totals.events.dead, LETTERS);
	print_message("a dead letter of %zu bytes takes %d\n", strlen(data),
	    (int)(totals.dead_bytes / LETTERS));
	assert_true(totals.dead_bytes / LETTERS <= LETTER_BYTES);
}

/* A row that cannot be read stays, and hides no other. */
static void
test_a_damaged_row_hides_no_other(void **state)
{
	struct fixture *fixture = *state;
	struct jobs_walk job = {.cursor = {.place = JOBS_DEAD}, .more = true};
	struct answer answer;
	struct err err;

	FILE_ONLY();
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 250, ITEM_DEAD, &answer));
	fair_lock_hold(&fixture->queue->lock);
	assert_int_equal(
	    sqlite3_exec(sqlite_connection(fixture->queue->store),
		"UPDATE dead SET data=substr(data, 1, length(data) - 5)"
		" WHERE id=2",
		NULL, NULL, NULL),
	    SQLITE_OK);
	fair_lock_drop(&fixture->queue->lock);
	assert_int_equal(list(fixture, 0).count, 150);
	while (job.more)
		assert_true(jobs_scan(fixture->queue, &job, &err));
	assert_int_equal(job.matched, 150);
	assert_int_equal(job.damaged, 1);
	/* the ledger agrees: nothing has been counted away */
	fair_lock_hold(&fixture->queue->lock);
	assert_int_equal(
	    sqlite3_exec(sqlite_connection(fixture->queue->store),
		"UPDATE meta SET value=(SELECT sum(length(data)) FROM dead)"
		" WHERE key='dead_bytes'",
		NULL, NULL, NULL),
	    SQLITE_OK);
	fair_lock_drop(&fixture->queue->lock);
	reopen(fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_destination_has_its_share),
	    TEST(test_a_small_disk_is_shared),
	    TEST(test_a_single_destination_has_all),
	    TEST(test_a_limit_of_its_own),
	    TEST(test_what_is_refused_is_no_duplicate),
	    TEST(test_dead_letters_are_bounded),
	    TEST(test_dead_letters_have_a_tenth),
	    TEST(test_the_last_dead_letters_stay),
	    TEST(test_what_cannot_be_delivered_gives_way),
	    TEST(test_many_dead_letters_refuse_nobody),
	    TEST(test_unreadable_bodies_are_bounded),
	    TEST(test_many_dead_letters_harm_no_other),
	    TEST(test_many_unreadable_bodies_harm_no_other),
	    TEST(test_who_has_most_is_seldom_asked),
	    TEST(test_the_archive_is_bounded),
	    TEST(test_what_is_near_its_bound_is_told),
	    TEST(test_a_probe_deletes_nothing),
	    TEST(test_the_oldest_gives_way_first),
	    TEST(test_older_bodies_give_way_before_dead_letters),
	    TEST(test_what_is_remembered_leaves_room),
	    TEST(test_ages_are_of_a_clock_that_runs),
	    TEST(test_each_kind_has_its_age),
	    TEST(test_a_jump_of_the_wall_clock_deletes_nothing),
	    TEST(test_the_file_shrinks),
	    TEST(test_the_file_shrinks_in_slices),
	    TEST(test_letters_keep_their_numbers),
	    TEST(test_letters_are_small),
	    TEST(test_a_damaged_row_hides_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
