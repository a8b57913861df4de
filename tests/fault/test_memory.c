/*
 * No memory: the n-th allocation fails, of our modules and zstd or of SQLite,
 * once or from then on. Puts are refused, nothing crashes, nothing is lost,
 * and when there is memory again everything goes on.
 *
 * Every allocation of ours is tried, in the long run of SQLite's too.
 */

#include "memory.h"
#include "trial.h"

#include "queue/batch.h"

struct shortage {
	enum memory_user user;
	bool lasting;
};

static void
memory_arm(void *arg, long nth)
{
	const struct shortage *shortage = arg;

	memory_fail(shortage->user, nth, shortage->lasting);
}

/* SQLite's first 100, then some: the later ones are alike. */
static long
memory_next(enum memory_user user, long nth, struct rng *rng)
{
	if (user == MEMORY_OWN || nth < 100 || fault_is_long())
		return nth + 1;
	return nth + 1 + (long)rng_below(rng, 80);
}

static void
memory_try(bool fresh, struct shortage shortage)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	struct rng rng = {.state = 1};
	bool struck = true;
	long nth = 1;

	assert_non_null(trial);
	trial_init(trial);
	for (; struck; nth = memory_next(shortage.user, nth, &rng)) {
		struck = trial_run(
		    trial, fresh, memory_arm, memory_disarm, &shortage, nth);
		trial_end(trial);
	}
	print_message("no memory for %s, %s, %s: %zu trials, up to the %ldth\n",
	    shortage.user == MEMORY_OWN ? "us" : "SQLite",
	    fresh ? "made" : "recovered", shortage.lasting ? "lasting" : "once",
	    trial->trials, nth);
	trial_fini(trial);
	free(trial);
}

static void
memory_try_all(bool fresh, bool lasting)
{
	memory_try(fresh, (struct shortage){MEMORY_OWN, lasting});
	memory_try(fresh, (struct shortage){MEMORY_SQLITE, lasting});
}

static void
test_made_once(void **state)
{
	(void)state;
	memory_try_all(true, false);
}

static void
test_made_lasting(void **state)
{
	(void)state;
	memory_try_all(true, true);
}

static void
test_recovered_once(void **state)
{
	(void)state;
	memory_try_all(false, false);
}

static void
test_recovered_lasting(void **state)
{
	(void)state;
	memory_try_all(false, true);
}

/* A frame (RFC 8878) with a block of five bytes, that claims to have two
 * gigabytes: that is damage, and not a want of memory that would never end. */
static void
test_a_claim_gets_no_memory(void **state)
{
	static const char frame[] = "\x28\xb5\x2f\xfd\xa0\xff\xff\xff\x7f"
				    "\x29\x00\x00hello";
	char *bytes = NULL;
	struct err err;
	size_t len;

	(void)state;
	memory_fail(MEMORY_OWN, 1, true);
	assert_false(batch_unpack_bytes(
	    str_bytes(frame, sizeof(frame) - 1), &bytes, &len, &err));
	assert_false(memory_disarm());
	assert_int_equal(err.code, ERR_DAMAGED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_claim_gets_no_memory),
	    cmocka_unit_test(test_made_once),
	    cmocka_unit_test(test_made_lasting),
	    cmocka_unit_test(test_recovered_once),
	    cmocka_unit_test(test_recovered_lasting),
	};

	fault_quiet();
	memory_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
