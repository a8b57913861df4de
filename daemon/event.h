#ifndef DAEMON_EVENT_H
#define DAEMON_EVENT_H

/*
 * One event of the queue, or change of a set: its id, and how it is written in
 * a line of JSON that commands print and `currentsd import` reads.
 */

#include "base/json.h"
#include "schema/currents/currents.h"

struct event_reader {
	struct buf body;
	struct currents_batch batch;
};

void event_reader_init(struct event_reader *reader);
void event_reader_fini(struct event_reader *reader);

/* NULL if it is not readable as one event. Lent until the next call. */
const struct currents_event *
event_read(struct event_reader *reader, struct str data);

/* Does the event have this id? An event without a usable id matches if it
 * mentions this one. A change of a set has its member's. */
bool event_has_id(struct event_reader *reader, struct str type, struct str data,
    const char *id);

/* The bytes as a member: "event" if they are JSON on one line, and else
 * "event_base64"; of a change of a set, "group" and "change". */
void event_write(struct event_reader *reader, struct json *json,
    struct str type, struct str data);

/* Any bytes, as a string, or as NAME_base64 if they are not UTF-8: no byte is
 * lost. */
void event_bytes_write(struct json *json, const char *name, struct str data);

/* What a member in base64 holds; false if it is not base64. */
MUST_USE bool event_base64_read(struct str text, struct buf *ret_data);

#endif
