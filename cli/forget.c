/*
 * currentsd forget: erases people from everything that is kept here.
 *
 * An event on its way moves only forward through the places, from waiting to
 * kept or buried, so going through them in this order meets it. At the end
 * the file is rebuilt, once for all of them, and always: pages that earlier
 * deliveries freed may hold them too. Only then do they leave the list of
 * erasures, so that a job that was cut short is known to be undone.
 */

#include "base/json.h"
#include "cli/command.h"
#include "cli/job.h"
#include "cli/people.h"
#include "cli/queue_body.h"

#include <inttypes.h>
#include <string.h>

const struct option_row command_forget_options[] = {
    {"--listed", NULL,
	"Leave them on the list of erasures, as forgotten here."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

struct forget {
	struct command_context *context;
	struct buf *out;
	struct people people;
	size_t removed[TOOLS_PLACES];
	size_t damaged; /* parcels that could not be looked into */
	int64_t bodies; /* removed */
	size_t unclear; /* bodies that could not be read to the end */
};

static bool
forget_match(void *arg, const struct tools_event *event)
{
	const struct forget *forget = arg;

	return person_matches(event->data, event->data_len, forget->people.ids,
	    forget->people.count);
}

static bool
forget_step(
    struct queue *queue, struct tools_job *tools, void *arg, struct err *reterr)
{
	(void)arg;
	return tools_forget(queue, tools, reterr);
}

static bool
forget_bodies(struct forget *forget, struct err *reterr)
{
	struct filter filter = {
	    .people = forget->people.ids,
	    .people_count = forget->people.count,
	    .until_ms = INT64_MAX,
	    .limit = INT64_MAX,
	};
	struct queue_bodies bodies = {
	    .context = forget->context,
	    .filter = &filter,
	    .out = forget->out,
	    .remove = true,
	};
	bool ok = queue_bodies_walk(&bodies, reterr);

	forget->bodies = filter.count;
	forget->unclear = bodies.unclear;
	return ok;
}

static bool
forget_vacuum(void *arg, struct err *reterr)
{
	return tools_vacuum(arg, reterr);
}

static bool
forget_all(struct forget *forget, struct err *reterr)
{
	const struct options *options = forget->context->options;
	struct queue *queue = forget->context->parts->queue;
	struct forwarder *forwarder =
	    atomic_load(&forget->context->parts->forwarder);
	struct tools_forgetting forgetting;
	size_t missed;

	if (!tools_forget_begin(queue, &forgetting, reterr))
		return false;
	for (int place = 0; place < TOOLS_PLACES; place++) {
		struct job job = {
		    .context = forget->context,
		    .out = forget->out,
		    .verb = tools_place_name((enum tools_place)place),
		    .step = forget_step,
		    .match = forget_match,
		    .match_arg = forget,
		};

		if (!job_run(&job, (enum tools_place)place, reterr))
			return false;
		forget->removed[place] = job.matched;
		forget->damaged += job.damaged;
		/* What it had read before has them still. */
		if (place == TOOLS_WAITING && forwarder != NULL)
			forwarder_let_go(forwarder);
	}
	if (!forget_bodies(forget, reterr) ||
	    !job_apart(forget->context, "rebuilding the file", forget_vacuum,
		queue, reterr))
		return false;
	missed = tools_forget_missed(queue, &forgetting);
	if (missed > forget->damaged)
		forget->damaged = missed;
	/* Who may still be in a parcel stays on the list. */
	return forget->damaged > 0 ||
	       tools_erasures_done(queue, options->words, options->word_count,
		   forgetting.last_erasure,
		   options_has(options, "--listed") ? forget->context->now_ms
						    : 0,
		   reterr);
}

static void
forget_json(const struct forget *forget, struct buf *out)
{
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	for (int place = 0; place < TOOLS_PLACES; place++)
		json_int(&json, tools_place_name((enum tools_place)place),
		    (int64_t)forget->removed[place]);
	json_int(&json, "undecodable", forget->bodies);
	json_int(&json, "undecodable_unclear", (int64_t)forget->unclear);
	json_int(&json, "damaged_parcels", (int64_t)forget->damaged);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

static void
forget_text(const struct forget *forget, struct buf *out)
{
	(void)buf_text(out, "removed, and the file rebuilt without it:\n");
	for (int place = 0; place < TOOLS_PLACES; place++)
		(void)buf_printf(out, "  %-12s %8zu events\n",
		    tools_place_name((enum tools_place)place),
		    forget->removed[place]);
	(void)buf_printf(out, "  %-12s %8" PRId64 " bodies\n", "undecodable",
	    forget->bodies);
	if (forget->unclear > 0)
		(void)buf_printf(out,
		    "%zu undecodable bodies could not be read to their end: "
		    "see them with\n`queue list --place undecodable`, and "
		    "remove them with `queue drop --place\nundecodable`.\n",
		    forget->unclear);
	if (forget->damaged > 0)
		(void)buf_printf(out,
		    "%zu damaged parcels could not be looked into: erasures "
		    "that were asked for\nstay on their list. Forget again "
		    "once `queue check` finds no fault.\n",
		    forget->damaged);
	(void)buf_text(out,
	    "What remains here: keyed hashes of (source, type, event id) that "
	    "tell duplicates,\nand hashes of events while it is not known if "
	    "Heap has them. What was delivered\nmust be erased at Heap "
	    "itself; backups are yours.\n");
}

static bool
forget_people(struct forget *forget, struct err *reterr)
{
	const struct options *options = forget->context->options;
	bool empty = options->word_count == 0;

	for (size_t i = 0; i < options->word_count; i++)
		empty = empty || *options->words[i] == '\0';
	if (empty)
		return err_set(reterr, ERR_INPUT,
		    "forget takes people's external ids, Braze ids, device "
		    "ids or aliases");
	return people_make(&forget->people, forget->context->parts,
	    forget->context->config, options->words, options->word_count,
	    reterr);
}

int
command_forget(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct forget forget = {.context = context, .out = out};
	struct err err;
	bool ok;

	ok = forget_people(&forget, &err) && forget_all(&forget, &err);
	people_fini(&forget.people);
	if (!ok)
		return command_fail(out, &err);
	if (options_has(options, "--json"))
		forget_json(&forget, out);
	else
		forget_text(&forget, out);
	return forget.unclear > 0 || forget.damaged > 0 ? EXIT_FOUND
							: EXIT_FINE;
}
