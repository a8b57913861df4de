/*
 * The intake of Heap's segment webhook, behind the seam of schema/dialect.h.
 *
 * Heap sends only what changed since its last call, so a page that is lost
 * stays lost. Heap sends a page again after 429 and every other 4xx and 5xx,
 * and never after 200; of 403 it does not say. So 200 means that the page is
 * durable, 403 is only for a signature that does not match, and the rest
 * follows the example that Heap publishes for receivers: 400 for a post that is
 * not signed, or was signed at another time, and 405 for an action that is not
 * a sync. The same 405 answers whatever else is JSON but not a page, above all
 * the end of a whole segment (segment.users.drain), which left the
 * documentation and is not obeyed by guess. These, and bodies that are no JSON
 * (400), are kept whole among the unreadable: an operator sees them, and Heap
 * sends them again.
 *
 * A member is what an element of "add" or "remove" names. Whatever is wrong
 * with one is that member's flaw: it becomes a dead letter, and its neighbours
 * are taken. If a page both adds and removes someone, who comes last is not
 * known, because JSON does not order lists; the additions are put first, so
 * that the person ends outside, where no message reaches them by mistake.
 *
 * The scanner reads the page, and no tree is built: an id of any size or kind
 * costs only its own element, and there is a single allocation that can fail.
 */

#include "schema/identity.h"
#include "schema/json/scan.h"
#include "schema/json/text.h"
#include "schema/segments/signature.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	/* The size of Heap's pages is not documented. This is one of 10,000
	 * e-mail addresses and more. */
	PAGE_BODY_LEAST = 1024 * 1024,
	/* An escape of six bytes makes one or more. */
	PAGE_ID_RAW_MOST = 6 * SEGMENTS_ID_MOST,
};

struct intake_context {
	struct segments_settings settings;
	size_t placeholder_count;
};

struct intake_reader {
	const struct intake_context *context;
	struct item *items; /* owned, with the changes that they lend */
	char group[SEGMENTS_TEXT_MOST], name[SEGMENTS_TEXT_MOST],
	    sync[SEGMENTS_TEXT_MOST]; /* decoded */
};

/* ---- a page ---- */

/* The members of a page that matter. */
enum page_member {
	PAGE_TOP,
	PAGE_ACTION,
	PAGE_DATA,
	PAGE_SEGMENT,
	PAGE_SEGMENT_ID,
	PAGE_SEGMENT_NAME,
	PAGE_SYNC,
	PAGE_NUMBER,
	PAGE_TOTAL,
	PAGE_SYNC_ID,
	PAGE_ADD,
	PAGE_REMOVE,
	PAGE_MEMBERS
};

static const struct {
	const char *name;
	enum page_member in;
} page_members[PAGE_MEMBERS] = {
    [PAGE_ACTION] = {"action_type", PAGE_TOP},
    [PAGE_DATA] = {"data", PAGE_TOP},
    [PAGE_SEGMENT] = {"segment", PAGE_DATA},
    [PAGE_SEGMENT_ID] = {"id", PAGE_SEGMENT},
    [PAGE_SEGMENT_NAME] = {"name", PAGE_SEGMENT},
    [PAGE_SYNC] = {"sync_info", PAGE_DATA},
    [PAGE_NUMBER] = {"page_number", PAGE_SYNC},
    [PAGE_TOTAL] = {"total_pages", PAGE_SYNC},
    [PAGE_SYNC_ID] = {"sync_task_id", PAGE_SYNC},
    [PAGE_ADD] = {"add", PAGE_DATA},
    [PAGE_REMOVE] = {"remove", PAGE_DATA},
};

struct page {
	struct scan scan;
	/* What each is; lists and objects whole. Of one that is absent, the
	 * text is NULL. */
	struct scan_value values[PAGE_MEMBERS];
	const char *twice; /* where a member occurs again, or NULL */
	size_t count;	   /* elements of both lists */
	size_t room;	   /* for their changes, in bytes */
};

/* An element of a list. */
struct page_element {
	struct str text;      /* as it came */
	struct scan_value id; /* the text is NULL: it has none */
	bool twice;
};

static bool
page_value(struct scan *scan, struct scan_value *ret_value)
{
	return scan_value(scan, ret_value) &&
	       (!scan_opened(ret_value) ||
		   scan_skip(scan, ret_value, SCAN_DEPTH - 1));
}

