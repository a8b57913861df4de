#include "server/ingest.h"

#include "base/clock.h"
#include "server/answer.h"
#include "server/observe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ingest_choice {
	const struct server_settings *settings;
	size_t source;
};

static enum MHD_Result
ingest_choose(
    void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct ingest_choice *choice = cls;
	const struct server_settings *settings = choice->settings;

	(void)kind;
	for (size_t i = 0; i < settings->source_count && value != NULL; i++) {
		if (route_chooses(&settings->sources[i], key, value)) {
			choice->source = i;
			return MHD_NO;
		}
	}
	return MHD_YES;
}

/* By name, else by a parameter of the query, else the first. */
void
ingest_find(struct request *request, const char *name, size_t name_len)
{
	const struct server_settings *settings = &request->server->settings;
	struct ingest_choice choice = {.settings = settings, .source = 0};

	if (name_len > 0)
		choice.source = route_source(
		    settings->sources, settings->source_count, name, name_len);
	else
		(void)MHD_get_connection_values(request->connection,
		    MHD_GET_ARGUMENT_KIND, ingest_choose, &choice);
	request->source = choice.source;
}

static bool
ingest_authorise(struct request *request, const struct headers *headers)
{
	struct server *server = request->server;
	size_t source = request->source;
	bool known;
	size_t token;

	known =
	    tokens_find(server->tokens[source], headers->authorization, &token);
	if (!known && !server->settings.sources[source].open) {
		/* The token may be among what was not read. */
		if (request->unexplained)
			request_refuse_framing(request);
		request_refuse(request, MHD_HTTP_UNAUTHORIZED,
		    headers->authorization == NULL
			? "no Authorization header"
			: "the token is not one of this source");
		return false;
	}
	request->authorised = true;
	board_note_request(server->board, source, clock_wall_ms());
	if (known)
		board_note_token(server->board, source, token, clock_wall_ms());
	/* What the version should be is Braze's affair: it says nothing
	 * about whether we can read the body. */
	if (headers->version == NULL || strcmp(headers->version, "1") != 0)
		counter_add(COUNTER_ODD_VERSION, 1);
	return true;
}

static void
ingest_check_body(struct request *request)
{
	switch (request->body.state) {
	case BODY_GOOD:
	case BODY_CORRUPT:
		break;
	case BODY_TOO_LARGE:
		request_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE,
		    "the body is over the limit, plain or inflated");
		break;
	case BODY_NO_MEMORY:
		request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
		    "the memory for bodies is spent");
		break;
	}
}

void
ingest_begin(struct request *request, const struct headers *headers)
{
	const struct server_settings *settings = &request->server->settings;
	uint64_t length = headers_length(headers);
	enum coding coding;

	if (request->source == settings->source_count) {
		request_refuse(
		    request, MHD_HTTP_NOT_FOUND, "no source of that name");
		return;
	}
	if (!ingest_authorise(request, headers))
		return;
	if (headers->codings > 1 || !coding_read(headers->coding, &coding)) {
		request_refuse(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
		    "unknown Content-Encoding");
		return;
	}
	if (request_draining(request) && length <= settings->body_limit) {
		request_refuse(
		    request, MHD_HTTP_SERVICE_UNAVAILABLE, "shutting down");
		return;
	}
	body_begin(&request->body, coding, length);
	ingest_check_body(request);
}

void
ingest_add(struct request *request, const char *data, size_t len)
{
	body_add(&request->body, data, len);
	ingest_check_body(request);
}

/* Room for the items, paid for together with what the batch took. */
static bool
ingest_make_items(struct request *request)
{
	const struct currents_batch *batch = &request->batch;
	size_t flawed = 0, cost;

	for (size_t i = 0; i < batch->count; i++)
		flawed += batch->events[i].defect != CURRENTS_VALID;
	cost =
	    batch->count * (sizeof(*batch->events) + sizeof(*request->items)) +
	    flawed * SERVER_REASON + observe_cost(batch);
	if (!budget_take(&request->server->budget, cost))
		return false;
	request->items_paid = cost;
	request->items = calloc(batch->count, sizeof(*request->items));
	request->reasons = calloc(flawed + 1, SERVER_REASON);
	return request->items != NULL && request->reasons != NULL &&
	       observe_make(request);
}

