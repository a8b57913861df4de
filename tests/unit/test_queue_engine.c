/*
 * What the queue makes of an engine that fails in the middle of something, and
 * how much it asks of one at a time.
 */

#include "queue_fixture.h"

/* The engine that is tested, with calls that can be made to fail. */
static struct engine engine;
static const struct engine *wrapped;
static int read_fails_in; /* calls from now; 0 = never */

static bool
engine_read(struct store *store, const struct engine_delivery *key,
    engine_row_fn *fn, void *arg, struct err *reterr)
{
	if (read_fails_in > 0 && --read_fails_in == 0)
		return err_set(reterr, ERR_NOMEM, "no memory");
	return wrapped->read(store, key, fn, arg, reterr);
}

/* The number of the want that cannot be read, or -1. */
static int due_fails = -1;

/* What one call of due() handed out. */
static size_t due_calls, due_most_bytes;

struct due_counting {
	engine_due_fn *fn;
	void *arg;
	size_t bytes;
};

static bool
due_count(void *arg, size_t want, const struct engine_delivery *row)
{
	struct due_counting *counting = arg;

	counting->bytes += row->unpacked;
	return counting->fn(counting->arg, want, row);
}

static bool
engine_due(struct store *store, struct engine_want *wants, size_t count,
    int64_t now_ms, const int64_t *leased, size_t leased_count,
    engine_due_fn *fn, void *arg, struct err *reterr)
{
	struct due_counting counting = {fn, arg, 0};
	struct engine_want hidden = {.bytes = 0};
	bool fails = due_fails >= 0 && (size_t)due_fails < count, ok;

	if (fails) {
		hidden = wants[due_fails];
		wants[due_fails].destination = str_text("nowhere");
	}
	ok = wrapped->due(store, wants, count, now_ms, leased, leased_count,
	    due_count, &counting, reterr);
	if (fails) {
		wants[due_fails] = hidden;
		(void)err_set(
		    &wants[due_fails].err, ERR_DAMAGED, "a page is damaged");
	}
	due_calls++;
	if (due_most_bytes < counting.bytes)
		due_most_bytes = counting.bytes;
	return ok;
}

/* A source whose batches meet a damaged page; and a batch whose row does. */
static const char *apply_damaged;
static int64_t apply_damaged_seq;

static bool
engine_apply(
    struct store *store, const struct engine_apply *apply, struct err *reterr)
{
	for (size_t i = 0; i < apply->count; i++) {
		const struct engine_change *change = &apply->changes[i];
		const struct engine_delivery *row = &change->row.delivery;

		if ((change->op == ENGINE_BATCH_ADD && apply_damaged != NULL &&
			str_equal_text(row->source, apply_damaged)) ||
		    (change->op == ENGINE_DELIVERY_DELETE &&
			row->seq == apply_damaged_seq))
			return err_set(
			    reterr, ERR_DAMAGED, "a page is damaged");
	}
	return wrapped->apply(store, apply, reterr);
}

static int
setup(void **state)
{
	struct fixture *fixture;

	if (fixture_setup(state) != 0)
		return -1;
	fixture = *state;
	queue_test_close(fixture->queue);
	wrapped = on_memory() ? &memory_engine : &sqlite_engine;
	engine = *wrapped;
	engine.read = engine_read;
	engine.due = engine_due;
	engine.apply = engine_apply;
	apply_damaged = NULL;
	apply_damaged_seq = 0;
	read_fails_in = 0;
	due_fails = -1;
	fixture->settings.engine = &engine;
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->destination = destination_test_open(fixture->queue, "heap");
	return 0;
}

