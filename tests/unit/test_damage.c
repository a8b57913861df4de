/*
 * What a damaged file says is read with care: a walk ends though keys do not
 * grow, the check names what is wrong, and the queue goes on with the rest.
 */

#include "queue_fixture.h"
#include "short_run.h"

#include "queue/sqlite/db.h"

#include <fcntl.h>
#include <sys/stat.h>

enum { STEPS_MAX = 10000, HANG_S = 120 };

/* Change the file behind the queue's back. */
static void
sql(struct fixture *fixture, const char *text)
{
	char *why = NULL;

	fair_lock_hold(&fixture->queue->lock);
	if (sqlite3_exec(sqlite_connection(fixture->queue->store), text, NULL,
		NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
	fair_lock_drop(&fixture->queue->lock);
}

static void
put(struct fixture *fixture, const char *prefix, size_t count)
{
	struct answer answer;

	if (!queue_test_put(fixture->queue, "main", "Open", prefix, count,
		ITEM_QUEUE, &answer))
		fail_msg("put: %s", answer.err.text);
}

static void
put_batches(struct fixture *fixture, const char *prefix, int batches)
{
	char text[32];

	for (int i = 0; i < batches; i++) {
		(void)snprintf(text, sizeof(text), "%s%d", prefix, i);
		put(fixture, text, 1);
	}
}

/* Take and settle all that is due; how many events that were. */
static size_t
deliver(struct fixture *fixture, enum queue_outcome outcome)
{
	struct queue_lease *lease;
	size_t events = 0;

	for (int step = 0; (lease = take(fixture, 1)) != NULL; step++) {
		assert_true(step < STEPS_MAX);
		events += lease->count;
		settle_all(fixture, lease, outcome, 0);
		queue_lease_free(fixture->queue, lease);
	}
	return events;
}

/* Mark what has no marks. */
static void
marks_read_all(struct fixture *fixture)
{
	fair_lock_hold(&fixture->queue->lock);
	while (marks_read(fixture->queue))
		;
	fair_lock_drop(&fixture->queue->lock);
}

/* ---- the check ---- */

struct faults {
	char text[8192];
	size_t len;
};

static void
fault(void *arg, const char *text)
{
	struct faults *faults = arg;

	faults->len += (size_t)snprintf(faults->text + faults->len,
	    sizeof(faults->text) - faults->len, "%s\n", text);
	assert_true(faults->len < sizeof(faults->text));
}

static int64_t
check(struct fixture *fixture, struct faults *faults)
{
	struct jobs_check job = {.fn = fault, .arg = faults, .more = true};
	struct err err;

	*faults = (struct faults){.len = 0};
	for (int step = 0; job.more; step++) {
		assert_true(step < STEPS_MAX);
		if (!jobs_check(fixture->queue, &job, &err))
			fail_msg("check: %s", err.text);
	}
	return job.faults;
}

/* Exactly these are named, each text with another part of it. */
static void
check_names(struct fixture *fixture, const char *const *parts, size_t count)
{
	struct faults faults;
	int64_t found = check(fixture, &faults);

	for (size_t i = 0; i < count; i++) {
		if (strstr(faults.text, parts[i]) == NULL)
			fail_msg("no \"%s\" in:\n%s", parts[i], faults.text);
	}
	if (found != (int64_t)count)
		fail_msg("%zu faults wanted, not:\n%s", count, faults.text);
}

#define CHECK_NAMES(fixture, ...)                                              \
	do {                                                                   \
		const char *const parts[] = {__VA_ARGS__};                     \
		check_names(fixture, parts, sizeof(parts) / sizeof(parts[0])); \
	} while (0)

static void
test_a_sound_file_has_no_fault(void **state)
{
	struct fixture *fixture = *state;
	struct faults faults;
	struct answer answer;

	put_batches(fixture, "a", 5);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "dead", 3, ITEM_DEAD, &answer));
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 5);
	put_batches(fixture, "b", 5);
	if (check(fixture, &faults) != 0)
		fail_msg("%s", faults.text);
}

/* ---- rows that say something wrong ---- */

static struct jobs_walk
scan(struct fixture *fixture, enum jobs_place place)
{
	struct jobs_walk job = {.cursor = {.place = place}, .more = true};
	struct err err;

	for (int step = 0; job.more; step++) {
		assert_true(step < STEPS_MAX);
		if (!jobs_scan(fixture->queue, &job, &err))
			fail_msg("scan: %s", err.text);
	}
	return job;
}

/* In the order of the batches' numbers, which another index has. */
static struct jobs_walk
scan_in_order(struct fixture *fixture, enum jobs_place place)
{
	const struct jobs_look all = {.ids = NULL};
	struct jobs_walk job = {
	    .cursor = {.place = place}, .look = &all, .more = true};
	struct err err;

	for (int step = 0; job.more; step++) {
		assert_true(step < STEPS_MAX);
		if (!jobs_scan(fixture->queue, &job, &err))
			fail_msg("scan: %s", err.text);
	}
	jobs_walk_fini(&job);
	return job;
}

static void
test_a_delivery_of_no_destination(void **state)
{
	struct fixture *fixture = *state;
	struct jobs_walk job;

	FILE_ONLY();
	put_batches(fixture, "a", 3);
	sql(fixture, "UPDATE delivery SET destination=99 WHERE seq=1;"
		     "UPDATE destination SET queued=2, bytes=(SELECT sum(bytes)"
		     " FROM delivery WHERE seq>1)");
	reopen(fixture);
	CHECK_NAMES(fixture, "batch 1, queued: there is no destination 99");
	job = scan(fixture, JOBS_QUEUED);
	assert_int_equal(job.matched, 2);
	assert_int_equal(job.damaged, 1);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 2);
	sql(fixture, "UPDATE delivery SET destination=1 WHERE seq=1;"
		     "UPDATE destination SET queued=1, bytes=(SELECT sum(bytes)"
		     " FROM delivery)");
	reopen(fixture);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 1);
}

