#ifndef DAEMON_HISTORY_H
#define DAEMON_HISTORY_H

/*
 * The last day of the running daemon, a sample a minute, in memory: how much
 * came in and went out, and what waited. What is older is in the ledger, by
 * hour. Any thread, but for history_take().
 */

#include "base/json.h"

struct daemon;
struct history;

enum {
	HISTORY_SAMPLES = 24 * 60,
	HISTORY_STEP_MS = 60 * 1000,
	HISTORY_DESTINATIONS = 64, /* the first so many are in it by name */
};

/* NULL without memory. */
MUST_USE struct history *history_new(void);
void history_free(struct history *history); /* accepts NULL */

/* Take a sample, if a minute is over since the last. Once a second, from one
 * thread. A destination that is new gets a place, if there is one and memory
 * for it. */
void history_take(struct history *history, struct daemon *daemon,
    int64_t mono_ms, int64_t wall_ms);

/* What came in and went out since about an hour ago, or since the start, as
 * members of the open object. */
void history_hour_json(
    struct history *history, struct daemon *daemon, struct json *json);

/* The samples since then (wall clock), as members of the open object: an array
 * of each column. */
void history_json(struct history *history, int64_t since_ms, struct json *json);

#endif
