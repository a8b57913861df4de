#ifndef FORWARDER_SENDER_H
#define FORWARDER_SENDER_H

/*
 * The state machine of one destination: what it sends next, and what an
 * answer changes. It has no thread, reads no clock and speaks no HTTP: time is
 * an argument, leases are handed to it, and requests leave through a function,
 * so a test can play a whole day.
 */

#include "base/clock.h"
#include "forwarder/forwarder.h"
#include "forwarder/omissions.h"
#include "forwarder/request.h"

#include <stdatomic.h>

struct sender;

/* What all senders have in common; lent for their lives. */
struct sender_shared {
	struct queue *queue;
	uint64_t boot; /* tells one run of the machine, within which the
			* monotonic clock goes on, from others; 0 = unknown */
	/* How a request leaves; the body is framed. Its answer comes back
	 * through sender_answer(), never from within. */
	bool (*send)(void *arg, struct sender *sender, struct request *request,
	    struct err *reterr);
	/* Due times go by the wall clock, but never back: else a clock that is
	 * set back by an hour would hold up the deferred for an hour. */
	_Atomic int64_t due_ahead_ms; /* of the monotonic clock */
};

/* How long its requests took, and its items waited: see struct
 * forwarder_destination_status. Zeroed, but for the scales. */
struct sender_times {
	struct histogram requests, delays; /* any thread */
};

/* Now, as due times go. */
int64_t
sender_due_now_ms(struct sender_shared *shared, const struct clock_times *now);

/* Settings are lent for the sender's life, or until it adopts others, and the
 * times for longer than that; `arg` is for send(). */
MUST_USE bool sender_new(const struct forwarder_destination *settings,
    struct sender_shared *shared, struct sender_times *times, void *arg,
    uint64_t seed, const struct clock_times *now, struct sender **ret_sender,
    struct err *reterr);

/* After sender_end(). Takes NULL. */
void sender_free(struct sender *sender);

/* How its requests are addressed, or its announcements; lent for the sender's
 * life. */
void sender_address(const struct sender *sender, bool announcement,
    struct outlet_address *ret_address);

/* ---- a round ---- */

/* Do what can be done now. When (mono) to come again, if nothing happens
 * before; INT64_MAX: never. */
int64_t sender_step(struct sender *sender, const struct clock_times *now);

/* Is it to take from the queue now? Then what it has room for. */
bool sender_want(struct sender *sender, const struct clock_times *now,
    struct queue_want *ret_want);

/* What it was given: a lease, which it owns; and then, once, when (wall)
 * more is due, or INT64_MIN: taking failed. Afterwards it is to be stepped. */
void sender_give(struct sender *sender, struct queue_lease *lease);
void sender_given(
    struct sender *sender, int64_t next_ms, const struct clock_times *now);

/* The answer to a request, which belongs to the sender again. */
void sender_answer(struct sender *sender, struct request *request,
    const struct outlet_answer *answer, const struct clock_times *now);

/* Something may be due that was not before. */
void sender_wake(struct sender *sender);

/* ---- orders ---- */

void
sender_pause(struct sender *sender, bool paused, const struct clock_times *now);

/* If nothing is accepted at present, try at once what failed; but not while the
 * limits may be used up, nor, unless that is insisted on, while the destination
 * asked to be left alone. */
void
sender_retry(struct sender *sender, bool insist, const struct clock_times *now);

/* Items were changed in the queue: hand back those that are not in flight,
 * and those that are if their request fails. */
void sender_reread(struct sender *sender);

/* Start nothing new; hand back what is not in flight. */
void sender_stop(struct sender *sender);

/* Nothing is in flight, and all is settled. */
bool sender_idle(const struct sender *sender);

/* After sender_stop(): give up the requests in flight, save the state. */
void sender_end(struct sender *sender, const struct clock_times *now);

/* After sender_stop(), once it is idle: save the state, as at a planned stop,
 * and go on from that with other settings. False without memory: it is as
 * before. */
MUST_USE bool sender_adopt(struct sender *sender,
    const struct forwarder_destination *settings, const struct clock_times *now,
    struct err *reterr);

/* ---- for the status ---- */

/* Does nothing in it change but by what happens? */
bool sender_quiet(const struct sender *sender);

const struct omissions *sender_omissions(const struct sender *sender);
/* The types that are parked, at most FORWARDER_PARKED_MAX; the caller frees the
 * list. False without memory. */
MUST_USE bool sender_parked(const struct sender *sender,
    struct forwarder_parked **ret_parked, size_t *ret_count);
void sender_status(struct sender *sender, const struct clock_times *now,
    struct forwarder_destination_status *ret_status);

#endif
