#ifndef HEAPSIM_EVENT_H
#define HEAPSIM_EVENT_H

/* Judges one event of a track request; used by heapsim_request.c. */

#include "tests/sim/heapsim_request.h"

/*
 * Read the event at json into *event. path is how Heap calls the event,
 * "postBody.events[3]"; single allows app_id beside the event's members.
 */
void heapsim_event_read(struct heapsim_request *request,
    const struct heapsim_settings *settings, const char *path, bool single,
    struct heapsim_event *event);

/* A string of digits, at most len characters. */
bool heapsim_is_digits(const struct sim_json *value, size_t len);

/* A string that is an ISO 8601 date with time and zone. */
bool heapsim_is_timestamp(const struct sim_json *string);

#endif
