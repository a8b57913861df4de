/*
 * POST /import: puts events into the queue as if a source had sent them: they
 * are validated, and duplicates are detected.
 *
 * The body is lines. A line is an event, a request body, or one of them as an
 * export or queue rescue wrote it. The events of several lines are gathered
 * into batches, because each put costs an fsync. A row tells of each put: all
 * lines before `next` are in.
 */

#include "base/clock.h"
#include "base/lock.h"
#include "daemon/api_routes.h"
#include "daemon/event.h"
#include "daemon/line.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	BATCH_EVENTS = 1000,
	BATCH_BYTES = 1024 * 1024,
	LINE_EVENTS_MAX = 10000000,
	WAIT_MS = 100, /* between two reports while a put is under way */
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
	struct api *api;
	struct import_source *sources; /* as in the settings */
	size_t source_count;
	size_t source_preset; /* that of source=, or the first of events */
	bool forced;	      /* source= was given */
	bool again;

	struct event_reader reader;
	struct line_reader lines;
	struct currents_batch line_batch; /* of a line that is a body */

	/* the batch that is gathered */
	struct buf body; /* without its end */
	size_t events, source;
	bool accepted_once; /* all of them, or none */

	struct import_put put;
	struct queue_receipt total;
	int64_t line; /* the number of the present one */
	int64_t unreadable;
};

/* ---- a batch ---- */

/* Read as the server does, by the rules of the source. In the daemon the
 * source is linked already. */
static bool
source_reader_make(
    struct import *import, struct import_source *made, struct err *reterr)
{
	const struct generation *generation = import->api->generation;
	struct settings_source *source =
	    &generation->settings->sources[made - import->sources];

