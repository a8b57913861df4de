#include "server/request.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "server/route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { REQUEST_ANSWER_MAX = 4096 };

#define REQUEST_ID_HEADER "X-Request-Id"

/* ---- headers ---- */

struct headers_walk {
	struct headers *headers;
	const char *length, *transfer, *expect;
	unsigned lengths, transfers, codings; /* how many of each */
	size_t bytes; /* of all, as "name: value" with their line ends */
	bool spaced;  /* a name ends in a space */
};

static enum MHD_Result
headers_take(
    void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct headers_walk *walk = cls;
	const struct {
		const char *name;
		const char **value;
		unsigned *count;
	} wanted[] = {
	    {"Authorization", &walk->headers->authorization, NULL},
	    {"Content-Encoding", &walk->headers->coding, &walk->codings},
	    {"Content-Length", &walk->length, &walk->lengths},
	    {"Expect", &walk->expect, NULL},
	    {"Transfer-Encoding", &walk->transfer, &walk->transfers},
	};

	(void)kind;
	if (value == NULL)
		value = "";
	walk->bytes += strlen(name) + strlen(": \r\n") + strlen(value);
	if (name[0] != '\0' && strchr(" \t", name[strlen(name) - 1]) != NULL)
		walk->spaced = true;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (strcasecmp(name, wanted[i].name) != 0)
			continue;
		if (*wanted[i].value == NULL)
			*wanted[i].value = value;
		if (wanted[i].count != NULL)
			++*wanted[i].count;
	}
	return MHD_YES;
}

void
headers_read(struct MHD_Connection *connection, size_t request_line,
    struct headers *ret_headers)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	struct headers_walk walk = {.headers = ret_headers};
	struct headers *headers = ret_headers;

	*headers = (struct headers){.length = 0};
	(void)MHD_get_connection_values(
	    connection, MHD_HEADER_KIND, headers_take, &walk);
	headers->sized = walk.length != NULL;
	headers->chunked = walk.transfers > 0;
	headers->bytes = info != NULL ? info->header_size : 0;
	headers->coded_twice = walk.codings > 1;
	headers->expects_continue =
	    walk.expect != NULL && strcasecmp(walk.expect, "100-continue") == 0;
	if (walk.length != NULL) {
		errno = 0;
		headers->length = strtoull(walk.length, NULL, 10);
		if (errno != 0)
			headers->length = UINT64_MAX;
	}
	if (walk.transfers == 0)
		headers->framed = walk.lengths <= 1;
	else
		headers->framed = walk.lengths == 0 && walk.transfers == 1 &&
				  strcasecmp(walk.transfer, "chunked") == 0;
	headers->framed = headers->framed && !walk.spaced;
	headers->stray =
	    headers->bytes > request_line + walk.bytes + strlen("\r\n");
}

/* ---- its life ---- */

struct sources *
service_sources(struct service *service)
{
	struct sources *sources;

	lock_hold(&service->lock);
	sources = sources_hold(service->sources);
	lock_drop(&service->lock);
	return sources;
}

static const struct server_settings *
request_settings(const struct request *request)
{
	return sources_settings(request->sources);
}

struct origins {
	struct origin_walk list, forwarded;
};

static enum MHD_Result
origins_take(
    void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct origins *origins = cls;

	(void)kind;
	if (value == NULL)
		return MHD_YES;
	if (strcasecmp(name, "X-Forwarded-For") == 0)
		origin_walk_list(&origins->list, value);
	else if (strcasecmp(name, MHD_HTTP_HEADER_FORWARDED) == 0)
		origin_walk_forwarded(&origins->forwarded, value);
	return MHD_YES;
}

/* The client that a trusted proxy names. A proxy writes one of the two headers
 * and may let the other pass, as the client wrote it: if they differ, neither
 * is believed. */
static void
request_find_origin(struct request *request)
{
	const struct networks *trusted = request->service->trusted;
	struct origins origins = {{.trusted = trusted}, {.trusted = trusted}};
	const struct origin_walk *list = &origins.list;
	const struct origin_walk *forwarded = &origins.forwarded;
	const struct origin_walk *walk;

	memcpy(request->origin, request->client->origin, ORIGIN_TEXT);
	if (!request->client->trusted)
		return;
	(void)MHD_get_connection_values(
	    request->connection, MHD_HEADER_KIND, origins_take, &origins);
	walk = list->present ? list : forwarded;
	if (!walk->found ||
	    (list->present && forwarded->present &&
		(!forwarded->found || !IN6_ARE_ADDR_EQUAL(&list->client.address,
					  &forwarded->client.address))))
		return;
	origin_write(&walk->client, request->origin);
}

