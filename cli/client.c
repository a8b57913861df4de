#include "cli/client.h"

#include "server/socket.h"

#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	CLIENT_ANSWER_MAX = 256 * 1024 * 1024, /* bytes of one line */
	CLIENT_URL_MAX = 64 * 1024,
	CLIENT_IDLE_S = 60, /* without a byte: the daemon hangs */
	CLIENT_VERSION = 32,
};

struct client {
	struct screen *screen;
	struct settings settings;
	bool remote;

	/* of a daemon */
	CURL *curl;
	int dir_fd;
	char path[SOCKET_PATH];

	/* of this process */
	struct daemon daemon;
};

/* An answer as it comes. */
struct answer {
	struct client *client;
	client_row_fn *row;
	void *arg;
	struct buf line;
	json_t *whole; /* owned; the answer, or its summary */
	bool raw, ended;
	struct err err;
	bool failed;		      /* err says why */
	bool lines;		      /* it comes in lines */
	unsigned status;	      /* of HTTP; 0: not known yet */
	char version[CLIENT_VERSION]; /* of the daemon */
};

/* ---- what is asked ---- */

void
ask_init(struct ask *ask, const char *method, const char *path)
{
	*ask = (struct ask){.method = method, .path = path};
}

void
ask_param(struct ask *ask, const char *name, const char *value)
{
	if (value == NULL)
		return;
	CHECK(ask->param_count < CALL_PARAMS);
	ask->params[ask->param_count++] = (struct call_param){name, value};
}

/* ---- the answer ---- */

static bool
answer_fail(struct answer *answer)
{
	answer->failed = true;
	return false;
}

/* The code of the error that an answer of this status stands for. */
static enum err_code
status_code(unsigned status)
{
	static const enum err_code codes[] = {ERR_INPUT, ERR_NOT_FOUND,
	    ERR_CONFIG, ERR_CONFLICT, ERR_UNSUPPORTED, ERR_FULL, ERR_STOPPING};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (call_status(codes[i]) == status)
			return codes[i];
	}
	return ERR_IO;
}

static bool
answer_error(struct answer *answer, json_t *error)
{
	(void)err_set(&answer->err, status_code(answer->status), "%s",
	    json_is_string(error) ? json_string_value(error)
				  : "the answer has an error without a text");
	return answer_fail(answer);
}

static bool
answer_object(struct answer *answer, json_t *object)
{
	struct screen *screen = answer->client->screen;
	json_t *part;

	if (!answer->lines || answer->status >= 400) {
		part = json_object_get(object, "error");
		if (answer->status >= 400 ||
		    (part != NULL && json_object_size(object) == 1))
			return answer_error(answer, part);
		answer->whole = json_incref(object);
		answer->ended = true;
		return true;
	}
	part = json_object_get(object, "row");
	if (part != NULL)
		return answer->row == NULL ||
		       answer->row(answer->arg, part, str_bytes(NULL, 0),
			   &answer->err) ||
		       answer_fail(answer);
	part = json_object_get(object, "message");
	if (part != NULL)
		return screen_line(
			   screen, json_string_value(part), &answer->err) ||
		       answer_fail(answer);
	part = json_object_get(object, "progress");
	if (part != NULL) {
		screen_progress(
		    screen, json_string_value(json_object_get(part, "text")));
		return true;
	}
	part = json_object_get(object, "error");
	if (part != NULL)
		return answer_error(answer, part);
	part = json_object_get(object, "summary");
	if (part != NULL) {
		answer->whole = json_incref(part);
		answer->ended = true;
	}
	return true;
}

/* Hand on what was asked for raw; false if this line is something else. */
static bool
answer_raw(struct answer *answer, bool *ret_ok)
{
	static const char head[] = "{\"row\":", error[] = "{\"error\":";
	struct str text = str_bytes(answer->line.data, answer->line.len);

	if (!answer->raw || answer->status >= 400)
		return false;
	if (answer->lines) {
		if (text.len <= strlen(head) ||
		    memcmp(text.data, head, strlen(head)) != 0)
			return false;
		text.data += strlen(head);
		text.len -= strlen(head) + 1; /* and its last brace */
	} else {
		/* white space, by which it showed that it was alive */
		while (text.len > 0 && *text.data == '\n')
			text = str_bytes(text.data + 1, text.len - 1);
		if (text.len > strlen(error) &&
		    memcmp(text.data, error, strlen(error)) == 0)
			return false;
		if (text.len > 0)
			text.len -= text.data[text.len - 1] == '\n';
		answer->ended = true;
	}
	*ret_ok = answer->row(answer->arg, NULL, text, &answer->err) ||
		  answer_fail(answer);
	buf_reset(&answer->line);
	return true;
}

