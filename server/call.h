#ifndef SERVER_CALL_H
#define SERVER_CALL_H

/*
 * A call of the admin interface: a request that has arrived whole, and where
 * its answer goes. The server makes one of each request, on a thread of its
 * own, so that a handler may take as long as it needs; a command that finds no
 * daemon makes one itself. A handler knows nothing else of either.
 */

#include "base/buf.h"
#include "base/str.h"

/* What a caller must prove: nothing for counts and states, a token for what
 * shows personal data, another one for what changes something. */
enum call_right { CALL_COUNTS, CALL_VIEW, CALL_CHANGE };

struct call_param {
	const char *name, *value;
};

enum {
	CALL_PARAMS = 24,
	CALL_BODY_MAX = 32 * 1024 * 1024,
};

struct call {
	/* set before it is served; lent */
	const char *method;
	struct str name; /* what the star of the route's path stands for */
	struct call_param params[CALL_PARAMS]; /* of the query */
	size_t param_count;
	struct str body;
	const char *caller; /* for the log: a token's name, "admin.sock" */

	/* The head of the answer; set before the first write. */
	unsigned status;    /* of HTTP; preset to 200 */
	const char *type;   /* static; preset to that of JSON */
	const char *coding; /* static: "gzip"; NULL: as it is */

	/* Write a piece of the answer; with no bytes, only ask whether
	 * somebody still reads it. False ends the call: the client is gone, or
	 * the daemon is stopping. */
	bool (*write)(
	    void *arg, const char *data, size_t len, struct err *reterr);
	void *arg;
	bool begun; /* something was written: the head is fixed */
};

struct call_route {
	const char *method;
	/* A star stands for a name, which is not empty and may hold slashes:
	 * "/dead/" "*" "/requeue". */
	const char *path;
	enum call_right right;
	size_t body_max; /* 0: it takes no body */
};

/* The rows lie `stride` bytes apart, each begins with a struct call_route, and
 * the last one has no path. The first that matches is found. NULL:
 * *ret_allow says which method the path has, or is NULL without such a path. */
const struct call_route *
call_route_find(const void *routes, size_t stride, const char *method,
    const char *path, struct str *ret_name, const char **ret_allow);

void call_init(struct call *call, const char *method);

/* False: there are too many. */
MUST_USE bool
call_param_add(struct call *call, const char *name, const char *value);

/* NULL: it was not given. */
const char *call_param(const struct call *call, const char *name);

MUST_USE bool
call_write(struct call *call, const char *data, size_t len, struct err *reterr);

/* The status for an error. */
unsigned call_status(enum err_code code);

#endif
