#include "tests/bench/bench_bodies.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	BODIES_MAX = 1024, /* types */
	ID_DIGITS = 16,
};

static const char body_open[] = "{\"events\":[", body_close[] = "]}";
static const char type_key[] = "\"event_type\":\"", id_key[] = "\"id\":\"";

/* Where the digits of an id are written over: not its dashes, nor the two
 * that say which kind of UUID it is. */
static const unsigned char id_places[ID_DIGITS] = {
    16, 17, 20, 21, 22, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34};

void
bench_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
	exit(1);
}

void *
bench_grow(void *memory, size_t size)
{
	memory = realloc(memory, size);
	if (memory == NULL)
		bench_die("no memory");
	return memory;
}

static void
body_append(struct body *body, const char *data, size_t len)
{
	body->data = bench_grow(body->data, body->len + len + 1);
	memcpy(body->data + body->len, data, len);
	body->len += len;
	body->data[body->len] = '\0';
}

static void
body_add(struct body *body, const char *event, size_t len)
{
	const char *id = strstr(event, id_key);
	size_t n = body->count++;

	if (id == NULL)
		bench_die("an event without an id: %.200s", event);
	if (n > 0)
		body_append(body, ",", 1);
	body->events[n].at = body->len;
	body->events[n].len = len;
	body->events[n].id = body->len + (size_t)(id - event) + strlen(id_key);
	body_append(body, event, len);
}

/* The body of the type of this event; NULL if it is full. */
static struct body *
bodies_find(struct body *bodies, size_t *count, const char *event)
{
	const char *type = strstr(event, type_key);
	size_t len;

	if (type == NULL)
		bench_die("an event without a type: %.200s", event);
	len = strcspn(type + strlen(type_key), "\"") + strlen(type_key);
	for (size_t i = 0; i < *count; i++) {
		struct body *body = &bodies[i];
		const char *first = body->data + body->events[0].at;

		if (strncmp(strstr(first, type_key), type, len + 1) == 0)
			return body->count < BODY_EVENTS ? body : NULL;
	}
	if (*count == BODIES_MAX)
		bench_die("more than %d types", BODIES_MAX);
	bodies[*count] = (struct body){.data = NULL};
	body_append(&bodies[*count], body_open, strlen(body_open));
	return &bodies[(*count)++];
}

struct body *
bodies_read(const char *path, size_t *ret_count)
{
	struct body *bodies = bench_grow(NULL, BODIES_MAX * sizeof(*bodies));
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t size = 0, count = 0;
	ssize_t len;

	if (file == NULL)
		bench_die("%s: %s", path, strerror(errno));
	while ((len = getline(&line, &size, file)) > 0) {
		struct body *body = bodies_find(bodies, &count, line);

		if (body != NULL)
			body_add(body, line, (size_t)len - 1);
	}
	for (size_t i = 0; i < count; i++)
		body_append(&bodies[i], body_close, strlen(body_close));
	if (count == 0)
		bench_die("%s: no events", path);
	free(line);
	(void)fclose(file);
	*ret_count = count;
	return bodies;
}

void
bodies_free(struct body *bodies, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(bodies[i].data);
	free(bodies);
}

void
body_prepend(struct body *body, const char *head, size_t len)
{
	body->data = bench_grow(body->data, body->len + len + 1);
	memmove(body->data + len, body->data, body->len + 1);
	memcpy(body->data, head, len);
	body->len += len;
	for (size_t i = 0; i < body->count; i++) {
		body->events[i].at += len;
		body->events[i].id += len;
	}
}

/* One to one (the finish of splitmix64), so that the ids compress no better
 * than those that Braze draws at random. */
static uint64_t
id_scramble(uint64_t number)
{
	number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9u;
	number = (number ^ (number >> 27)) * 0x94d049bb133111ebu;
	return number ^ (number >> 31);
}

void
body_freshen(struct body *body, uint64_t *next)
{
	for (size_t i = 0; i < body->count; i++) {
		char *id = body->data + body->events[i].id;
		uint64_t number = id_scramble((*next)++);

		for (size_t j = 0; j < ID_DIGITS; j++, number >>= 4)
			id[id_places[j]] = "0123456789abcdef"[number & 15];
	}
}

static int
bench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double
bench_percentile(double *values, size_t count, double percent)
{
	size_t at = (size_t)((double)count * percent / 100);

	if (count == 0)
		return 0;
	qsort(values, count, sizeof(*values), bench_compare);
	return values[at < count ? at : count - 1];
}

static double
bench_clock(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

double
bench_now(void)
{
	return bench_clock(CLOCK_MONOTONIC);
}

double
bench_processor_time(void)
{
	return bench_clock(CLOCK_THREAD_CPUTIME_ID);
}
