/*
 * /drift: what Braze sent that is not in the catalogue, as recorded in the
 * queue. What the catalogue has gained since then is not shown. Never shows a
 * value, because it may be personal.
 */

#include "base/clock.h"
#include "daemon/api_routes.h"
#include "schema/currents/currents.h"

#include <stdio.h>

/* To the second: "2026-11-23T22:05:01Z". */
static void
time_write(struct json *json, const char *key, int64_t ms)
{
	char text[CLOCK_TEXT], second[CLOCK_TEXT];

	clock_text(ms, text, sizeof(text));
	(void)snprintf(second, sizeof(second), "%.19sZ", text);
	json_text(json, key, second);
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
drift_row(void *arg, const char *text, int64_t events, int64_t first_ms,
    int64_t last_ms)
{
	struct api *api = arg;
	struct json *json = &api->json;
	struct drift drift;
	const char *what = drift_what(text, &drift), *known_as;

	if (what == NULL)
		return true;
	api_row_open(api);
	json_text(json, "what", what);
	json_escaped(json, "type", drift.type.data, drift.type.len);
	json_escaped(json, "field", drift.field.data, drift.field.len);
	json_escaped(json, "json", drift.json.data, drift.json.len);
	known_as = drift_known_as(&drift);
	if (known_as == NULL)
		json_null_value(json, "known_as");
	else
		json_text(json, "known_as", known_as);
	json_int(json, "events", events);
	time_write(json, "first", first_ms);
	time_write(json, "last", last_ms);
	if (drift.what == CURRENTS_DRIFT_LEFT_OUT) {
		json_raw(json, "settings", "\"", 1);
		drift_settings_write(&drift, &api->out);
		(void)buf_char(&api->out, '"');
	}
	api_row_close(api);
	return true;
}

bool
api_drift(struct api *api, struct err *reterr)
{
	api_lines(api);
	if (!stats_drift(api->daemon->queue, drift_row, api, reterr))
		return false;
	api_summary_open(api);
	api_summary_close(api);
	return true;
}
