/*
 * What Braze changed: what counts as drift, that nothing else does, and its
 * text.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schema/currents/currents.h"

#include <stdio.h>
#include <string.h>

#define EVENT(type, rest)                                                      \
	"{\"event_type\":\"" type "\",\"id\":\"i\",\"time\":1" rest "}"
#define CUSTOM(properties)                                                     \
	EVENT("users.behaviors.CustomEvent",                                   \
	    ",\"properties\":{\"name\":\"n\"" properties "}")
#define C "\tusers.behaviors.CustomEvent\t"
#define P "\tusers.behaviors.Purchase\t"

static struct currents_batch batch;

static void
read_body(const char *body)
{
	struct currents_fault fault;

	if (currents_read(str_text(body), 100000, &batch, &fault) !=
	    CURRENTS_READ)
		fail_msg("%s: %s", body, fault.text);
}

/* The texts of all drifts, each ended by a newline. */
static const char *
texts(void)
{
	static char all[1 << 16];
	char text[DRIFT_TEXT_MAX];
	size_t len = 0;

	all[0] = '\0';
	for (size_t i = 0; i < batch.drift_count; i++) {
		drift_text_write(&batch.drifts[i], text);
		len += (size_t)snprintf(
		    all + len, sizeof(all) - len, "%s\n", text);
	}
	return all;
}

struct noted {
	const char *body, *texts;
};

static void
noted_check(const struct noted *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		read_body(cases[i].body);
		assert_string_equal(texts(), cases[i].texts);
		assert_int_equal(batch.drifts_lost, 0);
	}
}

static void
test_noted(void **state)
{
	static const struct noted cases[] = {
	    {CUSTOM(""), ""},
	    {CUSTOM(",\"ad_id\":null,\"app_id\":\"\""), ""},
	    {CUSTOM(",\"custom_properties\":{\"new\":1}"), ""},
	    {CUSTOM(",\"new\":1"), "unknown property" C "new\tinteger\n"},
	    {CUSTOM(",\"n\\u0065w\":1.5"),
		"unknown property" C "new\tnumber\n"},
	    {CUSTOM(",\"a\\tb\":\"x\""),
		"unknown property" C "a\\tb\tstring\n"},
	    {CUSTOM(",\"new\":\"\""), "unknown property" C "new\tblank\n"},
	    {CUSTOM(",\"new\":null"), "unknown property" C "new\tnull\n"},
	    {CUSTOM(",\"new\":[\"a\"]"),
		"unknown property" C "new\tarray<string>\n"},
	    {CUSTOM(",\"new\":[\"a\",null]"),
		"unknown property" C "new\tarray<string|null>\n"},
	    {CUSTOM(",\"new\":[[]]"), "unknown property" C "new\tarray\n"},
	    {CUSTOM(",\"new\":{}"), "unknown property" C "new\tobject\n"},
	    {CUSTOM(",\"new\":true"), "unknown property" C "new\tboolean\n"},
	    /* known to other types only */
	    {CUSTOM(",\"price\":1"), "unknown property" C "price\tinteger\n"},
	    {CUSTOM(",\"name\":\"\""), "blank required" C "name\tblank\n"},
	    {CUSTOM(",\"name\":5"), "new json type" C "name\tinteger\n"},
	    {CUSTOM(",\"ad_id\":{}"), "new json type" C "ad_id\tobject\n"},
	    {EVENT("users.behaviors.CustomEvent",
		 ",\"new\":{\"a\":[1]},\"properties\":{\"name\":\"n\"}"),
		"unknown member" C "new\tobject\n"},
	    {EVENT("users.UserDeleteRequest",
		 ",\"user\":{\"user_id\":\"a\",\"device_id\":\"b\",\"x\":1}"),
		"unknown user member\tusers.UserDeleteRequest\tdevice_id\t"
		"string\n"
		"unknown user member\tusers.UserDeleteRequest\tx\tinteger\n"},
	    {EVENT("users.UserDeleteRequest", ",\"user\":{\"user_id\":true}"),
		"new json type\tusers.UserDeleteRequest\tuser.user_id\t"
		"boolean\n"},
	    {EVENT("x.New",
		 ",\"user\":{\"user_id\":\"u\"},\"properties\":{\"price\":1,"
		 "\"new\":\"x\"}"),
		"unknown type\tx.New\t\t\n"
		"unknown property\tx.New\tprice\tinteger\n"
		"unknown user member\tx.New\tuser_id\tstring\n"
		"unknown property\tx.New\tnew\tstring\n"},
	    /* what is invalid otherwise says nothing of Braze's schema */
	    {"{\"event_type\":\"x.New\",\"id\":\"\",\"a\":1}", ""},
	    {"[5]", ""},
	};

	(void)state;
	noted_check(cases, sizeof(cases) / sizeof(cases[0]));
}

/* Invalid, and all the same a change of Braze's. */
static void
test_required_gone(void **state)
{
	static const struct noted cases[] = {
	    {CUSTOM(",\"name\":null"), "blank required" C "name\tnull\n"},
	    {EVENT("users.behaviors.CustomEvent", ",\"properties\":{}"),
		"blank required" C "name\tabsent\n"},
	    {EVENT("users.behaviors.CustomEvent", ""),
		"blank required" C "name\tabsent\n"},
	    {"[" CUSTOM("") "," EVENT("users.behaviors.CustomEvent", "") "]",
		"blank required" C "name\tabsent\n"},
	    {EVENT("users.behaviors.Purchase",
		 ",\"properties\":{\"price\":null,\"product_id\":\"\"}"),
		"blank required" P "currency\tabsent\n"
		"blank required" P "price\tnull\n"
		"blank required" P "product_id\tblank\n"},
	    {EVENT("users.behaviors.Purchase",
		 ",\"properties\":{\"currency\":\"\",\"product_id\":\"p\"}"),
		"blank required" P "currency\tblank\n"
		"blank required" P "price\tabsent\n"},
	};

	(void)state;
	noted_check(cases, sizeof(cases) / sizeof(cases[0]));
}

