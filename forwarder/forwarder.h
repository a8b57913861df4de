#ifndef FORWARDER_FORWARDER_H
#define FORWARDER_FORWARDER_H

/*
 * Takes what is due from the queue, posts it within the quota, and settles
 * each event by the destination's answer. One thread for all destinations.
 */

#include "queue/queue.h"
#include "schema/track/track.h"

#include <stddef.h>
#include <stdint.h>

struct forwarder;

/* One destination. Lent for the forwarder's life. */
struct forwarder_destination {
	const char *name;
	const char *url; /* of track: https://.../api/track */
	const char *app_id;
	const char *ca_file;		 /* or NULL: the system's */
	const char *proxy;		 /* or NULL: none */
	const struct track_rules *rules; /* or NULL: the defaults */
	unsigned events_per_minute;	 /* Heap's quota; 0 = no quota */
	unsigned identity_per_minute;	 /* per identity; 0 = no quota */
	unsigned share_percent;		 /* of both, that we use */
	size_t request_events;		 /* at most */
	size_t request_bytes;		 /* at most */
	unsigned in_flight;		 /* requests at once */
	int64_t linger_ms; /* wait for a request to fill; not while idle */
	int64_t connect_timeout_ms;
	int64_t timeout_ms;
	int64_t backoff_first_ms; /* doubles from here, full jitter */
	int64_t backoff_most_ms;
	int64_t retry_after_most_ms;
	int64_t probe_ms; /* between probes of a halted destination */
	int64_t defer_ms; /* before a suspect event is tried again */
	bool dry_run;	  /* map and count, send and settle nothing */
};

/* Defaults for everything but name, url and app_id. */
void forwarder_destination_init(struct forwarder_destination *settings);

MUST_USE bool forwarder_start(const struct forwarder_destination *destinations,
    size_t destination_count, struct queue *queue,
    struct forwarder **ret_forwarder, struct err *reterr);

/* Something may be due: look now. Any thread; takes the forwarder as void *
 * so that it can be the queue's wake. */
void forwarder_wake(void *arg);

/* Did the thread make a round within the last ten seconds? */
bool forwarder_alive(const struct forwarder *forwarder, int64_t mono_ms);

/* Let the requests in flight end, for at most grace_ms; settle, save the logs
 * of sends, and stop. Accepts NULL. */
void forwarder_stop(struct forwarder *forwarder, int64_t grace_ms);

enum forwarder_state {
	FORWARDER_RUNNING,
	FORWARDER_BACKING_OFF, /* the destination has trouble */
	FORWARDER_HALTED, /* an operator must act; probes from time to time */
	FORWARDER_PAUSED, /* by the operator */
	FORWARDER_COOLING_DOWN, /* after a crash: the quota is unknown */
	FORWARDER_TRIAL,	/* maps and counts, sends nothing */
};

/* "running", "backing_off", ... */
const char *forwarder_state_name(enum forwarder_state state);

struct forwarder_destination_status {
	const char *name;
	enum forwarder_state state;
	char why[320];		  /* of BACKING_OFF, HALTED, ... */
	int64_t until_ms;	  /* next try, wall clock; 0 = at once */
	int64_t last_accepted_ms; /* last answer of 2xx; 0 = never */
	uint64_t posts, accepted, refused; /* requests, events, events */
	unsigned in_flight;		   /* requests */
	unsigned pace_per_minute;	   /* events, currently */
	unsigned pace_full_per_minute;	   /* the same without answers of 429 */
	/* Events refused, and not proven to be at fault: tried again. */
	size_t deferred;
	char deferred_why[256];	 /* the destination's last answer to one */
	int64_t deferred_due_ms; /* the next of them, wall clock; 0 = none */
	/* Of the events that wait for their identity's quota: when the last is
	 * due, wall clock; 0 = none waits; -1 = unknown, because of a crash. */
	int64_t last_due_ms;
	/* Of TRIAL: events that would have been sent, dropped, dead. */
	uint64_t trial_sent, trial_dropped, trial_dead;
	uint64_t omissions_lost; /* omissions that the table had no room for */
};

/* What was cut or left out since the start, by property. */
struct forwarder_omission {
	const char *property; /* of the catalogue, "event" or "other"; static */
	enum track_omission_kind kind;
	uint64_t count;
};

enum { FORWARDER_OMISSIONS_MAX = 1024 };

/* Destinations are numbered as they were given to forwarder_start(). Any
 * thread may call all that follows. */
size_t forwarder_destinations(const struct forwarder *forwarder);
void forwarder_destination_status(struct forwarder *forwarder,
    size_t destination, struct forwarder_destination_status *ret_status);

/* Copies a destination's omissions and returns how many. */
size_t
forwarder_destination_omissions(struct forwarder *forwarder, size_t destination,
    struct forwarder_omission ret_omissions[FORWARDER_OMISSIONS_MAX]);

/* Pause or resume a destination; queue_destination_pause() keeps that over
 * restarts. False if there is no such destination. */
bool forwarder_destination_set_paused(
    struct forwarder *forwarder, const char *name, bool paused);

/* Events were changed in the queue: hand back those that are mapped but not
 * in flight, and read them again. Done before the next request. */
void forwarder_reread(struct forwarder *forwarder);

/* The result of one event that was sent without the queue. */
struct forwarder_once {
	struct track_result result; /* unless TRACK_SEND nothing was sent */
	struct buf body;	    /* what was posted; the caller frees it */
	long status;		    /* HTTP, 0 = no answer */
	char answer[320];	    /* its first bytes, or why there was none */
};

/* Map one event by the destination's rules, post it and wait for the answer, on
 * the calling thread; for testing the settings, while no forwarder runs here.
 * False only for a failure on our side. */
MUST_USE bool
forwarder_send_once(const struct forwarder_destination *destination,
    struct str event, struct forwarder_once *ret_once, struct err *reterr);

#endif
