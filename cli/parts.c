/*
 * Starts the parts in order and stops them in reverse, with one twist: the
 * committer calls the forwarder's wake, so it stops before the forwarder is
 * freed. (Settling needs no committer.)
 */

#include "cli/parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "queue/admin.h"

#include <stdlib.h>
#include <string.h>

/* A stop may take ten seconds in all. Uploads that drip take some of them;
 * what is left, but for the queue's own, is for deliveries under way. */
enum {
	STOP_MS = 7500,
	STOP_GRACE_LEAST_MS = 1000,
	STOP_GRACE_MOST_MS = 5000,
};

void
parts_init(struct parts *parts, const struct settings *settings)
{
	*parts = (struct parts){0};
	parts->settings = settings;
	parts->started_mono_ms = clock_mono_ms();
}

void
parts_fini(struct parts *parts)
{
	queue_close(parts->queue);
	parts->queue = NULL;
	free(parts->sources);
	free(parts->destinations);
	free(parts->rules);
	parts->sources = NULL;
	parts->destinations = NULL;
	parts->rules = NULL;
}

/* ---- the modules' settings ---- */

void
parts_queue_settings(
    const struct settings *settings, struct queue_settings *ret_settings)
{
	queue_settings_init(ret_settings);
	ret_settings->dir = settings->state_dir;
	ret_settings->max_bytes = settings->queue_max_bytes;
	ret_settings->min_free_bytes = settings->queue_min_free;
	ret_settings->reserve_bytes = settings->queue_reserve;
	ret_settings->unreadable_max_bytes = settings->unreadable_max_bytes;
	ret_settings->keep_ms = settings->keep_archive_ms;
	ret_settings->keep_bytes = settings->archive_max_bytes;
	ret_settings->drift_max = (size_t)settings->queue_drift;
	ret_settings->window_events = (size_t)settings->queue_window;
	ret_settings->pending_max = (size_t)settings->queue_pending;
}

void
parts_server_settings(
    const struct settings *settings, struct server_settings *ret_settings)
{
	server_settings_init(ret_settings);
	ret_settings->listen = settings->listen;
	ret_settings->admin = settings->admin;
	ret_settings->threads = (unsigned)settings->threads;
	ret_settings->max_connections = (unsigned)settings->max_connections;
	ret_settings->body_limit = (size_t)settings->body_limit;
	ret_settings->body_memory = (size_t)settings->body_memory;
	ret_settings->max_events = (size_t)settings->max_events;
	ret_settings->request_timeout_ms = settings->request_timeout_ms;
	ret_settings->idle_timeout_ms = settings->idle_timeout_ms;
	ret_settings->retry_after_s =
	    (unsigned)((settings->retry_after_ms + 999) / 1000);
}

void
parts_destination_settings(const struct settings_destination *destination,
    struct forwarder_destination *ret_settings, struct track_rules *ret_rules)
{
	settings_rules(destination, ret_rules);
	forwarder_destination_init(ret_settings);
	ret_settings->name = destination->name;
	ret_settings->url = destination->url;
	ret_settings->app_id = destination->app_id;
	ret_settings->ca_file = destination->ca_file;
	ret_settings->proxy = destination->proxy;
	ret_settings->dry_run = destination->dry_run;
	ret_settings->rules = ret_rules;
	ret_settings->events_per_minute =
	    (unsigned)destination->events_per_minute;
	ret_settings->identity_per_minute =
	    (unsigned)destination->identity_per_minute;
	ret_settings->share_percent = (unsigned)destination->share;
	ret_settings->request_events = (size_t)destination->request_events;
	ret_settings->request_bytes = (size_t)destination->request_bytes;
	ret_settings->in_flight = (unsigned)destination->in_flight;
	ret_settings->linger_ms = destination->linger_ms;
	ret_settings->connect_timeout_ms = destination->connect_timeout_ms;
	ret_settings->timeout_ms = destination->timeout_ms;
	ret_settings->backoff_first_ms = destination->backoff_first_ms;
	ret_settings->backoff_most_ms = destination->backoff_most_ms;
	ret_settings->retry_after_most_ms = destination->retry_after_most_ms;
	ret_settings->probe_ms = destination->probe_ms;
	ret_settings->defer_ms = destination->defer_ms;
}

