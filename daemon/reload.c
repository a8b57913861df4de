/*
 * First comes all that can fail: reading, completing and comparing, contexts of
 * sources, senders of destinations that are new. If any of it does, what was
 * made is dropped, and nothing has changed. Then, without a failure any more,
 * each module is told, and the generation becomes the one in force.
 *
 * What only a restart puts in force keeps its value, so it differs again at the
 * next reload, and is named until then.
 */

#include "daemon/reload.h"

#include "base/clock.h"
#include "base/log.h"
#include "daemon/erase.h"
#include "daemon/settings_diff.h"
#include "queue/admin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RELOAD_NAMES_MAX = 1024 * 1024, RELOAD_LOG_MAX = 2000 };

struct reload {
	struct daemon *daemon;
	bool force;
	const struct settings *old;
	struct generation *generation;
	struct settings *new; /* its own */
	bool *destinations;   /* of the new ones: does it change? */
	struct reload_result *result;
};

/* ---- what differs ---- */

static void
name_add(struct buf *names, const char *name)
{
	(void)buf_append(names, name, strlen(name) + 1);
}

static void
one_add(struct buf *names, const char *what, const char *name)
{
	(void)buf_printf(names, "%s %s", what, name);
	(void)buf_char(names, '\0');
}

static const char *
destination_name(const struct settings *settings, size_t i)
{
	return settings->destinations[i].forwarder.name;
}

static const struct settings_source *
source_same(
    const struct settings *settings, const struct settings_source *source)
{
	const struct settings_source *same =
	    settings_source_find(settings, source->server.name);

	return same != NULL && same->kind == source->kind ? same : NULL;
}

/* Of a source or destination that only one side has the name is enough. */
static void
reload_change(void *arg, const struct settings_change *change)
{
	struct reload *reload = arg;
	const struct settings_destination *destination = NULL;
	bool both = true;

	if (change->section != NULL && strcmp(change->section, "source") == 0)
		both = settings_source_find(reload->old, change->of) != NULL &&
		       settings_source_find(reload->new, change->of) != NULL;
	else if (change->section != NULL) {
		destination =
		    settings_destination_find(reload->new, change->of);
		both = destination != NULL &&
		       settings_destination_find(reload->old, change->of);
	}
	if (!both)
		return;
	name_add(change->restart ? &reload->result->restart
				 : &reload->result->changed,
	    change->name);
	if (destination != NULL && !change->restart)
		reload->destinations[destination - reload->new->destinations] =
		    true;
}

/* By another catalogue, each destination of events that was there gets other
 * ones. */
static void
catalogue_compare(struct reload *reload)
{
	const struct settings *new = reload->new;

	if (new->types == reload->old->types)
		return;
	for (size_t i = 0; i < new->destination_count; i++) {
		if (new->destinations[i].kind == SETTINGS_TRACK &&
		    settings_destination_find(
			reload->old, destination_name(new, i)) != NULL)
			reload->destinations[i] = true;
	}
}

static bool
reload_compare(struct reload *reload, struct err *reterr)
{
	struct reload_result *result = reload->result;
	struct settings_kept old = {0}, new = {0};
	bool ok;

	reload->destinations = calloc(
	    reload->new->destination_count, sizeof(*reload->destinations));
	ok = (reload->destinations != NULL || err_set_nomem(reterr)) &&
	     settings_kept_read(reload->old, &old, reterr) &&
	     settings_kept_read(reload->new, &new, reterr);
	if (ok) {
		settings_kept_diff(&old, &new, reload_change, reload);
		catalogue_compare(reload);
	}
	settings_kept_fini(&old);
	settings_kept_fini(&new);
	return ok && buf_ok(&result->changed, reterr) &&
	       buf_ok(&result->restart, reterr);
}

/* ---- what a reload may not do, or only if it is forced ---- */

/* The source whose path needs no name, of a kind that there is. */
static const char *
source_first(const struct settings *settings, enum settings_source_kind kind)
{
	size_t i = 0;

	while (i < settings->source_count && settings->sources[i].kind != kind)
		i++;
	CHECK(i < settings->source_count);
	return settings->sources[i].server.name;
}

