/*
 * A source's post, from the headers to the receipt.
 *
 * The headers are enough to refuse most bad requests: by source, token, coding
 * or size. A signature covers the whole body, so it is checked when all of it
 * is here, before anything is made of it. A complete body is one of three
 * things:
 *
 *	a probe		no items; answered at once, even if nothing can be
 *			stored now
 *	a batch		its items are put, and answered with a receipt once
 *			they are durable
 *	unreadable	or of another shape: stored whole, as received, and
 *			only then answered, because the source may delete it
 *
 * If bytes among the headers belong to no header, the body may not be what was
 * sent: then only a batch is trusted.
 */

#include "server/ingest.h"

#include "base/clock.h"
#include "base/json.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	INGEST_RECEIPT_MAX = 4096,
	INGEST_DRIFT_MAX = 4096,  /* bytes of a line of log */
	INGEST_UNPROVEN_PART = 4, /* of the memory for bodies */
};

static const char ingest_no_memory[] =
    "the memory for request bodies is used up";
static const char ingest_stray[] = "the end of the headers is ambiguous";

struct ingest {
	struct budget *budget; /* of the service */
	const struct intake *intake;
	struct body body;
	struct intake_reader *reader; /* NULL before the end of the body */
	size_t paid;		      /* out of the budget, besides the body */
	bool refused;		      /* the budget had no more */
	struct source_load *load;
	size_t held; /* counted there, of what is paid */

	enum intake_cause cause; /* what the body is */
	struct intake_batch batch;

	/* of a batch; lent to the queue */
	struct buf drift; /* of struct queue_drift */
	struct queue_page page;
	struct queue_batch put;

	/* of an unreadable body; lent to the queue */
	struct queue_unreadable unreadable;
	char reason[sizeof(((struct intake_batch *)0)->why) + 40];

	_Alignas(max_align_t) unsigned char proof[]; /* of a signature */
};

/* How many secrets a source has that signs. */
static size_t
ingest_signing_secrets(const struct server_source *source)
{
	size_t count = 0;

	while (source->intake->proof == INTAKE_SIGNATURE &&
	       source->secrets != NULL && source->secrets[count] != NULL)
		count++;
	return count;
}

/* A body, its inflated text, what they are read into, and what it takes to read
 * its items. */
static size_t
ingest_least_memory(
    const struct server_settings *settings, const struct intake *intake)
{
	return settings->body_limit * 2 + LISTENER_READ +
	       settings->max_items * intake->item_bytes;
}

size_t
ingest_unproven_memory(const struct server_settings *settings)
{
	size_t bytes = settings->body_memory / INGEST_UNPROVEN_PART;

	for (size_t i = 0; i < settings->source_count; i++) {
		size_t least =
		    ingest_least_memory(settings, settings->sources[i].intake);

		if (bytes < least)
			bytes = least;
	}
	return bytes;
}

bool
ingest_check_settings(
    const struct server_settings *settings, struct err *reterr)
{
	for (size_t i = 0; i < settings->source_count; i++) {
		const struct intake *intake = settings->sources[i].intake;
		size_t least = ingest_least_memory(settings, intake);

		if (settings->body_limit < intake->body_least)
			return err_set(reterr, ERR_CONFIG,
			    "the limit for one body must be at least %zu bytes",
			    intake->body_least);
		if (settings->body_memory < least)
			return err_set(reterr, ERR_CONFIG,
			    "the memory for bodies must be at least %zu "
			    "bytes, so that one body of the largest size fits",
			    least);
		if (ingest_signing_secrets(&settings->sources[i]) >
		    intake->secrets_most)
			return err_set(reterr, ERR_CONFIG,
			    "source %s may have at most %zu secrets at once",
			    settings->sources[i].name, intake->secrets_most);
	}
	return true;
}

void
ingest_free(struct request *request)
{
	struct ingest *ingest = request->ingest;

	if (ingest == NULL)
		return;
	body_fini(&ingest->body);
	ingest->intake->reader_free(ingest->reader);
	buf_fini(&ingest->drift);
	budget_give(ingest->budget, ingest->paid);
	(void)atomic_fetch_sub(&ingest->load->body_bytes, ingest->held);
	free(ingest);
	request->ingest = NULL;
}

