/*
 * currentsd serve: runs the daemon. Once it has started, the main thread sweeps
 * once a second, and reloads the settings. A thread of its own reads the
 * signals, since the main thread may be waiting for a disk that hangs. If a
 * stop takes longer than stop_timeout the process ends at once: what was
 * accepted is on the disk, and the rest was never answered.
 */

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "daemon/activation.h"
#include "daemon/filesystem.h"
#include "daemon/history.h"
#include "daemon/notify.h"
#include "daemon/reload.h"
#include "daemon/status.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SWEEP_MS = 1000,
	TELL_MS = 5000,	    /* between two lines for the service manager */
	TELL_MAX = 2000,    /* bytes of one */
	BUSY_MS = 100,	    /* between tries for a queue that is in use */
	PRIVACY_MAX = 2000, /* bytes of a line of log */
	OUTLET_MAX = 4000,  /* likewise */
	OWN_FILES = 48,	    /* of the queue, and the log */
	SEND_FILES = 4,	    /* of a request to a destination: DNS, sockets */
	CONNECTIONS_LEAST = 8,
};

struct serve {
	struct settings settings;
	struct daemon daemon;
	int signal_fd;
	int wake_fd; /* an eventfd: readable if it is to stop or to reload */
	int done_fd; /* likewise: the thread is to end */
	pthread_t signals;
	bool signals_started;
	int64_t watchdog_ms, watchdog_next_ms; /* monotonic; 0 = not wanted */
	int64_t tell_next_ms;		       /* monotonic */
	atomic_bool stop, reload;
};

/* A core file would hold tokens, secrets, keys and people's data. Unlike 0, the
 * limit 1 also keeps the kernel from handing one to a program (core(5)). */
static void
core_forbid(void)
{
	const struct rlimit none = {.rlim_cur = 1, .rlim_max = 1};

	(void)setrlimit(RLIMIT_CORE, &none);
}

static sigset_t
signals_wanted(bool stop)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGHUP);
	if (stop) {
		(void)sigaddset(&set, SIGTERM);
		(void)sigaddset(&set, SIGINT);
	}
	return set;
}

/* Blocked before any thread starts, so that all of them inherit it. */
static bool
signals_open(int *ret_fd, struct err *reterr)
{
	sigset_t set = signals_wanted(true);

	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return err_set(reterr, ERR_IO, "cannot block signals: %s",
		    strerror(errno));
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret_fd >= 0 ||
	       err_set(reterr, ERR_IO, "cannot make a signalfd: %s",
		   strerror(errno));
}

/*
 * Each connection is an open file, and the limit of files is often 1024. Raise
 * it as far as we may, since a reload may add destinations; or else take fewer
 * connections, so that strangers' connections leave the files that the queue,
 * the delivery and the operator need.
 */
static bool
files_fit(struct settings *settings, struct err *reterr)
{
	unsigned connections = settings->server.max_connections;
	struct rlimit limit;
	rlim_t own = OWN_FILES, want, before;

	for (size_t i = 0; i < settings->destination_count; i++)
		own += (rlim_t)settings->destinations[i].forwarder.in_flight *
		       SEND_FILES;
	want = own + server_files(connections);
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return err_set(reterr, ERR_IO,
		    "cannot read the limit of open files: %s", strerror(errno));
	before = limit.rlim_cur;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		limit.rlim_cur = before;
	if (limit.rlim_cur >= want)
		return true;
	while (connections > CONNECTIONS_LEAST &&
	       own + server_files(connections) > limit.rlim_cur)
		connections--;
	if (own + server_files(connections) > limit.rlim_cur)
		return err_set(reterr, ERR_CONFIG,
		    "the limit of open files is %llu, but at least %llu are "
		    "needed: raise ulimit -n (LimitNOFILE= in systemd)",
		    (unsigned long long)limit.rlim_cur,
		    (unsigned long long)(own + server_files(connections)));
	settings->server.connections_most = connections;
	log_line(LOG_WARN, "serve",
	    "limit files=%llu connections=%u want=%llu help=\"raise ulimit -n "
	    "(LimitNOFILE= in systemd) or lower max_connections\"",
	    (unsigned long long)limit.rlim_cur, connections,
	    (unsigned long long)want);
	return true;
}

/* Personal data that goes to Heap cannot be taken back. */
static void
privacy_log(const struct settings *settings)
{
	struct buf text;

	buf_init(&text, PRIVACY_MAX);
	for (size_t i = 0; i < settings->destination_count; i++) {
		if (settings->destinations[i].kind != SETTINGS_TRACK)
			continue;
		buf_reset(&text);
		settings_privacy_write(&settings->destinations[i], &text);
		log_line(LOG_INFO, "serve", "privacy destination=\"%s\" %.*s",
		    settings->destinations[i].forwarder.name, (int)text.len,
		    text.data);
	}
	buf_fini(&text);
}

