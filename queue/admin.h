#ifndef QUEUE_ADMIN_H
#define QUEUE_ADMIN_H

/*
 * What the operator can look up in the queue and do to it: look-ups for
 * commands, status and metrics (stats_), and jobs (jobs_). The delivery of
 * events does not need them. Any thread; each call locks the queue for a short
 * time, unless its comment says otherwise. A look-up (stats_) does not wait for
 * a disk that hangs: it fails with ERR_BUSY once the lock's holder has had it
 * for STATS_PATIENCE_MS.
 */

#include "base/histogram.h"
#include "queue/engine.h"
#include "queue/queue.h"

enum { STATS_PATIENCE_MS = 1000 };

/* ---- the ledger ---- */

/* received minus all the rest: 0, or something is wrong. */
int64_t stats_imbalance(const struct stats_line *line);

struct stats_totals {
	struct stats_line events;
	int64_t quarantined_batches; /* damaged; their events count as queued */
	int64_t unreadable;	     /* bodies */
	int64_t unreadable_bytes;
	int64_t unreadable_removed; /* ever, by the operator */
	int64_t archive_batches;    /* delivered, for replays */
	int64_t archive_bytes;
	int64_t dead_bytes;	/* of dead letters */
	int64_t dead_left_ms;	/* until the first of them expire; INT64_MAX:
			       * never, or not known yet */
	int64_t live_bytes;	/* pages in use: what max_bytes bounds */
	int64_t file_bytes;	/* of queue.db */
	int64_t free_bytes;	/* of the file system */
	int64_t suppressed;	/* ids of people who were erased */
	int64_t window_events;	/* remembered to detect duplicates */
	int64_t last_commit_ms; /* 0 = none yet */
	int64_t held_ms;	/* the lock, by whoever has it now */
	const struct histogram *commits; /* how long they took; of puts */
	bool reserve;			 /* in place */
	bool broken;			 /* the disk failed; being reopened */
	const char *gone; /* the files were removed, replaced or cut, and
				 * nothing is accepted: why; else NULL */
};

/* From memory: never waits for a commit. */
void stats_totals(struct queue *queue, struct stats_totals *ret_totals);

/* Is the committer thread alive? (It makes a round at least once a second;
 * false after ten seconds without one.) `mono_ms` is clock_mono_ms(). */
bool stats_alive(struct queue *queue, int64_t mono_ms);

/* Hours further back are folded into days. */
enum { STATS_HOURS = 30 * 24 };

enum stats_by {
	STATS_BY_SOURCE,
	STATS_BY_TYPE,
	STATS_BY_HOUR,
};

/* Called with the queue locked: copy, do not call back. `label` is the source,
 * the type, or the hour as "2026-11-23T22:00Z". False ends the walk. */
typedef bool
stats_line_fn(void *arg, const char *label, const struct stats_line *line);
MUST_USE bool stats_ledger(struct queue *queue, enum stats_by by,
    stats_line_fn *fn, void *arg, struct err *reterr);

/* What became of events, by their own day, label and type (queue_settings.
 * report). What is requeued is dead no longer; expired and erased dead letters
 * stay counted, and replays are not. */
struct stats_report {
	int64_t day; /* since 1970-01-01; of a month the first one */
	bool month;  /* days of a month that is long over are one */
	const char *kind, *id, *name; /* of the label; "(other)": too many */
	const char *type;
	int64_t delivered, dropped, dead;
};

/* Those of this day and later ones, and of its month; what agrees in all but
 * the numbers is to be added up. Like stats_line_fn. */
typedef bool stats_report_fn(void *arg, const struct stats_report *report);
MUST_USE bool stats_reports(struct queue *queue, int64_t since_day,
    stats_report_fn *fn, void *arg, struct err *reterr);

/*
 * The same sums from memory, for series that are few: by source (the first 100,
 * and "(other)") and by what the names of reserved types (queue_settings.
 * type_at) have before their last dot; other types are "(other)". The texts
 * stay where they are while the queue is open. Like stats_line_fn.
 */
struct stats_sum {
	const char *source, *types;
	struct stats_line line;
};
typedef bool stats_sum_fn(void *arg, const struct stats_sum *sum);
MUST_USE bool stats_sums(
    struct queue *queue, stats_sum_fn *fn, void *arg, struct err *reterr);

