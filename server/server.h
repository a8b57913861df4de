#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

/*
 * The HTTP server. It authenticates, reads and judges a request, puts the items
 * into the queue, and answers 2xx only once they are durable. Two listeners:
 * ingest (the posts of sources), and admin (the interface that daemon/ serves,
 * call.h), which is also at admin.sock; all answer /healthz and /readyz.
 *
 * What a source posts, how it proves itself, and which status it is answered
 * with for each cause, is its intake's (schema/dialect.h): the server knows
 * no dialect. What makes a source give up its items is never answered for a
 * fault of ours: that is the cause BUSY.
 */

#include "base/buf.h"
#include "base/histogram.h"
#include "base/rate.h"
#include "queue/queue.h"
#include "schema/dialect.h"
#include "server/call.h"

#include <stddef.h>
#include <stdint.h>

struct server;

/* One source. */
struct server_source {
	const char *name;
	/* What it posts, to PATH/NAME; the first source of an intake also to
	 * its PATH. */
	const struct intake *intake;
	const struct intake_context *context;
	const char *destination; /* where its items go */
	const char *parameter;	 /* "key=value" of the query, or NULL */
	/* What it proves itself with, NULL-terminated: bearer tokens, or the
	 * secrets of its signature. Empty only if it is open. */
	const char *const *secrets;
	bool open; /* accepts requests without a proof */
};

/* The admin interface, which the daemon serves. */
struct server_api {
	/* See call_route_find(). */
	const void *routes;
	size_t stride;
	/* Serve a call, on a thread of its own. */
	void (*serve)(
	    void *arg, const struct call_route *route, struct call *call);
	/* Has no thread stalled? NULL: none can. */
	bool (*alive)(void *arg);
	void *arg;
};

/* A socket that listens already, and is taken over. It is not closed to new
 * connections at the end: they wait for who comes next. */
struct server_socket {
	int fd;
	bool admin;
};

struct server_settings {
	/* ADDRESS:PORT, [V6]:PORT (port 0 = any free) or unix:PATH,
	 * NULL-terminated; and of the last the mode, and the group or NULL */
	const char *const *listen;
	unsigned listen_mode;
	const char *listen_group;
	bool proxy_protocol; /* connections to `listen` begin with its header */
	/* Addresses, networks and "unix", NULL-terminated, that are believed
	 * when they say for whom they ask. */
	const char *const *trusted_proxies;
	/* Files in PEM, if connections to `listen` are TLS; else NULL. */
	const char *tls_certificate, *tls_key;
	const char *admin;
	/* In place of `listen`, and of `admin`, if there is such a one. */
	const struct server_socket *sockets;
	size_t socket_count;
	/* Where admin.sock is made; NULL: nowhere. */
	const char *socket_dir;
	/* Of the admin listener; NULL, or NULL-terminated. Without tokens what
	 * needs them is refused there. */
	const char *const *view_tokens, *const *admin_tokens;
	const char *const *admin_hosts; /* names that it may be called by,
					 * besides localhost and addresses */
	const struct server_source *sources;
	size_t source_count;
	unsigned threads;
	unsigned max_connections;
	unsigned connections_most;  /* that there are files for; 0: enough */
	size_t body_limit;	    /* of one body, also after inflating */
	size_t body_memory;	    /* of all bodies that are being read, with
				     * the buffers they are read into */
	size_t max_items;	    /* in one body */
	int64_t request_timeout_ms; /* from first byte to last */
	int64_t idle_timeout_ms;
	unsigned retry_after_s;
	bool tracing; /* keep the trace of a post with its items */
	struct server_api api;

	/* Called once nothing uses any more what all this points to; NULL:
	 * that is lent for the server's life. Any thread. */
	void (*give_back)(void *lender);
	void *lender;
};

void server_settings_init(struct server_settings *settings);

/* May it stand in trusted_proxies? */
bool server_network_valid(const char *text);

/* A certificate that expires sooner is worth a warning. */
enum { SERVER_CERTIFICATE_MS = 14 * 24 * 3600 * 1000 };

/* Can the two files be used? Append a line of warning for a certificate that
 * expires soon. True if there are none. */
MUST_USE bool server_tls_check(const struct server_settings *settings,
    int64_t wall_ms, struct buf *warnings, struct err *reterr);

/* How many open files a server with so many connections may need. */
size_t server_files(unsigned connections);

/* Bind all addresses and start answering. ERR_CONFIG if the settings
 * contradict each other or an address can never be bound; ERR_IO if that may
 * pass (the port is in use). What the settings point
 * to and the queue are lent until server_stop(). */
MUST_USE bool server_start(const struct server_settings *settings,
    struct queue *queue, struct server **ret_server, struct err *reterr);

/* Of other settings, what requests that begin from now on go by: sources,
 * tokens, and those that no listener has (names of the admin listener,
 * request_timeout, retry_after); the others stay. Requests that began keep to
 * what they began with. First what can fail; what it made is then put in force,
 * or dropped; one at a time. ERR_CONFIG if these settings contradict each
 * other. */
struct sources;
MUST_USE bool
server_prepare(struct server *server, const struct server_settings *settings,
    struct sources **ret_sources, struct err *reterr);
