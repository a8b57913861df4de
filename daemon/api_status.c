/* GET /status, /metrics: the state of everything. */

#include "base/clock.h"
#include "daemon/api_routes.h"
#include "daemon/status.h"

bool
api_status(struct api *api, struct err *reterr)
{
	(void)reterr;
	status_write(api->daemon, api->now_ms, clock_mono_ms(), &api->out);
	return true;
}

bool
api_metrics(struct api *api, struct err *reterr)
{
	(void)reterr;
	api->call->type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_write(api->daemon, api->now_ms, clock_mono_ms(), &api->out);
	return true;
}
