/*
 * Bodies: their forms, faults and probes, and the exact bytes of each event.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "schema/currents/currents.h"
#include "schema/json/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = 1000 };

#define VALID(type, rest)                                                      \
	"{\"event_type\":\"" type "\",\"id\":\"i\",\"time\":1" rest "}"
#define PROPERTIES(type, properties)                                           \
	VALID(type, ",\"properties\":{" properties "}")
#define EVENT  VALID("x.New", "")
#define CUSTOM "users.behaviors.CustomEvent"
#define CLICK  "users.messages.email.Click"

static struct currents_batch batch;
static struct currents_fault fault;

/* From memory of its exact size; the batch may be used until the next. */
static enum currents_result
read_bytes(const char *body, size_t len)
{
	static char *copy;

	free(copy);
	copy = NULL;
	if (len > 0) {
		copy = malloc(len);
		assert_non_null(copy);
		memcpy(copy, body, len);
	}
	return currents_read(
	    str_bytes(copy == NULL ? body : copy, len), MAX, &batch, &fault);
}

static enum currents_result
read_text(const char *body)
{
	return read_bytes(body, strlen(body));
}

static void
test_probes(void **state)
{
	static const char *const bodies[] = {"", " \r\n\t ", "{}", " { } ",
	    "{\"events\":[]}", "{\"events\":null}", "{\"events\":[ ]}", "[]",
	    "{\"events\":null,\"x\":1}", "{\"events\":[],\"events\":null}",
	    "{\"ev\\u0065nts\":[]}", "\xef\xbb\xbf{\"events\":[]}",
	    "\xef\xbb\xbf"};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		if (read_text(bodies[i]) != CURRENTS_READ || batch.count != 0)
			fail_msg("%s", bodies[i]);
	}
}

