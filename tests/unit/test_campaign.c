/* Which campaign or Canvas an event is of, and when. */

#include "base/buf.h"
#include "schema/currents/currents.h"
#include "schema/track/track.h"
#include "tests/unit/odd_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NONE -1 /* of a time */

static const struct {
	const char *event, *kind, *id, *name;
	int64_t time_s;
} cases[] = {
    {"{\"time\":7,\"properties\":{\"campaign_id\":\"c1\","
     "\"campaign_name\":\"Spring\",\"canvas_id\":null}}",
	"campaign", "c1", "Spring", 7},
    {"{\"time\":7,\"properties\":{\"campaign_id\":null,\"canvas_name\":\"On\","
     "\"canvas_id\":\"v1\"}}",
	"canvas", "v1", "On", 7},
    {"{\"time\":7,\"properties\":{\"campaign_id\":\"\",\"canvas_id\":\"v1\"}}",
	"canvas", "v1", "", 7},
    {"{\"time\":7,\"properties\":{\"canvas_id\":\"v1\",\"campaign_id\":"
     "\"c1\"}}",
	"campaign", "c1", "", 7},
    {"{\"time\":7,\"properties\":{\"campaign_name\":\"Spring\"}}", "", "", "",
	7},
    {"{\"time\":7,\"properties\":{}}", "", "", "", 7},
    {"{\"time\":7}", "", "", "", 7},
    /* in any order, and with space */
    {"{ \"properties\" : { \"campaign_id\" : \"c1\" } , \"time\" : 7 }",
	"campaign", "c1", "", 7},
    /* only the properties of the event itself */
    {"{\"time\":7,\"campaign_id\":\"c0\",\"user\":{\"campaign_id\":\"c0\"},"
     "\"properties\":{\"x\":{\"campaign_id\":\"c0\"},\"campaign_id\":"
     "\"c1\"},\"canvas_id\":\"v0\"}",
	"campaign", "c1", "", 7},
    {"{\"time\":7,\"properties\":{\"x\":[{\"campaign_id\":\"c0\"}]}}", "", "",
	"", 7},
    {"{\"time\":7,\"properties\":[{\"campaign_id\":\"c0\"}]}", "", "", "", 7},
    {"{\"time\":7,\"user\":{\"properties\":{\"campaign_id\":\"c0\"}}}", "", "",
	"", 7},
    /* what looks like a name and is none */
    {"{\"time\":7,\"properties\":{\"a\":\"\\\"campaign_id\\\":\","
     "\"a\\\"campaign_id\":\"c0\",\"campaign_id\":\"c1\"}}",
	"campaign", "c1", "", 7},
    {"{\"time\":7,\"properties\":{\"a\\\"campaign_id\":\"c0\"}}", "", "", "",
	7},
    {"{\"time\":7,\"properties\":{\"a\":\"campaign_id\",\"b\":[\"campaign_id\""
     "]}}",
	"", "", "", 7},
    {"{\"time\":7,\"properties\":{\"a\":\"}\",\"campaign_id\":\"c1\"}}",
	"campaign", "c1", "", 7},
    {"{\"time\":7,\"properties\":{\"campaign_id_x\":\"c0\",\"cam\":1}}", "", "",
	"", 7},
    /* escapes, in names too */
    {"{\"time\":7,\"properties\":{\"\\u0063ampaign_id\":\"c\\u0031\","
     "\"campaign_name\":\"\\u00fc\\n\"}}",
	"campaign", "c1", "\xc3\xbc\n", 7},
    /* the first of two */
    {"{\"time\":7,\"time\":8,\"properties\":{\"campaign_id\":\"c1\","
     "\"campaign_id\":\"c2\",\"campaign_name\":\"one\"}}",
	"campaign", "c1", "one", 7},
    {"{\"time\":7,\"properties\":{\"campaign_id\":5}}", "", "", "", 7},
    {"{\"time\":\"7\",\"properties\":{\"campaign_id\":\"c1\"}}", "campaign",
	"c1", "", NONE},
    {"{\"time\":7.5}", "", "", "", NONE},
    {"{\"time\":-3}", "", "", "", -3},
    /* no event */
    {"{\"time\":7,\"properties\":{\"campaign_id\":\"c1\",", "campaign", "c1",
	"", 7},
    {"{\"time\":7,\"properties\":{\"campaign_id\":\"c1", "", "", "", 7},
    {"[{\"time\":7}]", "", "", "", NONE},
    {"", "", "", "", NONE},
    {"x", "", "", "", NONE},
};

