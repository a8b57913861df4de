/*
 * What is counted by day, label and type: it moves with the ledger, whether it
 * is still in tallies or in the rows, before and after a restart.
 */

#include "jobs_help.h"

/* 2052-02-20: the committer's own folds are of days that are over. */
enum { DAY = 30000, FEBRUARY = 29981, JANUARY = 29950 };

/* The events of these tests are "DAY KIND ID NAME NUMBER". */
static void
report(const void *arg, const struct item *item, int64_t accepted_ms,
    queue_report_fn *fn, void *fn_arg)
{
	char text[400], kind[20], id[200], name[20];
	struct item_label label = {.kind = ""};
	long long day;

	assert_null(arg);
	assert_true(accepted_ms % 3600000 == 0);
	assert_true(item->data.len < sizeof(text));
	memcpy(text, item->data.data, item->data.len);
	text[item->data.len] = '\0';
	assert_int_equal(
	    sscanf(text, "%lld %19s %199s %19s", &day, kind, id, name), 4);
	if (strcmp(kind, "-") != 0)
		label = (struct item_label){
		    .kind = kind, .id = str_text(id), .name = str_text(name)};
	if (strcmp(name, "-") == 0)
		label.name.len = 0;
	fn(fn_arg, day, &label);
}

static int
reports_setup(void **state)
{
	struct fixture *fixture;

	(void)fixture_setup(state);
	fixture = *state;
	queue_test_close(fixture->queue);
	fixture->settings.keep_ms = INT64_MAX / 2;
	fixture->settings.report = report;
	fixture->queue = queue_test_open(&fixture->settings);
	fixture->destination = destination_test_open(fixture->queue, "heap");
	return 0;
}

/* Put events of a type under "FORMAT N", which are all different. */
static void
put_under(struct fixture *fixture, const char *type, const char *under,
    size_t count, enum item_fate fate)
{
	static size_t number;
	struct item *items = calloc(count, sizeof(*items));
	char(*data)[300] = calloc(count, sizeof(*data));
	struct queue_batch batch = {.source = "main",
	    .destination = "heap",
	    .now_ms = 1764000000000,
	    .items = items,
	    .count = count};
	struct answer answer;
	struct err err;

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(
		    data[i], sizeof(data[i]), "%s {%zu", under, number++);
		items[i] = (struct item){.fate = fate,
		    .type = str_text(type),
		    .id = str_text(data[i]),
		    .data = str_text(data[i]),
		    .reason = "because"};
	}
	answer_init(&answer);
	assert_true(
	    queue_put(fixture->queue, &batch, answer_done, &answer, &err));
	assert_true(answer_wait(&answer));
	free(items);
	free(data);
}

static void
settle_due(struct fixture *fixture, enum queue_outcome outcome)
{
	struct queue_lease *lease;

	while ((lease = take(fixture, 9000)) != NULL) {
		settle_all(fixture, lease, outcome, 0);
		queue_lease_free(fixture->queue, lease);
	}
}

/* What there is of some of them. */
struct wanted {
	const char *kind, *id, *type; /* NULL: of any */
	int64_t day;		      /* 0: any */
	bool month;
	size_t rows;
	struct stats_line sum;
	char name[32];
};

static bool
note_report(void *arg, const struct stats_report *row)
{
	struct wanted *wanted = arg;

	if ((wanted->kind != NULL && strcmp(wanted->kind, row->kind) != 0) ||
	    (wanted->id != NULL && strcmp(wanted->id, row->id) != 0) ||
	    (wanted->type != NULL && strcmp(wanted->type, row->type) != 0) ||
	    (wanted->day > 0 &&
		(wanted->day != row->day || wanted->month != row->month)))
		return true;
	wanted->rows++;
	wanted->sum.delivered += row->delivered;
	wanted->sum.dropped += row->dropped;
	wanted->sum.dead += row->dead;
	(void)snprintf(wanted->name, sizeof(wanted->name), "%s", row->name);
	return true;
}

