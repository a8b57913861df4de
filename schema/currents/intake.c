/*
 * The intake of Braze Currents, behind the seam of schema/dialect.h.
 *
 * According to Braze's documentation of the Custom HTTP connector, Braze
 * deletes the events of a request that is answered 400. After 401, 403 or 404
 * it holds them back until an operator repairs the connector; after 413 it
 * splits the batch; after everything else it sends them again. So only a body
 * that can never be read is answered 400, and a fault of ours gets none of
 * these answers.
 *
 * The rules of a source decide what becomes of an event: its lists of types
 * come first, then validity, then the rule for types that the catalogue does
 * not know. Last, private values are removed from what is kept, if the
 * source's settings say to do so at acceptance.
 */

#include "schema/currents/reader.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	INTAKE_REASON = 160, /* bytes of a reason, including its NUL */
	/* A Braze event may have 900 KB: with a smaller limit, a batch that
	 * cannot be split would be answered 413. */
	INTAKE_BODY_LEAST = 1024 * 1024,
};

struct intake_context {
	struct currents_settings settings;
	char **exclude_rules; /* names for the ledger, in order */
	size_t exclude_count;
};

struct intake_reader {
	const struct intake_context *context;
	struct currents_batch batch;
	struct item *items;	    /* owned, with all that is behind them: */
	struct intake_drift *drift; /* drifts, their texts, and reasons */
	size_t drift_count;
	struct buf redacted; /* what the items lend, if redacted */
	size_t redacted_paid;
};

/* ---- facts ---- */

static bool
intake_strands(unsigned status)
{
	return status == 401 || status == 403 || status == 404 ||
	       status == 405 || status == 415;
}

/* Another version says nothing about whether we can read the body. */
static bool
intake_headers_odd(intake_header_fn *header, void *arg)
{
	const char *version = header(arg, "Braze-Currents-Version");

	return version == NULL || strcmp(version, "1") != 0;
}

/* ---- the context ---- */

static void
intake_context_free(struct intake_context *context)
{
	if (context == NULL)
		return;
	for (size_t i = 0;
	     context->exclude_rules != NULL && i < context->exclude_count; i++)
		free(context->exclude_rules[i]);
	free(context->exclude_rules);
	free(context);
}

static bool
intake_context_new(const void *settings, struct intake_context **ret_context,
    struct err *reterr)
{
	struct intake_context *context = calloc(1, sizeof(*context));
	const char *const *exclude;
	size_t count = 0;

	if (context == NULL)
		return err_set_nomem(reterr);
	context->settings = *(const struct currents_settings *)settings;
	exclude = context->settings.exclude;
	while (exclude != NULL && exclude[count] != NULL)
		count++;
	context->exclude_rules = calloc(count + 1, sizeof(char *));
	if (context->exclude_rules == NULL)
		goto fail;
	for (; context->exclude_count < count; context->exclude_count++) {
		if (asprintf(&context->exclude_rules[context->exclude_count],
			"excluded: %s", exclude[context->exclude_count]) < 0)
			goto fail;
	}
	*ret_context = context;
	return true;
fail:
	intake_context_free(context);
	return err_set_nomem(reterr);
}

/* ---- judging ---- */

/*
 * The rule by which a source's lists drop an event of this type, or NULL. The
 * exclude list goes first. Only its full name drops an erasure request: a
 * source that excludes all profile events still has people to erase.
 */
static const char *
judge_lists(const struct intake_context *context, struct str type)
{
	const struct currents_settings *settings = &context->settings;
	const char *const *include = settings->include;
	bool erasure = str_equal_text(type, CURRENTS_ERASURE);

	if (type.len == 0)
		return NULL; /* the defect is the better reason */
	for (size_t i = 0; i < context->exclude_count; i++) {
		const char *pattern = settings->exclude[i];

		if (erasure ? strcmp(pattern, CURRENTS_ERASURE) == 0
			    : currents_type_matches(type, pattern))
			return context->exclude_rules[i];
	}
	if (erasure || include == NULL || include[0] == NULL)
		return NULL;
	for (; *include != NULL; include++) {
		if (currents_type_matches(type, *include))
			return NULL;
	}
	return "not included";
}