static void
check_text(const char *event, struct str is, const char *should)
{
	if (!str_equal_text(is, should))
		fail_msg(
		    "\"%.*s\", not \"%s\", in %s", STR_ARGS(is), should, event);
}

static void
test_campaign(void **state)
{
	struct campaign is;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *event = cases[i].event;

		campaign_read(str_text(event), &is);
		check_text(event, str_text(is.label.kind), cases[i].kind);
		check_text(event, is.label.id, cases[i].id);
		check_text(event, is.label.name, cases[i].name);
		if (is.label.timed ? is.label.time_s != cases[i].time_s
				   : cases[i].time_s != NONE)
			fail_msg("another time: %s", event);
	}
}

/* What is too long is cut at a character. */
static void
test_long(void **state)
{
	char event[4096], name[CAMPAIGN_NAME_MAX + 8];
	struct campaign is;

	(void)state;
	memset(name, 'n', sizeof(name));
	memcpy(name + CAMPAIGN_NAME_MAX - 1, "\xc3\xbc", 2);
	(void)snprintf(event, sizeof(event),
	    "{\"properties\":{\"campaign_id\":\"%0*d\","
	    "\"campaign_name\":\"%.*s\"}}",
	    CAMPAIGN_ID_MAX + 9, 1, (int)sizeof(name), name);
	campaign_read(str_text(event), &is);
	assert_int_equal(is.label.id.len, CAMPAIGN_ID_MAX);
	assert_int_equal(is.label.name.len, CAMPAIGN_NAME_MAX - 1);
	(void)snprintf(event, sizeof(event),
	    "{\"properties\":{\"campaign_id\":\"\\n%0*d\"}}", CAMPAIGN_RAW_MAX,
	    1);
	campaign_read(str_text(event), &is);
	assert_int_equal(is.label.id.len, 0);
	assert_string_equal(is.label.kind, "");
}

/* An outlet that walks over the event says the same, or nothing. */
static void
check_outlet(const struct track_rules *rules, struct str event, size_t *told)
{
	struct track_result result;
	struct campaign is;
	struct buf out;
	struct err err;

	buf_init(&out, 1 << 20);
	assert_true(track_write(rules, event, 0, &out, &result, &err));
	buf_fini(&out);
	if (result.fate != TRACK_SEND || result.label.kind == NULL)
		return;
	campaign_read(event, &is);
	assert_string_equal(is.label.kind, result.label.kind);
	assert_true(str_equal(is.label.id, result.label.id));
	assert_true(str_equal(is.label.name, result.label.name));
	assert_true(is.label.timed);
	assert_int_equal(is.label.time_s, result.label.time_s);
	++*told;
}

static void
test_outlet_agrees(void **state)
{
	struct track_settings settings;
	struct odd_sample odd = {.state = 5, .now_s = 1790000000};
	struct sample sample;
	size_t told = 0, odd_told = 0, events = 0;
	struct buf event;

	(void)state;
	track_settings_init(&settings);
	sample_init(&sample, 11, 1790000000);
	buf_init(&event, 1 << 20);
	for (size_t i = 0; i < 40 * sample_types(); i++, events++) {
		buf_reset(&event);
		sample_write(&sample, i % sample_types(), &event);
		check_outlet(
		    &settings.rules, str_bytes(event.data, event.len), &told);
	}
	for (size_t i = 0; i < 40 * sample_types(); i++) {
		buf_reset(&event);
		odd_sample_write(&odd, i % sample_types(), &event);
		check_outlet(&settings.rules, str_bytes(event.data, event.len),
		    &odd_told);
	}
	buf_fini(&event);
	assert_true(told > events * 8 / 10);
	assert_true(odd_told > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_campaign),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_outlet_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