static struct wanted
reports_of(struct fixture *fixture, struct wanted wanted, int64_t since)
{
	struct err err;

	/* the committer may write for long under valgrind */
	while (
	    !stats_reports(fixture->queue, since, note_report, &wanted, &err)) {
		if (err.code != ERR_BUSY)
			fail_msg("%s", err.text);
	}
	return wanted;
}

#define REPORTS_OF(fixture, ...)                                               \
	reports_of(fixture, (struct wanted){__VA_ARGS__}, 0)

static struct wanted
reports_all(struct fixture *fixture)
{
	return reports_of(fixture, (struct wanted){.day = 0}, 0);
}

static void
check_sum(struct wanted is, int64_t delivered, int64_t dropped, int64_t dead)
{
	assert_int_equal(is.sum.delivered, delivered);
	assert_int_equal(is.sum.dropped, dropped);
	assert_int_equal(is.sum.dead, dead);
}

/* ---- transactions of the housekeeping ---- */

static bool
flush_change(struct queue *queue, void *arg, struct err *reterr)
{
	(void)arg;
	(void)reterr;
	reports_flush(ledger_reports(queue->ledger));
	return true;
}

static void
flush(struct fixture *fixture)
{
	struct err err;

	assert_true(
	    queue_change(fixture->queue, flush_change, NULL, false, &err));
}

struct fold {
	int64_t today, rows;
	bool more;
};

static bool
fold_change(struct queue *queue, void *arg, struct err *reterr)
{
	struct fold *fold = arg;

	(void)reterr;
	reports_fold(ledger_reports(queue->ledger), fold->today * 86400000,
	    fold->rows, &queue->changes);
	return true;
}

/* Fold until nothing is left to be folded. */
static void
fold(struct fixture *fixture, int64_t today)
{
	struct fold fold = {.today = today, .more = true};
	struct err err;

	while (fold.more) {
		fair_lock_hold(&fixture->queue->lock);
		assert_true(queue_change_held(
		    fixture->queue, fold_change, &fold, false, &err));
		fold.more = fixture->queue->changes.list[0].flag;
		fair_lock_drop(&fixture->queue->lock);
	}
}

/* ---- what is counted ---- */

static void
test_outcomes(void **state)
{
	struct fixture *fixture = *state;

	put_under(fixture, "Open", "30000 campaign c1 Spring", 5, ITEM_QUEUE);
	check_sum(reports_all(fixture), 0, 0, 0);
	settle_due(fixture, QUEUE_DELIVERED);
	put_under(fixture, "Open", "30000 campaign c1 Summer", 3, ITEM_DEAD);
	put_under(fixture, "Click", "30001 campaign c1 -", 2, ITEM_DROP);
	put_under(fixture, "Click", "30001 canvas c1 Flow", 4, ITEM_QUEUE);
	settle_due(fixture, QUEUE_DEAD);
	put_under(fixture, "Start", "30001 - - -", 6, ITEM_QUEUE);
	settle_due(fixture, QUEUE_DROPPED);
	for (int round = 0; round < 3; round++) {
		struct wanted one = REPORTS_OF(
		    fixture, .kind = "campaign", .id = "c1", .type = "Open");

		check_sum(one, 5, 0, 3);
		assert_string_equal(one.name, "Summer");
		check_sum(REPORTS_OF(fixture, .kind = "campaign", .day = 30001),
		    0, 2, 0);
		check_sum(REPORTS_OF(fixture, .kind = "canvas"), 0, 0, 4);
		check_sum(REPORTS_OF(fixture, .kind = ""), 0, 6, 0);
		check_sum(reports_all(fixture), 5, 8, 7);
		if (round == 0)
			reopen(fixture);
		else
			flush(fixture);
	}
	assert_int_equal(reports_all(fixture).rows, 4);
}

/* What the operator does to dead letters moves them; replays and duplicates do
 * not count again; what is erased or expires stays. */