void
parts_source_settings(const struct settings_source *source,
    const struct track_rules *rules, struct server_source *ret_source)
{
	static const char *const no_tokens[] = {NULL};
	static const enum server_rule unknown[] = {
	    [SETTINGS_FORWARD] = SERVER_FORWARD,
	    [SETTINGS_DEAD] = SERVER_DEAD,
	    [SETTINGS_DROP] = SERVER_DROP,
	};

	*ret_source = (struct server_source){
	    .name = source->name,
	    .parameter = source->parameter,
	    .destination = source->destination,
	    .tokens = source->tokens.count > 0
			  ? (const char *const *)source->tokens.items
			  : no_tokens,
	    .open = source->open,
	    .unknown_type = unknown[source->unknown_type],
	    .invalid_dropped = source->invalid == SETTINGS_INVALID_DROP,
	    .include = (const char *const *)source->include.items,
	    .exclude = (const char *const *)source->exclude.items,
	};
	/* Removed at acceptance is what its destination would not get. */
	if (source->private_at == SETTINGS_AT_ACCEPT)
		ret_source->redact_rules = rules;
}

/* The rules by which a source's destination maps. */
static const struct track_rules *
parts_rules_of(const struct parts *parts, const struct settings_source *source)
{
	const struct track_rules *rules = NULL;

	for (size_t i = 0; i < parts->settings->destination_count; i++) {
		if (strcmp(parts->destinations[i].name, source->destination) ==
		    0)
			rules = &parts->rules[i];
	}
	CHECK(rules != NULL);
	return rules;
}

static bool
parts_settings_make(struct parts *parts, struct err *reterr)
{
	const struct settings *settings = parts->settings;
	size_t count = settings->destination_count;

	parts->sources =
	    calloc(settings->source_count, sizeof(*parts->sources));
	parts->destinations = calloc(count, sizeof(*parts->destinations));
	parts->rules = calloc(count, sizeof(*parts->rules));
	if (parts->sources == NULL || parts->destinations == NULL ||
	    parts->rules == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < count; i++)
		parts_destination_settings(&settings->destinations[i],
		    &parts->destinations[i], &parts->rules[i]);
	for (size_t i = 0; i < settings->source_count; i++)
		parts_source_settings(&settings->sources[i],
		    parts_rules_of(parts, &settings->sources[i]),
		    &parts->sources[i]);
	return true;
}

/* ---- what joins them ---- */

static void
parts_wake(void *arg)
{
	struct parts *parts = arg;
	struct forwarder *forwarder = atomic_load(&parts->forwarder);

	if (forwarder != NULL)
		forwarder_wake(forwarder);
}

bool
parts_alive(struct parts *parts, int64_t mono_ms)
{
	struct forwarder *forwarder = atomic_load(&parts->forwarder);

	if (atomic_load(&parts->queue_held))
		return true;
	return stats_alive(parts->queue, mono_ms) &&
	       (forwarder == NULL || forwarder_alive(forwarder, mono_ms));
}

static bool
view_alive(void *arg)
{
	return parts_alive(arg, clock_mono_ms());
}

static void
view_status(void *arg, struct buf *out)
{
	status_write(arg, clock_wall_ms(), clock_mono_ms(), out);
}

static void
view_metrics(void *arg, struct buf *out)
{
	metrics_write(arg, clock_wall_ms(), clock_mono_ms(), out);
}

/* ---- start and stop ---- */

