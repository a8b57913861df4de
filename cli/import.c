/*
 * currentsd import: puts events from a file into the queue as if a source had
 * sent them: they are validated, and duplicates are detected.
 *
 * A line is an event, a request body, or one of them as an export or queue
 * rescue wrote it. The events of several lines are gathered into batches,
 * because each put costs an fsync.
 */

#include "base/clock.h"
#include "base/json.h"
#include "base/lock.h"
#include "cli/command.h"
#include "daemon/event.h"
#include "schema/json/scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BATCH_EVENTS = 1000,
	BATCH_BYTES = 1024 * 1024,
	LINE_MAX_BYTES = 256 * 1024 * 1024,
	LINE_EVENTS_MAX = 10000000,
	WAIT_MS = 100, /* between two reports while a put is under way */
};

const struct option_row command_import_options[] = {
    {"--source", "NAME",
	"Import for this source, even if an export names another."},
    {"--again", NULL, "Also import events that were received before."},
    {"--json", NULL, "Print JSON."},
    {NULL, NULL, NULL},
};

/* A source, and what reads its events. */
struct import_source {
	const struct server_source *source;
	struct intake_context *context; /* NULL: not made yet */
	struct intake_reader *reader;
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
	struct import_source *sources; /* as in the settings */
	size_t source_count;
	size_t source_preset; /* that of --source, or the first of events */
	bool forced;	      /* --source was given */

	struct buf in; /* what was read, from a line on */
	struct event_reader reader;
	struct currents_batch line_batch; /* of a line that is a body */
	struct buf decoded;		  /* of base64, or of a string */
	struct buf plain;		  /* of an encoded body */

	/* the batch that is gathered */
	struct buf body; /* without its end */
	size_t events, source;
	bool accepted_once; /* all of them, or none */

	struct import_put put;
	struct queue_receipt total;
	int64_t lines, unreadable;
};

/* One event of a line. */
struct import_event {
	struct str data;
	struct str source;  /* that an export names, or empty */
	bool accepted_once; /* by the queue that it was exported from */
};

/* ---- a batch ---- */

/* Read as the server does, by the rules of the source. In the daemon the
 * source is linked already. */
static bool
source_reader_make(
    struct import *import, struct import_source *made, struct err *reterr)
{
	struct daemon *daemon = import->context->daemon;
	struct settings_source *source =
	    &daemon->settings->sources[made - import->sources];

	if (source->kind != SETTINGS_CURRENTS)
		return err_set(reterr, ERR_INPUT,
		    "source \"%s\" is of the kind %s, and only events of "
		    "currents can be imported: see --source",
		    source->server.name, source->server.intake->kind);
	if (atomic_load(&daemon->server) == NULL &&
	    !settings_source_link(daemon->settings, source, reterr))
		return false;
	made->source = &source->server;
	if (made->context == NULL &&
	    !settings_source_context(source, &made->context, reterr))
		return false;
	made->reader = made->source->intake->reader_new(made->context);
	return made->reader != NULL || err_set_nomem(reterr);
}

static void
source_reader_free(struct import_source *made)
{
	if (made->source == NULL)
		return;
	made->source->intake->reader_free(made->reader);
	made->source->intake->context_free(made->context);
}

static void
put_done(void *arg, const struct queue_receipt *receipt, const struct err *err)
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

/* The queue borrows the batch until it calls put_done(), so wait even if the
 * client is gone. */
static bool
put_wait(struct import *import, struct err *reterr)
{
	struct import_put *put = &import->put;
	struct queue_receipt *total = &import->total;
	bool ended = false, gone = false;

	while (!ended) {
		lock_hold(&put->lock);
		if (!put->ended)
			cond_wait(&put->changed, &put->lock,
			    clock_mono_ms() + WAIT_MS);
		ended = put->ended;
		lock_drop(&put->lock);
		if (!ended && !gone)
			gone = !job_progress(import->context->caller, reterr,
			    "imported %zu events", total->received);
	}
	if (!put->ok)
		return err_set(reterr, put->err.code, "%s", put->err.text);
	total->received += put->receipt.received;
	total->queued += put->receipt.queued;
	total->dead += put->receipt.dead;
	total->duplicates += put->receipt.duplicates;
	total->dropped += put->receipt.dropped;
	return !gone;
}

static bool
batch_put(struct import *import, struct err *reterr)
{
	struct import_source *source = &import->sources[import->source];
	struct intake_batch read = {.count = 0};
	struct queue_batch batch = {
	    .now_ms = clock_wall_ms(),
	    .again = options_has(import->context->options, "--again"),
	};

	if (source->reader == NULL &&
	    !source_reader_make(import, source, reterr))
		return false;
	/* Each event was readable alone: this fails only without memory. */
	if (source->source->intake->read(source->reader,
		str_bytes(import->body.data, import->body.len), import->events,
		import->accepted_once, NULL, NULL, &read) != INTAKE_TAKEN)
		return err_set_nomem(reterr);
	batch.source = source->source->name;
	batch.destination = source->source->destination;
	batch.items = read.items;
	batch.count = read.count;
	import->put.ended = false;
	return queue_put(import->context->daemon->queue, &batch, put_done,
		   &import->put, reterr) &&
	       put_wait(import, reterr);
}

