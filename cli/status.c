/*
 * The state of everything, for an operator who was woken at night. What needs a
 * person comes first.
 */

#include "cli/status.h"

#include "cli/grid.h"
#include "cli/show.h"
#include "cli/value.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <time.h>

enum {
	STATUS_LABEL = 11, /* columns before what a line says */
	STATUS_TEXT = 8192,
	STATUS_DAY_S = 24 * 3600,
};

/* ---- attention ---- */

/* A command, or a line of settings, that ends a sentence of advice stays on one
 * line, so that it can be copied. */
enum { JOINED = '\x1f' };

static void
advice_join(char *text)
{
	static const char *const begins[] = {": currentsd ", ": keep += "};

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		char *at = strstr(text, begins[i]);

		for (at = at != NULL ? at + 2 : NULL;
		     at != NULL && *at != '\0' && *at != ';'; at++) {
			if (*at == ' ')
				*at = JOINED;
		}
	}
}

static void
advice_part(struct buf *out, size_t from)
{
	for (; from < out->len; from++) {
		if (out->data[from] == JOINED)
			out->data[from] = ' ';
	}
}

/* A text from outside, in lines that fit the terminal. */
static void
text_wrap(const struct screen *screen, const char *text, size_t indent,
    struct buf *out)
{
	struct buf line;

	buf_init(&line, STATUS_TEXT);
	show_foreign(&line, text, strlen(text), STATUS_TEXT / 4);
	(void)buf_char(&line, '\0');
	if (screen->columns > 0) {
		size_t at = out->len;

		advice_join(line.data);
		buf_wrap(out, line.data, indent, screen->columns - 1);
		advice_part(out, at);
	} else {
		(void)buf_printf(out, "%*s%s\n", (int)indent, "", line.data);
	}
	buf_fini(&line);
}

void
status_attention(
    const json_t *attention, const struct screen *screen, struct buf *out)
{
	const char *tone;
	const json_t *one;
	size_t i, at;

	json_array_foreach(attention, i, one)
	{
		bool wrong = strcmp(value_text(one, "level"), "wrong") == 0;

		tone = screen_tone(screen, wrong ? TONE_WRONG : TONE_WAITING);
		(void)buf_text(out, tone);
		at = out->len;
		text_wrap(screen, value_text(one, "what"), 2, out);
		/* The mark stands in the indent, the colour ends the line. */
		if (out->len > at + 2) {
			out->data[at] = wrong ? '!' : '*';
			out->len--;
		}
		(void)buf_printf(
		    out, "%s\n", *tone != '\0' ? SCREEN_PLAIN : "");
		text_wrap(screen, value_text(one, "help"), 4, out);
	}
}

/* ---- destinations ---- */

enum tone
status_tone(const char *state)
{
	if (strcmp(state, "running") == 0)
		return TONE_GOOD;
	if (strcmp(state, "halted") == 0 || strcmp(state, "stopped") == 0)
		return TONE_WRONG;
	return TONE_WAITING;
}

enum {
	TO_NAME,
	TO_STATE,
	TO_QUEUED,
	TO_OLDEST,
	TO_RATE,
	TO_EMPTY,
	TO_HELD,
	TO_DEFERRED,
	TO_QUOTA,
	TO_ACCEPTED,
	TO_COLUMNS
};

static const struct grid_column to_columns[TO_COLUMNS] = {
    [TO_NAME] = {"DESTINATION", "name", GRID_TEXT, GRID_CUT, 0, NULL},
    [TO_STATE] = {"STATE", "state", GRID_TEXT, 0, 0, status_tone},
    [TO_QUEUED] = {"QUEUED", "queued", GRID_NUMBER, 0, 0, NULL},
    [TO_OLDEST] = {"OLDEST", "oldest_queued_s", GRID_DURATION, 0, 1, NULL},
    [TO_RATE] = {"RATE", "accepted_per_second", GRID_RATE, 0, 0, NULL},
    [TO_EMPTY] = {"EMPTY AT", NULL, GRID_TEXT, 0, 1, NULL},
    [TO_HELD] = {"HELD", "held", GRID_NUMBER, GRID_HIDE_ZERO, 2, NULL},
    [TO_DEFERRED] = {"DEFERRED", "deferred.events", GRID_NUMBER, GRID_HIDE_ZERO,
	2, NULL},
    [TO_QUOTA] = {"QUOTA", NULL, GRID_PERCENT, 0, 3, NULL},
    [TO_ACCEPTED] = {"LAST ACCEPTED", "last_accepted", GRID_AGO, 0, 1, NULL},
};

