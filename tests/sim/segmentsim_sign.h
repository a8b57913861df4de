#ifndef SEGMENTSIM_SIGN_H
#define SEGMENTSIM_SIGN_H

/* Heap's signature, and how it may be wrong. Any thread. */

#include "tests/sim/segmentsim_settings.h"

enum segmentsim_flaw {
	SEGMENTSIM_GOOD,
	SEGMENTSIM_NO_HEADER,
	SEGMENTSIM_EMPTY_HEADER,
	SEGMENTSIM_NO_TIMESTAMP,
	SEGMENTSIM_NO_MAC,
	SEGMENTSIM_EMPTY_MAC,
	SEGMENTSIM_OTHER_SECRET,
	SEGMENTSIM_OTHER_BODY,
	SEGMENTSIM_OTHER_TIMESTAMP,
	SEGMENTSIM_BODY_ALONE,
	SEGMENTSIM_SHORT_MAC,
	SEGMENTSIM_LONG_MAC,
	SEGMENTSIM_ONE_BIT,
	SEGMENTSIM_STALE,
	SEGMENTSIM_AHEAD,
	SEGMENTSIM_TRUNCATED, /* the body, after it was signed */
	SEGMENTSIM_CUT,	      /* the connection, within the body */
	SEGMENTSIM_FLAWS,
};

extern const char *const segmentsim_flaw_names[SEGMENTSIM_FLAWS];

/* Append the header's line, nothing if there shall be none; and cut the body
 * short if that is the flaw. */
void segmentsim_sign(const struct segmentsim_settings *settings,
    enum segmentsim_flaw flaw, int64_t timestamp_ms, struct sim_text *body,
    struct sim_text *header);

#endif
