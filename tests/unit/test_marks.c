/*
 * Marks: what is looked for is found wherever it is, whatever has become of the
 * marks; and as long as they are there, little else is looked at.
 *
 * An event of these tests is "id=I;p=P;p=Q;", or "?" and any text if its keys
 * cannot be read.
 */

#include "jobs_help.h"

enum { ROW_EVENTS = 320, BATCH = 10 };

static bool rows_fail; /* they cannot be written */

/* ---- events, and looking for them ---- */

static bool
keys(const struct item *item, queue_key_fn *fn, void *fn_arg)
{
	const char *at = item->data.data, *end = at + item->data.len, *stop;

	if (at < end && *at == '?')
		return false;
	for (; at < end; at = stop + 1) {
		const char *is = memchr(at, '=', (size_t)(end - at));

		assert_non_null(is);
		stop = memchr(is, ';', (size_t)(end - is));
		assert_non_null(stop);
		fn(fn_arg, *at == 'i' ? QUEUE_KEY_EVENT : QUEUE_KEY_PERSON,
		    str_bytes(is + 1, (size_t)(stop - is) - 1));
	}
	return true;
}

struct wanted {
	const char *id, *person, *type;
};

/* An event of that key; or one that cannot be read, and mentions it. */
static bool
has(struct str data, char key, const char *text)
{
	char word[64];

	(void)snprintf(word, sizeof(word), "%c=%s;", key, text);
	return memmem(data.data, data.len, word, strlen(word)) != NULL;
}

static bool
match(void *arg, const struct jobs_event *event)
{
	const struct wanted *wanted = arg;

	return (wanted->id == NULL || has(event->data, 'i', wanted->id)) &&
	       (wanted->person == NULL ||
		   has(event->data, 'p', wanted->person)) &&
	       (wanted->type == NULL ||
		   str_equal_text(event->type, wanted->type));
}

static bool
match_type(const void *arg, struct str type)
{
	return str_equal_text(type, arg);
}

/* Look for it by the marks, or at everything. */
static struct jobs_walk
look(struct fixture *fixture, enum jobs_place place, struct wanted wanted,
    bool marks)
{
	struct str id = str_text(wanted.id), person = str_text(wanted.person);
	const struct jobs_look what = {
	    .ids = &id,
	    .id_count = wanted.id != NULL,
	    .persons = &person,
	    .person_count = wanted.person != NULL,
	    .type = wanted.type != NULL ? match_type : NULL,
	    .type_arg = wanted.type,
	};
	struct jobs_walk job = {
	    .cursor = {.place = place},
	    .match = match,
	    .arg = &wanted,
	    .look = marks ? &what : NULL,
	};
	struct err err;

	do {
		if (!jobs_scan(fixture->queue, &job, &err))
			fail_msg("jobs_scan: %s", err.text);
	} while (job.more);
	jobs_walk_fini(&job);
	return job;
}

static size_t
found(struct fixture *fixture, enum jobs_place place, struct wanted wanted)
{
	size_t all = look(fixture, place, wanted, false).matched;

	assert_int_equal(look(fixture, place, wanted, true).matched, all);
	return all;
}

static size_t
seen(struct fixture *fixture, enum jobs_place place, struct wanted wanted)
{
	return look(fixture, place, wanted, true).seen;
}

#define ID(text)     ((struct wanted){.id = (text)})
#define PERSON(text) ((struct wanted){.person = (text)})
#define TYPE(text)   ((struct wanted){.type = (text)})

/* ---- a queue ---- */

static void
open_again(struct fixture *fixture)
{
	queue_test_close(fixture->queue);
	fixture->settings.keys = keys;
	fixture->settings.marks_events = ROW_EVENTS;
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->destination = destination_test_open(fixture->queue, "heap");
}

static int
marks_setup(void **state)
{
	int failed = setup(state);

	if (failed == 0)
		open_again(*state);
	return failed;
}

