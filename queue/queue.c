/* The life of a queue, and of its destinations. */

#include "queue/set.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { QUEUE_WINDOW_PART = 4 }; /* of the bound may be hashes of events */

void
queue_settings_init(struct queue_settings *settings)
{
	*settings = (struct queue_settings){
	    .max_bytes = (int64_t)10 << 30,
	    .min_free_bytes = (int64_t)256 << 20,
	    .reserve_bytes = (int64_t)32 << 20,
	    .keep_ms = (int64_t)7 * 24 * 3600 * 1000,
	    .keep_bytes = (int64_t)2 << 30,
	    .keep_dead_ms = (int64_t)90 * 24 * 3600 * 1000,
	    .keep_unreadable_ms = (int64_t)90 * 24 * 3600 * 1000,
	    .unreadable_max_bytes = (int64_t)256 << 20,
	    .suppress_ms = (int64_t)90 * 24 * 3600 * 1000,
	    .marks_events = 65536,
	    .drift_max = 10000,
	    .window_events = 1000000,
	    .destinations_max = 1024,
	    .sources_max = 1024,
	    .pending_max = 1024,
	    .checkpoint_bytes = (int64_t)4 << 20,
	    .shrink_bytes = (int64_t)16 << 20,
	    .reopen_ms = 1000,
	    .groups_max = 10000,
	    .sync_timeout_ms = (int64_t)3600 * 1000,
	    .hold_over = 50,
	    .keep_left_ms = (int64_t)30 * 24 * 3600 * 1000,
	    .sync_help = "have the source send the whole group",
	};
}

static struct queue *
queue_new(const struct queue_settings *settings)
{
	struct queue *queue = calloc(1, sizeof(*queue));
	size_t window =
	    (size_t)settings->max_bytes / QUEUE_WINDOW_PART / DIGEST_SHORT;

	if (queue == NULL)
		return NULL;
	queue->settings = *settings;
	if (settings->window_events > window)
		queue->settings.window_events = window;
	queue->engine =
	    settings->engine != NULL ? settings->engine : engine_default;
	lock_init(&queue->inbox_lock);
	cond_init(&queue->inbox_filled);
	fair_lock_init(&queue->lock);
	lock_init(&queue->shown_lock);
	lock_init(&queue->pool_lock);
	taps_init(&queue->taps);
	buf_init(&queue->packed, SIZE_MAX / 2);
	queue->window = window_new(queue->settings.window_events);
	queue->ledger = ledger_new(&queue->settings);
	queue->packer = batch_packer_new();
	queue->dead = dead_new();
	queue->erased = erased_new();
	queue->marks = marks_new();
	queue->waiting = waiting_new();
	/* not what it was in an earlier life */
	digest_random(&queue->nameless, sizeof(queue->nameless));
	if (queue->window == NULL || queue->ledger == NULL ||
	    queue->packer == NULL || queue->dead == NULL ||
	    queue->erased == NULL || queue->marks == NULL ||
	    queue->waiting == NULL) {
		queue_close(queue);
		return NULL;
	}
	return queue;
}

/* What to do about a store of which too much is damaged. */
static bool
queue_damaged(const struct queue_settings *settings, struct err *reterr)
{
	struct err why = *reterr;

	if (why.code == ERR_DAMAGED)
		(void)err_set(reterr, ERR_DAMAGED,
		    "%.240s. Restore a backup; or save the events with "
		    "`currentsd queue rescue`, move %.100s away, and import "
		    "them",
		    why.text, settings->dir);
	return false;
}

bool
queue_open(const struct queue_settings *settings, struct queue **ret_queue,
    struct err *reterr)
{
	struct queue *queue = queue_new(settings);
	bool loaded;

