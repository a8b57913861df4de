#ifndef SIM_HTTP_H
#define SIM_HTTP_H

/*
 * A simulator on the network: libmicrohttpd on 127.0.0.1, with a thread for
 * each connection.
 */

#include "tests/sim/sim_base.h"

enum {
	SIM_HEADERS = 4,
};

enum sim_manner {
	SIM_ANSWER,
	SIM_ANSWER_CUT, /* closed within it */
	SIM_CLOSE,	/* no answer */
	SIM_HANG,	/* no answer until the client goes */
};

struct sim_header {
	const char *name;
	char value[64];
};

struct sim_reply {
	enum sim_manner manner;
	unsigned status;
	const char *content_type;
	struct sim_text body; /* the caller frees it */
	struct sim_header headers[SIM_HEADERS];
	unsigned n_headers;
	int64_t delay_ms;
};

void sim_reply_header(struct sim_reply *reply, const char *name,
    const char *format, ...) SIM_PRINTF_LIKE(3, 4);

/* What came; body has a NUL behind it. */
struct sim_call {
	const char *path;
	const char *body;
	size_t len;
	bool too_large;	  /* above max_bytes: the body is not here */
	void *connection; /* internal */
};

/* NULL if there is none. */
const char *sim_call_header(const struct sim_call *call, const char *name);
const char *sim_call_query(const struct sim_call *call, const char *name);
/* Is that text in the URL or in a header? */
bool sim_call_shows(const struct sim_call *call, const char *text);
/* Is the client still there? Until the route's done. */
bool sim_call_is_open(const struct sim_call *call);

struct sim_route {
	const char *path; /* may be a pattern, "/a/?*"; the last has NULL */
	const char *method;
	/* Fills *reply, which begins as zeroes. */
	void (*handle)(
	    void *sim, const struct sim_call *call, struct sim_reply *reply);
	/* Delay or hanging is over and the answer goes out; or NULL. */
	void (*done)(void *sim, const struct sim_call *call);
	bool api; /* max_bytes holds */
};

struct sim_http;

/* Dies if it cannot listen. max_bytes is asked for each request; 0: no limit.
 */
struct sim_http *sim_http_start(const struct sim_route *routes, void *sim,
    int64_t (*max_bytes)(void *sim), uint16_t port);
uint16_t sim_http_port(const struct sim_http *http);
void sim_http_stop(struct sim_http *http);

#endif
