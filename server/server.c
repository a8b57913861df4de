/*
 * The server's life: two listeners, and what they share.
 *
 * Stopping loses nothing: first no new connections, then the requests that
 * are being read get a few seconds, then nothing more is handed to the
 * queue, and what was handed over is waited for: libmicrohttpd may only be
 * stopped when no connection is suspended.
 */

#include "server/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "schema/currents.h"
#include "server/state.h"

#include <stdlib.h>

enum {
	SERVER_ADMIN_CONNECTIONS = 64,
	SERVER_BODY_LEAST = 1024 * 1024,
	SERVER_READ_GRACE_MS = 3000,
	SERVER_ANSWER_GRACE_MS = 500,
	SERVER_WAIT_SWEEP_MS = 100,
};

void
server_settings_init(struct server_settings *settings)
{
	*settings = (struct server_settings){
	    .listen = "127.0.0.1:8080",
	    .admin = "127.0.0.1:8081",
	    .threads = 2,
	    .max_connections = 1024,
	    .body_limit = 16 * 1024 * 1024,
	    .body_memory = 256 * 1024 * 1024,
	    .max_events = 100000,
	    .request_timeout_ms = 60000,
	    /* Longer than a proxy keeps its connections (nginx: 60 s), so
	     * that it is the proxy who closes. */
	    .idle_timeout_ms = 75000,
	    .retry_after_s = 10,
	};
}

static bool
server_check(const struct server_settings *settings, struct err *reterr)
{
	/* A body and its inflated text, and what it takes to judge it. */
	size_t least = settings->body_limit * 2 +
		       settings->max_events * (sizeof(struct currents_event) +
						  sizeof(struct item) + 256);

	if (settings->source_count == 0)
		return err_set(reterr, ERR_CONFIG, "there is no source");
	/* One event of Braze's may have 900 KB: a smaller limit would
	 * answer 413 to a batch that cannot be split. */
	if (settings->body_limit < SERVER_BODY_LEAST)
		return err_set(reterr, ERR_CONFIG,
		    "the limit of a body must be at least %d bytes",
		    SERVER_BODY_LEAST);
	if (settings->body_memory < least)
		return err_set(reterr, ERR_CONFIG,
		    "the memory for bodies must be at least %zu bytes, for "
		    "one of the largest to fit",
		    least);
	return true;
}

static void
server_fini(struct server *server)
{
	listener_close(&server->ingest);
	listener_close(&server->admin);
	for (size_t i = 0; i < server->settings.source_count; i++) {
		if (server->tokens != NULL)
			tokens_free(server->tokens[i]);
		if (server->judges != NULL)
			server_judge_free(server->judges[i]);
	}
	free(server->tokens);
	free(server->judges);
	board_free(server->board);
	cond_fini(&server->less);
	lock_fini(&server->lock);
	free(server);
}

static struct server *
server_new(const struct server_settings *settings, struct queue *queue)
{
	struct server *server = calloc(1, sizeof(*server));
	size_t count = settings->source_count;

	if (server == NULL)
		return NULL;
	server->settings = *settings;
	server->queue = queue;
	lock_init(&server->lock);
	cond_init(&server->less);
	budget_init(&server->budget, settings->body_memory);
	listener_init(
	    &server->ingest, server, "ingest", settings->max_connections);
	listener_init(
	    &server->admin, server, "admin", SERVER_ADMIN_CONNECTIONS);
	server->tokens = calloc(count, sizeof(server->tokens[0]));
	server->judges = calloc(count, sizeof(server->judges[0]));
	server->board = board_new(settings->sources, count);
	if (server->tokens == NULL || server->judges == NULL ||
	    server->board == NULL)
		goto out;
	for (size_t i = 0; i < count; i++) {
		server->tokens[i] = tokens_new(settings->sources[i].tokens);
		if (server->tokens[i] == NULL ||
		    !server_judge_new(
			&settings->sources[i], &server->judges[i], NULL))
			goto out;
	}
	return server;
out:
	server_fini(server);
	return NULL;
}

bool
server_start(const struct server_settings *settings, struct queue *queue,
    struct server **ret_server, struct err *reterr)
{
	struct server *server;

	if (!server_check(settings, reterr))
		return false;
	server = server_new(settings, queue);
	if (server == NULL)
		return err_set_nomem(reterr);
	board_restore(server->board, queue);
	if (!listener_open(&server->ingest, settings->listen, reterr) ||
	    !listener_open(&server->admin, settings->admin, reterr)) {
		server_stop(server); /* the first may have been asked */
		return false;
	}
	*ret_server = server;
	return true;
}

