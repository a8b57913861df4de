/*
 * The operator's file adds to the catalogue: what it can say, that it cannot do
 * harm, and what is said of a wrong one.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/currents/catalogue_tables.h"
#include "schema/currents/currents.h"
#include "schema/track/track.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENT(type, properties)                                                \
	"{\"event_type\":\"" type "\",\"id\":\"i\",\"time\":1,"                \
	"\"properties\":{" properties "}}"

static struct currents_batch batch;
static struct buf warnings;
static const struct catalogue *catalogue; /* added last */

/* Each test begins with the built-in catalogue. */
static int
begin(void **state)
{
	(void)state;
	buf_init(&warnings, 1 << 20);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	catalogue_reset();
	currents_batch_fini(&batch);
	currents_batch_init(&batch);
	buf_fini(&warnings);
	return 0;
}

static bool
warned(const char *text)
{
	return warnings.len > 0 &&
	       memmem(warnings.data, warnings.len, text, strlen(text)) != NULL;
}

static void
add(const char *text)
{
	struct err err;

	if (!catalogue_add(str_text(text), "FILE", &warnings, &catalogue, &err))
		fail_msg("%s: %s", text, err.text);
	catalogue_use(catalogue);
}

static const struct currents_event *
judged(const char *event)
{
	struct currents_fault fault;

	if (currents_read(str_text(event), 1, &batch, &fault) !=
		CURRENTS_READ ||
	    batch.count != 1)
		fail_msg("%s was not read", event);
	return &batch.events[0];
}

/* Has the event just judged this drift, and no other? */
static void
assert_drift(const char *wanted)
{
	char text[DRIFT_TEXT_MAX];

	assert_int_equal(batch.drift_count, wanted != NULL);
	if (wanted == NULL)
		return;
	drift_text_write(&batch.drifts[0], text);
	assert_string_equal(text, wanted);
}

static const struct catalogue_type *
type_of(const char *name)
{
	size_t index = catalogue_type_find(catalogue_in_use(), str_text(name));

	assert_true(index < catalogue_type_count(catalogue_in_use()));
	return catalogue_type_at(catalogue_in_use(), index);
}

static const struct catalogue_property *
property_of(const char *name)
{
	size_t index =
	    catalogue_property_find(catalogue_in_use(), str_text(name));

	assert_true(index < catalogue_property_count(catalogue_in_use()));
	return catalogue_property_at(catalogue_in_use(), index);
}

/* ---- what it can say ---- */

static void
test_new_type(void **state)
{
	const struct catalogue_type *type;

	(void)state;
	assert_false(judged(EVENT("users.Fax", "\"pages\":\"x\""))->known);
	add("{\"about\":\"ours\","
	    "\"user\":{\"fax_number\":\"text\"},"
	    "\"properties\":{\"pages\":{\"type\":\"integer\"},"
	    " \"note\":{\"type\":\"string\",\"class\":\"content\","
	    "  \"seen\":[\"a\",\"b\"]}},"
	    "\"events\":{\"users.Fax\":{\"properties\":[\"pages\",\"note\","
	    "  \"app_id\",\"pages\"],\"required\":[\"pages\"],"
	    " \"user\":[\"user_id\",\"fax_number\"],\"family\":\"fax\","
	    " \"status\":\"ours\",\"types\":{\"app_id\":\"number\"}},"
	    " \"users.Telex\":{}}}");
	assert_int_equal(warnings.len, 0);
	type = type_of("users.Fax");
	assert_int_equal(type->property_count, 3);
	assert_string_equal(type->family, "fax");
	assert_string_equal(type->status, "ours");
	assert_int_equal(property_of("note")->class, CATALOGUE_CONTENT);
	assert_string_equal(property_of("note")->seen[1], "b");
	assert_null(property_of("note")->seen[2]);
	assert_int_equal(property_of("pages")->class, CATALOGUE_PLAIN);
	/* it is judged like a built-in one */
	assert_int_equal(
	    judged(EVENT("users.Fax", "\"pages\":3,\"app_id\":1.5"))->defect,
	    CURRENTS_VALID);
	assert_drift(NULL);
	assert_int_equal(judged(EVENT("users.Fax", "\"pages\":3.5"))->defect,
	    CURRENTS_WRONG_TYPE);
	assert_int_equal(judged(EVENT("users.Fax", "\"note\":\"x\""))->defect,
	    CURRENTS_REQUIRED_MISSING);
	/* what is not said is the usual */
	type = type_of("users.Telex");
	assert_string_equal(type->family, "local");
	assert_null(type->status);
	assert_int_equal(type->property_count + type->required_count, 0);
	assert_int_equal(
	    type->user, (1u << catalogue_user_count(catalogue_in_use())) - 1);
	assert_string_equal(catalogue_user_name(catalogue_in_use(),
				catalogue_user_count(catalogue_in_use()) - 1),
	    "fax_number");
	/* and gone without the file */
	catalogue_reset();
	assert_false(judged(EVENT("users.Fax", "\"pages\":\"x\""))->known);
}

