#ifndef FORWARDER_LANE_INSIDE_H
#define FORWARDER_LANE_INSIDE_H

/*
 * What the files of a lane share: lane.c (its life and its state),
 * lane_fill.c (from the queue into a request), lane_run.c (what it sends
 * next), lane_answer.c (what an answer changes), lane_settle.c (letting go),
 * lane_doubt.c (what may be at the destination), lane_rest.c (from one life
 * to the next), lane_dry.c (a trial run).
 */

#include "forwarder/backoff.h"
#include "forwarder/bytes.h"
#include "forwarder/doubt.h"
#include "forwarder/lane.h"
#include "forwarder/pace.h"
#include "forwarder/quota.h"
#include "forwarder/size.h"
#include "forwarder/stock.h"
#include "forwarder/suspicion.h"
#include "forwarder/tally.h"

enum {
	LANE_RETRY_MS = 1000,	/* after trouble of ours: disk or memory */
	LANE_LOOK_MS = 1000,	/* a wake is only a hint */
	LANE_KEPT_MOST = 32,	/* requests in memory, but in flight */
	LANE_FILL_MOST = 20000, /* events looked at in one step */
	LANE_FIT_PART = 4,	/* of a full request is worth one */
};

struct lane {
	/* Set at the start. */
	struct forwarder_destination settings;
	struct track_rules rules;
	struct queue *queue;
	struct lane_poster poster;
	int64_t id;	  /* the queue's */
	uint64_t whither; /* by a hash: the app and the URL */
	uint64_t boot;	  /* see boot.h */

	/* The state: changed by lane_enter() alone. */
	enum forwarder_state state;
	int64_t until_ms; /* mono: next try of WAITING, STOPPED, RESTING */
	unsigned epoch;	  /* counts changes: what started before one says
			   * nothing about the state since */
	char why[320];
	bool suspicious; /* STOPPED because too many events were refused */
	bool passed_by;	 /* then: the search for a probe met deferred */
	bool probe_any;	 /* and nothing else: one of them will do */
	bool winding;	 /* stopping */

	/* What it goes by. */
	struct quota quota;
	struct pace pace;
	struct backoff backoff;
	struct suspicion suspicion;
	char deferred_why[256]; /* of the last that was refused alone */
	struct doubt unknown;	/* what may be at the destination */
	bool doubt;	  /* refusals without proof: one request at a time */
	struct size size; /* of a request */
	int64_t rest_ms;  /* mono: until then the quota is unknown */
	int64_t hold_ms;  /* mono: not before, the destination said */
	char hold_why[256];

	/* What it has. */
	struct stock stock;
	struct request *filling; /* or NULL */
	bool overfull;		 /* the next event did not fit into it */
	struct request *kept;	 /* to be posted again; first is next */
	struct request *flying;
	struct slate *slates; /* all */
	unsigned flying_count;
	unsigned flying_now; /* of this epoch */

	int64_t ahead_ms; /* of lane_due_ms() before the monotonic clock */

	/* What was set aside for an identity's quota. */
	int64_t last_due_ms; /* the last is due; of lane_due_ms() */
	bool last_due_known;

	/* When to try again; mono. */
	int64_t look_ms;   /* to take from the queue */
	int64_t post_ms;   /* to post, after trouble of ours */
	int64_t settle_ms; /* to settle, after trouble of ours */

	/* For the status. */
	int64_t accepted_ms; /* wall */
	uint64_t posts, accepted, refused;
	uint64_t trial_sent, trial_dropped, trial_dead;
	struct tally tally;
};

/* The one place where the state changes. `until_ms` is mono. */
void lane_enter(struct lane *lane, enum forwarder_state state, int64_t until_ms,
    const struct moment *now, const char *format, ...) PRINTF_LIKE(5, 6);

/* Hand a request's events back to the queue, unsettled. */
void lane_request_return(struct lane *lane, struct request *request);

/* All that is not in flight. */
void lane_return_all(struct lane *lane);

/* The time by which the lane's due times go: the wall clock's, but it never
 * goes back, so that one set back by an hour holds up nothing for an hour. */
int64_t lane_due_ms(struct lane *lane, const struct moment *now);

/* A due time by the wall clock as it is now. */
int64_t lane_due_wall_ms(
    const struct lane *lane, int64_t due_ms, const struct moment *now);

/* To be posted again, before what is kept already; or handed back, if the
 * lane does not post. */
void lane_keep(struct lane *lane, struct request *request, int64_t at_ms);

/* With what an earlier life of the lane noted. */
MUST_USE bool lane_doubt_init(
    struct lane *lane, const void *saved, size_t len, struct err *reterr);

/* What was written down at a time: of which app, and by which clocks. */
struct lane_note {
	uint64_t boot;
	int64_t mono_ms, wall_ms;
	uint64_t whither;
};

uint64_t lane_whither(const struct forwarder_destination *settings);
void lane_note_write(
    const struct lane *lane, const struct moment *now, struct buf *buf);
void lane_note_read(struct bytes_reader *reader, struct lane_note *ret_note);

/* What the next life has to know; and what it makes of it. */
void lane_rest(struct lane *lane, const struct moment *now);
void lane_restore(struct lane *lane, const struct queue_destination *saved,
    const struct moment *now);

/* By which rules the event with that hash is mapped. */
const struct track_rules *
lane_doubt_rules(const struct lane *lane, uint64_t hash);

/* Note durably that the request is posted. */
MUST_USE bool lane_doubt_post(struct lane *lane, const struct request *request,
    const struct moment *now, struct err *reterr);

/* It was not taken for sure; or nobody knows. */
void lane_doubt_known(struct lane *lane, const struct request *request);
void lane_doubt_unknown(struct request *request);

/* Settle what can be settled. */
void lane_settle(struct lane *lane, const struct moment *now);

/* When stopping: what cannot be settled is handed back. */
void lane_slates_abandon(struct lane *lane);

/* Fill the request from the queue; returned (still open) if it should leave
 * now, else NULL, and *next_ms is lowered to when to come again. */
struct request *
lane_fresh_pick(struct lane *lane, const struct moment *now, int64_t *next_ms);

/* So much room at least makes the filling request leave, in part. */
size_t lane_fresh_least(const struct lane *lane);

/* Take it, or what has room of it, closed, to the front of what is kept.
 * False without memory; lane->post_ms says when to try again. */
bool lane_fresh_keep(struct lane *lane, const struct moment *now);

/* A trial run: look at what is fresh, map it and count. When to come again. */
int64_t lane_dry(struct lane *lane, const struct moment *now);

/* Post what may be posted; when to come again. */
int64_t lane_run(struct lane *lane, const struct moment *now);

#endif
