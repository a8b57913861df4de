#ifndef SCHEMA_TRACK_H
#define SCHEMA_TRACK_H

/*
 * Heap's bulk track API, going out: maps one Currents event to one Heap
 * event. No I/O, no clock; the same input and rules give the same bytes.
 * Facts: Heap's server-side API reference (1000 events a request, identity
 * at most 255 characters, keys and values below 1024 characters).
 *
 * A struct track_rules is read only once made: any thread.
 */

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

enum {
	TRACK_EVENTS_MAX = 1000, /* in one request */
	TRACK_IDENTITY_MAX = 255, /* characters */
	TRACK_KEY_MAX = 512,	 /* UTF-16 units of an event's or key's name */
	TRACK_VALUE_MAX = 1023,	 /* UTF-16 units of a value */
};

enum track_fate {
	TRACK_SEND, /* the Heap event was appended */
	TRACK_DROP, /* by a rule; nothing was appended */
	TRACK_BURY, /* it has no form that Heap takes; nothing was appended */
};

struct track_result {
	enum track_fate fate;
	const char *reason; /* the rule or the reason; static; NULL for SEND */
	uint64_t who;	    /* the same for the same Heap user, for quotas */
};

/* How to map; defaults are in track_rules_init(). */
struct track_rules {
	bool no_user_buried; /* else dropped by the rule "no user" */
};

void track_rules_init(struct track_rules *rules);

/*
 * Map the bytes of one event that currents_read() found sound and append the
 * JSON object to *out. False only if *out has no room (it is left as it
 * was, and usable) or there is no memory.
 */
MUST_USE bool track_write(const struct track_rules *rules, const char *event,
    size_t len, struct buf *out, struct track_result *ret_result,
    struct err *reterr);

/* The bytes around the events of a request: head, then events separated by
 * commas, then tail. */
void track_head_write(struct buf *out, const char *app_id);
void track_tail_write(struct buf *out);

/*
 * Heap's numeric user for an anonymous id: the 53-bit rule of Heap's own
 * server integration (low word: little-endian bytes 0 to 3 of the MD5, high
 * word: the low 21 bits of bytes 8 to 11).
 */
uint64_t track_anonymous_user(const char *id, size_t len);

#endif