static void
test_an_archived_batch_of_nobody(void **state)
{
	struct fixture *fixture = *state;
	struct jobs_walk job;
	struct err err;

	FILE_ONLY();
	put_batches(fixture, "a", 3);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 3);
	sql(fixture, "UPDATE archive SET destination=99 WHERE id=1;"
		     "UPDATE archive SET source=98 WHERE id=2");
	CHECK_NAMES(fixture, "batch 1, in the archive: its destination 99",
	    "batch 2, in the archive: its destination 1 or source 98");
	job = scan(fixture, JOBS_ARCHIVE);
	assert_int_equal(job.matched, 3);
	job =
	    (struct jobs_walk){.cursor = {.place = JOBS_ARCHIVE}, .more = true};
	while (job.more)
		assert_true(jobs_replay(fixture->queue, &job, NULL, &err));
	assert_int_equal(job.matched, 2);
	assert_int_equal(job.damaged, 1);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 2);
}

static void
test_numbers_at_their_end(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;

	FILE_ONLY();
	put_batches(fixture, "a", 3);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "dead", 1, ITEM_DEAD, &answer));
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 3);
	put_batches(fixture, "b", 3);
	sql(fixture, "UPDATE batch SET seq=9223372036854775807 WHERE seq=4;"
		     "UPDATE delivery SET seq=9223372036854775807 WHERE seq=4;"
		     "UPDATE archive SET id=9223372036854775807 WHERE id=1;"
		     "UPDATE dead SET id=9223372036854775806");
	reopen(fixture);
	CHECK_NAMES(fixture, "batch 9223372036854775807: no row has such",
	    "row of the archive 9223372036854775807: no row has such",
	    "row of dead letters 9223372036854775806: no row has such",
	    "row of dead letters 9223372036854775806: the dead letters are");
	put_batches(fixture, "c", 2);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "dead2", 1, ITEM_DEAD, &answer));
	assert_int_equal(scan(fixture, JOBS_QUEUED).matched, 5);
	assert_int_equal(scan(fixture, JOBS_DEAD).damaged, 1);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 5);
	assert_int_equal(scan(fixture, JOBS_ARCHIVE).matched, 8);
}

/* Likewise for those who look by the marks, in which seqs grow. */
static void
test_numbers_that_marks_cannot_have(void **state)
{
	static const char *const numbers[] = {
	    "9223372036854775807", "144115188075855872", "-5"};
	struct fixture *fixture = *state;
	char text[512];

	FILE_ONLY();
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		put_batches(fixture, numbers[i], 2);
		(void)snprintf(text, sizeof(text),
		    "UPDATE batch SET seq=%s WHERE seq=(SELECT seq FROM"
		    " delivery LIMIT 1);"
		    "UPDATE delivery SET seq=%s WHERE seq NOT IN (SELECT seq"
		    " FROM batch);"
		    "DELETE FROM marks;"
		    "INSERT INTO marks VALUES(99, -100, -100, x'00')",
		    numbers[i], numbers[i]);
		queue_stop(fixture->queue);
		sql(fixture, text);
		queue_test_close(fixture->queue);
		fixture->queue = queue_test_open(&fixture->settings);
		fixture->destination =
		    destination_test_open(fixture->queue, "heap");
		marks_read_all(fixture);
		(void)scan_in_order(fixture, JOBS_QUEUED);
		put_batches(fixture, numbers[i] + 1, 1);
		(void)scan_in_order(fixture, JOBS_QUEUED);
		assert_true(deliver(fixture, QUEUE_DELIVERED) >= 2);
	}
}

static void
test_sums_that_overflow(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;

	FILE_ONLY();
	put_batches(fixture, "a", 2);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Click", "b", 1, ITEM_QUEUE, &answer));
	sql(fixture,
	    "CREATE TABLE aside AS SELECT * FROM ledger;"
	    "CREATE TABLE other AS SELECT * FROM destination;"
	    "UPDATE ledger SET received=9223372036854775807,"
	    " queued=-9223372036854775807;"
	    "UPDATE destination SET queued=9223372036854775807, bytes=-7;"
	    "UPDATE meta SET value=9223372036854775807");
	reopen(fixture);
	put_batches(fixture, "c", 2);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 5);
	sql(fixture,
	    "DELETE FROM ledger; INSERT INTO ledger SELECT * FROM aside;"
	    "DELETE FROM destination; INSERT INTO destination"
	    " SELECT * FROM other; DROP TABLE aside; DROP TABLE other;"
	    "UPDATE meta SET value=0");
	queue_test_close(fixture->queue);
	fixture->queue = NULL;
}

static void
test_sums_are_named(void **state)
{
	struct fixture *fixture = *state;
	struct faults faults;

	FILE_ONLY();
	put(fixture, "a", 1);
	sql(fixture, "UPDATE ledger SET queued=-1;"
		     "UPDATE destination SET queued=9223372036854775807;"
		     "INSERT INTO dropped VALUES(7, 1, 1, 1, -5);"
		     "INSERT OR REPLACE INTO meta VALUES('dead', 'many')");
	reopen(fixture);
	assert_true(check(fixture, &faults) >= 4);
	assert_non_null(strstr(faults.text, "ledger: a sum of hour"));
	assert_non_null(strstr(faults.text, "destination heap: a sum is"));
	assert_non_null(strstr(faults.text, "dropped by rules: a sum"));
	assert_non_null(strstr(faults.text, "the number dead is not one"));
	queue_test_close(fixture->queue);
	fixture->queue = NULL;
}

