#ifndef QUEUE_BOUNDS_H
#define QUEUE_BOUNDS_H

/*
 * How much may be kept, and what gives way.
 *
 * max_bytes bounds everything in the store. Queued events never give way. The
 * archive, dead letters and unreadable bodies do, the oldest first: when they
 * are older than they are kept, above the bound of their kind, or in the way of
 * a put. For a put the archive goes first, because its events have arrived;
 * nothing goes if that would not be enough, and nothing for a probe. For want
 * of bytes those of the destination that has most dead letters go, and of the
 * source that has most unreadable bodies: they are last copies, and somebody's
 * many must not push out those of the others.
 *
 * What is *free* is the bound less what cannot give way, but no more than that
 * is of the disk. One of several destinations may have four times of that
 * queued: so a dead one leaves a fifth to the others, and to those that are
 * added later.
 *
 * Ages are counted by a clock in the store that advances only while a
 * committer runs, so a jump of the wall clock deletes nothing. Guarded by the
 * queue's lock.
 */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct queue;
struct engine_totals;

/* What gives way. */
enum bounds_kind {
	BOUNDS_ARCHIVE,
	BOUNDS_DEAD,
	BOUNDS_UNREADABLE,
	BOUNDS_KINDS /* how many */
};

struct bounds {
	int64_t age_ms; /* the clock */
	/* Ages of the oldest that are kept; INT64_MAX: none, or not known. */
	int64_t oldest_ms[BOUNDS_KINDS];
	/* as it was measured last, less what the running transaction adds */
	int64_t room;  /* free */
	int64_t disk;  /* likewise, of the disk */
	size_t active; /* destinations that are served, or have something */
};

/* Load the clock from the store. */
MUST_USE bool bounds_load(struct queue *queue, struct err *reterr);

/* Note how much is free, for what follows. */
void bounds_measure(struct queue *queue, const struct engine_totals *totals);

/* What is left of the disk: pages that are free inside the file need no room on
 * it. */
int64_t bounds_left(const struct engine_totals *totals);

/* How much of all that could give way. */
int64_t bounds_giving(const struct engine_totals *totals);

/* The most bytes that may now be queued for a destination. */
int64_t bounds_destination_max(struct queue *queue, int64_t destination);

/* May so many bytes be queued for a destination in the running transaction?
 * ERR_FULL if it has its share. */
MUST_USE bool bounds_share(
    struct queue *queue, int64_t destination, size_t bytes, struct err *reterr);

/* May more requests for erasures be listed? They stay until the operator is
 * done with them. ERR_FULL if they have half of the bound. */
MUST_USE bool bounds_list(const struct queue *queue, struct err *reterr);

/* Until the first dead letters expire; INT64_MAX: never, or not known yet. */
int64_t bounds_dead_left_ms(const struct queue *queue);

#endif
