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
	    API_SELECTION " place full", api_events,
	    NULL},
	{{NULL, NULL, CALL_COUNTS, 0}, NULL, NULL, NULL},
};
/* clang-format on */
