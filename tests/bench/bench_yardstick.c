/*
 * What the daemon is measured against, on the same machine and the same
 * bodies. Prints one JSON object.
 *
 *	json SAMPLES SECONDS	parse with jansson, one core
 *	http			accept and discard, bare libmicrohttpd, until
 *				standard input ends; prints its port first
 *	rows SAMPLES DIR SECONDS
 *				insert rows into SQLite, a transaction each
 *				3,200 events
 *	fsync DIR SECONDS	write 16 KiB and sync them, over and over
 */

#include "tests/bench/bench_bodies.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <microhttpd.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ROWS_TRANSACTION = 3200,
	SYNC_BYTES = 16 * 1024,
	SYNC_FILE = 256, /* blocks that are written in turn, as a log is */
};

/* ---- json ---- */

static void
yardstick_json(const char *samples, double seconds)
{
	double start, took;
	size_t count, events = 0, bytes = 0;
	struct body *bodies = bodies_read(samples, &count);

	start = bench_processor_time();
	do {
		for (size_t i = 0; i < count; i++) {
			json_error_t error;
			json_t *root = json_loadb(
			    bodies[i].data, bodies[i].len, 0, &error);

			if (root == NULL)
				bench_die("jansson: %s", error.text);
			json_decref(root);
			events += bodies[i].count;
			bytes += bodies[i].len;
		}
		took = bench_processor_time() - start;
	} while (took < seconds);
	printf("{\"rate\":%.0f,\"event_bytes\":%.0f,\"body_bytes\":%.0f}\n",
	    (double)events / took, (double)bytes / (double)events,
	    (double)bytes / (double)events * BODY_EVENTS);
	bodies_free(bodies, count);
}

/* ---- http ---- */

static enum MHD_Result
http_answer(void *cls, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data, size_t *size,
    void **request)
{
	static int seen;
	struct MHD_Response *response;
	enum MHD_Result result;

	(void)cls;
	(void)url;
	(void)method;
	(void)version;
	(void)data;
	if (*request == NULL || *size > 0) {
		*request = &seen;
		*size = 0;
		return MHD_YES;
	}
	response =
	    MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

static void
yardstick_http(void)
{
	const union MHD_DaemonInfo *info;
	struct MHD_Daemon *daemon;

	daemon =
	    MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD |
				 MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
		0, NULL, NULL, http_answer, NULL, MHD_OPTION_THREAD_POOL_SIZE,
		2, MHD_OPTION_CONNECTION_LIMIT, 1024, MHD_OPTION_END);
	if (daemon == NULL)
		bench_die("libmicrohttpd does not start");
	info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
	printf("{\"port\":%d}\n", (int)info->port);
	(void)fflush(stdout);
	while (getchar() != EOF)
		continue;
	MHD_stop_daemon(daemon);
}

/* ---- rows ---- */

static void
rows_exec(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		bench_die("sqlite: %s", sqlite3_errmsg(db));
}

static void
rows_body(sqlite3 *db, sqlite3_stmt *insert, const struct body *body)
{
	for (size_t i = 0; i < body->count; i++) {
		sqlite3_bind_text(insert, 1, body->data + body->events[i].at,
		    (int)body->events[i].len, SQLITE_STATIC);
		if (sqlite3_step(insert) != SQLITE_DONE ||
		    sqlite3_reset(insert) != SQLITE_OK)
			bench_die("sqlite: %s", sqlite3_errmsg(db));
	}
}

static void
yardstick_rows(const char *samples, const char *dir, double seconds)
{
	size_t count, events = 0, open = 0, n = 0;
	struct body *bodies = bodies_read(samples, &count);
	sqlite3_stmt *insert;
	double start, took;
	char path[4096];
	sqlite3 *db;

	(void)snprintf(path, sizeof(path), "%s/rows.db", dir);
	if (sqlite3_open(path, &db) != SQLITE_OK)
		bench_die("%s: %s", path, sqlite3_errmsg(db));
	rows_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
		      "CREATE TABLE event(id INTEGER PRIMARY KEY, data TEXT);");
	if (sqlite3_prepare_v2(db, "INSERT INTO event(data) VALUES(?1)", -1,
		&insert, NULL) != SQLITE_OK)
		bench_die("sqlite: %s", sqlite3_errmsg(db));
	start = bench_now();
	do {
		if (open == 0)
			rows_exec(db, "BEGIN");
		rows_body(db, insert, &bodies[n]);
		open += bodies[n].count;
		n = (n + 1) % count;
		if (open >= ROWS_TRANSACTION) {
			rows_exec(db, "COMMIT");
			events += open;
			open = 0;
		}
		took = bench_now() - start;
	} while (took < seconds || open > 0);
	printf("{\"rate\":%.0f}\n", (double)events / took);
	sqlite3_finalize(insert);
	sqlite3_close(db);
	bodies_free(bodies, count);
}

/* ---- fsync ---- */

static void
yardstick_fsync(const char *dir, double seconds)
{
	static char block[SYNC_BYTES];
	double *times = NULL, start = bench_now(), before;
	size_t count = 0, max = 0;
	char path[4096];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/fsync", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || posix_fallocate(fd, 0, SYNC_BYTES * SYNC_FILE) != 0)
		bench_die("%s: %s", path, strerror(errno));
	do {
		if (count == max) {
			max = max * 2 + 1024;
			times = bench_grow(times, max * sizeof(*times));
		}
		memset(block, (int)count, sizeof(block));
		before = bench_now();
		if (pwrite(fd, block, SYNC_BYTES,
			(off_t)(count % SYNC_FILE) * SYNC_BYTES) !=
			SYNC_BYTES ||
		    fsync(fd) != 0)
			bench_die("%s: %s", path, strerror(errno));
		times[count++] = (bench_now() - before) * 1e3;
	} while (bench_now() - start < seconds);
	(void)close(fd);
	printf("{\"count\":%zu,\"p50_ms\":%.3f,", count,
	    bench_percentile(times, count, 50));
	printf("\"p99_ms\":%.3f}\n", bench_percentile(times, count, 99));
	free(times);
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "json") == 0 && argc == 4)
		yardstick_json(argv[2], atof(argv[3]));
	else if (strcmp(what, "http") == 0 && argc == 2)
		yardstick_http();
	else if (strcmp(what, "rows") == 0 && argc == 5)
		yardstick_rows(argv[2], argv[3], atof(argv[4]));
	else if (strcmp(what, "fsync") == 0 && argc == 4)
		yardstick_fsync(argv[2], atof(argv[3]));
	else
		bench_die("Usage: bench_yardstick json SAMPLES SECONDS | http |"
			  " rows SAMPLES DIR SECONDS | fsync DIR SECONDS");
	return 0;
}
