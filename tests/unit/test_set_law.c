/*
 * The law for sets, by a model: whatever comes late, twice or out of order,
 * whatever is lost of the answers, and whenever the process ends, each member
 * of the destination ends as the source's last word says.
 */

#include "set_help.h"
#include "short_run.h"

#include "base/clock.h"

enum {
	GROUPS = 2,
	MEMBERS = 8,
	SYNCS = 80,
	PAGES = 3,
	LEASES = 16,
	ROUNDS = 400,
	SEEDS = 24,
};

/* A word of the source: its order decides. */
struct word {
	int64_t order;
	bool wanted;
};

struct made_page {
	unsigned sync, number;
	int group;
	char text[MEMBERS * 8];
	bool here; /* it came at least once */
};

struct model {
	struct fixture *fixture;
	uint64_t random;
	int64_t now_ms;
	struct made_page pages[SYNCS * PAGES];
	size_t page_count;
	int64_t sync_order[SYNCS], begun; /* by their first pages */
	struct word last[GROUPS][MEMBERS];
	int taken[GROUPS][MEMBERS]; /* by the destination: 0 never, + or - */
	int in_flight[GROUPS][MEMBERS]; /* leases that have it */
	bool excused[GROUPS][MEMBERS];	/* its last word is a dead letter */
	struct queue_lease *leases[LEASES];
	size_t lease_count;
	size_t crashes, handed;
};

static unsigned
pick(struct model *model, unsigned below)
{
	model->random =
	    model->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(model->random >> 33) % below;
}

/* ---- the source ---- */

/* Each member is in one page of a sync, at most. */
static void
make_sync(struct model *model, unsigned sync)
{
	int group = (int)pick(model, GROUPS);
	struct made_page *pages = &model->pages[model->page_count];

	for (unsigned i = 0; i < PAGES; i++)
		pages[i] = (struct made_page){
		    .sync = sync, .number = i + 1, .group = group};
	for (int member = 0; member < MEMBERS; member++) {
		struct made_page *page = &pages[pick(model, PAGES)];
		size_t len = strlen(page->text);

		if (pick(model, 3) == 0)
			(void)snprintf(page->text + len,
			    sizeof(page->text) - len, "%c%d ",
			    pick(model, 2) == 0 ? '+' : '-', member);
	}
	model->page_count += PAGES;
}

/* The page is the source's word as far as no later sync has spoken. */
static void
note_words(struct model *model, const struct made_page *page)
{
	int64_t order = model->sync_order[page->sync] * 10 + page->number;
	char *text = strdup(page->text), *save = NULL;

	for (char *word = strtok_r(text, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save)) {
		int member = atoi(word + 1);
		struct word *last = &model->last[page->group][member];

		if (last->order >= order)
			continue;
		*last = (struct word){order, word[0] == '+'};
		model->excused[page->group][member] = false;
	}
	free(text);
}

static void
send_page(struct model *model)
{
	struct made_page *page =
	    &model->pages[pick(model, (unsigned)model->page_count)];
	char group[16], sync[16];
	const struct page shown = {
	    group, sync, page->number, PAGES, page->text};

	(void)snprintf(group, sizeof(group), "g%d", page->group);
	(void)snprintf(sync, sizeof(sync), "s%u", page->sync);
	if (model->sync_order[page->sync] == 0)
		model->sync_order[page->sync] = ++model->begun;
	(void)page_put(model->fixture->queue, &shown, model->now_ms);
	if (!page->here)
		note_words(model, page);
	page->here = true;
}

/* ---- the destination ---- */

static void
item_of(const struct queue_item *item, int *ret_group, int *ret_member)
{
	*ret_group = item->type.data[1] - '0';
	*ret_member = item->data.data[1] - '0'; /* MEMBERS is less than ten */
}

static void
take_some(struct model *model)
{
	struct queue_lease *lease = set_take(model->fixture,
			       pick(model, 2) * 100, model->now_ms),
			   *next;

	for (; lease != NULL; lease = next) {
		next = lease->next;
		lease->next = NULL;
		for (size_t i = 0; i < lease->count; i++) {
			int group, member;

			item_of(&lease->items[i], &group, &member);
			/* never two of one member at once */
			assert_int_equal(model->in_flight[group][member], 0);
			model->in_flight[group][member] = 1;
			model->handed++;
			/* what was posted before may have been taken */
			lease->items[i].unsure = lease->rules.len > 0;
		}
		if (model->lease_count == LEASES) {
			for (size_t i = 0; i < lease->count; i++) {
				int group, member;

				item_of(&lease->items[i], &group, &member);
				model->in_flight[group][member] = 0;
			}
			queue_lease_free(model->fixture->queue, lease);
		} else {
			set_post(model->fixture, lease);
			model->leases[model->lease_count++] = lease;
		}
	}
}