/* What is settled after its hour was folded is no fault. */
static void
test_a_sum_of_a_folded_hour(void **state)
{
	struct fixture *fixture = *state;
	struct faults faults;

	FILE_ONLY();
	put_batches(fixture, "a", 1);
	sql(fixture, "UPDATE ledger SET hour=hour/24*24");
	reopen(fixture);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 1);
	assert_int_equal(check(fixture, &faults), 0);
}

/* Groups, members and the texts of people agree with each other. */
static void
test_sets_that_do_not_agree(void **state)
{
	struct fixture *fixture = *state;
	struct faults faults;

	FILE_ONLY();
	put(fixture, "a", 1);
	sql(fixture, "INSERT INTO grp VALUES(1, 1, x'61');"
		     "INSERT INTO sync VALUES(1, 1, x'61');"
		     "INSERT INTO person VALUES(10, x'61', 2);"
		     "INSERT INTO person VALUES(11, NULL, 0);"
		     "INSERT INTO person VALUES(12, x'62', 1);"
		     "INSERT INTO member VALUES(1, 10, 5, 5);"
		     "INSERT INTO member VALUES(1, 12, 5, 5);"
		     "INSERT INTO grp VALUES(2, 1, x'61');"
		     "INSERT INTO member VALUES(2, 10, 5, 5)");
	if (check(fixture, &faults) != 0)
		fail_msg("%s", faults.text);
	sql(fixture, "UPDATE grp SET destination=99 WHERE id=2;"
		     "INSERT INTO sync VALUES(3, 1, x'61');"
		     "INSERT INTO person VALUES(13, x'63', 1);"
		     "INSERT INTO member VALUES(4, 13, 'x', 5);"
		     "INSERT INTO person VALUES(14, x'64', 0);"
		     "UPDATE delivery SET stamp=-1");
	CHECK_NAMES(fixture, "batch 1, queued: its place among the changes",
	    "group 2: there is no destination 99",
	    "group 3: it has syncs, but is not there",
	    "group 4: it has members, but is not there",
	    "person 14: the row cannot be",
	    "member 13 of group 4: the row cannot be");
	sql(fixture, "UPDATE delivery SET stamp=0; DELETE FROM grp;"
		     "DELETE FROM sync; DELETE FROM member;"
		     "DELETE FROM person WHERE id>12;"
		     "INSERT INTO grp VALUES(1, 1, x'61');"
		     "INSERT INTO member VALUES(1, 10, 5, 5)");
	CHECK_NAMES(fixture, "people: there are 1 members, but their texts are"
			     " counted for 3");
	sql(fixture, "UPDATE person SET refs=0, text=NULL WHERE id=10");
	CHECK_NAMES(fixture, "people: there are 1 members, but their texts are"
			     " counted for 1, or for others");
	sql(fixture, "DELETE FROM person; DELETE FROM member;");
	if (check(fixture, &faults) != 0)
		fail_msg("%s", faults.text);
}

static void
test_a_batch_and_no_delivery(void **state)
{
	struct fixture *fixture = *state;

	FILE_ONLY();
	put_batches(fixture, "a", 4);
	sql(fixture, "CREATE TABLE aside AS SELECT * FROM delivery;"
		     "DELETE FROM delivery WHERE seq=1;"
		     "UPDATE batch SET seq=77 WHERE seq=2;"
		     "UPDATE destination SET queued=3, bytes=(SELECT sum(bytes)"
		     " FROM delivery)");
	CHECK_NAMES(fixture, "batch 1: it is neither queued nor",
	    "batch 77: it is neither queued nor",
	    "batch 2: it is queued, or in the archive, but is not there");
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 2);
	sql(fixture, "UPDATE batch SET seq=2 WHERE seq=77;"
		     "INSERT INTO delivery SELECT * FROM aside WHERE seq=1;"
		     "DROP TABLE aside;"
		     "UPDATE destination SET queued=2, bytes=(SELECT sum(bytes)"
		     " FROM (SELECT bytes FROM delivery UNION ALL"
		     " SELECT bytes FROM quarantine))");
	reopen(fixture);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 2);
}

/* A row that could not be settled would be sent again for ever. */
static void
test_a_row_that_cannot_be_changed(void **state)
{
	struct fixture *fixture = *state;

	FILE_ONLY();
	put_batches(fixture, "a", 3);
	sql(fixture,
	    "UPDATE delivery SET version=9223372036854775807 WHERE seq=1;"
	    "UPDATE delivery SET version='x' WHERE seq=2");
	CHECK_NAMES(fixture,
	    "batch 1, queued: its row cannot be changed: its version is "
	    "9223372036854775807",
	    "its version is x");
	assert_int_equal(scan(fixture, JOBS_QUEUED).damaged, 2);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 1);
	sql(fixture, "UPDATE delivery SET version=1");
	/* one is quarantined, and has a sound version from now on */
	reopen(fixture);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 2);
}

static struct {
	size_t now, most;
	bool fails;
} quarantined;

static bool
due_counted(struct store *store, struct engine_want *wants, size_t count,
    int64_t now_ms, const int64_t *leased, size_t leased_count,
    engine_due_fn *fn, void *arg, struct err *reterr)
{
	quarantined.now = 0;
	return engine_default->due(
	    store, wants, count, now_ms, leased, leased_count, fn, arg, reterr);
}

static bool
apply_counted(
    struct store *store, const struct engine_apply *apply, struct err *reterr)
{
	bool one = apply->changes[0].op == ENGINE_DELIVERY_QUARANTINE;