/* When it will be empty; a time of day only if that is soon. */
static void
empty_at(const json_t *destination, const struct screen *screen, int64_t now_ms,
    struct grid *grid)
{
	int64_t left_s = value_int(destination, "drain_forecast_s");
	time_t at = (time_t)(now_ms / 1000 + left_s);
	char text[SHOW_TEXT];
	struct tm tm;

	if (value_int(destination, "queued") == 0)
		grid_text(grid, TO_EMPTY, "-");
	else if (!json_is_integer(value_at(destination, "drain_forecast_s")))
		grid_text(grid, TO_EMPTY, "unknown");
	else if ((screen->utc ? gmtime_r(&at, &tm) : localtime_r(&at, &tm)) !=
		     NULL &&
		 strftime(text, sizeof(text),
		     left_s < STATUS_DAY_S ? "%H:%M" : "%b %d %H:%M", &tm) > 0)
		grid_text(grid, TO_EMPTY, text);
}

/* How much of the fullest quota is used. */
static void
quota_used(const json_t *destination, struct grid *grid)
{
	const json_t *limit;
	double most = -1;
	size_t i;

	json_array_foreach(value_at(destination, "limits"), i, limit)
	{
		double used = value_real(limit, "used") /
			      fmax(value_real(limit, "amount"), 1);

		if (strcmp(value_text(limit, "scope"), "destination") == 0 &&
		    used > most)
			most = used;
	}
	if (most >= 0)
		grid_real(grid, TO_QUOTA, most);
}

bool
status_destinations(const json_t *destinations, const struct screen *screen,
    int64_t now_ms, struct buf *out, struct err *reterr)
{
	struct grid *grid = grid_new(GRID(to_columns), now_ms);
	const json_t *one;
	size_t i;

	json_array_foreach(destinations, i, one)
	{
		grid_row(grid, one);
		empty_at(one, screen, now_ms, grid);
		quota_used(one, grid);
	}
	return grid_end(grid, screen, out, reterr);
}

/* ---- sources ---- */

enum {
	FROM_NAME,
	FROM_LAST,
	FROM_RATE,
	FROM_ANSWERS,
	FROM_CLOCK,
	FROM_COLUMNS
};

static const struct grid_column from_columns[FROM_COLUMNS] = {
    [FROM_NAME] = {"SOURCE", "name", GRID_TEXT, GRID_CUT, 0, NULL},
    [FROM_LAST] = {"LAST REQUEST", NULL, GRID_TEXT, 0, 0, NULL},
    [FROM_RATE] = {"EVENTS/S", "received_per_second", GRID_RATE, 0, 1, NULL},
    [FROM_ANSWERS] = {"ANSWERS TODAY", NULL, GRID_TEXT, GRID_CUT, 0, NULL},
    [FROM_CLOCK] = {"BRAZE'S CLOCK", NULL, GRID_TEXT, 0, 0, NULL},
};

/* "2 s ago", "never" */
static void
ago_write(const json_t *object, const char *path, struct buf *out)
{
	char text[SHOW_DURATION];
	int64_t seconds = value_int(object, path);

	if (!json_is_integer(value_at(object, path))) {
		(void)buf_text(out, "never");
		return;
	}
	show_duration(seconds < 0 ? -seconds : seconds, text, sizeof(text));
	(void)buf_printf(
	    out, seconds < 0 ? "%s ahead (clock set back)" : "%s ago", text);
}

/* "48,120 x 200, 3 x 503" */
static void
answers_write(
    const json_t *source, const struct screen *screen, struct buf *out)
{
	const json_t *answer;
	size_t i;

	json_array_foreach(value_at(source, "answers_today"), i, answer)
	{
		(void)buf_text(out, i > 0 ? ", " : "");
		value_say(answer, screen, 0, "{count#} x {status%}", out);
	}
	if (i == 0)
		(void)buf_char(out, '-');
}

