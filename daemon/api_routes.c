/* All routes, in the order in which they match. */

#include "daemon/api_routes.h"

/* clang-format off */
const struct api_route api_routes[] = {
	{{"GET", "/status", CALL_COUNTS, 0}, "", api_status, NULL},
	{{"GET", "/metrics", CALL_COUNTS, 0}, "", api_metrics, NULL},
	{{"POST", "/destinations/*/pause", CALL_CHANGE, 0}, "",
	    api_destination_pause, NULL},
	{{"POST", "/destinations/*/resume", CALL_CHANGE, 0}, "",
	    api_destination_resume, NULL},
	{{"GET", "/events", CALL_VIEW, 0},
	    API_SELECTION " place full after", api_events, NULL},
	{{"GET", "/events/*", CALL_VIEW, 0}, "full raw", api_event, NULL},
	{{"GET", "/dead", CALL_VIEW, 0}, API_SELECTION " after", api_dead,
	    NULL},
	{{"POST", "/dead/requeue", CALL_CHANGE, 0}, API_SELECTION " all",
	    api_dead_requeue, "dead requeue"},
	{{"POST", "/dead/drop", CALL_CHANGE, 0}, API_SELECTION " all",
	    api_dead_drop, "dead drop"},
	{{"POST", "/dead/*/requeue", CALL_CHANGE, CALL_BODY_MAX}, "",
	    api_dead_requeue_one, NULL},
	{{"POST", "/dead/*/drop", CALL_CHANGE, 0}, "", api_dead_drop_one,
	    NULL},
	{{"GET", "/dead/*", CALL_VIEW, 0}, "", api_dead_show, NULL},
	{{"GET", "/unreadable", CALL_VIEW, 0}, API_SELECTION " after full",
	    api_unreadable, NULL},
	{{"POST", "/unreadable/drop", CALL_CHANGE, 0}, API_SELECTION " all",
	    api_unreadable_drop, "unreadable drop"},
	{{"GET", "/unreadable/*", CALL_VIEW, 0}, "", api_unreadable_show,
	    NULL},
	{{"POST", "/import", CALL_CHANGE, API_IMPORT_MAX},
	    "source again line", api_import, NULL},
	{{NULL, NULL, CALL_COUNTS, 0}, NULL, NULL, NULL},
};
/* clang-format on */
