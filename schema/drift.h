#ifndef SCHEMA_DRIFT_H
#define SCHEMA_DRIFT_H

/*
 * What Braze changed (struct currents_drift) as text that can be stored and
 * read back, and as the lines of schema/events.json that would adopt it. Any
 * thread.
 */

#include "base/buf.h"
#include "schema/currents.h"

enum {
	DRIFT_NAME_MAX = 128, /* bytes of a type or field; more is cut */
	DRIFT_NAME_WHOLE = DRIFT_NAME_MAX - 4, /* up to here: it was not cut */
	DRIFT_TEXT_MAX = 2048,		       /* of a text, including its
					        * NUL */
};

/*
 * Four words separated by tabs: what (currents_drift_name()), the type, the
 * field, the JSON type. Type and field are escaped as in JSON.
 */
void
drift_text_write(const struct currents_drift *drift, char ret[DRIFT_TEXT_MAX]);

struct drift {
	enum currents_drift_kind what;
	struct str type, field, json; /* in the text, escaped */
	bool adopted; /* by a line; set by drift_adopt_write() */
};

/* False if the text is not a drift: the queue counts drifts above its limit as
 * "(more)". */
MUST_USE bool drift_text_read(const char *text, struct drift *ret_drift);

/*
 * Append the lines that add the drifts to the catalogue: lines for "user",
 * "properties" and "events", each group below a line that says where it
 * belongs. Such a line begins with #, and so does a question that the operator
 * must decide. Slow; for a command. The order of the drifts does not matter.
 */
void drift_adopt_write(struct drift *drifts, size_t count, struct buf *out);

#endif
