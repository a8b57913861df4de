#include "daemon/erase.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* people in a sweep: every unreadable body is searched for each */
	SWEEP_PEOPLE = 250,
	/* after a start, since erasing may have caused the last stop */
	SWEEP_REST_MS = 60 * 1000,
	SWEEP_EVERY_MS = 1000,
	ERASE_RESULT_MAX = 4096,
};

/* ---- the job ---- */

static bool
erase_find(void *arg, const struct jobs_event *event)
{
	persons_find(arg, event->type, event->data);
	return false;
}

static bool
erase_share(void *arg, const struct jobs_event *event)
{
	persons_share(arg, event->type, event->data);
	return false;
}

static bool
erase_match(void *arg, const struct jobs_event *event)
{
	return persons_match(arg, event->type, event->data);
}

/* What is erased is looked at: also what a batch still has of events that are
 * settled. */
static bool
erase_look_step(
    struct queue *queue, struct jobs_walk *walk, void *arg, struct err *reterr)
{
	(void)arg;
	walk->settled = true;
	return jobs_scan(queue, walk, reterr);
}

static bool
erase_step(
    struct queue *queue, struct jobs_walk *walk, void *arg, struct err *reterr)
{
	(void)arg;
	return jobs_erase(queue, walk, reterr);
}

/* One pass over all places, in the order in which events move. */
static bool
erase_pass(struct job *job, const char *verb, job_step_fn *step,
    jobs_match_fn *match, struct erase_result *result, struct err *reterr)
{
	struct forwarder *forwarder = atomic_load(&job->daemon->forwarder);

	job->step = step;
	job->match = match;
	job->damaged = 0;
	for (int place = 0; place < JOBS_PLACES; place++) {
		job->verb = verb != NULL
				? verb
				: jobs_place_name((enum jobs_place)place);
		job->matched = 0;
		if (!job_run(job, (enum jobs_place)place, reterr))
			return false;
		result->removed[place] = job->matched;
		/* The forwarder still holds events that it took before. */
		if (place == JOBS_QUEUED && step == erase_step &&
		    forwarder != NULL)
			forwarder_reread(forwarder);
	}
	return true;
}

/* What comes from now on is dropped. */
static bool
erase_suppress(
    struct daemon *daemon, const struct persons *persons, struct err *reterr)
{
	const struct str *ids;
	size_t count;

	ids = persons_ids(persons, &count);
	return daemon->first.settings->queue.suppress_ms == 0 ||
	       jobs_suppress(daemon->queue, ids, count, reterr);
}

static bool
erase_members(struct daemon *daemon, const struct persons *persons,
    struct erase_result *result, struct err *reterr)
{
	const struct str *ids;
	size_t count;

	ids = persons_ids(persons, &count);
	return jobs_erase_members(
	    daemon->queue, ids, count, &result->members, reterr);
}

/* Find out by which ids the people are known. */
static bool
erase_look(struct job *job, struct persons *persons,
    struct erase_result *result, struct err *reterr)
{
	bool devices;

	job->match_arg = persons;
	return erase_pass(job, "looking for ids", erase_look_step, erase_find,
		   result, reterr) &&
	       persons_found(persons, &devices, reterr) &&
	       (!devices || erase_pass(job, "looking for devices",
				erase_look_step, erase_share, result, reterr));
}

/* Then erase what is stored of them. */
static bool
erase_stored(struct job *job, struct persons *persons,
    struct erase_result *result, struct err *reterr)
{
	struct selection bodies;
	bool ok;

	if (!erase_suppress(job->daemon, persons, reterr) ||
	    !erase_pass(job, NULL, erase_step, erase_match, result, reterr) ||
	    !erase_members(job->daemon, persons, result, reterr))
		return false;
	selection_init(&bodies);
	bodies.ids = persons_ids(persons, &bodies.id_count);
	job->verb = "unreadable";
	job->selection = &bodies;
	ok = job_run_bodies(job, NULL, NULL, true, &result->unclear, reterr);
	job->selection = NULL;
	result->bodies = bodies.count;
	if (!ok)
		return false;
	return jobs_flush(job->daemon->queue, reterr);
}

