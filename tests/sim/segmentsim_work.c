/*
 * Pages wait by their due time and go before new syncs; a new one is begun
 * when none is due and its segment is ready: when the receiver has said of
 * the last sync that it knows it. Late pages wait at their segment until later
 * syncs are known, or there will be none.
 */

#include "tests/sim/segmentsim_work.h"
#include "tests/sim/sim_due.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	STATUSES = 1000,
	WAITING_MOST = 10000, /* pages, while the receiver is away */
};

enum count {
	REQUESTS,
	ACKED_PAGES,
	ACKED_CHANGES,
	DUPLICATE_REQUESTS,
	REPLAYED_REQUESTS,
	BAD_REQUESTS,
	BAD_ACCEPTED,
	NETWORK_ERRORS,
	UNKNOWN_OUTCOMES,
	COUNTS,
};

struct segment {
	uint32_t begun; /* syncs */
	uint32_t known; /* the last sync with a page answered 200 */
	uint32_t open;	/* pages that are not done, the late ones too */
	uint32_t n_late;
	struct segmentsim_page **late;
};

struct segmentsim_work {
	/* set before threads start */
	const struct segmentsim_settings *settings;
	atomic_bool stopped;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* guarded by lock */
	struct segmentsim_plan *plan;
	struct segment *segments;
	struct sim_random random;
	struct sim_due waiting; /* pages */
	size_t in_flight;
	double next_us; /* when the rate allows a new sync */
	bool repairing; /* the full syncs */
	bool told;	/* that they may begin */
	bool telling;	/* the line that they wait was printed */
	uint64_t counts[COUNTS];
	uint64_t by_status[STATUSES];
	uint64_t by_flaw[SEGMENTSIM_FLAWS][STATUSES];
};

