/* Memory, clock, random numbers and text of the simulators. */

#include "tests/sim/sim_base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void
complain(const char *format, va_list arguments) SIM_PRINTF_LIKE(1, 0);

static void
complain(const char *format, va_list arguments)
{
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

void
sim_die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(format, arguments);
	va_end(arguments);
	exit(1);
}

void
sim_usage_die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(format, arguments);
	va_end(arguments);
	fprintf(stderr, "Try '%s --help'.\n", program_invocation_short_name);
	exit(2);
}

void *
sim_alloc(size_t size)
{
	void *memory = calloc(1, size > 0 ? size : 1);

	if (memory == NULL)
		sim_die("no memory for %zu bytes", size);
	return memory;
}

void *
sim_grow(void *memory, size_t n, size_t size)
{
	void *bigger = reallocarray(memory, n > 0 ? n : 1, size);

	if (bigger == NULL)
		sim_die("no memory for %zu times %zu bytes", n, size);
	return bigger;
}

char *
sim_copy(const char *bytes, size_t len)
{
	char *copy = sim_alloc(len + 1);

	memcpy(copy, bytes, len);
	return copy;
}

int64_t
sim_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
sim_now_ms(void)
{
	return sim_now_us() / 1000;
}

/* The finaliser of SplitMix64: every bit of the input moves every bit of the
 * output, and no two inputs give the same. */
uint64_t
sim_mix(uint64_t value)
{
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
	return value ^ (value >> 31);
}

void
sim_random_init(struct sim_random *random, uint64_t seed)
{
	random->state = sim_mix(seed + 1);
}

uint64_t
sim_random_next(struct sim_random *random)
{
	random->state += 0x9e3779b97f4a7c15u; /* odd: visits every state */
	return sim_mix(random->state);
}

/* 53 bits are what a double holds. */
double
sim_random_unit(struct sim_random *random)
{
	return (double)(sim_random_next(random) >> 11) / 9007199254740992.0;
}

char *
sim_text_reserve(struct sim_text *text, size_t more)
{
	size_t need = text->len + more + 1;

	if (need > text->size) {
		text->size = need > 2 * text->size ? need : 2 * text->size;
		text->at = sim_grow(text->at, text->size, 1);
	}
	return text->at + text->len;
}

void
sim_text_add(struct sim_text *text, const char *bytes, size_t len)
{
	char *to = sim_text_reserve(text, len);

	if (len > 0)
		memcpy(to, bytes, len);
	to[len] = '\0';
	text->len += len;
}

/* Formatted twice: once for its length, once into place. */
void
sim_text_print(struct sim_text *text, const char *format, ...)
{
	va_list arguments;
	va_list again;
	int len;

	va_start(arguments, format);
	va_copy(again, arguments);
	len = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (len < 0)
		sim_die("cannot format \"%s\"", format);
	vsnprintf(sim_text_reserve(text, (size_t)len), (size_t)len + 1, format,
	    again);
	va_end(again);
	text->len += (size_t)len;
}

void
sim_text_clear(struct sim_text *text)
{
	text->len = 0;
}

void
sim_text_fini(struct sim_text *text)
{
	free(text->at);
	*text = (struct sim_text){0};
}
