/* The fair lock is granted in the order of asking; locks know their holder. */

#include "base/lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { WAITERS = 5 };

struct line {
	struct fair_lock lock;
	int order[WAITERS + 1]; /* guarded by lock: who held it */
	size_t count;
};

struct waiter {
	struct line *line;
	int number;
};

static void
line_hold(struct line *line, int number)
{
	fair_lock_hold(&line->lock);
	fair_lock_assert_held(&line->lock);
	line->order[line->count++] = number;
	fair_lock_drop(&line->lock);
}

static void *
waiter_main(void *arg)
{
	const struct waiter *waiter = arg;

	line_hold(waiter->line, waiter->number);
	return NULL;
}

/* Wait until so many wait for the lock. */
static void
line_await(struct line *line, size_t asked)
{
	size_t count = 0;

	while (count < asked) {
		assert_int_equal(pthread_mutex_lock(&line->lock.mutex), 0);
		count = line->lock.waiting;
		assert_int_equal(pthread_mutex_unlock(&line->lock.mutex), 0);
	}
}

/* Also for the one who has just dropped it and asks again at once. */
static void
test_fair_lock_keeps_the_order(void **state)
{
	static struct line line;
	struct waiter waiters[WAITERS];
	pthread_t threads[WAITERS];

	(void)state;
	fair_lock_init(&line.lock);
	fair_lock_hold(&line.lock);
	for (int i = 0; i < WAITERS; i++) {
		waiters[i] = (struct waiter){&line, i};
		assert_int_equal(
		    pthread_create(&threads[i], NULL, waiter_main, &waiters[i]),
		    0);
		line_await(&line, (size_t)i + 1);
	}
	fair_lock_drop(&line.lock);
	line_hold(&line, WAITERS);
	for (int i = 0; i < WAITERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (int i = 0; i <= WAITERS; i++)
		assert_int_equal(line.order[i], i);
	fair_lock_fini(&line.lock);
}

static void *
hurry_main(void *arg)
{
	struct fair_lock *lock = arg;

	return fair_lock_hold_patiently(lock, 0) ? arg : NULL;
}

/* Whoever gives up leaves no gap in the queue. */
static void
test_fair_lock_may_be_given_up(void **state)
{
	struct waiter waiter;
	static struct line line;
	pthread_t first, hurried;
	void *got;

	(void)state;
	fair_lock_init(&line.lock);
	assert_int_equal(fair_lock_held_ms(&line.lock), 0);
	fair_lock_hold(&line.lock);
	waiter = (struct waiter){&line, 0};
	assert_int_equal(pthread_create(&first, NULL, waiter_main, &waiter), 0);
	line_await(&line, 1);
	assert_int_equal(
	    pthread_create(&hurried, NULL, hurry_main, &line.lock), 0);
	assert_int_equal(pthread_join(hurried, &got), 0);
	assert_null(got);
	fair_lock_drop(&line.lock);
	line_hold(&line, 1);
	assert_int_equal(pthread_join(first, NULL), 0);
	assert_int_equal(line.order[0], 0);
	assert_int_equal(line.order[1], 1);
	assert_true(fair_lock_hold_patiently(&line.lock, 0));
	fair_lock_drop(&line.lock);
	fair_lock_fini(&line.lock);
}

static void
test_lock_knows_its_holder(void **state)
{
	struct lock lock;

	(void)state;
	lock_init(&lock);
	lock_hold(&lock);
	lock_assert_held(&lock);
	lock_drop(&lock);
	lock_fini(&lock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fair_lock_keeps_the_order),
	    cmocka_unit_test(test_fair_lock_may_be_given_up),
	    cmocka_unit_test(test_lock_knows_its_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
