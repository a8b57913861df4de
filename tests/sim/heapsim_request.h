#ifndef HEAPSIM_REQUEST_H
#define HEAPSIM_REQUEST_H

/*
 * Reads the body of a track request and finds all that Heap would refuse.
 * Facts: Heap's server-side API reference.
 */

#include "tests/sim/heapsim_settings.h"
#include "tests/sim/sim_json.h"

/* A place in the request's text. */
struct heapsim_piece {
	size_t at;
	size_t len;
};

struct heapsim_event {
	struct sim_json json; /* as received */
	struct heapsim_piece name;
	struct heapsim_piece user; /* "identity:..." or "user_id:..." */
	struct heapsim_piece key;
	struct heapsim_piece flaw; /* len 0: the event is good */
};

struct heapsim_request {
	char app_id[64];
	struct heapsim_event *events;
	size_t n;
	size_t room;	      /* internal */
	struct sim_text text; /* decoded strings and flaws */
	struct sim_text why;  /* why the whole request is refused */
	const struct heapsim_event *flawed; /* the first one, or NULL */
};

/*
 * Read a body; false and request->why if the request as a whole is bad.
 * Flaws of single events are noted in them. The events point into the body.
 */
bool heapsim_request_read(struct heapsim_request *request, const char *body,
    size_t len, const struct heapsim_settings *settings);
const char *heapsim_request_text(
    const struct heapsim_request *request, struct heapsim_piece piece);
void heapsim_request_fini(struct heapsim_request *request);

#endif
