/*
 * Damage: a queue whose file or log has flipped bits, is cut off, is
 * garbage, or cannot be read or written. It is refused with a clear message,
 * or what can be read is served and the rest quarantined. It never crashes or
 * hangs, never hands out bytes that were not put, and never becomes a new,
 * empty queue.
 */

#include "calls.h"
#include "fault_help.h"
#include "verify.h"

#include "queue/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum {
	DAMAGE_SEED = 11,
	DAMAGE_PUTS = 60,
	DAMAGE_PAGE = 16384,
	DAMAGE_SECONDS = 20
};

/* The files of a queue with much in the file and some in the log. */
struct damage {
	struct places places;
	struct model model;
	char *file, *log;
	size_t file_len, log_len;
	size_t refused, served, quarantined;
};

static char *
damage_read(const char *dir, const char *name, size_t *ret_len)
{
	struct stat info;
	char path[200], *bytes;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &info), 0);
	bytes = malloc((size_t)info.st_size + 1);
	assert_non_null(bytes);
	assert_int_equal(
	    pread(fd, bytes, (size_t)info.st_size, 0), info.st_size);
	assert_int_equal(close(fd), 0);
	*ret_len = (size_t)info.st_size;
	return bytes;
}

static void
damage_write(const struct damage *damage, const char *name, const char *bytes,
    size_t len)
{
	char path[200];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", damage->places.cut, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, 0), (ssize_t)len);
	assert_int_equal(close(fd), 0);
}

static int
setup(void **state)
{
	struct damage *damage = calloc(1, sizeof(*damage));
	struct work work;
	struct err err;
	size_t first;

	assert_non_null(damage);
	places_make(&damage->places);
	model_init(&damage->model, DAMAGE_SEED);
	for (int life = 0; life < 2; life++) {
		assert_true(
		    work_open(&work, &damage->model, damage->places.dir, &err));
		work_once(&work, DAMAGE_SEED);
		if (life > 0)
			break;
		for (int i = 0; i < DAMAGE_PUTS; i++) {
			assert_true(model_events_new(&damage->model, &first));
			assert_true(work_put(&work, first, MODEL_BATCH));
		}
		work_close(&work); /* moves it into the file */
	}
	damage->file =
	    damage_read(damage->places.dir, "queue.db", &damage->file_len);
	damage->log =
	    damage_read(damage->places.dir, "queue.db-wal", &damage->log_len);
	work_close(&work);
	assert_true(damage->log_len > DAMAGE_PAGE);
	*state = damage;
	return 0;
}

static int
teardown(void **state)
{
	struct damage *damage = *state;

	model_fini(&damage->model);
	places_remove(&damage->places);
	free(damage->file);
	free(damage->log);
	free(damage);
	return 0;
}

/* Lay out both files, to be damaged further. */
static void
damage_begin(const struct damage *damage)
{
	disk_clear(damage->places.cut);
	damage_write(damage, "queue.db", damage->file, damage->file_len);
	damage_write(damage, "queue.db-wal", damage->log, damage->log_len);
}

static void
damage_wrong(struct damage *damage, const char *what)
{
	places_keep(&damage->places);
	fail_msg("%s", what);
}

static void
damage_take_all(struct damage *damage, struct work *work)
{
	static _Thread_local char data[MODEL_DATA];
	unsigned char seen[MODEL_EVENTS] = {0};
	struct queue_want want = {.destination = work->destination};
	struct queue_lease *leases[MODEL_EVENTS];
	size_t count = 0, number;
	struct err err;

	while (count < MODEL_EVENTS &&
	       queue_take(work->queue, &want, 1, INT64_MAX - 1, &leases[count],
		   &err) &&
	       leases[count] != NULL)
		count++;
	for (size_t i = 0; i < count; i++) {
		if (leases[i]->source == NULL)
			damage_wrong(damage, "an event of no source");
		for (size_t n = 0; n < leases[i]->count; n++) {
			const struct queue_item *item = &leases[i]->items[n];

			if (!model_type_read(
				item->type.data, item->type.len, &number) ||
			    number >= MODEL_EVENTS ||
			    item->data.len !=
				model_data(&damage->model, number, data) ||
			    memcmp(item->data.data, data, item->data.len) != 0)
				damage_wrong(damage, "bytes never put");
			if (seen[number]++ > 0)
				damage_wrong(damage, "an event twice");
		}
	}
	while (count > 0)
		queue_lease_free(work->queue, leases[--count]);
}

static void
damage_told(void *arg, const char *text)
{
	(void)text;
	++*(size_t *)arg;
}

/* Does the check find what is damaged? */
static bool
damage_is_found(struct queue *queue)
{
	size_t told = 0;
	struct jobs_check check = {.fn = damage_told, .arg = &told};
	struct err err;

	do {
		if (!jobs_check(queue, &check, &err))
			return err.code == ERR_DAMAGED;
	} while (check.more);
	return told > 0;
}

