/*
 * Power cuts: a queue at work is taped, and at many points of the tape the
 * disks that a cut could have left are made, opened and looked at. At one
 * point of each tape the process is killed instead, and another goes on with
 * what the page cache shows, so that a cut may come after two lives. Some
 * tapes have a failed sync.
 *
 * CURRENTSD_LONG=1 makes 100,000 disks, otherwise 2,000; CURRENTSD_DISKS and
 * CURRENTSD_SEED choose otherwise.
 */

#include "calls.h"
#include "disk.h"
#include "fault_help.h"
#include "verify.h"

#include <errno.h>
#include <sys/wait.h>

enum { POWER_LIFE_DISKS = 25, POWER_PUTS = 10, POWER_LIVES = 2 };

struct power {
	struct places places;
	struct tape tape;
	struct model model;
	struct rng rng;
	uint64_t seed;
	size_t disks, wanted;
};

/* One life in places.dir; its queue is closed, but the tape goes on to where
 * the last put was answered: what closing does is taken away again. */
static void
power_live(struct power *power)
{
	struct work work;
	struct err err;
	size_t end;

	calls_watch(power->places.dir, &power->tape);
	if (rng_chance(&power->rng, 30))
		calls_fail(CALL_SYNC, 1 + (long)rng_below(&power->rng, 60),
		    rng_chance(&power->rng, 80) ? EIO : ENOSPC, false);
	if (!work_open(&work, &power->model, power->places.dir, &err)) {
		/* only for a sync that failed; then nothing was begun */
		assert_true(calls_disarm());
		calls_watch(NULL, NULL);
		return;
	}
	work_busily(&work, rng_next(&power->rng), POWER_PUTS);
	(void)calls_disarm();
	assert_false(work.bad_bytes);
	assert_false(work.bad_code);
	end = (size_t)calls_position();
	work_close(&work);
	calls_watch(NULL, NULL);
	/* half of the time the end was orderly */
	if (rng_chance(&power->rng, 50))
		tape_cut(&power->tape, end);
}

static void
power_cut(struct power *power, struct disk *disk, size_t position)
{
	enum disk_cut cut = (enum disk_cut)rng_below(&power->rng, DISK_CUTS);

	disk_advance(disk, position);
	disk_leave(disk, cut, power->places.cut);
	power->disks++;
	if (!verify_dir(&power->model, power->places.cut, (int64_t)position)) {
		places_keep(&power->places);
		fail_msg("seed %llu, position %zu of %zu, cut %d, disk %zu",
		    (unsigned long long)power->seed, position,
		    power->tape.count, (int)cut, power->disks);
	}
}

static int
power_order(const void *left, const void *right)
{
	size_t a = *(const size_t *)left, b = *(const size_t *)right;

	return a < b ? -1 : a > b;
}

/* Cut at some points after `from`, in order, since the disk only goes on. */
static void
power_cuts(struct power *power, struct disk *disk, size_t from)
{
	size_t at[POWER_LIFE_DISKS];

	for (int i = 0; i < POWER_LIFE_DISKS; i++)
		at[i] = from + (size_t)rng_below(
				   &power->rng, power->tape.count - from + 1);
	qsort(at, POWER_LIFE_DISKS, sizeof(at[0]), power_order);
	for (int i = 0; i < POWER_LIFE_DISKS; i++)
		power_cut(power, disk, at[i]);
}

/* Lives with a kill between them, and cuts in each. */
static void
power_run(struct power *power)
{
	uint64_t disk_seed;
	struct disk *disk;
	size_t from = 0, kill;

	power->rng.state = power->seed;
	disk_seed = rng_next(&power->rng);
	tape_init(&power->tape);
	model_init(&power->model, power->seed);
	disk_clear(power->places.dir);
	for (int life = 1; life <= POWER_LIVES; life++) {
		power_live(power);
		disk = disk_new(&power->tape, disk_seed);
		power_cuts(power, disk, from);
		disk_free(disk);
		kill = from + (size_t)rng_below(
				  &power->rng, power->tape.count - from + 1);
		disk = disk_new(&power->tape, disk_seed);
		disk_advance(disk, kill);
		disk_leave(disk, DISK_CACHE, power->places.dir);
		disk_free(disk);
		tape_cut(&power->tape, kill);
		model_kill(&power->model, (int64_t)kill);
		from = kill;
	}
	tape_fini(&power->tape);
	model_fini(&power->model);
}

struct power_done {
	size_t disks, tapes;
};

/* One of so many workers: its share of the disks, with seeds of its own. */
static struct power_done
power_work(size_t worker, size_t workers)
{
	struct power *power = calloc(1, sizeof(*power));
	size_t wanted =
	    fault_number("CURRENTSD_DISKS", fault_is_long() ? 100000 : 2000);
	struct power_done done = {0};

	assert_non_null(power);
	places_make(&power->places);
	power->wanted = (wanted + workers - 1) / workers;
	power->seed = fault_number("CURRENTSD_SEED", 1) + worker;
	for (; power->disks < power->wanted; power->seed += workers) {
		power_run(power);
		done.tapes++;
	}
	done.disks = power->disks;
	places_remove(&power->places);
	free(power);
	return done;
}

/* A process for each processor, since one tape knows nothing of another. In
 * a worker a failed assertion ends the program with its failure. */
static void
test_power_cuts(void **state)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t workers = processors > 1 ? (size_t)processors : 1;
	struct power_done done, all = {0};
	int pipes[2], status;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	(void)fflush(NULL);
	for (size_t worker = 0; worker < workers; worker++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid > 0)
			continue;
		done = power_work(worker, workers);
		_exit(write(pipes[1], &done, sizeof(done)) != sizeof(done));
	}
	for (size_t worker = 0; worker < workers; worker++) {
		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		assert_int_equal(
		    read(pipes[0], &done, sizeof(done)), sizeof(done));
		all.disks += done.disks;
		all.tapes += done.tapes;
	}
	assert_int_equal(close(pipes[0]), 0);
	assert_int_equal(close(pipes[1]), 0);
	print_message("power cuts: %zu disks of %zu tapes, all sound\n",
	    all.disks, all.tapes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_power_cuts),
	};

	fault_quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
