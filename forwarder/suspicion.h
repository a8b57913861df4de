#ifndef FORWARDER_SUSPICION_H
#define FORWARDER_SUSPICION_H

/*
 * When is a refused event a dead letter? Which events were refused, and how
 * many were accepted around them. The policy is at the top of suspicion.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SUSPICION_JUDGED = 1000,   /* events of which the share is taken */
	SUSPICION_PERCENT = 5,	   /* refused of those: more is systematic */
	SUSPICION_LEAST = 20,	   /* refused before a sender halts */
	SUSPICION_SUSPECTS = 1024, /* remembered */
	SUSPICION_PROOF_MS = 60 * 60 * 1000,
};

/* An event that was refused alone, and not accepted since. */
struct suspect {
	uint64_t event;	 /* the hash of its bytes */
	uint64_t judged; /* its number among the judged */
	uint64_t mark;	 /* events accepted when it was first refused */
	bool deferred;	 /* it is to be tried again */
	int64_t due_ms;	 /* then; of the sender's due times */
};

struct suspicion {
	struct suspect suspects[SUSPICION_SUSPECTS]; /* as they were refused */
	size_t count;
	uint64_t judged;     /* events accepted or refused, ever */
	uint64_t accepted;   /* events, ever */
	size_t refused;	     /* events, since the start or the last resume */
	int64_t accepted_ms; /* mono; of the last */
};

void suspicion_init(struct suspicion *suspicion);

/* A probe of the halted sender was accepted: it halts again only after as
 * many refusals as the first time. What was counted stays. */
void suspicion_resume(struct suspicion *suspicion);

void
suspicion_accept(struct suspicion *suspicion, uint64_t event, int64_t mono_ms);

/* How far accepting has come: taken when a request is first refused, and
 * given for each event of it that is refused alone. */
uint64_t suspicion_mark(const struct suspicion *suspicion);

/* Refused alone. One that was refused before is not counted again. */
void
suspicion_refuse(struct suspicion *suspicion, uint64_t event, uint64_t mark);

/* Was it refused alone, and not accepted since? */
bool suspicion_knows(const struct suspicion *suspicion, uint64_t event);

/* Are so many refused that it is not the events? */
bool suspicion_systematic(const struct suspicion *suspicion);

/* Refused of the last judged, and how many those are. */
size_t suspicion_refused(const struct suspicion *suspicion);
size_t suspicion_judged(const struct suspicion *suspicion);

/* Was anything accepted within the hour? */
bool suspicion_recent(const struct suspicion *suspicion, int64_t mono_ms);

/* Is it proven that the event is at fault? If so it waits no more. */
bool
suspicion_proven(struct suspicion *suspicion, uint64_t event, int64_t mono_ms);

/* It waits for its next attempt; or none does. */
void
suspicion_defer(struct suspicion *suspicion, uint64_t event, int64_t due_ms);
void suspicion_defer_none(struct suspicion *suspicion);

/* How many wait; and the earliest due time, INT64_MAX without any. */
size_t
suspicion_deferred(const struct suspicion *suspicion, int64_t *ret_due_ms);

#endif
