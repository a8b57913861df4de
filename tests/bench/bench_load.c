/*
 * Posts sample events as fast as they are answered, or at a fixed rate, and
 * says how long the answers took. It costs little beside what it measures:
 * one thread, bodies made beforehand, ids written over in place.
 *
 * At a fixed rate a request is timed from when it was due, not from when it
 * could be sent: otherwise a server that stalls would be asked less, and
 * look quick.
 *
 * SIGTERM ends it like the end of its time.
 */

#include "tests/bench/bench_bodies.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MAX = 4096, EPOLL_BATCH = 64, SOCKET_BUFFER = 1 << 20 };

struct connection {
	int fd;
	struct body *body; /* that is on its way; NULL: idle */
	size_t sent;
	double due; /* when it should have been sent */
	char answer[ANSWER_MAX];
	size_t answer_len;
	struct connection *next_idle;
};

struct load {
	/* from the command line */
	int port;
	const char *token, *path;
	size_t connections;
	double seconds, rate; /* events a second; 0: as they are answered */
	size_t events;	      /* to send; 0: no end but the seconds' */

	struct body *bodies;
	size_t body_count, body_next;
	bool *busy; /* the body is on its way */
	uint64_t next_id;
	int epoll;
	struct connection *idle;

	double started, ended, next_due;
	size_t begun_events, open;
	size_t answered, answered_events, refused;
	double *latencies; /* milliseconds */
	size_t latency_max;
};

static void
load_prepare_bodies(struct load *load)
{
	load->bodies = bodies_read(load->path, &load->body_count);
	if (load->connections >= load->body_count)
		bench_die("at most %zu connections", load->body_count - 1);
	load->busy = calloc(load->body_count, sizeof(*load->busy));
	if (load->busy == NULL)
		bench_die("no memory");
	for (size_t i = 0; i < load->body_count; i++) {
		char head[512];
		int len = snprintf(head, sizeof(head),
		    "POST /currents HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
		    "Authorization: Bearer %s\r\nBraze-Currents-Version: 1\r\n"
		    "Content-Type: application/json\r\n"
		    "Content-Length: %zu\r\n\r\n",
		    load->port, load->token, load->bodies[i].len);

		if (len < 0 || (size_t)len >= sizeof(head))
			bench_die("the token is too long");
		body_prepend(&load->bodies[i], head, (size_t)len);
	}
}

static void
load_connect(struct load *load)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)load->port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct connection *connection = calloc(1, sizeof(*connection));
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1, size = SOCKET_BUFFER;

	if (connection == NULL || fd < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		bench_die("port %d: %s", load->port, strerror(errno));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	event.data.ptr = connection;
	if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		bench_die("epoll: %s", strerror(errno));
	connection->fd = fd;
	connection->next_idle = load->idle;
	load->idle = connection;
}