/* A client's id may be a token of HTTP (RFC 9110, 5.6.2). */
static void
request_identify(struct request *request)
{
	static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789"
				    "!#$%&'*+-.^_`|~";
	const char *id = request_header(request, REQUEST_ID_HEADER);
	size_t len = id != NULL ? strspn(id, token) : 0;

	if (len > 0 && len < sizeof(request->id) && id[len] == '\0')
		memcpy(request->id, id, len + 1);
	else
		digest_random_id(request->id, REQUEST_ID_OWN);
}

struct request *
request_begin(struct listener *listener, struct client *client,
    struct MHD_Connection *connection, const char *url, const char *method)
{
	struct service *service = listener->service;
	struct request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	request->service = service;
	request->listener = listener;
	request->client = client;
	request->connection = connection;
	request->last = client->over;
	request->began_us = clock_mono_us();
	request->url = url;
	(void)snprintf(request->path, sizeof(request->path), "%s", url);
	(void)snprintf(request->method, sizeof(request->method), "%s", method);
	request_identify(request);
	request->sources = service_sources(service);
	request->source = request_settings(request)->source_count;
	request_find_origin(request);
	request->active = !request_draining(request);
	if (request->active) {
		lock_hold(&service->lock);
		service->active++;
		lock_drop(&service->lock);
	}
	return request;
}

void
request_end(struct request *request)
{
	struct service *service = request->service;
	bool active = request->active;
	struct source_load *load;

	CHECK(request->stage != REQUEST_HANDED);
	if (request->authorised) {
		load = sources_load(request->sources, request->source);
		(void)atomic_fetch_sub(&load->requests, 1);
		(void)atomic_fetch_sub(&service->proven, 1);
	}
	sources_drop(request->sources);
	free(request);
	if (!active)
		return;
	lock_hold(&service->lock);
	CHECK(service->active > 0);
	service->active--;
	cond_wake_all(&service->fewer);
	lock_drop(&service->lock);
}

static enum MHD_Result
request_parameter(
    void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct request *request = cls;
	const struct server_settings *settings = request_settings(request);

	(void)kind;
	for (size_t i = 0; i < settings->source_count && value != NULL; i++) {
		if (settings->sources[i].intake == request->intake &&
		    source_chosen(&settings->sources[i], key, value)) {
			request->source = i;
			return MHD_NO;
		}
	}
	return MHD_YES;
}

void
request_find_source(struct request *request, struct str name)
{
	const struct server_settings *settings = request_settings(request);

	request->source = sources_find(
	    settings->sources, settings->source_count, request->intake, name);
	if (name.len == 0)
		(void)MHD_get_connection_values(request->connection,
		    MHD_GET_ARGUMENT_KIND, request_parameter, request);
}

const char *
request_header(void *arg, const char *name)
{
	const struct request *request = arg;

	return MHD_lookup_connection_value(
	    request->connection, MHD_HEADER_KIND, name);
}

void
request_prove(struct request *request)
{
	struct clients *clients = &request->listener->clients;
	struct source_load *load =
	    sources_load(request->sources, request->source);
	size_t all = atomic_fetch_add(&request->service->proven, 1);
	size_t own = atomic_fetch_add(&load->requests, 1);
	size_t left = clients->most > all ? clients->most - all : 0;

	request->authorised = true;
	clients_prove(clients, request->client,
	    request_settings(request)->source_count == 1 ||
		own <= REQUEST_SHARE * left);
}

void
request_refuse(
    struct request *request, enum intake_cause cause, const char *why)
{
	if (request->refusal != INTAKE_TAKEN)
		return;
	request->refusal = cause;
	request->why = why;
}

/*
 * A request whose end is uncertain cannot be read, and says nothing about its
 * items: something between the client and us is broken. The source sends again
 * what is answered BUSY, so nothing is lost; the connection is closed, since
 * anything may follow on it.
 */
void
request_refuse_framing(struct request *request, const char *why)
{
	request->last = true;
	request_refuse(request, INTAKE_BUSY, why);
}

bool
request_draining(const struct request *request)
{
	return atomic_load(&request->service->draining);
}

