#include "server/listener.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/listen.h"
#include "server/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LISTENER_SLACK = 64, /* connections beyond the bound: they get a 503 */
	LISTENER_FLAGS = MHD_USE_EPOLL_INTERNAL_THREAD |
			 MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
};

void
listener_init(struct listener *listener, struct server *server,
    const char *name, unsigned connections)
{
	*listener = (struct listener){
	    .server = server,
	    .name = name,
	    .admin = listener == &server->admin,
	    .fd = -1,
	};
	peers_init(&listener->peers, connections);
}

static void
listener_connection(void *cls, struct MHD_Connection *connection, void **peer,
    enum MHD_ConnectionNotificationCode code)
{
	struct listener *listener = cls;
	const union MHD_ConnectionInfo *info;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		peers_leave(&listener->peers, *peer);
		*peer = NULL;
		return;
	}
	if (!listener->admin)
		counter_add(COUNTER_CONNECTIONS, 1);
	info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info == NULL)
		return;
	*peer =
	    peers_enter(&listener->peers, info->connect_fd, clock_mono_ms());
	/* Whom the sweep cannot see may not stay. */
	if (*peer == NULL)
		(void)shutdown(info->connect_fd, SHUT_RDWR);
}

/* The library's own words: mostly of connections that broke, but also of
 * requests that it answered 400 by itself, which no board shows. */
static void
    PRINTF_LIKE(2, 0) listener_log(void *cls, const char *format, va_list args)
{
	struct listener *listener = cls;
	uint64_t suppressed;
	char text[256];

	(void)vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	if (strstr(text, "HTTP response code") == NULL)
		log_line(LOG_DEBUG, "server", "library listener=%s text=%s",
		    listener->name, LOG_QUOTE(text));
	else if (log_limit_pass(
		     &listener->server->library, clock_mono_ms(), &suppressed))
		log_line(LOG_WARN, "server",
		    "library listener=%s text=%s suppressed=%llu",
		    listener->name, LOG_QUOTE(text),
		    (unsigned long long)suppressed);
}

bool
listener_open(
    struct listener *listener, const char *address, struct err *reterr)
{
	const struct server_settings *settings = &listener->server->settings;
	unsigned threads = listener->admin ? 1 : settings->threads;
	char text[LISTEN_TEXT];

	if (!listen_open(address, &listener->fd, &listener->port, text, reterr))
		return false;

	/* Strictness stays at its default: above it a raw space in the
	 * query, as Braze has it, is dropped without an answer. */
	struct MHD_OptionItem options[] = {
	    {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)listener_log, listener},
	    {MHD_OPTION_LISTEN_SOCKET, listener->fd, NULL},
	    {MHD_OPTION_CONNECTION_LIMIT,
		(intptr_t)listener->peers.most + LISTENER_SLACK, NULL},
	    {MHD_OPTION_CONNECTION_TIMEOUT,
		(intptr_t)(settings->idle_timeout_ms + 999) / 1000, NULL},
	    {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)listener_connection,
		listener},
	    {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)request_completed,
		listener},
	    {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)request_first_line,
		listener},
	    /* One thread is no pool to the library. */
	    {threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END,
		threads, NULL},
	    {MHD_OPTION_END, 0, NULL},
	};

	listener->daemon =
	    MHD_start_daemon(LISTENER_FLAGS, 0, NULL, NULL, request_handle,
		listener, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	if (listener->daemon == NULL)
		return err_set(reterr, ERR_IO,
		    "cannot start the threads that listen on %s", address);
	listener->fd = -1; /* the library closes it */
	log_line(LOG_INFO, "server", "%s address=%s",
	    listener->admin ? "admin" : "listen", text);
	return true;
}

void
listener_close(struct listener *listener)
{
	if (listener->daemon != NULL)
		MHD_stop_daemon(listener->daemon);
	if (listener->fd >= 0)
		(void)close(listener->fd);
	listener->fd = -1;
	peers_fini(&listener->peers);
}
