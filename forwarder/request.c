#include "forwarder/request.h"

#include <stdlib.h>

/* An item points to its type, or (-1) does no more. */
static void
item_type_count(const struct request_item *item, int by)
{
	if (item->type != NULL)
		item->type->items += (size_t)by;
}

struct request *
request_new(struct fault *fault, size_t cap)
{
	struct request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	request->items = calloc(cap, sizeof(*request->items));
	if (request->items == NULL) {
		free(request);
		return NULL;
	}
	request->cap = cap;
	buf_init(&request->bytes, REQUEST_BYTES_HARD);
	buf_init(&request->body, SIZE_MAX / 2);
	fault_record_init(fault, &request->record, request, NULL);
	return request;
}

void
request_free(struct fault *fault, struct request *request)
{
	if (request == NULL)
		return;
	fault_record_fini(fault, &request->record);
	for (size_t i = 0; i < request->count; i++)
		item_type_count(&request->items[i], -1);
	buf_fini(&request->body);
	free(request->outcomes);
	buf_fini(&request->bytes);
	free(request->items);
	free(request);
}

enum request_fit
request_add(struct request *request, const struct outlet *outlet,
    const struct outlet_context *context, struct queue_lease *lease,
    size_t index, struct group *group, size_t bytes, int64_t now_ms,
    struct outlet_prepared *ret_prepared)
{
	struct outlet_group view, *of = group_view(group, &view);
	const struct queue_item *cell = &lease->items[index];
	struct item item = {.type = cell->type, .data = cell->data};
	struct buf *buf = &request->bytes;
	size_t at = buf->len;
	struct err err = {0};

	if (request->count == request->cap)
		return REQUEST_FULL;
	if (!outlet->prepare(context, lease->rules, of, &item, now_ms, buf,
		ret_prepared, &err)) {
		buf->failed = false; /* cut back, it is whole */
		buf_truncate(buf, at);
		if (request->count > 0)
			return REQUEST_FULL; /* alone it may have room */
		if (err.code != ERR_LIMIT)
			return REQUEST_NO_MEMORY;
		*ret_prepared = (struct outlet_prepared){
		    .fate = OUTLET_DEAD,
		    .reason = "too large for a request",
		};
		return REQUEST_NOT_SENT;
	}
	if (ret_prepared->fate != OUTLET_SEND) {
		buf_truncate(buf, at);
		return REQUEST_NOT_SENT;
	}
	if (request->count > 0 && buf->len + outlet->frame_bytes > bytes) {
		buf_truncate(buf, at);
		return REQUEST_FULL;
	}
	request->group = outlet->group_alone ? group : NULL;
	request->items[request->count++] = (struct request_item){
	    .lease = lease,
	    .index = index,
	    .key = ret_prepared->key,
	    .at = at,
	    .len = buf->len - at,
	};
	return REQUEST_ADDED;
}

struct request_item *
request_last(struct request *request)
{
	CHECK(request->count > 0);
	return &request->items[request->count - 1];
}

void
request_last_type(struct request *request, struct fault_type *type)
{
	request_last(request)->type = type;
	item_type_count(request_last(request), 1);
}

void
request_pop(struct request *request)
{
	buf_truncate(&request->bytes, request_last(request)->at);
	request->count--;
}

struct fault_type *
request_type(const struct request *request)
{
	for (size_t i = 1; i < request->count; i++) {
		if (request->items[i].type != request->items[0].type)
			return NULL;
	}
	return request->items[0].type;
}

/* Append a copy of an item's bytes; asked once at the end if all had room. */
static struct request_item
request_copy(
    struct buf *to, const struct request *from, const struct request_item *item)
{
	struct request_item copy = *item;

	copy.picked = false;
	copy.at = to->len;
	(void)buf_append(to, from->bytes.data + item->at, item->len);
	return copy;
}

