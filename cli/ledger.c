/*
 * currentsd ledger: what became of every event ever received.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/segment.h"
#include "cli/show.h"

#include <inttypes.h>
#include <string.h>

const struct option_row command_ledger_options[] = {
    {"--by", "source|type|hour", "Print a line for each."},
    {"--check", NULL, "Recount the stored events and compare."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

enum {
	LEDGER_DAY = 10, /* "2026-11-23" */
	LEDGER_NAME = 40,
};

/* One run of the command; the callbacks below write through it. */
struct ledger {
	struct queue *queue;
	struct buf *out;
	struct json *json;		   /* NULL: text */
	bool found;			   /* an imbalance or a difference */
	bool any;			   /* a line was written */
	const struct segment_names *names; /* by type; else none */
	bool hours;			   /* by hour: */
	char days_until[CLOCK_TEXT]; /* before it hours are folded into days */
};

/* The date alone for hours that were folded into their day. */
static const char *
ledger_label(const struct ledger *ledger, const char *label,
    char ret_day[LEDGER_DAY + 1])
{
	if (!ledger->hours || strcmp(label + LEDGER_DAY, "T00:00Z") != 0 ||
	    strncmp(label, ledger->days_until, strlen("2026-11-23T22")) >= 0)
		return label;
	memcpy(ret_day, label, LEDGER_DAY);
	ret_day[LEDGER_DAY] = '\0';
	return ret_day;
}

static void
line_text(struct buf *out, const char *label, const char *name,
    const struct stats_line *line)
{
	int64_t imbalance = stats_imbalance(line);

	(void)buf_printf(out,
	    "%9" PRId64 "   %9" PRId64 "   %9" PRId64 "   %7" PRId64
	    "   %8" PRId64 "   %10" PRId64 "   %9" PRId64 "   %7" PRId64 "  %s",
	    line->received, line->queued, line->delivered, line->dead,
	    line->dropped, line->duplicates, line->erased, line->expired,
	    label);
	if (name != NULL) {
		(void)buf_text(out, ": ");
		show_foreign(out, name, strlen(name), LEDGER_NAME);
	}
	if (imbalance != 0)
		(void)buf_printf(out, "  OFF BY %" PRId64, imbalance);
	(void)buf_char(out, '\n');
}

static bool
ledger_line(void *arg, const char *label, const struct stats_line *line)
{
	struct ledger *ledger = arg;
	char day[LEDGER_DAY + 1];
	const char *name = segment_names_find(ledger->names, label);

	label = ledger_label(ledger, label, day);
	ledger->found = ledger->found || stats_imbalance(line) != 0;
	if (ledger->json == NULL) {
		line_text(ledger->out, label, name, line);
		return true;
	}
	json_object_open(ledger->json, NULL);
	json_text(ledger->json, "label", label);
	if (name != NULL)
		json_text(ledger->json, "segment", name);
	status_ledger_json(line, ledger->json);
	json_object_close(ledger->json);
	return true;
}

static bool
ledger_drop(void *arg, const char *rule, const char *type, int64_t count)
{
	struct ledger *ledger = arg;

	if (ledger->json == NULL) {
		if (!ledger->any)
			(void)buf_text(
			    ledger->out, "\ndropped by rule and type\n");
		ledger->any = true;
		(void)buf_printf(ledger->out, "%-24s %-48s %9" PRId64 "\n",
		    rule, type, count);
		return true;
	}
	json_object_open(ledger->json, NULL);
	json_text(ledger->json, "rule", rule);
	json_text(ledger->json, "type", type);
	json_int(ledger->json, "count", count);
	json_object_close(ledger->json);
	return true;
}

static void
ledger_difference(void *arg, const char *text)
{
	struct ledger *ledger = arg;

	if (ledger->json != NULL)
		json_text(ledger->json, NULL, text);
	else
		(void)buf_printf(ledger->out, "difference: %s\n", text);
}

static bool
ledger_check(struct ledger *ledger, struct err *reterr)
{
	bool agree = false;

	if (ledger->json != NULL) {
		json_object_open(ledger->json, "check");
		json_array_open(ledger->json, "differences");
	} else {
		(void)buf_char(ledger->out, '\n');
	}
	if (!stats_check(
		ledger->queue, ledger_difference, ledger, &agree, reterr))
		return false;
	if (ledger->json != NULL) {
		json_array_close(ledger->json);
		json_bool(ledger->json, "agree", agree);
		json_object_close(ledger->json);
	} else if (agree) {
		(void)buf_text(ledger->out,
		    "check: the stored events agree with the ledger\n");
	}
	ledger->found = ledger->found || !agree;
	return true;
}

/* Replays are apart: they were counted as delivered before. */
static bool
ledger_replay(void *arg, const char *label, const struct stats_line *line)
{
	struct ledger *ledger = arg;
	char day[LEDGER_DAY + 1];

	if (line->replayed > 0)
		(void)buf_printf(ledger->out,
		    "%9" PRId64 "   %9" PRId64 "   %9" PRId64 "   %7" PRId64
		    "  %s\n",
		    line->replayed,
		    line->replayed - line->replay_delivered -
			line->replay_refused,
		    line->replay_delivered, line->replay_refused,
		    ledger_label(ledger, label, day));
	return true;
}

