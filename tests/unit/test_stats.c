/*
 * The operator's look-ups: dead letters, drops, the archive, drift, erasures,
 * the oldest; and what a destination must remember.
 */

#include "queue_fixture.h"

struct found {
	size_t count;
	char reason[32], answer[32], data[64], sent[32];
	int status;
};

static bool
note_dead(void *arg, const struct stats_dead *dead)
{
	struct found *found = arg;

	found->count++;
	(void)snprintf(
	    found->reason, sizeof(found->reason), "%s", dead->reason);
	(void)snprintf(found->answer, sizeof(found->answer), "%.*s",
	    (int)dead->answer.len, dead->answer.data);
	(void)snprintf(found->sent, sizeof(found->sent), "%.*s",
	    (int)dead->sent.len, dead->sent.data);
	(void)snprintf(found->data, sizeof(found->data), "%.*s",
	    (int)dead->data.len, dead->data.data);
	found->status = dead->status;
	return true;
}

static bool
note_drop(void *arg, const char *rule, const char *type, int64_t count)
{
	struct found *found = arg;

	found->count += (size_t)count;
	(void)snprintf(
	    found->reason, sizeof(found->reason), "%s %s", rule, type);
	return true;
}

static void
test_dead_and_dropped(void **state)
{
	struct fixture *fixture = *state;
	struct found found = {.count = 0};
	struct queue_lease *lease;
	struct answer answer;
	struct err err;

	assert_true(queue_test_put(
	    fixture->queue, "main", "", "bad", 1, ITEM_DEAD, &answer));
	assert_int_equal(answer.receipt.dead, 1);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "x", 4, ITEM_DROP, &answer));
	assert_int_equal(answer.receipt.dropped, 4);
	assert_null(take(fixture, 1));
	assert_true(stats_dead(fixture->queue, 0, 10, note_dead, &found, &err));
	assert_int_equal(found.count, 1);
	assert_string_equal(found.reason, "because");
	assert_string_equal(found.data, "{\"id\":\"bad-0\",\"kind\":\"\"}");
	found.count = 0;
	assert_true(stats_drops(fixture->queue, note_drop, &found, &err));
	assert_int_equal(found.count, 4);
	assert_string_equal(found.reason, "because Open");

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "y", 1, ITEM_QUEUE, &answer));
	lease = take(fixture, 1);
	settle_all(fixture, lease, QUEUE_DEAD, 0);
	queue_lease_free(fixture->queue, lease);
	found.count = 0;
	assert_true(stats_dead(fixture->queue, 1, 10, note_dead, &found, &err));
	assert_int_equal(found.count, 1);
	assert_string_equal(found.answer, "no");
	assert_string_equal(found.sent, "{}");
	assert_int_equal(found.status, 400);
	assert_int_equal(totals(fixture).dead, 2);
	assert_int_equal(totals(fixture).dropped, 4);
}

static void
state_is(const struct queue_destination *destination, const char *expected)
{
	assert_int_equal(destination->state.len, strlen(expected));
	assert_memory_equal(
	    destination->state.data, expected, destination->state.len);
}

static struct queue_destination
destination_open(struct fixture *fixture, const char *name)
{
	struct queue_destination destination;
	struct err err;

	if (!queue_destination_open(fixture->queue, name, &destination, &err))
		fail_msg("queue_destination_open: %s", err.text);
	return destination;
}

static void
test_destination_remembers(void **state)
{
	struct fixture *fixture = *state;
	struct queue_destination destination;
	struct err err;

	assert_true(queue_destination_save(
	    fixture->queue, fixture->destination, "log", 3, false, &err));
	destination = destination_open(fixture, "heap");
	assert_int_equal(destination.id, fixture->destination);
	assert_false(destination.clean); /* as after a crash */
	assert_false(destination.others);
	state_is(&destination, "log");
	queue_destination_fini(&destination);
	reopen(fixture);
	destination = destination_open(fixture, "heap");
	assert_false(destination.clean);
	queue_destination_fini(&destination);
	assert_true(queue_destination_save(
	    fixture->queue, fixture->destination, "end", 3, true, &err));
	/* it is ours no longer */
	assert_false(queue_destination_save(
	    fixture->queue, fixture->destination, "no", 2, true, &err));
	assert_int_equal(err.code, ERR_BUSY);
	assert_true(
	    queue_destination_pause(fixture->queue, "heap", true, &err));
	assert_false(
	    queue_destination_pause(fixture->queue, "nowhere", true, &err));
	assert_int_equal(err.code, ERR_NOT_FOUND);
	queue_test_close(fixture->queue);
	fixture->queue = queue_test_open(&fixture->settings);
	destination = destination_open(fixture, "heap");
	assert_true(destination.clean);
	assert_true(destination.paused);
	state_is(&destination, "end");
	queue_destination_fini(&destination);
	destination = destination_open(fixture, "heap");
	assert_false(destination.clean);
	queue_destination_fini(&destination);
}

