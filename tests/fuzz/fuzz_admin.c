/*
 * What a client of admin.sock may send: the words of a command, one a line, and
 * behind a blank line what it answers when it is asked for a file; or, if the
 * first byte is a NUL, any bytes. They run against a small queue.
 */

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/run.h"
#include "cli/socket.h"
#include "daemon/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_MS = 300 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	char dir[64];
	struct settings settings;
	struct daemon daemon;
	struct socket_own listener; /* fd 0: not yet */
	int64_t until_ms;
} host;

static void
host_end(void)
{
	char command[96];

	socket_close(host.dir, &host.listener);
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
	      setenv("CURRENTSD_CONFIG", "/dev/null", 1) == 0 &&
	      setenv("CURRENTSD_ENV_FILE", "/dev/null", 1) == 0 &&
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
	    !daemon_queue_open(&host.daemon, true, &err) ||
	    !command_listen(host.dir, &host.listener, &err))
		check_failed(__FILE__, __LINE__, err.text);
	CHECK(atexit(host_end) == 0);
}

static int
host_run(void *arg, size_t argc, const char *const *argv,
    const struct job_caller *caller, struct buf *out)
{
	(void)arg;
	/* It writes where it is told. */
	for (size_t i = 0; i < argc; i++) {
		if (strcmp(argv[i], "backup") == 0)
			return EXIT_FINE;
	}
	return run_command(
	    &commands_all, &host.daemon, caller, NULL, argc, argv, out);
}

static bool
host_duty(void *arg)
{
	(void)arg;
	return clock_mono_ms() < host.until_ms;
}

static void
client_send(int fd, const char *kind, const void *data, size_t len)
{
	char head[40];
	int head_len = snprintf(head, sizeof(head), "%s %zu\n", kind, len);

	CHECK(send(fd, head, (size_t)head_len, MSG_NOSIGNAL) == head_len &&
	      send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len);
}

static int
client_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path),
	    "%s/admin.sock", host.dir);
	CHECK(fd >= 0 &&
	      connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

/* The words, and a few times the piece of a file and its end. */
static void
send_question(int fd, const uint8_t *data, size_t size)
{
	const uint8_t *file = memmem(data, size, "\n\n", 2);
	size_t len = file == NULL ? size : (size_t)(file - data);
	char *words = malloc(len + 1);

	CHECK(words != NULL);
	memcpy(words, data, len);
	words[len] = '\0';
	for (size_t i = 0; i < len; i++) {
		if (words[i] == '\n')
			words[i] = '\0';
	}
	client_send(fd, "Q", words, len + 1);
	free(words);
	if (file != NULL)
		client_send(fd, "I", file + 2, size - len - 2);
	client_send(fd, "I", "", 0);
	client_send(fd, "I", "", 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct socket_host served = {.run = host_run, .duty = host_duty};
	static const char event[] =
	    "import\n-\n\n{\"events\":[{\"event_type\":"
	    "\"users.messages.email.Open\",\"id\":\"a\",\"time\":1764000000,"
	    "\"user\":{\"user_id\":\"b\",\"external_user_id\":\"c\"},"
	    "\"properties\":{}},{\"event_type\":1}]}\n";
	int fd;

	if (host.listener.fd == 0) {
		host_begin();
		(void)LLVMFuzzerTestOneInput(
		    (const uint8_t *)event, sizeof(event) - 1);
	}
	fd = client_connect();
	if (size > 0 && data[0] == 0) {
		CHECK(send(fd, data + 1, size - 1, MSG_NOSIGNAL) ==
		      (ssize_t)size - 1);
		CHECK(shutdown(fd, SHUT_WR) == 0);
	} else {
		send_question(fd, data, size);
	}
	host.until_ms = clock_mono_ms() + PATIENCE_MS;
	socket_serve(host.listener.fd, &served);
	CHECK(close(fd) == 0);
	return 0;
}