	quarantined.now += one;
	if (quarantined.most < quarantined.now)
		quarantined.most = quarantined.now;
	if (one && quarantined.fails)
		return err_set(reterr, ERR_DAMAGED, "it cannot be");
	return engine_default->apply(store, apply, reterr);
}

/* Each takes a commit: puts need not wait for those of many at once. */
static void
test_many_are_quarantined_one_by_one(void **state)
{
	struct fixture *fixture = *state;
	static struct engine engine; /* that of a queue that is still open */
	struct queue_want want = {.bytes = 1 << 20};
	struct queue_lease *lease = NULL;
	struct stats_totals totals;
	struct err err;

	FILE_ONLY();
	engine = *engine_default;
	engine.due = due_counted;
	engine.apply = apply_counted;
	fixture->settings.engine = &engine;
	reopen(fixture);
	put_batches(fixture, "a", 30);
	batches_move(fixture, 1000);
	want.destination = fixture->destination;
	quarantined.most = 0;
	assert_true(queue_take(fixture->queue, &want, 1, 1, &lease, &err));
	assert_null(lease);
	assert_int_equal(quarantined.most, 1);
	stats_totals(fixture->queue, &totals);
	assert_int_equal(totals.quarantined_batches, 30);
	batches_move(fixture, -1000);
	fixture->settings.engine = NULL;
	reopen(fixture);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 30);
}

/* What stays damaged is tried after a minute, then ever later, up to an hour;
 * what is new after a minute, again. */
static void
test_what_is_quarantined_is_tried_ever_later(void **state)
{
	static const int minutes[] = {1, 2, 4, 8, 16, 32, 60, 60, 1, 2};
	static const char one_more[] =
	    "UPDATE batch SET seq=seq+1000 WHERE seq<1000";
	enum { TRIES = sizeof(minutes) / sizeof(minutes[0]), BATCHES = 3 };
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct queue *queue;
	struct stats_totals totals;
	int64_t mono_ms = 0, last_ms = 0, now_ms = 1;
	size_t tries = 0;

	FILE_ONLY();
	put_batches(fixture, "a", BATCHES + 1);
	sql(fixture, "UPDATE batch SET seq=seq+1000 WHERE seq<4");
	queue = fixture->queue;
	queue_stop(queue);
	lease = take(fixture, now_ms);
	settle_all(fixture, lease, QUEUE_DEFERRED, 1000);
	queue_lease_free(queue, lease);
	while (tries < TRIES) {
		bool due;

		fair_lock_hold(&queue->lock);
		due = queue_quarantine_tidy(queue, mono_ms);
		queue_publish(queue);
		fair_lock_drop(&queue->lock);
		if (due) {
			assert_int_equal(
			    mono_ms - last_ms, minutes[tries] * 60 * 1000);
			last_ms = mono_ms;
			if (minutes[tries++] == 60 && minutes[tries] == 1) {
				sql(fixture, one_more);
				now_ms = 1000;
			}
			assert_null(take(fixture, now_ms));
			stats_totals(queue, &totals);
			assert_int_equal(totals.quarantined_batches,
			    BATCHES + (now_ms == 1000));
		}
		mono_ms += due ? 0 : 1000;
	}
	batches_move(fixture, -1000);
	reopen(fixture);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), BATCHES);
	lease = take(fixture, now_ms);
	settle_all(fixture, lease, QUEUE_DELIVERED, 0);
	queue_lease_free(fixture->queue, lease);
}

static void
tidy_at(struct queue *queue, int64_t batches, int64_t second)
{
	queue->totals.quarantined_batches = batches;
	(void)queue_quarantine_tidy(queue, second * 1000);
}

/* More of it does not put off the next try; and what was sound when it was
 * tried again does not stand for what is new. */
static void
test_what_else_is_quarantined(void **state)
{
	struct fixture *fixture = *state;
	struct queue *queue = fixture->queue;

	queue_stop(queue);
	fair_lock_hold(&queue->lock);
	tidy_at(queue, 1, 0);
	tidy_at(queue, 2, 40);
	assert_int_equal(queue->quarantine.next_ms, 60 * 1000);
	tidy_at(queue, 2, 60);
	tidy_at(queue, 2, 60 + 120);
	assert_int_equal(queue->quarantine.next_ms, (180 + 240) * 1000);
	tidy_at(queue, 0, 200);
	assert_int_equal(queue->quarantine.count, 2);
	tidy_at(queue, 0, 240);
	assert_int_equal(queue->quarantine.count, 0);
	tidy_at(queue, 1, 300);
	assert_int_equal(queue->quarantine.next_ms, 360 * 1000);
	fair_lock_drop(&queue->lock);
}

/* One that cannot even be quarantined keeps none from being sent. */
static void
test_what_cannot_be_quarantined(void **state)
{
	static struct engine engine; /* that of a queue that is still open */
	struct fixture *fixture = *state;
	struct queue_want want = {.bytes = 1 << 20};
	struct queue_lease *lease = NULL;
	struct err err;

	FILE_ONLY();
	engine = *engine_default;
	engine.apply = apply_counted;
	fixture->settings.engine = &engine;
	reopen(fixture);
	put_batches(fixture, "a", 2);
	sql(fixture, "UPDATE batch SET seq=1000 WHERE seq=1");
	want.destination = fixture->destination;
	quarantined.fails = true;
	for (int takes = 0; lease == NULL; takes++) {
		assert_true(takes < 3);
		assert_true(
		    queue_take(fixture->queue, &want, 1, 1, &lease, &err));
	}
	settle_all(fixture, lease, QUEUE_DELIVERED, 0);
	queue_lease_free(fixture->queue, lease);
	quarantined.fails = false;
	sql(fixture, "UPDATE batch SET seq=1 WHERE seq=1000");
	fixture->settings.engine = NULL;
	reopen(fixture);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 1);
}

