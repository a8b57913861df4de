#ifndef BASE_COUNTERS_H
#define BASE_COUNTERS_H

/*
 * Counts what happened since the start, for /metrics: a table of atomic
 * numbers. These need not survive a crash. The ledger of the events must, so
 * the queue keeps it (queue/admin.h). Any thread.
 */

#include "base/buf.h"

#include <stdint.h>

enum counter {
	COUNTER_PROBES,
	COUNTER_ODD_HEADERS,
	COUNTER_BODY_BYTES,
	COUNTER_CONNECTIONS,
	COUNTER_SWEPT,
	COUNTER_HUNG_UP,
	COUNTER_COMMIT_FAILURES,
	COUNTER_REOPENS,
	COUNTER_EVICTED_ARCHIVE,
	COUNTER_EVICTED_DEAD,
	COUNTER_EVICTED_UNREADABLE,
	COUNTER_POSTS_DOUBTED,
	COUNTER_DRIFT_FIRST,
	COUNTER_NOTICES_ACCEPTED,
	COUNTER_NOTICES_FAILED,
	COUNTER_LOG_DROPPED,
	COUNTERS /* how many */
};

void counter_add(enum counter counter, uint64_t more);
uint64_t counter_read(enum counter counter);

/* Answers to the requests of sources, by status code (100 to 599). A code is
 * shown once it was answered; to add 0 shows it before. */
void counter_answers_add(unsigned status, uint64_t more);
uint64_t counter_answers_read(unsigned status);

/* Drift, by its kind: a static text; shown likewise. There are at most
 * COUNTER_DRIFTS_MAX kinds. */
enum { COUNTER_DRIFTS_MAX = 32 };
void counter_drift_add(const char *kind, uint64_t more);

/* Each name once, with its help. */
typedef void counter_fn(void *arg, const char *name, const char *help);
void counters_each(counter_fn *fn, void *arg);

/* All of them in the Prometheus text format. */
void counters_write(struct buf *buf);

#endif
