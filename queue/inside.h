#ifndef QUEUE_INSIDE_H
#define QUEUE_INSIDE_H

/*
 * What the files of the queue share. How it works:
 *
 * One SQLite connection under one lock (`held`). Puts come in through a list
 * (`inbox`); the committer thread takes all that wait, moves them in one
 * transaction, and calls back after the fsync, so that each acceptance costs
 * a share of an fsync and no caller waits for the disk. Settling uses the
 * same connection on the caller's thread.
 *
 * A transaction touches the file and what mirrors it in memory (window,
 * names, ledger, lanes). Both move together: queue_begin(), then
 * queue_commit() or queue_rollback(), which do the mirrors too.
 *
 * When the disk fails (any I/O error, a failed fsync above all: what the
 * page cache holds afterwards cannot be trusted to reach the disk) the queue
 * is *broken*: the connection is closed without a checkpoint, every put
 * fails, and the committer opens the file anew once a second until a
 * truncating checkpoint has succeeded; only then is it trusted again.
 */

#include "base/lock.h"
#include "queue/admin.h"
#include "queue/ledger.h"
#include "queue/names.h"
#include "queue/parcel.h"
#include "queue/place.h"
#include "queue/store.h"
#include "queue/window.h"

#include <stdatomic.h>

enum {
	QUEUE_LANES_MAX = 64,
	QUEUE_SOURCES_MAX = 256,
};

/* due_ms of a ticket: fresh, or a time, or this. */
enum { QUEUE_DUE_FRESH = 0, QUEUE_DUE_REPLAY = -1 };

/* What the running transaction adds to numbers of the queue. */
struct queue_moved {
	int64_t seen_events, bodies, body_bytes, bodies_removed, damaged;
	int64_t archive_batches, archive_bytes, notes;
	bool kept_changed;
};

/* A lane as the queue sees it; guarded by `held`. */
struct lane {
	int64_t id;		    /* its name */
	int64_t queued;		    /* durable */
	int64_t moved;		    /* by the running transaction */
	int64_t delivered_ms;	    /* the last time; durable */
	int64_t delivered_moved_ms; /* by the running transaction; or 0 */
	int64_t last_source;	    /* that was taken from, for taking turns */
	bool fresh;		    /* made by the running transaction */
	bool glance;		    /* each fresh parcel is handed out once */
	/* Fresh tickets below fresh_from[i] of source fresh_source[i] are on
	 * lease or gone: taking starts there. */
	size_t fresh_count;
	int64_t fresh_source[QUEUE_SOURCES_MAX];
	int64_t fresh_from[QUEUE_SOURCES_MAX];
};

/* A parcel on lease; `lease` is first, so that one is the other. */
struct holding {
	struct queue_lease lease;
	struct holding *next;
	int64_t lane, source, due_ms;
	size_t events;		/* in the whole parcel */
	size_t frame_len;	/* of its row */
	unsigned char *settled; /* bitmap by index in the parcel */
	size_t open;		/* of lease.events, not yet settled */
	struct parcel parcel;
};

/* A ticket as read from its table. */
struct ticket {
	int64_t due_ms, seq;
	unsigned attempts;
	bool replay;
	int64_t remaining;
	unsigned char *done; /* bitmap, owned, or NULL if nothing is done */
	size_t done_len;
};

struct put;

struct queue {
	/* set before threads start */
	struct queue_settings settings;
	unsigned char hash_key[DIGEST_KEY];
	pthread_t committer;
	bool started;

	/* guarded by inbox */
	struct lock inbox;
	struct cond inbox_filled;
	struct put *first, *last;
	size_t pending;
	bool stopping;

	/* guarded by held: the file and its mirrors */
	struct lock held;
	struct place place;
	struct store store;
	struct window *window;
	struct names *names;
	struct ledger *ledger;
	struct lane *lanes;
	size_t lane_count;
	struct holding *holdings;
	int64_t next_seq;
	int64_t seen_events;			/* in the table seen */
	int64_t bodies, body_bytes;		/* in the table body */
	int64_t bodies_removed;			/* from it, ever */
	int64_t archive_batches, archive_bytes; /* in the table kept */
	int64_t notes;				/* in the table note */
	int64_t damaged;			/* in the table damaged */
	int64_t damaged_ever;			/* put there since the start */
	struct queue_moved moved;
	int64_t last_commit_ms; /* of puts, successful; 0 after a failure */
	bool broken;		/* store is closed until it is opened anew */
	struct parcel_packer *packer; /* for repacking under held */
	struct buf packed;

	/* guarded by shelf: what can be read without queued for a commit */
	struct lock shelf;
	struct stats_totals totals;
	struct {
		char name[NAMES_TEXT_MAX + 1];
		int64_t queued, delivered_ms;
	} lanes_shown[QUEUE_LANES_MAX];
	size_t lanes_shown_count;
	char *clocks; /* to be written, or NULL */
	size_t clocks_len;

