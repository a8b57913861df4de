/*
 * How fast are bodies read and judged, against building a tree of them with
 * jansson? Prints events and bytes a second. Usage: bench_scan [SECONDS]
 */

#include "schema/currents/currents.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	BODIES = 200, /* about 18 MB: more than the caches hold */
	EVENTS = 100,
	BODY_MAX = 1 << 20,
};

static struct buf bodies[BODIES];

static double
cpu_time(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static size_t
make_bodies(void)
{
	struct sample sample;
	size_t bytes = 0;

	sample_init(&sample, 1, 1790000000);
	for (size_t i = 0; i < BODIES; i++) {
		buf_init(&bodies[i], BODY_MAX);
		(void)buf_text(&bodies[i], "{\"events\":[");
		for (size_t j = 0; j < EVENTS; j++) {
			if (j > 0)
				(void)buf_char(&bodies[i], ',');
			sample_write(&sample, (i * EVENTS + j) % sample_types(),
			    &bodies[i]);
		}
		(void)buf_text(&bodies[i], "]}");
		if (!buf_ok(&bodies[i], NULL))
			exit(1);
		bytes += bodies[i].len;
	}
	return bytes;
}

static void
read_ours(const struct buf *body)
{
	static struct currents_batch batch;
	struct currents_fault fault;

	if (currents_read(str_bytes(body->data, body->len), EVENTS, &batch,
		&fault) != CURRENTS_READ ||
	    batch.count != EVENTS || batch.events[7].defect != CURRENTS_VALID)
		exit(1);
}

static void
read_jansson(const struct buf *body)
{
	json_error_t error;
	json_t *root = json_loadb(body->data, body->len, 0, &error);

	if (root == NULL)
		exit(1);
	json_decref(root);
}

static void
measure(const char *name, void (*read)(const struct buf *), double seconds,
    size_t bytes)
{
	double start = cpu_time(), took;
	size_t rounds = 0;

	do {
		for (size_t i = 0; i < BODIES; i++)
			read(&bodies[i]);
		rounds++;
		took = cpu_time() - start;
	} while (took < seconds);
	printf("%-8s %9.0f events/s %6.0f MB/s %7.3f us/event\n", name,
	    (double)(rounds * BODIES * EVENTS) / took,
	    (double)(rounds * bytes) / took / 1e6,
	    took * 1e6 / (double)(rounds * BODIES * EVENTS));
}

int
main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 2;
	size_t bytes = make_bodies();

	printf("%zu bytes/event\n", bytes / (BODIES * EVENTS));
	measure("ours", read_ours, seconds, bytes);
	measure("jansson", read_jansson, seconds, bytes);
	for (size_t i = 0; i < BODIES; i++)
		buf_fini(&bodies[i]);
	return 0;
}
