/*
 * The daemon: looks at the place, starts the parts, and then the main thread
 * waits for signals, for commands on admin.sock, and once a second sweeps.
 * A signal to stop is read here and nowhere else, so a second one changes
 * nothing.
 */

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/erase_sweep.h"
#include "cli/filesystem.h"
#include "cli/notify.h"
#include "cli/socket.h"
#include "cli/stranded.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SWEEP_MS = 1000,
	BUSY_MS = 100,	    /* between tries for a queue that is in use */
	CLIENTS_MAX = 4,    /* at once: each waits for the next */
	PRIVACY_MAX = 2000, /* bytes of a line of log */
	OWN_FILES = 256,    /* besides connections: the queue, to Heap, ... */
};

struct serve {
	struct settings settings;
	struct parts parts;
	int signal_fd, socket_fd;
	int64_t watchdog_ms, watchdog_next_ms; /* monotonic; 0 = not wanted */
	int64_t sweep_ms;		       /* monotonic: the next one */
	struct erase erase;
	int clients; /* being served, nested */
	bool stop;
};

/* Blocked before any thread starts, so that all of them inherit it. */
static bool
signals_open(int *ret_fd, struct err *reterr)
{
	sigset_t set;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return err_set(reterr, ERR_IO, "cannot block signals: %s",
		    strerror(errno));
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret_fd >= 0 ||
	       err_set(reterr, ERR_IO, "cannot make a signalfd: %s",
		   strerror(errno));
}

/* Each connection is an open file, and the limit of files is often 1024. */
static void
files_raise(const struct settings *settings)
{
	rlim_t want = (rlim_t)settings->max_connections + OWN_FILES;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want)
		return;
	limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < want)
		log_line(LOG_WARN, "serve",
		    "limit files=%llu want=%llu help=\"raise ulimit -n "
		    "(LimitNOFILE= of systemd) or lower max_connections\"",
		    (unsigned long long)limit.rlim_cur,
		    (unsigned long long)want);
}

static void
warnings_log(const struct settings *settings)
{
	const char *at = settings->warnings.data;
	size_t left = settings->warnings.len, len;

	while (left > 0) {
		const char *end = memchr(at, '\n', left);

		len = end != NULL ? (size_t)(end - at) : left;
		log_line(LOG_WARN, "settings", "warn text=%s",
		    LOG_QUOTE_BYTES(at, len));
		len += end != NULL;
		at += len;
		left -= len;
	}
}

/* The personal data that goes to Heap, which cannot be undone. */
static void
privacy_log(const struct settings *settings)
{
	struct buf said;

	buf_init(&said, PRIVACY_MAX);
	for (size_t i = 0; i < settings->destination_count; i++) {
		buf_reset(&said);
		settings_privacy_write(&settings->destinations[i], &said);
		log_line(LOG_INFO, "serve", "privacy destination=%s %.*s",
		    settings->destinations[i].name, (int)said.len, said.data);
	}
	buf_fini(&said);
}

static void
start_log(const struct serve *serve, const struct filesystem *filesystem)
{
	const struct settings *settings = &serve->settings;

	for (size_t i = 0; i < settings->destination_count; i++) {
		const struct settings_destination *d =
		    &settings->destinations[i];

		log_line(LOG_INFO, "serve",
		    "destination name=%s url=%s app_id=%s share=%lld "
		    "events_per_minute=%lld",
		    d->name, d->url, d->app_id, (long long)d->share,
		    (long long)d->events_per_minute);
	}
	privacy_log(settings);
	for (size_t i = 0; i < settings->source_count; i++) {
		const struct settings_source *s = &settings->sources[i];

		log_line(LOG_INFO, "serve",
		    "source name=%s path=/currents/%s tokens=%zu open=%s "
		    "destination=%s",
		    s->name, s->name, s->tokens.count, s->open ? "yes" : "no",
		    s->destination);
	}
	log_line(LOG_INFO, "serve",
	    "start version=%s pid=%lld listen=%s port=%u admin=%s "
	    "admin_port=%u state_dir=%s filesystem=%s config=%s",
	    CURRENTSD_VERSION, (long long)getpid(), settings->listen,
	    server_port(atomic_load(&serve->parts.server)), settings->admin,
	    server_admin_port(atomic_load(&serve->parts.server)),
	    settings->state_dir, filesystem->name,
	    settings->config != NULL ? settings->config : "none");
}

/* True: stop now. */
static bool
signals_read(int fd)
{
	struct signalfd_siginfo info;
	bool stop = false;

	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			log_line(LOG_WARN, "serve",
			    "ignore signal=HUP help=\"settings are read at "
			    "start: restart to change them\"");
			continue;
		}
		log_line(LOG_INFO, "serve", "stop signal=%s",
		    info.ssi_signo == SIGINT ? "INT" : "TERM");
		stop = true;
	}
	return stop;
}

static int
serve_command(void *arg, size_t argc, const char *const *argv,
    const struct channel *channel, struct buf *out)
{
	struct serve *serve = arg;

	return command_run(&serve->parts, channel, argc, argv, out);
}

