#ifndef DAEMON_API_ROUTES_H
#define DAEMON_API_ROUTES_H

/* The handlers of the admin interface; the table of routes is in
 * api_routes.c. */

#include "daemon/api.h"

api_fn api_status, api_metrics, api_history, api_ledger, api_stats, api_sources,
    api_source, api_destinations, api_destination, api_destination_pause,
    api_destination_resume, api_destination_retry, api_events, api_event,
    api_dead, api_dead_show, api_dead_requeue, api_dead_requeue_one,
    api_dead_drop, api_dead_drop_one, api_unreadable, api_unreadable_show,
    api_unreadable_drop, api_tap;
api_fn api_import, api_replay, api_explain, api_queue_check, api_queue_backup,
    api_jobs;
api_fn api_segments, api_segment, api_segment_syncs, api_segment_resend,
    api_segment_release, api_segment_retire, api_segment_verify, api_person,
    api_erase, api_erasures, api_erasures_done, api_drift;
api_fn api_reload, api_page, api_page_css, api_page_js, api_access;

#endif
