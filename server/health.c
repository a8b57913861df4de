#include "server/health.h"

#include "base/clock.h"
#include "server/answer.h"

enum { HEALTH_LIMIT = 16 * 1024 * 1024 };

static const char health_plain[] = "text/plain; charset=utf-8";

static enum MHD_Result
health_say(struct request *request, bool well, const char *text)
{
	struct buf body;

	buf_init(&body, HEALTH_LIMIT);
	buf_printf(&body, "%s\n", text);
	return answer_text(request,
	    well ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, health_plain,
	    &body);
}

static enum MHD_Result
health_view(struct request *request, void (*view)(void *arg, struct buf *out),
    const char *type)
{
	struct buf body;

	buf_init(&body, HEALTH_LIMIT);
	if (view != NULL)
		view(request->server->settings.views.arg, &body);
	return answer_text(request, MHD_HTTP_OK, type, &body);
}

static enum MHD_Result
health_probe(struct request *request)
{
	if (request_draining(request))
		return health_say(request, false, "shutting down");
	if (!request_suspend(request, REQUEST_PROBE))
		return answer_refusal(request);
	if (!queue_probe(request->server->queue, clock_wall_ms(), request_done,
		request, &request->err))
		request_done(request, NULL, &request->err);
	return MHD_YES;
}

enum MHD_Result
health_answer(struct request *request)
{
	const struct server_views *views = &request->server->settings.views;
	bool alive;

	switch (request->route) {
	case ROUTE_HEALTHZ:
		alive = views->alive == NULL || views->alive(views->arg);
		return health_say(
		    request, alive, alive ? "ok" : "a thread has stalled");
	case ROUTE_READYZ:
		return health_probe(request);
	case ROUTE_METRICS:
		return health_view(request, views->metrics,
		    "text/plain; version=0.0.4; charset=utf-8");
	case ROUTE_STATUS:
		return health_view(request, views->status, "application/json");
	case ROUTE_CURRENTS:
	case ROUTE_UNKNOWN:
		break;
	}
	return MHD_NO;
}

enum MHD_Result
health_ready(struct request *request)
{
	return health_say(request, request->durable,
	    request->durable ? "ok" : request->err.text);
}
