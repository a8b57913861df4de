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
    [COUNTER_ANSWER_200] = {"currentsd_answers_total", "{code=\"200\"}",
	"Answers to ingest requests, by status code."},
    [COUNTER_ANSWER_400] = {"currentsd_answers_total", "{code=\"400\"}", NULL},
    [COUNTER_ANSWER_401] = {"currentsd_answers_total", "{code=\"401\"}", NULL},
    [COUNTER_ANSWER_404] = {"currentsd_answers_total", "{code=\"404\"}", NULL},
    [COUNTER_ANSWER_405] = {"currentsd_answers_total", "{code=\"405\"}", NULL},
    [COUNTER_ANSWER_413] = {"currentsd_answers_total", "{code=\"413\"}", NULL},
    [COUNTER_ANSWER_415] = {"currentsd_answers_total", "{code=\"415\"}", NULL},
    [COUNTER_ANSWER_503] = {"currentsd_answers_total", "{code=\"503\"}", NULL},
    [COUNTER_PROBES] = {"currentsd_probes_total", "",
	"Requests without events: Braze testing the credentials."},
    [COUNTER_ODD_VERSION] = {"currentsd_unexpected_version_total", "",
	"Requests whose Braze-Currents-Version was missing or not 1."},
    [COUNTER_BODY_BYTES] = {"currentsd_body_bytes_total", "",
	"Bytes of request bodies, after decompression."},
    [COUNTER_CONNECTIONS] = {"currentsd_connections_total", "",
	"Connections accepted on the ingest listener."},
    [COUNTER_SWEPT] = {"currentsd_connections_swept_total", "",
	"Connections closed because a request took too long to arrive."},
    [COUNTER_COMMITS] = {"currentsd_commits_total", "",
	"Transactions of accepted requests that reached the disk."},
    [COUNTER_COMMIT_FAILURES] = {"currentsd_commit_failures_total", "",
	"Transactions of accepted requests that failed (answered 503)."},
    [COUNTER_REOPENS] = {"currentsd_queue_reopens_total", "",
	"Times the queue file was reopened after the disk failed."},
    [COUNTER_POSTS_ACCEPTED] = {"currentsd_posts_total",
	"{result=\"accepted\"}", "Requests to Heap, by outcome."},
    [COUNTER_POSTS_REFUSED] = {"currentsd_posts_total", "{result=\"refused\"}",
	NULL},
    [COUNTER_POSTS_FAILED] = {"currentsd_posts_total", "{result=\"failed\"}",
	NULL},
    [COUNTER_POSTS_STOPPED] = {"currentsd_posts_total", "{result=\"halted\"}",
	NULL},
    [COUNTER_DRIFT_TYPE] = {"currentsd_drift_total", "{what=\"unknown type\"}",
	"Events with something that is not in the catalogue, by kind."},
    [COUNTER_DRIFT_PROPERTY] = {"currentsd_drift_total",
	"{what=\"unknown property\"}", NULL},
    [COUNTER_DRIFT_USER] = {"currentsd_drift_total",
	"{what=\"unknown user member\"}", NULL},
    [COUNTER_DRIFT_MEMBER] = {"currentsd_drift_total",
	"{what=\"unknown member\"}", NULL},
    [COUNTER_DRIFT_BLANK] = {"currentsd_drift_total",
	"{what=\"blank required\"}", NULL},
    [COUNTER_DRIFT_JSON] = {"currentsd_drift_total", "{what=\"new json type\"}",
	NULL},
    [COUNTER_DRIFT_FIRST] = {"currentsd_drift_first_total", "",
	"Kinds of drift seen for the first time: see `currentsd drift`."},
};

static _Atomic uint64_t counter_values[COUNTERS];

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

enum counter
counter_of_answer(unsigned status)
{
	static const struct {
		unsigned status;
		enum counter counter;
	} rows[] = {
	    {200, COUNTER_ANSWER_200},
	    {400, COUNTER_ANSWER_400},
	    {401, COUNTER_ANSWER_401},
	    {404, COUNTER_ANSWER_404},
	    {405, COUNTER_ANSWER_405},
	    {413, COUNTER_ANSWER_413},
	    {415, COUNTER_ANSWER_415},
	    {503, COUNTER_ANSWER_503},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].status == status)
			return rows[i].counter;
	}
	NEVER("a status code that we never answer");
}

void
counters_write(struct buf *buf)
{
	for (int i = 0; i < COUNTERS; i++) {
		const struct counter_row *row = &counter_rows[i];

		if (row->help != NULL) {
			(void)buf_printf(
			    buf, "# HELP %s %s\n", row->name, row->help);
			(void)buf_printf(buf, "# TYPE %s counter\n", row->name);
		}
		(void)buf_printf(buf, "%s%s %" PRIu64 "\n", row->name,
		    row->labels, counter_read((enum counter)i));
	}
}
