#include "daemon/status.h"

#include "base/clock.h"
#include "base/show.h"

#include <stdlib.h>
#include <string.h>

enum {
	STATUS_SILENCE_MS = 60 * 1000,
	STATUS_LINE = 400,	  /* bytes, before it is cut */
	STATUS_DAY_S = 24 * 3600, /* a refusal is shown for so long */
	STATUS_TOKENS = 256,	  /* of a source, that are shown */
};

bool
status_alive(struct daemon *daemon, int64_t mono_ms)
{
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);
	struct server *server = atomic_load(&daemon->server);

	if (atomic_load(&daemon->queue_held))
		return true;
	return stats_alive(daemon->queue, mono_ms) &&
	       (forwarder == NULL || forwarder_alive(forwarder, mono_ms)) &&
	       (server == NULL || server_alive(server, mono_ms));
}

/* First the destinations that do not send. Any user may read the line, so it
 * has no more of an answer than its status. */
static void
line_destinations(struct forwarder *forwarder, const struct settings *settings,
    struct buf *out)
{
	struct forwarder_destination_status sender;
	size_t count = settings->destination_count, left = count;

	for (size_t turn = 0; turn < 2 * count; turn++) {
		forwarder_destination_status(forwarder,
		    settings->destinations[turn % count].forwarder.name,
		    &sender);
		if ((sender.state == FORWARDER_RUNNING) != (turn >= count))
			continue;
		if (out->len > STATUS_LINE) {
			(void)buf_printf(out, ", %zu more", left);
			return;
		}
		left--;
		(void)buf_printf(out, "; %s %s", sender.name,
		    forwarder_state_name(sender.state));
		if (sender.state == FORWARDER_HALTED ||
		    sender.state == FORWARDER_BACKING_OFF)
			(void)buf_printf(out, ": %.*s",
			    (int)strcspn(sender.why, ":"), sender.why);
	}
}

void
status_line_write(struct daemon *daemon, int64_t now_ms, struct buf *out)
{
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);
	int64_t oldest_ms = status_oldest_ms(daemon, NULL);
	struct generation *in_force;
	struct stats_totals totals;
	char text[SHOW_TEXT];

	stats_totals(daemon->queue, &totals);
	if (totals.gone != NULL)
		(void)buf_printf(out, "NOT ACCEPTING: %s; ", totals.gone);
	else if (totals.broken)
		(void)buf_text(out, "NOT ACCEPTING: the disk failed; ");
	show_number(totals.events.queued, text, sizeof(text));
	(void)buf_printf(out, "%s queued", text);
	if (oldest_ms != 0 && now_ms > oldest_ms) {
		show_duration((now_ms - oldest_ms) / 1000, text, sizeof(text));
		(void)buf_printf(out, " (oldest %s)", text);
	}
	if (forwarder != NULL) {
		in_force = in_force_hold(&daemon->in_force);
		line_destinations(forwarder, in_force->settings, out);
		generation_drop(in_force);
	}
}

int64_t
status_since_s(int64_t now_ms, int64_t then_ms)
{
	return then_ms == 0 ? -1 : (now_ms - then_ms) / 1000;
}

int64_t
status_oldest_ms(struct daemon *daemon, const char *destination)
{
	int64_t ms = 0;

	return stats_oldest_ms(daemon->queue, destination, &ms, NULL) ? ms : 0;
}

int64_t
status_items_per_minute(const struct forwarder_destination_status *sender)
{
	int64_t pace = sender->pace_per_minute;

	return sender->pace_request_items > 0
		   ? pace * (int64_t)sender->pace_request_items
		   : pace;
}

/*
 * A running destination sends at its pace, and one that cools down as soon as
 * it resumes. Events that wait for the quota of their identity go when that has
 * room. It is unknown how long trouble or a pause will last, and what becomes
 * of deferred events; and whether anything will be accepted, while events wait
 * for neither time nor quota and still nothing has been for a while. If changes
 * of a member are kept apart, what waits may wait for that.
 */
