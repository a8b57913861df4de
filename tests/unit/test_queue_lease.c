/*
 * What leases remember and share: one take for all destinations, the rules of
 * the first post, the history of refusals, parked groups.
 */

#include "queue_fixture.h"

static void
put(struct fixture *fixture, const char *prefix, size_t count)
{
	struct answer answer;

	assert_true(queue_test_put(fixture->queue, "main", "Open", prefix,
	    count, ITEM_QUEUE, &answer));
}

static void
put_to(struct fixture *fixture, const char *destination, const char *id)
{
	struct item item = {.fate = ITEM_QUEUE,
	    .type = STR("Open"),
	    .id = str_text(id),
	    .data = STR("{\"twenty\":\"bytes...\"}")};
	struct queue_batch batch = {.source = "main",
	    .destination = destination,
	    .now_ms = 1764000000000,
	    .items = &item,
	    .count = 1};

	batch_put(fixture->queue, &batch);
}

static size_t
count_of(const struct queue_lease *lease, int64_t destination)
{
	size_t count = 0;

	for (; lease != NULL; lease = lease->next)
		count += lease->destination == destination;
	return count;
}

static void
free_all(struct fixture *fixture, struct queue_lease *lease)
{
	while (lease != NULL) {
		struct queue_lease *next = lease->next;

		queue_lease_free(fixture->queue, lease);
		lease = next;
	}
}

static void
test_one_take_for_all_destinations(void **state)
{
	struct fixture *fixture = *state;
	struct queue_want wants[3] = {
	    {.destination = fixture->destination, .bytes = 1000},
	    {.destination = destination_test_open(fixture->queue, "idle"),
		.bytes = 1000},
	    {.destination = destination_test_open(fixture->queue, "other"),
		.bytes = 50},
	};
	struct queue_lease *leases;
	char id[16];
	struct err err;

	for (int i = 0; i < 5; i++) {
		(void)snprintf(id, sizeof(id), "h%d", i);
		put_to(fixture, "heap", id);
		id[0] = 'o';
		put_to(fixture, "other", id);
	}
	assert_true(queue_take(fixture->queue, wants, 3, 1, &leases, &err));
	assert_int_equal(count_of(leases, wants[0].destination), 5);
	assert_int_equal(count_of(leases, wants[1].destination), 0);
	assert_int_equal(count_of(leases, wants[2].destination), 2);
	assert_true(wants[0].next_ms == INT64_MAX);
	assert_true(wants[1].next_ms == INT64_MAX);
	assert_true(wants[2].next_ms <= 1); /* there was no room */
	free_all(fixture, leases);
	assert_true(queue_take(fixture->queue, wants, 3, 1, &leases, &err));
	assert_int_equal(count_of(leases, wants[0].destination), 5);
	free_all(fixture, leases);
}

static void
test_a_lease_needs_a_claim(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct err err;

	put(fixture, "a", 2);
	lease = take(fixture, 1);
	assert_non_null(lease);
	assert_true(queue_destination_save(
	    fixture->queue, fixture->destination, "", 0, true, &err));
	assert_null(take(fixture, 1));
	judge_all(lease, QUEUE_DELIVERED, 0);
	assert_false(queue_settle(fixture->queue, &lease, 1, 1, &err));
	assert_int_equal(err.code, ERR_BUSY);
	assert_false(
	    queue_post(fixture->queue, &lease, 1, str_text("rules"), &err));
	assert_int_equal(err.code, ERR_BUSY);
	assert_int_equal(lease->open, 2);
	queue_lease_free(fixture->queue, lease);
	fixture->destination = destination_test_open(fixture->queue, "heap");
	lease = take(fixture, 1);
	assert_int_equal(lease->count, 2);
	queue_lease_free(fixture->queue, lease);
}

static void
post(struct fixture *fixture, struct queue_lease *lease, const char *rules)
{
	struct err err;

	if (!queue_post(fixture->queue, &lease, 1, str_text(rules), &err))
		fail_msg("queue_post: %s", err.text);
}

/* The rules of the first post stay with what was never answered for sure, and
 * through a restart; what was refused for sure takes those of its next post. */
