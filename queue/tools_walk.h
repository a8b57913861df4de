#ifndef QUEUE_TOOLS_WALK_H
#define QUEUE_TOOLS_WALK_H

/*
 * Walking over parcels for the operator's jobs, waiting or kept, one at a
 * time, with everything that is in them. With `held` held.
 */

#include "queue/inside.h"
#include "queue/tools.h"

enum { TOOLS_STEP_PARCELS = 8, TOOLS_STEP_ROWS = 64 };

/* A parcel as it stands, with its ticket or its row among the kept. */
struct tools_parcel {
	enum tools_place place;
	int64_t seq, lane, source;
	int64_t due_ms;		     /* waiting */
	int64_t kept_id, settled_ms; /* kept */
	unsigned attempts;	     /* waiting */
	bool replay;		     /* waiting */
	int64_t remaining;	     /* waiting */
	int64_t accepted_ms;
	/* kept: as booked, which may be more than its frame has, if somebody
	 * in it was forgotten while it was on lease */
	int64_t bytes;
	unsigned char *done;	  /* bitmaps of all items; done is all */
	unsigned char *delivered; /* ones for the kept */
	struct parcel content;
};

/* The next one of job->cursor's place, which moves on. *ret_there is false
 * at the end. One that cannot be read is counted in job->damaged, and passed
 * over. */
MUST_USE bool tools_parcel_next(struct queue *queue, struct tools_job *job,
    struct tools_parcel *ret_parcel, bool *ret_there, struct err *reterr);
void tools_parcel_fini(struct tools_parcel *parcel);

/* Is the event live: waiting and not settled, or delivered? */
bool tools_parcel_live(const struct tools_parcel *parcel, size_t index);

/* How the n-th event looks from outside. */
struct tools_event tools_parcel_event(
    struct queue *queue, const struct tools_parcel *parcel, size_t index);

/* The buried event that a row of STORE_BURIED_AFTER stands for. */
struct tools_event
tools_buried_event(sqlite3_stmt *row, int64_t *ret_lane, int64_t *ret_kind);

/* A step of forgetting among the buried. */
MUST_USE bool tools_forget_buried(
    struct queue *queue, struct tools_job *job, struct err *reterr);

bool tools_match(const struct tools_job *job, const struct tools_event *event);

/* A truncating checkpoint: nothing that was removed is left in the log. */
MUST_USE bool tools_log_empty(struct queue *queue, struct err *reterr);

/* Begin and end a step that changes something. */
MUST_USE bool tools_step_begin(struct queue *queue, struct err *reterr);
bool tools_step_end(struct queue *queue, bool ok, struct err *reterr);

#endif
