#ifndef FORWARDER_TALLY_H
#define FORWARDER_TALLY_H

/*
 * Counts what the mapping cut or left out, by property of the catalogue and
 * kind: bounded, and nothing of a customer's. Belongs to one thread.
 */

#include "forwarder/forwarder.h"

struct tally {
	struct forwarder_omission
	    notes[FORWARDER_OMISSIONS_MAX]; /* a hash table */
	uint64_t lost;			    /* no room */
};

/* Add the notes of one event. */
void tally_add(struct tally *tally, const struct track_result *result);

/* Copy what is there, and return how many. */
size_t tally_copy(const struct tally *tally,
    struct forwarder_omission ret_notes[FORWARDER_OMISSIONS_MAX]);

#endif
