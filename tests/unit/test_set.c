/* Sets: what is handed out of pages, what is dropped, held, sent again and
 * forgotten, and what is shown of it. */

#include "set_help.h"

#include "base/clock.h"
#include "queue/set.h"

/* ---- words ---- */

static void
test_only_last_words_are_handed_out(void **state)
{
	struct fixture *fixture = *state;
	const struct page first = {"7", "a", 1, 2, "+ann +bob -cat"};
	const struct page second = {"7", "a", 2, 2, "-ann +dan"};
	struct stats_line line;

	(void)page_put(fixture->queue, &first, 1000);
	(void)page_put(fixture->queue, &second, 1001);
	set_expect(fixture, 2000, "7:+bob 7:-cat 7:-ann 7:+dan");
	line = totals(fixture);
	assert_int_equal(line.received, 5);
	assert_int_equal(line.delivered, 4);
	assert_int_equal(line.dropped, 1);
	assert_int_equal(line.queued, 0);
}

static void
test_a_late_page_does_not_overtake(void **state)
{
	struct fixture *fixture = *state;
	const struct page early = {"7", "a", 1, 2, "+ann"};
	const struct page late = {"7", "a", 2, 2, "+bob +cat"};
	const struct page next = {"7", "b", 1, 1, "-bob"};

	(void)page_put(fixture->queue, &early, 1000);
	(void)page_put(fixture->queue, &next, 1001);
	set_expect(fixture, 2000, "7:+ann 7:-bob");
	(void)page_put(fixture->queue, &late, 3000);
	set_expect(fixture, 4000, "7:+cat");
	/* and not after a restart either */
	reopen(fixture);
	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 3, 2, "+bob"}, 5000);
	set_expect(fixture, 6000, "");
}

static void
test_what_was_sent_is_no_change(void **state)
{
	struct fixture *fixture = *state;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+ann -bob"}, 1000);
	set_expect(fixture, 2000, "7:+ann 7:-bob");
	(void)page_put(fixture->queue,
	    &(struct page){"7", "b", 1, 1, "+ann -bob +cat"}, 3000);
	reopen(fixture);
	set_expect(fixture, 4000, "7:+cat");
	assert_int_equal(totals(fixture).dropped, 2);
}

/* Another group, or source, is another thing. */
static void
test_groups_are_apart(void **state)
{
	struct fixture *fixture = *state;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+ann"}, 1000);
	(void)page_put(
	    fixture->queue, &(struct page){"8", "a", 1, 1, "-ann"}, 1000);
	set_expect(fixture, 2000, "7:+ann 8:-ann");
}

static void
test_a_page_comes_once(void **state)
{
	struct fixture *fixture = *state;
	const struct page page = {"7", "a", 1, 2, "+ann !bob"};
	struct queue_receipt receipt;

	receipt = page_put(fixture->queue, &page, 1000);
	assert_int_equal(receipt.queued, 1);
	assert_int_equal(receipt.dead, 1);
	set_expect(fixture, 1500, "7:+ann");
	reopen(fixture);
	receipt = page_put(fixture->queue, &page, 2000);
	assert_int_equal(receipt.received, 2);
	assert_int_equal(receipt.duplicates, 2);
	set_expect(fixture, 3000, "");
	/* without a number it is another one, which changes nothing */
	receipt = page_put(
	    fixture->queue, &(struct page){"7", "", 0, 0, "+ann"}, 4000);
	assert_int_equal(receipt.queued, 1);
	set_expect(fixture, 5000, "");
	assert_int_equal(totals(fixture).dead, 1);
}

static void
test_the_last_word_of_a_page(void **state)
{
	struct fixture *fixture = *state;
	struct queue_receipt receipt = page_put(fixture->queue,
	    &(struct page){"7", "a", 1, 1, "+ann +bob -ann"}, 1000);

	assert_int_equal(receipt.dropped, 1);
	assert_int_equal(receipt.queued, 2);
	set_expect(fixture, 2000, "7:+bob 7:-ann");
}

/* ---- one at a time ---- */

static void
test_a_member_is_on_lease_once(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+ann +bob"}, 1000);
	lease = set_take(fixture, 0, 1000);
	assert_int_equal(lease->count, 2);
	set_post(fixture, lease);
	(void)page_put(
	    fixture->queue, &(struct page){"7", "b", 1, 1, "-ann +cat"}, 1000);
	set_expect(fixture, 1000, "7:+cat");
	settle_all(fixture, lease, QUEUE_DELIVERED, 0);
	queue_lease_free(fixture->queue, lease);
	set_expect(fixture, 1999, "");
	set_expect(fixture, 3000, "7:-ann");
}

static void
test_a_lease_that_is_freed_is_due_again(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+ann +bob"}, 1000);
	lease = set_take(fixture, 0, 1000);
	lease->items[1].outcome = QUEUE_DELIVERED;
	settle(fixture, lease);
	queue_lease_free(fixture->queue, lease);
	set_expect(fixture, 1000, "7:+ann");
}

