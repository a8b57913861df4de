#include "cli/page.h"

#include "base/item.h"
#include "base/json.h"
#include "daemon/event.h"
#include "schema/json/scan.h"
#include "schema/segments/segments.h"

#include <stdio.h>

enum {
	PAGE_CHANGES_MAX = 10000000,
	PAGE_SENT_MAX = 64 * 1024,
	PAGE_LABEL_MAX = 4096,
};

struct page {
	struct buf *out;
	bool json;
	struct intake_batch batch;
	size_t valid, invalid;

	/* of a destination; NULL: only the verdict is wanted */
	const struct outlet *outlet;
	struct outlet_context *outlet_context;
	struct outlet_group group;
	struct buf label, sent;
};

/* What becomes of one change. */
struct page_row {
	size_t number; /* in the page, from 1; 0: of the page as a whole */
	const char *verdict, *reason; /* reason: may be NULL */
	struct str data;	      /* the change; empty: there is none */
	struct str sent;	      /* likewise */
};

bool
page_recognised(struct str text)
{
	struct scan_value value;

	return scan_find(text, "action_type", &value);
}

static void
row_json(const struct page *page, const struct page_row *row)
{
	struct json json;

	json_init(&json, page->out);
	json_object_open(&json, NULL);
	json_int(&json, "change", (int64_t)row->number);
	json_text(
	    &json, page->outlet != NULL ? "fate" : "verdict", row->verdict);
	if (row->reason == NULL)
		json_null_value(&json, "reason");
	else
		json_text(&json, "reason", row->reason);
	if (row->data.len > 0)
		event_bytes_write(&json, "data", row->data);
	if (row->sent.len > 0 && row->sent.data[0] == '{')
		json_raw(&json, "sent", row->sent.data, row->sent.len);
	else if (row->sent.len > 0)
		json_bytes(&json, "sent", row->sent.data, row->sent.len);
	json_object_close(&json);
	(void)buf_char(page->out, '\n');
}

/* Ids come from outside: escaped, so that they cannot control a terminal. */
static void
row_text(const struct page *page, const struct page_row *row)
{
	struct buf *out = page->out;

	if (row->number > 0)
		(void)buf_printf(out, "change %zu: ", row->number);
	if (row->data.len > 0) {
		json_escape(out, row->data.data, row->data.len);
		(void)buf_char(out, ' ');
	}
	(void)buf_text(out, row->verdict);
	if (row->reason != NULL)
		(void)buf_printf(out, ": %s", row->reason);
	(void)buf_char(out, '\n');
	if (row->sent.len > 0)
		(void)buf_printf(out, "  %.*s\n", STR_ARGS(row->sent));
}

/* What the page is of. */
static void
page_head(const struct page *page)
{
	const struct intake_page *facts = &page->batch.page;
	struct buf *out = page->out;

	if (page->json)
		return;
	(void)buf_text(out, "segment ");
	json_escape(out, facts->group.data, facts->group.len);
	if (facts->name.len > 0) {
		(void)buf_text(out, ", ");
		json_escape(out, facts->name.data, facts->name.len);
	}
	if (facts->number > 0)
		(void)buf_printf(out, ", page %u", facts->number);
	if (facts->total > 0)
		(void)buf_printf(out, " of %u", facts->total);
	if (page->label.len > 0) {
		(void)buf_printf(out, ", at %s: ", page->outlet->kind);
		json_escape(out, page->label.data, page->label.len);
	}
	(void)buf_char(out, '\n');
}

/* Prepare the change as the forwarder does. */
static bool
page_prepare(struct page *page, const struct item *item, int64_t now_ms,
    struct page_row *row, struct err *reterr)
{
	struct outlet_prepared prepared;

	buf_reset(&page->sent);
	if (!page->outlet->prepare(page->outlet_context, str_text(""),
		&page->group, item, now_ms, &page->sent, &prepared, reterr))
		return false;
	switch (prepared.fate) {
	case OUTLET_SEND:
		row->verdict = "send";
		row->sent = str_bytes(page->sent.data, page->sent.len);
		break;
	case OUTLET_DROP:
		row->verdict = "drop";
		break;
	case OUTLET_DEAD:
		row->verdict = "dead";
		page->invalid++;
		break;
	}
	row->reason = prepared.reason;
	return true;
}

