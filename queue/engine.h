#ifndef QUEUE_ENGINE_H
#define QUEUE_ENGINE_H

/*
 * What the queue needs of a store. Everything above it is the same for every
 * store: hashing and the window of duplicates, packing, the sums of the
 * ledger, group commit, leases, repacking. An engine is a const table of
 * functions; SQLite in a local file is the default (queue/sqlite/).
 *
 *	put	one apply: a batch with its delivery row, dead letters, drift,
 *		hashes, and the sums of all that
 *	take	one due for all destinations
 *	post	one apply: the identity rules, in the delivery rows
 *	settle	one apply: delivery rows written or deleted, batches into the
 *		archive, new batches of what was deferred, the sums
 *	jobs	a walk of some rows, then one apply
 *
 * *apply* is the only write. It gets a list of changes of rows and does all of
 * them or none, durably. A delivery row has a version, which each change of it
 * raises: a change that expects another version is ERR_CONFLICT, and the
 * caller reads the row again. So settling may be repeated, and a job may
 * change what is on lease. A claim says that one process alone delivers for a
 * destination; changes that it fences are ERR_BUSY once it is lost.
 *
 * Only texts cross the seam: an engine that stores numbers in their place
 * interns by itself. Views that go in are lent for the call, views that come
 * out until the callback returns; a text that comes out is followed by a NUL.
 *
 * A call may cost a round trip, so none is made once per destination or once
 * per event. One thread at a time calls a store (the queue's lock). Every
 * function but close and totals fails with ERR_IO while the store is broken:
 * after a failed write it trusts nothing, until upkeep has reopened it.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

struct queue_settings;
struct store; /* one open store; the engine's own */

/* ---- rows ---- */

/* due_ms of a delivery that waits for no time. */
#define DELIVERY_FRESH	INT64_C(0)
#define DELIVERY_REPLAY INT64_C(-1) /* taken when nothing else is due */
#define DELIVERY_PARKED INT64_MAX   /* never due: its group is released */

/* due_ms of what was parked: a time long past, so it is due at once, in the
 * order of acceptance. */
#define DELIVERY_UNPARKED INT64_C(1)

/* The group of pages that the operator is to release begins with this byte, and
 * is not among the others of an ENGINE_UNPARK. */
#define ENGINE_HELD '\x01'

/* An engine may store two bits beside it. */
#define ENGINE_STAMP_MAX (INT64_MAX / 8 - 1)

/* The small row that changes beside an immutable batch. Its key is
 * destination, source, due_ms and seq. */
struct engine_delivery {
	struct str destination, source;
	int64_t due_ms, seq;
	uint64_t version; /* counts the changes of the row */

	/* as it was added */
	int64_t accepted_ms; /* of the oldest event */
	size_t events;	     /* in the batch, settled ones included */
	size_t unpacked;     /* bytes of the events */
	bool replay;
	unsigned attempts;	     /* how often its events were deferred */
	unsigned refusals, failures; /* that count against its events */
	int64_t first_ms;	     /* of those; 0 = none */
	struct str parked; /* the group that it waits with, or empty */
	int64_t stamp;	   /* of a set: the order of its changes (queue/set.h),
			    * 1 to ENGINE_STAMP_MAX; else 0 */

	/* what ENGINE_DELIVERY_PUT writes */
	struct str rules;	    /* of identity, at the first post; or
				     * empty: never posted */
	size_t bytes;		    /* of the frame */
	size_t remaining;	    /* events that are not done */
	struct str done, delivered; /* a bit for each event (base/bits.h);
				     * shorter, even empty: the rest is 0 */

	/* The packed batch (queue/batch.h). A row whose batch cannot be read
	 * comes out with NULL, and one whose source is lost with an empty one,
	 * by which it can be read again and quarantined. */
	struct str frame;
};

/* A delivered batch, kept for replays; numbered in the order of delivery. */
struct engine_archived {
	int64_t id, seq;
	struct str destination, source; /* empty if it is lost */
	int64_t delivered_ms, accepted_ms;
	int64_t age_ms; /* queue/bounds.h: when it was added */
	size_t bytes;
	struct str rules;
	struct str delivered; /* bits */
	struct str frame;     /* as above */
};