/* ---- keys that do not grow ---- */

/* Turn the keys of each leaf of WITHOUT ROWID tables or of tables around, in
 * the file: the first byte of a page is 0x0a or 0x0d, two bytes from 3 on the
 * number of its cells, whose places follow from 8 on
 * (sqlite.org/fileformat2.html, 1.6). */
static size_t
leaves_turn(struct fixture *fixture, int kind, size_t first, size_t second)
{
	unsigned char page[DB_PAGE];
	size_t turned = 0;
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/queue.db", fixture->dir);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	for (off_t at = DB_PAGE;
	     pread(fd, page, sizeof(page), at) == (ssize_t)sizeof(page);
	     at += DB_PAGE) {
		size_t cells = (size_t)page[3] << 8 | page[4];
		unsigned char cell[2];

		if (page[0] != kind || cells < 8)
			continue;
		memcpy(cell, page + 8 + 2 * (first % cells), 2);
		memcpy(page + 8 + 2 * (first % cells),
		    page + 8 + 2 * (second % cells), 2);
		memcpy(page + 8 + 2 * (second % cells), cell, 2);
		assert_int_equal(
		    pwrite(fd, page, sizeof(page), at), sizeof(page));
		turned++;
	}
	assert_int_equal(close(fd), 0);
	return turned;
}

/* Each pair of places of a leaf, and each kind: nothing of it takes for ever.
 * What can be opened is walked over in all ways. */
static void
test_keys_that_do_not_grow(void **state)
{
	static const int kinds[] = {0x0a, 0x0d};
	const int variants = short_run() ? 12 : 48;
	struct fixture *fixture = *state;
	char file[256], sound[256], command[600];
	struct faults faults;
	int opened = 0, faulty = 0;
	struct err err;

	FILE_ONLY();
	put_batches(fixture, "a", 150);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 150);
	put_batches(fixture, "b", 150);
	queue_test_close(fixture->queue);
	fixture->queue = NULL;
	(void)snprintf(file, sizeof(file), "%s/queue.db", fixture->dir);
	(void)snprintf(sound, sizeof(sound), "%s/sound", fixture->dir);
	(void)snprintf(command, sizeof(command), "cp '%s' '%s'", file, sound);
	assert_int_equal(system(command), 0);
	(void)alarm(HANG_S);
	for (int variant = 0; variant < variants; variant++) {
		size_t first = (size_t)variant / 2, second = first * 5 + 2;
		int64_t oldest_ms;

		(void)snprintf(
		    command, sizeof(command), "cp '%s' '%s'", sound, file);
		assert_int_equal(system(command), 0);
		assert_true(leaves_turn(fixture, kinds[variant % 2], first,
				second) > 0);
		if (!queue_open(&fixture->settings, &fixture->queue, &err)) {
			assert_int_equal(err.code, ERR_DAMAGED);
			assert_non_null(strstr(err.text, "queue rescue"));
			continue;
		}
		opened++;
		assert_true(queue_start(fixture->queue, &err));
		fixture->destination =
		    destination_test_open(fixture->queue, "heap");
		faulty += check(fixture, &faults) > 0;
		for (int place = 0; place < JOBS_PLACES; place++)
			(void)scan(fixture, (enum jobs_place)place);
		(void)scan_in_order(fixture, JOBS_QUEUED);
		(void)scan_in_order(fixture, JOBS_ARCHIVE);
		assert_true(
		    stats_oldest_ms(fixture->queue, NULL, &oldest_ms, &err));
		(void)deliver(fixture, QUEUE_DELIVERED);
		queue_test_close(fixture->queue);
		fixture->queue = NULL;
	}
	(void)alarm(0);
	assert_true(opened > variants * 10 / 48 && faulty > variants * 10 / 48);
}

/* Likewise in the order of the batches' numbers. */
static void
test_numbers_that_do_not_grow(void **state)
{
	const size_t places = short_run() ? 8 : 59;
	struct fixture *fixture = *state;
	char file[256], sound[256], command[600];
	struct err err;

	FILE_ONLY();
	put_batches(fixture, "a", 60);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 60);
	put_batches(fixture, "b", 60);
	queue_test_close(fixture->queue);
	fixture->queue = NULL;
	(void)snprintf(file, sizeof(file), "%s/queue.db", fixture->dir);
	(void)snprintf(sound, sizeof(sound), "%s/sound", fixture->dir);
	(void)snprintf(command, sizeof(command), "cp '%s' '%s'", file, sound);
	assert_int_equal(system(command), 0);
	(void)alarm(HANG_S);
	for (size_t first = 0; first < places; first++) {
		(void)snprintf(
		    command, sizeof(command), "cp '%s' '%s'", sound, file);
		assert_int_equal(system(command), 0);
		assert_true(leaves_turn(fixture, 0x0a, first, first + 1) > 0);
		if (!queue_open(&fixture->settings, &fixture->queue, &err)) {
			assert_int_equal(err.code, ERR_DAMAGED);
			continue;
		}
		assert_true(queue_start(fixture->queue, &err));
		(void)scan_in_order(fixture, JOBS_QUEUED);
		(void)scan_in_order(fixture, JOBS_ARCHIVE);
		queue_test_close(fixture->queue);
		fixture->queue = NULL;
	}
	(void)alarm(0);
}

/* An inner page of a table all of whose children are one page
 * (sqlite.org/fileformat2.html, 1.6). */
