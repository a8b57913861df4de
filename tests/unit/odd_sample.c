/*
 * Makes valid but nasty events: everything that may trip up a careless reader,
 * mapper or receiver. The JSON is written by hand, because a decent writer
 * would not produce most of it.
 */

#include "tests/unit/odd_sample.h"

#include "schema/currents/catalogue.h"
#include "schema/currents/currents.h"
#include "schema/json/scan.h"

#include <inttypes.h>

enum {
	LONG_STRING = 20000,
	LONG_KEY = 700,
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define PICK(sample, array)                                                    \
	((array)[odd_below(sample, (unsigned)LENGTH(array))])

/* All with their quotes; no blank one. */
static const char *const strings[] = {"\" \"", "\"\\t\\n \"", "\"\\u0000\"",
    "\"a\\u0000b\"", "\"\\ud800\"", "\"\\udc00\\ud83d\"", "\"\\ud83d\\ude00\"",
    "\"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7\"",
    /* From right to left. NOLINTNEXTLINE(misc-misleading-bidirectional) */
    "\"\xe2\x80\xae\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d\"", "\"\xe2\x80\xa8\"",
    "\"\xef\xbb\xbf\"", "\"e\xcc\x81\"", "\"\x7f\"", "\"\\/\\b\\f\\r\"",
    "\"[REDACTED]\"", "\"null\"", "\"undefined\"", "\"true\"", "\"0\"",
    "\"{\\\"a\\\":[1,\"", "\"a||b\"", "\"%s%n\"", "\"<script>\"", "\"#2\"",
    "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
    "\"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\"",
    "\"00000000-0000-0000-0000-000000000000\"",
    "\"\\u005b\\u0052\\u0045\\u0044\\u0041\\u0043\\u0054\\u0045\\u0044]\""};

static const char *const integers[] = {"0", "-0", "-1", "12345678901234567890",
    "-98765432109876543210", "9007199254740993", "5.0", "1e400", "-1E+2",
    "0e999", "10e-1", "100000000000000000000000000000000000000000"};

static const char *const numbers[] = {"0.1", "-0.0", "1e-400", "1e400",
    "1.7976931348623159e308", "4.9e-324", "123456789.01234567890", "-1.5e-7",
    "0.30000000000000004", "12345678901234567890.5", "1E5"};

/* Customers' objects: any keys, also ones that collide once flattened. */
static const char *const objects[] = {"{}", "{\"\":\"\"}", "{\"\":{\"\":1}}",
    "{\"a.b\":1,\"a\":{\"b\":2}}", "{\"a\":{\"b\":1},\"a.b\":2,\"a.b#2\":3}",
    "{\"a\":1,\"a\":\"2\"}", "{\"a\":null,\"a\":{\"a\":[]}}",
    "{\"n\":12345678901234567890,\"z\":\"\\u0000\",\"s\":\"\\ud800\"}",
    "{\"mixed\":[1,\"a\",null,true,{\"b\":[]},[[\"c\"]],1e400]}",
    "{\"list\":[\"a||b\",\"\",null,\"c\"],\"empty\":[[],{}]}",
    "{\"\\u0000\":1,\"\\ud83d\":2,\"\xf0\x9f\x98\x80\":3,\"\\u202e\":4}",
    "{\"name\":\"mine\",\"braze_channel\":\"x\",\"device_id\":\"y\"}",
    "{\" \":\" \",\"\\t\":\"\\t\",\"#\":\"#2\"}",
    "{\"true\":true,\"false\":false,\"null\":null,\"-0\":-0}"};

static const char *const arrays[] = {
    "[]", "[\"\"]", "[\"\",\"\"]", "[\"a||b\",\"c\"]", "[\"\\u0000\",\"x\"]"};
static const char *const arrays_nulls[] = {
    "[null]", "[null,null]", "[\"a\",null,\"\"]", "[\"\\ud800\",null]"};

static const char *const times[] = {"0", "1", "946684799", "1e9",
    "1700000000.0", "17e8", "1924992000", "2051222400", "2208988799",
    "4102444800", "253402300799", "-0"};

static const char *const externals[] = {"7", "12345678901234567890", "1e400",
    "-0", "0", "5.50", "null", "\"\"", "\" \"", "\"guest\"", "\" NULL \"",
    "\"[REDACTED]\"", "\"a\\u0000b\"", "\"\\ud800\"", "\"ann@example.com\"",
    "\"\xc5\xbb\xc3\xb3\xc5\x82w\""};

static const char *const aliases[] = {"null", "\"\"", "{}", "5", "[]",
    "{\"alias_name\":\"a-1\",\"alias_label\":\"crm\"}",
    "{\"alias_name\":\"\",\"alias_label\":\"\"}",
    "{\"alias_name\":null,\"alias_label\":5}", "{\"alias_name\":77}"};

static const char *const new_types[] = {"users.messages.fax.Send",
    "agentconsole.New", "x", "users.", "..", "users.behaviors.\\u0000",
    "\\ud83d\\ude00", "users.behaviors.purchase"};

/* SplitMix64 */
static uint64_t
odd_random(struct odd_sample *sample)
{
	uint64_t mixed = sample->state += 0x9e3779b97f4a7c15u;

	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
	return mixed ^ mixed >> 31;
}

static unsigned
odd_below(struct odd_sample *sample, unsigned limit)
{
	return (unsigned)(odd_random(sample) % limit);
}

static void
odd_repeat(struct buf *out, const char *unit, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		(void)buf_text(out, unit);
}

/* Longer than Heap's limits, with characters of two UTF-16 units across the
 * limit. */
static void
odd_long_write(struct odd_sample *sample, struct buf *out)
{
	static const char *const units[] = {
	    "x", "\xf0\x9f\x98\x80", "\\ud83d\\ude00", "\xc5\xbb", "\\u0000"};
	unsigned count = odd_below(sample, 4) == 0
			     ? odd_below(sample, LONG_STRING)
			     : 1000 + odd_below(sample, 50);

	(void)buf_char(out, '"');
	odd_repeat(out, "y", odd_below(sample, 3));
	odd_repeat(out, PICK(sample, units), count);
	(void)buf_char(out, '"');
}

/* As deep as an event may be. */
static void
odd_deep_write(struct odd_sample *sample, struct buf *out)
{
	/* the event and "properties" are two levels */
	enum { LEVELS = SCAN_DEPTH - 2 };
	unsigned levels = LEVELS - odd_below(sample, 2);
	char closing[LEVELS];

	for (unsigned i = 0; i < levels; i++) {
		/* custom_properties is an object itself */
		bool object = i == 0 || odd_below(sample, 2) == 0;

		(void)buf_text(out, object ? "{\"d\":" : "[");
		closing[levels - 1 - i] = object ? '}' : ']';
	}
	(void)buf_text(out, "1");
	(void)buf_append(out, closing, levels);
}

static void
odd_object_write(struct odd_sample *sample, struct buf *out)
{
	switch (odd_below(sample, 8)) {
	case 0:
		odd_deep_write(sample, out);
		return;
	case 1:
		(void)buf_text(out, "{\"");
		odd_repeat(out, odd_below(sample, 2) == 0 ? "k" : "\xc5\xbb",
		    LONG_KEY);
		(void)buf_text(out, "\":");
		odd_long_write(sample, out);
		(void)buf_char(out, '}');
		return;
	}
	(void)buf_text(out, PICK(sample, objects));
}

static void
odd_value_write(
    struct odd_sample *sample, enum catalogue_kind kind, struct buf *out)
{
	switch (kind) {
	case CATALOGUE_STRING:
		if (odd_below(sample, 12) == 0)
			odd_long_write(sample, out);
		else
			(void)buf_text(out, PICK(sample, strings));
		return;
	case CATALOGUE_INTEGER:
		(void)buf_text(out, PICK(sample, integers));
		return;
	case CATALOGUE_NUMBER:
		(void)buf_text(out, odd_below(sample, 2) == 0
					? PICK(sample, integers)
					: PICK(sample, numbers));
		return;
	case CATALOGUE_BOOLEAN:
		(void)buf_text(
		    out, odd_below(sample, 2) == 0 ? "true" : "false");
		return;
	case CATALOGUE_OBJECT:
		odd_object_write(sample, out);
		return;
	case CATALOGUE_STRINGS:
		(void)buf_text(out, PICK(sample, arrays));
		return;
	case CATALOGUE_STRINGS_NULLS:
		(void)buf_text(out, odd_below(sample, 2) == 0
					? PICK(sample, arrays)
					: PICK(sample, arrays_nulls));
		return;
	}
	NEVER("a catalogue_kind");
}

/* For a member whose kind nothing prescribes. */
static void
odd_any_write(struct odd_sample *sample, struct buf *out)
{
	odd_value_write(sample,
	    (enum catalogue_kind)odd_below(sample, CATALOGUE_STRINGS_NULLS + 1),
	    out);
}

/* A key, now and then with an escape that hides it. */
static void
odd_key_write(
    struct odd_sample *sample, const char *key, bool *first, struct buf *out)
{
	if (!*first)
		(void)buf_text(out, odd_below(sample, 8) == 0 ? " ,\t" : ",");
	*first = false;
	if (*key != 0 && (unsigned char)*key < 0x80 &&
	    odd_below(sample, 16) == 0)
		(void)buf_printf(out,
		    "\"\\u%04x%s\" :", (unsigned)(unsigned char)*key, key + 1);
	else
		(void)buf_printf(out, "\"%s\":", key);
}

static void
odd_property_write(struct odd_sample *sample, const struct catalogue_type *type,
    uint16_t index, bool *first, struct buf *out)
{
	/* by kind */
	static const char *const plain[] = {"\"gold\"", "17", "2.5", "true",
	    "{\"plan\":\"gold\"}", "[\"a\",\"b\"]", "[\"a\",null]"};
	const char *name =
	    catalogue_property_at(&catalogue_builtin, index)->name.data;
	enum catalogue_kind kind = (enum catalogue_kind)type->kinds[index];
	bool required = catalogue_type_requires(type, index);

	if (!required && odd_below(sample, 6) == 0)
		return;
	if (odd_below(sample, 25) == 0) {
		/* the last of two counts */
		odd_key_write(sample, name, first, out);
		odd_any_write(sample, out);
	}
	odd_key_write(sample, name, first, out);
	switch (odd_below(sample, 8)) {
	case 0:
		(void)buf_text(out, required ? "\"\"" : "null");
		return;
	case 1:
		(void)buf_text(out, "\"\"");
		return;
	case 2:
	case 3:
	case 4:
		odd_value_write(sample, kind, out);
		return;
	}
	(void)buf_text(out, plain[kind]);
}

static void
odd_properties_write(struct odd_sample *sample,
    const struct catalogue_type *type, struct buf *out)
{
	static const char *const unknown[] = {"", "a.b", "a", "brand_new",
	    "name.first", "braze_event_id", "price#2", "\xf0\x9f\x98\x80"};
	bool first = true;

	if (type->required_count == 0 && odd_below(sample, 20) == 0) {
		(void)buf_text(
		    out, odd_below(sample, 2) == 0 ? "null" : "\"\"");
		return;
	}
	(void)buf_char(out, '{');
	for (size_t i = 0; i < type->property_count; i++)
		odd_property_write(
		    sample, type, type->properties[i], &first, out);
	for (unsigned i = odd_below(sample, 3); i > 0; i--) {
		odd_key_write(sample, PICK(sample, unknown), &first, out);
		odd_any_write(sample, out);
	}
	(void)buf_char(out, '}');
}

static void
odd_user_write(struct odd_sample *sample, struct buf *out)
{
	static const char *const members[] = {
	    "user_id", "device_id", "timezone"};
	bool first = true;

	if (odd_below(sample, 20) == 0) {
		(void)buf_text(out, odd_below(sample, 2) == 0 ? "null" : "{}");
		return;
	}
	(void)buf_char(out, '{');
	for (size_t i = 0; i < LENGTH(members); i++) {
		if (odd_below(sample, 5) == 0)
			continue;
		odd_key_write(sample, members[i], &first, out);
		if (odd_below(sample, 4) == 0)
			(void)buf_text(
			    out, odd_below(sample, 2) == 0 ? "null" : "\"\"");
		else
			odd_value_write(sample, CATALOGUE_STRING, out);
	}
	if (odd_below(sample, 4) > 0) {
		odd_key_write(sample, "external_user_id", &first, out);
		if (odd_below(sample, 10) == 0)
			odd_long_write(sample, out);
		else
			(void)buf_text(out, PICK(sample, externals));
	}
	if (odd_below(sample, 4) == 0) {
		odd_key_write(sample,
		    odd_below(sample, 2) == 0 ? "alias" : "user_alias", &first,
		    out);
		(void)buf_text(out, PICK(sample, aliases));
	}
	(void)buf_char(out, '}');
}

/* The five members by number: any order is legal. */
static void
odd_member_write(struct odd_sample *sample, const struct catalogue_type *type,
    unsigned member, bool *first, struct buf *out)
{
	static const char *const tails[] = {
	    "", "", "", "", " 😀", "\\ud800", "\\u0000", "\\u0022"};

	switch (member) {
	case 0:
		odd_key_write(sample, "event_type", first, out);
		if (odd_below(sample, 20) == 0)
			(void)buf_printf(
			    out, "\"%s\"", PICK(sample, new_types));
		else if (odd_below(sample, 20) == 0)
			(void)buf_printf(out, "\"\\u%04x%s\"",
			    (unsigned)(unsigned char)type->name.data[0],
			    type->name.data + 1);
		else
			(void)buf_printf(out, "\"%s\"", type->name.data);
		return;
	case 1:
		odd_key_write(sample, "id", first, out);
		(void)buf_printf(out, "\"%016" PRIx64 "%s\"",
		    odd_random(sample), PICK(sample, tails));
		return;
	case 2:
		odd_key_write(sample, "time", first, out);
		if (odd_below(sample, 2) == 0)
			(void)buf_text(out, PICK(sample, times));
		else
			(void)buf_printf(out, "%lld", (long long)sample->now_s);
		return;
	case 3:
		odd_key_write(sample, "user", first, out);
		odd_user_write(sample, out);
		return;
	case 4:
		odd_key_write(sample, "properties", first, out);
		odd_properties_write(sample, type, out);
		return;
	case 5:
		odd_key_write(sample, "braze_extra", first, out);
		odd_any_write(sample, out);
		return;
	}
}

void
odd_sample_write(struct odd_sample *sample, size_t type, struct buf *out)
{
	const struct catalogue_type *described =
	    catalogue_type_at(&catalogue_builtin, type);
	unsigned start = odd_below(sample, 5);
	bool first = true;

	(void)buf_char(out, '{');
	for (unsigned i = 0; i < 5; i++)
		odd_member_write(
		    sample, described, (start + i) % 5, &first, out);
	if (odd_below(sample, 10) == 0)
		odd_member_write(sample, described, 5, &first, out);
	(void)buf_char(out, '}');
}
