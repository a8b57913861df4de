#ifndef FORWARDER_SENDER_PRIVATE_H
#define FORWARDER_SENDER_PRIVATE_H

/*
 * The inside of a sender, for its four files: sender.c (its life, its state,
 * what it sends next), sender_answer.c (what an answer changes),
 * sender_queue.c (from the queue into requests, and back), sender_restart.c
 * (what outlives a restart).
 */

#include "base/table.h"
#include "forwarder/doubt.h"
#include "forwarder/pace.h"
#include "forwarder/quota.h"
#include "forwarder/sender.h"
#include "forwarder/suspicion.h"

enum {
	SENDER_RETRY_MS = 1000, /* after a failure of our disk or memory */
	SENDER_LOOK_MS = 1000,	/* the queue's wake is only a hint */
	SENDER_READY_MOST = 32, /* requests in memory that are not in flight */
	SENDER_FILL_MOST = 20000, /* events looked at in one step */
	SENDER_PART = 4, /* a quarter of a full request is worth sending */
	SENDER_LATE_PART = 10, /* of the linger: see sender_post() */
};

struct sender {
	/* Set at the start. */
	struct forwarder_destination settings;
	struct track_rules rules;
	struct queue *queue;
	struct sender_poster poster;
	int64_t id;	 /* of the destination in the queue */
	uint64_t target; /* a hash of the app and the URL */
	uint64_t boot;

	/* The state; sender_enter() alone changes it, but for an until_ms that
	 * is put off. */
	enum forwarder_state state;
	int64_t until_ms; /* mono: the sender does nothing before */
	unsigned epoch;	  /* counts changes of state: a request of an earlier
			   * epoch says nothing about the state */
	char why[320];
	bool stopping;

	/* While HALTED because too many events were refused. Suspects make
	 * bad probes, so the sender looks for other events first. */
	bool halted_by_refusals;
	bool suspects_passed; /* suspects were passed by on the way */
	bool suspects_only;   /* and nothing else was found */

	/* What it decides by. */
	struct quota quota;
	struct pace pace;
	struct body_limit body_limit;
	struct backoff backoff;
	struct suspicion suspicion;
	struct doubt doubt;
	bool cautious; /* refused without proof: one request at a time */
	int64_t cool_until_ms;	/* mono: until then the quota is unknown */
	int64_t retry_after_ms; /* mono: the destination asked us to wait */
	char retry_after_why[256];
	char refused_why[256]; /* of the last that was refused alone */

	/* What it is working on. */
	struct batch *batch;	 /* being read, or NULL */
	struct request *filling; /* or NULL */
	bool filling_full;	 /* the next event did not fit into it */
	struct request *ready;	 /* requests to be posted; first is next */
	struct request *in_flight;
	struct outcomes *outcomes; /* of all requests */
	unsigned in_flight_count;
	unsigned in_flight_now; /* of this epoch */

	/* Due times follow the wall clock, but never go back; otherwise a clock
	 * that is set back by an hour would delay deferred events by an
	 * hour. */
	int64_t due_ahead_ms; /* of the monotonic clock */

	/* Of what is deferred for an identity's quota. */
	int64_t last_due_ms; /* when the last is due */
	bool last_due_known;

	/* When to try again; mono. */
	int64_t look_ms;   /* to take from the queue */
	int64_t post_ms;   /* to post, after a failure of ours */
	int64_t settle_ms; /* to settle, after a failure of ours */
	int64_t idle_ms;   /* to count as idle: a linger after the last start */

	/* For the status. */
	int64_t accepted_ms; /* wall */
	uint64_t posts, accepted, refused;
	uint64_t trial_sent, trial_dropped, trial_dead;
	struct forwarder_omission omissions[FORWARDER_OMISSIONS_MAX];
	size_t omission_count;
	struct table omission_table;
	uint64_t omissions_lost; /* there was no room for */
};

/* ---- sender.c ---- */

/* The one place where the state changes. `until_ms` is mono. */
void sender_enter(struct sender *sender, enum forwarder_state state,
    int64_t until_ms, const struct clock_times *now, const char *format, ...)
    PRINTF_LIKE(5, 6);

/* ---- sender_queue.c: how events come and go ---- */

/* The current time in terms of due times; and a due time in terms of the
 * current wall clock. */
int64_t sender_due_now_ms(struct sender *sender, const struct clock_times *now);
int64_t sender_due_wall_ms(
    const struct sender *sender, int64_t due_ms, const struct clock_times *now);

/* Fill the request from the queue. Returns it, still open, if it should leave
 * now; else returns NULL, and lowers *next_ms to the time to call again. */
struct request *sender_fill(
    struct sender *sender, const struct clock_times *now, int64_t *next_ms);

/* The number of events that must have room for the filling request to leave,
 * perhaps in part. */
size_t sender_fill_least(const struct sender *sender);

/* Close the filling request, or the part of it that has room, and put it in
 * front of the ready ones. False without memory; sender->post_ms says when to
 * try again. */
MUST_USE bool
sender_fill_ready(struct sender *sender, const struct clock_times *now);

/* A trial run: map fresh events and count them. Returns when to call again. */
int64_t sender_trial(struct sender *sender, const struct clock_times *now);

/* Count what the mapping of an event cut or left out. */
void
sender_omissions_add(struct sender *sender, const struct track_result *result);

/* Post a request again, not before at_ms, and ahead of those that are already
 * ready; if the sender does not post, hand it back. */
void
sender_retry(struct sender *sender, struct request *request, int64_t at_ms);

/* Hand a request's events back to the queue, unsettled; and all that is not
 * in flight. */
void sender_request_return(struct sender *sender, struct request *request);
void sender_return_all(struct sender *sender);

/* Settle what can be settled. */
void sender_settle(struct sender *sender, const struct clock_times *now);

/* When stopping: hand back what cannot be settled. */
void sender_outcomes_abandon(struct sender *sender);

/* ---- sender_restart.c ---- */

/* Read what the previous sender of this destination left. */
MUST_USE bool
sender_restore(struct sender *sender, const struct queue_destination *saved,
    const struct clock_times *now, struct err *reterr);

/* At a planned stop. */
void sender_save(struct sender *sender, const struct clock_times *now);

/* Note durably that a request is posted: its events are in doubt. */
MUST_USE bool
sender_doubt_add(struct sender *sender, const struct request *request,
    const struct clock_times *now, struct err *reterr);

/* The destination certainly did not accept it: only what was in doubt before
 * stays in doubt. */
void sender_doubt_remove(struct sender *sender, const struct request *request);

#endif
