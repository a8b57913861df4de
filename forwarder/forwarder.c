/*
 * The forwarder's thread: one round steps every lane, publishes what they
 * are at, and lets the poster move until something is due, something came,
 * or somebody woke us. Everything below is driven by the time that is read
 * here.
 *
 * Lanes and the poster belong to the thread. Others see the snapshots of the
 * lanes, and leave wishes (pause, stop) for the next round.
 */

#include "forwarder/forwarder.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/lock.h"
#include "base/log.h"
#include "forwarder/boot.h"
#include "forwarder/lane.h"
#include "forwarder/post.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
	FORWARDER_ROUND_MS = 1000, /* at most, so that we are seen alive */
	FORWARDER_STALLED_MS = 10 * 1000,
};

enum forwarder_wish {
	FORWARDER_WISH_NONE,
	FORWARDER_WISH_PAUSE,
	FORWARDER_WISH_RESUME,
};

struct forwarder_place {
	/* Set before the thread starts. */
	struct lane *lane; /* thread */
	struct post_target target;
	char *name; /* owned */

	/* Guarded by the forwarder's lock. */
	struct forwarder_destination_status status;
	struct forwarder_omission notes[FORWARDER_OMISSIONS_MAX];
	size_t note_count;
	enum forwarder_wish wish;
	atomic_bool let_go; /* any thread */
};

struct forwarder {
	/* Set before the thread starts. */
	size_t count;
	struct forwarder_place *places;
	struct poster *poster;
	pthread_t thread;
	bool started;

	/* Any thread. */
	atomic_bool woken;
	atomic_int_fast64_t round_ms; /* mono; of the last round */

	/* Guarded by the lock. */
	struct lock lock;
	bool stopping;
	int64_t deadline_ms; /* mono; of the requests in flight */
};

static struct moment
forwarder_now(void)
{
	return (struct moment){clock_wall_ms(), clock_mono_ms()};
}

static bool
forwarder_send(
    void *arg, struct lane *lane, struct request *request, struct err *reterr)
{
	struct forwarder *forwarder = arg;
	size_t i = 0;

	while (forwarder->places[i].lane != lane)
		i++;
	return poster_send(forwarder->poster, &forwarder->places[i].target,
	    request->body.data, request->body.len, lane, request, reterr);
}

static void
forwarder_answered(
    void *arg, void *owner, void *tag, const struct post_answer *answer)
{
	struct moment now = forwarder_now();

	(void)arg;
	lane_answer(owner, tag, answer, &now);
}

/* ---- the thread ---- */

static void
forwarder_wish_grant(struct forwarder *forwarder, struct forwarder_place *place,
    const struct moment *now)
{
	enum forwarder_wish wish;

	lock_hold(&forwarder->lock);
	wish = place->wish;
	place->wish = FORWARDER_WISH_NONE;
	lock_drop(&forwarder->lock);
	if (atomic_exchange(&place->let_go, false))
		lane_let_go(place->lane);
	if (wish != FORWARDER_WISH_NONE)
		lane_pause(place->lane, wish == FORWARDER_WISH_PAUSE, now);
}

static void
forwarder_publish(struct forwarder *forwarder, const struct moment *now)
{
	struct forwarder_destination_status status;

	for (size_t i = 0; i < forwarder->count; i++) {
		struct forwarder_place *place = &forwarder->places[i];

		lane_status(place->lane, now, &status);
		status.name = place->name;
		lock_hold(&forwarder->lock);
		place->status = status;
		place->note_count = lane_notes(place->lane, place->notes);
		lock_drop(&forwarder->lock);
	}
	atomic_store(&forwarder->round_ms, now->mono_ms);
}

/* Step every lane; when (mono) to come again. */
static int64_t
forwarder_step(struct forwarder *forwarder, bool look)
{
	int64_t next_ms = INT64_MAX;
	struct moment now;

	for (size_t i = 0; i < forwarder->count; i++) {
		struct forwarder_place *place = &forwarder->places[i];
		int64_t lane_ms;

		now = forwarder_now();
		forwarder_wish_grant(forwarder, place, &now);
		if (look)
			lane_look(place->lane);
		lane_ms = lane_step(place->lane, &now);
		if (lane_ms < next_ms)
			next_ms = lane_ms;
	}
	now = forwarder_now();
	forwarder_publish(forwarder, &now);
	return next_ms;
}

