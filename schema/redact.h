#ifndef SCHEMA_REDACT_H
#define SCHEMA_REDACT_H

/*
 * Privacy at acceptance: everything that the mapping would leave out or hash
 * is taken out of an event before it is stored, so that it never touches a
 * disk. The mapping of what is left gives the same Heap event. Any thread.
 */

#include "schema/track.h"

/*
 * Append the event's bytes, but
 *   - without the properties that the rules drop, without what is never
 *     mapped (unknown members of the event and of its user, and those of a
 *     form that is not read), and without members of objects that a later one
 *     supersedes;
 *   - with "hmac-sha256:HEX" for those that the rules hash, which the mapping
 *     sends as HEX and, as long as it would hash it, does not hash again;
 *   - with identity_hash: the id that is the identity likewise, and without
 *     the external id and aliases that are not. One that cannot be used
 *     becomes one that cannot for the same reason (see redact.c), so that the
 *     event is dead all the same;
 *   - user_id, device_id and timezone go by the rules of the properties that
 *     they are sent as (braze_user_id, device_id, timezone), unless the
 *     identity depends on them: that of an anonymous person, or of an erasure
 *     request.
 * An array that holds something private is written anew without white space;
 * everything else stays byte for byte. JSON that is no object becomes null (so
 * the queue takes the second one for a duplicate of the first).
 * What cannot be judged (names that take too much room) counts as private.
 * ERR_INPUT: it is no readable JSON; on false nothing was appended.
 */
MUST_USE bool redact_write(const struct track_rules *rules, struct str event,
    struct buf *out, struct err *reterr);

/* An id as redact_write() writes one that the rules hash; not NUL-ended. They
 * have a key. */
enum { REDACT_ID_BYTES = 76 };
void redact_id_write(
    const struct track_rules *rules, struct str id, char ret[REDACT_ID_BYTES]);

/*
 * What rules amount to. The code that maps decides, so that the answer is what
 * happens. Slow: for the start and for commands.
 */

/* How much of a class, "content" or "contact", can be sent: over every type
 * and property of the catalogue, and whatever else the selectors could mean. */
enum redact_extent {
	REDACT_LEAVES_OUT,  /* all of the class is left out */
	REDACT_HASHES_PART, /* some of it is hashed, none is sent in clear */
	REDACT_HASHES,
	REDACT_SENDS_PART, /* some of it can be sent in clear */
	REDACT_SENDS,
};
enum redact_extent
redact_class_extent(const struct track_rules *rules, const char *class);

/* What a selector of keep, drop or hash selects of the catalogue. */
enum redact_selected {
	REDACT_SELECTS_NOTHING, /* a typing error, or newer than the catalogue */
	REDACT_SELECTS_SECRETS, /* only what is never sent */
	REDACT_SELECTS,
};
enum redact_selected redact_selector_check(const char *selector);

#endif
