/*
 * Sets while something fails once: an allocation, or a call that writes. A
 * page that is not answered is sent again, as its source does; what was posted
 * has arrived, whether that is known or not. In the end each member is at the
 * destination what the last page says of it, and the ledger agrees.
 */

#include "calls.h"
#include "fault_help.h"
#include "memory.h"

#include "queue/admin.h"

#include "base/lock.h"

#include <errno.h>

enum { PEOPLE = 8, PAGES = 6, TRIES = 200 };

/* In the order in which they come first; a sync is two of them. */
static const struct {
	const char *sync;
	unsigned number;
	const char *changes[PEOPLE + 1];
} pages[PAGES] = {
    {"a", 1, {"+0", "+1", "+2", "+3", NULL}},
    {"b", 1, {"-0", "+4", "+1", NULL}},
    {"a", 2, {"+5", "-6", "+4", NULL}},
    {"c", 1, {"+0", "-1", "-5", NULL}},
    {"b", 2, {"-2", "+6", "-3", NULL}},
    {"c", 2, {"+3", "-4", "+7", NULL}},
};
static const char truth[PEOPLE + 1] = "+--+--++";

struct story {
	struct queue *queue;
	int64_t destination, now_ms;
	char there[PEOPLE + 1]; /* at the destination */
	bool (*end_fault)(void);
	bool struck;
};

static bool
story_open(struct story *story, const char *dir, struct err *reterr)
{
	struct queue_destination found;
	struct queue_settings settings;

	queue_settings_init(&settings);
	settings.dir = dir;
	settings.reserve_bytes = 16384;
	settings.min_free_bytes = 1;
	settings.window_events = 1000;
	settings.reopen_ms = 0;
	story->queue = NULL;
	if (!queue_open(&settings, &story->queue, reterr))
		return false;
	if (!queue_start(story->queue, reterr) ||
	    !queue_destination_open(story->queue, "to", &found, reterr)) {
		queue_stop(story->queue);
		queue_close(story->queue);
		story->queue = NULL;
		return false;
	}
	story->destination = found.id;
	queue_destination_fini(&found);
	return true;
}

static void
story_close(struct story *story)
{
	queue_stop(story->queue);
	queue_close(story->queue);
	story->queue = NULL;
}

/* It is over: from now on everything works. */
static void
story_end_fault(struct story *story)
{
	story->struck = story->end_fault() || story->struck;
}

/* ---- pages ---- */

struct answer {
	struct lock lock;
	struct cond ready;
	bool done, ok;
};

static void
answer_done(
    void *arg, const struct queue_receipt *receipt, const struct err *err)
{
	struct answer *answer = arg;

	(void)err;
	lock_hold(&answer->lock);
	answer->ok = receipt != NULL;
	answer->done = true;
	cond_wake(&answer->ready);
	lock_drop(&answer->lock);
}

static bool
page_try(struct story *story, size_t n)
{
	struct item items[PEOPLE];
	const struct queue_page page = {.group = STR("7"),
	    .name = STR("A name"),
	    .sync = str_text(pages[n].sync),
	    .number = pages[n].number,
	    .total = 2};
	struct queue_batch batch = {.source = "from",
	    .destination = "to",
	    .now_ms = story->now_ms,
	    .items = items,
	    .page = &page};
	struct answer answer = {.done = false};
	struct err err;
	bool ok;

	for (size_t i = 0; pages[n].changes[i] != NULL; i++)
		items[batch.count++] = (struct item){.fate = ITEM_QUEUE,
		    .type = page.group,
		    .data = str_text(pages[n].changes[i])};
	lock_init(&answer.lock);
	cond_init(&answer.ready);
	ok = queue_put(story->queue, &batch, answer_done, &answer, &err);
	lock_hold(&answer.lock);
	while (ok && !answer.done)
		cond_wait(&answer.ready, &answer.lock, INT64_MAX / 2);
	lock_drop(&answer.lock);
	lock_fini(&answer.lock);
	cond_fini(&answer.ready);
	return ok && answer.ok;
}

/* Until it is answered, as its source does. */
static bool
page_send(struct story *story, size_t n)
{
	for (int i = 0; i < TRIES; i++) {
		if (page_try(story, n))
			return true;
		story_end_fault(story);
	}
	return false;
}

/* ---- deliveries ---- */

static void
arrive(struct story *story, struct queue_item *item, bool sure)
{
	story->there[item->data.data[1] - '0'] = item->data.data[0];
	item->outcome = sure ? QUEUE_DELIVERED : QUEUE_DEFERRED;
	item->unsure = true;
	item->due_ms = story->now_ms + 1;
}

