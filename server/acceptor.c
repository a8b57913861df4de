#include "server/acceptor.h"

#include "base/clock.h"
#include "base/counters.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	ACCEPTOR_EVENTS = 64, /* that are handled at once */
	ACCEPTOR_PAUSE_MS = 100,
	ACCEPTOR_TLS = 0x16, /* the first byte of a handshake */
};

/* A connection that has sent too little. */
struct pending {
	struct pending *next, *prev;
	int fd;
	bool begun; /* it has sent something */
	struct proxy_from from;
	int64_t until_ms;
};

enum acceptor_wish { ACCEPTOR_RUN, ACCEPTOR_LEAVE, ACCEPTOR_STOP };

struct acceptor {
	/* constant */
	struct acceptor_settings settings;
	int epoll_fd, wake_fd;
	pthread_t thread;

	/* any thread; read when wake_fd says so */
	_Atomic enum acceptor_wish wish;

	/* owned by its thread */
	struct pending *first, *last; /* the oldest is last */
	atomic_size_t count;	      /* which other threads may read */
	int64_t paused_until_ms;      /* 0: not paused */
	bool leaving;
	atomic_bool left; /* for good; likewise */
};

/* ---- pending connections ---- */

static void
pending_close(struct acceptor *acceptor, struct pending *pending)
{
	if (pending->fd >= 0)
		(void)close(pending->fd);
	if (pending->prev != NULL)
		pending->prev->next = pending->next;
	else
		acceptor->first = pending->next;
	if (pending->next != NULL)
		pending->next->prev = pending->prev;
	else
		acceptor->last = pending->prev;
	acceptor->count--;
	free(pending);
}

static void
pending_pass(struct acceptor *acceptor, struct pending *pending)
{
	int fd = pending->fd;

	(void)epoll_ctl(acceptor->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	pending->fd = -1;
	acceptor->settings.pass(acceptor->settings.arg, fd, &pending->from);
	pending_close(acceptor, pending);
}

static void
pending_hang_up(
    struct acceptor *acceptor, struct pending *pending, const char *why)
{
	acceptor->settings.hung_up(acceptor->settings.arg, &pending->from, why);
	pending_close(acceptor, pending);
}

static bool
acceptor_trusts(const struct acceptor *acceptor, const struct pending *pending)
{
	struct origin peer = origin_of(&pending->from.address.any);

	return networks_have(acceptor->settings.trusted, &peer);
}

/* It will send no more, or its time is up. */
static void
pending_give_up(struct acceptor *acceptor, struct pending *pending)
{
	if (pending->begun && acceptor->settings.proxied)
		pending_hang_up(
		    acceptor, pending, "its PROXY header did not end");
	else
		pending_close(acceptor, pending);
}

/* Some bytes are here, or the end of them. Without a PROXY header they stay in
 * the socket. */
static void
pending_look(struct acceptor *acceptor, struct pending *pending, bool ended)
{
	char bytes[PROXY_MOST];
	ssize_t got = recv(pending->fd, bytes, sizeof(bytes), MSG_PEEK);
	bool proxied = acceptor->settings.proxied;
	struct proxy_from from;
	size_t len = 0;

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		pending_close(acceptor, pending);
		return;
	}
	pending->begun = true;
	switch (proxy_read(str_bytes(bytes, (size_t)got), &len, &from)) {
	case PROXY_PART:
		if (ended)
			pending_give_up(acceptor, pending);
		return;
	case PROXY_NONE:
		if (proxied)
			pending_hang_up(acceptor, pending,
			    "it began without a PROXY header: let the "
			    "balancer send one, or set "
			    "listen_proxy_protocol = no");
		else if ((bytes[0] == ACCEPTOR_TLS) != acceptor->settings.tls)
			pending_hang_up(acceptor, pending,
			    acceptor->settings.tls
				? "it began without TLS: let the client use "
				  "https, or remove tls_certificate"
				: "it began with TLS: let the client use http, "
				  "or set tls_certificate");
		else
			pending_pass(acceptor, pending);
		return;
	case PROXY_WHOLE:
		if (proxied &&
		    recv(pending->fd, bytes, len, 0) == (ssize_t)len) {
			if (from.len > 0 && acceptor_trusts(acceptor, pending))
				pending->from = from;
			pending_pass(acceptor, pending);
			return;
		}
		break;
	case PROXY_BAD:
		break;
	}
	pending_hang_up(acceptor, pending,
	    proxied ? "its PROXY header is not valid"
		    : "it began with a PROXY header, as a balancer sends it: "
		      "set listen_proxy_protocol = yes");
}

