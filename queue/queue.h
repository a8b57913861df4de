#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

/*
 * The queue keeps what was accepted until it is settled, through crashes and
 * power cuts. It knows nothing of JSON or HTTP.
 *
 * What it promises:
 *   - when its callback reports success, a put is durable (fsynced);
 *   - what was put is handed out on a lease, to one holder at a time, until it
 *     is settled; a lease ends with the process;
 *   - settling may be repeated: the second time changes nothing;
 *   - nothing vanishes: every event is queued, delivered, dead, dropped by a
 *     named rule, a duplicate, erased or expired, and the ledger says how many
 *     there are of each.
 *
 * A *source* sends events to us; a *destination* is where they go. The *type*
 * of an event is a label to the queue. A *batch* is the queued events of one
 * put, and a *lease* lends one batch to the forwarder. All times are wall clock
 * milliseconds.
 *
 * Any thread may call any function, unless it says otherwise. Look-ups and jobs
 * for the operator are in queue/admin.h.
 */

#include "base/buf.h"
#include "base/item.h"

#include <stddef.h>
#include <stdint.h>

struct queue;

struct queue_settings {
	const char *dir;	      /* state directory; created with 0700 */
	int64_t max_bytes;	      /* of live pages: puts fail above it */
	int64_t min_free_bytes;	      /* of the file system: likewise */
	int64_t reserve_bytes;	      /* released when delivery finds no room */
	int64_t unreadable_max_bytes; /* of unreadable bodies */
	int64_t keep_ms;      /* of delivered events, for replays; 0 = none */
	int64_t keep_bytes;   /* at most, of these; evicted before a put
			       * fails */
	size_t drift_max;     /* different observations; any others are counted
			       * together */
	size_t window_events; /* remembered to detect duplicates */
	size_t pending_max;   /* puts that may wait for a commit */
	bool brief; /* the owner is one command: others can wait until it
		     * ends */
	int64_t checkpoint_bytes; /* in the log before a checkpoint */
	int64_t reopen_ms; /* between attempts to reopen a broken queue */

	/* A hint that new batches are due; called on the committer thread
	 * without locks. May be NULL. */
	void (*wake)(void *arg);
	void *wake_arg;
};

/* Defaults for everything but dir. */
void queue_settings_init(struct queue_settings *settings);

/*
 * Open the queue in settings->dir, or create one there if there is none, and
 * own it until queue_close(). Ends with a successful truncating checkpoint.
 * Fails with ERR_BUSY (a command owns it for a while), ERR_CONFIG (another
 * daemon owns it, another version wrote it, the directory is not writable),
 * ERR_DAMAGED (not a queue), ERR_FULL or ERR_IO. Never replaces a file that it
 * cannot read.
 */
MUST_USE bool queue_open(const struct queue_settings *settings,
    struct queue **ret_queue, struct err *reterr);

/* Start and stop the committer thread; only puts need it. Stopping commits
 * what was handed over and refuses the rest. */
MUST_USE bool queue_start(struct queue *queue, struct err *reterr);
void queue_stop(struct queue *queue);

/* Accepts NULL. The committer is stopped and every lease is freed before. */
void queue_close(struct queue *queue);

/* ---- put: for the server ---- */

/* Something observed in a batch that is worth counting: an opaque text. */
struct queue_drift {
	const char *text;
	size_t events;
	bool first; /* out: never seen before; set when the put is durable */
};

struct queue_batch {
	const char *source;
	const char *destination;
	int64_t now_ms;
	const struct item *items;
	size_t count;
	bool again;		   /* also events that were received before */
	struct queue_drift *drift; /* may be NULL */
	size_t drift_count;
};

/* received = queued + dead + duplicates + dropped */
struct queue_receipt {
	size_t received, queued, dead, duplicates, dropped;
};

/* Called once for each put that was handed over, on the committer thread,
 * without locks: with *receipt if the put is durable, else with *err (ERR_FULL,
 * ERR_IO, ERR_NOMEM, ERR_LIMIT, ERR_STOPPING); the other one is NULL. After
 * ERR_IO the put may have survived. */
typedef void queue_put_done(
    void *arg, const struct queue_receipt *receipt, const struct err *err);

/*
 * Hand over a batch. Everything in it stays lent until `done` is called.
 * False if it could not be handed over; then `done` is never called.
 * Compresses on the calling thread; never waits for the disk.
 */
MUST_USE bool queue_put(struct queue *queue, const struct queue_batch *batch,
    queue_put_done *done, void *arg, struct err *reterr);

/* A whole body that could not be read, as received. */
struct queue_unreadable {
	const char *source;
	struct str data;
	const char *encoding; /* the Content-Encoding it is in, or "" */
	const char *reason;   /* with the byte offset */
	int64_t now_ms;
};

/* Keep a body, durably, among the unreadable ones: like queue_put(), with a
 * receipt of zeroes. A body that comes twice is kept once. ERR_FULL at the
 * limit for unreadable bodies. */
MUST_USE bool
queue_put_unreadable(struct queue *queue, const struct queue_unreadable *body,
    queue_put_done *done, void *arg, struct err *reterr);

/* Can a put be made durable now? Answers through `done` (a receipt of zeroes,
 * or the reason): by the last commit if it is less than a second ago, else by a
 * commit of its own. */