struct segmentsim_work *
segmentsim_work_new(const struct segmentsim_settings *settings)
{
	struct segmentsim_work *work = sim_alloc(sizeof(*work));
	pthread_condattr_t attributes;

	work->settings = settings;
	work->plan = segmentsim_plan_new(settings);
	work->segments =
	    sim_alloc((size_t)settings->segments * sizeof(*work->segments));
	sim_random_init(&work->random, (uint64_t)settings->seed + 1);
	work->next_us = (double)sim_now_us();
	work->told = settings->repair == SEGMENTSIM_REPAIR_END;
	pthread_mutex_init(&work->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&work->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	return work;
}

void
segmentsim_work_free(struct segmentsim_work *work)
{
	int64_t i;
	uint32_t j;

	for (i = 0; i < work->settings->segments; i++) {
		for (j = 0; j < work->segments[i].n_late; j++)
			free(work->segments[i].late[j]);
		free(work->segments[i].late);
	}
	free(work->segments);
	sim_due_fini(&work->waiting);
	segmentsim_plan_free(work->plan);
	pthread_cond_destroy(&work->changed);
	pthread_mutex_destroy(&work->lock);
	free(work);
}

void
segmentsim_work_stop(struct segmentsim_work *work)
{
	pthread_mutex_lock(&work->lock);
	atomic_store(&work->stopped, true);
	pthread_cond_broadcast(&work->changed);
	pthread_mutex_unlock(&work->lock);
}

bool
segmentsim_work_stopped(struct segmentsim_work *work)
{
	return atomic_load(&work->stopped);
}

void
segmentsim_work_repair(struct segmentsim_work *work)
{
	pthread_mutex_lock(&work->lock);
	work->told = true;
	pthread_cond_broadcast(&work->changed);
	pthread_mutex_unlock(&work->lock);
}

static bool
chance(struct segmentsim_work *work, double percent)
{
	return percent > 0 && sim_random_unit(&work->random) * 100 < percent;
}

static void
put_within(
    struct segmentsim_work *work, struct segmentsim_page *page, double ms)
{
	ms *= sim_random_unit(&work->random);
	sim_due_put(&work->waiting, sim_now_ms() + (int64_t)ms, page);
}

/* Those of the segment whose time has come; all at the end of the plan. */
static void
late_release(struct segmentsim_work *work, struct segment *segment, bool all)
{
	uint32_t kept = 0;
	uint32_t i;

	for (i = 0; i < segment->n_late; i++) {
		if (all || segment->known >=
			       segment->late[i]->sync + segment->late[i]->late)
			put_within(work, segment->late[i], 0);
		else
			segment->late[kept++] = segment->late[i];
	}
	segment->n_late = kept;
}

static void
late_add(struct segment *segment, struct segmentsim_page *page)
{
	segment->late = sim_grow(segment->late, segment->n_late + 1,
	    sizeof(struct segmentsim_page *));
	segment->late[segment->n_late++] = page;
}

/* The rate holds for new syncs; what is sent again comes on top. */
static void
sync_begin(struct segmentsim_work *work)
{
	double rate = work->settings->rate;
	double now_us = (double)sim_now_us();
	struct segmentsim_page *bad;
	struct segmentsim_sync sync;
	struct segment *segment;
	size_t i;

	segmentsim_plan_next(work->plan, work->repairing, &sync);
	segment = &work->segments[sync.segment];
	for (i = 0; i < sync.n; i++) {
		bad = segmentsim_page_bad(work->plan, sync.pages[i]);
		if (bad != NULL)
			put_within(work, bad, 0);
		segment->begun = sync.pages[i]->sync;
		segment->open++;
		if (sync.pages[i]->late > 0)
			late_add(segment, sync.pages[i]);
		else
			put_within(work, sync.pages[i],
			    (double)work->settings->spread_ms);
	}
	free(sync.pages);
	/* A sender that fell behind catches up at most one second. */
	if (work->next_us < now_us - 1e6)
		work->next_us = now_us - 1e6;
	if (rate > 0)
		work->next_us += (double)sync.n_changes / rate * 1e6;
}

/* Of two syncs the receiver must know which came first; without sync_info it
 * does not even know which pages belong together. */
static bool
is_ready(const struct segmentsim_work *work, const struct segment *segment)
{
	if (!work->settings->sync_info)
		return segment->open == 0;
	return segment->known == segment->begun;
}

static bool
has_repairs(const struct segmentsim_work *work)
{
	return work->settings->repair != SEGMENTSIM_REPAIR_NONE &&
	       segmentsim_plan_segment(work->plan, true) >= 0;
}

/* Nothing is in flight, waiting, or still to be planned. */
static bool
is_done(const struct segmentsim_work *work)
{
	return work->waiting.n == 0 && work->in_flight == 0 &&
	       segmentsim_plan_segment(work->plan, work->repairing) < 0 &&
	       !has_repairs(work);
}

/* The plan has no further sync; true if something may be due now. */
static bool
plan_end(struct segmentsim_work *work)
{
	size_t waiting = work->waiting.n;
	int64_t i;

	for (i = 0; i < work->settings->segments; i++)
		late_release(work, &work->segments[i], true);
	if (work->waiting.n > waiting)
		return true;
	if (waiting > 0 || work->in_flight > 0 || !has_repairs(work))
		return false;
	if (work->told) {
		work->repairing = true;
	} else if (!work->telling) {
		work->telling = true;
		printf("waiting for SIGUSR1\n");
		fflush(stdout);
	}
	return work->told;
}

/* A page that may go now; else NULL and when to look again (-1: never). */
static struct segmentsim_page *
take_due(struct segmentsim_work *work, int64_t *ret_look_us)
{
	struct sim_due *waiting = &work->waiting;
	int64_t now_us = sim_now_us();
	int64_t segment;

	do {
		*ret_look_us =
		    waiting->n > 0 ? waiting->entries[0].due_ms * 1000 : -1;
		if (waiting->n > 0 && *ret_look_us <= now_us)
			return sim_due_take(waiting);
		segment = segmentsim_plan_segment(work->plan, work->repairing);
		if (segment < 0)
			continue;
		if (waiting->n >= WAITING_MOST ||
		    !is_ready(work, &work->segments[segment]))
			return NULL;
		if (work->next_us > (double)now_us) {
			if (*ret_look_us < 0 ||
			    work->next_us < (double)*ret_look_us)
				*ret_look_us = (int64_t)work->next_us + 1;
			return NULL;
		}
		sync_begin(work);
		now_us = sim_now_us();
	} while (segment >= 0 || plan_end(work));
	return NULL;
}

static void
wait_until(struct segmentsim_work *work, int64_t us)
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

struct segmentsim_page *
segmentsim_work_take(struct segmentsim_work *work, bool *ret_leave)
{
	struct segmentsim_page *page = NULL;
	int64_t look_us;

	pthread_mutex_lock(&work->lock);
	while (!segmentsim_work_stopped(work)) {
		page = take_due(work, &look_us);
		if (page != NULL || is_done(work))
			break;
		wait_until(work, look_us);
	}
	if (page != NULL) {
		work->in_flight++;
		work->counts[REQUESTS]++;
		*ret_leave = page->flaw == SEGMENTSIM_CUT ||
			     (page->flaw == SEGMENTSIM_GOOD &&
				 chance(work, work->settings->unknown_percent));
	}
	pthread_cond_broadcast(&work->changed);
	pthread_mutex_unlock(&work->lock);
	return page;
}

static void
send_again(struct segmentsim_work *work, struct segmentsim_page *page)
{
	double most_ms = (double)work->settings->backoff_most_ms;
	double wait_ms = (double)work->settings->backoff_first_ms;
	unsigned i;

	for (i = 0; i < page->attempts && wait_ms < most_ms; i++)
		wait_ms *= 2;
	page->attempts++;
	page->timestamp_ms = 0;
	put_within(work, page, wait_ms < most_ms ? wait_ms : most_ms);
}

static void
page_done(struct segmentsim_work *work, struct segmentsim_page *page)
{
	work->segments[page->segment].open--;
	free(page);
}

static void
acked(struct segmentsim_work *work, struct segmentsim_page *page)
{
	const struct segmentsim_settings *settings = work->settings;
	struct segment *segment = &work->segments[page->segment];

	work->counts[ACKED_PAGES]++;
	work->counts[ACKED_CHANGES] += page->n;
	if (page->sync > segment->known) {
		segment->known = page->sync;
		late_release(work, segment, false);
	}
	page->again = true;
	if (chance(work, settings->duplicate_percent)) {
		work->counts[DUPLICATE_REQUESTS]++;
		page->timestamp_ms = 0;
	} else if (chance(work, settings->replay_percent)) {
		work->counts[REPLAYED_REQUESTS]++;
	} else {
		page_done(work, page);
		return;
	}
	put_within(work, page,
	    (double)(settings->spread_ms + settings->backoff_first_ms));
}

static void
bad_settled(
    struct segmentsim_work *work, struct segmentsim_page *page, long status)
{
	work->counts[BAD_REQUESTS]++;
	if (status >= 200 && status < 300)
		work->counts[BAD_ACCEPTED]++;
	work->by_flaw[page->flaw][status]++;
	free(page);
}

void
segmentsim_work_settle(struct segmentsim_work *work,
    struct segmentsim_page *page, const struct sim_outcome *outcome)
{
	long status = outcome->status < STATUSES ? outcome->status : 0;

	pthread_mutex_lock(&work->lock);
	work->in_flight--;
	if (page->flaw != SEGMENTSIM_GOOD) {
		bad_settled(work, page, status);
	} else {
		if (status > 0)
			work->by_status[status]++;
		else
			work->counts[outcome->left ? UNKNOWN_OUTCOMES
						   : NETWORK_ERRORS]++;
		if (page->again)
			page_done(work, page);
		else if (status == 200)
			acked(work, page);
		else
			send_again(work, page);
	}
	pthread_cond_broadcast(&work->changed);
	pthread_mutex_unlock(&work->lock);
}

static void
set_count(json_t *object, const char *name, uint64_t n)
{
	json_object_set_new(object, name, json_integer((json_int_t)n));
}

static json_t *
statuses_report(const uint64_t by_status[STATUSES])
{
	json_t *object = json_object();
	char name[8];
	int i;

	for (i = 0; i < STATUSES; i++) {
		if (by_status[i] == 0)
			continue;
		snprintf(name, sizeof(name), "%d", i);
		set_count(object, i > 0 ? name : "none", by_status[i]);
	}
	return object;
}

static json_t *
flaws_report(const struct segmentsim_work *work)
{
	json_t *object = json_object();
	int flaw;

	for (flaw = SEGMENTSIM_GOOD + 1; flaw < SEGMENTSIM_FLAWS; flaw++)
		json_object_set_new(object, segmentsim_flaw_names[flaw],
		    statuses_report(work->by_flaw[flaw]));
	return object;
}

static json_t *
text_json(struct sim_text *text)
{
	json_t *string = json_string(text->at);

	sim_text_fini(text);
	return string;
}

static json_t *
losses_report(const struct segmentsim_work *work)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < work->plan->n_losses; i++) {
		const struct segmentsim_loss *loss = &work->plan->losses[i];
		struct sim_text segment = {0};
		struct sim_text task = {0};
		json_t *object = json_object();

		segmentsim_segment_write(loss->segment, &segment);
		segmentsim_task_write(
		    work->settings, loss->segment, loss->sync, &task);
		json_object_set_new(object, "segment", text_json(&segment));
		json_object_set_new(object, "sync", text_json(&task));
		set_count(object, "page", loss->page);
		set_count(object, "of", loss->of);
		json_array_append_new(array, object);
	}
	return array;
}

