/*
 * POST /currents, from the headers to the receipt.
 *
 * The headers are enough to refuse most bad requests: by source, token, coding
 * or size. A complete body is one of three things:
 *
 *	a probe		no events; answered at once, even if nothing can be
 *			stored now
 *	a batch		its events are judged and put, and answered with a
 *			receipt once they are durable
 *	unreadable	stored whole, as received, and then answered 400,
 *			because Braze deletes what is answered 400
 *
 * If bytes among the headers belong to no header, the body may not be what was
 * sent: then only a batch is trusted.
 */

#include "server/ingest.h"

#include "base/clock.h"
#include "base/json.h"
#include "schema/currents.h"
#include "schema/drift.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	INGEST_RECEIPT_MAX = 4096,
	/* One event of Braze's may have 900 KB: a smaller limit would answer
	 * 413 to a batch that cannot be split. */
	INGEST_BODY_LEAST = 1024 * 1024,
};

static const char ingest_no_memory[] =
    "the memory for request bodies is used up";

struct ingest {
	struct budget *budget; /* of the service */
	struct body body;
	struct currents_batch batch;
	struct currents_fault fault; /* of an unreadable body */
	size_t paid;		     /* out of the budget, besides the body */
	size_t paid_redacted;	     /* of these, for `redacted` */

	/* of a batch; lent to the queue */
	struct item *items;	   /* owned, with all that stands behind them */
	struct queue_drift *drift; /* behind them, and its texts */
	struct buf redacted;	   /* what they lend, if private values go */
	struct queue_batch put;

	/* of an unreadable body; lent to the queue */
	struct queue_unreadable unreadable;
	char reason[sizeof(((struct currents_fault *)0)->text) + 40];
};

bool
ingest_check_settings(
    const struct server_settings *settings, struct err *reterr)
{
	/* A body, its inflated text, what they are read into, and what it
	 * takes to judge them. */
	size_t least = settings->body_limit * 2 + LISTENER_READ +
		       settings->max_events * (sizeof(struct currents_event) +
						  sizeof(struct item) + 256);

	if (settings->body_limit < INGEST_BODY_LEAST)
		return err_set(reterr, ERR_CONFIG,
		    "the limit for one body must be at least %d bytes",
		    INGEST_BODY_LEAST);
	if (settings->body_memory < least)
		return err_set(reterr, ERR_CONFIG,
		    "the memory for bodies must be at least %zu bytes, so that "
		    "one body of the largest size fits",
		    least);
	return true;
}

void
ingest_free(struct request *request)
{
	struct ingest *ingest = request->ingest;

	if (ingest == NULL)
		return;
	body_fini(&ingest->body);
	currents_batch_fini(&ingest->batch);
	free(ingest->items);
	buf_fini(&ingest->redacted);
	budget_give(ingest->budget, ingest->paid);
	free(ingest);
	request->ingest = NULL;
}

/* ---- reading ---- */

static bool
ingest_authorise(struct request *request, const struct headers *headers)
{
	const char *version;

	if (!sources_authorise(request->service->sources, request->source,
		headers->authorization, clock_wall_ms())) {
		/* The token may be in the bytes that were not understood. */
		if (headers->stray)
			request_refuse_framing(request);
		request_refuse(request, MHD_HTTP_UNAUTHORIZED,
		    headers->authorization == NULL
			? "no Authorization header"
			: "the token is not valid for this source");
		return false;
	}
	request->authorised = true;
	/* Another version says nothing about whether we can read the body. */
	version = MHD_lookup_connection_value(
	    request->connection, MHD_HEADER_KIND, "Braze-Currents-Version");
	if (version == NULL || strcmp(version, "1") != 0)
		counter_add(COUNTER_ODD_VERSION, 1);
	return true;
}

static bool
ingest_pay(struct ingest *ingest, size_t bytes)
{
	if (!budget_take(ingest->budget, bytes))
		return false;
	ingest->paid += bytes;
	return true;
}

/* So many bytes came or will come: pay for the buffer that they are read
 * into, and refuse the request if anything went wrong. */
static void
ingest_check_body(struct request *request, uint64_t length)
{
	struct ingest *ingest = request->ingest;
	enum body_state state = ingest->body.state;

	if (state == BODY_GOOD && length > BODY_FREE && ingest->paid == 0 &&
	    !ingest_pay(ingest, LISTENER_READ))
		state = BODY_NO_MEMORY;
	switch (state) {
	case BODY_GOOD:
	case BODY_CORRUPT:
		break;
	case BODY_TOO_LARGE:
		request_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE,
		    "the body exceeds the limit, as sent or after "
		    "decompression");
		break;
	case BODY_NO_MEMORY:
		request_refuse(
		    request, MHD_HTTP_SERVICE_UNAVAILABLE, ingest_no_memory);
		body_fini(&ingest->body);
		break;
	}
}

