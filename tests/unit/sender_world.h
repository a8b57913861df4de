#ifndef TESTS_UNIT_SENDER_WORLD_H
#define TESTS_UNIT_SENDER_WORLD_H

/*
 * The world of a sender: a queue in memory that stands in for queue/, a
 * mapping that stands in for schema/track, a Heap with latency that counts
 * what arrives in each window, and a clock that jumps from one thing that
 * happens to the next. Included by the tests of senders, one program each.
 *
 * An event is a number; its bytes are that number. Its identity, and whether
 * it is bad, are looked up in the world.
 */

#include "forwarder/sender_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum world_fate { QUEUED, LEASED, DEFERRED, DELIVERED, DEAD, DROPPED };

struct world_event {
	char text[24];
	unsigned identity;
	unsigned attempts;
	enum world_fate fate;
	int64_t due_ms;
	bool bad;      /* Heap refuses it */
	bool large;    /* because it is too large */
	bool drop;     /* the mapping drops it */
	bool erase;    /* and it asks for an erasure */
	bool accepted; /* Heap has it */
	bool split;    /* under two identities */
	enum track_identity mapped, at_heap;
	unsigned deferrals;
	unsigned posts; /* when it became a dead letter */
};

/* A request on its way. */
struct world_flight {
	struct sender *sender;
	struct request *request; /* NULL: the sender died */
	int64_t arrive_ms, answer_ms;
	bool arrived;
	size_t count;
	unsigned *events;
	enum track_identity *mapped; /* under whom, each */
	struct post_answer answer;
};

struct world_arrival {
	int64_t ms;
	unsigned count;
};

struct world_log { /* what arrived, of the app or an identity */
	struct world_arrival *arrivals;
	size_t head, count, cap;
	size_t sum; /* within the window */
};

enum { WORLD_FLIGHTS = 64, WORLD_IDENTITIES = 20000, WORLD_BATCH = 100 };

struct world {
	struct clock_times now;
	uint64_t boot;
	struct world_event *events;
	size_t most, count, fresh; /* room, waiting, handed out */
	unsigned *back;		   /* handed back: ring of event numbers */
	size_t back_head, back_count;
	size_t deferred, leased, done, dead, dropped, twice;
	size_t settles;

	/* The destination as the queue keeps it. */
	struct queue_destination saved;
	char *doubt; /* as it was noted last */
	size_t doubt_len;
	size_t replays_from, replays_to;
	bool broken; /* settle, post and stop fail */
	bool trial;  /* what was handed out stays away */
	size_t erased;

	/* Heap. */
	struct world_flight flights[WORLD_FLIGHTS];
	struct world_log app, *identities;
	size_t app_most, identity_most; /* of any window */
	size_t posts, arrived, largest;
	int64_t latency_ms; /* at most, each way */
	uint64_t random;
	void (*judge)(struct world *world, struct world_flight *flight);
	long all_status;  /* not 0: the answer to all */
	size_t body_most; /* not 0: 413 above */

	enum err_code map_fails; /* not 0: the mapping's answer to all */

	struct forwarder_destination settings;
	struct sender *sender;
};

static struct world *world; /* queue.h has no place for a test's pointer */

static inline uint64_t
world_random(uint64_t below)
{
	world->random = world->random * UINT64_C(6364136223846793005) +
			UINT64_C(1442695040888963407);
	return (world->random >> 33) % below;
}

/* ---- schema/track/track.h: a mapping ---- */

void
track_head_write(struct buf *out, const char *app_id)
{
	(void)buf_printf(out, "%s:[", app_id);
}

void
track_tail_write(struct buf *out)
{
	(void)buf_text(out, "]");
}

bool
track_write(const struct track_rules *rules, struct str event, struct buf *out,
    struct track_result *ret_result, struct err *reterr)
{
	size_t number = strtoul(event.data, NULL, 10);
	struct world_event *of = &world->events[number];