bool
erase_run(struct daemon *daemon, const struct job_caller *caller,
    const char *const *users, size_t count, int64_t erased_ms,
    struct erase_result *ret_result, struct err *reterr)
{
	struct erase_result result = {.bodies = 0};
	struct generation *generation = in_force_hold(&daemon->in_force);
	struct persons *persons = NULL;
	struct jobs_erasing erasing;
	struct buf none = {0};
	struct job job = {
	    .daemon = daemon,
	    .caller = caller,
	    .out = &none,
	    .now_ms = clock_wall_ms(),
	};
	struct err err;
	size_t missed;
	bool ok = false;

	if (!persons_new(
		generation->settings, users, count, &persons, reterr) ||
	    !jobs_erase_begin(daemon->queue, &erasing, reterr) ||
	    !erase_look(&job, persons, &result, reterr))
		goto out;
	result.persons = persons_told(persons);
	if (!erase_stored(&job, persons, &result, &err)) {
		(void)err_set(reterr, err.code,
		    "%s; what was erased so far stays erased: erase these "
		    "people again for the rest",
		    err.text);
		goto out;
	}
	missed = jobs_erase_missed(daemon->queue, &erasing);
	result.damaged = missed > job.damaged ? missed : job.damaged;
	/* People stay on the list while a damaged batch may hold them. */
	ok = result.damaged > 0 ||
	     jobs_erasures_done(daemon->queue, users, count,
		 erasing.last_erasure, erased_ms, reterr);
	if (ok)
		*ret_result = result;
out:
	persons_free(persons);
	generation_drop(generation);
	return ok;
}

/* Each count, as a member of the object or (NULL) as a member of a line. */
static void
erase_write(
    const struct erase_result *result, struct json *json, struct buf *line)
{
	const struct {
		const char *name;
		int64_t count;
	} more[] = {
	    {"members", (int64_t)result->members},
	    {"unreadable", result->bodies},
	    {"unreadable_unclear", (int64_t)result->unclear},
	    {"damaged_batches", (int64_t)result->damaged},
	    {"ids_found", (int64_t)result->persons.found},
	    {"ids_alone", (int64_t)result->persons.alone},
	    {"devices_shared", (int64_t)result->persons.shared},
	};
	size_t rows = JOBS_PLACES + sizeof(more) / sizeof(more[0]);

	for (size_t i = 0; i < rows; i++) {
		bool place = i < JOBS_PLACES;
		const char *name = place ? jobs_place_name((enum jobs_place)i)
					 : more[i - JOBS_PLACES].name;
		int64_t count = place ? (int64_t)result->removed[i]
				      : more[i - JOBS_PLACES].count;

		if (json != NULL)
			json_int(json, name, count);
		else
			(void)buf_printf(line, "%s%s=%" PRId64,
			    i > 0 ? " " : "", name, count);
	}
}

void
erase_json(const struct erase_result *result, struct json *json)
{
	erase_write(result, json, NULL);
}

void
erase_log(const struct daemon *daemon, size_t people,
    const struct erase_result *result, const char *caller)
{
	bool whole = result->unclear == 0 && result->damaged == 0;
	struct buf text;

	if (atomic_load(&daemon->server) == NULL)
		return;
	buf_init(&text, ERASE_RESULT_MAX);
	erase_write(result, NULL, &text);
	log_line(whole ? LOG_INFO : LOG_WARN, "erase",
	    "erased people=%zu caller=%s %.*s%s", people, caller, (int)text.len,
	    text.data,
	    whole ? ""
		  : " help=\"some batches or bodies could not be searched: see "
		    "`currentsd erase --help`\"");
	buf_fini(&text);
}