/* The puts of other sources in the same group do not fail with it. */
static void
test_a_put_that_meets_damage_fails_alone(void **state)
{
	struct fixture *fixture = *state;
	struct item item = {
	    .type = STR("Open"), .id = STR("1"), .data = STR("{}")};
	struct queue_batch batch = {
	    .destination = "heap", .now_ms = 1, .items = &item, .count = 1};
	struct answer answers[3];
	struct err err;

	queue_test_close(fixture->queue);
	apply_damaged = "second";
	assert_true(queue_open(&fixture->settings, &fixture->queue, &err));
	/* handed over before the committer runs, they are one group */
	for (int i = 0; i < 3; i++) {
		batch.source = i == 1 ? "second" : i == 0 ? "first" : "third";
		answer_init(&answers[i]);
		assert_true(queue_put(
		    fixture->queue, &batch, answer_done, &answers[i], &err));
	}
	assert_true(queue_start(fixture->queue, &err));
	assert_true(answer_wait(&answers[0]));
	assert_false(answer_wait(&answers[1]));
	assert_true(answer_wait(&answers[2]));
	assert_int_equal(answers[1].err.code, ERR_DAMAGED);
	assert_int_equal(totals(fixture).queued, 2);
}

/* What is beside it is not sent again with it. */
static void
test_a_lease_that_meets_damage_fails_alone(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *leases[3];
	struct answer answer;
	struct err err;

	for (int i = 0; i < 3; i++) {
		const char *const ids[] = {"a", "b", "c"};

		assert_true(queue_test_put(fixture->queue, "main", "Open",
		    ids[i], 1, ITEM_QUEUE, &answer));
		leases[i] = take(fixture, 1);
		judge_all(leases[i], QUEUE_DELIVERED, 0);
	}
	apply_damaged_seq = 2;
	assert_false(queue_settle(fixture->queue, leases, 3, 5, &err));
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_int_equal(totals(fixture).delivered, 2);
	assert_int_equal(leases[0]->open, 0);
	assert_int_equal(leases[1]->open, 1);
	assert_int_equal(leases[2]->open, 0);
	apply_damaged_seq = 0;
	assert_true(queue_settle(fixture->queue, leases, 3, 5, &err));
	assert_int_equal(totals(fixture).delivered, 3);
	for (int i = 0; i < 3; i++)
		queue_lease_free(fixture->queue, leases[i]);
}

static bool
match_second(void *arg, const struct jobs_event *event)
{
	(void)arg;
	return event->index == 1;
}

/* Change the rows of what is on lease. */
static void
erase_second(struct fixture *fixture)
{
	struct jobs_walk walk = {
	    .cursor = {.place = JOBS_QUEUED}, .match = match_second};
	struct err err;

	do {
		assert_true(jobs_erase(fixture->queue, &walk, &err));
	} while (walk.more);
}

/* A row that could not be read again is not one that is gone. */
static void
test_a_failed_reread(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct answer answer;
	struct err err;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 3, ITEM_QUEUE, &answer));
	lease = take(fixture, 1);
	erase_second(fixture);
	read_fails_in = 1;
	assert_false(
	    queue_post(fixture->queue, &lease, 1, str_text("rules"), &err));
	assert_int_equal(err.code, ERR_NOMEM);
	assert_true(
	    queue_post(fixture->queue, &lease, 1, str_text("rules"), &err));
	assert_true(str_equal_text(lease->rules, "rules"));

	erase_second(fixture);
	judge_all(lease, QUEUE_DELIVERED, 0);
	lease->items[2].outcome = QUEUE_DEAD;
	assert_true(queue_settle(fixture->queue, &lease, 1, 5, &err));
	assert_int_equal(lease->open, 0);
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(totals(fixture).delivered, 1);
	assert_int_equal(totals(fixture).dead, 1);
	assert_int_equal(totals(fixture).erased, 1);
	assert_null(take(fixture, 1));

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "b", 3, ITEM_QUEUE, &answer));
	lease = take(fixture, 1);
	erase_second(fixture);
	judge_all(lease, QUEUE_DELIVERED, 0);
	read_fails_in = 1;
	assert_false(queue_settle(fixture->queue, &lease, 1, 5, &err));
	assert_int_equal(err.code, ERR_NOMEM);
	assert_int_equal(lease->open, 3);
	assert_true(queue_settle(fixture->queue, &lease, 1, 5, &err));
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(totals(fixture).delivered, 3);
	assert_int_equal(totals(fixture).queued, 0);
}

