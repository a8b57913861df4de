/*
 * currentsd unreadable list, show, drop: whole bodies that are not JSON.
 */

#include "cli/unreadable.h"

#include "base/clock.h"
#include "base/json.h"
#include "cli/job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	BODY_TEXT_MAX = 1024 * 1024 * 1024,
	BODY_LIST_PRESET = 50,
};

const struct option_row command_unreadable_list_options[] = {
    FILTER_BODY_OPTIONS,
    {"--limit", "N", "At most N (50)."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

const struct option_row command_unreadable_drop_options[] = {
    {"--yes", NULL, "Confirm: they cannot be recovered."},
    {"--all", NULL, "All of them."},
    FILTER_BODY_OPTIONS,
    FILTER_LIMIT_OPTION,
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* ---- the walk ---- */

/* Decompress a body into a buffer made here. *ret_whole: to its end. */
static bool
body_text(const struct jobs_unreadable *body, struct buf *ret_text,
    bool *ret_whole, struct err *reterr)
{
	buf_init(ret_text, BODY_TEXT_MAX);
	return server_body_decode(
	    body->encoding, body->data, ret_text, ret_whole, reterr);
}

/* Is one of the people in it? A body that cannot be decompressed to its end
 * is also searched as it came. */
static bool
body_mentions(struct unreadable_walk *walk, const struct jobs_unreadable *body)
{
	const struct filter *filter = walk->filter;
	bool whole = false, found = false;
	struct buf text;

	if (!body_text(body, &text, &whole, NULL))
		whole = false;
	for (size_t i = 0; i < filter->people_count && !found; i++) {
		struct str one = filter->people[i];

		found = person_mentioned(str_bytes(text.data, text.len), one) ||
			(!whole && person_mentioned(body->data, one));
	}
	if (!found && !whole)
		walk->unclear++;
	buf_fini(&text);
	return found;
}

static bool
body_match(void *arg, const struct jobs_unreadable *body)
{
	struct unreadable_walk *walk = arg;
	struct filter *filter = walk->filter;

	if (filter_full(filter) || body->received_ms < filter->since_ms ||
	    body->received_ms > filter->until_ms ||
	    (filter->source != NULL &&
		strcmp(filter->source, body->source) != 0) ||
	    (filter->reason != NULL &&
		strstr(body->reason, filter->reason) == NULL))
		return false;
	if (filter->people != NULL && !body_mentions(walk, body))
		return false;
	filter->count++;
	if (walk->fn != NULL)
		walk->fn(walk->arg, body);
	return true;
}

bool
unreadable_walk(struct unreadable_walk *walk, struct err *reterr)
{
	struct queue *queue = walk->context->parts->queue;
	int64_t last = 0;

	do {
		if (!jobs_unreadable_next(queue, last, body_match, walk,
			walk->remove, &last, reterr) ||
		    !command_write(walk->context, walk->out, reterr) ||
		    !job_breathe(walk->context, reterr, "bodies"))
			return false;
	} while (last != 0 && !filter_full(walk->filter));
	return true;
}

/* ---- list ---- */

struct list {
	struct buf *out;
	struct json json;
	bool as_json;
	size_t count;
};

static void
list_body(void *arg, const struct jobs_unreadable *body)
{
	struct list *list = arg;
	struct json *json = &list->json;
	char when[CLOCK_TEXT];

	clock_text(body->received_ms, when, sizeof(when));
	if (!list->as_json) {
		if (list->count++ == 0)
			(void)buf_printf(list->out, "%8s %-20s %-12s %10s %s\n",
			    "id", "received", "source", "bytes", "reason");
		(void)buf_printf(list->out,
		    "%8" PRId64 " %.19sZ %-12s %10zu %s\n", body->id, when,
		    body->source, body->data.len, body->reason);
		return;
	}
	json_object_open(json, NULL);
	json_int(json, "id", body->id);
	json_text(json, "received", when);
	json_text(json, "source", body->source);
	json_int(json, "bytes", (int64_t)body->data.len);
	json_text(json, "encoding", body->encoding);
	json_text(json, "reason", body->reason);
	json_object_close(json);
}

int
command_unreadable_list(struct command_context *context, struct buf *out)
{
	struct filter filter;
	struct list list = {
	    .out = out,
	    .as_json = options_has(context->options, "--json"),
	};
	struct unreadable_walk walk = {
	    .context = context,
	    .filter = &filter,
	    .out = out,
	    .fn = list_body,
	    .arg = &list,
	};
	struct err err;

	if (!filter_read(context, BODY_LIST_PRESET, &filter, &err))
		return command_fail(out, &err);
	json_init(&list.json, out);
	if (list.as_json)
		json_array_open(&list.json, NULL);
	if (!unreadable_walk(&walk, &err))
		return command_fail(out, &err);
	if (list.as_json) {
		json_array_close(&list.json);
		(void)buf_char(out, '\n');
	} else if (list.count == 0) {
		(void)buf_text(out, "no unreadable bodies\n");
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
show_text(struct buf *out, const struct jobs_unreadable *body,
    const struct buf *text, bool whole)
{
	char when[CLOCK_TEXT];

	clock_text(body->received_ms, when, sizeof(when));
	(void)buf_printf(out,
	    "id           %" PRId64 "\nsource       %s\nreceived     %s\n"
	    "reason       %s\n",
	    body->id, body->source, when, body->reason);
	if (*body->encoding != '\0')
		(void)buf_printf(out, "encoding     %s, %zu bytes%s\n",
		    body->encoding, body->data.len,
		    whole ? "" : ", not readable to the end");
	(void)buf_printf(out, "\nthe body (%zu bytes)\n", text->len);
	(void)buf_append(out, text->data != NULL ? text->data : "", text->len);
	(void)buf_char(out, '\n');
}

static void
show_json(struct buf *out, const struct jobs_unreadable *body,
    const struct buf *text, bool whole)
{
	char when[CLOCK_TEXT];
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_int(&json, "id", body->id);
	json_text(&json, "source", body->source);
	clock_text(body->received_ms, when, sizeof(when));
	json_text(&json, "received", when);
	json_text(&json, "reason", body->reason);
	json_text(&json, "encoding", body->encoding);
	json_bool(&json, "whole", whole);
	json_bytes(
	    &json, "body", text->data != NULL ? text->data : "", text->len);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

/* It gets the next body that there is, which may have another id. */
static bool
show_body(void *arg, const struct jobs_unreadable *body)
{
	struct show *show = arg;
	struct buf text;
	bool whole;

	if (body->id != show->id)
		return false;
	show->found = true;
	if (!body_text(body, &text, &whole, NULL))
		whole = false;
	if (show->json)
		show_json(show->out, body, &text, whole);
	else
		show_text(show->out, body, &text, whole);
	buf_fini(&text);
	return false;
}

int
command_unreadable_show(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct show show = {
	    .out = out,
	    .json = options_has(options, "--json"),
	};
	char *end = NULL;
	struct err err;
	int64_t last;

	if (options->word_count == 1)
		show.id = strtoll(options->words[0], &end, 10);
	if (end == NULL || *end != '\0' || show.id <= 0) {
		(void)err_set(&err, ERR_INPUT,
		    "unreadable show takes one id, as `currentsd unreadable "
		    "list` shows it");
		return command_fail(out, &err);
	}
	if (!jobs_unreadable_next(context->parts->queue, show.id - 1, show_body,
		&show, false, &last, &err))
		return command_fail(out, &err);
	if (show.found)
		return EXIT_FINE;
	(void)err_set(&err, ERR_NOT_FOUND,
	    "there is no unreadable body %" PRId64, show.id);
	return command_fail(out, &err);
}

/* ---- drop ---- */

int
command_unreadable_drop(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct filter filter;
	struct unreadable_walk walk = {
	    .context = context,
	    .filter = &filter,
	    .out = out,
	    .remove = true,
	};
	struct json json;
	struct err err;

	if (!filter_read(context, INT64_MAX, &filter, &err))
		return command_fail(out, &err);
	/* Bodies that arrive meanwhile are not meant. */
	filter.until_ms = context->now_ms;
	if (options_has(options, "--all") == filter.any) {
		(void)err_set(
		    &err, ERR_INPUT, "unreadable drop takes filters, or --all");
		return command_fail(out, &err);
	}
	if (!options_has(options, "--yes")) {
		(void)err_set(&err, ERR_INPUT,
		    "dropped bodies cannot be recovered: look at them with "
		    "unreadable list and the same filters, then add --yes");
		return command_fail(out, &err);
	}
	if (!unreadable_walk(&walk, &err))
		return command_fail(out, &err);
	if (!options_has(options, "--json")) {
		(void)buf_printf(out, "dropped %" PRId64 " unreadable bodies\n",
		    filter.count);
		return EXIT_FINE;
	}
	json_init(&json, out);
	json_object_open(&json, NULL);
	json_int(&json, "dropped", filter.count);
	json_object_close(&json);
	(void)buf_char(out, '\n');
	return EXIT_FINE;
}
