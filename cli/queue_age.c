#include "cli/queue_age.h"

#include "base/json.h"
#include "cli/job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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
	size_t count;
};

struct age {
	int64_t now_ms;
	struct age_table sources, types;
	bool no_memory;
};

static size_t
age_class(int64_t age_ms)
{
	size_t class = 0;

	for (int64_t most = AGE_FIRST_MS;
	     class + 1 < AGE_CLASSES && age_ms > most; most *= 2)
		class ++;
	return class;
}

/* The row of that name, made if need be. */
static struct age_row *
age_row(struct age_table *table, const char *name, size_t len)
{
	struct age_row *row;

	if (len >= AGE_NAME)
		len = AGE_NAME - 1;
	for (size_t i = 0; i < table->count; i++) {
		row = &table->rows[i];
		if (strlen(row->name) == len &&
		    memcmp(row->name, name, len) == 0)
			return row;
	}
	if (table->rows == NULL)
		table->rows = calloc(AGE_ROWS_MAX, sizeof(*table->rows));
	if (table->rows == NULL)
		return NULL;
	if (table->count == AGE_ROWS_MAX) {
		row = &table->rows[AGE_ROWS_MAX - 1];
		(void)snprintf(row->name, sizeof(row->name), "others");
		return row;
	}
	row = &table->rows[table->count++];
	memcpy(row->name, name, len);
	return row;
}

static void
age_count(struct age *age, struct age_table *table, const char *name,
    size_t len, size_t class)
{
	struct age_row *row = age_row(table, name, len);

	if (row == NULL) {
		age->no_memory = true;
		return;
	}
	row->classes[class]++;
	row->all++;
}

static bool
age_event(void *arg, const struct jobs_event *event)
{
	struct age *age = arg;
	size_t class = age_class(age->now_ms - event->accepted_ms);

	age_count(
	    age, &age->sources, event->source, strlen(event->source), class);
	age_count(age, &age->types, event->type.data, event->type.len, class);
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

bool
queue_age_show(struct command_context *context, struct json *json,
    struct buf *out, struct err *reterr)
{
	struct age age = {.now_ms = context->now_ms};
	struct job job = {
	    .context = context,
	    .out = out,
	    .verb = "looked at",
	    .step = job_step_scan,
	    .match = age_event,
	    .match_arg = &age,
	};
	bool ok = job_run(&job, JOBS_QUEUED, reterr);

	if (ok && age.no_memory)
		ok = err_set_nomem(reterr);
	if (ok && json != NULL) {
		age_json(&age.sources, "sources_by_age", json);
		age_json(&age.types, "types_by_age", json);
	} else if (ok) {
		age_text(&age.sources, "source, up to minutes old", out);
		age_text(&age.types, "type, up to minutes old", out);
	}
	free(age.sources.rows);
	free(age.types.rows);
	return ok;
}