/* Requests that are not answered as before may be deleted by who sent them. */
static bool
sources_check(struct reload *reload, struct err *reterr)
{
	if (reload->new->source_count > reload->old->queue.sources_max)
		return err_set(reterr, ERR_CONFLICT,
		    "%zu sources, and sources_max is %zu until a restart",
		    reload->new->source_count, reload->old->queue.sources_max);
	for (size_t i = 0; i < reload->old->source_count; i++) {
		const struct settings_source *old = &reload->old->sources[i];
		const char *name = old->server.name, *first;

		if (source_same(reload->new, old) == NULL) {
			one_add(&reload->result->removed, "source", name);
			if (reload->force)
				continue;
			return err_set(reterr, ERR_CONFLICT,
			    "source \"%s\" is no longer there, and what still "
			    "posts to it would be answered 404, after which it "
			    "is not sent again: see `currentsd sources show "
			    "%s`; to remove it: currentsd reload --force",
			    name, name);
		}
		first = source_first(reload->new, old->kind);
		if (reload->force ||
		    strcmp(name, source_first(reload->old, old->kind)) != 0 ||
		    strcmp(name, first) == 0)
			continue;
		return err_set(reterr, ERR_CONFLICT,
		    "source \"%s\" comes before source \"%s\" now, so it would "
		    "get what is posted to %s without a name: write it behind, "
		    "or insist: currentsd reload --force",
		    first, name, old->server.intake->path);
	}
	for (size_t i = 0; i < reload->new->source_count; i++) {
		const struct settings_source *new = &reload->new->sources[i];

		if (source_same(reload->old, new) == NULL)
			one_add(
			    &reload->result->added, "source", new->server.name);
	}
	return true;
}

/* May this one, which was there, go or become what it is now? */
static bool
destination_check(struct reload *reload, const struct settings_destination *old,
    struct err *reterr)
{
	const char *name = old->forwarder.name;
	const struct settings_destination *new =
	    settings_destination_find(reload->new, name);
	int64_t queued;

	if (new != NULL)
		return new->kind == old->kind ||
		       err_set(reterr, ERR_CONFLICT,
			   "destination \"%s\" is of another kind now, which "
			   "needs a restart",
			   name);
	one_add(&reload->result->removed, "destination", name);
	queued = stats_destination_queued(reload->daemon->queue, name);
	return queued == 0 || reload->force ||
	       err_set(reterr, ERR_CONFLICT,
		   "destination \"%s\" is no longer there, but what is queued "
		   "for it (%" PRId64 " %s%s) is not sent then: wait until it "
		   "is; or, for a new name, see formerly in currentsd.conf(5). "
		   "`currentsd reload --force` leaves it queued until the "
		   "destination is there again",
		   name, queued, old->forwarder.outlet->item_noun,
		   queued == 1 ? "" : "s");
}

static bool
destinations_check(struct reload *reload, struct err *reterr)
{
	for (size_t i = 0; i < reload->old->destination_count; i++) {
		if (!destination_check(
			reload, &reload->old->destinations[i], reterr))
			return false;
	}
	for (size_t i = 0; i < reload->new->destination_count; i++) {
		const struct settings_destination *new =
		    &reload->new->destinations[i];
		const char *name = new->forwarder.name;

		if (settings_destination_find(reload->old, name) != NULL)
			continue;
		one_add(&reload->result->added, "destination", name);
		if (new->formerly != NULL)
			return err_set(reterr, ERR_CONFLICT,
			    "destination \"%s\" is new and takes over from "
			    "\"%s\" (formerly), which needs a restart",
			    name, new->formerly);
	}
	return true;
}

/* ---- what can fail ---- */