static void
test_jobs(void **state)
{
	struct fixture *fixture = *state;

	put_under(fixture, "Open", "30000 campaign c1 A", 4, ITEM_QUEUE);
	settle_due(fixture, QUEUE_DELIVERED);
	(void)run(fixture, JOBS_ARCHIVE, replay, NULL);
	settle_due(fixture, QUEUE_DELIVERED);
	check_sum(reports_all(fixture), 4, 0, 0);

	put_under(fixture, "Open", "30000 campaign c2 A", 3, ITEM_DEAD);
	put_under(fixture, "Open", "30000 campaign c3 A", 2, ITEM_QUEUE);
	settle_due(fixture, QUEUE_DEAD);
	flush(fixture);
	(void)run(fixture, JOBS_DEAD, jobs_requeue, " c2 ");
	check_sum(REPORTS_OF(fixture, .id = "c2"), 0, 0, 0);
	settle_due(fixture, QUEUE_DELIVERED);
	check_sum(REPORTS_OF(fixture, .id = "c2"), 3, 0, 0);
	(void)run(fixture, JOBS_DEAD, drop, " c3 ");
	check_sum(REPORTS_OF(fixture, .id = "c3"), 0, 2, 0);
	reopen(fixture);
	check_sum(reports_all(fixture), 7, 2, 0);

	put_under(fixture, "Open", "30000 campaign c4 A", 2, ITEM_DEAD);
	put_under(fixture, "Open", "30000 campaign c5 A", 2, ITEM_QUEUE);
	(void)run(fixture, JOBS_DEAD, jobs_erase, " c4 ");
	(void)run(fixture, JOBS_QUEUED, jobs_erase, " c5 ");
	check_sum(reports_all(fixture), 7, 2, 2);
	assert_int_equal(totals(fixture).erased, 4);
}

static bool
note_letter(void *arg, const struct stats_dead *dead)
{
	*(int64_t *)arg = dead->id;
	return true;
}

/* An event that was edited counts as what it is from then on. */
static void
test_an_edited_letter(void **state)
{
	struct fixture *fixture = *state;
	const struct item item = {
	    .type = STR("Click"), .data = STR("30001 canvas c2 B {edited")};
	int64_t id = 0;
	bool found;
	struct err err;

	put_under(fixture, "Open", "30000 campaign c1 A", 1, ITEM_DEAD);
	assert_true(stats_dead(fixture->queue, 0, 1, note_letter, &id, &err));
	assert_true(jobs_requeue_one(fixture->queue, id, &item, &found, &err));
	assert_true(found);
	check_sum(reports_all(fixture), 0, 0, 0);
	settle_due(fixture, QUEUE_DELIVERED);
	check_sum(REPORTS_OF(fixture, .id = "c1"), 0, 0, 0);
	check_sum(REPORTS_OF(fixture, .kind = "canvas", .type = "Click",
		      .day = DAY + 1),
	    1, 0, 0);
}

/* ---- the property: what the ledger has moved, the reports have moved ---- */

static bool
note_type(void *arg, const char *label, const struct stats_line *line)
{
	struct stats_line *types = arg;

	if (label[0] == 'T')
		types[label[1] - '0'] = *line;
	return true;
}

static void
check_agrees(struct fixture *fixture)
{
	struct stats_line lines[3] = {{0}};
	struct err err;

	assert_true(stats_ledger(
	    fixture->queue, STATS_BY_TYPE, note_type, lines, &err));
	for (int i = 0; i < 3; i++) {
		char type[] = {'T', (char)('0' + i), '\0'};

		check_sum(REPORTS_OF(fixture, .type = type), lines[i].delivered,
		    lines[i].dropped, lines[i].dead);
	}
}

