#ifndef BASE_LOCK_H
#define BASE_LOCK_H

/*
 * A mutex and a condition variable; misusing them aborts. Conditions time out
 * on the monotonic clock. Never call a callback, libcurl or libmicrohttpd while
 * holding a lock.
 */

#include "base/err.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lock {
	pthread_mutex_t mutex;
	_Atomic pthread_t owner; /* valid while held */
	atomic_bool held;
};

struct cond {
	pthread_cond_t cond;
};

void lock_init(struct lock *lock);
void lock_fini(struct lock *lock);
void lock_hold(struct lock *lock);
void lock_drop(struct lock *lock);

/* Abort unless the calling thread holds it. */
void lock_assert_held(const struct lock *lock);

void cond_init(struct cond *cond);
void cond_fini(struct cond *cond);
void cond_wake(struct cond *cond);
void cond_wake_all(struct cond *cond);

/* Wait, with the lock held, until woken or until clock_mono_ms() reaches
 * until_ms; may return early. */
void cond_wait(struct cond *cond, struct lock *lock, int64_t until_ms);

/*
 * A lock that is granted in the order of the requests. A mutex lets a thread
 * that has just released it take it again before the threads that wait; a long
 * job in short steps would starve them.
 */
struct fair_waiter;
struct fair_lock {
	pthread_mutex_t mutex; /* guards the queue and the time */
	struct cond called;
	struct fair_waiter *first, *last;
	size_t waiting;
	bool taken;
	int64_t since_ms; /* monotonic: its holder has it since then */
	_Atomic pthread_t owner;
	atomic_bool held;
};

void fair_lock_init(struct fair_lock *lock);
void fair_lock_fini(struct fair_lock *lock);
void fair_lock_hold(struct fair_lock *lock);
void fair_lock_drop(struct fair_lock *lock);
void fair_lock_assert_held(const struct fair_lock *lock);

/* Likewise, but false once one holder has had it for so long: a disk that
 * hangs. However many others are waiting, they do not count. */
MUST_USE bool
fair_lock_hold_patiently(struct fair_lock *lock, int64_t patience_ms);

/* For how long its present holder has had it; 0: it is free. */
int64_t fair_lock_held_ms(struct fair_lock *lock);

#endif