/* "alerts in 22 h, off in 4 d": what Braze does if requests go on failing. */
static void
clock_write(const json_t *source, struct buf *out)
{
	static const struct {
		const char *path, *soon, *past;
	} clocks[] = {
	    {"braze_alerts_in_s", "alerts in", "alerted"},
	    {"braze_gives_up_in_s", "off in", "SWITCHED OFF"},
	};
	const char *apart = "";
	char text[SHOW_DURATION];

	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		int64_t left_s = value_int(source, clocks[i].path);

		if (!json_is_integer(value_at(source, clocks[i].path)))
			continue;
		show_duration(left_s, text, sizeof(text));
		(void)buf_printf(out, "%s%s%s%s", apart,
		    left_s > 0 ? clocks[i].soon : clocks[i].past,
		    left_s > 0 ? " " : "", left_s > 0 ? text : "");
		apart = ", ";
	}
	if (*apart == '\0')
		(void)buf_char(out, '-');
}

static void
text_move(struct grid *grid, size_t column, struct buf *text)
{
	grid_textf(grid, column, "%.*s", (int)text->len, text->data);
	buf_reset(text);
}

bool
status_sources(const json_t *sources, const struct screen *screen,
    int64_t now_ms, struct buf *out, struct err *reterr)
{
	struct grid *grid = grid_new(GRID(from_columns), now_ms);
	const json_t *one;
	struct buf text;
	size_t i;
	bool ok;

	buf_init(&text, STATUS_TEXT);
	json_array_foreach(sources, i, one)
	{
		grid_row(grid, one);
		ago_write(one, "last_request_s", &text);
		text_move(grid, FROM_LAST, &text);
		answers_write(one, screen, &text);
		text_move(grid, FROM_ANSWERS, &text);
		clock_write(one, &text);
		text_move(grid, FROM_CLOCK, &text);
		if (json_is_integer(value_at(one, "failing_s")))
			grid_tone(grid, FROM_CLOCK, TONE_WRONG);
	}
	ok = grid_write(grid, screen, out, reterr);
	buf_fini(&text);
	grid_free(grid);
	return ok;
}

/* ---- the queue ---- */

/* A label, and beside it a text that is broken into lines that fit. */
static void
labelled_write(const struct screen *screen, const char *label, struct buf *text,
    struct buf *out)
{
	size_t at = out->len;

	if (!buf_char(text, '\0'))
		return;
	text_wrap(screen, text->data, STATUS_LABEL, out);
	if (out->len > at + STATUS_LABEL)
		memcpy(out->data + at, label, strlen(label));
	buf_reset(text);
}

static void
labelled_say(const json_t *json, const struct screen *screen, const char *label,
    const char *say, struct buf *text, struct buf *out)
{
	value_say(json, screen, 0, say, text);
	labelled_write(screen, label, text, out);
}

/* "7: 5 not a number (400), 2 no usable id" */
static void
reasons_write(const json_t *queue, const struct screen *screen,
    const char *label, const char *count, const char *why, struct buf *text,
    struct buf *out)
{
	const json_t *reason;
	char number[SHOW_TEXT];
	size_t i;

	if (value_int(queue, count) == 0)
		return;
	show_number(value_int(queue, count), number, sizeof(number));
	(void)buf_text(text, number);
	json_array_foreach(value_at(queue, why), i, reason)
	{
		(void)buf_text(text, i == 0 ? ": " : ", ");
		value_say(reason, screen, 0,
		    value_int(reason, "status") != 0
			? "{count#} {why} ({status%})"
			: "{count#} {why}",
		    text);
	}
	labelled_write(screen, label, text, out);
}

static void
queue_write(const json_t *status, const struct screen *screen, struct buf *text,
    struct buf *out)
{
	const json_t *queue = value_at(status, "queue");

