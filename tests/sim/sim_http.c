/*
 * libmicrohttpd with a thread for each connection: delaying and hanging are
 * then plain waits, and the senders under test have few connections. A wait
 * ends when the client goes away or the simulator is stopped.
 */

#include "tests/sim/sim_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fnmatch.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	CONNECTION_MEMORY = 256 * 1024,
	CONNECTIONS_MAX = 1024,
};

struct sim_http {
	struct MHD_Daemon *daemon;
	const struct sim_route *routes;
	void *sim;
	int64_t (*max_bytes)(void *sim);
	int stop_fd; /* readable once stopping */
};

/* What a connection collects while its request comes in. */
struct upload {
	const struct sim_route *route; /* or NULL */
	unsigned status;	       /* 404 or 405 without a route */
	uint64_t max_bytes;
	bool too_large;
	struct sim_text body;
};

/* max_bytes is read once: a change of it is for later requests. */
static struct upload *
upload_new(const struct sim_http *http, const char *path, const char *method)
{
	struct upload *upload = sim_alloc(sizeof(*upload));
	const struct sim_route *route;
	int64_t max_bytes = 0;

	upload->status = MHD_HTTP_NOT_FOUND;
	for (route = http->routes; route->path != NULL; route++) {
		if (fnmatch(route->path, path, FNM_PATHNAME) != 0)
			continue;
		upload->status = MHD_HTTP_METHOD_NOT_ALLOWED;
		if (strcmp(route->method, method) == 0)
			upload->route = route;
	}
	if (upload->route != NULL && upload->route->api)
		max_bytes = http->max_bytes(http->sim);
	upload->max_bytes = max_bytes > 0 ? (uint64_t)max_bytes : UINT64_MAX;
	sim_text_add(&upload->body, "", 0);
	return upload;
}

static void
upload_free(struct upload *upload)
{
	sim_text_fini(&upload->body);
	free(upload);
}

/* A body that is too large is read to its end, and forgotten. */
static void
upload_add(struct upload *upload, const char *data, size_t len)
{
	if (upload->body.len + len > upload->max_bytes)
		upload->too_large = true;
	if (upload->too_large)
		sim_text_fini(&upload->body);
	else
		sim_text_add(&upload->body, data, len);
}

static int
connection_fd(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_CONNECTION_FD)
	    ->connect_fd;
}

/* Until the client has gone, the time is over (< 0: none), or a stop. */
static bool
wait_for_client(const struct sim_http *http, struct MHD_Connection *connection,
    int64_t wait_ms)
{
	struct pollfd fds[] = {
	    {.fd = connection_fd(connection), .events = POLLRDHUP},
	    {.fd = http->stop_fd, .events = POLLIN},
	};
	int ready;

	do {
		ready = poll(fds, 2, (int)wait_ms);
	} while (ready < 0 && errno == EINTR);
	return ready == 0;
}

/* Gives the first half of the answer and then an error: libmicrohttpd
 * closes the connection, the client has seen status and Content-Length. */