static void
test_rules_go_with_the_uncertain(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease, *other;

	put(fixture, "a", 4);
	lease = take(fixture, 1);
	assert_int_equal(lease->rules.len, 0);
	post(fixture, lease, "old");
	assert_true(str_equal_text(lease->rules, "old"));
	queue_lease_free(fixture->queue, lease);
	reopen(fixture);

	lease = take(fixture, 1);
	assert_true(str_equal_text(lease->rules, "old"));
	post(fixture, lease, "new"); /* it has some */
	assert_true(str_equal_text(lease->rules, "old"));
	judge_all(lease, QUEUE_DEFERRED, 100);
	lease->items[0].unsure = lease->items[2].unsure = true;
	settle(fixture, lease);
	assert_int_equal(lease->open, 0);
	queue_lease_free(fixture->queue, lease);

	lease = take(fixture, 100);
	other = take(fixture, 100);
	assert_int_equal(lease->count, 2);
	assert_int_equal(other->count, 2);
	if (lease->rules.len == 0) {
		struct queue_lease *swap = lease;

		lease = other;
		other = swap;
	}
	assert_true(str_equal_text(lease->rules, "old"));
	assert_memory_equal(lease->items[1].data.data, "{\"id\":\"a-2\"", 11);
	assert_int_equal(other->rules.len, 0);
	post(fixture, other, "new");
	assert_true(str_equal_text(other->rules, "new"));
	judge_all(lease, QUEUE_DELIVERED, 0);
	settle(fixture, lease);
	judge_all(other, QUEUE_DELIVERED, 0);
	settle(fixture, other);
	queue_lease_free(fixture->queue, lease);
	queue_lease_free(fixture->queue, other);
	assert_int_equal(totals(fixture).delivered, 4);
}

/* Only what has the same history shares a batch. */
static void
test_history_goes_along(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	size_t seen = 0;

	put(fixture, "a", 5);
	lease = take(fixture, 1);
	assert_int_equal(lease->items[0].history.refusals, 0);
	judge_all(lease, QUEUE_DEFERRED, 100);
	for (size_t i = 0; i < 2; i++) {
		lease->items[i].history.refusals = 1;
		lease->items[i].history.failures = 3;
		lease->items[i].history.first_ms = 77;
	}
	settle(fixture, lease);
	queue_lease_free(fixture->queue, lease);
	reopen(fixture);
	while ((lease = take(fixture, 100)) != NULL) {
		assert_int_equal(lease->attempts, 1);
		for (size_t i = 0; i < lease->count; i++) {
			const struct queue_history *history =
			    &lease->items[i].history;
			bool judged = lease->count == 2;

			assert_int_equal(history->refusals, judged ? 1 : 0);
			assert_int_equal(history->failures, judged ? 3 : 0);
			assert_int_equal(history->first_ms, judged ? 77 : 0);
		}
		seen += lease->count;
		judge_all(lease, QUEUE_DELIVERED, 0);
		settle(fixture, lease);
		queue_lease_free(fixture->queue, lease);
	}
	assert_int_equal(seen, 5);
}

static struct queue_lease *
take_parked(struct fixture *fixture, const char *group)
{
	struct queue_want want = {.destination = fixture->destination,
	    .bytes = 1000000,
	    .parked = group};
	struct queue_lease *lease;
	struct err err;

	assert_true(queue_take(fixture->queue, &want, 1, 1, &lease, &err));
	assert_true(lease == NULL || lease->next == NULL);
	return lease;
}

static void
park(struct fixture *fixture, const char *prefix, const char *group)
{
	struct queue_lease *lease;

	put(fixture, prefix, 2);
	lease = take(fixture, 1);
	for (size_t i = 0; i < 2; i++) {
		lease->items[i].outcome = QUEUE_PARKED;
		lease->items[i].reason = group;
	}
	settle(fixture, lease);
	queue_lease_free(fixture->queue, lease);
}

/* Parked items wait until their group is asked for, one batch at a time, or
 * is released; of what is on lease meanwhile nothing is lost. */
static void
test_parked_groups(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease, *late;
	struct err err;

	park(fixture, "a", "one");
	park(fixture, "b", "one");
	park(fixture, "c", "two");
	assert_int_equal(totals(fixture).queued, 6);
	reopen(fixture);
	assert_null(take(fixture, INT64_MAX / 2));
	assert_null(take_parked(fixture, "none"));
	lease = take_parked(fixture, "one");
	assert_int_equal(lease->count, 2);
	assert_memory_equal(lease->items[0].data.data, "{\"id\":\"a-0\"", 11);
	/* accepted: so are the others */
	lease->items[0].outcome = QUEUE_DELIVERED;
	settle(fixture, lease);
	assert_true(
	    queue_unpark(fixture->queue, fixture->destination, "one", &err));
	late = take(fixture, 1);
	assert_int_equal(late->count, 2);
	assert_memory_equal(late->items[0].data.data, "{\"id\":\"b-0\"", 11);
	assert_null(take(fixture, 1));
	lease->items[1].outcome = QUEUE_DELIVERED;
	settle(fixture, lease);
	assert_int_equal(lease->open, 0);
	settle_all(fixture, late, QUEUE_DELIVERED, 0);
	queue_lease_free(fixture->queue, lease);
	queue_lease_free(fixture->queue, late);
	assert_int_equal(totals(fixture).delivered, 4);
	assert_null(take(fixture, 1));
	lease = take_parked(fixture, "two");
	queue_lease_free(fixture->queue, lease);
	assert_true(
	    queue_unpark(fixture->queue, fixture->destination, "two", &err));
	lease = take(fixture, 1);
	settle_all(fixture, lease, QUEUE_DELIVERED, 0);
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(totals(fixture).delivered, 6);
}

