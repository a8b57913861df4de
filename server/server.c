/*
 * The server's life: two listeners, and what their requests share.
 *
 * Stopping loses nothing. First, new requests are refused; then those that are
 * being read get a few seconds; then nothing more is handed to the queue. Last,
 * the server waits for what was handed over, because libmicrohttpd may only be
 * stopped when no connection is suspended.
 */

#include "server/server.h"

#include "base/clock.h"
#include "server/ingest.h"
#include "server/listener.h"
#include "server/request.h"
#include "server/socket.h"
#include "server/sources.h"
#include "server/tls.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	SERVER_ADMIN_CONNECTIONS = 64,
	SERVER_CALLED_MEMORY = 512 * 1024 * 1024, /* two large imports */
	SERVER_READ_GRACE_MS = 3000,
	SERVER_ANSWER_GRACE_MS = 500,
	SERVER_LEAVE_GRACE_MS = 500,
	SERVER_LEAVE_POLL_NS = 5000000,
	SERVER_WAIT_SWEEP_MS = 100,
};

struct server {
	struct service service;
	struct listener ingest, admin, local;
	struct socket_name socket; /* of the last */
};

void
server_settings_init(struct server_settings *settings)
{
	static const char *const listen[] = {"127.0.0.1:8080", NULL};
	/* A proxy on this machine. Whoever else is on it may be believed in
	 * this, too. */
	static const char *const local[] = {"127.0.0.0/8", "::1", "unix", NULL};

	*settings = (struct server_settings){
	    .trusted_proxies = local,
	    .listen = listen,
	    .listen_mode = 0660,
	    .admin = "127.0.0.1:8081",
	    .threads = 2,
	    .max_connections = 1024,
	    .body_limit = 16 * 1024 * 1024,
	    .body_memory = 256 * 1024 * 1024,
	    .max_items = 100000,
	    .request_timeout_ms = 60000,
	    /* Longer than a proxy holds its connections (Google's load
	     * balancers: 600 s), so that it is the proxy that closes. */
	    .idle_timeout_ms = 620000,
	    .retry_after_s = 10,
	};
}

bool
server_network_valid(const char *text)
{
	return network_valid(text);
}

bool
server_tls_check(const struct server_settings *settings, int64_t wall_ms,
    struct buf *warnings, struct err *reterr)
{
	const char *certificate = settings->tls_certificate;
	char until[CLOCK_TEXT];
	struct tls *tls;
	int64_t until_ms;

	if (certificate == NULL && settings->tls_key == NULL)
		return true;
	if (certificate == NULL || settings->tls_key == NULL)
		return err_set(reterr, ERR_CONFIG,
		    "tls_certificate and tls_key belong together: set both, or "
		    "neither");
	if (!tls_new(certificate, settings->tls_key, &tls, reterr))
		return false;
	until_ms = tls_until_ms(tls);
	tls_free(tls);
	clock_text(until_ms, until, sizeof(until));
	if (until_ms < wall_ms + SERVER_CERTIFICATE_MS)
		(void)buf_printf(warnings,
		    "tls_certificate: the certificate in %s %s on %.10s\n",
		    certificate, until_ms < wall_ms ? "expired" : "expires",
		    until);
	return true;
}

int64_t
server_tls_until_ms(struct server *server)
{
	struct tls *tls = server->service.tls;

	return tls != NULL ? tls_until_ms(tls) : 0;
}

bool
server_tls_reload(struct server *server, const char *certificate,
    const char *key, struct err *reterr)
{
	struct tls *tls = server->service.tls;

	if (tls == NULL || certificate == NULL || key == NULL)
		return err_set(reterr, ERR_UNSUPPORTED,
		    "tls_certificate is set or removed by a restart only");
	return tls_reload(tls, certificate, key, reterr);
}

/* The admin listener gets a part of what the other has, if that is few. */
static unsigned
server_admin_connections(unsigned connections)
{
	unsigned admin = connections / 4 + 2;

	return admin < SERVER_ADMIN_CONNECTIONS ? admin
						: SERVER_ADMIN_CONNECTIONS;
}

size_t
server_files(unsigned connections)
{
	return listener_files(connections) +
	       2 * listener_files(server_admin_connections(connections));
}

/* Show the counters of what may be counted, before anything is. */
static void
server_show_counters(const struct server_settings *settings)
{
	for (size_t i = 0; i < settings->source_count; i++) {
		const struct intake *intake = settings->sources[i].intake;
		const char *const *kind = intake->drift_kinds;

		for (int cause = 0; cause < INTAKE_CAUSES; cause++)
			counter_answers_add(intake->status[cause], 0);
		for (; *kind != NULL; kind++)
			counter_drift_add(*kind, 0);
	}
}

static bool
server_local_open(struct server *server, struct err *reterr)
{
	const char *dir = server->service.settings.socket_dir;
	int fd = -1;

	return dir == NULL ||
	       (socket_listen(dir, &server->socket, &fd, reterr) &&
		   listener_open_local(&server->local, fd, reterr));
}