static void
page_of_one_child(unsigned char page[DB_PAGE], unsigned child)
{
	enum { CELLS = 900, CELL = 8000 };
	const unsigned char header[] = {0x05, 0, 0, CELLS >> 8, CELLS & 0xff,
	    CELL >> 8, CELL & 0xff, 0, 0, 0, (unsigned char)(child >> 8),
	    (unsigned char)child};

	memset(page, 0, DB_PAGE);
	memcpy(page, header, sizeof(header));
	for (size_t i = 0; i < CELLS; i++) {
		page[12 + 2 * i] = CELL >> 8;
		page[13 + 2 * i] = CELL & 0xff;
	}
	memcpy(page + CELL, header + 8, 4);
	page[CELL + 4] = 1; /* its key */
}

/* A row of marks that its key does not lead to cannot go: it is not tried over
 * and over. */
static void
test_marks_that_cannot_go(void **state)
{
	struct fixture *fixture = *state;
	struct err err;

	FILE_ONLY();
	sql(fixture, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1"
		     " FROM n WHERE i<10)"
		     "INSERT INTO marks SELECT 0, 10*i, 10*i-9, x'00' FROM n");
	queue_test_close(fixture->queue);
	assert_int_equal(leaves_turn(fixture, 0x0a, 0, 4), 1);
	fixture->queue = queue_test_open(&fixture->settings);
	fair_lock_hold(&fixture->queue->lock);
	for (int step = 0;; step++) {
		assert_true(step < 100);
		assert_true(queue_change_held(
		    fixture->queue, marks_tidy, NULL, false, &err));
		if (!fixture->queue->changes.list[0].flag)
			break;
	}
	fair_lock_drop(&fixture->queue->lock);
	queue_test_close(fixture->queue);
	fixture->queue = NULL;
}

/* Four levels of them: whoever reads the table through never ends. The check
 * does. */
static void
test_pages_that_lead_to_each_other(void **state)
{
	enum { LEVELS = 4 };
	struct fixture *fixture = *state;
	unsigned char page[DB_PAGE];
	unsigned children[LEVELS + 1];
	struct faults faults;
	char path[256];
	off_t at = 0;
	int fd;

	FILE_ONLY();
	put_batches(fixture, "a", 1200);
	queue_test_close(fixture->queue);
	fixture->queue = NULL;
	(void)snprintf(path, sizeof(path), "%s/queue.db", fixture->dir);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	do {
		at += DB_PAGE;
		assert_int_equal(
		    pread(fd, page, sizeof(page), at), sizeof(page));
	} while (page[0] != 0x05 || page[4] <= LEVELS);
	for (size_t i = 0; i <= LEVELS; i++) {
		const unsigned char *cell =
		    page + ((size_t)page[14 + 2 * i] << 8 | page[15 + 2 * i]);

		children[i] = (unsigned)cell[2] << 8 | cell[3];
	}
	for (size_t i = 0; i <= LEVELS; i++) {
		if (i > 0)
			at = (off_t)(children[i - 1] - 1) * DB_PAGE;
		page_of_one_child(page, children[i]);
		assert_int_equal(
		    pwrite(fd, page, sizeof(page), at), sizeof(page));
	}
	assert_int_equal(close(fd), 0);
	(void)alarm(HANG_S);
	fixture->queue = queue_test_open(&fixture->settings);
	assert_true(check(fixture, &faults) > 0);
	queue_test_close(fixture->queue);
	fixture->queue = NULL;
	(void)alarm(0);
}

