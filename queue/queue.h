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
 *   - nothing vanishes: every event is queued, delivered, dead, dropped
 *     by a named rule, or a duplicate, and the books say how many of each.
 *
 * Words: a *source* is who sends to us, a *lane* is where events leave to,
 * a *kind* is the type of an event (a label to the queue), a *parcel* is the
 * queued events of one put. All times are wall clock milliseconds.
 *
 * Any thread may call any function, unless it says otherwise. The look-ups
 * for people and metrics are in queue/books.h.
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
	int64_t reserve_bytes;	      /* let go when delivery finds no room */
	int64_t unreadable_max_bytes; /* of whole bodies that were kept */
	int64_t keep_ms;      /* delivered events, for replays; 0 = not */
	int64_t keep_bytes;   /* of them, at most; evicted before a put fails */
	size_t drift_max;     /* different notes; more are not told apart */
	size_t window_events; /* remembered to tell duplicates */
	size_t pending_max;   /* puts that may wait for a commit */
	bool brief; /* the owner is a command: who comes may wait for its end */
	int64_t checkpoint_bytes; /* in the log before a checkpoint */
	int64_t reopen_ms; /* between attempts to open a broken queue anew */

	/* A hint that new parcels are due; called on the committer thread
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
 * daemon owns it, a newer version wrote it, the place is not writable),
 * ERR_DAMAGED (not a queue) or ERR_IO. Never
 * replaces what it cannot read.
 */
MUST_USE bool queue_open(const struct queue_settings *settings,
    struct queue **ret_queue, struct err *reterr);

/* Start and stop the committer thread; puts need it, nothing else does.
 * Stopping commits what was handed over and refuses the rest. */
MUST_USE bool queue_start(struct queue *queue, struct err *reterr);
void queue_stop(struct queue *queue);

/* Takes NULL. The committer is stopped and every lease is freed before. */
void queue_close(struct queue *queue);

/* ---- put: what the server does ---- */

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
	struct queue_drift *notes; /* may be NULL */
	size_t note_count;
};

/* received = queued + dead + duplicates + dropped */
struct queue_receipt {
	size_t received, queued, dead, duplicates, dropped;
};

/* Called once per handed over put, on the committer thread, without locks:
 * *receipt if it is durable, else *err (ERR_FULL, ERR_IO, ERR_NOMEM,
 * ERR_STOPPING), and the other is NULL. After ERR_IO it may have survived. */
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
	const char *data;
	size_t len;
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

/* Note opaque bytes, in place of those before. The committer writes them
 * soon, at most once in some seconds, and when it stops: this is cheap, and
 * never waits for the disk. False without memory. */
MUST_USE bool queue_clocks_save(
    struct queue *queue, const void *data, size_t len, struct err *reterr);

/* Append those that were written last; nothing if none ever were. */
MUST_USE bool queue_clocks_read(
    struct queue *queue, struct buf *ret_data, struct err *reterr);

/* ---- lanes: what the forwarder does ---- */

struct queue_destination {
	int64_t id;
	int64_t last_post_ms; /* 0 = never */
	int64_t any_post_ms;  /* of any lane, also one that is gone */
	int64_t clean_ms;     /* time of the planned stop, 0 after a crash */
	bool paused;	      /* by the operator; kept across restarts */
	char *sends;	      /* what queue_destination_stop() saved; owned */
	size_t sends_len;
	char *doubt; /* the last that was noted; owned */
	size_t doubt_len;
};

/* Look up the lane, making it if need be, and mark it as running: a crash
 * from here on is known as one at the next open. */
MUST_USE bool queue_destination_open(struct queue *queue, const char *name,
    struct queue_destination *ret_lane, struct err *reterr);
void queue_destination_fini(struct queue_destination *lane);

/* Durably note that the lane posts now, and what may be at the destination
 * from then on (opaque bytes); to be called before each post. */
MUST_USE bool queue_destination_post(struct queue *queue, int64_t lane,
    int64_t now_ms, const void *doubt, size_t doubt_len, struct err *reterr);

/* What the lane saves at a planned stop; opaque bytes. */
struct queue_stop_state {
	const void *sends; /* its log of sends */
	size_t sends_len;
	const void *doubt; /* what may be at the destination */
	size_t doubt_len;
};
MUST_USE bool queue_destination_stop(struct queue *queue, int64_t lane,
    int64_t now_ms, const struct queue_stop_state *rest, struct err *reterr);

MUST_USE bool queue_destination_pause(
    struct queue *queue, const char *name, bool paused, struct err *reterr);

/* From now on only look at the lane, for a trial: queue_take() hands out each
 * fresh parcel once, which then still waits, and nothing that was set aside
 * or is sent again. Until the queue is opened anew. */
void queue_destination_trial(struct queue *queue, int64_t lane);

/* An event on lease. Lives as long as its lease. */
struct queue_event {
	size_t index;	       /* in the parcel */
	struct str type, data; /* as it came */
};

/* A parcel on lease: those of its events that were not settled before. */
struct queue_lease {
	int64_t seq; /* grows with acceptance */
	const char *source;
	int64_t accepted_ms; /* of its oldest event */
	bool replay;	     /* sent again by the operator */
	unsigned attempts;   /* how often its events were set aside */
	size_t count;
	struct queue_event *events;
};

/*
 * Take the next due parcel of a lane: first what was set aside and is due
 * again, then the fresh ones in the order of acceptance; sources that share
 * a lane take turns. *ret_lease is NULL if nothing is due. Damaged parcels
 * are set aside on the way, counted and kept.
 */
MUST_USE bool queue_take(struct queue *queue, int64_t lane, int64_t now_ms,
    struct queue_lease **ret_lease, struct err *reterr);

/* Free the lease. What was not settled is due again, at once. Takes NULL. */
void queue_lease_free(struct queue *queue, struct queue_lease *lease);

/* When is something set aside due again? Milliseconds, or INT64_MAX. */
int64_t queue_due_ms(struct queue *queue, int64_t lane);

enum queue_outcome {
	QUEUE_DELIVERED, /* delivered */
	QUEUE_DEFERRED,	 /* set aside until due_ms */
	QUEUE_DEAD,	 /* refused for good, with the reason */
	QUEUE_DROPPED,	 /* by a rule that was set */
};

struct queue_verdict {
	const struct queue_lease *lease;
	size_t event; /* position in lease->events */
	enum queue_outcome outcome;
	int64_t due_ms;	    /* QUEUE_DEFERRED */
	const char *reason; /* QUEUE_DEAD: why; QUEUE_DROPPED: the rule */
	unsigned posts;	    /* QUEUE_DEAD: since it was last set aside */
	int status;	    /* QUEUE_DEAD: HTTP status, or 0 */
	const char *words;  /* QUEUE_DEAD: the destination's answer or NULL */
	size_t words_len;
	const char *sent; /* QUEUE_DEAD: what was sent, or NULL */
	size_t sent_len;
	const char *erase; /* QUEUE_DROPPED: whose erasure it asks for, noted
			    * in the list of erasures, or NULL */
	size_t erase_len;
};

/*
 * Settle, in one durable transaction. What is set aside is repacked: one
 * parcel per due time. An event that was settled before is passed over. If
 * it fails nothing was settled, or (ERR_IO) it may have been: repeat it.
 */
MUST_USE bool
queue_settle(struct queue *queue, const struct queue_verdict *verdicts,
    size_t count, int64_t now_ms, struct err *reterr);

#endif
