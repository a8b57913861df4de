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
	COUNTER_ANSWER_200,
	COUNTER_ANSWER_400,
	COUNTER_ANSWER_401,
	COUNTER_ANSWER_404,
	COUNTER_ANSWER_405,
	COUNTER_ANSWER_413,
	COUNTER_ANSWER_415,
	COUNTER_ANSWER_503,
	COUNTER_PROBES,
	COUNTER_ODD_VERSION,
	COUNTER_BODY_BYTES,
	COUNTER_CONNECTIONS,
	COUNTER_SWEPT,
	COUNTER_COMMITS,
	COUNTER_COMMIT_FAILURES,
	COUNTER_REOPENS,
	COUNTER_POSTS_ACCEPTED,
	COUNTER_POSTS_REFUSED,
	COUNTER_POSTS_FAILED,
	COUNTER_POSTS_STOPPED,
	COUNTER_DRIFT_TYPE, /* in the order of enum currents_drift_kind */
	COUNTER_DRIFT_PROPERTY,
	COUNTER_DRIFT_USER,
	COUNTER_DRIFT_MEMBER,
	COUNTER_DRIFT_BLANK,
	COUNTER_DRIFT_JSON,
	COUNTER_DRIFT_FIRST,
	COUNTERS /* how many */
};

void counter_add(enum counter counter, uint64_t more);
uint64_t counter_read(enum counter counter);

/* The counter of an answer's status code, which must be one of ours. */
enum counter counter_of_answer(unsigned status);

/* All of them in the Prometheus text format. */
void counters_write(struct buf *buf);

#endif
