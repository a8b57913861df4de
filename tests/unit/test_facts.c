/* The walks over the rows of facts, and rules that all rows keep. */

#include "base/histogram.h"
#include "daemon/facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOW = 1000000000 };

struct thing {
	const char *name;
	char why[16];
	int64_t large, left_s, then_ms, never_ms;
	unsigned small, status;
	double rate;
	bool flag;
	const struct histogram *took;
};

#define AT(member) offsetof(struct thing, member)

static const struct fact rows[] = {
    {"name", "label", NULL, FACT_TEXT, FACT_POINTER, AT(name)},
    {"large", "large_total", "L.", FACT_NUMBER, FACT_INT64, AT(large)},
    {"group.why", NULL, "W.", FACT_TEXT, FACT_CHARS, AT(why)},
    {"group.small", "small", "S.", FACT_NUMBER, FACT_UNSIGNED, AT(small)},
    {"other.flag", "flag", "F.", FACT_FLAG, FACT_BOOL, AT(flag)},
    {"left", "left", "T.", FACT_LEFT, FACT_INT64, AT(left_s)},
    {"then", "then", "S.", FACT_SINCE, FACT_INT64, AT(then_ms)},
    {"never", "never", "N.", FACT_SINCE, FACT_INT64, AT(never_ms)},
    {"age", "age", "A.", FACT_AGE, FACT_INT64, AT(then_ms)},
    {"none", "none", "A.", FACT_AGE, FACT_INT64, AT(never_ms)},
    {"time", "process_time", "N.", FACT_TIME, FACT_INT64, AT(never_ms)},
    {"status", NULL, "H.", FACT_STATUS, FACT_UNSIGNED, AT(status)},
    {NULL, "hidden", "R.", FACT_REAL, FACT_DOUBLE, AT(rate)},
    {NULL, "took", "H.", FACT_HISTOGRAM, FACT_POINTER, AT(took)},
    {NULL, NULL, NULL, FACT_TEXT, FACT_CHARS, 0},
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
	facts_json_array(
	    "all", rows + 10, &thing, 1, sizeof(thing), NOW, &json);
	assert_true(buf_char(&out, '\0'));
	assert_string_equal(out.data,
	    "{\"name\":\"a\\\"b\\n\",\"large\":9223372036854775807,"
	    "\"group\":{\"why\":\"because\",\"small\":3},"
	    "\"other\":{\"flag\":true},\"left\":null,\"then\":7,"
	    "\"never\":null,\"age\":7,\"none\":null,\"time\":null}\n"
	    ",\"all\":[{\"time\":null,\"status\":400}]");
	buf_fini(&out);
}

static void
test_metrics(void **state)
{
	struct thing things[2] = {thing_make(), thing_make()};
	struct buf out;

	(void)state;
	things[1].name = "c";
	things[1].then_ms = NOW + 7000;
	buf_init(&out, 8192);
	facts_metrics(rows, things, 2, sizeof(things[0]), NOW, &out);
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
	    "currentsd_then{label=\"a\\\"b\\n\"} 999993.000\n"
	    "currentsd_then{label=\"c\"} 1000007.000\n"
	    "# HELP currentsd_never N.\n# TYPE currentsd_never gauge\n"
	    "currentsd_never{label=\"a\\\"b\\n\"} 0.000\n"
	    "currentsd_never{label=\"c\"} 0.000\n"
	    "# HELP currentsd_age A.\n# TYPE currentsd_age gauge\n"
	    "currentsd_age{label=\"a\\\"b\\n\"} 7\n"
	    "currentsd_age{label=\"c\"} -7\n"
	    "# HELP currentsd_none A.\n# TYPE currentsd_none gauge\n"
	    "currentsd_none{label=\"a\\\"b\\n\"} 0\n"
	    "currentsd_none{label=\"c\"} 0\n"
	    "# HELP process_time N.\n# TYPE process_time gauge\n"
	    "process_time{label=\"a\\\"b\\n\"} 0.000\n"
	    "process_time{label=\"c\"} 0.000\n"
	    "# HELP currentsd_hidden R.\n# TYPE currentsd_hidden gauge\n"
	    "currentsd_hidden{label=\"a\\\"b\\n\"} 0.250\n"
	    "currentsd_hidden{label=\"c\"} 0.250\n"
	    "# HELP currentsd_took H.\n# TYPE currentsd_took histogram\n");
	buf_fini(&out);
}

/* How often a line that begins so is there, and the value of the last. */
static size_t
series(const struct buf *out, const char *name, double *ret_value)
{
	size_t count = 0;

	for (const char *at = out->data; (at = strstr(at, name)) != NULL;
	     at += strlen(name)) {
		*ret_value = strtod(at + strlen(name), NULL);
		count++;
	}
	return count;
}

static void
test_histogram(void **state)
{
	struct histogram took = {.scale = HISTOGRAM_REQUEST};
	struct histogram delay = {.scale = HISTOGRAM_DELAY};
	struct thing things[2] = {thing_make(), thing_make()};
	double value;
	struct buf out;

	(void)state;
	things[0].took = &took;
	things[0].name = "t";
	things[1].took = &delay;
	things[1].name = "d";
	histogram_add(&took, -5, 1);  /* the clock was set back */
	histogram_add(&took, 500, 2); /* a bound is within it */
	histogram_add(&took, 501, 4);
	histogram_add(&took, 31000000, 8);
	histogram_add(&delay, INT64_C(700000) * 1000000, 1000);
	for (int i = 1; i < HISTOGRAM_BOUNDS; i++) {
		assert_true(histogram_bound_us(&took, i) >
			    histogram_bound_us(&took, i - 1));
		assert_true(histogram_bound_us(&delay, i) >
			    histogram_bound_us(&delay, i - 1));
	}
	buf_init(&out, 65536);
	facts_metrics(rows, things, 2, sizeof(things[0]), NOW, &out);
	assert_true(buf_char(&out, '\0'));
#define IS(name, is)                                                           \
	do {                                                                   \
		assert_int_equal(                                              \
		    series(&out, "\ncurrentsd_took_" name " ", &value), 1);    \
		assert_float_equal(value, (double)(is), 1e-9);                 \
	} while (0)
	IS("bucket{label=\"t\",le=\"0.0005\"}", 3);
	IS("bucket{label=\"t\",le=\"0.001\"}", 7);
	IS("bucket{label=\"t\",le=\"30\"}", 7);
	IS("bucket{label=\"t\",le=\"+Inf\"}", 15);
	IS("count{label=\"t\"}", 15);
	IS("sum{label=\"t\"}", 248.003004);
	IS("bucket{label=\"d\",le=\"604800\"}", 0);
	IS("bucket{label=\"d\",le=\"+Inf\"}", 1000);
	IS("count{label=\"d\"}", 1000);
	IS("sum{label=\"d\"}", 7e8);
	/* In each of both. */
	assert_int_equal(
	    series(&out, "\ncurrentsd_took_bucket{label=\"", &value),
	    2 * (HISTOGRAM_BOUNDS + 1));
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
			if (fact->help != NULL)
				assert_int_equal(
				    fact->help[strlen(fact->help) - 1], '.');
			if (fact->metric == NULL || fact->help == NULL)
				continue;
			assert_true(fact->form != FACT_TEXT &&
				    fact->form != FACT_STATUS);
			/* What is a time says so. */
			if (fact->form == FACT_TIME || fact->form == FACT_SINCE)
				assert_non_null(strstr(fact->metric, "time"));
			if (fact->form == FACT_HISTOGRAM)
				assert_true(fact->name == NULL);
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
	    cmocka_unit_test(test_histogram),
	    cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
