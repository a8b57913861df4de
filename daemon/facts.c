/*
 * The walks over the rows come first, then the tables. Operators' alerts depend
 * on the names of metrics, and scripts on those of members.
 */

#include "daemon/facts.h"

#include "base/histogram.h"
#include "daemon/process.h"
#include "daemon/segments.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- values ---- */

static const void *
fact_at(const struct fact *fact, const void *thing)
{
	return (const char *)thing + fact->at;
}

static const char *
fact_text(const struct fact *fact, const void *thing)
{
	const char *text;

	if (fact->type == FACT_CHARS)
		return fact_at(fact, thing);
	memcpy(&text, fact_at(fact, thing), sizeof(text));
	return text != NULL ? text : "";
}

static double
fact_real(const struct fact *fact, const void *thing)
{
	double real;

	memcpy(&real, fact_at(fact, thing), sizeof(real));
	return real;
}

static int64_t
fact_whole(const struct fact *fact, const void *thing)
{
	const void *at = fact_at(fact, thing);
	int64_t whole = 0;
	uint64_t large;
	unsigned small;
	bool flag;

	switch ((enum fact_type)fact->type) {
	case FACT_INT64:
		memcpy(&whole, at, sizeof(whole));
		return whole;
	case FACT_UINT64:
		memcpy(&large, at, sizeof(large));
		return (int64_t)large;
	case FACT_UNSIGNED:
		memcpy(&small, at, sizeof(small));
		return small;
	case FACT_BOOL:
		memcpy(&flag, at, sizeof(flag));
		return flag;
	case FACT_DOUBLE:
	case FACT_CHARS:
	case FACT_POINTER:
		break;
	}
	NEVER("the fact is no whole number");
}

/* ---- JSON ---- */

static void
fact_json(const struct fact *fact, const char *key, const void *thing,
    int64_t now_ms, struct json *json)
{
	int64_t whole;

	switch ((enum fact_form)fact->form) {
	case FACT_TEXT:
		json_text(json, key, fact_text(fact, thing));
		return;
	case FACT_ESCAPED:
		json_escaped(json, key, fact_text(fact, thing),
		    strlen(fact_text(fact, thing)));
		return;
	case FACT_REAL:
		json_double(json, key, fact_real(fact, thing));
		return;
	case FACT_FLAG:
		json_bool(json, key, fact_whole(fact, thing) != 0);
		return;
	case FACT_STATUS:
		if (fact_whole(fact, thing) != 0)
			json_int(json, key, fact_whole(fact, thing));
		return;
	case FACT_TIME:
		json_time(json, key, fact_whole(fact, thing));
		return;
	case FACT_NUMBER:
	case FACT_BYTES:
	case FACT_SECONDS:
	case FACT_LEFT:
	case FACT_SINCE:
	case FACT_AGE:
		break;
	case FACT_HISTOGRAM:
		NEVER("a histogram is only a metric");
	}
	whole = fact_whole(fact, thing);
	if ((fact->form == FACT_LEFT && whole < 0) ||
	    (fact->form >= FACT_SINCE && whole == 0))
		json_null_value(json, key);
	else if (fact->form >= FACT_SINCE)
		json_int(json, key, status_since_s(now_ms, whole));
	else
		json_int(json, key, whole);
}

void
facts_json(const struct fact *rows, const void *thing, int64_t now_ms,
    struct json *json)
{
	struct str group = str_bytes(NULL, 0);
	char name[64];

	for (; !fact_ends(rows); rows++) {
		const char *dot =
		    rows->name != NULL ? strchr(rows->name, '.') : NULL;
		size_t len = dot != NULL ? (size_t)(dot - rows->name) : 0;

		if (rows->name == NULL)
			continue;
		if (!str_equal(group, str_bytes(rows->name, len))) {
			if (group.len > 0)
				json_object_close(json);
			group = str_bytes(rows->name, len);
			CHECK(len < sizeof(name));
			memcpy(name, rows->name, len);
			name[len] = '\0';
			if (len > 0)
				json_object_open(json, name);
		}
		fact_json(rows, dot != NULL ? dot + 1 : rows->name, thing,
		    now_ms, json);
	}
	if (group.len > 0)
		json_object_close(json);
}

void
facts_json_array(const char *key, const struct fact *rows, const void *things,
    size_t count, size_t stride, int64_t now_ms, struct json *json)
{
	json_array_open(json, key);
	for (size_t i = 0; i < count; i++) {
		json_object_open(json, NULL);
		facts_json(
		    rows, (const char *)things + i * stride, now_ms, json);
		json_object_close(json);
	}
	json_array_close(json);
}

/* ---- metrics ---- */

