#ifndef DAEMON_API_REPORTS_H
#define DAEMON_API_REPORTS_H

#include "daemon/api.h"

/* The members "timezone" and "lines" of the open object, since that time (0:
 * all): each a day of the event in that zone, a campaign or Canvas, a type, and
 * what became of the events. */
MUST_USE bool
api_reports_json(struct api *api, int64_t since_ms, struct err *reterr);

#endif
