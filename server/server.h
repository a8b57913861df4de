#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

/*
 * Answers the sender: authenticates, reads, judges, puts, and says 2xx only
 * after the put. Two listeners: ingest (POST /currents...), and admin (read
 * only: /metrics, /status); both answer /healthz and /readyz.
 *
 * How Braze reacts decides the answers (Braze's documentation of the Custom
 * HTTP connector): 400 deletes events, 401/403/404 strand them until a
 * person acts, 413 splits, everything else is sent again. So a fault of
 * ours is never 400, 401, 403 or 404.
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
	const char *const *tokens; /* NULL-ended; empty only if open */
	bool open;		   /* takes requests without a token */
	enum server_rule unknown_type;
	bool invalid_dropped; /* else dead */
	/* What these drop or hash is never kept; NULL: keep what came. An
	 * event that is no readable JSON, and a whole body that is none, are
	 * kept as they came all the same. */
	const struct track_rules *private_rules;

	/* types, with `*`, NULL-ended; NULL or empty: all, and none */
	const char *const *include, *const *exclude;
};

/* What is shown on the admin listener, rendered by who knows everybody.
 * Called on the server's threads. */
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
	size_t body_memory;	    /* of all bodies that are being read */
	size_t max_events;	    /* in one body */
	int64_t request_timeout_ms; /* from first byte to last */
	int64_t idle_timeout_ms;
	unsigned retry_after_s;
	struct server_views views;
};

void server_settings_init(struct server_settings *settings);

/* Bind both listeners and start answering. ERR_CONFIG if an address cannot
 * be bound. The settings and the queue are lent until server_stop(). */
MUST_USE bool server_start(const struct server_settings *settings,
    struct queue *queue, struct server **ret_server, struct err *reterr);

/* The ports that were bound. */
unsigned server_port(const struct server *server);
unsigned server_admin_port(const struct server *server);

/* Close connections whose request takes too long, and hand the sources'
 * clocks to the queue. Once a second, from the main thread. `mono_ms` is clock_mono_ms(). */
void server_sweep(struct server *server, int64_t mono_ms);

/* From here on /readyz is 503 and new requests are answered 503. */
void server_drain(struct server *server);

/* Wait for the requests that were handed to the queue, stop. The queue's
 * committer must still run. Takes NULL. */
void server_stop(struct server *server);

/*
 * What a person wants to see of a source, kept over restarts. Times are wall
 * clock, 0 = never. A probe, which has no events, is no success: it is
 * answered 2xx even when nothing can be stored.
 */
enum { SERVER_REASON = 160 }; /* bytes of what is wrong */
struct server_source_status {
	const char *name;
	int64_t last_request_ms;  /* with a good token */
	int64_t last_success_ms;  /* events, answered 2xx */
	int64_t failing_since_ms; /* first failed answer since then, or 0 */
	unsigned failing_status;  /* the last of them, and why */
	char failing_why[SERVER_REASON];

	/* Refused with 401, 403, 404, 405 or 415: Braze strands those events
	 * until a person acts. Counted anew after a day without. */
	int64_t refused, refused_since_ms, refused_ms; /* first and last */
	unsigned refused_status;
	char refused_why[SERVER_REASON];
};

/* `source` may be their count: requests that no source was found for. */
void server_source_status(const struct server *server, size_t source,
    struct server_source_status *ret_status);

/* The same without a server, as it was kept for the source of that name,
 * which stays lent (NULL: those that no source was found for). False without
 * memory. */
MUST_USE bool server_source_saved(struct queue *queue, const char *name,
    struct server_source_status *ret_status, struct err *reterr);

/* How many tokens a source has, and when one of them, by its number from 0,
 * was last used: wall clock, 0 = never. */
size_t server_tokens(const struct server *server, size_t source);
int64_t server_token_last_used_ms(
    const struct server *server, size_t source, size_t token);

/*
 * What becomes of the events of a batch, by the rules of their source: as
 * the server itself judges, for what comes in without a request. Any thread;
 * the source is lent.
 */
struct server_judge;
struct currents_batch;

MUST_USE bool server_judge_new(const struct server_source *source,
    struct server_judge **ret_judge, struct err *reterr);
void server_judge_free(struct server_judge *judge); /* takes NULL */

/* Asked as a buffer grows, with its capacity: may it? */
typedef bool server_pay_fn(void *arg, size_t capacity);

/* Make an item of each event of `text`; those that were accepted once, and
 * come back, are not held up by a flaw, since privacy at acceptance may have
 * taken out what they lack. They lend from it, from
 * *ret_reasons (SERVER_REASON bytes for each flawed event) and, if private
 * things are taken out at acceptance, from *ret_bytes, which is zeroed or
 * made. `pay` may be NULL. False without memory. */
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