static void
test_known_type_gains(void **state)
{
	static const char event[] = EVENT("users.UserOrphan",
	    "\"orphaned_by_id\":\"o\",\"pages\":3,\"price\":1");
	size_t had = type_of("users.UserOrphan")->property_count;

	(void)state;
	(void)judged(event);
	assert_int_equal(batch.drift_count, 2);
	add("{\"properties\":{\"pages\":{\"type\":\"integer\"}},\"events\":"
	    "{\"users.UserOrphan\":{\"properties\":[\"pages\",\"price\","
	    "\"app_id\"]}}}");
	assert_int_equal(warnings.len, 0);
	assert_int_equal(type_of("users.UserOrphan")->property_count, had + 2);
	assert_int_equal(judged(event)->defect, CURRENTS_VALID);
	assert_drift(NULL);
	/* elsewhere it is as unknown as before */
	(void)judged(EVENT("users.UserDeleteRequest", "\"pages\":3"));
	assert_drift("unknown property\tusers.UserDeleteRequest\tpages\t"
		     "integer");
}

static void
test_class(void **state)
{
	(void)state;
	add("{\"properties\":{\"email_address\":{\"class\":\"plain\"},"
	    "\"campaign_name\":{\"class\":\"content\"},"
	    "\"carrier\":{\"class\":\"secret\"},"
	    "\"platform\":{\"type\":\"string\"},"
	    "\"update_token\":{\"class\":\"plain\"}}}");
	assert_int_equal(property_of("email_address")->class, CATALOGUE_PLAIN);
	assert_int_equal(
	    property_of("campaign_name")->class, CATALOGUE_CONTENT);
	assert_int_equal(property_of("carrier")->class, CATALOGUE_SECRET);
	/* a class that is not given stays, and a secret stays a secret */
	assert_int_equal(property_of("platform")->class,
	    catalogue_builtin
		.properties[catalogue_property_find(
		    catalogue_in_use(), str_text("platform"))]
		.class);
	assert_int_equal(property_of("update_token")->class, CATALOGUE_SECRET);
	assert_true(warned("FILE: properties: \"update_token\": \"plain\" is "
			   "ignored"));
	catalogue_reset();
	assert_int_equal(
	    property_of("email_address")->class, CATALOGUE_CONTACT);
}

/* ---- it cannot do harm ---- */

static void
test_built_in_required(void **state)
{
	(void)state;
	add("{\"events\":{\"users.UserOrphan\":{\"required\":"
	    "[\"app_id\",\"orphaned_by_id\"]},"
	    "\"users.behaviors.CustomEvent\":{\"required\":[]}}}");
	assert_true(warned("FILE: events: \"users.UserOrphan\": \"app_id\" is "
			   "not required"));
	assert_int_equal(
	    judged(EVENT("users.UserOrphan", "\"orphaned_by_id\":\"o\""))
		->defect,
	    CURRENTS_VALID);
	assert_int_equal(
	    judged(EVENT("users.UserOrphan", "\"app_id\":\"a\""))->defect,
	    CURRENTS_REQUIRED_MISSING);
	/* less is fine */
	assert_int_equal(
	    judged(EVENT("users.behaviors.CustomEvent", ""))->defect,
	    CURRENTS_VALID);
}

