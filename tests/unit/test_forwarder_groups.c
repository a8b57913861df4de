/*
 * Groups over HTTP: announcements go to their own address, by the forwarder's
 * thread and when one change is sent past the queue.
 */

#include "sender_world.h"
#include "tests/unit/histogram_help.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SITE_REQUESTS = 8, SITE_BYTES = 4096 };

/* A server that answers each request with a status, and closes. */
static struct site {
	/* Set before the thread starts. */
	int listener;
	char url[64], announce_url[64];
	unsigned statuses[SITE_REQUESTS]; /* of each; 0: 200 */
	pthread_t thread;

	/* Guarded by the lock. */
	pthread_mutex_t lock;
	pthread_cond_t came;
	char requests[SITE_REQUESTS][SITE_BYTES]; /* "PATH BODY" */
	size_t count;
} site;

/* Read a whole request; its path and body. False: the end. */
static bool
site_read(int fd, char path[64], char **ret_body, char bytes[SITE_BYTES])
{
	size_t len = 0, length;
	const char *field;
	char *head_end;
	ssize_t n;

	for (;;) {
		n = read(fd, bytes + len, SITE_BYTES - 1 - len);
		if (n <= 0)
			return false;
		len += (size_t)n;
		bytes[len] = '\0';
		head_end = strstr(bytes, "\r\n\r\n");
		if (head_end == NULL)
			continue;
		field = strcasestr(bytes, "Content-Length: ");
		length = field == NULL ? 0 : strtoul(field + 16, NULL, 10);
		*ret_body = head_end + 4;
		if (len >= (size_t)(*ret_body - bytes) + length)
			break;
	}
	return sscanf(bytes, "POST %63s", path) == 1;
}

static void *
site_run(void *arg)
{
	char bytes[SITE_BYTES], path[64], answer[128], *body;
	unsigned status;
	int fd, len;

	(void)arg;
	while ((fd = accept(site.listener, NULL, NULL)) >= 0) {
		if (site_read(fd, path, &body, bytes)) {
			pthread_mutex_lock(&site.lock);
			status = site.statuses[site.count];
			(void)snprintf(site.requests[site.count++], SITE_BYTES,
			    "%.63s %.4000s", path, body);
			pthread_cond_signal(&site.came);
			pthread_mutex_unlock(&site.lock);
			len = snprintf(answer, sizeof(answer),
			    "HTTP/1.1 %u It\r\nContent-Length: 2\r\n"
			    "Connection: close\r\n\r\n{}",
			    status != 0 ? status : 200);
			if (write(fd, answer, (size_t)len) != len)
				abort();
		}
		(void)close(fd);
	}
	return NULL;
}

static void
site_start(void)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);

	memset(&site, 0, sizeof(site));
	pthread_mutex_init(&site.lock, NULL);
	pthread_cond_init(&site.came, NULL);
	site.listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_return_code(site.listener, 0);
	assert_int_equal(
	    bind(site.listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(site.listener, 8), 0);
	assert_int_equal(
	    getsockname(site.listener, (struct sockaddr *)&address, &len), 0);
	(void)snprintf(site.url, sizeof(site.url), "http://127.0.0.1:%u/items",
	    ntohs(address.sin_port));
	(void)snprintf(site.announce_url, sizeof(site.announce_url),
	    "http://127.0.0.1:%u/announce", ntohs(address.sin_port));
	assert_int_equal(pthread_create(&site.thread, NULL, site_run, NULL), 0);
	world->url = site.url;
	world->announce_url = site.announce_url;
}

static void
site_stop(void)
{
	(void)shutdown(site.listener, SHUT_RDWR);
	assert_int_equal(pthread_join(site.thread, NULL), 0);
	(void)close(site.listener);
	pthread_cond_destroy(&site.came);
	pthread_mutex_destroy(&site.lock);
}

static void
site_wait(size_t count)
{
	pthread_mutex_lock(&site.lock);
	while (site.count < count)
		pthread_cond_wait(&site.came, &site.lock);
	pthread_mutex_unlock(&site.lock);
}

