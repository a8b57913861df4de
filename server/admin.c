/*
 * A request of the admin interface becomes a call, which is served on a thread
 * of its own while the connection is suspended:
 *
 *	READING -> its thread starts, HANDED -> the first piece of the answer
 *	is due, DONE -> answered
 *
 * An answer that ends within ADMIN_SOON_MS, and is not large, is sent as a
 * whole. Any other goes out in pieces as they come: when there is none, the
 * connection suspends itself again, and the next write resumes it. The thread
 * waits while too much is unread. A client that has gone is noticed when a
 * piece is sent, and the next write says so; so what takes long should write
 * something every second.
 *
 * The request and the thread both refer to the call; who is last frees it.
 */

#include "server/admin.h"

#include "base/clock.h"
#include "server/call.h"
#include "server/socket.h"
#include "server/tokens.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	ADMIN_SOON_MS = 500,
	ADMIN_AHEAD = 256 * 1024, /* bytes that may be unread */
	/* the largest piece, and what is unread before it */
	ADMIN_OUT_MAX = 65 * 1024 * 1024,
	ADMIN_IDLE_MS = 60000, /* a client that reads nothing for so long */
	ADMIN_CALLS = 16,      /* at once, of a listener */
	ADMIN_TEXTS_MAX = 64 * 1024,
	ADMIN_HOST = 256,
	ADMIN_BLOCK = 32 * 1024,
};

#define ADMIN_NO_ROOM "too many large bodies at once: try again"

/* A browser runs nothing but what came from here. */
#define ADMIN_POLICY                                                           \
	"default-src 'none'; script-src 'self'; style-src 'self'; "            \
	"img-src 'self' data:; connect-src 'self'; base-uri 'none'; "          \
	"form-action 'none'; frame-ancestors 'none'"

struct admin {
	/* set before the thread starts */
	struct service *service;
	struct request *request; /* valid while not gone */
	struct MHD_Connection *connection;
	const struct call_route *route;
	struct call call;
	struct buf texts; /* what the call lends: the connection may end before
			   * it does */
	struct buf body;
	size_t paid; /* for it */
	int64_t began_ms;

	struct lock lock;
	struct cond fewer; /* bytes are unread, or the client is gone */

	/* guarded by lock */
	struct buf out;
	size_t sent;	/* of it */
	bool headed;	/* the first piece is due, or was */
	bool suspended; /* waits for the next piece */
	bool ended;
	bool gone;
	unsigned owners;
};

static void
admin_release(struct admin *admin, bool gone)
{
	bool last;

	lock_hold(&admin->lock);
	admin->gone |= gone;
	last = --admin->owners == 0;
	cond_wake_all(&admin->fewer);
	lock_drop(&admin->lock);
	if (!last)
		return;
	buf_fini(&admin->texts);
	buf_fini(&admin->body);
	budget_give(&admin->service->called, admin->paid);
	buf_fini(&admin->out);
	cond_fini(&admin->fewer);
	lock_fini(&admin->lock);
	free(admin);
}

void
admin_free(struct request *request)
{
	if (request->admin != NULL)
		admin_release(request->admin, true);
	request->admin = NULL;
}

/* ---- credentials ---- */

/* Without its port. False: it is malformed. */
static bool
host_name(const char *header, char ret_name[ADMIN_HOST])
{
	const char *end = header + strcspn(header, ":");

	if (*header == '[') {
		end = strchr(++header, ']');
		if (end == NULL)
			return false;
	}
	if (end == header || end - header >= ADMIN_HOST)
		return false;
	memcpy(ret_name, header, (size_t)(end - header));
	ret_name[end - header] = '\0';
	return true;
}

/*
 * A page from elsewhere may make the operator's browser ask us, under a name
 * that its author owns (DNS rebinding). So only names that nobody else owns are
 * answered, and addresses, for which no page can stand.
 */
static bool
host_allowed(const struct server_settings *settings, const char *header)
{
	const char *const *host = settings->admin_hosts;
	unsigned char address[sizeof(struct in6_addr)];
	char name[ADMIN_HOST];

	if (header == NULL || !host_name(header, name))
		return false;
	if (strcasecmp(name, "localhost") == 0 ||
	    inet_pton(AF_INET, name, address) == 1 ||
	    inet_pton(AF_INET6, name, address) == 1)
		return true;
	for (; host != NULL && *host != NULL; host++) {
		if (strcasecmp(name, *host) == 0)
			return true;
	}
	return false;
}

