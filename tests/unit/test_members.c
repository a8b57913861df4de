/*
 * Groups, syncs, members and pages, as the engines store them.
 */

#include "queue_help.h"

#include "queue/sqlite/db.h"
#include "queue/sqlite/sqlite.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>

enum { ROWS_MAX = 10000, STEPS_MAX = 10000, CHANGES_MAX = 250, SHOWN = 64 };

struct fixture {
	char *dir;
	struct queue_settings settings;
	const struct engine *engine;
	struct store *store;
};

static void
open_store(struct fixture *fixture)
{
	struct err err;

	if (!fixture->engine->open(&fixture->settings, &fixture->store, &err))
		fail_msg("open: %s", err.text);
}

static void
reopen(struct fixture *fixture)
{
	fixture->engine->close(fixture->store);
	open_store(fixture);
}

/* Make these changes; or fail with the code of an error. */
static void
apply_all(struct fixture *fixture, struct engine_change *changes, size_t count,
    enum err_code code)
{
	struct engine_apply apply = {.changes = changes, .count = count};
	struct err err = {.code = ERR_NONE};

	if (fixture->engine->apply(fixture->store, &apply, &err) !=
		(code == ERR_NONE) ||
	    err.code != code)
		fail_msg("apply: %d: %s", err.code, err.text);
}

static int64_t
apply(struct fixture *fixture, struct engine_change change)
{
	apply_all(fixture, &change, 1, ERR_NONE);
	return change.number;
}

static void
put_destination(struct fixture *fixture, const char *name)
{
	(void)apply(
	    fixture, (struct engine_change){.op = ENGINE_DESTINATION_PUT,
			 .row.destination = {.name = str_text(name)}});
}

static int
setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->dir = state_dir();
	fixture->settings = queue_test_settings(fixture->dir);
	fixture->engine = on_memory() ? &memory_engine : &sqlite_engine;
	open_store(fixture);
	put_destination(fixture, "heap");
	*state = fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;

	fixture->engine->close(fixture->store);
	state_dir_remove(fixture->dir);
	free(fixture);
	return 0;
}

/* ---- walks, as a text of a line for each row ---- */

struct shown {
	enum engine_table table;
	size_t rows, len;
	char text[ROWS_MAX * SHOWN];
};

static bool
show(void *arg, const union engine_row *row)
{
	struct shown *shown = arg;
	char *at = shown->text + shown->len;

	assert_true(shown->rows++ < ROWS_MAX);
	if (shown->table == ENGINE_PAGES)
		shown->len += (size_t)sprintf(at, "%lld %lld %.8s\n",
		    (long long)row->delivery.seq,
		    (long long)row->delivery.stamp, row->delivery.frame.data);
	else if (shown->table == ENGINE_GROUPS)
		shown->len += (size_t)sprintf(at, "%lld %.8s %.8s\n",
		    (long long)row->group.id, row->group.destination.data,
		    row->group.data.data);
	else if (shown->table == ENGINE_SYNCS)
		shown->len += (size_t)sprintf(at, "%lld %lld %.8s\n",
		    (long long)row->sync.group, (long long)row->sync.number,
		    row->sync.data.data);
	else
		shown->len += (size_t)sprintf(at, "%.8s %lld %d %lld\n",
		    row->member.person.data, (long long)row->member.stamp,
		    (int)row->member.sent, (long long)row->member.sent_s);
	return true;
}

/* Walk in steps of so many rows; how many places were passed over. */
static size_t
walk(struct fixture *fixture, enum engine_table table, int64_t group,
    size_t rows, struct shown *ret_shown)
{
	struct engine_cursor cursor = {.at = {group}};
	bool more = true;
	struct err err;

	*ret_shown = (struct shown){.table = table};
	for (int step = 0; more; step++) {
		assert_true(step < STEPS_MAX);
		if (!fixture->engine->walk(fixture->store, table, &cursor, rows,
			show, ret_shown, &more, &err))
			fail_msg("walk: %s", err.text);
	}
	return cursor.damaged;
}

