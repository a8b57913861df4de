#ifndef SCHEMA_DOCUMENT_H
#define SCHEMA_DOCUMENT_H

/*
 * The catalogue in a form for other programs: the list of event types, and JSON
 * Schemas (draft 2020-12) that agree with currents_read(), except where a
 * schema cannot express a rule (bytes that are not UTF-8, nesting, duplicate
 * members). There are no enums, because customers can redact or hash any string
 * property. Any thread.
 */

#include "base/buf.h"

/* A type of the catalogue. Static. */
struct document_type {
	const char *name;
	const char *family; /* "messages", "behaviors", ... */
	const char *status; /* a remark on poor documentation, or NULL */
	size_t properties;
};

size_t document_types(void);
struct document_type document_type_at(size_t index);

/* The index of the type with that name, or document_types(). */
size_t document_type_find(const char *name);

/* Append the JSON Schema of one event of a type. */
void document_type_write(size_t index, struct buf *out);

/* Append the JSON Schema of a whole request body, with the schema of each type
 * under $defs. A body is valid if it has no fault and every event is valid. */
void document_request_write(struct buf *out);

#endif