const char *
fact_metric_prefix(const struct fact *fact)
{
	return strncmp(fact->metric, "process_", 8) == 0 ? "" : "currentsd_";
}

static void
name_write(const struct fact *fact, struct buf *out)
{
	(void)buf_text(out, fact_metric_prefix(fact));
	(void)buf_text(out, fact->metric);
}

static void
head_write(const struct fact *fact, struct buf *out)
{
	static const char total[] = "_total";
	size_t len = strlen(fact->metric);
	const char *type = "gauge";

	if (fact->form == FACT_HISTOGRAM)
		type = "histogram";
	else if (len > strlen(total) &&
		 strcmp(fact->metric + len - strlen(total), total) == 0)
		type = "counter";
	(void)buf_text(out, "# HELP ");
	name_write(fact, out);
	(void)buf_printf(out, " %s\n# TYPE ", fact->help);
	name_write(fact, out);
	(void)buf_printf(out, " %s\n", type);
}

/* Texts come from outside. */
static void
label_write(const struct fact *fact, const void *thing, struct buf *out)
{
	const char *text;

	(void)buf_printf(out, "%s=\"", fact->metric);
	if (fact->form != FACT_TEXT) {
		(void)buf_printf(out, "%" PRId64 "\"", fact_whole(fact, thing));
		return;
	}
	for (text = fact_text(fact, thing); *text != '\0'; text++) {
		if (*text == '\n')
			(void)buf_text(out, "\\n");
		else if (*text == '"' || *text == '\\')
			(void)buf_printf(out, "\\%c", *text);
		else
			(void)buf_char(out, *text);
	}
	(void)buf_char(out, '"');
}

/* The name with its labels; of a bucket with its bound, "" of others. */
static void
series_name_write(const struct fact *rows, const struct fact *fact,
    const void *thing, const char *suffix, const char *bound, struct buf *out)
{
	char apart = '{';

	name_write(fact, out);
	(void)buf_text(out, suffix);
	for (; !fact_ends(rows); rows++) {
		if (rows->help != NULL)
			continue;
		(void)buf_char(out, apart);
		label_write(rows, thing, out);
		apart = ',';
	}
	if (*bound != '\0')
		(void)buf_printf(out, "%cle=\"%s\"", apart, bound);
	(void)buf_text(out, apart == ',' || *bound != '\0' ? "} " : " ");
}

/* Its members change meanwhile, but what is written agrees with itself. */
static void
histogram_write(const struct fact *rows, const struct fact *fact,
    const void *thing, struct buf *out)
{
	const struct histogram *histogram;
	uint64_t count = 0;
	char bound[32];

	memcpy(&histogram, fact_at(fact, thing), sizeof(histogram));
	if (histogram == NULL)
		return;
	for (int i = 0; i <= HISTOGRAM_BOUNDS; i++) {
		count += atomic_load_explicit(
		    &histogram->counts[i], memory_order_relaxed);
		if (i < HISTOGRAM_BOUNDS)
			(void)snprintf(bound, sizeof(bound), "%g",
			    (double)histogram_bound_us(histogram, i) / 1e6);
		series_name_write(rows, fact, thing, "_bucket",
		    i < HISTOGRAM_BOUNDS ? bound : "+Inf", out);
		(void)buf_printf(out, "%" PRIu64 "\n", count);
	}
	series_name_write(rows, fact, thing, "_sum", "", out);
	(void)buf_printf(out, "%.6f\n",
	    (double)atomic_load_explicit(
		&histogram->sum_us, memory_order_relaxed) /
		1e6);
	series_name_write(rows, fact, thing, "_count", "", out);
	(void)buf_printf(out, "%" PRIu64 "\n", count);
}

static void
series_write(const struct fact *rows, const struct fact *fact,
    const void *thing, int64_t now_ms, struct buf *out)
{
	int64_t whole;

	if (fact->form == FACT_HISTOGRAM) {
		histogram_write(rows, fact, thing, out);
		return;
	}
	series_name_write(rows, fact, thing, "", "", out);
	if (fact->form == FACT_REAL) {
		(void)buf_printf(out, "%.3f\n", fact_real(fact, thing));
		return;
	}
	whole = fact_whole(fact, thing);
	if (fact->form == FACT_TIME || fact->form == FACT_SINCE) {
		(void)buf_printf(out, "%.3f\n", (double)whole / 1000);
		return;
	}
	if (fact->form == FACT_LEFT && whole < 0)
		whole = -1;
	/* Negative if the clock was set back. */
	if (fact->form == FACT_AGE && whole != 0)
		whole = (now_ms - whole) / 1000;
	(void)buf_printf(out, "%" PRId64 "\n", whole);
}