/* A page that cannot be read takes no more with it than what is on it. */
static void
test_a_damaged_page_hides_no_other(void **state)
{
	enum { BATCHES = 1200, LOST_MAX = 400 };
	struct fixture *fixture = *state;
	unsigned char page[DB_PAGE], junk[DB_PAGE];
	size_t lost = 0;
	char path[256];
	struct err err;
	int fd;

	FILE_ONLY();
	put_batches(fixture, "a", BATCHES);
	queue_test_close(fixture->queue);
	fixture->queue = NULL;
	memset(junk, 0xee, sizeof(junk));
	(void)snprintf(path, sizeof(path), "%s/queue.db", fixture->dir);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	for (off_t at = DB_PAGE;
	     pread(fd, page, sizeof(page), at) == (ssize_t)sizeof(page);
	     at += DB_PAGE) {
		size_t cells = (size_t)page[3] << 8 | page[4], matched;

		if (page[0] != 0x0a || cells < 8)
			continue;
		assert_int_equal(
		    pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
		if (queue_open(&fixture->settings, &fixture->queue, &err)) {
			assert_true(queue_start(fixture->queue, &err));
			matched = scan(fixture, JOBS_QUEUED).matched;
			assert_true(matched >= BATCHES - LOST_MAX);
			lost += matched < BATCHES;
			queue_test_close(fixture->queue);
			fixture->queue = NULL;
		} else {
			assert_int_equal(err.code, ERR_DAMAGED);
		}
		assert_int_equal(
		    pwrite(fd, page, sizeof(page), at), sizeof(page));
	}
	assert_int_equal(close(fd), 0);
	assert_true(lost > 1);
}

/* ---- what the queue can do without ---- */

static void
test_a_damaged_counter_keeps_nothing_from_starting(void **state)
{
	struct fixture *fixture = *state;
	unsigned char page[DB_PAGE];
	sqlite3_stmt *roots = NULL;
	int64_t pages[8];
	size_t count = 0;
	char path[256];
	int fd;

	FILE_ONLY();
	put_batches(fixture, "a", 3);
	fair_lock_hold(&fixture->queue->lock);
	assert_int_equal(
	    sqlite3_prepare_v2(sqlite_connection(fixture->queue->store),
		"SELECT rootpage FROM sqlite_schema WHERE name IN ('ledger',"
		" 'seen', 'quarantine', 'drift', 'unreadable')",
		-1, &roots, NULL),
	    SQLITE_OK);
	while (sqlite3_step(roots) == SQLITE_ROW)
		pages[count++] = sqlite3_column_int64(roots, 0);
	assert_int_equal(sqlite3_finalize(roots), SQLITE_OK);
	fair_lock_drop(&fixture->queue->lock);
	assert_int_equal(count, 5);
	queue_test_close(fixture->queue);
	memset(page, 0xee, sizeof(page));
	(void)snprintf(path, sizeof(path), "%s/queue.db", fixture->dir);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(pwrite(fd, page, sizeof(page),
				     (off_t)(pages[i] - 1) * DB_PAGE),
		    sizeof(page));
	assert_int_equal(close(fd), 0);
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->destination = destination_test_open(fixture->queue, "heap");
	for (int i = 0; i < 3; i++) {
		struct queue_lease *lease = take(fixture, 1);

		assert_non_null(lease);
		queue_lease_free(fixture->queue, lease);
	}
	queue_test_close(fixture->queue);
	fixture->queue = NULL;
}

/* Who was erased is forgotten then, which is told; but nobody else waits. */
static void
test_damaged_erasures_keep_nothing_from_starting(void **state)
{
	enum { PEOPLE = 5000, PERSON_TEXT = 16 };
	struct fixture *fixture = *state;
	static char texts[PEOPLE][PERSON_TEXT];
	static struct str ids[PEOPLE];
	unsigned char hash[DIGEST_SHORT], page[DB_PAGE];
	struct digest_short *digest =
	    digest_short_new(fixture->queue->hash_key);
	bool found = false;
	struct err err;
	char path[256];
	int fd;

	FILE_ONLY();
	assert_non_null(digest);
	for (int i = 0; i < PEOPLE; i++) {
		(void)snprintf(texts[i], PERSON_TEXT, "person-%d", i);
		ids[i] = str_text(texts[i]);
	}
	put_batches(fixture, "a", 3);
	assert_true(jobs_suppress(fixture->queue, ids, PEOPLE, &err));
	erased_hash(digest, ids[PEOPLE / 2], hash);
	digest_short_free(digest);
	queue_test_close(fixture->queue);
	(void)snprintf(path, sizeof(path), "%s/queue.db", fixture->dir);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	for (off_t at = 0; pread(fd, page, sizeof(page), at) == sizeof(page);
	     at += DB_PAGE) {
		if (memmem(page, sizeof(page), hash, sizeof(hash)) == NULL)
			continue;
		found = true;
		memset(page, 0, sizeof(page));
		assert_int_equal(
		    pwrite(fd, page, sizeof(page), at), sizeof(page));
	}
	assert_int_equal(close(fd), 0);
	assert_true(found);
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->destination = destination_test_open(fixture->queue, "heap");
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 3);
	assert_int_equal(erased_count(fixture->queue->erased), 0);
	assert_true(jobs_suppress(fixture->queue, ids, 1, &err));
	reopen(fixture);
	assert_int_equal(erased_count(fixture->queue->erased), 1);
}

/* ---- what gives way ---- */

/* Break the first page of a table's rows, or of an index, and start again. */
static void
first_leaf_break(struct fixture *fixture, const char *name)
{
	unsigned char page[DB_PAGE] = {0};
	sqlite3_stmt *root = NULL;
	char path[256];
	off_t number;
	int fd;

	fair_lock_hold(&fixture->queue->lock);
	assert_int_equal(
	    sqlite3_prepare_v2(sqlite_connection(fixture->queue->store),
		"SELECT rootpage FROM sqlite_schema WHERE name=?1", -1, &root,
		NULL),
	    SQLITE_OK);
	(void)sqlite3_bind_text(root, 1, name, -1, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(root), SQLITE_ROW);
	number = sqlite3_column_int64(root, 0);
	assert_int_equal(sqlite3_finalize(root), SQLITE_OK);
	fair_lock_drop(&fixture->queue->lock);
	queue_test_close(fixture->queue);
	(void)snprintf(path, sizeof(path), "%s/queue.db", fixture->dir);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	/* from the root along the first cells (fileformat2, 1.6) */
	for (int height = 0; page[0] != 0x0a && page[0] != 0x0d; height++) {
		assert_true(height < 5);
		if (height > 0) {
			const unsigned char *cell =
			    page + ((size_t)page[12] << 8 | page[13]);

			number = (off_t)cell[0] << 24 | (off_t)cell[1] << 16 |
				 (off_t)cell[2] << 8 | cell[3];
		}
		assert_int_equal(
		    pread(fd, page, sizeof(page), (number - 1) * DB_PAGE),
		    sizeof(page));
	}
	memset(page, 0xee, sizeof(page));
	assert_int_equal(pwrite(fd, page, sizeof(page), (number - 1) * DB_PAGE),
	    sizeof(page));
	assert_int_equal(close(fd), 0);
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->destination = destination_test_open(fixture->queue, "heap");
}

/* A damaged page of the index that leads from the numbers of batches hides
 * those that are in it, and no other. */
