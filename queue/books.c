#include "queue/inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BOOKS_STALLED_MS = 10000 };

int64_t
stats_imbalance(const struct stats_line *line)
{
	return line->received - line->queued - line->delivered - line->dead -
	       line->dropped - line->duplicates - line->erased - line->expired;
}

void
stats_totals(struct queue *queue, struct stats_totals *ret_totals)
{
	lock_hold(&queue->shelf);
	*ret_totals = queue->totals;
	lock_drop(&queue->shelf);
}

bool
stats_alive(struct queue *queue, int64_t mono_ms)
{
	return mono_ms - atomic_load(&queue->beat_mono_ms) < BOOKS_STALLED_MS;
}

void
stats_destinations(struct queue *queue, stats_destination_fn *fn, void *arg)
{
	lock_hold(&queue->shelf);
	for (size_t i = 0; i < queue->lanes_shown_count; i++)
		fn(arg, queue->lanes_shown[i].name,
		    queue->lanes_shown[i].queued);
	lock_drop(&queue->shelf);
}

int64_t
stats_destination_queued(struct queue *queue, const char *lane)
{
	int64_t queued = 0;

	lock_hold(&queue->shelf);
	for (size_t i = 0; i < queue->lanes_shown_count; i++) {
		if (strcmp(queue->lanes_shown[i].name, lane) == 0)
			queued = queue->lanes_shown[i].queued;
	}
	lock_drop(&queue->shelf);
	return queued;
}

int64_t
stats_destination_delivered_ms(struct queue *queue, const char *lane)
{
	int64_t ms = 0;

	lock_hold(&queue->shelf);
	for (size_t i = 0; i < queue->lanes_shown_count; i++) {
		if (strcmp(queue->lanes_shown[i].name, lane) == 0)
			ms = queue->lanes_shown[i].delivered_ms;
	}
	lock_drop(&queue->shelf);
	return ms;
}

static bool
books_lane_paused_read(
    struct queue *queue, const char *lane, bool *ret_paused, struct err *reterr)
{
	sqlite3_stmt *read =
	    queue_statement(queue, STORE_DESTINATION_READ, reterr);
	bool row;

	if (read == NULL)
		return false;
	(void)sqlite3_bind_int64(
	    read, 1, names_find(queue->names, lane, strlen(lane)));
	if (!store_step(&queue->store, read, &row, reterr))
		return false;
	*ret_paused = row && sqlite3_column_int64(read, 2) != 0;
	store_reset(read);
	return true;
}

bool
stats_destination_paused(
    struct queue *queue, const char *lane, bool *ret_paused, struct err *reterr)
{
	bool ok;

	lock_hold(&queue->held);
	ok = books_lane_paused_read(queue, lane, ret_paused, reterr);
	lock_drop(&queue->held);
	return ok;
}

static bool
books_number(struct queue *queue, enum store_sql sql, int64_t *ret_number,
    struct err *reterr)
{
	sqlite3_stmt *statement = queue_statement(queue, sql, reterr);
	bool row;

	if (statement == NULL ||
	    !store_step(&queue->store, statement, &row, reterr))
		return false;
	*ret_number = sqlite3_column_int64(statement, 0);
	store_reset(statement);
	return true;
}

/* The next source of a lane that has tickets; 0 after the last. */
static bool
books_source_after(struct queue *queue, int64_t lane, int64_t last,
    int64_t *ret_source, struct err *reterr)
{
	sqlite3_stmt *after =
	    queue_statement(queue, STORE_DELIVERY_SOURCE_AFTER, reterr);
	bool row;

	if (after == NULL)
		return false;
	(void)sqlite3_bind_int64(after, 1, lane);
	(void)sqlite3_bind_int64(after, 2, last);
	if (!store_step(&queue->store, after, &row, reterr))
		return false;
	*ret_source = sqlite3_column_int64(after, 0);
	store_reset(after);
	return true;
}

/* Lower *oldest_ms to what the statement finds for a lane and a source. */
static bool
books_oldest_of(struct queue *queue, enum store_sql sql, int64_t lane,
    int64_t source, int64_t *oldest_ms, struct err *reterr)
{
	sqlite3_stmt *oldest = queue_statement(queue, sql, reterr);
	int64_t ms = 0;
	bool row;

	if (oldest == NULL)
		return false;
	(void)sqlite3_bind_int64(oldest, 1, lane);
	(void)sqlite3_bind_int64(oldest, 2, source);
	if (!store_step(&queue->store, oldest, &row, reterr))
		return false;
	if (row)
		ms = sqlite3_column_int64(oldest, 0);
	store_reset(oldest);
	if (ms != 0 && (*oldest_ms == 0 || ms < *oldest_ms))
		*oldest_ms = ms;
	return true;
}