static void
shows(struct fixture *fixture, enum engine_table table, int64_t group,
    const char *text)
{
	static struct shown shown;

	for (size_t rows = 1; rows <= 3; rows++) {
		assert_int_equal(walk(fixture, table, group, rows, &shown), 0);
		assert_string_equal(shown.text, text);
	}
}

/* ---- rows ---- */

static struct engine_change
group_put(int64_t id, const char *destination, const char *data)
{
	return (struct engine_change){.op = ENGINE_GROUP_PUT,
	    .row.group = {.id = id,
		.destination = str_text(destination),
		.data = str_text(data)}};
}

static struct engine_change
sync_put(int64_t group, int64_t number, const char *data)
{
	return (struct engine_change){.op = ENGINE_SYNC_PUT,
	    .row.sync = {
		.group = group, .number = number, .data = str_text(data)}};
}

static struct engine_change
member_put(int64_t group, const char *person, int64_t stamp,
    enum engine_sent sent, int64_t sent_s)
{
	return (struct engine_change){.op = ENGINE_MEMBER_PUT,
	    .row.member = {.group = group,
		.person = str_text(person),
		.stamp = stamp,
		.sent = sent,
		.sent_s = sent_s}};
}

static struct engine_change
member_delete(int64_t group, const char *person)
{
	return (struct engine_change){.op = ENGINE_MEMBER_DELETE,
	    .row.member = {.group = group, .person = str_text(person)}};
}

/* What is known of a member. */
static struct engine_member
member(struct fixture *fixture, int64_t group, const char *person)
{
	struct engine_member list = {.group = group,
	    .person = str_text(person),
	    .stamp = 99,
	    .sent = ENGINE_SENT_OUT,
	    .sent_s = 98};
	struct err err;

	if (!fixture->engine->members(fixture->store, &list, 1, &err))
		fail_msg("members: %s", err.text);
	return list;
}

static void
is_member(struct fixture *fixture, int64_t group, const char *person,
    int64_t stamp, enum engine_sent sent, int64_t sent_s)
{
	struct engine_member is = member(fixture, group, person);

	assert_int_equal(is.stamp, stamp);
	assert_int_equal(is.sent, sent);
	assert_int_equal(is.sent_s, sent_s);
}

static void
is_nobody(struct fixture *fixture, int64_t group, const char *person)
{
	is_member(fixture, group, person, 0, ENGINE_SENT_NEVER, 0);
}

static void
test_groups_and_syncs(void **state)
{
	struct fixture *fixture = *state;
	struct engine_change changes[] = {
	    group_put(7, "heap", "seven"),
	    group_put(2, "heap", "two"),
	    group_put(7, "heap", "again"),
	    sync_put(7, 12, "b"),
	    sync_put(2, 1, "c"),
	    sync_put(7, 3, "a"),
	    sync_put(7, 12, "d"),
	};

	shows(fixture, ENGINE_GROUPS, 0, "");
	shows(fixture, ENGINE_SYNCS, 0, "");
	apply_all(fixture, changes, 7, ERR_NONE);
	for (int i = 0; i < 2; i++, reopen(fixture)) {
		shows(fixture, ENGINE_GROUPS, 0, "2 heap two\n7 heap again\n");
		shows(fixture, ENGINE_SYNCS, 0, "2 1 c\n7 3 a\n7 12 d\n");
	}
	changes[0] = (struct engine_change){
	    .op = ENGINE_SYNC_DELETE, .row.sync = {.group = 7, .number = 3}};
	changes[1] = (struct engine_change){
	    .op = ENGINE_SYNC_DELETE, .row.sync = {.group = 7, .number = 99}};
	changes[2] = (struct engine_change){
	    .op = ENGINE_GROUP_DELETE, .row.group = {.id = 2}};
	changes[3] = (struct engine_change){
	    .op = ENGINE_GROUP_DELETE, .row.group = {.id = 99}};
	apply_all(fixture, changes, 4, ERR_NONE);
	shows(fixture, ENGINE_GROUPS, 0, "7 heap again\n");
	shows(fixture, ENGINE_SYNCS, 0, "2 1 c\n7 12 d\n");
}