static void
test_a_member_is_held_after_it_was_sent(void **state)
{
	struct fixture *fixture = *state;
	char *text;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+ann"}, 1000);
	set_expect(fixture, 10000, "7:+ann");
	(void)page_put(
	    fixture->queue, &(struct page){"7", "b", 1, 1, "-ann +bob"}, 10001);
	text = set_deliver(fixture, QUEUE_DELIVERED, 5000, 10002);
	assert_string_equal(text, "7:+bob");
	free(text);
	/* a newer word takes its place meanwhile */
	(void)page_put(
	    fixture->queue, &(struct page){"7", "c", 1, 1, "+ann"}, 10003);
	text = set_deliver(fixture, QUEUE_DELIVERED, 5000, 15000);
	assert_string_equal(text, "7:+ann");
	free(text);
	set_expect(fixture, 99999, "");
}

/* More than may be settled at once. */
static void
test_a_large_page(void **state)
{
	enum { COUNT = 3 * SET_SLICE + 7 };
	struct fixture *fixture = *state;
	char *changes = calloc(COUNT, 8), *text;
	struct stats_group group;
	size_t len = 0;

	for (int i = 0; i < COUNT; i++)
		len += (size_t)sprintf(changes + len, "+%d ", i);
	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, changes}, 1000);
	text = set_deliver(fixture, QUEUE_DEFERRED, 0, 1000);
	assert_true(strlen(text) > COUNT * 3);
	free(text);
	assert_int_equal(set_group_only(fixture).waiting, COUNT);
	reopen(fixture);
	text = set_deliver(fixture, QUEUE_DELIVERED, 0, 2000);
	assert_true(strlen(text) > COUNT * 3);
	group = set_group_only(fixture);
	assert_int_equal(group.sent, COUNT);
	assert_int_equal(group.wanted, COUNT);
	assert_int_equal(group.waiting, 0);
	free(text);
	free(changes);
}

/* A holder that tries one of what is fresh posts it: it is a last word, too. */
static void
test_what_is_tried_is_a_last_word(void **state)
{
	struct fixture *fixture = *state;
	int64_t after = 0;
	struct queue_want want = {.destination = fixture->destination,
	    .bytes = 1,
	    .after_seq = &after};
	struct queue_lease *leases = NULL;
	struct err err;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 2, "+bob"}, 1000);
	(void)page_put(
	    fixture->queue, &(struct page){"7", "b", 1, 1, "-ann"}, 1000);
	set_expect(fixture, 1000, "7:+bob 7:-ann");
	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 2, 2, "+ann"}, 2000);
	/* what is only looked at stays as it is */
	want.trial = true;
	assert_true(queue_take(fixture->queue, &want, 1, 2000, &leases, &err));
	assert_int_equal(leases->count, 1);
	queue_lease_free(fixture->queue, leases);
	assert_int_equal(totals(fixture).queued, 1);
	want.trial = false;
	after = 0;
	assert_true(queue_take(fixture->queue, &want, 1, 2000, &leases, &err));
	assert_null(leases);
	assert_int_equal(totals(fixture).queued, 0);
}

/* ---- what was refused ---- */

static void
test_a_dead_letter_goes_again(void **state)
{
	struct fixture *fixture = *state;
	struct jobs_walk job = {.cursor.place = JOBS_DEAD};
	char *text;
	struct err err;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+ann +bob"}, 1000);
	text = set_deliver(fixture, QUEUE_DEAD, 0, 2000);
	free(text);
	assert_int_equal(totals(fixture).dead, 2);
	assert_int_equal(set_group_only(fixture).dead, 2);
	/* bob has left meanwhile: his letter is not the last word */
	(void)page_put(
	    fixture->queue, &(struct page){"7", "b", 1, 1, "-bob"}, 3000);
	set_expect(fixture, 4000, "7:-bob");
	do
		assert_true(jobs_requeue(fixture->queue, &job, &err));
	while (job.more);
	set_expect(fixture, 5000, "7:+ann");
	assert_int_equal(totals(fixture).dead, 0);
}

/* The ledger has no line for so long a name; the letter has it all the same. */
static void
test_a_dead_letter_keeps_its_group(void **state)
{
	struct fixture *fixture = *state;
	struct jobs_walk job = {.cursor.place = JOBS_DEAD};
	struct page page = {NULL, "a", 1, 1, "+ann"};
	char group[1001] = "", *text;
	struct err err;

	memset(group, 'g', sizeof(group) - 1);
	page.group = group;
	(void)page_put(fixture->queue, &page, 1000);
	free(set_deliver(fixture, QUEUE_DEAD, 0, 2000));
	do
		assert_true(jobs_requeue(fixture->queue, &job, &err));
	while (job.more);
	text = set_deliver(fixture, QUEUE_DELIVERED, 0, 3000);
	assert_int_equal(strncmp(text, group, 1000), 0);
	assert_string_equal(text + 1000, ":+ann");
	free(text);
	assert_int_equal(totals(fixture).queued, 0);
	assert_int_equal(totals(fixture).dead, 0);
}

static void
test_what_is_parked_is_released(void **state)
{
	struct fixture *fixture = *state;
	struct err err;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+ann"}, 1000);
	free(set_deliver(fixture, QUEUE_PARKED, 0, 2000));
	set_expect(fixture, 3000, "");
	assert_int_equal(set_group_only(fixture).waiting, 1);
	assert_true(queue_unpark(
	    fixture->queue, fixture->destination, "refused", &err));
	set_expect(fixture, 4000, "7:+ann");
}

/* ---- syncs ---- */

