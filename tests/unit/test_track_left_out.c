/* What is left out or cut, and that each of it is counted by property. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/track_help.h"

#include "schema/currents/catalogue.h"
#include "schema/currents/currents.h"

#include <stdio.h>

/* Map an event of those properties. */
static void
map_properties(struct fixture *f, const char *type, const char *properties)
{
	put(f, type, "{\"external_user_id\":\"u\"}", "\"properties\":");
	f->event.len--;
	(void)buf_text(&f->event, properties);
	(void)buf_char(&f->event, '}');
	map(f, view(&f->event));
}

static unsigned
noted(const struct fixture *f, const char *property,
    enum track_omission_kind kind)
{
	unsigned count = 0;

	for (unsigned i = 0; i < f->result.omission_count; i++) {
		const struct track_omission *omission = &f->result.omissions[i];

		if (omission->kind == kind &&
		    strcmp(omission->property, property) == 0)
			count += omission->count;
	}
	return count;
}

static void
test_each_is_counted(void **state)
{
	static const struct {
		const char *properties, *property;
		enum track_omission_kind kind;
		unsigned count;
	} cases[] = {
	    {"{\"url\":1,\"url\":2,\"\\u0075rl\":3}", "url",
		TRACK_OMISSION_REPEATED, 2},
	    {"{\"custom_properties\":{\"a\":{\"b\":1,\"c\":2},\"a\":1}}",
		"custom_properties", TRACK_OMISSION_REPEATED, 1},
	    {"{\"x\":1,\"x\":2}", "other", TRACK_OMISSION_REPEATED, 1},
	    {"{},\"properties\":{\"x\":2}", "other", TRACK_OMISSION_REPEATED,
		1},
	    {"{\"url\":[null,\"a\",\" \",\"\"]}", "url", TRACK_OMISSION_BLANK,
		3},
	    {"{\"url\":[null,\"\"]}", "url", TRACK_OMISSION_BLANK, 1},
	    {"{\"url\":[]}", "url", TRACK_OMISSION_BLANK, 1},
	    {"{\"url\":{}}", "url", TRACK_OMISSION_BLANK, 1},
	    {"{\"custom_properties\":{\"a\":{},\"b\":[],\"c\":null}}",
		"custom_properties", TRACK_OMISSION_BLANK, 3},
	    {"{\"url\":9007199254740993,\"x\":9007199254740992}", "url",
		TRACK_OMISSION_NUMBER_AS_TEXT, 1},
	    {"{\"custom_properties\":{\"a\":1e400,\"b\":{\"c\":1e-400},"
	     "\"d\":0.1}}",
		"custom_properties", TRACK_OMISSION_NUMBER_AS_TEXT, 2},
	    /* in an array all are text */
	    {"{\"url\":[9007199254740993]}", "url",
		TRACK_OMISSION_NUMBER_AS_TEXT, 0},
	    {"{\"message_body\":{}}", "message_body", TRACK_OMISSION_PRIVATE,
		1},
	    {"{\"url\":{\"a\":1}}", "url", TRACK_OMISSION_BLANK, 0},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		map_properties(f, "a.b.C", cases[i].properties);
		assert_int_equal(f->result.fate, TRACK_SEND);
		assert_int_equal(
		    noted(f, cases[i].property, cases[i].kind), cases[i].count);
	}
}

/* However many properties there are of which something is left out. */
static void
test_all_are_counted(void **state)
{
	size_t count = catalogue_property_count(&catalogue_builtin);
	struct fixture *f = *state;
	unsigned sum = 0;

	put(f, "a.b.C", "{\"external_user_id\":\"u\"}", "\"properties\":{");
	f->event.len--;
	for (size_t i = 0; i < count; i++)
		(void)buf_printf(&f->event, "\"%s\":\"\",",
		    catalogue_property_at(&catalogue_builtin, i)->name.data);
	(void)buf_text(&f->event, "\"x\":[null,1],\"x\":[null,2]}}");
	map(f, view(&f->event));
	assert_int_equal(f->result.fate, TRACK_SEND);
	assert_true(count > TRACK_OMISSIONS_MAX);
	assert_true(f->result.omission_count <= TRACK_OMISSIONS_MAX);
	assert_true(f->result.omissions_lost > 0);
	for (unsigned i = 0; i < f->result.omission_count; i++)
		sum += f->result.omissions[i].count;
	assert_int_equal(sum, count + 2);
}

/* The cut leaves nothing but blanks: then nothing is left. */
static void
test_blank_once_cut(void **state)
{
	struct fixture *f = *state;
	char in[4096];

	f->rules.add_channel = false;
	snprintf(in, sizeof(in), "{\"url\":\"%1023sx\",\"a\":1}", "");
	map_properties(f, "a.b.C", in);
	assert_non_null(strstr(f->out.data, "\"properties\":{\"a\":1}"));
	assert_int_equal(noted(f, "url", TRACK_OMISSION_BLANK), 1);
	assert_int_equal(noted(f, "url", TRACK_OMISSION_CUT), 0);
	snprintf(in, sizeof(in), "{\"url\":\"%1022sx\"}", "");
	map_properties(f, "a.b.C", in);
	assert_non_null(strstr(f->out.data, "\"url\""));
	snprintf(in, sizeof(in), "{\"%512sx\":1,\"a\":1}", "");
	map_properties(f, "a.b.C", in);
	assert_non_null(strstr(f->out.data, "\"properties\":{\"a\":1}"));
	assert_int_equal(noted(f, "other", TRACK_OMISSION_BLANK), 1);
}

