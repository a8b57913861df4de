#ifndef FORWARDER_SUSPICION_H
#define FORWARDER_SUSPICION_H

/*
 * The safeguard of burying. One event that is refused among many is bad; if
 * many are refused, the mapping or the destination is, and no event may be
 * blamed. It remembers how the last judged events fared, and when one was
 * last accepted: without that there is no proof that the event is at fault.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SUSPICION_JUDGED = 1000, /* events remembered */
	SUSPICION_PERCENT = 5,	 /* refused of those: more is systematic */
	SUSPICION_LEAST = 20,	 /* refused, below which we do not judge */
	SUSPICION_PROOF_MS = 60 * 60 * 1000,
};

struct suspicion {
	bool refused[SUSPICION_JUDGED]; /* ring */
	size_t next;
	size_t judged; /* at most SUSPICION_JUDGED */
	size_t refusals;
	bool accepted_ever;
	int64_t accepted_ms; /* mono */
};

/* Also after a stop, once a probe was accepted: judge anew. */
void suspicion_init(struct suspicion *suspicion);

void
suspicion_accept(struct suspicion *suspicion, size_t events, int64_t mono_ms);
void suspicion_refuse(struct suspicion *suspicion);

/* So many refused that it is not the events. */
bool suspicion_systematic(const struct suspicion *suspicion);

/* Was another event accepted, under these settings, within the hour? */
bool suspicion_proof(const struct suspicion *suspicion, int64_t mono_ms);

#endif