/* Who calls, or NULL: the call is refused. */
static const char *
admin_caller(struct request *request, enum call_right right,
    const struct headers *headers)
{
	const struct tokens *view = sources_tokens(request->sources, false);
	const struct tokens *change = sources_tokens(request->sources, true);
	size_t number;

	if (request->listener->local)
		return SOCKET_NAME;
	if (tokens_find(change, headers->authorization, &number))
		return "admin_token";
	if (right != CALL_CHANGE &&
	    tokens_find(view, headers->authorization, &number))
		return "view_token";
	if (right == CALL_COUNTS && headers->authorization == NULL)
		return "-";
	if (right == CALL_CHANGE && tokens_count(change) == 0)
		request_refuse(request, INTAKE_PROOF_BAD,
		    "without the setting admin_token, changes are only made "
		    "through admin.sock, as the commands do");
	else if (right == CALL_VIEW &&
		 tokens_count(view) + tokens_count(change) == 0)
		request_refuse(request, INTAKE_PROOF_BAD,
		    "without the setting view_token or admin_token, personal "
		    "data is only shown through admin.sock, as by the "
		    "commands");
	else
		request_refuse(request, INTAKE_PROOF_MISSING,
		    right == CALL_CHANGE
			? "this needs the admin token, as Authorization: "
			  "Bearer TOKEN"
			: "this needs the view or admin token, as "
			  "Authorization: Bearer TOKEN");
	return NULL;
}

/* ---- the request ---- */

/* Each text ends in a NUL. */
static void
texts_add(struct buf *texts, const char *text, size_t len)
{
	(void)buf_append(texts, text, len);
	(void)buf_char(texts, '\0');
}

static enum MHD_Result
admin_param(
    void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct admin *admin = cls;

	(void)kind;
	if (value == NULL)
		value = "";
	texts_add(&admin->texts, name, strlen(name));
	texts_add(&admin->texts, value, strlen(value));
	return MHD_YES;
}

/* The name of the path, and the parameters. */
static bool
admin_ask(struct admin *admin, struct str name)
{
	struct buf *texts = &admin->texts;
	const char *text, *value, *end;

	texts_add(texts, name.len > 0 ? name.data : "", name.len);
	(void)MHD_get_connection_values(
	    admin->connection, MHD_GET_ARGUMENT_KIND, admin_param, admin);
	if (!buf_ok(texts, NULL))
		return false;
	admin->call.name = str_bytes(texts->data, name.len);
	end = texts->data + texts->len;
	for (text = texts->data + name.len + 1; text < end;
	     text = value + strlen(value) + 1) {
		value = text + strlen(text) + 1;
		if (!call_param_add(&admin->call, text, value))
			return false;
	}
	return true;
}

static struct admin *
admin_new(struct request *request, const struct call_route *route,
    struct str name, const char *caller)
{
	struct admin *admin = calloc(1, sizeof(*admin));

	if (admin == NULL)
		return NULL;
	admin->service = request->service;
	admin->request = request;
	admin->connection = request->connection;
	admin->route = route;
	admin->began_ms = clock_mono_ms();
	admin->owners = 1;
	lock_init(&admin->lock);
	cond_init(&admin->fewer);
	buf_init(&admin->texts, ADMIN_TEXTS_MAX);
	buf_init(&admin->body, route->body_max);
	buf_init(&admin->out, ADMIN_OUT_MAX);
	call_init(&admin->call, route->method);
	admin->call.caller = caller;
	if (!admin_ask(admin, name)) {
		admin_release(admin, true);
		return NULL;
	}
	return admin;
}

/* For a body of that length. */
static bool
admin_pay(struct admin *admin, size_t len)
{
	if (len <= admin->paid)
		return true;
	if (!budget_take(&admin->service->called, len - admin->paid))
		return false;
	admin->paid = len;
	return true;
}

void
admin_begin(struct request *request, const struct headers *headers)
{
	const struct server_settings *settings =
	    sources_settings(request->sources);
	const struct server_api *api = &request->service->settings.api;
	const struct call_route *route;
	const char *caller;
	struct str name;

	if (!request->listener->local &&
	    !host_allowed(settings, request_header(request, "Host"))) {
		request_refuse(request, INTAKE_PROOF_BAD,
		    "the request is for another host: add its name to the "
		    "setting admin_hosts");
		return;
	}
	route = call_route_find(api->routes, api->stride, request->method,
	    request->url, &name, &request->allow);
	if (route == NULL) {
		if (request->allow == NULL)
			request_refuse(request, INTAKE_PATH, "no such path");
		else
			request_refuse(request, INTAKE_METHOD,
			    "this path does not support this method");
		return;
	}
	caller = admin_caller(request, route->right, headers);
	if (caller == NULL)
		return;
	clients_prove(&request->listener->clients, request->client, true);
	if (headers->length > route->body_max) {
		request_refuse(request, INTAKE_TOO_LARGE,
		    route->body_max == 0 ? "this path takes no body"
					 : "the body is too large");
		return;
	}
	request->admin = admin_new(request, route, name, caller);
	if (request->admin == NULL)
		request_refuse(
		    request, INTAKE_BUSY, "no memory, or too many parameters");
	else if (!admin_pay(request->admin, headers->length))
		request_refuse(request, INTAKE_BUSY, ADMIN_NO_ROOM);
}

