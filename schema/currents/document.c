/*
 * Makes JSON Schemas from the catalogue. They express the rules of
 * judge.c in another language; a test compares the two:
 *
 *	- null counts as absent, and only a required property needs more;
 *	- "" fits every kind, because Braze blanks what it redacts: hence the
 *	  empty strings beside each type that is not a string;
 *	- a member that the schema does not name may be anything, and so may
 *	  one that only a file knows of a built-in type.
 */

#include "schema/currents/currents.h"

#include "base/json.h"
#include "schema/currents/catalogue.h"

#include <ctype.h>
#include <string.h>

#define DIALECT "https://json-schema.org/draft/2020-12/schema"

enum document_null { DOCUMENT_NULL, DOCUMENT_NO_NULL };

size_t
document_types(const struct catalogue *catalogue)
{
	return catalogue_type_count(catalogue);
}

struct document_type
document_type_at(const struct catalogue *catalogue, size_t index)
{
	const struct catalogue_type *type = catalogue_type_at(catalogue, index);

	return (struct document_type){
	    type->name.data, type->family, type->status, type->property_count};
}

size_t
document_type_find(const struct catalogue *catalogue, const char *name)
{
	return catalogue_type_find(catalogue, str_text(name));
}

/* "type": that of the kind, and those that stand for absence. */
static void
document_types_write(
    struct json *json, const char *type, enum document_null null)
{
	json_array_open(json, "type");
	json_text(json, NULL, type);
	if (null == DOCUMENT_NULL)
		json_text(json, NULL, "null");
	if (strcmp(type, "string") != 0)
		json_text(json, NULL, "string");
	json_array_close(json);
	if (strcmp(type, "string") != 0)
		json_int(json, "maxLength", 0);
}

static void
document_array_write(
    struct json *json, enum document_null null, enum document_null element)
{
	document_types_write(json, "array", null);
	json_object_open(json, "items");
	json_array_open(json, "type");
	json_text(json, NULL, "string");
	if (element == DOCUMENT_NULL)
		json_text(json, NULL, "null");
	json_array_close(json);
	json_object_close(json);
}

static void
document_kind_write(
    struct json *json, enum catalogue_kind kind, enum document_null null)
{
	switch (kind) {
	case CATALOGUE_STRING:
	case CATALOGUE_INTEGER:
	case CATALOGUE_NUMBER:
	case CATALOGUE_BOOLEAN:
	case CATALOGUE_OBJECT:
		document_types_write(json, catalogue_kind_name(kind), null);
		return;
	case CATALOGUE_STRINGS:
		document_array_write(json, null, DOCUMENT_NO_NULL);
		return;
	case CATALOGUE_STRINGS_NULLS:
		document_array_write(json, null, DOCUMENT_NULL);
		return;
	}
	NEVER("a catalogue_kind");
}

/* For readers: documented values, and which properties need care. */
static void
document_remarks_write(struct json *json,
    const struct catalogue_property *property, enum catalogue_kind kind)
{
	if (property->class != CATALOGUE_PLAIN)
		json_text(
		    json, "$comment", catalogue_class_name(property->class));
	if (property->seen == NULL || kind != property->kind)
		return;
	json_array_open(json, "examples");
	for (size_t i = 0; property->seen[i] != NULL; i++) {
		const char *seen = property->seen[i];

		if (kind == CATALOGUE_STRING)
			json_text(json, NULL, seen);
		else
			json_raw(json, NULL, seen, strlen(seen));
	}
	json_array_close(json);
}

/* A file may know more of a built-in type, but makes no event invalid. */
static void
document_added_write(
    struct json *json, enum catalogue_kind kind, enum document_null null)
{
	json_text(json, "description", catalogue_kind_name(kind));
	if (null == DOCUMENT_NULL)
		return;
	json_object_open(json, "not");
	json_text(json, "type", "null");
	json_object_close(json);
}

static void
document_properties_write(const struct catalogue *catalogue, struct json *json,
    const struct catalogue_type *type)
{
	bool needed = type->required_count > 0;

	json_object_open(json, "properties");
	/* Braze blanks what it redacts, perhaps all of them at once */
	if (needed)
		json_text(json, "type", "object");
	else
		document_types_write(json, "object", DOCUMENT_NULL);
	json_object_open(json, "properties");
	for (size_t i = 0; i < type->property_count; i++) {
		uint16_t index = type->properties[i];
		enum catalogue_kind kind =
		    (enum catalogue_kind)type->kinds[index];
		enum document_null null = catalogue_type_requires(type, index)
					      ? DOCUMENT_NO_NULL
					      : DOCUMENT_NULL;

		json_object_open(
		    json, catalogue_property_at(catalogue, index)->name.data);
		if (catalogue_type_insists(type, index))
			document_kind_write(json, kind, null);
		else
			document_added_write(json, kind, null);
		document_remarks_write(
		    json, catalogue_property_at(catalogue, index), kind);
		json_object_close(json);
	}
	json_object_close(json);
	if (needed) {
		json_array_open(json, "required");
		for (size_t i = 0; i < type->required_count; i++)
			json_text(json, NULL,
			    catalogue_property_at(catalogue, type->required[i])
				->name.data);
		json_array_close(json);
	}
	json_object_close(json);
}

