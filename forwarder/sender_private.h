#ifndef FORWARDER_SENDER_PRIVATE_H
#define FORWARDER_SENDER_PRIVATE_H

/*
 * The inside of a sender, for its four files: sender.c (its life, its state,
 * what it sends next), sender_answer.c (what an answer changes),
 * sender_fill.c (from leases into requests, and back), sender_saved.c (what
 * outlives a restart).
 */

#include "base/log.h"
#include "forwarder/groups.h"
#include "forwarder/left_out.h"
#include "forwarder/limits.h"
#include "forwarder/pace.h"
#include "forwarder/sender.h"

enum {
	SENDER_RETRY_MS = 1000,	    /* after trouble of ours: disk or memory */
	SENDER_SAVE_MS = 30 * 1000, /* to save what may be a little old */
	SENDER_READY_MOST = 32,	 /* requests in memory that are not in flight */
	SENDER_SINGLES_MOST = 8, /* of them, suspects from the queue */
	SENDER_FILL_MOST = 20000, /* items looked at in one step */
	SENDER_HELD = 4, /* requests' worth of leases for each in flight */
	SENDER_SAMPLES_MOST = 25, /* batches that are looked at before a try */
	SENDER_PART = 4, /* a quarter of a full request is worth sending */
	SENDER_LATE_PART = 10,	    /* of the linger: see sender_post() */
	SENDER_DEFERRED_MAX = 1024, /* suspects whose due times are known */
	SENDER_PASSED_MOST = 64,    /* leases that others overtake */
	SENDER_WHY_MAX = 232,
	SENDER_BYTES_LEAST = 16 * 1024, /* that 413 limits a request to */
};

/* Leases by what is to be done with them. */
enum sender_list {
	SENDER_FRESH,
	SENDER_SUSPECTS, /* their items go one by one */
	SENDER_REPLAYS,
	SENDER_PARKED,	/* of sender->fault.probing */
	SENDER_SAMPLES, /* for one item of a type that was not refused */
	SENDER_READ,	/* all of their items were looked at */
	SENDER_LISTS
};

/* The requests that are being filled. */
enum sender_slot {
	SENDER_MAIN,
	SENDER_REPLAY,
	SENDER_OWN, /* of types of their own */
	SENDER_SLOTS = SENDER_OWN + FAULT_OWN_MAX
};

struct sender {
	/* Set at the start. */
	struct forwarder_destination settings;
	struct sender_shared *shared;
	struct sender_times *times;
	void *arg; /* of shared->send() */
	struct outlet_context *context;
	const struct outlet *outlet;
	size_t request_items; /* at most */
	int64_t id;	      /* of the destination in the queue */
	uint64_t target;      /* a hash of whom we post to, and as whom */

	/* The state; sender_enter() alone changes it, but for an until_ms that
	 * is put off. */
	enum forwarder_state state;
	int64_t until_ms; /* mono: the sender does nothing before */
	unsigned epoch;	  /* counts changes of state: a request of an earlier
			   * epoch does not put off the next try */
	char why[320];
	bool stopping;
	bool lost;	  /* another process delivers for the destination */
	int64_t claim_ms; /* mono; to try to claim it then; INT64_MIN while it
			   * is ours, or was until now */

	/* What it goes by. */
	struct limits limits;
	struct pace pace;
	struct size_limit bytes_limit, items_limit; /* of a request */
	struct backoff backoff;
	struct fault fault;
	int64_t cool_until_ms;	/* mono: until then the limits may be used up */
	int64_t arrived_ms;	/* mono: the last that may have arrived */
	bool arrived;		/* any may have */
	int64_t clock_least_ms; /* wall: a clock that is behind is wrong */
	bool clock_told;	/* that it is */
	int64_t retry_after_ms; /* mono: the destination asked us to wait */
	char retry_after_why[256];
	char suspect_why[256]; /* the answer to the last suspect */

	/* What it has. */
	struct queue_lease *leases[SENDER_LISTS], **ends[SENDER_LISTS];
	size_t held_bytes; /* of the leases */
	bool passed;	   /* all that wait are of groups without room */
	struct groups groups;
	struct sender_filling {
		struct request *request; /* or NULL */
		bool full;		 /* the next item did not fit */
		struct fault_type
		    *type;     /* of its own; NULL for the first two */
	} slots[SENDER_SLOTS]; /* if groups go alone: of a group each */
	struct request *ready; /* requests to be posted; first is next */
	size_t ready_count;
	struct request *in_flight;
	unsigned in_flight_count;
	unsigned in_flight_now; /* of this epoch */
	bool isolated; /* the last that started had been refused or failed */
	unsigned isolated_count; /* of those, how many started */
	bool probe_asked;
	bool replays_asked; /* by the last search for anything else */
	int64_t trial_at;   /* of a dry run: where in the queue it stands */