static void
test_built_in_kinds(void **state)
{
	(void)state;
	assert_int_equal(
	    judged(EVENT("users.behaviors.app.SessionEnd", "\"app_id\":5"))
		->defect,
	    CURRENTS_WRONG_TYPE);
	add("{\"properties\":{\"pages\":{\"type\":\"integer\"}},\"events\":"
	    "{\"users.behaviors.app.SessionEnd\":{\"properties\":[\"pages\"],"
	    "\"types\":{\"app_id\":\"integer\"}}}}");
	/* what the file describes is checked only for drift */
	assert_int_equal(
	    judged(EVENT("users.behaviors.app.SessionEnd", "\"app_id\":5"))
		->defect,
	    CURRENTS_VALID);
	assert_drift(NULL);
	assert_int_equal(
	    judged(EVENT("users.behaviors.app.SessionEnd", "\"app_id\":\"a\""))
		->defect,
	    CURRENTS_VALID);
	assert_drift("new json type\tusers.behaviors.app.SessionEnd\tapp_id\t"
		     "string");
	assert_int_equal(
	    judged(EVENT("users.behaviors.app.SessionEnd", "\"pages\":{}"))
		->defect,
	    CURRENTS_VALID);
	assert_drift("new json type\tusers.behaviors.app.SessionEnd\tpages\t"
		     "object");
	/* and the rest as before */
	assert_int_equal(
	    judged(EVENT("users.behaviors.app.SessionEnd", "\"platform\":5"))
		->defect,
	    CURRENTS_WRONG_TYPE);
}

/* Every type of the built-in catalogue, with all properties of another kind and
 * all of them required: every valid event stays valid. */
static void
test_worst_file(void **state)
{
	struct sample sample;
	struct buf text, events;
	const struct catalogue *all = &catalogue_builtin;

	(void)state;
	buf_init(&events, 16 << 20);
	sample_init(&sample, 1, 1790000000);
	for (size_t i = 0; i < 10 * sample_types(); i++) {
		sample_write(&sample, i % sample_types(), &events);
		(void)buf_char(&events, '\0');
	}
	buf_init(&text, 16 << 20);
	(void)buf_text(&text, "{\"events\":{");
	for (size_t t = 0; t < all->type_index.count; t++) {
		const struct catalogue_type *type = &all->types[t];

		(void)buf_printf(&text, "%s\"%s\":{\"types\":{",
		    t > 0 ? "," : "", type->name.data);
		for (size_t i = 0; i < type->property_count; i++)
			(void)buf_printf(&text, "%s\"%s\":\"%s\"",
			    i > 0 ? "," : "",
			    all->properties[type->properties[i]].name.data,
			    type->kinds[type->properties[i]] ==
				    CATALOGUE_BOOLEAN
				? "object"
				: "boolean");
		(void)buf_text(&text, "},\"required\":[");
		for (size_t i = 0; i < type->property_count; i++)
			(void)buf_printf(&text, "%s\"%s\"", i > 0 ? "," : "",
			    all->properties[type->properties[i]].name.data);
		(void)buf_text(&text, "]}");
	}
	(void)buf_text(&text, "}}");
	assert_true(buf_ok(&text, NULL) && buf_ok(&events, NULL));
	(void)buf_char(&text, '\0');
	add(text.data);
	assert_true(warnings.len > 0);
	for (size_t at = 0; at < events.len;
	     at += strlen(events.data + at) + 1) {
		if (judged(events.data + at)->defect != CURRENTS_VALID)
			fail_msg("invalid: %s", events.data + at);
	}
	buf_fini(&text);
	buf_fini(&events);
}

/* After an upgrade, a property or a type of the file may be built in, and
 * otherwise than the file says: events are as valid as before. */
static void
test_built_in_later(void **state)
{
	(void)state;
	add("{\"properties\":{\"app_id\":{\"type\":\"integer\"}},\"events\":"
	    "{\"users.Fax\":{\"properties\":[\"app_id\"],"
	    "\"required\":[\"app_id\"]},"
	    "\"users.UserOrphan\":{\"properties\":[\"app_id\"],"
	    "\"required\":[\"app_id\"]}}}");
	assert_int_equal(
	    judged(EVENT("users.Fax", "\"app_id\":5"))->defect, CURRENTS_VALID);
	assert_int_equal(
	    judged(EVENT("users.UserOrphan", "\"app_id\":\"a\""))->defect,
	    CURRENTS_VALID);
	assert_drift(NULL);
	assert_int_equal(
	    judged(EVENT("users.UserOrphan", ""))->defect, CURRENTS_VALID);
	assert_true(warned("\"users.UserOrphan\": \"app_id\" is not required"));
}