static void
start_log(const struct serve *serve, const struct filesystem *filesystem)
{
	const struct settings *settings = &serve->settings;
	struct buf text;

	buf_init(&text, OUTLET_MAX);
	for (size_t i = 0; i < settings->destination_count; i++) {
		const struct settings_destination *destination =
		    &settings->destinations[i];

		buf_reset(&text);
		settings_outlet_write(destination, &text);
		log_line(LOG_INFO, "serve",
		    "destination name=\"%s\" kind=%s %.*s",
		    destination->forwarder.name,
		    destination->forwarder.outlet->kind, (int)text.len,
		    text.data);
	}
	buf_fini(&text);
	privacy_log(settings);
	for (size_t i = 0; i < settings->source_count; i++) {
		const struct server_source *s = &settings->sources[i].server;

		log_line(LOG_INFO, "serve",
		    "source name=\"%s\" path=%s/%s %ss=%zu open=%s "
		    "destination=\"%s\"",
		    s->name, s->intake->path, s->name,
		    settings_secret_noun(s->intake),
		    settings_list_count(s->secrets), s->open ? "yes" : "no",
		    s->destination);
	}
	log_line(LOG_INFO, "serve",
	    "start version=%s pid=%lld state_dir=%s filesystem=%s config=%s "
	    "catalogue=%s",
	    CURRENTSD_VERSION, (long long)getpid(),
	    LOG_QUOTE(settings->queue.dir), filesystem->name,
	    LOG_QUOTE(settings->config != NULL ? settings->config : "none"),
	    LOG_QUOTE(
		settings->catalogue != NULL ? settings->catalogue : "none"));
}

static void
stranded_log(void *arg, const char *name, int64_t queued)
{
	(void)arg;
	log_line(LOG_WARN, "serve",
	    "stranded destination=\"%s\" queued=%lld help=\"the destination is "
	    "not "
	    "in the settings: add it again, or give another one formerly = "
	    "NAME\"",
	    name, (long long)queued);
}

/* Returns true to stop. */
static bool
signals_read(struct serve *serve)
{
	struct signalfd_siginfo info;
	bool stop = false;

	while (read(serve->signal_fd, &info, sizeof(info)) ==
	       (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			atomic_store(&serve->reload, true);
			CHECK(eventfd_write(serve->wake_fd, 1) == 0);
			continue;
		}
		log_line(LOG_INFO, "serve", "stop signal=%s",
		    info.ssi_signo == SIGINT ? "INT" : "TERM");
		stop = true;
	}
	return stop;
}

static int64_t
stop_timeout_ms(struct serve *serve)
{
	struct generation *generation = in_force_hold(&serve->daemon.in_force);
	int64_t timeout_ms = generation->settings->stop_timeout_ms;

	generation_drop(generation);
	return timeout_ms;
}

static void *
signals_main(void *arg)
{
	struct serve *serve = arg;
	struct pollfd fds[] = {
	    {.fd = serve->signal_fd, .events = POLLIN},
	    {.fd = serve->done_fd, .events = POLLIN},
	};
	int64_t now_ms = clock_mono_ms(), until_ms = INT64_MAX, timeout_ms = 0;

	while (now_ms < until_ms) {
		int ready = poll(fds, 2,
		    until_ms == INT64_MAX ? -1 : (int)(until_ms - now_ms));

		if (ready > 0 && fds[1].revents != 0)
			return NULL;
		now_ms = clock_mono_ms();
		if (ready > 0 && signals_read(serve) && until_ms == INT64_MAX) {
			timeout_ms = stop_timeout_ms(serve);
			until_ms = now_ms + timeout_ms;
			atomic_store(&serve->stop, true);
			CHECK(eventfd_write(serve->wake_fd, 1) == 0);
		}
	}
	log_line(LOG_ERROR, "serve",
	    "abandon stop_timeout_ms=%lld why=\"something hangs, such as the "
	    "disk\"",
	    (long long)timeout_ms);
	log_flush();
	_exit(EXIT_FOUND);
}

static bool
signals_start(struct serve *serve, struct err *reterr)
{
	if (!signals_open(&serve->signal_fd, reterr))
		return false;
	serve->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	serve->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	serve->signals_started =
	    serve->wake_fd >= 0 && serve->done_fd >= 0 &&
	    pthread_create(&serve->signals, NULL, signals_main, serve) == 0;
	return serve->signals_started ||
	       err_set(reterr, ERR_IO, "cannot start the thread for signals");
}

static void
signals_stop(struct serve *serve)
{
	const int fds[] = {serve->signal_fd, serve->wake_fd, serve->done_fd};

	if (serve->signals_started) {
		CHECK(eventfd_write(serve->done_fd, 1) == 0);
		CHECK(pthread_join(serve->signals, NULL) == 0);
	}
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			(void)close(fds[i]);
	}
}

/* The watchdog must notice when a thread hangs. */
static void
watchdog_feed(struct serve *serve, int64_t now_ms)
{
	if (serve->watchdog_ms == 0 || now_ms < serve->watchdog_next_ms ||
	    !status_alive(&serve->daemon, now_ms))
		return;
	notify_send("WATCHDOG=1");
	serve->watchdog_next_ms = now_ms + serve->watchdog_ms / 3;
}