/* Likewise what was dropped, by rule (the first 100, and "(other)"). */
typedef bool stats_rule_fn(void *arg, const char *rule, int64_t events);
MUST_USE bool stats_rules(
    struct queue *queue, stats_rule_fn *fn, void *arg, struct err *reterr);

/* What was dropped, by rule and type. Like stats_line_fn. */
typedef bool
stats_drop_fn(void *arg, const char *rule, const char *type, int64_t count);
MUST_USE bool stats_drops(
    struct queue *queue, stats_drop_fn *fn, void *arg, struct err *reterr);

/* The most frequent, at most `most`: rules, of all dropped events; or reasons
 * with their status, of the last STATS_TOP_RECENT dead letters. Like
 * stats_line_fn. */
enum stats_top { STATS_TOP_DROPS, STATS_TOP_DEAD };
enum { STATS_TOP_RECENT = 1000 };
typedef bool
stats_top_fn(void *arg, const char *text, int status, int64_t count);
MUST_USE bool stats_top(struct queue *queue, enum stats_top top, size_t most,
    stats_top_fn *fn, void *arg, struct err *reterr);

/* Recount queued and dead from the rows, and compare with the ledger.
 * *ret_agree says whether they agree; `fn` gets a line of text for each
 * difference. */
typedef void stats_text_fn(void *arg, const char *text);
MUST_USE bool stats_check(struct queue *queue, stats_text_fn *fn, void *arg,
    bool *ret_agree, struct err *reterr);

/* Is an event with this id in the window of duplicates: was it received? An
 * older one may be, and is forgotten. */
MUST_USE bool stats_seen(struct queue *queue, const char *source,
    struct str type, struct str id, bool *ret_seen, struct err *reterr);

/* ---- destinations ---- */

/* Every destination that ever existed, with the number of events queued for it,
 * from memory. Copy, do not call back. */
typedef void stats_destination_fn(void *arg, const char *name, int64_t queued);
void
stats_destinations(struct queue *queue, stats_destination_fn *fn, void *arg);

/* Events queued for a destination, from memory; 0 for an unknown one. */
int64_t stats_destination_queued(struct queue *queue, const char *destination);

/* Bytes queued for it, likewise, and the most that may now be. */
int64_t stats_destination_bytes(struct queue *queue, const char *destination);
int64_t
stats_destination_bytes_max(struct queue *queue, const char *destination);

/* When it last accepted something, from memory; 0 = never. */
int64_t
stats_destination_delivered_ms(struct queue *queue, const char *destination);

/* Did the operator pause it? From memory; false for an unknown one. */
bool stats_destination_paused(struct queue *queue, const char *destination);

/* Acceptance time of the oldest event queued for a destination (NULL: for any),
 * quarantined or not, or 0 if none is; as it was within the last second, or
 * when the disk last answered. */
MUST_USE bool stats_oldest_ms(struct queue *queue, const char *destination,
    int64_t *ret_ms, struct err *reterr);

/* ---- lists ---- */

/* What was observed in incoming batches (struct queue_drift), by text. Like
 * stats_line_fn. */
typedef bool stats_drift_fn(void *arg, const char *text, int64_t events,
    int64_t first_ms, int64_t last_ms);
MUST_USE bool stats_drift(
    struct queue *queue, stats_drift_fn *fn, void *arg, struct err *reterr);

/* People whose erasure was requested, with an id above `after`; erased_ms is
 * when they were erased here, 0 = not yet. Like stats_line_fn. */
typedef bool stats_erasure_fn(void *arg, int64_t id, const char *source,
    const char *subject, int64_t noted_ms, int64_t erased_ms);
MUST_USE bool stats_erasures(struct queue *queue, int64_t after, size_t most,
    stats_erasure_fn *fn, void *arg, struct err *reterr);

struct stats_dead {
	int64_t id;
	const char *source, *destination, *type, *reason;
	int64_t accepted_ms, dead_ms;
	unsigned attempts;
	int status;		       /* HTTP, or 0 */
	struct str answer, sent, data; /* answer and sent may be NULL */
};

/* The dead letters with an id above `after`, oldest first, at most `most`. Like
 * stats_line_fn. */
typedef bool stats_dead_fn(void *arg, const struct stats_dead *dead);
MUST_USE bool stats_dead(struct queue *queue, int64_t after, size_t most,
    stats_dead_fn *fn, void *arg, struct err *reterr);

/* ---- sets ---- */

