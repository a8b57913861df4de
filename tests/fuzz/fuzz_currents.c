/*
 * The judge over any bytes: events lie in the body one after the other, what
 * is said of each holds, and an event alone is judged as it was among others.
 */

#include "schema/currents/currents.h"

#include <stdlib.h>
#include <string.h>

enum { EVENTS_MAX = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_alone(const char *body, const struct currents_event *event)
{
	struct currents_batch batch;
	struct currents_fault fault;
	char *alone = malloc(event->len + 2);

	CHECK(alone != NULL);
	/* in brackets: a bare event may be taken for an envelope */
	alone[0] = '[';
	memcpy(alone + 1, body + event->at, event->len);
	alone[event->len + 1] = ']';
	currents_batch_init(&batch);
	if (currents_read(str_bytes(alone, event->len + 2), 1, &batch,
		&fault) == CURRENTS_READ) {
		CHECK(batch.count == 1);
		CHECK(batch.events[0].defect == event->defect);
		CHECK(batch.events[0].time_s == event->time_s);
		CHECK(str_equal(batch.events[0].type, event->type));
		CHECK(str_equal(batch.events[0].id, event->id));
	} else {
		/* the storage form is a fault, and invalid among others */
		CHECK(event->defect != CURRENTS_VALID);
	}
	currents_batch_fini(&batch);
	free(alone);
}

struct own {
	char *id; /* owned */
	size_t len;
	uint64_t persons; /* a hash of their ids */
};

static bool
own_id(void *arg, enum person_id kind, struct str id)
{
	struct own *own = arg;

	if (kind != PERSON_NONE) {
		own->persons = str_hash(own->persons, id);
		return true;
	}
	free(own->id);
	own->id = malloc(id.len + 1);
	CHECK(own->id != NULL);
	memcpy(own->id, id.data, id.len);
	own->len = id.len;
	return true;
}

/* The id by which an event is found is the one that it is read with; and its
 * "user" has all persons, if it is told. */
static void
check_own_id(const char *body, const struct currents_event *event)
{
	struct str bytes = str_bytes(body + event->at, event->len);
	struct own own = {.id = NULL}, user = {.id = NULL};
	bool known = person_each_key(bytes, own_id, &own);

	if (known)
		CHECK(own.id != NULL && own.len > 0 &&
		      str_equal(str_bytes(own.id, own.len), event->id));
	if (event->user.len > 0) {
		CHECK(person_each_of(event->user, own_id, &user));
		CHECK(user.id == NULL);
		CHECK(!known || user.persons == own.persons);
	}
	free(own.id);
}

static void
check_drift(const struct currents_batch *batch)
{
	char text[DRIFT_TEXT_MAX];
	struct drift drift;

	CHECK(batch->drift_count <= CURRENTS_DRIFT_MAX);
	for (size_t i = 0; i < batch->drift_count; i++) {
		drift_text_write(&batch->drifts[i], text);
		CHECK(drift_text_read(text, &drift));
		CHECK(drift.what == batch->drifts[i].what);
		CHECK(batch->drifts[i].events > 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *body = (const char *)data;
	struct currents_batch batch;
	struct currents_fault fault;
	size_t past = 0;
	char why[200];

	currents_batch_init(&batch);
	switch (
	    currents_read(str_bytes(body, size), EVENTS_MAX, &batch, &fault)) {
	case CURRENTS_READ:
		for (size_t i = 0; i < batch.count; i++) {
			const struct currents_event *event = &batch.events[i];

			CHECK(event->at >= past && event->len > 0);
			past = event->at + event->len;
			CHECK(past <= size);
			CHECK(event->defect == CURRENTS_VALID ||
			      (event->defect_at >= event->at &&
				  event->defect_at < past));
			currents_defect_write(event, why, sizeof(why));
			CHECK(*why != '\0');
			check_alone(body, event);
			check_own_id(body, event);
		}
		check_drift(&batch);
		break;
	case CURRENTS_FAULT:
		CHECK(fault.at <= size && *fault.text != '\0');
		break;
	case CURRENTS_NO_ROOM:
		CHECK(batch.count == EVENTS_MAX);
		break;
	}
	currents_batch_fini(&batch);
	return 0;
}
