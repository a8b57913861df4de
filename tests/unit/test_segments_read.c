/*
 * The pages of Heap's segment webhook: what of each becomes an item, what is
 * known of the page, and what is refused whole.
 */

#include "schema/segments/segments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define INTAKE segments_intake

/* ---- no memory on request ---- */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool starved;

void *
__wrap_malloc(size_t size)
{
	return starved ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return starved ? NULL : __real_calloc(count, size);
}

/* ---- reading ---- */

enum { ITEMS_MOST = 4 };

static const char *const placeholders[] = {"test@example.com", NULL};

static struct {
	struct intake_context *context;
	struct intake_reader *reader;
	struct intake_batch batch;
	size_t paid;
} read_now;

static bool
pay_any(void *arg, size_t bytes)
{
	(void)arg;
	read_now.paid += bytes;
	return true;
}

static bool
pay_nothing(void *arg, size_t bytes)
{
	(void)arg;
	(void)bytes;
	return false;
}

/* Read from memory of the body's exact size, so that a step beyond it is
 * seen. */
static enum intake_cause
read_body(const void *data, size_t len, bool accepted_once, intake_pay_fn *pay)
{
	static char *body;
	enum intake_cause cause;

	free(body);
	body = NULL;
	if (len > 0) {
		body = malloc(len);
		assert_non_null(body);
		memcpy(body, data, len);
	}
	read_now.paid = 0;
	memset(&read_now.batch, 0, sizeof(read_now.batch));
	cause = INTAKE.read(read_now.reader, str_bytes(body, len), ITEMS_MOST,
	    accepted_once, pay, NULL, &read_now.batch);
	assert_int_equal(read_now.batch.drift_count, 0);
	if (cause == INTAKE_TAKEN) {
		assert_true(
		    read_now.paid <= read_now.batch.count * INTAKE.item_bytes);
	} else if (cause != INTAKE_BUSY) {
		assert_true(read_now.batch.at <= len);
		assert_true(read_now.batch.why[0] != '\0');
	}
	return cause;
}

static enum intake_cause
read_text(const char *body)
{
	return read_body(body, strlen(body), false, pay_any);
}

/* All items, a line each: fate, type, data, reason. */
static const char *
items_text(void)
{
	static char text[8192];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < read_now.batch.count; i++) {
		const struct item *item = &read_now.batch.items[i];

		assert_int_equal(item->id.len, 0);
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "%s %.*s %.*s%s%s\n",
		    item->fate == ITEM_QUEUE ? "queue" : "dead",
		    STR_ARGS(item->type), STR_ARGS(item->data),
		    item->reason != NULL ? " " : "",
		    item->reason != NULL ? item->reason : "");
		assert_true(len < sizeof(text));
	}
	return text;
}

static void
assert_text(struct str text, const char *expected)
{
	if (!str_equal_text(text, expected))
		fail_msg("\"%.*s\" is not \"%s\"", STR_ARGS(text), expected);
}

/* ---- pages ---- */

/* A page of segment 7 with such lists; and one of a single element. */
#define PAGE(lists)                                                            \
	"{\"action_type\":\"segment.users.sync\",\"data\":{\"segment\":{"      \
	"\"id\":7,\"name\":\"VIP\"}," lists "}}"
#define ONE(element) PAGE("\"add\":[" element "]")

/* Heap's own sample. */
static const char sample[] =
    "{\"id_token\":\"bd2c2ee2-5c2c-4d0c-93d5-4ad84a3d0b5c\","
    "\"action_type\":\"segment.users.sync\","
    "\"customer_config\":{\"fields\":[{\"field_id\":\"a\","
    "\"field_display_name\":\"b\",\"field_type\":\"identity_mapping\","
    "\"value\":{\"id\":\"email\",\"display_name\":\"Email\"}}]},"
    "\"data\":{\"segment\":{\"id\":9007199254740993,"
    "\"name\":\"Abandoned the funnel\"},"
    "\"sync_info\":{\"page_number\":2,\"total_pages\":5,"
    "\"sync_task_id\":\"sync-1\"},"
    "\"add\":[{\"id\":\"ann@example.com\"},{\"id\":\"bob\"}],"
    "\"remove\":[{\"id\":\"eve\"}]}}";