/* events.json itself says nothing new. */
static void
test_itself(void **state)
{
	FILE *file = fopen(SOURCE_DIR "/schema/currents/events.json", "r");
	char *text = calloc(1, 1 << 20);

	(void)state;
	assert_non_null(file);
	assert_non_null(text);
	assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
	assert_int_equal(fclose(file), 0);
	add(text);
	free(text);
	assert_int_equal(warnings.len, 0);
	assert_int_equal(catalogue_type_count(catalogue_in_use()),
	    catalogue_builtin.type_index.count);
	assert_int_equal(catalogue_property_count(catalogue_in_use()),
	    catalogue_builtin.property_index.count);
	assert_int_equal(catalogue_user_count(catalogue_in_use()),
	    catalogue_builtin.user_count);
	for (size_t t = 0; t < catalogue_type_count(catalogue_in_use()); t++) {
		const struct catalogue_type *type =
		    catalogue_type_at(catalogue_in_use(), t);
		const struct catalogue_type *built_in =
		    &catalogue_builtin.types[t];

		assert_ptr_equal(type->builtin, built_in);
		assert_int_equal(type->user, built_in->user);
		assert_int_equal(
		    type->required_count, built_in->required_count);
		assert_int_equal(
		    type->property_count, built_in->property_count);
		assert_memory_equal(type->kinds, built_in->kinds,
		    catalogue_property_count(catalogue_in_use()));
	}
	for (size_t p = 0; p < catalogue_property_count(catalogue_in_use());
	     p++)
		assert_int_equal(
		    catalogue_property_at(catalogue_in_use(), p)->class,
		    catalogue_builtin.properties[p].class);
}

/* ---- documents, samples and drift use it ---- */

static void
test_document(void **state)
{
	struct buf out;

	(void)state;
	add("{\"properties\":{\"pages\":{\"type\":\"integer\","
	    "\"class\":\"contact\"}},\"events\":{"
	    "\"a ~/b\":{\"properties\":[\"pages\"]},"
	    "\"users.UserOrphan\":{\"properties\":[\"pages\"],"
	    "\"types\":{\"orphaned_by_id\":\"integer\"}}}}");
	buf_init(&out, 1 << 24);
	document_type_write(
	    catalogue, document_type_find(catalogue, "a ~/b"), &out);
	(void)buf_char(&out, '\0');
	assert_non_null(strstr(out.data,
	    "\"pages\":{\"type\":[\"integer\",\"null\",\"string\"],"
	    "\"maxLength\":0,\"$comment\":\"contact\"}"));
	/* a schema refuses no event that the judge accepts */
	buf_reset(&out);
	document_type_write(
	    catalogue, document_type_find(catalogue, "users.UserOrphan"), &out);
	(void)buf_char(&out, '\0');
	assert_non_null(
	    strstr(out.data, "\"orphaned_by_id\":{\"description\":\"integer\","
			     "\"not\":{\"type\":\"null\"}}"));
	assert_non_null(
	    strstr(out.data, "\"pages\":{\"description\":\"integer\","
			     "\"$comment\":\"contact\"}"));
	buf_reset(&out);
	document_request_write(catalogue, &out);
	(void)buf_char(&out, '\0');
	assert_non_null(strstr(out.data, "{\"$ref\":\"#/$defs/a%20~0~1b\"}"));
	buf_fini(&out);
}

static void
test_sample(void **state)
{
	struct sample sample;
	struct buf out;

	(void)state;
	/* documented values are of the usual kind */
	add("{\"properties\":{\"pages\":{\"type\":\"integer\","
	    "\"seen\":[700,800]}},\"events\":{\"users.Fax\":{"
	    "\"properties\":[\"pages\",\"ad_id_type\"],"
	    "\"types\":{\"ad_id_type\":\"integer\"},"
	    "\"required\":[\"pages\",\"ad_id_type\"]}}}");
	buf_init(&out, 1 << 16);
	sample_init(&sample, 1, 1790000000);
	sample_write(&sample, sample_type_find("users.Fax"), &out);
	(void)buf_char(&out, '\0');
	assert_true(strstr(out.data, "\"pages\":700,") != NULL ||
		    strstr(out.data, "\"pages\":800,") != NULL);
	assert_int_equal(judged(out.data)->defect, CURRENTS_VALID);
	buf_fini(&out);
}