static void
judge_event(const struct intake_context *context,
    const struct currents_event *event, const char *body, bool accepted_once,
    char *reason, struct item *ret_item)
{
	const struct currents_settings *settings = &context->settings;
	const char *rule = judge_lists(context, event->type);
	struct item *item = ret_item;

	*item = (struct item){
	    .fate = ITEM_QUEUE,
	    .type = event->type,
	    .id = event->id,
	    .data = str_bytes(body + event->at, event->len),
	    .persons = event->user,
	};
	if (rule != NULL) {
		item->fate = ITEM_DROP;
		item->reason = rule;
	} else if (event->defect != CURRENTS_VALID && !accepted_once) {
		/* Its id proves nothing: two invalid events are the same only
		 * if their bytes are. */
		item->id.len = 0;
		item->fate = settings->invalid_dropped ? ITEM_DROP : ITEM_DEAD;
		item->reason = settings->invalid_dropped ? "invalid" : reason;
		currents_defect_write(event, reason, INTAKE_REASON);
	} else if (!event->known &&
		   settings->unknown_type != CURRENTS_FORWARD) {
		item->fate = settings->unknown_type == CURRENTS_DEAD
				 ? ITEM_DEAD
				 : ITEM_DROP;
		item->reason = "unknown type";
	}
}

/* Let the items of a body of that length lend redacted bytes. */
static bool
judge_redact(
    struct intake_reader *reader, size_t len, intake_pay_fn *pay, void *arg)
{
	const struct currents_settings *settings = &reader->context->settings;
	size_t count = reader->batch.count, before;
	struct buf *redacted = &reader->redacted;
	const char *at;
	struct err err;

	buf_init(redacted, len * CURRENTS_REDACT_GROWTH + CURRENTS_REDACT_MORE);
	for (size_t i = 0; i < count; i++) {
		struct str *data = &reader->items[i].data;

		if (reader->items[i].fate == ITEM_DROP)
			continue;
		before = redacted->len;
		/* NULL until all are there: the buffer moves as it grows. */
		reader->items[i].persons.len = 0;
		if (settings->redact(
			settings->redact_rules, *data, redacted, &err))
			*data = str_bytes(NULL, redacted->len - before);
		else if (err.code != ERR_INPUT) /* unreadable: as it came */
			return false;
		if (redacted->cap <= reader->redacted_paid)
			continue;
		if (pay != NULL &&
		    !pay(arg, redacted->cap - reader->redacted_paid))
			return false;
		reader->redacted_paid = redacted->cap;
	}
	at = redacted->data;
	for (size_t i = 0; i < count; i++) {
		struct str *data = &reader->items[i].data;

		if (data->data != NULL)
			continue;
		data->data = at;
		at += data->len;
	}
	return true;
}

/* Is a property that no type knows left out at acceptance, because no one has
 * decided about it? */
static bool
judge_left_out(const struct currents_settings *settings,
    const struct currents_drift *drift, struct currents_drift *ret_left_out)
{
	const char *json = drift->json;

	if (settings->private_at != CURRENTS_AT_ACCEPT ||
	    drift->what != CURRENTS_DRIFT_PROPERTY)
		return false;
	/* without saying what is in an array, as on the way out */
	if (strncmp(json, "array", 5) == 0)
		json = "array";
	else if (strcmp(json, "string") != 0 && strcmp(json, "object") != 0)
		return false;
	if (!settings->left_out(
		settings->redact_rules, drift->type, drift->field))
		return false;
	*ret_left_out = *drift;
	ret_left_out->what = CURRENTS_DRIFT_LEFT_OUT;
	ret_left_out->json = json;
	return true;
}

static void
judge_drift_add(struct intake_reader *reader,
    const struct currents_drift *drift, char *text)
{
	drift_text_write(drift, text);
	reader->drift[reader->drift_count++] = (struct intake_drift){
	    .kind = currents_drift_name(drift->what),
	    .text = text,
	    .items = drift->events,
	};
}

/* Make the items of the batch and the texts of its drift, in one piece of
 * memory. False without memory. */
static bool
judge_batch(struct intake_reader *reader, const char *body, bool accepted_once,
    intake_pay_fn *pay, void *arg)
{
	const struct intake_context *context = reader->context;
	const struct currents_batch *batch = &reader->batch;
	size_t count = batch->count, drifts = batch->drift_count;
	struct currents_drift left_out;
	size_t items_len = count * sizeof(struct item);
	size_t drift_len, texts_len, reasons_len = 0, body_len = 0, len;
	char *memory, *text, *reason;

	for (size_t i = 0; i < batch->drift_count; i++)
		drifts += judge_left_out(
		    &context->settings, &batch->drifts[i], &left_out);
	drift_len = drifts * sizeof(struct intake_drift);
	texts_len = drifts * DRIFT_TEXT_MAX;
	for (size_t i = 0; i < count; i++) {
		if (batch->events[i].defect != CURRENTS_VALID)
			reasons_len += INTAKE_REASON;
	}
	len = items_len + drift_len + texts_len + reasons_len;
	/* What currents_read() took is paid for here, too. */
	if (pay != NULL && !pay(arg, len + count * sizeof(batch->events[0]) +
					 drifts * sizeof(batch->drifts[0])))
		return false;
	memory = malloc(len);
	if (memory == NULL)
		return false;
	reader->items = (struct item *)memory;
	reader->drift = (struct intake_drift *)(memory + items_len);
	text = memory + items_len + drift_len;
	reason = text + texts_len;
	for (size_t i = 0; i < batch->drift_count; i++) {
		const struct currents_drift *drift = &batch->drifts[i];

		judge_drift_add(reader, drift, text);
		text += DRIFT_TEXT_MAX;
		if (!judge_left_out(&context->settings, drift, &left_out))
			continue;
		judge_drift_add(reader, &left_out, text);
		text += DRIFT_TEXT_MAX;
	}
	for (size_t i = 0; i < count; i++) {
		const struct currents_event *event = &batch->events[i];

		judge_event(context, event, body, accepted_once, reason,
		    &reader->items[i]);
		body_len += event->len;
		if (event->defect != CURRENTS_VALID)
			reason += INTAKE_REASON;
	}
	return context->settings.private_at != CURRENTS_AT_ACCEPT ||
	       judge_redact(reader, body_len, pay, arg);
}