/* In a directory that has taken the place of ours, the directory stays what it
 * was: what is there is not ours. */
static void
server_local_keep(struct server *server)
{
	const char *dir = server->service.settings.socket_dir;
	struct socket_id was = server->socket.dir;
	struct err err;

	if (dir == NULL || !socket_vanished(dir, &server->socket) ||
	    !server_local_open(server, &err))
		return;
	server->socket.dir = was;
	log_line(LOG_WARN, "server", "renew name=%s/%s why=\"it was gone\"",
	    dir, SOCKET_NAME);
}

static bool
server_listen(struct server *server, struct err *reterr)
{
	const struct server_settings *settings = &server->service.settings;

	bool passed;

	for (size_t i = 0; i < settings->socket_count; i++) {
		const struct server_socket *socket = &settings->sockets[i];

		if (!listener_adopt(
			socket->admin ? &server->admin : &server->ingest,
			socket->fd, reterr))
			return false;
	}
	passed = server->ingest.socket_count > 0;
	for (const char *const *at = settings->listen; !passed && *at != NULL;
	     at++) {
		if (!listener_listen(&server->ingest, *at, reterr))
			return false;
	}
	if (settings->socket_count > 0)
		log_line(LOG_INFO, "server",
		    "adopt sockets=%zu why=\"the service manager passed them: "
		    "they replace %s\"",
		    settings->socket_count,
		    !passed			     ? "admin"
		    : server->admin.socket_count > 0 ? "listen and admin"
						     : "listen");
	return server->admin.socket_count > 0 ||
	       listener_listen(&server->admin, settings->admin, reterr);
}

bool
server_start(const struct server_settings *settings, struct queue *queue,
    struct server **ret_server, struct err *reterr)
{
	unsigned connections = settings->connections_most != 0
				   ? settings->connections_most
				   : settings->max_connections;
	struct server *server;
	struct service *service;
	struct sources *sources;
	struct networks *trusted;

	if (settings->source_count == 0)
		return err_set(reterr, ERR_CONFIG, "there is no source");
	if (!ingest_check_settings(settings, reterr) ||
	    !networks_new(settings->trusted_proxies, &trusted, reterr))
		return false;
	server = calloc(1, sizeof(*server));
	sources = sources_new(settings, NULL);
	if (server == NULL || sources == NULL) {
		networks_free(trusted);
		sources_drop(sources);
		free(server);
		return err_set_nomem(reterr);
	}
	service = &server->service;
	service->trusted = trusted;
	service->settings = *settings;
	service->queue = queue;
	service->sources = sources;
	lock_init(&service->lock);
	cond_init(&service->fewer);
	budget_init(&service->budget, settings->body_memory, NULL);
	service->unproven_bytes = ingest_unproven_memory(settings);
	budget_init(
	    &service->unproven, service->unproven_bytes, &service->budget);
	budget_init(&service->called, SERVER_CALLED_MEMORY, NULL);
	listener_init(&server->ingest, service, LISTENER_INGEST, connections);
	listener_init(&server->admin, service, LISTENER_ADMIN,
	    server_admin_connections(connections));
	listener_init(&server->local, service, LISTENER_LOCAL,
	    server_admin_connections(connections));
	sources_restore(sources, queue);
	server_show_counters(settings);
	if ((settings->tls_certificate != NULL &&
		!tls_new(settings->tls_certificate, settings->tls_key,
		    &service->tls, reterr)) ||
	    !server_local_open(server, reterr) ||
	    !server_listen(server, reterr) ||
	    !listener_open(&server->ingest, reterr) ||
	    !listener_open(&server->admin, reterr)) {
		server_stop(server); /* requests may have come in already */
		return false;
	}
	*ret_server = server;
	return true;
}

bool
server_alive(struct server *server, int64_t mono_ms)
{
	return listener_alive(&server->ingest, mono_ms) &&
	       listener_alive(&server->admin, mono_ms) &&
	       listener_alive(&server->local, mono_ms);
}

unsigned
server_port(const struct server *server)
{
	return listener_port(&server->ingest);
}

unsigned
server_admin_port(const struct server *server)
{
	return listener_port(&server->admin);
}

bool
server_prepare(struct server *server, const struct server_settings *settings,
    struct sources **ret_sources, struct err *reterr)
{
	struct sources *before;

	if (!ingest_check_settings(settings, reterr))
		return false;
	before = service_sources(&server->service);
	*ret_sources = sources_new(settings, before);
	sources_drop(before);
	return *ret_sources != NULL || err_set_nomem(reterr);
}

void
server_adopt(struct server *server, struct sources *sources)
{
	struct service *service = &server->service;
	size_t unproven = ingest_unproven_memory(sources_settings(sources));
	struct sources *before;

	server_show_counters(sources_settings(sources));
	if (unproven > service->unproven_bytes) {
		budget_widen(
		    &service->unproven, unproven - service->unproven_bytes);
		service->unproven_bytes = unproven;
	}
	lock_hold(&service->lock);
	before = service->sources;
	service->sources = sources;
	lock_drop(&service->lock);
	sources_succeed(sources, before);
	sources_drop(before);
}