static void
test_members(void **state)
{
	struct fixture *fixture = *state;
	struct engine_change changes[] = {
	    member_put(1, "ann", 5, ENGINE_SENT_IN, 1764000000),
	    member_put(1, "bob", ENGINE_STAMP_MAX, ENGINE_SENT_UNKNOWN_OUT, 0),
	    member_put(2, "ann", 6, ENGINE_SENT_OUT, 1),
	    member_put(1, "ann", 7, ENGINE_SENT_OUT, 1764000001),
	};

	is_nobody(fixture, 1, "ann");
	apply_all(fixture, changes, 4, ERR_NONE);
	for (int i = 0; i < 2; i++, reopen(fixture)) {
		is_member(fixture, 1, "ann", 7, ENGINE_SENT_OUT, 1764000001);
		is_member(fixture, 1, "bob", ENGINE_STAMP_MAX,
		    ENGINE_SENT_UNKNOWN_OUT, 0);
		is_member(fixture, 2, "ann", 6, ENGINE_SENT_OUT, 1);
		is_nobody(fixture, 2, "bob");
		is_nobody(fixture, 1, "an");
		is_nobody(fixture, 3, "ann");
		shows(fixture, ENGINE_MEMBERS, 2, "ann 6 2 1\n");
		shows(fixture, ENGINE_MEMBERS, 3, "");
	}
	changes[0] = member_delete(1, "ann");
	changes[1] = member_delete(2, "bob");
	changes[2] = member_delete(1, "nobody");
	apply_all(fixture, changes, 3, ERR_NONE);
	is_nobody(fixture, 1, "ann");
	is_member(fixture, 2, "ann", 6, ENGINE_SENT_OUT, 1);
	(void)apply(fixture, member_delete(2, "ann"));
	is_nobody(fixture, 2, "ann");
	(void)apply(fixture, member_put(2, "ann", 1, ENGINE_SENT_IN, 2));
	is_member(fixture, 2, "ann", 1, ENGINE_SENT_IN, 2);
}

/* A list of changes of which the last one fails leaves nothing. */
static void
test_a_failed_apply(void **state)
{
	struct fixture *fixture = *state;
	struct engine_change before[] = {
	    group_put(1, "heap", "one"),
	    sync_put(1, 1, "a"),
	    member_put(1, "ann", 1, ENGINE_SENT_IN, 1),
	    member_put(2, "bob", 1, ENGINE_SENT_IN, 1),
	};
	struct engine_change changes[] = {
	    group_put(1, "heap", "other"),
	    group_put(2, "heap", "two"),
	    sync_put(1, 1, "b"),
	    {.op = ENGINE_SYNC_DELETE, .row.sync = {.group = 1, .number = 1}},
	    member_put(1, "ann", 2, ENGINE_SENT_OUT, 2),
	    member_put(1, "carl", 2, ENGINE_SENT_OUT, 2),
	    member_delete(1, "ann"),
	    member_delete(2, "bob"),
	    {.op = ENGINE_GROUP_DELETE, .row.group = {.id = 1}},
	    {.op = ENGINE_DEAD_DELETE, .row.dead = {.id = 99}},
	};

	apply_all(fixture, before, 4, ERR_NONE);
	apply_all(fixture, changes, 10, ERR_CONFLICT);
	for (int i = 0; i < 2; i++, reopen(fixture)) {
		shows(fixture, ENGINE_GROUPS, 0, "1 heap one\n");
		shows(fixture, ENGINE_SYNCS, 0, "1 1 a\n");
		shows(fixture, ENGINE_MEMBERS, 1, "ann 1 1 1\n");
		shows(fixture, ENGINE_MEMBERS, 2, "bob 1 1 1\n");
		is_nobody(fixture, 1, "carl");
	}
}

/* ---- pages ---- */

static int64_t
batch_add(struct fixture *fixture, int64_t stamp, int64_t due_ms,
    const char *parked, const char *frame)
{
	return apply(fixture, (struct engine_change){.op = ENGINE_BATCH_ADD,
				  .row.delivery = {.destination = STR("heap"),
				      .source = STR("main"),
				      .due_ms = due_ms,
				      .accepted_ms = 1,
				      .events = 1,
				      .remaining = 1,
				      .parked = str_text(parked),
				      .stamp = stamp,
				      .frame = str_text(frame)}});
}