static void
test_sample(void **state)
{
	const struct intake_page *page = &read_now.batch.page;

	(void)state;
	assert_int_equal(read_text(sample), INTAKE_TAKEN);
	assert_string_equal(items_text(),
	    "queue 9007199254740993 +ann@example.com\n"
	    "queue 9007199254740993 +bob\n"
	    "queue 9007199254740993 -eve\n");
	assert_text(page->group, "9007199254740993");
	assert_text(page->name, "Abandoned the funnel");
	assert_text(page->sync, "sync-1");
	assert_int_equal(page->number, 2);
	assert_int_equal(page->total, 5);
}

/* Whatever is cut off, it is no page; and what follows one is not ignored. */
static void
test_truncated(void **state)
{
	char more[sizeof(sample) + 1];

	(void)state;
	for (size_t len = 0; len < strlen(sample); len++)
		assert_int_equal(
		    read_body(sample, len, false, pay_any), INTAKE_UNREADABLE);
	(void)snprintf(more, sizeof(more), "%s{", sample);
	assert_int_equal(read_text(more), INTAKE_UNREADABLE);
	assert_int_equal(read_now.batch.at, strlen(sample));
	(void)snprintf(more, sizeof(more), "%s\n", sample);
	assert_int_equal(read_text(more), INTAKE_TAKEN);
}

