/*
 * traceparent, as W3C Trace Context has it.
 */

#include "base/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ID   "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"
#define ZERO "0000000000000000"

static void
test_read(void **state)
{
	static const struct {
		const char *parent, *trace; /* NULL: not valid */
	} rows[] = {
	    {"00-" ID "-" SPAN "-01", ID "1"},
	    {"00-" ID "-" SPAN "-00", ID "0"},
	    /* flags that are not known yet are not passed on */
	    {"00-" ID "-" SPAN "-ff", ID "1"},
	    {"00-" ID "-" SPAN "-fe", ID "0"},
	    {"", NULL},
	    {"00-" ID "-" SPAN "-0", NULL},
	    {"00-" ID "-" SPAN "-011", NULL},
	    {"00-" ID "-" SPAN "-01-", NULL},
	    {"00-" ID "-" SPAN "-0g", NULL},
	    {"00-" ID "-" SPAN "-0A", NULL},
	    {"00-" ID "-" SPAN "_01", NULL},
	    {"00_" ID "-" SPAN "-01", NULL},
	    {"00-" ID "_" SPAN "-01", NULL},
	    {"01-" ID "-" SPAN "-01", NULL},
	    {"ff-" ID "-" SPAN "-01", NULL},
	    {"00-" ZERO ZERO "-" SPAN "-01", NULL},
	    {"00-" ID "-" ZERO "-01", NULL},
	    {"00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01", NULL},
	    {"00-" ID "a-" SPAN "-01", NULL},
	    {"00-" ID "-0" SPAN "-1", NULL},
	    {" 0-" ID "-" SPAN "-01", NULL},
	};
	char trace[TRACE_TEXT + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].trace == NULL) {
			assert_false(trace_read(rows[i].parent, trace));
			continue;
		}
		assert_true(trace_read(rows[i].parent, trace));
		assert_string_equal(trace, rows[i].trace);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