	/* guarded by pool: packers for the threads that put */
	struct lock pool;
	struct pack_tools *tools;

	/* owned by the committer thread */
	bool failing; /* puts fail, and it was said */

	_Atomic int64_t beat_mono_ms; /* the committer's last round */
};

/* ---- transact.c, with `held` held ---- */

/* store_statement(), or NULL while the queue is broken. */
MUST_USE sqlite3_stmt *
queue_statement(struct queue *queue, enum store_sql sql, struct err *reterr);
MUST_USE bool queue_begin(struct queue *queue, struct err *reterr);
MUST_USE bool queue_commit(struct queue *queue, struct err *reterr);
/* Undo the file and the mirrors. `why` decides if the queue is broken. */
void queue_rollback(struct queue *queue, const struct err *why);
/* The same for a write that delivery cannot do without. True if it is to be
 * tried again: the disk was full, and the ballast was let go. */
MUST_USE bool queue_relieve(struct queue *queue, const struct err *why);
void queue_break(struct queue *queue);
/* Copy what is shown without queued. */
void queue_show(struct queue *queue);
/* Is there room for a put? ERR_FULL if not. */
MUST_USE bool queue_room(struct queue *queue, struct err *reterr);

/* ---- queue.c, with `held` held ---- */

/* Try to mend a broken queue. */
MUST_USE bool queue_reopen(struct queue *queue, struct err *reterr);
/* Try what was damaged again, in a transaction of its own. */
MUST_USE bool queue_damaged_back(struct queue *queue, struct err *reterr);

/* ---- lane.c ---- */

MUST_USE bool lane_load(struct queue *queue, struct err *reterr);
struct lane *lane_find(struct queue *queue, int64_t id);
/* The lane of that name, made if need be, inside a transaction. */
MUST_USE bool lane_add(struct queue *queue, const char *name,
    struct lane **ret_lane, struct err *reterr);
/* Note queued events that come or go; inside a transaction. */
void lane_move(struct lane *lane, int64_t events);
/* Note that its destination took something; likewise. */
void lane_delivered(struct lane *lane, int64_t now_ms);
MUST_USE bool lane_write(struct queue *queue, struct err *reterr);
void lane_commit(struct queue *queue);
void lane_rollback(struct queue *queue);
/* Where taking from a source starts; NULL if there are too many sources to
 * remember, then at the beginning. */
int64_t *lane_fresh_from(struct lane *lane, int64_t source);
/* Taking must look at this fresh ticket again. */
void lane_fresh_back(struct lane *lane, int64_t source, int64_t seq);

/* ---- holding.c ---- */

/* Read the parcel of a ticket. ERR_DAMAGED if it cannot be. */
MUST_USE bool holding_read(struct queue *queue, const struct ticket *ticket,
    struct holding **ret_holding, struct err *reterr);
void holding_free(struct holding *holding); /* takes NULL */

/* ---- put.c ---- */

void put_pool_fini(struct queue *queue);

/* ---- rows.c ---- */

/* A parcel of fresh or repacked events, with its ticket. */
struct queue_parcel {
	struct lane *lane;
	int64_t source, due_ms, accepted_ms;
	unsigned attempts;
	bool replay;
	size_t events;
	const void *frame;
	size_t frame_len;
};
MUST_USE bool rows_parcel_add(
    struct queue *queue, const struct queue_parcel *parcel, struct err *reterr);

/* One row among the dead. */
struct queue_burial {
	int64_t source, lane, type, accepted_ms, dead_ms;
	unsigned attempts;
	const char *reason;
	int status;
	const char *words, *sent, *data;
	size_t words_len, sent_len, data_len;
};
MUST_USE bool rows_buried_add(
    struct queue *queue, const struct queue_burial *burial, struct err *reterr);

/* ---- kept.c: delivered parcels, in a transaction ---- */

enum { KEPT_STEP = 64 }; /* parcels that one step lets go at most */

MUST_USE bool kept_add(struct queue *queue, const struct holding *holding,
    const unsigned char *delivered, int64_t now_ms, struct err *reterr);
/* Let go of the oldest: those whose time is over and those above the bound;
 * with `for_room` one step's worth whatever their age. A step is bounded;
 * *ret_count says how many went. */
MUST_USE bool kept_evict(struct queue *queue, int64_t now_ms, bool for_room,
    size_t *ret_count, struct err *reterr);

/* ---- clocks.c ---- */

/* Write what was noted, in a transaction of its own; what fails is tried
 * again. False if there was nothing to write. */
bool clocks_write(struct queue *queue);

/* ---- committer.c ---- */

void *committer_main(void *arg);

#endif