static struct engine_change
delivery_change(enum engine_op op, int64_t seq)
{
	return (struct engine_change){.op = op,
	    .row.delivery = {.destination = STR("heap"),
		.source = STR("main"),
		.seq = seq,
		.version = 1},
	    .text = STR("why")};
}

static void
test_pages(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(batch_add(fixture, 0, 0, "", "log"), 1);
	assert_int_equal(batch_add(fixture, 50, 0, "", "page"), 2);
	assert_int_equal(batch_add(fixture, 0, 0, "", "log"), 3);
	assert_int_equal(batch_add(fixture, 40, 17, "", "late"), 4);
	assert_int_equal(
	    batch_add(fixture, ENGINE_STAMP_MAX, 0, "", "last"), 5);
	for (int i = 0; i < 2; i++, reopen(fixture))
		shows(fixture, ENGINE_PAGES, 0,
		    "2 50 page\n4 40 late\n5 1152921504606846974 last\n");
	(void)apply(fixture, delivery_change(ENGINE_DELIVERY_PUT, 2));
	(void)apply(fixture, delivery_change(ENGINE_DELIVERY_QUARANTINE, 5));
	(void)apply(fixture, delivery_change(ENGINE_DELIVERY_QUARANTINE, 3));
	shows(fixture, ENGINE_PAGES, 0, "2 50 page\n4 40 late\n");
	(void)apply(
	    fixture, (struct engine_change){.op = ENGINE_QUARANTINE_EMPTY});
	shows(fixture, ENGINE_PAGES, 0,
	    "2 50 page\n4 40 late\n5 1152921504606846974 last\n");
}

/* A walk over pages sees what is deferred meanwhile, not what is new. */
static bool
add_more(void *arg, const union engine_row *row)
{
	int64_t *seqs = arg;

	seqs[seqs[0] + 1] = row->delivery.seq;
	seqs[0]++;
	return true;
}

static void
test_pages_that_come_meanwhile(void **state)
{
	struct fixture *fixture = *state;
	struct engine_cursor cursor = {.begun = false};
	int64_t seqs[8] = {0};
	bool more;
	struct err err;

	assert_int_equal(batch_add(fixture, 1, 0, "", "a"), 1);
	assert_int_equal(batch_add(fixture, 2, 0, "", "b"), 2);
	assert_true(fixture->engine->walk(fixture->store, ENGINE_PAGES, &cursor,
	    1, add_more, seqs, &more, &err));
	assert_true(more);
	assert_int_equal(batch_add(fixture, 3, 0, "", "new"), 3);
	assert_int_equal(batch_add(fixture, 1, 99, "", "deferred"), 4);
	while (more)
		assert_true(fixture->engine->walk(fixture->store, ENGINE_PAGES,
		    &cursor, 1, add_more, seqs, &more, &err));
	assert_int_equal(seqs[0], 3);
	assert_int_equal(seqs[2], 2);
	assert_int_equal(seqs[3], 4);
}

static int64_t
unpark(struct fixture *fixture, const char *destination, const char *group,
    bool others)
{
	struct str groups[] = {str_text(group)};

	return apply(
	    fixture, (struct engine_change){.op = ENGINE_UNPARK,
			 .row.unpark = {.destination = str_text(destination),
			     .groups = groups,
			     .count = 1,
			     .others = others}});
}

/* What the operator is to release is not among others. */
static void
test_held_pages(void **state)
{
	struct fixture *fixture = *state;

	(void)batch_add(fixture, 1, DELIVERY_PARKED, "\1a", "a");
	(void)batch_add(fixture, 2, DELIVERY_PARKED, "Open", "b");
	(void)batch_add(fixture, 3, DELIVERY_PARKED, "\1b", "c");
	assert_int_equal(unpark(fixture, "heap", "Click", true), 1);
	assert_int_equal(unpark(fixture, "heap", "\1b", true), 0);
	assert_int_equal(unpark(fixture, "heap", "\1b", false), 1);
	assert_int_equal(unpark(fixture, "heap", "\1b", false), 0);
	assert_int_equal(unpark(fixture, "heap", "\1a", false), 1);
}