void
facts_metrics(const struct fact *rows, const void *things, size_t count,
    size_t stride, int64_t now_ms, struct buf *out)
{
	for (const struct fact *fact = rows; !fact_ends(fact); fact++) {
		if (fact->metric == NULL || fact->help == NULL)
			continue;
		head_write(fact, out);
		for (size_t i = 0; i < count; i++)
			series_write(rows, fact,
			    (const char *)things + i * stride, now_ms, out);
	}
}

/* Of a table with a single one. */
static const struct fact *
facts_metric(const struct fact *rows)
{
	while (rows->metric == NULL || rows->help == NULL)
		rows++;
	return rows;
}

void
facts_metric_head(const struct fact *rows, struct buf *out)
{
	head_write(facts_metric(rows), out);
}

void
facts_metric_add(
    const struct fact *rows, const void *thing, int64_t now_ms, struct buf *out)
{
	series_write(rows, facts_metric(rows), thing, now_ms, out);
}

/* ---- the tables ---- */

/* A member of the struct that the table is about. */
#define AT(member)                                                             \
	_Generic(((struct THING *)NULL)->member,                               \
	    int64_t: FACT_INT64,                                               \
	    uint64_t: FACT_UINT64,                                             \
	    unsigned: FACT_UNSIGNED,                                           \
	    double: FACT_DOUBLE,                                               \
	    bool: FACT_BOOL,                                                   \
	    char *: FACT_CHARS,                                                \
	    const char *: FACT_POINTER,                                        \
	    const struct histogram *: FACT_POINTER),                           \
	    offsetof(struct THING, member)
#define FACT(name, metric, form, member, help)                                 \
	{                                                                      \
		name, metric, help, FACT_##form, AT(member)                    \
	}
#define LABEL(name, label, form, member)                                       \
	{                                                                      \
		name, label, NULL, FACT_##form, AT(member)                     \
	}
#define END                                                                    \
	{                                                                      \
		NULL, NULL, NULL, FACT_TEXT, FACT_CHARS, 0                     \
	}

/* clang-format off */
#define THING status
const struct fact facts_daemon[] = {
	FACT("version", NULL, TEXT, version, "The version."),
	FACT("state", NULL, TEXT, state,
	    "running, or stopped: asked of a command without a daemon."),
	FACT("now", "time_seconds", TIME, now_ms,
	    "The daemon's clock, as seconds since 1970."),
	END
};

const struct fact facts_running[] = {
	FACT("uptime_s", NULL, SECONDS, uptime_s,
	    "Time since the daemon started."),
	FACT("alive", "alive", FLAG, alive,
	    "1 while no thread of the daemon has stalled."),
	FACT("log_lines_dropped", NULL, NUMBER, log_dropped,
	    "Lines of the log that were dropped because nobody read it."),
	FACT("tls_expires", "tls_certificate_expiry_timestamp_seconds", TIME,
	    tls_until_ms,
	    "When the certificate of the listener expires; 0 without one."),
	FACT("reload.last", NULL, TIME, reload.at_ms,
	    "When the settings were last read again."),
	FACT("reload.failed", "reload_failed", FLAG, reload_failed,
	    "That failed: the settings before are in force."),
	FACT("reload.why", NULL, TEXT, reload.failed, "Why it failed."),
	FACT("reload.needs_restart", NULL, TEXT, reload.restart,
	    "Settings that differ, and are put in force by a restart."),
	END
};

const struct fact facts_build[] = {
	LABEL(NULL, "version", TEXT, version),
	FACT(NULL, "build_info", NUMBER, build,
	    "The version, as a label."),
	END
};

const struct fact facts_more[] = {
	FACT(NULL, "left_out_properties", NUMBER, left_out_count,
	    "Properties that the catalogue does not know and that are not "
	    "sent, because no line of the settings decides about them: see "
	    "`currentsd drift`."),
	END
};
#undef THING

#define THING process
const struct fact facts_process[] = {
	FACT(NULL, "process_cpu_seconds_total", REAL, cpu_s,
	    "CPU time used, in user and system mode."),
	FACT(NULL, "process_resident_memory_bytes", BYTES, resident_bytes,
	    "Resident memory."),
	FACT(NULL, "process_virtual_memory_bytes", BYTES, virtual_bytes,
	    "Virtual memory."),
	FACT(NULL, "process_open_fds", NUMBER, open_files, "Open files."),
	FACT(NULL, "process_max_fds", NUMBER, files_max,
	    "The most files that may be open."),
	FACT(NULL, "process_threads", NUMBER, threads, "Threads."),
	FACT(NULL, "process_start_time_seconds", TIME, started_ms,
	    "When the daemon started, as seconds since 1970."),
	END
};
#undef THING

