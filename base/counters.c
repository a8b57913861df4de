#include "base/counters.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

struct counter_row {
	const char *name;
	const char *labels; /* with their braces, or "" */
	const char *help;   /* of the first row of a name */
};

static const struct counter_row counter_rows[COUNTERS] = {
    [COUNTER_PROBES] = {"currentsd_probes_total", "",
	"Requests without events: Braze testing the credentials."},
    [COUNTER_ODD_HEADERS] = {"currentsd_unexpected_version_total", "",
	"Requests whose Braze-Currents-Version was missing or not 1."},
    [COUNTER_BODY_BYTES] = {"currentsd_body_bytes_total", "",
	"Bytes of request bodies, after decompression."},
    [COUNTER_CONNECTIONS] = {"currentsd_connections_total", "",
	"Connections accepted on the ingest listener."},
    [COUNTER_SWEPT] = {"currentsd_connections_swept_total", "",
	"Connections closed because a request took too long to arrive."},
    [COUNTER_HUNG_UP] = {"currentsd_connections_hung_up_total", "",
	"Connections closed without an answer because what came was not HTTP, "
	"or began with a PROXY header, or without one, against "
	"listen_proxy_protocol."},
    [COUNTER_COMMIT_FAILURES] = {"currentsd_commit_failures_total", "",
	"Transactions of accepted requests that failed (answered 503)."},
    [COUNTER_REOPENS] = {"currentsd_queue_reopens_total", "",
	"Times the queue file was reopened after the disk failed."},
    [COUNTER_EVICTED_ARCHIVE] = {"currentsd_evicted_total",
	"{what=\"archive\"}",
	"Archived batches, dead letters and unreadable bodies deleted for "
	"their age or for want of space."},
    [COUNTER_EVICTED_DEAD] = {"currentsd_evicted_total", "{what=\"dead\"}",
	NULL},
    [COUNTER_EVICTED_UNREADABLE] = {"currentsd_evicted_total",
	"{what=\"unreadable\"}", NULL},
    [COUNTER_POSTS_DOUBTED] = {"currentsd_posts_doubted_total", "",
	"Answers of 2xx not believed: a proxy's page, or an error in the "
	"body."},
    [COUNTER_DRIFT_FIRST] = {"currentsd_drift_first_total", "",
	"Kinds of drift seen for the first time: see `currentsd drift`."},
    [COUNTER_NOTICES_ACCEPTED] = {"currentsd_notices_total",
	"{result=\"accepted\"}", "Posts to notify_url, by outcome."},
    [COUNTER_NOTICES_FAILED] = {"currentsd_notices_total",
	"{result=\"failed\"}", NULL},
    [COUNTER_LOG_DROPPED] = {"currentsd_log_lines_dropped_total", "",
	"Lines of the log that were dropped because nobody read it."},
};

static const struct counter_row answers_row = {"currentsd_answers_total", "",
    "Answers to ingest requests, by status code."};
static const struct counter_row drift_row = {"currentsd_drift_total", "",
    "Events with something that is not in the catalogue, by kind."};

static _Atomic uint64_t counter_values[COUNTERS];

enum { STATUS_LEAST = 100, STATUS_MOST = 599, STATUSES = 500 };

static struct counter_status {
	_Atomic uint64_t value;
	atomic_bool shown;
} counter_answers[STATUSES];

static struct counter_drift {
	_Atomic(const char *) kind; /* NULL: a free slot */
	_Atomic uint64_t value;
} counter_drifts[COUNTER_DRIFTS_MAX];

void
counter_add(enum counter counter, uint64_t more)
{
	atomic_fetch_add_explicit(
	    &counter_values[counter], more, memory_order_relaxed);
}

uint64_t
counter_read(enum counter counter)
{
	return atomic_load_explicit(
	    &counter_values[counter], memory_order_relaxed);
}

void
counter_answers_add(unsigned status, uint64_t more)
{
	struct counter_status *answers;

	CHECK(status >= STATUS_LEAST && status <= STATUS_MOST);
	answers = &counter_answers[status - STATUS_LEAST];
	atomic_fetch_add_explicit(&answers->value, more, memory_order_relaxed);
	atomic_store_explicit(&answers->shown, true, memory_order_relaxed);
}

uint64_t
counter_answers_read(unsigned status)
{
	CHECK(status >= STATUS_LEAST && status <= STATUS_MOST);
	return atomic_load_explicit(
	    &counter_answers[status - STATUS_LEAST].value,
	    memory_order_relaxed);
}

/* A kind takes the first slot that is free. */
void
counter_drift_add(const char *kind, uint64_t more)
{
	for (size_t i = 0; i < COUNTER_DRIFTS_MAX; i++) {
		struct counter_drift *drift = &counter_drifts[i];
		const char *known = NULL;

		if (!atomic_compare_exchange_strong(
			&drift->kind, &known, kind) &&
		    strcmp(known, kind) != 0)
			continue;
		atomic_fetch_add_explicit(
		    &drift->value, more, memory_order_relaxed);
		return;
	}
	NEVER("more kinds of drift than are counted");
}

/* ---- for /metrics ---- */

static void
counter_head_write(struct buf *buf, const char *name, const char *help)
{
	(void)buf_printf(
	    buf, "# HELP %s %s\n# TYPE %s counter\n", name, help, name);
}

static void
counter_answers_write(struct buf *buf)
{
	const char *name = answers_row.name;

	counter_head_write(buf, name, answers_row.help);
	for (unsigned i = 0; i < STATUSES; i++) {
		struct counter_status *answers = &counter_answers[i];

		if (atomic_load_explicit(&answers->shown, memory_order_relaxed))
			(void)buf_printf(buf, "%s{code=\"%u\"} %" PRIu64 "\n",
			    name, STATUS_LEAST + i,
			    counter_answers_read(STATUS_LEAST + i));
	}
}

static void
counter_drift_write(struct buf *buf)
{
	const char *name = drift_row.name;

	counter_head_write(buf, name, drift_row.help);
	for (size_t i = 0; i < COUNTER_DRIFTS_MAX; i++) {
		const char *kind = atomic_load(&counter_drifts[i].kind);

		if (kind != NULL)
			(void)buf_printf(buf, "%s{what=\"%s\"} %" PRIu64 "\n",
			    name, kind,
			    atomic_load_explicit(&counter_drifts[i].value,
				memory_order_relaxed));
	}
}

void
counters_write(struct buf *buf)
{
	counter_answers_write(buf);
	counter_drift_write(buf);
	for (int i = 0; i < COUNTERS; i++) {
		const struct counter_row *row = &counter_rows[i];

		if (row->help != NULL)
			counter_head_write(buf, row->name, row->help);
		(void)buf_printf(buf, "%s%s %" PRIu64 "\n", row->name,
		    row->labels, counter_read((enum counter)i));
	}
}

void
counters_each(counter_fn *fn, void *arg)
{
	fn(arg, answers_row.name, answers_row.help);
	fn(arg, drift_row.name, drift_row.help);
	for (int i = 0; i < COUNTERS; i++) {
		if (counter_rows[i].help != NULL)
			fn(arg, counter_rows[i].name, counter_rows[i].help);
	}
}
