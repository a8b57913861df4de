/* /destinations: where items go, and the operator's hold on it. */

#include "base/clock.h"
#include "base/log.h"
#include "daemon/api_routes.h"
#include "daemon/attention.h"

#include <stdio.h>

enum { DESTINATION_ABOUT = 320 };

bool
api_destinations(struct api *api, struct err *reterr)
{
	struct json *json = &api->json;
	struct status status;

	if (!status_read(api->daemon, api->settings, api->now_ms,
		clock_mono_ms(), &status, reterr))
		return false;
	json_object_open(json, NULL);
	json_time(json, "now", api->now_ms);
	json_array_open(json, "destinations");
	for (size_t i = 0; i < status.destination_count; i++) {
		json_object_open(json, NULL);
		status_destination_json(&status, i, json);
		json_object_close(json);
	}
	json_array_close(json);
	status_stranded_json(api->daemon, api->settings, api->now_ms, json);
	json_object_close(json);
	status_fini(&status);
	return true;
}

/* The one that the path names. */
static bool
destination_find(const struct api *api,
    const struct settings_destination **ret_destination, struct err *reterr)
{
	const struct settings *settings = api->settings;

	for (size_t i = 0; i < settings->destination_count; i++) {
		if (str_equal_text(api->call->name,
			settings->destinations[i].forwarder.name)) {
			*ret_destination = &settings->destinations[i];
			return true;
		}
	}
	return err_set(reterr, ERR_NOT_FOUND,
	    "the settings have no destination of this name: `currentsd "
	    "destinations` lists them");
}

/* All of it, and if an order was given, whether it was followed. */
static bool
destination_answer(struct api *api,
    const struct settings_destination *destination, const bool *followed,
    struct err *reterr)
{
	struct json *json = &api->json;
	char about[DESTINATION_ABOUT];
	struct status status;
	size_t i = (size_t)(destination - api->settings->destinations);

	if (!status_read(api->daemon, api->settings, api->now_ms,
		clock_mono_ms(), &status, reterr))
		return false;
	(void)snprintf(about, sizeof(about), "destination:%s",
	    destination->forwarder.name);
	json_object_open(json, NULL);
	json_time(json, "now", api->now_ms);
	status_destination_json(&status, i, json);
	json_bool(json, "paused", status.destinations[i].paused);
	if (followed != NULL)
		json_bool(json, "followed", *followed);
	json_array_open(json, "attention");
	attention_json(&status, about, json);
	json_array_close(json);
	json_object_close(json);
	status_fini(&status);
	return true;
}

bool
api_destination(struct api *api, struct err *reterr)
{
	const struct settings_destination *destination;

	return destination_find(api, &destination, reterr) &&
	       destination_answer(api, destination, NULL, reterr);
}

/* ---- orders ---- */

static void
destination_log(const struct api *api, const char *verb,
    const struct settings_destination *destination)
{
	log_line(LOG_INFO, "admin", "%s destination=\"%s\" caller=%s", verb,
	    destination->forwarder.name, api->call->caller);
}

static bool
destination_pause(struct api *api, bool paused, struct err *reterr)
{
	struct daemon *daemon = api->daemon;
	struct forwarder *forwarder = atomic_load(&daemon->forwarder);
	struct forwarder_destination_status status;
	const struct settings_destination *destination;
	bool followed = true;

	if (!destination_find(api, &destination, reterr))
		return false;
	/* On disk first: a crash between the two changes nothing. */
	if (!queue_destination_pause(
		daemon->queue, destination->forwarder.name, paused, reterr))
		return false;
	if (forwarder != NULL)
		followed = forwarder_destination_order(forwarder,
		    destination->forwarder.name,
		    paused ? FORWARDER_PAUSE : FORWARDER_RESUME, &status);
	destination_log(api, paused ? "pause" : "resume", destination);
	return destination_answer(api, destination, &followed, reterr);
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

/* Why it cannot be tried now: ERR_CONFLICT, or nothing. */
static bool
destination_may_retry(const struct forwarder_destination_status *status,
    bool force, struct err *reterr)
{
	char until[CLOCK_TEXT];

	switch (status->state) {
	case FORWARDER_RUNNING:
	case FORWARDER_TRIAL:
		return true; /* it does not wait */
	case FORWARDER_PAUSED:
		return err_set(reterr, ERR_CONFLICT,
		    "%s is paused by the operator: `currentsd destinations "
		    "resume %s` resumes it",
		    status->name, status->name);
	case FORWARDER_COOLING_DOWN:
	case FORWARDER_BACKING_OFF:
	case FORWARDER_HALTED:
		break;
	}
	if (status->cool_until_ms != 0) {
		clock_text(status->cool_until_ms, until, sizeof(until));
		return err_set(reterr, ERR_CONFLICT,
		    "%s is not tried before %s: until then what was sent "
		    "before the start counts for its quota",
		    status->name, until);
	}
	if (status->asked_until_ms == 0 || force)
		return true;
	clock_text(status->asked_until_ms, until, sizeof(until));
	return err_set(reterr, ERR_CONFLICT,
	    "%s asked to be left alone until %s (%s): --force, or force=yes, "
	    "tries it all the same",
	    status->name, until, status->why);
}

bool
api_destination_retry(struct api *api, struct err *reterr)
{
	struct forwarder *forwarder = atomic_load(&api->daemon->forwarder);
	struct forwarder_destination_status status;
	const struct settings_destination *destination;
	bool force, followed;

	if (!api_flag(api, "force", &force, reterr) ||
	    !destination_find(api, &destination, reterr))
		return false;
	if (forwarder == NULL)
		return err_set(reterr, ERR_CONFLICT,
		    "the daemon is not running: it tries at once when it "
		    "starts");
	forwarder_destination_status(
	    forwarder, destination->forwarder.name, &status);
	if (!destination_may_retry(&status, force, reterr))
		return false;
	followed =
	    forwarder_destination_order(forwarder, destination->forwarder.name,
		force ? FORWARDER_RETRY_INSIST : FORWARDER_RETRY, &status);
	destination_log(api, force ? "retry_forced" : "retry", destination);
	return destination_answer(api, destination, &followed, reterr);
}