#define THING status_ledger
const struct fact facts_ledger[] = {
	FACT("received", "events_received_total", NUMBER, line.received,
	    "Events and changes ever received; kept across restarts, like the "
	    "whole ledger."),
	FACT("queued", "events_queued", NUMBER, line.queued,
	    "Events and changes waiting for delivery."),
	FACT("delivered", "events_delivered_total", NUMBER, line.delivered,
	    "Events and changes that a destination accepted."),
	FACT("dead", "events_dead", NUMBER, line.dead,
	    "Dead letters: events and changes refused for good or invalid."),
	FACT("dropped", "events_dropped_total", NUMBER, line.dropped,
	    "Events and changes dropped by a rule."),
	FACT("duplicates", "events_duplicates_total", NUMBER, line.duplicates,
	    "Duplicates: events and changes that had been received before."),
	FACT("erased", "events_erased_total", NUMBER, line.erased,
	    "Events and changes removed because a person was erased."),
	FACT("expired", "events_expired_total", NUMBER, line.expired,
	    "Events and changes removed because of their age."),
	FACT("imbalance", "ledger_imbalance", NUMBER, imbalance,
	    "Received minus all the other columns of the ledger: must be 0."),
	FACT("replayed", NULL, NUMBER, line.replayed,
	    "Delivered events that were to be sent again; apart from the "
	    "rest of the ledger, like the next three."),
	FACT("replay_queued", NULL, NUMBER, replay_queued,
	    "Replays that are still to be sent, behind the live traffic."),
	FACT("replay_delivered", NULL, NUMBER, line.replay_delivered,
	    "Replays that a destination accepted."),
	FACT("replay_refused", NULL, NUMBER, line.replay_refused,
	    "Replays that a destination refused."),
	END
};
#undef THING

#define THING stats_sum
const struct fact facts_sum[] = {
	LABEL(NULL, "source", TEXT, source),
	LABEL(NULL, "types", TEXT, types),
	FACT(NULL, "source_received_total", NUMBER, line.received,
	    "The ledger by source and by what the names of types have before "
	    "their last dot, as in users.messages.email; \"(other)\" is the "
	    "sum of types that the catalogue does not know, of changes of "
	    "segments, and of all sources but the first 100. Kept across "
	    "restarts: events and changes received."),
	FACT(NULL, "source_queued", NUMBER, line.queued,
	    "Likewise, waiting for delivery."),
	FACT(NULL, "source_delivered_total", NUMBER, line.delivered,
	    "Likewise, accepted by a destination."),
	FACT(NULL, "source_dead", NUMBER, line.dead,
	    "Likewise, dead letters."),
	FACT(NULL, "source_dropped_total", NUMBER, line.dropped,
	    "Likewise, dropped by a rule."),
	FACT(NULL, "source_duplicates_total", NUMBER, line.duplicates,
	    "Likewise, duplicates."),
	FACT(NULL, "source_erased_total", NUMBER, line.erased,
	    "Likewise, removed because a person was erased."),
	FACT(NULL, "source_expired_total", NUMBER, line.expired,
	    "Likewise, removed because of their age."),
	END
};
#undef THING

#define THING status_rule
const struct fact facts_rule[] = {
	LABEL(NULL, "rule", TEXT, rule),
	FACT(NULL, "dropped_total", NUMBER, count,
	    "Events and changes dropped, by rule; kept across restarts."),
	END
};
#undef THING

#define THING status_store
const struct fact facts_store[] = {
	LABEL(NULL, "store", TEXT, store),
	FACT(NULL, "store_bytes", BYTES, bytes,
	    "Bytes used in the queue, and of it by dead letters, the archive "
	    "and unreadable bodies."),
	FACT(NULL, "store_max_bytes", BYTES, max_bytes,
	    "Their bounds: at that of the queue requests are answered 503; "
	    "dead letters above theirs expire, and the others are removed, "
	    "the oldest first."),
	END
};
#undef THING

