#include "server/listener.h"

#include "base/clock.h"
#include "server/request.h"
#include "server/route.h"
#include "server/tls.h"

#include <errno.h>
#include <limits.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	LISTENER_SLACK = 64, /* connections over the limit, at most */
	LISTENER_FILES = 16, /* the socket, and what its threads wait with */
	LISTENER_ADMIN_POOL = 32 * 1024, /* bytes: the library's default */
	LISTENER_STALLED_MS = 10 * 1000,
	LISTENER_ROOM_TRIES = 50, /* for each of the events of a round: well
				   * below LISTENER_STALLED_MS in all */
	LISTENER_ROOM_NS = 1000 * 1000,
	LISTENER_ODD = 4, /* bytes that are no body: see below */
	LISTENER_FLAGS = MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
			 MHD_USE_NO_LISTEN_SOCKET,
	/* By epoll, a thread of the library's runs without a pause for as long
	 * as a handshake waits for the client (0.9.75). */
	LISTENER_TLS = MHD_USE_TLS | MHD_USE_POLL_INTERNAL_THREAD,
};

/* Connections over the limit: a part of it, so that few files are enough for a
 * low one. */
static size_t
listener_slack(size_t connections)
{
	size_t slack = connections / 4 + 2;

	return slack < LISTENER_SLACK ? slack : LISTENER_SLACK;
}

/* So many may be open. */
static size_t
listener_most(size_t connections)
{
	return connections + listener_slack(connections);
}

size_t
listener_files(size_t connections)
{
	/* As many may be pending as over the limit. */
	return listener_most(connections) + listener_slack(connections) +
	       LISTENER_FILES;
}

void
listener_init(struct listener *listener, struct service *service,
    const char *name, unsigned connections)
{
	bool admin = strcmp(name, LISTENER_INGEST) != 0;

	*listener = (struct listener){
	    .service = service,
	    .name = name,
	    .admin = admin,
	    .local = strcmp(name, LISTENER_LOCAL) == 0,
	};
	clients_init(&listener->clients, connections,
	    admin ? listener_most(connections) : LISTENER_KEEP);
}

/* Does each connection begin with a PROXY header? */
static bool
listener_proxied(const struct listener *listener)
{
	return !listener->admin && listener->service->settings.proxy_protocol;
}

/* What its connections are encrypted with; NULL: they are plain. */
static struct tls *
listener_tls(const struct listener *listener)
{
	return listener->admin ? NULL : listener->service->tls;
}

/* ---- the acceptor's callbacks; arg is the listener ---- */

static size_t
listener_connections(void *arg)
{
	struct listener *listener = arg;

	return clients_open(&listener->clients);
}

/* May one more be passed to the library? Its threads may not have begun with
 * the last ones, or not closed those that were shut down to make room: they get
 * a moment for that. The library does not tell of those that it had no memory
 * for (0.9.75), so they are found here, as missing. */