/* A new destination is not taken for one that crashed, but knows that there
 * is another. */
static void
test_a_new_destination_is_clean(void **state)
{
	struct fixture *fixture = *state;
	struct queue_destination destination;
	struct err err;

	destination = destination_open(fixture, "new");
	assert_true(destination.clean);
	assert_false(destination.others);
	state_is(&destination, "");
	queue_destination_fini(&destination);
	assert_true(queue_destination_save(
	    fixture->queue, fixture->destination, "log", 3, false, &err));
	for (int i = 0; i < 2; i++) {
		destination =
		    destination_open(fixture, i == 0 ? "newer" : "newest");
		assert_true(destination.clean);
		assert_true(destination.others);
		queue_destination_fini(&destination);
		reopen(fixture);
	}
}

/* What a destination had is that of its new name. */
static void
test_a_renamed_destination_keeps_all(void **state)
{
	struct fixture *fixture = *state;
	struct queue_destination destination;
	struct queue_lease *lease;
	struct answer answer;
	struct err err;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 3, ITEM_QUEUE, &answer));
	assert_true(queue_destination_save(
	    fixture->queue, fixture->destination, "log", 3, true, &err));
	assert_true(
	    queue_destination_rename(fixture->queue, "heap", "cellar", &err));
	assert_true(queue_destination_rename(
	    fixture->queue, "heap", "cellar", &err)); /* again: no such one */
	assert_int_equal(stats_destination_queued(fixture->queue, "heap"), 0);
	assert_int_equal(stats_destination_queued(fixture->queue, "cellar"), 3);
	/* both: what the former has moves over */
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "b", 2, ITEM_QUEUE, &answer));
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "c", 2, ITEM_DEAD, &answer));
	assert_true(
	    queue_destination_rename(fixture->queue, "heap", "cellar", &err));
	ledger_test_agree(fixture->queue);
	assert_int_equal(stats_destination_queued(fixture->queue, "cellar"), 5);
	destination = destination_open(fixture, "cellar");
	assert_true(destination.clean);
	state_is(&destination, "log");
	fixture->destination = destination.id;
	queue_destination_fini(&destination);
	for (size_t count = 0; count < 5;) {
		lease = take(fixture, 1);
		assert_non_null(lease);
		settle_all(fixture, lease, QUEUE_DELIVERED, 0);
		count += lease->count;
		queue_lease_free(fixture->queue, lease);
	}
}

static bool
is_in_the_cellar(void *arg, const struct jobs_event *event)
{
	(void)arg;
	return strcmp(event->destination, "cellar") == 0;
}

/* More than one step moves, and one destination after the other. */
static void
test_many_dead_letters_move(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	char prefix[16];
	struct answer answer;
	struct err err;

	(void)destination_test_open(fixture->queue, "cellar");
	for (size_t round = 1; round <= 3; round++) {
		struct jobs_walk walk = {
		    .cursor = {.place = JOBS_DEAD}, .match = is_in_the_cellar};

		(void)snprintf(prefix, sizeof(prefix), "%zu", round);
		assert_true(queue_test_put(fixture->queue, "main", "Open",
		    prefix, 1200, ITEM_DEAD, &answer));
		prefix[1] = 'q';
		prefix[2] = '\0';
		assert_true(queue_test_put(fixture->queue, "main", "Open",
		    prefix, 3, ITEM_QUEUE, &answer));
		fixture->destination =
		    destination_test_open(fixture->queue, "heap");
		lease = take(fixture, 1);
		settle_all(fixture, lease, QUEUE_DELIVERED, 0);
		queue_lease_free(fixture->queue, lease);
		queue_test_close(fixture->queue);
		fixture->queue = queue_test_open(&fixture->settings);
		/* its id may be that of the one before */
		assert_true(queue_destination_rename(
		    fixture->queue, "heap", "cellar", &err));
		do {
			assert_true(jobs_scan(fixture->queue, &walk, &err));
		} while (walk.more);
		assert_int_equal(walk.matched, round * 1200);
	}
}