static void
ledger_bodies(struct ledger *ledger, const struct stats_totals *totals)
{
	struct json *json = ledger->json;

	if (json != NULL) {
		json_object_open(json, "unreadable_bodies");
		json_int(json, "kept", totals->unreadable);
		json_int(json, "removed", totals->unreadable_removed);
		json_object_close(json);
	} else if (totals->unreadable + totals->unreadable_removed > 0) {
		(void)buf_printf(ledger->out,
		    "\nunreadable bodies, whose events are not counted: "
		    "%" PRId64 " kept, %" PRId64 " removed\n",
		    totals->unreadable, totals->unreadable_removed);
	}
}

static bool
ledger_text(struct ledger *ledger, const char *by_word, enum stats_by by,
    bool check, struct err *reterr)
{
	struct stats_totals totals;

	/* Labels come last: they are of any length. */
	(void)buf_printf(ledger->out,
	    "%9s = %9s + %9s + %7s + %8s + %10s + %9s + %7s  %s\n", "received",
	    "queued", "delivered", "dead", "dropped", "duplicates", "erased",
	    "expired", by_word != NULL ? by_word : "");
	if (by_word != NULL &&
	    !stats_ledger(ledger->queue, by, ledger_line, ledger, reterr))
		return false;
	stats_totals(ledger->queue, &totals);
	line_text(ledger->out, "all", NULL, &totals.events);
	ledger->found = ledger->found || stats_imbalance(&totals.events) != 0;
	if (totals.events.replayed > 0) {
		(void)buf_printf(ledger->out, "\n%9s = %9s + %9s + %7s  %s\n",
		    "replayed", "queued", "delivered", "refused",
		    by_word != NULL ? by_word : "");
		if (by_word != NULL && !stats_ledger(ledger->queue, by,
					   ledger_replay, ledger, reterr))
			return false;
		(void)ledger_replay(ledger, "all", &totals.events);
	}
	if (!stats_drops(ledger->queue, ledger_drop, ledger, reterr))
		return false;
	ledger_bodies(ledger, &totals);
	return !check || ledger_check(ledger, reterr);
}

static bool
ledger_json(struct ledger *ledger, const char *by_word, enum stats_by by,
    bool check, struct err *reterr)
{
	struct json *json = ledger->json;
	struct stats_totals totals;

	json_object_open(json, NULL);
	if (by_word != NULL) {
		json_text(json, "by", by_word);
		json_array_open(json, "lines");
		if (!stats_ledger(
			ledger->queue, by, ledger_line, ledger, reterr))
			return false;
		json_array_close(json);
	}
	stats_totals(ledger->queue, &totals);
	ledger->found = ledger->found || stats_imbalance(&totals.events) != 0;
	json_object_open(json, "total");
	status_ledger_json(&totals.events, json);
	json_object_close(json);
	json_array_open(json, "drops");
	if (!stats_drops(ledger->queue, ledger_drop, ledger, reterr))
		return false;
	json_array_close(json);
	ledger_bodies(ledger, &totals);
	if (check && !ledger_check(ledger, reterr))
		return false;
	json_object_close(json);
	(void)buf_char(ledger->out, '\n');
	return true;
}

int
command_ledger(struct command_context *context, struct buf *out)
{
	static const char *const words[] = {
	    [STATS_BY_SOURCE] = "source",
	    [STATS_BY_TYPE] = "type",
	    [STATS_BY_HOUR] = "hour",
	};
	const char *by_word = options_value(context->options, "--by");
	bool check = options_has(context->options, "--check");
	enum stats_by by = STATS_BY_SOURCE;
	struct segment_names names = {.sorted = NULL};
	struct ledger ledger = {
	    .queue = context->daemon->queue, .out = out, .names = &names};
	struct json json;
	struct err err;
	bool ok;

	while (by_word != NULL && strcmp(by_word, words[by]) != 0) {
		if (by == STATS_BY_HOUR) {
			(void)err_set(&err, ERR_INPUT,
			    "--by should be source, type or hour");
			return command_fail(out, &err);
		}
		by++;
	}
	ledger.hours = by_word != NULL && by == STATS_BY_HOUR;
	clock_text(context->now_ms - (int64_t)STATS_HOURS * 3600 * 1000,
	    ledger.days_until, sizeof(ledger.days_until));
	if (by_word != NULL && by == STATS_BY_TYPE)
		segment_names_read(context, &names);
	json_init(&json, out);
	if (options_has(context->options, "--json")) {
		ledger.json = &json;
		ok = ledger_json(&ledger, by_word, by, check, &err);
	} else {
		ok = ledger_text(&ledger, by_word, by, check, &err);
	}
	segment_names_fini(&names);
	if (!ok)
		return command_fail(out, &err);
	return ledger.found ? EXIT_FOUND : EXIT_FINE;
}
