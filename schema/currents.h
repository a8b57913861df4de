#ifndef SCHEMA_CURRENTS_H
#define SCHEMA_CURRENTS_H

/*
 * The incoming format of Braze Currents: reads a request body, finds the exact
 * bytes of each event, and judges each event. One pass, no tree, no I/O, no
 * clock. The facts about the format come from Braze's documentation of the
 * Custom HTTP connector; schema/events.json collects them.
 *
 * Any thread; one struct currents_batch belongs to one thread at a time.
 */

#include "base/err.h"
#include "base/str.h"
#include "base/table.h"

/* The type of event that requests the erasure of a person. */
#define CURRENTS_ERASURE "users.UserDeleteRequest"

enum { CURRENTS_DRIFT_MAX = 256 }; /* different drifts of one batch */

/* Why an event is invalid. */
enum currents_defect {
	CURRENTS_VALID,
	CURRENTS_NOT_OBJECT,	   /* a number, a string, ... */
	CURRENTS_BAD_UTF8,	   /* RFC 3629 */
	CURRENTS_TOO_DEEP,	   /* deeper than SCAN_DEPTH (schema/scan.h) */
	CURRENTS_NO_TYPE,	   /* no usable event_type */
	CURRENTS_NO_ID,		   /* no usable id */
	CURRENTS_NO_TIME,	   /* no usable time */
	CURRENTS_WRONG_TYPE,	   /* of a property that the catalogue knows */
	CURRENTS_REQUIRED_MISSING, /* absent or null */
};

struct currents_event {
	size_t at, len;	     /* the event's bytes in the body */
	struct str type, id; /* decoded, lent by the batch; may be empty */
	int64_t time_s;	     /* UNIX seconds, if valid */
	bool known;	     /* the catalogue has the type */
	enum currents_defect defect; /* the first that was met */
	size_t defect_at;	     /* its offset in the body */
	const char *defect_field;    /* "price", "user", ... or NULL; static */
	const char *defect_want;     /* its type, in words, or NULL; static */
};

/* What Braze changed since the catalogue was written. Never contains a value,
 * because values may be personal. */
enum currents_drift_kind {
	CURRENTS_DRIFT_TYPE,	 /* an event type that is not known */
	CURRENTS_DRIFT_PROPERTY, /* a property that its type does not have */
	CURRENTS_DRIFT_USER,	 /* the same, for a member of "user" */
	CURRENTS_DRIFT_MEMBER,	 /* the same, for the event itself */
	CURRENTS_DRIFT_BLANK,	 /* a required property is "", null or absent */
	CURRENTS_DRIFT_JSON,	 /* a new JSON type: the event is invalid */
	CURRENTS_DRIFT_KINDS	 /* how many kinds */
};

struct currents_drift {
	enum currents_drift_kind what;
	struct str type, field; /* as in an event; field may be "" */
	const char *json;	/* the JSON type of the value, or ""; static */
	size_t events;
};

/* Grows as needed up to max_events, and is reused from body to body. */
struct currents_batch {
	struct currents_event *events;
	size_t count; /* 0: a probe (Braze testing the credentials) */

	/* of all events; each different one once */
	struct currents_drift *drifts;
	size_t drift_count;
	size_t drifts_lost; /* not kept: too many different ones */

	/* internal */
	struct table drift_table;
	size_t cap;
	struct currents_arena *arena;
};

/* Why a whole body cannot be read. */
struct currents_fault {
	size_t at; /* byte offset */
	char text[200];
};

enum currents_result {
	CURRENTS_READ,	  /* *batch is filled */
	CURRENTS_FAULT,	  /* no event in it can be found: see *ret_fault */
	CURRENTS_NO_ROOM, /* no memory, or more events than max_events: then
			   * batch->count is max_events */
};

void currents_batch_init(struct currents_batch *batch);
void currents_batch_fini(struct currents_batch *batch);

/*
 * Read a body. A batch is {"events":[...]}, a bare array or a bare event; white
 * space only, {}, {"events":[]} and {"events":null} are probes. The storage
 * (Avro) format has a fault text of its own. The body stays lent to *batch.
 */
MUST_USE enum currents_result currents_read(struct str body, size_t max_events,
    struct currents_batch *batch, struct currents_fault *ret_fault);

/* Does a type match a pattern in which `*` stands for any characters? */
bool currents_type_matches(struct str type, const char *pattern);

/* "unknown type", "unknown property", "unknown user member", "unknown
 * member", "blank required", "new json type" */
const char *currents_drift_name(enum currents_drift_kind what);

/* One clause that says what is wrong: "property price should be number". */
void currents_defect_write(
    const struct currents_event *event, char *ret, size_t size);

#endif