	of->mapped = rules->identity;
	if (world->map_fails != ERR_NONE)
		return err_set(reterr, world->map_fails, "it fails");
	*ret_result = (struct track_result){
	    .user_hash = of->identity, .omission_count = 1};
	ret_result->omissions[0] =
	    (struct track_omission){"plan", TRACK_OMISSION_CUT, 2};
	if (of->drop) {
		ret_result->fate = TRACK_DROP;
		ret_result->reason = "a rule";
		if (of->erase)
			ret_result->erase_len =
			    (size_t)snprintf(ret_result->erase, TRACK_ERASE_MAX,
				"id-%s", of->text);
		return true;
	}
	if (buf_append(out, event.data, event.len))
		return true;
	out->failed = false;
	return err_set_nomem(reterr);
}

/* ---- queue/queue.h ---- */

bool
queue_destination_open(struct queue *queue, const char *name,
    struct queue_destination *ret_destination, struct err *reterr)
{
	(void)queue, (void)name, (void)reterr;
	*ret_destination = world->saved;
	ret_destination->doubt = malloc(world->doubt_len + 1);
	assert_non_null(ret_destination->doubt);
	if (world->doubt_len > 0)
		memcpy(ret_destination->doubt, world->doubt, world->doubt_len);
	ret_destination->doubt_len = world->doubt_len;
	world->saved.clean_ms = 0;
	world->saved.sends = NULL;
	world->saved.sends_len = 0;
	return true;
}

void
queue_destination_trial(struct queue *queue, int64_t destination)
{
	(void)queue, (void)destination;
	world->trial = true;
}

void
queue_destination_fini(struct queue_destination *destination)
{
	free(destination->sends);
	free(destination->doubt);
	destination->sends = destination->doubt = NULL;
}

static inline void
world_doubt_save(const void *doubt, size_t len)
{
	free(world->doubt);
	world->doubt = malloc(len + 1);
	assert_non_null(world->doubt);
	if (len > 0)
		memcpy(world->doubt, doubt, len);
	world->doubt_len = len;
}

bool
queue_destination_post(struct queue *queue, int64_t destination, int64_t now_ms,
    const void *doubt, size_t doubt_len, struct err *reterr)
{
	(void)queue, (void)destination;
	if (world->broken)
		return err_set(reterr, ERR_IO, "broken");
	world->saved.last_post_ms = now_ms;
	if (world->saved.any_post_ms < now_ms)
		world->saved.any_post_ms = now_ms;
	world_doubt_save(doubt, doubt_len);
	return true;
}

bool
queue_destination_stop(struct queue *queue, int64_t destination, int64_t now_ms,
    const struct queue_stop_state *state, struct err *reterr)
{
	(void)queue, (void)destination;
	if (world->broken)
		return err_set(reterr, ERR_IO, "broken");
	world->saved.clean_ms = now_ms;
	world->saved.sends = malloc(state->sends_len);
	assert_non_null(world->saved.sends);
	memcpy(world->saved.sends, state->sends, state->sends_len);
	world->saved.sends_len = state->sends_len;
	world_doubt_save(state->doubt, state->doubt_len);
	return true;
}

static inline void
world_lease_add(struct queue_lease *lease, unsigned number)
{
	struct world_event *event = &world->events[number];

	if (event->fate == DEFERRED)
		world->deferred--;
	event->fate = LEASED;
	world->leased++;
	if (event->attempts > lease->attempts)
		lease->attempts = event->attempts;
	lease->events[lease->count] = (struct queue_event){
	    .index = number,
	    .data = str_text(event->text),
	};
	lease->count++;
}

/* Replays, when nothing else is due. */
static inline void
world_replays_add(struct queue_lease *lease, int64_t now_ms)
{
	size_t i;

	for (i = world->replays_from;
	     i < world->replays_to && lease->count < WORLD_BATCH; i++) {
		if (world->events[i].fate != QUEUED &&
		    (world->events[i].fate != DEFERRED ||
			world->events[i].due_ms > now_ms))
			continue;
		lease->replay = true;
		world_lease_add(lease, (unsigned)i);
	}
}

/* The earliest of the deferred; linear, so only now and then. */
static inline int64_t
world_due_ms(void)
{
	int64_t due_ms = INT64_MAX;
	size_t i;

	if (world->deferred == 0)
		return INT64_MAX;
	for (i = 0; i < world->fresh; i++) {
		if (world->events[i].fate == DEFERRED &&
		    world->events[i].due_ms < due_ms)
			due_ms = world->events[i].due_ms;
	}
	return due_ms;
}