static void
put_to(struct fixture *fixture, const char *destination, const char *id,
    size_t bytes)
{
	static char data[300000];
	struct item item = {.fate = ITEM_QUEUE,
	    .type = STR("Open"),
	    .id = str_text(id),
	    .data = str_bytes(data, bytes)};
	struct queue_batch batch = {.source = "main",
	    .destination = destination,
	    .now_ms = 1764000000000,
	    .items = &item,
	    .count = 1};
	struct answer answer;
	struct err err;

	memset(data, 'x', sizeof(data));
	answer_init(&answer);
	assert_true(
	    queue_put(fixture->queue, &batch, answer_done, &answer, &err));
	assert_true(answer_wait(&answer));
}

/* How many there are of a destination, and they are freed. */
static size_t
free_all(struct fixture *fixture, struct queue_lease *lease, int64_t of)
{
	size_t count = 0;

	while (lease != NULL) {
		struct queue_lease *next = lease->next;

		count += lease->destination == of;
		queue_lease_free(fixture->queue, lease);
		lease = next;
	}
	return count;
}

/* The others get what is theirs, and it is tried again. */
static void
test_a_destination_that_cannot_be_read(void **state)
{
	struct fixture *fixture = *state;
	int64_t other = destination_test_open(fixture->queue, "other");
	struct queue_want wants[2] = {
	    {.destination = other, .bytes = 100},
	    {.destination = fixture->destination, .bytes = 100},
	};
	struct queue_lease *leases;
	struct err err;

	put_to(fixture, "heap", "h", 10);
	put_to(fixture, "other", "o", 10);
	for (due_fails = 0; due_fails < 2; due_fails++) {
		assert_true(
		    queue_take(fixture->queue, wants, 2, 1, &leases, &err));
		assert_non_null(leases);
		assert_null(leases->next);
		assert_true(
		    leases->destination == wants[1 - due_fails].destination);
		assert_true(wants[due_fails].next_ms == INT64_MIN);
		assert_true(wants[1 - due_fails].next_ms == INT64_MAX);
		(void)free_all(fixture, leases, other);
	}
	/* with an idle one, and by itself */
	due_fails = 0;
	assert_true(queue_take(fixture->queue, wants, 1, 1, &leases, &err));
	assert_null(leases);
	assert_true(wants[0].next_ms == INT64_MIN);
	due_fails = -1;
	assert_true(queue_take(fixture->queue, wants, 2, 1, &leases, &err));
	assert_true(wants[0].next_ms == INT64_MAX);
	assert_int_equal(free_all(fixture, leases, other), 1);
}

static void
batch_move(struct fixture *fixture, int64_t seq, int by)
{
	char sql[100];

	(void)snprintf(sql, sizeof(sql),
	    "UPDATE batch SET seq=seq+%d WHERE seq=%lld", by, (long long)seq);
	fair_lock_hold(&fixture->queue->lock);
	assert_int_equal(sqlite3_exec(sqlite_connection(fixture->queue->store),
			     sql, NULL, NULL, NULL),
	    SQLITE_OK);
	fair_lock_drop(&fixture->queue->lock);
}

/* A want whose first row is damaged gets the next one, though another
 * destination got something. */
static void
test_damage_does_not_end_a_take(void **state)
{
	struct fixture *fixture = *state;
	int64_t other = destination_test_open(fixture->queue, "other");
	struct queue_want wants[2] = {
	    {.destination = fixture->destination, .bytes = 100},
	    {.destination = other, .bytes = 1, .parked = "Open"},
	};
	struct queue_lease *leases;
	struct err err;
	int64_t seq;

	FILE_ONLY();
	for (int i = 0; i < 2; i++) {
		put_to(fixture, "other", i == 0 ? "a" : "b", 10);
		leases = queue_test_take(fixture->queue, other, 1);
		leases->items[0].outcome = QUEUE_PARKED;
		leases->items[0].reason = "Open";
		settle(fixture, leases);
		queue_lease_free(fixture->queue, leases);
	}
	assert_true(queue_take(fixture->queue, &wants[1], 1, 1, &leases, &err));
	seq = leases->seq;
	queue_lease_free(fixture->queue, leases);
	batch_move(fixture, seq, 1000);
	put_to(fixture, "heap", "c", 10);
	assert_true(queue_take(fixture->queue, wants, 2, 1, &leases, &err));
	assert_int_equal(free_all(fixture, leases, other), 1);
	batch_move(fixture, seq + 1000, -1000);
}

/* A row that has lost its source is quarantined, and stands in no other's
 * way. */