/* One batch, "ID-0", ... of the persons "ID" and "all". */
static void
add(struct fixture *fixture, const char *id, const char *type, size_t count,
    const char *unreadable)
{
	char data[64][128], ids[64][64];
	struct item items[64];
	struct queue_batch batch = {
	    .source = "main",
	    .destination = "heap",
	    .now_ms = 1764000000000,
	    .items = items,
	    .count = count,
	};
	struct answer answer;
	struct err err;

	assert_true(count <= 64);
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(ids[i], sizeof(ids[i]), "%s-%zu", id, i);
		(void)snprintf(data[i], sizeof(data[i]), "%si=%s;p=%s;p=all;",
		    unreadable, ids[i], id);
		items[i] = (struct item){
		    .type = str_text(type),
		    .id = str_text(ids[i]),
		    .data = str_text(data[i]),
		};
	}
	answer_init(&answer);
	assert_true(
	    queue_put(fixture->queue, &batch, answer_done, &answer, &err));
	assert_true(answer_wait(&answer));
}

/* "PREFIX0", ... each a batch. */
static void
add_batches(struct fixture *fixture, const char *prefix, int count)
{
	char id[32];

	for (int i = 0; i < count; i++) {
		(void)snprintf(id, sizeof(id), "%s%d", prefix, i);
		add(fixture, id, i % 20 == 7 ? "Rare" : "Open", BATCH, "");
	}
}

/* Let the housekeeping be done. */
static void
tidy(struct fixture *fixture)
{
	struct queue *queue = fixture->queue;
	struct err err;
	bool more;

	fair_lock_hold(&queue->lock);
	do {
		more = marks_read(queue);
		assert_true(
		    queue_change_held(queue, marks_tidy, NULL, false, &err));
	} while (
	    more || queue->changes.list[0].flag || queue->changes.count > 1);
	fair_lock_drop(&queue->lock);
}

static bool
count_row(void *arg, const union engine_row *row)
{
	assert_true(row->marks.first <= row->marks.last);
	++*(size_t *)arg;
	return true;
}

static size_t
rows(struct fixture *fixture)
{
	struct engine_cursor cursor = {.last = INT64_MAX, .begun = true};
	struct queue *queue = fixture->queue;
	size_t count = 0;
	struct err err;
	bool more;

	fair_lock_hold(&queue->lock);
	assert_true(queue->engine->walk(queue->store, ENGINE_MARKS, &cursor,
	    SIZE_MAX, count_row, &count, &more, &err));
	fair_lock_drop(&queue->lock);
	return count;
}

/* ---- tests ---- */

static void
check_few(struct fixture *fixture, enum jobs_place place)
{
	assert_int_equal(found(fixture, place, ID("b77-3")), 1);
	assert_int_equal(found(fixture, place, PERSON("b77")), BATCH);
	assert_int_equal(found(fixture, place, PERSON("all")), 200 * BATCH);
	assert_int_equal(found(fixture, place, TYPE("Rare")), 10 * BATCH);
	assert_int_equal(found(fixture, place,
			     (struct wanted){.person = "b27", .type = "Rare"}),
	    BATCH);
	assert_int_equal(found(fixture, place, ID("none")), 0);
	assert_int_equal(found(fixture, place, PERSON("b77-3")), 0);
	assert_int_equal(found(fixture, place, TYPE("None")), 0);
	assert_int_equal(seen(fixture, place, ID("b77-3")), BATCH);
	assert_int_equal(seen(fixture, place, ID("none")), 0);
	/* of 16 bits two may be alike */
	assert_true(seen(fixture, place, PERSON("b77")) <= 3 * BATCH);
	assert_int_equal(seen(fixture, place, TYPE("Rare")), 10 * BATCH);
	assert_int_equal(seen(fixture, place,
			     (struct wanted){.id = "b77-3", .type = "Rare"}),
	    0);
}

static void
test_only_what_may_have_it_is_opened(void **state)
{
	struct fixture *fixture = *state;

	add_batches(fixture, "b", 100);
	tidy(fixture);
	add_batches(fixture, "c", 100);
	tidy(fixture);
	assert_true(rows(fixture) >= 1);
	check_few(fixture, JOBS_QUEUED);
	assert_int_equal(deliver(fixture), 200 * BATCH);
	check_few(fixture, JOBS_ARCHIVE);
	assert_int_equal(seen(fixture, JOBS_QUEUED, PERSON("all")), 0);
}

static bool walk_fails; /* once, where marks are read */

