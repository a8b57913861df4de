#include "forwarder/suspicion.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct suspicion suspicion;
static uint64_t next_event;

static void
accept(size_t events)
{
	while (events-- > 0)
		suspicion_accept(&suspicion, ++next_event, 1000);
}

/* Events that are each refused alone at once. */
static uint64_t
refuse(size_t events)
{
	while (events-- > 0)
		suspicion_refuse(
		    &suspicion, ++next_event, suspicion_mark(&suspicion));
	return next_event;
}

static bool
proven(uint64_t event)
{
	return suspicion_proven(&suspicion, event, 1000);
}

static void
test_too_many_are_systematic(void **state)
{
	(void)state;
	suspicion_init(&suspicion);
	(void)refuse(19);
	assert_false(suspicion_systematic(&suspicion)); /* too few to tell */
	(void)refuse(1);
	assert_true(suspicion_systematic(&suspicion));
	accept(380);
	assert_false(suspicion_systematic(&suspicion)); /* 20 of 400 */
	(void)refuse(1);
	assert_true(suspicion_systematic(&suspicion));

	/* Only the last 1000 count. */
	accept(5000);
	(void)refuse(50);
	assert_false(suspicion_systematic(&suspicion));
	(void)refuse(1);
	assert_true(suspicion_systematic(&suspicion));
	assert_int_equal(suspicion_refused(&suspicion), 51);
	assert_int_equal(suspicion_judged(&suspicion), 1000);

	/* After a probe it takes as many again, on top of what was. */
	suspicion_resume(&suspicion);
	assert_false(suspicion_systematic(&suspicion));
	(void)refuse(19);
	assert_false(suspicion_systematic(&suspicion));
	(void)refuse(1);
	assert_true(suspicion_systematic(&suspicion));
}

static void
test_proof_comes_after(void **state)
{
	uint64_t event, other;

	(void)state;
	suspicion_init(&suspicion);
	accept(5000); /* proves nothing */
	event = refuse(1);
	assert_false(proven(event));
	accept(18);
	assert_false(proven(event));
	accept(1);
	assert_true(proven(event));

	/* For another it begins anew, and for two it takes twice as many. */
	event = refuse(1);
	accept(10);
	other = refuse(1);
	assert_false(proven(event));
	accept(27);
	assert_false(proven(event));
	assert_true(proven(other));
	accept(1);
	assert_true(proven(event));

	/* A request's other events prove it though they came before. */
	event = ++next_event;
	other = suspicion_mark(&suspicion);
	accept(999);
	suspicion_refuse(&suspicion, event, other);
	assert_true(proven(event));

	/* Nothing was accepted for an hour. */
	assert_true(
	    suspicion_proven(&suspicion, event, 1000 + SUSPICION_PROOF_MS));
	assert_false(
	    suspicion_proven(&suspicion, event, 1001 + SUSPICION_PROOF_MS));
	assert_false(proven(++next_event)); /* it was not refused */
}

/* No event is a dead letter above 5% of the last 1000, also after a probe. */
static void
test_share_holds_back(void **state)
{
	uint64_t event;
	int i;

	(void)state;
	suspicion_init(&suspicion);
	(void)refuse(10);
	suspicion_resume(&suspicion);
	for (i = 0; i < 9; i++) {
		event = refuse(1);
		accept(19);
		assert_false(proven(event));
	}
	accept(200);
	assert_true(proven(event));
}

/* Refused again it counts once, accepted it never was one. */
static void
test_last_verdict_counts(void **state)
{
	uint64_t event, other;
	int i;

	(void)state;
	suspicion_init(&suspicion);
	event = refuse(1);
	for (i = 0; i < 100; i++)
		suspicion_refuse(&suspicion, event, suspicion_mark(&suspicion));
	assert_int_equal(suspicion_judged(&suspicion), 1);
	assert_false(suspicion_systematic(&suspicion));
	other = refuse(1);
	for (i = 0; i < 30; i++)
		(void)refuse(1);
	assert_true(suspicion_systematic(&suspicion));
	for (i = 0; i < 31; i++)
		suspicion_accept(&suspicion, other + (uint64_t)i, 1000);
	assert_int_equal(suspicion_refused(&suspicion), 1);
	assert_int_equal(suspicion_judged(&suspicion), 32);
	assert_true(proven(event));
}

static void
test_deferred(void **state)
{
	uint64_t first, second;
	int64_t due_ms;

	(void)state;
	suspicion_init(&suspicion);
	assert_int_equal(suspicion_deferred(&suspicion, &due_ms), 0);
	assert_true(due_ms == INT64_MAX);
	first = refuse(1);
	second = refuse(1);
	suspicion_defer(&suspicion, first, 7000);
	suspicion_defer(&suspicion, second, 5000);
	assert_int_equal(suspicion_deferred(&suspicion, &due_ms), 2);
	assert_int_equal(due_ms, 5000);
	suspicion_accept(&suspicion, second, 1000);
	assert_int_equal(suspicion_deferred(&suspicion, &due_ms), 1);
	assert_int_equal(due_ms, 7000);
	accept(100);
	assert_true(proven(first));
	assert_int_equal(suspicion_deferred(&suspicion, &due_ms), 0);
	suspicion_defer(&suspicion, refuse(1), 9000);
	suspicion_defer_none(&suspicion);
	assert_int_equal(suspicion_deferred(&suspicion, &due_ms), 0);
}

/* Above the bound the oldest are forgotten. */
static void
test_bounded(void **state)
{
	uint64_t first;

	(void)state;
	suspicion_init(&suspicion);
	first = refuse(1);
	(void)refuse(SUSPICION_SUSPECTS);
	assert_int_equal(suspicion.count, SUSPICION_SUSPECTS);
	assert_int_equal(suspicion_refused(&suspicion), SUSPICION_JUDGED);
	accept(SUSPICION_SUSPECTS * 20);
	assert_false(proven(first));
	assert_true(proven(first + 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_too_many_are_systematic),
	    cmocka_unit_test(test_proof_comes_after),
	    cmocka_unit_test(test_share_holds_back),
	    cmocka_unit_test(test_last_verdict_counts),
	    cmocka_unit_test(test_deferred),
	    cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
