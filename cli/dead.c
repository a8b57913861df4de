/*
 * currentsd dead list, show, requeue, export, drop: the dead letters.
 */

#include "base/clock.h"
#include "base/json.h"
#include "daemon/event.h"
#include "cli/filter.h"
#include "cli/show.h"
#include "daemon/persons.h"

#include <inttypes.h>

enum {
	LIST_PRESET = 50,
	LIST_STEP = 64,
	LIST_ANSWER = 60, /* bytes of the answer in a line */
};

const struct option_row command_dead_list_options[] = {
    FILTER_OPTIONS,
    FILTER_REASON_OPTION,
    {"--after", "ID", "Only dead letters with a higher id."},
    {"--limit", "N", "At most N (default 50)."},
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

const struct option_row command_dead_export_options[] = {
    FILTER_OPTIONS,
    FILTER_REASON_OPTION,
    FILTER_LIMIT_OPTION,
    {NULL, NULL, NULL},
};

const struct option_row command_dead_drop_options[] = {
    {"--yes", NULL, "Confirm: dropped events cannot be recovered."},
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
	json_int(json, "id", dead->id);
	json_time(json, "dead", dead->dead_ms);
	json_time(json, "accepted", dead->accepted_ms);
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
	struct selection selection;
	struct buf *out;
	struct json *json; /* NULL: text */
	int64_t last_id;   /* that was looked at */
	size_t seen;	   /* in this step */
};

static void
list_text(struct list *list, const struct stats_dead *dead)
{
	char when[CLOCK_TEXT];

	if (list->selection.count == 1)
		(void)buf_printf(list->out, "%8s %-20s %-12s %-32s %6s %s\n",
		    "id", "dead since", "source", "type", "status", "reason");
	clock_text(dead->dead_ms, when, sizeof(when));
	(void)buf_printf(list->out, "%8" PRId64 " %.19sZ %-12s %-32s %6d %s",
	    dead->id, when, dead->source, dead->type, dead->status,
	    dead->reason);
	if (dead->answer.len > 0) {
		(void)buf_text(list->out, ": ");
		show_foreign(list->out, dead->answer.data, dead->answer.len,
		    LIST_ANSWER);
	}
	(void)buf_char(list->out, '\n');
}

static bool
list_dead(void *arg, const struct stats_dead *dead)
{
	struct list *list = arg;
	const struct jobs_event event = {
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

	if (selection_full(&list->selection))
		return false;
	list->last_id = dead->id;
	list->seen++;
	if (!selection_event(&list->selection, &event))
		return true;
	if (list->json != NULL) {
		json_object_open(list->json, NULL);
		dead_json(list->json, dead);
		json_object_close(list->json);
	} else {
		list_text(list, dead);
	}
	return true;
}

int
command_dead_list(struct command_context *context, struct buf *out)
{
	struct list list = {.out = out};
	struct json json;
	struct err err;

	if (!filter_read(context, LIST_PRESET, &list.selection, &err) ||
	    !options_integer(context->options, "--after", 0, 0, INT64_MAX,
		&list.last_id, &err))
		return command_fail(out, &err);
	json_init(&json, out);
	if (options_has(context->options, "--json")) {
		list.json = &json;
		json_array_open(&json, NULL);
	}
	do {
		list.seen = 0;
		if (!stats_dead(context->daemon->queue, list.last_id, LIST_STEP,
			list_dead, &list, &err) ||
		    !job_write(context->caller, out, &err) ||
		    !job_progress(context->caller, &err, "listed %" PRId64,
			list.selection.count))
			return command_fail(out, &err);
	} while (list.seen == LIST_STEP && !selection_full(&list.selection));
	if (list.json != NULL) {
		json_array_close(&json);
		(void)buf_char(out, '\n');
	} else if (list.selection.count == 0) {
		(void)buf_text(out, "no dead letters match\n");
	} else if (selection_full(&list.selection)) {
		(void)buf_printf(out,
		    "there may be more: use --after %" PRId64 "\n",
		    list.last_id);
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
	struct str member;
	bool entered;

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
	show_part(out,
	    persons_change(str_text(dead->type), dead->data, &member, &entered)
		? "the change as received"
		: "the event as received",
	    dead->data.data, dead->data.len);
}

static void
show_json(struct buf *out, const struct stats_dead *dead)
{
	struct str member;
	struct json json;
	bool entered;

	json_init(&json, out);
	json_object_open(&json, NULL);
	dead_json(&json, dead);
	if (persons_change(
		str_text(dead->type), dead->data, &member, &entered)) {
		event_bytes_write(&json, "member", member);
		json_bool(&json, "entered", entered);
	} else {
		json_bytes(&json, "event", dead->data.data, dead->data.len);
	}
	if (dead->sent.data != NULL)
		json_bytes(&json, "sent", dead->sent.data, dead->sent.len);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

/* The queue passes the next dead letter from the id on, which may be another
 * one. */
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
	struct show show = {
	    .out = out,
	    .json = options_has(context->options, "--json"),
	};
	struct err err;

	if (!command_id_read(context->options, &show.id))
		(void)err_set(&err, ERR_INPUT,
		    "dead show needs one id, as shown by `currentsd dead "
		    "list`");
	else if (stats_dead(context->daemon->queue, show.id - 1, 1, show_dead,
		     &show, &err)) {
		if (show.found)
			return EXIT_FINE;
		(void)err_set(&err, ERR_NOT_FOUND,
		    "there is no dead letter %" PRId64, show.id);
	}
	return command_fail(out, &err);
}

/* ---- requeue and drop ---- */

/* Filters, or one id as a word. */
struct decision {
	struct selection selection;
	int64_t id; /* 0: by the filters */
};

static bool
decision_match(void *arg, const struct jobs_event *event)
{
	struct decision *decision = arg;

	return (decision->id == 0 || event->id == decision->id) &&
	       selection_event(&decision->selection, event);
}

/* Without a filter the operator must say --all: leaving out all filters may
 * be a slip. */
static bool
decision_read(const struct command_context *context, const char *verb,
    struct decision *decision, struct err *reterr)
{
	const struct options *options = context->options;
	unsigned ways = (unsigned)options_has(options, "--all") +
			(unsigned)filter_given(options) +
			(unsigned)(options->word_count > 0);

	*decision = (struct decision){.id = 0};
	if (!filter_read(context, INT64_MAX, &decision->selection, reterr))
		return false;
	if (ways != 1 || options->word_count > 1)
		return err_set(reterr, ERR_INPUT,
		    "dead %s needs one id, filters, or --all", verb);
	if (options->word_count == 1)
		return command_id_read(options, &decision->id) ||
		       err_set(reterr, ERR_INPUT,
			   "%s is not the id of a dead letter",
			   options->words[0]);
	/* Not letters that come back meanwhile. One that is named is
	 * selected even if a wrong clock dated it in the future. */
	decision->selection.until_ms = context->now_ms;
	return true;
}

static int
decision_run(struct command_context *context, struct decision *decision,
    const char *verb, job_step_fn *step, struct buf *out)
{
	struct selection *selection = &decision->selection;
	struct job job = command_job(context, out, verb, step);
	struct err err;

	job.match = decision_match;
	job.match_arg = decision;
	job.selection = selection;
	if (!job_run(&job, JOBS_DEAD, &err) ||
	    !filter_unserved_tell(context, selection, &err))
		return command_fail(out, &err);
	if (options_has(context->options, "--json"))
		command_count_json(verb, selection->count, out);
	else
		(void)buf_printf(out, "%s %" PRId64 " dead letters\n", verb,
		    selection->count);
	return (decision->id != 0 && selection->count == 0) ||
		       selection->unserved > 0
		   ? EXIT_FOUND
		   : EXIT_FINE;
}

static bool
requeue_step(
    struct queue *queue, struct jobs_walk *walk, void *arg, struct err *reterr)
{
	(void)arg;
	return jobs_requeue(queue, walk, reterr);
}

int
command_dead_requeue(struct command_context *context, struct buf *out)
{
	struct decision decision;
	struct err err;

	if (!decision_read(context, "requeue", &decision, &err))
		return command_fail(out, &err);
	decision.selection.served = context->daemon->settings;
	return decision_run(context, &decision, "requeued", requeue_step, out);
}

static bool
drop_step(
    struct queue *queue, struct jobs_walk *walk, void *arg, struct err *reterr)
{
	(void)arg;
	return jobs_drop(queue, walk, "operator", reterr);
}

int
command_dead_drop(struct command_context *context, struct buf *out)
{
	struct decision decision;
	struct err err;

	if (!decision_read(context, "drop", &decision, &err))
		return command_fail(out, &err);
	if (!options_has(context->options, "--yes")) {
		(void)err_set(&err, ERR_INPUT,
		    "dropped events cannot be recovered: look at them first "
		    "with `currentsd dead list` and the same filters, then add "
		    "--yes");
		return command_fail(out, &err);
	}
	return decision_run(context, &decision, "dropped", drop_step, out);
}

/* ---- export ---- */

int
command_dead_export(struct command_context *context, struct buf *out)
{
	struct ask ask;

	ask_init(&ask, "GET", "/events");
	ask_param(&ask, "place", "dead");
	ask_param(&ask, "full", "yes");
	filter_ask(context->options, &ask);
	return command_export(context, &ask, out);
}