static void
test_agrees_with_the_ledger(void **state)
{
	static const enum queue_outcome outcomes[] = {QUEUE_DELIVERED,
	    QUEUE_DEAD, QUEUE_DROPPED, QUEUE_DEFERRED, QUEUE_PARKED};
	struct fixture *fixture = *state;
	uint64_t random = 4711;

	for (int step = 0; step < 1200; step++) {
		char type[3] = "T0", under[64];
		uint64_t pick;

		random = random * 6364136223846793005u + 1442695040888963407u;
		pick = random >> 33;
		type[1] = (char)('0' + pick % 3);
		(void)snprintf(under, sizeof(under), "%d %s c%d n%d",
		    DAY + (int)(pick / 3 % 5), pick % 4 == 0 ? "-" : "campaign",
		    (int)(pick / 16 % 7), (int)(pick / 128 % 3));
		switch (pick / 512 % 8) {
		case 0:
		case 1:
			put_under(
			    fixture, type, under, 1 + pick % 9, ITEM_QUEUE);
			break;
		case 2:
			put_under(fixture, type, under, 1 + pick % 3,
			    pick % 2 == 0 ? ITEM_DEAD : ITEM_DROP);
			break;
		case 3:
		case 4: {
			struct queue_lease *lease = take(fixture, 9000);

			if (lease == NULL)
				break;
			settle_all(
			    fixture, lease, outcomes[pick / 8192 % 5], 9000);
			queue_lease_free(fixture->queue, lease);
			break;
		}
		case 5:
			(void)run(fixture, JOBS_DEAD,
			    pick % 2 == 0 ? jobs_requeue : drop, " c3 ");
			break;
		case 6:
			flush(fixture);
			break;
		default:
			reopen(fixture);
		}
		check_agrees(fixture);
	}
	assert_true(totals(fixture).delivered > 100);
	assert_true(totals(fixture).dropped > 100);
	assert_true(reports_all(fixture).rows > 50);
}

/* ---- folding, and bounds ---- */

/* Count some dropped events, each under "DAY KIND ID NAME". */
static bool
drops_change(
    struct queue *queue, const char *under, int count, struct err *reterr)
{
	struct stats_line moved = {.received = count, .dropped = count};
	struct ledger_key key = {.hour = 490000};
	struct item item = {.type = STR("Open"), .data = str_text(under)};

	return ledger_source(queue->ledger, (struct str)STR("main"), SIZE_MAX,
		   &key.source, reterr) &&
	       ledger_type(queue->ledger, item.type, &key.type, reterr) &&
	       ledger_add(queue->ledger, &key, &item, &moved, reterr);
}

static bool
late_change(struct queue *queue, void *arg, struct err *reterr)
{
	(void)arg;
	return drops_change(queue, "30005 campaign c1 -", 5, reterr);
}

static void
test_old_days_become_months(void **state)
{
	struct fixture *fixture = *state;
	struct err err;

	put_under(fixture, "Open", "29980 campaign c1 Old", 1, ITEM_DROP);
	put_under(fixture, "Open", "30000 campaign c1 Mid", 2, ITEM_DROP);
	put_under(fixture, "Open", "30001 campaign c1 New", 3, ITEM_DEAD);
	put_under(fixture, "Open", "30030 campaign c1 New", 4, ITEM_DROP);
	flush(fixture);
	/* whose own folds are of another day */
	queue_stop(fixture->queue);
	fold(fixture, 30030 + REPORTS_DAYS);
	/* of February as a whole, since the floor is in March */
	check_sum(REPORTS_OF(fixture, .day = FEBRUARY, .month = true), 0, 2, 3);
	check_sum(REPORTS_OF(fixture, .day = JANUARY, .month = true), 0, 1, 0);
	check_sum(REPORTS_OF(fixture, .day = 30030), 0, 4, 0);
	assert_int_equal(reports_all(fixture).rows, 3);
	assert_string_equal(
	    REPORTS_OF(fixture, .day = FEBRUARY, .month = true).name, "New");

	/* what comes late goes there, and so does what is taken away */
	queue_close(fixture->queue);
	assert_true(queue_open(&fixture->settings, &fixture->queue, &err));
	assert_true(
	    queue_change(fixture->queue, late_change, NULL, false, &err));
	(void)run(fixture, JOBS_DEAD, drop, NULL);
	for (int round = 0; round < 2; round++) {
		check_sum(REPORTS_OF(fixture, .day = FEBRUARY, .month = true),
		    0, 10, 0);
		flush(fixture);
	}
	assert_int_equal(reports_all(fixture).rows, 3);

	/* since a day: its month, too */
	assert_int_equal(
	    reports_of(fixture, (struct wanted){.day = 0}, 30001).sum.dropped,
	    14);
	assert_int_equal(
	    reports_of(fixture, (struct wanted){.day = 0}, 30028).sum.dropped,
	    4);
	assert_int_equal(
	    reports_of(fixture, (struct wanted){.day = 0}, 30031).rows, 0);

	/* a clock that was ahead has no lasting effect */
	fold(fixture, 30005);
	assert_true(
	    queue_change(fixture->queue, late_change, NULL, false, &err));
	check_sum(REPORTS_OF(fixture, .day = 30005), 0, 5, 0);
}

