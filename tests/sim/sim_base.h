#ifndef SIM_BASE_H
#define SIM_BASE_H

/*
 * What all simulators stand on: memory, clock, random numbers, text. They
 * are test tools: without memory they die at once, saying so.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))

/* Print "PROGRAM: message" and exit with 1 (die) or 2 (usage). */
_Noreturn void sim_die(const char *format, ...) SIM_PRINTF_LIKE(1, 2);
_Noreturn void sim_usage_die(const char *format, ...) SIM_PRINTF_LIKE(1, 2);

/* Never NULL; the memory is zeroed. Free with free(). */
void *sim_alloc(size_t size);
/* As realloc for n things of that size; the new part is not zeroed. */
void *sim_grow(void *memory, size_t n, size_t size);
/* A copy of the bytes with a NUL behind it. */
char *sim_copy(const char *bytes, size_t len);

/* Monotonic time. */
int64_t sim_now_us(void);
int64_t sim_now_ms(void);

/* Random numbers that are the same for the same seed. One thread. */
struct sim_random {
	uint64_t state;
};

void sim_random_init(struct sim_random *random, uint64_t seed);
uint64_t sim_random_next(struct sim_random *random);
/* In [0, 1). */
double sim_random_unit(struct sim_random *random);
/* A one-to-one scrambling of 64 bits. */
uint64_t sim_mix(uint64_t value);

/* Text that grows; at is NULL or NUL-terminated. Start with zeroes. */
struct sim_text {
	char *at;
	size_t len;
	size_t size; /* internal */
};

void sim_text_add(struct sim_text *text, const char *bytes, size_t len);
void sim_text_print(struct sim_text *text, const char *format, ...)
    SIM_PRINTF_LIKE(2, 3);
/* Make room for so many more bytes behind len. */
char *sim_text_reserve(struct sim_text *text, size_t more);
void sim_text_clear(struct sim_text *text);
void sim_text_fini(struct sim_text *text);

#endif
