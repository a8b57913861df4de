/*
 * The judge: every defect of one event, and that its neighbour never suffers.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/currents/catalogue.h"
#include "schema/currents/currents.h"
#include "schema/currents/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = 1000 };

#define VALID(type, rest)                                                      \
	"{\"event_type\":\"" type "\",\"id\":\"i\",\"time\":1" rest "}"
#define PROPERTIES(type, properties)                                           \
	VALID(type, ",\"properties\":{" properties "}")
#define EVENT	 VALID("x.New", "")
#define CUSTOM	 "users.behaviors.CustomEvent"
#define LOCATION "users.behaviors.Location"
#define CLICK	 "users.messages.email.Click"

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

struct defect_case {
	const char *event;
	enum currents_defect defect;
	const char *text; /* of the defect; NULL: not compared */
};

static void
check_defects(const struct defect_case *cases, size_t count)
{
	char body[2048], text[200];

	for (size_t i = 0; i < count; i++) {
		int len = snprintf(body, sizeof(body), "{\"events\":[%s,%s]}",
		    cases[i].event, EVENT);

		if (read_bytes(body, (size_t)len) != CURRENTS_READ ||
		    batch.count != 2)
			fail_msg("%s: %s", cases[i].event, fault.text);
		currents_defect_write(&batch.events[0], text, sizeof(text));
		if (batch.events[0].defect != cases[i].defect ||
		    (cases[i].text != NULL && strcmp(text, cases[i].text) != 0))
			fail_msg("%s: %s", cases[i].event, text);
		/* the neighbour never suffers */
		assert_int_equal(batch.events[1].defect, CURRENTS_VALID);
		assert_true(batch.events[0].defect_at <
			    batch.events[0].at + batch.events[0].len);
	}
}

#define CHECK_DEFECTS(cases)                                                   \
	check_defects(cases, sizeof(cases) / sizeof(cases[0]))

static void
test_envelope(void **state)
{
	static const struct defect_case cases[] = {
	    {EVENT, CURRENTS_VALID, "valid"},
	    {"5", CURRENTS_NOT_OBJECT, "not a JSON object"},
	    {"[]", CURRENTS_NOT_OBJECT, NULL},
	    {"null", CURRENTS_NOT_OBJECT, NULL},
	    {"\"\xff\"", CURRENTS_NOT_OBJECT, NULL},
	    {"{}", CURRENTS_NO_TYPE,
		"no usable event_type: should be a non-empty string"},
	    {"{\"event_type\":\"\",\"id\":\"i\",\"time\":1}", CURRENTS_NO_TYPE,
		NULL},
	    {"{\"event_type\":5,\"id\":\"i\",\"time\":1}", CURRENTS_NO_TYPE,
		NULL},
	    {"{\"event_type\":\"t\",\"time\":1}", CURRENTS_NO_ID,
		"no usable id: should be a non-empty string"},
	    {"{\"event_type\":\"t\",\"id\":null,\"time\":1}", CURRENTS_NO_ID,
		NULL},
	    {"{\"event_type\":\"t\",\"id\":\"i\"}", CURRENTS_NO_TIME,
		"no usable time: should be an integer, UNIX seconds"},
	    {VALID("t", ",\"user\":null"), CURRENTS_VALID, NULL},
	    {VALID("t", ",\"user\":{}"), CURRENTS_VALID, NULL},
	    {VALID("t", ",\"user\":[]"), CURRENTS_WRONG_TYPE,
		"user should be of type object"},
	    {VALID("t", ",\"user\":\"\""), CURRENTS_WRONG_TYPE, NULL},
	    {VALID("t", ",\"user\":\"\",\"user\":{}"), CURRENTS_VALID, NULL},
	    {VALID("t", ",\"properties\":\"\""), CURRENTS_VALID, NULL},
	    {VALID("t", ",\"properties\":null"), CURRENTS_VALID, NULL},
	    {VALID("t", ",\"properties\":\"x\""), CURRENTS_WRONG_TYPE,
		"properties should be of type object"},
	    {VALID("t", ",\"properties\":[]"), CURRENTS_WRONG_TYPE, NULL},
	    {VALID("t", ",\"user\":{\"user_id\":5}"), CURRENTS_WRONG_TYPE,
		"user.user_id should be of type string"},
	    {VALID("t", ",\"user\":{\"user_id\":5,\"user_id\":\"\"}"),
		CURRENTS_VALID, NULL},
	    {VALID("t", ",\"user\":{\"external_user_id\":5.5,\"x\":[]}"),
		CURRENTS_VALID, NULL},
	    {VALID("t", ",\"user\":{\"external_user_id\":true}"),
		CURRENTS_WRONG_TYPE,
		"user.external_user_id should be of type string or number"},
	    {VALID("t", ",\"user\":{\"device\\u005fid\":{}}"),
		CURRENTS_WRONG_TYPE, "user.device_id should be of type string"},
	    {VALID("t", ",\"user\":{\"timezone\":null,\"device_id\":null}"),
		CURRENTS_VALID, NULL},
	    {VALID("t", ",\"unknown\":[{\"a\":{}}]"), CURRENTS_VALID, NULL},
	    {"{\"event_type\":\"t\",\"id\":\"i\",\"time\":1,\"id\":\"\"}",
		CURRENTS_NO_ID, NULL},
	};

	(void)state;
	CHECK_DEFECTS(cases);
}

