#ifndef FORWARDER_SENDER_H
#define FORWARDER_SENDER_H

/*
 * The state machine of one destination: what it sends next, and what an
 * answer changes. It has no thread, reads no clock and speaks no HTTP: time is
 * an argument, and requests leave through a function, so a test can play a
 * whole day.
 */

#include "base/clock.h"
#include "forwarder/forwarder.h"
#include "forwarder/post.h"
#include "forwarder/request.h"

struct sender;

/* How a request leaves. Its answer comes back through sender_answer(), never
 * from within send(). */
struct sender_poster {
	bool (*send)(void *arg, struct sender *sender, struct request *request,
	    struct err *reterr);
	void *arg;
};

/* Settings, queue and poster are lent for the sender's life. `boot` identifies
 * one run of the machine, within which the monotonic clock continues; 0:
 * unknown. */
MUST_USE bool sender_new(const struct forwarder_destination *settings,
    struct queue *queue, const struct sender_poster *poster, uint64_t seed,
    uint64_t boot, const struct clock_times *now, struct sender **ret_sender,
    struct err *reterr);

/* After sender_end(). Accepts NULL. */
void sender_free(struct sender *sender);

/* Do what can be done now. Returns when (mono) to call again if nothing happens
 * before; INT64_MAX: never. */
int64_t sender_step(struct sender *sender, const struct clock_times *now);

/* The answer to a request, which belongs to the sender again. */
void sender_answer(struct sender *sender, struct request *request,
    const struct post_answer *answer, const struct clock_times *now);

/* Something may be due that was not before. */
void sender_wake(struct sender *sender);

void
sender_pause(struct sender *sender, bool paused, const struct clock_times *now);

/* Events were changed in the queue: hand back those that are not in flight,
 * and those that are if their request fails. */
void sender_reread(struct sender *sender);

/* Start nothing new; hand back what is not in flight. */
void sender_stop(struct sender *sender);

/* Nothing is in flight, and all is settled. */
bool sender_idle(const struct sender *sender);

/* After sender_stop(): give up the requests in flight, save the state. */
void sender_end(struct sender *sender, const struct clock_times *now);

/* Copies what was cut or left out, by property; returns how many. */
size_t sender_omissions(const struct sender *sender,
    struct forwarder_omission ret_omissions[FORWARDER_OMISSIONS_MAX]);

void sender_status(const struct sender *sender, const struct clock_times *now,
    struct forwarder_destination_status *ret_status);

#endif
