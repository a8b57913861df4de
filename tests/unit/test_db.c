/* The row helper: what is bound comes back, failures have their codes, and a
 * closed file fails every call. */

#include "queue/sqlite/db.h"

#include "queue_help.h"

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
	assert_int_equal(err.code, ERR_IO);
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
	assert_false(db_vacuum(&world->db, &err));
	rows = db_select(&world->db, &err, "SELECT id FROM mixed", "");
	assert_false(db_end(&rows));
	/* the log is recovered */
	assert_true(db_open(&world->db, world->path, &err));
	assert_true(db_checkpoint(&world->db, true, &err));
	assert_true(db_run(
	    &world->db, &err, "SELECT count(*) FROM mixed", ">i", &live));
	assert_int_equal(live, 1);
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
	    TEST_DB(test_transactions),
	    TEST_DB(test_a_closed_file_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
