#ifndef TESTS_UNIT_LANE_QUEUE_H
#define TESTS_UNIT_LANE_QUEUE_H

/*
 * The world of a lane, half of it: a queue in memory that stands in for
 * queue/, and a mapping that stands in for schema/track.
 *
 * An event is a number; its bytes are that number. Its identity, and whether
 * it is bad, are looked up in the world.
 */

#include "forwarder/lane_inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum world_fate { WAITING, LEASED, ASIDE, DONE, BURIED, DROPPED };

struct world_event {
	char text[24];
	unsigned who;
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
	unsigned again; /* how often it was set aside */
	unsigned posts; /* when it was dead */
};

/* A request on its way. */
struct world_flight {
	struct lane *lane;
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

enum { WORLD_FLIGHTS = 64, WORLD_WHO = 20000, WORLD_PARCEL = 100 };

struct world {
	struct moment now;
	uint64_t boot;
	struct world_event *events;
	size_t most, count, fresh; /* room, waiting, handed out */
	unsigned *back;		   /* handed back: ring of event numbers */
	size_t back_head, back_count;
	size_t aside, leased, done, dead, dropped, twice;
	size_t settles;

	/* The lane as the queue keeps it. */
	struct queue_destination saved;
	char *doubt; /* as it was noted last */
	size_t doubt_len;
	size_t replays_from, replays_to;
	bool broken; /* settle, post and rest fail */
	bool glance; /* only to look: what was handed out stays away */
	size_t erased;

	/* Heap. */
	struct world_flight flights[WORLD_FLIGHTS];
	struct world_log app, *who;
	size_t app_most, who_most; /* of any window */
	size_t posts, arrived, largest;
	int64_t latency_ms; /* at most, each way */
	uint64_t random;
	void (*judge)(struct world *world, struct world_flight *flight);
	long all_status;  /* not 0: the answer to all */
	size_t body_most; /* not 0: 413 above */

	enum err_code map_fails; /* not 0: the mapping's answer to all */

