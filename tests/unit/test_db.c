/* The row helper: what is bound comes back, failures have their codes, and a
 * closed file fails every call. And the file: nothing of what was deleted is
 * left in it. */

#include "queue/sqlite/db.h"

#include "queue/sqlite/copy.h"
#include "queue_help.h"

#include <fcntl.h>
#include <sys/stat.h>

struct world {
	char *dir, path[256];
	struct db db;
};

static int
setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct err err;

	assert_non_null(world);
	world->dir = state_dir();
	(void)snprintf(
	    world->path, sizeof(world->path), "%s/queue.db", world->dir);
	assert_true(db_create(world->path, &err));
	assert_true(db_open(&world->db, world->path, &err));
	assert_true(db_run(&world->db, &err,
	    "CREATE TABLE mixed(id INTEGER PRIMARY KEY, attempts, at_ms,"
	    " reason TEXT, status, answer BLOB, sent BLOB, data NOT NULL)",
	    ""));
	*state = world;
	return 0;
}

static int
teardown(void **state)
{
	struct world *world = *state;

	db_close(&world->db);
	state_dir_remove(world->dir);
	free(world);
	return 0;
}

static bool
row_put(struct world *world, int64_t id, struct str data, struct err *reterr)
{
	return db_run(&world->db, reterr,
	    "INSERT INTO mixed VALUES(?1, ?2, 6, ?3, ?4, ?5, NULL, ?6)",
	    "idtdsB", id, 7u, "because", true, str_bytes("no\0t", 4), data);
}

static void
test_what_is_bound_comes_back(void **state)
{
	struct world *world = *state;
	struct str answer, sent, data;
	const char *reason, *null;
	struct db_rows rows;
	int attempts, status;
	int64_t id;
	struct err err;

	assert_true(row_put(world, INT64_MAX, str_bytes("a\0b", 3), &err));
	rows = db_select(&world->db, &err,
	    "SELECT id, attempts, reason, status, answer, sent, data, NULL"
	    " FROM mixed WHERE at_ms=?1",
	    "i", INT64_C(6));
	assert_true(db_next(&rows, &err, "idtdsbbt", &id, &attempts, &reason,
	    &status, &answer, &sent, &data, &null));
	assert_true(id == INT64_MAX);
	assert_int_equal(attempts, 7);
	assert_string_equal(reason, "because");
	assert_int_equal(status, 1);
	assert_true(str_equal(answer, str_bytes("no\0t", 4)));
	assert_null(sent.data);
	assert_int_equal(sent.len, 0);
	assert_true(str_equal(data, str_bytes("a\0b", 3)));
	assert_string_equal(null, "");
	assert_false(db_next(&rows, &err, "idtdsbbt", &id, &attempts, &reason,
	    &status, &answer, &sent, &data, &null));
	assert_true(db_end(&rows));
}

static void
test_get_keeps_what_there_was(void **state)
{
	struct world *world = *state;
	int64_t id = -1, count = -1;
	struct err err;

	assert_true(db_run(&world->db, &err, "SELECT id FROM mixed WHERE id=?1",
	    "i>i", INT64_C(1), &id));
	assert_int_equal(id, -1);
	assert_true(db_run(
	    &world->db, &err, "SELECT count(*) FROM mixed", ">i", &count));
	assert_int_equal(count, 0);
}

/* A walk may end early and begin again, and write to what it walks over. */
static void
test_rows_may_end_early(void **state)
{
	struct world *world = *state;
	struct db_rows rows;
	int64_t id, seen = 0;
	struct err err;

	for (id = 1; id <= 10; id++)
		assert_true(row_put(world, id, str_bytes("x", 1), &err));
	for (int round = 0; round < 2; round++) {
		rows = db_select(
		    &world->db, &err, "SELECT id FROM mixed ORDER BY id", "");
		while (db_next(&rows, &err, "i", &id) && id % 5 != 0) {
			seen++;
			assert_true(db_run(&world->db, &err,
			    "DELETE FROM mixed WHERE id=?1", "i", id));
		}
		assert_true(db_end(&rows));
	}
	assert_int_equal(seen, 4); /* the fifth stays */
}

