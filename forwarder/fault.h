#ifndef FORWARDER_FAULT_H
#define FORWARDER_FAULT_H

/*
 * Whose fault is it: an item's, a type's, or the destination's? A pure module:
 * outcomes and times are arguments. The rule is at the top of fault.c.
 *
 * The sender reports what came of each request, and is told what becomes of
 * the request and how the destination is. A fault belongs to one sender.
 */

#include "base/clock.h"
#include "base/str.h"
#include "base/table.h"
#include "queue/queue.h"

#include <stddef.h>
#include <stdint.h>

enum {
	FAULT_FAILED_RUN = 3,	/* requests failed in a row: back off */
	FAULT_REFUSED_RUN = 20, /* refused in a row: halt */
	FAULT_REFUSALS = 2,	/* of an item that count, before the last try */
	FAULT_FAILURES = 10,	/* likewise */
	FAULT_WAITING_MAX = 64, /* items that wait for their neighbours */
	FAULT_DEFER_MOST = 60,	/* times the first deferral */
	FAULT_TYPES_MAX = 4096,
	FAULT_OWN_MAX = 8,	/* types that travel in requests of their own */
	FAULT_OWN_STREAK = 100, /* accepted in a row: no more */
	FAULT_OWN_MS = 60 * 60 * 1000,
	/* A type is parked after so many items refused alone with one text,
	 * if of its last outcomes so many per cent are refusals. */
	FAULT_PARK_ALIKE = 20,
	FAULT_PARK_RECENT = 100,
	FAULT_PARK_PERCENT = 95,
	/* Refused alone in a day: what is refused of the type from then on is
	 * parked, the rest of it flows. */
	FAULT_PARK_DAY = 100,
	FAULT_PROBE_MS = 60 * 1000, /* between the probes of a parked type */
	FAULT_WHY_MAX = 128,
};

/* What an answer says of a request. */
enum fault_outcome {
	FAULT_ACCEPTED,
	FAULT_REFUSED,	 /* because of one or more of its items */
	FAULT_FAILED,	 /* it may have been taken, or may be later */
	FAULT_DENIED,	 /* credentials or address: the operator acts */
	FAULT_BARRED,	 /* likewise, and surely not because of its items */
	FAULT_NOT_TAKEN, /* failed, and surely not because of its items */
};

/* What becomes of the request. */
enum fault_action {
	FAULT_DELIVERED,
	FAULT_RETRY, /* as it is, after a back-off of its own */
	FAULT_SPLIT, /* in parts, at once */
	FAULT_WAIT,  /* for its neighbours, see fault_decided(); one item */
	FAULT_DEFER, /* into the queue, with its history; likewise */
	FAULT_PARK,  /* into the queue, until its type is accepted */
	FAULT_DEAD,
	FAULT_KEEP, /* nothing is accepted at present: it waits as it is */
};

/* How the destination is. */
enum fault_state { FAULT_RUNNING, FAULT_BACKING_OFF, FAULT_HALTED };

enum fault_parked {
	FAULT_FLOWS,
	FAULT_PARKED_REFUSED, /* those of the type that are refused alone */
	FAULT_PARKED_ALL,     /* and those that come */
};

/* A type of items, as far as the answers go. Where there are too many, one that
 * nothing depends on gives way to the next. */
struct fault_type {
	char *name;	       /* owned */
	size_t items;	       /* of requests: so many point here */
	bool seen;	       /* again, since it was its turn to give way */
	uint64_t recent[2];    /* bits, the last is the lowest: 1 = refused */
	unsigned recent_count; /* of them, at most FAULT_PARK_RECENT */
	uint64_t text;	       /* of the last refusal: a hash */
	unsigned alike;	       /* items refused alone with that text */
	unsigned streak;       /* items accepted in a row */
	uint64_t run;	    /* of refusals (fault->runs), the last it was in */
	bool own;	    /* travels in requests of its own */
	int64_t refused_ms; /* mono; a request of the type was, last */
	int64_t day_ms;	    /* mono; a day began, in which were refused */
	unsigned day_refused; /* so many alone */

	enum fault_parked parked;
	int64_t probe_ms;    /* mono; the next */
	unsigned probes;     /* that there were */
	int64_t since_ms;    /* wall */
	int64_t age_ms;	     /* of the parking, while senders were running */
	int64_t aged_ms;     /* mono; until when that was counted */
	size_t count, bytes; /* that were parked, as far as is known */
	int status;	     /* HTTP, of the last refusal */
	char why[FAULT_WHY_MAX]; /* its answer */
};