static struct stats_sync
sync_last(struct fixture *fixture)
{
	struct stats_sync list[8] = {{.number = 0}};
	struct err err;

	assert_true(stats_syncs(fixture->queue, set_group_only(fixture).number,
	    set_sync_row, list, &err));
	assert_int_not_equal(list[0].number, 0);
	return list[0];
}

static void
test_a_sync_is_accounted_for(void **state)
{
	struct fixture *fixture = *state;
	struct stats_sync sync;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+ann"}, 1000);
	set_expect(fixture, 1000, "7:+ann");
	(void)page_put(fixture->queue,
	    &(struct page){"7", "b", 2, 3, "+ann -bob +cat -cat !x"}, 2000);
	set_expect(fixture, 2000, "7:-bob 7:-cat");
	(void)page_put(
	    fixture->queue, &(struct page){"7", "b", 1, 3, ""}, 2001);
	sync = sync_last(fixture);
	assert_string_equal(sync.id, "b");
	assert_int_equal(sync.pages, 2);
	assert_int_equal(sync.total, 3);
	assert_int_equal(sync.entered, 1);
	assert_int_equal(sync.left, 2);
	assert_int_equal(sync.delivered, 2);
	assert_int_equal(sync.no_change, 1);
	assert_int_equal(sync.superseded, 1);
	assert_int_equal(sync.dead, 1);
	assert_int_equal(sync.first_ms, 2000);
	assert_int_equal(sync.last_ms, 2001);
	assert_false(sync.incomplete);
	fixture->settings.sync_timeout_ms = 1000;
	reopen(fixture);
	sync = sync_last(fixture);
	assert_true(sync.incomplete);
	assert_int_equal(sync.delivered, 2);
	assert_int_equal(set_group_only(fixture).incomplete, 1);
	/* until a full sync has come */
	(void)page_put(
	    fixture->queue, &(struct page){"7", "c", 1, 1, "+ann"}, 3000);
	assert_int_equal(set_group_only(fixture).incomplete, 0);
	assert_int_equal(set_group_only(fixture).complete_ms, 3000);
}

/* One that bears no number takes no other's: a source may count from 0, or not
 * at all. */
static void
test_a_page_without_a_number_hides_none(void **state)
{
	struct fixture *fixture = *state;
	struct queue_receipt receipt;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 0, 3, "+ann"}, 1000);
	receipt = page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 3, "+bob -ann"}, 1001);
	assert_int_equal(receipt.queued, 2);
	receipt = page_put(
	    fixture->queue, &(struct page){"7", "a", 2, 3, "+cat"}, 1002);
	assert_int_equal(receipt.queued, 1);
	assert_int_equal(sync_last(fixture).pages, 3);
	set_expect(fixture, 2000, "7:+bob 7:-ann 7:+cat");
}

/* So many enter. */
static void
enter(struct fixture *fixture, const char *sync, int count)
{
	char *changes = calloc((size_t)count, 8);
	size_t len = 0;

	for (int i = 0; i < count; i++)
		len += (size_t)sprintf(changes + len, "+%d ", i);
	(void)page_put(
	    fixture->queue, &(struct page){"7", sync, 1, 1, changes}, 1000);
	free(changes);
}

/* A group of so many members, all of them sent. */
static void
fill(struct fixture *fixture, int count)
{
	enter(fixture, "a", count);
	free(set_deliver(fixture, QUEUE_DELIVERED, 0, 1000));
	assert_int_equal(set_group_only(fixture).sent, count);
}

/* So many of them leave, on one page of several. */
static void
leave(struct fixture *fixture, const char *sync, unsigned number,
    unsigned total, int from, int count)
{
	char *changes = calloc((size_t)count, 8);
	size_t len = 0;

	for (int i = from; i < from + count; i++)
		len += (size_t)sprintf(changes + len, "-%d ", i);
	(void)page_put(fixture->queue,
	    &(struct page){"7", sync, number, total, changes}, 2000);
	free(changes);
}

static void
test_a_sync_that_empties_a_group_is_held(void **state)
{
	struct fixture *fixture = *state;
	struct stats_group group;
	size_t syncs;
	struct err err;

	fill(fixture, 1000);
	leave(fixture, "b", 1, 1, 0, 501);
	set_expect(fixture, 3000, "");
	group = set_group_only(fixture);
	assert_int_equal(group.held, 1);
	assert_int_equal(group.sent, 1000);
	assert_int_equal(group.wanted, 499);
	assert_int_equal(group.waiting, 501);
	assert_int_equal(group.complete_ms, 1000);
	reopen(fixture);
	set_expect(fixture, 3000, "");
	/* a holder that has lost what it parked does not release it */
	assert_true(queue_unpark_others(
	    fixture->queue, fixture->destination, NULL, 0, &err));
	set_expect(fixture, 3000, "");
	/* and a newer word is not held up by it */
	(void)page_put(
	    fixture->queue, &(struct page){"7", "c", 1, 1, "-0 -999"}, 3000);
	set_expect(fixture, 3000, "7:-0 7:-999");
	assert_true(jobs_release(fixture->queue, group.number, &syncs, &err));
	assert_int_equal(syncs, 1);
	free(set_deliver(fixture, QUEUE_DELIVERED, 0, 4000));
	group = set_group_only(fixture);
	assert_int_equal(group.held, 0);
	assert_int_equal(group.sent, 498);
	assert_int_equal(group.waiting, 0);
}