int64_t
queue_due_ms(struct queue *queue, int64_t destination)
{
	(void)queue, (void)destination;
	return world_due_ms();
}

bool
queue_take(struct queue *queue, int64_t destination, int64_t now_ms,
    struct queue_lease **ret_lease, struct err *reterr)
{
	struct queue_lease *lease = calloc(1, sizeof(*lease));
	static int64_t looked_ms;
	size_t i;

	(void)queue, (void)destination, (void)reterr;
	assert_non_null(lease);
	lease->events = calloc(1000, sizeof(*lease->events));
	assert_non_null(lease->events);
	if (now_ms - looked_ms < 0 || now_ms - looked_ms >= 1000) {
		looked_ms = now_ms;
		for (i = 0; world->deferred > 0 && i < world->fresh &&
			    lease->count < 1000;
		     i++) {
			if (world->events[i].fate == DEFERRED &&
			    world->events[i].due_ms <= now_ms)
				world_lease_add(lease, (unsigned)i);
		}
		if (lease->count == 1000)
			looked_ms = 0;
	}
	while (world->back_count > 0 && lease->count < WORLD_BATCH) {
		world_lease_add(lease, world->back[world->back_head]);
		world->back_head = (world->back_head + 1) % world->most;
		world->back_count--;
	}
	while (world->fresh < world->count && lease->count < WORLD_BATCH)
		world_lease_add(lease, (unsigned)world->fresh++);
	if (lease->count == 0)
		world_replays_add(lease, now_ms);
	if (lease->count == 0) {
		free(lease->events);
		free(lease);
		lease = NULL;
	}
	*ret_lease = lease;
	return true;
}

void
queue_lease_free(struct queue *queue, struct queue_lease *lease)
{
	size_t i;

	(void)queue;
	for (i = 0; i < lease->count; i++) {
		size_t number = lease->events[i].index;
		size_t at = world->back_head + world->back_count;

		if (world->events[number].fate != LEASED)
			continue;
		world->events[number].fate = QUEUED;
		world->leased--;
		if (lease->replay)
			continue;
		if (world->trial)
			continue;
		world->back[at % world->most] = (unsigned)number;
		world->back_count++;
	}
	free(lease->events);
	free(lease);
}

bool
queue_settle(struct queue *queue, const struct queue_verdict *verdicts,
    size_t count, int64_t now_ms, struct err *reterr)
{
	size_t i;

	(void)queue, (void)now_ms;
	if (world->broken)
		return err_set(reterr, ERR_IO, "broken");
	world->settles++;
	for (i = 0; i < count; i++) {
		const struct queue_verdict *verdict = &verdicts[i];
		size_t n = verdict->lease->events[verdict->event].index;
		struct world_event *event = &world->events[n];

		assert_int_equal(event->fate, LEASED);
		world->leased--;
		switch (verdict->outcome) {
		case QUEUE_DELIVERED:
			assert_true(event->accepted);
			event->fate = DELIVERED;
			world->done++;
			break;
		case QUEUE_DEFERRED:
			event->fate = DEFERRED;
			event->due_ms = verdict->due_ms;
			event->attempts++;
			event->deferrals++;
			world->deferred++;
			break;
		case QUEUE_DEAD:
			assert_true(event->bad);
			assert_int_equal(
			    verdict->status, event->large ? 413 : 400);
			assert_true(verdict->posts > 0);
			event->posts = verdict->posts;
			assert_memory_equal(verdict->answer.data, "bad", 3);
			assert_int_equal(
			    verdict->sent.len, strlen(event->text));
			assert_memory_equal(
			    verdict->sent.data, event->text, verdict->sent.len);
			event->fate = DEAD;
			world->dead++;
			break;
		case QUEUE_DROPPED:
			assert_string_equal(verdict->reason, "a rule");
			assert_int_equal(
			    verdict->erase.data != NULL, event->erase);
			if (event->erase) {
				assert_memory_equal(
				    verdict->erase.data, "id-", 3);
				assert_memory_equal(verdict->erase.data + 3,
				    event->text, verdict->erase.len - 3);
				world->erased++;
			}
			event->fate = DROPPED;
			world->dropped++;
			break;
		}
	}
	return true;
}