static bool
listener_has_room(struct listener *listener)
{
	const struct timespec moment = {.tv_nsec = LISTENER_ROOM_NS};
	const union MHD_DaemonInfo *info;

	for (int i = 0; i < LISTENER_ROOM_TRIES; i++) {
		if (atomic_load(&listener->passed) <
		    listener_most(listener->clients.most))
			return true;
		(void)nanosleep(&moment, NULL);
	}
	info = MHD_get_daemon_info(
	    listener->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
	if (info != NULL)
		atomic_store(&listener->passed, info->num_connections);
	return false;
}

static void
listener_pass(void *arg, int fd, const struct proxy_from *from)
{
	struct listener *listener = arg;

	if (!listener_has_room(listener)) {
		counter_add(COUNTER_SWEPT, 1);
		(void)close(fd);
		return;
	}
	(void)atomic_fetch_add(&listener->passed, 1);
	/* If it fails, the library has closed the connection and logs why. */
	if (MHD_add_connection(
		listener->daemon, fd, &from->address.any, from->len) != MHD_YES)
		(void)atomic_fetch_sub(&listener->passed, 1);
}

/* A connection was closed without an answer, or the library answered by itself.
 * Whose it was is unknown: it may have been a source's. */
static void
listener_count_refused(
    struct listener *listener, unsigned status, const char *why)
{
	struct sources *sources;

	if (listener->admin)
		return;
	if (status == SERVER_HUNG_UP)
		counter_add(COUNTER_HUNG_UP, 1);
	else
		counter_answers_add(status, 1);
	sources = service_sources(listener->service);
	sources_note_answer(sources, sources_settings(sources)->source_count,
	    status, why, false, clock_wall_ms());
	sources_drop(sources);
}

static void
listener_log_hung_up(
    struct listener *listener, const char *text, const char *why)
{
	log_line(LOG_WARN, "server", "hang_up listener=%s client=%s why=%s",
	    listener->name, text, LOG_QUOTE(why));
	listener_count_refused(listener, SERVER_HUNG_UP, why);
}

static void
listener_hung_up(void *arg, const struct proxy_from *from, const char *why)
{
	struct origin origin = origin_of(&from->address.any);
	char text[ORIGIN_TEXT];

	origin_write(&origin, text);
	listener_log_hung_up(arg, text, why);
}

/* ---- libmicrohttpd's callbacks; cls is the listener ---- */

/* How many bytes have arrived on a socket since it was connected. 0 if that is
 * unknown. */
static uint64_t
listener_arrived(int fd)
{
	struct tcp_info info = {.tcpi_state = 0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return 0;
	return info.tcpi_bytes_received;
}

/* What the acceptor knew: where it came from, and whether bytes before the
 * first request were taken out of the socket. */
static void
listener_meet(const struct listener *listener,
    struct MHD_Connection *connection, struct client *client)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct origin origin =
	    origin_of(info != NULL ? info->client_addr : NULL);
	uint64_t arrived;
	int unread = 0;

	origin_write(&origin, client->origin);
	client->trusted = networks_have(listener->service->trusted, &origin);
	if (listener_tls(listener) != NULL) {
		client->identity = tls_give(
		    listener_tls(listener), connection, &client->agreed);
		client->uncounted = true; /* the kernel counts what is sealed */
	}
	/* In this order: what arrives in between must not be taken for what was
	 * read. */
	arrived = listener_arrived(client->fd);
	if (ioctl(client->fd, FIONREAD, &unread) == 0 &&
	    arrived > (uint64_t)unread)
		client->bytes = arrived - (uint64_t)unread;
}

/* A connection ended. A balancer that looks whether we are there ends it behind
 * its PROXY header; that says nothing about the certificate, and neither does
 * what we closed. */
static void
listener_part(struct listener *listener, struct client *client)
{
	static const char why[] = "its TLS handshake did not succeed: does the "
				  "client trust the certificate?";
	char origin[ORIGIN_TEXT];
	bool failed;

	if (client == NULL)
		return;
	failed =
	    client->identity != NULL && !client->agreed &&
	    !atomic_load(&listener->service->draining) &&
	    (!listener_proxied(listener) ||
		listener_arrived(client->fd) > client->bytes + LISTENER_ODD);
	memcpy(origin, client->origin, sizeof(origin));
	tls_take_back(listener_tls(listener), client->identity);
	if (!clients_remove(&listener->clients, client) && failed)
		listener_log_hung_up(listener, origin, why);
}

static void
listener_connection(void *cls, struct MHD_Connection *connection, void **client,
    enum MHD_ConnectionNotificationCode code)
{
	struct listener *listener = cls;
	const union MHD_ConnectionInfo *info;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		(void)atomic_fetch_sub(&listener->passed, 1);
		listener_part(listener, *client);
		*client = NULL;
		return;
	}
	info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info == NULL)
		return;
	*client =
	    clients_add(&listener->clients, info->connect_fd, clock_mono_ms());
	/* A connection that the sweep cannot see may not stay. */
	if (*client == NULL) {
		(void)shutdown(info->connect_fd, SHUT_RDWR);
		return;
	}
	/* The acceptor saw the beginning of a request, unless that was a PROXY
	 * header. */
	if (!listener_proxied(listener))
		clients_mark(&listener->clients, *client, CLIENT_READING,
		    clock_mono_ms());
	listener_meet(listener, connection, *client);
}

