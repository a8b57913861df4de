/*
 * currentsd erase, erasures list, erasures done: erases people, and shows the
 * list of people whose erasure Braze requested (users.UserDeleteRequest). They
 * stay on the list until the operator has dealt with the request.
 */

#include "daemon/erase.h"

#include "base/clock.h"
#include "cli/command.h"

#include <inttypes.h>
#include <string.h>

const struct option_row command_erase_options[] = {
    {"--user", "ID",
	"External id, Braze id, device id or alias; may be repeated."},
    {"--listed", NULL,
	"Keep the people on the list of erasures, marked as erased."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

static void
erase_text(const struct erase_result *result, struct buf *out)
{
	(void)buf_text(
	    out, "erased these, and every trace of them in the files:\n");
	for (int place = 0; place < JOBS_PLACES; place++)
		(void)buf_printf(out, "  %-12s %8zu events and changes\n",
		    jobs_place_name((enum jobs_place)place),
		    result->removed[place]);
	(void)buf_printf(out, "  %-12s %8zu memberships of segments\n",
	    "members", result->members);
	(void)buf_printf(
	    out, "  %-12s %8" PRId64 " bodies\n", "unreadable", result->bodies);
	if (result->unclear > 0)
		(void)buf_printf(out,
		    "%zu unreadable bodies could not be decompressed to the "
		    "end, and may still mention\n"
		    "these people: look at them with `currentsd unreadable "
		    "list`, and remove them with\n"
		    "`currentsd unreadable drop`.\n",
		    result->unclear);
	if (result->damaged > 0)
		(void)buf_printf(out,
		    "%zu damaged batches could not be searched, so these "
		    "people stay on the list of\n"
		    "erasures. Erase them again once `currentsd queue check` "
		    "finds no fault.\n",
		    result->damaged);
	if (result->persons.found > 0)
		(void)buf_printf(out,
		    "%zu more ids were found beside those, and erased too.\n",
		    result->persons.found);
	if (result->persons.alone > 0)
		(void)buf_printf(out,
		    "%zu of these ids stand beside no other: events that name "
		    "the person by another id\n"
		    "are not found by them.\n",
		    result->persons.alone);
	if (result->persons.shared > 0)
		(void)buf_printf(out,
		    "%zu of their devices name somebody else, too: anonymous "
		    "events of these devices stay.\n",
		    result->persons.shared);
	(void)buf_text(out, "Only hashes remain here: keyed hashes of (source, "
			    "type, event id), which detect\n"
			    "duplicates, short ones of ids, by which events "
			    "are found, and hashes of events\n"
			    "while it is unknown whether Heap has them.\n"
			    "Erase the delivered events at Heap, and take care "
			    "of your backups.\n");
}

int
command_erase(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	const char *users[OPTIONS_SET_MAX];
	size_t count = options_values(options, "--user", users);
	struct erase_result result;
	bool empty = count == 0;
	struct json json;
	struct err err;

	for (size_t i = 0; i < count; i++)
		empty |= *users[i] == '\0';
	if (empty) {
		(void)err_set(&err, ERR_INPUT,
		    "erase needs --user with an external id, Braze id, device "
		    "id or alias; repeat it for several people");
		return command_fail(out, &err);
	}
	if (!erase_run(context->daemon, context->caller, users, count,
		options_has(options, "--listed") ? context->now_ms : 0, &result,
		&err))
		return command_fail(out, &err);
	if (options_has(options, "--json")) {
		json_init(&json, out);
		json_object_open(&json, NULL);
		erase_json(&result, &json);
		json_object_close(&json);
		(void)buf_char(out, '\n');
	} else {
		erase_text(&result, out);
	}
	return result.unclear > 0 || result.damaged > 0 ? EXIT_FOUND
							: EXIT_FINE;
}

/* ---- the list of erasures ---- */

enum { ERASURES_STEP = 256 };

struct erasures {
	struct buf *out;
	struct json *json; /* NULL: text */
	int64_t last_id;
	size_t count, seen; /* in all, and in this step */
	const char *wanted; /* done: this one; NULL: list them */
	bool found;
};

static bool
erasures_row(void *arg, int64_t id, const char *source, const char *subject,
    int64_t noted_ms, int64_t erased_ms)
{
	struct erasures *erasures = arg;
	struct json *json = erasures->json;
	char noted[CLOCK_TEXT], erased[CLOCK_TEXT];

	erasures->last_id = id;
	erasures->seen++;
	if (erasures->wanted != NULL) {
		erasures->found |= strcmp(erasures->wanted, subject) == 0;
		return true;
	}
	erasures->count++;
	if (json != NULL) {
		json_object_open(json, NULL);
		json_time(json, "noted", noted_ms);
		json_text(json, "source", source);
		json_text(json, "subject", subject);
		json_time(json, "erased", erased_ms);
		json_object_close(json);
		return true;
	}
	if (erasures->count == 1)
		(void)buf_printf(erasures->out, "%-20s %-20s %-12s %s\n",
		    "noted", "erased here", "source", "subject");
	clock_text(noted_ms, noted, sizeof(noted));
	clock_text(erased_ms, erased, sizeof(erased));
	(void)buf_printf(erasures->out, "%.19sZ %.19s%-1s %-12s %s\n", noted,
	    erased_ms == 0 ? "not yet            " : erased,
	    erased_ms == 0 ? "" : "Z", source, subject);
	return true;
}

static bool
erasures_walk(struct command_context *context, struct erasures *erasures,
    struct err *reterr)
{
	do {
		erasures->seen = 0;
		if (!stats_erasures(context->daemon->queue, erasures->last_id,
			ERASURES_STEP, erasures_row, erasures, reterr) ||
		    !job_write(context->caller, erasures->out, reterr) ||
		    !job_progress(
			context->caller, reterr, "listed %zu", erasures->count))
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
		(void)buf_text(out, "the list is empty\n");
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
		    "erasures done needs one subject, as shown by `currentsd "
		    "erasures list`");
		return command_fail(out, &err);
	}
	erasures.wanted = options->words[0];
	if (!erasures_walk(context, &erasures, &err) ||
	    (erasures.found && !jobs_erasures_done(context->daemon->queue,
				   &erasures.wanted, 1, INT64_MAX, 0, &err)))
		return command_fail(out, &err);
	(void)buf_text(
	    out, erasures.found ? "taken off the list\n" : "not on the list\n");
	return erasures.found ? EXIT_FINE : EXIT_FOUND;
}
