/*
 * The forwarder's thread. One round follows the orders that other threads
 * left, steps the senders that have something to do, takes from the queue for
 * all of them at once, publishes what changed, and lets the poster move until
 * something is due, an answer came, or another thread woke it. The time that
 * is read here drives everything below. A destination without traffic costs a
 * few comparisons a round.
 *
 * Senders and the poster belong to the thread. Other threads see the published
 * status, and leave orders (pause, reread, stop) for the next round. One of
 * them is to change the settings of a sender, or to end it: then it stops, and
 * once it is idle it goes on with the others, or is freed. Its slot stays for
 * the name, and gets the sender that another thread makes if a destination of
 * that name is added.
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
#include <time.h>

enum {
	FORWARDER_ROUND_MS = 1000, /* at most, so that we are seen alive */
	FORWARDER_STALLED_MS = 10 * 1000,
	FORWARDER_ORDER_MS = 3000, /* to wait until an order is followed */
	FORWARDER_RETRY_MS = 1000, /* without memory */
	FORWARDER_ONCE_MAX = 16 << 20,
	FORWARDER_SHOWN = 200, /* bytes of an answer */
	FORWARDER_HEADER = 80,
	FORWARDER_VERIFY_TRIES = 4,
	FORWARDER_VERIFY_REST_MS = 60 * 1000,
	FORWARDER_VERIFY_STEP_MS = 500, /* a part of a wait; below a second */
};

/* The sender of a destination, and what other threads see of it. */
struct forwarder_slot {
	/* Set when it is made. */
	struct poster *poster;	   /* the forwarder's */
	char *name;		   /* owned */
	struct sender_times times; /* of all its senders */

	/* Owned by the thread, once it has started. */
	struct sender *sender; /* NULL: it ended */
	struct post_target target, announcements;
	struct forwarder_destination settings;
	struct forwarder_destination next; /* to adopt; of no outlet: to end */
	bool leaving;			   /* the present settings */
	int64_t next_ms;		   /* mono; it is to be stepped */
	bool touched;		    /* something happened in this round */
	uint64_t following;	    /* orders that were followed in it */
	int64_t published_ms;	    /* mono */
	uint64_t omissions_changes; /* that are published */

	/* Guarded by the forwarder's lock. */
	struct forwarder_destination_status status;
	struct forwarder_omission *omissions; /* owned */
	size_t omission_count;
	struct forwarder_parked *parked; /* owned */
	size_t parked_count;
	bool pause_asked, resume_asked, retry_asked, retry_insisted;
	bool change_asked;
	struct forwarder_destination change; /* the next */
	bool changing;			     /* until that is done */
	struct sender *added;		     /* for the thread to take */
	struct forwarder_destination added_settings;
	uint64_t orders, followed; /* how many; the latter once published */

	/* Any thread. */
	atomic_bool reread_asked;
	atomic_bool asked; /* any order */
};

struct forwarder {
	/* Set before the thread starts. */
	struct forwarder_slot *slots; /* room for all that there may be */
	size_t most;
	struct sender_shared shared; /* then owned by the thread */
	struct poster *poster;
	pthread_t thread;
	bool started;

	/* Owned by the thread. */
	struct queue_want *wants; /* room for one of each slot */
	size_t *wanting;	  /* the slot of each want */

	/* Any thread. */
	atomic_size_t count; /* of slots; grows */
	atomic_bool woken;
	atomic_int_fast64_t round_ms; /* mono; of the last round */

	/* Guarded by the lock. */
	struct lock lock;
	struct cond followed; /* an order was */
	bool stopping;
	int64_t deadline_ms; /* mono; of the requests in flight */
};

void
forwarder_destination_init(struct forwarder_destination *settings)
{
	*settings = (struct forwarder_destination){
	    .request_bytes = 1000000,
	    .in_flight = 4,
	    .linger_ms = 1000,
	    .connect_timeout_ms = 5000,
	    .timeout_ms = 30000,
	    .backoff_first_ms = 1000,
	    .backoff_most_ms = 60 * 1000,
	    .probe_ms = 60 * 1000,
	    .defer_ms = 60 * 1000,
	    .park_ms = (int64_t)3 * 24 * 3600 * 1000,
	};
}

static struct post_target
forwarder_target(const struct forwarder_destination *settings)
{
	return (struct post_target){
	    .ca_file = settings->ca_file,
	    .proxy = settings->proxy,
	    .connect_timeout_ms = settings->connect_timeout_ms,
	    .timeout_ms = settings->timeout_ms,
	    .answer_max = settings->outlet->answer_max,
	};
}