/* NULL if there was no memory for it. */
static struct client *
listener_client(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

static void *
listener_first_line(
    void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct listener *listener = cls;
	struct client *client = listener_client(connection);

	if (client != NULL) {
		client->url_len = strlen(uri);
		clients_mark(&listener->clients, client, CLIENT_READING,
		    clock_mono_ms());
	}
	return NULL; /* no request yet */
}

/*
 * Without a Content-Length or a Transfer-Encoding a POST has no body (RFC 9112,
 * 6.3), and a source may test the connection so. But where a proxy lost the
 * header, the body follows; the library would take it for the next request,
 * after a 200 to this one. It may have read those bytes already, but the kernel
 * knows how many there were. A few may be an end of line too many, or the end
 * of the connection; a body of so few bytes has no items. Of a unix socket the
 * kernel does not know it, nor do we within TLS or behind a body in chunks:
 * there a body is what has a type.
 */
static bool
listener_body_follows(struct request *request)
{
	const struct client *client = request->client;
	uint64_t arrived = listener_arrived(client->fd);

	if (arrived == 0 || client->uncounted)
		return request->intake != NULL &&
		       request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE) !=
			   NULL;
	return arrived > client->bytes + LISTENER_ODD;
}

/* The headers are in. */
static enum MHD_Result
listener_begin(struct request *request, const char *url, const char *method,
    const char *version)
{
	struct client *client = request->client;
	size_t line = strlen(method) + client->url_len + strlen(version) +
		      strlen("  \r\n");
	const struct server_settings *settings =
	    sources_settings(request->sources);
	const struct route *route;
	struct headers headers;
	struct str name;

	headers_read(request->connection, line, &headers);
	route = route_find(url, request->listener->admin, settings->sources,
	    settings->source_count, &request->intake, &name);
	request->route = route;
	client->bytes += headers.bytes + headers.length;
	client->uncounted |= headers.chunked;
	if (!headers.framed) {
		request_refuse_framing(
		    request, "the end of the body is ambiguous");
		return request_answer_refusal(request);
	}
	if (!headers.sized && !headers.chunked && strcmp(method, "POST") == 0) {
		request->last = true;
		if (listener_body_follows(request))
			request_refuse_framing(request,
			    "a body follows, but neither Content-Length nor "
			    "Transfer-Encoding came with it");
	}
	request->stray = headers.stray;
	request->sized = headers.sized;
	if (request->intake != NULL)
		request_find_source(request, name);
	if (route == NULL)
		request_refuse(request, INTAKE_PATH, "no such path");
	else if (!route_takes(route, method))
		request_refuse(request, INTAKE_METHOD,
		    "this path does not support this method");
	else if (route->begin != NULL)
		route->begin(request, &headers);
	/* A client that waits for "100 Continue" has not sent the body. */
	if (request->refusal != INTAKE_TAKEN && headers.expects_continue) {
		request->last = true;
		return request_answer_refusal(request);
	}
	return MHD_YES;
}

/* The request takes a step. */
static enum MHD_Result
listener_step(struct request *request, const char *data, size_t *size)
{
	if (*size > 0) {
		if (request->refusal == INTAKE_TAKEN &&
		    request->route->add != NULL)
			request->route->add(request, data, *size);
		*size = 0;
		return MHD_YES;
	}
	switch (atomic_load(&request->stage)) {
	case REQUEST_READING:
		return request->refusal != INTAKE_TAKEN
			   ? request_answer_refusal(request)
			   : request->route->complete(request);
	case REQUEST_HANDED:
		return MHD_YES;
	case REQUEST_DONE:
		return request->route->done(request);
	}
	return MHD_NO;
}

static enum MHD_Result
listener_handle(void *cls, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data, size_t *size,
    void **request_cls)
{
	struct client *client = listener_client(connection);
	struct request *request = *request_cls;
	enum MHD_Result result = MHD_NO;

	if (client == NULL)
		return MHD_NO;
	atomic_store(&client->busy_ms, clock_mono_ms());
	if (request != NULL) {
		result = listener_step(request, data, size);
	} else {
		request = request_begin(cls, client, connection, url, method);
		*request_cls = request;
		if (request != NULL)
			result = listener_begin(request, url, method, version);
	}
	atomic_store(&client->busy_ms, 0);
	return result;
}

static void
listener_completed(void *cls, struct MHD_Connection *connection,
    void **request_cls, enum MHD_RequestTerminationCode code)
{
	struct listener *listener = cls;
	struct client *client = listener_client(connection);
	struct request *request = *request_cls;

	(void)code;
	if (client != NULL)
		clients_mark(
		    &listener->clients, client, CLIENT_IDLE, clock_mono_ms());
	*request_cls = NULL;
	if (request == NULL)
		return;
	if (request->route != NULL && request->route->free != NULL)
		request->route->free(request);
	request_end(request);
}