static const struct {
	const char *body, *items;
} taken[] = {
    /* either list may be missing or empty, in any order, and both may be
     * empty: a page all the same */
    {PAGE("\"add\":[]"), ""},
    {PAGE("\"remove\":[],\"add\":[]"), ""},
    {PAGE("\"add\":null,\"remove\":[{\"id\":\"a\"}]"), "queue 7 -a\n"},
    {PAGE("\"remove\":[{\"id\":\"b\"}],\"add\":[{\"id\":\"a\"}]"),
	"queue 7 +a\nqueue 7 -b\n"},
    /* who is in both ends outside */
    {PAGE("\"remove\":[{\"id\":\"a\"}],\"add\":[{\"id\":\"a\"}]"),
	"queue 7 +a\nqueue 7 -a\n"},
    {ONE("{\"id\":\"a\"},{\"id\":\"a\"}"), "queue 7 +a\nqueue 7 +a\n"},
    /* lists before the segment, a segment of text, a mark before it all */
    {"\xef\xbb\xbf \n{\"data\":{\"add\":[{\"id\":\"a\"}],"
     "\"segment\":{\"id\":\"s-1\"}},\"action_type\":\"segment.users.sync\"}",
	"queue s-1 +a\n"},
    {"{\"\\u0061ction_type\":\"segment.users.syn\\u0063\",\"d\\u0061ta\":{"
     "\"add\":[{\"i\\u0064\":\"\\u0061\"}],\"segment\":{\"id\":\"\\u0073\"}}}",
	"queue s +a\n"},
    /* what is not known does not matter */
    {"{\"new\":[[{\"id\":1}]],\"action_type\":\"segment.users.sync\",\"data\":"
     "{\"data\":{\"add\":[1]},\"segment\":{\"id\":1,\"add\":[2]},\"add\":["
     "{\"new\":{\"id\":\"b\"},\"id\":\"a\",\"x\":[{\"id\":\"c\"}]}]}}",
	"queue 1 +a\n"},
    /* ids */
    {ONE("{\"id\":12}"), "queue 7 +12\n"},
    {ONE("{\"id\":-12}"), "queue 7 +-12\n"},
    {ONE("{\"id\":123456789012345678901234567890}"),
	"queue 7 +123456789012345678901234567890\n"},
    {ONE("{\"id\":\" a \"}"), "queue 7 + a \n"},
    {ONE("{\"id\":\"+a\"}"), "queue 7 ++a\n"},
    {ONE("{\"id\":\"\\\"\\ud83d\\ude00\\n\"}"),
	"queue 7 +\"\xf0\x9f\x98\x80\n\n"},
    {ONE("{\"id\":\"\xc3\xa9\"}"), "queue 7 +\xc3\xa9\n"},
    /* a member's flaw, and not its neighbour's */
    {ONE("{},{\"id\":\"a\"}"),
	"dead 7 {} entered, but has no id\nqueue 7 +a\n"},
    {ONE("{ \"id\" : null }"),
	"dead 7 { \"id\" : null } entered, but has no id\n"},
    {PAGE("\"remove\":[{\"name\":\"a\"}]"),
	"dead 7 {\"name\":\"a\"} left, but has no id\n"},
    {ONE("\"a\",7,null,[{\"id\":\"b\"}]"),
	"dead 7 \"a\" entered, but has no id\n"
	"dead 7 7 entered, but has no id\n"
	"dead 7 null entered, but has no id\n"
	"dead 7 [{\"id\":\"b\"}] entered, but has no id\n"},
    {ONE("-5,{\"id\":-6}"), "dead 7  -5 entered, but has no id\nqueue 7 +-6\n"},
    {PAGE("\"remove\":[-5.0e7]"), "dead 7  -5.0e7 left, but has no id\n"},
    {ONE("{\"id\":\"a\",\"id\":\"b\"}"),
	"dead 7 {\"id\":\"a\",\"id\":\"b\"} entered, but has two ids\n"},
    {ONE("{\"id\":1e3},{\"id\":1.0},{\"id\":true},{\"id\":[\"a\"]}"),
	"dead 7 {\"id\":1e3} entered, but the id is neither text nor an "
	"integer\n"
	"dead 7 {\"id\":1.0} entered, but the id is neither text nor an "
	"integer\n"
	"dead 7 {\"id\":true} entered, but the id is neither text nor an "
	"integer\n"
	"dead 7 {\"id\":[\"a\"]} entered, but the id is neither text nor an "
	"integer\n"},
    {ONE("{\"id\":\"\\u0000\"},{\"id\":\"\\ud83d\"},{\"id\":\"\xff\"},"
	 "{\"id\":\"\xef\xbf\xbd\"}"),
	"dead 7 {\"id\":\"\\u0000\"} entered, but the id has an unreadable "
	"character\n"
	"dead 7 {\"id\":\"\\ud83d\"} entered, but the id has an unreadable "
	"character\n"
	"dead 7 {\"id\":\"\xff\"} entered, but the id has an unreadable "
	"character\n"
	"dead 7 {\"id\":\"\xef\xbf\xbd\"} entered, but the id has an "
	"unreadable character\n"},
    {ONE("{\"id\":\"\"},{\"id\":\" \\t\"},{\"id\":\" NULL \"},{\"id\":0}"),
	"dead 7 {\"id\":\"\"} entered, but the id is a placeholder\n"
	"dead 7 {\"id\":\" \\t\"} entered, but the id is a placeholder\n"
	"dead 7 {\"id\":\" NULL \"} entered, but the id is a placeholder\n"
	"dead 7 {\"id\":0} entered, but the id is a placeholder\n"},
    {PAGE("\"remove\":[{\"id\":\"Test@example.com\"}]"),
	"dead 7 {\"id\":\"Test@example.com\"} left, but the id is a "
	"placeholder\n"},
};

static void
test_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		enum intake_cause cause = read_text(taken[i].body);

		if (cause != INTAKE_TAKEN)
			fail_msg("%zu: %d, %s", i, cause, read_now.batch.why);
		if (strcmp(items_text(), taken[i].items) != 0)
			fail_msg("%zu: %s", i, items_text());
		for (size_t j = 0; j < read_now.batch.count; j++) {
			const struct item *item = &read_now.batch.items[j];
			struct str member;
			bool wanted;

			/* A dead letter that passed for a change would be one
			 * once it is requeued. */
			assert_int_equal(
			    item_change_read(item->data, &member, &wanted),
			    item->fate == ITEM_QUEUE);
		}
	}
}

