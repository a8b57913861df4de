#ifndef FORWARDER_SUSPICION_H
#define FORWARDER_SUSPICION_H

/*
 * The safeguard of burying: who was refused, and what was accepted around
 * it. The policy is at the top of suspicion.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SUSPICION_JUDGED = 1000,   /* events of which the share is taken */
	SUSPICION_PERCENT = 5,	   /* refused of those: more is systematic */
	SUSPICION_LEAST = 20,	   /* refused before a lane stops */
	SUSPICION_SUSPECTS = 1024, /* remembered */
	SUSPICION_PROOF_MS = 60 * 60 * 1000,
};

/* An event that was refused alone, and not accepted since. */
struct suspect {
	uint64_t event;	 /* by its hash: see doubt.h */
	uint64_t judged; /* its number among the judged */
	uint64_t mark;	 /* accepted when it was first refused */
	bool aside;	 /* it is to be tried again */
	int64_t due_ms;	 /* then; of the lane's due times */
};

struct suspicion {
	struct suspect deferred[SUSPICION_SUSPECTS]; /* as they were refused */
	size_t count;
	uint64_t judged;     /* events, ever */
	uint64_t accepted;   /* events, ever */
	size_t refused;	     /* events, since the start or the last resume */
	int64_t accepted_ms; /* mono; of the last */
};

void suspicion_init(struct suspicion *suspicion);

/* After a stop, once a probe was accepted: the lane may stop anew only when
 * as many as for the first stop are refused. What was seen stays. */
void suspicion_resume(struct suspicion *suspicion);

void
suspicion_accept(struct suspicion *suspicion, uint64_t event, int64_t mono_ms);

/* The present place in what was accepted: taken when a request is first
 * refused, and given for each event that turns out to be to blame. */
uint64_t suspicion_mark(const struct suspicion *suspicion);

/* Refused alone. One that was before is not counted again. */
void
suspicion_refuse(struct suspicion *suspicion, uint64_t event, uint64_t mark);

/* Was it refused alone, and not accepted since? */
bool suspicion_knows(const struct suspicion *suspicion, uint64_t event);

/* So many refused that it is not the events. */
bool suspicion_systematic(const struct suspicion *suspicion);

/* Refused of the last judged, and how many those are. */
size_t suspicion_refused(const struct suspicion *suspicion);
size_t suspicion_judged(const struct suspicion *suspicion);

/* Was anything accepted within the hour? */
bool suspicion_recent(const struct suspicion *suspicion, int64_t mono_ms);

/* Is it the event? If so it is dead and no suspect any more. */
bool
suspicion_bury(struct suspicion *suspicion, uint64_t event, int64_t mono_ms);

/* It is set aside. Nothing waits: none is. */
void
suspicion_aside(struct suspicion *suspicion, uint64_t event, int64_t due_ms);
void suspicion_aside_none(struct suspicion *suspicion);

/* How many are set aside; the earliest due time, INT64_MAX without any. */
size_t
suspicion_waiting(const struct suspicion *suspicion, int64_t *ret_due_ms);

#endif
