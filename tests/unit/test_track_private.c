/*
 * Privacy: each case is an event under some rules, what is sent of it, and
 * what is kept of it with private_at = accept; of that, the same is sent.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/track_help.h"

#include <stdio.h>

static const char *
behind(const char *text, const char *mark)
{
	const char *at = strstr(text, mark);

	assert_non_null(at);
	return at + strlen(mark);
}

/* Of those properties these are sent, and those kept. */
static void
check(struct fixture *f, const char *properties, const char *sent,
    const char *kept)
{
	char more[2048], want[2048];

	snprintf(more, sizeof(more), "\"properties\":%s", properties);
	put(f, "a.b.C", "{\"external_user_id\":\"u\"}", more);
	snprintf(want, sizeof(want), "%s}", sent);
	map(f, view(&f->event));
	assert_string_equal(behind(f->out.data, "\"properties\":"), want);
	keep(f, view(&f->event));
	map(f, view(&f->kept));
	assert_string_equal(behind(f->out.data, "\"properties\":"), want);
	(void)buf_char(&f->kept, '\0');
	snprintf(want, sizeof(want), "%s}", kept);
	assert_string_equal(behind(f->kept.data, "\"properties\":"), want);
}

static unsigned
count_private(const struct fixture *f, const char *property)
{
	for (unsigned i = 0; i < f->result.omission_count; i++) {
		const struct track_omission *omission = &f->result.omissions[i];

		if (omission->kind == TRACK_OMISSION_PRIVATE &&
		    strcmp(omission->property, property) == 0)
			return omission->count;
	}
	return 0;
}

static void
test_in_arrays(void **state)
{
	static const char items[] =
	    "{\"custom_properties\":{\"items\":[{\"email\":\"e1\",\"n\":1}, "
	    "7,[{\"a\":{\"email\":\"e2\"}}],{\"em\\u0061il\":[\"e3\"]}]}}";
	static const char whole[] =
	    "{\"custom_properties.items\":\"[{\\\"n\\\":1},7,[{\\\"a\\\":{"
	    "\\\"email\\\":\\\"e2\\\"}}],{}]\"}";
	struct fixture *f = *state;

	f->rules.drop =
	    (struct track_list)LIST("custom_properties.items.email");
	check(f, items, whole,
	    "{\"custom_properties\":{\"items\":[{\"n\":1},7,"
	    "[{\"a\":{\"email\":\"e2\"}}],{}]}}");
	put(f, "a.b.C", "{\"external_user_id\":\"u\"}",
	    "\"properties\":{\"custom_properties\":{\"items\":"
	    "[{\"email\":1},{\"email\":{}}]}}");
	map(f, view(&f->event));
	assert_int_equal(count_private(f, "custom_properties"), 2);
	f->rules.drop = (struct track_list)LIST("*.email");
	check(f, items,
	    "{\"custom_properties.items\":\"[{\\\"n\\\":1},7,[{\\\"a\\\":{"
	    "}}],{}]\"}",
	    "{\"custom_properties\":{\"items\":[{\"n\":1},7,[{\"a\":{}}],{}]}"
	    "}");
	/* names and values that no rule names keep their bytes */
	f->rules.drop = (struct track_list)LIST("other");
	check(f, "{\"a\":[ {\"x\\u0079\" : [ 1e0, \"\\u0041\" ] } ]}",
	    "{\"a\":\"[{\\\"xy\\\":[1e0,\\\"A\\\"]}]\"}",
	    "{\"a\":[{\"x\\u0079\":[1e0,\"\\u0041\"]}]}");
}

static void
test_hashed_in_arrays(void **state)
{
	struct fixture *f = *state;

	f->rules.hash = (struct track_list)LIST("a.e");
	check(f, "{\"a\":[{\"e\":\"" DATA "\",\"f\":\"" MARK "\"}]}",
	    "{\"a\":\"[{\\\"e\\\":\\\"" HEX "\\\",\\\"f\\\":\\\"" MARK
	    "\\\"}]\"}",
	    "{\"a\":[{\"e\":\"" MARK "\",\"f\":\"" MARK "\"}]}");
	check(f, "{\"a\":[{\"e\":[null,\" \",{\"x\":\"" DATA "\"}]}]}",
	    "{\"a\":\"[{\\\"e\\\":[null,\\\" \\\",{\\\"x\\\":\\\"" HEX
	    "\\\"}]}]\"}",
	    "{\"a\":[{\"e\":[null,\" \",{\"x\":\"" MARK "\"}]}]}");
	/* hashed as a whole, what is dropped aside: once, not twice */
	f->rules.hash = (struct track_list)LIST("a", "a.e");
	f->rules.drop = (struct track_list)LIST("a.d");
	put(f, "a.b.C", "{\"external_user_id\":\"u\"}",
	    "\"properties\":{\"a\":[{\"e\":1,\"d\":2}],\"b\":1}");
	map(f, view(&f->event));
	buf_reset(&f->kept);
	(void)buf_append(&f->kept, f->out.data, f->out.len);
	put(f, "a.b.C", "{\"external_user_id\":\"u\"}",
	    "\"properties\":{\"a\":\"[{\\\"e\\\":1}]\",\"b\":1}");
	map(f, view(&f->event));
	assert_string_equal(f->kept.data, f->out.data);
	/* the most private way, if nothing can be hashed */
	f->rules.key = str_bytes(NULL, 0);
	f->rules.hash = (struct track_list)LIST("a.e");
	check(f, "{\"a\":[{\"e\":1,\"g\":2}]}", "{\"a\":\"[{\\\"g\\\":2}]\"}",
	    "{\"a\":[{\"g\":2}]}");
}