/* ---- Heap ---- */

static inline void
world_log_add(struct world_log *log, int64_t ms, unsigned count, size_t *most)
{
	while (log->head < log->count &&
	       log->arrivals[log->head].ms <= ms - QUOTA_WINDOW_MS)
		log->sum -= log->arrivals[log->head++].count;
	if (log->count == log->cap) {
		size_t live = log->count - log->head;

		if (live > 0)
			memmove(log->arrivals, log->arrivals + log->head,
			    live * sizeof(*log->arrivals));
		log->head = 0;
		log->count = live;
		if (live * 2 >= log->cap) {
			log->cap = live * 2 + 16;
			log->arrivals = realloc(
			    log->arrivals, log->cap * sizeof(*log->arrivals));
			assert_non_null(log->arrivals);
		}
	}
	log->arrivals[log->count++] = (struct world_arrival){ms, count};
	log->sum += count;
	if (log->sum > *most)
		*most = log->sum;
}

static inline void
world_say(struct world_flight *flight, long status, const char *body)
{
	flight->answer.status = status;
	flight->answer.body = str_text(body);
}

static inline void
world_arrive(struct world_flight *flight)
{
	bool bad = false;
	size_t i;

	flight->arrived = true;
	world->arrived += flight->count;
	world_log_add(&world->app, flight->arrive_ms, (unsigned)flight->count,
	    &world->app_most);
	for (i = 0; i < flight->count; i++) {
		struct world_event *event = &world->events[flight->events[i]];

		bad = bad || event->bad;
		world_log_add(&world->identities[event->identity],
		    flight->arrive_ms, 1, &world->identity_most);
	}
	flight->answer.error = "";
	if (world->judge != NULL)
		world->judge(world, flight);
	if (flight->answer.status == 0 && flight->answer.curl_code == 0) {
		world_say(flight, bad ? 400 : 200, bad ? "bad" : "{}");
		if (world->all_status != 0)
			world_say(flight, world->all_status, "bad");
	}
	for (i = 0; flight->answer.status == 200 && i < flight->count; i++) {
		struct world_event *event = &world->events[flight->events[i]];

		world->twice += event->accepted;
		event->split =
		    event->split ||
		    (event->accepted && event->at_heap != flight->mapped[i]);
		event->at_heap = flight->mapped[i];
		event->accepted = true;
	}
}

static inline bool
world_send(void *arg, struct sender *sender, struct request *request,
    struct err *reterr)
{
	struct world_flight *flight = world->flights;
	const char *text, *end;
	size_t i;

	(void)arg, (void)reterr;
	while (flight->events != NULL)
		flight++;
	assert_true(flight < world->flights + WORLD_FLIGHTS);
	*flight = (struct world_flight){
	    .sender = sender,
	    .request = request,
	    .count = request->count,
	    .events = calloc(request->count, sizeof(unsigned)),
	    .mapped = calloc(request->count, sizeof(*flight->mapped)),
	};
	world->posts++;
	if (request->count > world->largest)
		world->largest = request->count;
	flight->arrive_ms =
	    world->now.mono_ms +
	    (int64_t)world_random((uint64_t)world->latency_ms + 1);
	flight->answer_ms =
	    flight->arrive_ms +
	    (int64_t)world_random((uint64_t)world->latency_ms + 1);
	/* What Heap reads are the bytes, not the items. */
	text = memchr(request->body.data, '[', request->body.len);
	for (i = 0; i < request->count; i++) {
		flight->events[i] = (unsigned)strtoul(text + 1, NULL, 10);
		flight->mapped[i] = world->events[flight->events[i]].mapped;
		end = text + 1 + strlen(world->events[flight->events[i]].text);
		assert_true(*end == (i + 1 < request->count ? ',' : ']'));
		text = end;
	}
	assert_ptr_equal(text + 1, request->body.data + request->body.len);
	if (world->body_most > 0 && request->body.len > world->body_most)
		world_say(flight, 413, "bad");
	return true;
}

/* ---- the world ---- */