/* What a stop has left: of it the receiver may know or not. */
static uint64_t
count_unresolved(struct segmentsim_work *work)
{
	const struct segmentsim_page *page;
	struct segment *segment;
	uint64_t n = 0;
	size_t i;
	int64_t j;

	for (i = 0; i < work->waiting.n; i++) {
		page = work->waiting.entries[i].work;
		if (page->flaw != SEGMENTSIM_GOOD || page->again)
			continue;
		segmentsim_plan_unsure(work->plan, page);
		n++;
	}
	for (j = 0; j < work->settings->segments; j++) {
		segment = &work->segments[j];
		for (i = 0; i < segment->n_late; i++)
			segmentsim_plan_unsure(work->plan, segment->late[i]);
		n += segment->n_late;
	}
	return n;
}

bool
segmentsim_work_report(struct segmentsim_work *work, int64_t took_us)
{
	static const char *const names[COUNTS] = {
	    [REQUESTS] = "requests",
	    [ACKED_PAGES] = "acked_pages",
	    [ACKED_CHANGES] = "acked_changes",
	    [DUPLICATE_REQUESTS] = "duplicate_requests",
	    [REPLAYED_REQUESTS] = "replayed_requests",
	    [BAD_REQUESTS] = "bad_requests",
	    [BAD_ACCEPTED] = "bad_accepted",
	    [NETWORK_ERRORS] = "network_errors",
	    [UNKNOWN_OUTCOMES] = "unknown_outcomes",
	};
	const struct segmentsim_plan *plan = work->plan;
	uint64_t unresolved = count_unresolved(work);
	double seconds = (double)took_us / 1e6;
	struct segmentsim_tally tally;
	json_t *report = json_object();
	int i;

	segmentsim_truth_write(plan, work->settings->truth, &tally);
	set_count(report, "changes", plan->changes);
	set_count(report, "syncs", plan->syncs);
	set_count(report, "full_syncs", plan->full_syncs);
	set_count(report, "pages", plan->pages);
	set_count(
	    report, "odd_members", plan->pages * (uint64_t)work->settings->odd);
	set_count(report, "late_pages", plan->late_pages);
	set_count(report, "lost_pages", plan->n_losses);
	set_count(report, "unresolved_pages", unresolved);
	for (i = 0; i < COUNTS; i++)
		set_count(report, names[i], work->counts[i]);
	set_count(report, "memberships", tally.memberships);
	set_count(report, "in", tally.in);
	set_count(report, "unknown", tally.unknown);
	set_count(report, "differs", tally.differs);
	json_object_set_new(
	    report, "by_status", statuses_report(work->by_status));
	json_object_set_new(report, "by_flaw", flaws_report(work));
	json_object_set_new(report, "lost", losses_report(work));
	json_object_set_new(report, "seconds", json_real(seconds));
	json_object_set_new(report, "changes_per_second",
	    json_real(seconds > 0
			  ? (double)work->counts[ACKED_CHANGES] / seconds
			  : 0));
	if (json_dumpf(report, stdout, JSON_REAL_PRECISION(6)) != 0 ||
	    putchar('\n') == EOF || fflush(stdout) != 0)
		sim_die("cannot write the report: %s", strerror(errno));
	json_decref(report);
	return unresolved == 0 && work->counts[BAD_ACCEPTED] == 0 &&
	       work->counts[ACKED_PAGES] == plan->pages;
}
