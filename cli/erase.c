/*
 * currentsd erase: erases people from everything that is stored here.
 *
 * An event on its way moves only forward through the places, from the queued
 * to the archive or the dead letters, so going through them in this order
 * meets it. At the end the file is rebuilt, once for all of them, and always:
 * pages that earlier deliveries freed may hold them too. Only then do they
 * leave the list of erasures, so that a job that was cut short is seen to be
 * unfinished.
 */

#include "base/json.h"
#include "cli/command.h"
#include "cli/job.h"
#include "cli/people.h"
#include "cli/unreadable.h"

#include <inttypes.h>
#include <string.h>

const struct option_row command_erase_options[] = {
    {"--user", "ID",
	"External id, Braze id, device id or alias; may be repeated."},
    {"--listed", NULL, "Keep them on the list of erasures, marked as erased."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

struct erase_run {
	struct command_context *context;
	struct buf *out;
	const char *users[OPTIONS_SET_MAX]; /* as they were given */
	size_t user_count;
	struct people people; /* the same, and their hashes */
	size_t removed[JOBS_PLACES];
	size_t damaged; /* batches that could not be searched */
	int64_t bodies; /* removed */
	size_t unclear; /* bodies that could not be read to the end */
};

static bool
erase_match(void *arg, const struct jobs_event *event)
{
	const struct erase_run *run = arg;

	return person_matches(event->data, run->people.ids, run->people.count);
}

static bool
erase_step(
    struct queue *queue, struct jobs_walk *tools, void *arg, struct err *reterr)
{
	(void)arg;
	return jobs_erase(queue, tools, reterr);
}

static bool
erase_bodies(struct erase_run *run, struct err *reterr)
{
	struct filter filter = {
	    .people = run->people.ids,
	    .people_count = run->people.count,
	    .until_ms = INT64_MAX,
	    .limit = INT64_MAX,
	};
	struct unreadable_walk bodies = {
	    .context = run->context,
	    .filter = &filter,
	    .out = run->out,
	    .remove = true,
	};
	bool ok = unreadable_walk(&bodies, reterr);

	run->bodies = filter.count;
	run->unclear = bodies.unclear;
	return ok;
}

static bool
erase_vacuum(void *arg, struct err *reterr)
{
	return jobs_vacuum(arg, reterr);
}

static bool
erase_all(struct erase_run *run, struct err *reterr)
{
	struct queue *queue = run->context->parts->queue;
	struct forwarder *forwarder =
	    atomic_load(&run->context->parts->forwarder);
	bool listed = options_has(run->context->options, "--listed");
	struct jobs_erasing erasing;
	size_t missed;

	if (!jobs_erase_begin(queue, &erasing, reterr))
		return false;
	for (int place = 0; place < JOBS_PLACES; place++) {
		struct job job = {
		    .context = run->context,
		    .out = run->out,
		    .verb = jobs_place_name((enum jobs_place)place),
		    .step = erase_step,
		    .match = erase_match,
		    .match_arg = run,
		};

		if (!job_run(&job, (enum jobs_place)place, reterr))
			return false;
		run->removed[place] = job.matched;
		run->damaged += job.damaged;
		/* The forwarder still holds what it read before. */
		if (place == JOBS_QUEUED && forwarder != NULL)
			forwarder_reread(forwarder);
	}
	if (!erase_bodies(run, reterr) ||
	    !job_apart(run->context, "rebuilding the file", erase_vacuum, queue,
		reterr))
		return false;
	missed = jobs_erase_missed(queue, &erasing);
	if (missed > run->damaged)
		run->damaged = missed;
	/* As long as a batch may hold them, they stay on the list. */
	return run->damaged > 0 ||
	       jobs_erasures_done(queue, run->users, run->user_count,
		   erasing.last_erasure, listed ? run->context->now_ms : 0,
		   reterr);
}

static void
erase_json(const struct erase_run *run, struct buf *out)
{
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	for (int place = 0; place < JOBS_PLACES; place++)
		json_int(&json, jobs_place_name((enum jobs_place)place),
		    (int64_t)run->removed[place]);
	json_int(&json, "unreadable", run->bodies);
	json_int(&json, "unreadable_unclear", (int64_t)run->unclear);
	json_int(&json, "damaged_batches", (int64_t)run->damaged);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

static void
erase_text(const struct erase_run *run, struct buf *out)
{
	(void)buf_text(out, "erased, and the file rebuilt:\n");
	for (int place = 0; place < JOBS_PLACES; place++)
		(void)buf_printf(out, "  %-12s %8zu events\n",
		    jobs_place_name((enum jobs_place)place),
		    run->removed[place]);
	(void)buf_printf(
	    out, "  %-12s %8" PRId64 " bodies\n", "unreadable", run->bodies);
	if (run->unclear > 0)
		(void)buf_printf(out,
		    "%zu unreadable bodies could not be read to the end: look "
		    "at them with\n`currentsd unreadable list`, and remove "
		    "them with `currentsd unreadable drop`.\n",
		    run->unclear);
	if (run->damaged > 0)
		(void)buf_printf(out,
		    "%zu damaged batches could not be searched, so requests "
		    "for erasure stay on\ntheir list. Erase again once "
		    "`currentsd queue check` finds no fault.\n",
		    run->damaged);
	(void)buf_text(out,
	    "What remains here: keyed hashes of (source, type, event id), "
	    "which detect\nduplicates, and hashes of events while it is not "
	    "known whether Heap has them.\nDelivered events must be erased at "
	    "Heap, and backups are up to you.\n");
}

static bool
erase_users_read(struct erase_run *run, struct err *reterr)
{
	bool empty;

	run->user_count =
	    options_values(run->context->options, "--user", run->users);
	empty = run->user_count == 0;
	for (size_t i = 0; i < run->user_count; i++)
		empty = empty || *run->users[i] == '\0';
	if (empty)
		return err_set(reterr, ERR_INPUT,
		    "erase needs --user with an external id, Braze id, device "
		    "id or alias; repeat it for several people");
	return people_make(&run->people, run->context->parts,
	    run->context->config, run->users, run->user_count, reterr);
}

int
command_erase(struct command_context *context, struct buf *out)
{
	struct erase_run run = {.context = context, .out = out};
	struct err err;
	bool ok;

	ok = erase_users_read(&run, &err) && erase_all(&run, &err);
	people_fini(&run.people);
	if (!ok)
		return command_fail(out, &err);
	if (options_has(context->options, "--json"))
		erase_json(&run, out);
	else
		erase_text(&run, out);
	return run.unclear > 0 || run.damaged > 0 ? EXIT_FOUND : EXIT_FINE;
}
