#ifndef QUEUE_SQLITE_STORE_H
#define QUEUE_SQLITE_STORE_H

/*
 * What the files of this engine share: the file with its directory, what it
 * interns, and its rows of deliveries.
 */

#include "base/digest.h"
#include "queue/engine.h"
#include "queue/names.h"
#include "queue/queue.h"
#include "queue/sqlite/db.h"
#include "queue/sqlite/statedir.h"

/* Numbers of rows, kept because counting them takes longer the more there
 * are. */
struct store_counts {
	int64_t seen; /* hashes in the table seen */
	int64_t unreadable, unreadable_bytes;
	int64_t unreadable_removed; /* ever */
	int64_t quarantined;
	int64_t archive_batches, archive_bytes;
	int64_t dead, dead_bytes; /* letters */
	int64_t drift;
	int64_t reports;
	/* Of the destination `moving`, which is merged into another, all rows
	 * up to these ids have moved. */
	int64_t moving, moved_archive, moved_dead;
};

/* A source of a destination, while due.c looks for what is due of it. */
struct due_source;

/* Where the numbers of rows end, long before SQLite's. What is above is damage,
 * and new rows are numbered below it. */
#define STORE_NUMBERS_END INT64_C(72057594037927936)
#define STORE_NUMBERS_SQL "72057594037927936"

struct store {
	const struct queue_settings *settings;
	struct statedir statedir;
	struct db db; /* closed while the store is broken */

	/* Texts by number; those before `durable` are committed. */
	struct names names, rules;
	size_t names_durable, rules_durable;
	unsigned char person_key[DIGEST_KEY]; /* of the hash in members.c */
	/* The destination that was looked up last; id 0 = none. */
	char destination[256];
	int64_t destination_id;

	struct store_counts counts;  /* with the running transaction */
	struct store_counts durable; /* without it */
	int64_t next_seq;
	int64_t reopen_ms; /* monotonic: the next try */
	bool shrinking;	   /* the file has too much that is unused */
	bool unshrinkable; /* what that needs is damaged; told */

	/* Are the files still ours? See store_ours(). */
	bool noted;		       /* it is known which ones they are */
	int64_t file_bytes, log_bytes; /* that they have at least */
	int64_t log_gone_ms; /* monotonic: since when only the log is not; 0 */
	const char *cut;     /* a file lost bytes, for good: why; static */
	const char *gone;    /* they are not ours now: why; static */
	bool unsure; /* they vanished during a commit: the queue must load its
		      * mirrors again */

	struct due_source *sources; /* of due.c; owned */
	size_t source_cap;
};

/* ---- its life ---- */

MUST_USE bool store_open(const struct queue_settings *settings,
    struct store **ret_store, struct err *reterr);
void store_close(struct store *store); /* takes NULL */

/* Open the file, if it is closed, and load what is kept of it in memory. A
 * failure breaks the store. */
MUST_USE bool store_load(struct store *store, struct err *reterr);

/* Close the file, until upkeep opens it again; not while the open connection
 * holds the last copy. */
void store_break(struct store *store);

/* ---- are the files still ours? ---- */

/*
 * Directory, file and log are compared with what was opened: before and after
 * each change, before a reopen, and at each upkeep. If they are not ours the
 * connection stays open, because it holds the last copy: what is essential goes
 * on through it, and so does a backup; the rest fails. They may come back, a
 * file that was cut does not.
 *
 * If only the log is gone or cut, the file takes in what was in it, through the
 * open connection, and gets a new one: after reopen_ms, if no more than that is
 * gone. So not within a transaction, nor within rows. False: ERR_IO.
 */
MUST_USE bool store_ours(struct store *store, struct err *reterr);

/* Look, and do nothing about it; told in store->gone. */
void store_files_look(struct store *store);

MUST_USE bool
store_checkpoint(struct store *store, bool truncate, struct err *reterr);

/* ---- transactions ---- */

MUST_USE bool store_begin(struct store *store, struct err *reterr);
MUST_USE bool store_commit(struct store *store, struct err *reterr);
/* `why` decides if the store is broken. */
void store_rollback(struct store *store, const struct err *why);

/* ---- what is interned ---- */

/* The number of a name, or 0; with `add` a new name gets one, inside a
 * transaction. */
MUST_USE bool store_name(struct store *store, struct str text, bool add,
    int64_t *ret_id, struct err *reterr);

/* The number of rules, which get one if need be; of empty ones 0. */
MUST_USE bool store_rules(
    struct store *store, struct str rules, int64_t *ret_id, struct err *reterr);
struct str store_rules_at(const struct store *store, int64_t id);

/* The id of a destination, 0 if there is none. */
MUST_USE bool store_destination(
    struct store *store, struct str name, int64_t *ret_id, struct err *reterr);

/* The text of a number; empty if the number is lost. */
struct str store_name_at(const struct store *store, int64_t id);

/* ---- what a damaged file may say ---- */

/* Sums and times, so bounded that reckoning with them does not overflow. */
#define STORE_SUM_MAX INT64_C(100000000000000)

static inline int64_t
store_bound(int64_t value, int64_t most)
{
	return value > most ? most : value < -most ? -most : value;
}

static inline int64_t
store_sum(int64_t value)
{
	return store_bound(value, STORE_SUM_MAX);
}

static inline int64_t
store_stamp(int64_t value)
{
	return value < 0 ? 0 : store_bound(value, ENGINE_STAMP_MAX);
}

/* The size of a row or of what is in it, likewise. */
static inline size_t
store_size(int64_t value)
{
	return value < 0 ? 0 : value > UINT32_MAX ? UINT32_MAX : (size_t)value;
}