/* More than fits is left out whole, however long hashing makes it. */
static void
test_hashes_that_do_not_fit(void **state)
{
	struct fixture *f = *state;
	char in[512] = "{\"a\":[{\"\":[0", want[512];
	size_t len = strlen(in);

	f->rules.hash = (struct track_list)LIST("a.");
	for (int i = 0; i < 100; i++)
		len += (size_t)sprintf(in + len, ",0");
	sprintf(in + len, "]},1]}");
	put(f, "a.b.C", "{\"external_user_id\":\"u\"}", "\"properties\":{}");
	f->event.len -= strlen("{}}");
	(void)buf_printf(&f->event, "%s}", in);
	snprintf(want, sizeof(want), "\"properties\":{\"a\":\"[1]\"}}");
	map(f, view(&f->event));
	assert_non_null(strstr(f->out.data, want));
	keep(f, view(&f->event));
	map(f, view(&f->kept));
	assert_non_null(strstr(f->out.data, want));
}

static void
test_selectors(void **state)
{
	static const struct {
		const char *selector;
		bool selects;
	} cases[] = {{"cp.a/b", true}, {"*/cp.a/b", true}, {"*a/*", true},
	    {"a.b.C/cp.a/b", true}, {"x/cp.a/b", false}, {"cp.a/", false},
	    {"cp.a", false}, {"a/b", false}};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		f->rules.drop = (struct track_list){&cases[i].selector, 1};
		if (cases[i].selects)
			check(f, "{\"cp\":{\"a/b\":1},\"x\":2}", "{\"x\":2}",
			    "{\"x\":2}");
		else
			check(f, "{\"cp\":{\"a/b\":1},\"x\":2}",
			    "{\"cp.a/b\":1,\"x\":2}",
			    "{\"cp\":{\"a/b\":1},\"x\":2}");
	}
	f->rules.drop = (struct track_list)LIST("none");
	f->rules.keep = (struct track_list)LIST("cont*t", "*/c*tact");
	check(f, "{\"message_body\":\"m\",\"email_address\":\"e\"}",
	    "{\"message_body\":\"m\",\"email_address\":\"e\"}",
	    "{\"message_body\":\"m\",\"email_address\":\"e\"}");
	f->rules.drop = (struct track_list)LIST("a.b.C/con*t");
	check(f, "{\"message_body\":\"m\",\"email_address\":\"e\",\"x\":1}",
	    "{\"x\":1}", "{\"x\":1}");
}

/* What only looks like a hash of ours is a value like any other. */
static void
test_marks(void **state)
{
	struct fixture *f = *state;

	check(f, "{\"a\":\"" MARK "\",\"b\":[\"" MARK "\"]}",
	    "{\"a\":\"" MARK "\",\"b\":\"" MARK "\"}",
	    "{\"a\":\"" MARK "\",\"b\":[\"" MARK "\"]}");
	f->rules.hash = (struct track_list)LIST("a");
	check(f, "{\"a\":\"" MARK "\",\"b\":\"" MARK "\"}",
	    "{\"a\":\"" HEX "\",\"b\":\"" MARK "\"}",
	    "{\"a\":\"" MARK "\",\"b\":\"" MARK "\"}");
	put(f, "a.b.C", "{\"external_user_id\":\"" MARK "\"}",
	    "\"properties\":{}");
	map(f, view(&f->event));
	assert_non_null(strstr(f->out.data, "\"identity\":\"" MARK "\""));
	f->rules.identity_hash = true;
	map(f, view(&f->event));
	assert_non_null(strstr(f->out.data, "\"identity\":\"" HEX "\""));
}

/* Braze's id is the identity, and so is that of the profile it was merged into.
 */