	struct forwarder_destination settings;
	struct lane *lane;
};

static struct world *world; /* queue.h has no place for a test's pointer */

static inline uint64_t
world_random(uint64_t below)
{
	world->random = world->random * UINT64_C(6364136223846793005) +
			UINT64_C(1442695040888963407);
	return (world->random >> 33) % below;
}

#include "lane_track.h"

/* ---- queue/queue.h ---- */

bool
queue_destination_open(struct queue *queue, const char *name,
    struct queue_destination *ret_lane, struct err *reterr)
{
	(void)queue, (void)name, (void)reterr;
	*ret_lane = world->saved;
	ret_lane->doubt = malloc(world->doubt_len + 1);
	assert_non_null(ret_lane->doubt);
	if (world->doubt_len > 0)
		memcpy(ret_lane->doubt, world->doubt, world->doubt_len);
	ret_lane->doubt_len = world->doubt_len;
	world->saved.clean_ms = 0;
	world->saved.sends = NULL;
	world->saved.sends_len = 0;
	return true;
}

void
queue_destination_trial(struct queue *queue, int64_t lane)
{
	(void)queue, (void)lane;
	world->glance = true;
}

void
queue_destination_fini(struct queue_destination *lane)
{
	free(lane->sends);
	free(lane->doubt);
	lane->sends = lane->doubt = NULL;
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
queue_destination_post(struct queue *queue, int64_t lane, int64_t now_ms,
    const void *doubt, size_t doubt_len, struct err *reterr)
{
	(void)queue, (void)lane;
	if (world->broken)
		return err_set(reterr, ERR_IO, "broken");
	world->saved.last_post_ms = now_ms;
	if (world->saved.any_post_ms < now_ms)
		world->saved.any_post_ms = now_ms;
	world_doubt_save(doubt, doubt_len);
	return true;
}

bool
queue_destination_stop(struct queue *queue, int64_t lane, int64_t now_ms,
    const struct queue_stop_state *rest, struct err *reterr)
{
	(void)queue, (void)lane;
	if (world->broken)
		return err_set(reterr, ERR_IO, "broken");
	world->saved.clean_ms = now_ms;
	world->saved.sends = malloc(rest->sends_len);
	assert_non_null(world->saved.sends);
	memcpy(world->saved.sends, rest->sends, rest->sends_len);
	world->saved.sends_len = rest->sends_len;
	world_doubt_save(rest->doubt, rest->doubt_len);
	return true;
}

static inline void
world_lease_add(struct queue_lease *lease, unsigned number)
{
	struct world_event *event = &world->events[number];

	if (event->fate == ASIDE)
		world->aside--;
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

/* Events that are sent again, when nothing else is due. */
static inline void
world_replays_add(struct queue_lease *lease, int64_t now_ms)
{
	size_t i;

	for (i = world->replays_from;
	     i < world->replays_to && lease->count < WORLD_PARCEL; i++) {
		if (world->events[i].fate != WAITING &&
		    (world->events[i].fate != ASIDE ||
			world->events[i].due_ms > now_ms))
			continue;
		lease->replay = true;
		world_lease_add(lease, (unsigned)i);
	}
}

/* The earliest of what is set aside; linear, so only now and then. */
static inline int64_t
world_due_ms(void)
{
	int64_t due_ms = INT64_MAX;
	size_t i;

	if (world->aside == 0)
		return INT64_MAX;
	for (i = 0; i < world->fresh; i++) {
		if (world->events[i].fate == ASIDE &&
		    world->events[i].due_ms < due_ms)
			due_ms = world->events[i].due_ms;
	}
	return due_ms;
}

int64_t
queue_due_ms(struct queue *queue, int64_t lane)
{
	(void)queue, (void)lane;
	return world_due_ms();
}

bool
queue_take(struct queue *queue, int64_t lane, int64_t now_ms,
    struct queue_lease **ret_lease, struct err *reterr)
{
	struct queue_lease *lease = calloc(1, sizeof(*lease));
	static int64_t looked_ms;
	size_t i;

	(void)queue, (void)lane, (void)reterr;
	assert_non_null(lease);
	lease->events = calloc(1000, sizeof(*lease->events));
	assert_non_null(lease->events);
	if (now_ms - looked_ms < 0 || now_ms - looked_ms >= 1000) {
		looked_ms = now_ms;
		for (i = 0; world->aside > 0 && i < world->fresh &&
			    lease->count < 1000;
		     i++) {
			if (world->events[i].fate == ASIDE &&
			    world->events[i].due_ms <= now_ms)
				world_lease_add(lease, (unsigned)i);
		}
		if (lease->count == 1000)
			looked_ms = 0;
	}
	while (world->back_count > 0 && lease->count < WORLD_PARCEL) {
		world_lease_add(lease, world->back[world->back_head]);
		world->back_head = (world->back_head + 1) % world->most;
		world->back_count--;
	}
	while (world->fresh < world->count && lease->count < WORLD_PARCEL)
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
		world->events[number].fate = WAITING;
		world->leased--;
		if (lease->replay)
			continue;
		if (world->glance)
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
			event->fate = DONE;
			world->done++;
			break;
		case QUEUE_DEFERRED:
			event->fate = ASIDE;
			event->due_ms = verdict->due_ms;
			event->attempts++;
			event->again++;
			world->aside++;
			break;
		case QUEUE_DEAD:
			assert_true(event->bad);
			assert_int_equal(
			    verdict->status, event->large ? 413 : 400);
			assert_true(verdict->posts > 0);
			event->posts = verdict->posts;
			assert_memory_equal(verdict->words, "bad", 3);
			assert_int_equal(
			    verdict->sent_len, strlen(event->text));
			assert_memory_equal(
			    verdict->sent, event->text, verdict->sent_len);
			event->fate = BURIED;
			world->dead++;
			break;
		case QUEUE_DROPPED:
			assert_string_equal(verdict->reason, "a rule");
			assert_int_equal(verdict->erase != NULL, event->erase);
			if (event->erase) {
				assert_memory_equal(verdict->erase, "id-", 3);
				assert_memory_equal(verdict->erase + 3,
				    event->text, verdict->erase_len - 3);
				world->erased++;
			}
			event->fate = DROPPED;
			world->dropped++;
			break;
		}
	}
	return true;
}

#endif
