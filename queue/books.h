#ifndef QUEUE_BOOKS_H
#define QUEUE_BOOKS_H

/*
 * The operator's look-ups into the queue: the books, what waits, what is
 * buried. For commands, status and metrics; nothing on the way of an event
 * needs them. Any thread; each call holds the queue for a short time.
 */

#include "queue/queue.h"

/* One line of the ledger. Always:
 * received = waiting + delivered + buried + dropped + duplicates
 *	    + forgotten + expired */
struct books_line {
	int64_t received, waiting, delivered, buried, dropped, duplicates,
	    forgotten, expired;
	/* Of the delivered, sent again by a person's word; apart from the
	 * rest: replayed = still waiting + delivered again + refused. */
	int64_t replayed, replay_delivered, replay_refused;
};

/* received minus all the rest: 0, or something is wrong. */
int64_t books_imbalance(const struct books_line *line);

struct books_totals {
	struct books_line events;
	int64_t set_aside_parcels; /* damaged; their events count as waiting */
	int64_t undecodable;	   /* bodies */
	int64_t undecodable_bytes;
	int64_t undecodable_removed; /* ever, by a person */
	int64_t kept_parcels;	     /* delivered, for replays */
	int64_t kept_bytes;
	int64_t live_bytes;	/* pages in use: what max_bytes bounds */
	int64_t file_bytes;	/* of queue.db */
	int64_t free_bytes;	/* of the file system */
	int64_t window_events;	/* remembered to tell duplicates */
	int64_t last_commit_ms; /* 0 = none yet */
	bool ballast;		/* in place */
	bool broken;		/* the disk failed; being opened anew */
};

/* From memory: cheap, and not behind a commit. */
void books_totals(struct queue *queue, struct books_totals *ret_totals);

/* Is the committer thread alive? (It makes a round at least once a second;
 * false after ten seconds without.) `mono_ms` is clock_mono_ms(). */
bool books_alive(struct queue *queue, int64_t mono_ms);

/* Every lane that ever was, with what waits in it, from memory. */
typedef void books_lane_fn(void *arg, const char *name, int64_t waiting);
void books_lanes(struct queue *queue, books_lane_fn *fn, void *arg);

/* Events that wait in a lane, from memory; 0 for an unknown lane. */
int64_t books_lane_waiting(struct queue *queue, const char *lane);

/* When its destination last took something, from memory; 0 = never. */
int64_t books_lane_delivered_ms(struct queue *queue, const char *lane);

/* Did a person pause it? */
MUST_USE bool books_lane_paused(struct queue *queue, const char *lane,
    bool *ret_paused, struct err *reterr);

/* Acceptance time of the oldest waiting event of a lane (NULL: of all), or
 * 0 if none waits. */
MUST_USE bool books_oldest_ms(
    struct queue *queue, const char *lane, int64_t *ret_ms, struct err *reterr);

/* Hours that lie further back are folded into days. */
enum { BOOKS_HOURS = 30 * 24 };

enum books_by {
	BOOKS_BY_SOURCE,
	BOOKS_BY_KIND,
	BOOKS_BY_HOUR,
};

/* Called with the queue held: copy, do not call back. `label` is the source,
 * the kind, or the hour as "2026-11-23T22:00Z". False ends the walk. */
typedef bool
books_line_fn(void *arg, const char *label, const struct books_line *line);
MUST_USE bool books_ledger(struct queue *queue, enum books_by by,
    books_line_fn *fn, void *arg, struct err *reterr);

/* What was dropped, by rule and kind. */
typedef bool
books_drop_fn(void *arg, const char *rule, const char *kind, int64_t count);
MUST_USE bool books_drops(
    struct queue *queue, books_drop_fn *fn, void *arg, struct err *reterr);

/* The most frequent, at most `most`: of all that was dropped by rule, or of
 * the last BOOKS_TOP_BURIED buried by reason and status. As books_line_fn. */
enum books_top { BOOKS_TOP_DROPS, BOOKS_TOP_REASONS };
enum { BOOKS_TOP_BURIED = 1000 };
typedef bool
books_top_fn(void *arg, const char *text, int status, int64_t count);
MUST_USE bool books_top(struct queue *queue, enum books_top top, size_t most,
    books_top_fn *fn, void *arg, struct err *reterr);

/* Recount waiting and buried from the rows and compare with the ledger.
 * *ret_agree tells; `fn` gets a line of text for each difference. */
typedef void books_text_fn(void *arg, const char *text);
MUST_USE bool books_check(struct queue *queue, books_text_fn *fn, void *arg,
    bool *ret_agree, struct err *reterr);

/* What was observed on the way in (struct queue_note), by text. */
typedef bool books_note_fn(void *arg, const char *text, int64_t events,
    int64_t first_ms, int64_t last_ms);
MUST_USE bool books_notes(
    struct queue *queue, books_note_fn *fn, void *arg, struct err *reterr);

/* People whose erasure was asked for, with an id above `after`; forgotten_ms
 * is when they were forgotten here, 0 = not yet. */
typedef bool books_erasure_fn(void *arg, int64_t id, const char *source,
    const char *subject, int64_t noted_ms, int64_t forgotten_ms);
MUST_USE bool books_erasures(struct queue *queue, int64_t after, size_t most,
    books_erasure_fn *fn, void *arg, struct err *reterr);

struct books_buried {
	int64_t id;
	const char *source, *lane, *kind, *reason;
	int64_t accepted_ms, buried_ms;
	unsigned attempts;
	int status;
	const char *words, *sent, *data; /* not NUL-ended; may be NULL */
	size_t words_len, sent_len, data_len;
};

/* The buried with an id above `after`, oldest first, at most `most`. As
 * books_line_fn: copy, do not call back. */
typedef bool books_buried_fn(void *arg, const struct books_buried *buried);
MUST_USE bool books_buried(struct queue *queue, int64_t after, size_t most,
    books_buried_fn *fn, void *arg, struct err *reterr);

#endif