static bool
walk_failing(struct store *store, enum engine_table table,
    struct engine_cursor *cursor, size_t count, engine_row_fn *fn, void *arg,
    bool *ret_more, struct err *reterr)
{
	if (walk_fails && table == ENGINE_MARKS) {
		walk_fails = false;
		return err_set(reterr, ERR_IO, "the disk fails");
	}
	return engine_default->walk(
	    store, table, cursor, count, fn, arg, ret_more, reterr);
}

/* A step that failed has passed over nothing: it can be made again. */
static void
test_a_step_that_fails(void **state)
{
	static struct engine engine; /* that of a queue that is still open */
	struct fixture *fixture = *state;
	const struct str id = STR("b7-3");
	const struct jobs_look what = {.ids = &id, .id_count = 1};
	struct wanted wanted = ID("b7-3");
	struct jobs_walk job = {
	    .match = match, .arg = &wanted, .look = &what, .more = true};
	struct err err;

	engine = *engine_default;
	engine.walk = walk_failing;
	fixture->settings.engine = &engine;
	open_again(fixture);
	add_batches(fixture, "b", 10);
	walk_fails = true;
	assert_false(jobs_scan(fixture->queue, &job, &err));
	assert_int_equal(err.code, ERR_IO);
	while (job.more)
		assert_true(jobs_scan(fixture->queue, &job, &err));
	jobs_walk_fini(&job);
	assert_int_equal(job.matched, 1);
	fixture->settings.engine = NULL;
	open_again(fixture);
}

/* What has no marks after a start is opened, until it has. */
static void
test_a_start(void **state)
{
	struct fixture *fixture = *state;

	add_batches(fixture, "b", 200);
	tidy(fixture);
	open_again(fixture);
	assert_int_equal(found(fixture, JOBS_QUEUED, ID("b199-9")), 1);
	tidy(fixture);
	check_few(fixture, JOBS_QUEUED);
	/* as if it had been killed: no tail was written */
	queue_stop(fixture->queue);
	queue_close(fixture->queue);
	fixture->settings.marks_events = ROW_EVENTS * 100;
	fixture->queue = queue_test_open(&fixture->settings);
	add_batches(fixture, "late", 30);
	assert_int_equal(found(fixture, JOBS_QUEUED, ID("late29-9")), 1);
	open_again(fixture);
	assert_int_equal(found(fixture, JOBS_QUEUED, ID("late29-9")), 1);
	add_batches(fixture, "later", 30);
	tidy(fixture);
	assert_int_equal(found(fixture, JOBS_QUEUED, ID("late29-9")), 1);
	assert_int_equal(seen(fixture, JOBS_QUEUED, ID("late29-9")), BATCH);
	assert_int_equal(seen(fixture, JOBS_QUEUED, ID("later0-0")), BATCH);
}

static void
settle_next(struct fixture *fixture, enum queue_outcome outcome, int64_t due_ms)
{
	struct queue_lease *lease = take(fixture, 9000);

	assert_non_null(lease);
	settle_all(fixture, lease, outcome, due_ms);
	queue_lease_free(fixture->queue, lease);
}

/* Repacked, requeued and replayed events are in new batches. */
static void
test_batches_of_events_that_came_before(void **state)
{
	struct fixture *fixture = *state;

	add_batches(fixture, "b", 100);
	settle_next(fixture, QUEUE_DEFERRED, 100000);
	settle_next(fixture, QUEUE_DEAD, 0);
	assert_int_equal(found(fixture, JOBS_QUEUED, ID("b0-3")), 1);
	assert_int_equal(seen(fixture, JOBS_QUEUED, ID("b0-3")), BATCH);
	assert_int_equal(found(fixture, JOBS_QUEUED, ID("b1-3")), 0);
	assert_int_equal(
	    run(fixture, JOBS_DEAD, jobs_requeue, NULL).matched, BATCH);
	assert_int_equal(found(fixture, JOBS_QUEUED, ID("b1-3")), 1);
	/* or fewer, if a step was over */
	assert_in_range(seen(fixture, JOBS_QUEUED, ID("b1-3")), 1, BATCH);
	assert_int_equal(deliver(fixture), 99 * BATCH);
	assert_int_equal(found(fixture, JOBS_ARCHIVE, PERSON("b1")), BATCH);
	assert_int_equal(
	    run(fixture, JOBS_ARCHIVE, replay, "p=b55;").matched, BATCH);
	assert_int_equal(found(fixture, JOBS_QUEUED, PERSON("b55")), BATCH);
	assert_int_equal(found(fixture, JOBS_ARCHIVE, PERSON("b55")), BATCH);
	tidy(fixture);
	assert_int_equal(found(fixture, JOBS_QUEUED, PERSON("b55")), BATCH);
}

