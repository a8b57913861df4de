#ifndef SCHEMA_REDACT_H
#define SCHEMA_REDACT_H

/*
 * Privacy at acceptance: everything that the mapping would leave out or hash is
 * removed from an event before it is stored, so that it never touches a disk.
 * Mapping what is left gives the same Heap event. Any thread.
 */

#include "schema/track.h"

/*
 * Append the event's bytes, with these changes:
 *   - Properties that the rules drop are removed, and so is what is never
 *     mapped (unknown members of the event and of its user, and members in a
 *     form that is not read), and members that a later one supersedes.
 *   - Properties that the rules hash become "hmac-sha256:HEX". The mapping
 *     sends this as HEX, and does not hash it again as long as the rules would
 *     hash it.
 *   - With identity_hash, the id that is the identity is hashed in the same
 *     way, and an external id or aliases that are not the identity are removed.
 *     An id that cannot be used is replaced by one that cannot be used for the
 *     same reason (see redact.c), so the event still becomes a dead letter.
 *   - user_id, device_id and timezone follow the rules of the properties that
 *     they are sent as (braze_user_id, device_id, timezone), unless they are
 *     needed to identify an anonymous person or the person of an erasure
 *     request.
 * An array with something private in it is rewritten without white space;
 * everything else stays byte for byte. JSON that is not an object becomes null
 * (so the queue considers the second one a duplicate of the first). What cannot
 * be judged (names that take up too much room) counts as private. ERR_INPUT: it
 * is not readable JSON. On false nothing was appended.
 */
MUST_USE bool redact_write(const struct track_rules *rules, struct str event,
    struct buf *out, struct err *reterr);

/* An id in the form in which redact_write() writes a hashed one; not
 * NUL-terminated. The rules must have a key. */
enum { REDACT_ID_BYTES = 76 };
void redact_id_write(
    const struct track_rules *rules, struct str id, char ret[REDACT_ID_BYTES]);

/*
 * The net effect of a set of rules. The mapping code itself decides, so the
 * answer is what really happens. Slow: for startup and for commands.
 */

/* How much of a class ("content" or "contact") can be sent, considering every
 * type and property of the catalogue and whatever else the selectors could
 * match. */
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
