/* Reading the state of everything at one time. */

#include "base/counters.h"
#include "daemon/reload.h"
#include "daemon/segments.h"

#include <stdlib.h>

/* ---- what no one has decided about ---- */

static bool
left_out_take(struct status *status, const struct drift *drift, int64_t events,
    int64_t first_ms)
{
	struct status_left_out *left_out =
	    &status->left_out[status->left_out_read];
	const struct str parts[] = {drift->type, drift->field, drift->json};
	size_t at[4], len;
	struct buf text;
	struct err err;

	buf_init(&text, (size_t)DRIFT_TEXT_MAX * 4);
	for (size_t i = 0; i < 3; i++) {
		at[i] = text.len;
		(void)buf_append(&text, parts[i].data, parts[i].len);
		(void)buf_char(&text, '\0');
	}
	at[3] = text.len;
	drift_settings_write(drift, &text);
	(void)buf_char(&text, '\0');
	if (!buf_ok(&text, &err)) {
		buf_fini(&text);
		return false;
	}
	left_out->texts = buf_take(&text, &len);
	left_out->type = left_out->texts + at[0];
	left_out->property = left_out->texts + at[1];
	left_out->json = left_out->texts + at[2];
	left_out->settings = left_out->texts + at[3];
	left_out->since_ms = first_ms;
	left_out->events = events;
	status->left_out_read++;
	return true;
}

/* Once some line of the settings, or the catalogue, decides about it, it is
 * only history. */
static bool
left_out_row(void *arg, const char *text, int64_t events, int64_t first_ms,
    int64_t last_ms)
{
	struct status *status = arg;
	const struct settings *settings = status->settings;
	bool undecided = false;
	struct drift drift;

	(void)last_ms;
	if (!drift_text_read(text, &drift) ||
	    drift.what != CURRENTS_DRIFT_LEFT_OUT)
		return true;
	for (size_t i = 0; i < settings->destination_count && !undecided; i++)
		undecided =
		    settings->destinations[i].kind == SETTINGS_TRACK &&
		    track_leaves_out(&settings->destinations[i].track.rules,
			drift.type, drift.field);
	if (!undecided)
		return true;
	status->left_out_count++;
	return status->left_out_read == STATUS_LEFT_OUT ||
	       left_out_take(status, &drift, events, first_ms);
}

/* While the disk hangs: as many as there were. */
static void
left_out_read(struct status *status)
{
	struct daemon *daemon = status->daemon;

	if (stats_drift(daemon->queue, left_out_row, status, NULL))
		atomic_store(&daemon->left_out, status->left_out_count);
	else
		status->left_out_count = atomic_load(&daemon->left_out);
}

/* ---- all of it ---- */

struct status_ledger
status_ledger(const struct stats_line *line)
{
	return (struct status_ledger){
	    .line = *line,
	    .imbalance = stats_imbalance(line),
	    .replay_queued =
		line->replayed - line->replay_delivered - line->replay_refused,
	};
}

static void
queue_read(struct daemon *daemon, const struct settings *settings,
    struct status_queue *queue)
{
	struct stats_totals *totals = &queue->totals;

	stats_totals(daemon->queue, totals);
	queue->ledger = status_ledger(&totals->events);
	queue->dead_max_bytes = queue_dead_max_bytes(&settings->queue);
	queue->archive_max_bytes = settings->queue.keep_bytes;
	queue->max_bytes = settings->queue.max_bytes;
	queue->min_free_bytes = settings->queue.min_free_bytes;
	queue->dead_left_s = totals->dead_left_ms == INT64_MAX
				 ? -1
				 : totals->dead_left_ms / 1000;
	queue->oldest_ms = status_oldest_ms(daemon, NULL);
	queue->disk_wait_s = totals->held_ms / 1000;
	queue->is_gone = totals->gone != NULL;
}

bool
status_read(struct daemon *daemon, const struct settings *settings,
    int64_t now_ms, int64_t mono_ms, struct status *ret_status,
    struct err *reterr)
{
	struct server *server = atomic_load(&daemon->server);
	struct status *status = ret_status;

	*status = (struct status){
	    .daemon = daemon,
	    .settings = settings,
	    .now_ms = now_ms,
	    .version = CURRENTSD_VERSION,
	    .running = atomic_load(&daemon->forwarder) != NULL,
	    .alive = status_alive(daemon, mono_ms),
	    .build = 1,
	    .uptime_s = (mono_ms - daemon->started_mono_ms) / 1000,
	    .log_dropped = (int64_t)counter_read(COUNTER_LOG_DROPPED),
	    .tls_until_ms = server != NULL ? server_tls_until_ms(server) : 0,
	    .reload = reload_last(&daemon->reload),
	    .source_count = settings->source_count,
	    .destination_count = settings->destination_count,
	};
	status->reload_failed = status->reload.failed[0] != '\0';
	status->state = status->running ? "running" : "stopped";
	status->sources = calloc(
	    status->source_count + SERVER_ROWS_MORE, sizeof(*status->sources));
	status->destinations =
	    calloc(status->destination_count, sizeof(*status->destinations));
	status->segments = calloc(1, sizeof(*status->segments));
	if (status->sources == NULL || status->destinations == NULL ||
	    status->segments == NULL) {
		status_fini(status);
		return err_set_nomem(reterr);
	}
	queue_read(daemon, settings, &status->queue);
	for (size_t i = 0; i < status->source_count + SERVER_ROWS_MORE; i++)
		status_source_read(
		    daemon, settings, i, now_ms, &status->sources[i]);
	for (size_t i = 0; i < status->destination_count; i++)
		status_destination_read(daemon, &settings->destinations[i],
		    now_ms, &status->destinations[i]);
	if (!segments_read(daemon, settings, now_ms, status->segments, NULL)) {
		free(status->segments);
		status->segments = NULL;
	}
	left_out_read(status);
	return true;
}

void
status_fini(struct status *status)
{
	if (status->segments != NULL)
		segments_fini(status->segments);
	free(status->segments);
	for (size_t i = 0; i < status->left_out_read; i++)
		free(status->left_out[i].texts);
	free(status->sources);
	free(status->destinations);
	*status = (struct status){.now_ms = 0};
}
