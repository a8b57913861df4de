#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

/*
 * The HTTP server. It authenticates, reads and judges a request, puts the
 * events into the queue, and answers 2xx only once they are durable. Two
 * listeners: ingest (POST /currents...), and admin (read only: /metrics,
 * /status); both answer /healthz and /readyz.
 *
 * The answers follow from how Braze reacts to them (Braze's documentation of
 * the Custom HTTP connector): 400 deletes the events, 401, 403 and 404 strand
 * them until an operator acts, 413 splits the batch, and everything else is
 * sent again. So a fault of ours is never 400, 401, 403 or 404.
 */

#include "base/buf.h"
#include "queue/queue.h"

#include <stddef.h>
#include <stdint.h>

struct server;
struct track_rules;

enum server_rule { SERVER_FORWARD, SERVER_DEAD, SERVER_DROP };

/* One Braze workspace. Lent for the server's life. */
struct server_source {
	const char *name; /* POST /currents/NAME; the first also /currents */
	const char *parameter;	   /* "key=value" of the query, or NULL */
	const char *destination;   /* where its events go */
	const char *const *tokens; /* NULL-terminated; empty only if open */
	bool open;		   /* accepts requests without a token */
	enum server_rule unknown_type;
	bool invalid_dropped; /* else dead */
	/* What these rules drop or hash is never stored; NULL: events are
	 * stored as received. An event or a whole body that is not readable
	 * JSON is stored as received in any case. */
	const struct track_rules *redact_rules;

	/* Types, with `*`, NULL-terminated. NULL or empty: include all, exclude
	 * none. */
	const char *const *include, *const *exclude;
};

/* What the admin listener shows; the daemon renders it, on the server's
 * threads. Each may be NULL. */
struct server_views {
	bool (*alive)(void *arg); /* no thread has stalled */
	void (*metrics)(void *arg, struct buf *out);
	void (*status)(void *arg, struct buf *out);
	void *arg;
};

struct server_settings {
	const char *listen; /* ADDRESS:PORT, [V6]:PORT; port 0 = any free */
	const char *admin;
	const struct server_source *sources;
	size_t source_count;
	unsigned threads;
	unsigned max_connections;
	size_t body_limit;	    /* of one body, also after inflating */
	size_t body_memory;	    /* of all bodies that are being read, with
				     * the buffers they are read into */
	size_t max_events;	    /* in one body */
	int64_t request_timeout_ms; /* from first byte to last */
	int64_t idle_timeout_ms;
	unsigned retry_after_s;
	struct server_views views;
};

void server_settings_init(struct server_settings *settings);

/* Bind both listeners and start answering. ERR_CONFIG if the settings
 * contradict each other or an address cannot be bound. What the settings point
 * to and the queue are lent until server_stop(). */
MUST_USE bool server_start(const struct server_settings *settings,
    struct queue *queue, struct server **ret_server, struct err *reterr);

/* The ports that were bound. */
unsigned server_port(const struct server *server);
unsigned server_admin_port(const struct server *server);

/* Close connections whose request takes too long, and save the sources'
 * status in the queue. Once a second, from the main thread, with the time of
 * clock_mono_ms(). */
void server_sweep(struct server *server, int64_t mono_ms);

/* From now on /readyz and new requests are answered 503. */
void server_drain(struct server *server);

/* Wait for the requests that were handed to the queue, and stop. The queue's
 * committer must still run. Accepts NULL. */
void server_stop(struct server *server);

/*
 * The health of a source, kept across restarts. Times are wall clock, 0 =
 * never. A probe has no events and does not count as a success: it is answered
 * 2xx even when nothing can be stored.
 */
enum { SERVER_REASON = 160 }; /* bytes of a reason, including its NUL */
struct server_source_status {
	const char *name;
	int64_t last_request_ms;  /* with a valid token */
	int64_t last_success_ms;  /* events, answered 2xx */
	int64_t failing_since_ms; /* first failed answer since then, or 0 */
	unsigned failing_status;  /* of the last failed answer, and why */
	char failing_why[SERVER_REASON];

	/* Refused with 401, 403, 404, 405 or 415: Braze strands those events
	 * until an operator acts. The count starts over after a day without
	 * any. */
	int64_t refused, refused_since_ms, refused_ms; /* first and last */
	unsigned refused_status;
	char refused_why[SERVER_REASON];
};

/* `source` may be the count of the sources: requests for which no source was
 * found. Any thread. */
void server_source_status(const struct server *server, size_t source,
    struct server_source_status *ret_status);

/* The same without a server, as it was saved for the source of that name,
 * which stays lent. NULL: of the requests for which no source was found. False
 * without memory. */
MUST_USE bool server_source_saved(struct queue *queue, const char *name,
    struct server_source_status *ret_status, struct err *reterr);

/* How many tokens a source has, and when one of them, by its number from 0,
 * was last used: wall clock, 0 = never. */
size_t server_tokens(const struct server *server, size_t source);
int64_t server_token_last_used_ms(
    const struct server *server, size_t source, size_t token);

/*
 * Decides what becomes of the events of a batch by the rules of their source,
 * exactly as the server does; for events that come in without a request. Any
 * thread; the source is lent.
 */
struct server_judge;
struct currents_batch;

MUST_USE bool server_judge_new(const struct server_source *source,
    struct server_judge **ret_judge, struct err *reterr);
void server_judge_free(struct server_judge *judge); /* accepts NULL */

/* Called when a buffer wants to grow, with its new capacity: may it? */
typedef bool server_pay_fn(void *arg, size_t capacity);

/*
 * Make an item of each event of `text`. An event that was accepted once and
 * comes back is not refused for a defect, because redacting at acceptance may
 * have removed what it lacks. The items point into the text, into *ret_reasons
 * (SERVER_REASON bytes for each invalid event) and, if the source redacts at
 * acceptance, into *ret_bytes, which is all zero or is made here. `pay` may be
 * NULL. False without memory.
 */
MUST_USE bool server_judge_batch(const struct server_judge *judge,
    const struct currents_batch *batch, const char *text, bool accepted_once,
    struct item *ret_items, char *ret_reasons, server_pay_fn *pay, void *arg,
    struct buf *ret_bytes);

/* Append the text of a stored body to *ret_text, as far as it can be decoded
 * and as the limit of *ret_text allows; *ret_whole says whether that is all
 * of it. Any thread, and without a server. */
MUST_USE bool server_body_decode(const char *encoding, struct str body,
    struct buf *ret_text, bool *ret_whole, struct err *reterr);

#endif