/* What is due arrives; of some of it that is not known. */
static void
deliver(struct story *story, bool sure)
{
	struct queue_want want = {
	    .destination = story->destination, .bytes = 1 << 20};
	struct queue_lease *lease = NULL, *next;
	struct err err;

	story->now_ms += 100 * 1000;
	if (!queue_take(story->queue, &want, 1, story->now_ms, &lease, &err))
		return;
	for (; lease != NULL; lease = next) {
		next = lease->next;
		if (queue_post(
			story->queue, &lease, 1, str_text("rules"), &err)) {
			for (size_t i = 0; i < lease->count; i++)
				arrive(story, &lease->items[i],
				    sure || i % 2 == 0);
			(void)!queue_settle(
			    story->queue, &lease, 1, story->now_ms, &err);
		}
		queue_lease_free(story->queue, lease);
	}
}

static int64_t
queued(struct story *story)
{
	struct stats_totals totals;

	stats_totals(story->queue, &totals);
	return totals.events.queued;
}

/* Nothing fails any more, and nothing is left. */
static bool
drain(struct story *story)
{
	for (int i = 0; i < TRIES; i++) {
		deliver(story, true);
		if (queued(story) == 0)
			return true;
		(void)!page_try(story, 0); /* it wakes up a broken store */
	}
	return false;
}

/* ---- the whole ---- */

static void
text(void *arg, const char *fault)
{
	(void)arg;
	print_error("%s\n", fault);
}

static bool
play(struct story *story)
{
	for (size_t n = 0; n < PAGES; n++) {
		if (!page_send(story, n))
			return false;
		if (n % 2 == 1)
			deliver(story, false);
	}
	story_end_fault(story);
	for (size_t n = 0; n < PAGES; n++) {
		if (!page_send(story, n))
			return false;
	}
	return drain(story);
}

static bool
sound(struct story *story)
{
	struct stats_totals totals;
	bool agree = false;
	struct err err;

	stats_totals(story->queue, &totals);
	return stats_check(story->queue, text, NULL, &agree, &err) && agree &&
	       stats_imbalance(&totals.events) == 0 &&
	       strcmp(story->there, truth) == 0;
}

static void
wrong(struct places *places, const struct story *story, long nth,
    const char *what)
{
	places_keep(places);
	fail_msg("the %ldth failing: %s; %s is there, and not %s", nth, what,
	    story->there, truth);
}

typedef void arm_fn(long nth);

/* Each of them fails, once, until there are no more. */
static void
try_all(const char *what, arm_fn *arm, bool (*end_fault)(void), long step)
{
	struct places places;
	struct tape tape;
	bool struck = true;
	long nth = 1;

	places_make(&places);
	for (; struck; nth += step) {
		struct story story = {.now_ms = 1764000000000,
		    .end_fault = end_fault,
		    .there = "00000000"};
		struct err err;

		disk_clear(places.dir);
		tape_init(&tape);
		calls_watch(places.dir, &tape);
		if (!story_open(&story, places.dir, &err))
			wrong(&places, &story, nth, err.text);
		arm(nth);
		if (!play(&story))
			wrong(&places, &story, nth, "it does not end");
		if (!sound(&story))
			wrong(&places, &story, nth, "it is wrong");
		story_close(&story);
		if (!story_open(&story, places.dir, &err))
			wrong(&places, &story, nth, err.text);
		if (!sound(&story))
			wrong(&places, &story, nth, "opened again");
		story_close(&story);
		struck = story.struck;
		calls_watch(NULL, NULL);
		tape_fini(&tape);
	}
	print_message("%s: up to the %ldth\n", what, nth);
	places_remove(&places);
}

static void
arm_own(long nth)
{
	memory_fail(MEMORY_OWN, nth, false);
}

static void
arm_sqlite(long nth)
{
	memory_fail(MEMORY_SQLITE, nth, false);
}

static void
arm_write(long nth)
{
	calls_fail(CALL_WRITE, nth, EIO, false);
}

static void
arm_sync(long nth)
{
	calls_fail(CALL_SYNC, nth, EIO, false);
}

static void
test_no_memory(void **state)
{
	(void)state;
	try_all("no memory for us", arm_own, memory_disarm, 1);
	try_all("no memory for SQLite", arm_sqlite, memory_disarm,
	    fault_is_long() ? 1 : 29);
}

static void
test_calls(void **state)
{
	(void)state;
	try_all("writes", arm_write, calls_disarm, fault_is_long() ? 1 : 3);
	try_all("syncs", arm_sync, calls_disarm, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_memory),
	    cmocka_unit_test(test_calls),
	};

	fault_quiet();
	memory_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
