/*
 * currentsd dead list, show, requeue, drop: what the operator sees of the dead
 * letters, and decides about them. (dead export is in export.c.)
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/job.h"
#include "cli/show.h"
#include "queue/admin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	LIST_PRESET = 50,
	LIST_STEP = 64,
	LIST_ANSWER = 60, /* bytes of the answer in a line */
};

const struct option_row command_dead_list_options[] = {
    FILTER_OPTIONS,
    FILTER_REASON_OPTION,
    {"--after", "ID", "Only those with a higher id."},
    {"--limit", "N", "At most N (50)."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

const struct option_row command_dead_requeue_options[] = {
    {"--all", NULL, "All dead letters."},
    FILTER_OPTIONS,
    FILTER_REASON_OPTION,
    FILTER_LIMIT_OPTION,
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

const struct option_row command_dead_drop_options[] = {
    {"--yes", NULL, "Confirm: they cannot be recovered."},
    {"--all", NULL, "All dead letters."},
    FILTER_OPTIONS,
    FILTER_REASON_OPTION,
    FILTER_LIMIT_OPTION,
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* The members that list and show have in common. */
static void
dead_json(struct json *json, const struct stats_dead *dead)
{
	char when[CLOCK_TEXT];

	json_int(json, "id", dead->id);
	clock_text(dead->dead_ms, when, sizeof(when));
	json_text(json, "dead", when);
	clock_text(dead->accepted_ms, when, sizeof(when));
	json_text(json, "accepted", when);
	json_text(json, "source", dead->source);
	json_text(json, "destination", dead->destination);
	json_text(json, "type", dead->type);
	json_int(json, "status", dead->status);
	json_text(json, "reason", dead->reason);
	if (dead->answer.data != NULL)
		json_bytes(json, "answer", dead->answer.data, dead->answer.len);
	json_int(json, "attempts", dead->attempts);
}

/* ---- list ---- */

struct list {
	struct command_context *context;
	struct filter filter;
	struct buf *out;
	struct json json;
	bool as_json;
	size_t count;	 /* lines of the table */
	int64_t last_id; /* that was looked at */
	size_t seen;	 /* in this step */
};

static void
list_text(struct list *list, const struct stats_dead *dead)
{
	char when[CLOCK_TEXT];

	if (list->count++ == 0)
		(void)buf_printf(list->out, "%8s %-20s %-12s %-32s %6s %s\n",
		    "id", "dead since", "source", "type", "status", "reason");
	clock_text(dead->dead_ms, when, sizeof(when));
	(void)buf_printf(list->out, "%8" PRId64 " %.19sZ %-12s %-32s %6d %s",
	    dead->id, when, dead->source, dead->type, dead->status,
	    dead->reason);
	if (dead->answer.len > 0) {
		(void)buf_text(list->out, ": ");
		show_words(list->out, dead->answer.data, dead->answer.len,
		    LIST_ANSWER);
	}
	(void)buf_char(list->out, '\n');
}

static bool
list_dead(void *arg, const struct stats_dead *dead)
{
	struct list *list = arg;
	struct jobs_event event = {
	    .place = JOBS_DEAD,
	    .source = dead->source,
	    .destination = dead->destination,
	    .type = str_text(dead->type),
	    .data = dead->data,
	    .accepted_ms = dead->accepted_ms,
	    .settled_ms = dead->dead_ms,
	    .reason = dead->reason,
	    .answer = dead->answer,
	};

	if (filter_full(&list->filter))
		return false;
	list->last_id = dead->id;
	list->seen++;
	if (!filter_match(&list->filter, &event))
		return true;
	if (list->as_json) {
		json_object_open(&list->json, NULL);
		dead_json(&list->json, dead);
		json_object_close(&list->json);
	} else {
		list_text(list, dead);
	}
	return true;
}

static bool
list_all(struct list *list, struct err *reterr)
{
	struct queue *queue = list->context->parts->queue;

	do {
		list->seen = 0;
		if (!stats_dead(queue, list->last_id, LIST_STEP, list_dead,
			list, reterr) ||
		    !command_write(list->context, list->out, reterr) ||
		    !job_breathe(
			list->context, reterr, "listed %zu", list->count))
			return false;
	} while (list->seen == LIST_STEP && !filter_full(&list->filter));
	return true;
}

int
command_dead_list(struct command_context *context, struct buf *out)
{
	struct list list = {
	    .context = context,
	    .out = out,
	    .as_json = options_has(context->options, "--json"),
	};
	struct err err;

	if (!filter_read(context, LIST_PRESET, &list.filter, &err) ||
	    !options_integer(context->options, "--after", 0, 0, INT64_MAX,
		&list.last_id, &err))
		return command_fail(out, &err);
	json_init(&list.json, out);
	if (list.as_json)
		json_array_open(&list.json, NULL);
	if (!list_all(&list, &err))
		return command_fail(out, &err);
	if (list.as_json) {
		json_array_close(&list.json);
		(void)buf_char(out, '\n');
	} else if (list.filter.count == 0) {
		(void)buf_text(out, "no dead letters\n");
	} else if (filter_full(&list.filter)) {
		(void)buf_printf(out,
		    "there may be more: --after %" PRId64 "\n", list.last_id);
	}
	return EXIT_FINE;
}

/* ---- show ---- */

struct show {
	struct buf *out;
	bool json;
	int64_t id;
	bool found;
};

static void
show_part(struct buf *out, const char *head, const char *data, size_t len)
{
	if (data == NULL)
		return;
	(void)buf_printf(out, "\n%s (%zu bytes)\n", head, len);
	(void)buf_append(out, data, len);
	(void)buf_char(out, '\n');
}

static void
show_text(struct buf *out, const struct stats_dead *dead)
{
	char when[CLOCK_TEXT], accepted[CLOCK_TEXT];

	clock_text(dead->dead_ms, when, sizeof(when));
	clock_text(dead->accepted_ms, accepted, sizeof(accepted));
	(void)buf_printf(out,
	    "id           %" PRId64 "\ntype         %s\nsource       %s\n"
	    "destination  %s\naccepted     %s\ndead since   %s\n"
	    "reason       %s\nattempts     %u\n",
	    dead->id, dead->type, dead->source, dead->destination, accepted,
	    when, dead->reason, dead->attempts);
	if (dead->status != 0)
		(void)buf_printf(out, "status       %d\n", dead->status);
	show_part(out, "the answer", dead->answer.data, dead->answer.len);
	show_part(out, "what was sent", dead->sent.data, dead->sent.len);
	show_part(out, "the event as it came", dead->data.data, dead->data.len);
}

static void
show_json(struct buf *out, const struct stats_dead *dead)
{
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	dead_json(&json, dead);
	json_bytes(&json, "event", dead->data.data, dead->data.len);
	if (dead->sent.data != NULL)
		json_bytes(&json, "sent", dead->sent.data, dead->sent.len);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

/* It gets the next dead letter that there is, which may have another id. */
static bool
show_dead(void *arg, const struct stats_dead *dead)
{
	struct show *show = arg;

	show->found = dead->id == show->id;
	if (!show->found)
		return false;
	if (show->json)
		show_json(show->out, dead);
	else
		show_text(show->out, dead);
	return false;
}

int
command_dead_show(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct show show = {
	    .out = out,
	    .json = options_has(options, "--json"),
	};
	char *end = NULL;
	struct err err;

	if (options->word_count == 1)
		show.id = strtoll(options->words[0], &end, 10);
	if (end == NULL || *end != '\0' || show.id <= 0) {
		(void)err_set(&err, ERR_INPUT,
		    "dead show takes one id, as `currentsd dead list` shows "
		    "it");
		return command_fail(out, &err);
	}
	if (!stats_dead(
		context->parts->queue, show.id - 1, 1, show_dead, &show, &err))
		return command_fail(out, &err);
	if (show.found)
		return EXIT_FINE;
	(void)err_set(
	    &err, ERR_NOT_FOUND, "there is no dead letter %" PRId64, show.id);
	return command_fail(out, &err);
}

/* ---- requeue and drop ---- */

/* Filters, or one id as a word. */
struct decision {
	struct command_context *context;
	struct filter filter;
	int64_t id; /* 0: by the filters */
};

static bool
decision_match(void *arg, const struct jobs_event *event)
{
	struct decision *decision = arg;

	if (decision->id != 0 && event->id != decision->id)
		return false;
	return filter_match(&decision->filter, event);
}

/* Without a filter it takes --all: leaving all of them out is a slip. */
static bool
decision_read(struct decision *decision, const char *verb, struct err *reterr)
{
	const struct options *options = decision->context->options;
	bool all = options_has(options, "--all");
	char *end = NULL;

	if (!filter_read(
		decision->context, INT64_MAX, &decision->filter, reterr))
		return false;
	if (options->word_count == 1) {
		decision->id = strtoll(options->words[0], &end, 10);
		if (*end != '\0' || decision->id <= 0)
			return err_set(reterr, ERR_INPUT,
			    "%s is not the id of a dead letter",
			    options->words[0]);
	} else {
		/* Letters that return meanwhile are not meant. One that is
		 * named is, even if a wrong clock dated it in the future. */
		decision->filter.until_ms = decision->context->now_ms;
	}
	if (options->word_count > 1 ||
	    (int)all + (int)decision->filter.any + (int)(decision->id != 0) !=
		1)
		return err_set(reterr, ERR_INPUT,
		    "dead %s takes one id, or filters, or --all", verb);
	return true;
}

static bool
requeue_step(
    struct queue *queue, struct jobs_walk *tools, void *arg, struct err *reterr)
{
	(void)arg;
	return jobs_requeue(queue, tools, reterr);
}

static bool
drop_step(
    struct queue *queue, struct jobs_walk *tools, void *arg, struct err *reterr)
{
	(void)arg;
	return jobs_drop(queue, tools, "operator", reterr);
}

static bool
decision_run(struct decision *decision, const char *verb, job_step_fn *step,
    struct buf *out, struct err *reterr)
{
	struct job job = {
	    .context = decision->context,
	    .out = out,
	    .verb = verb,
	    .step = step,
	    .match = decision_match,
	    .match_arg = decision,
	    .filter = &decision->filter,
	};

	return job_run(&job, JOBS_DEAD, reterr);
}

static int
decision_show(
    const struct decision *decision, const char *verb, struct buf *out)
{
	struct json json;

	if (options_has(decision->context->options, "--json")) {
		json_init(&json, out);
		json_object_open(&json, NULL);
		json_int(&json, verb, decision->filter.count);
		json_object_close(&json);
		(void)buf_char(out, '\n');
	} else {
		(void)buf_printf(out, "%s %" PRId64 " dead letters\n", verb,
		    decision->filter.count);
	}
	return (decision->id != 0 && decision->filter.count == 0) ||
		       decision->filter.unserved > 0
		   ? EXIT_FOUND
		   : EXIT_FINE;
}

int
command_dead_requeue(struct command_context *context, struct buf *out)
{
	struct decision decision = {.context = context};
	struct err err;

	if (!decision_read(&decision, "requeue", &err))
		return command_fail(out, &err);
	decision.filter.served = context->parts->settings;
	if (!decision_run(&decision, "requeued", requeue_step, out, &err) ||
	    !filter_unserved_say(context, &decision.filter, &err))
		return command_fail(out, &err);
	return decision_show(&decision, "requeued", out);
}

int
command_dead_drop(struct command_context *context, struct buf *out)
{
	struct decision decision = {.context = context};
	struct err err;

	if (!decision_read(&decision, "drop", &err))
		return command_fail(out, &err);
	if (!options_has(context->options, "--yes")) {
		(void)err_set(&err, ERR_INPUT,
		    "dropped events cannot be recovered: look at them with "
		    "dead list and the same filters, then add --yes");
		return command_fail(out, &err);
	}
	if (!decision_run(&decision, "dropped", drop_step, out, &err))
		return command_fail(out, &err);
	return decision_show(&decision, "dropped", out);
}