static size_t
server_sweep_listener(
    struct listener *listener, int64_t timeout_ms, int64_t mono_ms)
{
	return clients_sweep(&listener->clients,
	    listener->service->settings.idle_timeout_ms, timeout_ms, mono_ms);
}

void
server_sweep(struct server *server, int64_t mono_ms)
{
	struct sources *sources = service_sources(&server->service);
	int64_t timeout_ms = sources_settings(sources)->request_timeout_ms;
	size_t swept =
	    server_sweep_listener(&server->ingest, timeout_ms, mono_ms);

	if (swept > 0)
		log_line(LOG_WARN, "server",
		    "sweep connections=%zu why=\"slower than %lld ms\"", swept,
		    (long long)timeout_ms);
	swept += server_sweep_listener(&server->admin, timeout_ms, mono_ms) +
		 server_sweep_listener(&server->local, timeout_ms, mono_ms);
	counter_add(COUNTER_SWEPT, swept);
	server_local_keep(server);
	sources_save(sources, server->service.queue);
	sources_drop(sources);
}

/* New connections wait in the sockets that were passed to us. Those that were
 * accepted, and may be about to send something, get a moment for that. */
static void
server_leave(struct server *server)
{
	const struct timespec moment = {.tv_nsec = SERVER_LEAVE_POLL_NS};
	int64_t until_ms = clock_mono_ms() + SERVER_LEAVE_GRACE_MS;

	if (server->service.settings.socket_count == 0)
		return;
	listener_leave(&server->ingest);
	listener_leave(&server->admin);
	while (
	    clock_mono_ms() < until_ms && (listener_expects(&server->ingest) ||
					      listener_expects(&server->admin)))
		(void)nanosleep(&moment, NULL);
}

void
server_drain(struct server *server)
{
	if (atomic_load(&server->service.draining))
		return;
	server_leave(server);
	atomic_store(&server->service.draining, true);
}

/* Wait until no request is active, but not longer than the limit. The main
 * thread is here, so nothing sweeps meanwhile. */
static void
server_wait(struct server *server, int64_t until_ms)
{
	struct service *service = &server->service;
	int64_t now_ms = clock_mono_ms();
	bool active = true;

	for (; active && now_ms < until_ms; now_ms = clock_mono_ms()) {
		lock_hold(&service->lock);
		if (service->active > 0)
			cond_wait(&service->fewer, &service->lock,
			    now_ms + SERVER_WAIT_SWEEP_MS);
		active = service->active > 0;
		lock_drop(&service->lock);
		server_sweep(server, now_ms);
	}
}

/* New requests are answered 503 until the end. */
void
server_stop(struct server *server)
{
	struct service *service;

	if (server == NULL)
		return;
	service = &server->service;
	server_drain(server);
	server_wait(server, clock_mono_ms() + SERVER_READ_GRACE_MS);
	lock_hold(&service->lock);
	service->closed = true;
	while (service->handed > 0 || service->calls > 0)
		cond_wait(&service->fewer, &service->lock, INT64_MAX);
	lock_drop(&service->lock);
	server_wait(server, clock_mono_ms() + SERVER_ANSWER_GRACE_MS);
	sources_save(service->sources, service->queue);
	listener_close(&server->ingest);
	listener_close(&server->admin);
	if (service->settings.socket_dir != NULL)
		socket_unlink(service->settings.socket_dir, &server->socket);
	listener_close(&server->local);
	sources_drop(service->sources);
	networks_free(service->trusted);
	tls_free(service->tls);
	cond_fini(&service->fewer);
	lock_fini(&service->lock);
	free(server);
}

void
server_source_status(struct server *server, const char *name,
    struct server_source_status *ret_status)
{
	struct sources *sources = service_sources(&server->service);

	sources_status(sources, name, ret_status);
	sources_drop(sources);
}

bool
server_source_saved(struct queue *queue, const char *name,
    struct server_source_status *ret_status, struct err *reterr)
{
	const struct server_source source = {.name = name};
	const struct server_settings settings = {
	    .sources = &source,
	    .source_count = 1,
	};
	struct sources *sources = sources_new(&settings, NULL);

	if (sources == NULL)
		return err_set_nomem(reterr);
	sources_restore(sources, queue);
	sources_status(sources, name, ret_status);
	ret_status->times = NULL;
	sources_drop(sources);
	return true;
}

size_t
server_tokens_used(
    struct server *server, const char *name, int64_t *ret_used_ms, size_t most)
{
	struct sources *sources = service_sources(&server->service);
	size_t count = sources_tokens_used(sources, name, ret_used_ms, most);

	sources_drop(sources);
	return count;
}