static void
engine_change(struct fixture *fixture, enum engine_op op,
    const struct engine_report *row, int64_t number, bool *ret_flag)
{
	struct engine_change change = {
	    .op = op, .row.report = *row, .number = number};
	struct engine_apply apply = {.changes = &change, .count = 1};
	struct err err;

	fair_lock_hold(&fixture->queue->lock);
	if (!fixture->queue->engine->apply(fixture->queue->store, &apply, &err))
		fail_msg("%s", err.text);
	fair_lock_drop(&fixture->queue->lock);
	*ret_flag = change.flag;
}

/* New rows beyond the bound are of the others; a fold makes room. */
static void
test_full_tables(void **state)
{
	struct fixture *fixture = *state;
	struct engine_report row = {.kind = STR("campaign"),
	    .name = STR("n"),
	    .type = STR("Open"),
	    .delivered = 1,
	    .rows_max = 6};
	struct engine_totals totals;
	char id[16];
	struct err err;
	bool more = true;

	for (int i = 0; i < 10; i++) {
		(void)snprintf(id, sizeof(id), "c%d", i);
		row.id = str_text(id);
		row.day = i < 5 ? ~(int64_t)FEBRUARY : DAY;
		engine_change(fixture, ENGINE_REPORT_ADD, &row, 0, &more);
	}
	row.id = (struct str)STR("c1");
	row.day = ~(int64_t)FEBRUARY;
	engine_change(fixture, ENGINE_REPORT_ADD, &row, 0, &more);
	check_sum(REPORTS_OF(fixture, .id = "c1"), 2, 0, 0);
	check_sum(REPORTS_OF(fixture, .id = "c5"), 1, 0, 0);
	check_sum(REPORTS_OF(fixture, .id = "(other)", .day = DAY), 4, 0, 0);
	assert_true(fixture->queue->engine->totals(
	    fixture->queue->store, false, &totals, &err));
	assert_int_equal(totals.reports, 7);

	row.day = DAY - 30;
	row.rows_max = 4;
	for (more = true; more;)
		engine_change(fixture, ENGINE_REPORT_FOLD, &row, 1, &more);
	assert_true(fixture->queue->engine->totals(
	    fixture->queue->store, false, &totals, &err));
	assert_in_range(totals.reports, 3, 4);
	check_sum(REPORTS_OF(
		      fixture, .id = "(other)", .day = FEBRUARY, .month = true),
	    totals.reports == 3 ? 6 : 5, 0, 0);
	check_sum(reports_all(fixture), 11, 0, 0);
}

/* So many labels. */
static bool
labels_change(struct queue *queue, void *arg, struct err *reterr)
{
	const int *count = arg;
	char under[64];
	bool ok = true;

	for (int i = 0; ok && i < *count; i++) {
		(void)snprintf(
		    under, sizeof(under), "30000 campaign c%d n%d", i, i);
		ok = drops_change(queue, under, 1, reterr);
	}
	return ok;
}