static void
test_drift_known(void **state)
{
	static const struct {
		const char *text;
		bool known;
	} rows[] = {
	    {"unknown type\tusers.Fax\t\t", true},
	    {"unknown type\tusers.Telex\t\t", false},
	    {"unknown property\tusers.Fax\tpages\tinteger", true},
	    {"unknown property\tusers.Fax\tapp_id\tinteger", false},
	    {"unknown property\tusers.Fax\tother\tinteger", false},
	    {"unknown property\tusers.Telex\tpages\tinteger", false},
	    {"unknown user member\tusers.Fax\tuser_id\tstring", true},
	    {"unknown user member\tusers.Fax\ttimezone\tstring", false},
	    {"left out\tusers.Fax\tpages\tstring", true},
	    {"left out\tusers.Telex\tpages\tstring", true},
	    {"left out\tusers.Fax\tother\tstring", false},
	    {"unknown member\tusers.Fax\tpages\tstring", false},
	    {"blank required\tusers.Fax\tpages\tblank", false},
	    {"new json type\tusers.Fax\tpages\tstring", false},
	};
	struct drift drift;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(drift_text_read(rows[i].text, &drift));
		assert_false(drift_known(&drift));
	}
	add("{\"properties\":{\"pages\":{\"type\":\"integer\"}},\"events\":"
	    "{\"users.Fax\":{\"properties\":[\"pages\"],"
	    "\"user\":[\"user_id\"]}}}");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(drift_text_read(rows[i].text, &drift));
		if (drift_known(&drift) != rows[i].known)
			fail_msg("%s", rows[i].text);
	}
}

/* ---- a wrong one ---- */

#define PROPERTY(rest) "{\"properties\":{\"pages\":{" rest "}}}"
#define TYPE(rest)                                                             \
	"{\"properties\":{\"pages\":{\"type\":\"integer\"}},"                  \
	"\"events\":{\"users.Fax\":{" rest "}}}"
#define LONG                                                                   \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"     \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

