/*
 * Starts the modules in order and stops them in reverse, with one exception:
 * the committer calls forwarder_wake(), so it stops before the forwarder is
 * freed. (Settling needs no committer.)
 */

#include "daemon/daemon.h"

#include "base/clock.h"
#include "daemon/api.h"
#include "daemon/erase.h"
#include "daemon/history.h"
#include "daemon/persons.h"
#include "daemon/segments.h"
#include "daemon/zone.h"
#include "schema/currents/currents.h"

#include <stdlib.h>

/* A stop may take ten seconds in all. Slow uploads take some of them; the
 * rest, except what the queue needs to close, is for requests in flight. */
enum {
	STOP_MS = 7500,
	STOP_GRACE_LEAST_MS = 1000,
	STOP_GRACE_MOST_MS = 5000,
};

void
daemon_init(struct daemon *daemon, struct settings *settings)
{
	*daemon = (struct daemon){0};
	generation_init(&daemon->first, settings);
	daemon->in_force.generation = &daemon->first;
	lock_init(&daemon->in_force.lock);
	lock_init(&daemon->reload.lock);
	cond_init(&daemon->reload.ended);
	lock_init(&daemon->job.lock);
	daemon->started_mono_ms = clock_mono_ms();
	daemon->started_ms = clock_wall_ms();
}

/* ---- what the modules call ---- */

static void
daemon_wake(void *arg)
{
	struct daemon *daemon = arg;
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);

	if (forwarder != NULL)
		forwarder_wake(forwarder);
}

static bool
daemon_alive(void *arg)
{
	return status_alive(arg, clock_mono_ms());
}

/* ---- start and stop ---- */

/* What a person's id is handed on to. */
struct daemon_person {
	const struct settings *settings;
	queue_person_fn *fn;
	void *arg;
};

static bool
daemon_person(void *arg, enum person_id kind, struct str id)
{
	const struct daemon_person *to = arg;

	if (kind == PERSON_EXTERNAL || kind == PERSON_BRAZE ||
	    kind == PERSON_ALIAS)
		to->fn(to->arg, id);
	return true;
}

/* Whom an item is about; a request to erase somebody is not one of theirs. */
static void
daemon_persons(
    struct str type, struct str data, queue_person_fn *fn, void *fn_arg)
{
	struct daemon_person to = {NULL, fn, fn_arg};

	if (!str_equal_text(type, CURRENTS_ERASURE))
		(void)persons_each(type, data, daemon_person, &to);
}

/* An id with a NUL would be shown as another one. The list keeps the ids as
 * they are, for as long as it takes; Braze's have 24 bytes. */
static bool
daemon_subject(void *arg, enum person_id kind, struct str id)
{
	const struct daemon_person *to = arg;

	if (kind == PERSON_BRAZE && id.len <= PERSON_ID_MAX &&
	    memchr(id.data, '\0', id.len) == NULL &&
	    !persons_stands_for_many(to->settings, id))
		to->fn(to->arg, id);
	return true;
}

/* Braze names whom to erase by its own id. */
static void
daemon_erasure(const void *arg, struct str type, struct str data,
    queue_person_fn *fn, void *fn_arg)
{
	struct generation *generation;
	struct daemon_person to = {NULL, fn, fn_arg};

	if (!str_equal_text(type, CURRENTS_ERASURE))
		return;
	generation =
	    in_force_hold(&((struct daemon *)(uintptr_t)arg)->in_force);
	to.settings = generation->settings;
	(void)person_each(data, daemon_subject, &to);
	generation_drop(generation);
}

/* What a key is handed on to. */
struct daemon_key {
	queue_key_fn *fn;
	void *arg;
};

static bool
daemon_key(void *arg, enum person_id kind, struct str id)
{
	const struct daemon_key *to = arg;

	to->fn(to->arg,
	    kind == PERSON_NONE ? QUEUE_KEY_EVENT : QUEUE_KEY_PERSON, id);
	return true;
}

/* As `events find` and the filters of events look for them: all kinds of ids.
 * A change is found by its member, since it has no id. */
static bool
daemon_keys(const struct item *item, queue_key_fn *fn, void *fn_arg)
{
	struct daemon_key to = {fn, fn_arg};
	struct str member;
	bool entered;

	if (persons_change(item->type, item->data, &member, &entered)) {
		fn(fn_arg, QUEUE_KEY_EVENT, member);
		fn(fn_arg, QUEUE_KEY_PERSON, member);
		return true;
	}
	if (item->persons.len == 0 || item->id.len == 0)
		return person_each_key(item->data, daemon_key, &to);
	fn(fn_arg, QUEUE_KEY_EVENT, item->id);
	return person_each_of(item->persons, daemon_key, &to);
}

/* An event of the future comes from a clock that is wrong. */
enum { REPORT_AHEAD_S = 24 * 3600 };

/* For the comparison with Braze's dashboards, which count by day in the zone of
 * the company. */