#define THING status_queue
const struct fact facts_queue[] = {
	FACT("quarantined_batches", "quarantined_batches", NUMBER,
	    totals.quarantined_batches,
	    "Batches damaged on disk and quarantined."),
	FACT("unreadable", "unreadable_bodies", NUMBER, totals.unreadable,
	    "Request bodies that are not JSON, kept as they came."),
	FACT("unreadable_bytes", NULL, BYTES, totals.unreadable_bytes,
	    "Size of the unreadable bodies."),
	FACT("unreadable_removed", "unreadable_removed_total", NUMBER,
	    totals.unreadable_removed,
	    "Unreadable bodies that were dropped or erased."),
	FACT("dead_bytes", NULL, BYTES, totals.dead_bytes,
	    "Size of the dead letters."),
	FACT("dead_max_bytes", NULL, BYTES, dead_max_bytes,
	    "Above this size the oldest dead letters expire."),
	FACT("dead_expires_s", "dead_expires_seconds", LEFT, dead_left_s,
	    "Time until the first dead letters expire for their age; -1 if "
	    "there are none, or it is not known yet."),
	FACT("archive_batches", NULL, NUMBER, totals.archive_batches,
	    "Batches in the archive."),
	FACT("archive_bytes", NULL, BYTES, totals.archive_bytes,
	    "Size of the archive: what was delivered, kept for replays."),
	FACT("archive_max_bytes", NULL, BYTES, archive_max_bytes,
	    "Above this size the oldest of the archive is deleted."),
	FACT("oldest_queued_s", NULL, AGE, oldest_ms,
	    "Age of the oldest event that is queued."),
	FACT("live_bytes", NULL, BYTES, totals.live_bytes,
	    "Bytes in use in the queue."),
	FACT("max_bytes", NULL, BYTES, max_bytes,
	    "Limit of the bytes in use in the queue."),
	FACT("file_bytes", "queue_file_bytes", BYTES, totals.file_bytes,
	    "Size of the queue file."),
	FACT("free_bytes", "queue_free_bytes", BYTES, totals.free_bytes,
	    "Free bytes on the file system of the queue."),
	FACT(NULL, "queue_min_free_bytes", BYTES, min_free_bytes,
	    "Below so many free bytes requests are answered 503."),
	FACT(NULL, "commit_seconds", HISTOGRAM, totals.commits,
	    "Time to write accepted requests to the disk, of each "
	    "transaction."),
	FACT("suppressed_ids", "suppressed_ids", NUMBER, totals.suppressed,
	    "Ids of people who were erased, whose later events are dropped."),
	FACT("window_events", "queue_window_events", NUMBER,
	    totals.window_events, "Events remembered to detect duplicates."),
	FACT("last_commit", "queue_last_commit_timestamp_seconds", TIME,
	    totals.last_commit_ms,
	    "When accepted events were last written to the disk; as a metric "
	    "in seconds since 1970, like all such times, and 0 for never."),
	FACT("reserve", "queue_reserve", FLAG, totals.reserve,
	    "1 while the reserve file is in place."),
	FACT("broken", "queue_broken", FLAG, totals.broken,
	    "1 while the disk fails and nothing is accepted."),
	FACT("gone", NULL, TEXT, totals.gone,
	    "Why the queue's files are not ours any more, or empty."),
	FACT(NULL, "queue_gone", FLAG, is_gone,
	    "1 while the queue's files are removed, replaced or cut, and "
	    "nothing is accepted."),
	FACT("disk_wait_s", "queue_disk_wait_seconds", SECONDS, disk_wait_s,
	    "How long one access to the disk has lasted so far: more than a "
	    "few if the disk hangs."),
	END
};
#undef THING

#define THING status_reason
const struct fact facts_reason[] = {
	FACT("why", NULL, TEXT, why, "A rule that drops, or a reason."),
	FACT("status", NULL, STATUS, status,
	    "The destination's answer, if there was one."),
	FACT("count", NULL, NUMBER, count, "Events and changes."),
	END
};
#undef THING

#define THING status_source
const struct fact facts_source[] = {
	LABEL("name", "source", TEXT, name),
	FACT("kind", NULL, TEXT, kind, "What it posts."),
	FACT("last_request_s", "source_last_request_timestamp_seconds", SINCE,
	    of.last_request_ms,
	    "Time since the source last sent a request with a valid token or "
	    "signature; as a metric, when that was."),
	FACT("last_success_s", "source_last_success_timestamp_seconds", SINCE,
	    of.last_success_ms,
	    "Time since events of the source were last answered 2xx; as a "
	    "metric, when that was."),
	FACT("failing_since", "source_failing_since_timestamp_seconds", TIME,
	    of.failing_since_ms,
	    "When the first request failed that no success followed; Braze "
	    "alerts its own staff after 24 h and switches the connector off "
	    "after 5 days."),
	FACT("failing_s", NULL, SINCE, of.failing_since_ms,
	    "How long ago that was."),
	FACT(NULL, "source_refused_requests", NUMBER, refused,
	    "Requests recently answered 401, 403, 404, 405 or 415 (of "
	    "segments: 403); 0 a day after the last. Braze holds their events "
	    "back, and Heap may not send them again."),
	FACT("received_per_second", "source_received_per_second", REAL, rate,
	    "Events and changes received a second, at present."),
	FACT(NULL, "source_request_seconds", HISTOGRAM, of.times,
	    "Time from the headers of a request of the source, with a valid "
	    "token or signature, to its answer."),
	END
};