static void
test_what_is_held_is_what_is_queued(void **state)
{
	struct fixture *fixture = *state;

	fill(fixture, 1000);
	leave(fixture, "b", 1, 2, 0, 501);
	(void)page_put(fixture->queue,
	    &(struct page){"7", "b", 2, 2, "+ann !x !y !z -ann"}, 2000);
	assert_int_equal(set_group_only(fixture).held, 1);
	assert_int_equal(set_group_only(fixture).held_changes, 502);
	reopen(fixture);
	assert_int_equal(set_group_only(fixture).held_changes, 502);
}

/* A sync of all members that waits makes them no more than they are. */
static void
test_who_enters_again_does_not_loosen_the_brake(void **state)
{
	struct fixture *fixture = *state;

	fill(fixture, 1000);
	enter(fixture, "b", 1000);
	leave(fixture, "c", 1, 1, 0, 501);
	assert_int_equal(set_group_only(fixture).held, 1);
	reopen(fixture);
	free(set_deliver(fixture, QUEUE_DELIVERED, 0, 3000));
	assert_int_equal(set_group_only(fixture).sent, 1000);
}

/* Out of quarantine everything is due, but for what is held. */
static void
test_a_held_page_comes_back_from_quarantine(void **state)
{
	struct fixture *fixture = *state;
	struct stats_group group;
	size_t syncs;
	struct err err;

	fill(fixture, 3000);
	leave(fixture, "b", 1, 1, 0, 1501);
	group = set_group_only(fixture);
	batches_move(fixture, 100);
	assert_true(jobs_release(fixture->queue, group.number, &syncs, &err));
	assert_null(set_take(fixture, 0, 3000));
	batches_move(fixture, -100);
	leave(fixture, "c", 1, 1, 0, 1502);
	assert_int_equal(set_group_only(fixture).held, 1);
	batches_move(fixture, 100);
	assert_true(queue_unpark(fixture->queue, fixture->destination,
	    "\x01"
	    "1.3",
	    &err));
	assert_null(set_take(fixture, 0, 3000));
	batches_move(fixture, -100);
	reopen(fixture);
	/* the first one was released; the other one is still held */
	free(set_deliver(fixture, QUEUE_DELIVERED, 0, 4000));
	group = set_group_only(fixture);
	assert_int_equal(group.held, 1);
	assert_int_equal(group.sent, 3000);
	assert_int_equal(group.waiting, 1502);
	assert_true(jobs_release(fixture->queue, group.number, &syncs, &err));
	assert_int_equal(syncs, 1);
	free(set_deliver(fixture, QUEUE_DELIVERED, 0, 4000));
	assert_int_equal(set_group_only(fixture).sent, 1498);
}

static void
test_half_of_a_group_may_change(void **state)
{
	struct fixture *fixture = *state;

	fill(fixture, 1000);
	leave(fixture, "b", 1, 1, 0, 500);
	assert_int_equal(set_group_only(fixture).held, 0);
	free(set_deliver(fixture, QUEUE_DELIVERED, 0, 3000));
	assert_int_equal(set_group_only(fixture).sent, 500);
}

/* The first page says that much will change; the sync as a whole does not. */
static void
test_a_guess_is_mended_by_the_last_page(void **state)
{
	struct fixture *fixture = *state;

	fill(fixture, 1000);
	leave(fixture, "b", 1, 2, 0, 300);
	assert_int_equal(set_group_only(fixture).held, 1);
	set_expect(fixture, 3000, "");
	leave(fixture, "b", 2, 2, 300, 1);
	assert_int_equal(set_group_only(fixture).held, 0);
	free(set_deliver(fixture, QUEUE_DELIVERED, 0, 3000));
	assert_int_equal(set_group_only(fixture).sent, 699);
}

static void
test_small_groups_and_first_syncs_are_not_held(void **state)
{
	struct fixture *fixture = *state;

	fill(fixture, 999);
	leave(fixture, "b", 1, 1, 0, 999);
	assert_int_equal(set_group_only(fixture).held, 0);
	fixture->settings.hold_over = 0;
	reopen(fixture);
	free(set_deliver(fixture, QUEUE_DELIVERED, 0, 3000));
	assert_int_equal(set_group_only(fixture).sent, 0);
}

/* ---- sending again ---- */

static void
again(struct fixture *fixture, bool retire)
{
	struct jobs_group job = {.group = set_group_only(fixture).number};
	struct err err;

	do
		assert_true(jobs_resend(fixture->queue, &job, retire, &err));
	while (job.more);
}

static void
test_resend(void **state)
{
	struct fixture *fixture = *state;
	struct stats_group group;
	char *text;

	(void)page_put(fixture->queue,
	    &(struct page){"7", "a", 1, 1, "+ann -bob +cat"}, 1000);
	set_expect(fixture, 1000, "7:+ann 7:-bob 7:+cat");
	(void)page_put(
	    fixture->queue, &(struct page){"7", "b", 1, 1, "-cat"}, 2000);
	again(fixture, false);
	group = set_group_only(fixture);
	assert_int_equal(group.sent, 0);
	assert_int_equal(group.waiting, 3);
	assert_int_equal(group.wanted, 1);
	assert_false(group.retired);
	text = set_deliver(fixture, QUEUE_DELIVERED, 0, clock_wall_ms());
	assert_int_equal(strncmp(text, "7:-cat ", 7), 0);
	assert_non_null(strstr(text, "7:+ann"));
	assert_non_null(strstr(text, "7:-bob"));
	free(text);
	assert_int_equal(set_group_only(fixture).sent, 1);
	/* once is enough */
	set_expect(fixture, clock_wall_ms(), "");
}

