#include "model.h"

#include "calls.h"
#include "rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
model_init(struct model *model, uint64_t seed)
{
	memset(model, 0, sizeof(*model));
	lock_init(&model->lock);
	model->seed = seed;
}

void
model_fini(struct model *model)
{
	lock_fini(&model->lock);
}

bool
model_events_new(struct model *model, size_t *ret_first)
{
	bool room;

	lock_hold(&model->lock);
	room = model->event_count + MODEL_BATCH <= MODEL_EVENTS;
	if (room) {
		*ret_first = model->event_count;
		model->event_count += MODEL_BATCH;
	}
	lock_drop(&model->lock);
	return room;
}

bool
model_body_new(struct model *model, size_t *ret_number)
{
	bool room;

	lock_hold(&model->lock);
	room = model->body_count < MODEL_BODIES;
	if (room)
		*ret_number = model->body_count++;
	lock_drop(&model->lock);
	return room;
}

size_t
model_data(const struct model *model, size_t number, char *data)
{
	struct rng rng = {.state = model->seed ^ (number << 32)};
	size_t len = 40 + (size_t)rng_below(&rng, 400), head;

	/* Some need overflow pages of their own. */
	if (rng_chance(&rng, 5))
		len = 9000 + (size_t)rng_below(&rng, MODEL_DATA - 10000);
	head =
	    (size_t)snprintf(data, MODEL_DATA, "{\"n\":%zu,\"x\":\"", number);
	for (size_t i = head; i < len; i++)
		data[i] = (char)(' ' + rng_below(&rng, 90));
	return len;
}

void
model_type(size_t number, char type[32])
{
	(void)snprintf(type, 32, "kind.%zu", number);
}

bool
model_type_read(const char *type, size_t len, size_t *ret_number)
{
	char text[32], *end;

	if (len < 6 || len >= sizeof(text) || memcmp(type, "kind.", 5) != 0)
		return false;
	memcpy(text, type, len);
	text[len] = '\0';
	*ret_number = strtoul(text + 5, &end, 10);
	return *end == '\0';
}

const char *
model_source(size_t number)
{
	return number / MODEL_BATCH % 3 == 0 ? "main" : "other";
}

enum item_fate
model_fate(size_t number)
{
	if (number % 11 == 5)
		return ITEM_DEAD;
	return number % 13 == 7 ? ITEM_DROP : ITEM_QUEUE;
}

size_t
model_begin(struct model *model, struct model_event *event, bool put,
    enum model_state to)
{
	int64_t position = calls_position();
	size_t step;

	lock_hold(&model->lock);
	CHECK(event->count < MODEL_STEPS);
	step = event->count++;
	event->steps[step] = (struct model_step){
	    .put = put, .to = to, .begun = position, .ended = INT64_MAX};
	lock_drop(&model->lock);
	return step;
}

void
model_end(struct model *model, struct model_event *event, size_t step, bool ok)
{
	int64_t position = calls_position();

	lock_hold(&model->lock);
	event->steps[step].ended = position;
	event->steps[step].ok = ok;
	lock_drop(&model->lock);
}

void
model_post(struct model *model, struct model_event *event)
{
	int64_t position = calls_position();

	lock_hold(&model->lock);
	if (event->posted == 0)
		event->posted = position;
	lock_drop(&model->lock);
}

void
model_park(struct model *model, struct model_event *event)
{
	lock_hold(&model->lock);
	event->posted = 0;
	lock_drop(&model->lock);
}

/* The states after a step that happened. */
static unsigned
model_step_apply(const struct model_step *step, unsigned states)
{
	unsigned from = step->put ? MODEL_ABSENT : MODEL_ABSENT | MODEL_QUEUED;

	/* A put changes only what is absent; a settle was of something that
	 * is there, and passes over what is settled. */
	if ((states & from) == 0)
		return states;
	return (states & ~from) | (unsigned)step->to;
}

unsigned
model_states(const struct model_event *event, int64_t position)
{
	unsigned states = MODEL_ABSENT;

	for (size_t i = 0; i < event->count; i++) {
		const struct model_step *step = &event->steps[i];
		unsigned after = model_step_apply(step, states);

		if (step->begun >= position)
			continue;
		states = step->ok && step->ended <= position ? after
							     : states | after;
	}
	return states;
}

void
model_received(const struct model_event *event, int64_t position,
    int64_t *ret_least, int64_t *ret_most)
{
	*ret_least = *ret_most = 0;
	for (size_t i = 0; i < event->count; i++) {
		const struct model_step *step = &event->steps[i];

		if (!step->put || step->begun >= position)
			continue;
		*ret_most += 1;
		*ret_least += step->ok && step->ended <= position;
	}
}

static void
model_event_kill(struct model_event *event, int64_t position)
{
	size_t kept = 0;

	for (size_t i = 0; i < event->count; i++) {
		struct model_step step = event->steps[i];

		if (step.begun >= position)
			continue;
		if (step.ended > position) {
			step.ended = INT64_MAX;
			step.ok = false;
		}
		event->steps[kept++] = step;
	}
	event->count = kept;
	if (event->posted > position)
		event->posted = 0;
}

void
model_kill(struct model *model, int64_t position)
{
	for (size_t i = 0; i < model->event_count; i++)
		model_event_kill(&model->events[i], position);
	for (size_t i = 0; i < model->body_count; i++)
		model_event_kill(&model->bodies[i], position);
	model_event_kill(&model->posts, position);
}