/* Parking says nothing of an earlier attempt whose outcome is unknown. */
static void
test_parked_ones_keep_their_rules(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct err err;

	put(fixture, "a", 2);
	lease = take(fixture, 1);
	post(fixture, lease, "old");
	for (size_t i = 0; i < 2; i++) {
		lease->items[i].outcome = QUEUE_PARKED;
		lease->items[i].reason = "Open";
		lease->items[i].unsure = i == 0;
	}
	settle(fixture, lease);
	queue_lease_free(fixture->queue, lease);
	reopen(fixture);
	assert_true(
	    queue_unpark(fixture->queue, fixture->destination, "Open", &err));
	for (size_t i = 0; i < 2; i++) {
		lease = take(fixture, 1);
		assert_int_equal(lease->count, 1);
		assert_int_equal(lease->rules.len,
		    lease->items[0].data.data[9] == '0' ? 3 : 0);
		settle_all(fixture, lease, QUEUE_DELIVERED, 0);
		queue_lease_free(fixture->queue, lease);
	}
	assert_int_equal(totals(fixture).delivered, 2);
}

/* All but the groups that are named, on lease or not. */
static void
test_unpark_others(void **state)
{
	struct fixture *fixture = *state;
	const char *const groups[] = {"two", "none"};
	struct queue_lease *lease, *leased;
	size_t count = 0;
	struct err err;

	park(fixture, "a", "one");
	park(fixture, "b", "two");
	park(fixture, "c", "three");
	park(fixture, "d", "one");
	leased = take_parked(fixture, "three");
	assert_true(queue_unpark_others(
	    fixture->queue, fixture->destination, groups, 2, &err));
	assert_null(take_parked(fixture, "one"));
	settle_all(fixture, leased, QUEUE_DELIVERED, 0);
	assert_int_equal(leased->open, 0);
	queue_lease_free(fixture->queue, leased);
	for (; (lease = take(fixture, 1)) != NULL; count += 2) {
		settle_all(fixture, lease, QUEUE_DELIVERED, 0);
		queue_lease_free(fixture->queue, lease);
	}
	assert_int_equal(count, 4);
	lease = take_parked(fixture, "two");
	assert_non_null(lease);
	queue_lease_free(fixture->queue, lease);
	assert_true(queue_unpark_others(
	    fixture->queue, fixture->destination, NULL, 0, &err));
	lease = take(fixture, 1);
	settle_all(fixture, lease, QUEUE_DELIVERED, 0);
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(totals(fixture).delivered, 8);
}

/* What is quarantined when its group is released comes back released. */
static void
test_unparked_in_quarantine(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct err err;
	bool tried, ok;

	park(fixture, "a", "one");
	batches_move(fixture, 1000);
	assert_null(take_parked(fixture, "one"));
	assert_true(
	    queue_unpark(fixture->queue, fixture->destination, "one", &err));
	batches_move(fixture, -1000);
	fair_lock_hold(&fixture->queue->lock);
	ok = queue_quarantine_retry(fixture->queue, true, &tried, &err);
	fair_lock_drop(&fixture->queue->lock);
	assert_true(ok && tried);
	lease = take(fixture, 1);
	assert_non_null(lease);
	settle_all(fixture, lease, QUEUE_DELIVERED, 0);
	queue_lease_free(fixture->queue, lease);
}

/* The state that knows the group stays behind, so what is parked does not
 * stay parked. */
static void
test_what_is_parked_moves_unparked(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct err err;

	park(fixture, "a", "one");
	park(fixture, "b", "one");
	lease = take_parked(fixture, "one");
	queue_lease_free(fixture->queue, lease);
	(void)destination_test_open(fixture->queue, "new");
	queue_test_close(fixture->queue);
	assert_true(queue_open(&fixture->settings, &fixture->queue, &err));
	assert_true(
	    queue_destination_rename(fixture->queue, "heap", "new", &err));
	assert_true(queue_start(fixture->queue, &err));
	fixture->destination = destination_test_open(fixture->queue, "new");
	for (int i = 0; i < 2; i++) {
		lease = take(fixture, 1);
		assert_non_null(lease);
		settle_all(fixture, lease, QUEUE_DELIVERED, 0);
		queue_lease_free(fixture->queue, lease);
	}
}

/* What is deferred to an earlier time than it had may be missed by a walk that
 * stands between the two. */
