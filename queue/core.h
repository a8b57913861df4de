#ifndef QUEUE_CORE_H
#define QUEUE_CORE_H

/*
 * What the files of the queue share. How it works:
 *
 * One SQLite connection under one lock. Puts come in through a list (the
 * inbox); the committer thread takes all of them, writes them in one
 * transaction, and calls back after the fsync, so that each acceptance costs
 * only a share of an fsync and no caller waits for the disk. Settling uses the
 * same connection on the caller's thread.
 *
 * A transaction changes the file and its mirrors in memory (window, names,
 * ledger, backlogs, counts). Both change together: queue_begin(), then
 * queue_commit() or queue_rollback(), which also handle the mirrors; or
 * queue_change(), which does all of it.
 *
 * When the disk fails (any I/O error; above all a failed fsync, after which the
 * content of the page cache cannot be trusted to reach the disk), the queue is
 * *broken*: the connection is closed without a checkpoint, every put fails, and
 * the committer reopens the file once a second. It trusts the file again only
 * when a truncating checkpoint has succeeded.
 *
 * The lock is granted in the order of the requests. The operator's jobs hold it
 * for a few milliseconds and request it again at once: with a mutex they would
 * get it before the committer has woken up, again and again.
 */

#include "base/lock.h"
#include "queue/admin.h"
#include "queue/backlog.h"
#include "queue/batch.h"
#include "queue/ledger.h"
#include "queue/names.h"
#include "queue/statedir.h"
#include "queue/window.h"

#include <stdatomic.h>

/* Numbers of rows, kept because counting them takes longer the more there
 * are. */
struct queue_counts {
	int64_t seen; /* hashes in the table seen */
	int64_t unreadable, unreadable_bytes;
	int64_t unreadable_removed; /* ever */
	int64_t quarantined;
	int64_t quarantined_ever; /* since the start */
	int64_t archive_batches, archive_bytes;
	int64_t drift;
};

struct put;
struct pack_tools;
struct lease;

struct queue {
	/* set before threads start */
	struct queue_settings settings;
	unsigned char hash_key[DIGEST_KEY];
	pthread_t committer;
	bool started;

	/* guarded by inbox_lock */
	struct lock inbox_lock;
	struct cond inbox_filled;
	struct put *first, *last;
	size_t pending;
	bool stopping;

	/* guarded by lock: the file and its mirrors */
	struct fair_lock lock;
	struct statedir statedir;
	struct db db; /* closed while the queue is broken */
	struct window *window;
	struct names *names;
	struct ledger *ledger;
	struct backlogs *backlogs;
	struct queue_counts counts;  /* with the running transaction */
	struct queue_counts durable; /* without it */
	struct lease *leases;
	int64_t next_seq;
	int64_t last_commit_ms; /* of puts, successful; 0 after a failure */
	struct batch_packer *packer;
	struct buf packed;

	/* guarded by shown_lock: copies that can be read without waiting for
	 * a commit */
	struct lock shown_lock;
	struct stats_totals totals;
	struct {
		char name[NAMES_TEXT_MAX + 1];
		int64_t queued, delivered_ms;
	} shown[BACKLOG_DESTINATIONS_MAX];
	size_t shown_count;
	char *clocks; /* to be written, or NULL; owned */
	size_t clocks_len;

	/* guarded by pool_lock: tools for the threads that put */
	struct lock pool_lock;
	struct pack_tools *tools;

	/* owned by the committer thread */
	bool failing; /* puts fail, and that was logged */

	_Atomic int64_t beat_mono_ms; /* the committer's last round */
};

/* ---- transactions; all need the lock, except queue_change() ---- */

MUST_USE bool queue_begin(struct queue *queue, struct err *reterr);
MUST_USE bool queue_commit(struct queue *queue, struct err *reterr);

/* Undo the changes to the file and its mirrors. `why` decides whether the queue
 * is broken. */
void queue_rollback(struct queue *queue, const struct err *why);

/* A change to the file and its mirrors. It may be run twice. It must not fail
 * with ERR_IO or ERR_CONFIG, which break the queue, unless the disk failed. */
typedef bool
queue_change_fn(struct queue *queue, void *arg, struct err *reterr);

/* Make the change in a transaction of its own. `essential`: delivery depends on
 * it, so on a full disk the reserve is released and the change is tried again.
 * queue_change() takes the lock, and publishes. */
MUST_USE bool queue_change_held(struct queue *queue, queue_change_fn *change,
    void *arg, bool essential, struct err *reterr);
MUST_USE bool queue_change(struct queue *queue, queue_change_fn *change,
    void *arg, bool essential, struct err *reterr);

void queue_break(struct queue *queue);

/* Copy the numbers that can be read without the lock. */
void queue_publish(struct queue *queue);

/* Is there room for a put? ERR_FULL if not. */
MUST_USE bool queue_room(struct queue *queue, struct err *reterr);

/* ---- the table meta ---- */

MUST_USE bool queue_meta_write(
    struct queue *queue, const char *key, int64_t value, struct err *reterr);

/* ---- the file; needs the lock ---- */

/* Open the file, if it is closed, and load the mirrors. A failure breaks the
 * queue. */
MUST_USE bool queue_load(struct queue *queue, struct err *reterr);

/* Give quarantined batches another try: a disk that erred may work again.
 * Writes nothing if there are none, so that a full disk does not keep the
 * queue from opening. `essential` as above. */
MUST_USE bool
queue_quarantine_retry(struct queue *queue, bool essential, struct err *reterr);

/* ---- without locks ---- */

/* Tell the owner that something new may be due. */
void queue_wake(struct queue *queue);

#endif