static void
test_blank_names(void **state)
{
	static const char custom[] = "users.behaviors.CustomEvent";
	static const struct track_rename renames[] = {{"a", "\xc2\xa0"}};
	struct fixture *f = *state;
	char text[4096];

	f->rules.custom_event_name = true;
	snprintf(text, sizeof(text), "{\"name\":\"%512sx\"}", "");
	map_properties(f, custom, text);
	assert_non_null(
	    strstr(f->out.data, "{\"event\":\"users.behaviors.CustomEvent\""));
	snprintf(text, sizeof(text), "%512sx", "");
	map_properties(f, text, "{}");
	assert_int_equal(f->result.fate, TRACK_DEAD);
	assert_string_equal(f->result.reason, "the event's name is blank");
	f->rules.renames = renames;
	f->rules.rename_count = 1;
	map_properties(f, "a.b.C", "{\"a\":1,\"b\":2,\"c\":3}");
	assert_non_null(
	    strstr(f->out.data, "\"properties\":{\"b\":2,\"c\":3}"));
	assert_int_equal(noted(f, "other", TRACK_OMISSION_BLANK), 1);
	f->rules.rename_count = 0;
	memset(text, ' ', 600);
	text[600] = '\0';
	f->rules.prefix = text;
	map_properties(f, "a.b.C", "{\"a\":1}");
	assert_int_equal(f->result.fate, TRACK_DEAD);
}

/* A rename takes no other property's name. */
static void
test_real_names_first(void **state)
{
	static const struct track_rename renames[] = {
	    {"aa", "zz"}, {"b.c", "zz"}};
	struct fixture *f = *state;

	f->rules.renames = renames;
	f->rules.rename_count = 2;
	map_properties(
	    f, "a.b.C", "{\"zz\":\"real\",\"aa\":\"ren\",\"b\":{\"c\":1}}");
	assert_non_null(strstr(f->out.data, "\"properties\":{\"zz\":\"real\","
					    "\"zz#2\":\"ren\",\"zz#3\":1}"));
}

/* The texts of what no one decided about, one after the other. */
static void
test_undecided_is_told(void **state)
{
	struct fixture *f = *state;
	char text[8192], *at = text;
	size_t told = 0, more = 0;

	map_properties(f, "a.b.C", "{\"new\":\"x\",\"o\":{\"a\":[1]}}");
	assert_int_equal(f->result.left_out_len, 0); /* kept */
	f->rules.keep = (struct track_list)LIST("o.a");
	map_properties(f, "a.b.C",
	    "{\"new\":\"x\",\"n\":1,\"o\":{\"a\":[1],\"b\":2,\"c\":3},"
	    "\"email_address\":\"e\",\"new\":[\"\"],\"empty\":\"\"}");
	snprintf(text, sizeof(text),
	    "left out\ta.b.C\to\tobject%cleft out\ta.b.C\tnew\tarray", 0);
	assert_int_equal(
	    f->result.left_out_len, strlen("left out_a.b.C_o_object") + 1 +
					strlen("left out_a.b.C_new_array") + 1);
	assert_memory_equal(f->result.left_out, text, f->result.left_out_len);
	f->rules.drop = (struct track_list)LIST("unclassified");
	map_properties(f, "a.b.C", "{\"new\":\"x\"}");
	assert_int_equal(f->result.left_out_len, 0); /* decided */
	f->rules.drop = (struct track_list){.count = 0};
	/* whatever has no room is told as one */
	at += sprintf(at, "{\"0\":\"x\"");
	for (int i = 1; i < 200; i++)
		at += sprintf(at, ",\"%d\":\"x\"", i);
	(void)sprintf(at, "}");
	map_properties(f, "a.b.C", text);
	for (size_t i = 0; i < f->result.left_out_len;
	     i += strlen(f->result.left_out + i) + 1) {
		told++;
		more += strcmp(f->result.left_out + i, "(more)") == 0;
	}
	assert_true(told > 20 && told < 200);
	assert_int_equal(more, 1);
	assert_string_equal(
	    f->result.left_out + f->result.left_out_len - sizeof("(more)"),
	    "(more)");
}

/* The same question, of a name alone. */
static void
test_who_decides(void **state)
{
	struct fixture *f = *state;
	const struct {
		struct track_list keep, drop;
		const char *property;
		bool leaves_out;
	} cases[] = {
	    {.property = "new", .leaves_out = true},
	    {.property = "url", .leaves_out = false},
	    {.property = "email_address", .leaves_out = false},
	    {.keep = LIST("a.b.C/new"), .property = "new"},
	    {.keep = LIST("a.b.D/new"), .property = "new", .leaves_out = true},
	    {.drop = LIST("new"), .property = "new"},
	    {.keep = LIST("*/unclassified"), .property = "new"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		f->rules.keep = cases[i].keep;
		f->rules.drop = cases[i].drop;
		assert_int_equal(track_leaves_out(&f->rules, str_text("a.b.C"),
				     str_text(cases[i].property)),
		    cases[i].leaves_out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_each_is_counted),
	    TEST(test_all_are_counted),
	    TEST(test_blank_once_cut),
	    TEST(test_blank_names),
	    TEST(test_real_names_first),
	    TEST(test_undecided_is_told),
	    TEST(test_who_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