static void
forwarder_wait(struct forwarder *forwarder, int64_t until_ms)
{
	int64_t now_ms = clock_mono_ms(), wait_ms;
	struct err err;

	wait_ms = until_ms > now_ms ? until_ms - now_ms : 0;
	if (until_ms == INT64_MAX || wait_ms > FORWARDER_ROUND_MS)
		wait_ms = FORWARDER_ROUND_MS;
	if (poster_run(
		forwarder->poster, wait_ms, forwarder_answered, NULL, &err))
		return;
	log_line(LOG_ERROR, "forwarder", "run error=%s", LOG_QUOTE(err.text));
}

static bool
forwarder_stopping(struct forwarder *forwarder, int64_t *ret_deadline_ms)
{
	bool stopping;

	lock_hold(&forwarder->lock);
	stopping = forwarder->stopping;
	*ret_deadline_ms = forwarder->deadline_ms;
	lock_drop(&forwarder->lock);
	return stopping;
}

/* Nothing new starts; what is in flight may end until the deadline. */
static void
forwarder_wind_down(struct forwarder *forwarder)
{
	int64_t deadline_ms;
	struct moment now;

	for (size_t i = 0; i < forwarder->count; i++)
		lane_wind_down(forwarder->places[i].lane);
	for (;;) {
		bool idle = true;
		int64_t next_ms = forwarder_step(forwarder, false);

		for (size_t i = 0; i < forwarder->count; i++)
			idle = idle && lane_idle(forwarder->places[i].lane);
		(void)forwarder_stopping(forwarder, &deadline_ms);
		if (idle || clock_mono_ms() >= deadline_ms)
			break;
		forwarder_wait(
		    forwarder, next_ms < deadline_ms ? next_ms : deadline_ms);
	}
	poster_drop_all(forwarder->poster);
	now = forwarder_now();
	for (size_t i = 0; i < forwarder->count; i++)
		lane_end(forwarder->places[i].lane, &now);
}

static void *
forwarder_run(void *arg)
{
	struct forwarder *forwarder = arg;
	int64_t deadline_ms;

	while (!forwarder_stopping(forwarder, &deadline_ms)) {
		bool look = atomic_exchange(&forwarder->woken, false);

		forwarder_wait(forwarder, forwarder_step(forwarder, look));
	}
	forwarder_wind_down(forwarder);
	return NULL;
}

/* ---- for others ---- */

static void
forwarder_free(struct forwarder *forwarder)
{
	struct moment now = forwarder_now();

	for (size_t i = 0; i < forwarder->count; i++) {
		struct forwarder_place *place = &forwarder->places[i];

		if (place->lane != NULL && !forwarder->started) {
			lane_wind_down(place->lane);
			lane_end(place->lane, &now);
		}
		lane_free(place->lane);
		free(place->name);
	}
	poster_free(forwarder->poster);
	free(forwarder->places);
	lock_fini(&forwarder->lock);
	free(forwarder);
}

static bool
forwarder_place_init(struct forwarder *forwarder,
    const struct forwarder_destination *settings, struct queue *queue,
    struct err *reterr)
{
	struct forwarder_place *place = &forwarder->places[forwarder->count++];
	struct lane_poster poster = {forwarder_send, forwarder};
	struct moment now = forwarder_now();
	char *name = strdup(settings->name);
	uint64_t seed;

	if (name == NULL)
		return err_set_nomem(reterr);
	place->name = name;
	place->target = (struct post_target){
	    .url = settings->url,
	    .ca_file = settings->ca_file,
	    .proxy = settings->proxy,
	    .connect_timeout_ms = settings->connect_timeout_ms,
	    .timeout_ms = settings->timeout_ms,
	};
	digest_random(&seed, sizeof(seed));
	return lane_new(settings, queue, &poster, seed, boot_number(), &now,
	    &place->lane, reterr);
}