/* Open what is there, and use it if it can be opened. */
static void
damage_try(struct damage *damage)
{
	struct rng rng = {.state = DAMAGE_SEED};
	struct stats_totals totals;
	struct work work;
	struct err err = {.text = ""};

	/* only the bytes of the model matter here */
	memset(damage->model.events, 0, sizeof(damage->model.events));
	damage->model.posts.count = 0;
	(void)alarm(DAMAGE_SECONDS); /* a hang is a failure */
	if (!work_open(&work, &damage->model, damage->places.cut, &err)) {
		if ((err.code != ERR_DAMAGED && err.code != ERR_CONFIG &&
			err.code != ERR_IO) ||
		    strlen(err.text) < 20)
			damage_wrong(damage, err.text);
		damage->refused++;
		return;
	}
	stats_totals(work.queue, &totals);
	if (totals.events.received == 0 && totals.window_events == 0 &&
	    !damage_is_found(work.queue))
		damage_wrong(damage, "a new, empty queue");
	damage_take_all(damage, &work);
	stats_totals(work.queue, &totals);
	damage->served++;
	damage->quarantined += totals.quarantined_batches > 0;
	/* it goes on, or refuses, but does not crash */
	(void)work_forward(&work, &rng);
	(void)work_put(&work, damage->model.event_count - MODEL_BATCH, 1);
	work_close(&work);
	(void)alarm(0);
}

static void
damage_report(const struct damage *damage, const char *what)
{
	print_message("%s: %zu refused, %zu served (%zu of them with batches"
		      " quarantined)\n",
	    what, damage->refused, damage->served, damage->quarantined);
}

static void
test_flipped_bits(void **state)
{
	struct damage *damage = *state;
	size_t flips =
	    fault_number("CURRENTSD_FLIPS", fault_is_long() ? 100000 : 2000);
	struct rng rng = {.state = fault_number("CURRENTSD_SEED", 1)};
	char *copy = malloc(damage->file_len + damage->log_len);

	assert_non_null(copy);
	for (size_t i = 0; i < flips; i++) {
		bool log = rng_chance(&rng, 30);
		const char *bytes = log ? damage->log : damage->file;
		size_t len = log ? damage->log_len : damage->file_len;
		size_t count = 1 + (size_t)rng_below(&rng, 3) * 7;

		damage_begin(damage);
		memcpy(copy, bytes, len);
		for (size_t n = 0; n < count; n++)
			copy[rng_below(&rng, len)] ^=
			    (char)(1u << rng_below(&rng, 8));
		/* the headers of pages matter most and are small */
		if (rng_chance(&rng, 30))
			copy[rng_below(&rng, len / DAMAGE_PAGE) * DAMAGE_PAGE +
			     rng_below(&rng, 100)] ^=
			    (char)(1u << rng_below(&rng, 8));
		damage_write(
		    damage, log ? "queue.db-wal" : "queue.db", copy, len);
		damage_try(damage);
	}
	free(copy);
	damage_report(damage, "flipped bits");
	assert_true(damage->served > 0 && damage->refused > 0 &&
		    damage->quarantined > 0);
}

static void
test_cut_off(void **state)
{
	static const size_t odd[] = {0, 1, 511, 512, 8000, 16383};
	struct damage *damage = *state;

	for (size_t at = 0; at < damage->file_len; at += DAMAGE_PAGE) {
		for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
			if (at + odd[i] > damage->file_len)
				continue;
			damage_begin(damage);
			damage_write(
			    damage, "queue.db", damage->file, at + odd[i]);
			damage_try(damage);
		}
	}
	for (size_t at = 0; at < damage->log_len; at += DAMAGE_PAGE + 24) {
		for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
			damage_begin(damage);
			if (at + odd[i] < damage->log_len)
				damage_write(damage, "queue.db-wal",
				    damage->log, at + odd[i]);
			damage_try(damage);
		}
	}
	damage_report(damage, "cut off");
	assert_true(damage->served > 0 && damage->refused > 0);
}

static void
test_garbage(void **state)
{
	struct damage *damage = *state;
	struct rng rng = {.state = 3};
	size_t len = damage->file_len + damage->log_len;
	char *garbage = malloc(len);

	assert_non_null(garbage);
	for (size_t i = 0; i < len; i++)
		garbage[i] = (char)rng_next(&rng);
	for (int log = 0; log < 2; log++) {
		damage_begin(damage);
		damage_write(damage, log ? "queue.db-wal" : "queue.db", garbage,
		    log ? damage->log_len : damage->file_len);
		damage_try(damage);
	}
	assert_int_equal(damage->refused, 1);
	/* every page in turn */
	for (size_t at = 0; at < damage->file_len; at += DAMAGE_PAGE) {
		damage_begin(damage);
		memcpy(garbage, damage->file, damage->file_len);
		memset(garbage + at, (int)rng_below(&rng, 256), DAMAGE_PAGE);
		damage_write(damage, "queue.db", garbage, damage->file_len);
		damage_try(damage);
	}
	free(garbage);
	damage_report(damage, "garbage");
}

/* A disk that became read-only, as a kernel does after an error. */
static void
test_read_only(void **state)
{
	static const enum call_kind kinds[] = {
	    CALL_OPEN, CALL_WRITE, CALL_SYNC, CALL_TRUNCATE};
	struct damage *damage = *state;
	struct tape tape;
	struct work work;
	struct err err;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		damage_begin(damage);
		tape_init(&tape);
		calls_watch(damage->places.cut, &tape);
		calls_fail(kinds[i], 1, EROFS, true);
		assert_false(
		    work_open(&work, &damage->model, damage->places.cut, &err));
		assert_true(err.code == ERR_CONFIG || err.code == ERR_IO);
		assert_true(strlen(err.text) >= 20);
		assert_true(calls_disarm());
		calls_watch(NULL, NULL);
		tape_fini(&tape);
		/* nothing was replaced meanwhile */
		damage_try(damage);
		assert_int_equal(damage->served, i + 1);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_flipped_bits),
	    TEST(test_cut_off),
	    TEST(test_garbage),
	    TEST(test_read_only),
	};

	fault_quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