static void
move(struct fixture *fixture, const char *from, const char *to)
{
	struct engine_change change;
	int steps = 0;

	do {
		change = (struct engine_change){.op = ENGINE_DESTINATION_MOVE,
		    .row.destination = {.name = str_text(from)},
		    .text = str_text(to)};
		apply_all(fixture, &change, 1, ERR_NONE);
		assert_true(steps++ < STEPS_MAX);
	} while (change.flag);
}

static void
test_groups_move(void **state)
{
	struct fixture *fixture = *state;

	put_destination(fixture, "other");
	(void)apply(fixture, group_put(1, "heap", "one"));
	(void)apply(fixture, group_put(2, "other", "two"));
	(void)apply(fixture, member_put(1, "ann", 1, ENGINE_SENT_IN, 1));
	(void)batch_add(fixture, 1, DELIVERY_PARKED, "\1a", "a");
	move(fixture, "heap", "new");
	assert_int_equal(unpark(fixture, "new", "\1a", false), 1);
	shows(fixture, ENGINE_GROUPS, 0, "1 new one\n2 other two\n");
	move(fixture, "new", "other");
	reopen(fixture);
	shows(fixture, ENGINE_GROUPS, 0, "1 other one\n2 other two\n");
	shows(fixture, ENGINE_MEMBERS, 1, "ann 1 1 1\n");
}

/* ---- many ---- */

enum {
	PEOPLE = 1000,
	GROUPS = 3,
	TEXT_MAX = 400,
	TEXT_PART = 16, /* by which it is known */
	CHANGES = 6000,
};

static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Texts that have nothing in common. */
static void
person_text(uint32_t person, char ret_text[TEXT_MAX + 1])
{
	uint32_t seed = person * 2654435761U + 1;
	uint32_t len = next_random(&seed) % TEXT_MAX + 1;

	if (len < TEXT_PART)
		len = TEXT_PART;
	for (uint32_t i = 0; i < len; i++)
		ret_text[i] = (char)('!' + next_random(&seed) % 90);
	ret_text[len] = '\0';
}

struct many {
	char texts[PEOPLE][TEXT_MAX + 1];
	int64_t stamps[GROUPS][PEOPLE]; /* 0: it is not there */
};

static void
many_init(struct many *many)
{
	memset(many, 0, sizeof(*many));
	for (uint32_t p = 0; p < PEOPLE; p++)
		person_text(p, many->texts[p]);
}

static void
many_agree(struct fixture *fixture, const struct many *many)
{
	static struct engine_member list[PEOPLE];
	static struct shown shown;
	struct err err;

	for (int64_t g = 0; g < GROUPS; g++) {
		size_t rows = 0;

		for (size_t p = 0; p < PEOPLE; p++)
			list[p] = (struct engine_member){
			    .group = g + 1, .person = str_text(many->texts[p])};
		assert_true(fixture->engine->members(
		    fixture->store, list, PEOPLE, &err));
		for (size_t p = 0; p < PEOPLE; p++) {
			assert_int_equal(list[p].stamp, many->stamps[g][p]);
			rows += many->stamps[g][p] != 0;
		}
		assert_int_equal(
		    walk(fixture, ENGINE_MEMBERS, g + 1, 7, &shown), 0);
		assert_int_equal(shown.rows, rows);
		for (size_t p = 0; p < PEOPLE; p++) {
			char line[SHOWN];

			(void)sprintf(line, "%.8s %lld %d %lld\n",
			    many->texts[p], (long long)many->stamps[g][p],
			    ENGINE_SENT_IN, (long long)p);
			assert_true((strstr(shown.text, line) != NULL) ==
				    (many->stamps[g][p] != 0));
		}
	}
}

/* Random changes, in slices; so many of eight are puts. */
static void
many_change(
    struct fixture *fixture, struct many *many, uint32_t puts, uint32_t *seed)
{
	struct engine_change changes[CHANGES_MAX];
	size_t count = 0;