struct request *
request_take(struct fault *fault, struct request *request)
{
	struct request *part = request_new(fault, request->count);
	size_t kept = 0;
	struct buf rest;

	if (part == NULL)
		return NULL;
	buf_init(&rest, REQUEST_BYTES_HARD);
	for (size_t i = 0; i < request->count; i++) {
		const struct request_item *item = &request->items[i];

		if (item->picked)
			part->items[part->count++] =
			    request_copy(&part->bytes, request, item);
		else
			(void)request_copy(&rest, request, item);
	}
	if (!buf_ok(&part->bytes, NULL) || !buf_ok(&rest, NULL)) {
		buf_fini(&rest);
		part->count = 0; /* they stay where they are */
		request_free(fault, part);
		return NULL;
	}
	rest.len = 0; /* again, now that there is room */
	for (size_t i = 0; i < request->count; i++) {
		if (!request->items[i].picked)
			request->items[kept++] =
			    request_copy(&rest, request, &request->items[i]);
	}
	request->count = kept;
	buf_fini(&request->bytes);
	request->bytes = rest;
	fault_record_init(fault, &part->record, part, &request->record);
	part->since_ms = request->since_ms;
	part->not_before_ms = request->not_before_ms;
	part->bytes_before = request->bytes_before;
	part->items_before = request->items_before;
	part->group = request->group;
	part->stale = request->stale;
	part->held = request->held;
	return part;
}

struct request *
request_single(struct fault *fault, const struct request *request, size_t index)
{
	struct request *single = request_new(fault, 1);

	if (single == NULL)
		return NULL;
	single->items[single->count++] =
	    request_copy(&single->bytes, request, &request->items[index]);
	item_type_count(single->items, 1);
	if (!buf_ok(&single->bytes, NULL)) {
		request_free(fault, single);
		return NULL;
	}
	fault_record_init(fault, &single->record, single, &request->record);
	single->since_ms = request->since_ms;
	single->stale = request->stale;
	single->group = request->group;
	return single;
}

void
request_shift(struct request *request, size_t count)
{
	for (size_t i = 0; i < count; i++)
		item_type_count(&request->items[i], -1);
	request->count -= count;
	memmove(request->items, request->items + count,
	    request->count * sizeof(*request->items));
}

bool
request_put(struct request *request, const struct request *part)
{
	size_t at = request->bytes.len, count = request->count + part->count;
	struct request_item *items = request->items;

	if (count > request->cap) {
		items = realloc(items, count * sizeof(*items));
		if (items == NULL)
			return false;
		request->items = items;
		request->cap = count;
	}
	if (!buf_append(&request->bytes, part->bytes.data, part->bytes.len)) {
		request->bytes.failed = false;
		return false;
	}
	for (size_t i = 0; i < part->count; i++) {
		item_type_count(&part->items[i], 1);
		items[request->count] = part->items[i];
		items[request->count++].at += at;
	}
	return true;
}

bool
request_frame(struct request *request, const struct outlet *outlet,
    const struct outlet_context *context, struct err *reterr)
{
	struct str *items = calloc(request->count, sizeof(*items));
	struct outlet_group view;
	bool ok;

	free(request->outcomes);
	request->outcomes = calloc(request->count, sizeof(*request->outcomes));
	if (items == NULL || request->outcomes == NULL) {
		free(items);
		return err_set_nomem(reterr);
	}
	for (size_t i = 0; i < request->count; i++)
		items[i] = str_bytes(request->bytes.data + request->items[i].at,
		    request->items[i].len);
	buf_reset(&request->body);
	ok = outlet->frame(context, group_view(request->group, &view), items,
		 request->count, &request->body, reterr) &&
	     buf_ok(&request->body, reterr);
	free(items);
	return ok;
}

/* ---- outcomes ---- */

/* Copy the bytes to *at, which moves behind them. */
static struct str
detail_text(char **at, struct str text)
{
	char *copy = *at;

	if (text.len == 0)
		return text;
	memcpy(copy, text.data, text.len);
	*at += text.len;
	return str_bytes(copy, text.len);
}

void
request_detail_set(struct queue_item *cell, const struct queue_detail *detail,
    const char *reason)
{
	size_t reason_len = reason != NULL ? strlen(reason) + 1 : 0;
	struct queue_detail *copy = malloc(
	    sizeof(*copy) + reason_len + detail->answer.len + detail->sent.len);
	char *at;

	cell->detail = copy;
	if (copy == NULL)
		return;
	at = (char *)(copy + 1);
	if (reason != NULL)
		cell->reason = memcpy(at, reason, reason_len);
	at += reason_len;
	*copy = *detail;
	copy->answer = detail_text(&at, detail->answer);
	copy->sent = detail_text(&at, detail->sent);
}
