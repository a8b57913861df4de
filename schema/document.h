#ifndef SCHEMA_DOCUMENT_H
#define SCHEMA_DOCUMENT_H

/*
 * The catalogue for others to read: the list of event types, and JSON Schemas
 * (draft 2020-12) whose verdicts are those of currents_read(), but for what
 * no schema can say (bytes that are not UTF-8, nesting, members that come
 * twice). No enums: customers can redact or hash any string property. Any
 * thread.
 */

#include "base/buf.h"

/* A type of the catalogue. Static. */
struct document_type {
	const char *name;
	const char *family; /* "messages", "behaviors", ... */
	const char *status; /* how it is documented, or NULL: well */
	size_t properties;
};

size_t document_types(void);
struct document_type document_type_at(size_t index);

/* The index of the type with that name, or document_types(). */
size_t document_type_find(const char *name);

/* Append the JSON Schema of one event of a type. */
void document_type_write(size_t index, struct buf *out);

/* Append the JSON Schema of a whole request body, with that of each type under
 * $defs: a body is valid if it is no fault and every event is valid. */
void document_request_write(struct buf *out);

#endif
