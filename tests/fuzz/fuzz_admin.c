/*
 * What a client of the admin interface may ask: a line "GET /path?name=value",
 * and behind it the body. It is served against a small queue.
 */

#include "base/clock.h"
#include "base/log.h"
#include "daemon/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 300, QUESTION = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	char dir[64];
	struct settings settings;
	struct daemon daemon;
	bool begun;
	int64_t until_ms;
} host;

static void
host_end(void)
{
	char command[96];

	daemon_fini(&host.daemon);
	settings_fini(&host.settings);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", host.dir);
	CHECK(system(command) == 0);
}

static void
host_begin(void)
{
	struct err err;

	log_set_level((enum log_level)(LOG_ERROR + 1));
	(void)snprintf(host.dir, sizeof(host.dir), "%s/fuzz-admin-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/var/tmp");
	CHECK(mkdtemp(host.dir) != NULL && clearenv() == 0 &&
	      setenv("CURRENTSD_STATE_DIR", host.dir, 1) == 0 &&
	      setenv("CURRENTSD_TOKEN", "0123456789abcdef0123456789abcdef",
		  1) == 0 &&
	      setenv("CURRENTSD_HEAP_APP_ID", "1234567890", 1) == 0 &&
	      setenv("CURRENTSD_HEAP_REGION", "eu", 1) == 0 &&
	      setenv("CURRENTSD_QUEUE_RESERVE", "0", 1) == 0);
	if (!settings_read(NULL, &host.settings, &err))
		check_failed(__FILE__, __LINE__, err.text);
	daemon_init(&host.daemon, &host.settings);
	host.settings.queue.window_events = 1000;
	host.settings.queue.min_free_bytes = 0;
	if (!settings_complete(&host.settings, &err) ||
	    !daemon_queue_open(&host.daemon, true, &err))
		check_failed(__FILE__, __LINE__, err.text);
	host.begun = true;
	CHECK(atexit(host_end) == 0);
}

/* Somebody who reads, until the time is up. */
static bool
client_write(void *arg, const char *data, size_t len, struct err *reterr)
{
	size_t *read = arg;

	(void)data;
	*read += len;
	return clock_mono_ms() < host.until_ms ||
	       err_set(reterr, ERR_STOPPING, "the client has gone");
}

/* Split "GET /path?name=value&name=value" where it is. */
static char *
question_read(char *text, struct call *call)
{
	char *path = strchr(text, ' '), *query, *value;

	if (path == NULL)
		return NULL;
	*path++ = '\0';
	query = strchr(path, '?');
	if (query != NULL)
		*query++ = '\0';
	call_init(call, text);
	for (char *next; query != NULL; query = next) {
		next = strchr(query, '&');
		if (next != NULL)
			*next++ = '\0';
		value = strchr(query, '=');
		if (value != NULL)
			*value++ = '\0';
		if (!call_param_add(call, query, value != NULL ? value : ""))
			return NULL;
	}
	return path;
}

static void
serve(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	size_t len = end != NULL ? (size_t)(end - data) : size, read = 0;
	const struct call_route *route;
	char text[QUESTION];
	const char *allow, *path;
	struct call call;

	if (len >= sizeof(text))
		return;
	memcpy(text, data, len);
	text[len] = '\0';
	path = question_read(text, &call);
	/* a backup writes where it is told */
	if (path == NULL || strstr(path, "backup") != NULL)
		return;
	route = call_route_find(api_routes, sizeof(api_routes[0]), call.method,
	    path, &call.name, &allow);
	if (route == NULL)
		return;
	if (end != NULL && size - len - 1 <= route->body_max)
		call.body = str_bytes((const char *)end + 1, size - len - 1);
	call.write = client_write;
	call.arg = &read;
	host.until_ms = clock_mono_ms() + PATIENCE_MS;
	api_serve(&host.daemon, route, &call);
	CHECK(!call.begun || read > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char event[] =
	    "POST /import\n{\"events\":[{\"event_type\":"
	    "\"users.messages.email.Open\",\"id\":\"a\",\"time\":1764000000,"
	    "\"user\":{\"user_id\":\"b\",\"external_user_id\":\"c\"},"
	    "\"properties\":{}},{\"event_type\":1}]}\n";

	if (!host.begun) {
		host_begin();
		serve((const uint8_t *)event, sizeof(event) - 1);
	}
	serve(data, size);
	return 0;
}
