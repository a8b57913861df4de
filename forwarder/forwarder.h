#ifndef FORWARDER_FORWARDER_H
#define FORWARDER_FORWARDER_H

/*
 * Takes what is due from the queue, posts it within the limits of each
 * destination, and settles each item by the destination's answer. One thread
 * for all destinations. What a destination speaks is its outlet's business.
 */

#include "base/histogram.h"
#include "base/rate.h"
#include "queue/queue.h"
#include "schema/dialect.h"

#include <stddef.h>
#include <stdint.h>

struct forwarder;

/* One destination. */
struct forwarder_destination {
	const char *name;
	const struct outlet *outlet;
	const void *outlet_settings; /* of that kind */
	const char *ca_file;	     /* or NULL: the system's */
	const char *proxy;	     /* or NULL: none */
	size_t request_items;	     /* at most; 0 = as the outlet says */
	size_t request_bytes;	     /* at most */
	unsigned in_flight;	     /* requests at once */
	int64_t linger_ms; /* wait for a request to fill; not while idle */
	int64_t connect_timeout_ms;
	int64_t timeout_ms;
	int64_t backoff_first_ms; /* doubles from here, full jitter */
	int64_t backoff_most_ms;
	int64_t probe_ms;  /* between tries of a halted destination */
	int64_t defer_ms;  /* before a suspect item is tried again */
	int64_t max_bytes; /* queued, at most; 0 = its share */
	int64_t park_ms;   /* after that, parked items become dead letters */
	size_t park_bytes; /* likewise what would be more; 0 = no bound */
	bool dry_run;	   /* prepare and count, send and settle nothing */

	/* Called once nothing uses any more what all this points to; NULL:
	 * that is lent for the forwarder's life. On its thread. */
	void (*give_back)(void *lender);
	void *lender;
};

/* Defaults for everything but name and outlet. */
void forwarder_destination_init(struct forwarder_destination *settings);

/* There may be `most` destinations over time. */
MUST_USE bool forwarder_start(const struct forwarder_destination *destinations,
    size_t destination_count, size_t most, struct queue *queue,
    struct forwarder **ret_forwarder, struct err *reterr);

/* Something may be due: look now. Any thread; takes the forwarder as void *
 * so that it can be the queue's wake. */
void forwarder_wake(void *arg);

/* Did the thread make a round within the last ten seconds? */
bool forwarder_alive(const struct forwarder *forwarder, int64_t mono_ms);

/* Let the requests in flight end, for at most grace_ms, settle, save what the
 * next start needs, stop. Takes NULL. */
void forwarder_stop(struct forwarder *forwarder, int64_t grace_ms);

/* The results of requests, which are counted since the start. */
enum forwarder_result {
	FORWARDER_ACCEPTED,
	FORWARDER_REFUSED,
	FORWARDER_FAILED,
	FORWARDER_DENIED, /* an operator must act */
	FORWARDER_RESULTS /* how many */
};

/* "accepted", ... */
const char *forwarder_result_name(enum forwarder_result result);

enum forwarder_state {
	FORWARDER_RUNNING,
	FORWARDER_BACKING_OFF, /* the destination has trouble */
	FORWARDER_HALTED, /* an operator must act; tries from time to time */
	FORWARDER_PAUSED, /* by the operator */
	FORWARDER_COOLING_DOWN, /* its limits may be used up already */
	FORWARDER_TRIAL,	/* prepares and counts, sends nothing */
};

/* "running", "backing_off", ... */
const char *forwarder_state_name(enum forwarder_state state);

/* How much of a limit is used. */
struct forwarder_limit {
	struct outlet_limit limit;
	size_t used; /* 0 if it is by key */
};

struct forwarder_destination_status {
	const char *name;
	enum forwarder_state state;
	char why[320];	  /* of BACKING_OFF, HALTED, ... */
	int64_t until_ms; /* next try, wall clock; 0 = at once */
	/* The destination asked to be left alone until then, or what was sent
	 * before the start counts for its limits; wall clock, 0 = not so. */
	int64_t asked_until_ms, cool_until_ms;
	int64_t last_accepted_ms;	     /* 0 = never */
	uint64_t posts, accepted, refused;   /* requests, items, items */
	uint64_t results[FORWARDER_RESULTS]; /* requests */
	/* How long requests took, and items from their acceptance here to that
	 * of the destination, but for replays. Lent by the forwarder. */
	const struct histogram *times, *delays;
	struct rate rate;   /* of items accepted */
	unsigned in_flight; /* requests */
	/* Items at present, or requests of at most so many items (0: the pace
	 * counts items); and but for answers of "too fast". */
	unsigned pace_per_minute;
	unsigned pace_full_per_minute;
	size_t pace_request_items;
	struct forwarder_limit limits[OUTLET_LIMITS_MAX];
	size_t limit_count;
	/* Items refused or failed alone, and not proven to be at fault: tried
	 * again. */
	size_t deferred;
	char deferred_why[256];	 /* the destination's last answer to one */
	int64_t deferred_due_ms; /* the next of them, wall clock; 0 = none */
	size_t parked; /* groups: see forwarder_destination_parked() */
	/* Of the items that wait for their key's limit: when the last is due,
	 * wall clock; 0 = none waits; -1 = it is not known what waited before
	 * a crash. */
	int64_t last_due_ms;
	/* Of TRIAL: items that would have been sent, dropped, dead. */
	uint64_t trial_sent, trial_dropped, trial_dead;
	uint64_t omissions_lost; /* omissions that the table had no room for */
};