/* The rest of a sync that began before is news all the same. */
static void
test_resend_amid_a_sync(void **state)
{
	struct fixture *fixture = *state;

	(void)page_put(fixture->queue,
	    &(struct page){"7", "a", 1, 1, "+ann +bob +cat"}, 1000);
	set_expect(fixture, 1000, "7:+ann 7:+bob 7:+cat");
	(void)page_put(
	    fixture->queue, &(struct page){"7", "b", 1, 3, "-cat"}, 2000);
	set_expect(fixture, 2000, "7:-cat");
	again(fixture, false);
	/* while it waits, and once it was sent */
	(void)page_put(
	    fixture->queue, &(struct page){"7", "b", 2, 3, "-ann"}, 3000);
	free(set_deliver(fixture, QUEUE_DELIVERED, 0, clock_wall_ms()));
	(void)page_put(
	    fixture->queue, &(struct page){"7", "b", 3, 3, "-bob"}, 4000);
	free(set_deliver(fixture, QUEUE_DELIVERED, 0, clock_wall_ms()));
	assert_int_equal(set_group_only(fixture).sent, 0);
	assert_int_equal(set_group_only(fixture).wanted, 0);
	assert_int_equal(totals(fixture).queued, 0);
}

static void
test_retire(void **state)
{
	struct fixture *fixture = *state;
	int64_t now_ms = clock_wall_ms();
	char *text;

	(void)page_put(fixture->queue,
	    &(struct page){"7", "a", 1, 1, "+ann -bob +cat"}, 1000);
	set_expect(fixture, 1000, "7:+ann 7:-bob 7:+cat");
	/* what waits is overtaken, too */
	(void)page_put(
	    fixture->queue, &(struct page){"7", "b", 1, 1, "+dan +ann"}, 2000);
	assert_int_equal(set_group_only(fixture).wanted, 4);
	again(fixture, true);
	assert_int_equal(set_group_only(fixture).sent, 0);
	assert_int_equal(set_group_only(fixture).wanted, 1); /* dan's */
	text = set_deliver(fixture, QUEUE_DELIVERED, 0, now_ms);
	assert_true(set_group_only(fixture).retired);
	assert_non_null(strstr(text, "7:-ann"));
	assert_non_null(strstr(text, "7:-cat"));
	assert_null(strstr(text, "+"));
	assert_null(strstr(text, "bob"));
	free(text);
	assert_int_equal(set_group_only(fixture).sent, 0);
	assert_int_equal(set_group_only(fixture).wanted, 0);
	assert_int_equal(totals(fixture).queued, 0);
	/* and a segment that is switched on again begins anew */
	(void)page_put(
	    fixture->queue, &(struct page){"7", "c", 1, 1, "+ann"}, now_ms);
	set_expect(fixture, now_ms, "7:+ann");
	assert_false(set_group_only(fixture).retired);
}

/* Who enters though the group is retired, because that was on its way, leaves
 * again. */
static void
test_retire_amid_a_request(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+ann -bob"}, 1000);
	lease = set_take(fixture, 0, 1000);
	assert_int_equal(lease->count, 2);
	set_post(fixture, lease);
	again(fixture, true);
	settle_all(fixture, lease, QUEUE_DELIVERED, 0);
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(set_group_only(fixture).wanted, 0);
	assert_int_equal(set_group_only(fixture).waiting, 1);
	set_expect(fixture, clock_wall_ms(), "7:-ann");
	assert_int_equal(set_group_only(fixture).sent, 0);
	assert_int_equal(totals(fixture).queued, 0);
}

/* And who may have entered. */
static void
test_retire_what_may_have_been_sent(void **state)
{
	struct fixture *fixture = *state;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+ann +bob"}, 1000);
	free(set_deliver(fixture, QUEUE_DEFERRED, 0, 1000));
	again(fixture, true);
	reopen(fixture);
	assert_null(set_take(fixture, 0, 2000));
	assert_true(set_group_only(fixture).retired);
	set_expect(fixture, clock_wall_ms(), "7:-ann 7:-bob");
	assert_int_equal(totals(fixture).queued, 0);
}

static void
test_an_archived_page_is_not_replayed(void **state)
{
	struct fixture *fixture = *state;
	struct jobs_walk job = {.cursor.place = JOBS_ARCHIVE};
	struct err err;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+ann +bob"}, 1000);
	set_expect(fixture, 1000, "7:+ann 7:+bob");
	do
		assert_true(jobs_replay(fixture->queue, &job, NULL, &err));
	while (job.more);
	assert_int_equal(job.matched, 0);
	assert_int_equal(job.changes, 2);
}

/* ---- people ---- */

struct seen {
	size_t count;
	struct stats_member last;
};

static bool
see(void *arg, const struct stats_member *member)
{
	struct seen *seen = arg;

	seen->count++;
	seen->last = *member;
	return true;
}