void
ingest_begin(struct request *request, const struct headers *headers)
{
	struct service *service = request->service;
	size_t limit = service->settings.body_limit;
	struct ingest *ingest;
	enum coding coding;

	if (request->source == service->settings.source_count) {
		request_refuse(
		    request, MHD_HTTP_NOT_FOUND, "no source has that name");
		return;
	}
	if (!ingest_authorise(request, headers))
		return;
	if (headers->coded_twice || !coding_read(headers->coding, &coding)) {
		request_refuse(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
		    "unknown Content-Encoding");
		return;
	}
	if (request_draining(request) && headers->length <= limit) {
		request_refuse(
		    request, MHD_HTTP_SERVICE_UNAVAILABLE, "shutting down");
		return;
	}
	ingest = calloc(1, sizeof(*ingest));
	request->ingest = ingest;
	if (ingest == NULL) {
		request_refuse(
		    request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
		return;
	}
	ingest->budget = &service->budget;
	body_init(&ingest->body, limit, ingest->budget);
	currents_batch_init(&ingest->batch);
	body_begin(&ingest->body, coding, headers->length);
	ingest_check_body(request, headers->length);
}

void
ingest_add(struct request *request, const char *data, size_t len)
{
	struct body *body = &request->ingest->body;

	body_add(body, data, len);
	ingest_check_body(request, body->received);
}

/* ---- a batch ---- */

/* A server_pay_fn, of what is redacted. */
static bool
ingest_pay_redacted(void *arg, size_t capacity)
{
	struct ingest *ingest = arg;

	if (capacity <= ingest->paid_redacted)
		return true;
	if (!ingest_pay(ingest, capacity - ingest->paid_redacted))
		return false;
	ingest->paid_redacted = capacity;
	return true;
}

/* Make the items of the batch and the texts of its drift, in one piece of
 * memory. False without memory. */
static bool
ingest_judge(struct ingest *ingest, const struct server_judge *judge)
{
	const struct currents_batch *batch = &ingest->batch;
	size_t count = batch->count, drifts = batch->drift_count;
	size_t items_len = count * sizeof(struct item);
	size_t drift_len = drifts * sizeof(struct queue_drift);
	size_t texts_len = drifts * DRIFT_TEXT_MAX, reasons_len = 0, len;
	char *memory, *text, *reasons;

	for (size_t i = 0; i < count; i++) {
		if (batch->events[i].defect != CURRENTS_VALID)
			reasons_len += SERVER_REASON;
	}
	len = items_len + drift_len + texts_len + reasons_len;
	/* The memory that currents_read() used is paid for here, too. */
	if (!ingest_pay(ingest, len + count * sizeof(batch->events[0]) +
				    drifts * sizeof(batch->drifts[0])))
		return false;
	memory = malloc(len);
	if (memory == NULL)
		return false;
	ingest->items = (struct item *)memory;
	ingest->drift = (struct queue_drift *)(memory + items_len);
	text = memory + items_len + drift_len;
	reasons = text + texts_len;
	for (size_t i = 0; i < drifts; i++, text += DRIFT_TEXT_MAX) {
		drift_text_write(&batch->drifts[i], text);
		ingest->drift[i] = (struct queue_drift){
		    .text = text, .events = batch->drifts[i].events};
	}
	return server_judge_batch(judge, batch, body_text(&ingest->body)->data,
	    false, ingest->items, reasons, ingest_pay_redacted, ingest,
	    &ingest->redacted);
}

static enum MHD_Result
ingest_put(struct request *request)
{
	struct service *service = request->service;
	const struct server_source *source =
	    &service->settings.sources[request->source];
	struct ingest *ingest = request->ingest;

	if (!ingest_judge(
		ingest, sources_judge(service->sources, request->source))) {
		request_refuse(
		    request, MHD_HTTP_SERVICE_UNAVAILABLE, ingest_no_memory);
		return request_answer_refusal(request);
	}
	if (!request_hand(request, false))
		return request_answer_refusal(request);
	ingest->put = (struct queue_batch){
	    .source = source->name,
	    .destination = source->destination,
	    .now_ms = clock_wall_ms(),
	    .items = ingest->items,
	    .count = ingest->batch.count,
	    .drift = ingest->drift,
	    .drift_count = ingest->batch.drift_count,
	};
	if (!queue_put(service->queue, &ingest->put, request_done, request,
		&request->err))
		request_done(request, NULL, &request->err);
	return MHD_YES;
}

/* The put is durable: count the drift, and log what was never seen before. */
static void
ingest_tell_drift(const struct ingest *ingest)
{
	const struct currents_batch *batch = &ingest->batch;
	struct drift drift;

	for (size_t i = 0; i < batch->drift_count; i++) {
		counter_add((enum counter)((int)COUNTER_DRIFT_TYPE +
					   (int)batch->drifts[i].what),
		    batch->drifts[i].events);
		if (!ingest->drift[i].first)
			continue;
		counter_add(COUNTER_DRIFT_FIRST, 1);
		if (!drift_text_read(ingest->drift[i].text, &drift))
			continue;
		log_line(LOG_WARN, "server",
		    "drift source=%s what=%s type=%s field=%s json=%s",
		    ingest->put.source,
		    LOG_QUOTE(currents_drift_name(drift.what)),
		    LOG_QUOTE_BYTES(drift.type.data, drift.type.len),
		    LOG_QUOTE_BYTES(drift.field.data, drift.field.len),
		    LOG_QUOTE_BYTES(drift.json.data, drift.json.len));
	}
}

/* Durable, or a probe, whose receipt is all zero. */
static enum MHD_Result
ingest_answer_receipt(struct request *request)
{
	const struct queue_receipt *receipt = &request->receipt;
	struct json json;
	struct buf body;

	log_line(LOG_INFO, "server",
	    "accept source=%s events=%zu queued=%zu dead=%zu duplicates=%zu "
	    "dropped=%zu bytes=%llu ms=%lld",
	    request_source_name(request), receipt->received, receipt->queued,
	    receipt->dead, receipt->duplicates, receipt->dropped,
	    (unsigned long long)request->ingest->body.received,
	    (long long)(clock_mono_ms() - request->began_ms));
	buf_init(&body, INGEST_RECEIPT_MAX);
	json_init(&json, &body);
	json_object_open(&json, NULL);
	json_int(&json, "received", (int64_t)receipt->received);
	json_int(&json, "queued", (int64_t)receipt->queued);
	json_int(&json, "dead", (int64_t)receipt->dead);
	json_int(&json, "duplicates", (int64_t)receipt->duplicates);
	json_int(&json, "dropped", (int64_t)receipt->dropped);
	json_object_close(&json);
	buf_char(&body, '\n');
	return request_answer(
	    request, MHD_HTTP_OK, "", "application/json", &body);
}

/* ---- an unreadable body ---- */

static enum MHD_Result
ingest_put_unreadable(struct request *request)
{
	struct service *service = request->service;
	struct ingest *ingest = request->ingest;
	const struct buf *raw = &ingest->body.raw.buf;

	if (request->stray) {
		request_refuse_framing(request);
		return request_answer_refusal(request);
	}
	(void)snprintf(ingest->reason, sizeof(ingest->reason),
	    "at byte %zu: %s", ingest->fault.at, ingest->fault.text);
	if (!request_hand(request, false))
		return request_answer_refusal(request);
	ingest->unreadable = (struct queue_unreadable){
	    .source = service->settings.sources[request->source].name,
	    .data = str_bytes(raw->data, raw->len),
	    .encoding = coding_name(ingest->body.coding),
	    .reason = ingest->reason,
	    .now_ms = clock_wall_ms(),
	};
	if (!queue_put_unreadable(service->queue, &ingest->unreadable,
		request_done, request, &request->err))
		request_done(request, NULL, &request->err);
	return MHD_YES;
}

/* ---- the end of the body, and the queue's answer ---- */

enum MHD_Result
ingest_complete(struct request *request)
{
	struct ingest *ingest = request->ingest;
	size_t max_events = request->service->settings.max_events;
	const struct buf *text;

	body_end(&ingest->body);
	if (ingest->body.state == BODY_CORRUPT) {
		ingest->fault.at = (size_t)ingest->body.corrupt_at;
		(void)snprintf(ingest->fault.text, sizeof(ingest->fault.text),
		    "the body is not valid %s, or was cut short",
		    coding_name(ingest->body.coding));
		return ingest_put_unreadable(request);
	}
	text = body_text(&ingest->body);
	counter_add(COUNTER_BODY_BYTES, text->len);
	switch (currents_read(str_bytes(text->data, text->len), max_events,
	    &ingest->batch, &ingest->fault)) {
	case CURRENTS_READ:
		if (ingest->batch.count > 0)
			return ingest_put(request);
		if (request->stray) {
			request_refuse_framing(request);
			return request_answer_refusal(request);
		}
		counter_add(COUNTER_PROBES, 1);
		return ingest_answer_receipt(request);
	case CURRENTS_FAULT:
		return ingest_put_unreadable(request);
	case CURRENTS_NO_ROOM:
		break;
	}
	if (ingest->batch.count >= max_events)
		request_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE,
		    "too many events in one body");
	else
		request_refuse(
		    request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
	return request_answer_refusal(request);
}

enum MHD_Result
ingest_done(struct request *request)
{
	struct ingest *ingest = request->ingest;

	if (!request->durable) {
		/* Whatever the queue could not do, the events are not to
		 * blame. */
		request_refuse(
		    request, MHD_HTTP_SERVICE_UNAVAILABLE, request->err.text);
		return request_answer_refusal(request);
	}
	if (ingest->items == NULL)
		return request_answer_error(request, MHD_HTTP_BAD_REQUEST,
		    ingest->fault.text, &ingest->fault.at);
	ingest_tell_drift(ingest);
	return ingest_answer_receipt(request);
}