	/* While halted: looking further back in the queue, in growing steps,
	 * for a type that was not refused yet. */
	int64_t sample_at, sample_step, sample_first;
	bool sampling;	  /* a batch from there is asked for */
	unsigned samples; /* looked at since the last try */

	bool decided; /* there are outcomes to settle */

	/* Of what is deferred. */
	int64_t last_due_ms; /* when the last that waits for a key is due */
	bool last_due_known;
	int64_t *deferred; /* owned; due times of suspects */
	size_t deferred_count, deferred_cap;

	/* When to try again; mono. */
	int64_t look_ms;   /* to take from the queue */
	int64_t post_ms;   /* to post, after trouble of ours */
	int64_t settle_ms; /* to settle, after trouble of ours */
	int64_t save_ms;   /* to save */
	int64_t idle_ms;   /* to count as idle: a linger after the last start */
	bool save_first;   /* save before anything is settled */
	bool saved;	   /* there is a state in the queue */

	/* For the status. */
	int64_t accepted_ms; /* wall */
	uint64_t posts, accepted, refused, results[FORWARDER_RESULTS];
	struct rate rate; /* of items accepted */
	uint64_t trial_sent, trial_dropped, trial_dead;
	struct omissions omissions;
	struct left_out left_out;
};

/* ---- sender.c ---- */

/* The one place where the state changes. `until_ms` is mono. */
void sender_enter(struct sender *sender, enum forwarder_state state,
    int64_t until_ms, const struct clock_times *now, const char *format, ...)
    PRINTF_LIKE(5, 6);

/* Enter the state of a sender that is neither paused nor in trouble. */
void sender_enter_free(struct sender *sender, const struct clock_times *now);

/* ---- sender_fill.c: how items come and go ---- */

/* Look at what was given: fill requests, and make some of suspects. False if
 * there is more to look at. */
bool sender_fill(struct sender *sender, const struct clock_times *now);

/* The slot whose request should leave now, or NULL; *next_ms is lowered to
 * when one will. With `hurry` none lingers. */
struct sender_filling *sender_ripe(struct sender *sender, bool hurry,
    const struct clock_times *now, int64_t *next_ms);
bool sender_slot_enough(
    const struct sender *sender, const struct sender_filling *slot);
/* Is the one that most items go into full? Not if there is one for a group. */
bool sender_main_enough(const struct sender *sender);

/* How many items the limits must have room for, that its request may leave, at
 * least in part. */
size_t sender_slot_least(
    const struct sender *sender, const struct sender_filling *slot);
/* Put its request, or that part, to the front of what is ready. False without
 * memory. */
MUST_USE bool sender_slot_close(struct sender *sender,
    struct sender_filling *slot, const struct clock_times *now);

/* A trial run: prepare what was given, and count it. */
void sender_trial(struct sender *sender, const struct clock_times *now);

/* The outcome of an item. A suspect is deferred with its record. */
void sender_deliver(struct sender *sender, struct request *request);
void sender_defer(struct sender *sender, struct request *request,
    const struct clock_times *now);
void sender_park(struct sender *sender, struct request *request,
    const struct clock_times *now);
/* What was to be parked with that type, and is not settled yet, is due now. */
void sender_unpark(struct sender *sender, struct fault_type *type,
    const struct clock_times *now);
void sender_dead(struct sender *sender, struct request *request,
    const char *reason, int status, struct str answer);

/* A request is to be posted again, not before at_ms; first of what is ready,
 * or last. */
void sender_ready(
    struct sender *sender, struct request *request, int64_t at_ms, bool first);
void sender_ready_remove(struct sender *sender, struct request *request);

/* The group waits until then (mono): what is in memory of it goes back into the
 * queue, and so does what comes before. Nothing of it is in flight. */
void
sender_group_wait(struct sender *sender, struct group *group, int64_t until_ms);

/* No item is put back into this request any more. */
void
sender_request_leaves(struct sender *sender, const struct request *request);

/* Hand a request's items back to the queue, unsettled; and all that is not in
 * flight. */
void sender_return(struct sender *sender, struct request *request);
void sender_return_all(struct sender *sender);

/* Settle what can be settled, and free what is done. */
void sender_settle(struct sender *sender, const struct clock_times *now);

/* When stopping, or when the claim is lost: hand back all of it. */
void sender_abandon(struct sender *sender);

/* ---- sender_saved.c ---- */

/* Read what an earlier sender of this destination left. */
MUST_USE bool
sender_restore(struct sender *sender, const struct queue_destination *found,
    const struct clock_times *now, struct err *reterr);

/* Save it; `stop`: a planned stop. */
MUST_USE bool sender_save(struct sender *sender, bool stop,
    const struct clock_times *now, struct err *reterr);

#endif