static void
daemon_report(const void *arg, const struct item *item, int64_t accepted_ms,
    queue_report_fn *fn, void *fn_arg)
{
	const struct daemon *daemon = arg;
	const struct item_label *label = item->label;
	int64_t time_s = accepted_ms / 1000;
	struct campaign campaign;

	if (label == NULL) {
		campaign_read(item->data, &campaign);
		label = &campaign.label;
	}
	if (label->timed && label->time_s >= 0 &&
	    label->time_s <= time_s + REPORT_AHEAD_S)
		time_s = label->time_s;
	fn(fn_arg, zone_day(daemon->zone, time_s), label);
}

/* The catalogue's types, which strangers' types cannot crowd out. */
static const char *
catalogue_name(size_t index)
{
	const struct catalogue *catalogue = catalogue_in_use();

	return index < document_types(catalogue)
		   ? document_type_at(catalogue, index).name
		   : NULL;
}

bool
daemon_queue_open(struct daemon *daemon, bool brief, struct err *reterr)
{
	const struct settings *settings = daemon->first.settings;
	struct queue_settings queue = settings->queue;

	if (daemon->zone == NULL &&
	    !settings_zone_open(settings, &daemon->zone, reterr))
		return false;
	queue.brief = brief;
	queue.sync_help = SEGMENTS_SYNC_HELP;
	queue.persons = daemon_persons;
	queue.erasure = daemon_erasure;
	queue.erasure_arg = daemon;
	queue.keys = daemon_keys;
	queue.report = daemon_report;
	queue.report_arg = daemon;
	queue.type_at = catalogue_name;
	queue.wake = daemon_wake;
	queue.wake_arg = daemon;
	return queue_open(&queue, &daemon->queue, reterr);
}

/* Until all is there, nothing is reloaded. */
static void
daemon_starting(struct daemon *daemon, bool starting)
{
	lock_hold(&daemon->reload.lock);
	daemon->reload.running = starting;
	cond_wake_all(&daemon->reload.ended);
	lock_drop(&daemon->reload.lock);
}

bool
daemon_start(struct daemon *daemon, struct err *reterr)
{
	struct generation *first = &daemon->first;
	const struct settings *settings = first->settings;
	struct server_settings server_settings;
	struct forwarder *forwarder = NULL;
	struct server *server = NULL;

	if (!generation_make(first, reterr))
		return false;
	daemon->history = history_new();
	if (daemon->history == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < settings->destination_count; i++) {
		const struct settings_destination *destination =
		    &settings->destinations[i];

		if (destination->formerly != NULL &&
		    !queue_destination_rename(daemon->queue,
			destination->formerly, destination->forwarder.name,
			reterr))
			return false;
	}
	if (!queue_start(daemon->queue, reterr))
		return false;
	daemon_starting(daemon, true);
	if (!forwarder_start(first->destinations, settings->destination_count,
		settings->queue.destinations_max, daemon->queue, &forwarder,
		reterr))
		goto fail;
	atomic_store(&daemon->forwarder, forwarder);
	server_settings = generation_server(first);
	server_settings.socket_dir = settings->queue.dir;
	server_settings.api = (struct server_api){
	    .routes = api_routes,
	    .stride = sizeof(api_routes[0]),
	    .serve = api_serve,
	    .alive = daemon_alive,
	    .arg = daemon,
	};
	if (!server_start(&server_settings, daemon->queue, &server, reterr))
		goto fail;
	atomic_store(&daemon->server, server);
	if (!erase_sweep_start(daemon, settings, reterr) ||
	    !notices_start(daemon, &daemon->notices, reterr))
		goto fail;
	daemon_starting(daemon, false);
	return true;
fail:
	daemon_starting(daemon, false);
	daemon_stop(daemon);
	return false;
}

void
daemon_stop(struct daemon *daemon)
{
	struct server *server = atomic_load(&daemon->server);
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);
	int64_t until_ms = clock_mono_ms() + STOP_MS, grace_ms;

	if (server != NULL)
		server_drain(server);
	notices_stop(daemon->notices);
	daemon->notices = NULL;
	server_stop(server);
	atomic_store(&daemon->server, NULL);
	/* Not before the last reload, which may start it. */
	erase_sweep_stop(daemon->sweep);
	daemon->sweep = NULL;
	queue_stop(daemon->queue);
	atomic_store(&daemon->forwarder, NULL);
	grace_ms = until_ms - clock_mono_ms();
	if (grace_ms > STOP_GRACE_MOST_MS)
		grace_ms = STOP_GRACE_MOST_MS;
	if (grace_ms < STOP_GRACE_LEAST_MS)
		grace_ms = STOP_GRACE_LEAST_MS;
	forwarder_stop(forwarder, grace_ms);
}

void
daemon_fini(struct daemon *daemon)
{
	if (daemon->committing)
		queue_stop(daemon->queue);
	queue_close(daemon->queue);
	zone_free(daemon->zone);
	if (daemon->in_force.generation != &daemon->first)
		generation_drop(daemon->in_force.generation);
	if (daemon->in_force.generation != NULL)
		generation_drop(&daemon->first);
	cond_fini(&daemon->reload.ended);
	lock_fini(&daemon->reload.lock);
	lock_fini(&daemon->in_force.lock);
	lock_fini(&daemon->job.lock);
	history_free(daemon->history);
	*daemon = (struct daemon){0};
}