static void
test_oldest(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	int64_t ms = -1;
	struct err err;

	assert_true(stats_oldest_ms(fixture->queue, NULL, &ms, &err));
	assert_int_equal(ms, 0);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 1, ITEM_QUEUE, &answer));
	assert_true(stats_oldest_ms(fixture->queue, "heap", &ms, &err));
	assert_int_equal(ms, 1764000000000);
}

/* What was found is not kept, as it is for a second. */
static int64_t
oldest_now(struct fixture *fixture)
{
	struct queue *queue = fixture->queue;
	int64_t ms = -1;
	struct err err;

	fair_lock_hold(&queue->lock);
	for (size_t i = 0; i < queue->destinations.count; i++)
		queue->destinations.list[i].oldest_until_ms = 0;
	fair_lock_drop(&queue->lock);
	assert_true(stats_oldest_ms(queue, "heap", &ms, &err));
	return ms;
}

/* A batch that cannot be read is still queued, and may be the oldest. */
static void
test_oldest_counts_the_quarantined(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 1, ITEM_QUEUE, &answer));
	batches_move(fixture, 1000);
	assert_null(take(fixture, 1764000009000));
	/* without its batch SQLite knows when it was quarantined: just now */
	assert_true(oldest_now(fixture) >= 1764000000000);
	batches_move(fixture, -1000);
	assert_int_equal(oldest_now(fixture), 1764000000000);
}

static void
test_delivered_is_archived_and_evicted(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct stats_totals totals;
	struct answer answer;

	queue_test_close(fixture->queue);
	fixture->settings.keep_ms = INT64_MAX / 2;
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->destination = destination_test_open(fixture->queue, "heap");
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 2, ITEM_QUEUE, &answer));
	lease = take(fixture, 1);
	/* in two steps, one of them dropped: archived, for the other */
	lease->items[0].outcome = QUEUE_DELIVERED;
	settle(fixture, lease);
	lease->items[1].outcome = QUEUE_DROPPED;
	lease->items[1].reason = "a rule";
	settle(fixture, lease);
	queue_lease_free(fixture->queue, lease);
	stats_totals(fixture->queue, &totals);
	assert_int_equal(totals.archive_batches, 1);
	assert_true(totals.archive_bytes > 0);
	ledger_test_agree(fixture->queue);

	/* its time was over long ago: it goes by itself */
	queue_test_close(fixture->queue);
	fixture->settings.keep_ms = 1000;
	fixture->queue = queue_test_open(&fixture->settings);
	for (int tries = 0; tries < 1000 && totals.archive_batches > 0;
	     tries++) {
		(void)usleep(10000);
		stats_totals(fixture->queue, &totals);
	}
	assert_int_equal(totals.archive_batches, 0);
	assert_int_equal(totals.archive_bytes, 0);
}

static void
test_archive_goes_before_a_put_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct stats_totals totals;
	struct answer answer;
	char prefix[16];
	int full = 0; /* rounds since something was evicted */

	queue_test_close(fixture->queue);
	fixture->settings.keep_ms = INT64_MAX / 2;
	fixture->settings.max_bytes = 64 * 8192;
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->destination = destination_test_open(fixture->queue, "heap");
	for (int n = 0; n < 5000 && full < 200; n++) {
		(void)snprintf(prefix, sizeof(prefix), "p%d", n);
		assert_true(queue_test_put(fixture->queue, "main", "Open",
		    prefix, 50, ITEM_QUEUE, &answer));
		lease = take(fixture, 1);
		settle_all(fixture, lease, QUEUE_DELIVERED, 0);
		queue_lease_free(fixture->queue, lease);
		stats_totals(fixture->queue, &totals);
		if (totals.archive_batches <= n)
			full++;
	}
	/* the bound was met, and nothing was refused */
	assert_int_equal(full, 200);
	assert_true(totals.live_bytes <= fixture->settings.max_bytes + 65536);
}

static bool
note_drift(void *arg, const char *text, int64_t events, int64_t first_ms,
    int64_t last_ms)
{
	struct found *found = arg;

	found->count++;
	found->status = (int)events;
	(void)snprintf(found->reason, sizeof(found->reason), "%s", text);
	assert_int_equal(first_ms, 100);
	assert_int_equal(last_ms, 200);
	return true;
}