static bool
page_items(
    struct page *page, struct command_context *context, struct err *reterr)
{
	for (size_t i = 0; i < page->batch.count; i++) {
		const struct item *item = &page->batch.items[i];
		struct page_row row = {
		    .number = i + 1,
		    .verdict = page->outlet != NULL ? "dead" : "invalid",
		    .reason = item->reason,
		    .data = item->data,
		};

		if (item->fate != ITEM_QUEUE) {
			page->invalid++;
		} else if (page->outlet == NULL) {
			row.verdict = "valid";
			page->valid++;
		} else if (!page_prepare(
			       page, item, context->now_ms, &row, reterr)) {
			return false;
		}
		(page->json ? row_json : row_text)(page, &row);
		if (!command_write(context, page->out, reterr))
			return false;
	}
	return true;
}

/* Make the outlet's context. It needs no keys to prepare a change, and they may
 * be where only the daemon can read them. */
static bool
page_outlet(struct page *page, const struct settings_destination *destination,
    struct err *reterr)
{
	struct settings_destination copy = *destination;
	const char none[] = "none";

	copy.attributes.url = copy.cohorts.url = "https://localhost";
	copy.attributes.api_key = copy.cohorts.partner = none;
	copy.cohorts.partner_key = copy.cohorts.import_key = none;
	page->outlet = destination->forwarder.outlet;
	return page->outlet->context_new(
	    settings_outlet_settings(&copy), &page->outlet_context, reterr);
}

/* How the destination calls the segment. */
static bool
page_label(struct page *page, struct err *reterr)
{
	const struct intake_page *facts = &page->batch.page;

	page->group =
	    (struct outlet_group){.id = facts->group, .name = facts->name};
	if (!page->outlet->label(
		page->outlet_context, &page->group, &page->label, reterr))
		return false;
	page->group.label = str_bytes(page->label.data, page->label.len);
	return true;
}

static bool
page_all(struct page *page, struct command_context *context,
    struct intake_reader *reader, struct str text, struct err *reterr)
{
	enum intake_cause cause = segments_intake.read(
	    reader, text, PAGE_CHANGES_MAX, false, NULL, NULL, &page->batch);
	char why[sizeof(page->batch.why) + 32];
	const struct page_row fault = {.verdict = "fault", .reason = why};

	if (cause == INTAKE_BUSY)
		return err_set_nomem(reterr);
	if (cause != INTAKE_TAKEN) {
		page->invalid++;
		(void)snprintf(why, sizeof(why), "%s (byte %zu)",
		    page->batch.why, page->batch.at);
		(page->json ? row_json : row_text)(page, &fault);
		return true;
	}
	if (page->outlet != NULL && !page_label(page, reterr))
		return false;
	page_head(page);
	return page_items(page, context, reterr);
}

int
page_show(struct command_context *context,
    const struct segments_settings *settings,
    const struct settings_destination *destination, struct str text,
    struct buf *out)
{
	struct page page = {
	    .out = out,
	    .json = options_has(context->options, "--json"),
	};
	struct intake_context *intake = NULL;
	struct intake_reader *reader = NULL;
	int code = EXIT_FINE;
	struct err err;

	buf_init(&page.label, PAGE_LABEL_MAX);
	buf_init(&page.sent, PAGE_SENT_MAX);
	if (!segments_intake.context_new(settings, &intake, &err))
		goto fail;
	reader = segments_intake.reader_new(intake);
	if (reader == NULL) {
		(void)err_set_nomem(&err);
		goto fail;
	}
	if ((destination != NULL && !page_outlet(&page, destination, &err)) ||
	    !page_all(&page, context, reader, text, &err))
		goto fail;
	if (!page.json && destination == NULL)
		(void)buf_printf(
		    out, "%zu valid, %zu invalid\n", page.valid, page.invalid);
	if (page.invalid > 0)
		code = EXIT_FOUND;
	goto out;
fail:
	code = command_fail(out, &err);
out:
	if (page.outlet != NULL)
		page.outlet->context_free(page.outlet_context);
	segments_intake.reader_free(reader);
	segments_intake.context_free(intake);
	buf_fini(&page.label);
	buf_fini(&page.sent);
	return code;
}