const struct fact facts_no_source[] = {
	FACT(NULL, "refused_without_source", NUMBER, refused,
	    "The same for requests that match no source, connections closed "
	    "without an answer (currentsd_connections_hung_up_total), and "
	    "what the HTTP library answers by itself."),
	END
};

const struct fact facts_strangers[] = {
	FACT(NULL, "refused_strangers", NUMBER, refused,
	    "Refused requests that do not look like a source's; 0 a day after "
	    "the last."),
	END
};

const struct fact facts_failing[] = {
	FACT("failing_status", NULL, NUMBER, of.failing_status,
	    "The last failed answer."),
	FACT("failing_why", NULL, TEXT, of.failing_why, "Why it failed."),
	FACT("braze_alerts_in_s", NULL, LEFT, alerts_s,
	    "Time until Braze alerts its own staff, if it does."),
	FACT("braze_gives_up_in_s", NULL, LEFT, gives_up_s,
	    "Time until Braze switches the connector off, if it does."),
	END
};
#undef THING

#define THING server_source_status
const struct fact facts_refused[] = {
	FACT("count", NULL, NUMBER, refused,
	    "Requests refused; the count starts over after a day without "
	    "any."),
	FACT("since", NULL, TIME, refused_since_ms, "The first of them."),
	FACT("last_s", NULL, SINCE, refused_ms, "Time since the last."),
	FACT("status", NULL, NUMBER, refused_status,
	    "Its answer; 0: the connection was closed without one."),
	FACT("why", NULL, TEXT, refused_why, "Why it was refused."),
	END
};
#undef THING

#define THING status_token
const struct fact facts_token[] = {
	LABEL(NULL, "source", TEXT, source),
	LABEL("number", "token", NUMBER, number),
	FACT("last_used_s", "token_last_used_timestamp_seconds", SINCE,
	    used_ms,
	    "Time since a token, by its number, was last used; as a metric, "
	    "when that was."),
	END
};
#undef THING

#define THING server_answer
const struct fact facts_answer[] = {
	FACT("status", NULL, NUMBER, status, "An answer to the source."),
	FACT("count", NULL, NUMBER, count, "How many, today (UTC)."),
	END
};
#undef THING

#define THING status_answers
const struct fact facts_answers[] = {
	LABEL(NULL, "source", TEXT, source),
	LABEL(NULL, "code", NUMBER, of.status),
	FACT(NULL, "source_answers_total", NUMBER, of.total,
	    "Answers to requests for the source, by status code, but for "
	    "probes; since the start."),
	END
};
#undef THING

#define THING status_destination
const struct fact facts_destination[] = {
	LABEL("name", "destination", TEXT, name),
	FACT("kind", NULL, TEXT, kind, "What it takes."),
	FACT("state", NULL, TEXT, state,
	    "running; backing_off or halted: it has trouble; paused by the "
	    "operator; cooling_down: its limits may be used up; trial: "
	    "dry_run is set; stopped: the daemon is not running."),
	FACT("queued", "destination_queued", NUMBER, queued,
	    "Events and changes queued for the destination."),
	FACT("held", NULL, NUMBER, held,
	    "Of them, changes that wait for `currentsd segments release`."),
	FACT("bytes", "destination_bytes", BYTES, bytes,
	    "Bytes queued for the destination."),
	FACT("bytes_max", "destination_bytes_max", BYTES, bytes_max,
	    "The most bytes that may now be queued for the destination; at "
	    "that, requests for it are answered 503."),
	FACT("oldest_queued_s", "destination_oldest_queued_seconds", AGE,
	    oldest_ms, "Age of the oldest event queued for the destination."),
	FACT("last_accepted", "destination_last_accepted_timestamp_seconds",
	    TIME, accepted_ms, "When the destination last accepted anything."),
	FACT("last_accepted_s", NULL, SINCE, accepted_ms,
	    "How long ago that was."),
	END
};

