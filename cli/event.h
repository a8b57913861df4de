#ifndef CLI_EVENT_H
#define CLI_EVENT_H

/* Looks into one event of the queue: its id, and whether it is valid JSON. */

#include "base/buf.h"
#include "base/json.h"
#include "queue/admin.h"
#include "schema/currents.h"

struct event_reader {
	struct buf body;
	struct currents_batch batch;
};

void event_reader_init(struct event_reader *reader);
void event_reader_fini(struct event_reader *reader);

/* NULL if it is not readable as one event. Lent until the next call. */
const struct currents_event *
event_read(struct event_reader *reader, const char *data, size_t len);

/* The bytes as a member: "event" if they are JSON on one line, and else
 * "event_base64". */
void event_write(struct event_reader *reader, struct json *json,
    const char *data, size_t len);

/* Is its id this one? Of an event without a usable id: is it mentioned? */
bool event_has_id(struct event_reader *reader, const struct jobs_event *event,
    const char *id);

#endif