	if (queue == NULL)
		return err_set_nomem(reterr);
	if (!queue->engine->open(&queue->settings, &queue->store, reterr)) {
		queue_close(queue);
		return queue_damaged(settings, reterr);
	}
	fair_lock_hold(&queue->lock);
	loaded = queue_load(queue, reterr);
	if (loaded)
		queue_publish(queue);
	fair_lock_drop(&queue->lock);
	if (!loaded) {
		queue_close(queue);
		return queue_damaged(settings, reterr);
	}
	*ret_queue = queue;
	return true;
}

bool
queue_start(struct queue *queue, struct err *reterr)
{
	CHECK(!queue->started);
	atomic_store(&queue->beat_mono_ms, clock_mono_ms());
	if (pthread_create(&queue->committer, NULL, committer_main, queue) != 0)
		return err_set(
		    reterr, ERR_NOMEM, "cannot start the committer thread");
	queue->started = true;
	return true;
}

void
queue_stop(struct queue *queue)
{
	if (!queue->started)
		return;
	lock_hold(&queue->inbox_lock);
	queue->stopping = true;
	cond_wake(&queue->inbox_filled);
	lock_drop(&queue->inbox_lock);
	CHECK(pthread_join(queue->committer, NULL) == 0);
	queue->started = false;
}

/* Give up the claims that are left. */
static void
queue_claims_release(struct queue *queue)
{
	for (size_t i = 0; i < queue->destinations.count; i++) {
		struct destination *one = &queue->destinations.list[i];
		struct engine_claim *claim = &one->claim;

		if (one->claimed)
			queue->engine->release(queue->store, &claim, 1);
		one->claimed = false;
	}
}

void
queue_close(struct queue *queue)
{
	if (queue == NULL)
		return;
	CHECK(!queue->started && queue->leases == NULL);
	queue_claims_release(queue);
	queue->engine->close(queue->store);
	put_pool_fini(queue);
	window_free(queue->window);
	ledger_free(queue->ledger);
	destinations_fini(&queue->destinations);
	names_fini(&queue->texts);
	changes_fini(&queue->changes);
	batch_packer_free(queue->packer);
	dead_free(queue->dead);
	erased_free(queue->erased);
	marks_free(queue->marks);
	waiting_free(queue->waiting);
	set_groups_fini(&queue->groups);
	digest_short_free(queue->digest);
	buf_fini(&queue->packed);
	free(queue->claims);
	free(queue->leased);
	free(queue->shown);
	for (size_t i = 0; i < QUEUE_CLOCKS; i++)
		free(queue->clocks[i].data);
	lock_fini(&queue->inbox_lock);
	cond_fini(&queue->inbox_filled);
	fair_lock_fini(&queue->lock);
	lock_fini(&queue->shown_lock);
	lock_fini(&queue->pool_lock);
	taps_fini(&queue->taps);
	free(queue);
}

/* ---- destinations ---- */

enum { DESTINATION_STATE_MAX = 64 * 1024 * 1024 };

static const char destination_state[] = "sender";

struct destination_opening {
	const char *name;
	int64_t id;
};

/* Make it if need be; its claim is had before it is marked as running. */
static bool
destination_make(struct queue *queue, void *arg, struct err *reterr)
{
	struct destination_opening *opening = arg;

	return destination_add(&queue->destinations, str_text(opening->name),
	    queue->settings.destinations_max, &queue->changes, &opening->id,
	    reterr);
}

/* Write what the mirror has, or with `clean` what it is to have. */
static void
destination_put(struct queue *queue, const struct destination *destination,
    bool paused, bool clean)
{
	changes_add(&queue->changes, ENGINE_DESTINATION_PUT)->row.destination =
	    (struct engine_destination){
		.name = destination->name,
		.paused = paused,
		.clean = clean,
	    };
}

static bool
destination_run(struct queue *queue, void *arg, struct err *reterr)
{
	const struct destination_opening *opening = arg;
	const struct destination *destination =
	    destination_at(&queue->destinations, opening->id);

	destination_put(queue, destination, destination->paused, false);
	return queue_fence(queue, opening->id, reterr);
}