	labelled_say(queue, screen, "Queue",
	    "{live_bytes~} of {max_bytes~}, {free_bytes~} free", text, out);
	if (value_int(queue, "archive_bytes") > 0)
		labelled_say(queue, screen, "Archive",
		    "{archive_bytes~} of {archive_max_bytes~}: when it is "
		    "full, the oldest of it is deleted",
		    text, out);
	if (value_at(status, "last_hour") != NULL)
		labelled_say(status, screen, "Last hour",
		    "in {last_hour.received#}, out {last_hour.delivered#}",
		    text, out);
	reasons_write(queue, screen, "Dead", "dead", "dead_why", text, out);
	reasons_write(
	    queue, screen, "Dropped", "dropped", "dropped_why", text, out);
	if (value_int(queue, "unreadable") +
		value_int(queue, "unreadable_removed") >
	    0)
		labelled_say(queue, screen, "Unreadable",
		    value_int(queue, "unreadable") == 1
			? "1 body, and {unreadable_removed#} removed"
			: "{unreadable#} bodies, and {unreadable_removed#} "
			  "removed",
		    text, out);
	if (value_int(queue, "replay_queued") > 0)
		labelled_say(queue, screen, "Replays",
		    "{replay_queued#} are still to be sent, behind the live "
		    "traffic",
		    text, out);
}

static void
segments_write(const json_t *status, const struct screen *screen,
    struct buf *text, struct buf *out)
{
	const json_t *segments = value_at(status, "segments");
	const char *apart = "", *state;
	json_t *count;

	if (value_int(segments, "count") == 0)
		return;
	json_object_foreach(json_object_get(segments, "states"), state, count)
	{
		if (json_integer_value(count) == 0)
			continue;
		(void)buf_printf(text, "%s%" JSON_INTEGER_FORMAT " %s", apart,
		    json_integer_value(count), state);
		apart = ", ";
	}
	labelled_say(segments, screen, "Segments",
	    value_int(segments, "waiting") == 1 ? "; 1 change waits"
						: "; {waiting#} changes wait",
	    text, out);
}

/* Requests that do not look like a source's: nobody has to act. */
static void
strangers_write(const json_t *status, const struct screen *screen,
    struct buf *text, struct buf *out)
{
	const json_t *strangers = value_at(status, "refused_strangers");

	if (value_int(strangers, "count") == 0 ||
	    value_int(strangers, "last_s") >= STATUS_DAY_S)
		return;
	value_say(strangers, screen, 0,
	    "{count#} request{count+} of others, the last ", text);
	ago_write(strangers, "last_s", text);
	labelled_say(
	    strangers, screen, "Strangers", ": {status%}, {why}", text, out);
}

/* ---- all of it ---- */

static void
head_write(const json_t *status, const struct screen *screen, struct buf *out)
{
	bool running = strcmp(value_text(status, "state"), "running") == 0;
	char text[SHOW_TEXT];

	screen_text(screen, out, TONE_STRONG, "currentsd %.40s",
	    value_text(status, "version"));
	if (running) {
		show_duration(
		    value_int(status, "uptime_s"), text, sizeof(text));
		(void)buf_printf(out, "   up %s   ", text);
	} else {
		(void)buf_text(out, "   ");
		screen_text(screen, out, TONE_WRONG, "NOT RUNNING");
		(void)buf_text(out, "   ");
	}
	if (value_int(status, "queue.imbalance") != 0) {
		screen_text(screen, out, TONE_WRONG, "THE LEDGER IS OFF");
		(void)buf_char(out, '\n');
		return;
	}
	show_number(value_int(status, "queue.received"), text, sizeof(text));
	screen_text(
	    screen, out, TONE_GOOD, "all %s events accounted for", text);
	(void)buf_char(out, '\n');
}

bool
status_render(const json_t *status, const struct screen *screen, int64_t now_ms,
    struct buf *out, struct err *reterr)
{
	const json_t *attention = value_at(status, "attention");
	struct buf text;

	head_write(status, screen, out);
	(void)buf_char(out, '\n');
	status_attention(attention, screen, out);
	if (json_array_size(attention) > 0)
		(void)buf_char(out, '\n');
	if (!status_destinations(
		value_at(status, "destinations"), screen, now_ms, out, reterr))
		return false;
	(void)buf_char(out, '\n');
	if (!status_sources(
		value_at(status, "sources"), screen, now_ms, out, reterr))
		return false;
	(void)buf_char(out, '\n');
	buf_init(&text, STATUS_TEXT);
	queue_write(status, screen, &text, out);
	segments_write(status, screen, &text, out);
	strangers_write(status, screen, &text, out);
	buf_fini(&text);
	return buf_ok(out, reterr);
}