/* ---- proof ---- */

static const struct server_source *
ingest_source(const struct request *request)
{
	return &sources_settings(request->sources)->sources[request->source];
}

/* The source did not prove itself. */
static void
ingest_refuse_proof(
    struct request *request, enum intake_cause cause, const char *why)
{
	/* The proof may be in the bytes that were not understood. */
	if (request->stray)
		request_refuse_framing(request, ingest_stray);
	request_refuse(request, cause, why);
}

static const char *
signature_fault(enum intake_cause cause)
{
	switch (cause) {
	case INTAKE_PROOF_MISSING:
		return "the request has no signature";
	case INTAKE_PROOF_BAD:
		return "the signature is not valid for this source";
	case INTAKE_PROOF_STALE:
		return "the signature is of another time";
	case INTAKE_TAKEN:
	case INTAKE_PROBE:
	case INTAKE_UNREADABLE:
	case INTAKE_SHAPE:
	case INTAKE_TOO_LARGE:
	case INTAKE_ENCODING:
	case INTAKE_METHOD:
	case INTAKE_PATH:
	case INTAKE_BUSY:
	case INTAKE_CAUSES:
		break;
	}
	NEVER("no cause of a proof");
}

static bool
ingest_signed(const struct request *request)
{
	return request->intake->proof == INTAKE_SIGNATURE &&
	       !ingest_source(request)->open;
}

/* What the headers prove; false: the request is refused. */
static bool
ingest_prove_headers(struct request *request, const struct headers *headers)
{
	struct sources *sources = request->sources;
	enum intake_cause cause;

	if (ingest_signed(request)) {
		cause = request->intake->proof_begin(request->ingest->proof,
		    ingest_source(request)->secrets, request_header, request);
		if (cause == INTAKE_TAKEN)
			return true;
		ingest_refuse_proof(request, cause, signature_fault(cause));
		return false;
	}
	if (!sources_authorise(sources, request->source, headers->authorization,
		clock_wall_ms())) {
		if (headers->authorization == NULL)
			ingest_refuse_proof(request, INTAKE_PROOF_MISSING,
			    "no Authorization header");
		else
			ingest_refuse_proof(request, INTAKE_PROOF_BAD,
			    "the token is not valid for this source");
		return false;
	}
	request_prove(request);
	return true;
}

/* What the whole body proves; false: the request is refused. */
static bool
ingest_prove_body(struct request *request)
{
	int64_t now_ms = clock_wall_ms();
	enum intake_cause cause;

	if (request->authorised)
		return true;
	cause = request->intake->proof_end(
	    request->ingest->proof, ingest_source(request)->context, now_ms);
	if (cause != INTAKE_TAKEN) {
		ingest_refuse_proof(request, cause, signature_fault(cause));
		return false;
	}
	request_prove(request);
	sources_note_request(request->sources, request->source, now_ms);
	return true;
}

/* ---- the body ---- */

/* An intake_pay_fn. */
static bool
ingest_pay(void *arg, size_t bytes)
{
	struct ingest *ingest = arg;

	if (!budget_take(ingest->budget, bytes)) {
		ingest->refused = true;
		return false;
	}
	ingest->paid += bytes;
	return true;
}

/* Count what it holds. Do the other requests of the source leave enough? */
static bool
ingest_hold(struct request *request)
{
	struct ingest *ingest = request->ingest;
	size_t before = ingest->held, all;

	ingest->held =
	    ingest->paid + ingest->body.raw.paid + ingest->body.plain.paid;
	all =
	    atomic_fetch_add(&ingest->load->body_bytes, ingest->held - before);
	return sources_settings(request->sources)->source_count == 1 ||
	       all - before <=
		   REQUEST_SHARE * atomic_load(&request->service->budget.left);
}

/* So many bytes came or will come: pay for the buffer that they are read
 * into, and refuse the request if anything went wrong. */
