#ifndef DAEMON_API_ROUTES_H
#define DAEMON_API_ROUTES_H

/* The handlers of the admin interface; the table of routes is in
 * api_routes.c. */

#include "daemon/api.h"

api_fn api_status, api_metrics, api_destination_pause, api_destination_resume,
    api_events, api_event, api_dead, api_dead_show, api_dead_requeue,
    api_dead_requeue_one, api_dead_drop, api_dead_drop_one, api_unreadable,
    api_unreadable_show, api_unreadable_drop, api_tap;
api_fn api_import, api_replay, api_explain, api_queue_check, api_queue_backup,
    api_jobs;

#endif