static void
test_times(void **state)
{
	static const struct {
		const char *time;
		bool valid;
		int64_t time_s;
	} cases[] = {{"0", true, 0}, {"-0", true, 0},
	    {"1700000000", true, 1700000000},
	    {"1700000000.0", true, 1700000000}, {"1.7e9", true, 1700000000},
	    {"253402300799", true, 253402300799}, {"253402300800", false, 0},
	    {"-1", false, 0}, {"1.5", false, 0}, {"1e400", false, 0},
	    {"99999999999999999999", false, 0}, {"\"1700000000\"", false, 0},
	    {"null", false, 0}, {"true", false, 0}, {"[]", false, 0}};
	char body[200];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(body, sizeof(body),
		    "{\"event_type\":\"t\",\"id\":\"i\",\"time\":%s}",
		    cases[i].time);
		assert_int_equal(read_text(body), CURRENTS_READ);
		if (batch.events[0].defect !=
			(cases[i].valid ? CURRENTS_VALID : CURRENTS_NO_TIME) ||
		    batch.events[0].time_s != cases[i].time_s)
			fail_msg("%s", cases[i].time);
	}
}

static void
test_properties(void **state)
{
	static const struct defect_case cases[] = {
	    {PROPERTIES(CUSTOM, "\"name\":\"n\""), CURRENTS_VALID, NULL},
	    {PROPERTIES(CUSTOM, "\"name\":\"\""), CURRENTS_VALID, NULL},
	    {PROPERTIES(CUSTOM, "\"n\\u0061me\":\"n\""), CURRENTS_VALID, NULL},
	    {PROPERTIES(CUSTOM, "\"name\":null"), CURRENTS_REQUIRED_MISSING,
		"required property name is absent or null"},
	    {PROPERTIES(CUSTOM, ""), CURRENTS_REQUIRED_MISSING, NULL},
	    {VALID(CUSTOM, ""), CURRENTS_REQUIRED_MISSING, NULL},
	    {VALID(CUSTOM, ",\"properties\":null"), CURRENTS_REQUIRED_MISSING,
		NULL},
	    {VALID(
		 CUSTOM, ",\"properties\":{\"name\":\"n\"},\"properties\":{}"),
		CURRENTS_REQUIRED_MISSING, NULL},
	    {VALID(
		 CUSTOM, ",\"properties\":{},\"properties\":{\"name\":\"n\"}"),
		CURRENTS_VALID, NULL},
	    {VALID(CUSTOM,
		 ",\"properties\":{\"name\":\"n\"},\"properties\":null"),
		CURRENTS_REQUIRED_MISSING, NULL},
	    {PROPERTIES(CUSTOM, "\"name\":5,\"name\":\"n\""), CURRENTS_VALID,
		NULL},
	    {PROPERTIES(CUSTOM, "\"name\":\"n\",\"name\":null"),
		CURRENTS_REQUIRED_MISSING, NULL},
	    {PROPERTIES(CUSTOM, "\"name\":\"n\",\"name\":5"),
		CURRENTS_WRONG_TYPE, "property name should be of type string"},
	    {"{\"properties\":{\"name\":5},\"event_type\":\"" CUSTOM
	     "\",\"id\":\"i\",\"time\":1}",
		CURRENTS_WRONG_TYPE, NULL},
	    {PROPERTIES("x.New", "\"name\":5"), CURRENTS_VALID, NULL},
	    {PROPERTIES(
		 CUSTOM, "\"name\":\"n\",\"custom_properties\":{\"a\":[[{}]]}"),
		CURRENTS_VALID, NULL},
	    {PROPERTIES(CUSTOM, "\"name\":\"n\",\"custom_properties\":\"\""),
		CURRENTS_VALID, NULL},
	    {PROPERTIES(CUSTOM, "\"name\":\"n\",\"custom_properties\":[]"),
		CURRENTS_WRONG_TYPE,
		"property custom_properties should be of type object"},
	    {PROPERTIES(LOCATION, "\"latitude\":1e400,\"longitude\":-1.5"),
		CURRENTS_VALID, NULL},
	    {PROPERTIES(LOCATION, "\"latitude\":\"1\",\"longitude\":-1.5"),
		CURRENTS_WRONG_TYPE,
		"property latitude should be of type number"},
	    {PROPERTIES(LOCATION, "\"latitude\":\"\",\"longitude\":1"),
		CURRENTS_VALID, NULL},
	    {PROPERTIES(CLICK, "\"is_amp\":\"true\""), CURRENTS_WRONG_TYPE,
		"property is_amp should be of type boolean"},
	    {PROPERTIES(CLICK, "\"is_amp\":null,\"url\":null"), CURRENTS_VALID,
		NULL},
	    {PROPERTIES(CLICK, "\"price\":\"not of this type\""),
		CURRENTS_VALID, NULL},
	};

	(void)state;
	CHECK_DEFECTS(cases);
}