static bool
page_element_read(struct scan *scan, struct page_element *ret)
{
	struct scan_value value, key;
	const char *start;

	*ret = (struct page_element){0};
	(void)scan_space(scan);
	start = scan->at;
	if (!scan_value(scan, &value))
		return false;
	if (value.kind == SCAN_OBJECT) {
		for (bool first = true; scan_member(scan, &first, &key);) {
			if (!page_value(scan, &value))
				break;
			if (!scan_equal_text(&key, "id"))
				continue;
			ret->twice = ret->id.text.data != NULL;
			ret->id = value;
		}
	} else if (value.kind == SCAN_ARRAY &&
		   !scan_skip(scan, &value, SCAN_DEPTH - 1)) {
		return false;
	}
	ret->text = str_bytes(start, (size_t)(scan->at - start));
	return scan->error == NULL;
}

/* A number that is below zero begins as a change does: -5 for an element must
 * not be that member 5 has left. */
static bool
page_element_misleads(const struct page_element *element)
{
	return *element->text.data == ITEM_LEFT;
}

/* Read the rest of a list, to know what its changes take. */
static bool
page_list_read(struct page *page)
{
	struct page_element element;

	for (bool first = true; scan_element(&page->scan, &first);) {
		size_t len;

		if (!page_element_read(&page->scan, &element))
			return false;
		len = element.id.text.len;
		page->count++;
		page->room +=
		    1 + (len < SEGMENTS_ID_MOST ? len : SEGMENTS_ID_MOST);
		if (page_element_misleads(&element))
			page->room += element.text.len;
	}
	return page->scan.error == NULL;
}

static enum page_member
page_member_find(enum page_member in, const struct scan_value *key)
{
	for (int i = PAGE_TOP + 1; i < PAGE_MEMBERS; i++) {
		if (page_members[i].in == in &&
		    scan_equal_text(key, page_members[i].name))
			return (enum page_member)i;
	}
	return PAGE_MEMBERS;
}

/* Read the rest of an object. It goes no deeper than page_members does. */
static bool
page_object_read(struct page *page, enum page_member in)
{
	struct scan *scan = &page->scan;
	struct scan_value key, value;

	for (bool first = true; scan_member(scan, &first, &key);) {
		enum page_member member = page_member_find(in, &key);
		bool again = member != PAGE_MEMBERS &&
			     page->values[member].text.data != NULL;
		bool whole = true;

		if (again)
			page->twice = key.text.data;
		if (again || member == PAGE_MEMBERS) {
			if (!page_value(scan, &value))
				return false;
			continue;
		}
		if (!scan_value(scan, &value))
			return false;
		if (value.kind == SCAN_OBJECT)
			whole = page_object_read(page, member);
		else if (value.kind == SCAN_ARRAY && member >= PAGE_ADD)
			whole = page_list_read(page);
		else if (value.kind == SCAN_ARRAY)
			whole = scan_skip(scan, &value, SCAN_DEPTH - 1);
		if (!whole)
			return false;
		if (scan_opened(&value))
			value.text.len = (size_t)(scan->at - value.text.data);
		page->values[member] = value;
	}
	return scan->error == NULL;
}

/* Read a whole body; false: it is no JSON, see page->scan. */
static bool
page_read(struct page *page, struct str body)
{
	struct scan *scan = &page->scan;
	struct scan_value *top = &page->values[PAGE_TOP];

	scan_init(scan, body);
	/* A byte order mark may be ignored (RFC 8259, 8.1). */
	if (body.len >= 3 && memcmp(body.data, "\xef\xbb\xbf", 3) == 0)
		scan->at += 3;
	if (!scan_value(scan, top))
		return false;
	if (top->kind == SCAN_OBJECT
		? !page_object_read(page, PAGE_TOP)
		: top->kind == SCAN_ARRAY && !scan_skip(scan, top, SCAN_DEPTH))
		return false;
	if (scan_space(scan))
		scan->error = "something follows the JSON";
	return scan->error == NULL;
}

/* The text of a string or an integer; empty if it is neither, or too long, or
 * nothing that can be read. Lent by the body or by `room`. */
static struct str
page_text(const struct scan_value *value, char room[SEGMENTS_TEXT_MOST])
{
	struct str text = value->text;

	if (text.data == NULL || text.len > SEGMENTS_TEXT_MOST)
		return str_text(NULL);
	if (value->kind == SCAN_NUMBER && value->plain)
		return text;
	if (value->kind != SCAN_STRING || value->bad_utf8)
		return str_text(NULL);
	if (value->escaped)
		text = str_bytes(room, scan_decode(text, room));
	if (text_trim(text).len == 0 || text_has_replacement(text) ||
	    memchr(text.data, '\0', text.len) != NULL)
		return str_text(NULL);
	return text;
}