static const struct {
	const char *text, *error;
} wrong[] = {
    {"", "FILE, line 1: not JSON: '[' or '{' expected"},
    {"{\"events\":\n{\"users.Fax\":{}},}", "FILE, line 2: not JSON: "},
    {"the-token", "FILE, line 1: not JSON: '[' or '{' expected"},
    {"{\"events\":{},\"events\":{}}",
	"FILE, line 1: not JSON: duplicate object key"},
    {"[]", "FILE: should be an object"},
    {"{\"types\":{}}", "FILE: unknown member \"types\""},
    {"{\"a\\\"b\":{}}", "FILE: unknown member \"(an unusual name)\""},
    {"{\"properties\":[]}", "FILE: properties should be an object"},
    {"{\"events\":5}", "FILE: events should be an object"},
    {"{\"user\":\"x\"}", "FILE: user should be an object"},
    {"{\"user\":{\"x\":5}}", "FILE: user: \"x\" should be a plain name"},
    {"{\"user\":{\"1\":\"\",\"2\":\"\",\"3\":\"\",\"4\":\"\",\"5\":\"\","
     "\"6\":\"\",\"7\":\"\",\"8\":\"\",\"9\":\"\",\"10\":\"\",\"11\":\"\","
     "\"12\":\"\",\"13\":\"\",\"14\":\"\",\"15\":\"\",\"16\":\"\"}}",
	"FILE: user: more than 16 members in all"},
    {"{\"properties\":{\"\":{\"type\":\"string\"}}}",
	"FILE: properties: a name should have 1 to 124 bytes"},
    {"{\"properties\":{\"" LONG "\":{\"type\":\"string\"}}}",
	"FILE: properties: a name should have 1 to 124 bytes"},
    {"{\"properties\":{\"a\\nb\":{\"type\":\"string\"}}}",
	"FILE: properties: a name should have 1 to 124 bytes"},
    {"{\"properties\":{\"pages\":\"integer\"}}",
	"FILE: properties: \"pages\": should be an object"},
    {PROPERTY("\"type\":\"integer\",\"clas\":\"secret\""),
	"FILE: properties: \"pages\": unknown member \"clas\"; it may have "
	"type, class and seen"},
    {PROPERTY(""), "FILE: properties: \"pages\": type should be string, "},
    {PROPERTY("\"type\":5"), "FILE: properties: \"pages\": type should be "},
    {PROPERTY("\"type\":\"int\""),
	"FILE: properties: \"pages\": type should be string, integer, number, "
	"boolean, object, array<string> or array<string|null>"},
    {PROPERTY("\"type\":\"string\",\"class\":\"private\""),
	"FILE: properties: \"pages\": class should be plain, content, contact "
	"or secret"},
    {PROPERTY("\"type\":\"string\",\"seen\":\"x\""),
	"FILE: properties: \"pages\": seen should be a list"},
    {PROPERTY("\"type\":\"boolean\",\"seen\":[true]"),
	"FILE: properties: \"pages\": seen should be a list"},
    {PROPERTY("\"type\":\"string\",\"seen\":[\"x\",5]"),
	"FILE: properties: \"pages\": seen: value 2 should be a short text"},
    {PROPERTY("\"type\":\"integer\",\"seen\":[5,\"x\"]"),
	"FILE: properties: \"pages\": seen: value 2 should be an integer"},
    {"{\"properties\":{\"app_id\":{\"type\":\"text\"}}}",
	"FILE: properties: \"app_id\": type should be "},
    {"{\"events\":{\"a\\\\b\":{}}}", "FILE: events: a name should have"},
    {"{\"events\":{\"users.Fax\":[]}}",
	"FILE: events: \"users.Fax\": should be an object"},
    {TYPE("\"require\":[]"),
	"FILE: events: \"users.Fax\": unknown member \"require\""},
    {TYPE("\"properties\":\"pages\""),
	"FILE: events: \"users.Fax\": properties should be a list of names"},
    {TYPE("\"properties\":[\"pages\",5]"),
	"FILE: events: \"users.Fax\": properties: item 2 should be a name"},
    {TYPE("\"properties\":[\"foo\"]"),
	"FILE: events: \"users.Fax\": unknown property \"foo\"; add it under "
	"properties"},
    {TYPE("\"required\":[\"pages\"]"),
	"FILE: events: \"users.Fax\": required: \"pages\" is not one of its "
	"properties"},
    {TYPE("\"required\":5"), "FILE: events: \"users.Fax\": required should"},
    {TYPE("\"types\":[]"), "FILE: events: \"users.Fax\": types should be an "},
    {TYPE("\"types\":{\"pages\":\"string\"}"),
	"FILE: events: \"users.Fax\": types: \"pages\" is not one of its"},
    {TYPE("\"properties\":[\"pages\"],\"types\":{\"pages\":\"x\"}"),
	"FILE: events: \"users.Fax\": types should be string, "},
    {TYPE("\"user\":[\"phone\"]"),
	"FILE: events: \"users.Fax\": unknown member of user \"phone\"; add "
	"it under user"},
    {TYPE("\"user\":\"user_id\""),
	"FILE: events: \"users.Fax\": user should be a list of names"},
    {TYPE("\"family\":5"),
	"FILE: events: \"users.Fax\": family should be a text"},
    {TYPE("\"status\":\"a\\nb\""),
	"FILE: events: \"users.Fax\": status should be a text"},
};

static void
test_wrong(void **state)
{
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (catalogue_add(str_text(wrong[i].text), "FILE", &warnings,
			&catalogue, &err))
			fail_msg("accepted: %s", wrong[i].text);
		assert_int_equal(err.code, ERR_CONFIG);
		if (strncmp(err.text, wrong[i].error, strlen(wrong[i].error)) !=
		    0)
			fail_msg("%s: %s", wrong[i].text, err.text);
		assert_null(strstr(err.text, "the-token"));
		/* nothing of it was added */
		assert_int_equal(catalogue_property_count(catalogue_in_use()),
		    catalogue_builtin.property_index.count);
	}
	assert_int_equal(warnings.len, 0);
	/* an empty buffer has no memory */
	assert_false(catalogue_add(
	    (struct str){0}, "FILE", &warnings, &catalogue, &err));
	assert_string_equal(
	    err.text, "FILE, line 1: not JSON: '[' or '{' expected");
}