static void
taken(struct model *model, const struct queue_item *item)
{
	int group, member;

	item_of(item, &group, &member);
	model->taken[group][member] = item->data.data[0];
}

/* One item's answer: taken or not, told or not. */
static void
answer_item(struct model *model, struct queue_item *item, bool good)
{
	int group, member;

	item_of(item, &group, &member);
	item->due_ms = model->now_ms + 1 + pick(model, 2000);
	item->reason = "refused";
	switch (good ? 0 : pick(model, 6)) {
	case 0:
	case 1:
		taken(model, item);
		item->outcome = QUEUE_DELIVERED;
		return;
	case 2:
		taken(model, item); /* but nobody was told */
		item->outcome = QUEUE_DEFERRED;
		item->unsure = true;
		return;
	case 3:
		item->outcome = QUEUE_DEFERRED;
		item->unsure = true;
		return;
	case 4:
		item->outcome = QUEUE_DEFERRED;
		return;
	default:
		if (pick(model, 4) != 0)
			return; /* no answer yet: it goes back unsettled */
		item->outcome = QUEUE_DEAD;
		if (model->last[group][member].wanted ==
		    (item->data.data[0] == '+'))
			model->excused[group][member] = true;
	}
}

static void
end_lease(struct model *model, size_t at, bool settled, bool good)
{
	struct queue_lease *lease = model->leases[at];

	for (size_t i = 0; i < lease->count; i++) {
		int group, member;

		item_of(&lease->items[i], &group, &member);
		model->in_flight[group][member] = 0;
		if (settled)
			answer_item(model, &lease->items[i], good);
		else if (pick(model, 2) == 0)
			taken(model, &lease->items[i]);
	}
	if (settled)
		queue_test_settle(model->fixture->queue, lease, model->now_ms);
	queue_lease_free(model->fixture->queue, lease);
	model->leases[at] = model->leases[--model->lease_count];
}

/* The process ends: what is in flight may be taken, and nobody is told. */
static void
crash(struct model *model)
{
	while (model->lease_count > 0)
		end_lease(model, 0, false, false);
	reopen(model->fixture);
	model->crashes++;
}

/* ---- the law ---- */

static void
play(struct model *model)
{
	for (unsigned sync = 0; sync < SYNCS; sync++)
		make_sync(model, sync);
	for (int round = 0; round < ROUNDS; round++) {
		unsigned what = pick(model, 100);

		model->now_ms += pick(model, 40);
		if (what < 50)
			send_page(model);
		else if (what < 70)
			take_some(model);
		else if (what < 97 && model->lease_count > 0)
			end_lease(model,
			    pick(model, (unsigned)model->lease_count), true,
			    false);
		else if (what >= 98)
			crash(model);
	}
	/* All works, until nothing is left. */
	for (int i = 0; totals(model->fixture).queued > 0; i++) {
		assert_true(i < 1000);
		model->now_ms += 100 * 1000;
		take_some(model);
		while (model->lease_count > 0)
			end_lease(model, 0, true, true);
	}
}

static void
check(const struct model *model)
{
	const struct stats_line line = totals(model->fixture);

	for (int group = 0; group < GROUPS; group++) {
		for (int member = 0; member < MEMBERS; member++) {
			const struct word *last = &model->last[group][member];
			int now = model->taken[group][member];

			if (last->order == 0)
				assert_int_equal(now, 0);
			else if (!model->excused[group][member] &&
				 now != (last->wanted ? '+' : '-'))
				fail_msg("group %d, member %d: the last word "
					 "is %c, but the destination has %c",
				    group, member, last->wanted ? '+' : '-',
				    now == 0 ? '0' : now);
		}
	}
	assert_int_equal(stats_imbalance(&line), 0);
	assert_true(
	    line.delivered > 0 && line.duplicates > 0 && line.dropped > 0);
}

static void
test_the_last_word_wins(void **state)
{
	const uint64_t seeds = short_run() ? 2 : SEEDS;

	for (uint64_t seed = 1; seed <= seeds; seed++) {
		struct model *model = calloc(1, sizeof(*model));
		void *fixture = NULL;

		(void)state;
		assert_non_null(model);
		(void)fixture_setup(&fixture);
		model->fixture = fixture;

		model->random = seed * 7919;
		model->now_ms = clock_wall_ms();
		play(model);
		check(model);
		assert_true(model->crashes > 0 && model->handed > 50);
		(void)fixture_teardown(&fixture);
		free(model);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_last_word_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