/* ---- the reader ---- */

static struct intake_reader *
intake_reader_new(const struct intake_context *context)
{
	struct intake_reader *reader = calloc(1, sizeof(*reader));

	if (reader == NULL)
		return NULL;
	reader->context = context;
	currents_batch_init(&reader->batch);
	return reader;
}

/* Forget the last body. */
static void
intake_reader_reset(struct intake_reader *reader)
{
	free(reader->items);
	reader->items = NULL;
	reader->drift_count = 0;
	buf_fini(&reader->redacted);
	reader->redacted_paid = 0;
}

static void
intake_reader_free(struct intake_reader *reader)
{
	if (reader == NULL)
		return;
	intake_reader_reset(reader);
	currents_batch_fini(&reader->batch);
	free(reader);
}

static enum intake_cause
intake_read(struct intake_reader *reader, struct str body, size_t max_items,
    bool accepted_once, intake_pay_fn *pay, void *arg,
    struct intake_batch *ret_batch)
{
	struct currents_batch *batch = &reader->batch;
	struct currents_fault fault;

	intake_reader_reset(reader);
	batch->catalogue = reader->context->settings.catalogue;
	switch (currents_read(body, max_items, batch, &fault)) {
	case CURRENTS_READ:
		break;
	case CURRENTS_FAULT:
		ret_batch->at = fault.at;
		(void)snprintf(
		    ret_batch->why, sizeof(ret_batch->why), "%s", fault.text);
		return INTAKE_UNREADABLE;
	case CURRENTS_NO_ROOM:
		if (batch->count < max_items)
			return INTAKE_BUSY;
		(void)snprintf(ret_batch->why, sizeof(ret_batch->why),
		    "too many events in one body");
		return INTAKE_TOO_LARGE;
	}
	if (batch->count == 0)
		return INTAKE_PROBE;
	if (!judge_batch(reader, body.data, accepted_once, pay, arg))
		return INTAKE_BUSY;
	ret_batch->items = reader->items;
	ret_batch->count = batch->count;
	ret_batch->drift = reader->drift;
	ret_batch->drift_count = reader->drift_count;
	return INTAKE_TAKEN;
}

const struct intake currents_intake = {
    .kind = "currents",
    .path = "/currents",
    .item_noun = "event",
    .proof = INTAKE_BEARER,
    .status =
	{
	    [INTAKE_TAKEN] = 200,
	    [INTAKE_PROBE] = 200,
	    [INTAKE_PROOF_MISSING] = 401,
	    [INTAKE_PROOF_BAD] = 401,
	    [INTAKE_PROOF_STALE] = 401,
	    [INTAKE_UNREADABLE] = 400,
	    [INTAKE_SHAPE] = 400,
	    [INTAKE_TOO_LARGE] = 413,
	    [INTAKE_ENCODING] = 415,
	    [INTAKE_METHOD] = 405,
	    [INTAKE_PATH] = 404,
	    [INTAKE_BUSY] = 503,
	},
    .body_least = INTAKE_BODY_LEAST,
    /* with its share of the texts of drift */
    .item_bytes = sizeof(struct currents_event) + sizeof(struct item) + 256,
    .drift_kinds = currents_drift_kinds,
    /* Braze alarms its customer after 24 hours of failures, and disables the
     * connector after five days. */
    .alarms_ms = 24 * 3600 * (int64_t)1000,
    .gives_up_ms = 5 * 24 * 3600 * (int64_t)1000,
    .strands = intake_strands,
    .headers_odd = intake_headers_odd,
    .context_new = intake_context_new,
    .context_free = intake_context_free,
    .reader_new = intake_reader_new,
    .reader_free = intake_reader_free,
    .read = intake_read,
    .drift_write = drift_log_write,
};
