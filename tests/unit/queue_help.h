#ifndef TESTS_QUEUE_HELP_H
#define TESTS_QUEUE_HELP_H

/*
 * A queue in a directory of its own, and puts that wait for their answer.
 * Included by the tests of the queue, one program each.
 */

#include "base/lock.h"
#include "queue/admin.h"
#include "queue/memory/memory.h"

#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The answer to one put, and the way to wait for it. */
struct answer {
	struct lock lock;
	struct cond ready;
	bool done;
	bool ok;
	struct queue_receipt receipt;
	struct err err;
};

static inline void
answer_init(struct answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	lock_init(&answer->lock);
	cond_init(&answer->ready);
}

static inline void
answer_done(
    void *arg, const struct queue_receipt *receipt, const struct err *err)
{
	struct answer *answer = arg;

	lock_hold(&answer->lock);
	answer->done = true;
	answer->ok = receipt != NULL;
	if (receipt != NULL)
		answer->receipt = *receipt;
	else
		answer->err = *err;
	cond_wake(&answer->ready);
	lock_drop(&answer->lock);
}

static inline bool
answer_wait(struct answer *answer)
{
	lock_hold(&answer->lock);
	while (!answer->done)
		cond_wait(&answer->ready, &answer->lock, INT64_MAX / 2);
	lock_drop(&answer->lock);
	lock_fini(&answer->lock);
	cond_fini(&answer->ready);
	return answer->ok;
}

/* The engine that is tested, by CURRENTSD_ENGINE. */
static inline bool
on_memory(void)
{
	const char *name = getenv("CURRENTSD_ENGINE");

	return name != NULL && strcmp(name, "memory") == 0;
}

/* The rest of the test is about the file. */
#define FILE_ONLY()                                                            \
	do {                                                                   \
		if (on_memory())                                               \
			skip();                                                \
	} while (0)

static inline char *
state_dir(void)
{
	char *dir = strdup("/var/tmp/currentsd-test-XXXXXX");

	assert_non_null(dir);
	assert_non_null(mkdtemp(dir));
	return dir;
}

static inline void
state_dir_remove(char *dir)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
	memory_forget(dir);
	free(dir);
}

static inline struct queue_settings
queue_test_settings(const char *dir)
{
	struct queue_settings settings;

	queue_settings_init(&settings);
	settings.engine = on_memory() ? &memory_engine : NULL;
	settings.dir = dir;
	settings.reserve_bytes = 1 << 20;
	settings.min_free_bytes = 1 << 20;
	settings.window_events = 10000;
	/* The tests' times are their own. */
	settings.sync_timeout_ms = settings.keep_left_ms = INT64_MAX / 4;
	return settings;
}

static inline struct queue *
queue_test_open(const struct queue_settings *settings)
{
	struct queue *queue = NULL;
	struct err err;

	if (!queue_open(settings, &queue, &err))
		fail_msg("queue_open: %s", err.text);
	if (!queue_start(queue, &err))
		fail_msg("queue_start: %s", err.text);
	return queue;
}

static inline void
queue_test_close(struct queue *queue)
{
	queue_stop(queue);
	queue_close(queue);
}

/* Put it, and wait until it is durable. */
static inline void
batch_put(struct queue *queue, const struct queue_batch *batch)
{
	struct answer answer;
	struct err err;

	answer_init(&answer);
	assert_true(queue_put(queue, batch, answer_done, &answer, &err));
	assert_true(answer_wait(&answer));
}

/* Put `count` events "PREFIX-0", ... of one type; true if durable. */
static inline bool
queue_test_put(struct queue *queue, const char *source, const char *type,
    const char *prefix, size_t count, enum item_fate fate,
    struct answer *ret_answer)
{
	struct item *items = calloc(count + 1, sizeof(*items));
	char(*ids)[64] = calloc(count + 1, sizeof(*ids));
	char(*data)[128] = calloc(count + 1, sizeof(*data));
	struct queue_batch batch = {.source = source,
	    .destination = "heap",
	    .now_ms = 1764000000000,
	    .items = items,
	    .count = count};
	struct err err;
	bool ok;

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(ids[i], sizeof(ids[i]), "%s-%zu", prefix, i);
		(void)snprintf(data[i], sizeof(data[i]),
		    "{\"id\":\"%s-%zu\",\"kind\":\"%s\"}", prefix, i, type);
		items[i] = (struct item){.fate = fate,
		    .type = str_text(type),
		    .id = str_text(ids[i]),
		    .data = str_text(data[i]),
		    .reason = fate == ITEM_QUEUE ? NULL : "because"};
	}
	answer_init(ret_answer);
	if (queue_put(queue, &batch, answer_done, ret_answer, &err)) {
		ok = answer_wait(ret_answer);
	} else {
		ret_answer->err = err;
		lock_fini(&ret_answer->lock);
		cond_fini(&ret_answer->ready);
		ok = false;
	}
	free(items);
	free(ids);
	free(data);
	return ok;
}

/* Take one batch; NULL if none is due. */
static inline struct queue_lease *
queue_test_take(struct queue *queue, int64_t destination, int64_t now_ms)
{
	struct queue_want want = {.destination = destination, .replays = true};
	struct queue_lease *lease = NULL;
	struct err err;

	if (!queue_take(queue, &want, 1, now_ms, &lease, &err))
		fail_msg("queue_take: %s", err.text);
	if (want.next_ms == INT64_MIN)
		fail_msg("queue_take: not all could be read");
	assert_true(lease == NULL || lease->next == NULL);
	return lease;
}

/* Settle what has an outcome. */
static inline void
queue_test_settle(
    struct queue *queue, struct queue_lease *lease, int64_t now_ms)
{
	struct err err;

	if (!queue_settle(queue, &lease, 1, now_ms, &err))
		fail_msg("queue_settle: %s", err.text);
}

static inline int64_t
destination_test_open(struct queue *queue, const char *name)
{
	struct queue_destination destination;
	struct err err;

	if (!queue_destination_open(queue, name, &destination, &err))
		fail_msg("queue_destination_open: %s", err.text);
	queue_destination_fini(&destination);
	return destination.id;
}

static inline void
ledger_test_text(void *arg, const char *text)
{
	(void)arg;
	print_error("ledger: %s\n", text);
}

/* The ledger balances and agrees with the rows. */
static inline void
ledger_test_agree(struct queue *queue)
{
	struct stats_totals totals;
	bool agree = false;
	struct err err;

	if (!stats_check(queue, ledger_test_text, NULL, &agree, &err))
		fail_msg("stats_check: %s", err.text);
	assert_true(agree);
	stats_totals(queue, &totals);
	assert_int_equal(stats_imbalance(&totals.events), 0);
}

#endif