/* An id may have 987 bytes, however they are written. */
static void
test_long_ids(void **state)
{
	static const struct {
		const char *one; /* a byte of the id */
		size_t count;
		bool dead;
	} cases[] = {
	    {"a", 987, false},
	    {"a", 988, true},
	    {"\\u0061", 987, false},
	    {"\\u0061", 988, true},
	    {"\\u0061", 100000, true},
	    {"1", 987, false},
	    {"1", 988, true},
	};
	static char body[700000];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *quote = cases[i].one[0] == '1' ? "" : "\"";
		size_t len = (size_t)snprintf(body, sizeof(body),
		    "{\"action_type\":\"segment.users.sync\",\"data\":{"
		    "\"segment\":{\"id\":7},\"remove\":[{\"id\":%s",
		    quote);
		const struct item *item;

		for (size_t j = 0; j < cases[i].count; j++)
			len += (size_t)snprintf(
			    body + len, sizeof(body) - len, "%s", cases[i].one);
		(void)snprintf(body + len, sizeof(body) - len,
		    "%s},{\"id\":\"b\"}]}}", quote);
		assert_int_equal(read_text(body), INTAKE_TAKEN);
		assert_int_equal(read_now.batch.count, 2);
		item = &read_now.batch.items[0];
		assert_int_equal(
		    item->fate, cases[i].dead ? ITEM_DEAD : ITEM_QUEUE);
		if (cases[i].dead)
			assert_string_equal(item->reason,
			    "left, but the id is longer than 987 bytes");
		else
			assert_int_equal(item->data.len, 1 + cases[i].count);
		assert_text(item[1].data, "-b");
	}
}

/* ---- what is known of a page ---- */

#define FACTS(segment, sync)                                                   \
	"{\"action_type\":\"segment.users.sync\",\"data\":{\"segment\":"       \
	"{" segment "},\"sync_info\":" sync ",\"add\":[]}}"
#define SYNC(number, total, id)                                                \
	FACTS("\"id\":7", "{\"page_number\":" number ",\"total_pages\":" total \
			  ",\"sync_task_id\":" id "}")