/* What happened to a request so far. */
struct fault_record {
	void *owner;	    /* the request */
	uint64_t id;	    /* tells requests apart */
	bool replay;	    /* its outcome tells nothing about others */
	bool repeated;	    /* likewise: it was posted before as it is */
	bool probe;	    /* an item of a parked type */
	bool refused;	    /* the request, or what it was a part of */
	unsigned failures;  /* with an acceptance between each two */
	uint64_t failed_at; /* fault->accepted at its last failure */

	/* Of a single item. */
	struct queue_history history;	     /* tries that count */
	unsigned new_refusals, new_failures; /* not yet */
	bool confirming;		     /* this is the last try */
	bool in_flight;			     /* set by the sender */
	bool waits;			     /* in fault->waiting or decided */
	struct fault_record *next, **prev;
};

struct fault {
	/* Set at the start. */
	int64_t defer_ms;
	uint64_t random;

	enum fault_state state;
	unsigned failed, refused; /* requests in a row */
	uint64_t runs; /* of refusals and failures; an acceptance ends one */
	const struct fault_type *refused_type;	    /* of the last of them */
	const struct fault_type *accepted_types[2]; /* ever; two suffice */
	uint64_t denied;   /* id of the last request, if denied; else 0 */
	uint64_t accepted; /* requests, ever */
	uint64_t ids;	   /* given to records */
	bool clean; /* since the last acceptance nothing but single items was
		     * refused or failed */
	bool last_accepted; /* the last outcome was an acceptance */
	struct fault_record *waiting, *decided;
	size_t waiting_count;

	struct fault_type **types; /* owned, and each of them */
	size_t type_count;
	struct table type_table;
	size_t own_count, parked_count; /* types */
	size_t turn;			/* whose it is to give way */
	struct fault_type *probing; /* asked for, or taken to be tried: set by
				     * the sender */
};

/* ---- requests ---- */

void fault_init(struct fault *fault, int64_t defer_ms, uint64_t seed);
void fault_fini(struct fault *fault);

/* Of a fresh request, or (`whole` is not NULL) of a part of one. */
void fault_record_init(struct fault *fault, struct fault_record *record,
    void *owner, const struct fault_record *whole);
/* Of a single item that comes back from the queue. */
void fault_record_resume(
    struct fault_record *record, const struct queue_history *history);
void fault_record_fini(struct fault *fault, struct fault_record *record);

/* Was it refused, or did it fail? Such requests go in turn with others, which
 * show how the destination is. And: was that tried as a single item? */
bool fault_record_isolating(const struct fault_record *record);
bool fault_record_suspect(const struct fault_record *record);

/*
 * A request of `count` items had this outcome. `type`: of all of its items,
 * or NULL. `text`: the destination's answer. Afterwards fault->state says how
 * the destination is, and fault_decided() may have something to say.
 */
enum fault_action fault_judge(struct fault *fault, struct fault_record *record,
    size_t count, struct fault_type *type, enum fault_outcome outcome,
    struct str text, const struct clock_times *now);

/* The next of the requests that waited for their neighbours, and what becomes
 * of it: FAULT_RETRY at once, or FAULT_DEFER. NULL: no more. */
struct fault_record *
fault_decided(struct fault *fault, enum fault_action *ret_action);

/* The destination asked to be left alone: nothing is accepted at present. Or
 * (after a pause) it is to be tried as if all were well. */
void fault_back_off(struct fault *fault);
void fault_resume(struct fault *fault);

/* For how long an item is deferred. Spread at random, because suspects that
 * come due together prove nothing about each other. */
int64_t fault_defer_ms(struct fault *fault, const struct fault_record *record);

/* ---- types ---- */

/* The type of that name, made if need be, in the place of one that has not been
 * asked for lately if there are too many. NULL: no memory, or none can give
 * way; such a type is never parked. */
struct fault_type *fault_type_at(struct fault *fault, struct str name);

/* Does it travel in requests of its own? */
bool
fault_type_own(struct fault *fault, struct fault_type *type, int64_t mono_ms);

/* Was it refused on its own since the last acceptance, or is all of it parked?
 * Then an item of another type is a better try. */
bool fault_type_tried(const struct fault *fault, const struct fault_type *type);

/* So many items of the type were accepted. */
void
fault_type_accept(struct fault *fault, struct fault_type *type, size_t count);

/* Park it, as it was before a restart; and release it. */
void fault_type_park(struct fault *fault, struct fault_type *type,
    enum fault_parked parked, const struct clock_times *now);
void fault_type_release(struct fault *fault, struct fault_type *type);

/* For how long has it been parked, at most? */
int64_t fault_type_age_ms(struct fault_type *type, int64_t mono_ms);

/* The next type from *position on that is parked, or NULL. */
struct fault_type *
fault_type_parked(const struct fault *fault, size_t *position);

#endif