/* A forwarder that has posted three changes of a group. */
static struct forwarder *
delivered_start(void)
{
	struct forwarder *forwarder;
	struct err err;

	world_start(3);
	world_sets(1, true);
	site_start();
	for (size_t i = 0; i < 3; i++)
		world->events[i].accepted = true; /* it will be */
	assert_true(
	    forwarder_start(&world->settings, 1, 1, NULL, &forwarder, &err));
	site_wait(2);
	return forwarder;
}

static void
test_forwarder(void **state)
{
	struct forwarder *forwarder;

	(void)state;
	forwarder = delivered_start();
	forwarder_stop(forwarder, 10000);
	site_stop();
	assert_string_equal(site.requests[0], "/announce name0-0=name0");
	assert_string_equal(site.requests[1], "/items name0-01:[0,1,2]");
	assert_int_equal(site.count, 2);
	assert_int_equal(world->done, 3);
	assert_string_equal(world->groups[0].announced, "name0");
	world_end();
}

/* A status outlives the destination, and what it lends goes on when one of
 * that name is added. */
static void
test_ended(void **state)
{
	struct forwarder_destination_status status;
	struct forwarder *forwarder;
	struct err err;

	(void)state;
	forwarder = delivered_start();
	forwarder_destination_status(forwarder, world->settings.name, &status);
	forwarder_destination_end(forwarder, world->settings.name);
	forwarder_settle(forwarder, 10000);
	assert_int_equal(histogram_count(status.times), 2);
	assert_int_equal(histogram_count(status.delays), 3);
	assert_true(
	    forwarder_destination_add(forwarder, &world->settings, &err));
	forwarder_destination_status(forwarder, world->settings.name, &status);
	assert_int_equal(histogram_count(status.times), 2);
	forwarder_stop(forwarder, 10000);
	site_stop();
	world_end();
}

/* Send one change past the queue. */
static bool
once(const char *id, bool grouped, unsigned announced, unsigned accepted,
    struct forwarder_once *ret_once)
{
	struct outlet_group group = {str_text(id), str_text("name0"), {0}};
	struct item item = {.data = str_text(world->events[0].text)};
	struct err err;
	bool ok;

	site_start();
	site.statuses[0] = announced;
	site.statuses[1] = accepted;
	(void)snprintf(
	    world->groups[0].label, sizeof(world->groups[0].label), "name0-0");
	ok = forwarder_send_once(
	    &world->settings, grouped ? &group : NULL, &item, ret_once, &err);
	if (!ok)
		assert_int_equal(err.code, ERR_INPUT);
	site_stop();
	return ok;
}

static void
test_once(void **state)
{
	struct forwarder_once sent;

	(void)state;
	world_start(1);
	world_sets(1, true);
	assert_true(once("0", true, 201, 201, &sent));
	assert_true(sent.accepted && !sent.announcing);
	assert_int_equal(sent.status, 201);
	assert_string_equal(site.requests[0], "/announce name0-0=name0");
	assert_string_equal(site.requests[1], "/items name0-01:[0]");
	assert_int_equal(site.count, 2);
	assert_true(str_equal_text(
	    str_bytes(sent.body.data, sent.body.len), "name0-01:[0]"));
	buf_fini(&sent.body);

	assert_true(once("0", true, 200, 422, &sent));
	assert_true(!sent.accepted && !sent.announcing);
	assert_int_equal(sent.status, 422);
	buf_fini(&sent.body);

	assert_true(once("0", true, 401, 0, &sent));
	assert_true(!sent.accepted && sent.announcing);
	assert_int_equal(sent.status, 401);
	assert_int_equal(site.count, 1);
	buf_fini(&sent.body);

	assert_false(once("?", true, 0, 0, &sent));
	assert_int_equal(site.count, 0);
	buf_fini(&sent.body);
	world_end();
}

static void
test_once_without_a_group(void **state)
{
	struct forwarder_once sent;

	(void)state;
	world_start(1);
	assert_true(once("0", false, 200, 0, &sent));
	assert_true(sent.accepted && !sent.announcing);
	assert_int_equal(site.count, 1);
	assert_string_equal(site.requests[0], "/items 1:[0]");
	buf_fini(&sent.body);
	world_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_forwarder),
	    cmocka_unit_test(test_ended),
	    cmocka_unit_test(test_once),
	    cmocka_unit_test(test_once_without_a_group),
	};

	log_set_level(LOG_ERROR + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
