#ifndef QUEUE_CORE_H
#define QUEUE_CORE_H

/*
 * What the files of the queue share. How it works:
 *
 * One store, reached through an engine's table (queue/engine.h), under one
 * lock. Puts come in through a list (the inbox); the committer thread takes
 * all that are there, writes them in one transaction, and calls back after it
 * is durable, so that each acceptance costs a share of an fsync and no caller
 * waits for the disk. Settling uses the same store on the caller's thread.
 *
 * A transaction is a list of changes, made by a function (queue_change_fn)
 * that also notes what moves in the mirrors of the store in memory: the
 * window, the ledger's totals, the destinations. If the engine has applied the
 * list the mirrors follow, else they stay as they were.
 *
 * When the store fails it is *broken*: every call fails until its engine has
 * reopened it, in the committer's housekeeping; then the mirrors are loaded
 * again. Until that has worked the queue is *stale* and fails, too.
 *
 * The lock is granted in the order of the requests. The operator's jobs hold it
 * for a few milliseconds and request it again at once: with a mutex they would
 * get it before the committer has woken up, again and again.
 */

#include "base/histogram.h"
#include "base/lock.h"
#include "queue/admin.h"
#include "queue/batch.h"
#include "queue/bounds.h"
#include "queue/changes.h"
#include "queue/dead.h"
#include "queue/destinations.h"
#include "queue/erased.h"
#include "queue/evict.h"
#include "queue/groups.h"
#include "queue/ledger.h"
#include "queue/marks.h"
#include "queue/names.h"
#include "queue/tap.h"
#include "queue/waiting.h"
#include "queue/window.h"

#include <stdatomic.h>

struct put;
struct pack_tools;
struct lease;

/* What is shown of a destination. */
struct shown_destination {
	const char *name;
	int64_t queued, bytes, bytes_max, delivered_ms, oldest_ms;
	bool paused;
};

/* What stays quarantined is tried again ever more seldom. */
struct quarantine {
	int64_t count;		  /* batches: more are new, and are logged */
	int64_t next_ms, wait_ms; /* mono; the next try, and how long it is
				   * waited for */
};

/* Where the housekeeping of sets stands. */
struct set_tidy {
	int64_t syncs_ms; /* to look at all syncs again, mono */
	int64_t pass_ms;  /* and at all members */
	int64_t group;	  /* whose members are looked at */
	struct engine_cursor cursor;
};

struct queue {
	/* set before threads start */
	struct queue_settings settings;
	const struct engine *engine;
	unsigned char hash_key[DIGEST_KEY];
	bool keyed; /* it is known */
	pthread_t committer;
	bool started;

	/* guarded by inbox_lock */
	struct lock inbox_lock;
	struct cond inbox_filled;
	struct put *first, *last;
	size_t pending;
	bool stopping;

	/* guarded by lock: the store and its mirrors */
	struct fair_lock lock;
	struct store *store;
	bool stale;
	struct window *window;
	struct ledger *ledger;
	struct destinations destinations;
	struct dead *dead;
	struct erased *erased; /* what it loads and stores */
	struct marks *marks;
	struct set_groups groups;
	struct waiting *waiting;
	struct digest_short *digest; /* with hash_key */
	struct bounds bounds;
	struct names texts; /* rules of identity */
	struct changes changes;
	struct engine_claim **claims; /* of the transaction; owned */
	size_t claim_count, claim_cap;
	struct lease *leases;
	int64_t *leased; /* their seqs, ascending; owned */
	size_t leased_count, leased_cap;
	int64_t strayed;	/* batches and items that a walk may have
				 * missed */
	int64_t last_commit_ms; /* of puts, successful; 0 after a failure */
	struct quarantine quarantine;
	bool unarchived; /* the archive is damaged, and that was logged */
	struct batch_packer *packer;
	struct buf packed;

	/* guarded by shown_lock: copies that can be read without waiting for
	 * a commit */
	struct lock shown_lock;
	struct stats_totals totals;
	struct shown_destination *shown; /* owned */
	size_t shown_count, shown_cap;
	struct {
		char *data; /* to be written, or NULL; owned */
		size_t len;
	} clocks[QUEUE_CLOCKS];