static void
test_orphans(void **state)
{
	static const char orphan[] =
	    "\"properties\":{\"orphaned_by_id\":\"" DATA "\"}";
	struct fixture *f = *state;

	f->rules.identity_hash = true;
	put(f, "users.UserOrphan", "{\"user_id\":\"" DATA "\"}", orphan);
	f->rules.identity = TRACK_IDENTITY_BRAZE;
	map(f, view(&f->event));
	assert_null(strstr(f->out.data, DATA));
	assert_non_null(strstr(f->out.data, "\"identity\":\"" HEX "\""));
	assert_non_null(strstr(f->out.data, "\"orphaned_by_id\":\"" HEX "\""));
	keep(f, view(&f->event));
	(void)buf_char(&f->kept, '\0');
	assert_null(strstr(f->kept.data, DATA));
	/* with another identity it is a property as any */
	f->rules.identity = TRACK_IDENTITY_EXTERNAL;
	put(f, "users.UserOrphan", "{\"external_user_id\":\"x\"}", orphan);
	map(f, view(&f->event));
	assert_non_null(strstr(f->out.data, "\"orphaned_by_id\":\"" DATA "\""));
}

/* What may not be sent as a property does not go out as the event's name. */
static void
test_a_private_name(void **state)
{
	static const char named[] = "{\"event\":\"a secret\"",
			  typed[] =
			      "{\"event\":\"users.behaviors.CustomEvent\"";
	const struct track_list lists[] = {
	    LIST("name"), LIST("users.behaviors.CustomEvent/*"), LIST("other")};
	struct fixture *f = *state;

	f->rules.custom_event_name = true;
	for (size_t i = 0; i < 6; i++) {
		const char *event = i / 2 < 2 ? typed : named;

		f->rules.drop =
		    i % 2 == 0 ? lists[i / 2] : (struct track_list){.count = 0};
		f->rules.hash =
		    i % 2 == 1 ? lists[i / 2] : (struct track_list){.count = 0};
		put(f, "users.behaviors.CustomEvent",
		    "{\"external_user_id\":\"u\"}",
		    "\"properties\":{\"name\":\"a secret\"}");
		map(f, view(&f->event));
		assert_memory_equal(f->out.data, event, strlen(event));
	}
}

/* A name that no type has: texts and containers wait for a decision. */
static void
test_unclassified(void **state)
{
	static const char in[] =
	    "{\"new\":\"x\",\"n\":1,\"t\":true,\"blank\":\" \",\"list\":[1],"
	    "\"o\":{\"a\":1,\"b\":\"y\"},\"custom_properties\":{\"new\":\"z\"},"
	    "\"answer_long_string\":\"w\",\"survey_id\":\"s\"}";
	static const char plain_kept[] =
	    "{\"n\":1,\"t\":true,\"blank\":\" \",\"custom_properties\":{"
	    "\"new\":\"z\"},\"survey_id\":\"s\"}";
	static const char plain_sent[] =
	    "{\"n\":1,\"t\":\"true\",\"custom_properties.new\":\"z\","
	    "\"survey_id\":\"s\"}";
	const struct {
		struct track_list keep;
		const char *sent;
	} cases[] = {
	    {LIST("unclassified"),
		"{\"new\":\"x\",\"n\":1,\"t\":\"true\",\"list\":\"1\","
		"\"o.a\":1,\"o.b\":\"y\",\"custom_properties.new\":\"z\","
		"\"survey_id\":\"s\"}"},
	    {LIST("a.b.C/new", "x.Y/unclassified"),
		"{\"new\":\"x\",\"n\":1,\"t\":\"true\","
		"\"custom_properties.new\":\"z\",\"survey_id\":\"s\"}"},
	    {LIST("o.b"),
		"{\"n\":1,\"t\":\"true\",\"o.b\":\"y\","
		"\"custom_properties.new\":\"z\",\"survey_id\":\"s\"}"},
	    {LIST("content", "contact"),
		"{\"n\":1,\"t\":\"true\",\"custom_properties.new\":\"z\","
		"\"answer_long_string\":\"w\",\"survey_id\":\"s\"}"},
	};
	struct fixture *f = *state;
	char more[1024];

	f->rules.keep = (struct track_list){.count = 0};
	check(f, in, plain_sent, plain_kept);
	snprintf(more, sizeof(more), "\"properties\":%s", in);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char want[1024];

		f->rules.keep = cases[i].keep;
		put(f, "a.b.C", "{\"external_user_id\":\"u\"}", more);
		snprintf(want, sizeof(want), "%s}", cases[i].sent);
		map(f, view(&f->event));
		assert_string_equal(
		    behind(f->out.data, "\"properties\":"), want);
		keep(f, view(&f->event));
		map(f, view(&f->kept));
		assert_string_equal(
		    behind(f->out.data, "\"properties\":"), want);
	}
	/* the more private one wins */
	f->rules.keep = (struct track_list)LIST("*");
	f->rules.drop = (struct track_list)LIST("unclassified");
	f->rules.hash = (struct track_list)LIST("content");
	check(f, "{\"new\":\"x\",\"content\":\"" DATA "\"}",
	    "{\"content\":\"" HEX "\"}", "{\"content\":\"" MARK "\"}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_in_arrays),
	    TEST(test_hashed_in_arrays),
	    TEST(test_hashes_that_do_not_fit),
	    TEST(test_selectors),
	    TEST(test_marks),
	    TEST(test_orphans),
	    TEST(test_a_private_name),
	    TEST(test_unclassified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
