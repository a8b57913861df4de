#include "server/route.h"

#include "base/clock.h"
#include "server/ingest.h"

enum { ROUTE_VIEW_MAX = 16 * 1024 * 1024 };

/* ---- health checks and views ---- */

static enum MHD_Result
route_say(struct request *request, bool well, const char *text)
{
	struct buf body;

	buf_init(&body, ROUTE_VIEW_MAX);
	buf_printf(&body, "%s\n", text);
	return request_answer(request,
	    well ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, text,
	    "text/plain; charset=utf-8", &body);
}

static enum MHD_Result
route_healthz(struct request *request)
{
	const struct server_views *views = &request->service->settings.views;
	bool alive = views->alive == NULL || views->alive(views->arg);

	return route_say(request, alive, alive ? "ok" : "a thread has stalled");
}

static enum MHD_Result
route_readyz(struct request *request)
{
	if (request_draining(request))
		return route_say(request, false, "shutting down");
	if (!request_hand(request, true))
		return request_answer_refusal(request);
	if (!queue_probe(request->service->queue, clock_wall_ms(), request_done,
		request, &request->err))
		request_done(request, NULL, &request->err);
	return MHD_YES;
}

static enum MHD_Result
route_readyz_done(struct request *request)
{
	return route_say(request, request->durable,
	    request->durable ? "ok" : request->err.text);
}

static enum MHD_Result
route_view(struct request *request, void (*view)(void *arg, struct buf *out),
    const char *type)
{
	struct buf body;

	buf_init(&body, ROUTE_VIEW_MAX);
	if (view != NULL)
		view(request->service->settings.views.arg, &body);
	return request_answer(request, MHD_HTTP_OK, "", type, &body);
}

static enum MHD_Result
route_metrics(struct request *request)
{
	return route_view(request, request->service->settings.views.metrics,
	    "text/plain; version=0.0.4; charset=utf-8");
}

static enum MHD_Result
route_status(struct request *request)
{
	return route_view(request, request->service->settings.views.status,
	    "application/json");
}

/* ---- paths ---- */

static const struct route routes[] = {
    {
	.path = "/currents",
	.ingest = true,
	.post = true,
	.allow = "POST",
	.begin = ingest_begin,
	.add = ingest_add,
	.complete = ingest_complete,
	.done = ingest_done,
	.free = ingest_free,
    },
    {
	.path = "/healthz",
	.ingest = true,
	.admin = true,
	.allow = "GET, HEAD",
	.complete = route_healthz,
    },
    {
	.path = "/readyz",
	.ingest = true,
	.admin = true,
	.allow = "GET, HEAD",
	.complete = route_readyz,
	.done = route_readyz_done,
    },
    {
	.path = "/metrics",
	.admin = true,
	.allow = "GET, HEAD",
	.complete = route_metrics,
    },
    {
	.path = "/status",
	.admin = true,
	.allow = "GET, HEAD",
	.complete = route_status,
    },
};

const struct route *
route_find(const char *path, bool admin, struct str *ret_name)
{
	const char *host = path[0] != '/' ? strstr(path, "://") : NULL;

	/* The absolute form (RFC 9112, 3.2.2) means the same as the usual. */
	if (host != NULL) {
		path = strchr(host + 3, '/');
		if (path == NULL)
			return NULL;
	}
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		const struct route *route = &routes[i];
		size_t len = strlen(route->path);
		struct str name;

		if (!(admin ? route->admin : route->ingest) ||
		    strncmp(path, route->path, len) != 0 ||
		    (path[len] != '\0' && path[len] != '/'))
			continue;
		name = str_text(path + len);
		if (name.len > 0)
			name = str_bytes(name.data + 1, name.len - 1);
		if (name.len > 0 && name.data[name.len - 1] == '/')
			name.len--;
		if (name.len > 0 && !route->post)
			return NULL;
		*ret_name = name;
		return route;
	}
	return NULL;
}

bool
route_takes(const struct route *route, const char *method)
{
	if (route->post)
		return strcmp(method, "POST") == 0;
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}