static void
test_a_person_is_shown_and_forgotten(void **state)
{
	struct fixture *fixture = *state;
	const struct str ann = STR("ann"), nobody = STR("nobody");
	struct seen seen = {.count = 0};
	size_t members;
	struct err err;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+ann"}, 1000);
	(void)page_put(
	    fixture->queue, &(struct page){"8", "a", 1, 1, "+ann +bob"}, 1000);
	set_expect(fixture, 2000, "7:+ann 8:+ann 8:+bob");
	(void)page_put(
	    fixture->queue, &(struct page){"8", "b", 1, 1, "-ann"}, 3000);
	assert_true(stats_person(fixture->queue, &ann, 1, see, &seen, &err));
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.last.sent, ENGINE_SENT_IN);
	assert_int_equal(seen.last.sent_ms, 2000);
	assert_true(seen.last.waiting);
	assert_false(seen.last.wanted);
	assert_true(
	    jobs_erase_members(fixture->queue, &ann, 1, &members, &err));
	assert_int_equal(members, 2);
	assert_true(
	    jobs_erase_members(fixture->queue, &nobody, 1, &members, &err));
	assert_int_equal(members, 0);
	seen.count = 0;
	assert_true(stats_person(fixture->queue, &ann, 1, see, &seen, &err));
	assert_int_equal(seen.count, 1); /* the change that waits */
}

static bool
is_ann(void *arg, const struct jobs_event *event)
{
	(void)arg;
	return str_equal_text(event->data, "-ann");
}

static void
test_an_erased_change_does_not_wait(void **state)
{
	struct fixture *fixture = *state;
	struct jobs_walk job = {.cursor.place = JOBS_QUEUED, .match = is_ann};
	struct err err;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "-ann +bob"}, 1000);
	do
		assert_true(jobs_erase(fixture->queue, &job, &err));
	while (job.more);
	assert_int_equal(set_group_only(fixture).waiting, 1);
	assert_int_equal(totals(fixture).erased, 1);
	set_expect(fixture, 2000, "7:+bob");
}

static void
member_of(struct str type, struct str data, queue_person_fn *fn, void *fn_arg)
{
	struct str member;
	bool wanted;

	(void)type;
	if (item_change_read(data, &member, &wanted))
		fn(fn_arg, member);
}

/* A page that was handed over before somebody was erased, and is written
 * afterwards. */
static void
test_a_change_is_erased_while_its_page_waits(void **state)
{
	struct fixture *fixture = *state;
	const struct str ann = STR("ann");
	const struct item items[] = {
	    {.type = STR("7"), .data = STR("+ann")},
	    {.type = STR("7"), .data = STR("+bob")},
	};
	const struct queue_page page = {.group = STR("7")};
	const struct queue_batch batch = {.source = "heap",
	    .destination = "heap",
	    .now_ms = 1,
	    .items = items,
	    .count = 2,
	    .page = &page};
	struct answer answer;
	struct err err;

	queue_test_close(fixture->queue);
	fixture->settings.persons = member_of;
	assert_true(queue_open(&fixture->settings, &fixture->queue, &err));
	fixture->destination = destination_test_open(fixture->queue, "heap");
	answer_init(&answer);
	assert_true(
	    queue_put(fixture->queue, &batch, answer_done, &answer, &err));
	assert_true(jobs_suppress(fixture->queue, &ann, 1, &err));
	assert_true(queue_start(fixture->queue, &err));
	assert_true(answer_wait(&answer));
	assert_int_equal(answer.receipt.dropped, 1);
	set_expect(fixture, 2000, "7:+bob");
	assert_int_equal(set_group_only(fixture).waiting, 0);
}

/* On lease while it is erased: what came of it does not count. */
static void
test_a_change_is_erased_on_lease(void **state)
{
	struct fixture *fixture = *state;
	struct jobs_walk job = {.cursor.place = JOBS_QUEUED, .match = is_ann};
	struct queue_lease *lease;
	struct err err;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "-ann +bob"}, 1000);
	lease = set_take(fixture, 0, 1000);
	do
		assert_true(jobs_erase(fixture->queue, &job, &err));
	while (job.more);
	settle_all(fixture, lease, QUEUE_DELIVERED, 0);
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(totals(fixture).erased, 1);
	assert_int_equal(totals(fixture).delivered, 1);
	(void)page_put(
	    fixture->queue, &(struct page){"7", "b", 1, 1, "+ann"}, 2000);
	set_expect(fixture, 2000, "7:+ann");
}

/* ---- housekeeping ---- */

static size_t
members_of(struct fixture *fixture)
{
	struct jobs_group job = {.group = set_group_only(fixture).number};
	struct seen seen = {.count = 0};
	struct err err;

	do
		assert_true(
		    jobs_members(fixture->queue, &job, see, &seen, &err));
	while (job.more);
	return seen.count;
}

/* Have the housekeeping do all that it has to do. */
static void
tidy(struct fixture *fixture)
{
	fair_lock_hold(&fixture->queue->lock);
	for (int i = 0; i < 4; i++)
		set_tidy(fixture->queue, INT64_MAX / 2);
	fair_lock_drop(&fixture->queue->lock);
}

