/* How many a second. */

#include "base/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { BEGIN_MS = 1000000 };

/* Steady events: after a while the rate is theirs, however they are cut. */
static void
test_steady(void **state)
{
	static const int64_t steps_ms[] = {1, 10, 100, 1000};

	(void)state;
	for (size_t i = 0; i < sizeof(steps_ms) / sizeof(steps_ms[0]); i++) {
		struct rate rate = {0};
		int64_t ms = BEGIN_MS;

		for (; ms < BEGIN_MS + 10 * RATE_MS; ms += steps_ms[i])
			rate_add(&rate, (uint64_t)steps_ms[i], ms);
		assert_float_equal((float)rate_read(&rate, ms), 1000, 60.0F);
	}
}

static void
test_decay(void **state)
{
	struct rate rate = {0};
	float full;

	(void)state;
	assert_float_equal((float)rate_read(&rate, BEGIN_MS), 0, 0);
	rate_add(&rate, 5000, BEGIN_MS);
	full = (float)rate_read(&rate, BEGIN_MS);
	assert_float_equal(full, 500, 1e-3F);
	assert_float_equal((float)rate_read(&rate, BEGIN_MS + RATE_MS),
	    full / 2.718281828F, 1e-3F);
	assert_true(rate_read(&rate, BEGIN_MS + 20 * RATE_MS) < 1e-3);
	/* What comes late, from another thread, counts as of now. */
	rate_add(&rate, 5000, BEGIN_MS - 1);
	assert_float_equal((float)rate_read(&rate, BEGIN_MS), 1000, 1e-3F);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_steady),
	    cmocka_unit_test(test_decay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
