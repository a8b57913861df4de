/*
 * currentsd import: puts events from a file into the queue as if a source had
 * sent them: they are validated, and duplicates are detected.
 *
 * A line is an event, a request body, or a line that an export wrote. Lines are
 * gathered into batches, since each put is an fsync.
 */

#include "base/json.h"
#include "base/lock.h"
#include "cli/command.h"
#include "cli/event.h"
#include "cli/import_judge.h"
#include "cli/import_line.h"
#include "cli/job.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	IMPORT_EVENTS = 1000, /* of a batch */
	IMPORT_BYTES = 1024 * 1024,
	IMPORT_LINE_MAX = 256 * 1024 * 1024,
	IMPORT_WAIT_MS = 100,
};

const struct option_row command_import_options[] = {
    {"--source", "NAME", "As if it had sent them, whatever an export says."},
    {"--again", NULL, "Even if they were received before."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* What the committer's thread reports. */
struct import_put {
	struct lock lock;
	struct cond changed;
	/* guarded by lock */
	bool ended, ok;
	struct queue_receipt receipt;
	struct err err;
};

struct import {
	struct command_context *context;
	struct import_judge judge;
	bool forced;	      /* --source was given */
	size_t source_preset; /* it, or the first */
	size_t source;	      /* of the batch */
	struct buf in;	      /* what was read, from a line on */
	struct buf body;      /* the batch, without its ends */
	size_t events;	      /* in it */
	bool accepted_once;   /* all of them, or none */
	struct import_line line;
	struct currents_batch batch;
	struct import_put put;
	struct queue_receipt total;
	int64_t lines, unreadable;
};

/* ---- a batch ---- */

static void
import_done(
    void *arg, const struct queue_receipt *receipt, const struct err *err)
{
	struct import_put *put = arg;

	lock_hold(&put->lock);
	put->ended = true;
	put->ok = receipt != NULL;
	if (receipt != NULL)
		put->receipt = *receipt;
	else
		put->err = *err;
	cond_wake(&put->changed);
	lock_drop(&put->lock);
}

/* The batch is lent until the end, so nothing interrupts this. */
static bool
import_wait(struct import *import, struct err *reterr)
{
	struct import_put *put = &import->put;
	bool ended = false, gone = false;

	while (!ended) {
		lock_hold(&put->lock);
		if (!put->ended)
			cond_wait(&put->changed, &put->lock,
			    clock_mono_ms() + IMPORT_WAIT_MS);
		ended = put->ended;
		lock_drop(&put->lock);
		if (!ended && !gone)
			gone = !job_breathe(import->context, reterr,
			    "imported %zu events", import->total.received);
	}
	if (!put->ok)
		return err_set(reterr, put->err.code, "%s", put->err.text);
	import->total.received += put->receipt.received;
	import->total.queued += put->receipt.queued;
	import->total.dead += put->receipt.dead;
	import->total.duplicates += put->receipt.duplicates;
	import->total.dropped += put->receipt.dropped;
	return !gone;
}

static bool
import_put_batch(struct import *import, struct err *reterr)
{
	size_t count = import->batch.count;
	struct item *items = calloc(count, sizeof(*items));
	char *reasons = calloc(count, SERVER_REASON);
	const struct server_judge *judge;
	struct buf bytes = {0};
	struct queue_batch batch = {
	    .source = import->judge.settings->sources[import->source].name,
	    .now_ms = clock_wall_ms(),
	    .again = options_has(import->context->options, "--again"),
	    .items = items,
	    .count = count,
	};
	bool ok = false;

	if (items == NULL || reasons == NULL) {
		(void)err_set_nomem(reterr);
		goto out;
	}
	if (!import_judge_find(&import->judge, import->source, &judge,
		&batch.destination, reterr))
		goto out;
	if (!server_judge_batch(judge, &import->batch, import->body.data,
		import->accepted_once, items, reasons, NULL, NULL, &bytes)) {
		(void)err_set_nomem(reterr);
		goto out;
	}
	import->put.ended = false;
	ok = queue_put(import->context->parts->queue, &batch, import_done,
		 &import->put, reterr) &&
	     import_wait(import, reterr);
out:
	buf_fini(&bytes);
	free(reasons);
	free(items);
	return ok;
}

static bool
import_flush(struct import *import, struct err *reterr)
{
	struct currents_fault fault;
	bool ok = false;

	if (import->events == 0)
		return true;
	(void)buf_text(&import->body, "]}");
	if (!buf_ok(&import->body, reterr))
		return false;
	switch (currents_read(str_bytes(import->body.data, import->body.len),
	    import->events, &import->batch, &fault)) {
	case CURRENTS_READ:
		ok = import_put_batch(import, reterr);
		break;
	case CURRENTS_FAULT:
	case CURRENTS_NO_ROOM:
		/* Each was read before. */
		ok = err_set_nomem(reterr);
		break;
	}
	buf_reset(&import->body);
	import->events = 0;
	return ok && job_breathe(import->context, reterr, "imported %zu events",
			 import->total.received);
}

/* ---- lines ---- */

/* The number of the source of that name; false if there is none. */
static bool
import_source(
    const struct import *import, const char *name, size_t len, size_t *ret)
{
	const struct settings *settings = import->judge.settings;

	for (size_t i = 0; i < settings->source_count; i++) {
		const char *known = settings->sources[i].name;

		if (strlen(known) == len && memcmp(known, name, len) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static bool
import_event(void *arg, const struct import_event *event, struct err *reterr)
{
	struct import *import = arg;
	size_t source = import->source_preset;

	if (!import->forced)
		(void)import_source(
		    import, event->source, event->source_len, &source);
	if ((source != import->source ||
		event->accepted_once != import->accepted_once ||
		import->events == IMPORT_EVENTS ||
		import->body.len + event->len > IMPORT_BYTES) &&
	    !import_flush(import, reterr))
		return false;
	import->source = source;
	import->accepted_once = event->accepted_once;
	(void)buf_text(
	    &import->body, import->events++ == 0 ? "{\"events\":[" : ",");
	(void)buf_append(&import->body, event->data, event->len);
	return buf_ok(&import->body, reterr);
}

static bool
import_line_one(
    struct import *import, const char *data, size_t len, struct err *reterr)
{
	bool readable;

	import->lines++;
	if (!import_line_read(&import->line, data, len, import_event, import,
		&readable, reterr))
		return false;
	if (readable)
		return true;
	import->unreadable++;
	return job_say(import->context, reterr,
	    "line %" PRId64 ": no readable event", import->lines);
}

/* Every whole line of what was read; at the end of the file, the rest. */
static bool
import_lines(struct import *import, bool end, struct err *reterr)
{
	struct buf *in = &import->in;
	size_t at = 0, len;
	const char *stop;

	while (at < in->len) {
		stop = memchr(in->data + at, '\n', in->len - at);
		if (stop == NULL && !end)
			break;
		len = stop != NULL ? (size_t)(stop - in->data) - at
				   : in->len - at;
		if (!import_line_one(import, in->data + at, len, reterr))
			return false;
		at += len + (stop != NULL);
	}
	if (at > 0 && at < in->len)
		memmove(in->data, in->data + at, in->len - at);
	buf_truncate(in, in->len - at);
	return true;
}

static bool
import_all(struct import *import, const char *name, struct err *reterr)
{
	const struct channel *channel = import->context->channel;
	bool end = false;
	size_t had;

	while (!end) {
		had = import->in.len;
		if (!channel->read(channel->arg, name, &import->in, reterr))
			return false;
		end = import->in.len == had;
		if (!import_lines(import, end, reterr))
			return false;
	}
	return import_flush(import, reterr) &&
	       (import->total.duplicates == 0 ||
		   job_say(import->context, reterr,
		       "%zu were received before and were not imported again: "
		       "see --again",
		       import->total.duplicates));
}

/* ---- the command ---- */

static bool
import_begin(struct import *import, struct err *reterr)
{
	const struct options *options = import->context->options;
	const char *source = options_value(options, "--source");
	struct parts *parts = import->context->parts;

	if (options->word_count > 1)
		return err_set(reterr, ERR_INPUT, "import takes one file");
	if (!import_judge_init(
		&import->judge, parts, import->context->config, reterr))
		return false;
	import->forced = source != NULL;
	if (source != NULL && !import_source(import, source, strlen(source),
				  &import->source_preset))
		return err_set(
		    reterr, ERR_INPUT, "there is no source \"%s\"", source);
	/* Without a daemon the committer is ours to start. */
	return atomic_load(&parts->server) != NULL ||
	       queue_start(parts->queue, reterr);
}

static void
import_show(const struct import *import, struct buf *out)
{
	const struct queue_receipt *total = &import->total;
	struct json json;

	if (!options_has(import->context->options, "--json")) {
		(void)buf_printf(out,
		    "received %zu: queued %zu, dead %zu, duplicates %zu, "
		    "dropped %zu; unreadable lines %" PRId64 "\n",
		    total->received, total->queued, total->dead,
		    total->duplicates, total->dropped, import->unreadable);
		return;
	}
	json_init(&json, out);
	json_object_open(&json, NULL);
	json_int(&json, "received", (int64_t)total->received);
	json_int(&json, "queued", (int64_t)total->queued);
	json_int(&json, "dead", (int64_t)total->dead);
	json_int(&json, "duplicates", (int64_t)total->duplicates);
	json_int(&json, "dropped", (int64_t)total->dropped);
	json_int(&json, "unreadable", import->unreadable);
	json_object_close(&json);
	(void)buf_char(out, '\n');
}

int
command_import(struct command_context *context, struct buf *out)
{
	const struct options *options = context->options;
	struct parts *parts = context->parts;
	struct import import = {.context = context};
	int code = EXIT_FINE;
	struct err err;

	buf_init(&import.in, IMPORT_LINE_MAX);
	buf_init(&import.body, (size_t)IMPORT_LINE_MAX * 2);
	import_line_init(&import.line);
	currents_batch_init(&import.batch);
	lock_init(&import.put.lock);
	cond_init(&import.put.changed);
	if (!import_begin(&import, &err) ||
	    !import_all(&import,
		options->word_count == 0 ? "-" : options->words[0], &err)) {
		code = command_fail(out, &err);
		if (import.lines > 0)
			(void)buf_printf(out, "stopped near line %" PRId64 "%s",
			    import.lines,
			    options_has(options, "--again")
				? ": the lines before it are imported; with "
				  "--again they would be sent\ntwice, without "
				  "it they count as duplicates\n"
				: ": import the file again; what was imported "
				  "counts as duplicates\n");
	} else {
		import_show(&import, out);
		code = import.unreadable > 0 ? EXIT_FOUND : EXIT_FINE;
	}
	if (atomic_load(&parts->server) == NULL)
		queue_stop(parts->queue);
	cond_fini(&import.put.changed);
	lock_fini(&import.put.lock);
	currents_batch_fini(&import.batch);
	import_line_fini(&import.line);
	import_judge_fini(&import.judge);
	buf_fini(&import.body);
	buf_fini(&import.in);
	return code;
}
