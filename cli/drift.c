/*
 * currentsd drift: what Braze sent that is not in the catalogue, as recorded in
 * the queue. What the catalogue has gained since then is not shown. Never shows
 * a value, because it may be personal.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "queue/admin.h"
#include "schema/currents/currents.h"

#include <inttypes.h>
#include <stdio.h>

/* One run of the command. */
struct drift_run {
	struct buf *out;
	struct json json;
	bool any;
};

/* To the second: "2026-11-23T22:05:01Z". */
static void
drift_time(int64_t ms, char ret[CLOCK_TEXT])
{
	char text[CLOCK_TEXT];

	clock_text(ms, text, sizeof(text));
	(void)snprintf(ret, CLOCK_TEXT, "%.19sZ", text);
}

/* What to show, or NULL for what the catalogue has by now. All observations
 * beyond the limit share one row. */
static const char *
drift_what(const char *text, struct drift *ret_drift)
{
	if (drift_text_read(text, ret_drift))
		return drift_known(ret_drift)
			   ? NULL
			   : currents_drift_name(ret_drift->what);
	*ret_drift = (struct drift){.what = CURRENTS_DRIFT_KINDS,
	    .type.data = "",
	    .field.data = "",
	    .json.data = ""};
	return "more";
}

static bool
drift_row_json(void *arg, const char *text, int64_t events, int64_t first_ms,
    int64_t last_ms)
{
	struct drift_run *run = arg;
	struct drift drift;
	const char *what = drift_what(text, &drift);
	const char *known_as;
	char time[CLOCK_TEXT];

	if (what == NULL)
		return true;
	json_object_open(&run->json, NULL);
	json_text(&run->json, "what", what);
	json_escaped(&run->json, "type", drift.type.data, drift.type.len);
	json_escaped(&run->json, "field", drift.field.data, drift.field.len);
	json_escaped(&run->json, "json", drift.json.data, drift.json.len);
	known_as = drift_known_as(&drift);
	if (known_as == NULL)
		json_null_value(&run->json, "known_as");
	else
		json_text(&run->json, "known_as", known_as);
	json_int(&run->json, "events", events);
	drift_time(first_ms, time);
	json_text(&run->json, "first", time);
	drift_time(last_ms, time);
	json_text(&run->json, "last", time);
	if (drift.what == CURRENTS_DRIFT_LEFT_OUT) {
		json_raw(&run->json, "settings", "\"", 1);
		drift_settings_write(&drift, run->out);
		(void)buf_char(run->out, '"');
	}
	json_object_close(&run->json);
	return true;
}

static bool
drift_row_text(void *arg, const char *text, int64_t events, int64_t first_ms,
    int64_t last_ms)
{
	struct drift_run *run = arg;
	char first[CLOCK_TEXT], last[CLOCK_TEXT];
	struct drift drift;
	const char *what = drift_what(text, &drift);

	if (what == NULL)
		return true;
	if (!run->any)
		(void)buf_printf(run->out, "%-20s %-20s %9s  %-19s %s\n",
		    "first", "last", "events", "what",
		    "type, field, JSON type");
	run->any = true;
	drift_time(first_ms, first);
	drift_time(last_ms, last);
	(void)buf_printf(run->out,
	    "%-20s %-20s %9" PRId64 "  %-19s %.*s %.*s%s%.*s", first, last,
	    events, what, (int)drift.type.len, drift.type.data,
	    (int)drift.field.len, drift.field.data,
	    drift.json.len > 0 && drift.field.len > 0 ? " " : "",
	    (int)drift.json.len, drift.json.data);
	if (drift.what == CURRENTS_DRIFT_LEFT_OUT) {
		(void)buf_text(run->out, ": ");
		drift_settings_write(&drift, run->out);
	}
	(void)buf_char(run->out, '\n');
	return true;
}

int
command_drift(struct command_context *context, struct buf *out)
{
	struct queue *queue = context->daemon->queue;
	struct drift_run run = {.out = out};
	struct err err;
	bool ok;

	json_init(&run.json, out);
	if (options_has(context->options, "--json")) {
		json_array_open(&run.json, NULL);
		ok = stats_drift(queue, drift_row_json, &run, &err);
		json_array_close(&run.json);
		(void)buf_char(out, '\n');
	} else {
		ok = stats_drift(queue, drift_row_text, &run, &err);
		if (ok && !run.any)
			(void)buf_text(out, "Braze sent nothing that is not in "
					    "the catalogue\n");
	}
	return ok ? EXIT_FINE : command_fail(out, &err);
}