struct stats_group {
	int64_t number; /* the queue's own */
	const char *destination, *source;
	const char *id, *name;	   /* as the source calls it */
	const char *label;	   /* as the destination does; "": not yet */
	int64_t first_ms, last_ms; /* pages came */
	int64_t complete_ms;	   /* a sync came whole; 0 = never */
	int64_t sent;		   /* members, by what the destination took */
	int64_t wanted;	 /* likewise once all is delivered that waits; an
			      * estimate while some does */
	int64_t waiting; /* members with a change that is queued */
	int64_t dead;	 /* changes that are dead letters */
	size_t held, incomplete; /* syncs */
	int64_t held_changes;	 /* of the former, that are queued */
	bool retired;		 /* and no page came since */
};

/* All groups, from memory. Like stats_line_fn. */
typedef bool stats_group_fn(void *arg, const struct stats_group *group);
MUST_USE bool stats_groups(
    struct queue *queue, stats_group_fn *fn, void *arg, struct err *reterr);

struct stats_sync {
	int64_t number;
	const char *id; /* as the source calls it, or "" */
	int64_t first_ms, last_ms;
	unsigned pages, total; /* that came, of so many; total 0: unknown */
	int64_t entered, left; /* changes that were accepted; of them: */
	int64_t delivered, superseded, no_change, dropped, dead;
	bool held, incomplete;
};

/* The syncs of a group, the last one first, from memory. ERR_NOT_FOUND. Like
 * stats_line_fn. */
typedef bool stats_sync_fn(void *arg, const struct stats_sync *sync);
MUST_USE bool stats_syncs(struct queue *queue, int64_t group, stats_sync_fn *fn,
    void *arg, struct err *reterr);

struct stats_member {
	int64_t group;
	struct str person;
	enum engine_sent sent;
	int64_t sent_ms; /* 0 = never */
	bool waiting;	 /* a change of it is queued; then: */
	bool wanted;
};

/* What is known of these people, in all groups. Like stats_line_fn. */
typedef bool stats_member_fn(void *arg, const struct stats_member *member);
MUST_USE bool stats_person(struct queue *queue, const struct str *ids,
    size_t count, stats_member_fn *fn, void *arg, struct err *reterr);

/* A keyed hash of a person's id, by which a log can name the person: the same
 * for the life of the queue, and another one in any other queue. Locks
 * nothing. */
uint64_t stats_person_hash(const struct queue *queue, struct str id);

/* ---- taps: items as they pass ---- */

enum tap_what {
	TAP_ACCEPTED, /* it is queued */
	TAP_DUPLICATE,
	TAP_DELIVERED,
	TAP_DEFERRED,
	TAP_PARKED,
	TAP_DEAD,    /* when it was accepted, or later */
	TAP_DROPPED, /* likewise */
};

/* "accepted", ... */
const char *tap_what_name(enum tap_what what);

/* Lent for the call; a NUL follows each text that tap_read() lends. */
struct tap_item {
	enum tap_what what;
	int64_t at_ms; /* wall clock */
	struct str source, destination, type, data;
	const char *reason; /* or NULL */
};

struct tap_settings {
	/* Is it wanted? NULL: all are. Called where items are accepted and
	 * settled, with locks held: be quick, and do not call back. */
	bool (*match)(const void *arg, const struct tap_item *item);
	const void *arg;
	unsigned rate; /* items a second, at most; of those that match */
};

/* ERR_CONFLICT: there are too many taps. Close it before the queue. */
struct tap;
MUST_USE bool tap_open(struct queue *queue, const struct tap_settings *settings,
    struct tap **ret_tap, struct err *reterr);
void tap_close(struct tap *tap); /* accepts NULL */

/* Call fn with what has passed, for one thread at a time; waits for something
 * for at most wait_ms. `skipped`: how many matched since the item before, and
 * are not shown. False: fn ended it. */
typedef bool tap_fn(void *arg, const struct tap_item *item, uint64_t skipped);
MUST_USE bool tap_read(struct tap *tap, int64_t wait_ms, tap_fn *fn, void *arg);

/* ---- jobs ---- */

/*
 * A job runs in short steps of a few milliseconds, each a short transaction if
 * it changes something, so that live traffic continues beside it; between steps
 * the caller does its other work. If a job ends early (a crash), its completed
 * steps stay done, and it can be run again.
 *
 * A walk sees the events that were in the place when its first step began, and
 * none that come in later. An event that is deferred meanwhile may be seen
 * twice.
 *
 * One job's state belongs to one thread at a time.
 */

