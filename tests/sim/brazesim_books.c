/*
 * The books. Times are kept as a histogram of 32 steps for each power of
 * two, so that a percentile is right within about two per cent whatever the
 * number of requests.
 */

#include "tests/sim/brazesim_books.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	STATUSES = 1000,
	STEPS = 32, /* a power of two */
	BUCKETS = STEPS * 60,
};

struct brazesim_books {
	uint8_t *fates; /* one for each event */
	uint32_t n;
	uint64_t by_fate[BRAZESIM_FATES];
	uint64_t counts[BRAZESIM_COUNTS];
	uint64_t by_status[STATUSES];
	uint64_t times[BUCKETS];
	uint64_t n_times;
};

struct brazesim_books *
brazesim_books_new(uint32_t events)
{
	struct brazesim_books *books = sim_alloc(sizeof(*books));

	books->fates = sim_alloc(events);
	books->n = events;
	books->by_fate[BRAZESIM_UNRESOLVED] = events;
	return books;
}

void
brazesim_books_free(struct brazesim_books *books)
{
	free(books->fates);
	free(books);
}

void
brazesim_books_count(
    struct brazesim_books *books, enum brazesim_count what, uint64_t n)
{
	books->counts[what] += n;
}

/* Below 64 microseconds each has its own bucket; then every power of two is
 * cut into STEPS. */
static size_t
bucket_of(uint64_t us)
{
	size_t power = 0;

	while (us >= 2 * STEPS) {
		us /= 2;
		power++;
	}
	return power * STEPS + (size_t)us;
}

/* The least time of a bucket. */
static double
bucket_us(size_t bucket)
{
	size_t power = bucket < 2 * STEPS ? 0 : bucket / STEPS - 1;

	return (double)((uint64_t)(bucket - power * STEPS) << power);
}

/* Only answers have a time: a time-out would measure our own patience. */
void
brazesim_books_answered(
    struct brazesim_books *books, long status, int64_t took_us)
{
	if (status >= 0 && status < STATUSES)
		books->by_status[status]++;
	books->times[bucket_of(took_us > 0 ? (uint64_t)took_us : 0)]++;
	books->n_times++;
}

/* A late 400 or 401 to a duplicate must not unsay an ack: the receiver has
 * promised to have the event, and is held to it. */
void
brazesim_books_settle(struct brazesim_books *books, const uint32_t *events,
    size_t n, enum brazesim_fate fate)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (books->fates[events[i]] != BRAZESIM_UNRESOLVED)
			continue;
		books->fates[events[i]] = (uint8_t)fate;
		books->by_fate[BRAZESIM_UNRESOLVED]--;
		books->by_fate[fate]++;
	}
}

bool
brazesim_books_all_acked(const struct brazesim_books *books)
{
	return books->by_fate[BRAZESIM_ACKED] == books->n;
}

/* Rounded down to the bucket: a percentile never looks worse than it was. */
static double
percentile_ms(const struct brazesim_books *books, double part)
{
	uint64_t rank = (uint64_t)((double)books->n_times * part);
	uint64_t seen = 0;
	size_t i;

	for (i = 0; i < BUCKETS; i++) {
		seen += books->times[i];
		if (seen > rank)
			break;
	}
	return books->n_times > 0 ? bucket_us(i) / 1000.0 : 0;
}

static json_t *
statuses_report(const struct brazesim_books *books)
{
	json_t *object = json_object();
	char name[8];
	int i;

	for (i = 0; i < STATUSES; i++) {
		if (books->by_status[i] == 0)
			continue;
		snprintf(name, sizeof(name), "%d", i);
		json_object_set_new(object, name,
		    json_integer((json_int_t)books->by_status[i]));
	}
	return object;
}

static void
set_count(json_t *object, const char *name, uint64_t n)
{
	json_object_set_new(object, name, json_integer((json_int_t)n));
}

void
brazesim_books_print(const struct brazesim_books *books, int64_t took_us)
{
	static const char *const fates[BRAZESIM_FATES] = {
	    [BRAZESIM_UNRESOLVED] = "unresolved",
	    [BRAZESIM_ACKED] = "acked",
	    [BRAZESIM_DELETED] = "deleted",
	    [BRAZESIM_STRANDED] = "stranded",
	};
	static const char *const names[BRAZESIM_COUNTS] = {
	    [BRAZESIM_REQUESTS] = "requests",
	    [BRAZESIM_SENT_EVENTS] = "sent_events",
	    [BRAZESIM_NETWORK_ERRORS] = "network_errors",
	    [BRAZESIM_UNKNOWN_OUTCOMES] = "unknown_outcomes",
	    [BRAZESIM_DUPLICATE_REQUESTS] = "duplicate_requests",
	    [BRAZESIM_SPLITS] = "splits",
	};
	json_t *object = json_object();
	double seconds = (double)took_us / 1e6;
	int i;

	set_count(object, "distinct_events", books->n);
	for (i = 0; i < BRAZESIM_FATES; i++)
		set_count(object, fates[i], books->by_fate[i]);
	for (i = 0; i < BRAZESIM_COUNTS; i++)
		set_count(object, names[i], books->counts[i]);
	json_object_set_new(object, "by_status", statuses_report(books));
	json_object_set_new(object, "seconds", json_real(seconds));
	json_object_set_new(object, "events_per_second",
	    json_real(seconds > 0
			  ? (double)books->by_fate[BRAZESIM_ACKED] / seconds
			  : 0));
	json_object_set_new(
	    object, "p50_ms", json_real(percentile_ms(books, 0.50)));
	json_object_set_new(
	    object, "p99_ms", json_real(percentile_ms(books, 0.99)));
	if (json_dumpf(object, stdout, JSON_REAL_PRECISION(6)) != 0 ||
	    putchar('\n') == EOF || fflush(stdout) != 0)
		sim_die("cannot write the books: %s", strerror(errno));
	json_decref(object);
}

/* Names are made anew here: keeping a million of them would cost more. */
void
brazesim_list_write(const struct brazesim_books *books,
    const struct brazesim_source *source, enum brazesim_fate fate,
    const char *path)
{
	struct sim_text line = {0};
	uint32_t event;
	FILE *file;

	if (path[0] == '\0')
		return;
	file = fopen(path, "w");
	if (file == NULL)
		sim_die("%s: %s", path, strerror(errno));
	for (event = 0; event < books->n; event++) {
		if (books->fates[event] != fate)
			continue;
		sim_text_clear(&line);
		brazesim_event_name(source, event, &line);
		sim_text_add(&line, "\n", 1);
		fwrite(line.at, line.len, 1, file);
	}
	if (ferror(file) || fclose(file) != 0)
		sim_die("%s: %s", path, strerror(errno));
	sim_text_fini(&line);
}
