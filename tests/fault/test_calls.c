/*
 * Every call that fails: the n-th open, read, write, sync, truncate, unlink
 * and rename, with EIO and ENOSPC, once or from then on. The queue answers
 * with an error, loses nothing, and works again when the fault is over.
 * After a failed sync it trusts nothing that it has open: it closes without
 * a checkpoint, opens anew, and answers no put before a checkpoint that
 * truncates the log has succeeded; the tape shows it.
 */

#include "calls.h"
#include "trial.h"

#include <errno.h>

struct fault {
	enum call_kind kind;
	int error;
	bool lasting;
};

static void
fault_arm(void *arg, long nth)
{
	const struct fault *fault = arg;

	calls_fail(fault->kind, nth, fault->error, fault->lasting);
}

/* What must follow a failed sync of the queue's own files. */
enum trust { TRUST_ALL, TRUST_CLOSE, TRUST_OPEN, TRUST_TRUNCATE, TRUST_SYNC };

static bool
trust_is_file(const char *name)
{
	return strcmp(name, "queue.db") == 0 ||
	       strcmp(name, "queue.db-wal") == 0;
}

static enum trust
trust_next(enum trust trust, const struct tape_op *op, const char *name)
{
	bool log = strcmp(name, "queue.db-wal") == 0;

	if (!trust_is_file(name))
		return trust;
	if (op->what == TAPE_SYNC_FAILED)
		return TRUST_CLOSE;
	switch (trust) {
	case TRUST_ALL:
		break;
	case TRUST_CLOSE:
		/* nothing may be done to them but close them */
		assert_int_equal(op->what, TAPE_CLOSE);
		if (log)
			return TRUST_OPEN;
		break;
	case TRUST_OPEN:
		if (op->what == TAPE_OPEN)
			return TRUST_TRUNCATE;
		assert_int_equal(op->what, TAPE_CLOSE);
		break;
	case TRUST_TRUNCATE:
		if (!log && op->what == TAPE_WRITE)
			return TRUST_SYNC;
		if (log && op->what == TAPE_TRUNCATE && op->at == 0)
			return TRUST_ALL;
		break;
	case TRUST_SYNC:
		/* what the log had is in the file, and must be synced */
		assert_false(log && op->what == TAPE_TRUNCATE);
		if (!log && op->what == TAPE_SYNC)
			return TRUST_TRUNCATE;
		break;
	}
	return trust;
}

/* Was a put answered well between two positions? */
static bool
trust_answered(const struct model *model, size_t from, size_t to)
{
	for (size_t i = 0; i < model->event_count; i++) {
		const struct model_event *event = &model->events[i];

		for (size_t n = 0; n < event->count; n++) {
			if (event->steps[n].put && event->steps[n].ok &&
			    event->steps[n].ended > (int64_t)from &&
			    event->steps[n].ended <= (int64_t)to)
				return true;
		}
	}
	return false;
}

/* Walk the tape; returns how many failed syncs it has. A file under another
 * name is one that is still being made, and is thrown away. */
static size_t
trust_check(const struct trial *trial)
{
	const struct tape *tape = &trial->tape;
	struct tape so_far = {.name_count = 0};
	enum trust trust = TRUST_ALL;
	size_t failed = 0, since = 0;

	for (size_t i = 0; i < tape->count; i++) {
		const struct tape_op *op = &tape->ops[i];
		enum trust next =
		    trust_next(trust, op, tape_name(&so_far, op->file));

		tape_names_apply(so_far.names, &so_far.name_count, op);
		if (next == TRUST_CLOSE && op->what == TAPE_SYNC_FAILED) {
			since = i;
			failed++;
		}
		if (next == TRUST_ALL && trust != TRUST_ALL)
			assert_false(trust_answered(&trial->model, since, i));
		trust = next;
	}
	return failed;
}

static void
fault_try_all(struct fault fault, const char *name)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	size_t failed = 0;
	bool struck;

	assert_non_null(trial);
	trial_init(trial);
	for (int fresh = 0; fresh < 2; fresh++) {
		struck = true;
		for (long nth = 1; struck; nth++) {
			struck = trial_run(
			    trial, fresh, fault_arm, calls_disarm, &fault, nth);
			if (fault.kind == CALL_SYNC) {
				failed += trust_check(trial);
				trial_cut(trial, fault_is_long() ? 50 : 8,
				    (uint64_t)nth);
			}
			trial_end(trial);
		}
	}
	print_message("%s, %s, %s: %zu trials\n", name,
	    fault.error == EIO ? "EIO" : "ENOSPC",
	    fault.lasting ? "lasting" : "once", trial->trials);
	if (fault.kind == CALL_SYNC)
		assert_true(failed > 10);
	trial_fini(trial);
	free(trial);
}

static void
fault_try(enum call_kind kind, const char *name)
{
	for (int lasting = 0; lasting < 2; lasting++) {
		fault_try_all((struct fault){kind, EIO, lasting}, name);
		if (kind != CALL_READ)
			fault_try_all(
			    (struct fault){kind, ENOSPC, lasting}, name);
	}
}

#define TEST(kind, name)                                                       \
	static void test_##name(void **state)                                  \
	{                                                                      \
		(void)state;                                                   \
		fault_try(kind, #name);                                        \
	}

TEST(CALL_OPEN, open)
TEST(CALL_READ, read)
TEST(CALL_WRITE, write)
TEST(CALL_SYNC, sync)
TEST(CALL_TRUNCATE, truncate)
TEST(CALL_UNLINK, unlink)
TEST(CALL_RENAME, rename)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_open),
	    cmocka_unit_test(test_read),
	    cmocka_unit_test(test_write),
	    cmocka_unit_test(test_sync),
	    cmocka_unit_test(test_truncate),
	    cmocka_unit_test(test_unlink),
	    cmocka_unit_test(test_rename),
	};

	fault_quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
