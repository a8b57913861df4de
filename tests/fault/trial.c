#include "trial.h"

#include "calls.h"

enum { TRIAL_SEED = 7 };

void
trial_init(struct trial *trial)
{
	struct work work;
	struct err err;
	size_t end;

	memset(trial, 0, sizeof(*trial));
	places_make(&trial->places);
	tape_init(&trial->killed_tape);
	model_init(&trial->killed_model, TRIAL_SEED);
	calls_watch(trial->places.dir, &trial->killed_tape);
	if (!work_open(&work, &trial->killed_model, trial->places.dir, &err))
		fail_msg("open: %s", err.text);
	work_once(&work, TRIAL_SEED);
	end = (size_t)calls_position();
	work_close(&work);
	calls_watch(NULL, NULL);
	tape_cut(&trial->killed_tape, end);
	trial->killed_disk = disk_new(&trial->killed_tape, TRIAL_SEED);
	disk_advance(trial->killed_disk, end);
}

void
trial_fini(struct trial *trial)
{
	disk_free(trial->killed_disk);
	tape_fini(&trial->killed_tape);
	model_fini(&trial->killed_model);
	places_remove(&trial->places);
}

static void
trial_begin(struct trial *trial, bool fresh)
{
	const struct model *killed = &trial->killed_model;
	struct model *model = &trial->model;

	model_init(model, TRIAL_SEED);
	tape_init(&trial->tape);
	if (fresh) {
		disk_clear(trial->places.dir);
	} else {
		disk_leave(trial->killed_disk, DISK_CACHE, trial->places.dir);
		tape_copy(&trial->tape, &trial->killed_tape);
		memcpy(model->events, killed->events, sizeof(model->events));
		memcpy(model->bodies, killed->bodies, sizeof(model->bodies));
		model->event_count = killed->event_count;
		model->body_count = killed->body_count;
		model->posts = killed->posts;
	}
	calls_watch(trial->places.dir, &trial->tape);
}

void
trial_end(struct trial *trial)
{
	calls_watch(NULL, NULL);
	tape_fini(&trial->tape);
	model_fini(&trial->model);
}

static void
trial_wrong(struct trial *trial, long nth, const char *what)
{
	places_keep(&trial->places);
	fail_msg("the %ldth step failing: %s", nth, what);
}

/* A failure at the door is no damage, and one of the place at most. */
static bool
trial_refusal_is_right(const struct err *err)
{
	return (err->code == ERR_IO || err->code == ERR_FULL ||
		   err->code == ERR_NOMEM || err->code == ERR_CONFIG ||
		   err->code == ERR_DAMAGED) &&
	       err->text[0] != '\0';
}

bool
trial_run(struct trial *trial, bool fresh, trial_arm_fn *arm,
    trial_disarm_fn *disarm, void *arg, long nth)
{
	bool struck, ok;
	struct work work;
	struct err err;

	trial_begin(trial, fresh);
	trial->trials++;
	arm(arg, nth);
	ok = work_open(&work, &trial->model, trial->places.dir, &err);
	if (ok)
		work_once(&work, (uint64_t)nth);
	struck = disarm();
	if (!ok && !trial_refusal_is_right(&err))
		trial_wrong(trial, nth, err.text);
	if (!ok && !work_open(&work, &trial->model, trial->places.dir, &err))
		trial_wrong(trial, nth, err.text);
	if (!work_recover(&work))
		trial_wrong(trial, nth, "it does not recover");
	if (work.bad_code || work.bad_bytes)
		trial_wrong(trial, nth, "a wrong code, or wrong bytes");
	if (!verify_queue(&work, calls_position() + 1))
		trial_wrong(trial, nth, "the running queue is wrong");
	work_close(&work);
	trial->end = calls_position();
	calls_watch(NULL, NULL);
	if (!verify_dir(&trial->model, trial->places.dir, trial->end + 1))
		trial_wrong(trial, nth, "the queue opened again is wrong");
	return struck;
}

void
trial_cut(struct trial *trial, size_t disks, uint64_t seed)
{
	struct rng rng = {.state = seed};
	struct disk *disk;

	for (size_t i = 0; i < disks; i++) {
		size_t at = (size_t)rng_below(&rng, (uint64_t)trial->end + 1);

		disk = disk_new(&trial->tape, rng_next(&rng));
		disk_advance(disk, at);
		disk_leave(disk,
		    (enum disk_cut)(DISK_LOST + rng_below(&rng, DISK_CUTS - 1)),
		    trial->places.cut);
		disk_free(disk);
		if (verify_dir(&trial->model, trial->places.cut, (int64_t)at))
			continue;
		places_keep(&trial->places);
		fail_msg("seed %llu, position %zu of %zu",
		    (unsigned long long)seed, at, trial->tape.count);
	}
}