static void
test_faults(void **state)
{
	static const struct {
		const char *body;
		size_t at;
		const char *text; /* somewhere in it */
	} cases[] = {{"{\"events\":{}}", 10, "not an array"},
	    {"{\"events\":5}", 10, "not an array"},
	    {"{\"events\":[" EVENT "],\"events\":true}", 62, "not an array"},
	    {"5", 0, "neither"}, {" \"x\"", 1, "neither"},
	    {"null", 0, "neither"},
	    {"{\"foo\":1}", 0, "not the events of Braze"},
	    {"{\"events\":[" EVENT "]} x", 54, "follows"},
	    {"{\"events\":[" EVENT "]", 52, "missing"},
	    {"{\"events\":[" EVENT ",]}", 52, "not a JSON value"},
	    {"{\"events\":[{\"a\":01}]}", 17, "comma"},
	    {"[{\"a\":\"\n\"}]", 7, "control"},
	    {"hello", 0, "not a JSON value"}, {EVENT "\n" EVENT, 41, "follows"},
	    {"{\"id\":\"a\",\"user_id\":\"b\",\"time\":1}", 0, "Avro"},
	    {"{\"id\":\"a\",\"name\":{\"string\":\"b\"}}", 0, "Avro"},
	    {"[{\"id\":\"a\",\"external_user_id\":{\"string\":\"b\"}}]", 1,
		"Avro"},
	    {"{\"events\":[{\"id\":\"a\",\"user_id\":{\"string\":\"b\"}}]}", 11,
		"Avro"},
	    {"{\"id\":\"a\",\"time\":1,\"is_active\":true}", 0, "Avro"},
	    /* of a type that has "properties", which is a text there */
	    {"{\"id\":\"a\",\"time\":1,\"name\":\"n\",\"user_id\":\"b\","
	     "\"properties\":\"{}\"}",
		0, "Avro"},
	    {"{\"id\":\"a\",\"time\":1,\"name\":\"n\",\"properties\":null}", 0,
		"Avro"},
	    {"[{\"id\":\"a\",\"time\":{\"int\":1},\"name\":{\"string\":"
	     "\"n\"},\"properties\":{\"string\":\"{}\"}}]",
		1, "Avro"},
	    {"[{\"events\":[" EVENT "]}]", 1, "batches inside"},
	    {"{\"events\":[{\"events\":[" EVENT "]}]}", 11, "batches inside"},
	    {"{\"batches\":[{\"events\":[" EVENT "]}]}", 0, "batches inside"},
	    {"{\"id\":\"a\",\"batches\":[{}]}", 0, "batches inside"},
	    {"[[" EVENT "]]", 1, "batches inside"},
	    {"{\"events\":[],\"attributes\":[{\"external_id\":\"a\"}]}", 0,
		"is empty"},
	    {"{\"events\":null,\"data\":{\"a\":1}}", 0, "is empty"},
	    /* Segment, mParticle, Amplitude, Braze's own /users/track */
	    {"{\"type\":\"track\",\"userId\":\"u\",\"event\":\"e\","
	     "\"properties\":{}}",
		0, "another product"},
	    {"{\"events\":[{\"event_type\":\"custom_event\",\"data\":{}}],"
	     "\"mpid\":1}",
		11, "another product"},
	    {"{\"events\":[{\"event_type\":\"e\",\"time\":1,\"user_id\":"
	     "\"u\"}]}",
		11, "another product"},
	    {"{\"events\":[{\"external_id\":\"u\",\"name\":\"n\",\"time\":"
	     "\"2026\",\"properties\":{}}]}",
		11, "another format of Braze"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (read_text(cases[i].body) != CURRENTS_FAULT)
			fail_msg("no fault: %s", cases[i].body);
		if (fault.at != cases[i].at ||
		    strstr(fault.text, cases[i].text) == NULL)
			fail_msg(
			    "%s: %zu %s", cases[i].body, fault.at, fault.text);
		assert_int_equal(batch.count, 0);
	}
}

/* Every body that is cut short is a fault at its end, wherever it is cut. */
static void
test_truncated(void **state)
{
	static const char body[] = "{\"events\":[" PROPERTIES(CLICK,
	    "\"url\":\"\\u00e9\xc3\xa9\",\"is_amp\":true,"
	    "\"suspected_bot_click_reason\":[\"a\",\"b\"],"
	    "\"custom\":{\"a\":[1.5e3,null]}") "," EVENT "]}";

	(void)state;
	assert_int_equal(read_text(body), CURRENTS_READ);
	assert_int_equal(batch.count, 2);
	for (size_t len = 1; len < sizeof(body) - 1; len++) {
		assert_int_equal(read_bytes(body, len), CURRENTS_FAULT);
		assert_true(fault.at <= len && fault.text[0] != '\0');
	}
}

static void
test_forms(void **state)
{
	static const struct {
		const char *body;
		size_t count, at; /* of the first */
	} cases[] = {{"{\"events\":[" EVENT "]}", 1, 11},
	    {" {\"a\":[{}], \"events\" : [ " EVENT " , " EVENT " ],\"b\":1} ",
		2, 25},
	    {"{\"events\":[" EVENT "],\"events\":[" EVENT "," EVENT "]}", 3,
		11},
	    {"{\"events\":[" EVENT "],\"events\":null}", 1, 11},
	    {"[" EVENT "," EVENT "]", 2, 1}, {"  " EVENT "\n", 1, 2},
	    {"{\"id\":1}", 1, 0}, {"{\"user\":{}}", 1, 0},
	    {"{\"events\":null,\"id\":\"a\"}", 1, 0},
	    {"{\"events\":[],\"user\":{\"user_id\":\"b\"}}", 1, 0},
	    {"{\"id\":\"a\",\"time\":1,\"user\":{},\"x\":1}", 1, 0},
	    {"{\"events\":[" EVENT "],\"id\":\"a\",\"time\":1}", 1, 11},
	    {"[{\"id\":\"a\",\"user_id\":\"b\"}," EVENT "]", 2, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (read_text(cases[i].body) != CURRENTS_READ)
			fail_msg("%s: %s", cases[i].body, fault.text);
		if (batch.count != cases[i].count ||
		    batch.events[0].at != cases[i].at)
			fail_msg("%s: %zu at %zu", cases[i].body, batch.count,
			    batch.events[0].at);
	}
}

static void
test_exact_bytes(void **state)
{
	static const char *const events[] = {EVENT, "{ }", "\"a]\\\"}\"", "17",
	    "[1,{}]", "null", "{\"a\" : \"\\u0000\"\t}"};
	char body[512];
	size_t count = sizeof(events) / sizeof(events[0]);
	int len = snprintf(body, sizeof(body),
	    "{\"events\": [ %s ,%s, %s,%s ,\n%s,%s,%s ] }", events[0],
	    events[1], events[2], events[3], events[4], events[5], events[6]);

	(void)state;
	assert_int_equal(read_bytes(body, (size_t)len), CURRENTS_READ);
	assert_int_equal(batch.count, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(batch.events[i].len, strlen(events[i]));
		assert_memory_equal(
		    body + batch.events[i].at, events[i], batch.events[i].len);
	}
}

/* An event with arrays nested below a member of it or of its properties. */
static enum currents_defect
defect_at_depth(size_t depth, const char *before, const char *after)
{
	struct buf buf;
	enum currents_defect defect;

	buf_init(&buf, 1 << 20);
	assert_true(buf_printf(&buf,
	    "{\"events\":[{\"event_type\":\"" CUSTOM
	    "\",\"id\":\"i\",\"time\":1,%s",
	    before));
	for (size_t i = 0; i < depth; i++)
		assert_true(buf_char(&buf, '['));
	for (size_t i = 0; i < depth; i++)
		assert_true(buf_char(&buf, ']'));
	assert_true(buf_printf(&buf, "%s," EVENT "]}", after));
	assert_int_equal(read_bytes(buf.data, buf.len), CURRENTS_READ);
	assert_int_equal(batch.count, 2);
	assert_int_equal(batch.events[1].defect, CURRENTS_VALID);
	defect = batch.events[0].defect;
	buf_fini(&buf);
	return defect;
}

static void
test_depth(void **state)
{
	static const struct {
		const char *before, *after;
		size_t levels; /* of the event above the arrays */
	} cases[] = {
	    {"\"properties\":{\"name\":\"n\"},\"x\":", "}", 1},
	    {"\"properties\":{\"name\":\"n\",\"x\":", "}}", 2},
	    {"\"properties\":{\"name\":\"n\",\"custom_properties\":{\"x\":",
		"}}}", 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t most = SCAN_DEPTH - cases[i].levels;

		assert_int_equal(
		    defect_at_depth(most, cases[i].before, cases[i].after),
		    CURRENTS_VALID);
		assert_int_equal(
		    defect_at_depth(most + 1, cases[i].before, cases[i].after),
		    CURRENTS_TOO_DEEP);
		assert_int_equal(
		    defect_at_depth(100000, cases[i].before, cases[i].after),
		    CURRENTS_TOO_DEEP);
	}
	assert_int_equal(
	    defect_at_depth(
		62, "\"properties\":{\"name\":\"n\",\"media_urls\":", "}}"),
	    CURRENTS_VALID);
	assert_int_equal(
	    defect_at_depth(
		63, "\"properties\":{\"name\":\"n\",\"media_urls\":", "}}"),
	    CURRENTS_TOO_DEEP);
	assert_int_equal(defect_at_depth(63, "\"user\":{\"user_id\":", "}}"),
	    CURRENTS_TOO_DEEP);
}

static void
test_texts(void **state)
{
	(void)state;
	assert_int_equal(
	    read_text("[{\"event_type\":\"\\u0075sers.behaviors.CustomEvent\","
		      "\"id\":\"a\\u0000\\ud83d\\ude00\",\"time\":7,"
		      "\"properties\":{\"name\":\"n\"}}," EVENT "]"),
	    CURRENTS_READ);
	assert_int_equal(batch.events[0].defect, CURRENTS_VALID);
	assert_true(batch.events[0].known);
	assert_int_equal(batch.events[0].time_s, 7);
	assert_int_equal(batch.events[0].type.len, sizeof(CUSTOM) - 1);
	assert_memory_equal(
	    batch.events[0].type.data, CUSTOM, sizeof(CUSTOM) - 1);
	assert_int_equal(batch.events[0].id.len, 6);
	assert_memory_equal(batch.events[0].id.data, "a\0\xf0\x9f\x98\x80", 6);
	assert_false(batch.events[1].known);
	assert_memory_equal(batch.events[1].type.data, "x.New", 5);
}

static void
test_room(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 1 << 20);
	for (size_t i = 0; i < MAX; i++)
		assert_true(buf_printf(&buf, "%s" EVENT, i == 0 ? "[" : ","));
	assert_true(buf_char(&buf, ']'));
	assert_int_equal(read_bytes(buf.data, buf.len), CURRENTS_READ);
	assert_int_equal(batch.count, MAX);
	buf.data[buf.len - 1] = ',';
	assert_true(buf_text(&buf, "1]"));
	assert_int_equal(read_bytes(buf.data, buf.len), CURRENTS_NO_ROOM);
	assert_int_equal(batch.count, MAX);
	buf_fini(&buf);
}

static int
finish(void **state)
{
	(void)state;
	currents_batch_fini(&batch);
	(void)read_bytes("", 0); /* frees the copy */
	currents_batch_fini(&batch);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_probes),
	    cmocka_unit_test(test_faults),
	    cmocka_unit_test(test_truncated),
	    cmocka_unit_test(test_forms),
	    cmocka_unit_test(test_exact_bytes),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_room),
	};

	currents_batch_init(&batch);
	return cmocka_run_group_tests(tests, NULL, finish);
}
