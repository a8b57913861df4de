/*
 * The books: what became of every event that was ever received.
 */

#include "base/json.h"
#include "cli/command.h"
#include "cli/show.h"
#include "queue/books.h"

#include <inttypes.h>
#include <string.h>

const struct option_row command_ledger_options[] = {
    {"--by", "WHAT", "A line for each source, type or hour."},
    {"--check", NULL, "Count the rows anew and compare."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

static const struct {
	const char *word;
	enum books_by by;
} ledger_words[] = {
    {"source", BOOKS_BY_SOURCE},
    {"type", BOOKS_BY_KIND},
    {"hour", BOOKS_BY_HOUR},
};

/* One run of the command; the walks below write through it. */
struct ledger {
	struct queue *queue;
	struct buf *out;
	struct json *json; /* NULL: text */
	bool found;	   /* an imbalance or a difference */
	bool any;	   /* a line was written */
};

static bool
ledger_by_read(const char *word, enum books_by *ret_by, struct err *reterr)
{
	for (size_t i = 0; i < sizeof(ledger_words) / sizeof(ledger_words[0]);
	     i++) {
		if (strcmp(word, ledger_words[i].word) == 0) {
			*ret_by = ledger_words[i].by;
			return true;
		}
	}
	return err_set(
	    reterr, ERR_INPUT, "--by should be source, type or hour");
}

static bool
ledger_line(void *arg, const char *label, const struct books_line *line)
{
	struct ledger *ledger = arg;

	ledger->found = ledger->found || books_imbalance(line) != 0;
	if (ledger->json == NULL) {
		show_line_text(ledger->out, label, line);
		return true;
	}
	json_object_open(ledger->json, NULL);
	json_text(ledger->json, "label", label);
	show_line_json(ledger->json, line);
	json_object_close(ledger->json);
	return true;
}

static bool
ledger_drop(void *arg, const char *rule, const char *kind, int64_t count)
{
	struct ledger *ledger = arg;

	if (ledger->json == NULL) {
		if (!ledger->any)
			(void)buf_text(
			    ledger->out, "\ndropped by rule and type\n");
		ledger->any = true;
		(void)buf_printf(ledger->out, "%-24s %-48s %9" PRId64 "\n",
		    rule, kind, count);
		return true;
	}
	json_object_open(ledger->json, NULL);
	json_text(ledger->json, "rule", rule);
	json_text(ledger->json, "type", kind);
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
		(void)buf_printf(ledger->out, "differs: %s\n", text);
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
	if (!books_check(
		ledger->queue, ledger_difference, ledger, &agree, reterr))
		return false;
	if (ledger->json != NULL) {
		json_array_close(ledger->json);
		json_bool(ledger->json, "agree", agree);
		json_object_close(ledger->json);
	} else if (agree) {
		(void)buf_text(
		    ledger->out, "check: the rows agree with the books\n");
	}
	ledger->found = ledger->found || !agree;
	return true;
}

/* Apart from the rest: they were booked as delivered before. */
static void
ledger_replays(struct buf *out, const struct books_line *line)
{
	(void)buf_printf(out,
	    "\nreplayed %" PRId64 " = waiting %" PRId64 " + delivered %" PRId64
	    " + refused %" PRId64 "\n",
	    line->replayed,
	    line->replayed - line->replay_delivered - line->replay_refused,
	    line->replay_delivered, line->replay_refused);
}

static bool
ledger_text(struct ledger *ledger, const char *by_word, enum books_by by,
    bool check, struct err *reterr)
{
	struct books_totals totals;

	show_head_text(ledger->out, by_word != NULL ? by_word : "");
	if (by_word != NULL &&
	    !books_ledger(ledger->queue, by, ledger_line, ledger, reterr))
		return false;
	books_totals(ledger->queue, &totals);
	(void)ledger_line(ledger, "all", &totals.events);
	if (totals.events.replayed > 0)
		ledger_replays(ledger->out, &totals.events);
	if (!books_drops(ledger->queue, ledger_drop, ledger, reterr))
		return false;
	return !check || ledger_check(ledger, reterr);
}

static bool
ledger_json(struct ledger *ledger, const char *by_word, enum books_by by,
    bool check, struct err *reterr)
{
	struct json *json = ledger->json;
	struct books_totals totals;

	json_object_open(json, NULL);
	if (by_word != NULL) {
		json_text(json, "by", by_word);
		json_array_open(json, "lines");
		if (!books_ledger(
			ledger->queue, by, ledger_line, ledger, reterr))
			return false;
		json_array_close(json);
	}
	books_totals(ledger->queue, &totals);
	ledger->found = ledger->found || books_imbalance(&totals.events) != 0;
	json_object_open(json, "total");
	show_line_json(json, &totals.events);
	json_object_close(json);
	json_array_open(json, "drops");
	if (!books_drops(ledger->queue, ledger_drop, ledger, reterr))
		return false;
	json_array_close(json);
	if (check && !ledger_check(ledger, reterr))
		return false;
	json_object_close(json);
	(void)buf_char(ledger->out, '\n');
	return true;
}

int
command_ledger(struct command_context *context, struct buf *out)
{
	const char *by_word = options_value(context->options, "--by");
	bool check = options_has(context->options, "--check");
	enum books_by by = BOOKS_BY_SOURCE;
	struct ledger ledger = {.queue = context->parts->queue, .out = out};
	struct json json;
	struct err err;
	bool ok;

	if (by_word != NULL && !ledger_by_read(by_word, &by, &err))
		return command_fail(out, &err);
	json_init(&json, out);
	if (options_has(context->options, "--json")) {
		ledger.json = &json;
		ok = ledger_json(&ledger, by_word, by, check, &err);
	} else {
		ok = ledger_text(&ledger, by_word, by, check, &err);
	}
	if (!ok)
		return command_fail(out, &err);
	return ledger.found ? EXIT_FOUND : EXIT_FINE;
}