static void
test_drift_is_counted(void **state)
{
	struct fixture *fixture = *state;
	struct queue_drift drift = {.text = "unknown type", .events = 3};
	struct queue_batch batch = {.source = "main",
	    .destination = "heap",
	    .now_ms = 100,
	    .drift = &drift,
	    .drift_count = 1};
	struct found found = {.count = 0};
	struct answer answer;
	struct err err;

	answer_init(&answer);
	assert_true(
	    queue_put(fixture->queue, &batch, answer_done, &answer, &err));
	assert_true(answer_wait(&answer));
	assert_true(drift.first);
	batch.now_ms = 200;
	answer_init(&answer);
	assert_true(
	    queue_put(fixture->queue, &batch, answer_done, &answer, &err));
	assert_true(answer_wait(&answer));
	assert_false(drift.first);
	assert_true(stats_drift(fixture->queue, note_drift, &found, &err));
	assert_int_equal(found.count, 1);
	assert_int_equal(found.status, 6);
	assert_string_equal(found.reason, "unknown type");
}

/* What was observed in items counts when they are settled, and once. */
static void
test_drift_of_a_lease_is_counted(void **state)
{
	struct fixture *fixture = *state;
	struct queue_drift drift = {.text = "left out", .events = 2};
	struct found found = {.count = 0};
	struct queue_lease *lease;
	struct answer answer;
	struct err err;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 3, ITEM_QUEUE, &answer));
	lease = take(fixture, 1);
	lease->items[0].outcome = QUEUE_DELIVERED;
	lease->drift = &drift;
	lease->drift_count = 1;
	queue_test_settle(fixture->queue, lease, 100);
	assert_true(drift.first);
	/* nothing new is settled: repeated after trouble, say */
	queue_test_settle(fixture->queue, lease, 150);
	lease->items[1].outcome = QUEUE_DELIVERED;
	queue_test_settle(fixture->queue, lease, 200);
	assert_false(drift.first);
	lease->drift_count = 0;
	lease->items[2].outcome = QUEUE_DELIVERED;
	queue_test_settle(fixture->queue, lease, 300);
	queue_lease_free(fixture->queue, lease);
	assert_true(stats_drift(fixture->queue, note_drift, &found, &err));
	assert_int_equal(found.count, 1);
	assert_int_equal(found.status, 4);
	assert_string_equal(found.reason, "left out");
}

static void
ask_erasure(const void *arg, struct str type, struct str data,
    queue_person_fn *fn, void *fn_arg)
{
	(void)data;
	if (str_equal_text(type, "Delete"))
		fn(fn_arg, str_text(arg));
}

static bool
note_erasure(void *arg, int64_t id, const char *source, const char *subject,
    int64_t noted_ms, int64_t erased_ms)
{
	struct found *found = arg;

	(void)id;
	found->count += erased_ms == 0;
	assert_string_equal(source, "main");
	assert_int_equal(noted_ms, 1764000000000);
	(void)snprintf(found->reason, sizeof(found->reason), "%s", subject);
	return true;
}

/* How many people are to be erased, once this was put; then they are
 * erased. */
static size_t
erasures_after(struct fixture *fixture, const char *prefix, enum item_fate fate)
{
	const char *const subject = "5f1c";
	struct found found = {.count = 0};
	struct answer answer;
	struct err err;

	assert_true(queue_test_put(
	    fixture->queue, "main", "Delete", prefix, 2, fate, &answer));
	assert_true(
	    stats_erasures(fixture->queue, 0, 10, note_erasure, &found, &err));
	if (found.count > 0)
		assert_string_equal(found.reason, subject);
	assert_true(jobs_erasures_done(
	    fixture->queue, &subject, 1, INT64_MAX, 9000, &err));
	return found.count;
}

/* Nobody takes what is queued: it is listed when it was put. */
static void
test_erasures_are_listed_at_once_and_once(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct answer answer;

	fixture->settings.erasure = ask_erasure;
	fixture->settings.erasure_arg = "5f1c";
	reopen(fixture);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 1, ITEM_QUEUE, &answer));
	assert_int_equal(erasures_after(fixture, "b", ITEM_QUEUE), 1);
	assert_int_equal(erasures_after(fixture, "b", ITEM_QUEUE), 0);
	assert_int_equal(erasures_after(fixture, "c", ITEM_DROP), 0);
	assert_int_equal(erasures_after(fixture, "d", ITEM_DEAD), 1);
	while ((lease = take(fixture, 1)) != NULL) {
		settle_all(fixture, lease, QUEUE_DROPPED, 0);
		queue_lease_free(fixture->queue, lease);
	}
	assert_int_equal(erasures_after(fixture, "c", ITEM_DROP), 0);
}