const struct fact facts_sender[] = {
	LABEL(NULL, "destination", TEXT, name),
	FACT("why", NULL, TEXT, sender.why, "Why it is in this state."),
	FACT("until", NULL, TIME, sender.until_ms,
	    "The next try, if it waits for one."),
	FACT("asked_until", NULL, TIME, sender.asked_until_ms,
	    "The destination asked to be left alone until then."),
	FACT("posts", NULL, NUMBER, sender.posts,
	    "Requests since the start."),
	FACT("accepted", "destination_accepted_total", NUMBER,
	    sender.accepted,
	    "Events and changes that the destination accepted, since the "
	    "start."),
	FACT("accepted_per_second", "destination_accepted_per_second", REAL,
	    rate, "Events and changes that it accepts a second, at present."),
	FACT("refused", "destination_refused_total", NUMBER, sender.refused,
	    "Events and changes that the destination refused, since the "
	    "start."),
	FACT("in_flight", "destination_in_flight", NUMBER, sender.in_flight,
	    "Requests in flight."),
	FACT("pace_per_minute", "destination_pace_per_minute", NUMBER,
	    sender.pace_per_minute,
	    "Events and changes per minute that may currently be sent; "
	    "requests, where the destination counts those."),
	FACT("pace_full_per_minute", "destination_pace_full_per_minute",
	    NUMBER, sender.pace_full_per_minute,
	    "Events and changes per minute that may be sent unless the "
	    "destination recently answered 429."),
	FACT("pace_unit", NULL, TEXT, pace_unit,
	    "What the pace counts: items or requests."),
	FACT("deferred.events", "destination_deferred", NUMBER,
	    sender.deferred,
	    "Events and changes that were refused and wait for a later "
	    "attempt."),
	FACT("deferred.why", NULL, TEXT, sender.deferred_why,
	    "The last answer to one of them."),
	FACT("deferred.until", NULL, TIME, sender.deferred_due_ms,
	    "When the next of them is tried."),
	FACT(NULL, "destination_parked_types", NUMBER, sender.parked,
	    "Types and segments that the destination refuses, and whose items "
	    "wait until one of them is accepted."),
	FACT("drain_forecast_s", "destination_drain_forecast_seconds", LEFT,
	    drain_s,
	    "Time until nothing is queued but what is deferred; -1 if "
	    "unknown."),
	FACT("properties_lost", "destination_properties_lost_total", NUMBER,
	    sender.omissions_lost,
	    "Properties left out or cut, but not counted by name because "
	    "there were too many."),
	FACT(NULL, "destination_request_seconds", HISTOGRAM, sender.times,
	    "Time that requests to the destination took."),
	FACT(NULL, "destination_delivery_seconds", HISTOGRAM, sender.delays,
	    "Time from the acceptance of an event or change here to that by "
	    "the destination; replays do not count."),
	END
};

const struct fact facts_trial[] = {
	LABEL(NULL, "destination", TEXT, name),
	FACT("sent", "destination_dry_run_sent_total", NUMBER,
	    sender.trial_sent,
	    "Events and changes that would have been sent without dry_run."),
	FACT("dropped", "destination_dry_run_dropped_total", NUMBER,
	    sender.trial_dropped,
	    "Events and changes that would have been dropped by a rule."),
	FACT("dead", "destination_dry_run_dead_total", NUMBER,
	    sender.trial_dead,
	    "Events and changes that would have become dead letters."),
	END
};
#undef THING

#define THING status_result
const struct fact facts_result[] = {
	LABEL(NULL, "destination", TEXT, destination),
	LABEL(NULL, "result", TEXT, result),
	FACT(NULL, "destination_requests_total", NUMBER, count,
	    "Requests to the destination, by result: accepted; refused, as "
	    "its answer is about the items; failed; denied, until an operator "
	    "acts. Since the start."),
	END
};
#undef THING

#define THING status_limit
const struct fact facts_limit[] = {
	LABEL(NULL, "destination", TEXT, destination),
	LABEL("unit", "unit", TEXT, unit),
	LABEL("scope", "scope", TEXT, scope),
	LABEL("window_s", "window", NUMBER, window_s),
	FACT("amount", "destination_quota", NUMBER, amount,
	    "The most of a unit that the destination takes in a window, in "
	    "seconds: of all, or for one person."),
	FACT("used", "destination_quota_used", NUMBER, used,
	    "How much of that is used; 0 if it is for one person."),
	END
};
#undef THING

#define THING status_state
const struct fact facts_state[] = {
	LABEL(NULL, "destination", TEXT, destination),
	LABEL(NULL, "state", TEXT, state),
	FACT(NULL, "destination_state", FLAG, is,
	    "1 for the state that the destination is in, 0 for the others."),
	END
};
#undef THING

#define THING status_parked
const struct fact facts_parked[] = {
	FACT("type", NULL, TEXT, of.name,
	    "A type or segment that the destination refuses."),
	FACT("what", NULL, TEXT, what,
	    "all: none of it is sent; refused: only those wait that were "
	    "refused."),
	FACT("events", NULL, NUMBER, of.count, "How many wait."),
	FACT("since", NULL, TIME, of.since_ms, "Since when."),
	FACT("why", NULL, TEXT, of.why, "The last answer."),
	END
};
#undef THING

