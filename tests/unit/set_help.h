#ifndef TESTS_SET_HELP_H
#define TESTS_SET_HELP_H

/* Pages of changes, put and taken. */

#include "queue_fixture.h"

/* A page under construction: "+ann -bob" are two changes. */
struct page {
	const char *group, *sync;
	unsigned number, total;
	const char *changes; /* with blanks between them */
};

enum { PAGE_MOST = 4096 };

static inline bool
page_try(struct queue *queue, const struct page *page, int64_t now_ms,
    struct answer *ret_answer)
{
	struct item *items = calloc(PAGE_MOST, sizeof(*items));
	char *text = strdup(page->changes), *save = NULL;
	const struct queue_page of = {.group = str_text(page->group),
	    .name = str_text("A name"),
	    .sync = str_text(page->sync),
	    .number = page->number,
	    .total = page->total};
	struct queue_batch batch = {.source = "heap",
	    .destination = "heap",
	    .now_ms = now_ms,
	    .items = items,
	    .page = &of};
	struct err err;
	bool ok;

	for (char *word = strtok_r(text, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save)) {
		assert_true(batch.count < PAGE_MOST);
		items[batch.count++] = (struct item){
		    .fate = word[0] == '!' ? ITEM_DEAD : ITEM_QUEUE,
		    .type = of.group,
		    .data = str_text(word),
		    .reason = word[0] == '!' ? "no id" : NULL};
	}
	answer_init(ret_answer);
	if (!queue_put(queue, &batch, answer_done, ret_answer, &err))
		fail_msg("queue_put: %s", err.text);
	ok = answer_wait(ret_answer);
	free(items);
	free(text);
	return ok;
}

static inline struct queue_receipt
page_put(struct queue *queue, const struct page *page, int64_t now_ms)
{
	struct answer answer;

	if (!page_try(queue, page, now_ms, &answer))
		fail_msg("page: %s", answer.err.text);
	return answer.receipt;
}

/* Take all that is due; a list. */
static inline struct queue_lease *
set_take(struct fixture *fixture, int64_t hold_ms, int64_t now_ms)
{
	struct queue_want want = {.destination = fixture->destination,
	    .bytes = SIZE_MAX / 2,
	    .hold_ms = hold_ms};
	struct queue_lease *leases = NULL;
	struct err err;

	if (!queue_take(fixture->queue, &want, 1, now_ms, &leases, &err))
		fail_msg("queue_take: %s", err.text);
	if (want.next_ms == INT64_MIN)
		fail_msg("queue_take: not all could be read");
	return leases;
}

static inline void
set_post(struct fixture *fixture, struct queue_lease *lease)
{
	struct err err;

	if (!queue_post(fixture->queue, &lease, 1, str_text("rules"), &err))
		fail_msg("queue_post: %s", err.text);
}

/* Post, give this outcome to all, settle, free; the changes as a text. */
static inline char *
set_deliver(struct fixture *fixture, enum queue_outcome outcome,
    int64_t hold_ms, int64_t now_ms)
{
	struct queue_lease *lease = set_take(fixture, hold_ms, now_ms), *next;
	char *text = calloc(1, 1 << 20);
	size_t len = 0;

	for (; lease != NULL; lease = next) {
		next = lease->next;
		set_post(fixture, lease);
		for (size_t i = 0; i < lease->count; i++) {
			struct queue_item *item = &lease->items[i];

			len += (size_t)snprintf(text + len, (1 << 20) - len,
			    "%s%.*s:%.*s", len > 0 ? " " : "",
			    STR_ARGS(item->type), STR_ARGS(item->data));
			item->outcome = outcome;
			item->due_ms = now_ms + 1;
			item->reason = "refused";
			item->unsure = outcome == QUEUE_DEFERRED;
		}
		queue_test_settle(fixture->queue, lease, now_ms);
		queue_lease_free(fixture->queue, lease);
	}
	return text;
}

static inline void
set_expect(struct fixture *fixture, int64_t now_ms, const char *changes)
{
	char *text = set_deliver(fixture, QUEUE_DELIVERED, 0, now_ms);

	assert_string_equal(text, changes);
	free(text);
}

/* The only group there is. */
static inline bool
set_group_row(void *arg, const struct stats_group *group)
{
	*(struct stats_group *)arg = *group;
	return true;
}

static inline struct stats_group
set_group_only(struct fixture *fixture)
{
	struct stats_group group = {.number = 0};
	struct err err;

	assert_true(stats_groups(fixture->queue, set_group_row, &group, &err));
	return group;
}

static inline bool
set_sync_row(void *arg, const struct stats_sync *sync)
{
	struct stats_sync *list = arg;

	while (list->number != 0)
		list++;
	*list = *sync;
	return true;
}

#endif