/* Too many labels at once are not kept apart, nor are long ones. */
static void
test_many_labels(void **state)
{
	struct fixture *fixture = *state;
	struct queue *queue = fixture->queue;
	const struct reports *reports = ledger_reports(queue->ledger);
	int count = REPORTS_PENDING_MAX + 10;
	char under[REPORTS_ID_MAX + 64];
	struct err err;

	fair_lock_hold(&queue->lock);
	assert_true(queue_change_held(queue, flush_change, NULL, false, &err));
	assert_false(reports_pending(reports) || reports_many(reports));
	assert_true(
	    queue_change_held(queue, labels_change, &count, false, &err));
	assert_true(reports_pending(reports) && reports_many(reports));
	fair_lock_drop(&queue->lock);
	for (int round = 0; round < 2; round++) {
		check_sum(REPORTS_OF(fixture, .id = "(other)"), 0, 10, 0);
		assert_string_equal(
		    REPORTS_OF(fixture, .id = "(other)").name, "");
		check_sum(reports_all(fixture), 0, count, 0);
		assert_int_equal(
		    reports_all(fixture).rows, REPORTS_PENDING_MAX + 1);
		flush(fixture);
	}
	(void)snprintf(under, sizeof(under), "30000 campaign %0*d n",
	    REPORTS_ID_MAX + 1, 7);
	put_under(fixture, "Open", under, 1, ITEM_DROP);
	check_sum(
	    REPORTS_OF(fixture, .kind = "campaign", .id = "(other)"), 0, 1, 0);
}

/* ---- what fails ---- */

static void
test_failed_transactions_leave_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct queue_lease *lease;
	struct err err;

	if (!on_memory())
		return; /* only this engine can be told to fail */
	put_under(fixture, "Open", "30000 campaign c1 A", 2, ITEM_DROP);
	put_under(fixture, "Open", "30000 campaign c1 B", 3, ITEM_QUEUE);
	put_under(fixture, "Open", "30000 campaign c2 C", 4, ITEM_QUEUE);
	lease = take(fixture, 9000);
	while (lease != NULL) {
		judge_all(lease, QUEUE_DELIVERED, 0);
		fair_lock_hold(&fixture->queue->lock);
		memory_fail_next(fixture->queue->store, false);
		fair_lock_drop(&fixture->queue->lock);
		assert_false(
		    queue_settle(fixture->queue, &lease, 1, 5000, &err));
		queue_lease_free(fixture->queue, lease);
		lease = NULL;
	}
	reopen(fixture);
	check_sum(reports_all(fixture), 0, 2, 0);
	assert_string_equal(reports_all(fixture).name, "A");
	settle_due(fixture, QUEUE_DELIVERED);
	check_sum(REPORTS_OF(fixture, .id = "c1"), 3, 2, 0);
	check_sum(REPORTS_OF(fixture, .id = "c2"), 4, 0, 0);
}

/* What was read before a damaged tally counts, and so does all that comes. */
static void
test_damaged_tallies(void **state)
{
	struct fixture *fixture = *state;

	FILE_ONLY();
	put_under(fixture, "Open", "30000 campaign c1 A", 1, ITEM_DROP);
	put_under(fixture, "Open", "30000 campaign c2 B", 2, ITEM_DROP);
	put_under(fixture, "Open", "30000 campaign c1 A", 4, ITEM_DROP);
	fair_lock_hold(&fixture->queue->lock);
	assert_int_equal(
	    sqlite3_exec(sqlite_connection(fixture->queue->store),
		"UPDATE tally SET data=x'00ff' WHERE n=(SELECT max(n)-1"
		" FROM tally)",
		NULL, NULL, NULL),
	    SQLITE_OK);
	fair_lock_drop(&fixture->queue->lock);
	for (int round = 0; round < 3; round++) {
		reopen(fixture);
		check_sum(reports_all(fixture), 0, 1 + round, 0);
		flush(fixture);
		put_under(fixture, "Open", "30000 campaign c1 A", 1, ITEM_DROP);
	}
}

#undef TEST
#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, reports_setup, fixture_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_outcomes),
	    TEST(test_jobs),
	    TEST(test_an_edited_letter),
	    TEST(test_agrees_with_the_ledger),
	    TEST(test_old_days_become_months),
	    TEST(test_full_tables),
	    TEST(test_many_labels),
	    TEST(test_failed_transactions_leave_nothing),
	    TEST(test_damaged_tallies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