/* A number from 1, or 0. */
static unsigned
page_number(const struct scan_value *value)
{
	int64_t number;

	if (value->text.data == NULL || value->kind != SCAN_NUMBER ||
	    !scan_number_int64(value->text, &number) || number < 1 ||
	    number > UINT_MAX)
		return 0;
	return (unsigned)number;
}

/* What the page is of. Heap's own code does not check sync_info: what cannot be
 * read is as if it were absent. */
static void
page_facts(const struct page *page, struct intake_reader *reader,
    struct intake_page *ret)
{
	const struct scan_value *values = page->values;

	*ret = (struct intake_page){
	    .group = page_text(&values[PAGE_SEGMENT_ID], reader->group),
	    .name = page_text(&values[PAGE_SEGMENT_NAME], reader->name),
	    .sync = page_text(&values[PAGE_SYNC_ID], reader->sync),
	};
	if (ret->sync.len == 0)
		return; /* a number without its sync says nothing */
	ret->number = page_number(&values[PAGE_NUMBER]);
	ret->total = page_number(&values[PAGE_TOTAL]);
}

/* What keeps JSON from being a page, or NULL. *ret_at is the value at fault. */
static const char *
page_fault(const struct page *page, struct str group, const char **ret_at)
{
	const struct scan_value *values = page->values;
	const struct scan_value *action = &values[PAGE_ACTION];
	bool any = false;

	*ret_at = values[PAGE_TOP].text.data;
	if (values[PAGE_TOP].kind != SCAN_OBJECT)
		return "not an object";
	if (page->twice != NULL) {
		*ret_at = page->twice;
		return "a member that matters occurs twice";
	}
	if (action->text.data == NULL)
		return "action_type is missing";
	*ret_at = action->text.data;
	if (action->kind == SCAN_STRING &&
	    scan_equal_text(action, "segment.users.drain"))
		return "the end of a whole segment (segment.users.drain), "
		       "which is left to an operator";
	if (action->kind != SCAN_STRING ||
	    !scan_equal_text(action, "segment.users.sync"))
		return "action_type is not segment.users.sync";
	if (values[PAGE_DATA].text.data != NULL)
		*ret_at = values[PAGE_DATA].text.data;
	if (group.len == 0)
		return "data.segment has no usable id";
	for (int i = PAGE_ADD; i <= PAGE_REMOVE; i++) {
		if (values[i].text.data == NULL || values[i].kind == SCAN_NULL)
			continue;
		*ret_at = values[i].text.data;
		if (values[i].kind != SCAN_ARRAY)
			return "data.add or data.remove is not a list";
		any = true;
	}
	/* Heap sends at least one; perhaps they have other names now. */
	return any ? NULL : "neither data.add nor data.remove";
}

/* ---- a member ---- */

enum member_flaw {
	MEMBER_VALID,
	MEMBER_NO_ID,
	MEMBER_TWICE,
	MEMBER_KIND,
	MEMBER_LONG,
	MEMBER_UNREADABLE,
	MEMBER_PLACEHOLDER,
	MEMBER_FLAWS
};

/* Of who entered, and of who left. */
static const char *const member_reasons[MEMBER_FLAWS][2] = {
    [MEMBER_NO_ID] = {"entered, but has no id", "left, but has no id"},
    [MEMBER_TWICE] = {"entered, but has two ids", "left, but has two ids"},
    [MEMBER_KIND] = {"entered, but the id is neither text nor an integer",
	"left, but the id is neither text nor an integer"},
    [MEMBER_LONG] = {"entered, but the id is longer than 987 bytes",
	"left, but the id is longer than 987 bytes"},
    [MEMBER_UNREADABLE] = {"entered, but the id has an unreadable character",
	"left, but the id has an unreadable character"},
    [MEMBER_PLACEHOLDER] = {"entered, but the id is a placeholder",
	"left, but the id is a placeholder"},
};

_Static_assert(SEGMENTS_ID_MOST == 987, "the reasons say so");