static void
ingest_check_body(struct request *request, uint64_t length)
{
	struct ingest *ingest = request->ingest;
	enum body_state state = ingest->body.state;
	bool fair;

	if (state == BODY_GOOD && length > BODY_FREE && ingest->paid == 0 &&
	    !ingest_pay(ingest, LISTENER_READ))
		state = BODY_NO_MEMORY;
	fair = ingest_hold(request);
	if (state == BODY_GOOD && length > BODY_FREE && !fair)
		state = BODY_NO_MEMORY;
	switch (state) {
	case BODY_GOOD:
	case BODY_CORRUPT:
		break;
	case BODY_TOO_LARGE:
		request_refuse(request, INTAKE_TOO_LARGE,
		    "the body exceeds the limit, as sent or after "
		    "decompression");
		break;
	case BODY_NO_MEMORY:
		request_refuse(request, INTAKE_BUSY, ingest_no_memory);
		body_fini(&ingest->body);
		budget_give(ingest->budget, ingest->paid);
		ingest->paid = 0;
		(void)ingest_hold(request);
		break;
	}
}

void
ingest_begin(struct request *request, const struct headers *headers)
{
	struct service *service = request->service;
	const struct intake *intake = request->intake;
	size_t limit = service->settings.body_limit;
	struct ingest *ingest;
	enum coding coding;
	const char *parent;

	if (request->source ==
	    sources_settings(request->sources)->source_count) {
		request_refuse(request, INTAKE_PATH, "no source has that name");
		return;
	}
	ingest = calloc(1, sizeof(*ingest) + intake->proof_size);
	if (ingest == NULL) {
		request_refuse(request, INTAKE_BUSY, "out of memory");
		return;
	}
	request->ingest = ingest;
	ingest->load = sources_load(request->sources, request->source);
	parent = request_header(request, "traceparent");
	if (service->settings.tracing && parent != NULL)
		(void)trace_read(parent, request->trace);
	ingest->budget = intake->proof == INTAKE_SIGNATURE ? &service->unproven
							   : &service->budget;
	ingest->intake = intake;
	body_init(&ingest->body, limit, ingest->budget);
	if (!ingest_prove_headers(request, headers))
		return;
	if (intake->headers_odd != NULL &&
	    intake->headers_odd(request_header, request))
		counter_add(COUNTER_ODD_HEADERS, 1);
	if (headers->coded_twice || !coding_read(headers->coding, &coding)) {
		request_refuse(
		    request, INTAKE_ENCODING, "unknown Content-Encoding");
		return;
	}
	if (request_draining(request) && headers->length <= limit) {
		request_refuse(request, INTAKE_BUSY, "shutting down");
		return;
	}
	body_begin(&ingest->body, coding, headers->length);
	ingest_check_body(request, headers->length);
}

void
ingest_add(struct request *request, const char *data, size_t len)
{
	struct body *body = &request->ingest->body;

	if (ingest_signed(request))
		request->intake->proof_add(request->ingest->proof, data, len);
	body_add(body, data, len);
	ingest_check_body(request, body->received);
}

