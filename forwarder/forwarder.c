/*
 * The forwarder's thread. One round steps every sender, publishes their status,
 * and lets the poster move until something is due, an answer came, or another
 * thread woke it. The time that is read here drives everything below.
 *
 * Senders and the poster belong to the thread. Other threads see the published
 * status, and leave orders (pause, reread, stop) for the next round.
 */

#include "forwarder/forwarder.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/lock.h"
#include "base/log.h"
#include "forwarder/post.h"
#include "forwarder/sender.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FORWARDER_ROUND_MS = 1000, /* at most, so that we are seen alive */
	FORWARDER_STALLED_MS = 10 * 1000,
	FORWARDER_ONCE_MAX = 16 << 20,
};

/* The sender of a destination, and what other threads see of it. */
struct forwarder_slot {
	/* Set before the thread starts. */
	struct poster *poster; /* the forwarder's */
	struct post_target target;
	const char *name; /* the settings' */

	/* Owned by the thread, once it has started. */
	struct sender *sender;

	/* Guarded by the forwarder's lock. */
	struct forwarder_destination_status status;
	struct forwarder_omission omissions[FORWARDER_OMISSIONS_MAX];
	size_t omission_count;
	bool pause_asked, resume_asked;

	/* Any thread. */
	atomic_bool reread_asked;
};

struct forwarder {
	/* Set before the thread starts. */
	size_t count;
	struct forwarder_slot *slots;
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

void
forwarder_destination_init(struct forwarder_destination *settings)
{
	*settings = (struct forwarder_destination){
	    .events_per_minute = 15000,
	    .identity_per_minute = 1000,
	    .share_percent = 95,
	    .request_events = TRACK_EVENTS_MAX,
	    .request_bytes = 1000000,
	    .in_flight = 4,
	    .linger_ms = 1000,
	    .connect_timeout_ms = 5000,
	    .timeout_ms = 30000,
	    .backoff_first_ms = 1000,
	    .backoff_most_ms = 60 * 1000,
	    .retry_after_most_ms = 15 * 60 * 1000,
	    .probe_ms = 60 * 1000,
	    .defer_ms = 60 * 1000,
	};
}

static struct post_target
forwarder_target(const struct forwarder_destination *settings)
{
	return (struct post_target){
	    .url = settings->url,
	    .ca_file = settings->ca_file,
	    .proxy = settings->proxy,
	    .connect_timeout_ms = settings->connect_timeout_ms,
	    .timeout_ms = settings->timeout_ms,
	};
}

/* ---- the thread ---- */

static bool
forwarder_send(void *arg, struct sender *sender, struct request *request,
    struct err *reterr)
{
	struct forwarder_slot *slot = arg;

