/*
 * No memory: the n-th allocation fails, of our modules, of SQLite and of
 * zstd, once or from then on. Puts are refused, nothing crashes, nothing is
 * lost, and when there is memory again everything goes on.
 */

#include "memory.h"
#include "trial.h"

static void
memory_arm(void *arg, long nth)
{
	memory_fail(nth, *(const bool *)arg);
}

/* Each of the first 300, then some: the later ones are alike. */
static long
memory_next(long nth, struct rng *rng)
{
	if (nth < 300 || fault_is_long())
		return nth + 1;
	return nth + 1 + (long)rng_below(rng, 40);
}

static void
memory_try(bool fresh, bool lasting)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	struct rng rng = {.state = 1};
	bool struck = true;
	long nth = 1;

	assert_non_null(trial);
	trial_init(trial);
	for (; struck; nth = memory_next(nth, &rng)) {
		struck = trial_run(
		    trial, fresh, memory_arm, memory_mend, &lasting, nth);
		trial_end(trial);
	}
	print_message("no memory, %s, %s: %zu trials, up to the %ldth\n",
	    fresh ? "made" : "recovered", lasting ? "lasting" : "once",
	    trial->trials, nth);
	trial_fini(trial);
	free(trial);
}

static void
test_made_once(void **state)
{
	(void)state;
	memory_try(true, false);
}

static void
test_made_lasting(void **state)
{
	(void)state;
	memory_try(true, true);
}

static void
test_recovered_once(void **state)
{
	(void)state;
	memory_try(false, false);
}

static void
test_recovered_lasting(void **state)
{
	(void)state;
	memory_try(false, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_made_once),
	    cmocka_unit_test(test_made_lasting),
	    cmocka_unit_test(test_recovered_once),
	    cmocka_unit_test(test_recovered_lasting),
	};

	fault_quiet();
	memory_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
