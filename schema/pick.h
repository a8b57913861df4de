#ifndef SCHEMA_PICK_H
#define SCHEMA_PICK_H

/* Picks one member out of a JSON object. No allocation; any thread. */

#include "base/err.h"

#include <stddef.h>

struct pick {
	const char *data; /* lent: the value's bytes, or a string's content */
	size_t len;
	bool text; /* a string, as it is between its quotes */
};

/* The first member of that name; false if there is none, or if it is no
 * object. */
MUST_USE bool pick_member(
    const char *json, size_t len, const char *name, struct pick *ret_value);

#endif