/* ---- the library's own answers ---- */

/*
 * What libmicrohttpd 0.9.75 cannot read it answers by itself: a header line
 * without a colon, blanks behind a length. A source would delete what it posted
 * on a 400, and sends it again if there is no answer. The library has no
 * setting and no hook for that, so its calls of sendmsg() come to this function
 * instead of the C library's: the dynamic linker finds the program's own first.
 * Its answers are HTML, ours never; the connection looks to it as if the client
 * had gone.
 */
ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	static const char head[] = "HTTP/1.1 400 ", body[] = "<html>";
	const struct iovec *part = message->msg_iov;

	if (message->msg_iovlen == 2 && part[0].iov_len > strlen(head) &&
	    memcmp(part[0].iov_base, head, strlen(head)) == 0 &&
	    part[1].iov_len > strlen(body) &&
	    memcmp(part[1].iov_base, body, strlen(body)) == 0) {
		errno = EPIPE;
		return -1;
	}
	return syscall(SYS_sendmsg, fd, message, flags);
}

/* The library answers by itself; but see sendmsg(). */
static void
listener_note(struct listener *listener, unsigned long status)
{
	if (status >= 400 && status <= 599)
		listener_count_refused(listener,
		    status == MHD_HTTP_BAD_REQUEST ? SERVER_HUNG_UP
						   : (unsigned)status,
		    "not HTTP as it should be: see the log");
}

/* The library's own messages: most are about connections that broke, some about
 * requests that the library itself answered. */
static void
    PRINTF_LIKE(2, 0) listener_log(void *cls, const char *format, va_list args)
{
	struct listener *listener = cls;
	static const char code[] = "HTTP response code is ";
	const char *answer;
	char text[256];

	(void)vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	answer = strstr(text, code);
	if (answer != NULL)
		listener_note(
		    listener, strtoul(answer + strlen(code), NULL, 10));
	log_line(answer != NULL ? LOG_WARN : LOG_DEBUG, "server",
	    "library listener=%s text=%s", listener->name, LOG_QUOTE(text));
}

/* ---- its life ---- */

static bool
listener_accept(struct listener *listener, struct err *reterr)
{
	const struct server_settings *settings = &listener->service->settings;
	const struct acceptor_settings accepting = {
	    .name = listener->name,
	    .sockets = listener->sockets,
	    .count = listener->socket_count,
	    .proxied = listener_proxied(listener),
	    .tls = listener_tls(listener) != NULL,
	    .trusted = listener->service->trusted,
	    .counted = !listener->admin,
	    .most = listener->clients.most,
	    .pending_least = listener_slack(listener->clients.most),
	    .patience_ms = settings->idle_timeout_ms,
	    .open = listener_connections,
	    .pass = listener_pass,
	    .hung_up = listener_hung_up,
	    .arg = listener,
	    .busy_ms = &listener->accepting_ms,
	};

	return acceptor_start(&accepting, &listener->acceptor, reterr);
}

static bool
listener_start(struct listener *listener, struct err *reterr)
{
	const struct server_settings *settings = &listener->service->settings;
	unsigned threads = listener->admin ? 1 : settings->threads;
	bool tls = listener_tls(listener) != NULL;
	/* Ours is listener_most(). Where the library reaches its own, one of
	 * its threads stands still for ever (0.9.75, a lock that is not
	 * released). */
	intptr_t limit = INT_MAX;

	/* Strictness stays at its default: above it the library drops a raw
	 * space in the query, as sources send it, without an answer. */
	struct MHD_OptionItem options[] = {
	    {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)listener_log, listener},
	    {MHD_OPTION_CONNECTION_LIMIT, limit, NULL},
	    {MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		listener->admin ? LISTENER_ADMIN_POOL : 2 * LISTENER_READ,
		NULL},
	    {MHD_OPTION_CONNECTION_TIMEOUT,
		(intptr_t)(settings->idle_timeout_ms + 999) / 1000, NULL},
	    {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)listener_connection,
		listener},
	    {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)listener_completed,
		listener},
	    {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)listener_first_line,
		listener},
	    {tls ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_CONNECTION_LIMIT,
		limit, (void *)tls_no_certificate()},
	    {tls ? MHD_OPTION_HTTPS_PRIORITIES : MHD_OPTION_CONNECTION_LIMIT,
		limit, (void *)(intptr_t)TLS_PRIORITIES},
	    /* One thread is no pool to the library. */
	    {threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END,
		threads, NULL},
	    {MHD_OPTION_END, 0, NULL},
	};

	listener->daemon = MHD_start_daemon(
	    LISTENER_FLAGS |
		(tls ? LISTENER_TLS : MHD_USE_EPOLL_INTERNAL_THREAD),
	    0, NULL, NULL, listener_handle, listener, MHD_OPTION_ARRAY, options,
	    MHD_OPTION_END);
	return listener->daemon != NULL ||
	       err_set(reterr, ERR_IO,
		   "cannot start the threads of the %s listener",
		   listener->name);
}