static bool
destination_claim(struct queue *queue, int64_t id, struct err *reterr)
{
	struct destination *destination =
	    destination_at(&queue->destinations, id);

	if (destination->claimed)
		return true;
	destination->claim = (struct engine_claim){.lost = false};
	destination->claimed = queue->engine->claim(
	    queue->store, destination->name.data, &destination->claim, reterr);
	if (destination->claimed)
		destination->claim.destination = destination->name;
	return destination->claimed;
}

static bool
destination_others_saved(const struct queue *queue, int64_t id)
{
	for (size_t i = 0; i < queue->destinations.count; i++) {
		const struct destination *one = &queue->destinations.list[i];

		if (one->there && one->saved && (int64_t)i + 1 != id)
			return true;
	}
	return false;
}

bool
queue_destination_open(struct queue *queue, const char *name,
    struct queue_destination *ret_destination, struct err *reterr)
{
	struct destination_opening opening = {.name = name};
	struct queue_destination found = {.id = 0};
	struct destination *destination;
	bool ok;

	buf_init(&found.state, DESTINATION_STATE_MAX);
	fair_lock_hold(&queue->lock);
	ok = queue_change_held(
		 queue, destination_make, &opening, true, reterr) &&
	     destination_claim(queue, opening.id, reterr) &&
	     queue->engine->state(
		 queue->store, name, destination_state, &found.state, reterr) &&
	     buf_ok(&found.state, reterr) &&
	     queue_change_held(queue, destination_run, &opening, true, reterr);
	if (ok) {
		destination = destination_at(&queue->destinations, opening.id);
		found.id = opening.id;
		found.paused = destination->paused;
		found.clean = destination->clean;
		found.others = destination_others_saved(queue, opening.id);
		destination->clean = false;
		destination->next_ms = destination->next_replay_ms = 0;
	}
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	if (!ok) {
		buf_fini(&found.state);
		return false;
	}
	*ret_destination = found;
	return true;
}

void
queue_destination_fini(struct queue_destination *destination)
{
	buf_fini(&destination->state);
}

struct destination_saving {
	int64_t id;
	struct str state;
	bool stop;
};

static bool
destination_save(struct queue *queue, void *arg, struct err *reterr)
{
	const struct destination_saving *saving = arg;
	const struct destination *destination =
	    destination_at(&queue->destinations, saving->id);

	changes_add(&queue->changes, ENGINE_STATE_PUT)->row.state =
	    (struct engine_state){
		.owner = destination->name,
		.name = str_text(destination_state),
		.data = saving->state,
	    };
	if (saving->stop)
		destination_put(queue, destination, destination->paused, true);
	return queue_fence(queue, saving->id, reterr);
}

bool
queue_destination_save(struct queue *queue, int64_t destination,
    const void *state, size_t len, bool stop, struct err *reterr)
{
	struct destination_saving saving = {
	    destination, str_bytes(state, len), stop};
	struct engine_claim *claim;
	struct destination *one;
	bool ok;

	fair_lock_hold(&queue->lock);
	ok = queue_change_held(queue, destination_save, &saving, true, reterr);
	if (ok)
		destination_at(&queue->destinations, destination)->saved = true;
	if (ok && stop) {
		one = destination_at(&queue->destinations, destination);
		one->clean = true;
		one->claimed = false;
		claim = &one->claim;
		queue->engine->release(queue->store, &claim, 1);
	}
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	return ok;
}

void
queue_destination_limit(
    struct queue *queue, int64_t destination, int64_t max_bytes)
{
	fair_lock_hold(&queue->lock);
	destination_at(&queue->destinations, destination)->bytes_max =
	    max_bytes;
	fair_lock_drop(&queue->lock);
}

struct destination_pausing {
	int64_t id;
	bool paused;
};