struct top {
	size_t count;
	char text[200]; /* "COUNT TEXT STATUS;" of each */
};

static bool
note_top(void *arg, const char *text, int status, int64_t count)
{
	struct top *top = arg;
	size_t len = strlen(top->text);

	top->count++;
	(void)snprintf(top->text + len, sizeof(top->text) - len, "%d %s %d;",
	    (int)count, text, status);
	return true;
}

/* The most frequent first, and no more than were asked for. */
static void
test_top(void **state)
{
	struct fixture *fixture = *state;
	struct top top = {.count = 0};
	const struct queue_detail details[] = {
	    {.status = 413}, {.status = 400}};
	struct queue_lease *lease;
	struct answer answer;
	struct err err;

	assert_true(
	    stats_top(fixture->queue, STATS_TOP_DEAD, 3, note_top, &top, &err));
	assert_true(stats_top(
	    fixture->queue, STATS_TOP_DROPS, 3, note_top, &top, &err));
	assert_int_equal(top.count, 0);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Click", "a", 6, ITEM_QUEUE, &answer));
	lease = take(fixture, 1);
	for (size_t i = 0; i < 6; i++) {
		lease->items[i].outcome = i < 4 ? QUEUE_DEAD : QUEUE_DROPPED;
		lease->items[i].reason = i < 4 ? "refused" : "a rule";
		lease->items[i].detail = &details[i == 0 ? 0 : 1];
	}
	settle(fixture, lease);
	queue_lease_free(fixture->queue, lease);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Click", "b", 2, ITEM_DEAD, &answer));
	assert_true(
	    stats_top(fixture->queue, STATS_TOP_DEAD, 2, note_top, &top, &err));
	assert_true(stats_top(
	    fixture->queue, STATS_TOP_DROPS, 2, note_top, &top, &err));
	assert_string_equal(top.text, "3 refused 400;2 because 0;2 a rule 0;");
}

static const char *
reserved_at(size_t index)
{
	static const char *const names[] = {"Open", "Click", NULL};

	return names[index];
}

static bool
note_type(void *arg, const char *label, const struct stats_line *line)
{
	struct found *found = arg;

	if (strcmp(label, found->reason) == 0)
		found->count += (size_t)line->received;
	return true;
}

static size_t
received_of(struct fixture *fixture, const char *type)
{
	struct found found = {.count = 0};
	struct err err;

	(void)snprintf(found.reason, sizeof(found.reason), "%s", type);
	assert_true(stats_ledger(
	    fixture->queue, STATS_BY_TYPE, note_type, &found, &err));
	return found.count;
}

/* However many types a stranger invents, those of the catalogue keep theirs. */
static void
test_reserved_types_keep_their_names(void **state)
{
	enum { STRANGE = LEDGER_TYPES_MAX + 100 };
	struct fixture *fixture = *state;
	static struct item items[STRANGE];
	static char types[STRANGE][16];
	struct queue_batch batch = {.source = "main",
	    .destination = "heap",
	    .now_ms = 100,
	    .items = items,
	    .count = STRANGE};
	struct answer answer;
	struct err err;

	fixture->settings.type_at = reserved_at;
	reopen(fixture);
	for (size_t i = 0; i < STRANGE; i++) {
		(void)snprintf(types[i], sizeof(types[i]), "odd.%d", (int)i);
		items[i] = (struct item){
		    .fate = ITEM_DROP,
		    .type = str_text(types[i]),
		    .id = str_text(types[i]),
		    .data = str_text(types[i]),
		    .reason = "a rule",
		};
	}
	answer_init(&answer);
	assert_true(
	    queue_put(fixture->queue, &batch, answer_done, &answer, &err));
	assert_true(answer_wait(&answer));
	assert_int_equal(received_of(fixture, "(other)"), 100);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Open", "a", 3, ITEM_QUEUE, &answer));
	assert_int_equal(received_of(fixture, "Open"), 3);
	if (!on_memory())
		reopen(fixture);
	assert_true(queue_test_put(
	    fixture->queue, "main", "Click", "b", 2, ITEM_QUEUE, &answer));
	assert_int_equal(received_of(fixture, "Click"), 2);
}