/* Some dead letters of a destination, packed (queue/dead.h); numbered as they
 * were added. */
struct engine_dead {
	int64_t id;
	struct str destination;
	int64_t age_ms; /* when its last letter was added */
	size_t letters;
	size_t bytes; /* of the frame; out only */
	struct str frame;
};

/* A whole body that could not be read. */
struct engine_unreadable {
	int64_t id;
	struct str source, reason, encoding;
	int64_t received_ms;
	int64_t age_ms;
	struct str hash; /* of the body, which is kept once */
	size_t bytes;	 /* of the frame; out only */
	struct str frame;
};

/* A person whose erasure a source asked for. */
struct engine_erasure {
	int64_t id;
	struct str source, subject;
	int64_t noted_ms, erased_ms; /* 0 = not yet */
};

struct engine_drift {
	struct str text;
	int64_t events, first_ms, last_ms;
	int64_t age_ms;	  /* queue/bounds.h: when it was last added to */
	int64_t rows_max; /* ADD: of the table; beyond it new texts are
			   * counted as "(more)" */
};

/* Marks of batches (queue/marks.h). As long as they are there, their numbers
 * are not used again, even if they are of no batch any more; a batch, or the
 * last one of a row, whose number is above the most is damaged. */
#define ENGINE_MARKS_LAST_MOST (INT64_MAX >> 7)
enum { ENGINE_MARKS_KINDS = 17 };
struct engine_marks {
	int64_t kind;	     /* there is a row of each for the same batches */
	int64_t first, last; /* of the batches */
	struct str frame;
};

/* One line of the ledger. Always:
 * received = queued + delivered + dead + dropped + duplicates
 *	    + erased + expired */
struct stats_line {
	int64_t received, queued, delivered, dead, dropped, duplicates, erased,
	    expired;
	/* Of the delivered, sent again by the operator; apart from the rest:
	 * replayed = still queued + delivered again + refused. */
	int64_t replayed, replay_delivered, replay_refused;
};

/* Add the columns of a line to those of another. */
static inline void
stats_line_add(struct stats_line *line, const struct stats_line *more)
{
	line->received += more->received;
	line->queued += more->queued;
	line->delivered += more->delivered;
	line->dead += more->dead;
	line->dropped += more->dropped;
	line->duplicates += more->duplicates;
	line->erased += more->erased;
	line->expired += more->expired;
	line->replayed += more->replayed;
	line->replay_delivered += more->replay_delivered;
	line->replay_refused += more->replay_refused;
}

/* Sums, by the hour of acceptance (since 1970), source and type; what is
 * walked over by some of them has the others empty. */
struct engine_ledger {
	int64_t hour;
	struct str source, type;
	struct stats_line line;
	int64_t age_ms; /* queue/bounds.h: when it was last added to */
};

/* Likewise, of what was dropped by a rule. */
struct engine_dropped {
	int64_t hour;
	struct str source, type, rule;
	int64_t events;
};

/* Sums, by day, label and type. */
#define ENGINE_REPORT_OTHER "(other)"
struct engine_report {
	int64_t day;	     /* since 1970-01-01; of a month: ~ its first day */
	struct str kind, id; /* of the label */
	struct str name;     /* of it: the last that is not empty */
	struct str type;
	int64_t delivered, dropped, dead;
	int64_t rows_max; /* ADD, FOLD: of the table */
};

struct engine_destination {
	struct str name;
	int64_t queued, bytes; /* of its batches, but for replays */
	int64_t delivered_ms;  /* when it last took something; 0 = never */
	bool paused, clean;
	bool saved; /* it has a state; out only */
};

/* A group of a set: the core's bytes (queue/groups.h). */
struct engine_group {
	int64_t id;		/* at least 1, never given again */
	struct str destination; /* empty if it is lost */
	struct str data;
};

/* A sync of a group, likewise. */
struct engine_sync {
	int64_t group, number;
	struct str data;
};