int64_t
status_drain_s(const struct status_destination *status, int64_t now_ms)
{
	const struct forwarder_destination_status *sender = &status->sender;
	int64_t queued = status->queued;
	int64_t flowing = queued - status->held - (int64_t)sender->deferred;
	int64_t silent_ms = now_ms - status->accepted_ms, drain_ms;
	int64_t silence_ms = STATUS_SILENCE_MS + status->hold_ms;

	if (queued == 0)
		return 0;
	switch (sender->state) {
	case FORWARDER_RUNNING:
	case FORWARDER_COOLING_DOWN:
		break;
	case FORWARDER_BACKING_OFF:
	case FORWARDER_HALTED:
	case FORWARDER_PAUSED:
	case FORWARDER_TRIAL:
		return -1;
	}
	if (flowing <= 0 || sender->pace_per_minute == 0 ||
	    sender->last_due_ms < 0)
		return -1;
	if (status->oldest_ms != 0 && now_ms - status->oldest_ms > silence_ms &&
	    silent_ms > silence_ms && sender->until_ms <= now_ms &&
	    sender->last_due_ms <= now_ms)
		return -1;
	drain_ms = flowing * 60 * 1000 / status_items_per_minute(sender);
	if (silent_ms > STATUS_SILENCE_MS && drain_ms < status->hold_ms)
		drain_ms = status->hold_ms;
	if (sender->until_ms > now_ms)
		drain_ms += sender->until_ms - now_ms;
	if (sender->last_due_ms - now_ms > drain_ms)
		drain_ms = sender->last_due_ms - now_ms;
	return drain_ms / 1000 + 1;
}

static bool
held_row(void *arg, const struct stats_group *group)
{
	struct status_destination *status = arg;

	if (strcmp(group->destination, status->name) == 0)
		status->held += group->held_changes;
	return true;
}

void
status_destination_read(struct daemon *daemon,
    const struct settings_destination *settings, int64_t now_ms,
    struct status_destination *ret_status)
{
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);
	const char *name = settings->forwarder.name;
	struct forwarder_destination_status *sender = &ret_status->sender;

	*ret_status = (struct status_destination){
	    .name = name,
	    .kind = settings->forwarder.outlet->kind,
	    .noun = settings->forwarder.outlet->item_noun,
	    .queued = stats_destination_queued(daemon->queue, name),
	    .bytes = stats_destination_bytes(daemon->queue, name),
	    .bytes_max = stats_destination_bytes_max(daemon->queue, name),
	    .oldest_ms = status_oldest_ms(daemon, name),
	    .hold_ms = settings->kind == SETTINGS_ATTRIBUTES
			   ? settings->attributes.hold_ms
			   : 0,
	    .running = forwarder != NULL,
	};
	if (settings->forwarder.outlet->set)
		(void)!stats_groups(daemon->queue, held_row, ret_status, NULL);
	if (forwarder != NULL) {
		forwarder_destination_status(forwarder, name, sender);
		ret_status->state = forwarder_state_name(sender->state);
		ret_status->paused = sender->state == FORWARDER_PAUSED;
		ret_status->accepted_ms = sender->last_accepted_ms;
		ret_status->drain_s = status_drain_s(ret_status, now_ms);
		ret_status->rate = rate_read(&sender->rate, clock_mono_ms());
		ret_status->pace_unit =
		    sender->pace_request_items > 0 ? "requests" : "items";
	} else {
		ret_status->paused =
		    stats_destination_paused(daemon->queue, name);
		ret_status->state = ret_status->paused ? "paused" : "stopped";
		ret_status->drain_s = ret_status->queued == 0 ? 0 : -1;
	}
	/* The forwarder knows only what happened since its start. */
	if (ret_status->accepted_ms == 0)
		ret_status->accepted_ms =
		    stats_destination_delivered_ms(daemon->queue, name);
}

size_t
status_limits(const struct status_destination *destination,
    struct status_limit ret_limits[OUTLET_LIMITS_MAX])
{
	const struct forwarder_destination_status *sender =
	    &destination->sender;

	for (size_t i = 0; i < sender->limit_count; i++) {
		const struct forwarder_limit *limit = &sender->limits[i];

		ret_limits[i] = (struct status_limit){
		    .destination = destination->name,
		    .unit = limit->limit.unit == OUTLET_ITEMS ? "items"
							      : "requests",
		    .scope = limit->limit.scope == OUTLET_KEY ? "person"
							      : "destination",
		    .amount = limit->limit.amount,
		    .window_s = limit->limit.window_ms / 1000,
		    .used = limit->used,
		};
	}
	return sender->limit_count;
}