bool
parts_queue_open(struct parts *parts, bool brief, struct err *reterr)
{
	struct queue_settings queue;

	parts_queue_settings(parts->settings, &queue);
	queue.brief = brief;
	queue.wake = parts_wake;
	queue.wake_arg = parts;
	return queue_open(&queue, &parts->queue, reterr);
}

static bool
parts_forwarder_start(struct parts *parts, struct err *reterr)
{
	struct forwarder *forwarder = NULL;

	if (!forwarder_start(parts->destinations,
		parts->settings->destination_count, parts->queue, &forwarder,
		reterr))
		return false;
	atomic_store(&parts->forwarder, forwarder);
	return true;
}

static bool
parts_server_start(struct parts *parts, struct err *reterr)
{
	struct server_settings settings;
	struct server *server = NULL;

	parts_server_settings(parts->settings, &settings);
	settings.sources = parts->sources;
	settings.source_count = parts->settings->source_count;
	settings.views = (struct server_views){
	    .alive = view_alive,
	    .metrics = view_metrics,
	    .status = view_status,
	    .arg = parts,
	};
	if (!server_start(&settings, parts->queue, &server, reterr))
		return false;
	atomic_store(&parts->server, server);
	return true;
}

bool
parts_start(struct parts *parts, struct err *reterr)
{
	if (!parts_settings_make(parts, reterr))
		return false;
	if (parts->queue == NULL && !parts_queue_open(parts, false, reterr))
		return false;
	if (!queue_start(parts->queue, reterr))
		return false;
	if (parts_forwarder_start(parts, reterr) &&
	    parts_server_start(parts, reterr))
		return true;
	parts_stop(parts);
	return false;
}

void
parts_stop(struct parts *parts)
{
	struct server *server = atomic_load(&parts->server);
	struct forwarder *forwarder = atomic_load(&parts->forwarder);
	int64_t until_ms = clock_mono_ms() + STOP_MS, grace_ms;

	if (server != NULL)
		server_drain(server);
	server_stop(server);
	atomic_store(&parts->server, NULL);
	queue_stop(parts->queue);
	atomic_store(&parts->forwarder, NULL);
	grace_ms = until_ms - clock_mono_ms();
	if (grace_ms > STOP_GRACE_MOST_MS)
		grace_ms = STOP_GRACE_MOST_MS;
	if (grace_ms < STOP_GRACE_LEAST_MS)
		grace_ms = STOP_GRACE_LEAST_MS;
	forwarder_stop(forwarder, grace_ms);
}

/*
 * A destination that goes on by itself sends at its pace, from when it resumes;
 * events that wait for their identity's quota go when that has room. How long
 * trouble or a pause will last cannot be known, nor what becomes of deferred
 * events.
 */
int64_t
parts_drain_s(const struct forwarder_destination_status *status, int64_t queued,
    int64_t now_ms)
{
	int64_t flowing = queued - (int64_t)status->deferred, drain_ms;

	if (queued == 0)
		return 0;
	switch (status->state) {
	case FORWARDER_RUNNING:
	case FORWARDER_COOLING_DOWN:
		break;
	case FORWARDER_BACKING_OFF:
	case FORWARDER_HALTED:
	case FORWARDER_PAUSED:
	case FORWARDER_TRIAL:
		return -1;
	}
	if (flowing <= 0 || status->pace_per_minute == 0 ||
	    status->last_due_ms < 0)
		return -1;
	drain_ms = flowing * 60 * 1000 / status->pace_per_minute;
	if (status->until_ms > now_ms)
		drain_ms += status->until_ms - now_ms;
	if (status->last_due_ms - now_ms > drain_ms)
		drain_ms = status->last_due_ms - now_ms;
	return drain_ms / 1000 + 1;
}

int64_t
parts_accepted_ms(
    struct parts *parts, const struct forwarder_destination_status *status)
{
	return status->last_accepted_ms != 0
		   ? status->last_accepted_ms
		   : stats_destination_delivered_ms(parts->queue, status->name);
}
