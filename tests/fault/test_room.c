/*
 * Room and place: a quota that is met is a full disk and not a broken one,
 * and a state directory that was made is there after a power cut.
 */

#include "calls.h"
#include "fault_help.h"
#include "verify.h"

#include "queue/admin.h"

#include <errno.h>
#include <stdatomic.h>

enum { ROOM_SEED = 3 };

struct room {
	struct places places;
	struct tape tape;
	struct model model;
	struct work work;
};

static int
setup(void **state)
{
	struct room *room = calloc(1, sizeof(*room));

	assert_non_null(room);
	places_make(&room->places);
	tape_init(&room->tape);
	model_init(&room->model, ROOM_SEED);
	*state = room;
	return 0;
}

static int
teardown(void **state)
{
	struct room *room = *state;

	(void)calls_disarm();
	work_close(&room->work);
	calls_watch(NULL, NULL);
	tape_fini(&room->tape);
	model_fini(&room->model);
	places_remove(&room->places);
	free(room);
	return 0;
}

static size_t
room_put(struct room *room, bool *ret_ok)
{
	size_t first;

	assert_true(model_events_new(&room->model, &first));
	*ret_ok = work_put(&room->work, first, MODEL_BATCH);
	return first;
}

static struct stats_totals
room_totals(struct room *room)
{
	struct stats_totals totals;

	stats_totals(room->work.queue, &totals);
	return totals;
}

static bool
room_has_reserve(const struct room *room)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/reserve", room->places.dir);
	return access(path, F_OK) == 0;
}

/*
 * Every write meets the quota. SQLite calls that a failed write, for which
 * the queue would be closed and opened anew; of a full disk it is only told.
 */
static void
test_quota_is_a_full_disk(void **state)
{
	struct room *room = *state;
	struct rng rng = {.state = ROOM_SEED};
	struct err err;
	size_t first;
	bool ok;

	calls_watch(room->places.dir, &room->tape);
	assert_true(
	    work_open(&room->work, &room->model, room->places.dir, &err));
	(void)room_put(room, &ok);
	assert_true(ok);

	calls_fail(CALL_WRITE, 1, EDQUOT, true);
	first = room_put(room, &ok);
	assert_false(ok);
	assert_int_equal(atomic_load(&room->work.last_code), ERR_FULL);
	assert_false(room_totals(room).broken);
	/* delivery begins with a note, which releases the reserve; in vain
	 * here */
	assert_true(room_has_reserve(room));
	assert_false(work_post(&room->work));
	assert_false(room_has_reserve(room));
	assert_false(work_forward(&room->work, &rng));
	assert_false(room_totals(room).broken);

	assert_true(calls_disarm());
	assert_true(work_put(&room->work, first, MODEL_BATCH));
	assert_true(work_forward(&room->work, &rng));
	assert_false(room->work.bad_code);
	assert_true(verify_queue(&room->work, calls_position() + 1));
}

/* The log is written anew when the queue opens: the same there. */
static void
test_quota_at_open(void **state)
{
	struct room *room = *state;
	struct err err;
	bool ok;

	calls_watch(room->places.dir, &room->tape);
	assert_true(
	    work_open(&room->work, &room->model, room->places.dir, &err));
	(void)room_put(room, &ok);
	assert_true(ok);
	calls_fail(CALL_SYNC, 1, EIO, true);
	(void)room_put(room, &ok); /* so that closing leaves the log */
	assert_false(ok);
	work_close(&room->work);
	assert_true(calls_disarm());

	/* the first write is the name in the lock file, which may fail */
	calls_fail(CALL_WRITE, 2, EDQUOT, false);
	assert_true(
	    work_open(&room->work, &room->model, room->places.dir, &err));
	assert_true(calls_disarm());
	assert_true(verify_queue(&room->work, calls_position() + 1));
}

/* How often was the parent synced before anything was written? */
static size_t
parent_syncs(const struct room *room)
{
	const struct tape *tape = &room->tape;
	int parent = tape_find(tape, "dir/..");
	size_t count = 0;

	for (size_t i = 0; i < tape->count; i++) {
		if (tape->ops[i].what == TAPE_WRITE)
			break;
		if (tape->ops[i].what == TAPE_SYNC &&
		    tape->ops[i].file == parent)
			count++;
	}
	return count;
}

/* A directory is durable when its parent was synced; if that fails it is
 * taken away, so that the next try cannot find it and skip the sync. */
static void
test_parent_of_a_new_directory_is_synced(void **state)
{
	struct room *room = *state;
	struct err err;

	assert_int_equal(rmdir(room->places.dir), 0);
	calls_watch(room->places.base, &room->tape);
	calls_fail(CALL_SYNC, 1, EIO, false);
	assert_false(
	    work_open(&room->work, &room->model, room->places.dir, &err));
	assert_true(calls_disarm());
	assert_int_equal(err.code, ERR_IO);
	assert_int_equal(access(room->places.dir, F_OK), -1);
	assert_int_equal(parent_syncs(room), 0);

	assert_true(
	    work_open(&room->work, &room->model, room->places.dir, &err));
	assert_int_equal(parent_syncs(room), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_quota_is_a_full_disk),
	    TEST(test_quota_at_open),
	    TEST(test_parent_of_a_new_directory_is_synced),
	};

	fault_quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
