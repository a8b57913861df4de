#ifndef DAEMON_API_H
#define DAEMON_API_H

/*
 * The admin interface (deploy/openapi.json): the routes, and what their
 * handlers read calls and write answers with.
 *
 * An answer is one JSON object, or lines of JSON if it may be long or late:
 *
 *	{"row":{...}}		one of what was asked for
 *	{"message":"..."}	for the operator
 *	{"progress":{...}}	at least once a second, while there is no row
 *	{"summary":{...}}	the last line; or
 *	{"error":"..."}		likewise
 *
 * An error before the first line is the whole answer, with its status. Each
 * call is served on a thread of its own.
 */

#include "base/json.h"
#include "daemon/daemon.h"
#include "daemon/job.h"
#include "server/call.h"

struct api {
	struct daemon *daemon;
	struct generation *generation; /* in force as it began, held; of a tap,
					* as it goes on */
	struct settings *settings;     /* its */
	struct call *call;
	int64_t now_ms;	  /* wall clock, at the beginning */
	struct buf out;	  /* the answer, as far as it was not yet written */
	struct json json; /* writes to it */
	struct job_caller caller; /* for jobs */
	bool job;		  /* it is the one that runs */
	bool lines;
	int64_t line_ms; /* monotonic: when the last line was written out */
};

/* False: *reterr is the answer, or its last line. */
typedef bool api_fn(struct api *api, struct err *reterr);

struct api_route {
	struct call_route call;
	/* The parameters that it takes, with a blank between them, or "". */
	const char *params;
	api_fn *serve;
	/* One that changes much, or takes long: one at a time, and logged by
	 * this name. NULL: not so. */
	const char *job;
};

/* The body of an import: at least one line of a file, whole. */
enum { API_IMPORT_MAX = 256 * 1024 * 1024 };

/* All routes; the last one has no path. */
extern const struct api_route api_routes[];

/* Serve a call, and finish its answer; `route` is one of those above. */
void api_serve(void *daemon, const struct call_route *route, struct call *call);

/* ---- parameters ---- */

/* A whole number within bounds, or the preset. */
MUST_USE bool
api_integer(const struct api *api, const char *name, int64_t preset,
    int64_t least, int64_t most, int64_t *ret_value, struct err *reterr);

/* "yes" or "no", or else false. */
MUST_USE bool api_flag(const struct api *api, const char *name, bool *ret_value,
    struct err *reterr);

/* The number that the path names. */
MUST_USE bool
api_id(const struct api *api, int64_t *ret_id, struct err *reterr);

/* A text of the path or of the body, NUL-terminated; ERR_INPUT if it has a NUL
 * or does not fit. */
MUST_USE bool api_text(struct str text, const char *what, char *ret_text,
    size_t size, struct err *reterr);

/* Read a time in UTC, or how long before now. False: it is neither. */
bool api_when_read(const char *text, int64_t now_ms, int64_t *ret_ms);

/* When since= begins, as a time or as how long ago; 0: it was not given. */
MUST_USE bool
api_since(const struct api *api, int64_t *ret_ms, struct err *reterr);

/* What type=, user=, source=, reason=, since= and limit= select, which stays
 * lent; `limit` is the preset. Logs that the user is looked up. It may point
 * into itself, so it cannot be copied. */
#define API_SELECTION "type " API_BODIES
#define API_BODIES    "user source reason since limit" /* they have no type */
MUST_USE bool api_selection(const struct api *api, int64_t limit,
    struct selection *ret_selection, struct err *reterr);
/* Does it select less than everything? */
bool api_selects(const struct api *api);

/* queued (the preset), archive or dead, from place=. */
MUST_USE bool api_place(
    const struct api *api, enum jobs_place *ret_place, struct err *reterr);

/* ---- the log ---- */

/* Log a change with its caller; not at the operator's own terminal. */
void api_log(const struct api *api, const char *format, ...) PRINTF_LIKE(2, 3);

/* Log that a person is looked up, or erased: the caller, and a hash of the id
 * (stats_person_hash()). */
void api_log_person(const struct api *api, const char *verb, struct str id);

/* ---- answers in lines ---- */

/* Before the first line. */
void api_lines(struct api *api);

/* {"row":{ ... }}: the caller writes the members. They only write to memory. */
void api_row_open(struct api *api);
void api_row_close(struct api *api);

/* Write out what there is. False: end the call. */
MUST_USE bool api_flush(struct api *api, struct err *reterr);

/* {"summary":{ ... }}, the last line. */
void api_summary_open(struct api *api);
void api_summary_close(struct api *api);

MUST_USE bool api_message(struct api *api, struct err *reterr,
    const char *format, ...) PRINTF_LIKE(3, 4);

/* A job of the call; the caller fills in what it is for. */
struct job api_job(struct api *api, const char *verb, job_step_fn *step);

#endif