/* Put the events that were gathered. */
static bool
batch_flush(struct import *import, struct err *reterr)
{
	bool ok;

	if (import->events == 0)
		return true;
	(void)buf_text(&import->body, "]}");
	if (!buf_ok(&import->body, reterr))
		return false;
	ok = batch_put(import, reterr);
	buf_reset(&import->body);
	import->events = 0;
	return ok && job_progress(import->context->caller, reterr,
			 "imported %zu events", import->total.received);
}

/* ---- lines ---- */

/* The number of the source of that name; false if there is none. */
static bool
source_find(const struct import *import, struct str name, size_t *ret_source)
{
	const struct settings *settings = import->context->daemon->settings;

	for (size_t i = 0; i < settings->source_count; i++) {
		if (str_equal_text(name, settings->sources[i].server.name)) {
			*ret_source = i;
			return true;
		}
	}
	return false;
}

static bool
event_add(
    struct import *import, const struct import_event *event, struct err *reterr)
{
	size_t source = import->source_preset;

	if (!import->forced)
		(void)source_find(import, event->source, &source);
	if ((source != import->source ||
		event->accepted_once != import->accepted_once ||
		import->events == BATCH_EVENTS ||
		import->body.len + event->data.len > BATCH_BYTES) &&
	    !batch_flush(import, reterr))
		return false;
	import->source = source;
	import->accepted_once = event->accepted_once;
	(void)buf_text(
	    &import->body, import->events++ == 0 ? "{\"events\":[" : ",");
	(void)buf_append(&import->body, event->data.data, event->data.len);
	return buf_ok(&import->body, reterr);
}

/* A line of an export has the event as a member, and no type. */
static void
line_export(struct import *import, struct str line, struct import_event *event)
{
	struct scan_value value;

	if (scan_find(line, "event_type", &value))
		return;
	if (scan_find(line, "event", &value)) {
		size_t quote = value.kind == SCAN_STRING;

		/* A string needs its quotes. */
		event->data = str_bytes(
		    value.text.data - quote, value.text.len + 2 * quote);
	} else if (scan_find(line, "event_base64", &value) &&
		   value.kind == SCAN_STRING &&
		   event_base64_read(value.text, &import->decoded)) {
		event->data =
		    str_bytes(import->decoded.data, import->decoded.len);
	} else {
		return;
	}
	/* Queued and delivered events, and those that queue rescue found in
	 * a batch, were accepted; dead letters may have been invalid. */
	if (scan_find(line, "place", &value))
		event->accepted_once = value.kind != SCAN_STRING ||
				       !str_equal_text(value.text, "dead");
	else
		event->accepted_once = scan_find(line, "batch", &value);
	if (scan_find(line, "source", &value) && value.kind == SCAN_STRING)
		event->source = value.text;
}

/* A line of `unreadable export` has a whole body as a member: as text, or in
 * base64 as it came. *line becomes its text. False if it cannot be decoded. */
static bool
line_body(struct import *import, struct str *line, struct import_event *event)
{
	struct buf *decoded = &import->decoded, *plain = &import->plain;
	struct scan_value body, encoding, source;
	bool text = scan_find(*line, "body", &body), whole = false;
	char coding[16];

	if (!scan_find(*line, "encoding", &encoding) ||
	    (!text && !scan_find(*line, "body_base64", &body)) ||
	    body.kind != SCAN_STRING)
		return true;
	if (scan_find(*line, "source", &source) && source.kind == SCAN_STRING)
		event->source = source.text;
	buf_reset(decoded);
	if (text) {
		if (!buf_reserve(decoded, body.text.len))
			return false;
		decoded->len = scan_decode(body.text, decoded->data);
	} else if (!event_base64_read(body.text, decoded)) {
		return false;
	}
	*line = str_bytes(decoded->data, decoded->len);
	(void)snprintf(coding, sizeof(coding), "%.*s", (int)encoding.text.len,
	    encoding.text.data);
	buf_reset(plain);
	if (!text && !server_body_decode(coding, *line, plain, &whole, NULL))
		return false;
	/* If it does not inflate, it may be labelled wrongly. */
	if (whole)
		*line = str_bytes(plain->data, plain->len);
	return true;
}

/* What may be in front of a JSON text: white space, and the mark that some
 * editors begin a file with. */
static struct str
line_trim(struct str line)
{
	if (line.len >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0)
		line = str_bytes(line.data + 3, line.len - 3);
	while (line.len > 0 && memchr(" \t\r\n", *line.data, 4) != NULL)
		line = str_bytes(line.data + 1, line.len - 1);
	return line;
}

/* Add the events of a line. *ret_readable is false if it is not blank and no
 * event is found in it. */
