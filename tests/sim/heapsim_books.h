#ifndef HEAPSIM_BOOKS_H
#define HEAPSIM_BOOKS_H

/*
 * What has come and what is stored: the idempotency keys, the sliding
 * windows, and the counts. Heap's event is a key of an app under a user: the
 * same again is "repeated", the same key under another user is another event
 * and "split". One thread at a time.
 */

#include "tests/sim/heapsim_request.h"

enum heapsim_count {
	HEAPSIM_REQUESTS,	/* to the API */
	HEAPSIM_RECEIVED,	/* events in requests that could be read */
	HEAPSIM_ACCEPTED,	/* distinct events stored */
	HEAPSIM_REPEATED,	/* came again, changed nothing */
	HEAPSIM_SPLIT,		/* of the accepted: key known elsewhere */
	HEAPSIM_DROPPED,	/* silently, over the quota */
	HEAPSIM_REFUSED,	/* requests, for what is in them */
	HEAPSIM_REFUSED_EVENTS, /* not stored for a flaw of theirs */
	HEAPSIM_OVER_QUOTA,	/* requests answered 429 for the quota */
	HEAPSIM_OVER_QUOTA_EVENTS,
	HEAPSIM_FAILED,		 /* answered by a fault, before storing */
	HEAPSIM_FAILED_AFTER,	 /* answered by a fault, after storing */
	HEAPSIM_HUNG,		 /* never answered */
	HEAPSIM_RESET,		 /* closed without an answer */
	HEAPSIM_CUT,		 /* closed within the answer */
	HEAPSIM_USER_PROPERTIES, /* add_user_properties answered 200 */
	HEAPSIM_COUNTS,
};

struct heapsim_books;

struct heapsim_books *heapsim_books_new(void);
void heapsim_books_free(struct heapsim_books *books);

void heapsim_books_count(
    struct heapsim_books *books, enum heapsim_count what, uint64_t n);
void heapsim_books_answered(struct heapsim_books *books, unsigned status);
void heapsim_books_refused(struct heapsim_books *books, const char *why);

/*
 * A request has come: measure the windows as they would be with it. True if
 * it is over a quota. It counts against later ones only once it is admitted.
 */
bool heapsim_books_arrive(struct heapsim_books *books,
    const struct heapsim_request *request,
    const struct heapsim_settings *settings, int64_t now_ms);
void heapsim_books_admit(struct heapsim_books *books,
    const struct heapsim_request *request,
    const struct heapsim_settings *settings, int64_t now_ms);

/*
 * Store the good events; those not admitted one by one within the quota are
 * dropped if drop_over (which admits, so it stands for admit).
 */
void heapsim_books_store(struct heapsim_books *books,
    const struct heapsim_request *request,
    const struct heapsim_settings *settings, int64_t now_ms, bool drop_over);

/* Append the books as JSON, all keys as lines, one event's JSON. */
void
heapsim_books_write(const struct heapsim_books *books, struct sim_text *out);
void
heapsim_keys_write(const struct heapsim_books *books, struct sim_text *out);
/* The HTTP status: 200, 404 if never stored, 410 if not kept. */
unsigned heapsim_event_write(
    const struct heapsim_books *books, const char *key, struct sim_text *out);

#endif
