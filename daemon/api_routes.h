#ifndef DAEMON_API_ROUTES_H
#define DAEMON_API_ROUTES_H

/* The handlers of the admin interface; the table of routes is in
 * api_routes.c. */

#include "daemon/api.h"

api_fn api_status, api_metrics, api_destination_pause, api_destination_resume,
    api_events;

#endif