static void
test_members_that_left_are_forgotten(void **state)
{
	struct fixture *fixture = *state;
	int64_t now_ms = clock_wall_ms();

	(void)page_put(fixture->queue,
	    &(struct page){"7", "a", 1, 1, "+ann -bob -cat"}, now_ms);
	set_expect(fixture, now_ms, "7:+ann 7:-bob 7:-cat");
	assert_int_equal(members_of(fixture), 3);
	fixture->settings.keep_left_ms = -3600 * 1000;
	queue_test_close(fixture->queue);
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->destination = destination_test_open(fixture->queue, "heap");
	tidy(fixture);
	assert_int_equal(members_of(fixture), 1);
	assert_int_equal(set_group_only(fixture).sent, 1);
}

/* What was sent of a member is what an older change of it is judged by. */
static void
test_members_are_kept_for_older_changes(void **state)
{
	struct fixture *fixture = *state;
	struct jobs_walk job = {.cursor.place = JOBS_DEAD};
	int64_t now_ms = clock_wall_ms();
	struct err err;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+ann"}, now_ms);
	free(set_deliver(fixture, QUEUE_DEAD, 0, now_ms));
	(void)page_put(
	    fixture->queue, &(struct page){"7", "b", 1, 1, "+bob"}, now_ms);
	free(set_deliver(fixture, QUEUE_DEFERRED, 0, now_ms));
	(void)page_put(fixture->queue,
	    &(struct page){"7", "c", 1, 1, "-ann -bob"}, now_ms);
	set_expect(fixture, now_ms, "7:-ann 7:-bob");
	fixture->settings.keep_left_ms = -3600 * 1000;
	reopen(fixture);
	tidy(fixture);
	do
		assert_true(jobs_requeue(fixture->queue, &job, &err));
	while (job.more);
	assert_int_equal(set_group_only(fixture).dead, 0);
	reopen(fixture);
	tidy(fixture);
	set_expect(fixture, now_ms + 1000, "");
	reopen(fixture);
	tidy(fixture);
	assert_int_equal(members_of(fixture), 0);
}

/* ---- names of destinations ---- */

/* Open it, and give a destination another name before it is started. */
static bool
rename_to(struct fixture *fixture, const char *from, const char *to,
    struct err *reterr)
{
	bool ok;

	queue_test_close(fixture->queue);
	assert_true(queue_open(&fixture->settings, &fixture->queue, reterr));
	ok = queue_destination_rename(fixture->queue, from, to, reterr);
	assert_true(
	    queue_start(fixture->queue, ok ? reterr : &(struct err){0}));
	fixture->destination =
	    destination_test_open(fixture->queue, ok ? to : "heap");
	return ok;
}

/* Under each name syncs are counted from 1: which word is the last of both is
 * not known. */
static void
test_two_destinations_with_a_group_do_not_become_one(void **state)
{
	struct fixture *fixture = *state;
	struct err err;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+bob"}, 1000);
	(void)page_put(
	    fixture->queue, &(struct page){"7", "b", 1, 1, "+ann"}, 1001);
	assert_true(rename_to(fixture, "heap", "old", &err));
	(void)page_put(
	    fixture->queue, &(struct page){"7", "c", 1, 1, "-ann"}, 1002);
	assert_false(rename_to(fixture, "old", "heap", &err));
	assert_int_equal(err.code, ERR_CONFIG);
	set_expect(fixture, 2000, "7:-ann");
	assert_int_equal(totals(fixture).queued, 2);
	(void)page_put(
	    fixture->queue, &(struct page){"8", "a", 1, 1, "+ann"}, 3000);
	assert_true(rename_to(fixture, "old", "other", &err));
	set_expect(fixture, 4000, "7:+bob 7:+ann");
}

/* ---- limits, and trouble ---- */

static void
test_too_many_groups(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;

	fixture->settings.groups_max = 1;
	reopen(fixture);
	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+ann"}, 1000);
	assert_false(page_try(fixture->queue,
	    &(struct page){"8", "a", 1, 1, "+ann"}, 1000, &answer));
	assert_int_equal(answer.err.code, ERR_LIMIT);
	set_expect(fixture, 2000, "7:+ann");
}

static void
test_what_a_holder_saves_of_a_group(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct err err;

	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+ann"}, 1000);
	lease = set_take(fixture, 0, 1000);
	assert_true(str_equal_text(lease->group->id, "7"));
	assert_true(str_equal_text(lease->group->name, "A name"));
	assert_int_equal(lease->group->label.len, 0);
	assert_int_equal(lease->group->first_ms, 1000);
	assert_true(queue_group_save(fixture->queue, fixture->destination,
	    lease->group->number, str_text("kind"), str_text("label"),
	    str_text("A name"), &err));
	assert_false(queue_group_save(fixture->queue, fixture->destination, 99,
	    str_text("kind"), str_text("label"), str_text(""), &err));
	assert_int_equal(err.code, ERR_NOT_FOUND);
	queue_lease_free(fixture->queue, lease);
	reopen(fixture);
	lease = set_take(fixture, 0, 1000);
	assert_true(str_equal_text(lease->group->kind, "kind"));
	assert_true(str_equal_text(lease->group->label, "label"));
	assert_true(str_equal_text(lease->group->announced, "A name"));
	queue_lease_free(fixture->queue, lease);
}