bool
forwarder_start(const struct forwarder_destination *lanes, size_t lane_count,
    struct queue *queue, struct forwarder **ret_forwarder, struct err *reterr)
{
	struct forwarder *forwarder = calloc(1, sizeof(*forwarder));
	struct moment now = forwarder_now();
	size_t i;

	if (forwarder == NULL)
		return err_set_nomem(reterr);
	lock_init(&forwarder->lock);
	forwarder->places = calloc(lane_count, sizeof(*forwarder->places));
	if (forwarder->places == NULL) {
		(void)err_set_nomem(reterr);
		goto fail;
	}
	if (!poster_new(&forwarder->poster, reterr))
		goto fail;
	for (i = 0; i < lane_count; i++) {
		if (!forwarder_place_init(forwarder, &lanes[i], queue, reterr))
			goto fail;
	}
	forwarder_publish(forwarder, &now);
	if (pthread_create(
		&forwarder->thread, NULL, forwarder_run, forwarder) != 0) {
		(void)err_set(
		    reterr, ERR_NOMEM, "cannot start the forwarder's thread");
		goto fail;
	}
	forwarder->started = true;
	*ret_forwarder = forwarder;
	return true;
fail:
	forwarder_free(forwarder);
	return false;
}

void
forwarder_wake(void *arg)
{
	struct forwarder *forwarder = arg;

	if (forwarder == NULL || atomic_exchange(&forwarder->woken, true))
		return;
	poster_wake(forwarder->poster);
}

bool
forwarder_alive(const struct forwarder *forwarder, int64_t mono_ms)
{
	return mono_ms - atomic_load(&forwarder->round_ms) <
	       FORWARDER_STALLED_MS;
}

void
forwarder_stop(struct forwarder *forwarder, int64_t grace_ms)
{
	if (forwarder == NULL)
		return;
	lock_hold(&forwarder->lock);
	forwarder->stopping = true;
	forwarder->deadline_ms = clock_mono_ms() + grace_ms;
	lock_drop(&forwarder->lock);
	poster_wake(forwarder->poster);
	CHECK(pthread_join(forwarder->thread, NULL) == 0);
	forwarder_free(forwarder);
}

size_t
forwarder_destinations(const struct forwarder *forwarder)
{
	return forwarder->count;
}

void
forwarder_destination_status(struct forwarder *forwarder, size_t lane,
    struct forwarder_destination_status *ret_status)
{
	CHECK(lane < forwarder->count);
	lock_hold(&forwarder->lock);
	*ret_status = forwarder->places[lane].status;
	lock_drop(&forwarder->lock);
}

size_t
forwarder_destination_omissions(struct forwarder *forwarder, size_t lane,
    struct forwarder_omission ret_notes[FORWARDER_OMISSIONS_MAX])
{
	size_t count;

	lock_hold(&forwarder->lock);
	count = forwarder->places[lane].note_count;
	memcpy(ret_notes, forwarder->places[lane].notes,
	    count * sizeof(*ret_notes));
	lock_drop(&forwarder->lock);
	return count;
}

bool
forwarder_destination_set_paused(
    struct forwarder *forwarder, const char *name, bool paused)
{
	for (size_t i = 0; i < forwarder->count; i++) {
		struct forwarder_place *place = &forwarder->places[i];

		if (strcmp(place->name, name) != 0)
			continue;
		lock_hold(&forwarder->lock);
		place->wish =
		    paused ? FORWARDER_WISH_PAUSE : FORWARDER_WISH_RESUME;
		lock_drop(&forwarder->lock);
		poster_wake(forwarder->poster);
		return true;
	}
	return false;
}

void
forwarder_let_go(struct forwarder *forwarder)
{
	for (size_t i = 0; i < forwarder->count; i++)
		atomic_store(&forwarder->places[i].let_go, true);
	poster_wake(forwarder->poster);
}
