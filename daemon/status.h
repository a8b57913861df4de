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

struct segments;

/* Has no thread stalled? `mono_ms` is clock_mono_ms(). */
bool status_alive(struct daemon *daemon, int64_t mono_ms);

/* For the service manager: "12,480 queued (oldest 4 min); braze halted: HTTP
 * 401; heap running". */
void status_line_write(struct daemon *daemon, int64_t now_ms, struct buf *out);

/* Seconds since then; -1 if it never happened (0). Also negative if the time is
 * a second or more in the future, because the clock was set back. */
int64_t status_since_s(int64_t now_ms, int64_t then_ms);

/* When the oldest queued event of a destination (NULL: of all) was accepted;
 * 0 if none is queued. */
int64_t status_oldest_ms(struct daemon *daemon, const char *destination);

/* A line of the ledger. */
struct status_ledger {
	struct stats_line line;
	int64_t imbalance, replay_queued;
};
struct status_ledger status_ledger(const struct stats_line *line);

struct status_queue {
	struct status_ledger ledger;
	struct stats_totals totals;
	int64_t dead_max_bytes, archive_max_bytes, max_bytes, min_free_bytes;
	int64_t dead_left_s; /* until the first dead letters expire, or -1 */
	int64_t oldest_ms;   /* acceptance of the oldest queued, or 0 */
	int64_t disk_wait_s;
	bool is_gone;
};

/* One of the things that share the queue's file, or all of it. */
struct status_store {
	const char *store;
	int64_t bytes, max_bytes;
};

/* The events and changes that a rule dropped. */
struct status_rule {
	const char *rule;
	int64_t count;
};

/* Why items were dropped or are dead. */
struct status_reason {
	const char *why;
	unsigned status;
	int64_t count;
};

/* One destination of the settings. */
struct status_destination {
	const char *name, *state; /* also "stopped" without a forwarder */
	const char *kind, *noun;  /* of its outlet, and of its items */
	const char *pace_unit;	  /* "items" or "requests" */
	int64_t queued;
	int64_t held; /* of them: changes that the operator is to release */
	int64_t bytes, bytes_max; /* queued, and the most that may be now */
	int64_t oldest_ms;	  /* acceptance of the oldest queued, or 0 */
	int64_t accepted_ms;	  /* it last accepted something, or 0 */
	/* Until nothing is queued but deferred events; -1 if unknown. */
	int64_t drain_s;
	int64_t hold_ms; /* a member is not written again before so long */
	double rate;	 /* of items accepted, a second */
	bool running;	 /* there is a forwarder: `sender` is filled */
	bool paused;	 /* by the operator */
	struct forwarder_destination_status sender;
};

/* The requests to a destination that had one result. */
struct status_result {
	const char *destination, *result;
	uint64_t count;
};

/* How much of a quota is used. */
struct status_limit {
	const char *destination, *unit, *scope;
	unsigned amount;
	int64_t window_s;
	size_t used;
};

/* Of the metric of states: is it in this one? */
struct status_state {
	const char *destination, *state;
	bool is;
};

/* A property that was not sent as it came. */
struct status_property {
	const char *destination;
	struct forwarder_omission of;
};

/* A type that the destination refuses. */
struct status_parked {
	struct forwarder_parked of;
	const char *what; /* "all" or "refused" */
};

struct status_stranded {
	const char *name;
	int64_t queued;
};

/* A bearer token of a source, by its number from 1. */
struct status_token {
	const char *source;
	unsigned number;
	int64_t used_ms; /* 0 = never */
};

/* Answers of one status to a source. */
struct status_answers {
	const char *source;
	struct server_answer of;
};

/* A source, or a row that stands for none. */
struct status_source {
	const char *name, *kind; /* the latter NULL in such a row */
	struct server_source_status of;
	int64_t refused; /* that count at present */
	/* Until it does something about its failing requests: 0 if that time
	 * has come; -1: it does not, or it is not known. */
	int64_t alerts_s, gives_up_s;
	double rate; /* of items received, a second */
};