void server_adopt(struct server *server, struct sources *sources);
void sources_drop(struct sources *sources); /* accepts NULL */

/* The ports that were bound; 0: none. */
unsigned server_port(const struct server *server);
unsigned server_admin_port(const struct server *server);

/* Close connections whose request takes too long, make admin.sock again if it
 * vanished, and save the sources' status in the queue. Once a second, from the
 * main thread, with the time of clock_mono_ms(). */
void server_sweep(struct server *server, int64_t mono_ms);

/* Is no thread of the listeners stuck? Any thread. */
bool server_alive(struct server *server, int64_t mono_ms);

/* Read the two files anew, for new connections. On failure those of before stay
 * in use. A server without TLS, or two NULLs, is ERR_UNSUPPORTED: that needs a
 * restart. Any thread. */
MUST_USE bool server_tls_reload(struct server *server, const char *certificate,
    const char *key, struct err *reterr);

/* When the certificate that is given to new connections expires; 0: there is
 * none. Any thread. */
int64_t server_tls_until_ms(struct server *server);

/* From now on /readyz is 503, and new requests are refused as BUSY. Before
 * that, if sockets were passed, those who have connected get half a second to
 * send theirs. */
void server_drain(struct server *server);

/* Wait for the requests that were handed to the queue, and stop. The queue's
 * committer must still run. Accepts NULL. */
void server_stop(struct server *server);

/*
 * The health of a source, kept across restarts. Times are wall clock, 0 =
 * never. A probe has no items and does not count as a success: it is answered
 * 2xx even when nothing can be stored.
 */
enum { SERVER_REASON = 160 }; /* bytes of a reason, including its NUL */
enum { SERVER_ANSWERS = 16 }; /* statuses; others are not counted */
struct server_answer {
	unsigned status;
	int64_t count; /* of the day */
	int64_t total; /* since the start */
};
struct server_source_status {
	const char *name;
	int64_t last_request_ms;  /* that proved to be the source's */
	int64_t last_success_ms;  /* items, answered 2xx */
	int64_t failing_since_ms; /* first failed answer since then, or 0 */
	unsigned failing_status;  /* of the last failed answer, and why */
	char failing_why[SERVER_REASON];

	/* Answers that make the source keep back or delete what it posted
	 * until its operators act (intake.strands). The count starts over
	 * after a day without any. */
	int64_t refused, refused_since_ms, refused_ms; /* first and last */
	unsigned refused_status;
	char refused_why[SERVER_REASON];

	/* The day (since 1970, UTC) is that of the last one; none of a row that
	 * stands for no source. Those that are possible are there from the
	 * start. */
	int64_t answers_day;
	struct server_answer answers[SERVER_ANSWERS];
	size_t answer_count;

	struct rate rate; /* of items in posts that were answered 2xx */

	/* From the headers of a request to its answer, if it proved to be the
	 * source's. Lent by the server; NULL without one. */
	const struct histogram *times;
};

/* After the sources come two rows that stand for none: the requests for which
 * no source was found, and those that do not look like a source's. Their
 * names are such that no source can have them. */
#define SERVER_NO_SOURCE "/"
#define SERVER_STRANGERS "?"
enum { SERVER_ROWS_MORE = 2 };

/* Not an HTTP status: the connection was closed without an answer. */
enum { SERVER_HUNG_UP = 0 };

/* Of a request that matches no source: was it never read? We answer such
 * requests 404, 405 or 503; all else is the HTTP library's own answer. */
static inline bool
server_unread(unsigned status)
{
	return status == SERVER_HUNG_UP || (status > 405 && status != 503);
}

/* Of a source by its name, or of one of the rows more; the name stays lent.
 * Empty if there is none. Any thread. */
void server_source_status(struct server *server, const char *name,
    struct server_source_status *ret_status);

/* The same without a server, as it was saved for the row of that name, which
 * stays lent. False without memory. */
MUST_USE bool server_source_saved(struct queue *queue, const char *name,
    struct server_source_status *ret_status, struct err *reterr);

/* When the bearer tokens of a source, at most so many, were last used: wall
 * clock, 0 = never. Returns how many it has, or `most`. */
size_t server_tokens_used(
    struct server *server, const char *name, int64_t *ret_used_ms, size_t most);

/*
 * A probe (a request without items) that is authorised and has a header with a
 * nonce of 16 to 64 hexadecimal digits is answered with a header that proves
 * who answered it: HMAC-SHA-256 of the nonce, in hex. The key is the SHA-256 of
 * the token that the request has, or empty at an open source. A proxy that
 * answers by itself cannot make it.
 */
#define SERVER_PROBE_HEADER "Currentsd-Probe"
#define SERVER_PROOF_HEADER "Currentsd-Proof"
enum { SERVER_PROOF = 65 }; /* bytes, including the NUL */

/* What the header should be. `token` is NULL at an open source. */
void server_probe_proof(
    const char *token, const char *nonce, char ret_proof[SERVER_PROOF]);

/* Append the text of a stored body to *ret_text, as far as it can be decoded
 * and as the limit of *ret_text allows; *ret_whole says whether that is all
 * of it. Any thread, and without a server. */
MUST_USE bool server_body_decode(const char *encoding, struct str body,
    struct buf *ret_text, bool *ret_whole, struct err *reterr);

#endif