	if (source->kind != SETTINGS_CURRENTS)
		return err_set(reterr, ERR_INPUT,
		    "source \"%s\" is of the kind %s, and only events of "
		    "currents can be imported: name another source",
		    source->server.name, source->server.intake->kind);
	if (generation->sources == NULL &&
	    !settings_source_link(generation->settings, source, reterr))
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

static void
receipt_write(struct json *json, const struct queue_receipt *receipt)
{
	json_int(json, "received", (int64_t)receipt->received);
	json_int(json, "queued", (int64_t)receipt->queued);
	json_int(json, "dead", (int64_t)receipt->dead);
	json_int(json, "duplicates", (int64_t)receipt->duplicates);
	json_int(json, "dropped", (int64_t)receipt->dropped);
}

/* The queue borrows the batch until it calls put_done(), so wait even if the
 * client is gone; what is in is told it all the same. */
static bool
put_wait(struct import *import, struct err *reterr)
{
	struct import_put *put = &import->put;
	struct queue_receipt *total = &import->total;
	bool ended = false;
	struct err gone;

	while (!ended) {
		lock_hold(&put->lock);
		if (!put->ended)
			cond_wait(&put->changed, &put->lock,
			    clock_mono_ms() + WAIT_MS);
		ended = put->ended;
		lock_drop(&put->lock);
		if (!ended)
			(void)!job_progress(&import->api->caller, &gone,
			    "waiting for the queue to store %zu events",
			    import->events);
	}
	if (!put->ok)
		return err_set(reterr, put->err.code, "%s", put->err.text);
	total->received += put->receipt.received;
	total->queued += put->receipt.queued;
	total->dead += put->receipt.dead;
	total->duplicates += put->receipt.duplicates;
	total->dropped += put->receipt.dropped;
	return true;
}

static bool
batch_put(struct import *import, struct err *reterr)
{
	struct import_source *source = &import->sources[import->source];
	struct intake_batch read = {.count = 0};
	struct queue_batch batch = {
	    .now_ms = clock_wall_ms(),
	    .again = import->again,
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
	return queue_put(import->api->daemon->queue, &batch, put_done,
		   &import->put, reterr) &&
	       put_wait(import, reterr);
}

/* Put the events that were gathered, all of lines before `next`. */
static bool
batch_flush(struct import *import, int64_t next, struct err *reterr)
{
	struct json *json = &import->api->json;

	if (import->events == 0)
		return true;
	(void)buf_text(&import->body, "]}");
	if (!buf_ok(&import->body, reterr) || !batch_put(import, reterr))
		return false;
	buf_reset(&import->body);
	import->events = 0;
	api_row_open(import->api);
	json_int(json, "next", next);
	receipt_write(json, &import->put.receipt);
	api_row_close(import->api);
	return api_flush(import->api, reterr);
}

/* ---- lines ---- */

/* The number of the source of that name; false if there is none. */
static bool
source_find(const struct import *import, struct str name, size_t *ret_source)
{
	const struct settings *settings = import->api->settings;

	for (size_t i = 0; i < settings->source_count; i++) {
		if (str_equal_text(name, settings->sources[i].server.name)) {
			*ret_source = i;
			return true;
		}
	}
	return false;
}

/* Add an event of the present line. */
static bool
event_add(struct import *import, const struct line *line, struct str data,
    struct err *reterr)
{
	size_t source = import->source_preset;

	if (!import->forced)
		(void)source_find(import, line->source, &source);
	if ((source != import->source ||
		line->accepted_once != import->accepted_once ||
		import->events == BATCH_EVENTS ||
		import->body.len + data.len > BATCH_BYTES) &&
	    !batch_flush(import, import->line, reterr))
		return false;
	import->source = source;
	import->accepted_once = line->accepted_once;
	(void)buf_text(
	    &import->body, import->events++ == 0 ? "{\"events\":[" : ",");
	(void)buf_append(&import->body, data.data, data.len);
	return buf_ok(&import->body, reterr);
}

/* *ret_readable is false if it is not blank and no event is found in it. */
static bool
line_add(struct import *import, const struct line *line, bool *ret_readable,
    struct err *reterr)
{
	struct currents_batch *batch = &import->line_batch;
	struct currents_fault fault;

	*ret_readable = line->kind == LINE_BLANK;
	switch (line->kind) {
	case LINE_BLANK:
	case LINE_CHANGE:
	case LINE_UNREADABLE:
		return true;
	case LINE_EVENT:
		*ret_readable = event_read(&import->reader, line->data) != NULL;
		return !*ret_readable ||
		       event_add(import, line, line->data, reterr);
	case LINE_BODY:
		break;
	}
	*ret_readable = currents_read(line->data, LINE_EVENTS_MAX, batch,
			    &fault) == CURRENTS_READ;
	for (size_t i = 0; *ret_readable && i < batch->count; i++) {
		const struct currents_event *event = &batch->events[i];

		if (!event_add(import, line,
			str_bytes(line->data.data + event->at, event->len),
			reterr))
			return false;
	}
	return true;
}

/* ---- the call ---- */

/* In the process of a command nothing has started the committer yet. */
static bool
committer_start(struct daemon *daemon, struct err *reterr)
{
	if (atomic_load(&daemon->server) != NULL || daemon->committing)
		return true;
	daemon->committing = queue_start(daemon->queue, reterr);
	return daemon->committing;
}

static bool
import_begin(struct import *import, struct err *reterr)
{
	struct daemon *daemon = import->api->daemon;
	const struct settings *settings = import->api->settings;
	const char *source = call_param(import->api->call, "source");

	if (!api_flag(import->api, "again", &import->again, reterr) ||
	    !api_integer(import->api, "line", 1, 1, INT64_MAX / 2,
		&import->line, reterr))
		return false;
	import->forced = source != NULL;
	while (settings->sources[import->source_preset].kind !=
		   SETTINGS_CURRENTS &&
	       import->source_preset + 1 < settings->source_count)
		import->source_preset++;
	if (source != NULL &&
	    !source_find(import, str_text(source), &import->source_preset))
		return err_set(
		    reterr, ERR_INPUT, "there is no source \"%s\"", source);
	import->source_count = settings->source_count;
	import->sources =
	    calloc(import->source_count, sizeof(*import->sources));
	if (import->sources == NULL)
		return err_set_nomem(reterr);
	return committer_start(daemon, reterr);
}

static bool
import_all(struct import *import, struct err *reterr)
{
	struct str rest = import->api->call->body;
	struct json *json = &import->api->json;
	struct line line;
	bool readable;

	for (; rest.len > 0; import->line++) {
		line_read(&import->lines, line_take(&rest), &line);
		if (!line_add(import, &line, &readable, reterr))
			return false;
		if (readable)
			continue;
		import->unreadable++;
		api_row_open(import->api);
		json_int(json, "unreadable", import->line);
		json_text(json, "reason",
		    line.kind == LINE_CHANGE
			? "a change of a segment, which only its source can "
			  "send"
			: "no readable event");
		api_row_close(import->api);
		if (!api_flush(import->api, reterr))
			return false;
	}
	return batch_flush(import, import->line, reterr);
}

static void
import_end(struct import *import)
{
	struct api *api = import->api;

	api_log(api,
	    "import received=%zu queued=%zu duplicates=%zu unreadable=%" PRId64,
	    import->total.received, import->total.queued,
	    import->total.duplicates, import->unreadable);
	api_summary_open(api);
	json_int(&api->json, "next", import->line);
	receipt_write(&api->json, &import->total);
	json_int(&api->json, "unreadable", import->unreadable);
	api_summary_close(api);
}

bool
api_import(struct api *api, struct err *reterr)
{
	struct import import = {.api = api};
	bool ok;

	line_reader_init(&import.lines, API_IMPORT_MAX);
	buf_init(&import.body, (size_t)API_IMPORT_MAX * 2);
	event_reader_init(&import.reader);
	currents_batch_init(&import.line_batch);
	lock_init(&import.put.lock);
	cond_init(&import.put.changed);
	ok = import_begin(&import, reterr);
	if (ok) {
		api_lines(api);
		ok = import_all(&import, reterr);
	}
	if (ok)
		import_end(&import);
	for (size_t i = 0; i < import.source_count && import.sources != NULL;
	     i++)
		source_reader_free(&import.sources[i]);
	free(import.sources);
	cond_fini(&import.put.changed);
	lock_fini(&import.put.lock);
	currents_batch_fini(&import.line_batch);
	event_reader_fini(&import.reader);
	line_reader_fini(&import.lines);
	buf_fini(&import.body);
	return ok;
}