/* A replay of one person's events opens few others. */
static void
test_a_job_that_looks(void **state)
{
	struct fixture *fixture = *state;
	struct wanted wanted = PERSON("b5");
	struct str person = STR("b5");
	struct jobs_look what = {.persons = &person, .person_count = 1};
	struct jobs_walk job = {
	    .cursor = {.place = JOBS_ARCHIVE},
	    .match = match,
	    .arg = &wanted,
	    .look = &what,
	};
	struct err err;

	add_batches(fixture, "b", 100);
	assert_int_equal(deliver(fixture), 100 * BATCH);
	do {
		assert_true(jobs_replay(fixture->queue, &job, NULL, &err));
	} while (job.more);
	jobs_walk_fini(&job);
	assert_int_equal(job.matched, BATCH);
	assert_true(job.seen <= 3 * BATCH);
	assert_int_equal(found(fixture, JOBS_QUEUED, PERSON("b5")), BATCH);
}

static void
test_erased(void **state)
{
	struct fixture *fixture = *state;

	add_batches(fixture, "b", 100);
	assert_int_equal(
	    run(fixture, JOBS_QUEUED, jobs_erase, "i=b50-3;").matched, 1);
	assert_int_equal(
	    run(fixture, JOBS_QUEUED, jobs_erase, "p=b51;").matched, BATCH);
	assert_int_equal(found(fixture, JOBS_QUEUED, ID("b50-3")), 0);
	assert_int_equal(found(fixture, JOBS_QUEUED, ID("b50-4")), 1);
	assert_int_equal(found(fixture, JOBS_QUEUED, PERSON("b51")), 0);
	open_again(fixture);
	tidy(fixture);
	assert_int_equal(found(fixture, JOBS_QUEUED, ID("b50-4")), 1);
	assert_int_equal(seen(fixture, JOBS_QUEUED, PERSON("b51")) / BATCH, 0);
}

/* Its batch is opened each time, unless its type is another one. */
static void
test_an_event_that_cannot_be_read(void **state)
{
	struct fixture *fixture = *state;

	add_batches(fixture, "b", 50);
	add(fixture, "odd", "Odd", BATCH, "?");
	add_batches(fixture, "c", 50);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(found(fixture, JOBS_QUEUED, ID("odd-3")), 1);
		assert_int_equal(
		    found(fixture, JOBS_QUEUED, PERSON("odd")), BATCH);
		assert_int_equal(
		    seen(fixture, JOBS_QUEUED, ID("c3-3")), 2 * BATCH);
		assert_int_equal(
		    seen(fixture, JOBS_QUEUED, TYPE("Odd")), BATCH);
		assert_int_equal(
		    seen(fixture, JOBS_QUEUED, TYPE("Rare")), 6 * BATCH);
		open_again(fixture);
		tidy(fixture);
	}
}

/* Without settings.keys the types are known at least. */
static void
test_a_queue_that_cannot_read(void **state)
{
	struct fixture *fixture = *state;

	fixture->settings.keys = NULL;
	reopen(fixture);
	add_batches(fixture, "b", 50);
	assert_int_equal(found(fixture, JOBS_QUEUED, ID("b3-3")), 1);
	assert_int_equal(seen(fixture, JOBS_QUEUED, ID("b3-3")), 50 * BATCH);
	assert_int_equal(seen(fixture, JOBS_QUEUED, TYPE("Rare")), 3 * BATCH);
}