struct status_parked *
status_parked(struct daemon *daemon, const char *destination, size_t *ret_count)
{
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);
	struct forwarder_parked *of = calloc(FORWARDER_PARKED_MAX, sizeof(*of));
	struct status_parked *parked =
	    calloc(FORWARDER_PARKED_MAX, sizeof(*parked));

	*ret_count = 0;
	if (forwarder != NULL && of != NULL && parked != NULL)
		*ret_count =
		    forwarder_destination_parked(forwarder, destination, of);
	for (size_t i = 0; i < *ret_count; i++)
		parked[i] = (struct status_parked){
		    of[i], of[i].whole ? "all" : "refused"};
	free(of);
	return parked;
}

/* ---- sources ---- */

/* Until a source has been failing for so long; 0 if that time has come; -1: it
 * is not failing, or the time is not known. */
static int64_t
source_left_s(
    const struct server_source_status *of, int64_t after_ms, int64_t now_ms)
{
	int64_t since = status_since_s(now_ms, of->failing_since_ms);
	int64_t after_s = after_ms / 1000;

	if (of->failing_since_ms == 0 || after_ms == 0)
		return -1;
	if (since < 0) /* the clock was set back */
		return after_s;
	return since < after_s ? after_s - since : 0;
}

void
status_source_read(struct daemon *daemon, const struct settings *settings,
    size_t source, int64_t now_ms, struct status_source *ret_status)
{
	const struct server_source *own =
	    source < settings->source_count ? &settings->sources[source].server
					    : NULL;
	struct server *server = atomic_load(&daemon->server);
	const struct intake *intake = own != NULL ? own->intake : NULL;
	struct status_source status = {
	    .name = own != NULL			       ? own->name
		    : source == settings->source_count ? SERVER_NO_SOURCE
						       : SERVER_STRANGERS,
	    .kind = intake != NULL ? intake->kind : NULL,
	};
	struct server_source_status *of = &status.of;

	if (server != NULL)
		server_source_status(server, status.name, of);
	else if (!server_source_saved(daemon->queue, status.name, of, NULL))
		*of = (struct server_source_status){.name = status.name};
	if (of->refused > 0 &&
	    status_since_s(now_ms, of->refused_ms) < STATUS_DAY_S)
		status.refused = of->refused;
	for (size_t i = 0; i < of->answer_count; i++) {
		if (of->answers_day != now_ms / 1000 / STATUS_DAY_S)
			of->answers[i].count = 0;
	}
	status.alerts_s =
	    source_left_s(of, intake != NULL ? intake->alarms_ms : 0, now_ms);
	status.gives_up_s =
	    source_left_s(of, intake != NULL ? intake->gives_up_ms : 0, now_ms);
	status.rate = rate_read(&of->rate, clock_mono_ms());
	*ret_status = status;
}

struct status_token *
status_tokens(struct daemon *daemon, const char *source, size_t *ret_count)
{
	struct server *server = atomic_load(&daemon->server);
	int64_t used_ms[STATUS_TOKENS];
	size_t count = server != NULL ? server_tokens_used(server, source,
					    used_ms, STATUS_TOKENS)
				      : 0;
	struct status_token *tokens =
	    count > 0 ? calloc(count, sizeof(*tokens)) : NULL;

	*ret_count = tokens != NULL ? count : 0;
	for (size_t i = 0; i < *ret_count; i++)
		tokens[i] = (struct status_token){
		    .source = source,
		    .number = (unsigned)i + 1,
		    .used_ms = used_ms[i],
		};
	return tokens;
}

/* ---- the queue ---- */

bool
status_is_near(int64_t bytes, int64_t most)
{
	return bytes > 0 && bytes >= most / 100 * 80;
}

struct stranded {
	const struct settings *settings;
	status_stranded_fn *fn;
	void *arg;
};

static void
stranded_one(void *arg, const char *name, int64_t queued)
{
	const struct stranded *stranded = arg;

	if (queued > 0 &&
	    settings_destination_find(stranded->settings, name) == NULL)
		stranded->fn(stranded->arg, name, queued);
}

void
status_stranded(const struct daemon *daemon, const struct settings *settings,
    status_stranded_fn *fn, void *arg)
{
	struct stranded stranded = {settings, fn, arg};

	stats_destinations(daemon->queue, stranded_one, &stranded);
}