static bool
reload_read(struct reload *reload, struct err *reterr)
{
	struct daemon *daemon = reload->daemon;
	struct generation *generation = generation_new();
	size_t at = 0;
	struct str line;

	if (generation == NULL)
		return err_set_nomem(reterr);
	reload->generation = generation;
	if (!settings_read_again(daemon->first.settings, daemon->config,
		&generation->own, reterr))
		return false;
	reload->new = &generation->own;
	if (!settings_complete(reload->new, reterr))
		return false;
	while (settings_warning_next(reload->new, &at, &line))
		log_line(LOG_WARN, "settings", "warn why=%s",
		    LOG_QUOTE_BYTES(line.data, line.len));
	return reload_compare(reload, reterr) &&
	       sources_check(reload, reterr) &&
	       destinations_check(reload, reterr) &&
	       settings_keep(reload->new, reload->old, reterr) &&
	       generation_make(generation, reterr);
}

static bool
reload_server(
    struct reload *reload, struct sources **ret_sources, struct err *reterr)
{
	struct server_settings settings =
	    generation_server(generation_hold(reload->generation));
	struct server *server = atomic_load(&reload->daemon->server);

	if (server_prepare(server, &settings, ret_sources, reterr))
		return true;
	generation_drop(reload->generation);
	return false;
}

/* The files are those of before, but what they hold may have been renewed. If
 * the reload fails later, it is used all the same. */
static bool
reload_tls(struct reload *reload, struct err *reterr)
{
	const struct server_settings *settings = &reload->new->server;

	return settings->tls_certificate == NULL ||
	       server_tls_reload(atomic_load(&reload->daemon->server),
		   settings->tls_certificate, settings->tls_key, reterr);
}

/* Start the senders of those that are new; or none of them. */
static bool
destinations_add(struct reload *reload, struct err *reterr)
{
	struct forwarder *forwarder = atomic_load(&reload->daemon->forwarder);
	const struct settings *new = reload->new;
	bool ok = true;
	size_t i = 0;

	for (; ok && i < new->destination_count; i++) {
		if (settings_destination_find(
			reload->old, destination_name(new, i)) != NULL)
			continue;
		generation_hold(reload->generation);
		ok = forwarder_destination_add(
		    forwarder, &reload->generation->destinations[i], reterr);
		if (!ok)
			generation_drop(reload->generation);
	}
	for (size_t n = 0; !ok && n + 1 < i; n++) {
		if (settings_destination_find(
			reload->old, destination_name(new, n)) == NULL)
			forwarder_destination_end(
			    forwarder, destination_name(new, n));
	}
	return ok;
}

/* ---- what cannot ---- */

static void
reload_adopt(struct reload *reload, struct sources *sources)
{
	struct daemon *daemon = reload->daemon;
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);
	const struct settings *old = reload->old, *new = reload->new;
	struct generation *before;

	server_adopt(atomic_load(&daemon->server), sources);
	for (size_t i = 0; i < new->destination_count; i++) {
		if (!reload->destinations[i])
			continue;
		generation_hold(reload->generation);
		forwarder_destination_change(
		    forwarder, &reload->generation->destinations[i]);
	}
	for (size_t i = 0; i < old->destination_count; i++) {
		if (settings_destination_find(new, destination_name(old, i)) ==
		    NULL)
			forwarder_destination_end(
			    forwarder, destination_name(old, i));
	}
	catalogue_use(new->types);
	log_set_level(new->log.level);
	before = in_force_set(&daemon->in_force, reload->generation);
	if (before != &daemon->first)
		generation_drop(before);
}

/* Names with a comma between them. */
static void
names_write(const struct buf *names, char *ret_text, size_t size)
{
	size_t len = 0;

	ret_text[0] = '\0';
	for (size_t at = 0; at < names->len && len < size;
	     at += strlen(names->data + at) + 1)
		len += (size_t)snprintf(ret_text + len, size - len, "%s%s",
		    at > 0 ? ", " : "", names->data + at);
}

static void
reload_log(const struct reload_result *result, const char *caller)
{
	const struct buf *lists[] = {&result->changed, &result->added,
	    &result->removed, &result->restart};
	char texts[4][RELOAD_LOG_MAX];

	for (size_t i = 0; i < 4; i++)
		names_write(lists[i], texts[i], sizeof(texts[i]));
	log_line(texts[3][0] != '\0' ? LOG_WARN : LOG_INFO, "settings",
	    "reload changed=%s added=%s removed=%s needs_restart=%s caller=%s",
	    LOG_QUOTE(texts[0]), LOG_QUOTE(texts[1]), LOG_QUOTE(texts[2]),
	    LOG_QUOTE(texts[3]), caller);
}