/* The member's id, lent by the body or by `room`. */
static enum member_flaw
member_read(const struct intake_context *context,
    const struct page_element *element, bool accepted_once,
    char room[PAGE_ID_RAW_MOST], struct str *ret_id)
{
	const struct scan_value *value = &element->id;
	struct str id = value->text;

	if (element->twice)
		return MEMBER_TWICE;
	if (id.data == NULL || value->kind == SCAN_NULL)
		return MEMBER_NO_ID;
	if (value->kind != SCAN_STRING &&
	    !(value->kind == SCAN_NUMBER && value->plain))
		return MEMBER_KIND;
	if (value->kind == SCAN_STRING && value->escaped) {
		if (id.len > PAGE_ID_RAW_MOST)
			return MEMBER_LONG;
		id = str_bytes(room, scan_decode(id, room));
	}
	if (id.len > SEGMENTS_ID_MOST)
		return MEMBER_LONG;
	if ((value->kind == SCAN_STRING && value->bad_utf8) ||
	    text_has_replacement(id) ||
	    (id.len > 0 && memchr(id.data, '\0', id.len) != NULL))
		return MEMBER_UNREADABLE;
	if (id.len == 0 ||
	    (!accepted_once &&
		identity_placeholder(id, context->settings.placeholders,
		    context->placeholder_count)))
		return MEMBER_PLACEHOLDER;
	*ret_id = id;
	return MEMBER_VALID;
}

/* Make items of a list; the changes go to *text. Returns past the last. */
static struct item *
member_items(const struct intake_context *context, struct str list,
    struct str group, bool left, bool accepted_once, struct item *item,
    char **text)
{
	char room[PAGE_ID_RAW_MOST];
	struct page_element element;
	struct scan_value value;
	struct scan scan;
	struct str id = {0};

	scan_init(&scan, list);
	if (!scan_value(&scan, &value))
		return item;
	for (bool first = true; scan_element(&scan, &first); item++) {
		enum member_flaw flaw;

		if (!page_element_read(&scan, &element))
			break;
		*item = (struct item){.type = group, .data = element.text};
		flaw = member_read(context, &element, accepted_once, room, &id);
		if (flaw != MEMBER_VALID) {
			item->fate = ITEM_DEAD;
			item->reason = member_reasons[flaw][left];
			if (!page_element_misleads(&element))
				continue;
			item->data = str_bytes(*text, 1 + element.text.len);
			**text = ' ';
			memcpy(*text + 1, element.text.data, element.text.len);
			*text += item->data.len;
			continue;
		}
		item->fate = ITEM_QUEUE;
		item->data = str_bytes(*text, 1 + id.len);
		**text = left ? ITEM_LEFT : ITEM_ENTERED;
		memcpy(*text + 1, id.data, id.len);
		*text += item->data.len;
	}
	return item;
}

/* ---- the reader ---- */

static struct intake_reader *
reader_new(const struct intake_context *context)
{
	struct intake_reader *reader = calloc(1, sizeof(*reader));

	if (reader != NULL)
		reader->context = context;
	return reader;
}

static void
reader_free(struct intake_reader *reader)
{
	if (reader == NULL)
		return;
	free(reader->items);
	free(reader);
}

/* Make the items of a page, in one piece of memory; false without. */
static bool
reader_make(struct intake_reader *reader, const struct page *page,
    struct str group, bool accepted_once, intake_pay_fn *pay, void *arg)
{
	size_t items_len = page->count * sizeof(struct item);
	size_t len = items_len + page->room;
	struct item *item;
	char *text;

	if (pay != NULL && !pay(arg, len))
		return false;
	reader->items = malloc(len + 1);
	if (reader->items == NULL)
		return false;
	text = (char *)reader->items + items_len;
	item = reader->items;
	for (int i = PAGE_ADD; i <= PAGE_REMOVE; i++) {
		if (page->values[i].kind == SCAN_ARRAY)
			item = member_items(reader->context,
			    page->values[i].text, group, i == PAGE_REMOVE,
			    accepted_once, item, &text);
	}
	CHECK(item == reader->items + page->count);
	return true;
}

static enum intake_cause
reader_fault(struct intake_batch *batch, enum intake_cause cause, size_t at,
    const char *why)
{
	batch->at = at;
	(void)snprintf(batch->why, sizeof(batch->why), "%s", why);
	return cause;
}

static enum intake_cause
reader_read(struct intake_reader *reader, struct str body, size_t max_items,
    bool accepted_once, intake_pay_fn *pay, void *arg,
    struct intake_batch *ret_batch)
{
	struct page page = {0};
	struct intake_page facts;
	const char *why, *at;

