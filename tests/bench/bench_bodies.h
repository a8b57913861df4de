#ifndef BENCH_BODIES_H
#define BENCH_BODIES_H

/*
 * Request bodies made of sample events, a body for each type, as Braze sends
 * them; and fresh ids for them at next to no cost: an id has a fixed width,
 * so it is written over in place. Shares no code with the daemon.
 */

#include <stddef.h>
#include <stdint.h>

enum { BODY_EVENTS = 100 };

struct body {
	char *data; /* owned */
	size_t len;
	size_t count; /* of events */
	struct {
		size_t at, len; /* of the event in data */
		size_t id;	/* of the 36 characters of its id */
	} events[BODY_EVENTS];
};

/* Read events, one a line, and make a body of the first BODY_EVENTS of each
 * type. Ends the program if that cannot be. */
struct body *bodies_read(const char *path, size_t *ret_count);
void bodies_free(struct body *bodies, size_t count);

/* Put bytes before the body. */
void body_prepend(struct body *body, const char *head, size_t len);

/* Give each event an id that no other has: *next counts them. */
void body_freshen(struct body *body, uint64_t *next);

_Noreturn void
bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Never NULL. */
void *bench_grow(void *memory, size_t size);

/* The value that p per cent do not exceed; sorts them. 0 of none. */
double bench_percentile(double *values, size_t count, double percent);

/* Monotonic, seconds; and of the processor time of this thread. */
double bench_now(void);
double bench_processor_time(void);

#endif