/* ---- the sweep ---- */

struct erase_sweep {
	/* set before the thread starts */
	struct daemon *daemon;
	pthread_t thread;

	struct lock lock;
	struct cond stopping;
	atomic_bool stop; /* set with the lock held */

	/* owned by the thread */
	int64_t next_ms;  /* monotonic: not before */
	int64_t after;	  /* the last row of the list that was done */
	int64_t again_ms; /* monotonic: from the first row again, once the last
			   * one is done */
	size_t fewer;	  /* people at once, after too many; or 0 */
};

/* The people that the next sweep erases. */
struct sweep_people {
	const struct settings *settings;
	const char *users[SWEEP_PEOPLE]; /* owned */
	size_t count, most;
	int64_t last; /* row that was looked at */
};

static bool
sweep_erases(const struct settings_source *source)
{
	return source->on_delete == SETTINGS_ON_DELETE_ERASE;
}

static bool
sweep_row(void *arg, int64_t id, const char *source, const char *subject,
    int64_t noted_ms, int64_t erased_ms)
{
	struct sweep_people *people = arg;
	const struct settings_source *from =
	    settings_source_find(people->settings, source);
	char *copy;

	(void)noted_ms;
	if (erased_ms == 0 && from != NULL && sweep_erases(from)) {
		copy = strdup(subject);
		if (copy == NULL)
			return false; /* the rest is for the next sweep */
		people->users[people->count++] = copy;
	}
	people->last = id;
	return people->count < people->most;
}

static bool
sweep_progress(void *arg, const char *text, struct err *reterr)
{
	struct erase_sweep *sweep = arg;

	job_note(sweep->daemon, text);
	return !atomic_load(&sweep->stop) ||
	       err_set(reterr, ERR_STOPPING, "the daemon is stopping");
}

static bool
sweep_message(void *arg, const char *text, struct err *reterr)
{
	(void)arg;
	(void)reterr;
	log_line(LOG_WARN, "erase", "message why=%s", LOG_QUOTE(text));
	return true;
}

static void
sweep_fail_log(size_t people, const struct err *err)
{
	const char *help = "these people stay on the list, and the daemon "
			   "will try again";

	if (err->code == ERR_LIMIT && people == 1)
		help = "this person stays on the list, and the daemon will "
		       "try again after the others";
	log_line(err->code == ERR_STOPPING ? LOG_INFO : LOG_ERROR, "erase",
	    "fail people=%zu why=%s help=\"%s\"", people, LOG_QUOTE(err->text),
	    help);
}

/* ERR_LIMIT: not all of these people can be erased at once. ERR_CONFLICT:
 * another job runs. */
static enum err_code
sweep_run(struct erase_sweep *sweep, const struct sweep_people *people)
{
	struct daemon *daemon = sweep->daemon;
	const struct job_caller caller = {
	    .arg = sweep,
	    .message = sweep_message,
	    .progress = sweep_progress,
	};
	struct erase_result result;
	struct err err;
	bool ok;

	if (!job_begin(daemon, "erase", &err))
		return err.code;
	ok = erase_run(daemon, &caller, people->users, people->count,
	    clock_wall_ms(), &result, &err);
	job_end(daemon);
	if (ok)
		erase_log(daemon, people->count, &result, "on_delete");
	else
		sweep_fail_log(people->count, &err);
	return ok ? ERR_NONE : err.code;
}

/* Go on behind those who were erased. One who is too many must not keep the
 * others from it: they are erased apart, and that one is passed over. */
static void
sweep_end(struct erase_sweep *sweep, const struct sweep_people *people,
    enum err_code code)
{
	bool apart = code == ERR_LIMIT && people->count > 1;