#define THING status_property
const struct fact facts_property[] = {
	LABEL(NULL, "destination", TEXT, destination),
	LABEL("property", "property", TEXT, of.property),
	LABEL("what", "what", TEXT, of.what),
	FACT("count", "properties_total", NUMBER, of.count,
	    "Properties left out, cut, or sent as text although they are "
	    "numbers, on the way to Heap, by property of the catalogue and by "
	    "what was done."),
	END
};
#undef THING

#define THING status_stranded
const struct fact facts_stranded[] = {
	LABEL("name", "destination", TEXT, name),
	FACT("queued", "stranded_queued", NUMBER, queued,
	    "Events and changes queued for a destination that is not in the "
	    "settings."),
	END
};
#undef THING

#define THING status_left_out
const struct fact facts_left_out[] = {
	FACT("type", NULL, ESCAPED, type, "A type of events."),
	FACT("property", NULL, ESCAPED, property,
	    "Its property that the catalogue does not know."),
	FACT("json", NULL, ESCAPED, json, "The JSON type of its values."),
	FACT("since", NULL, TIME, since_ms, "When it was first left out."),
	FACT("events", NULL, NUMBER, events, "Events delivered without it."),
	FACT("settings", NULL, ESCAPED, settings,
	    "The line of the destination's settings that sends it."),
	END
};
#undef THING

#define THING segments
const struct fact facts_segments[] = {
	FACT("count", NULL, NUMBER, count, "Segments that are known."),
	FACT("waiting", "segments_waiting", NUMBER, waiting,
	    "Members of segments with a change that waits."),
	FACT("held_syncs", "segments_held_syncs", NUMBER, held,
	    "Syncs that wait for `currentsd segments release`, because they "
	    "change more of a segment than hold_over allows."),
	FACT("incomplete_syncs", "segments_incomplete_syncs", NUMBER,
	    incomplete,
	    "Syncs of segments that lack pages, and were not followed by a "
	    "whole one of all members."),
	END
};
#undef THING

#define THING status_segment_state
const struct fact facts_segment_state[] = {
	LABEL(NULL, "state", TEXT, state),
	FACT(NULL, "segments", NUMBER, count,
	    "Segments in each state; stale, incomplete, held and refused ones "
	    "need attention: see `currentsd segments`."),
	END
};
#undef THING

#define THING stats_group
const struct fact facts_segment[] = {
	LABEL(NULL, "source", TEXT, source),
	LABEL(NULL, "destination", TEXT, destination),
	LABEL(NULL, "segment", TEXT, id),
	FACT(NULL, "segment_members_wanted", NUMBER, wanted,
	    "Members of the segment once all is delivered that waits. The "
	    "first 1,000 segments; the sum of the others has no source."),
	FACT(NULL, "segment_members_sent", NUMBER, sent,
	    "Members of the segment, by what the destination accepted."),
	FACT(NULL, "segment_waiting", NUMBER, waiting,
	    "Members of the segment with a change that waits."),
	FACT(NULL, "segment_dead", NUMBER, dead,
	    "Changes of the segment that are dead letters."),
	END
};
#undef THING
/* clang-format on */

const struct facts_table facts_tables[] = {
    {"The daemon", facts_daemon},
    {"While it runs", facts_running},
    {"The build", facts_build},
    {"The process", facts_process},
    {"queue: the ledger", facts_ledger},
    {"The ledger by source and types", facts_sum},
    {"The ledger by rule", facts_rule},
    {"queue: the file", facts_queue},
    {"Stores", facts_store},
    {"queue.dropped_why, queue.dead_why: the most frequent", facts_reason},
    {"sources: each", facts_source},
    {"sources: each that is failing", facts_failing},
    {"No source", facts_no_source},
    {"Strangers", facts_strangers},
    {"refused, refused_without_source, refused_strangers", facts_refused},
    {"sources.tokens: each", facts_token},
    {"sources.answers_today: each", facts_answer},
    {"sources: answers", facts_answers},
    {"destinations: each", facts_destination},
    {"destinations: each, while the daemon runs", facts_sender},
    {"destinations: requests", facts_result},
    {"destinations.dry_run", facts_trial},
    {"destinations.limits: each", facts_limit},
    {"destinations: states", facts_state},
    {"destinations.parked: each", facts_parked},
    {"destinations.properties: each", facts_property},
    {"stranded: each", facts_stranded},
    {"left_out.properties: each", facts_left_out},
    {"left_out", facts_more},
    {"segments", facts_segments},
    {"segments.states", facts_segment_state},
    {"segments.list: each", facts_segment},
    {NULL, NULL},
};
