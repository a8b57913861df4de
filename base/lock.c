#include "base/lock.h"

#include "base/clock.h"
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

static void
cond_wait_mutex(struct cond *cond, pthread_mutex_t *mutex, int64_t until_ms)
{
	struct timespec until = {
	    .tv_sec = (time_t)(until_ms / 1000),
	    .tv_nsec = (long)(until_ms % 1000) * 1000000,
	};
	int rc = pthread_cond_timedwait(&cond->cond, mutex, &until);

	CHECK(rc == 0 || rc == ETIMEDOUT);
}

void
cond_wait(struct cond *cond, struct lock *lock, int64_t until_ms)
{
	lock_assert_held(lock);
	atomic_store_explicit(&lock->held, false, memory_order_relaxed);
	cond_wait_mutex(cond, &lock->mutex, until_ms);
	lock_owned(&lock->owner, &lock->held);
}

/* A thread that waits; on its stack. */
struct fair_waiter {
	struct fair_waiter *next;
	bool called; /* the lock is handed to it, and it has left the queue */
};

void
fair_lock_init(struct fair_lock *lock)
{
	CHECK(pthread_mutex_init(&lock->mutex, NULL) == 0);
	cond_init(&lock->called);
	lock->first = lock->last = NULL;
	lock->waiting = 0;
	lock->taken = false;
	lock->since_ms = 0;
	atomic_init(&lock->held, false);
}

void
fair_lock_fini(struct fair_lock *lock)
{
	CHECK(!lock->taken);
	cond_fini(&lock->called);
	CHECK(pthread_mutex_destroy(&lock->mutex) == 0);
}

static void
fair_lock_leave(struct fair_lock *lock, const struct fair_waiter *waiter)
{
	struct fair_waiter **at = &lock->first, *before = NULL;

	for (; *at != waiter; at = &(*at)->next)
		before = *at;
	*at = waiter->next;
	if (lock->last == waiter)
		lock->last = before;
	lock->waiting--;
}

/* Wait in the queue, with the mutex held. False: the holder has had the lock
 * for too long. */
static bool
fair_lock_wait(struct fair_lock *lock, int64_t patience_ms)
{
	struct fair_waiter waiter = {.called = false};

	if (lock->first == NULL)
		lock->first = &waiter;
	else
		lock->last->next = &waiter;
	lock->last = &waiter;
	lock->waiting++;
	while (!waiter.called) {
		int64_t until_ms = patience_ms < INT64_MAX - lock->since_ms
				       ? lock->since_ms + patience_ms
				       : INT64_MAX;

		if (until_ms <= clock_mono_ms()) {
			fair_lock_leave(lock, &waiter);
			return false;
		}
		cond_wait_mutex(&lock->called, &lock->mutex, until_ms);
	}
	return true;
}

bool
fair_lock_hold_patiently(struct fair_lock *lock, int64_t patience_ms)
{
	bool ok = true;

	CHECK(pthread_mutex_lock(&lock->mutex) == 0);
	if (lock->taken)
		ok = fair_lock_wait(lock, patience_ms);
	if (ok) {
		lock->taken = true;
		lock->since_ms = clock_mono_ms();
		lock_owned(&lock->owner, &lock->held);
	}
	CHECK(pthread_mutex_unlock(&lock->mutex) == 0);
	return ok;
}

void
fair_lock_hold(struct fair_lock *lock)
{
	CHECK(fair_lock_hold_patiently(lock, INT64_MAX));
}

void
fair_lock_drop(struct fair_lock *lock)
{
	struct fair_waiter *next;

	fair_lock_assert_held(lock);
	CHECK(pthread_mutex_lock(&lock->mutex) == 0);
	atomic_store_explicit(&lock->held, false, memory_order_relaxed);
	next = lock->first;
	lock->taken = next != NULL;
	if (next != NULL) {
		next->called = true;
		fair_lock_leave(lock, next);
		lock->since_ms = clock_mono_ms();
		cond_wake_all(&lock->called);
	}
	CHECK(pthread_mutex_unlock(&lock->mutex) == 0);
}

int64_t
fair_lock_held_ms(struct fair_lock *lock)
{
	int64_t ms;

	CHECK(pthread_mutex_lock(&lock->mutex) == 0);
	ms = lock->taken ? clock_mono_ms() - lock->since_ms : 0;
	CHECK(pthread_mutex_unlock(&lock->mutex) == 0);
	return ms;
}

void
fair_lock_assert_held(const struct fair_lock *lock)
{
	CHECK(lock_is_mine(&lock->owner, &lock->held));
}
