#include "server/answer.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum { ANSWER_LIMIT = 4096 };

static const char answer_json[] = "application/json";

/* For the books of answers only what Braze sees counts. */
static bool
answer_counts(const struct request *request)
{
	return !request->listener->admin &&
	       (request->route == ROUTE_CURRENTS ||
		   request->route == ROUTE_UNKNOWN);
}

/* The headers that make a status understood. */
static bool
answer_headers(const struct request *request, unsigned status,
    struct MHD_Response *response)
{
	const char *name = NULL, *value = NULL;
	char seconds[16];

	switch (status) {
	case MHD_HTTP_UNAUTHORIZED:
		name = MHD_HTTP_HEADER_WWW_AUTHENTICATE;
		value = "Bearer";
		break;
	case MHD_HTTP_METHOD_NOT_ALLOWED:
		name = MHD_HTTP_HEADER_ALLOW;
		value = route_allow(request->route);
		break;
	case MHD_HTTP_UNSUPPORTED_MEDIA_TYPE:
		name = MHD_HTTP_HEADER_ACCEPT_ENCODING;
		value = "gzip, deflate, identity";
		break;
	case MHD_HTTP_SERVICE_UNAVAILABLE:
		(void)snprintf(seconds, sizeof(seconds), "%u",
		    request->server->settings.retry_after_s);
		name = MHD_HTTP_HEADER_RETRY_AFTER;
		value = seconds;
		break;
	default:
		break;
	}
	if (name != NULL &&
	    MHD_add_response_header(response, name, value) != MHD_YES)
		return false;
	return !(request->last || request_draining(request)) ||
	       MHD_add_response_header(
		   response, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES;
}

/* What is shown of the source. Whom no source was found for is noted only if
 * it may be Braze, which posts. */
static void
answer_note(const struct request *request, unsigned status)
{
	struct board *board = request->server->board;
	const char *why = request->why;
	int64_t now_ms = clock_wall_ms();

	if (!answer_counts(request))
		return;
	if (request->refusal == 0)
		why = status / 100 == 2 ? "" : request->fault.text;
	if (request->authorised &&
	    (status / 100 != 2 || request->errand != REQUEST_NOTHING))
		board_note_answer(board, request->source, status, why, now_ms);
	if (board_strands(status) &&
	    (request->source < request->server->settings.source_count ||
		strcmp(request->method, "POST") == 0))
		board_note_refusal(board, request->source, status, why, now_ms);
}

/* MHD_NO closes the connection without an answer: the sender sends again,
 * and what was put before is a duplicate then. */
static enum MHD_Result
answer_send(struct request *request, unsigned status, const char *type,
    struct buf *body)
{
	struct MHD_Response *response = NULL;
	enum MHD_Result result = MHD_NO;
	struct err err;
	char *data;
	size_t len;

	if (!buf_ok(body, &err)) {
		log_line(LOG_WARN, "server", "answer status=%u why=%s", status,
		    LOG_QUOTE(err.text));
		goto out;
	}
	data = buf_take(body, &len);
	response =
	    MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
	if (response == NULL) {
		body->data = data;
		goto out;
	}
	if (MHD_add_response_header(
		response, MHD_HTTP_HEADER_CONTENT_TYPE, type) != MHD_YES ||
	    !answer_headers(request, status, response))
		goto out;
	result = MHD_queue_response(request->connection, status, response);
out:
	if (response != NULL)
		MHD_destroy_response(response);
	buf_fini(body);
	peers_mark(&request->listener->peers, request->peer, PEER_ANSWERED,
	    clock_mono_ms());
	if (result == MHD_YES && answer_counts(request))
		counter_add(counter_of_answer(status), 1);
	answer_note(
	    request, result == MHD_YES ? status : MHD_HTTP_SERVICE_UNAVAILABLE);
	return result;
}

static const char *
answer_source(const struct request *request)
{
	return request->authorised
		   ? request->server->settings.sources[request->source].name
		   : "-";
}

static void
answer_log_refusal(struct request *request, unsigned status, const char *why)
{
	struct server *server = request->server;
	uint64_t suppressed;

	if (!log_limit_pass(&server->refusals[counter_of_answer(status)],
		clock_mono_ms(), &suppressed))
		return;
	log_line(LOG_WARN, "server",
	    "refuse status=%u listener=%s method=%s path=%s source=%s "
	    "why=%s suppressed=%llu",
	    status, request->listener->name, request->method,
	    LOG_QUOTE(request->path), answer_source(request), LOG_QUOTE(why),
	    (unsigned long long)suppressed);
}

static enum MHD_Result
answer_error(struct request *request, unsigned status, const char *why,
    const size_t *offset)
{
	struct json json;
	struct buf body;

	answer_log_refusal(request, status, why);
	buf_init(&body, ANSWER_LIMIT);
	json_init(&json, &body);
	json_object_open(&json, NULL);
	json_text(&json, "error", why);
	if (offset != NULL)
		json_int(&json, "offset", (int64_t)*offset);
	json_object_close(&json);
	buf_char(&body, '\n');
	return answer_send(request, status, answer_json, &body);
}

enum MHD_Result
answer_refusal(struct request *request)
{
	return answer_error(request, request->refusal, request->why, NULL);
}

enum MHD_Result
answer_fault(struct request *request)
{
	return answer_error(request, MHD_HTTP_BAD_REQUEST, request->fault.text,
	    &request->fault.at);
}

enum MHD_Result
answer_receipt(struct request *request)
{
	const struct queue_receipt *receipt = &request->receipt;
	struct json json;
	struct buf body;

	log_line(LOG_INFO, "server",
	    "accept source=%s events=%zu queued=%zu dead=%zu duplicates=%zu "
	    "dropped=%zu bytes=%llu ms=%lld",
	    answer_source(request), receipt->received, receipt->queued,
	    receipt->dead, receipt->duplicates, receipt->dropped,
	    (unsigned long long)request->body.received,
	    (long long)(clock_mono_ms() - request->began_ms));
	buf_init(&body, ANSWER_LIMIT);
	json_init(&json, &body);
	json_object_open(&json, NULL);
	json_int(&json, "received", (int64_t)receipt->received);
	json_int(&json, "queued", (int64_t)receipt->queued);
	json_int(&json, "dead", (int64_t)receipt->dead);
	json_int(&json, "duplicates", (int64_t)receipt->duplicates);
	json_int(&json, "dropped", (int64_t)receipt->dropped);
	json_object_close(&json);
	buf_char(&body, '\n');
	return answer_send(request, MHD_HTTP_OK, answer_json, &body);
}

enum MHD_Result
answer_text(struct request *request, unsigned status, const char *type,
    struct buf *text)
{
	return answer_send(request, status, type, text);
}
