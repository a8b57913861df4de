#ifndef QUEUE_TOOLS_WALK_H
#define QUEUE_TOOLS_WALK_H

/*
 * Walking over parcels for the operator's jobs, queued or kept, one at a
 * time, with everything that is in them. With `held` held.
 */

#include "queue/inside.h"
#include "queue/admin.h"

enum { TOOLS_STEP_PARCELS = 8, TOOLS_STEP_ROWS = 64 };

/* A parcel as it stands, with its ticket or its row among the kept. */
struct tools_parcel {
	enum jobs_place place;
	int64_t seq, lane, source;
	int64_t due_ms;		     /* queued */
	int64_t kept_id, settled_ms; /* kept */
	unsigned attempts;	     /* queued */
	bool replay;		     /* queued */
	int64_t remaining;	     /* queued */
	int64_t accepted_ms;
	/* kept: as booked, which may be more than its frame has, if somebody
	 * in it was erased while it was on lease */
	int64_t bytes;
	unsigned char *done;	  /* bitmaps of all items; done is all */
	unsigned char *delivered; /* ones for the kept */
	struct parcel content;
};

/* The next one of job->cursor's place, which moves on. *ret_there is false
 * at the end. One that cannot be read is counted in job->damaged, and passed
 * over. */
MUST_USE bool tools_parcel_next(struct queue *queue, struct jobs_walk *job,
    struct tools_parcel *ret_parcel, bool *ret_there, struct err *reterr);
void tools_parcel_fini(struct tools_parcel *parcel);

/* Is the event live: queued and not settled, or delivered? */
bool tools_parcel_live(const struct tools_parcel *parcel, size_t index);

/* How the n-th event looks from outside. */
struct jobs_event tools_parcel_event(
    struct queue *queue, const struct tools_parcel *parcel, size_t index);

/* The dead event that a row of STORE_DEAD_AFTER stands for. */
struct jobs_event
tools_buried_event(sqlite3_stmt *row, int64_t *ret_lane, int64_t *ret_kind);

/* A step of forgetting among the dead. */
MUST_USE bool tools_forget_buried(
    struct queue *queue, struct jobs_walk *job, struct err *reterr);

bool tools_match(const struct jobs_walk *job, const struct jobs_event *event);

/* A truncating checkpoint: nothing that was removed is left in the log. */
MUST_USE bool tools_log_empty(struct queue *queue, struct err *reterr);

/* Begin and end a step that changes something. */
MUST_USE bool tools_step_begin(struct queue *queue, struct err *reterr);
bool tools_step_end(struct queue *queue, bool ok, struct err *reterr);

#endif
