/*
 * currentsd replay: sends delivered events again.
 */

#include "cli/filter.h"
#include "daemon/persons.h"

#include <inttypes.h>
#include <stdlib.h>

const struct option_row command_replay_options[] = {
    FILTER_OPTIONS,
    {"--destination", "NAME", "Send the events to this destination instead."},
    FILTER_LIMIT_OPTION,
    {"--force", NULL,
	"Also events that went to this destination under other settings of "
	"identity."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

struct replay {
	struct settings *settings;
	struct selection selection;
	const char *to;	   /* NULL: where they went */
	struct buf *rules; /* of identity, of each destination; owned; NULL:
			    * they do not matter */
	int64_t others;	   /* events that went there under other ones */
	int64_t changes;   /* of segments */
};

static bool
replay_step(
    struct queue *queue, struct jobs_walk *walk, void *arg, struct err *reterr)
{
	const struct replay *replay = arg;

	return jobs_replay(queue, walk, replay->to, reterr);
}

/* Would it be sent as it was? A destination that has it only ignores it then. */
static bool
replay_is_same(const struct replay *replay, const struct jobs_event *event)
{
	const struct settings *settings = replay->settings;

	if (replay->to != NULL && strcmp(replay->to, event->destination) != 0)
		return true;
	for (size_t i = 0; i < settings->destination_count; i++) {
		if (strcmp(settings->destinations[i].forwarder.name,
			event->destination) == 0)
			return str_equal(
			    event->rules, str_bytes(replay->rules[i].data,
					      replay->rules[i].len));
	}
	return true;
}

static bool
replay_event(void *arg, const struct jobs_event *event)
{
	struct replay *replay = arg;

	struct str member;
	bool entered;

	if (!selection_event(&replay->selection, event))
		return false;
	if (persons_change(event->type, event->data, &member, &entered)) {
		replay->selection.count--;
		replay->changes++;
		return false;
	}
	if (replay->rules == NULL || replay_is_same(replay, event))
		return true;
	replay->selection.count--;
	replay->others++;
	return false;
}

static bool
replay_rules_read(struct replay *replay, struct err *reterr)
{
	struct settings *settings = replay->settings;

	replay->rules =
	    calloc(settings->destination_count, sizeof(*replay->rules));
	if (replay->rules == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < settings->destination_count; i++) {
		buf_init(&replay->rules[i], SIZE_MAX / 2);
		if (!settings_identity_write(settings,
			&settings->destinations[i], &replay->rules[i], reterr))
			return false;
	}
	return true;
}

static void
replay_fini(struct replay *replay)
{
	for (size_t i = 0;
	     replay->rules != NULL && i < replay->settings->destination_count;
	     i++)
		buf_fini(&replay->rules[i]);
	free(replay->rules);
}

static bool
replay_tell(struct command_context *context, const struct replay *replay,
    struct err *reterr)
{
	return filter_unserved_tell(context, &replay->selection, reterr) &&
	       (replay->changes == 0 ||
		   job_message(context->caller, reterr,
		       "passed over %" PRId64
		       " changes of segments: `currentsd segments resend` "
		       "sends what each member is to be by now",
		       replay->changes)) &&
	       (replay->others == 0 ||
		   job_message(context->caller, reterr,
		       "skipped %" PRId64
		       " events that went there under other settings of "
		       "identity: now they may count again, as another "
		       "person's; --force sends them, too",
		       replay->others));
}

static bool
replay_run(struct command_context *context, struct replay *replay,
    struct buf *out, struct err *reterr)
{
	struct job job = command_job(context, out, "replayed", replay_step);
	struct selection *selection = &replay->selection;
	const char *to = replay->to;
	struct err err;

	if (!options_has(context->options, "--since"))
		return err_set(reterr, ERR_INPUT,
		    "replay needs --since, for example 2h, 7d or "
		    "2026-11-23T14:00");
	if (!filter_read(context, INT64_MAX, selection, reterr))
		return false;
	/* Not events that are delivered from now on. */
	selection->until_ms = context->now_ms;
	if (to == NULL)
		selection->served = context->daemon->settings;
	else if (settings_destination_find(context->daemon->settings, to) ==
		 NULL)
		return err_set(reterr, ERR_NOT_FOUND,
		    "the settings have no destination %s", to);
	if (!options_has(context->options, "--force") &&
	    !replay_rules_read(replay, reterr))
		return false;
	job.step_arg = replay;
	job.match = replay_event;
	job.match_arg = replay;
	job.selection = selection;
	if (job_run(&job, JOBS_ARCHIVE, &err))
		return replay_tell(context, replay, reterr);
	if (err.code == ERR_FULL)
		return err_set(reterr, ERR_FULL,
		    "%" PRId64
		    " events will be sent again, but there was no room for the "
		    "others: %s, and a tenth of that limit is reserved for "
		    "incoming events; replay the others when the queue has "
		    "drained, or raise queue_max_bytes",
		    selection->count, err.text);
	return err_set(reterr, err.code, "%s", err.text);
}

int
command_replay(struct command_context *context, struct buf *out)
{
	struct replay replay = {
	    .settings = context->daemon->settings,
	    .to = options_value(context->options, "--destination"),
	};
	struct err err;
	bool ok, skipped;

	ok = replay_run(context, &replay, out, &err);
	replay_fini(&replay);
	if (!ok)
		return command_fail(out, &err);
	skipped = replay.selection.unserved > 0 || replay.others > 0;
	if (options_has(context->options, "--json")) {
		command_count_json("replayed", replay.selection.count, out);
		return skipped ? EXIT_FOUND : EXIT_FINE;
	}
	(void)buf_printf(out,
	    "%" PRId64
	    " delivered events will be sent again, behind the live traffic.\n"
	    "Heap ignores an event whose idempotency key it already has: a "
	    "replay helps if events\n"
	    "went to the wrong environment or never arrived; it does not "
	    "correct a property.\n",
	    replay.selection.count);
	if (context->daemon->settings->queue.keep_ms == 0)
		(void)buf_text(out,
		    "keep_archive is 0, so delivered events are not kept.\n");
	return skipped ? EXIT_FOUND : EXIT_FINE;
}
