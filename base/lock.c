#include "base/lock.h"

#include "base/err.h"

#include <errno.h>
#include <time.h>

/* A thread compares only itself with the owner, so the order of these two does
 * not matter to other threads. */
static void
lock_owned(_Atomic pthread_t *owner, atomic_bool *held)
{
	atomic_store_explicit(owner, pthread_self(), memory_order_relaxed);
	atomic_store_explicit(held, true, memory_order_relaxed);
}

static bool
lock_is_mine(const _Atomic pthread_t *owner, const atomic_bool *held)
{
	return atomic_load_explicit(held, memory_order_relaxed) &&
	       pthread_equal(atomic_load_explicit(owner, memory_order_relaxed),
		   pthread_self()) != 0;
}

void
lock_init(struct lock *lock)
{
	CHECK(pthread_mutex_init(&lock->mutex, NULL) == 0);
	atomic_init(&lock->held, false);
}

void
lock_fini(struct lock *lock)
{
	CHECK(pthread_mutex_destroy(&lock->mutex) == 0);
}

void
lock_hold(struct lock *lock)
{
	CHECK(pthread_mutex_lock(&lock->mutex) == 0);
	lock_owned(&lock->owner, &lock->held);
}

void
lock_drop(struct lock *lock)
{
	lock_assert_held(lock);
	atomic_store_explicit(&lock->held, false, memory_order_relaxed);
	CHECK(pthread_mutex_unlock(&lock->mutex) == 0);
}

void
lock_assert_held(const struct lock *lock)
{
	CHECK(lock_is_mine(&lock->owner, &lock->held));
}

void
cond_init(struct cond *cond)
{
	pthread_condattr_t attr;

	CHECK(pthread_condattr_init(&attr) == 0);
	CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&cond->cond, &attr) == 0);
	CHECK(pthread_condattr_destroy(&attr) == 0);
}

void
cond_fini(struct cond *cond)
{
	CHECK(pthread_cond_destroy(&cond->cond) == 0);
}

void
cond_wake(struct cond *cond)
{
	CHECK(pthread_cond_signal(&cond->cond) == 0);
}

void
cond_wake_all(struct cond *cond)
{
	CHECK(pthread_cond_broadcast(&cond->cond) == 0);
}

void
cond_wait(struct cond *cond, struct lock *lock, int64_t until_ms)
{
	struct timespec until = {
	    .tv_sec = (time_t)(until_ms / 1000),
	    .tv_nsec = (long)(until_ms % 1000) * 1000000,
	};
	int rc;

	lock_assert_held(lock);
	atomic_store_explicit(&lock->held, false, memory_order_relaxed);
	rc = pthread_cond_timedwait(&cond->cond, &lock->mutex, &until);
	CHECK(rc == 0 || rc == ETIMEDOUT);
	lock_owned(&lock->owner, &lock->held);
}

void
fair_lock_init(struct fair_lock *lock)
{
	CHECK(pthread_mutex_init(&lock->mutex, NULL) == 0);
	CHECK(pthread_cond_init(&lock->called, NULL) == 0);
	lock->next = lock->serving = 0;
	atomic_init(&lock->held, false);
}

void
fair_lock_fini(struct fair_lock *lock)
{
	CHECK(lock->next == lock->serving);
	CHECK(pthread_cond_destroy(&lock->called) == 0);
	CHECK(pthread_mutex_destroy(&lock->mutex) == 0);
}

void
fair_lock_hold(struct fair_lock *lock)
{
	uint64_t ticket;

	CHECK(pthread_mutex_lock(&lock->mutex) == 0);
	ticket = lock->next++;
	while (lock->serving != ticket)
		CHECK(pthread_cond_wait(&lock->called, &lock->mutex) == 0);
	lock_owned(&lock->owner, &lock->held);
	CHECK(pthread_mutex_unlock(&lock->mutex) == 0);
}

void
fair_lock_drop(struct fair_lock *lock)
{
	fair_lock_assert_held(lock);
	CHECK(pthread_mutex_lock(&lock->mutex) == 0);
	atomic_store_explicit(&lock->held, false, memory_order_relaxed);
	lock->serving++;
	CHECK(pthread_cond_broadcast(&lock->called) == 0);
	CHECK(pthread_mutex_unlock(&lock->mutex) == 0);
}

void
fair_lock_assert_held(const struct fair_lock *lock)
{
	CHECK(lock_is_mine(&lock->owner, &lock->held));
}
