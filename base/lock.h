#ifndef BASE_LOCK_H
#define BASE_LOCK_H

/*
 * A mutex and a condition whose misuse aborts. Conditions time out on the
 * monotonic clock. Never call back, call libcurl or call libmicrohttpd while
 * holding a lock.
 */

#include <pthread.h>
#include <stdint.h>

struct lock {
	pthread_mutex_t mutex;
};

struct cond {
	pthread_cond_t cond;
};

void lock_init(struct lock *lock);
void lock_fini(struct lock *lock);
void lock_hold(struct lock *lock);
void lock_drop(struct lock *lock);

void cond_init(struct cond *cond);
void cond_fini(struct cond *cond);
void cond_wake(struct cond *cond);
void cond_wake_all(struct cond *cond);

/* Wait, with the lock held, until woken or until clock_mono_ms() reaches
 * until_ms; may return early. */
void cond_wait(struct cond *cond, struct lock *lock, int64_t until_ms);

#endif