MUST_USE bool queue_probe(struct queue *queue, int64_t now_ms,
    queue_put_done *done, void *arg, struct err *reterr);

/* ---- clocks: what a restart should not forget ---- */

/* Save opaque bytes, replacing the previous ones. The committer writes them
 * soon, at most once every few seconds, and when it stops; this call is cheap,
 * and never waits for the disk. False without memory. */
MUST_USE bool queue_clocks_save(
    struct queue *queue, const void *data, size_t len, struct err *reterr);

/* Append the bytes that were written last; nothing if there are none. */
MUST_USE bool queue_clocks_read(
    struct queue *queue, struct buf *ret_data, struct err *reterr);

/* ---- destinations: for the forwarder ---- */

struct queue_destination {
	int64_t id;
	int64_t last_post_ms; /* 0 = never */
	int64_t any_post_ms;  /* to any destination, even a removed one */
	int64_t clean_ms;     /* time of the planned stop, 0 after a crash */
	bool paused;	      /* by the operator; kept over restarts */
	char *sends;	      /* what queue_destination_stop() saved; owned */
	size_t sends_len;
	char *doubt; /* the last that was noted; owned */
	size_t doubt_len;
};

/* Look up the destination, creating it if necessary, and mark it as running, so
 * that the next open recognizes a crash. */
MUST_USE bool queue_destination_open(struct queue *queue, const char *name,
    struct queue_destination *ret_destination, struct err *reterr);
void queue_destination_fini(struct queue_destination *destination);

/* Durably note that a post to the destination begins, and what the destination
 * may have from then on (opaque bytes). Call it before each post. */
MUST_USE bool queue_destination_post(struct queue *queue, int64_t destination,
    int64_t now_ms, const void *doubt, size_t doubt_len, struct err *reterr);

/* What is saved at a planned stop; opaque bytes. */
struct queue_stop_state {
	const void *sends; /* the log of sends */
	size_t sends_len;
	const void *doubt; /* what the destination may have */
	size_t doubt_len;
};
MUST_USE bool queue_destination_stop(struct queue *queue, int64_t destination,
    int64_t now_ms, const struct queue_stop_state *rest, struct err *reterr);

MUST_USE bool queue_destination_pause(
    struct queue *queue, const char *name, bool paused, struct err *reterr);

/* For a trial, until the queue is reopened: from now on queue_take() hands out
 * each fresh batch of the destination once, and the batch stays queued; it
 * hands out nothing that was deferred or is a replay. */
void queue_destination_trial(struct queue *queue, int64_t destination);

/* ---- take and settle: likewise ---- */

/* An event on lease. Valid as long as its lease. */
struct queue_event {
	size_t index;	       /* in the batch */
	struct str type, data; /* as received */
};

/* A batch on lease, with those of its events that were not settled before. */
struct queue_lease {
	int64_t seq; /* grows with acceptance */
	const char *source;
	int64_t accepted_ms; /* of its oldest event */
	bool replay;	     /* the operator sends it again */
	unsigned attempts;   /* how often its events were deferred */
	size_t count;
	struct queue_event *events;
};

/*
 * Take the next due batch of a destination: first what was deferred and is
 * due, then the fresh ones in the order of acceptance; sources that share a
 * destination take turns; replays come last. *ret_lease is NULL if nothing is
 * due. Damaged batches are quarantined on the way, counted and kept.
 */
MUST_USE bool queue_take(struct queue *queue, int64_t destination,
    int64_t now_ms, struct queue_lease **ret_lease, struct err *reterr);

/* Free the lease. What was not settled is due again, at once. Accepts NULL. */
void queue_lease_free(struct queue *queue, struct queue_lease *lease);

/* When is the next deferred batch due? Milliseconds, or INT64_MAX if there is
 * none. */
int64_t queue_due_ms(struct queue *queue, int64_t destination);

enum queue_outcome {
	QUEUE_DELIVERED, /* delivered */
	QUEUE_DEFERRED,	 /* waits until due_ms for a later attempt */
	QUEUE_DEAD,	 /* refused for good, with the reason */
	QUEUE_DROPPED,	 /* by a rule that was set */
};

struct queue_verdict {
	const struct queue_lease *lease;
	size_t event; /* position in lease->events */
	enum queue_outcome outcome;
	int64_t due_ms;	    /* QUEUE_DEFERRED */
	const char *reason; /* QUEUE_DEAD: why; QUEUE_DROPPED: the rule */
	unsigned posts;	    /* QUEUE_DEAD: since it was last deferred */
	int status;	    /* QUEUE_DEAD: HTTP status, or 0 */
	struct str answer;  /* QUEUE_DEAD: the destination's; NULL = none */
	struct str sent;    /* QUEUE_DEAD: what was sent; likewise */
	struct str erase;   /* QUEUE_DROPPED: the person whose erasure it
			     * requests, for the list of erasures; likewise */
};

/*
 * Settle, in one durable transaction. Deferred events are repacked, one batch
 * per due time. An event that was settled before is skipped. If this fails,
 * nothing was settled, or (ERR_IO) it may have been: repeat it.
 */
MUST_USE bool
queue_settle(struct queue *queue, const struct queue_verdict *verdicts,
    size_t count, int64_t now_ms, struct err *reterr);

#endif