static ssize_t
cut_body(void *context, uint64_t position, char *to, size_t max)
{
	(void)context;
	if (position > 0 || max == 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	to[0] = '{';
	return 1;
}

/* The answer's body passes to libmicrohttpd, which frees it. */
static enum MHD_Result
reply_send(struct MHD_Connection *connection, struct sim_reply *reply)
{
	struct MHD_Response *response;
	enum MHD_Result result;
	unsigned i;

	if (reply->manner == SIM_ANSWER_CUT) {
		response = MHD_create_response_from_callback(
		    2, 64, cut_body, NULL, NULL);
	} else {
		response = MHD_create_response_from_buffer(
		    reply->body.len, reply->body.at, MHD_RESPMEM_MUST_FREE);
		if (response != NULL)
			reply->body = (struct sim_text){0};
	}
	if (response == NULL)
		sim_die("no memory for an answer");
	if (reply->content_type != NULL)
		MHD_add_response_header(
		    response, "Content-Type", reply->content_type);
	for (i = 0; i < reply->n_headers; i++)
		MHD_add_response_header(
		    response, reply->headers[i].name, reply->headers[i].value);
	result = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return result;
}

void
sim_reply_header(
    struct sim_reply *reply, const char *name, const char *format, ...)
{
	struct sim_header *header = &reply->headers[reply->n_headers++];
	va_list arguments;

	if (reply->n_headers > SIM_HEADERS)
		sim_die("too many headers");
	header->name = name;
	va_start(arguments, format);
	vsnprintf(header->value, sizeof(header->value), format, arguments);
	va_end(arguments);
}

const char *
sim_call_header(const struct sim_call *call, const char *name)
{
	return MHD_lookup_connection_value(
	    call->connection, MHD_HEADER_KIND, name);
}

const char *
sim_call_query(const struct sim_call *call, const char *name)
{
	return MHD_lookup_connection_value(
	    call->connection, MHD_GET_ARGUMENT_KIND, name);
}

/* Stops at the first value that holds the text, which is then no more. */
static enum MHD_Result
value_look(
    void *context, enum MHD_ValueKind kind, const char *key, const char *value)
{
	const char **text = context;

	(void)kind;
	if (strstr(key, *text) == NULL &&
	    (value == NULL || strstr(value, *text) == NULL))
		return MHD_YES;
	*text = NULL;
	return MHD_NO;
}

bool
sim_call_shows(const struct sim_call *call, const char *text)
{
	if (text[0] == '\0')
		return false;
	if (strstr(call->path, text) != NULL)
		return true;
	MHD_get_connection_values(call->connection,
	    MHD_HEADER_KIND | MHD_GET_ARGUMENT_KIND, value_look, &text);
	return text == NULL;
}

bool
sim_call_is_open(const struct sim_call *call)
{
	struct pollfd fd = {
	    .fd = connection_fd(call->connection), .events = POLLRDHUP};

	return poll(&fd, 1, 0) == 0;
}

/*
 * Called first with the headers alone, then with each piece of the body, and
 * last with none: only then is the request judged. Closing without an answer
 * is what libmicrohttpd does when we return MHD_NO.
 */
static enum MHD_Result
handle(void *context, struct MHD_Connection *connection, const char *path,
    const char *method, const char *version, const char *data, size_t *len,
    void **state)
{
	struct sim_http *http = context;
	struct sim_call call = {.path = path, .connection = connection};
	struct sim_reply reply = {0};
	struct upload *upload = *state;
	enum MHD_Result result = MHD_NO; /* closes the connection */
	bool answer;

	(void)version;
	if (upload == NULL) {
		*state = upload_new(http, path, method);
		return MHD_YES;
	}
	if (*len > 0) {
		upload_add(upload, data, *len);
		*len = 0;
		return MHD_YES;
	}
	call.body = upload->body.at;
	call.len = upload->body.len;
	call.too_large = upload->too_large;
	if (upload->route != NULL) {
		upload->route->handle(http->sim, &call, &reply);
	} else {
		reply.status = upload->status;
		sim_text_print(&reply.body, "no such path or method");
	}
	answer = reply.manner == SIM_ANSWER || reply.manner == SIM_ANSWER_CUT;
	if (reply.manner == SIM_HANG)
		wait_for_client(http, connection, -1);
	else if (answer && reply.delay_ms > 0)
		answer = wait_for_client(http, connection, reply.delay_ms);
	if (upload->route != NULL && upload->route->done != NULL)
		upload->route->done(http->sim, &call);
	if (answer)
		result = reply_send(connection, &reply);
	sim_text_fini(&reply.body);
	return result;
}

/* Also called when the client goes away in the middle of its body. */
static void
completed(void *context, struct MHD_Connection *connection, void **state,
    enum MHD_RequestTerminationCode code)
{
	(void)context;
	(void)connection;
	(void)code;
	if (*state != NULL)
		upload_free(*state);
	*state = NULL;
}

struct sim_http *
sim_http_start(const struct sim_route *routes, void *sim,
    int64_t (*max_bytes)(void *sim), uint16_t port)
{
	struct sim_http *http = sim_alloc(sizeof(*http));
	struct sockaddr_in address = {
	    .sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	http->routes = routes;
	http->sim = sim;
	http->max_bytes = max_bytes;
	http->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (http->stop_fd < 0)
		sim_die("eventfd: %s", strerror(errno));
	http->daemon =
	    MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION |
				 MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL,
		port, NULL, NULL, handle, http, MHD_OPTION_SOCK_ADDR, &address,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_END);
	if (http->daemon == NULL)
		sim_die(
		    "cannot listen on 127.0.0.1:%u: %s", port, strerror(errno));
	return http;
}

uint16_t
sim_http_port(const struct sim_http *http)
{
	return MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT)
	    ->port;
}

/* First those who wait are woken: stopping joins every connection's thread. */
void
sim_http_stop(struct sim_http *http)
{
	uint64_t one = 1;

	if (write(http->stop_fd, &one, sizeof(one)) < 0)
		sim_die("eventfd: %s", strerror(errno));
	MHD_stop_daemon(http->daemon);
	close(http->stop_fd);
	free(http);
}