/* What the destination was last sent of a member. */
enum engine_sent {
	ENGINE_SENT_NEVER, /* the same as no row */
	ENGINE_SENT_IN,
	ENGINE_SENT_OUT,
	/* Maybe something; and what it was to be sent. */
	ENGINE_SENT_UNKNOWN_IN,
	ENGINE_SENT_UNKNOWN_OUT,
};

/* A member of a group. There may be tens of millions, each in many groups; so
 * an engine stores the text of a person once, and shares it. */
struct engine_member {
	int64_t group;
	struct str person; /* 1 to 1,024 bytes */
	int64_t stamp;	   /* of the last change of it that was settled */
	enum engine_sent sent;
	int64_t sent_s; /* when, in seconds since 1970; 0 = never */
};

/* A small value of an owner: a destination, or "" for the queue itself. */
struct engine_state {
	struct str owner, name, data;
};

/* The groups to release; with `others` all but these. */
struct engine_unpark {
	struct str destination;
	const struct str *groups;
	size_t count;
	bool others;
};

/* The place of a seq among those on lease, which are in ascending order. */
static inline size_t
engine_leased_place(const int64_t *leased, size_t count, int64_t seq)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (leased[middle] < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Is it among them? */
static inline bool
engine_leased_has(const int64_t *leased, size_t count, int64_t seq)
{
	size_t place = engine_leased_place(leased, count, seq);

	return place < count && leased[place] == seq;
}

static inline bool
engine_unpark_has(const struct engine_unpark *unpark, struct str group)
{
	for (size_t i = 0; i < unpark->count; i++) {
		if (str_equal(unpark->groups[i], group))
			return !unpark->others;
	}
	return unpark->others && group.data[0] != ENGINE_HELD;
}

union engine_row {
	struct engine_delivery delivery;
	struct engine_archived archived;
	struct engine_dead dead;
	struct engine_unreadable unreadable;
	struct engine_erasure erasure;
	struct engine_drift drift;
	struct engine_marks marks;
	struct engine_ledger ledger;
	struct engine_dropped dropped;
	struct engine_report report;
	struct engine_destination destination;
	struct engine_state state;
	struct engine_group group;
	struct engine_sync sync;
	struct engine_member member;
	struct engine_unpark unpark;
	struct str hashes, tally;
};

/* ---- changes ---- */

enum engine_op {
	/* Batches. */
	ENGINE_BATCH_ADD,     /* delivery, with its frame; out: number = seq */
	ENGINE_BATCH_REWRITE, /* delivery.seq, .frame */
	ENGINE_BATCH_DELETE,  /* delivery.seq */

	/* Delivery rows: of this key and version, else ERR_CONFLICT. */
	ENGINE_DELIVERY_PUT,
	ENGINE_DELIVERY_DELETE,
	ENGINE_DELIVERY_QUARANTINE, /* moved aside, never due; text: why,
				     * number: now */

	/* All rows of a kind; a moved row has its version raised. */
	ENGINE_QUARANTINE_EMPTY, /* back to where they were, but unparked: their
				  * group may have been released meanwhile */
	ENGINE_UNPARK,		 /* out: number of rows */

	/* Rows of an id: a missing one is ERR_CONFLICT. ADD ignores the id. */
	ENGINE_ARCHIVE_ADD,
	ENGINE_ARCHIVE_PUT,    /* archived.bytes, .delivered */
	ENGINE_ARCHIVE_DELETE, /* its batch stays */
	ENGINE_DEAD_ADD,       /* out: number = id */
	ENGINE_DEAD_PUT,       /* dead.letters, .age_ms, .frame */
	ENGINE_DEAD_DELETE,
	ENGINE_UNREADABLE_ADD,	  /* out: flag = it is there already */
	ENGINE_UNREADABLE_DELETE, /* a missing one is no conflict; out: flag =
				   * it was there */

	ENGINE_ERASURE_ADD,  /* replaces the person's earlier one */
	ENGINE_ERASURE_DONE, /* of erasure.subject, up to erasure.id: deleted
			      * for good; or, with erased_ms, marked */
	ENGINE_DRIFT_ADD,    /* out: flag = never seen before */
	ENGINE_DRIFT_FOLD,   /* if the table is full, what was not added to
			      * since drift.age_ms becomes "(more)" */
	ENGINE_SEEN_ADD,     /* hashes; of all, the last `number` at least are
			      * kept */

	ENGINE_MARKS_ADD,
	ENGINE_MARKS_TIDY, /* delete the rows of one last seq, if there are such
			    * of none of whose batches is left. Out: flag =
			    * there were */

	/* Sums. */
	ENGINE_LEDGER_ADD,
	ENGINE_LEDGER_FOLD, /* hours before ledger.hour, into days */
	ENGINE_LEDGER_TYPE, /* what there is of ledger.type becomes `text`'s */
	ENGINE_DROPPED_ADD,
	ENGINE_REPORT_ADD,	/* if the table is full, a row that is not there
			     * becomes that of the label "(other)" */
	ENGINE_REPORT_FOLD,	/* some `number` rows of days before report.day,
			     * into months; if there are none, but more rows in
			     * all than rows_max, of the oldest months, into the
			     * label "(other)". Out: flag = another such change
			     * is needed */
	ENGINE_TALLY_ADD,	/* tally */
	ENGINE_TALLY_CLEAR,	/* all of them */
	ENGINE_DESTINATION_ADD, /* queued, bytes; delivered_ms, unless 0 */

	ENGINE_DESTINATION_PUT,	 /* make it, or write paused and clean */
	ENGINE_DESTINATION_MOVE, /* destination.name to `text`: renamed if that
				  * is not there; else some of its rows move,
				  * unparked, as the state of their groups
				  * stays behind; with the last it is deleted.
				  * Out: flag = another such change is needed */
	ENGINE_STATE_PUT,

	/* Sets. PUT adds a row, or takes the place of the one of its key; a
	 * row that is not there need not be deleted. The rows of a group that
	 * is deleted are deleted before. */
	ENGINE_GROUP_PUT,
	ENGINE_GROUP_DELETE, /* group.id */
	ENGINE_SYNC_PUT,
	ENGINE_SYNC_DELETE, /* sync.group, .number */
	ENGINE_MEMBER_PUT,
	ENGINE_MEMBER_DELETE, /* member.group, .person: whose text goes with
			       * the last row */
};

struct engine_change {
	enum engine_op op;
	union engine_row row;
	struct str text;
	int64_t number;
	bool flag;
};

/* Says that this process alone delivers for a destination. */
struct engine_claim {
	struct str destination;
	uint64_t epoch;
	int64_t until_mono_ms; /* it is certainly ours until then */
	bool lost;	       /* set by renew */
};

struct engine_apply {
	struct engine_change *changes;
	size_t count;
	struct engine_claim *const *claims; /* all must hold; or none */
	size_t claim_count;
	bool essential; /* delivery cannot do without it: on a full disk use
			 * what was reserved for that */
};

/* ---- reading ---- */

/* What is due for a destination: see due(). */
struct engine_want {
	struct str destination;
	size_t bytes;	   /* of events, unpacked; one batch at least */
	bool more;	   /* it has some: not one at least */
	bool replays;	   /* if nothing else is due */
	struct str after;  /* the source whose turn was last, or empty */
	struct str parked; /* not empty: one batch of this group, not more */
	bool by_seq;	   /* only fresh ones above this seq, by seq */
	int64_t after_seq;
	/* out: when something more is due, and when a replay is; a time that is
	 * over: at once; INT64_MAX: never */
	int64_t next_ms, next_replay_ms;
	size_t damaged; /* out: places or rows that were passed over, because
			 * they cannot be read, or found to be changed */
	struct err err; /* out: why it could not be read; else untouched */
};

enum {
	/* Nothing is ever deferred this far: the clock was wrong. */
	ENGINE_FAR_MS = 2 * 24 * 3600 * 1000,
};

enum engine_table {
	ENGINE_QUEUED,		 /* delivery; see walk() */
	ENGINE_BATCHES,		 /* delivery.seq and .frame, of all batches */
	ENGINE_ARCHIVE,		 /* archived */
	ENGINE_ARCHIVE_HEADS,	 /* likewise, without frames */
	ENGINE_PAGES,		 /* delivery, by seq: those with a stamp */
	ENGINE_MEMBERS,		 /* member, of the group in at[0], in an order
				  * of the engine's, where at[1] stands */
	ENGINE_QUEUED_RANGES,	 /* delivery, by seq: those in the cursor's
				* ranges */
	ENGINE_ARCHIVE_RANGES,	 /* archived, likewise */
	ENGINE_MARKS,		 /* marks, by kind (at[0]) and last seq */
	ENGINE_DEAD,		 /* dead; see the cursor's `of` */
	ENGINE_UNREADABLE,	 /* unreadable */
	ENGINE_UNREADABLE_HEADS, /* likewise, without frames; see `of` */
	ENGINE_ERASURES,	 /* erasure */
	/* Whole tables; the cursor is not used. */
	ENGINE_SEEN, /* hashes, oldest first */
	ENGINE_DRIFT,
	ENGINE_LEDGER_BY_SOURCE,
	ENGINE_LEDGER_BY_TYPE,
	ENGINE_LEDGER_BY_HOUR,
	ENGINE_LEDGER_SUMS, /* by source and type */
	ENGINE_DROPPED,	    /* by rule and type */
	ENGINE_REPORTS,	    /* of days from the cursor's at[0] on, and of months
			 * that begin on at[1] or later */
	ENGINE_TALLIES,	    /* tally, in the order in which they were added */
	ENGINE_DESTINATIONS,
	ENGINE_GROUPS,		/* by id */
	ENGINE_SYNCS,		/* by group and number */
	ENGINE_DEAD_LAST,	/* dead, the last one first */
	ENGINE_DEAD_SUMS,	/* dead.bytes, by destination */
	ENGINE_UNREADABLE_SUMS, /* unreadable.bytes, by source */
	ENGINE_MARKS_LAST,	/* the last row, without its frame */
	ENGINE_OLDEST, /* delivery.accepted_ms, some for each destination
			    * and source, the quarantined included: the oldest
			    * is among them */
};

struct engine_range {
	int64_t first, last; /* seqs */
};

/* Where a walk stands. Zeroed before the first step. For tables with ids,
 * `begun` with an id in at[0] and INT64_MAX in `last` goes on after it. */
struct engine_cursor {
	int64_t at[4], last;
	bool begun;
	size_t damaged; /* out: places or rows that were passed over so far,
			 * because they cannot be read, or found to be
			 * changed */
	/* Where to look, ascending; lent for the step. at[0] is the seq that
	 * was shown last. */
	const struct engine_range *ranges;
	size_t range_count;
	/* Not empty: only the rows of this destination, or source; lent for the
	 * step. */
	struct str of;
};

/* False ends the walk, behind this row. */
typedef bool engine_row_fn(void *arg, const union engine_row *row);

/* False ends it, for all wants. `want` is the number of the want. */
typedef bool
engine_due_fn(void *arg, size_t want, const struct engine_delivery *row);

struct engine_totals {
	int64_t live_bytes; /* in use: what max_bytes bounds */
	int64_t file_bytes; /* with what is free inside */
	int64_t free_bytes; /* of the place that it is in */
	int64_t archive_batches, archive_bytes;
	int64_t dead, dead_bytes; /* letters; bytes of their frames */
	int64_t unreadable, unreadable_bytes;
	int64_t unreadable_removed; /* ever */
	int64_t quarantined;	    /* batches */
	int64_t reports;	    /* rows */
	bool reserve;		    /* what an essential change may use */
	const char *gone;	    /* the files are no longer those that were
				     * opened: why; static. What is essential
				     * goes on. NULL: they are */
	bool broken;		    /* all numbers are 0 */
	/* Only when recounted. */
	int64_t queued, queued_bytes;
};

/* ---- jobs on the store as a whole ---- */

enum engine_verb {
	ENGINE_CHECK,  /* its own consistency, in steps; a text for each
			* fault */
	ENGINE_FLUSH,  /* nothing that was deleted is left in any file */
	ENGINE_BACKUP, /* a consistent copy at `path`, which must not exist */
};

struct engine_job {
	enum engine_verb verb;
	const char *path;
	void (*fn)(void *arg, const char *text);
	void *arg;
	bool end;      /* give it up, or let it go; never fails */
	bool more;     /* out: another step is needed */
	bool unlocked; /* out: the next one takes long, and needs no lock */
	int64_t left_bytes; /* out */
	/* the engine's own */
	void *state;
	size_t step; /* of a check */
};

/* ---- the table ---- */

struct engine {
	const char *name;

	/* Open the store of these settings, or make one, and own it. As
	 * queue_open() fails. */
	bool (*open)(const struct queue_settings *settings,
	    struct store **ret_store, struct err *reterr);
	void (*close)(struct store *store); /* takes NULL */

	/*
	 * Make all changes, in their order, or none; durable at return.
	 * ERR_CONFLICT, ERR_BUSY (a claim is lost), ERR_FULL, ERR_LIMIT (a
	 * value is too large), ERR_NOMEM, ERR_IO: nothing was changed, but
	 * after ERR_IO it may have been; then the store is broken.
	 */
	bool (*apply)(struct store *store, const struct engine_apply *apply,
	    struct err *reterr);

	/* Claim a destination: ERR_BUSY while another process has it. Renew
	 * claims, marking those that are lost. Give them up. */
	bool (*claim)(struct store *store, const char *destination,
	    struct engine_claim *ret_claim, struct err *reterr);
	bool (*renew)(struct store *store, struct engine_claim *const *claims,
	    size_t count, struct err *reterr);
	void (*release)(struct store *store, struct engine_claim *const *claims,
	    size_t count);

	/*
	 * What is due for all these destinations. Their sources take turns, row
	 * by row; of each source what was deferred and is due (or is deferred
	 * too far) comes first, then fresh batches by seq. Replays come by
	 * themselves, parked ones only as wanted. `leased`, in ascending order,
	 * are the seqs to skip. A want that cannot be read gets its `err`, and
	 * the next one its turn: false means that none can be read.
	 */
	bool (*due)(struct store *store, struct engine_want *wants,
	    size_t count, int64_t now_ms, const int64_t *leased,
	    size_t leased_count, engine_due_fn *fn, void *arg,
	    struct err *reterr);

	/*
	 * Show at most `rows` rows. Keys grow, whatever is damaged, and a walk
	 * ends with the last row that was there when it began; but one over the
	 * queued also sees the new batches of what is deferred meanwhile.
	 * *ret_more: it is not over. The rows may be changed between two steps,
	 * not within.
	 */
	bool (*walk)(struct store *store, enum engine_table table,
	    struct engine_cursor *cursor, size_t rows, engine_row_fn *fn,
	    void *arg, bool *ret_more, struct err *reterr);

	/* Show the delivery row of this key as it is now; if it is gone, fn is
	 * not called. */
	bool (*read)(struct store *store, const struct engine_delivery *key,
	    engine_row_fn *fn, void *arg, struct err *reterr);

	/* Fill in what there is of these members, beside group and person; of
	 * one that has no row, or whose row is damaged: SENT_NEVER or
	 * SENT_UNKNOWN_OUT, and zeroes. */
	bool (*members)(struct store *store, struct engine_member *list,
	    size_t count, struct err *reterr);

	/* Reads no rows, unless they are recounted. */
	bool (*totals)(struct store *store, bool recount,
	    struct engine_totals *ret_totals, struct err *reterr);

	/* Append what was put; nothing if nothing was. */
	bool (*state)(struct store *store, const char *owner, const char *name,
	    struct buf *ret_data, struct err *reterr);

	/* Called between commits: what the store needs from time to time. If
	 * it was broken and is open again, or is not sure whether it made a
	 * change that failed, *ret_reopened. *ret_more: it is to be called
	 * again at once. Both are set even on failure. */
	bool (*upkeep)(struct store *store, int64_t mono_ms, bool *ret_reopened,
	    bool *ret_more, struct err *reterr);

	/* One step of a job, zeroed but for its verb, path and fn. Ended by
	 * `end` if its last step left `more`, or it failed. ERR_UNSUPPORTED. */
	bool (*job)(
	    struct store *store, struct engine_job *job, struct err *reterr);
};

/* The engine of queues whose settings name none. */
extern const struct engine *const engine_default;

#endif
