#ifndef SCHEMA_BLANK_H
#define SCHEMA_BLANK_H

#include <stdbool.h>
#include <stddef.h>

/* Is UTF-8 text empty, or nothing but Unicode's white space? The mapping
 * sends no such name, id or value. Any thread. */
bool blank_is(const char *data, size_t len);

#endif