/* ---- posting ---- */

/* Give it an id, and the trace of its items; a new one if they have not all the
 * same. */
static void
request_identify(struct request *request)
{
	char *trace = request->trace;
	struct str one, first = str_bytes("", 0);
	bool same = true, sampled = false;

	for (size_t i = 0; i < request->count; i++) {
		one = request->items[i].lease->trace;
		if (i == 0)
			first = one;
		same = same && str_equal(one, first);
		sampled = sampled ||
			  (one.len == TRACE_TEXT && one.data[TRACE_ID] == '1');
	}
	digest_random_id(request->id, TRACE_SPAN);
	(void)snprintf(trace, TRACE_TEXT + 1, "%.*s", STR_ARGS(first));
	if (!same) {
		digest_random_id(trace, TRACE_ID);
		(void)strcpy(trace + TRACE_ID, sampled ? "1" : "0");
	}
}

static bool
forwarder_send(void *arg, struct sender *sender, struct request *request,
    struct err *reterr)
{
	struct forwarder_slot *slot = arg;
	const char *trace = request->trace;
	char id[FORWARDER_HEADER], parent[FORWARDER_HEADER];
	const char *headers[] = {id, NULL, NULL};

	(void)sender;
	request_identify(request);
	(void)snprintf(id, sizeof(id), "X-Request-Id: %s", request->id);
	(void)snprintf(parent, sizeof(parent), "traceparent: 00-%.32s-%s-0%s",
	    trace, request->id, trace + TRACE_ID);
	if (*trace != '\0')
		headers[1] = parent;
	return poster_send(slot->poster,
	    request->announcement ? &slot->announcements : &slot->target,
	    headers, str_bytes(request->body.data, request->body.len), slot,
	    request, reterr);
}

static void
forwarder_answered(
    void *arg, void *owner, void *tag, struct outlet_answer *answer)
{
	struct clock_times now = clock_times_now();
	struct forwarder_slot *slot = owner;

	(void)arg;
	answer->now_ms = now.wall_ms;
	slot->touched = true;
	sender_answer(slot->sender, tag, answer, &now);
}

/* ---- what other threads see ---- */

/* A copy of what may be long is made before the lock is held; without memory
 * other threads see the old one. */
static void
slot_publish_omissions(struct forwarder *forwarder, struct forwarder_slot *slot)
{
	const struct omissions *omissions = sender_omissions(slot->sender);
	struct forwarder_omission *rows, *old;

	if (omissions->changes == slot->omissions_changes ||
	    !omissions_copy(omissions, &rows))
		return;
	slot->omissions_changes = omissions->changes;
	lock_hold(&forwarder->lock);
	old = slot->omissions;
	slot->omissions = rows;
	slot->omission_count = omissions->count;
	lock_drop(&forwarder->lock);
	free(old);
}

/* Likewise. */
static void
slot_publish_parked(
    struct forwarder *forwarder, struct forwarder_slot *slot, size_t types)
{
	struct forwarder_parked *parked = NULL, *old;
	size_t count = 0;

	if (types > 0 && !sender_parked(slot->sender, &parked, &count))
		return;
	lock_hold(&forwarder->lock);
	old = slot->parked;
	slot->parked = parked;
	slot->parked_count = count;
	lock_drop(&forwarder->lock);
	free(old);
}

static void
slot_publish(struct forwarder *forwarder, struct forwarder_slot *slot,
    const struct clock_times *now)
{
	struct forwarder_destination_status status;

	if (slot->sender == NULL)
		return;
	sender_status(slot->sender, now, &status);
	status.name = slot->name;
	lock_hold(&forwarder->lock);
	slot->status = status;
	if (slot->followed != slot->following)
		cond_wake_all(&forwarder->followed);
	slot->followed = slot->following;
	lock_drop(&forwarder->lock);
	slot_publish_omissions(forwarder, slot);
	slot_publish_parked(forwarder, slot, status.parked);
	slot->published_ms = now->mono_ms;
}

/* Of each that was touched, and now and then of each where time alone changes
 * something. */
static void
forwarder_publish(struct forwarder *forwarder)
{
	struct clock_times now = clock_times_now();

	for (size_t i = 0; i < forwarder->count; i++) {
		struct forwarder_slot *slot = &forwarder->slots[i];

		if (slot->touched ||
		    (now.mono_ms - slot->published_ms >= FORWARDER_ROUND_MS &&
			slot->sender != NULL && !sender_quiet(slot->sender)))
			slot_publish(forwarder, slot, &now);
		slot->touched = false;
	}
	atomic_store(&forwarder->round_ms, now.mono_ms);
}