	free(reader->items);
	reader->items = NULL;
	/* Heap tests no connection with it: perhaps a proxy lost the body. */
	if (body.len == 0)
		return reader_fault(
		    ret_batch, INTAKE_UNREADABLE, 0, "the body is empty");
	if (!page_read(&page, body))
		return reader_fault(ret_batch, INTAKE_UNREADABLE,
		    (size_t)(page.scan.at - body.data), page.scan.error);
	page_facts(&page, reader, &facts);
	why = page_fault(&page, facts.group, &at);
	if (why != NULL)
		return reader_fault(
		    ret_batch, INTAKE_SHAPE, (size_t)(at - body.data), why);
	if (page.count > max_items)
		return reader_fault(ret_batch, INTAKE_TOO_LARGE, 0,
		    "too many changes in one body");
	if (!reader_make(reader, &page, facts.group, accepted_once, pay, arg))
		return INTAKE_BUSY;
	ret_batch->items = reader->items;
	ret_batch->count = page.count;
	ret_batch->drift = NULL;
	ret_batch->drift_count = 0;
	ret_batch->page = facts;
	return INTAKE_TAKEN;
}

/* ---- the context, and the proof ---- */

void
segments_settings_init(struct segments_settings *settings)
{
	*settings = (struct segments_settings){
	    .window_ms = 5 * 60 * INT64_C(1000),
	};
}

static bool
context_new(const void *settings, struct intake_context **ret_context,
    struct err *reterr)
{
	struct intake_context *context = calloc(1, sizeof(*context));
	const char *const *placeholders;

	if (context == NULL)
		return err_set_nomem(reterr);
	context->settings = *(const struct segments_settings *)settings;
	placeholders = context->settings.placeholders;
	while (placeholders != NULL &&
	       placeholders[context->placeholder_count] != NULL)
		context->placeholder_count++;
	*ret_context = context;
	return true;
}

static void
context_free(struct intake_context *context)
{
	free(context);
}

static enum intake_cause
proof_begin(void *proof, const char *const *secrets, intake_header_fn *header,
    void *arg)
{
	return signature_begin(proof, secrets, header, arg);
}

static void
proof_add(void *proof, const void *raw, size_t len)
{
	signature_add(proof, raw, len);
}

static enum intake_cause
proof_end(void *proof, const struct intake_context *context, int64_t now_ms)
{
	return signature_end(proof, context->settings.window_ms, now_ms);
}

/* ---- facts ---- */

/* Heap promises another attempt after everything but 403. */
static bool
intake_strands(unsigned status)
{
	return status == 403;
}

/* There is no drift yet, so there is no text of it. */
static void
intake_drift_write(const char *text, struct buf *out)
{
	(void)text;
	(void)out;
}

static const char *const intake_drift_kinds[] = {NULL};

const struct intake segments_intake = {
    .kind = "segments",
    .path = "/segments",
    .item_noun = "change",
    .set = true,
    .proof = INTAKE_SIGNATURE,
    .status =
	{
	    [INTAKE_TAKEN] = 200,
	    [INTAKE_PROBE] = 200,
	    [INTAKE_PROOF_MISSING] = 400,
	    [INTAKE_PROOF_BAD] = 403,
	    [INTAKE_PROOF_STALE] = 400,
	    [INTAKE_UNREADABLE] = 400,
	    [INTAKE_SHAPE] = 405,
	    [INTAKE_TOO_LARGE] = 413,
	    [INTAKE_ENCODING] = 415,
	    [INTAKE_METHOD] = 405,
	    [INTAKE_PATH] = 404,
	    [INTAKE_BUSY] = 503,
	},
    .body_least = PAGE_BODY_LEAST,
    .item_bytes = sizeof(struct item) + 1 + SEGMENTS_ID_MOST,
    .drift_kinds = intake_drift_kinds,
    /* When Heap alerts anyone, and when it gives up, is not documented. */
    .alarms_ms = 0,
    .gives_up_ms = 0,
    .sync_gap_ms = INT64_C(4) * 3600 * 1000, /* Heap */
    .strands = intake_strands,
    .headers_odd = signature_missing,
    .proof_size = sizeof(struct signature),
    .secrets_most = SEGMENTS_SECRETS_MOST,
    .proof_begin = proof_begin,
    .proof_add = proof_add,
    .proof_end = proof_end,
    .context_new = context_new,
    .context_free = context_free,
    .reader_new = reader_new,
    .reader_free = reader_free,
    .read = reader_read,
    .drift_write = intake_drift_write,
};