static void
probe(struct fixture *fixture)
{
	struct answer answer;
	struct err err;

	answer_init(&answer);
	assert_true(queue_probe(fixture->queue, 1, answer_done, &answer, &err));
	assert_true(answer_wait(&answer));
}

static void
group_sql(struct fixture *fixture, const char *sql)
{
	fair_lock_hold(&fixture->queue->lock);
	assert_int_equal(sqlite3_exec(sqlite_connection(fixture->queue->store),
			     sql, NULL, NULL, NULL),
	    SQLITE_OK);
	fair_lock_drop(&fixture->queue->lock);
}

/* A group that was lost counts its syncs on from what is queued of it. */
static void
test_a_group_that_is_lost(void **state)
{
	struct fixture *fixture = *state;

	if (on_memory())
		skip();
	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+bob"}, 1000);
	(void)page_put(
	    fixture->queue, &(struct page){"7", "b", 1, 1, "+ann"}, 1001);
	group_sql(fixture, "DELETE FROM grp");
	reopen(fixture);
	(void)page_put(
	    fixture->queue, &(struct page){"7", "c", 1, 1, "-ann"}, 1002);
	set_expect(fixture, 2000, "7:+bob 7:-ann");
}

/* Beyond the most syncs there would be no stamp for the next one. */
static void
test_a_group_that_counts_too_far(void **state)
{
	struct fixture *fixture = *state;

	if (on_memory())
		skip();
	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 1, 1, "+ann"}, 1000);
	set_expect(fixture, 1000, "7:+ann");
	/* format; times; 2^49 syncs; floor, sent, dead; texts */
	group_sql(fixture,
	    "UPDATE grp SET data=x'01000000808080808080800100000004'"
	    "||x'68656170'||x'0137'||x'00000000'");
	reopen(fixture);
	(void)page_put(
	    fixture->queue, &(struct page){"7", "b", 1, 1, "-ann"}, 2000);
	set_expect(fixture, 2000, "7:-ann");
}

/* A transaction that fails leaves nothing in memory: the page comes again. */
static void
test_a_put_that_fails_is_not_noted(void **state)
{
	struct fixture *fixture = *state;
	const struct page page = {"7", "a", 1, 2, "+ann"};
	struct answer answer;

	if (!on_memory())
		skip();
	(void)page_put(
	    fixture->queue, &(struct page){"7", "a", 2, 2, ""}, 1000);
	/* the committer's first round would meet the failure */
	probe(fixture);
	probe(fixture);
	fair_lock_hold(&fixture->queue->lock);
	memory_fail_next(fixture->queue->store, false);
	fair_lock_drop(&fixture->queue->lock);
	assert_false(page_try(fixture->queue, &page, 1000, &answer));
	assert_int_equal(answer.err.code, ERR_IO);
	while (!page_try(fixture->queue, &page, 1000, &answer))
		;
	assert_int_equal(answer.receipt.queued, 1);
	assert_int_equal(sync_last(fixture).pages, 2);
	set_expect(fixture, 2000, "7:+ann");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_only_last_words_are_handed_out),
	    TEST(test_a_late_page_does_not_overtake),
	    TEST(test_what_was_sent_is_no_change),
	    TEST(test_groups_are_apart),
	    TEST(test_a_page_comes_once),
	    TEST(test_the_last_word_of_a_page),
	    TEST(test_a_member_is_on_lease_once),
	    TEST(test_a_lease_that_is_freed_is_due_again),
	    TEST(test_a_member_is_held_after_it_was_sent),
	    TEST(test_a_large_page),
	    TEST(test_what_is_tried_is_a_last_word),
	    TEST(test_a_dead_letter_goes_again),
	    TEST(test_a_dead_letter_keeps_its_group),
	    TEST(test_what_is_parked_is_released),
	    TEST(test_a_sync_is_accounted_for),
	    TEST(test_a_page_without_a_number_hides_none),
	    TEST(test_a_sync_that_empties_a_group_is_held),
	    TEST(test_what_is_held_is_what_is_queued),
	    TEST(test_who_enters_again_does_not_loosen_the_brake),
	    TEST(test_a_held_page_comes_back_from_quarantine),
	    TEST(test_half_of_a_group_may_change),
	    TEST(test_a_guess_is_mended_by_the_last_page),
	    TEST(test_small_groups_and_first_syncs_are_not_held),
	    TEST(test_resend),
	    TEST(test_resend_amid_a_sync),
	    TEST(test_retire),
	    TEST(test_retire_amid_a_request),
	    TEST(test_retire_what_may_have_been_sent),
	    TEST(test_an_archived_page_is_not_replayed),
	    TEST(test_a_person_is_shown_and_forgotten),
	    TEST(test_an_erased_change_does_not_wait),
	    TEST(test_a_change_is_erased_while_its_page_waits),
	    TEST(test_a_change_is_erased_on_lease),
	    TEST(test_members_that_left_are_forgotten),
	    TEST(test_members_are_kept_for_older_changes),
	    TEST(test_two_destinations_with_a_group_do_not_become_one),
	    TEST(test_too_many_groups),
	    TEST(test_what_a_holder_saves_of_a_group),
	    TEST(test_a_group_that_is_lost),
	    TEST(test_a_group_that_counts_too_far),
	    TEST(test_a_put_that_fails_is_not_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
