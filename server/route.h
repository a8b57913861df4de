#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H

/*
 * The paths, and what handles a request for each. Any thread.
 */

#include "base/str.h"
#include "server/request.h"

struct route {
	const char *path;   /* NULL: that of an intake */
	bool ingest, admin; /* the listeners that serve it */
	bool post;	    /* by a source; else GET and HEAD */
	bool any;	    /* it checks the method itself */
	const char *allow;  /* the methods, as for Allow */

	/* The headers have arrived; a piece of the body has arrived. Both may
	 * refuse the request. NULL if there is nothing to do. */
	void (*begin)(struct request *request, const struct headers *headers);
	void (*add)(struct request *request, const char *data, size_t len);

	/* The whole request has arrived: answer it, or hand it to the queue. */
	enum MHD_Result (*complete)(struct request *request);

	/* The queue is done: answer. NULL if the queue is never asked. */
	enum MHD_Result (*done)(struct request *request);

	/* Free request->ingest. May be NULL. */
	void (*free)(struct request *request);
};

/* The route of a path, which is decoded and without the query; NULL if the
 * listener has none. If it is the path of an intake of these sources, that is
 * *ret_intake, else NULL; and *ret_name is what follows that path and a slash,
 * or empty. */
const struct route *route_find(const char *path, bool admin,
    const struct server_source *sources, size_t source_count,
    const struct intake **ret_intake, struct str *ret_name);

bool route_takes(const struct route *route, const char *method);

#endif
