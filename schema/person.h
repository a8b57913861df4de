#ifndef SCHEMA_PERSON_H
#define SCHEMA_PERSON_H

/*
 * Is it about this person? For erasing what is kept of a person, so in doubt
 * the answer is yes. No I/O, no allocation; any thread.
 */

#include "base/str.h"

/*
 * Is the event about a person with one of these ids: is it the text of
 * user.external_user_id (a number too), user.user_id, user.device_id, the
 * name of an alias (alone or in a list), or properties.orphaned_by_id (of
 * UserOrphan: the person who took the events over)? Bytes that are no such
 * JSON are searched for a mention.
 */
bool person_matches(struct str event, const struct str *ids, size_t count);

/* Do the bytes, JSON or not, hold the id as a whole word, as it is or with
 * JSON's escapes? */
bool person_mentioned(struct str bytes, struct str id);

#endif
