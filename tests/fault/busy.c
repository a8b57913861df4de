/* The scenarios: see work.h. */

#include "work.h"

#include "queue/admin.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { BUSY_THREADS = 3, BUSY_TRIES = 15, BUSY_LOOKS = 1000 };

static bool
busy_put(struct work *work, size_t first, size_t count)
{
	for (int i = 0; i < BUSY_TRIES; i++) {
		if (work_put(work, first, count))
			return true;
	}
	return false;
}

void
work_once(struct work *work, uint64_t seed)
{
	struct rng rng = {.state = seed};
	size_t first = 0, body = 0;

	for (int i = 0; i < 5; i++) {
		if (model_events_new(work->model, &first))
			(void)work_put(work, first,
			    1 + (size_t)rng_below(&rng, MODEL_BATCH));
		if (i % 2 == 0)
			(void)work_forward(work, &rng);
		if (i == 1 && model_body_new(work->model, &body))
			(void)work_keep(work, body);
	}
	(void)work_put(work, first, 2); /* again */
	(void)work_keep(work, body);
	(void)work_probe(work);
	(void)work_flush(work);
	for (int i = 0; i < 3; i++)
		(void)work_forward(work, &rng);
}

/* What a failed read made look damaged is tried again, in time. */
static bool
busy_none_quarantined(struct work *work)
{
	struct stats_totals totals;

	for (int tries = 0; tries < BUSY_LOOKS; tries++) {
		stats_totals(work->queue, &totals);
		if (totals.quarantined_batches == 0)
			return true;
		(void)usleep(10000);
	}
	return false;
}

bool
work_recover(struct work *work)
{
	size_t first;

	return model_events_new(work->model, &first) &&
	       busy_put(work, first, 3) && busy_none_quarantined(work);
}

struct busy {
	struct work *work;
	struct rng rng;
	unsigned puts;
	_Atomic int *putting; /* threads that still put */
};

static void *
busy_put_main(void *arg)
{
	struct busy *busy = arg;
	struct work *work = busy->work;
	size_t first, count, body = 0;

	for (unsigned i = 0; i < busy->puts; i++) {
		if (!model_events_new(work->model, &first))
			break;
		count = 1 + (size_t)rng_below(&busy->rng, MODEL_BATCH);
		(void)busy_put(work, first, count);
		if (rng_chance(&busy->rng, 20))
			(void)busy_put(work, first, count);
		if (rng_chance(&busy->rng, 12) &&
		    model_body_new(work->model, &body))
			(void)work_keep(work, body);
		if (rng_chance(&busy->rng, 8) && body != 0)
			(void)work_keep(work, body);
	}
	atomic_fetch_sub(busy->putting, 1);
	return NULL;
}

static void *
busy_forward_main(void *arg)
{
	struct busy *busy = arg;

	while (atomic_load(busy->putting) > 0) {
		(void)work_forward(busy->work, &busy->rng);
		if (rng_chance(&busy->rng, 5))
			(void)work_flush(busy->work);
	}
	for (int i = 0; i < 4; i++)
		(void)work_forward(busy->work, &busy->rng);
	return NULL;
}

void
work_busily(struct work *work, uint64_t seed, unsigned puts)
{
	struct busy busies[BUSY_THREADS + 1];
	pthread_t threads[BUSY_THREADS + 1];
	_Atomic int putting = BUSY_THREADS;

	for (int i = 0; i <= BUSY_THREADS; i++) {
		busies[i] = (struct busy){.work = work,
		    .rng = {.state = seed * 31 + (uint64_t)i},
		    .puts = puts,
		    .putting = &putting};
		CHECK(pthread_create(&threads[i], NULL,
			  i < BUSY_THREADS ? busy_put_main : busy_forward_main,
			  &busies[i]) == 0);
	}
	for (int i = 0; i <= BUSY_THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}