/* Source by source, since only the first ticket of each is a cheap look. */
static bool
books_oldest_in(
    struct queue *queue, int64_t lane, int64_t *oldest_ms, struct err *reterr)
{
	int64_t source = 0;

	for (;;) {
		if (!books_source_after(queue, lane, source, &source, reterr))
			return false;
		if (source == 0)
			return true;
		if (!books_oldest_of(queue, STORE_DELIVERY_OLDEST_FRESH, lane,
			source, oldest_ms, reterr) ||
		    !books_oldest_of(queue, STORE_DELIVERY_OLDEST_DEFERRED,
			lane, source, oldest_ms, reterr))
			return false;
	}
}

bool
stats_oldest_ms(
    struct queue *queue, const char *lane, int64_t *ret_ms, struct err *reterr)
{
	int64_t oldest_ms = 0, id = 0;
	bool ok = true;

	lock_hold(&queue->held);
	if (lane != NULL)
		id = names_find(queue->names, lane, strlen(lane));
	for (size_t i = 0; ok && i < queue->lane_count; i++) {
		if (lane == NULL || queue->lanes[i].id == id)
			ok = books_oldest_in(
			    queue, queue->lanes[i].id, &oldest_ms, reterr);
	}
	lock_drop(&queue->held);
	if (ok)
		*ret_ms = oldest_ms;
	return ok;
}

struct books_difference {
	stats_text_fn *fn;
	void *arg;
	bool agree;
};

static void
books_compare(struct books_difference *difference, const char *what,
    int64_t ledger, int64_t rows)
{
	char text[160];

	if (ledger == rows)
		return;
	difference->agree = false;
	(void)snprintf(text, sizeof(text),
	    "%s: the ledger has %" PRId64 ", the rows have %" PRId64, what,
	    ledger, rows);
	difference->fn(difference->arg, text);
}

/* What the rows say, beside what the books say. */
struct books_count {
	int64_t queued, dead, lanes, archive_batches, archive_bytes;
	struct stats_line line;
	int64_t booked_parcels, booked_bytes;
};

static bool
books_count_rows(
    struct queue *queue, struct books_count *count, struct err *reterr)
{
	sqlite3_stmt *row;
	bool there;

	if (!books_number(queue, STORE_CHECK_QUEUED, &count->queued, reterr) ||
	    !books_number(queue, STORE_CHECK_DEAD, &count->dead, reterr) ||
	    !books_number(
		queue, STORE_CHECK_DESTINATIONS, &count->lanes, reterr))
		return false;
	row = queue_statement(queue, STORE_ARCHIVE_TOTALS, reterr);
	if (row == NULL || !store_step(&queue->store, row, &there, reterr))
		return false;
	count->archive_batches = sqlite3_column_int64(row, 0);
	count->archive_bytes = sqlite3_column_int64(row, 1);
	store_reset(row);
	row = queue_statement(queue, STORE_LEDGER_TOTALS, reterr);
	if (row == NULL || !store_step(&queue->store, row, &there, reterr))
		return false;
	ledger_line_read(row, 1, &count->line);
	store_reset(row);
	count->booked_parcels = queue->archive_batches;
	count->booked_bytes = queue->archive_bytes;
	return true;
}

bool
stats_check(struct queue *queue, stats_text_fn *fn, void *arg, bool *ret_agree,
    struct err *reterr)
{
	struct books_difference difference = {
	    .fn = fn, .arg = arg, .agree = true};
	struct books_count count;
	bool ok;

	lock_hold(&queue->held);
	ok = books_count_rows(queue, &count, reterr);
	lock_drop(&queue->held);
	if (!ok)
		return false;
	books_compare(&difference, "queued", count.line.queued, count.queued);
	books_compare(&difference, "queued, by destination", count.line.queued,
	    count.lanes);
	books_compare(&difference, "dead", count.line.dead, count.dead);
	books_compare(&difference, "archive, batches", count.booked_parcels,
	    count.archive_batches);
	books_compare(&difference, "archive, bytes", count.booked_bytes,
	    count.archive_bytes);
	books_compare(&difference, "received less all the rest",
	    stats_imbalance(&count.line), 0);
	*ret_agree = difference.agree;
	return true;
}
