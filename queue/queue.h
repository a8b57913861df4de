#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

/*
 * The queue keeps what was accepted until it is settled, through crash and
 * power cut. It knows no JSON and no HTTP.
 *
 * What it promises:
 *   - a put is durable (fsynced) when its callback says so, or it failed;
 *   - what was put is handed out on a lease, to one holder at a time, until
 *     it is settled; a lease ends with the process;
 *   - settling may be repeated: the second time changes nothing;
 *   - nothing vanishes: every event is queued, delivered, dead, dropped by a
 *     named rule, a duplicate, or erased, and the ledger says how many of
 *     each.
 *
 * A *source* sends events to us; a *destination* is where they go. The *type*
 * of an event is a label to the queue. A *batch* is the queued events of one
 * put, and a *lease* lends one batch to the forwarder. All times are wall
 * clock milliseconds.
 *
 * Any thread may call any function, unless it says otherwise. Look-ups and
 * jobs for the operator are in queue/admin.h.
 */

#include "base/buf.h"
#include "base/item.h"

#include <stddef.h>
#include <stdint.h>

struct queue;

struct queue_settings {
	const char *dir;	      /* state directory; made with 0700 */
	int64_t max_bytes;	      /* of live pages: puts fail above it */
	int64_t min_free_bytes;	      /* of the file system: likewise */
	int64_t reserve_bytes;	      /* released when delivery finds no room */
	int64_t unreadable_max_bytes; /* of unreadable bodies */
	int64_t keep_ms;      /* delivered events, for replays; 0 = not */
	int64_t keep_bytes;   /* of them, at most; evicted before a put fails */
	size_t drift_max;     /* different observations; more are not told
			       * apart */
	size_t window_events; /* remembered to tell duplicates */
	size_t pending_max;   /* puts that may wait for a commit */
	bool brief; /* the owner is one command: others may wait for its end */
	int64_t checkpoint_bytes; /* in the log before a checkpoint */
	int64_t reopen_ms; /* between attempts to open a broken queue anew */

	/* A hint that new batches are due; called on the committer thread
	 * without locks. May be NULL. */
	void (*wake)(void *arg);
	void *wake_arg;
};

/* Defaults for everything but dir. */
void queue_settings_init(struct queue_settings *settings);

/*
 * Open the queue in settings->dir, or make one there if there is none, and
 * own it until queue_close(). Ends with a successful truncating checkpoint.
 * Fails with ERR_BUSY (a command owns it for a while), ERR_CONFIG (another
 * daemon owns it, another version wrote it, the directory is not writable),
 * ERR_DAMAGED (not a queue), ERR_FULL or ERR_IO. Never replaces a file that
 * it cannot read.
 */
MUST_USE bool queue_open(const struct queue_settings *settings,
    struct queue **ret_queue, struct err *reterr);

/* Start and stop the committer thread; only puts need it. Stopping commits
 * what was handed over and refuses the rest. */
MUST_USE bool queue_start(struct queue *queue, struct err *reterr);
void queue_stop(struct queue *queue);

/* Takes NULL. The committer is stopped and every lease is freed before. */
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
	bool again;		   /* even what was received before */
	struct queue_drift *drift; /* may be NULL */
	size_t drift_count;
};

/* received = queued + dead + duplicates + dropped */
struct queue_receipt {
	size_t received, queued, dead, duplicates, dropped;
};

/* Called once per handed over put, on the committer thread, without locks:
 * *receipt if it is durable, else *err (ERR_FULL, ERR_IO, ERR_NOMEM,
 * ERR_LIMIT, ERR_STOPPING), and the other is NULL. After ERR_IO it may have
 * survived. */
typedef void queue_put_done(
    void *arg, const struct queue_receipt *receipt, const struct err *err);

/*
 * Hand over a batch. Everything in it stays lent until `done` is called.
 * False if it could not be handed over; then `done` is never called.
 * Compresses on the calling thread; never waits for the disk.
 */
MUST_USE bool queue_put(struct queue *queue, const struct queue_batch *batch,
    queue_put_done *done, void *arg, struct err *reterr);

/* A whole body that could not be read, as it came. */
struct queue_unreadable {
	const char *source;
	struct str data;
	const char *encoding; /* the Content-Encoding it is in, or "" */
	const char *reason;   /* with the byte offset */
	int64_t now_ms;
};

/* Keep it, durably, among the unreadable: as queue_put(), with a receipt of
 * zeroes. The same body again is kept once. ERR_FULL at its own bound. */
MUST_USE bool
queue_put_unreadable(struct queue *queue, const struct queue_unreadable *body,
    queue_put_done *done, void *arg, struct err *reterr);

/* Can a put be made durable now? Answers through `done` (a receipt of zeroes
 * or the reason): from the last commit if it is younger than a second, else
 * by a commit of its own. */
MUST_USE bool queue_probe(struct queue *queue, int64_t now_ms,
    queue_put_done *done, void *arg, struct err *reterr);

/* ---- clocks: what a restart should not forget ---- */

/* Save opaque bytes, in place of those before. The committer writes them
 * soon, at most once in some seconds, and when it stops: this is cheap, and
 * never waits for the disk. False without memory. */
MUST_USE bool queue_clocks_save(
    struct queue *queue, const void *data, size_t len, struct err *reterr);

/* Append those that were written last; nothing if none ever were. */
MUST_USE bool queue_clocks_read(
    struct queue *queue, struct buf *ret_data, struct err *reterr);

/* ---- destinations: for the forwarder ---- */

struct queue_destination {
	int64_t id;
	int64_t last_post_ms; /* 0 = never */
	int64_t any_post_ms;  /* of any destination, also one that is gone */
	int64_t clean_ms;     /* time of the planned stop, 0 after a crash */
	bool paused;	      /* by the operator; kept over restarts */
	char *sends;	      /* what queue_destination_stop() saved; owned */
	size_t sends_len;
	char *doubt; /* the last that was noted; owned */
	size_t doubt_len;
};

/* Look up the destination, making it if need be, and mark it as running: a
 * crash from here on is known as one at the next open. */
MUST_USE bool queue_destination_open(struct queue *queue, const char *name,
    struct queue_destination *ret_destination, struct err *reterr);
void queue_destination_fini(struct queue_destination *destination);

/* Durably note that a post to the destination begins, and what it may have
 * from then on (opaque bytes); to be called before each post. */
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

/* From now on only look at the destination, for a trial: queue_take() hands
 * out each fresh batch once, which is then still queued, and nothing that was
 * deferred or is a replay. Until the queue is opened anew. */
void queue_destination_trial(struct queue *queue, int64_t destination);

/* ---- take and settle: likewise ---- */

/* An event on lease. Lives as long as its lease. */
struct queue_event {
	size_t index;	       /* in the batch */
	struct str type, data; /* as it came */
};

/* A batch on lease: those of its events that were not settled before. */
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

/* Free the lease. What was not settled is due again, at once. Takes NULL. */
void queue_lease_free(struct queue *queue, struct queue_lease *lease);

/* When is something deferred due? Milliseconds, or INT64_MAX. */
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
	struct str erase;   /* QUEUE_DROPPED: the person whose erasure it asks
			     * for, noted in the list of erasures; likewise */
};

/*
 * Settle, in one durable transaction. What is deferred is repacked: one batch
 * per due time. An event that was settled before is passed over. If it fails
 * nothing was settled, or (ERR_IO) it may have been: repeat it.
 */
MUST_USE bool
queue_settle(struct queue *queue, const struct queue_verdict *verdicts,
    size_t count, int64_t now_ms, struct err *reterr);

#endif