static inline void
world_sender_start(void)
{
	struct sender_poster poster = {.send = world_send};
	struct err err;

	assert_true(sender_new(&world->settings, NULL, &poster, 1, world->boot,
	    &world->now, &world->sender, &err));
}

/* A world of `count` waiting events of as many identities as there are. */
static inline void
world_start(size_t count)
{
	size_t i;

	world = calloc(1, sizeof(*world));
	world->now = (struct clock_times){
	    .mono_ms = 5000000, .wall_ms = INT64_C(1795000000000)};
	world->boot = 7;
	world->most = world->count = count;
	world->events = calloc(count + 1, sizeof(*world->events));
	world->back = calloc(count + 1, sizeof(*world->back));
	world->identities =
	    calloc(WORLD_IDENTITIES, sizeof(*world->identities));
	world->latency_ms = 20;
	for (i = 0; i < count; i++) {
		(void)snprintf(world->events[i].text,
		    sizeof(world->events[i].text), "%zu", i);
		world->events[i].identity = (unsigned)(i % WORLD_IDENTITIES);
	}
	forwarder_destination_init(&world->settings);
	world->settings.name = "test";
	world->settings.app_id = "1";
	world->settings.events_per_minute = 0;
	world->settings.identity_per_minute = 0;
}

/* A planned stop, or (the queue being broken) a crash: what was in flight
 * still arrives, but its answer is lost. */
static inline void
world_sender_stop(bool crash)
{
	size_t i;

	world->broken = crash;
	sender_stop(world->sender);
	sender_end(world->sender, &world->now);
	sender_free(world->sender);
	world->sender = NULL;
	world->broken = false;
	for (i = 0; i < WORLD_FLIGHTS; i++)
		world->flights[i].request = NULL;
}

static inline void
world_end(void)
{
	size_t i;

	if (world->sender != NULL)
		world_sender_stop(false);
	assert_int_equal(world->leased, 0);
	for (i = 0; i < WORLD_FLIGHTS; i++)
		free(world->flights[i].events), free(world->flights[i].mapped);
	for (i = 0; i < WORLD_IDENTITIES; i++)
		free(world->identities[i].arrivals);
	free(world->app.arrivals);
	free(world->saved.sends);
	free(world->doubt);
	free(world->identities);
	free(world->back);
	free(world->events);
	free(world);
}

/* The flight to which something happens next, and when. */
static inline struct world_flight *
world_flight_next(int64_t *ret_ms)
{
	struct world_flight *next = NULL;
	size_t i;

	*ret_ms = INT64_MAX;
	for (i = 0; i < WORLD_FLIGHTS; i++) {
		struct world_flight *flight = &world->flights[i];
		int64_t ms =
		    flight->arrived ? flight->answer_ms : flight->arrive_ms;

		if (flight->events == NULL || ms >= *ret_ms)
			continue;
		next = flight;
		*ret_ms = ms;
	}
	return next;
}

static inline void
world_flight_move(struct world_flight *flight)
{
	if (!flight->arrived) {
		world_arrive(flight);
		return;
	}
	free(flight->events);
	free(flight->mapped);
	flight->events = NULL;
	flight->mapped = NULL;
	if (flight->request != NULL)
		sender_answer(flight->sender, flight->request, &flight->answer,
		    &world->now);
}

/* Let ms milliseconds pass. */
static inline void
world_pass(int64_t ms)
{
	int64_t end_ms = world->now.mono_ms + ms, next_ms, flight_ms;
	struct world_flight *flight;

	for (;;) {
		next_ms = sender_step(world->sender, &world->now);
		flight = world_flight_next(&flight_ms);
		if (flight_ms < next_ms)
			next_ms = flight_ms;
		if (next_ms < world->now.mono_ms)
			next_ms = world->now.mono_ms;
		if (next_ms > end_ms)
			next_ms = end_ms;
		world->now.wall_ms += next_ms - world->now.mono_ms;
		world->now.mono_ms = next_ms;
		if (flight != NULL && flight_ms <= next_ms)
			world_flight_move(flight);
		else if (next_ms == end_ms)
			return;
	}
}

static inline struct forwarder_destination_status
world_status(void)
{
	struct forwarder_destination_status status;

	sender_status(world->sender, &world->now, &status);
	return status;
}

#endif