static const char *
dotted_at(size_t index)
{
	static const char *const names[] = {
	    "a.b.Open", "a.b.Click", "a.Sent", NULL};

	return names[index];
}

static bool
note_sum(void *arg, const struct stats_sum *sum)
{
	const struct stats_line *line = &sum->line;
	char *text = arg;

	(void)snprintf(text + strlen(text), 400 - strlen(text),
	    "%s %s %d/%d/%d/%d/%d;", sum->source, sum->types,
	    (int)line->received, (int)line->queued, (int)line->delivered,
	    (int)line->dead, (int)line->dropped);
	return true;
}

static bool
note_rule(void *arg, const char *rule, int64_t events)
{
	char *text = arg;

	(void)snprintf(text + strlen(text), 400 - strlen(text), "%s %d;", rule,
	    (int)events);
	return true;
}

/* Sums by source and the beginning of types, and by rule, move with the ledger
 * and outlive a restart. */
static void
test_sums(void **state)
{
	static const char all[] =
	    "main a.b 5/0/3/0/2;main a 2/0/0/2/0;other (other) 4/4/0/0/0;"
	    "because 2;";
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct answer answer;
	char text[400] = "";
	struct err err;

	fixture->settings.type_at = dotted_at;
	reopen(fixture);
	assert_true(queue_test_put(
	    fixture->queue, "main", "a.b.Open", "a", 3, ITEM_QUEUE, &answer));
	lease = take(fixture, 9);
	for (size_t i = 0; i < 3; i++)
		lease->items[i].outcome = QUEUE_DELIVERED;
	settle(fixture, lease);
	queue_lease_free(fixture->queue, lease);
	assert_true(queue_test_put(
	    fixture->queue, "main", "a.b.Click", "b", 2, ITEM_DROP, &answer));
	assert_true(queue_test_put(
	    fixture->queue, "main", "a.Sent", "c", 2, ITEM_DEAD, &answer));
	/* Nobody has reserved that one. */
	assert_true(queue_test_put(
	    fixture->queue, "other", "a.b.New", "d", 4, ITEM_QUEUE, &answer));
	assert_true(stats_sums(fixture->queue, note_sum, text, &err));
	assert_true(stats_rules(fixture->queue, note_rule, text, &err));
	assert_string_equal(text, all);
	if (on_memory())
		return;
	reopen(fixture);
	text[0] = '\0';
	assert_true(stats_sums(fixture->queue, note_sum, text, &err));
	assert_true(stats_rules(fixture->queue, note_rule, text, &err));
	assert_string_equal(text, all);
}

static bool
note_long(void *arg, const struct stats_sum *sum)
{
	char *text = arg;

	(void)snprintf(text + strlen(text), 65536 - strlen(text), "%s %s %d;",
	    sum->source, sum->types, (int)sum->line.received);
	return true;
}

/* Beyond the bound of sources they have one sum. */
static void
test_many_sources_share_a_sum(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer;
	char name[16], *text;
	struct err err;

	for (int i = 0; i < SUMS_NAMES_MAX + 3; i++) {
		(void)snprintf(name, sizeof(name), "s%d", i);
		assert_true(queue_test_put(fixture->queue, name, "a.Sent", name,
		    1, ITEM_QUEUE, &answer));
	}
	text = calloc(1, 65536);
	assert_non_null(text);
	assert_true(stats_sums(fixture->queue, note_long, text, &err));
	assert_non_null(strstr(text, "s99 (other) 1;"));
	assert_null(strstr(text, "s100 "));
	assert_non_null(strstr(text, "(other) (other) 3;"));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_dead_and_dropped),
	    TEST(test_destination_remembers),
	    TEST(test_a_new_destination_is_clean),
	    TEST(test_a_renamed_destination_keeps_all),
	    TEST(test_many_dead_letters_move),
	    TEST(test_oldest),
	    TEST(test_oldest_counts_the_quarantined),
	    TEST(test_delivered_is_archived_and_evicted),
	    TEST(test_archive_goes_before_a_put_is_refused),
	    TEST(test_drift_is_counted),
	    TEST(test_drift_of_a_lease_is_counted),
	    TEST(test_erasures_are_listed_at_once_and_once),
	    TEST(test_top),
	    TEST(test_reserved_types_keep_their_names),
	    TEST(test_sums),
	    TEST(test_many_sources_share_a_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
