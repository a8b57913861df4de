#include "server/route.h"

#include <string.h>

static const struct {
	const char *path;
	enum route route;
	bool ingest, admin;
	const char *allow;
} routes[] = {
    {"/currents", ROUTE_CURRENTS, true, false, "POST"},
    {"/healthz", ROUTE_HEALTHZ, true, true, "GET, HEAD"},
    {"/readyz", ROUTE_READYZ, true, true, "GET, HEAD"},
    {"/metrics", ROUTE_METRICS, false, true, "GET, HEAD"},
    {"/status", ROUTE_STATUS, false, true, "GET, HEAD"},
};

enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

/* The absolute form (RFC 9112, 3.2.2) means the same as the usual one. */
static const char *
route_skip_host(const char *path)
{
	const char *host = strstr(path, "://");

	if (path[0] == '/' || host == NULL)
		return path;
	host = strchr(host + 3, '/');
	return host != NULL ? host : "/";
}

enum route
route_find(const char *path, bool admin, const char **ret_name, size_t *ret_len)
{
	path = route_skip_host(path);
	for (size_t i = 0; i < ROUTES; i++) {
		size_t len = strlen(routes[i].path);
		const char *rest = path + len;
		size_t rest_len;

		if (!(admin ? routes[i].admin : routes[i].ingest) ||
		    strncmp(path, routes[i].path, len) != 0 ||
		    (*rest != '\0' && *rest != '/'))
			continue;
		if (*rest == '/')
			rest++;
		rest_len = strlen(rest);
		if (rest_len > 0 && rest[rest_len - 1] == '/')
			rest_len--;
		if (rest_len > 0 && routes[i].route != ROUTE_CURRENTS)
			return ROUTE_UNKNOWN;
		*ret_name = rest;
		*ret_len = rest_len;
		return routes[i].route;
	}
	return ROUTE_UNKNOWN;
}

const char *
route_allow(enum route route)
{
	for (size_t i = 0; i < ROUTES; i++) {
		if (routes[i].route == route)
			return routes[i].allow;
	}
	return NULL;
}

bool
route_takes(enum route route, const char *method)
{
	if (route == ROUTE_CURRENTS)
		return strcmp(method, "POST") == 0;
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

size_t
route_source(const struct server_source *sources, size_t count,
    const char *name, size_t len)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(sources[i].name) == len &&
		    memcmp(sources[i].name, name, len) == 0)
			return i;
	}
	return count;
}

static void
route_unquote(const char **text, size_t *len)
{
	if (*len >= 2 && (*text)[0] == '"' && (*text)[*len - 1] == '"') {
		++*text;
		*len -= 2;
	}
}

bool
route_chooses(
    const struct server_source *source, const char *key, const char *value)
{
	const char *parameter = source->parameter, *want;
	size_t key_len = strlen(key), value_len = strlen(value), want_len;

	if (parameter == NULL || strncmp(parameter, key, key_len) != 0 ||
	    parameter[key_len] != '=')
		return false;
	want = parameter + key_len + 1;
	want_len = strlen(want);
	route_unquote(&want, &want_len);
	route_unquote(&value, &value_len);
	return value_len == want_len && memcmp(value, want, want_len) == 0;
}
