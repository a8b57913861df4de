/* /queue/stats: how much is queued, and for how long. */

#include "base/clock.h"
#include "base/table.h"
#include "daemon/api_routes.h"
#include "daemon/segments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- by age: by source and by type, in classes that double, so that a burst
 * and a jam look different ---- */

enum {
	AGE_CLASSES = 10, /* up to 5 min, 10 min, ... 1280 min; older */
	AGE_FIRST_MS = 5 * 60 * 1000,
	AGE_ROWS_MAX = 1000, /* of a table; more share the last */
	AGE_NAME = 128,
	AGE_ALIVE_MS = 1000,
};

struct age_row {
	char name[AGE_NAME];
	int64_t classes[AGE_CLASSES], all;
};

struct age_table {
	struct age_row *rows;
	uint32_t count;
	struct table names;
};

struct age {
	int64_t now_ms;
	struct age_table sources, types;
	bool no_memory;
	int64_t damaged; /* batches that could not be read */
};

struct age_lookup {
	const struct age_table *table;
	struct str name;
};

static bool
age_name_equal(const void *arg, uint32_t position)
{
	const struct age_lookup *lookup = arg;

	return str_equal_text(lookup->name, lookup->table->rows[position].name);
}

/* The row of that name, made if need be; NULL without memory. */
static struct age_row *
age_row(struct age_table *table, struct str name)
{
	struct age_lookup lookup = {table, name};
	uint64_t hash;
	uint32_t at;

	if (lookup.name.len >= AGE_NAME)
		lookup.name.len = AGE_NAME - 1;
	hash = str_hash(0, lookup.name);
	at = table_find(&table->names, hash, age_name_equal, &lookup);
	if (at != TABLE_NONE)
		return &table->rows[at];
	if (table->rows == NULL)
		table->rows = calloc(AGE_ROWS_MAX, sizeof(*table->rows));
	if (table->rows == NULL ||
	    !table_reserve(&table->names, table->count + 1))
		return NULL;
	if (table->count == AGE_ROWS_MAX) {
		struct age_row *last = &table->rows[AGE_ROWS_MAX - 1];

		(void)snprintf(last->name, sizeof(last->name), "others");
		return last;
	}
	memcpy(
	    table->rows[table->count].name, lookup.name.data, lookup.name.len);
	table_add(&table->names, hash, table->count);
	return &table->rows[table->count++];
}

static bool
age_event(void *arg, const struct jobs_event *event)
{
	struct age *age = arg;
	int64_t age_ms = age->now_ms - event->accepted_ms;
	struct age_row *rows[] = {
	    age_row(&age->sources, str_text(event->source)),
	    age_row(&age->types, event->type),
	};
	size_t class = 0;

	for (int64_t most = AGE_FIRST_MS;
	     class + 1 < AGE_CLASSES && age_ms > most; most *= 2)
		class ++;
	for (size_t i = 0; i < 2; i++) {
		if (rows[i] == NULL) {
			age->no_memory = true;
			continue;
		}
		rows[i]->classes[class]++;
		rows[i]->all++;
	}
	return true;
}

static void
age_json(const struct age_table *table, const char *key, struct json *json)
{
	json_array_open(json, key);
	for (size_t i = 0; i < table->count; i++) {
		const struct age_row *row = &table->rows[i];

		json_object_open(json, NULL);
		json_text(json, "label", row->name);
		json_int(json, "queued", row->all);
		json_array_open(json, "ages");
		for (size_t c = 0; c < AGE_CLASSES; c++)
			json_int(json, NULL, row->classes[c]);
		json_array_close(json);
		json_object_close(json);
	}
	json_array_close(json);
}

/* It comes before the answer, which is one object: to show the client that we
 * are alive there is only white space. */
static bool
age_progress(void *arg, const char *text, struct err *reterr)
{
	struct api *api = arg;

	(void)text;
	if (clock_mono_ms() - api->line_ms >= AGE_ALIVE_MS)
		(void)buf_char(&api->out, '\n');
	return api_flush(api, reterr);
}

static bool
age_message(void *arg, const char *text, struct err *reterr)
{
	(void)arg;
	(void)text;
	(void)reterr;
	return true; /* the answer says how many are damaged */
}