/* Is it a text after all, which a proxy inflated but left the label? */
static bool
ingest_labelled_wrongly(const struct body *body)
{
	const struct buf *raw = &body->raw.buf;
	size_t at =
	    raw->len >= 3 && memcmp(raw->data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	while (at < raw->len && memchr(" \t\r\n", raw->data[at], 4) != NULL)
		at++;
	return at == raw->len || raw->data[at] == '{' || raw->data[at] == '[';
}

/* What is the complete body? */
static enum intake_cause
ingest_read(struct request *request)
{
	const struct server_source *source = ingest_source(request);
	struct ingest *ingest = request->ingest;
	const struct buf *text;

	if (ingest->body.state == BODY_CORRUPT &&
	    ingest_labelled_wrongly(&ingest->body))
		body_take_raw(&ingest->body);
	if (ingest->body.state == BODY_CORRUPT) {
		ingest->batch.at = (size_t)ingest->body.corrupt_at;
		(void)snprintf(ingest->batch.why, sizeof(ingest->batch.why),
		    "the body is not valid %s, or was cut short",
		    coding_name(ingest->body.coding));
		return INTAKE_UNREADABLE;
	}
	text = body_text(&ingest->body);
	counter_add(COUNTER_BODY_BYTES, text->len);
	ingest->reader = ingest->intake->reader_new(source->context);
	if (ingest->reader == NULL)
		return INTAKE_BUSY;
	return ingest->intake->read(ingest->reader,
	    str_bytes(text->data, text->len),
	    request->service->settings.max_items, false, ingest_pay, ingest,
	    &ingest->batch);
}

/* ---- a batch ---- */

/* Make what the queue keeps of the drift. False without memory. */
static bool
ingest_make_drift(struct ingest *ingest)
{
	size_t count = ingest->batch.drift_count;
	size_t len = count * sizeof(struct queue_drift);
	struct err err;

	if (!ingest_pay(ingest, len))
		return false;
	buf_init(&ingest->drift, len);
	for (size_t i = 0; i < count; i++) {
		struct queue_drift drift = {
		    .text = ingest->batch.drift[i].text,
		    .events = ingest->batch.drift[i].items,
		};

		(void)buf_append(&ingest->drift, &drift, sizeof(drift));
	}
	return buf_ok(&ingest->drift, &err);
}

/* Of an intake of sets, the page that the body is; else NULL. */
static const struct queue_page *
ingest_page(struct ingest *ingest)
{
	const struct intake_page *page = &ingest->batch.page;

	if (!ingest->intake->set)
		return NULL;
	ingest->page = (struct queue_page){
	    .group = page->group,
	    .name = page->name,
	    .sync = page->sync,
	    .number = page->number,
	    .total = page->total,
	};
	return &ingest->page;
}

static enum MHD_Result
ingest_put(struct request *request)
{
	struct queue *queue = request->service->queue;
	const struct server_source *source = ingest_source(request);
	struct ingest *ingest = request->ingest;

	if (!ingest_make_drift(ingest)) {
		request_refuse(request, INTAKE_BUSY, ingest_no_memory);
		return request_answer_refusal(request);
	}
	if (!request_hand(request, false))
		return request_answer_refusal(request);
	ingest->put = (struct queue_batch){
	    .source = source->name,
	    .destination = source->destination,
	    .now_ms = clock_wall_ms(),
	    .trace = str_text(request->trace),
	    .items = ingest->batch.items,
	    .count = ingest->batch.count,
	    .drift = (struct queue_drift *)ingest->drift.data,
	    .drift_count = ingest->batch.drift_count,
	    .page = ingest_page(ingest),
	};
	if (!queue_put(
		queue, &ingest->put, request_done, request, &request->err))
		request_done(request, NULL, &request->err);
	return MHD_YES;
}

/* The put is durable: count the drift, and log what was never seen before. */
static void
ingest_log_drift(const struct ingest *ingest)
{
	const struct intake_batch *batch = &ingest->batch;
	struct buf text;

	buf_init(&text, INGEST_DRIFT_MAX);
	for (size_t i = 0; i < batch->drift_count; i++) {
		counter_drift_add(batch->drift[i].kind, batch->drift[i].items);
		if (!ingest->put.drift[i].first)
			continue;
		counter_add(COUNTER_DRIFT_FIRST, 1);
		buf_reset(&text);
		ingest->intake->drift_write(batch->drift[i].text, &text);
		if (text.len > 0)
			log_line(LOG_WARN, "server", "drift source=\"%s\" %.*s",
			    ingest->put.source, (int)text.len, text.data);
	}
	buf_fini(&text);
}

/* Durable, or a probe, whose receipt is all zero. */
static enum MHD_Result
ingest_answer_receipt(struct request *request)
{
	const struct queue_receipt *receipt = &request->receipt;
	struct ingest *ingest = request->ingest;
	struct json json;
	struct buf body;

	log_line(LOG_INFO, "server",
	    "accept source=\"%s\" client=%s request=\"%s%s%.32s\" %ss=%zu "
	    "queued=%zu dead=%zu duplicates=%zu dropped=%zu bytes=%llu ms=%lld",
	    request_source_name(request), request->origin, request->id,
	    TRACE_LOG(request->trace), ingest->intake->item_noun,
	    receipt->received, receipt->queued, receipt->dead,
	    receipt->duplicates, receipt->dropped,
	    (unsigned long long)ingest->body.received,
	    (long long)(clock_mono_us() - request->began_us) / 1000);
	sources_note_items(request->sources, request->source, receipt->received,
	    clock_mono_ms());
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
	    request, ingest->cause, "", "application/json", &body);
}

