/*
 * libmicrohttpd with a thread for each connection: delaying and hanging are
 * then plain waits, and the senders under test have few connections. A wait
 * ends when the client goes away or the simulator is stopped.
 */

#include "tests/sim/heapsim_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	CONNECTION_MEMORY = 256 * 1024,
	CONNECTIONS_MAX = 1024,
};

struct heapsim_http {
	struct MHD_Daemon *daemon;
	struct heapsim *sim;
	int stop_fd; /* readable once stopping */
};

static const struct route {
	const char *path;
	const char *method;
	void (*handle)(struct heapsim *sim, const struct heapsim_call *call,
	    struct heapsim_reply *reply);
	bool api; /* max_bytes holds */
} routes[] = {
    {"/api/track", "POST", heapsim_track, true},
    {"/api/add_user_properties", "POST", heapsim_user_properties, true},
    {"/control", "POST", heapsim_control, false},
    {"/control", "GET", heapsim_settings_show, false},
    {"/reset", "POST", heapsim_reset, false},
    {"/books", "GET", heapsim_books_show, false},
    {"/keys", "GET", heapsim_keys_show, false},
    {"/event", "GET", heapsim_event_show, false},
};

/* What a connection collects while its request comes in. */
struct upload {
	const struct route *route; /* or NULL */
	unsigned status;	   /* 404 or 405 without a route */
	uint64_t max_bytes;
	bool too_large;
	struct sim_text body;
};

/* max_bytes is read once: a change by /control is for later requests. */
static struct upload *
upload_new(struct heapsim *sim, const char *path, const char *method)
{
	struct upload *upload = sim_alloc(sizeof(*upload));
	struct heapsim_settings settings;
	size_t i;

	upload->status = MHD_HTTP_NOT_FOUND;
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (strcmp(routes[i].path, path) != 0)
			continue;
		upload->status = MHD_HTTP_METHOD_NOT_ALLOWED;
		if (strcmp(routes[i].method, method) == 0)
			upload->route = &routes[i];
	}
	heapsim_settings_copy(sim, &settings);
	upload->max_bytes = UINT64_MAX;
	if (upload->route != NULL && upload->route->api &&
	    settings.max_bytes > 0)
		upload->max_bytes = (uint64_t)settings.max_bytes;
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

/* Until the client has gone, the time is over (< 0: none), or a stop. */
static bool
wait_for_client(const struct heapsim_http *http,
    struct MHD_Connection *connection, int64_t wait_ms)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
	    connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct pollfd fds[] = {
	    {.fd = info->connect_fd, .events = POLLRDHUP},
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
reply_send(struct MHD_Connection *connection, struct heapsim_reply *reply)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	if (reply->manner == HEAPSIM_ANSWER_CUT) {
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
	if (reply->retry_after[0] != '\0')
		MHD_add_response_header(
		    response, "Retry-After", reply->retry_after);
	result = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return result;
}

static void
route_call(struct heapsim *sim, struct MHD_Connection *connection,
    const struct upload *upload, struct heapsim_reply *reply)
{
	struct heapsim_call call = {
	    .content_type = MHD_lookup_connection_value(
		connection, MHD_HEADER_KIND, "Content-Type"),
	    .content_encoding = MHD_lookup_connection_value(
		connection, MHD_HEADER_KIND, "Content-Encoding"),
	    .key = MHD_lookup_connection_value(
		connection, MHD_GET_ARGUMENT_KIND, "key"),
	    .body = upload->body.at,
	    .len = upload->body.len,
	    .too_large = upload->too_large,
	};

	if (upload->route != NULL) {
		call.path = upload->route->path;
		upload->route->handle(sim, &call, reply);
		return;
	}
	reply->status = upload->status;
	sim_text_print(&reply->body, "no such path or method");
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
	struct heapsim_http *http = context;
	struct heapsim_reply reply = {0};
	struct upload *upload = *state;
	enum MHD_Result result = MHD_NO; /* closes the connection */

	(void)version;
	if (upload == NULL) {
		*state = upload_new(http->sim, path, method);
		return MHD_YES;
	}
	if (*len > 0) {
		upload_add(upload, data, *len);
		*len = 0;
		return MHD_YES;
	}
	route_call(http->sim, connection, upload, &reply);
	if (reply.manner == HEAPSIM_HANG)
		wait_for_client(http, connection, -1);
	else if (reply.manner != HEAPSIM_CLOSE &&
		 (reply.delay_ms == 0 ||
		     wait_for_client(http, connection, reply.delay_ms)))
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

struct heapsim_http *
heapsim_http_start(struct heapsim *sim, uint16_t port)
{
	struct heapsim_http *http = sim_alloc(sizeof(*http));
	struct sockaddr_in address = {
	    .sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	http->sim = sim;
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
heapsim_http_port(const struct heapsim_http *http)
{
	return MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT)
	    ->port;
}

/* First those who wait are woken: stopping joins every connection's thread. */
void
heapsim_http_stop(struct heapsim_http *http)
{
	uint64_t one = 1;

	if (write(http->stop_fd, &one, sizeof(one)) < 0)
		sim_die("eventfd: %s", strerror(errno));
	MHD_stop_daemon(http->daemon);
	close(http->stop_fd);
	free(http);
}
