/*
 * currentsd erase, erasures list, erasures done: erases people, and shows the
 * list of people whose erasure Braze requested (users.UserDeleteRequest). They
 * stay on the list until the operator has dealt with the request.
 */

#include "base/json.h"
#include "base/utf8.h"
#include "cli/command.h"
#include "cli/show.h"
#include "cli/value.h"

#include <inttypes.h>
#include <string.h>

enum { BODY_MAX = 1024 * 1024, ERASE_WIDTH = 79, ERASE_NOTE = 1000 };

const struct option_row command_erase_options[] = {
    {"--user", "PERSON",
	"External id, Braze id, device id or alias; may be repeated."},
    {"--listed", NULL,
	"Keep the people on the list of erasures, marked as erased."},
    {"--yes", NULL, "Do not ask."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* The body {"KEY":["...", ...]}; the caller closes the object. */
static bool
names_write(struct json *json, const char *key, const char *const *names,
    size_t count, struct err *reterr)
{
	json_object_open(json, NULL);
	json_array_open(json, key);
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(names[i]), step;

		for (size_t at = 0; at < len; at += step) {
			step = utf8_length(names[i] + at, len - at);
			if (step == 0)
				return err_set(reterr, ERR_INPUT,
				    "an id that is not UTF-8 is in no event: "
				    "check the encoding of the terminal");
		}
		json_text(json, NULL, names[i]);
	}
	json_array_close(json);
	return true;
}

/* ---- erase ---- */

/* Of what, how many, and what that means; nothing if there are none. */
static void
erased_note(
    const char *what, int64_t count, const char *meaning, struct buf *out)
{
	struct buf line;

	if (count == 0)
		return;
	buf_init(&line, ERASE_NOTE);
	(void)buf_printf(&line, "%s: %" PRId64 ". %s", what, count, meaning);
	if (buf_char(&line, '\0'))
		buf_wrap(out, line.data, 0, ERASE_WIDTH);
	buf_fini(&line);
}

/* What needs the operator comes first. */
static int
erase_show(
    struct command_context *context, const json_t *answer, struct buf *out)
{
	size_t before;

	(void)context;
	erased_note("Damaged batches that could not be searched",
	    value_int(answer, "damaged_batches"),
	    "So these people stay on the list of erasures: erase them again "
	    "once `currentsd queue check` finds no fault.",
	    out);
	erased_note("Unreadable bodies that cannot be decompressed to the end",
	    value_int(answer, "unreadable_unclear"),
	    "They may still mention these people: look at them with "
	    "`currentsd unreadable list`, and remove them with `currentsd "
	    "unreadable drop`.",
	    out);
	(void)buf_text(out, "Erased, with every trace of it in the files:\n");
	before = out->len;
	show_count(out, 9, value_int(answer, "queued"),
	    "event or change in the queue", "events and changes in the queue");
	show_count(out, 9, value_int(answer, "archive"),
	    "event or change in the archive",
	    "events and changes in the archive");
	show_count(
	    out, 9, value_int(answer, "dead"), "dead letter", "dead letters");
	show_count(out, 9, value_int(answer, "members"),
	    "membership of a segment", "memberships of segments");
	show_count(out, 9, value_int(answer, "unreadable"), "unreadable body",
	    "unreadable bodies");
	if (out->len == before)
		(void)buf_text(out, "  nothing: there was none\n");
	erased_note("More ids that were found beside those, and erased too",
	    value_int(answer, "ids_found"), "", out);
	erased_note("Ids that stand beside no other",
	    value_int(answer, "ids_alone"),
	    "Events that name the person by another id are not found by them.",
	    out);
	erased_note("Devices that name somebody else, too",
	    value_int(answer, "devices_shared"),
	    "The anonymous events of these devices stay.", out);
	buf_wrap(out,
	    "Only hashes remain here: keyed hashes of (source, type, event "
	    "id), which detect duplicates, short ones of ids, by which events "
	    "are found, and hashes of events while it is unknown whether Heap "
	    "has them; and in the log a keyed hash of each id that was given. "
	    "Erase the delivered events at Heap, and take care of your "
	    "backups.",
	    0, ERASE_WIDTH);
	return value_int(answer, "unreadable_unclear") > 0 ||
		       value_int(answer, "damaged_batches") > 0
		   ? EXIT_FOUND
		   : EXIT_FINE;
}

static int
body_ask(struct command_context *context, const char *path,
    const struct buf *body, command_show_fn *show, struct buf *out)
{
	struct ask ask;

	ask_init(&ask, "POST", path);
	ask.body = str_bytes(body->data, body->len);
	return command_answer(context, &ask, show, out);
}

static bool
erase_read(
    struct command_context *context, struct buf *body, struct err *reterr)
{
	const struct options *options = context->options;
	const char *users[OPTIONS_SET_MAX];
	size_t count = options_values(options, "--user", users);
	struct json json;

	json_init(&json, body);
	if (!names_write(&json, "users", users, count, reterr))
		return false;
	json_bool(&json, "listed", options_has(options, "--listed"));
	json_object_close(&json);
	return buf_ok(body, reterr) &&
	       command_confirm(context, true, reterr,
		   "Everything that is stored of %zu %s is erased for good, "
		   "and "
		   "what comes of them later is dropped.",
		   count, count == 1 ? "person" : "people");
}

int
command_erase(struct command_context *context, struct buf *out)
{
	struct buf body;
	struct err err;
	int code;

	buf_init(&body, BODY_MAX);
	code = erase_read(context, &body, &err)
		   ? body_ask(context, "/erase", &body, erase_show, out)
		   : command_fail(out, &err);
	buf_fini(&body);
	return code;
}

/* ---- the list of erasures ---- */

enum { COLUMN_ERASED = 1 };

static const struct grid_column erasure_columns[] = {
    {"REQUESTED", "noted", GRID_TIME, 0, 0, NULL},
    {"ERASED HERE", "erased", GRID_TIME, 0, 0, NULL},
    {"SOURCE", "source", GRID_TEXT, 0, 1, NULL},
    {"SUBJECT", "subject", GRID_TEXT, GRID_WRAP, 0, NULL},
};

static void
erasure_fill(struct grid *grid, const json_t *row)
{
	if (value_time_ms(row, "erased") == 0) {
		grid_text(grid, COLUMN_ERASED, "not yet");
		grid_tone(grid, COLUMN_ERASED, TONE_WAITING);
	}
}

int
command_erasures_list(struct command_context *context, struct buf *out)
{
	struct ask ask = command_call(context, "GET", "/erasures", "");

	return command_list(context, &ask, GRID(erasure_columns), erasure_fill,
	    "the list is empty\n", out);
}

static int
done_show(
    struct command_context *context, const json_t *answer, struct buf *out)
{
	const json_t *unknown;
	size_t i;

	if (value_int(answer, "done") > 0)
		command_say(
		    context, out, answer, "{done%} taken off the list\n");
	json_array_foreach(value_at(answer, "unknown"), i, unknown)
	{
		const char *subject = json_string_value(unknown);

		(void)buf_text(out, "not on the list: ");
		if (subject != NULL)
			show_foreign(
			    out, subject, strlen(subject), strlen(subject));
		(void)buf_char(out, '\n');
	}
	return i > 0 ? EXIT_FOUND : EXIT_FINE;
}

int
command_erasures_done(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct json json;
	struct buf body;
	struct err err;
	bool ok;
	int code;

	buf_init(&body, BODY_MAX);
	json_init(&json, &body);
	ok = names_write(
	    &json, "subjects", options->words, options->word_count, &err);
	json_object_close(&json);
	ok = ok && buf_ok(&body, &err);
	code = ok ? body_ask(context, "/erasures/done", &body, done_show, out)
		  : command_fail(out, &err);
	buf_fini(&body);
	return code;
}