/* Pay for what is kept instead of what came. */
static bool
ingest_pay(void *arg, size_t capacity)
{
	struct request *request = arg;

	if (capacity <= request->discreet_paid)
		return true;
	if (!budget_take(
		&request->server->budget, capacity - request->discreet_paid))
		return false;
	request->discreet_paid = capacity;
	return true;
}

static enum MHD_Result
ingest_put(struct request *request)
{
	const struct server_source *source =
	    &request->server->settings.sources[request->source];

	if (!ingest_make_items(request) ||
	    !server_judge_batch(request->server->judges[request->source],
		&request->batch, body_text(&request->body)->data, false,
		request->items, request->reasons, ingest_pay, request,
		&request->discreet)) {
		request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
		    "the memory for bodies is spent");
		return answer_refusal(request);
	}
	if (!request_suspend(request, REQUEST_PUT))
		return answer_refusal(request);
	request->put = (struct queue_batch){
	    .source = source->name,
	    .destination = source->destination,
	    .now_ms = clock_wall_ms(),
	    .items = request->items,
	    .count = request->batch.count,
	    .notes = request->notes,
	    .note_count = request->batch.drift_count,
	};
	if (!queue_put(request->server->queue, &request->put, request_done,
		request, &request->err))
		request_done(request, NULL, &request->err);
	return MHD_YES;
}

/* No events, or no JSON: but was this the body? */
static enum MHD_Result
ingest_unsure(struct request *request)
{
	request_refuse_framing(request);
	return answer_refusal(request);
}

/* Braze deletes the events of a body that is answered 400 again: so the body
 * is kept, as it came, before the answer is given. */
static enum MHD_Result
ingest_keep(struct request *request)
{
	const struct buf *raw = &request->body.raw.buf;

	if (request->unexplained)
		return ingest_unsure(request);
	(void)snprintf(request->keep_reason, sizeof(request->keep_reason),
	    "at byte %zu: %s", request->fault.at, request->fault.text);
	if (!request_suspend(request, REQUEST_KEEP))
		return answer_refusal(request);
	request->keep = (struct queue_unreadable){
	    .source = request->server->settings.sources[request->source].name,
	    .data = raw->data,
	    .len = raw->len,
	    .encoding = coding_name(request->body.coding),
	    .reason = request->keep_reason,
	    .now_ms = clock_wall_ms(),
	};
	if (!queue_put_unreadable(request->server->queue, &request->keep,
		request_done, request, &request->err))
		request_done(request, NULL, &request->err);
	return MHD_YES;
}

static enum MHD_Result
ingest_no_room(struct request *request)
{
	const struct server_settings *settings = &request->server->settings;

	if (request->batch.count >= settings->max_events)
		request_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE,
		    "too many events in one body");
	else
		request_refuse(
		    request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
	return answer_refusal(request);
}

static enum MHD_Result
ingest_read(struct request *request)
{
	const struct buf *text = body_text(&request->body);

	counter_add(COUNTER_BODY_BYTES, text->len);
	switch (currents_read(str_bytes(text->data, text->len),
	    request->server->settings.max_events, &request->batch,
	    &request->fault)) {
	case CURRENTS_READ:
		if (request->batch.count > 0)
			return ingest_put(request);
		if (request->unexplained)
			return ingest_unsure(request);
		counter_add(COUNTER_PROBES, 1);
		return answer_receipt(request);
	case CURRENTS_FAULT:
		return ingest_keep(request);
	case CURRENTS_NO_ROOM:
		break;
	}
	return ingest_no_room(request);
}

enum MHD_Result
ingest_end(struct request *request)
{
	body_end(&request->body);
	if (request->body.state == BODY_CORRUPT) {
		request->fault.at = (size_t)request->body.corrupt_at;
		(void)snprintf(request->fault.text, sizeof(request->fault.text),
		    "the body is not valid %s, or was cut short",
		    coding_name(request->body.coding));
		return ingest_keep(request);
	}
	return ingest_read(request);
}
