/*
 * currentsd queue show: one buried event, or one body that could not be read.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/queue_body.h"
#include "queue/books.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void
buried_json(struct json *json, const struct books_buried *buried)
{
	char when[CLOCK_TEXT];

	json_int(json, "id", buried->id);
	clock_text(buried->buried_ms, when, sizeof(when));
	json_text(json, "buried", when);
	clock_text(buried->accepted_ms, when, sizeof(when));
	json_text(json, "accepted", when);
	json_text(json, "source", buried->source);
	json_text(json, "destination", buried->lane);
	json_text(json, "type", buried->kind);
	json_int(json, "status", buried->status);
	json_text(json, "reason", buried->reason);
	json_int(json, "attempts", buried->attempts);
}

struct show {
	struct buf *out;
	bool json;
	int64_t id;
	bool found;
};

static void
show_part_text(struct buf *out, const char *head, const char *data, size_t len)
{
	if (data == NULL)
		return;
	(void)buf_printf(out, "\n%s (%zu bytes)\n", head, len);
	(void)buf_append(out, data, len);
	(void)buf_char(out, '\n');
}

static bool
show_buried(void *arg, const struct books_buried *buried)
{
	struct show *show = arg;
	char when[CLOCK_TEXT], accepted[CLOCK_TEXT];
	struct json json;

	show->found = buried->id == show->id;
	if (!show->found)
		return false;
	if (show->json) {
		json_init(&json, show->out);
		json_object_open(&json, NULL);
		buried_json(&json, buried);
		json_bytes(&json, "event",
		    buried->data != NULL ? buried->data : "", buried->data_len);
		if (buried->sent != NULL)
			json_bytes(
			    &json, "sent", buried->sent, buried->sent_len);
		if (buried->words != NULL)
			json_bytes(
			    &json, "words", buried->words, buried->words_len);
		json_object_close(&json);
		(void)buf_char(show->out, '\n');
		return false;
	}
	clock_text(buried->buried_ms, when, sizeof(when));
	clock_text(buried->accepted_ms, accepted, sizeof(accepted));
	(void)buf_printf(show->out,
	    "id           %" PRId64 "\ntype         %s\nsource       %s\n"
	    "destination  %s\naccepted     %s\nburied       %s\n"
	    "reason       %s\nattempts     %u\n",
	    buried->id, buried->kind, buried->source, buried->lane, accepted,
	    when, buried->reason, buried->attempts);
	if (buried->status != 0)
		(void)buf_printf(
		    show->out, "status       %d\n", buried->status);
	show_part_text(
	    show->out, "the answer", buried->words, buried->words_len);
	show_part_text(
	    show->out, "what was sent", buried->sent, buried->sent_len);
	show_part_text(
	    show->out, "the event as it came", buried->data, buried->data_len);
	return false;
}

static void
show_body_text(struct buf *out, const struct tools_body *body,
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
		    body->encoding, body->len,
		    whole ? "" : ", not readable to the end");
	show_part_text(
	    out, "the body", text->data != NULL ? text->data : "", text->len);
}

static void
show_body(void *arg, const struct tools_body *body)
{
	struct show *show = arg;
	char when[CLOCK_TEXT];
	struct json json;
	struct buf text;
	bool whole;

	show->found = true;
	if (!queue_body_text(body, &text, &whole, NULL))
		whole = false;
	if (!show->json) {
		show_body_text(show->out, body, &text, whole);
		goto out;
	}
	json_init(&json, show->out);
	json_object_open(&json, NULL);
	json_int(&json, "id", body->id);
	json_text(&json, "source", body->source);
	clock_text(body->received_ms, when, sizeof(when));
	json_text(&json, "received", when);
	json_text(&json, "reason", body->reason);
	json_text(&json, "encoding", body->encoding);
	json_bool(&json, "whole", whole);
	json_bytes(&json, "body", text.data != NULL ? text.data : "", text.len);
	json_object_close(&json);
	(void)buf_char(show->out, '\n');
out:
	buf_fini(&text);
}

/* "ID", "buried ID" or "undecodable ID" */
static bool
show_words_read(const struct options *options, struct show *show,
    bool *ret_body, struct err *reterr)
{
	size_t count = options->word_count;
	const char *const *words = options->words;
	char *end = NULL;

	*ret_body = count == 2 && strcmp(words[0], "undecodable") == 0;
	if (count == 1 || *ret_body ||
	    (count == 2 && strcmp(words[0], "buried") == 0))
		show->id = strtoll(words[count - 1], &end, 10);
	if (end != NULL && *end == '\0' && show->id > 0)
		return true;
	return err_set(reterr, ERR_INPUT,
	    "queue show takes one id, as `currentsd queue list` shows it, or "
	    "undecodable and the id of a body");
}

int
command_queue_show(struct command_context *context, struct buf *out)
{
	struct show show = {
	    .out = out,
	    .json = options_has(context->options, "--json"),
	};
	struct queue_bodies bodies = {
	    .context = context, .fn = show_body, .arg = &show};
	struct err err;
	bool body;

	if (!show_words_read(context->options, &show, &body, &err))
		return command_fail(out, &err);
	if (body ? !queue_bodies_one(&bodies, show.id, &err)
		 : !books_buried(context->parts->queue, show.id - 1, 1,
		       show_buried, &show, &err))
		return command_fail(out, &err);
	if (show.found)
		return EXIT_FINE;
	(void)err_set(&err, ERR_NOT_FOUND, "there is no %s %" PRId64,
	    body ? "undecodable body" : "buried event", show.id);
	return command_fail(out, &err);
}