/* ---- an unreadable body ---- */

static enum MHD_Result
ingest_put_unreadable(struct request *request)
{
	struct queue *queue = request->service->queue;
	struct ingest *ingest = request->ingest;
	const struct buf *raw = &ingest->body.raw.buf;

	(void)snprintf(ingest->reason, sizeof(ingest->reason),
	    "at byte %zu: %s", ingest->batch.at, ingest->batch.why);
	if (!request_hand(request, false))
		return request_answer_refusal(request);
	ingest->unreadable = (struct queue_unreadable){
	    .source = ingest_source(request)->name,
	    .data = str_bytes(raw->data, raw->len),
	    .encoding = coding_name(ingest->body.coding),
	    .reason = ingest->reason,
	    .now_ms = clock_wall_ms(),
	};
	if (!queue_put_unreadable(queue, &ingest->unreadable, request_done,
		request, &request->err))
		request_done(request, NULL, &request->err);
	return MHD_YES;
}

/* ---- the end of the body, and the queue's answer ---- */

/* Prove to a probe that asks for it that it came to us. */
static void
ingest_prove_us(struct request *request)
{
	const char *nonce = request_header(request, SERVER_PROBE_HEADER);
	size_t len = nonce != NULL ? strlen(nonce) : 0;

	if (request->intake->proof != INTAKE_BEARER || len < 16 || len > 64 ||
	    nonce[strspn(nonce, "0123456789abcdef")] != '\0')
		return;
	sources_prove(request->sources, request->source,
	    request_header(request, MHD_HTTP_HEADER_AUTHORIZATION), nonce,
	    request->proof);
}

enum MHD_Result
ingest_complete(struct request *request)
{
	struct ingest *ingest = request->ingest;

	body_end(&ingest->body);
	if (!ingest_prove_body(request))
		return request_answer_refusal(request);
	ingest->cause = ingest_read(request);
	if (ingest->cause == INTAKE_TAKEN)
		return ingest_put(request);
	if (ingest->cause == INTAKE_TOO_LARGE || ingest->cause == INTAKE_BUSY) {
		request_refuse(request, ingest->cause,
		    ingest->cause == INTAKE_TOO_LARGE ? ingest->batch.why
		    : ingest->refused		      ? ingest_no_memory
						      : "out of memory");
		return request_answer_refusal(request);
	}
	/* A probe is one all the same if its length was seen: odd blanks. */
	if (request->stray &&
	    !(ingest->cause == INTAKE_PROBE && request->sized)) {
		request_refuse_framing(request, ingest_stray);
		return request_answer_refusal(request);
	}
	if (ingest->cause != INTAKE_PROBE)
		return ingest_put_unreadable(request);
	counter_add(COUNTER_PROBES, 1);
	ingest_prove_us(request);
	return ingest_answer_receipt(request);
}

enum MHD_Result
ingest_done(struct request *request)
{
	struct ingest *ingest = request->ingest;

	if (!request->durable) {
		/* Whatever the queue could not do, the items are not to
		 * blame. */
		request_refuse(request, INTAKE_BUSY, request->err.text);
		return request_answer_refusal(request);
	}
	if (ingest->cause != INTAKE_TAKEN)
		return request_answer_error(request, ingest->cause,
		    ingest->batch.why, &ingest->batch.at);
	ingest_log_drift(ingest);
	return ingest_answer_receipt(request);
}
