#include "verify.h"

#include "queue/admin.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* What was found of each event. */
struct found {
	struct model *model;
	struct stats_line lines[MODEL_EVENTS];
	struct stats_line reports[MODEL_EVENTS];
	unsigned queued[MODEL_EVENTS], dead[MODEL_EVENTS];
	size_t wrong;
};

#define WRONG(found, ...)                                                      \
	do {                                                                   \
		(found)->wrong++;                                              \
		(void)fprintf(stderr, "wrong: " __VA_ARGS__);                  \
		(void)fputc('\n', stderr);                                     \
	} while (0)

static void
verify_text(void *arg, const char *text)
{
	WRONG((struct found *)arg, "ledger: %s", text);
}

static bool
verify_line(void *arg, const char *label, const struct stats_line *line)
{
	struct found *found = arg;
	size_t number;

	if (model_type_read(label, strlen(label), &number) &&
	    number < MODEL_EVENTS)
		found->lines[number] = *line;
	else
		WRONG(found, "an unknown type %s in the ledger", label);
	return true;
}

static bool
verify_report(void *arg, const struct stats_report *report)
{
	struct found *found = arg;
	size_t number;

	if (!model_type_read(report->type, strlen(report->type), &number) ||
	    number >= MODEL_EVENTS) {
		WRONG(found, "an unknown type %s in the reports", report->type);
		return true;
	}
	found->reports[number].delivered += report->delivered;
	found->reports[number].dropped += report->dropped;
	found->reports[number].dead += report->dead;
	return true;
}

static void
verify_event(struct found *found, unsigned *counts, const char *type,
    size_t type_len, const char *bytes, size_t len)
{
	char data[MODEL_DATA];
	size_t number;

	if (!model_type_read(type, type_len, &number) ||
	    number >= MODEL_EVENTS) {
		WRONG(found, "an event of the type %.*s was never put",
		    (int)type_len, type);
		return;
	}
	counts[number]++;
	if (len != model_data(found->model, number, data) ||
	    memcmp(bytes, data, len) != 0)
		WRONG(found, "event %zu has other bytes than were put", number);
}

static bool
verify_dead(void *arg, const struct stats_dead *dead)
{
	struct found *found = arg;

	verify_event(found, found->dead, dead->type, strlen(dead->type),
	    dead->data.data, dead->data.len);
	return true;
}

/* Look at what is on lease, and give it back. */
static void
verify_leases(struct work *work, struct found *found,
    struct queue_lease *leases, int64_t position)
{
	struct queue_lease *lease;

	for (lease = leases; lease != NULL; lease = lease->next) {
		for (size_t i = 0; i < lease->count; i++) {
			const struct queue_item *item = &lease->items[i];
			const struct model_event *event;
			size_t number;

			verify_event(found, found->queued, item->type.data,
			    item->type.len, item->data.data, item->data.len);
			if (!model_type_read(
				item->type.data, item->type.len, &number) ||
			    number >= MODEL_EVENTS)
				continue;
			event = &found->model->events[number];
			if (lease->rules.len == 0 && event->posted != 0 &&
			    event->posted <= position)
				WRONG(found, "event %zu has lost its rules",
				    number);
		}
	}
	while ((lease = leases) != NULL) {
		leases = lease->next;
		queue_lease_free(work->queue, lease);
	}
}

/* All that is queued: first what is due some time, at once; then what is
 * parked, one by one, on lease until the end. */
static void
verify_queued(struct work *work, struct found *found, int64_t position)
{
	struct queue_want want = {
	    .destination = work->destination, .bytes = SIZE_MAX};
	struct queue_lease *leases = NULL, *parked = NULL, *one;
	struct err err;

	if (!queue_take(work->queue, &want, 1, INT64_MAX - 1, &leases, &err))
		WRONG(found, "take: %s", err.text);
	if (want.next_ms == INT64_MIN)
		WRONG(found, "not all could be taken");
	want.parked = work_group;
	do {
		one = NULL;
		if (!queue_take(work->queue, &want, 1, 1, &one, &err))
			WRONG(found, "take of parked: %s", err.text);
		if (want.next_ms == INT64_MIN)
			WRONG(found, "not all that is parked could be taken");
		if (one != NULL) {
			one->next = parked;
			parked = one;
		}
	} while (one != NULL);
	verify_leases(work, found, leases, position);
	verify_leases(work, found, parked, position);
}

