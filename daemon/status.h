#ifndef DAEMON_STATUS_H
#define DAEMON_STATUS_H

/*
 * The state of everything: the facts, and how the admin listener shows them, as
 * one JSON object and as metrics. A failing disk must not hide the rest, so
 * whatever cannot be read counts as none, and nothing waits for a disk that
 * hangs. Any thread.
 */

#include "base/json.h"
#include "daemon/daemon.h"
#include "queue/admin.h"

/* Has no thread stalled? `mono_ms` is clock_mono_ms(). */
bool status_alive(struct daemon *daemon, int64_t mono_ms);

/* Seconds since then; -1 if it never happened (0). Also negative if the time is
 * a second or more in the future, because the clock was set back. */
int64_t status_since_s(int64_t now_ms, int64_t then_ms);

/* When the oldest queued event of a destination (NULL: of all) was accepted;
 * 0 if none is queued. */
int64_t status_oldest_ms(struct daemon *daemon, const char *destination);

/* One destination of the settings. */
struct status_destination {
	const char *name, *state; /* also "stopped" without a forwarder */
	int64_t queued;
	int64_t held; /* of them: changes that the operator is to release */
	int64_t bytes, bytes_max; /* queued, and the most that may be now */
	int64_t oldest_ms;	  /* acceptance of the oldest queued, or 0 */
	int64_t accepted_ms;	  /* it last accepted something, or 0 */
	/* Until nothing is queued but deferred events; -1 if unknown. */
	int64_t drain_s;
	int64_t hold_ms; /* a member is not written again before so long */
	bool running;	 /* there is a forwarder: `sender` is filled */
	bool paused;	 /* by the operator */
	struct forwarder_destination_status sender;
};

/* Items a minute at the present pace, if requests are full. */
int64_t
status_items_per_minute(const struct forwarder_destination_status *sender);

/* The forecast of a running one, from its other members; -1 if unknown. */
int64_t status_drain_s(const struct status_destination *status, int64_t now_ms);

void status_destination_read(struct daemon *daemon, size_t destination,
    int64_t now_ms, struct status_destination *ret_status);

/* A source by its number, or one of the rows after the sources that stand for
 * none (server.h), from the server or, without one, as it was saved. False
 * without memory. */
MUST_USE bool status_source_read(struct daemon *daemon, size_t source,
    struct server_source_status *ret_status);

/* How many of its requests were refused, 0 a day after the last. */
int64_t status_source_refused(
    const struct server_source_status *status, int64_t now_ms);

/* The seconds until a source has been failing for so long (alarms_ms or
 * gives_up_ms of its intake); 0 if that time has come. */
int64_t status_source_left_s(const struct server_source_status *status,
    int64_t after_ms, int64_t now_ms);

/* Destinations that have queued events and are not in the settings: they were
 * renamed or removed, so their events are not sent. */
typedef void status_stranded_fn(void *arg, const char *name, int64_t queued);
void
status_stranded(const struct daemon *daemon, status_stranded_fn *fn, void *arg);

/* The member "stranded" of the open object. */
void status_stranded_json(const struct daemon *daemon, struct json *json);

/* Properties that are left out because no line of the settings decides about
 * them: `fn` gets at most so many, with how many events went without it and
 * since when. Returns how many there are. Slow. */
typedef void status_left_out_fn(
    void *arg, const struct drift *drift, int64_t events, int64_t first_ms);
int64_t status_left_out(
    struct daemon *daemon, size_t most, status_left_out_fn *fn, void *arg);

/* Dead letters that expire sooner are worth a warning: Braze cannot send them
 * again. */
enum { STATUS_EXPIRING_MS = 7 * 24 * 3600 * 1000 };

/* Is it at least 80 per cent of what may be? */
bool status_is_near(int64_t bytes, int64_t most);

/* A line of the ledger as members of the open object, imbalance included. */
void status_ledger_json(const struct stats_line *line, struct json *json);

/* /status: one JSON object; /metrics: the Prometheus text format. */
void status_write(
    struct daemon *daemon, int64_t now_ms, int64_t mono_ms, struct buf *out);
void metrics_write(
    struct daemon *daemon, int64_t now_ms, int64_t mono_ms, struct buf *out);

#endif
