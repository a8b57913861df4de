/* The walks over the rows of facts, and rules that all rows keep. */

#include "daemon/facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { NOW = 1000000000, UPTIME = 5000 };

struct thing {
	const char *name;
	char why[16];
	int64_t large, left_s, then_ms, never_ms;
	unsigned small, status;
	double rate;
	bool flag;
};

#define AT(member) offsetof(struct thing, member)

static const struct fact rows[] = {
    {"name", NULL, "label", FACT_TEXT, FACT_POINTER, AT(name), NULL},
    {"large", "large_total", NULL, FACT_NUMBER, FACT_INT64, AT(large), "L."},
    {"group.why", NULL, NULL, FACT_TEXT, FACT_CHARS, AT(why), "W."},
    {"group.small", "small", NULL, FACT_NUMBER, FACT_UNSIGNED, AT(small), "S."},
    {"other.flag", "flag", NULL, FACT_FLAG, FACT_BOOL, AT(flag), "F."},
    {"left", "left", NULL, FACT_LEFT, FACT_INT64, AT(left_s), "T."},
    {"then", "then", NULL, FACT_SINCE, FACT_INT64, AT(then_ms), "S."},
    {"never", "never", NULL, FACT_SINCE, FACT_INT64, AT(never_ms), "N."},
    {"start", "start", NULL, FACT_SINCE_START, FACT_INT64, AT(never_ms), "N."},
    {"time", NULL, NULL, FACT_TIME, FACT_INT64, AT(never_ms), "N."},
    {"status", NULL, NULL, FACT_STATUS, FACT_UNSIGNED, AT(status), "H."},
    {NULL, "hidden", NULL, FACT_RATE, FACT_DOUBLE, AT(rate), "R."},
    {NULL, NULL, NULL, FACT_TEXT, FACT_CHARS, 0, NULL},
};

static struct thing
thing_make(void)
{
	return (struct thing){
	    .name = "a\"b\n",
	    .why = "because",
	    .large = INT64_MAX,
	    .left_s = -1,
	    .then_ms = NOW - 7000,
	    .small = 3,
	    .rate = 0.25,
	    .flag = true,
	};
}

static void
test_json(void **state)
{
	struct thing thing = thing_make();
	struct json json;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	json_init(&json, &out);
	json_object_open(&json, NULL);
	facts_json(rows, &thing, NOW, &json);
	json_object_close(&json);
	(void)buf_char(&out, '\n');
	thing.left_s = 5;
	thing.status = 400;
	facts_json_array("all", rows + 9, &thing, 1, sizeof(thing), NOW, &json);
	assert_true(buf_char(&out, '\0'));
	assert_string_equal(out.data,
	    "{\"name\":\"a\\\"b\\n\",\"large\":9223372036854775807,"
	    "\"group\":{\"why\":\"because\",\"small\":3},"
	    "\"other\":{\"flag\":true},\"left\":null,\"then\":7,"
	    "\"never\":null,\"start\":null,\"time\":null}\n"
	    ",\"all\":[{\"time\":null,\"status\":400}]");
	buf_fini(&out);
}

static void
test_metrics(void **state)
{
	const struct facts_clock clock = {NOW, UPTIME};
	struct thing things[2] = {thing_make(), thing_make()};
	struct buf out;

	(void)state;
	things[1].name = "c";
	things[1].then_ms = NOW + 7000;
	buf_init(&out, 8192);
	facts_metrics(rows, things, 2, sizeof(things[0]), &clock, &out);
	assert_true(buf_char(&out, '\0'));
	assert_string_equal(out.data,
	    "# HELP currentsd_large_total L.\n"
	    "# TYPE currentsd_large_total counter\n"
	    "currentsd_large_total{label=\"a\\\"b\\n\"} 9223372036854775807\n"
	    "currentsd_large_total{label=\"c\"} 9223372036854775807\n"
	    "# HELP currentsd_small S.\n# TYPE currentsd_small gauge\n"
	    "currentsd_small{label=\"a\\\"b\\n\"} 3\n"
	    "currentsd_small{label=\"c\"} 3\n"
	    "# HELP currentsd_flag F.\n# TYPE currentsd_flag gauge\n"
	    "currentsd_flag{label=\"a\\\"b\\n\"} 1\n"
	    "currentsd_flag{label=\"c\"} 1\n"
	    "# HELP currentsd_left T.\n# TYPE currentsd_left gauge\n"
	    "currentsd_left{label=\"a\\\"b\\n\"} -1\n"
	    "currentsd_left{label=\"c\"} -1\n"
	    "# HELP currentsd_then S.\n# TYPE currentsd_then gauge\n"
	    "currentsd_then{label=\"a\\\"b\\n\"} 7\n"
	    "currentsd_then{label=\"c\"} -7\n"
	    "# HELP currentsd_never N.\n# TYPE currentsd_never gauge\n"
	    "currentsd_never{label=\"a\\\"b\\n\"} 0\n"
	    "currentsd_never{label=\"c\"} 0\n"
	    "# HELP currentsd_start N.\n# TYPE currentsd_start gauge\n"
	    "currentsd_start{label=\"a\\\"b\\n\"} 5\n"
	    "currentsd_start{label=\"c\"} 5\n"
	    "# HELP currentsd_hidden R.\n# TYPE currentsd_hidden gauge\n"
	    "currentsd_hidden{label=\"a\\\"b\\n\"} 0.250\n"
	    "currentsd_hidden{label=\"c\"} 0.250\n");
	buf_fini(&out);
}

/* Names are given once, and whatever is no label is explained. */
static void
test_tables(void **state)
{
	const char *names[256];
	size_t count = 0;

	(void)state;
	for (const struct facts_table *t = facts_tables; t->title != NULL;
	     t++) {
		const struct fact *fact = t->rows;

		for (; !fact_ends(fact); fact++) {
			assert_true(fact->help != NULL || fact->label != NULL);
			if (fact->help != NULL)
				assert_int_equal(
				    fact->help[strlen(fact->help) - 1], '.');
			if (fact->metric == NULL)
				continue;
			assert_true(
			    fact->form != FACT_TEXT && fact->form != FACT_TIME);
			for (size_t i = 0; i < count; i++)
				assert_string_not_equal(names[i], fact->metric);
			assert_true(count < 256);
			names[count++] = fact->metric;
		}
	}
	assert_true(count > 60);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_metrics),
	    cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