enum jobs_place {
	JOBS_QUEUED,
	JOBS_ARCHIVE, /* delivered */
	JOBS_DEAD,
	JOBS_PLACES /* how many */
};

/* "queued", "archive", "dead" */
const char *jobs_place_name(enum jobs_place place);

/* One event, lent for the call. */
struct jobs_event {
	enum jobs_place place;
	int64_t id;   /* dead: its number; else of its batch */
	size_t index; /* in the batch; dead: 0 */
	const char *source, *destination;
	struct str type, data;
	int64_t accepted_ms;
	int64_t settled_ms; /* archive: delivered; dead: dead; else 0 */
	unsigned attempts;
	bool replay;	    /* queued: the operator sends it again */
	int64_t due_ms;	    /* queued: if it is deferred; else 0 */
	struct str parked;  /* queued: the group that it waits with, or empty */
	unsigned refusals;  /* queued: of it alone, and */
	unsigned failures;  /* likewise, */
	int64_t first_ms;   /* the first of which was then; 0 = none */
	const char *reason; /* dead, else NULL */
	int status;	    /* dead: HTTP, or 0 */
	struct str answer;  /* dead: the destination's; may be NULL */
	struct str sent;    /* dead: what was sent; likewise */
	struct str rules;   /* of identity, at the first post; or empty */
};

/* The position of a job. Before its first step, zero it and set `place`. */
struct jobs_cursor {
	enum jobs_place place;
	/* internal: the row, and in it the dead letter, that was last */
	struct engine_cursor at;
	int64_t letter;
};

/* Is the job for this event? May be called with the queue locked, and again for
 * the same event: be quick, and do not call back. NULL means all events. */
typedef bool jobs_match_fn(void *arg, const struct jobs_event *event);

/* What a walk looks for; an empty list or NULL: anything. What else there is in
 * a batch is shown to `match` as well, which decides. */
struct jobs_look {
	const struct str *ids; /* events with one of these ids */
	size_t id_count;
	const struct str *persons; /* that name one of these persons */
	size_t person_count;
	bool (*type)(const void *arg, struct str type); /* of these types */
	const void *type_arg;
};

struct jobs_walk {
	struct jobs_cursor cursor;
	jobs_match_fn *match;
	void *arg;
	/* Queued, archive: batches that do not have it are passed over, and
	 * the others come by their numbers. Lent; NULL: all are shown. Ends
	 * with jobs_walk_fini(). */
	const struct jobs_look *look;
	bool settled; /* jobs_scan(): show what is settled and not gone, too */
	struct marks_search *search; /* internal; owned */
	size_t seen;		     /* out: events that were looked at */
	size_t matched;		     /* out: so far */
	size_t changes;		     /* out: of sets, which are not replayed */
	size_t damaged; /* out: batches, or rows of dead letters, that could not
			 * be read */
	bool more;	/* out: another step is needed */
};

/* Before the first step of a walk with `look`: begin behind this batch. */
void jobs_walk_after(struct jobs_walk *job, int64_t batch);

/* Free what a walk with `look` holds; at any time. */
void jobs_walk_fini(struct jobs_walk *job);

/* Show every event of a place to `match`, and count those that match. */
MUST_USE bool
jobs_scan(struct queue *queue, struct jobs_walk *job, struct err *reterr);

/* Dead letters: send again those that match. */
MUST_USE bool
jobs_requeue(struct queue *queue, struct jobs_walk *job, struct err *reterr);

/* Likewise the one with this id; with an item, which is of a log, its bytes in
 * place of the letter's own. *ret_found: there is one. */
MUST_USE bool jobs_requeue_one(struct queue *queue, int64_t id,
    const struct item *item, bool *ret_found, struct err *reterr);

/* Dead letters: drop those that match, counted under the rule. */
MUST_USE bool jobs_drop(struct queue *queue, struct jobs_walk *job,
    const char *rule, struct err *reterr);

/* Archive: send again those that match, behind the live traffic, to
 * `destination` (NULL: their first destination). ERR_FULL if the copies would
 * leave too little room for incoming events: repeat it when there is more. */
MUST_USE bool jobs_replay(struct queue *queue, struct jobs_walk *job,
    const char *destination, struct err *reterr);

/* Any place: remove the bytes of those that match, counted as erased. */
MUST_USE bool
jobs_erase(struct queue *queue, struct jobs_walk *job, struct err *reterr);