static void
test_failures_have_their_codes(void **state)
{
	struct world *world = *state;
	struct str null = {NULL, 0};
	struct db_rows rows;
	int64_t id;
	struct err err;

	/* as a value that is too large for SQLite */
	assert_false(row_put(world, 1, null, &err));
	assert_int_equal(err.code, ERR_LIMIT);
	assert_false(
	    db_run(&world->db, &err, "INSERT INTO nowhere VALUES(1)", ""));
	assert_int_equal(err.code, ERR_DAMAGED);
	assert_non_null(strstr(err.text, "nowhere"));
	rows = db_select(&world->db, &err, "SELECT id FROM nowhere", "");
	assert_false(db_next(&rows, &err, "i", &id));
	assert_false(db_end(&rows));
	assert_true(row_put(world, 1, str_bytes("x", 1), &err));
}

static void
test_transactions(void **state)
{
	struct world *world = *state;
	int64_t count = 0;
	struct err err;

	assert_true(db_begin(&world->db, &err));
	assert_true(row_put(world, 1, str_bytes("x", 1), &err));
	assert_true(db_rollback(&world->db));
	assert_true(db_rollback(&world->db)); /* there is none any more */
	assert_true(db_begin(&world->db, &err));
	assert_true(row_put(world, 2, str_bytes("x", 1), &err));
	assert_true(db_commit(&world->db, &err));
	assert_true(db_run(
	    &world->db, &err, "SELECT sum(id) FROM mixed", ">i", &count));
	assert_int_equal(count, 2);
}

static void
test_a_closed_file_fails(void **state)
{
	struct world *world = *state;
	int64_t live, file;
	struct db_rows rows;
	struct err err;

	assert_true(row_put(world, 1, str_bytes("x", 1), &err));
	db_close(&world->db);
	assert_false(db_is_open(&world->db));
	assert_false(db_begin(&world->db, &err));
	assert_int_equal(err.code, ERR_IO);
	assert_false(row_put(world, 2, str_bytes("x", 1), &err));
	assert_false(db_sizes(&world->db, &live, &file, &err));
	assert_false(db_checkpoint(&world->db, true, &err));
	assert_false(db_shrink(&world->db, 1, INT64_MAX, &err));
	rows = db_select(&world->db, &err, "SELECT id FROM mixed", "");
	assert_false(db_end(&rows));
	/* the log is recovered */
	assert_true(db_open(&world->db, world->path, &err));
	assert_true(db_checkpoint(&world->db, true, &err));
	assert_true(db_run(
	    &world->db, &err, "SELECT count(*) FROM mixed", ">i", &live));
	assert_int_equal(live, 1);
}

/* Is a text in the file, or in its log? */
static bool
traced(const struct world *world, const char *suffix, const char *text)
{
	char path[300], *bytes;
	struct stat info;
	bool found;
	int fd;

	(void)snprintf(path, sizeof(path), "%s%s", world->path, suffix);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &info) == 0);
	bytes = malloc((size_t)info.st_size + 1);
	assert_non_null(bytes);
	assert_int_equal(read(fd, bytes, (size_t)info.st_size), info.st_size);
	assert_int_equal(close(fd), 0);
	found = memmem(bytes, (size_t)info.st_size, text, strlen(text)) != NULL;
	free(bytes);
	return found;
}

enum {
	ROWS = 50021,
	ROWS_CACHED = 5003 /* prime numbers */,
	ROW = 400,
	LARGE = 30000
};

/* Short rows and some long ones, which come in no order, so that pages are
 * split; a third of them will go. More than one page of the file is a pointer
 * map. */
static void
rows_put(struct world *world, int64_t rows)
{
	static char data[LARGE];
	struct err err;

	assert_true(db_begin(&world->db, &err));
	for (int64_t n = 1; n < rows; n++) {
		int64_t id = n * 7919 % rows;
		const char *word = id % 3 == 0 ? "goes" : "stay";

		for (size_t i = 0; i < sizeof(data); i += 4)
			memcpy(data + i, word, 4);
		assert_true(row_put(world, id,
		    str_bytes(
			data, n % 500 == 0 ? LARGE : (size_t)(id % ROW) + 4),
		    &err));
	}
	assert_true(db_commit(&world->db, &err));
	assert_true(db_checkpoint(&world->db, false, &err));
}

static void
check_whole(struct world *world)
{
	struct db_rows rows;
	const char *text;
	struct err err;

	rows = db_select(&world->db, &err, "PRAGMA integrity_check", "");
	assert_true(db_next(&rows, &err, "t", &text));
	assert_string_equal(text, "ok");
	assert_true(db_end(&rows));
}

