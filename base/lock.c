#include "base/lock.h"

#include "base/err.h"

#include <errno.h>
#include <time.h>

void
lock_init(struct lock *lock)
{
	CHECK(pthread_mutex_init(&lock->mutex, NULL) == 0);
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
}

void
lock_drop(struct lock *lock)
{
	CHECK(pthread_mutex_unlock(&lock->mutex) == 0);
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

	rc = pthread_cond_timedwait(&cond->cond, &lock->mutex, &until);
	CHECK(rc == 0 || rc == ETIMEDOUT);
}