bool
request_hand(struct request *request, bool probe)
{
	struct service *service = request->service;
	bool closed;

	if (request->client->over && !probe) {
		request_refuse(request, INTAKE_BUSY, "too many connections");
		return false;
	}
	lock_hold(&service->lock);
	closed = service->closed;
	if (!closed)
		service->handed++;
	lock_drop(&service->lock);
	if (closed) {
		/* Once the server has stopped, nothing would resume it. */
		request_refuse(request, INTAKE_BUSY, "shutting down");
		return false;
	}
	request->stage = REQUEST_HANDED;
	clients_mark(&request->listener->clients, request->client,
	    CLIENT_HANDED, clock_mono_ms());
	MHD_suspend_connection(request->connection);
	return true;
}

void
request_done(
    void *arg, const struct queue_receipt *receipt, const struct err *err)
{
	struct request *request = arg;
	struct service *service = request->service;

	request->durable = receipt != NULL;
	if (receipt != NULL)
		request->receipt = *receipt;
	else if (err != &request->err)
		request->err = *err;
	request->stage = REQUEST_DONE;
	/* From here on the request may be answered and gone. */
	MHD_resume_connection(request->connection);
	lock_hold(&service->lock);
	CHECK(service->handed > 0);
	service->handed--;
	cond_wake_all(&service->fewer);
	lock_drop(&service->lock);
}

/* ---- answers ---- */

/* The status of the answer; an intake has its own for each cause. */
static unsigned
answer_status(const struct request *request, enum intake_cause cause)
{
	if (request->intake != NULL)
		return request->intake->status[cause];
	switch (cause) {
	case INTAKE_TAKEN:
		return MHD_HTTP_OK;
	case INTAKE_METHOD:
		return MHD_HTTP_METHOD_NOT_ALLOWED;
	case INTAKE_PATH:
		return MHD_HTTP_NOT_FOUND;
	case INTAKE_BUSY:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	case INTAKE_PROOF_MISSING:
		return MHD_HTTP_UNAUTHORIZED;
	case INTAKE_PROOF_BAD:
		return MHD_HTTP_FORBIDDEN;
	case INTAKE_TOO_LARGE:
		return MHD_HTTP_CONTENT_TOO_LARGE;
	case INTAKE_PROBE:
	case INTAKE_PROOF_STALE:
	case INTAKE_UNREADABLE:
	case INTAKE_SHAPE:
	case INTAKE_ENCODING:
	case INTAKE_CAUSES:
		break;
	}
	NEVER("a cause that only the request of an intake has");
}

/* Add the headers that belong to the cause. */
static bool
answer_add_headers(const struct request *request, enum intake_cause cause,
    struct MHD_Response *response)
{
	const char *name = NULL, *value = NULL;
	char seconds[16];

	switch (cause) {
	case INTAKE_PROOF_MISSING:
	case INTAKE_PROOF_BAD:
	case INTAKE_PROOF_STALE:
		if (request->intake == NULL ||
		    request->intake->proof == INTAKE_BEARER) {
			name = MHD_HTTP_HEADER_WWW_AUTHENTICATE;
			value = "Bearer";
		}
		break;
	case INTAKE_METHOD:
		name = MHD_HTTP_HEADER_ALLOW;
		value = request->allow != NULL ? request->allow
					       : request->route->allow;
		break;
	case INTAKE_ENCODING:
		name = MHD_HTTP_HEADER_ACCEPT_ENCODING;
		value = "gzip, deflate, identity";
		break;
	case INTAKE_BUSY:
		(void)snprintf(seconds, sizeof(seconds), "%u",
		    request_settings(request)->retry_after_s);
		name = MHD_HTTP_HEADER_RETRY_AFTER;
		value = seconds;
		break;
	case INTAKE_TAKEN:
	case INTAKE_PROBE:
	case INTAKE_UNREADABLE:
	case INTAKE_SHAPE:
	case INTAKE_TOO_LARGE:
	case INTAKE_PATH:
	case INTAKE_CAUSES:
		break;
	}
	if (request->proof[0] != '\0' &&
	    MHD_add_response_header(
		response, SERVER_PROOF_HEADER, request->proof) != MHD_YES)
		return false;
	return name == NULL ||
	       MHD_add_response_header(response, name, value) == MHD_YES;
}

/* May it be a source's? Anybody can send a request, and what is answered to a
 * stranger, or to `check --url`, says nothing about the source. */
static bool
answer_to_source(struct request *request)
{
	const struct server_settings *settings = request_settings(request);
	bool plausible = false;

	if (strcmp(request->method, "POST") != 0 ||
	    request_header(request, SERVER_PROBE_HEADER) != NULL)
		return false;
	for (size_t i = 0; i < settings->source_count && !plausible; i++) {
		const struct intake *intake = settings->sources[i].intake;

		plausible =
		    (request->intake == NULL || request->intake == intake) &&
		    (intake->headers_odd == NULL ||
			!intake->headers_odd(request_header, request));
	}
	return request->authorised || plausible;
}

