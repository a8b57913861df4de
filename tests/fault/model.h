#ifndef TESTS_FAULT_MODEL_H
#define TESTS_FAULT_MODEL_H

/*
 * What the queue was asked and what it answered, with the position of the
 * tape at each, so that for any position it is known what a disk must hold:
 * what was answered before it must be there, what was begun before it may
 * be, and nothing else.
 *
 * Each event has a number and a type of its own, so that the ledger tells
 * the fate of each. Any thread.
 */

#include "base/lock.h"
#include "queue/queue.h"

enum {
	MODEL_EVENTS = 1200,
	MODEL_BATCH = 8, /* numbers of one put: they share a source */
	MODEL_STEPS = 24,
	MODEL_BODIES = 60,
	MODEL_DATA = 40000
};

enum model_state {
	MODEL_ABSENT = 1,
	MODEL_QUEUED = 2,
	MODEL_DELIVERED = 4,
	MODEL_DEAD = 8,
	MODEL_DROPPED = 16,
};

struct model_step {
	bool put;	      /* else a settle */
	enum model_state to;  /* where it leads */
	int64_t begun, ended; /* positions; INT64_MAX = not ended */
	bool ok;
};

struct model_event {
	struct model_step steps[MODEL_STEPS];
	size_t count;
	int64_t posted; /* position since which its rules are durable, or 0 */
};

struct model {
	struct lock lock;
	uint64_t seed; /* of the data */
	struct model_event events[MODEL_EVENTS];
	size_t event_count;
	struct model_event bodies[MODEL_BODIES]; /* only put */
	size_t body_count;
	struct model_event posts; /* the n-th step saves the state n + 1 */
};

void model_init(struct model *model, uint64_t seed);
void model_fini(struct model *model);

/* MODEL_BATCH new numbers; false if the model is full. */
bool model_events_new(struct model *model, size_t *ret_first);
bool model_body_new(struct model *model, size_t *ret_number);

/* The bytes of an event or (from MODEL_EVENTS on) a body; `data` has
 * MODEL_DATA bytes. Returns how many. Read from the tail on, no two alike. */
size_t model_data(const struct model *model, size_t number, char *data);

/* Kind, source and fate of an event, by its number. */
void model_type(size_t number, char type[32]);
bool model_type_read(const char *type, size_t len, size_t *ret_number);
const char *model_source(size_t number);
enum item_fate model_fate(size_t number);

/* A step begins, returning its number, and ends. */
size_t model_begin(struct model *model, struct model_event *event, bool put,
    enum model_state to);
void
model_end(struct model *model, struct model_event *event, size_t step, bool ok);

/* Its rules are durable from here on; or it is parked, which forgets them. */
void model_post(struct model *model, struct model_event *event);
void model_park(struct model *model, struct model_event *event);

/* In what states may it be at a position? A set. */
unsigned model_states(const struct model_event *event, int64_t position);

/* How often must, and may, it have been received? */
void model_received(const struct model_event *event, int64_t position,
    int64_t *ret_least, int64_t *ret_most);

/* The process was killed at a position: what came later never was, what was
 * on its way will never be answered. */
void model_kill(struct model *model, int64_t position);

#endif