static bool
destination_pause(struct queue *queue, void *arg, struct err *reterr)
{
	const struct destination_pausing *pausing = arg;
	const struct destination *destination =
	    destination_at(&queue->destinations, pausing->id);

	(void)reterr;
	destination_put(
	    queue, destination, pausing->paused, destination->clean);
	return true;
}

bool
queue_destination_pause(
    struct queue *queue, const char *name, bool paused, struct err *reterr)
{
	struct destination_pausing pausing = {.paused = paused};
	bool ok;

	fair_lock_hold(&queue->lock);
	pausing.id = destination_find(&queue->destinations, str_text(name));
	ok = pausing.id != 0 || err_set(reterr, ERR_NOT_FOUND,
				    "there is no destination \"%s\"", name);
	ok = ok && queue_change_held(
		       queue, destination_pause, &pausing, true, reterr);
	if (ok)
		destination_at(&queue->destinations, pausing.id)->paused =
		    paused;
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	return ok;
}

struct destination_moving {
	const char *former, *name;
};

static bool
destination_move(struct queue *queue, void *arg, struct err *reterr)
{
	const struct destination_moving *moving = arg;
	struct engine_change *change =
	    changes_add(&queue->changes, ENGINE_DESTINATION_MOVE);

	(void)reterr;
	change->row.destination.name = str_text(moving->former);
	change->text = str_text(moving->name);
	return true;
}

/* In steps: each is durable, and the next start goes on after a crash. */
static bool
destination_move_all(
    struct queue *queue, struct destination_moving *moving, struct err *reterr)
{
	bool more = true, ok = true;
	struct err err;

	while (ok && more) {
		ok = queue_change_held(
		    queue, destination_move, moving, true, reterr);
		more = ok && queue->changes.list[0].flag;
	}
	/* The mirrors, whatever has happened. */
	if (!queue_destinations_load(queue, &err) || !set_load(queue, &err) ||
	    !set_load_waiting(queue, &err)) {
		queue->stale = true;
		ok = ok && err_set(reterr, err.code, "%s", err.text);
	}
	return ok;
}

/* Of a group that both have, each has counted the syncs on its own. */
static bool
destination_groups_apart(const struct queue *queue, const char *former,
    const char *name, struct err *reterr)
{
	for (size_t i = 0; i < queue->groups.count; i++) {
		const struct set_group *group = queue->groups.list[i];

		if (str_equal_text(group->destination, former) &&
		    set_groups_find(&queue->groups, str_text(name),
			group->source, str_text(group->id)) != NULL)
			return err_set(reterr, ERR_CONFIG,
			    "destinations \"%s\" and \"%s\" both have the "
			    "group %.100s, and whose changes are newer is not "
			    "known: they cannot become one",
			    former, name, group->id);
	}
	return true;
}

bool
queue_destination_rename(struct queue *queue, const char *former,
    const char *name, struct err *reterr)
{
	struct destination_moving moving = {former, name};
	struct engine_claim claim = {.lost = false}, *claims = &claim;
	bool ok;

	if (strcmp(former, name) == 0)
		return true;
	if (strlen(name) > DESTINATION_NAME_MAX)
		return err_set(reterr, ERR_LIMIT,
		    "the name of a destination is longer than %d bytes",
		    DESTINATION_NAME_MAX);
	fair_lock_hold(&queue->lock);
	CHECK(queue->leases == NULL);
	ok = queue_ready(queue, reterr) &&
	     destination_groups_apart(queue, former, name, reterr);
	if (ok &&
	    destination_find(&queue->destinations, str_text(former)) != 0) {
		ok = queue->engine->claim(queue->store, former, &claim, reterr);
		if (ok) {
			ok = destination_move_all(queue, &moving, reterr);
			queue->engine->release(queue->store, &claims, 1);
		}
	}
	queue_publish(queue);
	fair_lock_drop(&queue->lock);
	return ok;
}