/* ---- a round ---- */

static void
slot_give_back(const struct forwarder_destination *settings)
{
	if (settings->give_back != NULL)
		settings->give_back(settings->lender);
}

/* The sender has these settings. */
static void
slot_set(
    struct forwarder_slot *slot, const struct forwarder_destination *settings)
{
	slot->settings = *settings;
	slot->target = forwarder_target(settings);
	slot->announcements = slot->target;
	sender_address(slot->sender, false, &slot->target.address);
	sender_address(slot->sender, true, &slot->announcements.address);
}

/* Leave the settings that its requests in flight were made with, once there
 * are none; without memory, later. */
static void
slot_leave(struct forwarder *forwarder, struct forwarder_slot *slot)
{
	struct forwarder_destination before = slot->settings;
	struct clock_times now = clock_times_now();
	struct err err;

	if (!slot->leaving || !sender_idle(slot->sender))
		return;
	if (slot->next.outlet == NULL) {
		sender_end(slot->sender, &now);
		sender_free(slot->sender);
		slot->sender = NULL;
		slot->next_ms = INT64_MAX;
	} else if (sender_adopt(slot->sender, &slot->next, &now, &err)) {
		slot_set(slot, &slot->next);
		slot->next_ms = now.mono_ms;
	} else {
		slot->next_ms = now.mono_ms + FORWARDER_RETRY_MS;
		return;
	}
	slot->leaving = false;
	slot_give_back(&before);
	lock_hold(&forwarder->lock);
	slot->changing = slot->change_asked;
	cond_wake_all(&forwarder->followed);
	lock_drop(&forwarder->lock);
}

static void
slot_orders(struct forwarder *forwarder, struct forwarder_slot *slot)
{
	struct clock_times now = clock_times_now();
	struct forwarder_destination change;
	bool pause, resume, retry, insist, changes;

	lock_hold(&forwarder->lock);
	pause = slot->pause_asked;
	resume = slot->resume_asked;
	retry = slot->retry_asked;
	insist = slot->retry_insisted;
	changes = slot->change_asked;
	change = slot->change;
	slot->pause_asked = slot->resume_asked = false;
	slot->retry_asked = slot->retry_insisted = false;
	slot->change_asked = false;
	slot->following = slot->orders;
	if (slot->added != NULL) {
		slot->sender = slot->added;
		slot->added = NULL;
		slot_set(slot, &slot->added_settings);
	}
	lock_drop(&forwarder->lock);
	slot->touched = true;
	if (slot->sender == NULL)
		return;
	if (atomic_exchange(&slot->reread_asked, false))
		sender_reread(slot->sender);
	if (pause || resume)
		sender_pause(slot->sender, pause, &now);
	if (retry)
		sender_retry(slot->sender, insist, &now);
	if (!changes)
		return;
	if (slot->leaving)
		slot_give_back(&slot->next);
	slot->next = change;
	slot->leaving = true;
	sender_stop(slot->sender);
}

static void
slot_step(struct forwarder_slot *slot)
{
	struct clock_times now = clock_times_now();

	slot->next_ms = sender_step(slot->sender, &now);
	slot->touched = true;
}

/* Hand the leases to the senders. The search goes on from the last one, because
 * leases come in the order of the wants, more or less. */
static void
forwarder_give(
    struct forwarder *forwarder, size_t count, struct queue_lease *leases)
{
	struct queue_lease *next;
	size_t i = 0;

	for (struct queue_lease *lease = leases; lease != NULL; lease = next) {
		size_t tried = 0;

		next = lease->next;
		while (forwarder->wants[i].destination != lease->destination) {
			i = (i + 1) % count;
			CHECK(++tried < count);
		}
		sender_give(
		    forwarder->slots[forwarder->wanting[i]].sender, lease);
	}
}

/* Take what is due for all senders that have room. Was anything asked for? */
static bool
forwarder_take(struct forwarder *forwarder)
{
	struct clock_times now = clock_times_now();
	struct queue_lease *leases = NULL;
	size_t count = 0;
	struct err err;

	for (size_t i = 0; i < forwarder->count; i++) {
		if (forwarder->slots[i].sender == NULL ||
		    !sender_want(forwarder->slots[i].sender, &now,
			&forwarder->wants[count]))
			continue;
		forwarder->wanting[count++] = i;
	}
	if (count == 0)
		return false;
	if (queue_take(forwarder->shared.queue, forwarder->wants, count,
		sender_due_now_ms(&forwarder->shared, &now), &leases, &err))
		forwarder_give(forwarder, count, leases);
	else {
		log_line(
		    LOG_ERROR, "forwarder", "take why=%s", LOG_QUOTE(err.text));
		for (size_t i = 0; i < count; i++)
			forwarder->wants[i].next_ms = INT64_MIN;
	}
	for (size_t i = 0; i < count; i++) {
		struct forwarder_slot *slot =
		    &forwarder->slots[forwarder->wanting[i]];

		sender_given(slot->sender, forwarder->wants[i].next_ms, &now);
		slot_step(slot);
	}
	return true;
}