/* ---- accepting ---- */

/* Close the connection that has been pending for longest. */
static bool
acceptor_evict(struct acceptor *acceptor)
{
	if (acceptor->last == NULL)
		return false;
	counter_add(COUNTER_SWEPT, 1);
	pending_close(acceptor, acceptor->last);
	return true;
}

static void
acceptor_add(struct acceptor *acceptor, int fd, const struct proxy_from *from)
{
	const struct acceptor_settings *settings = &acceptor->settings;
	struct pending *pending = calloc(1, sizeof(*pending));
	struct epoll_event event = {
	    .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = pending};
	size_t open = settings->open(settings->arg), room;

	if (settings->counted)
		counter_add(COUNTER_CONNECTIONS, 1);
	if (pending == NULL) {
		(void)close(fd);
		return;
	}
	room = settings->most > open ? settings->most - open : 0;
	if (room < settings->pending_least)
		room = settings->pending_least;
	while (acceptor->count >= room && acceptor_evict(acceptor))
		;
	pending->fd = fd;
	pending->from = *from;
	pending->until_ms = clock_mono_ms() + settings->patience_ms;
	pending->next = acceptor->first;
	if (pending->next != NULL)
		pending->next->prev = pending;
	else
		acceptor->last = pending;
	acceptor->first = pending;
	acceptor->count++;
	/* What is there already raises an event, too. */
	if (epoll_ctl(acceptor->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
		pending_close(acceptor, pending);
}

/* Let the sockets raise such events. */
static bool
acceptor_watch(struct acceptor *acceptor, int operation, uint32_t events)
{
	const struct acceptor_settings *settings = &acceptor->settings;

	for (size_t i = 0; i < settings->count; i++) {
		struct epoll_event event = {
		    .events = events,
		    .data.ptr = &acceptor->settings,
		};

		if (epoll_ctl(acceptor->epoll_fd, operation,
			settings->sockets[i].fd, &event) != 0)
			return false;
	}
	return true;
}

/* Listen, or wait for so long before the next try. */
static void
acceptor_pause(struct acceptor *acceptor, int64_t until_ms)
{
	bool listens =
	    until_ms == 0 && atomic_load(&acceptor->wish) == ACCEPTOR_RUN;

	CHECK(acceptor_watch(acceptor, EPOLL_CTL_MOD, listens ? EPOLLIN : 0));
	acceptor->paused_until_ms = until_ms;
}

static void
acceptor_fail(struct acceptor *acceptor, int error)
{
	log_line(LOG_WARN, "server", "accept_fail listener=%s why=%s",
	    acceptor->settings.name, LOG_QUOTE(strerror(error)));
	acceptor_pause(acceptor, clock_mono_ms() + ACCEPTOR_PAUSE_MS);
}

/* Accept what waits at a socket, but not endlessly: others have sent something.
 * False: nothing more can be accepted now. */
static bool
acceptor_accept(struct acceptor *acceptor, int socket)
{
	for (int i = 0; i < ACCEPTOR_EVENTS; i++) {
		struct proxy_from from = {.len = sizeof(from.address.storage)};
		int fd = accept4(socket, &from.address.any, &from.len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			acceptor_add(acceptor, fd, &from);
			continue;
		}
		switch (errno) {
		case EAGAIN:
			return true;
		case EINTR:
		case ECONNABORTED:
			break;
		case EMFILE:
		case ENFILE:
		case ENOBUFS:
		case ENOMEM:
			if (acceptor_evict(acceptor))
				break;
			acceptor_fail(acceptor, errno);
			return false;
		default:
			acceptor_fail(acceptor, errno);
			return false;
		}
	}
	return true;
}

/* ---- its thread ---- */

/* Do what another thread wishes; false: stop. */
static bool
acceptor_obey(struct acceptor *acceptor)
{
	eventfd_t count;

	(void)eventfd_read(acceptor->wake_fd, &count);
	acceptor_pause(acceptor, 0);
	acceptor->leaving = true;
	return atomic_load(&acceptor->wish) != ACCEPTOR_STOP;
}

static int
acceptor_wait_ms(const struct acceptor *acceptor, int64_t now_ms)
{
	int64_t until_ms = INT64_MAX;

	if (acceptor->last != NULL)
		until_ms = acceptor->last->until_ms;
	if (acceptor->paused_until_ms > 0 &&
	    acceptor->paused_until_ms < until_ms)
		until_ms = acceptor->paused_until_ms;
	if (until_ms == INT64_MAX)
		return -1;
	if (until_ms <= now_ms)
		return 0;
	return until_ms - now_ms < INT_MAX ? (int)(until_ms - now_ms) : INT_MAX;
}

/* Accepting comes last, because it may close a connection that has an event
 * here. */
static void *
acceptor_main(void *arg)
{
	struct epoll_event events[ACCEPTOR_EVENTS];
	struct acceptor *acceptor = arg;
	int64_t now_ms = clock_mono_ms();

	for (;;) {
		int count, wait_ms = acceptor_wait_ms(acceptor, now_ms);
		bool comes = false;

		atomic_store(acceptor->settings.busy_ms, 0);
		count = epoll_wait(
		    acceptor->epoll_fd, events, ACCEPTOR_EVENTS, wait_ms);
		atomic_store(acceptor->settings.busy_ms, clock_mono_ms());

		CHECK(count >= 0 || errno == EINTR);
		for (int i = 0; i < count; i++) {
			void *about = events[i].data.ptr;

			if (about == &acceptor->wake_fd) {
				if (!acceptor_obey(acceptor))
					return NULL;
			} else if (about == &acceptor->settings)
				comes = true;
			else
				pending_look(acceptor, about,
				    (events[i].events & ~(uint32_t)EPOLLIN) !=
					0);
		}
		for (size_t i = 0; comes && i < acceptor->settings.count; i++)
			comes = acceptor_accept(
			    acceptor, acceptor->settings.sockets[i].fd);
		if (acceptor->leaving)
			atomic_store(&acceptor->left, true);
		now_ms = clock_mono_ms();
		while (acceptor->last != NULL &&
		       acceptor->last->until_ms <= now_ms)
			pending_give_up(acceptor, acceptor->last);
		if (acceptor->paused_until_ms > 0 &&
		    acceptor->paused_until_ms <= now_ms)
			acceptor_pause(acceptor, 0);
	}
}

bool
acceptor_start(const struct acceptor_settings *settings,
    struct acceptor **ret_acceptor, struct err *reterr)
{
	struct acceptor *acceptor = calloc(1, sizeof(*acceptor));
	struct epoll_event stop = {.events = EPOLLIN};
	int code;

	if (acceptor == NULL)
		return err_set_nomem(reterr);
	acceptor->settings = *settings;
	stop.data.ptr = &acceptor->wake_fd;
	acceptor->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	acceptor->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (acceptor->epoll_fd < 0 || acceptor->wake_fd < 0 ||
	    epoll_ctl(acceptor->epoll_fd, EPOLL_CTL_ADD, acceptor->wake_fd,
		&stop) != 0 ||
	    !acceptor_watch(acceptor, EPOLL_CTL_ADD, EPOLLIN)) {
		(void)err_set(reterr, ERR_IO, "cannot wait for connections: %s",
		    strerror(errno));
		goto fail;
	}
	code = pthread_create(&acceptor->thread, NULL, acceptor_main, acceptor);
	if (code != 0) {
		(void)err_set(reterr, ERR_IO,
		    "cannot start the thread that accepts connections: %s",
		    strerror(code));
		goto fail;
	}
	*ret_acceptor = acceptor;
	return true;
fail:
	if (acceptor->wake_fd >= 0)
		(void)close(acceptor->wake_fd);
	if (acceptor->epoll_fd >= 0)
		(void)close(acceptor->epoll_fd);
	free(acceptor);
	return false;
}

static void
acceptor_wish(struct acceptor *acceptor, enum acceptor_wish wish)
{
	atomic_store(&acceptor->wish, wish);
	CHECK(eventfd_write(acceptor->wake_fd, 1) == 0);
}

void
acceptor_leave(struct acceptor *acceptor)
{
	if (acceptor != NULL)
		acceptor_wish(acceptor, ACCEPTOR_LEAVE);
}

bool
acceptor_expects(const struct acceptor *acceptor)
{
	return acceptor != NULL && (!atomic_load(&acceptor->left) ||
				       atomic_load(&acceptor->count) > 0);
}

void
acceptor_stop(struct acceptor *acceptor)
{
	if (acceptor == NULL)
		return;
	acceptor_wish(acceptor, ACCEPTOR_STOP);
	CHECK(pthread_join(acceptor->thread, NULL) == 0);
	while (acceptor->last != NULL)
		pending_close(acceptor, acceptor->last);
	(void)close(acceptor->wake_fd);
	(void)close(acceptor->epoll_fd);
	free(acceptor);
}