void
admin_add(struct request *request, const char *data, size_t len)
{
	struct admin *admin = request->admin;

	if (!admin_pay(admin, admin->body.len + len))
		request_refuse(request, INTAKE_BUSY, ADMIN_NO_ROOM);
	else if (!buf_append(&admin->body, data, len))
		request_refuse(
		    request, INTAKE_TOO_LARGE, "the body is too large");
}

/* ---- its thread ---- */

/* Forget what was sent, but do not move the same bytes again and again. */
static void
admin_forget(struct admin *admin)
{
	struct buf *out = &admin->out;
	size_t unread = out->len - admin->sent;

	lock_assert_held(&admin->lock);
	if (admin->sent == 0 || admin->sent < unread)
		return;
	memmove(out->data, out->data + admin->sent, unread);
	buf_truncate(out, unread);
	admin->sent = 0;
}

static bool
admin_write(void *arg, const char *data, size_t len, struct err *reterr)
{
	struct admin *admin = arg;
	int64_t now_ms = clock_mono_ms(), until_ms = now_ms + ADMIN_IDLE_MS;
	bool draining = atomic_load(&admin->service->draining);
	bool first = false, resume = false, gone;

	lock_hold(&admin->lock);
	while (len > 0 && !admin->gone && !draining &&
	       admin->out.len - admin->sent >= ADMIN_AHEAD &&
	       clock_mono_ms() < until_ms) {
		cond_wait(&admin->fewer, &admin->lock, now_ms + 1000);
		now_ms = clock_mono_ms();
		draining = atomic_load(&admin->service->draining);
	}
	admin->gone |= admin->out.len - admin->sent >= ADMIN_AHEAD && len > 0;
	admin_forget(admin);
	if (!admin->gone)
		(void)buf_append(&admin->out, data, len);
	admin->gone |= admin->out.failed;
	gone = admin->gone || draining;
	if (!gone && len > 0) {
		first = !admin->headed &&
			(admin->out.len >= ADMIN_AHEAD / 2 ||
			    now_ms - admin->began_ms >= ADMIN_SOON_MS);
		resume = admin->suspended;
		admin->headed |= first;
		admin->suspended = false;
	}
	lock_drop(&admin->lock);
	if (first)
		request_done(admin->request, NULL, &admin->request->err);
	else if (resume)
		MHD_resume_connection(admin->connection);
	return !gone || err_set(reterr, ERR_STOPPING,
			    draining ? "the daemon is stopping"
				     : "the client is gone, or does not read");
}

static void
admin_uncount(struct listener *listener)
{
	struct service *service = listener->service;

	lock_hold(&service->lock);
	listener->calls--;
	service->calls--;
	cond_wake_all(&service->fewer);
	lock_drop(&service->lock);
}

static void *
admin_main(void *arg)
{
	struct admin *admin = arg;
	struct service *service = admin->service;
	struct listener *listener = admin->request->listener;
	const struct server_api *api = &service->settings.api;
	bool first, resume;

	api->serve(api->arg, admin->route, &admin->call);
	lock_hold(&admin->lock);
	admin->ended = true;
	first = !admin->headed;
	resume = admin->suspended;
	admin->headed = true;
	admin->suspended = false;
	lock_drop(&admin->lock);
	if (first)
		request_done(admin->request, NULL, &admin->request->err);
	else if (resume)
		MHD_resume_connection(admin->connection);
	admin_release(admin, false);
	admin_uncount(listener);
	return NULL;
}

static bool
admin_start(struct admin *admin)
{
	struct service *service = admin->service;
	struct listener *listener = admin->request->listener;
	pthread_attr_t attributes;
	pthread_t thread;
	bool started;

	lock_hold(&service->lock);
	started = listener->calls < ADMIN_CALLS;
	listener->calls += started;
	service->calls += started;
	lock_drop(&service->lock);
	if (!started)
		return false;
	admin->owners++;
	CHECK(pthread_attr_init(&attributes) == 0);
	CHECK(pthread_attr_setdetachstate(
		  &attributes, PTHREAD_CREATE_DETACHED) == 0);
	started = pthread_create(&thread, &attributes, admin_main, admin) == 0;
	(void)pthread_attr_destroy(&attributes);
	if (started)
		return true;
	admin->owners--;
	admin_uncount(listener);
	return false;
}

