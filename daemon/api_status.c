/* /status, /metrics, /history, /sources: the state of everything. */

#include "base/clock.h"
#include "daemon/api_routes.h"
#include "daemon/attention.h"
#include "daemon/history.h"

#include <stdio.h>
#include <string.h>

enum { SOURCE_ABOUT = 320 };

bool
api_status(struct api *api, struct err *reterr)
{
	return status_write(api->daemon, api->settings, api->now_ms,
	    clock_mono_ms(), &api->out, reterr);
}

bool
api_metrics(struct api *api, struct err *reterr)
{
	api->call->type = "text/plain; version=0.0.4; charset=utf-8";
	return metrics_write(api->daemon, api->settings, api->now_ms,
	    clock_mono_ms(), &api->out, reterr);
}

bool
api_history(struct api *api, struct err *reterr)
{
	int64_t since_ms;

	if (!api_since(api, &since_ms, reterr))
		return false;
	if (api->daemon->history == NULL)
		return err_set(reterr, ERR_CONFLICT,
		    "the daemon is not running, and has no history: see "
		    "`currentsd ledger --by hour`");
	json_object_open(&api->json, NULL);
	json_time(&api->json, "now", api->now_ms);
	history_json(api->daemon->history, since_ms, &api->json);
	json_object_close(&api->json);
	return true;
}

bool
api_sources(struct api *api, struct err *reterr)
{
	struct json *json = &api->json;
	struct status status;

	if (!status_read(api->daemon, api->settings, api->now_ms,
		clock_mono_ms(), &status, reterr))
		return false;
	json_object_open(json, NULL);
	json_time(json, "now", api->now_ms);
	json_array_open(json, "sources");
	for (size_t i = 0; i < status.source_count; i++) {
		json_object_open(json, NULL);
		status_source_json(&status, i, json);
		json_object_close(json);
	}
	json_array_close(json);
	json_object_close(json);
	status_fini(&status);
	return true;
}

bool
api_source(struct api *api, struct err *reterr)
{
	struct json *json = &api->json;
	char about[SOURCE_ABOUT];
	struct status status;
	size_t i = 0;

	if (!status_read(api->daemon, api->settings, api->now_ms,
		clock_mono_ms(), &status, reterr))
		return false;
	while (i < status.source_count &&
	       !str_equal_text(api->call->name, status.sources[i].name))
		i++;
	if (i == status.source_count) {
		status_fini(&status);
		return err_set(reterr, ERR_NOT_FOUND,
		    "the settings have no source of this name: `currentsd "
		    "sources` lists them");
	}
	(void)snprintf(
	    about, sizeof(about), "source:%s", status.sources[i].name);
	json_object_open(json, NULL);
	json_time(json, "now", api->now_ms);
	status_source_json(&status, i, json);
	json_array_open(json, "attention");
	attention_json(&status, about, json);
	json_array_close(json);
	json_object_close(json);
	status_fini(&status);
	return true;
}