/* One line, or an answer that is one object. */
static bool
answer_text(struct answer *answer)
{
	json_t *object;
	bool ok;

	if (answer->line.len == 0)
		return true;
	if (answer_raw(answer, &ok))
		return ok;
	object = json_loadb(
	    answer->line.data, answer->line.len, JSON_ALLOW_NUL, NULL);
	buf_reset(&answer->line);
	if (!json_is_object(object)) {
		json_decref(object);
		(void)err_set(&answer->err, ERR_IO,
		    "the daemon's answer is not what this program (%s) "
		    "understands: restart the daemon after an upgrade",
		    CURRENTSD_VERSION);
		return answer_fail(answer);
	}
	ok = answer_object(answer, object);
	json_decref(object);
	return ok;
}

static bool
answer_take(struct answer *answer, const char *data, size_t len)
{
	const char *end;

	while (answer->lines && len > 0 &&
	       (end = memchr(data, '\n', len)) != NULL) {
		size_t part = (size_t)(end - data);

		(void)buf_append(&answer->line, data, part);
		if (!buf_ok(&answer->line, &answer->err))
			return answer_fail(answer);
		if (!answer_text(answer))
			return false;
		data += part + 1;
		len -= part + 1;
	}
	(void)buf_append(&answer->line, data, len);
	return buf_ok(&answer->line, &answer->err) || answer_fail(answer);
}

/* ---- the daemon ---- */

static size_t
remote_head(char *data, size_t size, size_t count, void *arg)
{
	static const char server[] = "server: currentsd/",
			  type[] = "content-type:";
	struct answer *answer = arg;
	size_t len = size * count;
	char text[128];

	if (len >= sizeof(text))
		return len;
	memcpy(text, data, len);
	text[len] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	if (strncasecmp(text, server, strlen(server)) == 0)
		(void)snprintf(answer->version, sizeof(answer->version), "%.*s",
		    CLIENT_VERSION - 1, text + strlen(server));
	if (strncasecmp(text, type, strlen(type)) == 0)
		answer->lines = strstr(text, "ndjson") != NULL;
	return len;
}

static size_t
remote_body(char *data, size_t size, size_t count, void *arg)
{
	struct answer *answer = arg;
	long status = 0;

	(void)size;
	if (answer->status == 0 &&
	    curl_easy_getinfo(answer->client->curl, CURLINFO_RESPONSE_CODE,
		&status) == CURLE_OK)
		answer->status = (unsigned)status;
	return answer_take(answer, data, count) ? count : 0;
}

static bool
url_append(struct client *client, struct buf *url, const char *text, size_t len)
{
	char *escaped;

	if (len == 0)
		return true;
	escaped = curl_easy_escape(client->curl, text, (int)len);
	if (escaped == NULL)
		return false;
	(void)buf_text(url, escaped);
	curl_free(escaped);
	return true;
}

static bool
url_write(struct client *client, const struct ask *ask, struct buf *url,
    struct err *reterr)
{
	size_t before = strcspn(ask->path, "*");
	bool ok;

	(void)buf_printf(url, "http://localhost%.*s", (int)before, ask->path);
	ok = url_append(client, url, ask->name.data, ask->name.len);
	if (ask->path[before] == '*')
		(void)buf_text(url, ask->path + before + 1);
	for (size_t i = 0; ok && i < ask->param_count; i++) {
		(void)buf_printf(
		    url, "%c%s=", i == 0 ? '?' : '&', ask->params[i].name);
		ok = url_append(client, url, ask->params[i].value,
		    strlen(ask->params[i].value));
	}
	(void)buf_char(url, '\0');
	return (ok || err_set_nomem(reterr)) && buf_ok(url, reterr);
}

static bool
remote_set(struct client *client, const struct ask *ask, const char *url,
    struct answer *answer)
{
	CURL *curl = client->curl;
	bool ok;