unsigned
server_port(const struct server *server)
{
	return server->ingest.port;
}

unsigned
server_admin_port(const struct server *server)
{
	return server->admin.port;
}

static void
server_clocks_hand(struct server *server)
{
	struct buf clocks;
	struct err err;

	buf_init(&clocks, BOARD_CLOCKS_MAX);
	if (board_write(server->board, &clocks) &&
	    (!buf_ok(&clocks, &err) || !queue_clocks_save(server->queue,
					   clocks.data, clocks.len, &err)))
		log_line(
		    LOG_WARN, "server", "clocks text=%s", LOG_QUOTE(err.text));
	buf_fini(&clocks);
}

void
server_sweep(struct server *server, int64_t mono_ms)
{
	const struct server_settings *settings = &server->settings;
	size_t swept = peers_sweep(&server->ingest.peers,
	    settings->idle_timeout_ms, settings->request_timeout_ms, mono_ms);

	if (swept > 0)
		log_line(LOG_WARN, "server",
		    "sweep connections=%zu why=\"slower than %lld ms\"", swept,
		    (long long)settings->request_timeout_ms);
	swept += peers_sweep(&server->admin.peers, settings->idle_timeout_ms,
	    settings->request_timeout_ms, mono_ms);
	counter_add(COUNTER_SWEPT, swept);
	server_clocks_hand(server);
}

void
server_drain(struct server *server)
{
	atomic_store(&server->draining, true);
}

/* Wait until nobody is busy, at most so long. Who calls this is who sweeps
 * at other times. */
static void
server_wait(struct server *server, int64_t until_ms)
{
	int64_t now_ms = clock_mono_ms();
	bool busy = true;

	for (; busy && now_ms < until_ms; now_ms = clock_mono_ms()) {
		lock_hold(&server->lock);
		if (server->busy > 0)
			cond_wait(&server->less, &server->lock,
			    now_ms + SERVER_WAIT_SWEEP_MS);
		busy = server->busy > 0;
		lock_drop(&server->lock);
		server_sweep(server, now_ms);
	}
}

static void
server_wait_handed(struct server *server)
{
	lock_hold(&server->lock);
	server->closed = true;
	while (server->handed > 0)
		cond_wait(&server->less, &server->lock, INT64_MAX);
	lock_drop(&server->lock);
}

/* Newcomers are answered 503 until the end. (The library can stop listening,
 * by MHD_quiesce_daemon; but then its threads and the caller race to take the
 * socket out of their epoll sets, and the second one aborts.) */
void
server_stop(struct server *server)
{
	if (server == NULL)
		return;
	server_drain(server);
	server_wait(server, clock_mono_ms() + SERVER_READ_GRACE_MS);
	server_wait_handed(server);
	server_wait(server, clock_mono_ms() + SERVER_ANSWER_GRACE_MS);
	server_clocks_hand(server);
	server_fini(server);
}

/* ---- what requests tell ---- */

bool
server_busy(struct server *server)
{
	if (atomic_load(&server->draining))
		return false;
	lock_hold(&server->lock);
	server->busy++;
	lock_drop(&server->lock);
	return true;
}

void
server_less_busy(struct server *server)
{
	lock_hold(&server->lock);
	CHECK(server->busy > 0);
	server->busy--;
	cond_wake_all(&server->less);
	lock_drop(&server->lock);
}

bool
server_hand(struct server *server)
{
	bool open;

	lock_hold(&server->lock);
	open = !server->closed;
	if (open)
		server->handed++;
	lock_drop(&server->lock);
	return open;
}

void
server_handed(struct server *server)
{
	lock_hold(&server->lock);
	CHECK(server->handed > 0);
	server->handed--;
	cond_wake_all(&server->less);
	lock_drop(&server->lock);
}

void
server_source_status(const struct server *server, size_t source,
    struct server_source_status *ret_status)
{
	board_read(server->board, source, ret_status);
}

bool
server_source_saved(struct queue *queue, const char *name,
    struct server_source_status *ret_status, struct err *reterr)
{
	const struct server_source source = {.name = name};
	size_t count = name != NULL ? 1 : 0;
	struct board *board = board_new(&source, count);

	if (board == NULL)
		return err_set_nomem(reterr);
	board_restore(board, queue);
	board_read(board, 0, ret_status);
	board_free(board);
	return true;
}

size_t
server_tokens(const struct server *server, size_t source)
{
	CHECK(source < server->settings.source_count);
	return tokens_count(server->tokens[source]);
}

int64_t
server_token_last_used_ms(
    const struct server *server, size_t source, size_t token)
{
	return board_token_ms(server->board, source, token);
}