	return poster_send(slot->poster, &slot->target,
	    str_bytes(request->body.data, request->body.len), sender, request,
	    reterr);
}

static void
forwarder_answered(
    void *arg, void *owner, void *tag, const struct post_answer *answer)
{
	struct clock_times now = clock_times_now();

	(void)arg;
	sender_answer(owner, tag, answer, &now);
}

static void
forwarder_publish(struct forwarder *forwarder)
{
	struct clock_times now = clock_times_now();
	struct forwarder_destination_status status;

	for (size_t i = 0; i < forwarder->count; i++) {
		struct forwarder_slot *slot = &forwarder->slots[i];

		sender_status(slot->sender, &now, &status);
		status.name = slot->name;
		lock_hold(&forwarder->lock);
		slot->status = status;
		slot->omission_count =
		    sender_omissions(slot->sender, slot->omissions);
		lock_drop(&forwarder->lock);
	}
	atomic_store(&forwarder->round_ms, now.mono_ms);
}

/* One round; when (mono) the next is due. */
static int64_t
forwarder_round(struct forwarder *forwarder)
{
	bool woken = atomic_exchange(&forwarder->woken, false);
	int64_t next_ms = INT64_MAX;

	for (size_t i = 0; i < forwarder->count; i++) {
		struct forwarder_slot *slot = &forwarder->slots[i];
		struct clock_times now = clock_times_now();
		bool pause, resume;
		int64_t step_ms;

		lock_hold(&forwarder->lock);
		pause = slot->pause_asked;
		resume = slot->resume_asked;
		slot->pause_asked = slot->resume_asked = false;
		lock_drop(&forwarder->lock);
		if (atomic_exchange(&slot->reread_asked, false))
			sender_reread(slot->sender);
		if (pause || resume)
			sender_pause(slot->sender, pause, &now);
		if (woken)
			sender_wake(slot->sender);
		step_ms = sender_step(slot->sender, &now);
		if (step_ms < next_ms)
			next_ms = step_ms;
	}
	forwarder_publish(forwarder);
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
	if (!poster_run(
		forwarder->poster, wait_ms, forwarder_answered, NULL, &err))
		log_line(LOG_ERROR, "forwarder", "run error=%s",
		    LOG_QUOTE(err.text));
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

/* Start nothing new, and let the requests in flight end until the deadline. */
static void
forwarder_wind_down(struct forwarder *forwarder, int64_t deadline_ms)
{
	struct clock_times now;

	for (size_t i = 0; i < forwarder->count; i++)
		sender_stop(forwarder->slots[i].sender);
	for (;;) {
		int64_t next_ms = forwarder_round(forwarder);
		bool idle = true;

		for (size_t i = 0; i < forwarder->count; i++)
			idle = idle && sender_idle(forwarder->slots[i].sender);
		if (idle || clock_mono_ms() >= deadline_ms)
			break;
		forwarder_wait(
		    forwarder, next_ms < deadline_ms ? next_ms : deadline_ms);
	}
	poster_drop_all(forwarder->poster);
	now = clock_times_now();
	for (size_t i = 0; i < forwarder->count; i++)
		sender_end(forwarder->slots[i].sender, &now);
}

static void *
forwarder_run(void *arg)
{
	struct forwarder *forwarder = arg;
	int64_t deadline_ms;

	while (!forwarder_stopping(forwarder, &deadline_ms))
		forwarder_wait(forwarder, forwarder_round(forwarder));
	forwarder_wind_down(forwarder, deadline_ms);
	return NULL;
}

/* ---- start and stop ---- */

static void
forwarder_free(struct forwarder *forwarder)
{
	struct clock_times now = clock_times_now();

	for (size_t i = 0; i < forwarder->count; i++) {
		struct forwarder_slot *slot = &forwarder->slots[i];

		if (slot->sender != NULL && !forwarder->started) {
			sender_stop(slot->sender);
			sender_end(slot->sender, &now);
		}
		sender_free(slot->sender);
	}
	poster_free(forwarder->poster);
	free(forwarder->slots);
	lock_fini(&forwarder->lock);
	free(forwarder);
}

/* Which run of the machine this is; 0: the kernel does not say. */
static uint64_t
forwarder_boot(void)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	char id[64];
	size_t len;

	if (file == NULL)
		return 0;
	len = fread(id, 1, sizeof(id), file);
	(void)fclose(file);
	return len > 0 ? str_hash(0, str_bytes(id, len)) : 0;
}

static bool
forwarder_slot_init(struct forwarder *forwarder,
    const struct forwarder_destination *settings, struct queue *queue,
    uint64_t boot, struct err *reterr)
{
	struct forwarder_slot *slot = &forwarder->slots[forwarder->count++];
	struct sender_poster poster = {forwarder_send, slot};
	struct clock_times now = clock_times_now();
	uint64_t seed;

	slot->poster = forwarder->poster;
	slot->target = forwarder_target(settings);
	slot->name = settings->name;
	digest_random(&seed, sizeof(seed));
	return sender_new(
	    settings, queue, &poster, seed, boot, &now, &slot->sender, reterr);
}

bool
forwarder_start(const struct forwarder_destination *destinations,
    size_t destination_count, struct queue *queue,
    struct forwarder **ret_forwarder, struct err *reterr)
{
	struct forwarder *forwarder = calloc(1, sizeof(*forwarder));
	uint64_t boot = forwarder_boot();

