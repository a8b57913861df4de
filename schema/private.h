#ifndef SCHEMA_PRIVATE_H
#define SCHEMA_PRIVATE_H

/*
 * Privacy at acceptance: what the mapping would leave out or hash is taken
 * out of an event before it is kept, so that it never touches a disk. The
 * mapping of what is left gives the same Heap event. Any thread.
 */

#include "schema/track.h"

/*
 * Append the event's bytes, but
 *   - without the properties that the rules drop, without what is never
 *     mapped (members of the event and of its user that nobody knows, and
 *     those whose form is not read), and without members of objects that
 *     came again (the last one wins, here as everywhere);
 *   - with "hmac-sha256:HEX" for those that the rules hash, which the mapping
 *     sends as HEX and, as long as it would hash it, does not hash again;
 *   - with identity_hash: the id that is the identity likewise, and without
 *     the external id and aliases that are not. One that cannot be used
 *     becomes one that cannot for the same reason (private_user.c), so that
 *     the event is dead all the same;
 *   - user_id, device_id and timezone go by the rules of the properties that
 *     they are sent as (braze_user_id, device_id, timezone), unless who it is
 *     depends on them: that of an anonymous person, or of an erasure request.
 * An array that holds something private is written anew without white space;
 * everything else stays byte for byte. JSON that is no object becomes null (so
 * the queue takes the second one for a duplicate of the first).
 * What cannot be judged (names that take too much room) is taken for
 * private. ERR_INPUT: it is no readable JSON; on false nothing was appended.
 */
MUST_USE bool private_write(const struct track_rules *rules, const char *event,
    size_t len, struct buf *out, struct err *reterr);

#endif