	/* guarded by pool_lock: tools for the threads that put */
	struct lock pool_lock;
	struct pack_tools *tools;

	/* owned by the committer thread */
	bool failing; /* puts fail, and that was logged */
	struct evictions evictions;
	struct set_tidy set_tidy;

	struct taps taps;

	_Atomic uint64_t nameless;    /* what no id or object names, so far */
	_Atomic int64_t beat_mono_ms; /* the committer's last round */
	struct histogram commits;     /* of puts */
};

/* ---- transactions ---- */

/* Append changes to queue->changes, and note what moves in the mirrors. What
 * the engine gives back is in the list afterwards, until the next one. */
typedef bool
queue_change_fn(struct queue *queue, void *arg, struct err *reterr);

/* Make them and apply them; `essential` as in queue/engine.h. The first needs
 * the lock, the second takes it, and publishes. */
MUST_USE bool queue_change_held(struct queue *queue, queue_change_fn *change,
    void *arg, bool essential, struct err *reterr);
MUST_USE bool queue_change(struct queue *queue, queue_change_fn *change,
    void *arg, bool essential, struct err *reterr);

/* Is it worth a new try, with rows that are read again? Rows that are changed
 * each time are damaged. */
MUST_USE bool queue_conflict(int *conflicts, struct err *reterr);

/* May that be the fault of one of those that share a transaction? Then the
 * others can be tried without it: it may be too large, or meet a damaged
 * page. */
static inline bool
queue_fault_of_one(const struct err *err)
{
	return err->code == ERR_LIMIT || err->code == ERR_NOMEM ||
	       err->code == ERR_DAMAGED;
}

/* The running transaction may only happen while we have the claim on this
 * destination. ERR_BUSY if we have not. It adds no destination afterwards. */
MUST_USE bool
queue_fence(struct queue *queue, int64_t destination, struct err *reterr);

/* Add a batch in the running transaction; destination, remaining and bytes are
 * filled in, and what is lent stays lent until its end. `mark`: as for
 * marks_add(). */
void queue_batch_add(struct queue *queue, int64_t destination,
    const struct engine_delivery *row, struct str mark);

/* Count what was observed; the change's flag says afterwards whether it is the
 * first time. The text is lent. */
void queue_drift_add(
    struct queue *queue, const struct queue_drift *drift, int64_t now_ms);

/* List the person whose erasure an event requests, if it requests one. */
void queue_erasure_note(struct queue *queue, struct str source, struct str type,
    struct str data, int64_t noted_ms);

/* A state of the queue itself, written by the running transaction; the bytes
 * are lent. */
void queue_state_put(struct queue *queue, const char *name, struct str data);

/* ---- needs the lock ---- */

/* Fails while the queue is stale; for reading. */
MUST_USE bool queue_ready(const struct queue *queue, struct err *reterr);

/* Load the mirrors from the store. */
MUST_USE bool queue_load(struct queue *queue, struct err *reterr);

/* Likewise, the destinations alone. */
MUST_USE bool queue_destinations_load(struct queue *queue, struct err *reterr);

/* Give quarantined batches another try: a disk that erred may work again.
 * Writes nothing if there are none, so that a full disk does not keep the
 * queue from opening. `essential` as above. */
MUST_USE bool queue_quarantine_retry(
    struct queue *queue, bool essential, bool *ret_tried, struct err *reterr);

/* Likewise, if that is due: the sooner the newer they are. True: they are due
 * to be taken. */
bool queue_quarantine_tidy(struct queue *queue, int64_t mono_ms);

/* Copy the numbers that can be read without the lock. */
void queue_publish(struct queue *queue);

/* ---- without locks ---- */

/* Take the lock, unless its holder has had it for STATS_PATIENCE_MS:
 * ERR_BUSY. */
MUST_USE bool stats_hold(struct queue *queue, struct err *reterr);

/* Tell the owner that something new may be due. */
void queue_wake(struct queue *queue);

#endif