static void
test_deferred_to_an_earlier_time(void **state)
{
	struct fixture *fixture = *state;
	struct jobs_erasing erasing;
	struct queue_lease *lease;
	struct err err;

	park(fixture, "a", "one");
	assert_true(jobs_erase_begin(fixture->queue, &erasing, &err));
	lease = take_parked(fixture, "one");
	lease->items[0].outcome = QUEUE_PARKED;
	lease->items[0].reason = "one";
	settle(fixture, lease);
	assert_int_equal(jobs_erase_missed(fixture->queue, &erasing), 0);
	lease->items[1].outcome = QUEUE_DEFERRED;
	lease->items[1].due_ms = 100;
	settle(fixture, lease);
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(jobs_erase_missed(fixture->queue, &erasing), 1);
	lease = take(fixture, 100);
	settle_all(fixture, lease, QUEUE_DEFERRED, 200);
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(jobs_erase_missed(fixture->queue, &erasing), 1);
}

/* What is given back in part is due at once, with what is settled left out. */
static void
test_settled_in_part(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *leases[3], *lease;
	struct err err;

	put(fixture, "a", 3);
	put(fixture, "b", 3);
	leases[0] = take(fixture, 1);
	leases[1] = take(fixture, 1);
	leases[0]->items[1].outcome = QUEUE_DELIVERED;
	leases[1]->items[0].outcome = QUEUE_DEAD;
	leases[1]->items[0].reason = "refused";
	leases[1]->items[2].outcome = QUEUE_DROPPED;
	leases[1]->items[2].reason = "a rule";
	leases[2] = leases[0]; /* named twice */
	assert_true(
	    queue_post(fixture->queue, leases, 3, str_text("rules"), &err));
	assert_true(queue_settle(fixture->queue, leases, 3, 5000, &err));
	assert_int_equal(leases[0]->open, 2);
	assert_int_equal(leases[1]->open, 1);
	queue_lease_free(fixture->queue, leases[0]);
	queue_lease_free(fixture->queue, leases[1]);
	lease = take(fixture, 1);
	assert_int_equal(lease->count, 2);
	assert_int_equal(lease->items[1].index, 2);
	queue_lease_free(fixture->queue, lease);
	assert_int_equal(totals(fixture).queued, 3);
	assert_int_equal(totals(fixture).dead, 1);
	assert_int_equal(totals(fixture).dropped, 1);
}

static void
traced_put(struct fixture *fixture, const char *id, const char *trace)
{
	struct item item = {
	    .type = STR("Open"), .id = str_text(id), .data = STR("{}")};
	struct queue_batch batch = {
	    .source = "main",
	    .destination = "heap",
	    .now_ms = 1764000000000,
	    .items = &item,
	    .count = 1,
	    .trace = str_text(trace),
	};

	batch_put(fixture->queue, &batch);
}

/* A trace goes along, also into the new batch of what is deferred, if all of
 * its items came with it. */
static void
test_traces_go_along(void **state)
{
	static const struct {
		const char *first, *second, *deferred;
	} rows[] = {
	    {"", "", ""},
	    {"trace-a", "trace-a", "trace-a"},
	    {"trace-a", "trace-b", ""},
	    {"trace-a", "", ""},
	    {"", "trace-b", ""},
	};
	struct fixture *fixture = *state;
	struct queue_lease *leases[2], *lease;
	struct err err;
	char id[8];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)snprintf(id, sizeof(id), "a%zu", i);
		traced_put(fixture, id, rows[i].first);
		leases[0] = take(fixture, 1);
		id[0] = 'b';
		traced_put(fixture, id, rows[i].second);
		leases[1] = take(fixture, 1);
		assert_true(str_equal_text(leases[0]->trace, rows[i].first));
		assert_true(str_equal_text(leases[1]->trace, rows[i].second));
		judge_all(leases[0], QUEUE_DEFERRED, 1764000000001);
		judge_all(leases[1], QUEUE_DEFERRED, 1764000000001);
		assert_true(
		    queue_settle(fixture->queue, leases, 2, 5000, &err));
		queue_lease_free(fixture->queue, leases[0]);
		queue_lease_free(fixture->queue, leases[1]);
		if (!on_memory())
			reopen(fixture);
		lease = take(fixture, 1764000000002);
		assert_int_equal(lease->count, 2);
		assert_true(str_equal_text(lease->trace, rows[i].deferred));
		settle_all(fixture, lease, QUEUE_DELIVERED, 0);
		queue_lease_free(fixture->queue, lease);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_one_take_for_all_destinations),
	    TEST(test_a_lease_needs_a_claim),
	    TEST(test_rules_go_with_the_uncertain),
	    TEST(test_history_goes_along),
	    TEST(test_parked_groups),
	    TEST(test_parked_ones_keep_their_rules),
	    TEST(test_unpark_others),
	    TEST(test_unparked_in_quarantine),
	    TEST(test_what_is_parked_moves_unparked),
	    TEST(test_deferred_to_an_earlier_time),
	    TEST(test_settled_in_part),
	    TEST(test_traces_go_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
