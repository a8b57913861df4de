#ifndef SCHEMA_PERSON_H
#define SCHEMA_PERSON_H

/*
 * Is it about this person? For erasing what is kept of somebody, so in doubt
 * the answer is yes. No I/O, no allocation; any thread.
 */

#include "schema/track.h"

#include <stddef.h>

struct person_id {
	const char *text;
	size_t len;
};

/* The id as it stands where privacy at acceptance hashed it with the key of
 * the rules; not NUL-ended. */
enum { PERSON_HASHED = 76 };
void person_id_hashed(const struct track_rules *rules,
    const struct person_id *id, char ret[PERSON_HASHED]);

/*
 * Is the event about a person with one of these ids: is it the text of
 * user.external_user_id (a number too), user.user_id, user.device_id, the
 * name of an alias (alone or in a list), or properties.orphaned_by_id
 * (UserOrphan: who took the person over)? Bytes that are no such JSON are searched for a mention.
 */
bool person_matches(
    const char *event, size_t len, const struct person_id *ids, size_t count);

/* Do the bytes, JSON or not, hold the id as a whole word, as it is or with
 * JSON's escapes? */
bool person_mentioned(const char *text, size_t len, const struct person_id *id);

#endif
