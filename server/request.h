#ifndef SERVER_REQUEST_H
#define SERVER_REQUEST_H

/*
 * One request, from its headers to its answer.
 *
 * libmicrohttpd calls us with the headers, then with each piece of the body,
 * then with nothing; it accepts an answer only with the headers or at the end.
 * So a request that is refused early is still read to its end, and its body is
 * discarded; if it does not end, the sweep closes it. A client that waits for
 * "100 Continue" is answered at once.
 *
 *	READING, request_hand(), HANDED, request_done(), DONE, answered
 *
 * While HANDED, the connection is suspended and the request belongs to the
 * queue. request_done(), on the committer thread, resumes it.
 */

#include "base/counters.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/trace.h"
#include "server/body.h"
#include "server/listener.h"
#include "server/sources.h"

#include <microhttpd.h>

/* What all requests share. */
struct service {
	/* set before threads start */
	struct server_settings settings; /* of what stays while it runs */
	struct queue *queue;
	struct networks *trusted;
	struct tls *tls; /* NULL: plain HTTP */

	/* any thread */
	struct budget budget;	/* of all bodies */
	struct budget unproven; /* of those that come before their proof */
	size_t unproven_bytes;	/* of it; server_adopt() alone changes it */
	struct budget called;	/* of the bodies of the admin interface */
	atomic_size_t proven;	/* requests in progress with a valid proof */
	atomic_bool draining;

	/* guarded by lock */
	struct lock lock;
	struct sources *sources; /* in use, held */
	struct cond fewer;	 /* active or handed went down */
	size_t active;		 /* requests that a stop waits for */
	size_t handed;		 /* of these, the queue's */
	size_t calls;		 /* of the admin interface, being served */
	bool closed;		 /* nothing more is handed to the queue */
};

/* Those in use now, for sources_drop(). */
struct sources *service_sources(struct service *service);

enum request_stage { REQUEST_READING, REQUEST_HANDED, REQUEST_DONE };

enum { REQUEST_ID = 128 + 1, REQUEST_ID_OWN = 16 };

/* One of several sources may hold so many times what is free. */
enum { REQUEST_SHARE = 4 };

struct request {
	struct service *service;
	struct sources *sources; /* in use as it began, held */
	struct listener *listener;
	struct client *client;
	struct MHD_Connection *connection;
	int64_t began_us;	    /* monotonic */
	char method[16], path[128]; /* for the log; may be cut */
	const char *url;	    /* the whole path; lent */
	char origin[ORIGIN_TEXT];   /* of the client; for the log */
	/* The client's X-Request-Id, or one of our own: in the log, and in the
	 * answer. */
	char id[REQUEST_ID];
	char trace[TRACE_TEXT + 1]; /* or "" */

	const struct route *route;   /* NULL: no such path */
	const struct intake *intake; /* of the route; NULL: of none */
	size_t source;		     /* their count if no source was found */
	bool authorised;	     /* its proof was valid */
	bool active;		     /* counted in the service */
	bool last;		     /* the connection ends with this request */
	bool stray, sized;	     /* as in struct headers */
	/* the route's own state; owned by the route */
	struct ingest *ingest;
	struct admin *admin;

	char proof[SERVER_PROOF]; /* a header of the answer; "": none */

	enum intake_cause refusal; /* INTAKE_TAKEN: it is not refused */
	const char *why;	   /* of the refusal */
	const char *allow; /* the methods, as for Allow; NULL: the route's */

	/* handed to the queue, and back */
	_Atomic enum request_stage stage;
	struct queue_receipt receipt;
	struct err err;
	bool durable; /* else err says why not */
};

/* The headers that matter here, lent by the connection. NULL: absent. */
struct headers {
	const char *authorization, *coding;
	bool coded_twice; /* several Content-Encodings */
	bool expects_continue;
	uint64_t length; /* 0: unknown; UINT64_MAX: too large a number */

	/* Is it certain where the body ends? Two lengths, a length beside
	 * chunks, or a space after a header's name mean one thing to us and
	 * another to a proxy (RFC 9112, 5.1 and 6.3). */
	bool framed;

	/*
	 * Some bytes belong to no header. libmicrohttpd 0.9.75 mistakes a
	 * header without a name (": x") for the end of the headers, and adds a
	 * folded line to the name of the header before it: so a length may be
	 * lost, and the body may be mistaken for empty, or for the rest of the
	 * headers. (Spaces before a value count too, except for the first one,
	 * because the library does not show them.)
	 */
	bool stray;

	bool sized;   /* a Content-Length was seen: the body has that length */
	bool chunked; /* a Transfer-Encoding was seen */
	size_t bytes; /* of the request line and the headers, to their end */
};

/* Read the headers. `request_line` is the length of the request line before
 * them, in bytes. */
void headers_read(struct MHD_Connection *connection, size_t request_line,
    struct headers *ret_headers);

/* NULL: no memory. */
MUST_USE struct request *
request_begin(struct listener *listener, struct client *client,
    struct MHD_Connection *connection, const char *url, const char *method);

/* The route's own state must have been freed. */
void request_end(struct request *request);

/* Find the source of a request among those of its intake: by name, else by a
 * parameter of the query, else the first. */
void request_find_source(struct request *request, struct str name);

/* Its proof was valid. The connection gives way to no stranger then, unless the
 * source has more than its share of them. */
void request_prove(struct request *request);

/* Answer so when the request has been read to its end. The first refusal
 * counts. `why` is static, or lives as long as the request. */
void request_refuse(
    struct request *request, enum intake_cause cause, const char *why);

/* The same if it is uncertain whether this is all that was sent: BUSY, and
 * close. */
void request_refuse_framing(struct request *request, const char *why);

/* Is the server about to stop? */
bool request_draining(const struct request *request);

/* Suspend the connection; call this before asking the queue. On false the
 * request is refused: the server is stopping, or the client is over the limit.
 * `probe`: the request needs no room, so the limit does not matter. */
MUST_USE bool request_hand(struct request *request, bool probe);

/* The queue's callback. Call it also if the queue could not be asked. */
void request_done(
    void *arg, const struct queue_receipt *receipt, const struct err *err);

/* Answer with the status that the intake has for the cause, count the answer,
 * and note it for the source. `why` is "" if all is well. Takes over the bytes
 * in *body. */
enum MHD_Result request_answer(struct request *request, enum intake_cause cause,
    const char *why, const char *type, struct buf *body);

/* Send a response with its own headers, or close the connection if it is NULL.
 * Releases `owned`, which may be NULL. */
enum MHD_Result request_send(struct request *request, unsigned status,
    struct MHD_Response *response, struct MHD_Response *owned);

/* Answer {"error":WHY}, with the offset in the body if it is not NULL. Logged,
 * at most once a second for each cause. */
enum MHD_Result request_answer_error(struct request *request,
    enum intake_cause cause, const char *why, const size_t *offset);

/* Answer with the refusal. */
enum MHD_Result request_answer_refusal(struct request *request);

/* A header of the request, or NULL; an intake_header_fn. */
const char *request_header(void *arg, const char *name);

/* The name of the source for the log, or "-". */
const char *request_source_name(const struct request *request);

#endif