/* A type that the destination refuses, and whose items wait in the queue. */
struct forwarder_parked {
	char name[128];	  /* of the type, cut */
	bool whole;	  /* all of it, or only those that were refused */
	size_t count;	  /* as far as this sender knows */
	int64_t since_ms; /* wall clock */
	char why[128];	  /* the destination's last answer */
};

/* What was not sent as it came since the start, by property. */
struct forwarder_omission {
	const char *property, *what; /* as the outlet named them; static */
	uint64_t count;
};

enum { FORWARDER_OMISSIONS_MAX = 1024, FORWARDER_PARKED_MAX = 64 };

/* Any thread may call all that follows. A name is that of a destination that
 * the forwarder has, or had. */
void forwarder_destination_status(struct forwarder *forwarder, const char *name,
    struct forwarder_destination_status *ret_status);

/* Copies a destination's omissions or parked groups; returns how many. */
size_t
forwarder_destination_omissions(struct forwarder *forwarder, const char *name,
    struct forwarder_omission ret_omissions[FORWARDER_OMISSIONS_MAX]);
size_t forwarder_destination_parked(struct forwarder *forwarder,
    const char *name, struct forwarder_parked ret_parked[FORWARDER_PARKED_MAX]);

/*
 * Other settings of one destination, while the others go on undisturbed. What
 * can fail is done first: a destination may be added, and ended again.
 *
 * A destination that changes is as after a planned stop of it alone, once its
 * requests in flight were answered: what it saved holds, so do its counters,
 * and what was in trouble is tried at once. The outlet stays the same. An ended
 * one sends nothing more; what is queued for it stays. forwarder_settle() waits
 * for up to wait_ms until all that is done.
 */
MUST_USE bool forwarder_destination_add(struct forwarder *forwarder,
    const struct forwarder_destination *settings, struct err *reterr);
void forwarder_destination_change(
    struct forwarder *forwarder, const struct forwarder_destination *settings);
void forwarder_destination_end(struct forwarder *forwarder, const char *name);
void forwarder_settle(struct forwarder *forwarder, int64_t wait_ms);

enum forwarder_order {
	FORWARDER_PAUSE, /* queue_destination_pause() keeps it over restarts */
	FORWARDER_RESUME,
	/* Try at once, if it is in trouble; but not before asked_until_ms and
	 * cool_until_ms, or, if that is insisted on, only the latter. */
	FORWARDER_RETRY,
	FORWARDER_RETRY_INSIST,
};

/* Give an order, and wait until it is followed; *ret_status is what came of it.
 * False if the forwarder is too busy to answer within seconds: it follows it
 * later. */
bool forwarder_destination_order(struct forwarder *forwarder, const char *name,
    enum forwarder_order order,
    struct forwarder_destination_status *ret_status);

/* Items were changed in the queue: hand back those that are not in flight,
 * and read them again. Done before the next request. */
void forwarder_reread(struct forwarder *forwarder);

/* What came of one item that was sent past the queue. */
struct forwarder_once {
	struct outlet_prepared prepared; /* unless OUTLET_SEND it was not */
	struct buf body;  /* that was posted; the caller frees; may be secret */
	bool announcing;  /* all this is of its group's announcement: that was
			  * not accepted, so the item was not sent */
	bool accepted;	  /* by the outlet's judgement */
	unsigned status;  /* HTTP, 0 = no answer */
	char answer[320]; /* its first bytes, or why there was none */
};

/* Prepare one item, post it and wait for the answer, on the calling thread;
 * for trying the settings, while no forwarder runs here. `group`: of a change
 * of a set, by id and name; it gets a label, and is announced if need be. NULL:
 * of a log. False only for trouble of ours. */
MUST_USE bool
forwarder_send_once(const struct forwarder_destination *destination,
    const struct outlet_group *group, const struct item *item,
    struct forwarder_once *ret_once, struct err *reterr);

/* Ask the destination what it has of these members of a group, which has its
 * label, in as many requests as that takes; posts them and waits for the
 * answers, on the calling thread. Calls `asked` at least once a second, with
 * the number of members that were answered for; false ends it with its error.
 * The outlet can verify. ERR_IO: no answer, or none of 2xx; ERR_INPUT: not
 * legible. */
typedef bool forwarder_asked_fn(void *arg, size_t members, struct err *reterr);
MUST_USE bool forwarder_verify(const struct forwarder_destination *destination,
    const struct outlet_group *group, const struct str *members, size_t count,
    forwarder_asked_fn *asked, void *arg, enum outlet_has *ret_has,
    struct err *reterr);

#endif