/* The ledger's line of one event against the model. */
static void
verify_fate(struct found *found, size_t number, int64_t position)
{
	const struct model_event *event = &found->model->events[number];
	const struct stats_line *line = &found->lines[number];
	unsigned may = model_states(event, position), is = MODEL_ABSENT;
	int64_t least, most;

	if (line->queued + line->delivered + line->dead + line->dropped > 1)
		WRONG(found, "event %zu is there more than once", number);
	if (line->queued == 1)
		is = MODEL_QUEUED;
	else if (line->delivered == 1)
		is = MODEL_DELIVERED;
	else if (line->dead == 1)
		is = MODEL_DEAD;
	else if (line->dropped == 1)
		is = MODEL_DROPPED;
	if ((is & may) == 0)
		WRONG(found, "event %zu is in state %u, may be in %u at %lld",
		    number, is, may, (long long)position);
	model_received(event, position, &least, &most);
	if (line->received < least || line->received > most)
		WRONG(found, "event %zu was received %lld times, not %lld-%lld",
		    number, (long long)line->received, (long long)least,
		    (long long)most);
	if (line->received != (is != MODEL_ABSENT) + line->duplicates ||
	    stats_imbalance(line) != 0)
		WRONG(found, "the line of event %zu does not balance", number);
	if (found->reports[number].delivered != line->delivered ||
	    found->reports[number].dropped != line->dropped ||
	    found->reports[number].dead != line->dead + line->expired)
		WRONG(found, "the reports disagree on event %zu", number);
	if (found->queued[number] != (is == MODEL_QUEUED) ||
	    found->dead[number] != (is == MODEL_DEAD))
		WRONG(found, "event %zu in state %u: %u wait, %u are dead",
		    number, is, found->queued[number], found->dead[number]);
}

static void
verify_numbers(struct work *work, struct found *found, int64_t position)
{
	struct stats_totals totals;
	struct queue_destination destination;
	int64_t least = 0, most = 0, saved;
	struct err err;

	stats_totals(work->queue, &totals);
	if (stats_imbalance(&totals.events) != 0 ||
	    totals.events.queued !=
		stats_destination_queued(work->queue, "heap"))
		WRONG(found, "the totals do not balance");
	if (totals.quarantined_batches != 0)
		WRONG(found, "batches were quarantined as damaged");
	for (size_t i = 0; i < work->model->body_count; i++) {
		unsigned may = model_states(&work->model->bodies[i], position);

		least += (may & MODEL_ABSENT) == 0;
		most += may != MODEL_ABSENT;
	}
	if (totals.unreadable < least || totals.unreadable > most)
		WRONG(found, "%lld bodies, not %lld-%lld",
		    (long long)totals.unreadable, (long long)least,
		    (long long)most);
	if (!queue_destination_open(work->queue, "heap", &destination, &err)) {
		WRONG(found, "destination: %s", err.text);
		return;
	}
	model_received(&work->model->posts, position, &least, &most);
	(void)buf_char(&destination.state, '\0');
	saved = atoll(destination.state.data);
	if (saved < least || saved > most)
		WRONG(found, "the state is %lld, not %lld-%lld",
		    (long long)saved, (long long)least, (long long)most);
	queue_destination_fini(&destination);
}

static bool
verify_look(struct work *work, struct found *found, int64_t position)
{
	bool agree = false;
	struct err err;

	memset(found, 0, sizeof(*found));
	found->model = work->model;
	if (!stats_check(work->queue, verify_text, found, &agree, &err) ||
	    !stats_ledger(
		work->queue, STATS_BY_TYPE, verify_line, found, &err) ||
	    !stats_reports(work->queue, 0, verify_report, found, &err) ||
	    !stats_dead(
		work->queue, 0, MODEL_EVENTS * 2, verify_dead, found, &err))
		WRONG(found, "ledger: %s", err.text);
	verify_queued(work, found, position);
	for (size_t i = 0; i < MODEL_EVENTS; i++)
		verify_fate(found, i, position);
	verify_numbers(work, found, position);
	return found->wrong == 0;
}

bool
verify_queue(struct work *work, int64_t position)
{
	struct found *found = calloc(1, sizeof(*found));
	bool ok;

	CHECK(found != NULL);
	ok = verify_look(work, found, position);
	free(found);
	return ok;
}

/* ---- the window of duplicates ---- */

struct again {
	struct lock lock;
	struct cond ready;
	bool done;
	struct queue_receipt receipt;
};

static void
again_done(
    void *arg, const struct queue_receipt *receipt, const struct err *err)
{
	struct again *again = arg;

	if (err != NULL)
		(void)fprintf(stderr, "wrong: put again: %s\n", err->text);
	lock_hold(&again->lock);
	if (receipt != NULL)
		again->receipt = *receipt;
	again->done = true;
	cond_wake(&again->ready);
	lock_drop(&again->lock);
}

static void
again_put(struct work *work, const struct queue_batch *batch,
    struct queue_receipt *ret_receipt)
{
	struct again again = {.done = false};
	struct err err;