/* Note what the source was answered, unless it was a probe. */
static void
answer_note(struct request *request, enum intake_cause cause, const char *why)
{
	size_t row = request->source;

	if (cause == INTAKE_PROBE)
		return;
	if (!answer_to_source(request))
		row = request_settings(request)->source_count + 1;
	sources_note_answer(request->sources, row,
	    answer_status(request, cause), why, request->authorised,
	    clock_wall_ms());
}

/* MHD_NO closes the connection without an answer: the client sends again, and
 * what was put is a duplicate then. */
enum MHD_Result
request_send(struct request *request, unsigned status,
    struct MHD_Response *response, struct MHD_Response *owned)
{
	enum MHD_Result result = MHD_NO;
	bool keep = !request->last && !request_draining(request) &&
		    clients_keep(&request->listener->clients, request->client);

	if (response != NULL &&
	    MHD_add_response_header(response, REQUEST_ID_HEADER, request->id) ==
		MHD_YES &&
	    (keep || MHD_add_response_header(response,
			 MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES))
		result =
		    MHD_queue_response(request->connection, status, response);
	if (owned != NULL)
		MHD_destroy_response(owned);
	clients_mark(&request->listener->clients, request->client,
	    CLIENT_ANSWERED, clock_mono_ms());
	return result;
}

enum MHD_Result
request_answer(struct request *request, enum intake_cause cause,
    const char *why, const char *type, struct buf *body)
{
	unsigned status = answer_status(request, cause);
	struct MHD_Response *response = NULL;
	enum MHD_Result result;
	struct err err;
	bool ok = false;
	char *data;
	size_t len;

	if (!buf_ok(body, &err)) {
		log_line(LOG_WARN, "server",
		    "answer status=%u request=\"%s\" why=%s", status,
		    request->id, LOG_QUOTE(err.text));
		goto out;
	}
	data = buf_take(body, &len);
	response =
	    MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
	if (response == NULL) {
		free(data);
		goto out;
	}
	ok = MHD_add_response_header(
		 response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
	     answer_add_headers(request, cause, response);
out:
	result = request_send(request, status, ok ? response : NULL, response);
	buf_fini(body);
	/* Answers to health checks and views are not counted. */
	if (request->listener->admin ||
	    (request->route != NULL && !request->route->post))
		return result;
	if (result == MHD_YES) {
		counter_answers_add(status, 1);
		answer_note(request, cause, why);
		if (request->authorised)
			sources_note_time(request->sources, request->source,
			    clock_mono_us() - request->began_us);
	} else {
		answer_note(request, INTAKE_BUSY, why);
	}
	return result;
}

const char *
request_source_name(const struct request *request)
{
	return request->authorised
		   ? request_settings(request)->sources[request->source].name
		   : "-";
}

/* How much of the path the log shows. Behind its first name may be ids of
 * people, as of the admin interface, but for what may name a source. */
static size_t
path_shown(const struct request *request)
{
	static const char names[] = "/.-_ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789";
	const char *path = request->path;
	size_t len = strlen(path);

	if (request->intake != NULL && strspn(path, names) == len)
		return len;
	return len > 0 ? 1 + strcspn(path + 1, "/") : 0;
}

enum MHD_Result
request_answer_error(struct request *request, enum intake_cause cause,
    const char *why, const size_t *offset)
{
	struct json json;
	struct buf body;
	size_t path = path_shown(request);

	log_line(LOG_WARN, "server",
	    "refuse status=%u listener=%s client=%s request=\"%s\" method=%s "
	    "path=%s source=\"%s\" why=%s",
	    answer_status(request, cause), request->listener->name,
	    request->origin, request->id, LOG_QUOTE(request->method),
	    LOG_QUOTE_BYTES(request->path, path), request_source_name(request),
	    LOG_QUOTE(why));
	buf_init(&body, REQUEST_ANSWER_MAX);
	json_init(&json, &body);
	json_object_open(&json, NULL);
	json_text(&json, "error", why);
	if (offset != NULL)
		json_int(&json, "offset", (int64_t)*offset);
	json_object_close(&json);
	buf_char(&body, '\n');
	return request_answer(request, cause, why, "application/json", &body);
}

enum MHD_Result
request_answer_refusal(struct request *request)
{
	return request_answer_error(
	    request, request->refusal, request->why, NULL);
}
