/*
 * currentsd queue stats, check, backup, rescue: the queue and its
 * file as a whole.
 */

#include "base/clock.h"
#include "base/json.h"
#include "base/table.h"
#include "cli/command.h"
#include "daemon/event.h"
#include "cli/segment.h"
#include "cli/show.h"
#include "cli/value.h"
#include "daemon/status.h"
#include "queue/sqlite/rescue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct option_row command_queue_stats_options[] = {
    {"--age", NULL, "Read all queued events, and show how old they are."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* ---- stats --age: by source and by type, in classes that double, so that a
 * burst and a jam look different ---- */

enum {
	AGE_CLASSES = 10, /* up to 5 min, 10 min, ... 1280 min; older */
	AGE_FIRST_MS = 5 * 60 * 1000,
	AGE_ROWS_MAX = 1000, /* of a table; more share the last */
	AGE_NAME = 128,
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
age_text(const struct age_table *table, const char *head, struct buf *out)
{
	int64_t most = AGE_FIRST_MS / 60000;

	(void)buf_printf(out, "\n%-40s %8s", head, "queued");
	for (size_t i = 0; i + 1 < AGE_CLASSES; i++, most *= 2)
		(void)buf_printf(out, " %5" PRId64 "m", most);
	(void)buf_text(out, "  older\n");
	for (size_t i = 0; i < table->count; i++) {
		const struct age_row *row = &table->rows[i];

		(void)buf_printf(out, "%-40s %8" PRId64, row->name, row->all);
		for (size_t c = 0; c < AGE_CLASSES; c++)
			(void)buf_printf(out, " %6" PRId64, row->classes[c]);
		(void)buf_char(out, '\n');
	}
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

/* Look at every queued event; `json` may be NULL. */
static bool
age_show(struct command_context *context, struct json *json, struct buf *out,
    struct err *reterr)
{
	struct job job = command_job(context, out, "looked at", job_step_scan);
	struct age age = {.now_ms = context->now_ms};
	bool ok;

	job.match = age_event;
	job.match_arg = &age;
	ok = job_run(&job, JOBS_QUEUED, reterr);
	if (ok && age.no_memory)
		ok = err_set_nomem(reterr);
	if (ok && json != NULL) {
		age_json(&age.sources, "sources_by_age", json);
		age_json(&age.types, "types_by_age", json);
	} else if (ok) {
		age_text(&age.sources, "source, by age in minutes", out);
		age_text(&age.types, "type, by age in minutes", out);
	}
	free(age.sources.rows);
	free(age.types.rows);
	table_fini(&age.sources.names);
	table_fini(&age.types.names);
	return ok;
}

/* ---- stats ---- */

enum { STATS_NAME = 40 };

struct stats {
	struct buf *out;
	struct json *json; /* NULL: text */
	const char *head;  /* text: of the table */
	size_t count;
	struct segment_names names; /* of types; else none */
};

static bool
stats_row(void *arg, const char *label, const struct stats_line *line)
{
	struct stats *stats = arg;
	const char *name = segment_names_find(&stats->names, label);

	if (line->queued == 0 && line->dead == 0)
		return true;
	if (stats->json == NULL) {
		if (stats->count++ == 0)
			(void)buf_printf(stats->out, "\n%-48s %10s %10s\n",
			    stats->head, "queued", "dead");
		(void)buf_printf(stats->out,
		    "%-48s %10" PRId64 " %10" PRId64 "%s", label, line->queued,
		    line->dead, name != NULL ? "  " : "");
		if (name != NULL)
			show_foreign(
			    stats->out, name, strlen(name), STATS_NAME);
		(void)buf_char(stats->out, '\n');
		return true;
	}
	json_object_open(stats->json, NULL);
	json_text(stats->json, "label", label);
	if (name != NULL)
		json_text(stats->json, "segment", name);
	json_int(stats->json, "queued", line->queued);
	json_int(stats->json, "dead", line->dead);
	json_object_close(stats->json);
	return true;
}

/* Of each type that has something. */
static bool
stats_types(const struct command_context *context, struct stats *stats,
    struct err *reterr)
{
	bool ok;

	segment_names_read(context, &stats->names);
	ok = stats_ledger(
	    context->daemon->queue, STATS_BY_TYPE, stats_row, stats, reterr);
	segment_names_fini(&stats->names);
	return ok;
}

/* Age of the oldest queued event, not below zero; -1 if there is none. */
static int64_t
oldest_s(const struct status_destination *status, int64_t now_ms)
{
	if (status->oldest_ms == 0)
		return -1;
	return now_ms > status->oldest_ms ? (now_ms - status->oldest_ms) / 1000
					  : 0;
}

static void
stats_destination_text(
    const struct status_destination *status, int64_t now_ms, struct buf *out)
{
	int64_t seconds = oldest_s(status, now_ms);
	char text[SHOW_DURATION], when[CLOCK_TEXT];

	(void)buf_printf(
	    out, "to %-16s %" PRId64 " queued", status->name, status->queued);
	if (seconds >= 0) {
		show_duration(seconds, text, sizeof(text));
		(void)buf_printf(out, ", the oldest for %s", text);
	}
	if (status->drain_s > 0) {
		clock_text(now_ms + status->drain_s * 1000, when, sizeof(when));
		(void)buf_printf(
		    out, ", empty at %.16sZ at the current pace", when);
		if (status->held > 0)
			(void)buf_printf(
			    out, " but for %" PRId64 " held", status->held);
	} else if (status->drain_s < 0) {
		(void)buf_printf(out,
		    "; cannot forecast when it will be empty: it is %s",
		    status->running
			? status->state
			: "stopped, because the daemon is not running");
	}
	(void)buf_char(out, '\n');
}

static void
seconds_json(struct json *json, const char *key, int64_t seconds)
{
	if (seconds < 0)
		json_null_value(json, key);
	else
		json_int(json, key, seconds);
}

static void
stats_destination_json(
    const struct status_destination *status, int64_t now_ms, struct json *json)
{
	json_object_open(json, NULL);
	json_text(json, "name", status->name);
	json_int(json, "queued", status->queued);
	seconds_json(json, "oldest_queued_s", oldest_s(status, now_ms));
	seconds_json(json, "drain_forecast_s", status->drain_s);
	json_object_close(json);
}

static bool
stats_json(struct command_context *context, const struct stats_totals *totals,
    struct buf *out, struct err *reterr)
{
	struct daemon *daemon = context->daemon;
	struct status_destination status;
	struct json json;
	struct stats stats = {.out = out, .json = &json};

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_int(&json, "queued", totals->events.queued);
	json_int(&json, "dead", totals->events.dead);
	json_int(&json, "unreadable", totals->unreadable);
	json_array_open(&json, "destinations");
	for (size_t i = 0; i < daemon->settings->destination_count; i++) {
		status_destination_read(daemon, i, context->now_ms, &status);
		stats_destination_json(&status, context->now_ms, &json);
	}
	json_array_close(&json);
	status_stranded_json(daemon, &json);
	json_array_open(&json, "sources");
	if (!stats_ledger(
		daemon->queue, STATS_BY_SOURCE, stats_row, &stats, reterr))
		return false;
	json_array_close(&json);
	json_array_open(&json, "types");
	if (!stats_types(context, &stats, reterr))
		return false;
	json_array_close(&json);
	if (options_has(context->options, "--age") &&
	    !age_show(context, &json, out, reterr))
		return false;
	json_object_close(&json);
	(void)buf_char(out, '\n');
	return true;
}

static bool
stats_text(struct command_context *context, const struct stats_totals *totals,
    struct buf *out, struct err *reterr)
{
	struct daemon *daemon = context->daemon;
	struct stats sources = {.out = out, .head = "source"};
	struct stats types = {.out = out, .head = "type"};
	struct status_destination status;

	(void)buf_printf(out,
	    "%" PRId64 " queued, %" PRId64 " dead, %" PRId64 " unreadable\n",
	    totals->events.queued, totals->events.dead, totals->unreadable);
	for (size_t i = 0; i < daemon->settings->destination_count; i++) {
		status_destination_read(daemon, i, context->now_ms, &status);
		stats_destination_text(&status, context->now_ms, out);
	}
	show_stranded(daemon, out);
	return stats_ledger(daemon->queue, STATS_BY_SOURCE, stats_row, &sources,
		   reterr) &&
	       stats_types(context, &types, reterr) &&
	       (!options_has(context->options, "--age") ||
		   age_show(context, NULL, out, reterr));
}

int
command_queue_stats(struct command_context *context, struct buf *out)
{
	bool as_json = options_has(context->options, "--json");
	struct stats_totals totals;
	struct err err;

	stats_totals(context->daemon->queue, &totals);
	if (as_json ? stats_json(context, &totals, out, &err)
		    : stats_text(context, &totals, out, &err))
		return EXIT_FINE;
	return command_fail(out, &err);
}

/* ---- check ---- */

struct check {
	struct buf *out;
	struct json *json; /* NULL: text */
};

static bool
check_row(void *arg, json_t *row, struct str text, struct err *reterr)
{
	const char *fault = value_text(row, "fault");
	struct check *check = arg;

	(void)text;
	if (check->json != NULL)
		json_text(check->json, NULL, fault);
	else
		(void)buf_printf(check->out, "fault: %s\n", fault);
	return buf_ok(check->out, reterr);
}

int
command_queue_check(struct command_context *context, struct buf *out)
{
	struct check check = {.out = out};
	char number[SHOW_TEXT];
	int64_t batches, faults;
	struct json json;
	json_t *summary;
	struct ask ask;
	struct err err;

	json_init(&json, out);
	if (options_has(context->options, "--json")) {
		check.json = &json;
		json_object_open(&json, NULL);
		json_array_open(&json, "faults");
	}
	ask_init(&ask, "POST", "/queue/check");
	if (!client_ask(
		context->client, &ask, check_row, &check, &summary, &err))
		return command_fail(out, &err);
	batches = value_int(summary, "batches");
	faults = value_int(summary, "faults");
	json_decref(summary);
	if (check.json != NULL) {
		json_array_close(&json);
		json_int(&json, "batches", batches);
		json_object_close(&json);
		(void)buf_char(out, '\n');
	} else {
		show_number(batches, number, sizeof(number));
		(void)buf_printf(out,
		    "%s batches checked, %" PRId64 " faults\n", number, faults);
	}
	return faults > 0 ? EXIT_FOUND : EXIT_FINE;
}

/* ---- backup ---- */

int
command_queue_backup(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	json_t *summary;
	struct ask ask;
	struct err err;
	int code;

	if (options->word_count != 1) {
		(void)err_set(&err, ERR_INPUT,
		    "queue backup needs the absolute path of a file that does "
		    "not exist yet");
		return command_fail(out, &err);
	}
	ask_init(&ask, "POST", "/queue/backup");
	ask_param(&ask, "path", options->words[0]);
	code = command_ask(context, &ask, NULL, NULL, &summary, out);
	if (summary != NULL)
		(void)buf_printf(out, "%s is a copy of the queue\n",
		    value_text(summary, "path"));
	json_decref(summary);
	return code;
}

/* ---- rescue ---- */

struct rescue {
	struct command_context *context;
	struct event_reader reader;
	struct buf *out;
	struct err err; /* why the writing ended early */
	bool failed;
};

static bool
rescue_event(void *arg, const struct rescue_event *event)
{
	struct rescue *rescue = arg;
	struct json json;

	json_init(&json, rescue->out);
	json_object_open(&json, NULL);
	json_int(&json, "batch", event->seq);
	json_time(&json, "accepted", event->accepted_ms);
	event_write(&rescue->reader, &json, event->type, event->data);
	json_object_close(&json);
	(void)buf_char(rescue->out, '\n');
	rescue->failed =
	    !command_write(rescue->context, rescue->out, &rescue->err);
	return !rescue->failed;
}

int
command_queue_rescue(struct command_context *context, struct buf *out)
{
	struct rescue rescue = {.context = context, .out = out};
	struct rescue_found found;
	struct err err;
	bool ok;

	if (context->options->word_count != 1) {
		(void)err_set(&err, ERR_INPUT,
		    "queue rescue needs one file: the damaged queue.db");
		return command_fail(out, &err);
	}
	event_reader_init(&rescue.reader);
	ok = queue_rescue(
	    context->options->words[0], rescue_event, &rescue, &found, &err);
	event_reader_fini(&rescue.reader);
	if (rescue.failed)
		return command_fail(out, &rescue.err);
	if (!ok ||
	    !job_message(context->caller, &err,
		"%" PRId64 " events of %" PRId64
		" batches rescued from %" PRId64 " pages; %" PRId64
		" batches were damaged",
		found.events, found.batches, found.pages, found.damaged) ||
	    (found.unlike &&
		!job_message(context->caller, &err,
		    "%s does not begin as a queue does: it is another file, "
		    "or its beginning is damaged",
		    context->options->words[0])))
		return command_fail(out, &err);
	return found.damaged == 0 && found.batches > 0 ? EXIT_FINE : EXIT_FOUND;
}