static bool
line_add(struct import *import, struct str line, bool *ret_readable,
    struct err *reterr)
{
	struct currents_batch *batch = &import->line_batch;
	struct import_event event = {.accepted_once = false};
	struct currents_fault fault;
	struct scan_value value;

	line = line_trim(line);
	*ret_readable = line_body(import, &line, &event);
	line = line_trim(line);
	if (!*ret_readable || line.len == 0)
		return true;
	if (*line.data != '[' && !scan_find(line, "events", &value)) {
		event.data = line;
		line_export(import, line, &event);
		*ret_readable = event_read(&import->reader, event.data) != NULL;
		return !*ret_readable || event_add(import, &event, reterr);
	}
	*ret_readable = currents_read(line, LINE_EVENTS_MAX, batch, &fault) ==
			CURRENTS_READ;
	for (size_t i = 0; *ret_readable && i < batch->count; i++) {
		event.data = str_bytes(
		    line.data + batch->events[i].at, batch->events[i].len);
		if (!event_add(import, &event, reterr))
			return false;
	}
	return true;
}

/* Every whole line of what was read; at the end of the file, the rest. */
static bool
lines_add(struct import *import, bool end, struct err *reterr)
{
	struct buf *in = &import->in;
	bool readable;
	size_t at = 0, len;

	while (at < in->len) {
		const char *stop = memchr(in->data + at, '\n', in->len - at);

		if (stop == NULL && !end)
			break;
		len = stop != NULL ? (size_t)(stop - in->data) - at
				   : in->len - at;
		import->lines++;
		if (!line_add(import, str_bytes(in->data + at, len), &readable,
			reterr))
			return false;
		if (!readable) {
			import->unreadable++;
			if (!job_message(import->context->caller, reterr,
				"line %" PRId64 ": no readable event",
				import->lines))
				return false;
		}
		at += len + (stop != NULL);
	}
	if (at > 0 && at < in->len)
		memmove(in->data, in->data + at, in->len - at);
	buf_truncate(in, in->len - at);
	return true;
}

/* ---- the command ---- */

static bool
import_begin(struct import *import, struct err *reterr)
{
	const struct options *options = import->context->options;
	const char *source = options_value(options, "--source");
	struct daemon *daemon = import->context->daemon;

	if (options->word_count > 1)
		return err_set(reterr, ERR_INPUT, "import takes one file");
	import->forced = source != NULL;
	while (daemon->settings->sources[import->source_preset].kind !=
		   SETTINGS_CURRENTS &&
	       import->source_preset + 1 < daemon->settings->source_count)
		import->source_preset++;
	if (source != NULL &&
	    !source_find(import, str_text(source), &import->source_preset))
		return err_set(
		    reterr, ERR_INPUT, "there is no source \"%s\"", source);
	import->source_count = daemon->settings->source_count;
	import->sources =
	    calloc(import->source_count, sizeof(*import->sources));
	if (import->sources == NULL)
		return err_set_nomem(reterr);
	/* Without a daemon this process runs the committer. */
	return atomic_load(&daemon->server) != NULL ||
	       queue_start(daemon->queue, reterr);
}

static bool
import_all(struct import *import, const char *name, struct err *reterr)
{
	const struct job_caller *caller = import->context->caller;
	bool end = false;
	size_t had;

	while (!end) {
		had = import->in.len;
		if (!caller->read(caller->arg, name, &import->in, reterr))
			return false;
		end = import->in.len == had;
		if (!lines_add(import, end, reterr))
			return false;
	}
	return batch_flush(import, reterr) &&
	       (import->total.duplicates == 0 ||
		   job_message(caller, reterr,
		       "%zu events had been received before and were not "
		       "imported; use --again to import them",
		       import->total.duplicates));
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
	struct import import = {.context = context};
	int code = EXIT_FINE;
	struct err err;

	buf_init(&import.in, LINE_MAX_BYTES);
	buf_init(&import.decoded, LINE_MAX_BYTES);
	buf_init(&import.plain, LINE_MAX_BYTES);
	buf_init(&import.body, (size_t)LINE_MAX_BYTES * 2);
	event_reader_init(&import.reader);
	currents_batch_init(&import.line_batch);
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
				? ": the lines before it were imported. If you "
				  "import the file again,\n"
				  "they count as duplicates; with --again they "
				  "would be sent twice.\n"
				: ": import the file again; events that were "
				  "already imported count as duplicates\n");
	} else {
		import_show(&import, out);
		code = import.unreadable > 0 ? EXIT_FOUND : EXIT_FINE;
	}
	if (atomic_load(&context->daemon->server) == NULL)
		queue_stop(context->daemon->queue);
	for (size_t i = 0; i < import.source_count && import.sources != NULL;
	     i++)
		source_reader_free(&import.sources[i]);
	free(import.sources);
	cond_fini(&import.put.changed);
	lock_fini(&import.put.lock);
	currents_batch_fini(&import.line_batch);
	event_reader_fini(&import.reader);
	buf_fini(&import.body);
	buf_fini(&import.plain);
	buf_fini(&import.decoded);
	buf_fini(&import.in);
	return code;
}
