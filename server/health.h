#ifndef SERVER_HEALTH_H
#define SERVER_HEALTH_H

/*
 * What is asked with GET: the health checks and the views.
 */

#include "server/request.h"

/* /healthz, /metrics, /status; /readyz asks the queue first. */
enum MHD_Result health_answer(struct request *request);

/* /readyz, when the queue has said. */
enum MHD_Result health_ready(struct request *request);

#endif
