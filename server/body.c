#include "server/body.h"

void
body_init(struct body *body, size_t limit, struct budget *budget)
{
	*body = (struct body){.state = BODY_GOOD};
	tray_init(&body->raw, limit, budget);
	tray_init(&body->plain, limit, budget);
}

void
body_fini(struct body *body)
{
	inflater_free(body->inflater);
	body->inflater = NULL;
	tray_fini(&body->plain);
	tray_fini(&body->raw);
}

static void
body_fail(struct body *body, enum body_state state)
{
	body->state = state;
	inflater_free(body->inflater);
	body->inflater = NULL;
	tray_fini(&body->plain);
	if (state != BODY_CORRUPT)
		tray_fini(&body->raw);
}

static enum body_state
body_of_store(enum tray_result result)
{
	switch (result) {
	case TRAY_OK:
		return BODY_GOOD;
	case TRAY_LIMIT:
		return BODY_TOO_LARGE;
	case TRAY_SPENT:
		return BODY_NO_MEMORY;
	}
	return BODY_NO_MEMORY;
}

static enum body_state
body_of_inflater(enum inflater_result result)
{
	switch (result) {
	case INFLATER_OK:
		return BODY_GOOD;
	case INFLATER_CORRUPT:
		return BODY_CORRUPT;
	case INFLATER_LIMIT:
		return BODY_TOO_LARGE;
	case INFLATER_SPENT:
		return BODY_NO_MEMORY;
	}
	return BODY_NO_MEMORY;
}

void
body_begin(struct body *body, enum coding coding, uint64_t length)
{
	enum body_state state = BODY_TOO_LARGE;

	body->coding = coding;
	if (length <= body->raw.buf.limit)
		state = body_of_store(tray_reserve(&body->raw, (size_t)length));
	if (state == BODY_GOOD && coding != CODING_IDENTITY) {
		body->inflater = inflater_new(coding);
		if (body->inflater == NULL)
			state = BODY_NO_MEMORY;
	}
	if (state != BODY_GOOD)
		body_fail(body, state);
}

void
body_add(struct body *body, const void *data, size_t len)
{
	enum body_state state;

	body->received += len;
	if (body->state != BODY_GOOD && body->state != BODY_CORRUPT)
		return;
	state = body_of_store(tray_append(&body->raw, data, len));
	if (state == BODY_GOOD && body->state == BODY_GOOD &&
	    body->inflater != NULL)
		state = body_of_inflater(
		    inflater_add(body->inflater, data, len, &body->plain));
	if (state == BODY_CORRUPT)
		body->corrupt_at = inflater_at(body->inflater);
	if (state != BODY_GOOD)
		body_fail(body, state);
}

/* An empty body is a probe, whatever coding it claims. */
void
body_end(struct body *body)
{
	if (body->state != BODY_GOOD || body->inflater == NULL ||
	    body->raw.buf.len == 0 || inflater_ended(body->inflater))
		return;
	body->corrupt_at = body->received; /* more should have come */
	body_fail(body, BODY_CORRUPT);
}

const struct buf *
body_text(const struct body *body)
{
	return body->coding == CODING_IDENTITY ? &body->raw.buf
					       : &body->plain.buf;
}