/* Not while a thread hangs: the watchdog is there to notice that. */
static void
watchdog_feed(struct serve *serve, int64_t mono_ms)
{
	if (serve->watchdog_ms == 0 || mono_ms < serve->watchdog_next_ms)
		return;
	if (!parts_alive(&serve->parts, mono_ms))
		return;
	notify_send("WATCHDOG=1");
	serve->watchdog_next_ms = mono_ms + serve->watchdog_ms / 3;
}

/* What is due now, besides clients. False: stop. */
static bool
serve_due(struct serve *serve)
{
	int64_t now_ms = clock_mono_ms();

	if (now_ms >= serve->sweep_ms) {
		server_sweep(atomic_load(&serve->parts.server), now_ms);
		watchdog_feed(serve, now_ms);
		serve->sweep_ms = now_ms + SWEEP_MS;
	}
	if (!serve->stop)
		serve->stop = signals_read(serve->signal_fd);
	return !serve->stop;
}

/* While a client or a long command makes us wait: others are served too,
 * unless the queue is held for longer than they would wait. */
static bool
serve_duty(void *arg)
{
	struct serve *serve = arg;
	struct pollfd fd = {.fd = serve->socket_fd, .events = POLLIN};
	const struct socket_host host = {serve, serve_command, serve_duty};

	if (!serve_due(serve))
		return false;
	if (serve->clients == CLIENTS_MAX ||
	    atomic_load(&serve->parts.queue_held) || poll(&fd, 1, 0) != 1)
		return true;
	serve->clients++;
	socket_serve(serve->socket_fd, &host);
	serve->clients--;
	return !serve->stop;
}

static void
serve_loop(struct serve *serve)
{
	struct pollfd fds[] = {
	    {.fd = serve->signal_fd, .events = POLLIN},
	    {.fd = serve->socket_fd, .events = POLLIN},
	};
	int64_t wait_ms;

	while (serve_duty(serve)) {
		erase_sweep(&serve->erase, &serve->parts, serve_duty, serve,
		    clock_mono_ms());
		wait_ms = serve->sweep_ms - clock_mono_ms();
		if (poll(fds, 2, wait_ms > 0 ? (int)wait_ms : 0) < 0)
			CHECK(errno == EINTR || errno == ENOMEM);
	}
}

/* A command may own the queue for a while, where no daemon ran: it ends. */
static bool
queue_wait(struct serve *serve, struct err *reterr)
{
	struct pollfd fd = {.fd = serve->signal_fd, .events = POLLIN};
	bool said = false;

	while (!parts_queue_open(&serve->parts, false, reterr)) {
		if (reterr->code != ERR_BUSY)
			return false;
		if (!said)
			log_line(LOG_WARN, "serve", "wait for=queue text=%s",
			    LOG_QUOTE(reterr->text));
		said = true;
		if (poll(&fd, 1, BUSY_MS) > 0 && signals_read(serve->signal_fd))
			return err_set(
			    reterr, ERR_STOPPING, "told to stop while waiting");
	}
	return true;
}

/* Everything up to the loop. */
static bool
serve_start(struct serve *serve, const char *config, struct err *reterr)
{
	struct settings *settings = &serve->settings;
	struct filesystem filesystem;

	if (!settings_read(config, settings, reterr))
		return false;
	parts_init(&serve->parts, settings);
	if (!settings_complete(settings, reterr))
		return false;
	log_set_level((enum log_level)settings->log_level);
	warnings_log(settings);
	if (!filesystem_check(settings->state_dir,
		settings->allow_volatile_state, &filesystem, reterr))
		return false;
	files_raise(settings);
	if (!signals_open(&serve->signal_fd, reterr) ||
	    !queue_wait(serve, reterr) ||
	    !socket_listen(settings->state_dir, &serve->socket_fd, reterr) ||
	    !parts_start(&serve->parts, reterr))
		return false;
	serve->watchdog_ms = notify_watchdog_ms();
	start_log(serve, &filesystem);
	stranded_log(&serve->parts);
	notify_send("READY=1");
	return true;
}

int
command_serve(struct command_context *context, struct buf *out)
{
	struct serve serve = {.signal_fd = -1, .socket_fd = -1};
	int64_t since_ms;
	struct err err;
	int code;

	if (context->options->word_count > 0) {
		(void)err_set(&err, ERR_INPUT, "serve takes no words");
		return command_fail(out, &err);
	}
	(void)umask(077);
	if (serve_start(&serve, context->config, &err)) {
		serve_loop(&serve);
		notify_send("STOPPING=1");
		since_ms = clock_mono_ms();
		parts_stop(&serve.parts);
		log_line(LOG_INFO, "serve", "stopped took_ms=%lld",
		    (long long)(clock_mono_ms() - since_ms));
		code = EXIT_FINE;
	} else {
		/* EXIT_CONFIG means that the operator must act, so a service
		 * manager should not retry; a full or failing disk, or a
		 * shortage of memory, may pass, so it should. */
		(void)command_fail(out, &err);
		code = err.code == ERR_CONFIG || err.code == ERR_INPUT ||
			       err.code == ERR_DAMAGED
			   ? EXIT_CONFIG
			   : EXIT_FAILED;
	}
	socket_close(serve.settings.state_dir, serve.socket_fd);
	parts_fini(&serve.parts);
	settings_fini(&serve.settings);
	if (serve.signal_fd >= 0)
		(void)close(serve.signal_fd);
	return code;
}