enum MHD_Result
admin_complete(struct request *request)
{
	struct admin *admin = request->admin;

	admin->call.body = str_bytes(admin->body.data, admin->body.len);
	admin->call.write = admin_write;
	admin->call.arg = admin;
	if (request_draining(request))
		request_refuse(request, INTAKE_BUSY, "shutting down");
	if (request->refusal != INTAKE_TAKEN || !request_hand(request, false))
		return request_answer_refusal(request);
	if (!admin_start(admin)) {
		request_refuse(request, INTAKE_BUSY,
		    "too many calls of the admin interface: try again");
		request_done(request, NULL, &request->err);
	}
	return MHD_YES;
}

/* ---- the answer ---- */

/* The sweep closes the connection of a client that does not take what there
 * is; one that waits for more may do so for as long as the call takes. */
static void
admin_mark(struct admin *admin, enum client_state state)
{
	clients_mark(&admin->request->listener->clients, admin->request->client,
	    state, clock_mono_ms());
}

static ssize_t
admin_read(void *cls, uint64_t at, char *ret_data, size_t most)
{
	struct admin *admin = cls;
	bool ended, more;
	size_t len;

	(void)at;
	admin_mark(admin, CLIENT_ANSWERED);
	lock_hold(&admin->lock);
	len = admin->out.len - admin->sent;
	len = len < most ? len : most;
	if (len > 0)
		memcpy(ret_data, admin->out.data + admin->sent, len);
	admin->sent += len;
	admin_forget(admin);
	ended = admin->ended;
	cond_wake_all(&admin->fewer);
	lock_drop(&admin->lock);
	if (len > 0)
		return (ssize_t)len;
	if (ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	admin_mark(admin, CLIENT_HANDED);
	/* Suspend first, so that a write that comes now finds it suspended. */
	MHD_suspend_connection(admin->connection);
	lock_hold(&admin->lock);
	more = admin->out.len > 0 || admin->ended;
	admin->suspended = !more;
	lock_drop(&admin->lock);
	if (more)
		MHD_resume_connection(admin->connection);
	return 0;
}

static struct MHD_Response *
admin_response(struct admin *admin)
{
	struct MHD_Response *response;
	bool ended;
	char *data;
	size_t len;

	lock_hold(&admin->lock);
	ended = admin->ended;
	lock_drop(&admin->lock);
	/* The library would end the pieces of a body that does not come. */
	if (!ended && strcmp(admin->request->method, "HEAD") == 0)
		return MHD_create_response_from_buffer(
		    0, NULL, MHD_RESPMEM_PERSISTENT);
	if (!ended)
		return MHD_create_response_from_callback(
		    MHD_SIZE_UNKNOWN, ADMIN_BLOCK, admin_read, admin, NULL);
	data = buf_take(&admin->out, &len);
	response =
	    MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		free(data);
	return response;
}

/* Did it end before it could write anything? */
static bool
admin_silent(struct admin *admin)
{
	bool silent;

	lock_hold(&admin->lock);
	silent = admin->ended && admin->out.len == 0;
	lock_drop(&admin->lock);
	return silent;
}

enum MHD_Result
admin_done(struct request *request)
{
	const struct admin *admin = request->admin;
	const struct call_param headers[] = {
	    {MHD_HTTP_HEADER_CONTENT_TYPE, admin->call.type},
	    {MHD_HTTP_HEADER_CONTENT_ENCODING, admin->call.coding},
	    {MHD_HTTP_HEADER_SERVER, "currentsd/" CURRENTSD_VERSION},
	    {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
	    {"X-Content-Type-Options", "nosniff"},
	    {"Referrer-Policy", "no-referrer"},
	    {"Content-Security-Policy", ADMIN_POLICY},
	};
	struct MHD_Response *response;
	bool ok;

	if (admin_silent(request->admin))
		request_refuse(request, INTAKE_BUSY,
		    "the daemon is stopping, or has no memory");
	if (request->refusal != INTAKE_TAKEN)
		return request_answer_refusal(request);
	response = admin_response(request->admin);
	ok = response != NULL;
	for (size_t i = 0; ok && i < sizeof(headers) / sizeof(headers[0]); i++)
		ok = headers[i].value == NULL ||
		     MHD_add_response_header(response, headers[i].name,
			 headers[i].value) == MHD_YES;
	return request_send(
	    request, admin->call.status, ok ? response : NULL, response);
}
