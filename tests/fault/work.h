#ifndef TESTS_FAULT_WORK_H
#define TESTS_FAULT_WORK_H

/*
 * What a day does to a queue: puts, repeated puts, bodies that cannot be
 * read, leases that are settled in every way or given back, posts noted, the
 * log emptied; all of it noted in a model.
 */

#include "model.h"
#include "rng.h"

struct work {
	struct queue *queue;
	struct model *model;
	int64_t destination;
	_Atomic int64_t now_ms;
	bool bad_code;	       /* a put failed with a code that it must not */
	_Atomic int last_code; /* of what failed */
	bool bad_bytes;	       /* an event on lease was never put like that */
};

/* What is parked waits with this group. */
extern const char work_group[];

/* Settings for a small queue that meets its checkpoints soon. */
struct queue_settings work_settings(const char *dir);

/* Open, start, and open the destination. */
MUST_USE bool work_open(struct work *work, struct model *model, const char *dir,
    struct err *reterr);
/* The same in its parts, since each may fail. Closing takes what is there. */
void work_close(struct work *work);

/* Put the first `count` events of a batch; true if it is durable. */
bool work_put(struct work *work, size_t first, size_t count);
bool work_keep(struct work *work, size_t body);
/* A probe: true if a put could be made durable. */
bool work_probe(struct work *work);
/* Note a post of the destination. */
bool work_post(struct work *work);
/* Leave nothing that was deleted. */
bool work_flush(struct work *work);
/* Take up to three leases and settle them; false if something failed. */
bool work_forward(struct work *work, struct rng *rng);

/* Some of everything, once and in one thread; goes on after failures. */
void work_once(struct work *work, uint64_t seed);

/* Three putting threads and a forwarding one. What fails is repeated. */
void work_busily(struct work *work, uint64_t seed, unsigned puts);

/* Put until it succeeds; false if it never does. */
bool work_recover(struct work *work);

#endif