/* More types than a row can name: those beyond are looked at. */
static void
test_many_types(void **state)
{
	struct fixture *fixture = *state;
	char type[400], id[32];

	for (int i = 0; i < 300; i++) {
		(void)snprintf(type, sizeof(type), "T%d", i);
		(void)snprintf(id, sizeof(id), "b%d", i);
		add(fixture, id, type, 1, "");
	}
	memset(type, 'x', sizeof(type) - 1);
	type[sizeof(type) - 1] = '\0';
	add(fixture, "long", type, 1, "");
	for (int i = 0; i < 2; i++) {
		for (int n = 0; n < 300; n += 13) {
			char one[16];

			(void)snprintf(one, sizeof(one), "T%d", n);
			assert_int_equal(
			    found(fixture, JOBS_QUEUED, TYPE(one)), 1);
		}
		assert_int_equal(found(fixture, JOBS_QUEUED, TYPE(type)), 1);
		fixture->settings.marks_events = 1 << 20;
		fixture->settings.keys = keys;
		reopen(fixture);
		tidy(fixture);
	}
}

/* ---- damage ---- */

enum { COPIES = 256 };

struct copies {
	struct engine_marks list[COPIES];
	size_t count;
};

static bool
copy_row(void *arg, const union engine_row *row)
{
	struct copies *copies = arg;
	char *copy = malloc(row->marks.frame.len);

	assert_non_null(copy);
	assert_true(copies->count < COPIES);
	memcpy(copy, row->marks.frame.data, row->marks.frame.len);
	copies->list[copies->count] = row->marks;
	copies->list[copies->count++].frame.data = copy;
	return true;
}

static void
replace(struct fixture *fixture, const struct engine_marks *row)
{
	struct engine_change change = {
	    .op = ENGINE_MARKS_ADD, .row = {.marks = *row}};
	struct engine_apply apply = {.changes = &change, .count = 1};
	struct queue *queue = fixture->queue;
	struct err err;

	fair_lock_hold(&queue->lock);
	assert_true(queue->engine->apply(queue->store, &apply, &err));
	fair_lock_drop(&queue->lock);
}

