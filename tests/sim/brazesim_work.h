#ifndef BRAZESIM_WORK_H
#define BRAZESIM_WORK_H

/*
 * The work that the connections share: what is to be sent next, and what
 * Braze does with an answer. Any thread.
 */

#include "tests/sim/brazesim_books.h"
#include "tests/sim/sim_post.h"

struct brazesim_batch {
	unsigned attempts;
	bool duplicate; /* was acked before */
	size_t n;
	uint32_t events[];
};

struct brazesim_work;

struct brazesim_work *
brazesim_work_new(const struct brazesim_settings *settings,
    struct brazesim_source *source, struct brazesim_books *books);
void brazesim_work_free(struct brazesim_work *work);

/*
 * The next batch, once it is due; NULL when all is settled or stopped. With
 * leave set, the sender shall go away before it reads the answer.
 */
struct brazesim_batch *
brazesim_work_take(struct brazesim_work *work, bool *ret_leave);
/* Gives the batch back, with what came of it. */
void brazesim_work_settle(struct brazesim_work *work,
    struct brazesim_batch *batch, const struct sim_outcome *outcome);

void brazesim_work_stop(struct brazesim_work *work);
bool brazesim_work_stopped(struct brazesim_work *work);

#endif