	lock_init(&again.lock);
	cond_init(&again.ready);
	if (!queue_put(work->queue, batch, again_done, &again, &err))
		again_done(&again, NULL, &err);
	lock_hold(&again.lock);
	while (!again.done)
		cond_wait(&again.ready, &again.lock, INT64_MAX / 2);
	lock_drop(&again.lock);
	*ret_receipt = again.receipt;
	lock_fini(&again.lock);
	cond_fini(&again.ready);
}

/* What is there is a duplicate when it comes again, and only that. */
static void
verify_again(struct work *work, struct found *found, const char *source)
{
	static const char none[] = "{}";
	struct item items[MODEL_EVENTS];
	char types[MODEL_EVENTS][32];
	struct queue_batch batch = {.source = source,
	    .destination = "heap",
	    .now_ms = 1,
	    .items = items};
	struct queue_receipt receipt;
	size_t there = 0;

	for (size_t i = 0; i < work->model->event_count; i++) {
		if (strcmp(model_source(i), source) != 0)
			continue;
		model_type(i, types[i]);
		items[batch.count++] = (struct item){.fate = ITEM_QUEUE,
		    .type = str_text(types[i]),
		    .id = str_text(types[i]),
		    .data = str_bytes(none, 2)};
		there += found->lines[i].received > 0;
	}
	again_put(work, &batch, &receipt);
	if (receipt.received != batch.count || receipt.duplicates != there)
		WRONG(found, "put again: %zu of %zu are duplicates, not %zu",
		    receipt.duplicates, receipt.received, there);
}

/* ---- the file itself ---- */

static void
verify_body(struct found *found, bool there[MODEL_BODIES], const void *frame,
    size_t frame_len)
{
	static _Thread_local char bytes[MODEL_DATA], data[MODEL_DATA];
	size_t len = ZSTD_decompress(bytes, sizeof(bytes), frame, frame_len);

	for (size_t i = 0; i < found->model->body_count; i++) {
		if (len == model_data(found->model, MODEL_EVENTS + i, data) &&
		    memcmp(bytes, data, len) == 0) {
			if (there[i])
				WRONG(found, "body %zu is there twice", i);
			there[i] = true;
			return;
		}
	}
	WRONG(found, "a body that was never kept");
}

static void
verify_bodies(struct found *found, sqlite3 *db, int64_t position)
{
	bool there[MODEL_BODIES] = {false};
	sqlite3_stmt *rows = NULL;

	CHECK(sqlite3_prepare_v2(db, "SELECT data FROM unreadable", -1, &rows,
		  NULL) == SQLITE_OK);
	while (sqlite3_step(rows) == SQLITE_ROW)
		verify_body(found, there, sqlite3_column_blob(rows, 0),
		    (size_t)sqlite3_column_bytes(rows, 0));
	CHECK(sqlite3_finalize(rows) == SQLITE_OK);
	for (size_t i = 0; i < found->model->body_count; i++) {
		unsigned may = model_states(&found->model->bodies[i], position);

		if ((may & MODEL_ABSENT) == 0 && !there[i])
			WRONG(found, "body %zu is lost", i);
		if (may == MODEL_ABSENT && there[i])
			WRONG(found, "body %zu was never kept", i);
	}
}

static void
verify_file(struct found *found, const char *dir, int64_t position)
{
	sqlite3_stmt *check = NULL;
	char path[300];
	sqlite3 *db;

	(void)snprintf(path, sizeof(path), "%s/queue.db", dir);
	CHECK(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) ==
	      SQLITE_OK);
	CHECK(sqlite3_prepare_v2(
		  db, "PRAGMA integrity_check", -1, &check, NULL) == SQLITE_OK);
	if (sqlite3_step(check) != SQLITE_ROW ||
	    strcmp((const char *)sqlite3_column_text(check, 0), "ok") != 0)
		WRONG(found, "the file fails SQLite's own check");
	CHECK(sqlite3_finalize(check) == SQLITE_OK);
	verify_bodies(found, db, position);
	CHECK(sqlite3_close(db) == SQLITE_OK);
}

bool
verify_dir(struct model *model, const char *dir, int64_t position)
{
	struct found *found = calloc(1, sizeof(*found));
	struct work work;
	struct err err;
	bool ok;

	CHECK(found != NULL);
	if (!work_open(&work, model, dir, &err)) {
		WRONG(found, "open: %s", err.text);
		goto out;
	}
	(void)verify_look(&work, found, position);
	verify_again(&work, found, "main");
	verify_again(&work, found, "other");
	work_close(&work);
	verify_file(found, dir, position);
out:
	ok = found->wrong == 0;
	free(found);
	return ok;
}