/* systemctl status shows it. */
static void
manager_tell(struct serve *serve, int64_t now_ms)
{
	struct buf text;

	if (now_ms < serve->tell_next_ms || getenv("NOTIFY_SOCKET") == NULL)
		return;
	buf_init(&text, TELL_MAX);
	(void)buf_text(&text, "STATUS=");
	status_line_write(&serve->daemon, clock_wall_ms(), &text);
	if (buf_char(&text, '\0'))
		notify_send(text.data);
	buf_fini(&text);
	serve->tell_next_ms = now_ms + TELL_MS;
}

/* The service manager waits until the second message. */
static void
serve_reload(struct serve *serve)
{
	struct reload_result result;
	struct err err;

	notify_reloading();
	if (reload_run(&serve->daemon, false, "SIGHUP", &result, &err))
		reload_result_fini(&result);
	notify_send("READY=1");
}

/* What is due once a second. */
static void
serve_loop(struct serve *serve)
{
	struct pollfd wake = {.fd = serve->wake_fd, .events = POLLIN};
	int64_t now_ms = clock_mono_ms(), next_ms;
	eventfd_t woken;

	while (!atomic_load(&serve->stop)) {
		next_ms = now_ms + SWEEP_MS;
		server_sweep(atomic_load(&serve->daemon.server), now_ms);
		history_take(serve->daemon.history, &serve->daemon, now_ms,
		    clock_wall_ms());
		watchdog_feed(serve, now_ms);
		manager_tell(serve, now_ms);
		if (atomic_exchange(&serve->reload, false))
			serve_reload(serve);
		now_ms = clock_mono_ms();
		if (now_ms < next_ms &&
		    poll(&wake, 1, (int)(next_ms - now_ms)) < 0)
			CHECK(errno == EINTR || errno == ENOMEM);
		if (!atomic_load(&serve->stop))
			(void)eventfd_read(serve->wake_fd, &woken);
		now_ms = clock_mono_ms();
	}
}

/* A command that began before us may own the queue; it will end. */
static bool
queue_wait(struct serve *serve, struct err *reterr)
{
	struct pollfd fd = {.fd = serve->wake_fd, .events = POLLIN};
	bool logged = false;
	eventfd_t woken;

	while (!daemon_queue_open(&serve->daemon, false, reterr)) {
		if (reterr->code != ERR_BUSY)
			return false;
		if (!logged) {
			log_line(LOG_WARN, "serve", "wait for=queue why=%s",
			    LOG_QUOTE(reterr->text));
			notify_send("STATUS=Waiting for the queue, which "
				    "another process uses");
		}
		logged = true;
		if (poll(&fd, 1, BUSY_MS) > 0 && !atomic_load(&serve->stop))
			(void)eventfd_read(serve->wake_fd, &woken);
		if (atomic_load(&serve->stop))
			return err_set(reterr, ERR_STOPPING,
			    "stopped while waiting for the queue");
	}
	return true;
}

/* Everything up to the loop. */
static bool
serve_start(struct serve *serve, const char *config, struct err *reterr)
{
	struct settings *settings = &serve->settings;
	struct filesystem filesystem;
	struct str line;
	size_t at = 0;

	if (!settings_read(config, settings, reterr))
		return false;
	daemon_init(&serve->daemon, settings);
	serve->daemon.config = config;
	if (!settings_complete(settings, reterr) ||
	    !activation_take(settings, reterr))
		return false;
	if (!log_start(&settings->log, reterr))
		return false;
	while (settings_warning_next(settings, &at, &line))
		log_line(LOG_WARN, "settings", "warn why=%s",
		    LOG_QUOTE_BYTES(line.data, line.len));
	if (!filesystem_check(settings->queue.dir,
		settings->allow_volatile_state, &filesystem, reterr))
		return false;
	if (!files_fit(settings, reterr) || !signals_start(serve, reterr) ||
	    !queue_wait(serve, reterr) || !daemon_start(&serve->daemon, reterr))
		return false;
	serve->watchdog_ms = notify_watchdog_ms();
	start_log(serve, &filesystem);
	status_stranded(&serve->daemon, settings, stranded_log, NULL);
	notify_send("READY=1");
	return true;
}

int
command_serve(struct command_context *context, struct buf *out)
{
	struct serve serve = {
	    .signal_fd = -1,
	    .wake_fd = -1,
	    .done_fd = -1,
	};
	sigset_t hup = signals_wanted(false);
	int64_t since_ms;
	struct err err;
	int code;

	(void)umask(077);
	core_forbid();
	/* One that comes before we read it is a reload once we run. */
	(void)sigprocmask(SIG_BLOCK, &hup, NULL);
	if (serve_start(&serve, context->config, &err)) {
		serve_loop(&serve);
		notify_send("STOPPING=1");
		since_ms = clock_mono_ms();
		daemon_stop(&serve.daemon);
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
	daemon_fini(&serve.daemon);
	signals_stop(&serve);
	settings_fini(&serve.settings);
	log_flush();
	return code;
}
