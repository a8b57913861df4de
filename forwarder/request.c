/*
 * The body grows event by event, and at each step there is room for the
 * tail, so that a request that is full, or whose next event did not fit, can
 * always be closed. An event that does not fit is cut off again.
 */

#include "forwarder/request.h"

#include <stdlib.h>

enum { REQUEST_TAIL_MAX = 64 }; /* more than the tail needs */

struct request *
request_new(const char *app_id, struct outcomes *outcomes, size_t cap)
{
	struct request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	request->items = calloc(cap, sizeof(*request->items));
	buf_init(&request->body, REQUEST_BYTES_HARD);
	track_head_write(&request->body, app_id);
	if (request->items == NULL || !buf_ok(&request->body, NULL)) {
		request_free(request);
		return NULL;
	}
	request->head_len = request->body.len;
	request->app_id = app_id;
	request->outcomes = outcomes;
	request->cap = cap;
	outcomes->requests++;
	return request;
}

void
request_free(struct request *request)
{
	if (request == NULL)
		return;
	if (request->outcomes != NULL)
		request->outcomes->requests--;
	buf_fini(&request->body);
	free(request->items);
	free(request);
}

enum request_fit
request_add(struct request *request, const struct track_rules *rules,
    const struct batch_item *from, size_t bytes,
    struct track_result *ret_result)
{
	struct str data = from->batch->lease->events[from->index].data;
	struct buf *body = &request->body;
	size_t before = body->len, at;
	struct err err = {0};

	if (request->count == request->cap)
		return REQUEST_FULL;
	if (request->count > 0 && !buf_char(body, ','))
		goto fail;
	at = body->len;
	if (!track_write(rules, data, body, ret_result, &err))
		goto fail;
	if (ret_result->fate != TRACK_SEND) {
		buf_truncate(body, before);
		return REQUEST_NOT_SENT;
	}
	if (request->count > 0 && body->len + REQUEST_TAIL_MAX > bytes) {
		buf_truncate(body, before);
		return REQUEST_FULL;
	}
	if (!buf_reserve(body, REQUEST_TAIL_MAX) && !buf_ok(body, &err))
		goto fail;
	request->items[request->count++] = (struct request_item){
	    .from = *from,
	    .identity = ret_result->user_hash,
	    .at = at,
	    .len = body->len - at,
	};
	return REQUEST_ADDED;
fail:
	body->failed = false; /* cut back, it is whole */
	buf_truncate(body, before);
	if (request->count > 0)
		return REQUEST_FULL; /* alone it may have room */
	if (err.code != ERR_LIMIT)
		return REQUEST_NO_MEMORY;
	*ret_result = (struct track_result){
	    .fate = TRACK_DEAD,
	    .reason = "too large for a request",
	};
	return REQUEST_NOT_SENT;
}

struct request_item *
request_last(struct request *request)
{
	CHECK(request->count > 0);
	return &request->items[request->count - 1];
}

void
request_pop(struct request *request)
{
	size_t at = request_last(request)->at;

	request->count--;
	/* The comma before it goes, too. */
	buf_truncate(&request->body, request->count > 0 ? at - 1 : at);
}

/* Append a copy of an item of another request; asked once at the end if all
 * had room. */
static void
request_copy(struct request *to, const struct request *from, size_t i)
{
	struct request_item *item = &to->items[to->count];

	if (to->count++ > 0)
		(void)buf_char(&to->body, ',');
	*item = from->items[i];
	item->at = to->body.len;
	(void)buf_append(
	    &to->body, from->body.data + from->items[i].at, item->len);
}

bool
request_move(struct request *from, size_t first, struct request *to)
{
	const struct request_item *last;
	bool ok = true;

	CHECK(first > 0 && first < from->count && to->count == 0);
	for (size_t i = first; ok && i < from->count; i++) {
		ok = outcomes_expect(to->outcomes);
		if (ok)
			request_copy(to, from, i);
	}
	if (!ok || !buf_reserve(&to->body, REQUEST_TAIL_MAX)) {
		while (to->outcomes->expected > 0)
			outcomes_unexpect(to->outcomes);
		to->count = 0;
		to->body.failed = false;
		buf_truncate(&to->body, to->head_len);
		return false;
	}
	for (size_t i = first; i < from->count; i++)
		outcomes_unexpect(from->outcomes);
	from->count = first;
	last = request_last(from);
	buf_truncate(&from->body, last->at + last->len);
	return true;
}

bool
request_close(struct request *request, struct err *reterr)
{
	size_t before = request->body.len;

	track_tail_write(&request->body);
	if (buf_ok(&request->body, reterr))
		return true;
	request->body.failed = false; /* so that it can be tried again */
	buf_truncate(&request->body, before);
	return false;
}

/* A closed request of the items that are picked, or that are not. */
static struct request *
request_part(const struct request *request, bool picked, struct err *reterr)
{
	struct request *part =
	    request_new(request->app_id, request->outcomes, request->count);

	if (part == NULL) {
		(void)err_set_nomem(reterr);
		return NULL;
	}
	for (size_t i = 0; i < request->count; i++) {
		if (request->items[i].picked == picked)
			request_copy(part, request, i);
	}
	if (!request_close(part, reterr)) {
		request_free(part);
		return NULL;
	}
	part->since_ms = request->since_ms;
	part->probe = request->probe;
	part->refused = request->refused;
	part->mark = request->mark;
	part->limit_before = request->limit_before;
	return part;
}

bool
request_divide(struct request *request, struct request **ret_picked,
    struct request **ret_rest, struct err *reterr)
{
	struct request *picked = request_part(request, true, reterr), *rest;

	if (picked == NULL)
		return false;
	rest = request_part(request, false, reterr);
	if (rest == NULL) {
		request_free(picked);
		return false;
	}
	request_free(request);
	*ret_picked = picked;
	*ret_rest = rest;
	return true;
}