	if (apart) {
		sweep->fewer = people->count / 2;
	} else if (code == ERR_NONE || code == ERR_LIMIT) {
		sweep->after = people->last;
		sweep->fewer *= 2;
	}
	if (sweep->fewer >= SWEEP_PEOPLE)
		sweep->fewer = 0;
	/* At once, if the list may have more people. */
	sweep->next_ms = clock_mono_ms();
	if (!apart && (code != ERR_NONE || people->count < people->most))
		sweep->next_ms += people->settings->erase_interval_ms;
}

static void
sweep_once(struct erase_sweep *sweep, int64_t mono_ms)
{
	struct daemon *daemon = sweep->daemon;
	struct generation *generation = in_force_hold(&daemon->in_force);
	struct sweep_people people = {.settings = generation->settings,
	    .most = sweep->fewer > 0 ? sweep->fewer : SWEEP_PEOPLE,
	    .last = sweep->after};
	enum err_code code;
	struct err err;

	/* If the queue cannot be read now, the next try is in a second. */
	if (!stats_erasures(daemon->queue, sweep->after, SWEEP_PEOPLE,
		sweep_row, &people, &err))
		goto out;
	if (people.count == 0) {
		/* Some events of those who stayed may have been missed. */
		if (people.last == sweep->after && mono_ms >= sweep->again_ms) {
			people.last = 0;
			sweep->again_ms =
			    mono_ms + people.settings->erase_interval_ms;
		}
		sweep->after = people.last;
		goto out;
	}
	code = sweep_run(sweep, &people);
	if (code != ERR_CONFLICT)
		sweep_end(sweep, &people, code);
out:
	for (size_t i = 0; i < people.count; i++)
		free((char *)(uintptr_t)people.users[i]);
	generation_drop(generation);
}

static void *
sweep_main(void *arg)
{
	struct erase_sweep *sweep = arg;
	int64_t now_ms;

	while (!atomic_load(&sweep->stop)) {
		now_ms = clock_mono_ms();
		if (now_ms >= sweep->next_ms)
			sweep_once(sweep, now_ms);
		lock_hold(&sweep->lock);
		if (!atomic_load(&sweep->stop))
			cond_wait(&sweep->stopping, &sweep->lock,
			    clock_mono_ms() + SWEEP_EVERY_MS);
		lock_drop(&sweep->lock);
	}
	return NULL;
}

bool
erase_sweep_start(
    struct daemon *daemon, const struct settings *settings, struct err *reterr)
{
	int64_t interval_ms = settings->erase_interval_ms;
	struct erase_sweep *sweep;
	bool needed = false;

	for (size_t i = 0; i < settings->source_count; i++)
		needed |= sweep_erases(&settings->sources[i]);
	if (!needed || daemon->sweep != NULL)
		return true;
	sweep = calloc(1, sizeof(*sweep));
	if (sweep == NULL)
		return err_set_nomem(reterr);
	sweep->daemon = daemon;
	sweep->next_ms =
	    clock_mono_ms() +
	    (interval_ms < SWEEP_REST_MS ? interval_ms : SWEEP_REST_MS);
	sweep->again_ms = sweep->next_ms + interval_ms;
	lock_init(&sweep->lock);
	cond_init(&sweep->stopping);
	if (pthread_create(&sweep->thread, NULL, sweep_main, sweep) == 0) {
		daemon->sweep = sweep;
		return true;
	}
	cond_fini(&sweep->stopping);
	lock_fini(&sweep->lock);
	free(sweep);
	return err_set(
	    reterr, ERR_NOMEM, "cannot start the thread that erases people");
}

void
erase_sweep_stop(struct erase_sweep *sweep)
{
	if (sweep == NULL)
		return;
	lock_hold(&sweep->lock);
	atomic_store(&sweep->stop, true);
	cond_wake(&sweep->stopping);
	lock_drop(&sweep->lock);
	CHECK(pthread_join(sweep->thread, NULL) == 0);
	cond_fini(&sweep->stopping);
	lock_fini(&sweep->lock);
	free(sweep);
}