static void
no_text(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

static int64_t
faults(struct fixture *fixture)
{
	struct jobs_check check = {.fn = no_text, .more = true};
	struct err err;

	while (check.more)
		assert_true(jobs_check(fixture->queue, &check, &err));
	return check.faults;
}

/* Those of two sets are found, whichever rows their keys are in. */
static void
check_all(struct fixture *fixture)
{
	char id[16];

	for (int i = 0; i < 2 * BATCH; i++) {
		(void)snprintf(id, sizeof(id), "%s-%d", i < BATCH ? "d0" : "f0",
		    i % BATCH);
		assert_int_equal(
		    look(fixture, JOBS_QUEUED, ID(id), true).matched, 1);
	}
	assert_int_equal(
	    look(fixture, JOBS_QUEUED, PERSON("d0"), true).matched, BATCH);
	assert_int_equal(
	    look(fixture, JOBS_QUEUED, PERSON("all"), true).matched,
	    200 * BATCH);
	assert_int_equal(
	    look(fixture, JOBS_QUEUED, TYPE("Rare"), true).matched, 10 * BATCH);
}

/* A row that is damaged, or another's, hides nothing; nor one that says that
 * it is of all batches. */
static void
test_damaged_rows(void **state)
{
	struct fixture *fixture = *state;
	struct copies copies = {.count = 0};
	struct engine_cursor cursor = {.last = INT64_MAX, .begun = true};
	struct queue *queue;
	struct engine_marks row;
	struct err err;
	size_t sets;
	bool more;

	for (int i = 0; i < 5; i++) {
		char prefix[16];

		(void)snprintf(prefix, sizeof(prefix), "%c", 'b' + i);
		add_batches(fixture, prefix, 40);
		tidy(fixture);
	}
	queue = fixture->queue;
	fair_lock_hold(&queue->lock);
	assert_true(queue->engine->walk(queue->store, ENGINE_MARKS, &cursor,
	    SIZE_MAX, copy_row, &copies, &more, &err));
	fair_lock_drop(&queue->lock);
	sets = copies.count / ENGINE_MARKS_KINDS;
	assert_int_equal(sets, 10); /* d0 is in the fifth, f0 in the ninth */
	check_all(fixture);
	for (size_t i = 0; i < copies.count; i += i % sets == 8 ? 2 : 4) {
		struct engine_marks *is = &copies.list[i];
		char *bytes = (char *)(uintptr_t)is->frame.data;
		struct str whole = is->frame;

		bytes[whole.len / 2] ^= 1;
		replace(fixture, is);
		check_all(fixture);
		assert_int_equal(faults(fixture), 1);
		bytes[whole.len / 2] ^= 1;
		is->frame.len = i % 2 == 0 ? 0 : whole.len - 9;
		replace(fixture, is);
		check_all(fixture);
		is->frame = whole;
		/* of another set, of another kind, of both */
		for (size_t n = 0; n < 3; n++) {
			size_t by = n == 0 ? 1 : sets + n - 1;

			row = *is;
			row.frame = copies.list[(i + by) % copies.count].frame;
			replace(fixture, &row);
			check_all(fixture);
		}
		replace(fixture, is);
	}
	assert_int_equal(seen(fixture, JOBS_QUEUED, ID("d0-0")), BATCH);
	assert_int_equal(faults(fixture), 0);
	row = copies.list[0];
	row.last = INT64_MAX - 1;
	replace(fixture, &row);
	open_again(fixture);
	tidy(fixture);
	add_batches(fixture, "n", 40);
	assert_int_equal(
	    found(fixture, JOBS_QUEUED, PERSON("all")), 240 * BATCH);
	for (size_t i = 0; i < copies.count; i++)
		free((char *)(uintptr_t)copies.list[i].frame.data);
}

/* Rows go with the last of their batches. */
static void
test_rows_of_nothing_go(void **state)
{
	struct fixture *fixture = *state;

	fixture->settings.keep_ms = 0;
	open_again(fixture);
	add_batches(fixture, "b", 40);
	tidy(fixture);
	add_batches(fixture, "c", 40);
	tidy(fixture);
	assert_true(rows(fixture) >= 2);
	settle_next(fixture, QUEUE_DEFERRED, 100000);
	assert_int_equal(deliver(fixture), 79 * BATCH);
	tidy(fixture);
	assert_int_equal(rows(fixture), 0);
	assert_int_equal(found(fixture, JOBS_QUEUED, ID("b0-0")), 1);
	assert_int_equal(seen(fixture, JOBS_QUEUED, ID("b1-0")), 0);
}

/* A new batch does not get the number of one that is gone, and its marks. */
static void
test_numbers_are_not_used_again(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *leases[40], *lease;
	size_t count = 0;

	fixture->settings.keep_ms = 0;
	open_again(fixture);
	add_batches(fixture, "b", 40);
	tidy(fixture);
	assert_true(rows(fixture) >= 1);
	while ((lease = take(fixture, 9000)) != NULL)
		leases[count++] = lease;
	assert_int_equal(count, 40);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			settle_all(fixture, leases[i], QUEUE_DELIVERED, 0);
		queue_lease_free(fixture->queue, leases[i]);
	}
	open_again(fixture);
	add_batches(fixture, "n", 40);
	tidy(fixture);
	for (int i = 0; i < 40; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "n%d-3", i);
		assert_int_equal(found(fixture, JOBS_QUEUED, ID(id)), 1);
	}
}

/* ---- rows that cannot be written ---- */

static struct engine engine;
static const struct engine *wrapped;

static bool
engine_apply(
    struct store *store, const struct engine_apply *apply, struct err *reterr)
{
	for (size_t i = 0; i < apply->count; i++) {
		if (apply->changes[i].op == ENGINE_MARKS_ADD && rows_fail)
			return err_set(reterr, ERR_FULL, "no room");
	}
	return wrapped->apply(store, apply, reterr);
}

/* The tail is forgotten at last, and made again when there is room. */
static void
test_no_room_for_rows(void **state)
{
	struct fixture *fixture = *state;

	wrapped = on_memory() ? &memory_engine : &sqlite_engine;
	engine = *wrapped;
	engine.apply = engine_apply;
	fixture->settings.engine = &engine;
	open_again(fixture);
	rows_fail = true;
	add_batches(fixture, "b", 400);
	tidy(fixture);
	assert_int_equal(rows(fixture), 0);
	assert_int_equal(found(fixture, JOBS_QUEUED, PERSON("all")), 4000);
	assert_int_equal(found(fixture, JOBS_QUEUED, ID("b3-3")), 1);
	rows_fail = false;
	add_batches(fixture, "c", 20);
	tidy(fixture);
	assert_true(rows(fixture) > 1);
	assert_int_equal(found(fixture, JOBS_QUEUED, PERSON("all")), 4200);
	assert_int_equal(found(fixture, JOBS_QUEUED, ID("b3-3")), 1);
	assert_int_equal(seen(fixture, JOBS_QUEUED, ID("b3-3")), BATCH);
	assert_int_equal(seen(fixture, JOBS_QUEUED, ID("c3-3")), BATCH);
}

