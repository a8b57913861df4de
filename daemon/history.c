#include "daemon/history.h"

#include "base/lock.h"
#include "daemon/daemon.h"
#include "queue/admin.h"

#include <stdlib.h>
#include <string.h>

enum { HISTORY_HOUR = 60 }; /* samples */

/* Of everything; the first ones count from the beginning of the queue. */
enum column {
	COLUMN_AT, /* seconds since 1970 */
	COLUMN_RECEIVED,
	COLUMN_DELIVERED,
	COLUMN_DROPPED,
	COLUMN_QUEUED,
	COLUMN_DEAD,
	COLUMNS
};

/* Of a destination. */
enum { OF_QUEUED, OF_ACCEPTED /* since the start */, OF_COLUMNS };

struct history {
	int64_t taken_ms; /* owned by the thread that takes samples; mono */

	struct lock lock; /* guards what follows; only that thread changes it */
	size_t count, next;
	int64_t totals[HISTORY_SAMPLES][COLUMNS];
	size_t destinations;
	struct history_destination {
		char *name;		   /* owned, and what follows */
		int64_t (*of)[OF_COLUMNS]; /* samples */
	} list[HISTORY_DESTINATIONS];
};

struct history *
history_new(void)
{
	struct history *history = calloc(1, sizeof(*history));

	if (history == NULL)
		return NULL;
	history->taken_ms = INT64_MIN;
	lock_init(&history->lock);
	return history;
}

void
history_free(struct history *history)
{
	if (history == NULL)
		return;
	for (size_t i = 0; i < history->destinations; i++) {
		free(history->list[i].name);
		free(history->list[i].of);
	}
	lock_fini(&history->lock);
	free(history);
}

static void
totals_read(struct daemon *daemon, int64_t wall_ms, int64_t ret[COLUMNS])
{
	struct stats_totals totals;

	stats_totals(daemon->queue, &totals);
	ret[COLUMN_AT] = wall_ms / 1000;
	ret[COLUMN_RECEIVED] = totals.events.received;
	ret[COLUMN_DELIVERED] = totals.events.delivered;
	ret[COLUMN_DROPPED] = totals.events.dropped;
	ret[COLUMN_QUEUED] = totals.events.queued;
	ret[COLUMN_DEAD] = totals.events.dead;
}

static void
history_add(struct history *history, const char *name)
{
	struct history_destination added = {.name = strdup(name)};
	size_t i = 0;

	while (i < history->destinations &&
	       strcmp(history->list[i].name, name) != 0)
		i++;
	added.of = i == history->destinations && i < HISTORY_DESTINATIONS
		       ? calloc(HISTORY_SAMPLES, sizeof(*added.of))
		       : NULL;
	if (added.of == NULL || added.name == NULL) {
		free(added.name);
		free(added.of);
		return;
	}
	lock_hold(&history->lock);
	history->list[history->destinations++] = added;
	lock_drop(&history->lock);
}

void
history_take(struct history *history, struct daemon *daemon, int64_t mono_ms,
    int64_t wall_ms)
{
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);
	struct forwarder_destination_status status;
	int64_t totals[COLUMNS], of[HISTORY_DESTINATIONS][OF_COLUMNS] = {{0}};
	struct generation *generation;

	if (history->taken_ms != INT64_MIN &&
	    mono_ms < history->taken_ms + HISTORY_STEP_MS)
		return;
	history->taken_ms = mono_ms;
	generation = in_force_hold(&daemon->in_force);
	for (size_t i = 0; i < generation->settings->destination_count; i++)
		history_add(history,
		    generation->settings->destinations[i].forwarder.name);
	generation_drop(generation);
	totals_read(daemon, wall_ms, totals);
	for (size_t i = 0; i < history->destinations; i++) {
		const char *name = history->list[i].name;

		of[i][OF_QUEUED] =
		    stats_destination_queued(daemon->queue, name);
		if (forwarder == NULL)
			continue;
		forwarder_destination_status(forwarder, name, &status);
		of[i][OF_ACCEPTED] = (int64_t)status.accepted;
	}
	lock_hold(&history->lock);
	for (size_t c = 0; c < COLUMNS; c++)
		history->totals[history->next][c] = totals[c];
	for (size_t i = 0; i < history->destinations; i++) {
		for (size_t c = 0; c < OF_COLUMNS; c++)
			history->list[i].of[history->next][c] = of[i][c];
	}
	history->next = (history->next + 1) % HISTORY_SAMPLES;
	if (history->count < HISTORY_SAMPLES)
		history->count++;
	lock_drop(&history->lock);
}

/* The position of a sample, 0 being the oldest. */
static size_t
history_at(const struct history *history, size_t i)
{
	lock_assert_held(&history->lock);
	return (history->next + HISTORY_SAMPLES - history->count + i) %
	       HISTORY_SAMPLES;
}

void
history_hour_json(
    struct history *history, struct daemon *daemon, struct json *json)
{
	int64_t before[COLUMNS] = {0}, totals[COLUMNS];
	size_t at;

	totals_read(daemon, 0, totals);
	lock_hold(&history->lock);
	if (history->count > 0) {
		at = history_at(history, history->count > HISTORY_HOUR
					     ? history->count - HISTORY_HOUR
					     : 0);
		for (size_t c = 0; c < COLUMNS; c++)
			before[c] = history->totals[at][c];
	} else {
		for (size_t c = 0; c < COLUMNS; c++)
			before[c] = totals[c];
	}
	lock_drop(&history->lock);
	json_int(json, "received",
	    totals[COLUMN_RECEIVED] - before[COLUMN_RECEIVED]);
	json_int(json, "delivered",
	    totals[COLUMN_DELIVERED] - before[COLUMN_DELIVERED]);
}

/* One column of what is there from sample `first` on; `base` is its value in
 * the sample at position 0, and samples are so many values apart. */
static void
column_json(const struct history *history, const char *key, const int64_t *base,
    size_t apart, size_t first, struct json *json)
{
	json_array_open(json, key);
	for (size_t i = first; i < history->count; i++)
		json_int(json, NULL, base[history_at(history, i) * apart]);
	json_array_close(json);
}

void
history_json(struct history *history, int64_t since_ms, struct json *json)
{
	static const char *const names[COLUMNS] = {
	    "at", "received", "delivered", "dropped", "queued", "dead"};
	static const char *const of_names[OF_COLUMNS] = {"queued", "accepted"};
	size_t first = 0;

	json_int(json, "step_s", HISTORY_STEP_MS / 1000);
	lock_hold(&history->lock);
	while (first < history->count &&
	       history->totals[history_at(history, first)][COLUMN_AT] * 1000 <
		   since_ms)
		first++;
	for (size_t c = 0; c < COLUMNS; c++)
		column_json(history, names[c], &history->totals[0][c], COLUMNS,
		    first, json);
	json_array_open(json, "destinations");
	for (size_t i = 0; i < history->destinations; i++) {
		json_object_open(json, NULL);
		json_text(json, "name", history->list[i].name);
		for (size_t c = 0; c < OF_COLUMNS; c++)
			column_json(history, of_names[c],
			    &history->list[i].of[0][c], OF_COLUMNS, first,
			    json);
		json_object_close(json);
	}
	json_array_close(json);
	lock_drop(&history->lock);
}
