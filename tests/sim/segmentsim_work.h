#ifndef SEGMENTSIM_WORK_H
#define SEGMENTSIM_WORK_H

/*
 * The work that the connections share: which page is posted next, what Heap
 * does with an answer, and the report. Any thread.
 */

#include "tests/sim/segmentsim_plan.h"
#include "tests/sim/sim_post.h"

struct segmentsim_work;

struct segmentsim_work *
segmentsim_work_new(const struct segmentsim_settings *settings);
void segmentsim_work_free(struct segmentsim_work *work);

/*
 * The next page, once it is due; NULL when all is done or stopped. With leave
 * set, the sender shall go away before it reads the answer.
 */
struct segmentsim_page *
segmentsim_work_take(struct segmentsim_work *work, bool *ret_leave);
/* Gives the page back, with what came of it. */
void segmentsim_work_settle(struct segmentsim_work *work,
    struct segmentsim_page *page, const struct sim_outcome *outcome);

/* The full syncs that wait for a signal may begin. */
void segmentsim_work_repair(struct segmentsim_work *work);
void segmentsim_work_stop(struct segmentsim_work *work);
bool segmentsim_work_stopped(struct segmentsim_work *work);

/* Once no thread is left: print the report and write the truth; false if a
 * page was never answered 200, or a bad one was. */
bool segmentsim_work_report(struct segmentsim_work *work, int64_t took_us);

#endif
