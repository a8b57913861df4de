#include "cli/explanation.h"

#include "cli/show.h"
#include "cli/value.h"

#include <stdlib.h>
#include <string.h>

enum { VALUE_MAX = 1024 }; /* bytes of a value in a cell */

static void
text_put(struct buf *out, const char *text)
{
	show_foreign(out, text, strlen(text), VALUE_SHOWN);
}

/* ---- properties ---- */

/* The value that a property is sent by, as text. */
static char *
property_value(const json_t *explanation, const char *as)
{
	const json_t *value =
	    json_object_get(value_at(explanation, "event.properties"), as);

	return json_is_string(value)
		   ? strndup(json_string_value(value), VALUE_MAX)
		   : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* A decision about a property: what is sent, or that it is left out; and what
 * decided that. */
static void
property_row(
    struct grid *grid, const json_t *explanation, const json_t *decision)
{
	const char *of = value_text(decision, "of");
	const char *is = value_text(decision, "is");
	const char *as = value_text(decision, "as");
	const char *why = strstr(is, ": ");
	char *value;

	grid_row(grid, NULL);
	grid_text(grid, 0, of);
	if (*as == '\0') {
		grid_textf(grid, 1, "%.*s",
		    why != NULL ? (int)(why - is) : (int)strlen(is), is);
		grid_tone(grid, 1, TONE_QUIET);
		grid_text(grid, 2, why != NULL ? why + 2 : "");
		return;
	}
	value = property_value(explanation, as);
	grid_text(grid, 1, value != NULL ? value : "");
	free(value);
	is = strcmp(is, "sent") == 0	     ? ""
	     : strncmp(is, "sent, ", 6) == 0 ? is + 6
	     : strncmp(is, "sent: ", 6) == 0 ? is + 6
					     : is;
	if (strcmp(of, as) == 0)
		grid_text(grid, 2, is);
	else
		grid_textf(
		    grid, 2, "as %s%s%s", as, *is != '\0' ? ", " : "", is);
}

/* Append a grid behind the margin. */
static bool
grid_show(const struct command_context *context, const struct grid *grid,
    struct buf *out, struct err *reterr)
{
	struct screen narrow = *context->screen;
	struct buf text;
	const char *end;
	bool ok;

	if (narrow.columns > 2 * EXPLANATION_MARGIN)
		narrow.columns -= EXPLANATION_MARGIN;
	buf_init(&text, COMMAND_OUT_MAX);
	ok = grid_write(grid, &narrow, &text, reterr);
	for (size_t at = 0; ok && at < text.len;) {
		end = memchr(text.data + at, '\n', text.len - at);
		CHECK(end != NULL);
		(void)buf_printf(out, "%*s", EXPLANATION_MARGIN, "");
		(void)buf_append(
		    out, text.data + at, (size_t)(end + 1 - text.data) - at);
		at = (size_t)(end + 1 - text.data);
	}
	buf_fini(&text);
	return ok;
}

static bool
properties_show(const struct command_context *context,
    const json_t *explanation, struct buf *out, struct err *reterr)
{
	static const struct grid_column columns[] = {
	    {"PROPERTY", NULL, GRID_TEXT, GRID_CUT, 0, NULL},
	    {"SENT AS", NULL, GRID_TEXT, GRID_WRAP, 0, NULL},
	    {"WHY", NULL, GRID_TEXT, GRID_WRAP | GRID_HIDE_ZERO, 0, NULL},
	};
	const json_t *decisions = value_at(explanation, "decisions");
	struct grid *grid = grid_new(GRID(columns), context->now_ms);
	bool ok = true;

	for (size_t i = 0; i < json_array_size(decisions); i++) {
		const json_t *decision = json_array_get(decisions, i);
		const char *of = value_text(decision, "of");

		/* these two stand above */
		if (value_at(decision, "as") != NULL ||
		    (strcmp(of, "identity") != 0 && strcmp(of, "event") != 0))
			property_row(grid, explanation, decision);
	}
	if (grid_rows(grid) > 0)
		ok = grid_show(context, grid, out, reterr);
	grid_free(grid);
	return ok;
}

/* ---- the item ---- */

/* Why the identity, or the event's name, is what it is. */
static const char *
decision_of(const json_t *explanation, const char *subject)
{
	const json_t *decisions = value_at(explanation, "decisions");
	const char *is = "";

	for (size_t i = 0; i < json_array_size(decisions); i++) {
		const json_t *decision = json_array_get(decisions, i);

		if (value_at(decision, "as") == NULL &&
		    strcmp(value_text(decision, "of"), subject) == 0)
			is = value_text(decision, "is");
	}
	return is;
}

static void
identity_show(
    const json_t *explanation, const char *destination, struct buf *out)
{
	const json_t *event = value_at(explanation, "event");
	bool named = *value_text(event, "identity") != '\0';

	(void)buf_text(out, named ? "identity " : "anonymous user ");
	value_show(event, named ? "identity" : "user_id", out);
	(void)buf_text(out, " (");
	text_put(out, decision_of(explanation, "identity"));
	(void)buf_text(out, ") at ");
	text_put(out, destination);
	(void)buf_printf(out, ",\n%*sas ", EXPLANATION_MARGIN, "");
	value_show(event, "event", out);
	(void)buf_text(out, " (");
	text_put(out, decision_of(explanation, "event"));
	(void)buf_text(out, ")\n");
}

bool
explanation_show(const struct command_context *context, const char *head,
    const json_t *explanation, const char *destination, struct buf *out,
    struct err *reterr)
{
	const char *fate = value_text(explanation, "fate");
	const json_t *sent = value_at(explanation, "sent");
	char *text;

	screen_text(context->screen, out, TONE_STRONG, "%-*s",
	    EXPLANATION_MARGIN, head);
	if (strcmp(fate, "send") != 0) {
		screen_text(context->screen, out, TONE_WRONG,
		    strcmp(fate, "drop") == 0 ? "dropped: " : "dead: ");
		value_show(explanation, "reason", out);
		/* The only decision, if it was not mapped: what is wrong. */
		if (json_array_size(value_at(explanation, "decisions")) == 1 &&
		    *decision_of(explanation, "event") != '\0') {
			(void)buf_text(out, ", ");
			text_put(out, decision_of(explanation, "event"));
		}
		(void)buf_char(out, '\n');
	} else if (sent != NULL) {
		text = json_is_string(sent) ? strdup(json_string_value(sent))
					    : json_dumps(sent, JSON_COMPACT);
		text_put(out, text != NULL ? text : "");
		free(text);
		(void)buf_text(out, ", of ");
		value_show(explanation, "label", out);
		(void)buf_char(out, '\n');
	} else {
		identity_show(explanation, destination, out);
	}
	return properties_show(context, explanation, out, reterr);
}