static bool
reload_all(struct reload *reload, struct err *reterr)
{
	struct daemon *daemon = reload->daemon;
	struct sources *sources = NULL;

	if (!reload_read(reload, reterr) ||
	    !reload_server(reload, &sources, reterr))
		return false;
	if (!erase_sweep_start(daemon, reload->new, reterr) ||
	    !reload_tls(reload, reterr) || !destinations_add(reload, reterr)) {
		sources_drop(sources);
		return false;
	}
	reload_adopt(reload, sources);
	return true;
}

/* ---- one at a time ---- */

/* Not while the daemon starts: if that fails, it waits for who asked us. */
static bool
reload_begin(struct daemon *daemon, struct err *reterr)
{
	struct daemon_reload *reload = &daemon->reload;
	bool starting;

	lock_hold(&reload->lock);
	while (reload->running && atomic_load(&daemon->server) != NULL)
		cond_wait(&reload->ended, &reload->lock, INT64_MAX);
	starting = reload->running;
	reload->running = true;
	lock_drop(&reload->lock);
	return !starting ||
	       err_set(reterr, ERR_BUSY, "the daemon is starting: try again");
}

static void
reload_end(struct daemon_reload *reload, const struct reload_result *result,
    const struct err *err)
{
	struct daemon_reloaded *last = &reload->last;

	lock_hold(&reload->lock);
	last->at_ms = clock_wall_ms();
	(void)snprintf(last->failed, sizeof(last->failed), "%s",
	    err != NULL ? err->text : "");
	if (result != NULL && err == NULL)
		names_write(
		    &result->restart, last->restart, sizeof(last->restart));
	reload->running = false;
	cond_wake_all(&reload->ended);
	lock_drop(&reload->lock);
}

bool
reload_run(struct daemon *daemon, bool force, const char *caller,
    struct reload_result *ret_result, struct err *reterr)
{
	struct reload reload = {
	    .daemon = daemon,
	    .force = force,
	    .result = ret_result,
	};
	struct generation *before;
	struct err err;
	bool ok;

	buf_init(&ret_result->changed, RELOAD_NAMES_MAX);
	buf_init(&ret_result->added, RELOAD_NAMES_MAX);
	buf_init(&ret_result->removed, RELOAD_NAMES_MAX);
	buf_init(&ret_result->restart, RELOAD_NAMES_MAX);
	if (!reload_begin(daemon, reterr))
		return false;
	if (atomic_load(&daemon->server) == NULL) {
		reload_end(&daemon->reload, NULL, NULL);
		return err_set(reterr, ERR_CONFLICT,
		    "the daemon is not running: it reads its settings when it "
		    "starts");
	}
	before = in_force_hold(&daemon->in_force);
	reload.old = before->settings;
	ok = reload_all(&reload, &err);
	if (ok)
		reload_log(ret_result, caller);
	else {
		log_line(LOG_ERROR, "settings",
		    "reload_failed why=%s help=\"the settings before stay in "
		    "force\" caller=%s",
		    LOG_QUOTE(err.text), caller);
		generation_drop(reload.generation);
		reload_result_fini(ret_result);
		(void)err_set(reterr, err.code, "%s", err.text);
	}
	free(reload.destinations);
	generation_drop(before);
	reload_end(&daemon->reload, ret_result, ok ? NULL : &err);
	return ok;
}

void
reload_result_fini(struct reload_result *result)
{
	buf_fini(&result->changed);
	buf_fini(&result->added);
	buf_fini(&result->removed);
	buf_fini(&result->restart);
}

struct daemon_reloaded
reload_last(struct daemon_reload *reload)
{
	struct daemon_reloaded last;

	lock_hold(&reload->lock);
	last = reload->last;
	lock_drop(&reload->lock);
	return last;
}