/* Look at every queued event. */
static bool
age_read(struct api *api, struct age *age, struct err *reterr)
{
	const struct job_caller caller = {
	    .arg = api, .message = age_message, .progress = age_progress};
	struct job job = api_job(api, "looked at", job_step_scan);

	age->now_ms = api->now_ms;
	job.caller = &caller;
	job.match = age_event;
	job.match_arg = age;
	if (!job_run(&job, JOBS_QUEUED, reterr))
		return false;
	age->damaged = (int64_t)job.damaged;
	return !age->no_memory || err_set_nomem(reterr);
}

static void
age_fini(struct age *age)
{
	free(age->sources.rows);
	free(age->types.rows);
	table_fini(&age->sources.names);
	table_fini(&age->types.names);
}

/* ---- by source and type ---- */

struct stats {
	struct json *json;
	struct segment_names names; /* of types; else none */
};

static bool
stats_row(void *arg, const char *label, const struct stats_line *line)
{
	struct stats *stats = arg;
	const char *name = segment_names_find(&stats->names, label);

	if (line->queued == 0 && line->dead == 0)
		return true;
	json_object_open(stats->json, NULL);
	json_text(stats->json, "label", label);
	if (name != NULL)
		json_text(stats->json, "segment", name);
	json_int(stats->json, "queued", line->queued);
	json_int(stats->json, "dead", line->dead);
	json_object_close(stats->json);
	return true;
}

static bool
stats_lines(struct api *api, struct err *reterr)
{
	struct stats stats = {.json = &api->json};
	bool ok;

	json_array_open(&api->json, "sources");
	if (!stats_ledger(
		api->daemon->queue, STATS_BY_SOURCE, stats_row, &stats, reterr))
		return false;
	json_array_close(&api->json);
	json_array_open(&api->json, "types");
	segment_names_read(
	    api->daemon, api->settings, api->now_ms, &stats.names);
	ok = stats_ledger(
	    api->daemon->queue, STATS_BY_TYPE, stats_row, &stats, reterr);
	segment_names_fini(&stats.names);
	json_array_close(&api->json);
	return ok;
}

/* ---- by destination ---- */

static void
stats_destination(
    struct api *api, const struct settings_destination *destination)
{
	struct json *json = &api->json;
	struct status_destination status;

	status_destination_read(api->daemon, destination, api->now_ms, &status);
	json_object_open(json, NULL);
	json_text(json, "name", status.name);
	json_int(json, "queued", status.queued);
	json_int(json, "held", status.held);
	if (status.oldest_ms == 0)
		json_null_value(json, "oldest_queued_s");
	else
		json_int(json, "oldest_queued_s",
		    api->now_ms > status.oldest_ms
			? (api->now_ms - status.oldest_ms) / 1000
			: 0);
	if (status.drain_s < 0)
		json_null_value(json, "drain_forecast_s");
	else
		json_int(json, "drain_forecast_s", status.drain_s);
	json_object_close(json);
}

static bool
stats_write(struct api *api, const struct age *age, struct err *reterr)
{
	struct daemon *daemon = api->daemon;
	struct json *json = &api->json;
	struct stats_totals totals;

	stats_totals(daemon->queue, &totals);
	json_object_open(json, NULL);
	json_time(json, "now", api->now_ms);
	json_int(json, "queued", totals.events.queued);
	json_int(json, "dead", totals.events.dead);
	json_int(json, "unreadable", totals.unreadable);
	json_array_open(json, "destinations");
	for (size_t i = 0; i < api->settings->destination_count; i++)
		stats_destination(api, &api->settings->destinations[i]);
	json_array_close(json);
	status_stranded_json(daemon, api->settings, api->now_ms, json);
	if (!stats_lines(api, reterr))
		return false;
	if (age != NULL) {
		age_json(&age->sources, "sources_by_age", json);
		age_json(&age->types, "types_by_age", json);
		json_int(json, "damaged", age->damaged);
	}
	json_object_close(json);
	return true;
}

bool
api_stats(struct api *api, struct err *reterr)
{
	struct age age = {.now_ms = 0};
	bool by_age, ok;

	if (!api_flag(api, "age", &by_age, reterr))
		return false;
	ok = (!by_age || age_read(api, &age, reterr)) &&
	     stats_write(api, by_age ? &age : NULL, reterr);
	age_fini(&age);
	return ok;
}
