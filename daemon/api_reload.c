/* POST /reload: the settings are read again. */

#include "daemon/api_routes.h"
#include "daemon/reload.h"

#include <string.h>

/* For requests in flight of destinations that change. */
enum { RELOAD_SETTLE_MS = 3000 };

static void
names_json(struct json *json, const char *key, const struct buf *names)
{
	json_array_open(json, key);
	for (size_t at = 0; at < names->len; at += strlen(names->data + at) + 1)
		json_text(json, NULL, names->data + at);
	json_array_close(json);
}

bool
api_reload(struct api *api, struct err *reterr)
{
	struct json *json = &api->json;
	struct reload_result result;
	bool force;

	if (!api_flag(api, "force", &force, reterr) ||
	    !reload_run(api->daemon, force, api->call->caller, &result, reterr))
		return false;
	forwarder_settle(
	    atomic_load(&api->daemon->forwarder), RELOAD_SETTLE_MS);
	json_object_open(json, NULL);
	names_json(json, "changed", &result.changed);
	names_json(json, "added", &result.added);
	names_json(json, "removed", &result.removed);
	names_json(json, "needs_restart", &result.restart);
	json_object_close(json);
	reload_result_fini(&result);
	return true;
}