/* ---- searching from key to key: search.c ---- */

/*
 * On a damaged page a search fails, or finds a key that is not behind the last
 * one, again and again. Then the keys that follow are passed over, until one is
 * found: by steps of the last column that double, then of the one before it;
 * and what the last step passed over for nothing is searched by halves.
 */
enum { STORE_KEY_COLUMNS = 4 };

struct store_search {
	const char *sql; /* the key of the first row behind ?1, ?2, ... */
	int columns;	 /* of the key */
	int fixed;	 /* the first so many stay as they are */
	int64_t key[STORE_KEY_COLUMNS]; /* in and out */
	size_t damaged; /* out: how often keys were passed over */
};

/* The next key; *ret_there: there is one. */
MUST_USE bool store_search_next(struct store *store,
    struct store_search *search, bool *ret_there, struct err *reterr);

/* ---- delivery rows ---- */

/* The columns of one, as they are selected. */
struct delivery_columns {
	int64_t due_ms, seq, version, first_ms, unpacked, rules, bytes,
	    remaining, stamp;
	int attempts, refusals, failures, replay;
	struct str parked, done, delivered;
};
#define DELIVERY_COLUMNS                                                       \
	"due_ms, seq, version, attempts, refusals, failures, first_ms,"        \
	" replay, parked, unpacked, rules, bytes, remaining, done, delivered," \
	" stamp"
#define DELIVERY_TYPES "iiidddidsiiiibbi"
/* Where a row is whose source is lost. */
#define DELIVERY_LOST                                                          \
	"destination=?1 AND source NOT IN (SELECT id FROM name)"               \
	" AND due_ms=?3 AND seq=?4"
#define DELIVERY_POINTERS(columns)                                             \
	&(columns)->due_ms, &(columns)->seq, &(columns)->version,              \
	    &(columns)->attempts, &(columns)->refusals, &(columns)->failures,  \
	    &(columns)->first_ms, &(columns)->replay, &(columns)->parked,      \
	    &(columns)->unpacked, &(columns)->rules, &(columns)->bytes,        \
	    &(columns)->remaining, &(columns)->done, &(columns)->delivered,    \
	    &(columns)->stamp

/* The row of such columns and its batch, which is read into *rows and lent
 * until store_row_end(). A batch that cannot be read and a source that is lost
 * are no failure: see struct engine_delivery. */
MUST_USE bool
store_row(struct store *store, const struct delivery_columns *columns,
    struct str destination, int64_t source, struct db_rows *rows,
    struct engine_delivery *ret_row, struct err *reterr);

/* A frame and what stands beside it, likewise; not there: NULL. */
MUST_USE bool store_batch(struct store *store, int64_t seq,
    struct db_rows *rows, struct str *ret_frame, int64_t *ret_accepted_ms,
    int64_t *ret_events, struct err *reterr);
void store_row_end(struct db_rows *rows);

/* ---- the other files ---- */

/* apply.c */
bool store_apply(
    struct store *store, const struct engine_apply *apply, struct err *reterr);

/* due.c */
bool store_due(struct store *store, struct engine_want *wants, size_t count,
    int64_t now_ms, const int64_t *leased, size_t leased_count,
    engine_due_fn *fn, void *arg, struct err *reterr);

/* walk.c */
bool store_walk(struct store *store, enum engine_table table,
    struct engine_cursor *cursor, size_t rows, engine_row_fn *fn, void *arg,
    bool *ret_more, struct err *reterr);
bool store_read(struct store *store, const struct engine_delivery *key,
    engine_row_fn *fn, void *arg, struct err *reterr);

/* members.c */
bool store_member_put(struct store *store, const struct engine_member *member,
    struct err *reterr);
bool store_member_delete(struct store *store,
    const struct engine_member *member, struct err *reterr);
bool store_members(struct store *store, struct engine_member *list,
    size_t count, struct err *reterr);

/* Said, of a member m, and what it says; -1: the row is damaged. */
#define MEMBER_SAID                                                            \
	"iif(typeof(m.said)='integer' AND typeof(m.sent_s)='integer',"         \
	" m.said, -1)"
void
store_member_read(int64_t said, int64_t sent_s, struct engine_member *member);

/* job.c */
bool store_job(struct store *store, struct engine_job *job, struct err *reterr);

/* The columns of a row of the ledger, but for its key; a sum() that overflows
 * would fail. */
#define LEDGER_SUMS                                                            \
	"total(received), total(queued), total(delivered), total(dead), "      \
	"total(dropped),"                                                      \
	" total(duplicates), total(erased), total(expired), total(replayed),"  \
	" total(replay_delivered), total(replay_refused), max(age_ms)"
#define LEDGER_TYPES "iiiiiiiiiiii"
#define LEDGER_VALUES(row)                                                     \
	(row)->line.received, (row)->line.queued, (row)->line.delivered,       \
	    (row)->line.dead, (row)->line.dropped, (row)->line.duplicates,     \
	    (row)->line.erased, (row)->line.expired, (row)->line.replayed,     \
	    (row)->line.replay_delivered, (row)->line.replay_refused,          \
	    (row)->age_ms
#define LEDGER_POINTERS(row)                                                   \
	&(row)->line.received, &(row)->line.queued, &(row)->line.delivered,    \
	    &(row)->line.dead, &(row)->line.dropped, &(row)->line.duplicates,  \
	    &(row)->line.erased, &(row)->line.expired, &(row)->line.replayed,  \
	    &(row)->line.replay_delivered, &(row)->line.replay_refused,        \
	    &(row)->age_ms

#endif