	curl_easy_reset(curl);
#define SET(option, value) (curl_easy_setopt(curl, option, value) == CURLE_OK)
	ok = SET(CURLOPT_URL, url) &&
	     SET(CURLOPT_UNIX_SOCKET_PATH, client->path) &&
	     SET(CURLOPT_PROTOCOLS_STR, "http") && SET(CURLOPT_PROXY, "") &&
	     SET(CURLOPT_NOSIGNAL, 1L) && SET(CURLOPT_LOW_SPEED_LIMIT, 1L) &&
	     SET(CURLOPT_LOW_SPEED_TIME, (long)CLIENT_IDLE_S) &&
	     SET(CURLOPT_HEADERFUNCTION, remote_head) &&
	     SET(CURLOPT_HEADERDATA, answer) &&
	     SET(CURLOPT_WRITEFUNCTION, remote_body) &&
	     SET(CURLOPT_WRITEDATA, answer);
	if (ok && strcmp(ask->method, "GET") != 0)
		ok = SET(CURLOPT_POSTFIELDSIZE_LARGE,
			 (curl_off_t)ask->body.len) &&
		     SET(CURLOPT_POSTFIELDS,
			 ask->body.len > 0 ? ask->body.data : "") &&
		     SET(CURLOPT_CUSTOMREQUEST, ask->method);
#undef SET
	return ok;
}

static bool
remote_ask(struct client *client, const struct ask *ask, struct answer *answer,
    struct err *reterr)
{
	CURLcode code;
	struct buf url;
	bool ok;

	buf_init(&url, CLIENT_URL_MAX);
	ok = url_write(client, ask, &url, reterr) &&
	     (remote_set(client, ask, url.data, answer) ||
		 err_set_nomem(reterr));
	if (!ok)
		goto out;
	code = curl_easy_perform(client->curl);
	if (answer->version[0] != '\0' &&
	    strcmp(answer->version, CURRENTSD_VERSION) != 0 &&
	    (answer->failed || answer->status == 404))
		ok = err_set(reterr, ERR_IO,
		    "the daemon is version %s, and this program %s: restart "
		    "the daemon",
		    answer->version, CURRENTSD_VERSION);
	else if (!answer->failed && code != CURLE_OK)
		ok = err_set(reterr,
		    code == CURLE_COULDNT_CONNECT ? ERR_IO : ERR_STOPPING,
		    "the daemon did not answer (%s): it is stopping, or it "
		    "hangs; try again, and check its log",
		    curl_easy_strerror(code));
out:
	buf_fini(&url);
	return ok;
}

/* ---- this process ---- */

static bool
local_write(void *arg, const char *data, size_t len, struct err *reterr)
{
	struct answer *answer = arg;

	if (answer->failed)
		return err_set(
		    reterr, answer->err.code, "%s", answer->err.text);
	return answer_take(answer, data, len) ||
	       err_set(reterr, answer->err.code, "%s", answer->err.text);
}

/* The head is known before the first piece. */
struct local {
	struct call call;
	struct answer *answer;
};

static bool
local_first(void *arg, const char *data, size_t len, struct err *reterr)
{
	struct local *local = arg;

	local->answer->status = local->call.status;
	local->answer->lines = strstr(local->call.type, "ndjson") != NULL;
	return local_write(local->answer, data, len, reterr);
}

static void
local_ask(struct client *client, const struct ask *ask, struct answer *answer)
{
	struct local local = {.answer = answer};
	const struct call_route *route = NULL;

	for (const struct api_route *row = api_routes; row->call.path != NULL;
	     row++) {
		if (strcmp(row->call.path, ask->path) == 0 &&
		    strcmp(row->call.method, ask->method) == 0)
			route = &row->call;
	}
	CHECK(route != NULL);
	call_init(&local.call, ask->method);
	local.call.name = ask->name;
	local.call.body = ask->body;
	local.call.caller = "command";
	local.call.write = local_first;
	local.call.arg = &local;
	for (size_t i = 0; i < ask->param_count; i++)
		CHECK(call_param_add(
		    &local.call, ask->params[i].name, ask->params[i].value));
	api_serve(&client->daemon, route, &local.call);
}