static void
connection_send(struct connection *connection)
{
	const struct body *body = connection->body;

	while (body != NULL && connection->sent < body->len) {
		ssize_t n = send(connection->fd, body->data + connection->sent,
		    body->len - connection->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			bench_die("send: %s", strerror(errno));
		connection->sent += (size_t)n;
	}
}

/* The bodies take turns; one that is on its way may not be written over. */
static void
load_begin(struct load *load, double due)
{
	struct connection *connection = load->idle;

	while (load->busy[load->body_next])
		load->body_next = (load->body_next + 1) % load->body_count;
	load->idle = connection->next_idle;
	load->busy[load->body_next] = true;
	connection->body = &load->bodies[load->body_next];
	load->body_next = (load->body_next + 1) % load->body_count;
	body_freshen(connection->body, &load->next_id);
	connection->sent = connection->answer_len = 0;
	connection->due = due;
	load->begun_events += connection->body->count;
	load->open++;
	connection_send(connection);
}

static void
load_note(struct load *load, double latency_ms)
{
	if (load->answered == load->latency_max) {
		load->latency_max = load->latency_max * 2 + 1024;
		load->latencies = bench_grow(load->latencies,
		    load->latency_max * sizeof(*load->latencies));
	}
	load->latencies[load->answered++] = latency_ms;
}

/* Is the answer complete? Its status then, else 0. */
static int
connection_answered(struct connection *connection)
{
	static const char length_key[] = "Content-Length: ";
	char *end, *length;

	connection->answer[connection->answer_len] = '\0';
	end = strstr(connection->answer, "\r\n\r\n");
	length = strstr(connection->answer, length_key);
	if (end == NULL || length == NULL || length > end)
		return 0;
	if (connection->answer_len <
	    (size_t)(end + 4 - connection->answer) +
		strtoul(length + strlen(length_key), NULL, 10))
		return 0;
	return atoi(connection->answer + strlen("HTTP/1.1 "));
}

static void
load_receive(struct load *load, struct connection *connection)
{
	int status = 0;
	ssize_t n;

	while (status == 0) {
		n = recv(connection->fd,
		    connection->answer + connection->answer_len,
		    ANSWER_MAX - 1 - connection->answer_len, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			bench_die("the connection was closed: %s",
			    n < 0 ? strerror(errno) : connection->answer);
		connection->answer_len += (size_t)n;
		status = connection_answered(connection);
	}
	load->ended = bench_now();
	load_note(load, (load->ended - connection->due) * 1e3);
	if (status == 200)
		load->answered_events += connection->body->count;
	else
		load->refused++;
	load->busy[connection->body - load->bodies] = false;
	load->open--;
	connection->body = NULL;
	connection->next_idle = load->idle;
	load->idle = connection;
}

static volatile sig_atomic_t load_stopped;

static void
load_stop(int signal)
{
	(void)signal;
	load_stopped = 1;
}

static bool
load_is_over(const struct load *load)
{
	return load_stopped ||
	       (load->events > 0 && load->begun_events >= load->events) ||
	       (load->seconds > 0 &&
		   bench_now() - load->started >= load->seconds);
}

/* Begin what is due; how long to wait for the next, or -1. */
static double
load_begin_due(struct load *load)
{
	double now = bench_now(), interval = BODY_EVENTS / load->rate;

	if (load->rate <= 0) {
		while (load->idle != NULL)
			load_begin(load, bench_now());
		return -1;
	}
	while (load->idle != NULL && load->next_due <= now) {
		load_begin(load, load->next_due);
		load->next_due += interval;
	}
	return load->idle != NULL ? load->next_due - now : -1;
}

static void
load_wait(struct load *load, double seconds)
{
	struct timespec timeout = {.tv_sec = (time_t)seconds};
	struct epoll_event events[EPOLL_BATCH];
	int count;

	timeout.tv_nsec = (long)((seconds - (double)timeout.tv_sec) * 1e9);
	count = epoll_pwait2(load->epoll, events, EPOLL_BATCH,
	    seconds >= 0 ? &timeout : NULL, NULL);
	for (int i = 0; i < count; i++) {
		struct connection *connection = events[i].data.ptr;

		connection_send(connection);
		if (connection->body != NULL)
			load_receive(load, connection);
	}
}

static void
load_run(struct load *load)
{
	struct timespec wall;

	/* Ids grow with time faster than they are used, so that no two runs
	 * share one. */
	clock_gettime(CLOCK_REALTIME, &wall);
	load->next_id =
	    (uint64_t)wall.tv_sec * 1000000 + (uint64_t)wall.tv_nsec / 1000;
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < load->connections; i++)
		load_connect(load);
	load->started = load->next_due = bench_now();
	while (!load_is_over(load))
		load_wait(load, load_begin_due(load));
	while (load->open > 0)
		load_wait(load, -1);
}

static void
load_show(struct load *load)
{
	double seconds = load->ended - load->started;

	printf("{\"events\":%zu,\"requests\":%zu,\"refused\":%zu,"
	       "\"seconds\":%.3f,\"rate\":%.0f,\"requests_rate\":%.1f",
	    load->answered_events, load->answered, load->refused, seconds,
	    (double)load->answered_events / seconds,
	    (double)load->answered / seconds);
	for (int i = 0; i < 3; i++)
		printf(",\"p%d_ms\":%.3f", (int[]){50, 99, 100}[i],
		    bench_percentile(load->latencies, load->answered,
			(double[]){50, 99, 100}[i]));
	printf("}\n");
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"port", required_argument, NULL, 'p'},
	    {"token", required_argument, NULL, 't'},
	    {"connections", required_argument, NULL, 'c'},
	    {"seconds", required_argument, NULL, 's'},
	    {"events", required_argument, NULL, 'e'},
	    {"rate", required_argument, NULL, 'r'},
	    {NULL, 0, NULL, 0},
	};
	struct load load = {.connections = 32, .token = "none"};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			load.port = atoi(optarg);
			break;
		case 't':
			load.token = optarg;
			break;
		case 'c':
			load.connections = (size_t)atol(optarg);
			break;
		case 's':
			load.seconds = atof(optarg);
			break;
		case 'e':
			load.events = (size_t)atol(optarg);
			break;
		case 'r':
			load.rate = atof(optarg);
			break;
		default:
			return 2;
		}
	}
	if (optind + 1 != argc || load.port == 0)
		bench_die("Usage: bench_load --port P [--token T]"
			  " [--connections N] [--seconds S] [--events N]"
			  " [--rate EVENTS] SAMPLES");
	load.path = argv[optind];
	(void)signal(SIGTERM, load_stop);
	load_prepare_bodies(&load);
	load_run(&load);
	load_show(&load);
	return 0;
}
