/*
 * currentsd queue rescue: prints the events of a queue file that can no longer
 * be opened, one JSON object per line, for import. Only reads; needs no
 * settings and no daemon.
 */

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/event.h"
#include "queue/rescue.h"

#include <stdio.h>

enum { RESCUE_FLUSH = 1024 * 1024 };

struct rescue_run {
	struct event_reader reader;
	struct buf *out;
	struct err err; /* why the writing ended early */
	bool failed;
};

static bool
rescue_event(void *arg, const struct rescue_event *event)
{
	struct rescue_run *run = arg;
	char when[CLOCK_TEXT];
	struct json json;

	json_init(&json, run->out);
	json_object_open(&json, NULL);
	json_int(&json, "batch", event->seq);
	clock_text(event->accepted_ms, when, sizeof(when));
	json_text(&json, "accepted", when);
	event_write(&run->reader, &json, event->data.data, event->data.len);
	json_object_close(&json);
	(void)buf_char(run->out, '\n');
	if (run->out->len >= RESCUE_FLUSH)
		run->failed = !command_flush(run->out, &run->err);
	return !run->failed;
}

int
command_queue_rescue(struct command_context *context, struct buf *out)
{
	struct rescue_run run = {.out = out};
	struct rescue_found found;
	struct err err;
	bool ok;

	if (context->options->word_count != 1) {
		(void)err_set(&err, ERR_INPUT,
		    "queue rescue takes one file: the damaged queue.db");
		return command_fail(out, &err);
	}
	event_reader_init(&run.reader);
	ok = queue_rescue(context->options->words[0], rescue_event, &run,
		 &found, &err) &&
	     command_flush(out, &err);
	event_reader_fini(&run.reader);
	if (run.failed)
		return command_fail(out, &run.err);
	if (!ok)
		return command_fail(out, &err);
	(void)fprintf(stderr,
	    "%lld events of %lld batches rescued from %lld pages;"
	    " %lld batches were damaged\n",
	    (long long)found.events, (long long)found.batches,
	    (long long)found.pages, (long long)found.damaged);
	return found.damaged == 0 && found.batches > 0 ? EXIT_FINE : EXIT_FOUND;
}