/* The members that every event has, whatever its type. */
static const char document_envelope[] =
    "\"id\":{\"type\":\"string\",\"minLength\":1},"
    "\"time\":{\"type\":\"integer\",\"minimum\":0,"
    "\"maximum\":253402300799},"
    "\"user\":{\"type\":[\"object\",\"null\"],\"properties\":{"
    "\"user_id\":{\"type\":[\"string\",\"null\"]},"
    "\"external_user_id\":{\"type\":[\"string\",\"number\",\"null\"]},"
    "\"device_id\":{\"type\":[\"string\",\"null\"]},"
    "\"timezone\":{\"type\":[\"string\",\"null\"]}}}";

static void
document_head_write(struct json *json, const char *title)
{
	json_text(json, "$schema", DIALECT);
	json_text(json, "title", title);
}

static void
document_required_write(struct json *json, bool properties)
{
	json_array_open(json, "required");
	json_text(json, NULL, "event_type");
	json_text(json, NULL, "id");
	json_text(json, NULL, "time");
	if (properties)
		json_text(json, NULL, "properties");
	json_array_close(json);
}

/* The keywords of one event of a type, without the braces around them. */
static void
document_event_write(const struct catalogue *catalogue, struct json *json,
    const struct catalogue_type *type)
{
	if (type->status != NULL)
		json_text(json, "description", type->status);
	json_text(json, "type", "object");
	document_required_write(json, type->required_count > 0);
	json_object_open(json, "properties");
	json_object_open(json, "event_type");
	json_text(json, "const", type->name.data);
	json_object_close(json);
	(void)buf_char(json->buf, ',');
	(void)buf_text(json->buf, document_envelope);
	document_properties_write(catalogue, json, type);
	json_object_close(json);
}

void
document_type_write(
    const struct catalogue *catalogue, size_t index, struct buf *out)
{
	const struct catalogue_type *type = catalogue_type_at(catalogue, index);
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	document_head_write(&json, type->name.data);
	document_event_write(catalogue, &json, type);
	json_object_close(&json);
}

/* A reference to the schema of a type: a JSON pointer (RFC 6901) in a URI. */
static void
document_reference_write(struct json *json, const char *type)
{
	json_raw(json, "$ref", "\"#/$defs/", 9);
	for (; *type != '\0'; type++) {
		unsigned char c = (unsigned char)*type;

		if (c == '~' || c == '/')
			(void)buf_text(json->buf, c == '~' ? "~0" : "~1");
		else if (isalnum(c) || c == '.' || c == '_' || c == '-')
			(void)buf_char(json->buf, *type);
		else
			(void)buf_printf(json->buf, "%%%02X", c);
	}
	(void)buf_char(json->buf, '"');
}

/* Any event, by its type if that is known. */
static void
document_any_write(const struct catalogue *catalogue, struct json *json)
{
	json_object_open(json, "event");
	json_text(json, "type", "object");
	document_required_write(json, false);
	json_object_open(json, "properties");
	json_object_open(json, "event_type");
	json_text(json, "type", "string");
	json_int(json, "minLength", 1);
	json_object_close(json);
	(void)buf_char(json->buf, ',');
	(void)buf_text(json->buf, document_envelope);
	json_object_open(json, "properties");
	document_types_write(json, "object", DOCUMENT_NULL);
	json_object_close(json);
	json_object_close(json);
	json_array_open(json, "allOf");
	for (size_t i = 0; i < catalogue_type_count(catalogue); i++) {
		const char *name = catalogue_type_at(catalogue, i)->name.data;

		json_object_open(json, NULL);
		json_object_open(json, "if");
		json_object_open(json, "properties");
		json_object_open(json, "event_type");
		json_text(json, "const", name);
		json_object_close(json);
		json_object_close(json);
		json_object_close(json);
		json_object_open(json, "then");
		document_reference_write(json, name);
		json_object_close(json);
		json_object_close(json);
	}
	json_array_close(json);
	json_object_close(json);
}

/*
 * {"events":[...]} and a bare array; the probes {} and {"events":null}; a bare
 * event, which may have "events":null as well.
 */
static const char document_bodies[] =
    "{\"type\":\"object\",\"required\":[\"events\"],\"properties\":"
    "{\"events\":{\"type\":\"array\",\"items\":"
    "{\"$ref\":\"#/$defs/event\"}}}},"
    "{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/event\"}},"
    "{\"type\":\"object\",\"maxProperties\":0},"
    "{\"type\":\"object\",\"required\":[\"events\"],\"properties\":"
    "{\"events\":{\"type\":\"null\"},\"event_type\":false,\"id\":false,"
    "\"time\":false,\"user\":false,\"properties\":false}},"
    "{\"$ref\":\"#/$defs/event\",\"properties\":"
    "{\"events\":{\"type\":\"null\"}}}";

void
document_request_write(const struct catalogue *catalogue, struct buf *out)
{
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	document_head_write(&json, "A request of Braze Currents");
	json_raw(&json, "anyOf", "[", 1);
	(void)buf_text(out, document_bodies);
	(void)buf_char(out, ']');
	json_object_open(&json, "$defs");
	document_any_write(catalogue, &json);
	for (size_t i = 0; i < catalogue_type_count(catalogue); i++) {
		const struct catalogue_type *type =
		    catalogue_type_at(catalogue, i);

		json_object_open(&json, type->name.data);
		document_event_write(catalogue, &json, type);
		json_object_close(&json);
	}
	json_object_close(&json);
	json_object_close(&json);
}