/* When (mono) the next is due. */
static int64_t
forwarder_round(struct forwarder *forwarder)
{
	bool woken = atomic_exchange(&forwarder->woken, false);
	int64_t now_ms = clock_mono_ms(), next_ms = INT64_MAX;

	for (size_t i = 0; i < forwarder->count; i++) {
		struct forwarder_slot *slot = &forwarder->slots[i];

		if (atomic_exchange(&slot->asked, false))
			slot_orders(forwarder, slot);
		if (slot->sender == NULL)
			continue;
		if (woken)
			sender_wake(slot->sender);
		if (slot->touched || slot->next_ms <= now_ms) {
			slot_step(slot);
			slot_leave(forwarder, slot);
		}
	}
	/* Who got something may want more, at once. */
	if (forwarder_take(forwarder))
		next_ms = now_ms;
	for (size_t i = 0; i < forwarder->count; i++) {
		if (forwarder->slots[i].next_ms < next_ms)
			next_ms = forwarder->slots[i].next_ms;
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
	if (wait_ms > FORWARDER_ROUND_MS)
		wait_ms = FORWARDER_ROUND_MS;
	if (!poster_run(
		forwarder->poster, wait_ms, forwarder_answered, NULL, &err))
		log_line(
		    LOG_ERROR, "forwarder", "run why=%s", LOG_QUOTE(err.text));
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

	for (size_t i = 0; i < forwarder->count; i++) {
		struct forwarder_slot *slot = &forwarder->slots[i];

		slot_orders(forwarder, slot);
		if (slot->leaving)
			slot_give_back(&slot->next);
		slot->leaving = false;
		if (slot->sender != NULL)
			sender_stop(slot->sender);
	}
	for (;;) {
		int64_t next_ms = forwarder_round(forwarder);
		bool idle = true;

		for (size_t i = 0; i < forwarder->count; i++)
			idle = idle &&
			       (forwarder->slots[i].sender == NULL ||
				   sender_idle(forwarder->slots[i].sender));
		if (idle || clock_mono_ms() >= deadline_ms)
			break;
		forwarder_wait(
		    forwarder, next_ms < deadline_ms ? next_ms : deadline_ms);
	}
	poster_drop_all(forwarder->poster);
	now = clock_times_now();
	for (size_t i = 0; i < forwarder->count; i++) {
		if (forwarder->slots[i].sender != NULL)
			sender_end(forwarder->slots[i].sender, &now);
	}
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
		if (slot->sender != NULL)
			slot_give_back(&slot->settings);
		sender_free(slot->sender);
		free(slot->omissions);
		free(slot->parked);
		free(slot->name);
	}
	poster_free(forwarder->poster);
	free(forwarder->wants);
	free(forwarder->wanting);
	free(forwarder->slots);
	cond_fini(&forwarder->followed);
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

static struct forwarder_slot *
forwarder_slot(struct forwarder *forwarder, const char *name)
{
	size_t count = atomic_load(&forwarder->count);

	for (size_t i = 0; i < count; i++) {
		if (strcmp(forwarder->slots[i].name, name) == 0)
			return &forwarder->slots[i];
	}
	return NULL;
}

/* The slot for a name, which may have had a sender; and a new sender. Not by
 * the thread. */
static bool
forwarder_slot_make(struct forwarder *forwarder,
    const struct forwarder_destination *settings,
    struct forwarder_slot **ret_slot, struct sender **ret_sender,
    struct err *reterr)
{
	struct forwarder_slot *slot = forwarder_slot(forwarder, settings->name);
	struct clock_times now = clock_times_now();
	size_t count = atomic_load(&forwarder->count);
	uint64_t seed;
	char *name;

	if (slot == NULL) {
		if (count == forwarder->most)
			return err_set(reterr, ERR_LIMIT,
			    "there were %zu destinations since the start, and "
			    "there may be no more: restart the daemon",
			    count);
		name = strdup(settings->name);
		if (name == NULL)
			return err_set_nomem(reterr);
		slot = &forwarder->slots[count];
		slot->name = name;
		slot->poster = forwarder->poster;
		slot->times.delays.scale = HISTOGRAM_DELAY;
		slot->status.name = slot->name;
		slot->next_ms = INT64_MAX;
		atomic_store(&forwarder->count, count + 1);
	}
	digest_random(&seed, sizeof(seed));
	*ret_slot = slot;
	return sender_new(settings, &forwarder->shared, &slot->times, slot,
	    seed, &now, ret_sender, reterr);
}

static bool
forwarder_slot_init(struct forwarder *forwarder,
    const struct forwarder_destination *settings, struct err *reterr)
{
	struct clock_times now;
	struct forwarder_slot *slot;
	struct sender *sender;

	if (!forwarder_slot_make(forwarder, settings, &slot, &sender, reterr))
		return false;
	now = clock_times_now();
	slot->sender = sender;
	slot->touched = true;
	slot_set(slot, settings);
	slot_publish(forwarder, slot, &now);
	return true;
}

bool
forwarder_start(const struct forwarder_destination *destinations,
    size_t destination_count, size_t most, struct queue *queue,
    struct forwarder **ret_forwarder, struct err *reterr)
{
	struct forwarder *forwarder = calloc(1, sizeof(*forwarder));

	if (forwarder == NULL)
		return err_set_nomem(reterr);
	lock_init(&forwarder->lock);
	cond_init(&forwarder->followed);
	forwarder->shared = (struct sender_shared){
	    .queue = queue,
	    .boot = forwarder_boot(),
	    .send = forwarder_send,
	};
	/* What is not used takes no memory. */
	forwarder->most = most;
	forwarder->slots = calloc(most, sizeof(*forwarder->slots));
	forwarder->wants = calloc(most, sizeof(*forwarder->wants));
	forwarder->wanting = calloc(most, sizeof(*forwarder->wanting));
	if (forwarder->slots == NULL || forwarder->wants == NULL ||
	    forwarder->wanting == NULL) {
		(void)err_set_nomem(reterr);
		goto fail;
	}
	if (!poster_new(&forwarder->poster, reterr))
		goto fail;
	for (size_t i = 0; i < destination_count; i++) {
		if (!forwarder_slot_init(forwarder, &destinations[i], reterr))
			goto fail;
	}
	atomic_store(&forwarder->round_ms, clock_mono_ms());
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

void
forwarder_destination_status(struct forwarder *forwarder, const char *name,
    struct forwarder_destination_status *ret_status)
{
	const struct forwarder_slot *slot = forwarder_slot(forwarder, name);

	CHECK(slot != NULL);
	lock_hold(&forwarder->lock);
	*ret_status = slot->status;
	lock_drop(&forwarder->lock);
}

size_t
forwarder_destination_omissions(struct forwarder *forwarder, const char *name,
    struct forwarder_omission ret_omissions[FORWARDER_OMISSIONS_MAX])
{
	const struct forwarder_slot *slot = forwarder_slot(forwarder, name);
	size_t count;

	CHECK(slot != NULL);
	lock_hold(&forwarder->lock);
	count = slot->omission_count;
	if (count > 0)
		memcpy(ret_omissions, slot->omissions,
		    count * sizeof(*ret_omissions));
	lock_drop(&forwarder->lock);
	return count;
}

size_t
forwarder_destination_parked(struct forwarder *forwarder, const char *name,
    struct forwarder_parked ret_parked[FORWARDER_PARKED_MAX])
{
	const struct forwarder_slot *slot = forwarder_slot(forwarder, name);
	size_t count;

	CHECK(slot != NULL);
	lock_hold(&forwarder->lock);
	count = slot->parked_count;
	if (count > 0)
		memcpy(ret_parked, slot->parked, count * sizeof(*ret_parked));
	lock_drop(&forwarder->lock);
	return count;
}

bool
forwarder_destination_order(struct forwarder *forwarder, const char *name,
    enum forwarder_order order, struct forwarder_destination_status *ret_status)
{
	int64_t until_ms = clock_mono_ms() + FORWARDER_ORDER_MS;
	struct forwarder_slot *slot = forwarder_slot(forwarder, name);
	uint64_t number;
	bool followed;

	CHECK(slot != NULL);
	lock_hold(&forwarder->lock);
	switch (order) {
	case FORWARDER_PAUSE:
	case FORWARDER_RESUME:
		slot->pause_asked = order == FORWARDER_PAUSE;
		slot->resume_asked = order == FORWARDER_RESUME;
		break;
	case FORWARDER_RETRY_INSIST:
		slot->retry_insisted = true;
		slot->retry_asked = true;
		break;
	case FORWARDER_RETRY:
		slot->retry_asked = true;
		break;
	}
	number = ++slot->orders;
	lock_drop(&forwarder->lock);
	atomic_store(&slot->asked, true);
	poster_wake(forwarder->poster);
	lock_hold(&forwarder->lock);
	while (slot->followed < number && clock_mono_ms() < until_ms)
		cond_wait(&forwarder->followed, &forwarder->lock, until_ms);
	followed = slot->followed >= number;
	*ret_status = slot->status;
	lock_drop(&forwarder->lock);
	return followed;
}

void
forwarder_reread(struct forwarder *forwarder)
{
	for (size_t i = 0; i < forwarder->count; i++) {
		atomic_store(&forwarder->slots[i].reread_asked, true);
		atomic_store(&forwarder->slots[i].asked, true);
	}
	poster_wake(forwarder->poster);
}

/* ---- other settings ---- */

bool
forwarder_destination_add(struct forwarder *forwarder,
    const struct forwarder_destination *settings, struct err *reterr)
{
	struct forwarder_slot *slot = forwarder_slot(forwarder, settings->name);
	struct clock_times now = clock_times_now();
	struct forwarder_destination_status status;
	struct sender *sender;
	bool ending = false;

	if (slot != NULL) {
		forwarder_settle(forwarder, FORWARDER_ORDER_MS);
		lock_hold(&forwarder->lock);
		ending = slot->changing;
		lock_drop(&forwarder->lock);
	}
	if (ending)
		return err_set(reterr, ERR_BUSY,
		    "the destination \"%s\" that was removed still has "
		    "requests in flight: try again",
		    settings->name);
	if (!forwarder_slot_make(forwarder, settings, &slot, &sender, reterr))
		return false;
	sender_status(sender, &now, &status);
	status.name = slot->name;
	lock_hold(&forwarder->lock);
	slot->added = sender;
	slot->added_settings = *settings;
	slot->status = status;
	lock_drop(&forwarder->lock);
	atomic_store(&slot->asked, true);
	poster_wake(forwarder->poster);
	return true;
}

void
forwarder_destination_change(
    struct forwarder *forwarder, const struct forwarder_destination *settings)
{
	struct forwarder_slot *slot = forwarder_slot(forwarder, settings->name);
	struct forwarder_destination before = {.name = NULL};

	CHECK(slot != NULL);
	lock_hold(&forwarder->lock);
	if (slot->change_asked)
		before = slot->change;
	slot->change = *settings;
	slot->change_asked = slot->changing = true;
	lock_drop(&forwarder->lock);
	slot_give_back(&before);
	atomic_store(&slot->asked, true);
	poster_wake(forwarder->poster);
}

void
forwarder_destination_end(struct forwarder *forwarder, const char *name)
{
	const struct forwarder_destination none = {.name = name};

	forwarder_destination_change(forwarder, &none);
}

void
forwarder_settle(struct forwarder *forwarder, int64_t wait_ms)
{
	int64_t until_ms = clock_mono_ms() + wait_ms;
	size_t count = atomic_load(&forwarder->count);

	lock_hold(&forwarder->lock);
	for (size_t i = 0; i < count; i++) {
		while (
		    forwarder->slots[i].changing && clock_mono_ms() < until_ms)
			cond_wait(
			    &forwarder->followed, &forwarder->lock, until_ms);
	}
	lock_drop(&forwarder->lock);
}
/* ---- one item, past the queue ---- */

struct forwarder_once_wait {
	const struct outlet *outlet;
	const struct outlet_context *context;
	struct forwarder_once *once;
	bool done;
};

static void
forwarder_once_answered(
    void *arg, void *owner, void *tag, struct outlet_answer *answer)
{
	struct forwarder_once_wait *wait = arg;
	struct forwarder_once *once = wait->once;
	enum outlet_outcome outcome = OUTLET_ACCEPTED;
	size_t count = once->announcing ? 0 : 1;
	struct outlet_verdict verdict;
	struct str text = answer->body;

	(void)owner, (void)tag;
	answer->now_ms = clock_wall_ms();
	wait->outlet->judge(wait->context, answer, count, &outcome, &verdict);
	if (answer->status == 0)
		text = str_text(answer->trouble);
	once->status = answer->status;
	once->accepted = verdict.kind == OUTLET_VERDICT_ACCEPTED &&
			 outcome == OUTLET_ACCEPTED;
	(void)snprintf(
	    once->answer, sizeof(once->answer), "%.*s", STR_ARGS(text));
	wait->done = true;
}

static bool
forwarder_once_post(const struct forwarder_destination *destination,
    struct outlet_context *context, struct forwarder_once *once,
    struct err *reterr)
{
	struct post_target target = forwarder_target(destination);
	struct forwarder_once_wait wait = {
	    .outlet = destination->outlet,
	    .context = context,
	    .once = once,
	};
	struct poster *poster;
	bool ok;

	if (!poster_new(&poster, reterr))
		return false;
	destination->outlet->address(
	    context, once->announcing, &target.address);
	ok = poster_send(poster, &target, NULL,
	    str_bytes(once->body.data, once->body.len), NULL, NULL, reterr);
	while (ok && !wait.done)
		ok = poster_run(
		    poster, 1000, forwarder_once_answered, &wait, reterr);
	poster_free(poster);
	return ok;
}

/* Announce the group. False: trouble of ours. */
static bool
forwarder_once_announce(const struct forwarder_destination *destination,
    struct outlet_context *context, const struct outlet_group *group,
    struct forwarder_once *once, struct err *reterr)
{
	once->announcing = true;
	if (!destination->outlet->announce(
		context, group, clock_wall_ms(), &once->body, reterr) ||
	    !buf_ok(&once->body, reterr) ||
	    !forwarder_once_post(destination, context, once, reterr))
		return false;
	if (!once->accepted)
		return true;
	once->announcing = once->accepted = false;
	buf_reset(&once->body);
	return true;
}

static bool
forwarder_once_send(const struct forwarder_destination *destination,
    struct outlet_context *context, const struct outlet_group *group,
    const struct item *item, struct forwarder_once *once, struct err *reterr)
{
	const struct outlet *outlet = destination->outlet;
	struct str one;
	struct buf out;
	bool ok;

	buf_init(&out, FORWARDER_ONCE_MAX);
	ok = outlet->prepare(context, outlet->rules(context), group, item,
	    clock_wall_ms(), &out, &once->prepared, reterr);
	if (ok && once->prepared.fate == OUTLET_SEND && group != NULL &&
	    outlet->announce != NULL)
		ok = forwarder_once_announce(
		    destination, context, group, once, reterr);
	if (ok && once->prepared.fate == OUTLET_SEND && !once->announcing) {
		one = str_bytes(out.data, out.len);
		ok = outlet->frame(
			 context, group, &one, 1, &once->body, reterr) &&
		     buf_ok(&once->body, reterr) &&
		     forwarder_once_post(destination, context, once, reterr);
	}
	buf_fini(&out);
	return ok;
}

bool
forwarder_send_once(const struct forwarder_destination *destination,
    const struct outlet_group *group, const struct item *item,
    struct forwarder_once *ret_once, struct err *reterr)
{
	const struct outlet *outlet = destination->outlet;
	struct forwarder_once *once = ret_once;
	struct outlet_context *context = NULL;
	struct outlet_group labelled;
	struct buf label;
	bool ok;

	once->status = 0;
	once->accepted = once->announcing = false;
	once->answer[0] = '\0';
	buf_init(&once->body, FORWARDER_ONCE_MAX);
	buf_init(&label, FORWARDER_ONCE_MAX);
	ok =
	    outlet->context_new(destination->outlet_settings, &context, reterr);
	if (ok && group != NULL) {
		ok = outlet->label(context, group, &label, reterr) &&
		     buf_ok(&label, reterr);
		labelled = *group;
		labelled.label = str_bytes(label.data, label.len);
		group = &labelled;
	}
	ok = ok && forwarder_once_send(
		       destination, context, group, item, once, reterr);
	outlet->context_free(context);
	buf_fini(&label);
	return ok;
}

/* ---- what a destination has ---- */

/* One request of it. */
struct forwarder_verify_wait {
	const struct outlet *outlet;
	const struct outlet_context *context;
	const struct outlet_group *group;
	const struct str *members;
	size_t count;
	enum outlet_has *has;
	bool done, ok;
	int64_t wait_ms; /* ask again then; 0: do not */
	struct err *reterr;
	forwarder_asked_fn *asked;
	void *arg;
	size_t at; /* members that were answered for */
};

static void
forwarder_verify_answered(
    void *arg, void *owner, void *tag, struct outlet_answer *answer)
{
	struct forwarder_verify_wait *wait = arg;
	struct str body = answer->body;
	struct outlet_verdict verdict;

	(void)owner, (void)tag;
	answer->now_ms = clock_wall_ms();
	wait->outlet->judge(wait->context, answer, 0, NULL, &verdict);
	wait->done = true;
	wait->wait_ms = 0;
	if (verdict.slower)
		wait->wait_ms =
		    verdict.wait_ms > 0 ? verdict.wait_ms : FORWARDER_RETRY_MS;
	if (body.len > FORWARDER_SHOWN)
		body.len = FORWARDER_SHOWN;
	if (answer->status == 0)
		wait->ok = err_set(wait->reterr, ERR_IO,
		    "there is no answer: %s", answer->trouble);
	else if (answer->status < 200 || answer->status > 299 ||
		 answer->transport != OUTLET_WHOLE)
		wait->ok = err_set(wait->reterr, ERR_IO,
		    "the answer is HTTP %u%s: %.*s", answer->status,
		    answer->transport == OUTLET_WHOLE ? "" : ", and cut",
		    STR_ARGS(body));
	else
		wait->ok = wait->outlet->verify_read(wait->context, wait->group,
		    wait->members, wait->count, answer->body, wait->has,
		    wait->reterr);
}

static bool
forwarder_verify_post(const struct forwarder_destination *destination,
    struct poster *poster, struct forwarder_verify_wait *wait, size_t left,
    struct err *reterr)
{
	struct post_target target = forwarder_target(destination);
	struct buf body;
	bool ok;

	target.answer_max = FORWARDER_ONCE_MAX;
	buf_init(&body, FORWARDER_ONCE_MAX);
	wait->done = false;
	ok = wait->outlet->verify(wait->context, wait->members, left,
		 &target.address, &body, &wait->count, reterr) &&
	     poster_send(poster, &target, NULL, str_bytes(body.data, body.len),
		 NULL, NULL, reterr);
	while (ok && !wait->done)
		ok = poster_run(poster, FORWARDER_VERIFY_STEP_MS,
			 forwarder_verify_answered, wait, reterr) &&
		     wait->asked(wait->arg, wait->at, reterr);
	/* One that is still on its way lends the body. */
	poster_drop_all(poster);
	buf_fini(&body);
	return ok && wait->ok;
}

static bool
forwarder_verify_rest(
    struct forwarder_verify_wait *wait, int64_t ms, struct err *reterr)
{
	bool ok = true;

	for (; ok && ms > 0; ms -= FORWARDER_VERIFY_STEP_MS) {
		int64_t step_ms = ms < FORWARDER_VERIFY_STEP_MS
				      ? ms
				      : FORWARDER_VERIFY_STEP_MS;
		struct timespec rest = {0, step_ms * 1000000};

		(void)nanosleep(&rest, NULL);
		ok = wait->asked(wait->arg, wait->at, reterr);
	}
	return ok;
}

/* "Too fast" is obeyed a few times. */
static bool
forwarder_verify_some(const struct forwarder_destination *destination,
    struct poster *poster, struct forwarder_verify_wait *wait, size_t left,
    struct err *reterr)
{
	for (unsigned tries = 1;; tries++) {
		if (forwarder_verify_post(
			destination, poster, wait, left, reterr))
			return true;
		if (wait->wait_ms == 0 || tries == FORWARDER_VERIFY_TRIES)
			return false;
		if (!forwarder_verify_rest(wait,
			wait->wait_ms < FORWARDER_VERIFY_REST_MS
			    ? wait->wait_ms
			    : FORWARDER_VERIFY_REST_MS,
			reterr))
			return false;
	}
}

bool
forwarder_verify(const struct forwarder_destination *destination,
    const struct outlet_group *group, const struct str *members, size_t count,
    forwarder_asked_fn *asked, void *arg, enum outlet_has *ret_has,
    struct err *reterr)
{
	struct forwarder_verify_wait wait = {
	    .outlet = destination->outlet,
	    .group = group,
	    .reterr = reterr,
	    .asked = asked,
	    .arg = arg,
	};
	struct outlet_context *context = NULL;
	struct poster *poster = NULL;
	bool ok;

	ok = wait.outlet->context_new(
		 destination->outlet_settings, &context, reterr) &&
	     poster_new(&poster, reterr);
	wait.context = context;
	for (; ok && wait.at < count; wait.at += wait.count) {
		wait.members = members + wait.at;
		wait.has = ret_has + wait.at;
		ok =
		    (wait.at == 0 || forwarder_verify_rest(&wait,
					 wait.outlet->verify_gap_ms, reterr)) &&
		    forwarder_verify_some(
			destination, poster, &wait, count - wait.at, reterr);
	}
	poster_free(poster);
	wait.outlet->context_free(context);
	return ok;
}
