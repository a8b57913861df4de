/*
 * The body grows event by event, and at each step there is room for the
 * tail, so that a request which is full, or whose next event did not fit, can
 * always be closed. An event that does not fit is cut off again.
 */

#include "forwarder/request.h"

#include <stdlib.h>

enum { REQUEST_TAIL_MAX = 64 }; /* more than the tail needs */

struct request *
request_new(const char *app_id, struct slate *slate, size_t cap)
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
	request->slate = slate;
	request->cap = cap;
	slate->requests++;
	return request;
}

void
request_free(struct request *request)
{
	if (request == NULL)
		return;
	if (request->slate != NULL)
		request->slate->requests--;
	buf_fini(&request->body);
	free(request->items);
	free(request);
}

/* What was appended from `at` on is this one. */
static void
request_item_add(
    struct request *request, const struct request_item *from, size_t at)
{
	struct request_item *item = &request->items[request->count++];

	*item = *from;
	item->at = at;
	item->len = request->body.len - at;
}

struct request_item *
request_last(struct request *request)
{
	CHECK(request->count > 0);
	return &request->items[request->count - 1];
}

enum request_fit
request_add(struct request *request, const struct track_rules *rules,
    struct lot *lot, size_t event, size_t bytes,
    struct track_result *ret_result)
{
	const struct queue_event *from = &lot->lease->events[event];
	struct buf *body = &request->body;
	size_t before = body->len, at;
	struct err err = {0};

	if (request->count == request->cap)
		return REQUEST_OVERFULL;
	if (request->count > 0 && !buf_char(body, ','))
		goto fail;
	at = body->len;
	if (!track_write(
		rules, from->data.data, from->data.len, body, ret_result, &err))
		goto fail;
	if (ret_result->fate != TRACK_SEND) {
		buf_truncate(body, before);
		return REQUEST_JUDGED;
	}
	if (request->count > 0 && body->len + REQUEST_TAIL_MAX > bytes) {
		buf_truncate(body, before);
		return REQUEST_OVERFULL;
	}
	if (!buf_reserve(body, REQUEST_TAIL_MAX) && !buf_ok(body, &err))
		goto fail;
	request_item_add(request,
	    &(struct request_item){
		.lot = lot, .event = event, .who = ret_result->who},
	    at);
	return REQUEST_ADDED;
fail:
	body->failed = false; /* cut back, it is whole */
	buf_truncate(body, before);
	if (request->count > 0)
		return REQUEST_OVERFULL; /* alone it may have room */
	if (err.code != ERR_LIMIT)
		return REQUEST_NO_MEMORY;
	*ret_result = (struct track_result){
	    .fate = TRACK_DEAD,
	    .reason = "too large for a request",
	};
	return REQUEST_JUDGED;
}

void
request_pop(struct request *request)
{
	size_t at;

	CHECK(request->count > 0);
	at = request->items[--request->count].at;
	/* The comma before it goes, too. */
	buf_truncate(&request->body, request->count > 0 ? at - 1 : at);
}

/* Take out again what was moved in so far. */
static bool
request_empty(struct request *request)
{
	while (request->slate->expected > 0)
		slate_forget(request->slate);
	request->count = 0;
	request->body.failed = false;
	buf_truncate(&request->body, request->head_len);
	return false;
}

bool
request_move(struct request *from, size_t first, struct request *to)
{
	size_t i, at;

	CHECK(first > 0 && first < from->count && to->count == 0);
	for (i = first; i < from->count; i++) {
		const struct request_item *item = &from->items[i];

		if (!slate_expect(to->slate))
			return request_empty(to);
		if (to->count > 0)
			(void)buf_char(&to->body, ',');
		at = to->body.len;
		(void)buf_append(
		    &to->body, from->body.data + item->at, item->len);
		request_item_add(to, item, at);
	}
	if (!buf_reserve(&to->body, REQUEST_TAIL_MAX))
		return request_empty(to);
	for (i = first; i < from->count; i++)
		slate_forget(from->slate);
	from->count = first;
	buf_truncate(&from->body,
	    from->items[first - 1].at + from->items[first - 1].len);
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

bool
request_part(const struct request *request, request_pick *pick, const void *arg,
    struct request **ret_part, struct err *reterr)
{
	struct request *part;
	size_t i;

	part = request_new(request->app_id, request->slate, request->count);
	if (part == NULL)
		return err_set_nomem(reterr);
	for (i = 0; i < request->count; i++) {
		const struct request_item *item = &request->items[i];
		size_t at;

		if (!pick(arg, i))
			continue;
		if (part->count > 0)
			(void)buf_char(&part->body, ',');
		at = part->body.len;
		(void)buf_append(
		    &part->body, request->body.data + item->at, item->len);
		request_item_add(part, item, at);
	}
	if (!request_close(part, reterr)) {
		request_free(part);
		return false;
	}
	part->since_ms = request->since_ms;
	part->probe = request->probe;
	part->refused = request->refused;
	part->mark = request->mark;
	part->size_before = request->size_before;
	*ret_part = part;
	return true;
}

struct request_range {
	size_t from, to;
};

static bool
request_in_range(const void *arg, size_t item)
{
	const struct request_range *range = arg;

	return item >= range->from && item < range->to;
}

bool
request_split(struct request *request, size_t first, struct request **ret_left,
    struct request **ret_right, struct err *reterr)
{
	struct request_range front = {0, first}, back = {first, request->count};
	struct request *left = NULL, *right = NULL;

	if (!request_part(request, request_in_range, &front, &left, reterr) ||
	    !request_part(request, request_in_range, &back, &right, reterr)) {
		request_free(left);
		return false;
	}
	left->held = right->held = request->held;
	request_free(request);
	*ret_left = left;
	*ret_right = right;
	return true;
}
