/*
 * currentsd queue erasures: the people whose erasure was asked for
 * (users.UserDeleteRequest), until somebody has seen to it.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/job.h"
#include "queue/books.h"

#include <string.h>

enum { ERASURES_STEP = 256 };

const struct option_row command_queue_erasures_options[] = {
    {"--done", "SUBJECT", "Take this one off the list."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

struct erasures {
	struct buf *out;
	struct json *json; /* NULL: text */
	int64_t last_id;
	size_t count, seen; /* in all, and in this step */
	const char *wanted; /* --done */
	bool found;
};

static bool
erasures_row(void *arg, int64_t id, const char *source, const char *subject,
    int64_t noted_ms, int64_t forgotten_ms)
{
	struct erasures *erasures = arg;
	char when[CLOCK_TEXT], forgotten[CLOCK_TEXT] = "";

	erasures->last_id = id;
	erasures->seen++;
	if (erasures->wanted != NULL) {
		erasures->found =
		    erasures->found || strcmp(erasures->wanted, subject) == 0;
		return true;
	}
	clock_text(noted_ms, when, sizeof(when));
	if (forgotten_ms != 0)
		clock_text(forgotten_ms, forgotten, sizeof(forgotten));
	if (erasures->json != NULL) {
		json_object_open(erasures->json, NULL);
		json_text(erasures->json, "noted", when);
		json_text(erasures->json, "source", source);
		json_text(erasures->json, "subject", subject);
		if (forgotten_ms == 0)
			json_null(erasures->json, "forgotten");
		else
			json_text(erasures->json, "forgotten", forgotten);
		json_object_close(erasures->json);
	} else {
		if (erasures->count == 0)
			(void)buf_printf(erasures->out,
			    "%-20s %-20s %-12s %s\n", "noted", "forgotten here",
			    "source", "subject");
		(void)buf_printf(erasures->out, "%.19sZ %.19s%-1s %-12s %s\n",
		    when, forgotten_ms == 0 ? "not yet            " : forgotten,
		    forgotten_ms == 0 ? "" : "Z", source, subject);
	}
	erasures->count++;
	return true;
}

static bool
erasures_walk(struct command_context *context, struct erasures *erasures,
    struct err *reterr)
{
	do {
		erasures->seen = 0;
		if (!books_erasures(context->parts->queue, erasures->last_id,
			ERASURES_STEP, erasures_row, erasures, reterr) ||
		    !command_write(context, erasures->out, reterr) ||
		    !job_breathe(
			context, reterr, "listed %zu", erasures->count))
			return false;
	} while (erasures->seen == ERASURES_STEP);
	return true;
}

static int
erasures_done(struct command_context *context, struct erasures *erasures)
{
	struct err err;

	if (!erasures_walk(context, erasures, &err) ||
	    (erasures->found && !tools_erasures_done(context->parts->queue,
				    &erasures->wanted, 1, INT64_MAX, 0, &err)))
		return command_fail(erasures->out, &err);
	(void)buf_text(erasures->out,
	    erasures->found ? "taken off the list\n" : "not on the list\n");
	return erasures->found ? EXIT_FINE : EXIT_FOUND;
}

int
command_queue_erasures(struct command_context *context, struct buf *out)
{
	struct erasures erasures = {
	    .out = out,
	    .wanted = options_value(context->options, "--done"),
	};
	struct json json;
	struct err err;

	if (erasures.wanted != NULL)
		return erasures_done(context, &erasures);
	if (options_has(context->options, "--json")) {
		json_init(&json, out);
		json_array_open(&json, NULL);
		erasures.json = &json;
	}
	if (!erasures_walk(context, &erasures, &err))
		return command_fail(out, &err);
	if (erasures.json != NULL) {
		json_array_close(&json);
		(void)buf_char(out, '\n');
	} else if (erasures.count == 0) {
		(void)buf_text(out, "nobody's erasure is asked for\n");
	}
	return EXIT_FINE;
}
