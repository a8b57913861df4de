#ifndef FORWARDER_SLATE_H
#define FORWARDER_SLATE_H

/*
 * The verdicts on the events of one request and of all the halves that came
 * out of it, until they are settled together. A verdict is never dropped:
 * if settling fails it stays here and settling is repeated.
 *
 * An event that was refused alone is a *suspect* until the whole slate is
 * judged: proof may still come from its neighbours.
 */

#include "forwarder/doubt.h"
#include "forwarder/lot.h"
#include "forwarder/suspicion.h"
#include "queue/queue.h"

#include <stddef.h>

enum {
	SLATE_WORDS_MAX = 1024,
	SLATE_FLUSH_VERDICTS = 4096, /* settle before it grows further */
	SLATE_FLUSH_BYTES = 4 << 20,
};

struct slate_entry {
	struct lot *lot;
	size_t event; /* position in lot->lease->events */
	bool suspect;
	uint64_t hash;		    /* of a suspect: see doubt.h */
	enum queue_outcome outcome; /* unless suspect */
	int64_t due_ms;
	const char *reason; /* static */
	unsigned posts;	    /* of a suspect */
	int status;
	char *words; /* owned, with what was sent behind it; or NULL; of
		      * what is dropped: whose erasure it asks for */
	size_t words_len;
	size_t sent_len;
};

struct slate {
	struct slate *next;
	size_t requests; /* that will still add to it */
	struct slate_entry *entries;
	size_t count;
	size_t deferred; /* among them */
	size_t expected; /* events in its requests: room is made for them */
	size_t cap;
	size_t bytes; /* of words and sent */
};

struct slate *slate_new(void);

/* All its verdicts are settled or given up. Takes NULL. */
void slate_free(struct slate *slate);

/* One more event will be judged here. False without memory. */
bool slate_expect(struct slate *slate);

/* An expected event was handed back. */
void slate_forget(struct slate *slate);

/* Judge an expected event; cannot fail. */
void slate_done(struct slate *slate, struct lot *lot, size_t event);
void
slate_again(struct slate *slate, struct lot *lot, size_t event, int64_t due_ms);
void slate_dropped(
    struct slate *slate, struct lot *lot, size_t event, const char *rule);
/* It is dropped, and asks for somebody's erasure. False without memory: then
 * it is not judged. */
MUST_USE bool slate_erased(struct slate *slate, struct lot *lot, size_t event,
    const char *rule, const char *erase, size_t erase_len);
void slate_buried(
    struct slate *slate, struct lot *lot, size_t event, const char *reason);

/* How an event was refused alone. */
struct slate_refusal {
	uint64_t hash;	/* of the event: see doubt.h */
	unsigned posts; /* it was in */
	int status;
	const char *words;
	size_t words_len;
	const char *sent; /* its bytes, as posted */
	size_t sent_len;
};

void slate_suspect(struct slate *slate, struct lot *lot, size_t event,
    const struct slate_refusal *refusal);

/* By what deferred are judged. */
struct slate_judge {
	struct suspicion *suspicion;
	bool may_bury;
	int64_t mono_ms;  /* now */
	int64_t due_ms;	  /* now, of due times */
	int64_t aside_ms; /* a suspect waits at first */
};

/* Every suspect is judged: dead with proof, else tried again, later the
 * more often it was. */
void slate_decide(struct slate *slate, const struct slate_judge *judge);

/* So much that it should be settled though requests are still out? */
bool slate_full(const struct slate *slate);

/* Settle all that is judged; what ends is not in doubt any more. On false nothing changed: repeat it. */
MUST_USE bool slate_settle(struct slate *slate, struct queue *queue,
    struct doubt *doubt, int64_t now_ms, struct err *reterr);

/* Give up: hand everything back unsettled. Only when stopping. */
void slate_abandon(struct slate *slate, struct queue *queue);

#endif
