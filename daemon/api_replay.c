/* POST /replay: sends delivered events again. */

#include "daemon/api_routes.h"
#include "daemon/persons.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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

/* Would it be sent as it was? Only then does a destination that has it ignore
 * it. */
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
replay_tell(struct api *api, const struct replay *replay, struct err *reterr)
{
	const struct selection *selection = &replay->selection;

	return (selection->unserved == 0 ||
		   api_message(api, reterr,
		       "skipped %" PRId64
		       " events whose destination is not in the settings: add "
		       "it again, or give another destination formerly = NAME",
		       selection->unserved)) &&
	       (replay->changes == 0 ||
		   api_message(api, reterr,
		       "passed over %" PRId64
		       " %s of segments: `currentsd segments resend` "
		       "sends what each member is to be by now",
		       replay->changes,
		       replay->changes == 1 ? "change" : "changes")) &&
	       (replay->others == 0 ||
		   api_message(api, reterr,
		       "skipped %" PRId64
		       " events that went there under other settings of "
		       "identity: now they may count again, as another "
		       "person's; --force sends them, too",
		       replay->others)) &&
	       (replay->settings->queue.keep_ms != 0 ||
		   api_message(api, reterr,
		       "keep_archive is 0, so delivered events are not kept"));
}

static bool
replay_begin(struct replay *replay, struct api *api, struct err *reterr)
{
	struct selection *selection = &replay->selection;
	bool force;

	if (call_param(api->call, "since") == NULL)
		return err_set(reterr, ERR_INPUT,
		    "a replay needs since, for example 2h, 7d or "
		    "2026-11-23T14:00");
	if (!api_flag(api, "force", &force, reterr) ||
	    !api_selection(api, INT64_MAX, selection, reterr))
		return false;
	/* Not events that are delivered from now on. */
	selection->until_ms = api->now_ms;
	if (replay->to == NULL)
		selection->served = replay->settings;
	else if (settings_destination_find(replay->settings, replay->to) ==
		 NULL)
		return err_set(reterr, ERR_NOT_FOUND,
		    "the settings have no destination %s", replay->to);
	return force || replay_rules_read(replay, reterr);
}

static bool
replay_run(struct replay *replay, struct api *api, struct err *reterr)
{
	struct job job = api_job(api, "replayed", replay_step);
	struct err err;

	job.step_arg = replay;
	job.match = replay_event;
	job.match_arg = replay;
	job.selection = &replay->selection;
	if (job_run(&job, JOBS_ARCHIVE, &err))
		return replay_tell(api, replay, reterr);
	if (err.code == ERR_FULL)
		return err_set(reterr, ERR_FULL,
		    "%" PRId64
		    " events will be sent again, but there was no room for the "
		    "others: %s, and a tenth of that limit is reserved for "
		    "incoming events; replay the others when the queue has "
		    "drained, or raise queue_max_bytes",
		    replay->selection.count, err.text);
	return err_set(reterr, err.code, "%s", err.text);
}

bool
api_replay(struct api *api, struct err *reterr)
{
	struct replay replay = {
	    .settings = api->settings,
	    .to = call_param(api->call, "destination"),
	};
	bool ok = replay_begin(&replay, api, reterr);

	if (ok) {
		api_lines(api);
		ok = replay_run(&replay, api, reterr);
		api_log(api, "replay events=%" PRId64, replay.selection.count);
	}
	replay_fini(&replay);
	if (!ok)
		return false;
	api_summary_open(api);
	json_int(&api->json, "replayed", replay.selection.count);
	json_int(&api->json, "unserved", replay.selection.unserved);
	json_int(&api->json, "other_identity", replay.others);
	json_int(&api->json, "changes", replay.changes);
	api_summary_close(api);
	return true;
}