static void
test_a_row_without_a_source(void **state)
{
	struct fixture *fixture = *state;
	struct stats_totals stats;
	struct queue_lease *lease;

	FILE_ONLY();
	put_to(fixture, "heap", "a", 10);
	put_to(fixture, "heap", "b", 11);
	fair_lock_hold(&fixture->queue->lock);
	assert_int_equal(sqlite3_exec(sqlite_connection(fixture->queue->store),
			     "UPDATE delivery SET source=999 WHERE seq="
			     "(SELECT min(seq) FROM delivery)",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	fair_lock_drop(&fixture->queue->lock);
	lease = take(fixture, 1);
	assert_non_null(lease);
	assert_int_equal(lease->items[0].data.len, 11);
	settle_all(fixture, lease, QUEUE_DELIVERED, 0);
	queue_lease_free(fixture->queue, lease);
	assert_null(take(fixture, 1));
	stats_totals(fixture->queue, &stats);
	assert_int_equal(stats.quarantined_batches, 1);
}

/* However much is wanted, the lock is held for a part of it only, and nothing
 * is missed or comes twice. */
static void
test_a_take_in_parts(void **state)
{
	struct fixture *fixture = *state;
	enum { DESTINATIONS = 70, BATCHES = 3, BYTES = 100000 };
	struct queue_want wants[DESTINATIONS];
	struct queue_lease *leases, *lease;
	char name[16], id[32];
	size_t count = 0;
	struct err err;

	for (int d = 0; d < DESTINATIONS; d++) {
		(void)snprintf(name, sizeof(name), "d%d", d);
		wants[d] = (struct queue_want){
		    .destination = destination_test_open(fixture->queue, name),
		    .bytes = d == 1 ? 2 * BYTES : SIZE_MAX,
		};
		for (int b = 0; b < BATCHES; b++) {
			(void)snprintf(id, sizeof(id), "%d-%d", d, b);
			put_to(fixture, name, id, BYTES);
		}
	}
	due_calls = due_most_bytes = 0;
	assert_true(
	    queue_take(fixture->queue, wants, DESTINATIONS, 1, &leases, &err));
	for (lease = leases; lease != NULL; lease = lease->next)
		count++;
	assert_int_equal(count, DESTINATIONS * BATCHES - 1);
	assert_true(due_calls > 20);
	assert_true(due_most_bytes <= 256 * 1024 + BYTES);
	assert_true(wants[0].next_ms == INT64_MAX);
	assert_true(wants[1].next_ms <= 1);
	assert_int_equal(
	    free_all(fixture, leases, wants[1].destination), BATCHES - 1);
	/* one alone, too */
	due_most_bytes = 0;
	wants[0].bytes = 250000;
	assert_true(queue_take(fixture->queue, wants, 1, 1, &leases, &err));
	assert_int_equal(free_all(fixture, leases, wants[0].destination), 2);
	assert_true(wants[0].next_ms <= 1);
}

/* Each part passes over what the ones before have taken; that alone must not
 * use it up. */
static void
test_a_take_of_small_batches(void **state)
{
	struct fixture *fixture = *state;
	enum { BATCHES = 1500 };
	struct queue_want want = {
	    .destination = fixture->destination, .bytes = SIZE_MAX};
	struct queue_lease *leases;
	char id[32];
	struct err err;

	for (int i = 0; i < BATCHES; i++) {
		(void)snprintf(id, sizeof(id), "%d", i);
		put_to(fixture, "heap", id, 20);
	}
	due_calls = 0;
	assert_true(queue_take(fixture->queue, &want, 1, 1, &leases, &err));
	assert_int_equal(
	    free_all(fixture, leases, fixture->destination), BATCHES);
	assert_true(due_calls < BATCHES / 4);
}

#undef TEST
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_put_that_meets_damage_fails_alone),
	    TEST(test_a_lease_that_meets_damage_fails_alone),
	    TEST(test_a_failed_reread),
	    TEST(test_a_destination_that_cannot_be_read),
	    TEST(test_damage_does_not_end_a_take),
	    TEST(test_a_row_without_a_source),
	    TEST(test_a_take_in_parts),
	    TEST(test_a_take_of_small_batches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