/* As many as fit, and one more. */
static void
test_limits(void **state)
{
	static const struct {
		const char *head, *entry, *error;
		size_t most;
	} rows[] = {
	    {"{\"properties\":{", "{\"type\":\"string\"}",
		"FILE: properties: more than 512 in all",
		CATALOGUE_PROPERTIES_MAX},
	    {"{\"events\":{", "{\"properties\":[\"app_id\"]}",
		"FILE: events: more than 1024 types in all",
		CATALOGUE_TYPES_MAX},
	};
	const size_t has[] = {catalogue_builtin.property_index.count,
	    catalogue_builtin.type_index.count};
	struct err err;
	struct buf text;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (size_t over = 0; over < 2; over++) {
			size_t count = rows[i].most - has[i] + over;
			bool ok;

			buf_init(&text, 1 << 20);
			(void)buf_text(&text, rows[i].head);
			for (size_t n = 0; n < count; n++)
				(void)buf_printf(&text, "%s\"n%zu\":%s",
				    n > 0 ? "," : "", n, rows[i].entry);
			(void)buf_text(&text, "}}");
			assert_true(buf_ok(&text, NULL));
			ok = catalogue_add(str_bytes(text.data, text.len),
			    "FILE", &warnings, &catalogue, &err);
			assert_int_equal(ok, over == 0);
			if (!ok)
				assert_string_equal(err.text, rows[i].error);
			buf_fini(&text);
		}
	}
}

/* Each lasts, and is found again by its text. */
static void
test_several(void **state)
{
	const struct catalogue *old, *new;
	struct track_rules rules;
	char text[64];
	struct err err;

	(void)state;
	add("{\"properties\":{\"a\":{\"type\":\"string\"},"
	    "\"b\":{\"type\":\"string\",\"class\":\"content\"}},"
	    "\"events\":{\"users.Fax\":{\"properties\":[\"a\"]}}}");
	old = catalogue;
	track_rules_init(&rules);
	assert_ptr_equal(rules.catalogue, old);
	add("{\"properties\":{\"b\":{\"type\":\"string\"}}}");
	new = catalogue;
	assert_ptr_not_equal(old, new);
	assert_false(judged(EVENT("users.Fax", ""))->known);
	batch.catalogue = old;
	assert_true(judged(EVENT("users.Fax", "\"a\":\"\""))->known);
	assert_drift(NULL);
	assert_string_equal(
	    document_type_at(old, document_type_find(old, "users.Fax")).name,
	    "users.Fax");
	assert_int_equal(
	    document_type_find(new, "users.Fax"), document_types(new));
	assert_false(track_leaves_out(&rules, str_text("x"), str_text("a")));
	rules.catalogue = new;
	assert_true(track_leaves_out(&rules, str_text("x"), str_text("a")));
	add("{\"properties\":{\"a\":{\"type\":\"string\"},"
	    "\"b\":{\"type\":\"string\",\"class\":\"content\"}},"
	    "\"events\":{\"users.Fax\":{\"properties\":[\"a\"]}}}");
	assert_ptr_equal(catalogue, old);
	/* two are there, and there is a limit */
	for (int i = 2; i < 64; i++) {
		(void)snprintf(
		    text, sizeof(text), "{\"about\":\"number %d\"}", i);
		add(text);
	}
	assert_false(
	    catalogue_add(str_text("{}"), "FILE", &warnings, &catalogue, &err));
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_ptr_equal(catalogue, catalogue_in_use());
	add("{\"properties\":{\"b\":{\"type\":\"string\"}}}");
	assert_ptr_equal(catalogue, new);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_new_type),
	    TEST(test_known_type_gains),
	    TEST(test_class),
	    TEST(test_built_in_required),
	    TEST(test_built_in_kinds),
	    TEST(test_worst_file),
	    TEST(test_built_in_later),
	    TEST(test_itself),
	    TEST(test_document),
	    TEST(test_sample),
	    TEST(test_drift_known),
	    TEST(test_wrong),
	    TEST(test_limits),
	    TEST(test_several),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