static void
test_integers(void **state)
{
#define SEND_TIME(value, defect)                                               \
	{                                                                      \
		PROPERTIES(CLICK, "\"send_time\":" value), defect, NULL        \
	}
	static const struct defect_case cases[] = {
	    SEND_TIME("5", CURRENTS_VALID),
	    SEND_TIME("5.0", CURRENTS_VALID),
	    SEND_TIME("1e3", CURRENTS_VALID),
	    SEND_TIME("1e400", CURRENTS_VALID),
	    SEND_TIME("-12345678901234567890", CURRENTS_VALID),
	    SEND_TIME("15e-1", CURRENTS_WRONG_TYPE),
	    SEND_TIME("0.5", CURRENTS_WRONG_TYPE),
	    SEND_TIME("1e-400", CURRENTS_WRONG_TYPE),
	    SEND_TIME("\"5\"", CURRENTS_WRONG_TYPE),
	    SEND_TIME("true", CURRENTS_WRONG_TYPE),
	    SEND_TIME("\"\"", CURRENTS_VALID),
	    {PROPERTIES("agentconsole.ToolInvocation", "\"duration\":1.5"),
		CURRENTS_WRONG_TYPE,
		"property duration should be of type integer"},
	    {PROPERTIES("users.behaviors.app.SessionEnd", "\"duration\":1.5"),
		CURRENTS_VALID, NULL},
	};

	(void)state;
	CHECK_DEFECTS(cases);
}

