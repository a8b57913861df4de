/* currentsd tap: events as they pass, a line each. */

#include "cli/filter.h"
#include "cli/show.h"
#include "cli/value.h"

#include <stdlib.h>
#include <string.h>

enum {
	TAP_TEXT_MAX = 1024, /* bytes of a text that is shown */
	TAP_LINE_MAX = 256 * 1024,
	TAP_WHAT = 9, /* "delivered" */
};

const struct option_row command_tap_options[] = {
    {"--type", "TYPE", "Of this type; * matches anything."},
    FILTER_PERSON_OPTION,
    {"--source", "NAME", "From this source."},
    {"--rate", "N", "At most N a second (default 10)."},
    {"--limit", "N", "End after N."},
    {"--json", NULL, "Print one JSON object per line."},
    {NULL, NULL, NULL},
};

struct watch {
	struct command_context *context;
	struct buf *out;
};

static enum tone
what_tone(const char *what)
{
	static const struct {
		const char *what;
		enum tone tone;
	} tones[] = {
	    {"accepted", TONE_NONE},
	    {"duplicate", TONE_QUIET},
	    {"delivered", TONE_GOOD},
	    {"deferred", TONE_WAITING},
	    {"parked", TONE_WAITING},
	    {"dead", TONE_WRONG},
	    {"dropped", TONE_QUIET},
	};

	for (size_t i = 0; i < sizeof(tones) / sizeof(tones[0]); i++) {
		if (strcmp(tones[i].what, what) == 0)
			return tones[i].tone;
	}
	return TONE_NONE;
}

static void
text_put(struct buf *line, const char *text)
{
	show_foreign(line, text, strlen(text), TAP_TEXT_MAX);
}

/* The identity and the properties that the destination gets. */
static void
line_event(struct buf *line, json_t *row)
{
	const json_t *event = value_at(row, "explanation.event");
	json_t *properties = json_object_get(event, "properties"), *value;
	const char *identity = value_text(event, "identity"), *name;
	char *text;

	if (event == NULL)
		return;
	(void)buf_text(line, "  ");
	value_show(event, *identity != '\0' ? "identity" : "user_id", line);
	json_object_foreach(properties, name, value)
	{
		text = json_is_string(value)
			   ? strdup(json_string_value(value))
			   : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		(void)buf_text(line, "  ");
		text_put(line, name);
		(void)buf_char(line, '=');
		text_put(line, text != NULL ? text : "");
		free(text);
	}
}

/* All but the time and what happened, which stand before it. */
static void
line_write(struct buf *line, json_t *row)
{
	const json_t *member = value_at(row, "member");

	value_show(row, "type", line);
	(void)buf_text(line, "  ");
	if (member != NULL)
		(void)buf_char(line, value_bool(row, "entered") ? '+' : '-');
	value_show(row, member != NULL ? "member" : "event_id", line);
	if (value_at(row, "reason") != NULL) {
		(void)buf_text(line, "  ");
		value_show(row, "reason", line);
	}
	line_event(line, row);
}

/* Print it at once: somebody watches. On a terminal a line is one line. */
static bool
watch_row(void *arg, json_t *row, struct str text, struct err *reterr)
{
	struct watch *watch = arg;
	struct screen *screen = watch->context->screen;
	const char *what = value_text(row, "what");
	struct buf *out = watch->out, line;
	char when[SHOW_TEXT];
	size_t room;

	if (row == NULL) {
		(void)buf_append(out, text.data, text.len);
		(void)buf_char(out, '\n');
		return command_flush(watch->context, out, reterr);
	}
	if (value_int(row, "skipped") > 0) {
		show_number(value_int(row, "skipped"), when, sizeof(when));
		screen_text(
		    screen, out, TONE_QUIET, "(%s more not shown)\n", when);
	}
	show_timestamp(watch->context->now_ms, value_time_ms(row, "at"),
	    screen->utc, when, sizeof(when));
	(void)buf_printf(out, "%s  ", when);
	screen_text(screen, out, what_tone(what), "%-*s", TAP_WHAT, what);
	(void)buf_text(out, "  ");
	buf_init(&line, TAP_LINE_MAX);
	line_write(&line, row);
	room = strlen(when) + TAP_WHAT + 4;
	room = screen->columns > room ? screen->columns - room : SIZE_MAX;
	show_foreign(out, line.len > 0 ? line.data : "", line.len, room);
	(void)buf_char(out, '\n');
	buf_fini(&line);
	return command_flush(watch->context, out, reterr);
}

int
command_tap(struct command_context *context, struct buf *out)
{
	struct watch watch = {context, out};
	json_t *summary = NULL;
	struct ask ask;
	struct err err;

	ask =
	    command_call(context, "GET", "/tap", "type user source rate limit");
	ask.raw = options_has(context->options, "--json");
	if (!client_ask(
		context->client, &ask, watch_row, &watch, &summary, &err))
		return command_fail(out, &err);
	json_decref(summary);
	return EXIT_FINE;
}
