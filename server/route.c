#include "server/route.h"

#include "base/clock.h"
#include "server/admin.h"
#include "server/ingest.h"

enum { ROUTE_TEXT_MAX = 4096 };

/* ---- health checks ---- */

static enum MHD_Result
route_say(struct request *request, bool well, const char *text)
{
	struct buf body;

	buf_init(&body, ROUTE_TEXT_MAX);
	buf_printf(&body, "%s\n", text);
	return request_answer(request, well ? INTAKE_TAKEN : INTAKE_BUSY, text,
	    "text/plain; charset=utf-8", &body);
}

static enum MHD_Result
route_healthz(struct request *request)
{
	const struct server_api *api = &request->service->settings.api;
	bool alive = api->alive == NULL || api->alive(api->arg);

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

/* ---- paths ---- */

static const struct route route_intake = {
    .ingest = true,
    .post = true,
    .allow = "POST",
    .begin = ingest_begin,
    .add = ingest_add,
    .complete = ingest_complete,
    .done = ingest_done,
    .free = ingest_free,
};

/* Any other path of the admin listener: the interface has its own. */
static const struct route route_admin = {
    .admin = true,
    .any = true,
    .begin = admin_begin,
    .add = admin_add,
    .complete = admin_complete,
    .done = admin_done,
    .free = admin_free,
};

static const struct route routes[] = {
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
};

/* Is it this path, or below it? *ret_name is what follows the slash. */
static bool
path_matches(const char *path, const char *wanted, struct str *ret_name)
{
	size_t len = strlen(wanted);
	struct str name;

	if (strncmp(path, wanted, len) != 0 ||
	    (path[len] != '\0' && path[len] != '/'))
		return false;
	name = str_text(path + len);
	while (name.len > 0 && name.data[0] == '/')
		name = str_bytes(name.data + 1, name.len - 1);
	while (name.len > 0 && name.data[name.len - 1] == '/')
		name.len--;
	*ret_name = name;
	return true;
}

const struct route *
route_find(const char *path, bool admin, const struct server_source *sources,
    size_t source_count, const struct intake **ret_intake, struct str *ret_name)
{
	const char *host = path[0] != '/' ? strstr(path, "://") : NULL;
	const struct intake *intake = NULL;
	struct str name;

	*ret_intake = NULL;
	/* The absolute form (RFC 9112, 3.2.2) means the same as the usual. */
	if (host != NULL) {
		path = strchr(host + 3, '/');
		if (path == NULL)
			return NULL;
	}
	/* A proxy may join its own path and ours with a slash too many. */
	while (path[0] == '/' && path[1] == '/')
		path++;
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		const struct route *route = &routes[i];

		if ((admin ? route->admin : route->ingest) &&
		    path_matches(path, route->path, &name))
			return name.len == 0 ? route : NULL;
	}
	if (admin)
		return &route_admin;
	for (size_t i = 0; i < source_count; i++) {
		if (sources[i].intake == intake)
			continue; /* as that before it */
		intake = sources[i].intake;
		if (!path_matches(path, intake->path, ret_name))
			continue;
		*ret_intake = intake;
		return &route_intake;
	}
	return NULL;
}

bool
route_takes(const struct route *route, const char *method)
{
	if (route->any)
		return true;
	if (route->post)
		return strcmp(method, "POST") == 0;
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}