	if (forwarder == NULL)
		return err_set_nomem(reterr);
	lock_init(&forwarder->lock);
	forwarder->slots = calloc(destination_count, sizeof(*forwarder->slots));
	if (forwarder->slots == NULL) {
		(void)err_set_nomem(reterr);
		goto fail;
	}
	if (!poster_new(&forwarder->poster, reterr))
		goto fail;
	for (size_t i = 0; i < destination_count; i++) {
		if (!forwarder_slot_init(
			forwarder, &destinations[i], queue, boot, reterr))
			goto fail;
	}
	forwarder_publish(forwarder);
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

/* ---- for other threads ---- */

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

size_t
forwarder_destinations(const struct forwarder *forwarder)
{
	return forwarder->count;
}

void
forwarder_destination_status(struct forwarder *forwarder, size_t destination,
    struct forwarder_destination_status *ret_status)
{
	CHECK(destination < forwarder->count);
	lock_hold(&forwarder->lock);
	*ret_status = forwarder->slots[destination].status;
	lock_drop(&forwarder->lock);
}

size_t
forwarder_destination_omissions(struct forwarder *forwarder, size_t destination,
    struct forwarder_omission ret_omissions[FORWARDER_OMISSIONS_MAX])
{
	const struct forwarder_slot *slot;
	size_t count;

	CHECK(destination < forwarder->count);
	slot = &forwarder->slots[destination];
	lock_hold(&forwarder->lock);
	count = slot->omission_count;
	memcpy(ret_omissions, slot->omissions, count * sizeof(*ret_omissions));
	lock_drop(&forwarder->lock);
	return count;
}

bool
forwarder_destination_set_paused(
    struct forwarder *forwarder, const char *name, bool paused)
{
	for (size_t i = 0; i < forwarder->count; i++) {
		struct forwarder_slot *slot = &forwarder->slots[i];

		if (strcmp(slot->name, name) != 0)
			continue;
		lock_hold(&forwarder->lock);
		slot->pause_asked = paused;
		slot->resume_asked = !paused;
		lock_drop(&forwarder->lock);
		poster_wake(forwarder->poster);
		return true;
	}
	return false;
}

void
forwarder_reread(struct forwarder *forwarder)
{
	for (size_t i = 0; i < forwarder->count; i++)
		atomic_store(&forwarder->slots[i].reread_asked, true);
	poster_wake(forwarder->poster);
}

/* ---- one event, past the queue ---- */

struct forwarder_once_wait {
	struct forwarder_once *once;
	bool done;
};

static void
forwarder_once_answered(
    void *arg, void *owner, void *tag, const struct post_answer *answer)
{
	struct forwarder_once_wait *wait = arg;
	struct forwarder_once *once = wait->once;
	struct str text = answer->body;

	(void)owner, (void)tag;
	if (answer->curl_code != 0)
		text = str_text(answer->error);
	once->status = answer->curl_code == 0 ? answer->status : 0;
	(void)snprintf(
	    once->answer, sizeof(once->answer), "%.*s", STR_ARGS(text));
	wait->done = true;
}

bool
forwarder_send_once(const struct forwarder_destination *destination,
    struct str event, struct forwarder_once *ret_once, struct err *reterr)
{
	struct post_target target = forwarder_target(destination);
	struct forwarder_once_wait wait = {.once = ret_once};
	struct forwarder_once *once = ret_once;
	struct poster *poster;
	bool ok;

	once->status = 0;
	once->answer[0] = '\0';
	buf_init(&once->body, FORWARDER_ONCE_MAX);
	track_head_write(&once->body, destination->app_id);
	if (!track_write(
		destination->rules, event, &once->body, &once->result, reterr))
		return false;
	track_tail_write(&once->body);
	if (!buf_ok(&once->body, reterr))
		return false;
	if (once->result.fate != TRACK_SEND)
		return true;
	if (!poster_new(&poster, reterr))
		return false;
	ok = poster_send(poster, &target,
	    str_bytes(once->body.data, once->body.len), NULL, NULL, reterr);
	while (ok && !wait.done)
		ok = poster_run(
		    poster, 1000, forwarder_once_answered, &wait, reterr);
	poster_free(poster);
	return ok;
}