/* A property that is left out because no line of the settings decides about
 * it. */
struct status_left_out {
	char *texts; /* owned; the others point into it */
	const char *type, *property, *json, *settings;
	int64_t since_ms, events;
};

enum { STATUS_LEFT_OUT = 20 }; /* that are read */

struct status_segment_state {
	const char *state;
	size_t count;
};

/* All of it at one time. */
struct status {
	struct daemon *daemon;
	const struct settings *settings; /* lent; of a generation */
	int64_t now_ms;
	const char *version, *state; /* "running" or "stopped" */
	bool running;
	bool alive;
	unsigned build; /* 1: of a metric that is all label */
	int64_t uptime_s, log_dropped;
	int64_t tls_until_ms; /* the certificate expires; 0: there is none */
	struct status_queue queue;
	struct status_source *sources; /* owned; then the two rows more */
	size_t source_count;
	struct status_destination *destinations; /* owned */
	size_t destination_count;
	struct segments *segments; /* owned; NULL: they could not be read */
	struct status_left_out left_out[STATUS_LEFT_OUT];
	size_t left_out_read;
	int64_t left_out_count;	       /* how many there are */
	struct daemon_reloaded reload; /* the last */
	bool reload_failed;
};

/* False without memory. */
MUST_USE bool status_read(struct daemon *daemon,
    const struct settings *settings, int64_t now_ms, int64_t mono_ms,
    struct status *ret_status, struct err *reterr);
void status_fini(struct status *status);

/* Items a minute at the present pace, if requests are full. */
int64_t
status_items_per_minute(const struct forwarder_destination_status *sender);

/* The forecast of a running one, from its other members; -1 if unknown. */
int64_t status_drain_s(const struct status_destination *status, int64_t now_ms);

void status_destination_read(struct daemon *daemon,
    const struct settings_destination *destination, int64_t now_ms,
    struct status_destination *ret_status);

/* A source by its number, or one of the rows after the sources that stand for
 * none (server.h), from the server or, without one, as it was saved. */
void status_source_read(struct daemon *daemon, const struct settings *settings,
    size_t source, int64_t now_ms, struct status_source *ret_status);

/* Destinations that have queued events and are not in the settings: they were
 * renamed or removed, so their events are not sent. */
typedef void status_stranded_fn(void *arg, const char *name, int64_t queued);
void status_stranded(const struct daemon *daemon,
    const struct settings *settings, status_stranded_fn *fn, void *arg);

/* Dead letters that expire sooner are worth a warning: Braze cannot send them
 * again. */
enum { STATUS_EXPIRING_MS = 7 * 24 * 3600 * 1000 };

/* Is it at least 80 per cent of what may be? */
bool status_is_near(int64_t bytes, int64_t most);

/* Tokens of a source; none without a server. The caller frees the list, which
 * is NULL if there are none or memory is short. */
struct status_token *
status_tokens(struct daemon *daemon, const char *source, size_t *ret_count);

/* The types that a destination refuses, likewise. */
struct status_parked *status_parked(
    struct daemon *daemon, const char *destination, size_t *ret_count);

/* How a destination's quotas are used; returns how many it has. */
size_t status_limits(const struct status_destination *destination,
    struct status_limit ret_limits[OUTLET_LIMITS_MAX]);

/* /status: one JSON object; /metrics: the Prometheus text format. False
 * without memory. */
MUST_USE bool
status_write(struct daemon *daemon, const struct settings *settings,
    int64_t now_ms, int64_t mono_ms, struct buf *out, struct err *reterr);
MUST_USE bool
metrics_write(struct daemon *daemon, const struct settings *settings,
    int64_t now_ms, int64_t mono_ms, struct buf *out, struct err *reterr);

/* The object of one source or destination of it, which is open. */
void status_source_json(
    const struct status *status, size_t source, struct json *json);
void status_destination_json(
    const struct status *status, size_t destination, struct json *json);

/* The member "stranded" of the open object. */
void status_stranded_json(const struct daemon *daemon,
    const struct settings *settings, int64_t now_ms, struct json *json);

#endif