static void
test_facts(void **state)
{
	static const struct {
		const char *body, *group, *name, *sync;
		unsigned number, total;
	} cases[] = {
	    {SYNC("1", "1", "\"x\""), "7", "", "x", 1, 1},
	    {SYNC("4294967295", "3", "12"), "7", "", "12", 4294967295, 3},
	    {FACTS("\"id\":-9223372036854775808", "null"),
		"-9223372036854775808", "", "", 0, 0},
	    {FACTS("\"id\":18446744073709551616,\"name\":\"\\u00e9\"", "null"),
		"18446744073709551616", "\xc3\xa9", "", 0, 0},
	    /* what cannot be read is not known */
	    {FACTS("\"id\":7,\"name\":null", "7"), "7", "", "", 0, 0},
	    {FACTS("\"id\":7,\"name\":[\"a\"]", "[]"), "7", "", "", 0, 0},
	    {FACTS("\"id\":7,\"name\":\"\\u0000\"", "{}"), "7", "", "", 0, 0},
	    {FACTS("\"id\":7,\"name\":\"\xff\"", "{}"), "7", "", "", 0, 0},
	    {FACTS("\"id\":7,\"name\":\" \"", "{}"), "7", "", "", 0, 0},
	    {SYNC("0", "-1", "\"x\""), "7", "", "x", 0, 0},
	    {SYNC("4294967297", "1.5", "\"x\""), "7", "", "x", 0, 0},
	    {SYNC("\"1\"", "null", "\"x\""), "7", "", "x", 0, 0},
	    /* a page of no sync in particular */
	    {SYNC("1", "2", "\"\""), "7", "", "", 0, 0},
	    {SYNC("1", "2", "null"), "7", "", "", 0, 0},
	    {SYNC("1", "2", "{}"), "7", "", "", 0, 0},
	    {SYNC("1", "2", "1.5"), "7", "", "", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct intake_page *page = &read_now.batch.page;

		if (read_text(cases[i].body) != INTAKE_TAKEN)
			fail_msg("%zu: %s", i, read_now.batch.why);
		assert_int_equal(read_now.batch.count, 0);
		assert_text(page->group, cases[i].group);
		assert_text(page->name, cases[i].name);
		assert_text(page->sync, cases[i].sync);
		assert_int_equal(page->number, cases[i].number);
		assert_int_equal(page->total, cases[i].total);
	}
}

static void
test_long_facts(void **state)
{
	char text[SEGMENTS_TEXT_MOST + 2], body[2000];

	(void)state;
	for (size_t more = 0; more < 2; more++) {
		const struct intake_page *page = &read_now.batch.page;
		size_t len = SEGMENTS_TEXT_MOST + more;

		memset(text, 'a', len);
		text[len] = '\0';
		(void)snprintf(body, sizeof(body),
		    FACTS("\"id\":7,\"name\":\"%s\"", "{}"), text);
		assert_int_equal(read_text(body), INTAKE_TAKEN);
		assert_int_equal(page->name.len, more ? 0 : len);
		(void)snprintf(
		    body, sizeof(body), SYNC("1", "2", "\"%s\""), text);
		assert_int_equal(read_text(body), INTAKE_TAKEN);
		assert_int_equal(page->sync.len, more ? 0 : len);
		assert_int_equal(page->number, more ? 0 : 1);
		(void)snprintf(
		    body, sizeof(body), FACTS("\"id\":\"%s\"", "{}"), text);
		assert_int_equal(
		    read_text(body), more ? INTAKE_SHAPE : INTAKE_TAKEN);
	}
}

/* ---- what is refused whole ---- */

#define ACTION(name)                                                           \
	"{\"action_type\":" name ",\"data\":{\"segment\":{\"id\":7},"          \
	"\"add\":[{\"id\":\"a\"}]}}"
#define SEGMENT(members)                                                       \
	"{\"action_type\":\"segment.users.sync\",\"data\":{\"segment\":"       \
	"{" members "},\"add\":[{\"id\":\"a\"}]}}"

static void
test_refused(void **state)
{
	static const struct {
		const char *body;
		enum intake_cause cause;
		const char *why;
	} cases[] = {
	    {"", INTAKE_UNREADABLE, "empty"},
	    {" \n", INTAKE_UNREADABLE, "missing"},
	    {"hello", INTAKE_UNREADABLE, "not a JSON value"},
	    {"\xef\xbb\xbf", INTAKE_UNREADABLE, "missing"},
	    {"\xef\xbb\xbf\xef\xbb\xbf{}", INTAKE_UNREADABLE, "JSON"},
	    {"{}{}", INTAKE_UNREADABLE, "follows"},
	    {"{} x", INTAKE_UNREADABLE, "follows"},
	    {ONE("{\"id\":\"a\"},"), INTAKE_UNREADABLE, "JSON"},
	    {ONE("{\"id\":\"a\n\"}"), INTAKE_UNREADABLE, "control"},
	    {ONE("{\"id\":'a'}"), INTAKE_UNREADABLE, "JSON"},
	    {ONE("{\"id\":01}"), INTAKE_UNREADABLE, ""},
	    {ONE("{\"id\":NaN}"), INTAKE_UNREADABLE, "JSON"},
	    {ONE("{\"id\":\"\\x\"}"), INTAKE_UNREADABLE, "escape"},
	    {"null", INTAKE_SHAPE, "not an object"},
	    {"[]", INTAKE_SHAPE, "not an object"},
	    {"[" ONE("{\"id\":\"a\"}") "]", INTAKE_SHAPE, "not an object"},
	    {"\"segment.users.sync\"", INTAKE_SHAPE, "not an object"},
	    {"{}", INTAKE_SHAPE, "action_type is missing"},
	    {ACTION("null"), INTAKE_SHAPE, "action_type"},
	    {ACTION("1"), INTAKE_SHAPE, "action_type"},
	    {ACTION("[\"segment.users.sync\"]"), INTAKE_SHAPE, "action_type"},
	    {ACTION("\"segment.users.sync2\""), INTAKE_SHAPE, "action_type"},
	    {ACTION("\"Segment.Users.Sync\""), INTAKE_SHAPE, "action_type"},
	    {ACTION("\"segment.users.drain\""), INTAKE_SHAPE, "operator"},
	    {"{\"action_type\":\"segment.users.drain\",\"data\":{\"segment\":"
	     "{\"id\":7}}}",
		INTAKE_SHAPE, "operator"},
	    {"{\"action_type\":\"segment.users.sync\"}", INTAKE_SHAPE,
		"data.segment"},
	    {"{\"action_type\":\"segment.users.sync\",\"data\":[]}",
		INTAKE_SHAPE, "data.segment"},
	    {"{\"action_type\":\"segment.users.sync\",\"data\":{\"segment\":7,"
	     "\"add\":[]}}",
		INTAKE_SHAPE, "data.segment"},
	    {SEGMENT("\"name\":\"a\""), INTAKE_SHAPE, "data.segment"},
	    {SEGMENT("\"id\":null"), INTAKE_SHAPE, "data.segment"},
	    {SEGMENT("\"id\":\"\""), INTAKE_SHAPE, "data.segment"},
	    {SEGMENT("\"id\":\" \""), INTAKE_SHAPE, "data.segment"},
	    {SEGMENT("\"id\":\"\\u0000\""), INTAKE_SHAPE, "data.segment"},
	    {SEGMENT("\"id\":\"\\ud800\""), INTAKE_SHAPE, "data.segment"},
	    {SEGMENT("\"id\":\"\xff\""), INTAKE_SHAPE, "data.segment"},
	    {SEGMENT("\"id\":1e3"), INTAKE_SHAPE, "data.segment"},
	    {SEGMENT("\"id\":true"), INTAKE_SHAPE, "data.segment"},
	    {SEGMENT("\"id\":{}"), INTAKE_SHAPE, "data.segment"},
	    /* renamed lists are not an empty page */
	    {PAGE("\"added\":[{\"id\":\"a\"}]"), INTAKE_SHAPE, "neither"},
	    {PAGE("\"add\":null"), INTAKE_SHAPE, "neither"},
	    {PAGE("\"add\":{\"id\":\"a\"}"), INTAKE_SHAPE, "not a list"},
	    {PAGE("\"add\":[],\"remove\":\"a\""), INTAKE_SHAPE, "not a list"},
	    /* which of two counts is a guess */
	    {PAGE("\"add\":[{\"id\":\"a\"}],\"add\":[]"), INTAKE_SHAPE,
		"twice"},
	    {PAGE("\"add\":[],\"segment\":{\"id\":8}"), INTAKE_SHAPE, "twice"},
	    {SEGMENT("\"id\":7,\"id\":7"), INTAKE_SHAPE, "twice"},
	    {SEGMENT("\"id\":7,\"i\\u0064\":8"), INTAKE_SHAPE, "twice"},
	    {ONE("1,2,3,4,5"), INTAKE_TOO_LARGE, "too many changes"},
	    {PAGE("\"add\":[1,2,3],\"remove\":[1,2]"), INTAKE_TOO_LARGE,
		"too many changes"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum intake_cause cause = read_text(cases[i].body);

		if (cause != cases[i].cause ||
		    strstr(read_now.batch.why, cases[i].why) == NULL)
			fail_msg("%zu: %d, %s", i, cause, read_now.batch.why);
		assert_int_equal(read_now.paid, 0);
	}
	/* and where */
	assert_int_equal(read_text(ACTION("\"x\"")), INTAKE_SHAPE);
	assert_int_equal(read_now.batch.at, strlen("{\"action_type\":\""));
	assert_int_equal(
	    read_text("{\"data\":{\"add\":[],\"add\":[]}}"), INTAKE_SHAPE);
	assert_int_equal(read_now.batch.at, strlen("{\"data\":{\"add\":[],\""));
}

/* However deep it goes somewhere, the rest is read, and not by recursion. */
static void
test_deep(void **state)
{
	enum { DEEP = 500000 };
	static char body[2 * DEEP + 400];

	(void)state;
	for (int where = 0; where < 3; where++) {
		size_t len = (size_t)snprintf(body, sizeof(body), "%s",
		    where == 0	 ? "{\"new\":"
		    : where == 1 ? "{\"data\":{\"new\":"
				 : "{\"data\":{\"remove\":[{\"new\":");

		memset(body + len, '[', DEEP);
		memset(body + len + DEEP, ']', DEEP);
		len += 2 * DEEP;
		(void)snprintf(body + len, sizeof(body) - len, "%s%s%s",
		    where == 0	 ? ",\"data\":{"
		    : where == 1 ? ","
				 : ",\"id\":\"b\"}],",
		    "\"segment\":{\"id\":7},\"add\":[{\"id\":\"a\"}]}",
		    ",\"action_type\":\"segment.users.sync\"}");
		assert_int_equal(read_text(body), INTAKE_TAKEN);
		assert_string_equal(items_text(),
		    where == 2 ? "queue 7 +a\nqueue 7 -b\n" : "queue 7 +a\n");
	}
	memset(body, '{', sizeof(body));
	assert_int_equal(
	    read_body(body, sizeof(body), false, pay_any), INTAKE_UNREADABLE);
	memset(body, '[', sizeof(body));
	assert_int_equal(
	    read_body(body, sizeof(body), false, pay_any), INTAKE_UNREADABLE);
}

/* ---- the rest ---- */

static void
test_no_memory(void **state)
{
	struct intake_context *context;
	const struct segments_settings settings = {.window_ms = 1};
	struct err err = {0};

	(void)state;
	assert_int_equal(
	    read_body(sample, strlen(sample), false, pay_nothing), INTAKE_BUSY);
	starved = true;
	assert_null(INTAKE.reader_new(read_now.context));
	assert_false(INTAKE.context_new(&settings, &context, &err));
	assert_int_equal(err.code, ERR_NOMEM);
	/* The reader's only allocation. */
	memset(&read_now.batch, 0, sizeof(read_now.batch));
	assert_int_equal(INTAKE.read(read_now.reader, str_text(sample), 10,
			     false, NULL, NULL, &read_now.batch),
	    INTAKE_BUSY);
	starved = false;
	assert_int_equal(read_text(sample), INTAKE_TAKEN);
	assert_int_equal(read_now.batch.count, 3);
	/* nothing is paid for twice, and not by the body */
	assert_int_equal(read_now.paid,
	    3 * (sizeof(struct item) + 1) + strlen("ann@example.combobeve"));
}

/* An import brings back what was accepted under other settings. */
static void
test_accepted_once(void **state)
{
	static const char body[] =
	    ONE("{\"id\":\"null\"},{\"id\":\" \"},{\"id\":\"\"},{}");

	(void)state;
	assert_int_equal(
	    read_body(body, strlen(body), true, pay_any), INTAKE_TAKEN);
	assert_string_equal(items_text(),
	    "queue 7 +null\nqueue 7 + \n"
	    "dead 7 {\"id\":\"\"} entered, but the id is a placeholder\n"
	    "dead 7 {} entered, but has no id\n");
}

static void
test_table(void **state)
{
	(void)state;
	for (unsigned status = 200; status < 600; status++)
		assert_int_equal(INTAKE.strands(status), status == 403);
	for (int cause = 0; cause < INTAKE_CAUSES; cause++)
		assert_int_equal(INTAKE.status[cause] == 200,
		    cause == INTAKE_TAKEN || cause == INTAKE_PROBE);
}

static int
setup(void **state)
{
	struct segments_settings settings;

	(void)state;
	segments_settings_init(&settings);
	settings.placeholders = placeholders;
	if (!INTAKE.context_new(&settings, &read_now.context, NULL))
		return -1;
	read_now.reader = INTAKE.reader_new(read_now.context);
	return read_now.reader == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	(void)read_body(NULL, 0, false, pay_any);
	INTAKE.reader_free(read_now.reader);
	INTAKE.context_free(read_now.context);
	INTAKE.reader_free(NULL);
	INTAKE.context_free(NULL);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sample),
	    cmocka_unit_test(test_truncated),
	    cmocka_unit_test(test_taken),
	    cmocka_unit_test(test_long_ids),
	    cmocka_unit_test(test_facts),
	    cmocka_unit_test(test_long_facts),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_deep),
	    cmocka_unit_test(test_no_memory),
	    cmocka_unit_test(test_accepted_once),
	    cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
