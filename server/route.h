#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H

/*
 * What a path means. Pure; any thread.
 */

#include "server/server.h"

enum route {
	ROUTE_UNKNOWN,
	ROUTE_CURRENTS,
	ROUTE_HEALTHZ,
	ROUTE_READYZ,
	ROUTE_METRICS,
	ROUTE_STATUS,
};

/* `path` is decoded and without the query. *ret_name is what follows
 * /currents/, not NUL-ended, or empty. */
enum route route_find(
    const char *path, bool admin, const char **ret_name, size_t *ret_len);

/* The methods that a route takes, as for Allow; NULL for ROUTE_UNKNOWN. */
const char *route_allow(enum route route);
bool route_takes(enum route route, const char *method);

/* The source of that name; `count` if there is none. */
size_t route_source(const struct server_source *sources, size_t count,
    const char *name, size_t len);

/* Does a query parameter, decoded, choose this source? Quotes around a value
 * do not count: Braze's examples have them (?key="Brand A"). */
bool route_chooses(
    const struct server_source *source, const char *key, const char *value);

#endif
