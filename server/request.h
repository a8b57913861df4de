#ifndef SERVER_REQUEST_H
#define SERVER_REQUEST_H

/*
 * One request, from its headers to its answer.
 *
 * libmicrohttpd calls request_handle() with the headers, then with each
 * piece of the body, then with nothing: only then (or at the headers) can an
 * answer be given. So what is refused early is still read to its end and
 * thrown away; the sweep closes who does not come to an end. A sender who
 * waits for "100 Continue" is answered at once.
 *
 *	READING -> (the queue is asked) HANDED -> DONE -> answered
 *
 * While HANDED the connection is suspended, and the request belongs to the
 * queue; request_done() on the committer thread resumes it.
 */

#include "schema/currents.h"
#include "server/body.h"
#include "server/route.h"
#include "server/state.h"

enum request_stage { REQUEST_READING, REQUEST_HANDED, REQUEST_DONE };

/* What the queue was asked. */
enum request_errand {
	REQUEST_NOTHING,
	REQUEST_PUT,
	REQUEST_KEEP,
	REQUEST_PROBE,
};

enum { REQUEST_PATH = 128, REQUEST_METHOD = 16 };

struct request {
	struct server *server;
	struct listener *listener;
	struct peer *peer;
	struct MHD_Connection *connection;
	int64_t began_ms;				 /* monotonic */
	char method[REQUEST_METHOD], path[REQUEST_PATH]; /* for the log */

	enum route route;
	size_t source;	  /* index; their count if there is none of it */
	bool authorised;  /* the token was good */
	bool awaited;	  /* before we stop */
	bool last;	  /* the connection ends with this request */
	bool unexplained; /* bytes among the headers: see headers.h */

	unsigned refusal; /* status, 0 = none */
	const char *why;  /* of the refusal; static, or in err */

	struct body body;
	struct currents_batch batch;
	struct currents_fault fault;
	struct item *items;
	char *reasons; /* of the flawed, at fixed steps */
	struct queue_drift *notes;
	char *note_texts;    /* at fixed steps */
	size_t items_paid;   /* out of the budget, for both and the batch */
	struct buf discreet; /* what is kept instead of what came */
	size_t discreet_paid;

	/* handed to the queue, and back */
	_Atomic enum request_stage stage;
	enum request_errand errand;
	struct queue_batch put;
	struct queue_unreadable keep;
	char keep_reason[sizeof(((struct currents_fault *)0)->text) + 40];
	struct queue_receipt receipt;
	struct err err;
	bool durable;
};

/* libmicrohttpd's callbacks; cls is the listener. */
enum MHD_Result request_handle(void *cls, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version, const char *data,
    size_t *size, void **request_cls);
void request_completed(void *cls, struct MHD_Connection *connection,
    void **request_cls, enum MHD_RequestTerminationCode code);
void *request_first_line(
    void *cls, const char *uri, struct MHD_Connection *connection);

/* The peer of a connection. */
struct peer *request_peer(struct MHD_Connection *connection);

/* Answer with this status when the body has been read to its end. The first
 * refusal counts. */
void request_refuse(struct request *request, unsigned status, const char *why);

/* The same for what may not be all that was sent: 503, and close. */
void request_refuse_framing(struct request *request);

/* Suspend the connection before the queue is asked; on false the request is
 * refused: we are stopping, or the connection is one too many. */
MUST_USE bool
request_suspend(struct request *request, enum request_errand errand);

/* What the queue calls; also for a put that could not be handed over. */
void request_done(
    void *arg, const struct queue_receipt *receipt, const struct err *err);

/* Is the server about to stop? */
bool request_draining(const struct request *request);

#endif