static void
test_a_damaged_index_hides_no_other(void **state)
{
	enum { BATCHES = 1200, LOST_MAX = 900 };
	struct fixture *fixture = *state;
	struct jobs_walk job;

	FILE_ONLY();
	put_batches(fixture, "a", BATCHES);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), BATCHES);
	put_batches(fixture, "b", BATCHES);
	first_leaf_break(fixture, "delivery_seq");
	first_leaf_break(fixture, "archive_seq");
	job = scan_in_order(fixture, JOBS_QUEUED);
	assert_in_range(job.matched, BATCHES - LOST_MAX, BATCHES - 1);
	assert_true(job.damaged > 0);
	job = scan_in_order(fixture, JOBS_ARCHIVE);
	assert_in_range(job.matched, BATCHES - LOST_MAX, BATCHES - 1);
	assert_true(job.damaged > 0);
	queue_test_close(fixture->queue);
	fixture->queue = NULL;
}

/* The archive can be done without: what was delivered is settled all the same,
 * or nothing more would be. */
static void
test_a_damaged_archive_stops_no_delivery(void **state)
{
	struct fixture *fixture = *state;

	FILE_ONLY();
	put_batches(fixture, "a", 3);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 3);
	first_leaf_break(fixture, "archive");
	put_batches(fixture, "b", 3);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 3);
	assert_int_equal(totals(fixture).delivered, 6);
	assert_int_equal(totals(fixture).queued, 0);
	queue_test_close(fixture->queue);
	fixture->queue = NULL;
}

/* Let the housekeeping run until it finds nothing more. */
static struct stats_totals
tidy(struct fixture *fixture)
{
	struct stats_totals totals;
	bool more = true;

	fair_lock_hold(&fixture->queue->lock);
	for (int step = 0; more; step++) {
		assert_true(step < STEPS_MAX);
		evict_tidy(fixture->queue, &more);
	}
	queue_publish(fixture->queue);
	fair_lock_drop(&fixture->queue->lock);
	stats_totals(fixture->queue, &totals);
	return totals;
}

/* What a damaged page keeps from being deleted keeps nothing else: the archive
 * would fill the queue, and everybody would be refused. */
static void
test_what_cannot_go_holds_nothing_up(void **state)
{
	enum { BATCHES = 1000, LEFT = 200 };
	struct fixture *fixture = *state;
	struct stats_totals totals;

	FILE_ONLY();
	put_batches(fixture, "a", BATCHES);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), BATCHES);
	fixture->settings.keep_bytes = 1;
	first_leaf_break(fixture, "batch");
	totals = tidy(fixture);
	print_message("%d of %d batches are left\n",
	    (int)totals.archive_batches, BATCHES);
	assert_in_range(totals.archive_batches, 1, LEFT);
	put(fixture, "b", 1);
	assert_int_equal(deliver(fixture, QUEUE_DELIVERED), 1);
	queue_test_close(fixture->queue);
	fixture->queue = NULL;
}

/* Likewise, where it is an index that finds them. */
static void
test_bodies_that_cannot_go(void **state)
{
	enum { BODIES = 1000, LEFT = 700 };
	struct fixture *fixture = *state;
	struct stats_totals totals;
	struct answer answer;
	struct err err;
	char text[32];

	FILE_ONLY();
	for (int i = 0; i < BODIES; i++) {
		struct queue_unreadable body = {
		    .source = "main", .encoding = "", .reason = "not JSON"};

		(void)snprintf(text, sizeof(text), "body %d", i);
		body.data = str_text(text);
		answer_init(&answer);
		assert_true(queue_put_unreadable(
		    fixture->queue, &body, answer_done, &answer, &err));
		assert_true(answer_wait(&answer));
	}
	fixture->settings.unreadable_max_bytes = 1;
	first_leaf_break(fixture, "sqlite_autoindex_unreadable_1");
	totals = tidy(fixture);
	print_message(
	    "%d of %d bodies are left\n", (int)totals.unreadable, BODIES);
	assert_in_range(totals.unreadable, 1, LEFT);
	queue_test_close(fixture->queue);
	fixture->queue = NULL;
}

/* A time that cannot be costs none of the letters that are packed with it. */
static void
test_a_time_before_all_times(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;

	FILE_ONLY();
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "dead", 3, ITEM_DEAD, &answer));
	put(fixture, "a", 1);
	sql(fixture, "UPDATE batch SET accepted_ms=-5");
	assert_int_equal(deliver(fixture, QUEUE_DEAD), 1);
	assert_int_equal(scan(fixture, JOBS_DEAD).matched, 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_sound_file_has_no_fault),
	    TEST(test_a_delivery_of_no_destination),
	    TEST(test_an_archived_batch_of_nobody),
	    TEST(test_numbers_at_their_end),
	    TEST(test_numbers_that_marks_cannot_have),
	    TEST(test_sums_that_overflow),
	    TEST(test_sums_are_named),
	    TEST(test_a_sum_of_a_folded_hour),
	    TEST(test_sets_that_do_not_agree),
	    TEST(test_a_batch_and_no_delivery),
	    TEST(test_a_row_that_cannot_be_changed),
	    TEST(test_many_are_quarantined_one_by_one),
	    TEST(test_what_is_quarantined_is_tried_ever_later),
	    TEST(test_what_else_is_quarantined),
	    TEST(test_what_cannot_be_quarantined),
	    TEST(test_keys_that_do_not_grow),
	    TEST(test_numbers_that_do_not_grow),
	    TEST(test_marks_that_cannot_go),
	    TEST(test_pages_that_lead_to_each_other),
	    TEST(test_a_damaged_page_hides_no_other),
	    TEST(test_a_damaged_counter_keeps_nothing_from_starting),
	    TEST(test_a_damaged_index_hides_no_other),
	    TEST(test_a_damaged_archive_stops_no_delivery),
	    TEST(test_what_cannot_go_holds_nothing_up),
	    TEST(test_bodies_that_cannot_go),
	    TEST(test_a_time_before_all_times),
	    TEST(test_damaged_erasures_keep_nothing_from_starting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
