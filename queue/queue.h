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
struct engine; /* queue/engine.h */

typedef void queue_person_fn(void *arg, struct str id);

/* By what an event is looked up. */
enum queue_key {
	QUEUE_KEY_EVENT, /* its own id */
	QUEUE_KEY_PERSON /* an id of somebody whom it names */
};
typedef void queue_key_fn(void *arg, enum queue_key key, struct str id);

/* What an event is counted under beside the ledger: its own day, since
 * 1970-01-01 in the zone of the reports, and its label, which is lent. */
typedef void
queue_report_fn(void *arg, int64_t day, const struct item_label *label);

struct queue_settings {
	const struct engine *engine; /* NULL: SQLite, in dir */
	const char *dir;	     /* state directory; made with 0700 */
	/* See queue/bounds.h. */
	int64_t max_bytes;	/* of live pages: puts fail above it */
	int64_t min_free_bytes; /* of the file system: likewise */
	int64_t reserve_bytes;	/* released when delivery finds no room */
	/* What is kept beside the queue, and gives way to it, at most: of
	 * delivered events, for replays (0 ms: none), dead letters (0 bytes: a
	 * tenth of max_bytes) and unreadable bodies. */
	int64_t keep_ms, keep_bytes;
	int64_t keep_dead_ms, dead_max_bytes;
	int64_t keep_unreadable_ms, unreadable_max_bytes;
	/* Types whose names are reserved in the ledger, by their numbers from
	 * 0; NULL behind the last. NULL: none are. */
	const char *(*type_at)(size_t index);
	size_t marks_events;  /* in a row of marks; or batches, a sixteenth */
	size_t drift_max;     /* different observations; more are not told
			       * apart */
	size_t window_events; /* remembered to tell duplicates; of max_bytes
			       * they take a quarter at most */
	size_t destinations_max;
	size_t sources_max; /* that put something in one life of the queue */
	size_t pending_max; /* puts that may wait for a commit */
	bool brief; /* the owner is one command: others can wait until it
		     * ends */
	int64_t checkpoint_bytes; /* in the log before a checkpoint */
	int64_t shrink_bytes; /* unused in the file, on top of a quarter of what
			       * is used, before it shrinks */
	int64_t reopen_ms;    /* between attempts to reopen a broken queue */

	/* Of sets. A sync is incomplete if not all of its pages came within
	 * sync_timeout_ms, and held if it changes more than hold_over per cent
	 * of its group (0: never). Members that left, and were sent, are
	 * forgotten after keep_left_ms. */
	size_t groups_max;
	int64_t sync_timeout_ms;
	unsigned hold_over;
	int64_t keep_left_ms;
	const char *sync_help; /* what to do about an incomplete sync */

	/* Events of people who were erased are dropped for so long; 0 = not.
	 * `persons` calls fn with each id of whom an event is about; any
	 * thread; NULL: nobody is known. */
	int64_t suppress_ms;
	void (*persons)(struct str type, struct str data, queue_person_fn *fn,
	    void *fn_arg);
	/* Likewise, with the person whose erasure an event requests, if it
	 * requests one: they are listed when the event is accepted. */
	void (*erasure)(const void *arg, struct str type, struct str data,
	    queue_person_fn *fn, void *fn_arg);
	const void *erasure_arg;

	/* Calls fn with each key of an item. False: it may have others, so it
	 * is looked at each time. Any thread; NULL: all events are. */
	bool (*keys)(const struct item *item, queue_key_fn *fn, void *fn_arg);

	/* Calls fn once with what an item of a log is counted under, of whose
	 * members only type, data and label are set. It was accepted in the
	 * hour of accepted_ms. The same item must give the same each time. Any
	 * thread; NULL: nothing is counted. */
	void (*report)(const void *arg, const struct item *item,
	    int64_t accepted_ms, queue_report_fn *fn, void *fn_arg);
	const void *report_arg;

	/* A hint that new batches are due; called on the committer thread
	 * without locks. May be NULL. */
	void (*wake)(void *arg);
	void *wake_arg;
};

/* Defaults for everything but dir. */
void queue_settings_init(struct queue_settings *settings);

/* The bound of the dead letters. */
int64_t queue_dead_max_bytes(const struct queue_settings *settings);

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
	bool first; /* out: never seen before; set when it is durable */
};

/* Which part of which sync a batch of changes is (base/item.h). All of it is of
 * this group. Without a sync and a number it is a sync of its own. */
struct queue_page {
	struct str group, name; /* its id, not empty; how people call it */
	struct str sync;
	unsigned number, total; /* from 1; 0 = not known */
};