static void
test_once_a_batch(void **state)
{
	(void)state;
	read_body("[" CUSTOM(",\"new\":1") "," CUSTOM(",\"new\":2") "," CUSTOM(
	    ",\"new\":\"x\"") "]");
	assert_string_equal(texts(), "unknown property" C "new\tinteger\n"
				     "unknown property" C "new\tstring\n");
	assert_int_equal(batch.drifts[0].events, 2);
	assert_int_equal(batch.drifts[1].events, 1);
	read_body(CUSTOM(""));
	assert_int_equal(batch.drift_count, 0);
}

/* Samples are of the catalogue, but for required ones: none is noted. */
static void
test_samples_have_none(void **state)
{
	struct sample sample;
	struct buf body;

	(void)state;
	buf_init(&body, 1 << 20);
	sample_init(&sample, 3, 1790000000);
	for (size_t i = 0; i < 10 * sample_types(); i++) {
		buf_reset(&body);
		sample_write(&sample, i % sample_types(), &body);
		(void)buf_char(&body, '\0');
		read_body(body.data);
		assert_string_equal(texts(), "");
	}
	buf_fini(&body);
}

static void
test_bounded(void **state)
{
	enum { EVENTS = 300, KEYS = 80 };
	struct buf body;

	(void)state;
	buf_init(&body, 1 << 24);
	(void)buf_char(&body, '[');
	for (int i = 0; i < EVENTS; i++) {
		(void)buf_printf(&body,
		    "%s{\"event_type\":\"t%d\",\"id\":\"i\","
		    "\"time\":1,\"properties\":{",
		    i > 0 ? "," : "", i);
		for (int j = 0; j < KEYS; j++)
			(void)buf_printf(
			    &body, "%s\"k%d\":%d", j > 0 ? "," : "", j, j);
		(void)buf_text(&body, "}}");
	}
	(void)buf_char(&body, ']');
	(void)buf_char(&body, '\0');
	assert_true(buf_ok(&body, NULL));
	read_body(body.data);
	assert_int_equal(batch.count, EVENTS);
	assert_int_equal(batch.drift_count, CURRENTS_DRIFT_MAX);
	assert_int_equal(
	    batch.drifts_lost, EVENTS * (1 + KEYS) - CURRENTS_DRIFT_MAX);
	buf_fini(&body);
}

static void
test_text(void **state)
{
	char name[4096], text[DRIFT_TEXT_MAX];
	struct currents_drift drifted = {.what = CURRENTS_DRIFT_PROPERTY,
	    .type = {name, sizeof(name)},
	    .field = {name, sizeof(name)},
	    .json = "array<string|null>"};
	struct drift drift;

	(void)state;
	for (int round = 0; round < 3; round++) {
		/* the longest escapes, and a character across the cut */
		memset(name, round == 0 ? 1 : 'x', sizeof(name));
		if (round == 2)
			memcpy(
			    name + DRIFT_NAME_MAX - 2, "\xf0\x9f\x98\x80", 4);
		drift_text_write(&drifted, text);
		assert_true(drift_text_read(text, &drift));
		assert_int_equal(drift.what, CURRENTS_DRIFT_PROPERTY);
		assert_int_equal(drift.type.len,
		    round == 0 ? 6 * DRIFT_NAME_MAX
			       : DRIFT_NAME_MAX - round / 2 * 2);
		assert_int_equal(drift.field.len, drift.type.len);
		assert_int_equal(drift.json.len, 18);
	}
	assert_false(drift_text_read("(more)", &drift));
	assert_false(drift_text_read("", &drift));
	assert_false(drift_text_read("unknown type\ta\tb", &drift));
	assert_false(drift_text_read("unknown type\ta\tb\tc\td", &drift));
	assert_false(drift_text_read("unknown tune\ta\tb\tc", &drift));
}

static void
test_known_as(void **state)
{
	static const struct {
		const char *text, *known_as;
	} cases[] = {
	    {"unknown property\tx.New\tprice\tstring", "number"},
	    {"unknown property\tx.New\tuser_id\tstring", NULL},
	    {"unknown user member\tx.New\tuser_id\tstring", "string"},
	    {"unknown user member\tx.New\tprice\tinteger", NULL},
	    {"unknown type\tx.New\t\t", NULL},
	};
	struct drift drift;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *known_as;

		assert_true(drift_text_read(cases[i].text, &drift));
		known_as = drift_known_as(&drift);
		if (cases[i].known_as == NULL)
			assert_null(known_as);
		else
			assert_string_equal(known_as, cases[i].known_as);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_noted),
	    cmocka_unit_test(test_required_gone),
	    cmocka_unit_test(test_once_a_batch),
	    cmocka_unit_test(test_samples_have_none),
	    cmocka_unit_test(test_bounded),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_known_as),
	};
	int failed;

	currents_batch_init(&batch);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	currents_batch_fini(&batch);
	return failed;
}
