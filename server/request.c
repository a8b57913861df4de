#include "server/request.h"

#include "base/clock.h"
#include "server/answer.h"
#include "server/headers.h"
#include "server/health.h"
#include "server/ingest.h"
#include "server/observe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct peer *
request_peer(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

void *
request_first_line(
    void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct listener *listener = cls;
	struct peer *peer = request_peer(connection);

	peer_note_address(peer, strlen(uri));
	peers_mark(&listener->peers, peer, PEER_READING, clock_mono_ms());
	return NULL;
}

static struct request *
request_new(struct listener *listener, struct MHD_Connection *connection,
    const char *url, const char *method)
{
	struct server *server = listener->server;
	struct request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	request->server = server;
	request->listener = listener;
	request->connection = connection;
	request->peer = request_peer(connection);
	request->last = peer_over(request->peer);
	request->began_ms = clock_mono_ms();
	(void)snprintf(request->path, sizeof(request->path), "%s", url);
	(void)snprintf(request->method, sizeof(request->method), "%s", method);
	request->source = server->settings.source_count;
	body_init(&request->body, server->settings.body_limit, &server->budget);
	currents_batch_init(&request->batch);
	request->awaited = server_busy(server);
	return request;
}

static void
request_free(struct request *request)
{
	struct server *server = request->server;
	bool awaited = request->awaited;

	CHECK(request->stage != REQUEST_HANDED);
	body_fini(&request->body);
	currents_batch_fini(&request->batch);
	free(request->items);
	free(request->reasons);
	free(request->notes);
	free(request->note_texts);
	buf_fini(&request->discreet);
	budget_give(&server->budget, request->discreet_paid);
	budget_give(&server->budget, request->items_paid);
	free(request);
	if (awaited)
		server_less_busy(server);
}

void
request_completed(void *cls, struct MHD_Connection *connection,
    void **request_cls, enum MHD_RequestTerminationCode code)
{
	struct listener *listener = cls;

	(void)code;
	peers_mark(&listener->peers, request_peer(connection), PEER_BETWEEN,
	    clock_mono_ms());
	if (*request_cls != NULL)
		request_free(*request_cls);
	*request_cls = NULL;
}

bool
request_draining(const struct request *request)
{
	return atomic_load(&request->server->draining);
}

void
request_refuse(struct request *request, unsigned status, const char *why)
{
	if (request->refusal != 0)
		return;
	request->refusal = status;
	request->why = why;
	body_fini(&request->body);
}

/* What the headers say. */
static void
request_begin(struct request *request, const char *url, const char *method,
    const struct headers *headers)
{
	const char *name = "";
	size_t name_len = 0;

	request->route =
	    route_find(url, request->listener->admin, &name, &name_len);
	if (request->route == ROUTE_CURRENTS)
		ingest_find(request, name, name_len);
	if (request->route == ROUTE_UNKNOWN)
		request_refuse(request, MHD_HTTP_NOT_FOUND, "no such path");
	else if (!route_takes(request->route, method))
		request_refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED,
		    "not with this method");
	else if (request->route == ROUTE_CURRENTS)
		ingest_begin(request, headers);
}

/*
 * A request whose end is uncertain cannot be read, and says nothing about
 * its events: something between Braze and us is broken. 503 makes Braze
 * send them again, so nothing is lost; the connection is closed, since what
 * follows on it may be anything.
 */
void
request_refuse_framing(struct request *request)
{
	request->last = true;
	request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
	    "it is ambiguous where the headers or the body end");
}

static enum MHD_Result
request_start(struct request *request, const char *url, const char *method,
    const char *version)
{
	size_t line = strlen(method) + peer_address(request->peer) +
		      strlen(version) + strlen("  \r\n");
	struct headers headers;

	headers_read(request->connection, &headers);
	request->unexplained = headers_unexplained(&headers, line);
	if (!headers_framed(&headers)) {
		request_refuse_framing(request);
		return answer_refusal(request);
	}
	request_begin(request, url, method, &headers);
	/* Who waits for "100 Continue" has not sent the body yet. */
	if (request->refusal != 0 && headers_expect_continue(&headers)) {
		request->last = true;
		return answer_refusal(request);
	}
	return MHD_YES;
}

bool
request_suspend(struct request *request, enum request_errand errand)
{
	if (errand != REQUEST_PROBE && peer_over(request->peer)) {
		request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
		    "too many connections");
		return false;
	}
	if (!server_hand(request->server)) {
		request_refuse(
		    request, MHD_HTTP_SERVICE_UNAVAILABLE, "shutting down");
		return false;
	}
	request->errand = errand;
	request->stage = REQUEST_HANDED;
	peers_mark(&request->listener->peers, request->peer, PEER_HANDED,
	    clock_mono_ms());
	MHD_suspend_connection(request->connection);
	return true;
}

void
request_done(
    void *arg, const struct queue_receipt *receipt, const struct err *err)
{
	struct request *request = arg;
	struct server *server = request->server;

	request->durable = receipt != NULL;
	if (receipt != NULL)
		request->receipt = *receipt;
	else if (err != &request->err)
		request->err = *err;
	request->stage = REQUEST_DONE;
	/* From here on the request may be answered and gone. */
	MHD_resume_connection(request->connection);
	server_handed(server);
}

/* Whatever the queue could not do, the events are not to blame. */
static enum MHD_Result
request_failed(struct request *request)
{
	request_refuse(
	    request, MHD_HTTP_SERVICE_UNAVAILABLE, request->err.text);
	return answer_refusal(request);
}

static enum MHD_Result
request_settle(struct request *request)
{
	switch (request->errand) {
	case REQUEST_PUT:
		if (!request->durable)
			return request_failed(request);
		observe_tell(request);
		return answer_receipt(request);
	case REQUEST_KEEP:
		return request->durable ? answer_fault(request)
					: request_failed(request);
	case REQUEST_PROBE:
		return health_ready(request);
	case REQUEST_NOTHING:
		break;
	}
	return MHD_NO;
}

static enum MHD_Result
request_end(struct request *request)
{
	if (request->stage == REQUEST_DONE)
		return request_settle(request);
	if (request->stage == REQUEST_HANDED)
		return MHD_YES;
	if (request->refusal != 0)
		return answer_refusal(request);
	if (request->route == ROUTE_CURRENTS)
		return ingest_end(request);
	return health_answer(request);
}

enum MHD_Result
request_handle(void *cls, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data, size_t *size,
    void **request_cls)
{
	struct request *request = *request_cls;

	if (request == NULL) {
		request = request_new(cls, connection, url, method);
		*request_cls = request;
		if (request == NULL)
			return MHD_NO;
		return request_start(request, url, method, version);
	}
	if (*size == 0)
		return request_end(request);
	if (request->refusal == 0 && request->route == ROUTE_CURRENTS)
		ingest_add(request, data, *size);
	*size = 0;
	return MHD_YES;
}
