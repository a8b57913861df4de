#ifndef SCHEMA_PERSON_H
#define SCHEMA_PERSON_H

/*
 * Is an event about a certain person? This is for erasing people, so when in
 * doubt the answer is yes. No I/O, no allocation; any thread.
 */

#include "base/str.h"

/*
 * Is the event about a person with one of these ids? An id matches if it is the
 * text of user.external_user_id (which may be a number), user.user_id,
 * user.device_id, the name of an alias (single or in a list), or
 * properties.orphaned_by_id (of UserOrphan: the person who took over the
 * events). Bytes that are not such JSON are searched for the id.
 */
bool person_matches(struct str event, const struct str *ids, size_t count);

/* Do the bytes, JSON or not, contain the id as a whole word, either literally
 * or with JSON escapes? */
bool person_mentioned(struct str bytes, struct str id);

#endif
