#ifndef SCHEMA_IDENTITY_H
#define SCHEMA_IDENTITY_H

/*
 * What every dialect knows about the ids of people. Any thread.
 */

#include "base/str.h"

/* Is it a word that apps send as an id for many people at once: a built-in one,
 * or one of `more`, in whatever case? Also if there is nothing visible in it.
 * Valid UTF-8. */
bool
identity_placeholder(struct str id, const char *const *more, size_t more_count);

#endif