bool
client_ask(struct client *client, const struct ask *ask, client_row_fn *row,
    void *arg, json_t **ret_answer, struct err *reterr)
{
	struct answer answer = {
	    .client = client,
	    .row = row,
	    .arg = arg,
	    .raw = ask->raw,
	};
	bool ok;

	buf_init(&answer.line, CLIENT_ANSWER_MAX);
	ok = !client->remote || remote_ask(client, ask, &answer, reterr);
	if (!client->remote)
		local_ask(client, ask, &answer);
	if (ok && !answer.failed)
		(void)answer_text(&answer);
	if (ok && answer.failed)
		ok = err_set(reterr, answer.err.code, "%s", answer.err.text);
	else if (ok && !answer.ended)
		ok = err_set(reterr, ERR_STOPPING,
		    "the answer has no end: the daemon is stopping; try "
		    "again, and check its log");
	buf_fini(&answer.line);
	if (ok)
		*ret_answer = answer.whole;
	else
		json_decref(answer.whole);
	return ok;
}

/* ---- reaching it ---- */

/*
 * Opening the queue creates files, and files that root owns would lock the
 * daemon out of its own queue. So root becomes the queue's owner, and any other
 * user is refused. Only serve creates a queue, so that a wrong path does not
 * create one.
 */
static bool
owner_become(const char *dir, struct err *reterr)
{
	char path[4096];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/queue.db", dir) >=
	    (int)sizeof(path))
		return err_set(reterr, ERR_CONFIG,
		    "the path of the state directory is too long");
	if (stat(path, &st) != 0)
		return err_set(reterr, ERR_CONFIG,
		    "there is no queue in %s (%s): if the daemon runs, do not "
		    "stop it, because its files were moved (/status at its "
		    "admin address says more); else start it, which makes a "
		    "queue, or check that CURRENTSD_STATE_DIR is the directory "
		    "that serve uses",
		    dir, strerror(errno));
	if (st.st_uid == geteuid())
		return true;
	if (geteuid() != 0 || setgroups(0, NULL) != 0 ||
	    setgid(st.st_gid) != 0 || setuid(st.st_uid) != 0)
		return err_set(reterr, ERR_CONFIG,
		    "the queue in %s belongs to the user with id %u: run this "
		    "command as that user or as root",
		    dir, (unsigned)st.st_uid);
	return true;
}

/* Does a daemon listen there? */
static bool
client_find(struct client *client, struct err *reterr)
{
	const char *dir = client->settings.queue.dir;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, code;

	if (!socket_path(dir, client->path, &client->dir_fd, NULL))
		return true; /* no directory: no daemon */
	(void)snprintf(
	    address.sun_path, sizeof(address.sun_path), "%s", client->path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(reterr, ERR_IO, "cannot make a socket: %s",
		    strerror(errno));
	code = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0
		   ? 0
		   : errno;
	(void)close(fd);
	client->remote = code == 0;
	return code == 0 || code == ENOENT || code == ECONNREFUSED ||
	       err_set(reterr, ERR_CONFIG,
		   "cannot reach the daemon at %s/%s: %s (run this command as "
		   "the daemon's user or as root)",
		   dir, SOCKET_NAME, strerror(code));
}

bool
client_open(const char *config, bool queue, struct screen *screen,
    struct client **ret_client, struct err *reterr)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return err_set_nomem(reterr);
	client->dir_fd = -1;
	client->screen = screen;
	if (!settings_read(config, &client->settings, reterr)) {
		free(client);
		return false;
	}
	daemon_init(&client->daemon, &client->settings);
	if (queue && !client_find(client, reterr))
		goto fail;
	if (!queue && config == NULL)
		(void)!client_find(client, NULL);
	if (client->remote) {
		client->curl = curl_easy_init();
		if (client->curl == NULL) {
			(void)err_set_nomem(reterr);
			goto fail;
		}
	} else if (queue &&
		   (!owner_become(client->settings.queue.dir, reterr) ||
		       !daemon_queue_open(&client->daemon, true, reterr))) {
		goto fail;
	}
	*ret_client = client;
	return true;
fail:
	client_close(client);
	return false;
}

void
client_close(struct client *client)
{
	if (client == NULL)
		return;
	daemon_fini(&client->daemon);
	curl_easy_cleanup(client->curl);
	if (client->dir_fd >= 0)
		(void)close(client->dir_fd);
	settings_fini(&client->settings);
	free(client);
}

bool
client_reaches_daemon(const struct client *client)
{
	return client->remote;
}
