#ifndef QUEUE_TOOLS_H
#define QUEUE_TOOLS_H

/*
 * What a person may do to the queue: look at every event, send again, send
 * elsewhere, drop, forget a person, back up. Every job runs in short steps, each a short
 * transaction, so that live traffic goes on beside it; the caller does what
 * it must between steps. A job that ends early (a crash) has done what its
 * steps did, and may be run again.
 *
 * Any thread; one job's cursor belongs to one thread at a time.
 */

#include "queue/queue.h"

enum tools_place {
	TOOLS_WAITING,
	TOOLS_KEPT, /* delivered */
	TOOLS_BURIED,
	TOOLS_PLACES /* how many */
};

/* "waiting", "kept", "buried" */
const char *tools_place_name(enum tools_place place);

/* One event, lent for the call. */
struct tools_event {
	enum tools_place place;
	int64_t id;   /* buried: its number; else of its parcel */
	size_t index; /* in the parcel; buried: 0 */
	const char *source, *lane;
	const char *kind; /* not NUL-ended */
	size_t kind_len;
	const char *data; /* not NUL-ended */
	size_t data_len;
	int64_t accepted_ms;
	int64_t settled_ms; /* kept: delivered; buried: buried; else 0 */
	unsigned attempts;
	bool replay;	    /* waiting: sent again by a person's word */
	const char *reason; /* buried, else NULL */
	const char *words;  /* likewise: the destination's; or NULL */
	size_t words_len;
};

/* Where a job stands; zeroed, with `place`, before its first step. */
struct tools_cursor {
	enum tools_place place;
	int64_t lane, source, due_ms, after; /* internal: the last row */
};

/* Says if the event is meant. Called with the queue held: quick, and no call
 * back into the queue. NULL means all. */
typedef bool tools_match_fn(void *arg, const struct tools_event *event);

struct tools_job {
	struct tools_cursor cursor;
	tools_match_fn *match;
	void *arg;
	int64_t now_ms;
	size_t matched; /* out: so far */
	size_t damaged; /* out: parcels that could not be read */
	bool more;	/* out: another step is needed */
};

/* Show every event of a place to `match`; its answer only counts. */
MUST_USE bool
tools_scan(struct queue *queue, struct tools_job *job, struct err *reterr);

/* Buried: send again those that match. */
MUST_USE bool
tools_requeue(struct queue *queue, struct tools_job *job, struct err *reterr);

/* Buried: drop those that match, booked under the rule. */
MUST_USE bool tools_drop(struct queue *queue, struct tools_job *job,
    const char *rule, struct err *reterr);

/* Kept: send again those that match, below the live traffic, into `lane`
 * (NULL: where they went). ERR_FULL where the copies would leave little room
 * for what comes in: they are made when there is more. */
MUST_USE bool tools_replay(struct queue *queue, struct tools_job *job,
    const char *lane, struct err *reterr);

/* From the waiting on: put everything of a lane that nobody serves any more
 * under another one. job->match is not asked; job->matched are the waiting.
 * ERR_CONFIG, unless `anyway`, while it is not known of some if they are at
 * the destination: another lane may send them under another identity. */
MUST_USE bool tools_redirect(struct queue *queue, struct tools_job *job,
    const char *from, const char *to, bool anyway, struct err *reterr);

/* Any place: remove the bytes of those that match, booked as forgotten. */
MUST_USE bool
tools_forget(struct queue *queue, struct tools_job *job, struct err *reterr);

/* A whole body that could not be read. */
struct tools_body {
	int64_t id;
	const char *source, *reason, *encoding;
	int64_t received_ms;
	const char *data; /* as it came, not NUL-ended */
	size_t len;
};
typedef bool tools_body_fn(void *arg, const struct tools_body *body);

/* Show the undecodable body with the next id above `after`, without holding
 * the queue; delete it if `remove` and `fn` says so. *ret_last is its id, 0 at
 * the end. */
MUST_USE bool
tools_bodies(struct queue *queue, int64_t after, tools_body_fn *fn, void *arg,
    bool remove, int64_t *ret_last, struct err *reterr);

/* Where forgetting begins. */
struct tools_forgetting {
	int64_t last_erasure; /* of the list: later ones are not meant */
	int64_t damaged;      /* internal: parcels set aside so far */
};

/* Before the first place: what was set aside as damaged gets another try, so
 * that it is walked like the rest. */
MUST_USE bool tools_forget_begin(struct queue *queue,
    struct tools_forgetting *ret_forgetting, struct err *reterr);

/* After the last: how many were set aside meanwhile, and may have been
 * passed by. */
size_t tools_forget_missed(
    struct queue *queue, const struct tools_forgetting *forgetting);

/* Once it is done: take subjects off the list of erasures up to the id
 * `last`, and their names out of the file; or, with forgotten_ms, note on it
 * that they were forgotten here. */
MUST_USE bool
tools_erasures_done(struct queue *queue, const char *const *subjects,
    size_t count, int64_t last, int64_t forgotten_ms, struct err *reterr);

/* Rebuild the file without free pages and empty the log, so that nothing of
 * what was removed is left in either. Holds the queue meanwhile. */
MUST_USE bool tools_vacuum(struct queue *queue, struct err *reterr);

/* A consistent copy, made in steps: begin, step until *ret_more is false,
 * end. `path` must not exist. */
struct tools_backup;
MUST_USE bool tools_backup_begin(struct queue *queue, const char *path,
    struct tools_backup **ret_backup, struct err *reterr);
MUST_USE bool tools_backup_step(struct tools_backup *backup, bool *ret_more,
    int64_t *ret_left_bytes, struct err *reterr);
/* Ends it, complete or not; takes NULL. */
void tools_backup_end(struct tools_backup *backup);

/* Check the file deeply, in steps, zeroed before the first: SQLite's own
 * integrity check (which holds the queue meanwhile), then every checksum. */
struct tools_check {
	void (*fn)(void *arg, const char *text); /* a line for each fault */
	void *arg;
	int64_t parcels, faults; /* out: so far */
	bool more;		 /* out: another step is needed */
	bool begun, bodies;	 /* internal: the file is done; the parcels */
	int64_t after;		 /* internal */
};
MUST_USE bool
tools_check(struct queue *queue, struct tools_check *check, struct err *reterr);

#endif