struct queue_batch {
	const char *source;
	const char *destination;
	int64_t now_ms;
	const struct item *items;
	size_t count;
	struct str trace;	   /* opaque: goes with its items; or empty */
	bool again;		   /* also events that were received before */
	struct queue_drift *drift; /* may be NULL */
	size_t drift_count;
	/* Of a set; NULL: its items are of a log. A page that came before is
	 * all duplicates; one without items is noted, too. */
	const struct queue_page *page;
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
 * receipt of zeroes. A body that comes twice is kept once. ERR_FULL if it alone
 * is larger than all of them may be. */
MUST_USE bool
queue_put_unreadable(struct queue *queue, const struct queue_unreadable *body,
    queue_put_done *done, void *arg, struct err *reterr);

/* Can a put be made durable now? Answers through `done` (a receipt of zeroes,
 * or the reason): by the last commit if it is less than a second ago, else by a
 * commit of its own. */
MUST_USE bool queue_probe(struct queue *queue, int64_t now_ms,
    queue_put_done *done, void *arg, struct err *reterr);

/* ---- clocks: what a restart should not forget ---- */

enum queue_clocks {
	QUEUE_CLOCKS_SOURCES, /* what each source did last */
	QUEUE_CLOCKS_NOTICES, /* what was told */
	QUEUE_CLOCKS	      /* how many */
};

/* Save opaque bytes, replacing the previous ones. The committer writes them
 * soon, at most once every few seconds, and when it stops; this call never
 * waits for the disk. False without memory. */
MUST_USE bool queue_clocks_save(struct queue *queue, enum queue_clocks what,
    const void *data, size_t len, struct err *reterr);

/* Append the bytes that were written last; nothing if there are none. */
MUST_USE bool queue_clocks_read(struct queue *queue, enum queue_clocks what,
    struct buf *ret_data, struct err *reterr);

/* ---- destinations: for the forwarder ---- */

/* What the queue knows of a destination when it is opened. */
struct queue_destination {
	int64_t id;
	bool paused;	  /* by the operator; kept over restarts */
	bool clean;	  /* the last owner stopped it in order, or there was
			   * none */
	bool others;	  /* another one, maybe no longer in the settings, has
			   * saved a state */
	struct buf state; /* what was saved last; opaque; owned */
};

/* Claim the destination, making it if need be, and mark it as running: a
 * crash from here on is known as one at the next open. ERR_BUSY: another
 * process delivers for it. */
MUST_USE bool queue_destination_open(struct queue *queue, const char *name,
    struct queue_destination *ret_destination, struct err *reterr);
void queue_destination_fini(struct queue_destination *destination);

/* Save opaque bytes durably, in place of those before. `stop`: a planned stop;
 * gives up the claim. */
MUST_USE bool queue_destination_save(struct queue *queue, int64_t destination,
    const void *state, size_t len, bool stop, struct err *reterr);

/* The most bytes that may be queued for it; 0: its share (queue/bounds.h). */
void queue_destination_limit(
    struct queue *queue, int64_t destination, int64_t max_bytes);

MUST_USE bool queue_destination_pause(
    struct queue *queue, const char *name, bool paused, struct err *reterr);

/* Give the destination `former`, if there is one, the name `name`, with all
 * that it has; if there are both, what the former has moves over, but its
 * state. Before either is opened. Writes nothing if there is no such former;
 * true then, too. ERR_BUSY as for opening; ERR_CONFIG if both have the same
 * group of a set. */
MUST_USE bool queue_destination_rename(struct queue *queue, const char *former,
    const char *name, struct err *reterr);

/* ---- leases ---- */

enum queue_outcome {
	QUEUE_OPEN, /* none yet */
	QUEUE_DELIVERED,
	QUEUE_DEFERRED, /* waits until due_ms for a later attempt */
	QUEUE_PARKED,	/* waits until its group is accepted again */
	QUEUE_DEAD,	/* refused for good, or invalid; with the reason */
	QUEUE_DROPPED,	/* by a rule that was set */
};

/* More of why an item is dead; owned by the lease's holder, lent to
 * queue_settle(). */
struct queue_detail {
	unsigned posts;	   /* requests that it was in */
	int status;	   /* HTTP, or 0 */
	struct str answer; /* the destination's; NULL = none */
	struct str sent;   /* what was sent; likewise */
};

/* What a batch's delivery row remembers of its items' history; a deferred
 * item takes the item's own (struct queue_item) into its new batch. */
struct queue_history {
	unsigned refusals; /* counted lone refusals */
	unsigned failures; /* counted lone failures */
	int64_t first_ms;  /* of them, wall clock; 0 = none */
};

/* An item on lease, with its outcome. The queue fills index, type, data and
 * history; the holder sets the rest, and may change it until it is settled. */
struct queue_item {
	size_t index;	       /* in the batch */
	struct str type, data; /* as it came */
	enum queue_outcome outcome;
	bool settled; /* durable; set by queue_settle() */
	bool leased;  /* the queue's: its member is not handed out elsewhere */
	bool unsure;  /* DEFERRED, PARKED: some outcome of it is unknown,
			     * so the identity rules of the lease go with it */
	int64_t due_ms;	    /* DEFERRED: wall clock */
	const char *reason; /* DEAD: why; DROPPED: the rule; PARKED: the
			     * group, not empty. Static, or lent until
			     * settled */
	struct queue_history history;	   /* DEFERRED, PARKED */
	const struct queue_detail *detail; /* DEAD; or NULL */
	const char *left_out;	 /* for the holder: what it observed in it */
	struct item_label label; /* if it has read that, with the kind set */
};

/* A group of a set, as it was when the lease was taken. The last three are
 * what its holder has saved of it, or empty. */
struct queue_group {
	int64_t number; /* the queue's own */
	struct str id, name;
	int64_t first_ms;
	struct str kind, label, announced;
};

/* A batch on lease: those of its items that were not settled before. */
struct queue_lease {
	struct queue_lease *next; /* for the holder's lists */
	int64_t destination;
	int64_t seq; /* grows with acceptance */
	const char *source;
	const struct queue_group *group; /* of a set; else NULL */
	int64_t accepted_ms;		 /* of its oldest item */
	struct str trace;		 /* all of its items came with it; or
					  * empty */
	bool replay;			 /* the operator sends it again */
	unsigned attempts;		 /* how often its items were deferred */
	struct str rules;   /* identity rules in force at its first post;
			      * empty: it was never posted */
	size_t bytes;	    /* of its items, unpacked */
	size_t count, open; /* items; of them without a durable outcome */
	size_t held;	    /* for the holder: items that it works on */
	size_t looked;	    /* likewise: items that it looked at */
	/* Set by the holder: what it observed in the items that it settles
	 * next; counted with them, or not at all. */
	struct queue_drift *drift;
	size_t drift_count;
	struct queue_item *items;
};

/* What a destination has room for. */
struct queue_want {
	int64_t destination;
	size_t bytes;	    /* unpacked, at most; one batch at least */
	bool replays;	    /* may they come, when nothing else is due? */
	const char *parked; /* take one batch of this parked group instead */
	int64_t hold_ms; /* of a set: a member is not handed out before so long
			  * after it was last sent */
	int64_t *after_seq; /* not NULL: only fresh batches above this seq, by
			     * seq; set to that of the last one taken */
	bool trial;	 /* nothing of it is posted: of a set, too, it is handed
		     * out as it is */
	int64_t next_ms; /* out: when something more is due, wall clock;
			     * what is over: at once; INT64_MAX: never;
			     * INT64_MIN: it could not be read, or not all of
			     * it; try again later */
};

/*
 * Take what is due for all these destinations at once. The sources of a
 * destination take turns; of each source what was deferred and is due comes
 * first, then the fresh batches in the order of acceptance. Replays come last;
 * parked ones not, unless asked for. A list of leases, each of one destination.
 * Damaged batches are quarantined on the way. A destination with nothing queued
 * costs nothing, and one that has lost its claim gets nothing. Of a set only
 * last words are handed out, of a member one at a time: what another change
 * has overtaken is dropped by the rule "superseded", what was sent already by
 * "no change", and what must wait is deferred, all of it durably. A failure of
 * one destination is its own (next_ms); false means that none could be read,
 * and that nothing was taken.
 */
MUST_USE bool
queue_take(struct queue *queue, struct queue_want *wants, size_t count,
    int64_t now_ms, struct queue_lease **ret_leases, struct err *reterr);

/* Save, durably, what the holder wants to know of a group again. ERR_BUSY as
 * for settling. */
MUST_USE bool queue_group_save(struct queue *queue, int64_t destination,
    int64_t group, struct str kind, struct str label, struct str announced,
    struct err *reterr);

/* Durably note that the leases that have none are posted under these identity
 * rules, which are not empty; to be called before each first post. ERR_BUSY as
 * for settling: then they may not be posted. */
MUST_USE bool queue_post(struct queue *queue, struct queue_lease *const *leases,
    size_t count, struct str rules, struct err *reterr);

/*
 * Settle all outcomes of these leases that are not durable yet, in one durable
 * transaction; of sets, in several. What is deferred or parked is repacked: one
 * batch for what is alike. An item that was settled or erased meanwhile is
 * passed over. If it fails, what is not marked as settled was not, or (ERR_IO)
 * it may have been: repeat it. A lease that is damaged or too large fails
 * alone: then the others are settled each by itself.
 * ERR_BUSY: the claim on the destination is lost, nothing was settled and
 * nothing ever will be.
 */
MUST_USE bool
queue_settle(struct queue *queue, struct queue_lease *const *leases,
    size_t count, int64_t now_ms, struct err *reterr);

/* Release all that is parked of a group: due now. */
MUST_USE bool queue_unpark(struct queue *queue, int64_t destination,
    const char *group, struct err *reterr);

/* Likewise, of all groups of the destination but these: for a holder that has
 * lost what it knew of them. */
MUST_USE bool queue_unpark_others(struct queue *queue, int64_t destination,
    const char *const *groups, size_t count, struct err *reterr);

/* Free the lease. What was not settled is due again, at once. Accepts NULL. */
void queue_lease_free(struct queue *queue, struct queue_lease *lease);

#endif