/* Add a socket, which is taken over. */
static bool
listener_add(
    struct listener *listener, const struct socket *socket, struct err *reterr)
{
	struct socket *grown = realloc(
	    listener->sockets, (listener->socket_count + 1) * sizeof(*grown));

	if (grown == NULL)
		return err_set_nomem(reterr);
	listener->sockets = grown;
	grown[listener->socket_count++] = *socket;
	return true;
}

bool
listener_listen(
    struct listener *listener, const char *address, struct err *reterr)
{
	const struct server_settings *settings = &listener->service->settings;
	struct socket socket;

	if (!socket_open(address, settings->listen_mode, settings->listen_group,
		&socket, reterr))
		return false;
	if (listener_add(listener, &socket, reterr))
		return true;
	socket_close(&socket);
	return false;
}

bool
listener_adopt(struct listener *listener, int fd, struct err *reterr)
{
	struct socket socket = {.fd = fd};
	char text[SOCKET_TEXT];

	return socket_describe(fd, text, &socket.port, reterr) &&
	       listener_add(listener, &socket, reterr);
}

bool
listener_open(struct listener *listener, struct err *reterr)
{
	char text[SOCKET_TEXT];

	if (!listener_start(listener, reterr) ||
	    !listener_accept(listener, reterr))
		return false;
	for (size_t i = 0; i < listener->socket_count; i++) {
		const struct socket *socket = &listener->sockets[i];
		unsigned port;

		if (!socket_describe(socket->fd, text, &port, reterr))
			return false;
		log_line(LOG_INFO, "server", "%s address=%s",
		    listener->admin ? "admin" : "listen", text);
	}
	return true;
}

unsigned
listener_port(const struct listener *listener)
{
	for (size_t i = 0; i < listener->socket_count; i++) {
		if (listener->sockets[i].port != 0)
			return listener->sockets[i].port;
	}
	return 0;
}

bool
listener_open_local(struct listener *listener, int fd, struct err *reterr)
{
	const struct socket socket = {.fd = fd};

	acceptor_stop(listener->acceptor);
	listener->acceptor = NULL;
	while (listener->socket_count > 0)
		socket_close(&listener->sockets[--listener->socket_count]);
	if (!listener_add(listener, &socket, reterr)) {
		(void)close(fd);
		return false;
	}
	return (listener->daemon != NULL || listener_start(listener, reterr)) &&
	       listener_accept(listener, reterr);
}

void
listener_leave(struct listener *listener)
{
	acceptor_leave(listener->acceptor);
}

bool
listener_expects(struct listener *listener)
{
	return acceptor_expects(listener->acceptor) ||
	       atomic_load(&listener->passed) >
		   clients_open(&listener->clients) ||
	       clients_reading(&listener->clients);
}

bool
listener_alive(struct listener *listener, int64_t mono_ms)
{
	const int64_t since[] = {atomic_load(&listener->accepting_ms),
	    clients_busy_ms(&listener->clients)};

	for (size_t i = 0; i < 2; i++) {
		if (since[i] != 0 && mono_ms - since[i] > LISTENER_STALLED_MS)
			return false;
	}
	return true;
}

void
listener_close(struct listener *listener)
{
	acceptor_stop(listener->acceptor);
	if (listener->daemon != NULL)
		MHD_stop_daemon(listener->daemon);
	for (size_t i = 0; i < listener->socket_count; i++)
		socket_close(&listener->sockets[i]);
	free(listener->sockets);
	clients_fini(&listener->clients);
}