/* From now on drop events that name one of these ids, by the rule "erased", for
 * suppress_ms. Durable at return. */
MUST_USE bool jobs_suppress(struct queue *queue, const struct str *ids,
    size_t count, struct err *reterr);

/* The starting point of an erasure. */
struct jobs_erasing {
	int64_t last_erasure; /* of the list: later ones do not count */
	int64_t strayed;      /* internal: batches so far */
};

/* Call before the first place. Quarantined batches get another try, so that the
 * job can walk over them. */
MUST_USE bool jobs_erase_begin(
    struct queue *queue, struct jobs_erasing *ret_erasing, struct err *reterr);

/* After the last place: how many batches were quarantined or unparked
 * meanwhile, or events deferred to an earlier time than they had, and may have
 * been missed. */
size_t
jobs_erase_missed(struct queue *queue, const struct jobs_erasing *erasing);

/* Call at the end: delete subjects from the list of erasures, up to the id
 * `last`, and their names from the file; or, with erased_ms, mark them on the
 * list as erased. */
MUST_USE bool
jobs_erasures_done(struct queue *queue, const char *const *subjects,
    size_t count, int64_t last, int64_t erased_ms, struct err *reterr);

/* A job on the members of a group; zeroed but for the group. */
struct jobs_group {
	int64_t group;	/* its number; ERR_NOT_FOUND */
	size_t members; /* out: so far */
	bool more;	/* out: another step is needed */
	/* internal */
	struct engine_cursor at;
	int64_t sync;
};

/* Show them; like stats_member_fn. */
MUST_USE bool jobs_members(struct queue *queue, struct jobs_group *job,
    stats_member_fn *fn, void *arg, struct err *reterr);

/* Queue, as a sync of our own, what each member that was sent something is to
 * be: its last word again; or, to retire, that it has left. */
MUST_USE bool jobs_resend(struct queue *queue, struct jobs_group *job,
    bool retire, struct err *reterr);

/* Release the syncs of a group that are held; *ret_syncs is how many were. */
MUST_USE bool jobs_release(
    struct queue *queue, int64_t group, size_t *ret_syncs, struct err *reterr);

/* Forget these people as members of all groups; their changes are erased as
 * events are. *ret_members counts rows. */
MUST_USE bool jobs_erase_members(struct queue *queue, const struct str *ids,
    size_t count, size_t *ret_members, struct err *reterr);

/* A whole body that could not be read. */
struct jobs_unreadable {
	int64_t id;
	const char *source, *reason, *encoding;
	int64_t received_ms;
	struct str data; /* as received */
};
typedef bool jobs_unreadable_fn(void *arg, const struct jobs_unreadable *body);

/* Show `fn` the unreadable body with the next id above `after`, without locking
 * the queue; with `remove`, delete it if `fn` returns true. *ret_last is its
 * id, 0 at the end. */
MUST_USE bool
jobs_unreadable_next(struct queue *queue, int64_t after, jobs_unreadable_fn *fn,
    void *arg, bool remove, int64_t *ret_last, struct err *reterr);

/* See that nothing that was removed is left in any file. */
MUST_USE bool jobs_flush(struct queue *queue, struct err *reterr);

/* A consistent copy, made in steps: begin, step until *ret_more is false
 * (then it is durable), end. `path` must not exist. */
struct jobs_backup;
MUST_USE bool jobs_backup_begin(struct queue *queue, const char *path,
    struct jobs_backup **ret_backup, struct err *reterr);
MUST_USE bool jobs_backup_step(struct jobs_backup *backup, bool *ret_more,
    int64_t *ret_left_bytes, struct err *reterr);
/* Ends it, complete or not; accepts NULL. */
void jobs_backup_end(struct jobs_backup *backup);

/* Check the store deeply, in steps, zeroed before the first: its own integrity
 * check, if it has one (in steps that lock the queue for long; `locking`: the
 * next one does), then every checksum. */
struct jobs_check {
	void (*fn)(void *arg, const char *text); /* a line for each fault */
	void *arg;
	int64_t batches, faults; /* out: so far */
	bool more;		 /* out: another step is needed */
	bool locking;		 /* out */
	/* internal: the store's own check, and that it is done; the table that
	 * is next, and where it stands */
	struct engine_job store;
	bool begun;
	size_t table;
	struct engine_cursor at;
};
MUST_USE bool
jobs_check(struct queue *queue, struct jobs_check *check, struct err *reterr);

#endif
