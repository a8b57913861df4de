/* /destinations: where items go, and the operator's hold on it. */

#include "base/log.h"
#include "daemon/api_routes.h"

enum { DESTINATION_NAME = 256 };

static bool
destination_pause(struct api *api, bool paused, struct err *reterr)
{
	struct daemon *daemon = api->daemon;
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);
	char name[DESTINATION_NAME];

	if (!api_text(api->call->name, "the name of a destination", name,
		sizeof(name), reterr))
		return false;
	if (settings_destination_find(daemon->settings, name) == NULL)
		return err_set(reterr, ERR_NOT_FOUND,
		    "the settings have no destination of this name: `currentsd "
		    "destinations` lists them");
	/* On disk first: a crash between the two changes nothing. */
	if (!queue_destination_pause(daemon->queue, name, paused, reterr))
		return false;
	if (forwarder != NULL)
		(void)forwarder_destination_set_paused(forwarder, name, paused);
	log_line(LOG_INFO, "admin", "%s destination=%s caller=%s",
	    paused ? "pause" : "resume", name, api->call->caller);
	json_object_open(&api->json, NULL);
	json_text(&api->json, "name", name);
	json_bool(&api->json, "paused", paused);
	json_object_close(&api->json);
	return true;
}

bool
api_destination_pause(struct api *api, struct err *reterr)
{
	return destination_pause(api, true, reterr);
}

bool
api_destination_resume(struct api *api, struct err *reterr)
{
	return destination_pause(api, false, reterr);
}
