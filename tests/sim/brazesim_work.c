/*
 * Batches that wait to be sent again go by their due time and before new
 * ones. A batch in flight may come back as many, so the end is
 * reached only when none is waiting and none in flight.
 */

#include "tests/sim/brazesim_work.h"
#include "tests/sim/sim_due.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct brazesim_work {
	/* set before threads start */
	const struct brazesim_settings *settings;
	atomic_bool stopped;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* guarded by lock */
	struct brazesim_source *source;
	struct brazesim_books *books;
	struct sim_random random;
	struct sim_due waiting; /* batches */
	size_t in_flight;
	bool exhausted;	   /* the source */
	double next_us;	   /* when the rate allows a new batch */
	uint32_t *scratch; /* settings->batch events */
};

enum verdict {
	VERDICT_ACKED,
	VERDICT_AGAIN,
	VERDICT_SINGLES, /* split into batches of one */
	VERDICT_HALVES,
	VERDICT_DELETED,
	VERDICT_STRANDED,
};

struct brazesim_work *
brazesim_work_new(const struct brazesim_settings *settings,
    struct brazesim_source *source, struct brazesim_books *books)
{
	struct brazesim_work *work = sim_alloc(sizeof(*work));
	pthread_condattr_t attributes;

	work->settings = settings;
	work->source = source;
	work->books = books;
	sim_random_init(&work->random, (uint64_t)settings->seed);
	work->scratch = sim_alloc((size_t)settings->batch * sizeof(uint32_t));
	work->next_us = (double)sim_now_us();
	pthread_mutex_init(&work->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&work->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	return work;
}

void
brazesim_work_free(struct brazesim_work *work)
{
	sim_due_fini(&work->waiting);
	free(work->scratch);
	pthread_cond_destroy(&work->changed);
	pthread_mutex_destroy(&work->lock);
	free(work);
}

void
brazesim_work_stop(struct brazesim_work *work)
{
	pthread_mutex_lock(&work->lock);
	atomic_store(&work->stopped, true);
	pthread_cond_broadcast(&work->changed);
	pthread_mutex_unlock(&work->lock);
}

bool
brazesim_work_stopped(struct brazesim_work *work)
{
	return atomic_load(&work->stopped);
}

static struct brazesim_batch *
batch_new(const uint32_t *events, size_t n)
{
	struct brazesim_batch *batch =
	    sim_alloc(sizeof(*batch) + n * sizeof(*events));

	batch->n = n;
	memcpy(batch->events, events, n * sizeof(*events));
	return batch;
}

/* The rate holds for new batches; what is sent again comes on top, as it
 * does when a real sender has lost time. */
static struct brazesim_batch *
source_take(struct brazesim_work *work)
{
	double rate = work->settings->rate;
	double now_us = (double)sim_now_us();
	size_t n = brazesim_source_next(work->source, work->scratch);

	if (n == 0) {
		work->exhausted = true;
		pthread_cond_broadcast(&work->changed);
		return NULL;
	}
	/* A sender that fell behind catches up at most one second. */
	if (work->next_us < now_us - 1e6)
		work->next_us = now_us - 1e6;
	if (rate > 0)
		work->next_us += (double)n / rate * 1e6;
	return batch_new(work->scratch, n);
}

/* A batch that may go now; else NULL and when to look again (-1: never). */
static struct brazesim_batch *
take_due(struct brazesim_work *work, int64_t *ret_look_us)
{
	struct brazesim_batch *batch = NULL;
	int64_t now_us = sim_now_us();
	int64_t look_us = -1;

	if (work->waiting.n > 0) {
		look_us = work->waiting.entries[0].due_ms * 1000;
		if (look_us <= now_us)
			return sim_due_take(&work->waiting);
	}
	if (!work->exhausted && work->next_us <= (double)now_us)
		batch = source_take(work);
	if (batch == NULL && !work->exhausted &&
	    (look_us < 0 || work->next_us < (double)look_us))
		look_us = (int64_t)work->next_us + 1;
	*ret_look_us = look_us;
	return batch;
}

/* A wake may be for nothing: the caller looks again in any case. */
static void
wait_until(struct brazesim_work *work, int64_t us)
{
	struct timespec time = {
	    .tv_sec = us / 1000000,
	    .tv_nsec = us % 1000000 * 1000,
	};

	if (us < 0)
		pthread_cond_wait(&work->changed, &work->lock);
	else
		pthread_cond_timedwait(&work->changed, &work->lock, &time);
}

static bool
chance(struct brazesim_work *work, double percent)
{
	return percent > 0 && sim_random_unit(&work->random) * 100 < percent;
}

/* Nothing waiting and nothing new is not the end while a request is in
 * flight: its answer may be a 400 that makes a hundred of it. */
struct brazesim_batch *
brazesim_work_take(struct brazesim_work *work, bool *ret_leave)
{
	struct brazesim_batch *batch = NULL;
	int64_t look_us = -1;

	pthread_mutex_lock(&work->lock);
	while (!brazesim_work_stopped(work)) {
		batch = take_due(work, &look_us);
		if (batch != NULL)
			break;
		if (work->exhausted && work->waiting.n == 0 &&
		    work->in_flight == 0)
			break;
		wait_until(work, look_us);
	}
	if (batch != NULL) {
		work->in_flight++;
		brazesim_books_count(work->books, BRAZESIM_REQUESTS, 1);
		brazesim_books_count(
		    work->books, BRAZESIM_SENT_EVENTS, batch->n);
		*ret_leave = chance(work, work->settings->unknown_percent);
	}
	pthread_mutex_unlock(&work->lock);
	return batch;
}

/* The table of Braze's reactions. */
static enum verdict
verdict_of(long status, size_t n)
{
	if (status >= 200 && status < 300)
		return VERDICT_ACKED;
	switch (status) {
	case 400:
		return n > 1 ? VERDICT_SINGLES : VERDICT_DELETED;
	case 401:
	case 403:
	case 404:
		return VERDICT_STRANDED;
	case 413:
		return n > 1 ? VERDICT_HALVES : VERDICT_STRANDED;
	default:
		return VERDICT_AGAIN;
	}
}

/* Exponential with full jitter, so that connections do not march in step. */
static void
send_again(struct brazesim_work *work, struct brazesim_batch *batch)
{
	double cap_ms = (double)work->settings->backoff_cap_ms;
	double wait_ms = (double)work->settings->backoff_base_ms;
	unsigned i;

	for (i = 0; i < batch->attempts && wait_ms < cap_ms; i++)
		wait_ms *= 2;
	if (wait_ms > cap_ms)
		wait_ms = cap_ms;
	batch->attempts++;
	wait_ms *= sim_random_unit(&work->random);
	sim_due_put(&work->waiting, sim_now_ms() + (int64_t)wait_ms, batch);
}

/* Into pieces of at most that many events, due at once. */
static void
split(struct brazesim_work *work, struct brazesim_batch *batch, size_t piece)
{
	struct brazesim_batch *part;
	size_t at;

	brazesim_books_count(work->books, BRAZESIM_SPLITS, 1);
	for (at = 0; at < batch->n; at += piece) {
		part = batch_new(&batch->events[at],
		    batch->n - at < piece ? batch->n - at : piece);
		part->duplicate = batch->duplicate;
		sim_due_put(&work->waiting, sim_now_ms(), part);
	}
	free(batch);
}

/* At least once delivery: Braze may send again what it was thanked for. */
static void
acked(struct brazesim_work *work, struct brazesim_batch *batch)
{
	brazesim_books_settle(
	    work->books, batch->events, batch->n, BRAZESIM_ACKED);
	if (batch->duplicate ||
	    !chance(work, work->settings->duplicate_percent)) {
		free(batch);
		return;
	}
	brazesim_books_count(work->books, BRAZESIM_DUPLICATE_REQUESTS, 1);
	batch->duplicate = true;
	batch->attempts = 0;
	send_again(work, batch);
}

static void
react(struct brazesim_work *work, struct brazesim_batch *batch, long status)
{
	switch (verdict_of(status, batch->n)) {
	case VERDICT_ACKED:
		acked(work, batch);
		break;
	case VERDICT_AGAIN:
		send_again(work, batch);
		break;
	case VERDICT_SINGLES:
		split(work, batch, 1);
		break;
	case VERDICT_HALVES:
		split(work, batch, (batch->n + 1) / 2);
		break;
	case VERDICT_DELETED:
		brazesim_books_settle(
		    work->books, batch->events, batch->n, BRAZESIM_DELETED);
		free(batch);
		break;
	case VERDICT_STRANDED:
		brazesim_books_settle(
		    work->books, batch->events, batch->n, BRAZESIM_STRANDED);
		free(batch);
		break;
	}
}

void
brazesim_work_settle(struct brazesim_work *work, struct brazesim_batch *batch,
    const struct sim_outcome *outcome)
{
	pthread_mutex_lock(&work->lock);
	work->in_flight--;
	if (outcome->status > 0)
		brazesim_books_answered(
		    work->books, outcome->status, outcome->took_us);
	else
		brazesim_books_count(work->books,
		    outcome->left ? BRAZESIM_UNKNOWN_OUTCOMES
				  : BRAZESIM_NETWORK_ERRORS,
		    1);
	react(work, batch, outcome->status);
	pthread_cond_broadcast(&work->changed);
	pthread_mutex_unlock(&work->lock);
}