static void
test_arrays(void **state)
{
#define REASONS(value, defect)                                                 \
	{                                                                      \
		PROPERTIES(CLICK, "\"suspected_bot_click_reason\":" value),    \
		    defect, NULL                                               \
	}
#define MEDIA(value, defect)                                                   \
	{                                                                      \
		PROPERTIES("users.messages.whatsapp.InboundReceive",           \
		    "\"media_urls\":" value),                                  \
		    defect, NULL                                               \
	}
	static const struct defect_case cases[] = {
	    REASONS("[]", CURRENTS_VALID),
	    REASONS("[\"\"]", CURRENTS_VALID),
	    REASONS("[\"a\",\"b\"]", CURRENTS_VALID),
	    REASONS("null", CURRENTS_VALID),
	    REASONS("\"\"", CURRENTS_VALID),
	    REASONS("[null]", CURRENTS_WRONG_TYPE),
	    REASONS("[\"a\",5]", CURRENTS_WRONG_TYPE),
	    REASONS("[[\"a\"]]", CURRENTS_WRONG_TYPE),
	    REASONS("\"a\"", CURRENTS_WRONG_TYPE),
	    REASONS("{}", CURRENTS_WRONG_TYPE),
	    MEDIA("[\"a\",null]", CURRENTS_VALID),
	    MEDIA("[]", CURRENTS_VALID),
	    MEDIA("[null,5,null]", CURRENTS_WRONG_TYPE),
	    MEDIA("[{\"string\":\"a\"}]", CURRENTS_WRONG_TYPE),
	};

	(void)state;
	CHECK_DEFECTS(cases);
}

static void
test_utf8(void **state)
{
	static const struct defect_case cases[] = {
	    {PROPERTIES(CUSTOM, "\"name\":\"\xc3\xa9\""), CURRENTS_VALID, NULL},
	    {PROPERTIES(CUSTOM, "\"name\":\"\xff\""), CURRENTS_BAD_UTF8,
		"bytes that are not UTF-8"},
	    {PROPERTIES(CUSTOM, "\"name\":\"\xc0\x80\""), CURRENTS_BAD_UTF8,
		NULL},
	    {PROPERTIES(CUSTOM, "\"\xed\xa0\x80\":1"), CURRENTS_BAD_UTF8, NULL},
	    {"{\"a\":\"\xf5\"}", CURRENTS_BAD_UTF8, NULL},
	    {PROPERTIES(CUSTOM, "\"name\":\"\\ud800 \\u0000\""), CURRENTS_VALID,
		NULL},
	};

	(void)state;
	CHECK_DEFECTS(cases);
	/* outside of events it is no event's defect */
	assert_int_equal(
	    read_text("{\"a\xff\":\"\xff\",\"events\":[" EVENT "]}"),
	    CURRENTS_READ);
	assert_int_equal(batch.events[0].defect, CURRENTS_VALID);
}

/* The members of user that are checked are those that the catalogue names. */
static void
test_users(void **state)
{
	(void)state;
	assert_int_equal(
	    catalogue_user_count(&catalogue_builtin), CURRENTS_USERS);
	for (size_t i = 0; i < CURRENTS_USERS; i++) {
		struct str name = currents_users[i].name;
		size_t at = 0;

		while (!str_equal_text(
		    name, catalogue_user_name(&catalogue_builtin, at)))
			at++;
	}
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
	    cmocka_unit_test(test_envelope),
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_properties),
	    cmocka_unit_test(test_integers),
	    cmocka_unit_test(test_arrays),
	    cmocka_unit_test(test_utf8),
	    cmocka_unit_test(test_users),
	};

	currents_batch_init(&batch);
	return cmocka_run_group_tests(tests, NULL, finish);
}