	for (int64_t i = 1; i <= CHANGES; i++) {
		uint32_t p = next_random(seed) % PEOPLE;
		uint32_t g = next_random(seed) % GROUPS;
		bool put = next_random(seed) % 8 < puts;

		changes[count++] = put ? member_put(g + 1, many->texts[p], i,
					     ENGINE_SENT_IN, p)
				       : member_delete(g + 1, many->texts[p]);
		many->stamps[g][p] = put ? i : 0;
		if (count == CHANGES_MAX) {
			apply_all(fixture, changes, count, ERR_NONE);
			count = 0;
		}
	}
}

static void
test_many_members(void **state)
{
	struct fixture *fixture = *state;
	static struct many many;
	uint32_t seed = 1;

	many_init(&many);
	many_change(fixture, &many, 4, &seed);
	many_agree(fixture, &many);
	reopen(fixture);
	many_agree(fixture, &many);
	many_change(fixture, &many, 4, &seed);
	many_agree(fixture, &many);
}

/* ---- the file ---- */

static int
sql_row(void *arg, int columns, char **values, char **names)
{
	(void)names;
	assert_int_equal(columns, 1);
	*(int64_t *)arg = values[0] == NULL ? -1 : strtoll(values[0], NULL, 10);
	return 0;
}

/* Run some SQL behind the engine's back; the last number that it yields. */
static int64_t
sql(struct fixture *fixture, const char *text)
{
	char *why = NULL;
	int64_t number = -1;

	if (sqlite3_exec(sqlite_connection(fixture->store), text, sql_row,
		&number, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
	return number;
}

static void
test_a_text_is_stored_once(void **state)
{
	struct fixture *fixture = *state;

	FILE_ONLY();
	for (int64_t g = 1; g <= 3; g++)
		(void)apply(
		    fixture, member_put(g, "ann", g, ENGINE_SENT_IN, 1));
	(void)apply(fixture, member_put(3, "ann", 4, ENGINE_SENT_OUT, 1));
	assert_int_equal(sql(fixture, "SELECT count(*) FROM person"), 1);
	assert_int_equal(sql(fixture, "SELECT refs FROM person"), 3);
	for (int64_t g = 1; g <= 3; g++)
		(void)apply(fixture, member_delete(g, "ann"));
	assert_int_equal(sql(fixture, "SELECT count(*) FROM person"), 0);
	assert_int_equal(sql(fixture, "SELECT count(*) FROM member"), 0);
}

/* Where a number is taken by another text, the next one is used. */
static void
test_numbers_that_are_taken(void **state)
{
	struct fixture *fixture = *state;

	FILE_ONLY();
	(void)apply(fixture, member_put(1, "ann", 1, ENGINE_SENT_IN, 1));
	(void)sql(fixture, "CREATE TEMP TABLE ann AS SELECT id FROM person;"
			   "UPDATE person SET text=CAST('dan' AS BLOB)");
	is_nobody(fixture, 1, "ann");
	(void)apply(fixture, member_delete(1, "ann"));
	(void)apply(fixture, member_put(1, "ann", 2, ENGINE_SENT_OUT, 2));
	assert_int_equal(sql(fixture, "SELECT p.id-ann.id FROM person p, ann"
				      " WHERE p.text=CAST('ann' AS BLOB)"),
	    1);
	is_member(fixture, 1, "ann", 2, ENGINE_SENT_OUT, 2);
	/* an empty row before it, which is used again, or goes with it */
	(void)sql(fixture, "DELETE FROM member WHERE person=(SELECT id FROM"
			   " ann); UPDATE person SET text=NULL, refs=0"
			   " WHERE id=(SELECT id FROM ann)");
	is_member(fixture, 1, "ann", 2, ENGINE_SENT_OUT, 2);
	(void)apply(fixture, member_put(2, "ann", 3, ENGINE_SENT_IN, 3));
	assert_int_equal(sql(fixture, "SELECT max(refs) FROM person"), 2);
	(void)apply(fixture, member_delete(1, "ann"));
	assert_int_equal(sql(fixture, "SELECT count(*) FROM person"), 2);
	(void)apply(fixture, member_delete(2, "ann"));
	assert_int_equal(sql(fixture, "SELECT count(*) FROM person"), 0);
	/* what goes leaves an empty row, if the next number is taken */
	(void)apply(fixture, member_put(1, "ann", 4, ENGINE_SENT_IN, 4));
	(void)sql(fixture, "INSERT INTO person SELECT id+1,"
			   " CAST('eve' AS BLOB), 1 FROM ann;"
			   "INSERT INTO member SELECT 1, id+1, 9, 5 FROM ann");
	(void)apply(fixture, member_delete(1, "ann"));
	assert_int_equal(sql(fixture, "SELECT count(*) FROM person"), 2);
	assert_int_equal(
	    sql(fixture, "SELECT refs FROM person WHERE text IS NULL"), 0);
	shows(fixture, ENGINE_MEMBERS, 1, "eve 1 1 5\n");
	is_nobody(fixture, 1, "ann");
	(void)apply(fixture, member_put(1, "ann", 6, ENGINE_SENT_IN, 6));
	is_member(fixture, 1, "ann", 6, ENGINE_SENT_IN, 6);
	assert_int_equal(sql(fixture, "SELECT count(*) FROM person"), 2);
}

/* A chain of numbers that does not end is damage. */
static void
test_too_many_numbers_are_taken(void **state)
{
	struct fixture *fixture = *state;
	struct engine_change change =
	    member_put(2, "ann", 1, ENGINE_SENT_IN, 1);

	FILE_ONLY();
	(void)apply(fixture, member_put(1, "ann", 1, ENGINE_SENT_IN, 1));
	(void)sql(fixture,
	    "CREATE TEMP TABLE ann AS SELECT id FROM person;"
	    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n"
	    " WHERE i<100) INSERT OR REPLACE INTO person SELECT id+i,"
	    " CAST('t' || i AS BLOB), 1 FROM n, ann");
	/* passed over, since it is unknown then */
	apply_all(fixture, &change, 1, ERR_NONE);
	is_member(fixture, 1, "ann", 0, ENGINE_SENT_UNKNOWN_OUT, 0);
}

static void
page_damage(struct fixture *fixture, const char *table)
{
	unsigned char page[DB_PAGE];
	char path[256], query[128];
	int64_t root;
	int fd;

	(void)snprintf(query, sizeof(query),
	    "SELECT rootpage FROM sqlite_schema WHERE name='%s'", table);
	root = sql(fixture, query);
	fixture->engine->close(fixture->store);
	memset(page, 0xee, sizeof(page));
	(void)snprintf(path, sizeof(path), "%s/queue.db", fixture->dir);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(
	    pwrite(fd, page, sizeof(page), (off_t)(root - 1) * DB_PAGE),
	    sizeof(page));
	assert_int_equal(close(fd), 0);
	open_store(fixture);
}

/* A damaged row is unknown, and hides no other. */
static void
test_damaged_members(void **state)
{
	struct fixture *fixture = *state;
	static struct shown shown;

	FILE_ONLY();
	(void)apply(fixture, group_put(1, "heap", "one"));
	(void)apply(fixture, member_put(1, "ann", 1, ENGINE_SENT_IN, 1));
	(void)apply(fixture, member_put(1, "bob", 2, ENGINE_SENT_IN, 2));
	(void)apply(fixture, member_put(1, "carl", 3, ENGINE_SENT_IN, 3));
	(void)sql(fixture, "UPDATE member SET said='x' WHERE said=9;"
			   "UPDATE member SET person=77 WHERE said=17;"
			   "UPDATE grp SET destination=99");
	is_member(fixture, 1, "ann", 0, ENGINE_SENT_UNKNOWN_OUT, 0);
	is_nobody(fixture, 1, "bob");
	is_member(fixture, 1, "carl", 3, ENGINE_SENT_IN, 3);
	assert_int_equal(walk(fixture, ENGINE_MEMBERS, 1, 1, &shown), 1);
	assert_int_equal(shown.rows, 2);
	assert_non_null(strstr(shown.text, "carl 3 1 3\n"));
	assert_non_null(strstr(shown.text, "ann 0 4 0\n"));
	shows(fixture, ENGINE_GROUPS, 0, "1  one\n");
	(void)apply(fixture, member_put(1, "ann", 4, ENGINE_SENT_OUT, 4));
	is_member(fixture, 1, "ann", 4, ENGINE_SENT_OUT, 4);

	page_damage(fixture, "person");
	is_member(fixture, 1, "ann", 0, ENGINE_SENT_UNKNOWN_OUT, 0);
	is_member(fixture, 2, "nobody", 0, ENGINE_SENT_UNKNOWN_OUT, 0);
	assert_true(walk(fixture, ENGINE_MEMBERS, 1, 1, &shown) >= 3);
	assert_int_equal(shown.rows, 0);
	page_damage(fixture, "member");
	assert_true(walk(fixture, ENGINE_MEMBERS, 1, 1, &shown) >= 1);
	page_damage(fixture, "sync");
	assert_true(walk(fixture, ENGINE_SYNCS, 0, 1, &shown) >= 1);
	page_damage(fixture, "grp");
	assert_true(walk(fixture, ENGINE_GROUPS, 0, 1, &shown) >= 1);
	page_damage(fixture, "delivery_page");
	assert_true(walk(fixture, ENGINE_PAGES, 0, 1, &shown) >= 1);
}

/* ---- what is deleted ---- */

/* All files of the state directory, one behind the other. */
static char *
files_read(struct fixture *fixture, size_t *ret_len)
{
	DIR *dir = opendir(fixture->dir);
	struct dirent *entry;
	char *bytes = NULL;
	size_t len = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		char path[512];
		FILE *file;
		long size;

		if (strncmp(entry->d_name, "queue.db", 8) != 0)
			continue;
		(void)snprintf(
		    path, sizeof(path), "%s/%s", fixture->dir, entry->d_name);
		file = fopen(path, "rb");
		assert_non_null(file);
		assert_int_equal(fseek(file, 0, SEEK_END), 0);
		size = ftell(file);
		rewind(file);
		bytes = realloc(bytes, len + (size_t)size + 1);
		assert_non_null(bytes);
		assert_int_equal(
		    fread(bytes + len, 1, (size_t)size, file), size);
		len += (size_t)size;
		assert_int_equal(fclose(file), 0);
	}
	assert_int_equal(closedir(dir), 0);
	*ret_len = len;
	return bytes;
}

/* Is the begin of the text, or its end, somewhere in them? */
static bool
files_have(const char *bytes, size_t len, const char *text)
{
	return memmem(bytes, len, text, TEXT_PART) != NULL ||
	       memmem(bytes, len, text + strlen(text) - TEXT_PART, TEXT_PART) !=
		   NULL;
}

/* Nothing is left of a text whose last member is deleted, though rows moved
 * from page to page before and after it. */
static void
test_no_trace_is_left(void **state)
{
	struct fixture *fixture = *state;
	struct engine_job flush = {.verb = ENGINE_FLUSH};
	static struct many many;
	size_t len, left = 0;
	uint32_t seed = 2;
	struct err err;
	char *bytes;

	FILE_ONLY();
	many_init(&many);
	for (int i = 0; i < 6; i++)
		many_change(fixture, &many, i % 2 == 0 ? 7 : 1, &seed);
	assert_true(fixture->engine->job(fixture->store, &flush, &err));
	bytes = files_read(fixture, &len);
	for (uint32_t p = 0; p < PEOPLE; p++) {
		bool there = false;

		for (int g = 0; g < GROUPS; g++)
			there = there || many.stamps[g][p] != 0;
		assert_true(files_have(bytes, len, many.texts[p]) == there);
		left += there;
	}
	assert_true(left > 0 && left < PEOPLE);
	free(bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_groups_and_syncs),
	    TEST(test_members),
	    TEST(test_a_failed_apply),
	    TEST(test_groups_move),
	    TEST(test_pages),
	    TEST(test_pages_that_come_meanwhile),
	    TEST(test_held_pages),
	    TEST(test_many_members),
	    TEST(test_a_text_is_stored_once),
	    TEST(test_numbers_that_are_taken),
	    TEST(test_too_many_numbers_are_taken),
	    TEST(test_damaged_members),
	    TEST(test_no_trace_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
