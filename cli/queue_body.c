#include "cli/queue_body.h"

#include "cli/job.h"
#include <string.h>

enum { BODY_TEXT_MAX = 1024 * 1024 * 1024 };

bool
queue_body_text(const struct tools_body *body, struct buf *ret_text,
    bool *ret_whole, struct err *reterr)
{
	buf_init(ret_text, BODY_TEXT_MAX);
	return server_body_decode(
	    body->encoding, body->data, body->len, ret_text, ret_whole, reterr);
}

/* Is one of the people in it? What cannot be decoded is searched as it is
 * too. */
static bool
body_mentions(struct queue_bodies *bodies, const struct tools_body *body)
{
	const struct filter *filter = bodies->filter;
	bool whole = false, found = false;
	struct buf text;

	if (!queue_body_text(body, &text, &whole, NULL))
		whole = false;
	for (size_t i = 0; i < filter->people_count && !found; i++) {
		const struct person_id *one = &filter->people[i];

		found =
		    person_mentioned(text.data, text.len, one) ||
		    (!whole && person_mentioned(body->data, body->len, one));
	}
	if (!found && !whole)
		bodies->unclear++;
	buf_fini(&text);
	return found;
}

static bool
body_match(void *arg, const struct tools_body *body)
{
	struct queue_bodies *bodies = arg;
	struct filter *filter = bodies->filter;

	if (filter_full(filter) || body->received_ms < filter->since_ms ||
	    body->received_ms > filter->until_ms ||
	    (filter->source != NULL &&
		strcmp(filter->source, body->source) != 0) ||
	    (filter->reason != NULL &&
		strstr(body->reason, filter->reason) == NULL) ||
	    filter->type != NULL)
		return false;
	if (filter->people != NULL && !body_mentions(bodies, body))
		return false;
	filter->count++;
	if (bodies->fn != NULL)
		bodies->fn(bodies->arg, body);
	return true;
}

bool
queue_bodies_walk(struct queue_bodies *bodies, struct err *reterr)
{
	struct queue *queue = bodies->context->parts->queue;
	int64_t last = 0;

	do {
		if (!tools_bodies(queue, last, body_match, bodies,
			bodies->remove, &last, reterr) ||
		    !command_write(bodies->context, bodies->out, reterr) ||
		    !job_breathe(bodies->context, reterr, "bodies"))
			return false;
	} while (last != 0 && !filter_full(bodies->filter));
	return true;
}

struct body_one {
	struct queue_bodies *bodies;
	int64_t id;
};

static bool
body_one(void *arg, const struct tools_body *body)
{
	struct body_one *one = arg;

	if (body->id == one->id)
		one->bodies->fn(one->bodies->arg, body);
	return false;
}

bool
queue_bodies_one(struct queue_bodies *bodies, int64_t id, struct err *reterr)
{
	struct body_one one = {bodies, id};
	int64_t last;

	return tools_bodies(bodies->context->parts->queue, id - 1, body_one,
	    &one, false, &last, reterr);
}