/* ---- at random ---- */

static uint32_t seed;

static uint32_t
any(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static void
random_settle(struct fixture *fixture)
{
	static const enum queue_outcome outcomes[] = {QUEUE_DELIVERED,
	    QUEUE_DELIVERED, QUEUE_DEFERRED, QUEUE_DEAD, QUEUE_PARKED};
	struct queue_lease *lease = take(fixture, 9000);

	if (lease == NULL)
		return;
	judge_all(lease, QUEUE_DELIVERED, 5000 + any(8000));
	for (size_t i = 0; i < lease->count; i++)
		lease->items[i].outcome = outcomes[any(5)];
	settle(fixture, lease);
	queue_lease_free(fixture->queue, lease);
}

static void
random_step(struct fixture *fixture, int n)
{
	static const char *const types[] = {"Open", "Click", "Send", "Rare"};
	char id[32];

	switch (any(12)) {
	case 0:
		random_settle(fixture);
		break;
	case 1:
		(void)run(fixture, JOBS_DEAD, jobs_requeue, "-1;");
		break;
	case 2:
		(void)run(fixture, JOBS_ARCHIVE, replay, "-3;");
		break;
	case 3:
		(void)snprintf(id, sizeof(id), "p=r%u;", any(40));
		(void)run(fixture, (enum jobs_place)any(2), jobs_erase, id);
		break;
	case 4:
		if (any(4) == 0)
			open_again(fixture);
		break;
	case 5:
		if (any(3) == 0)
			tidy(fixture);
		break;
	case 6:
		random_settle(fixture);
		break;
	default:
		(void)snprintf(
		    id, sizeof(id), "r%u", n % 3 == 0 ? any(40) : (unsigned)n);
		add(fixture, id, types[any(4)], 1 + any(12),
		    any(40) == 0 ? "?" : "");
	}
}

static void
test_at_random(void **state)
{
	struct fixture *fixture = *state;
	char id[64], person[32];

	fixture->settings.suppress_ms = 0;
	for (seed = 1; seed % 4 != 0; seed++) {
		uint32_t keep = seed;

		for (int n = 0; n < 300; n++) {
			random_step(fixture, n);
			if (any(20) != 0)
				continue;
			(void)snprintf(person, sizeof(person), "r%u",
			    any(2) == 0 ? any(40) : any((unsigned)n + 1));
			(void)snprintf(id, sizeof(id), "%s-%u", person, any(4));
			for (int place = 0; place < JOBS_DEAD; place++) {
				enum jobs_place in = (enum jobs_place)place;

				(void)found(fixture, in, ID(id));
				(void)found(fixture, in, PERSON(person));
				(void)found(fixture, in, TYPE("Rare"));
				(void)found(fixture, in,
				    (struct wanted){id, person, "Click"});
			}
		}
		seed = keep;
	}
}

/* ---- the engine's part ---- */

struct ranged {
	enum jobs_place place;
	int64_t seqs[64];
	size_t count, most;
};

static bool
ranged_row(void *arg, const union engine_row *row)
{
	struct ranged *ranged = arg;
	struct str frame = ranged->place == JOBS_QUEUED ? row->delivery.frame
							: row->archived.frame;

	assert_true(ranged->count < 64);
	assert_non_null(frame.data);
	ranged->seqs[ranged->count++] = ranged->place == JOBS_QUEUED
					    ? row->delivery.seq
					    : row->archived.seq;
	return true;
}

static bool
ranged_step(struct fixture *fixture, struct ranged *ranged,
    struct engine_cursor *cursor, size_t most)
{
	struct queue *queue = fixture->queue;
	struct err err;
	bool more;

	fair_lock_hold(&queue->lock);
	if (!queue->engine->walk(queue->store,
		ranged->place == JOBS_QUEUED ? ENGINE_QUEUED_RANGES
					     : ENGINE_ARCHIVE_RANGES,
		cursor, most, ranged_row, ranged, &more, &err))
		fail_msg("walk: %s", err.text);
	fair_lock_drop(&queue->lock);
	return more;
}

static void
check_ranges(struct fixture *fixture, enum jobs_place place, int64_t base)
{
	static const int64_t wanted[] = {2, 5, 6, 7, 9};
	const struct engine_range ranges[] = {{base + 2, base + 2},
	    {base + 3, base + 2}, {base + 5, base + 7}, {base + 9, base + 9},
	    {base + 1000, base + 2000}};

	for (size_t most = 1; most <= 5; most++) {
		struct engine_cursor cursor = {
		    .ranges = ranges, .range_count = 5};
		struct ranged ranged = {.place = place};

		while (ranged_step(fixture, &ranged, &cursor, most))
			assert_true(ranged.count % most == 0);
		assert_int_equal(ranged.count, 5);
		for (size_t i = 0; i < 5; i++)
			assert_int_equal(ranged.seqs[i], base + wanted[i]);
	}
}

static int64_t
first_seq(struct fixture *fixture)
{
	const struct engine_range all = {1, INT64_MAX};
	struct engine_cursor cursor = {.ranges = &all, .range_count = 1};
	struct ranged ranged = {.place = JOBS_QUEUED};

	(void)ranged_step(fixture, &ranged, &cursor, 1);
	assert_int_equal(ranged.count, 1);
	return ranged.seqs[0];
}

static void
test_ranges(void **state)
{
	struct fixture *fixture = *state;
	int64_t base;

	add_batches(fixture, "b", 20);
	base = first_seq(fixture);
	check_ranges(fixture, JOBS_QUEUED, base);
	assert_int_equal(deliver(fixture), 20 * BATCH);
	check_ranges(fixture, JOBS_ARCHIVE, base);
}

/* Of what comes later only what is deferred meanwhile is shown. */
static void
test_ranges_end(void **state)
{
	struct fixture *fixture = *state;
	const struct engine_range all = {1, INT64_MAX};
	struct engine_cursor cursor = {.ranges = &all, .range_count = 1};
	struct ranged queued = {.place = JOBS_QUEUED};
	struct ranged archive = {.place = JOBS_ARCHIVE};
	struct queue_lease *lease;

	add_batches(fixture, "b", 10);
	assert_true(ranged_step(fixture, &queued, &cursor, 2));
	add_batches(fixture, "c", 10);
	lease = take(fixture, 9000);
	settle_all(fixture, lease, QUEUE_DEFERRED, 100000);
	queue_lease_free(fixture->queue, lease);
	while (ranged_step(fixture, &queued, &cursor, 3))
		;
	assert_int_equal(queued.count, 11);
	assert_true(queued.seqs[10] > queued.seqs[9] + 10);

	cursor = (struct engine_cursor){.ranges = &all, .range_count = 1};
	settle_next(fixture, QUEUE_DELIVERED, 0);
	settle_next(fixture, QUEUE_DELIVERED, 0);
	assert_true(ranged_step(fixture, &archive, &cursor, 1));
	(void)deliver(fixture);
	assert_false(ranged_step(fixture, &archive, &cursor, 64));
	assert_int_equal(archive.count, 2);
}

#undef TEST
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, marks_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_only_what_may_have_it_is_opened),
	    TEST(test_a_step_that_fails),
	    TEST(test_a_start),
	    TEST(test_batches_of_events_that_came_before),
	    TEST(test_a_job_that_looks),
	    TEST(test_erased),
	    TEST(test_an_event_that_cannot_be_read),
	    TEST(test_a_queue_that_cannot_read),
	    TEST(test_many_types),
	    TEST(test_damaged_rows),
	    TEST(test_rows_of_nothing_go),
	    TEST(test_numbers_are_not_used_again),
	    TEST(test_no_room_for_rows),
	    TEST(test_at_random),
	    TEST(test_ranges),
	    TEST(test_ranges_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