static void
test_what_is_deleted_is_gone(void **state)
{
	struct world *world = *state;
	int64_t live, before, after;
	struct err err;

	rows_put(world, ROWS);
	assert_true(traced(world, "", "goes"));
	assert_true(
	    db_run(&world->db, &err, "DELETE FROM mixed WHERE id%3=0", ""));
	assert_true(traced(world, "-wal", "goes"));
	assert_true(db_checkpoint(&world->db, true, &err));
	assert_false(traced(world, "", "goes"));
	assert_true(traced(world, "", "stay"));
	check_whole(world);

	/* a part of the pages, then all of them */
	assert_true(db_sizes(&world->db, &live, &before, &err));
	assert_true(before > live);
	assert_true(db_begin(&world->db, &err));
	assert_true(db_shrink(&world->db, 10, INT64_MAX, &err));
	assert_true(db_sizes(&world->db, &live, &after, &err));
	assert_true(after < before && after > live);
	assert_true(db_shrink(&world->db, INT64_MAX, INT64_MAX, &err));
	assert_true(db_sizes(&world->db, &live, &after, &err));
	assert_int_equal(after, live);
	assert_true(db_commit(&world->db, &err));
	assert_true(db_checkpoint(&world->db, true, &err));
	assert_false(traced(world, "", "goes"));
	check_whole(world);

	/* nor is it written again */
	assert_true(db_run(&world->db, &err,
	    "UPDATE mixed SET attempts=attempts+1 WHERE id%7=1", ""));
	assert_false(traced(world, "-wal", "goes"));
	assert_true(traced(world, "-wal", "stay"));
}

/* Pages that are in memory have what was deleted where the file has zeroes, and
 * are written to the log as they are. */
static void
test_what_is_deleted_is_not_written_again(void **state)
{
	struct world *world = *state;
	struct err err;

	rows_put(world, ROWS_CACHED);
	assert_true(
	    db_run(&world->db, &err, "DELETE FROM mixed WHERE id%3=0", ""));
	assert_true(db_checkpoint(&world->db, true, &err));
	assert_true(db_run(
	    &world->db, &err, "UPDATE mixed SET attempts=attempts+1", ""));
	assert_false(traced(world, "-wal", "goes"));
	assert_true(traced(world, "-wal", "stay"));
}

/* The log is cut in place: memory has it, up to a limit, and a checkpoint moves
 * it all the same. */
static void
test_a_cut_log_is_copied(void **state)
{
	struct world *world = *state;
	static char data[COPY_MAX];
	int64_t count = 0;
	char path[300];
	struct err err;

	(void)snprintf(path, sizeof(path), "%s-wal", world->path);
	assert_true(db_checkpoint(&world->db, true, &err));
	for (int64_t id = 1; id < 200; id++)
		assert_true(row_put(world, id, str_bytes(data, 3000), &err));
	assert_true(db_log_whole(&world->db));
	assert_int_equal(truncate(path, 0), 0);
	assert_false(db_log_whole(&world->db));
	/* the next write makes it long again */
	assert_true(row_put(world, 200, str_bytes(data, 3000), &err));
	assert_false(db_log_whole(&world->db));
	assert_true(db_log_copied(&world->db));
	assert_true(db_checkpoint(&world->db, true, &err));
	assert_true(db_log_whole(&world->db));
	db_close(&world->db);
	assert_true(db_open(&world->db, world->path, &err));
	assert_true(db_run(
	    &world->db, &err, "SELECT count(*) FROM mixed", ">i", &count));
	assert_int_equal(count, 200);
	check_whole(world);

	assert_true(row_put(world, 201, str_bytes(data, sizeof(data)), &err));
	assert_int_equal(truncate(path, 0), 0);
	assert_false(db_log_whole(&world->db));
	assert_false(db_log_copied(&world->db));
}

#define TEST_DB(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST_DB(test_what_is_bound_comes_back),
	    TEST_DB(test_get_keeps_what_there_was),
	    TEST_DB(test_rows_may_end_early),
	    TEST_DB(test_failures_have_their_codes),
	    TEST_DB(test_what_is_deleted_is_gone),
	    TEST_DB(test_what_is_deleted_is_not_written_again),
	    TEST_DB(test_a_cut_log_is_copied),
	    TEST_DB(test_transactions),
	    TEST_DB(test_a_closed_file_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
