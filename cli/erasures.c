/*
 * currentsd erasures list, done: the people whose erasure Braze requested
 * (users.UserDeleteRequest), until the operator has dealt with it.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/job.h"
#include "queue/admin.h"

#include <string.h>

enum { ERASURES_STEP = 256 };

struct erasures {
	struct buf *out;
	struct json *json; /* NULL: text */
	int64_t last_id;
	size_t count, seen; /* in all, and in this step */
	const char *wanted; /* done: this one; NULL: list them */
	bool found;
};

static void
erasures_json(struct json *json, const char *when, const char *source,
    const char *subject, const char *erased)
{
	json_object_open(json, NULL);
	json_text(json, "noted", when);
	json_text(json, "source", source);
	json_text(json, "subject", subject);
	if (*erased == '\0')
		json_null(json, "erased");
	else
		json_text(json, "erased", erased);
	json_object_close(json);
}

static bool
erasures_row(void *arg, int64_t id, const char *source, const char *subject,
    int64_t noted_ms, int64_t erased_ms)
{
	struct erasures *erasures = arg;
	char when[CLOCK_TEXT], erased[CLOCK_TEXT] = "";

	erasures->last_id = id;
	erasures->seen++;
	if (erasures->wanted != NULL) {
		erasures->found =
		    erasures->found || strcmp(erasures->wanted, subject) == 0;
		return true;
	}
	clock_text(noted_ms, when, sizeof(when));
	if (erased_ms != 0)
		clock_text(erased_ms, erased, sizeof(erased));
	if (erasures->json != NULL) {
		erasures_json(erasures->json, when, source, subject, erased);
	} else {
		if (erasures->count == 0)
			(void)buf_printf(erasures->out,
			    "%-20s %-20s %-12s %s\n", "noted", "erased here",
			    "source", "subject");
		(void)buf_printf(erasures->out, "%.19sZ %.19s%-1s %-12s %s\n",
		    when, erased_ms == 0 ? "not yet            " : erased,
		    erased_ms == 0 ? "" : "Z", source, subject);
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
		if (!stats_erasures(context->parts->queue, erasures->last_id,
			ERASURES_STEP, erasures_row, erasures, reterr) ||
		    !command_write(context, erasures->out, reterr) ||
		    !job_breathe(
			context, reterr, "listed %zu", erasures->count))
			return false;
	} while (erasures->seen == ERASURES_STEP);
	return true;
}

int
command_erasures_list(struct command_context *context, struct buf *out)
{
	struct erasures erasures = {.out = out};
	struct json json;
	struct err err;

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
		(void)buf_text(out, "nobody is on the list\n");
	}
	return EXIT_FINE;
}

int
command_erasures_done(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct erasures erasures = {.out = out};
	struct err err;

	if (options->word_count != 1) {
		(void)err_set(&err, ERR_INPUT,
		    "erasures done takes one subject, as `currentsd erasures "
		    "list` shows it");
		return command_fail(out, &err);
	}
	erasures.wanted = options->words[0];
	if (!erasures_walk(context, &erasures, &err) ||
	    (erasures.found && !jobs_erasures_done(context->parts->queue,
				   &erasures.wanted, 1, INT64_MAX, 0, &err)))
		return command_fail(out, &err);
	(void)buf_text(
	    out, erasures.found ? "taken off the list\n" : "not on the list\n");
	return erasures.found ? EXIT_FINE : EXIT_FOUND;
}
