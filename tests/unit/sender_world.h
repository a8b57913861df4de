#ifndef TESTS_UNIT_SENDER_WORLD_H
#define TESTS_UNIT_SENDER_WORLD_H

/*
 * The world of a sender: a queue in memory that stands in for queue/, an
 * outlet, a destination with latency that counts what arrives in each window,
 * and a clock that jumps from one thing that happens to the next. Included by
 * the tests of senders, one program each.
 *
 * An event is a number; its bytes are that number. Its identity, and whether
 * it is bad, are looked up in the world. In a world of sets it is a change of
 * one of the groups, and the destination wants each group alone, and announced.
 */

#include "forwarder/sender_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum world_fate { QUEUED, LEASED, DEFERRED, PARKED, DELIVERED, DEAD, DROPPED };

struct world_event {
	char text[24];
	const char *type; /* or NULL: "type" */
	unsigned identity;
	unsigned attempts;
	enum world_fate fate;
	int64_t due_ms;
	bool bad;	      /* the destination refuses it */
	bool large;	      /* because it is too large */
	unsigned fails;	      /* it draws this status; 1: a reset */
	bool drop;	      /* the mapping drops it */
	bool accepted;	      /* the destination has it */
	bool split;	      /* under two identities */
	char mapped, at_heap; /* by which rules */
	char rules;	      /* noted at its first post; 0: none */
	struct queue_history history;
	const char *group; /* PARKED */
	struct world_group *set;
	unsigned deferrals;
	unsigned posts; /* when it became a dead letter */
};

/* A group of a set: as it is called at its source, as the queue keeps it, and
 * as the destination knows it. */
struct world_group {
	char id[24], name[32];
	char kind[16], label[64], announced[32];
	size_t saves;
	char known[32];	  /* the last name that was announced, or empty */
	char written[64]; /* the label of what was accepted, or empty */
	size_t announcements;
};

/* A request on its way. */
struct world_flight {
	struct sender *sender;
	struct request *request; /* NULL: the sender died */
	int64_t arrive_ms, answer_ms;
	bool arrived;
	bool taken; /* whatever it says */
	size_t count;
	unsigned *events;
	struct world_group *set;
	bool announcement;
	char name[32]; /* that it announces */
	char label[64];
	char *mapped; /* by which rules, each */
	const char *retry_after;
	struct outlet_answer answer;
};

struct world_arrival {
	int64_t ms;
	unsigned count;
};

struct world_log { /* what arrived, of the app or an identity */
	struct world_arrival *arrivals;
	size_t head, count, cap;
	size_t sum; /* within the window */
};

enum {
	WORLD_FLIGHTS = 64,
	WORLD_IDENTITIES = 20000,
	WORLD_BATCH = 100,
	WORLD_GROUPS = 64,
	WORLD_WINDOW_MS = 60000,
};

struct world {
	struct clock_times now;
	struct sender_shared shared;
	struct sender_times times;
	struct world_event *events;
	size_t most, count; /* room, put */
	size_t fresh;	    /* no event before it is QUEUED */
	unsigned *waiting;  /* events that are DEFERRED */
	struct world_group groups[WORLD_GROUPS];
	size_t deferred, parked, leased, done, dead, dropped, twice;
	size_t settles, saves, notes, unparks;

	/* The destination as the queue keeps it. */
	bool paused, clean, others;
	struct buf state;
	size_t replays_from, replays_to;
	bool broken;			   /* settle, post and save fail */
	bool lost;			   /* the claim is */
	const struct world_event *damaged; /* NULL, or its lease is not settled
					    * and the others are */
	bool group_save_fails;
	bool foreign;	 /* all that is dead is not of the outlet's shape */
	size_t blamed;	 /* items that were deferred or parked with a history */
	int64_t hold_ms; /* as asked for, last */

	/* The destination. */
	struct world_flight flights[WORLD_FLIGHTS];
	struct world_log app, *identities;
	size_t app_most, identity_most; /* of any window */
	size_t posts, arrived, largest;
	int64_t latency_ms; /* at most, each way */
	uint64_t random;
	void (*judge)(struct world *world, struct world_flight *flight);
	unsigned all_status; /* not 0: the answer to all */
	size_t body_most;    /* not 0: 413 above */
	bool names_items;    /* 200, and says which are bad */

	/* The outlet. */
	enum err_code map_fails; /* not 0: the mapping's answer to all */
	char rules;		 /* of identity, now */
	int64_t judged_ms; /* the time by which the last item was judged */
	const char *url, *announce_url, *app_id;
	struct outlet outlet;
	struct outlet_limit limits[OUTLET_LIMITS_MAX];
	size_t limit_count;

	struct forwarder_destination settings;
	struct sender *sender;
};

static struct world *world; /* queue.h has no place for a test's pointer */

static inline uint64_t
world_random(uint64_t below)
{
	world->random = world->random * UINT64_C(6364136223846793005) +
			UINT64_C(1442695040888963407);
	return (world->random >> 33) % below;
}

/* ---- the outlet ---- */

struct outlet_context {
	char rules[2];
	const char *app_id, *url;
};

static inline bool
world_context_new(const void *settings, struct outlet_context **ret_context,
    struct err *reterr)
{
	(void)settings, (void)reterr;
	*ret_context = calloc(1, sizeof(**ret_context));
	assert_non_null(*ret_context);
	(*ret_context)->rules[0] = world->rules;
	(*ret_context)->app_id = world->app_id;
	(*ret_context)->url = world->url;
	return true;
}

static inline void
world_context_free(struct outlet_context *context)
{
	free(context);
}

static inline size_t
world_limits(const struct outlet_context *context,
    struct outlet_limit ret_limits[OUTLET_LIMITS_MAX])
{
	(void)context;
	memcpy(ret_limits, world->limits, sizeof(world->limits));
	return world->limit_count;
}

static inline bool
world_label(const struct outlet_context *context,
    const struct outlet_group *group, struct buf *ret_label, struct err *reterr)
{
	(void)context;
	if (group->id.data[0] == '?')
		return err_set(reterr, ERR_INPUT, "there is no name for it");
	(void)buf_printf(
	    ret_label, "%.*s-%.*s", STR_ARGS(group->name), STR_ARGS(group->id));
	return buf_ok(ret_label, reterr);
}

static inline bool
world_announce(const struct outlet_context *context,
    const struct outlet_group *group, int64_t first_ms, struct buf *body,
    struct err *reterr)
{
	(void)context;
	if (world->sender != NULL)
		assert_int_equal(first_ms, 1000);
	return buf_printf(body, "%.*s=%.*s", STR_ARGS(group->label),
		   STR_ARGS(group->name)) &&
	       buf_ok(body, reterr);
}

static inline int64_t
world_hold_ms(const struct outlet_context *context)
{
	(void)context;
	return 300000;
}

static inline void
world_address(const struct outlet_context *context, bool announcement,
    struct outlet_address *ret_address)
{
	static const char *const headers[] = {NULL};

	*ret_address = (struct outlet_address){
	    announcement ? world->announce_url : context->url, headers};
}

static inline struct str
world_rules(const struct outlet_context *context)
{
	return str_bytes(context->rules, 1);
}

static inline bool
world_prepare(const struct outlet_context *context, struct str rules,
    const struct outlet_group *group, const struct item *item, int64_t now_ms,
    struct buf *out, struct outlet_prepared *ret_prepared, struct err *reterr)
{
	size_t number = strtoul(item->data.data, NULL, 10);
	struct world_event *of = &world->events[number];

	assert_int_equal(group != NULL, of->set != NULL);
	if (group != NULL) {
		assert_true(str_equal_text(group->id, of->set->id));
		assert_true(str_equal_text(group->label, of->set->label) ||
			    world->settings.dry_run);
	}
	world->judged_ms = now_ms;
	of->mapped = rules.len > 0 ? rules.data[0] : context->rules[0];
	if (world->map_fails != ERR_NONE)
		return err_set(reterr, world->map_fails, "it fails");
	*ret_prepared =
	    (struct outlet_prepared){.key = of->identity, .omission_count = 1};
	ret_prepared->omissions[0] = (struct outlet_omission){"plan", "cut", 2};
	if (of->drop) {
		ret_prepared->fate = OUTLET_DROP;
		ret_prepared->reason = "a rule";
		return true;
	}
	if (buf_append(out, item->data.data, item->data.len))
		return true;
	out->failed = false;
	return err_set_nomem(reterr);
}

static inline bool
world_frame(const struct outlet_context *context,
    const struct outlet_group *group, const struct str *items, size_t count,
    struct buf *body, struct err *reterr)
{
	if (group != NULL)
		(void)buf_append(body, group->label.data, group->label.len);
	(void)buf_printf(body, "%s:[", context->app_id);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			(void)buf_char(body, ',');
		(void)buf_append(body, items[i].data, items[i].len);
	}
	(void)buf_text(body, "]");
	return buf_ok(body, reterr);
}

static inline const char *
world_header(void *arg, const char *name)
{
	const struct world_flight *flight = arg;

	return strcmp(name, "Retry-After") == 0 ? flight->retry_after : NULL;
}

static inline void
world_judge(const struct outlet_context *context,
    const struct outlet_answer *answer, size_t count,
    enum outlet_outcome *ret_items, struct outlet_verdict *ret_verdict)
{
	const struct world_flight *flight = answer->arg;

	(void)context;
	outlet_judge_http(
	    answer, 15 * 60 * 1000, count, ret_items, ret_verdict);
	if (answer->status == 423) {
		ret_verdict->unknown = false;
		ret_verdict->wait_ms = 5000;
		for (size_t i = 0; i < count; i++)
			ret_items[i] = OUTLET_NOT_TAKEN;
	}
	ret_verdict->fewer = ret_verdict->kind == OUTLET_VERDICT_REFUSED &&
			     str_equal_text(answer->body, "too many");
	if (ret_verdict->kind != OUTLET_VERDICT_ACCEPTED || !world->names_items)
		return;
	for (size_t i = 0; i < count; i++) {
		if (world->events[flight->events[i]].bad)
			ret_items[i] = OUTLET_REFUSED;
	}
}

/* ---- queue/queue.h ---- */

void
queue_destination_limit(
    struct queue *queue, int64_t destination, int64_t max_bytes)
{
	(void)queue;
	(void)destination;
	assert_int_equal(max_bytes, 0);
}

bool
queue_destination_open(struct queue *queue, const char *name,
    struct queue_destination *ret_destination, struct err *reterr)
{
	(void)queue, (void)name;
	if (world->lost)
		return err_set(reterr, ERR_BUSY, "another has it");
	*ret_destination = (struct queue_destination){
	    .id = 1,
	    .paused = world->paused,
	    .clean = world->clean,
	    .others = world->others,
	};
	buf_init(&ret_destination->state, SIZE_MAX / 2);
	assert_true(buf_append(
	    &ret_destination->state, world->state.data, world->state.len));
	world->clean = false;
	return true;
}

void
queue_destination_fini(struct queue_destination *destination)
{
	buf_fini(&destination->state);
}

bool
queue_destination_save(struct queue *queue, int64_t destination,
    const void *state, size_t len, bool stop, struct err *reterr)
{
	(void)queue, (void)destination;
	if (world->broken || world->lost)
		return err_set(reterr, world->broken ? ERR_IO : ERR_BUSY, "no");
	world->saves++;
	buf_reset(&world->state);
	assert_true(buf_append(&world->state, state, len));
	world->clean = stop;
	return true;
}

/* Is the event a replay? */
static inline bool
world_replay(size_t number)
{
	return number >= world->replays_from && number < world->replays_to;
}

static inline bool
world_alike(const struct world_event *a, const struct world_event *b)
{
	return a->rules == b->rules && a->set == b->set &&
	       memcmp(&a->history, &b->history, sizeof(a->history)) == 0;
}

/* A group as it is now; free() frees it. */
static inline struct queue_group *
world_group_lend(const struct world_group *set)
{
	struct lent {
		struct queue_group of;
		struct world_group texts;
	} *lent = calloc(1, sizeof(*lent));

	assert_non_null(lent);
	lent->texts = *set;
	lent->of = (struct queue_group){
	    .number = 7000 + (set - world->groups),
	    .id = str_text(lent->texts.id),
	    .name = str_text(lent->texts.name),
	    .first_ms = 1000,
	    .kind = str_text(lent->texts.kind),
	    .label = str_text(lent->texts.label),
	    .announced = str_text(lent->texts.announced),
	};
	return &lent->of;
}

/* A lease like this event, to be filled. */
static inline struct queue_lease *
world_lease_new(const struct world_event *event)
{
	struct queue_lease *lease = calloc(1, sizeof(*lease));

	assert_non_null(lease);
	lease->items = calloc(WORLD_BATCH, sizeof(*lease->items));
	assert_non_null(lease->items);
	lease->destination = 1;
	lease->source = "source";
	lease->rules = str_bytes(&event->rules, event->rules != 0);
	if (event->set != NULL)
		lease->group = world_group_lend(event->set);
	return lease;
}

static inline void
world_lease_add(struct queue_lease *lease, unsigned number)
{
	struct world_event *event = &world->events[number];
	struct queue_item *item = &lease->items[lease->count++];

	event->fate = LEASED;
	world->leased++;
	if (event->attempts > lease->attempts)
		lease->attempts = event->attempts;
	*item = (struct queue_item){
	    .index = number,
	    .type = str_text(event->type != NULL ? event->type : "type"),
	    .data = str_text(event->text),
	    .history = event->history,
	};
	lease->bytes += item->data.len;
	lease->open++;
}

/* The lease that takes the event, at the end of the list. */
static inline void
world_lease_put(struct queue_lease **list, bool replay, unsigned number)
{
	struct world_event *event = &world->events[number];

	while (*list != NULL) {
		if ((*list)->count < WORLD_BATCH && (*list)->replay == replay &&
		    world_alike(event, &world->events[(*list)->items[0].index]))
			break;
		list = &(*list)->next;
	}
	if (*list == NULL) {
		*list = world_lease_new(event);
		(*list)->replay = replay;
	}
	world_lease_add(*list, number);
}

static inline void
world_take_deferred(struct queue_want *want, int64_t now_ms, size_t *bytes,
    struct queue_lease **list)
{
	size_t kept = 0;

	for (size_t i = 0; i < world->deferred; i++) {
		struct world_event *event = &world->events[world->waiting[i]];

		if (event->due_ms <= now_ms && *bytes < want->bytes) {
			*bytes += strlen(event->text);
			world_lease_put(list, world_replay(world->waiting[i]),
			    world->waiting[i]);
			continue;
		}
		if (event->due_ms < want->next_ms)
			want->next_ms = event->due_ms;
		world->waiting[kept++] = world->waiting[i];
	}
	world->deferred = kept;
}

bool
queue_take(struct queue *queue, struct queue_want *wants, size_t count,
    int64_t now_ms, struct queue_lease **ret_leases, struct err *reterr)
{
	struct queue_lease *list = NULL, **end = &list;
	struct queue_want *want = wants;
	size_t bytes = 0;

	(void)queue, (void)reterr;
	assert_int_equal(count, 1);
	assert_int_equal(want->destination, 1);
	world->hold_ms = want->hold_ms;
	*ret_leases = NULL;
	want->next_ms = INT64_MAX;
	if (want->after_seq != NULL) {
		while ((size_t)*want->after_seq < world->count &&
		       bytes < want->bytes) {
			size_t number = (size_t)(*want->after_seq)++;

			if (world->events[number].fate != QUEUED)
				continue;
			if (*end != NULL &&
			    ((*end)->count == WORLD_BATCH ||
				!world_alike(&world->events[number],
				    &world->events[(*end)->items[0].index])))
				end = &(*end)->next;
			if (*end == NULL)
				*end = world_lease_new(&world->events[number]);
			world_lease_add(*end, (unsigned)number);
			bytes += 8;
		}
		if ((size_t)*want->after_seq < world->count)
			want->next_ms = now_ms;
		*ret_leases = list;
		return true;
	}
	if (want->parked != NULL) {
		for (size_t i = 0; i < world->count; i++) {
			struct world_event *event = &world->events[i];

			if (event->fate != PARKED ||
			    strcmp(event->group, want->parked) != 0 ||
			    (list != NULL && list->count == WORLD_BATCH))
				continue;
			world->parked--;
			world_lease_put(&list, false, (unsigned)i);
			if (list->next != NULL) {
				/* Not alike: another time. */
				queue_lease_free(NULL, list->next);
				list->next = NULL;
			}
		}
		*ret_leases = list;
		return true;
	}
	world_take_deferred(want, now_ms, &bytes, &list);
	for (; world->fresh < world->count && bytes < want->bytes;
	     world->fresh++) {
		struct world_event *event = &world->events[world->fresh];

		if (event->fate != QUEUED || world_replay(world->fresh))
			continue;
		bytes += strlen(event->text);
		while (*end != NULL && (*end)->next != NULL)
			end = &(*end)->next;
		world_lease_put(end, false, (unsigned)world->fresh);
	}
	if (world->fresh < world->count)
		want->next_ms = now_ms;
	for (size_t i = world->replays_from;
	     want->replays && i < world->replays_to; i++) {
		if (world->events[i].fate != QUEUED)
			continue;
		if (bytes >= want->bytes) {
			want->next_ms = now_ms;
			break;
		}
		bytes += strlen(world->events[i].text);
		world_lease_put(&list, true, (unsigned)i);
	}
	*ret_leases = list;
	return true;
}

void
queue_lease_free(struct queue *queue, struct queue_lease *lease)
{
	(void)queue;
	for (size_t i = 0; i < lease->count; i++) {
		size_t number = lease->items[i].index;
		struct world_event *event = &world->events[number];

		if (event->fate != LEASED || lease->items[i].settled)
			continue;
		world->leased--;
		if (event->group != NULL) {
			event->fate = PARKED;
			world->parked++;
			continue;
		}
		event->fate = QUEUED;
		if (number < world->fresh)
			world->fresh = number;
	}
	free((void *)(uintptr_t)lease->group);
	free(lease->items);
	free(lease);
}

bool
queue_post(struct queue *queue, struct queue_lease *const *leases, size_t count,
    struct str rules, struct err *reterr)
{
	bool any = false;

	(void)queue;
	assert_int_equal(rules.len, 1);
	for (size_t i = 0; i < count; i++)
		any = any || leases[i]->rules.len == 0;
	if (!any)
		return true;
	if (world->broken || world->lost)
		return err_set(reterr, world->broken ? ERR_IO : ERR_BUSY, "no");
	world->notes++;
	for (size_t i = 0; i < count; i++) {
		if (leases[i]->rules.len > 0)
			continue;
		for (size_t k = 0; k < leases[i]->count; k++)
			world->events[leases[i]->items[k].index].rules =
			    rules.data[0];
		leases[i]->rules = str_bytes(
		    &world->events[leases[i]->items[0].index].rules, 1);
	}
	return true;
}

static inline void
world_settle_dead(struct world_event *event, const struct queue_item *item)
{
	const struct queue_detail *detail = item->detail;

	if (world->foreign) {
		assert_string_equal(item->reason,
		    "its destination now takes items of another kind");
		return;
	}
	if (event->set != NULL && event->set->id[0] == '?') {
		assert_string_equal(
		    item->reason, "the destination has no name for its group");
		return;
	}
	assert_true(event->bad || event->fails != 0);
	assert_non_null(detail);
	assert_non_null(item->reason);
	if (detail->posts > 0) {
		unsigned status = event->fails != 0    ? event->fails
				  : event->large       ? 413
				  : world->names_items ? 200
						       : 400;

		assert_int_equal(detail->status, status == 1 ? 0 : status);
		assert_int_equal(detail->sent.len, strlen(event->text));
		assert_memory_equal(
		    detail->sent.data, event->text, detail->sent.len);
	}
	event->posts = detail->posts;
}

static inline void
world_settle_one(struct queue_lease *lease, struct queue_item *item)
{
	struct world_event *event = &world->events[item->index];

	assert_int_equal(event->fate, LEASED);
	world->leased--;
	item->settled = true;
	lease->open--;
	if (item->outcome != QUEUE_PARKED)
		event->group = NULL;
	switch (item->outcome) {
	case QUEUE_OPEN:
		fail();
		break;
	case QUEUE_DELIVERED:
		assert_true(event->accepted);
		event->fate = DELIVERED;
		world->done++;
		break;
	case QUEUE_DEFERRED:
		event->fate = DEFERRED;
		event->due_ms = item->due_ms;
		event->history = item->history;
		world->blamed += item->history.first_ms != 0;
		event->attempts++;
		event->deferrals++;
		if (!item->unsure)
			event->rules = 0;
		world->waiting[world->deferred++] = (unsigned)item->index;
		break;
	case QUEUE_PARKED:
		event->fate = PARKED;
		event->history = item->history;
		event->group = event->type != NULL ? event->type : "type";
		assert_string_equal(item->reason, event->group);
		if (!item->unsure)
			event->rules = 0;
		world->parked++;
		break;
	case QUEUE_DEAD:
		world_settle_dead(event, item);
		event->fate = DEAD;
		world->dead++;
		break;
	case QUEUE_DROPPED:
		assert_string_equal(item->reason, "a rule");
		assert_null(item->detail);
		event->fate = DROPPED;
		world->dropped++;
		break;
	}
}

static inline bool
world_has(const struct queue_lease *lease, const struct world_event *event)
{
	for (size_t i = 0; i < lease->count; i++) {
		if (&world->events[lease->items[i].index] == event)
			return true;
	}
	return false;
}

bool
queue_settle(struct queue *queue, struct queue_lease *const *leases,
    size_t count, int64_t now_ms, struct err *reterr)
{
	bool ok = true;

	(void)queue, (void)now_ms;
	if (world->broken || world->lost)
		return err_set(reterr, world->broken ? ERR_IO : ERR_BUSY, "no");
	world->settles++;
	for (size_t i = 0; i < count; i++) {
		if (world_has(leases[i], world->damaged)) {
			ok = err_set(reterr, ERR_DAMAGED, "no");
			continue;
		}
		for (size_t k = 0; k < leases[i]->count; k++) {
			struct queue_item *item = &leases[i]->items[k];

			if (item->outcome != QUEUE_OPEN && !item->settled)
				world_settle_one(leases[i], item);
		}
	}
	return ok;
}

bool
queue_group_save(struct queue *queue, int64_t destination, int64_t group,
    struct str kind, struct str label, struct str announced, struct err *reterr)
{
	struct world_group *set = &world->groups[group - 7000];

	(void)queue;
	assert_int_equal(destination, 1);
	assert_in_range(group, 7000, 7000 + WORLD_GROUPS - 1);
	if (world->broken || world->lost || world->group_save_fails)
		return err_set(reterr, world->lost ? ERR_BUSY : ERR_IO, "no");
	set->saves++;
	(void)snprintf(set->kind, sizeof(set->kind), "%.*s", STR_ARGS(kind));
	(void)snprintf(set->label, sizeof(set->label), "%.*s", STR_ARGS(label));
	(void)snprintf(set->announced, sizeof(set->announced), "%.*s",
	    STR_ARGS(announced));
	return true;
}

bool
queue_unpark_others(struct queue *queue, int64_t destination,
    const char *const *groups, size_t count, struct err *reterr)
{
	(void)queue, (void)destination, (void)reterr;
	for (size_t i = 0; i < world->count; i++) {
		struct world_event *event = &world->events[i];
		bool named = false;

		for (size_t k = 0; k < count; k++)
			named =
			    named || (event->group != NULL &&
					 strcmp(event->group, groups[k]) == 0);
		if (event->fate != PARKED || named)
			continue;
		event->group = NULL;
		event->fate = QUEUED;
		world->parked--;
		if (i < world->fresh)
			world->fresh = i;
	}
	return true;
}

bool
queue_unpark(struct queue *queue, int64_t destination, const char *group,
    struct err *reterr)
{
	(void)queue, (void)destination;
	if (world->broken || world->lost)
		return err_set(reterr, world->broken ? ERR_IO : ERR_BUSY, "no");
	world->unparks++;
	for (size_t i = 0; i < world->count; i++) {
		struct world_event *event = &world->events[i];

		if (event->group == NULL || strcmp(event->group, group) != 0)
			continue;
		event->group = NULL;
		if (event->fate != PARKED)
			continue;
		event->fate = QUEUED;
		event->history = (struct queue_history){0};
		world->parked--;
		if (i < world->fresh)
			world->fresh = i;
	}
	return true;
}

/* ---- the destination ---- */

static inline void
world_log_window(struct world_log *log, int64_t ms, unsigned count,
    int64_t window_ms, size_t *most)
{
	while (log->head < log->count &&
	       log->arrivals[log->head].ms <= ms - window_ms)
		log->sum -= log->arrivals[log->head++].count;
	if (log->count == log->cap) {
		size_t live = log->count - log->head;

		if (live > 0)
			memmove(log->arrivals, log->arrivals + log->head,
			    live * sizeof(*log->arrivals));
		log->head = 0;
		log->count = live;
		if (live * 2 >= log->cap) {
			log->cap = live * 2 + 16;
			log->arrivals = realloc(
			    log->arrivals, log->cap * sizeof(*log->arrivals));
			assert_non_null(log->arrivals);
		}
	}
	log->arrivals[log->count++] = (struct world_arrival){ms, count};
	log->sum += count;
	if (log->sum > *most)
		*most = log->sum;
}

static inline void
world_log_add(struct world_log *log, int64_t ms, unsigned count, size_t *most)
{
	world_log_window(log, ms, count, WORLD_WINDOW_MS, most);
}

static inline void
world_say(struct world_flight *flight, unsigned status, const char *body)
{
	flight->answer.transport = OUTLET_WHOLE;
	flight->answer.status = status;
	flight->answer.body = str_text(body);
}

/* No answer, or (status is not 0) the head of one only. */
static inline void
world_fail(struct world_flight *flight, unsigned status, const char *trouble)
{
	flight->answer.transport = status != 0 ? OUTLET_CUT : OUTLET_UNKNOWN;
	flight->answer.status = status;
	flight->answer.trouble = trouble;
}

/* What is accepted is of a group that is announced, and always under the same
 * label. */
static inline void
world_group_arrive(struct world_flight *flight)
{
	struct world_group *set = flight->set;

	if (flight->announcement) {
		(void)snprintf(set->known, sizeof(set->known), "%s",
		    flight->name[0] != '\0' ? flight->name : set->id);
		set->announcements++;
		return;
	}
	assert_string_not_equal(set->known, "");
	if (set->written[0] == '\0')
		memcpy(set->written, flight->label, sizeof(set->written));
	assert_string_equal(set->written, flight->label);
}

static inline void
world_arrive(struct world_flight *flight)
{
	const struct world_event *bad = NULL;
	size_t i;

	flight->arrived = true;
	world->arrived += flight->count;
	world_log_add(&world->app, flight->arrive_ms, (unsigned)flight->count,
	    &world->app_most);
	for (i = 0; i < flight->count; i++) {
		struct world_event *event = &world->events[flight->events[i]];

		if (bad == NULL &&
		    ((event->bad && !world->names_items) || event->fails != 0))
			bad = event;
		world_log_add(&world->identities[event->identity],
		    flight->arrive_ms, 1, &world->identity_most);
	}
	if (world->judge != NULL)
		world->judge(world, flight);
	if (flight->answer.status == 0 && flight->answer.trouble[0] == '\0') {
		if (world->all_status != 0)
			world_say(flight, world->all_status, "bad");
		else if (bad == NULL)
			world_say(flight, 200, "{}");
		else if (bad->fails == 1)
			world_fail(flight, 0, "reset");
		else
			world_say(
			    flight, bad->fails != 0 ? bad->fails : 400, "bad");
	}
	if ((flight->answer.status == 200 || flight->taken) &&
	    flight->set != NULL)
		world_group_arrive(flight);
	for (i = 0; (flight->answer.status == 200 || flight->taken) &&
		    i < flight->count;
	     i++) {
		struct world_event *event = &world->events[flight->events[i]];

		if (event->bad && world->names_items)
			continue;
		world->twice += event->accepted;
		event->split =
		    event->split ||
		    (event->accepted && event->at_heap != flight->mapped[i]);
		event->at_heap = flight->mapped[i];
		event->accepted = true;
	}
}

/* The group that a request is of: alone, and no other is on its way, not even
 * of a sender that died. What it says was saved before. */
static inline void
world_send_group(struct world_flight *flight, const struct request *request)
{
	struct world_group *set = flight->set;
	char label[sizeof(flight->label) + sizeof(flight->name)];
	size_t len;

	for (size_t i = 0; i < WORLD_FLIGHTS; i++)
		assert_true(&world->flights[i] == flight ||
			    world->flights[i].events == NULL ||
			    world->flights[i].set != set);
	assert_string_equal(set->kind, "world");
	(void)snprintf(flight->label, sizeof(flight->label), "%s", set->label);
	flight->announcement = request->announcement;
	if (request->announcement) {
		assert_int_equal(request->count, 0);
		len = (size_t)snprintf(label, sizeof(label), "%s=", set->label);
		assert_memory_equal(request->body.data, label, len);
		(void)snprintf(flight->name, sizeof(flight->name), "%.*s",
		    (int)(request->body.len - len), request->body.data + len);
		return;
	}
	for (size_t i = 0; i < request->count; i++)
		assert_ptr_equal(world->events[flight->events[i]].set, set);
	len = (size_t)snprintf(
	    label, sizeof(label), "%s%s:[", set->label, world->app_id);
	assert_memory_equal(request->body.data, label, len);
	assert_string_equal(set->announced, set->known);
}

static inline bool
world_send(void *arg, struct sender *sender, struct request *request,
    struct err *reterr)
{
	struct world_flight *flight = world->flights;
	const char *text, *end;
	size_t i;

	(void)arg, (void)reterr;
	while (flight->events != NULL)
		flight++;
	assert_true(flight < world->flights + WORLD_FLIGHTS);
	*flight = (struct world_flight){
	    .sender = sender,
	    .request = request,
	    .count = request->count,
	    .events = calloc(request->count + 1, sizeof(unsigned)),
	    .mapped = calloc(request->count + 1, sizeof(*flight->mapped)),
	    .answer = {.trouble = "", .header = world_header, .arg = flight},
	};
	world->posts++;
	if (request->count > world->largest)
		world->largest = request->count;
	flight->arrive_ms =
	    world->now.mono_ms +
	    (int64_t)world_random((uint64_t)world->latency_ms + 1);
	flight->answer_ms =
	    flight->arrive_ms +
	    (int64_t)world_random((uint64_t)world->latency_ms + 1);
	/* What Heap reads are the bytes, not the items. */
	if (request->group != NULL)
		flight->set = &world->groups[request->group->of.number - 7000];
	if (request->announcement) {
		world_send_group(flight, request);
		return true;
	}
	text = memchr(request->body.data, '[', request->body.len);
	for (i = 0; i < request->count; i++) {
		flight->events[i] = (unsigned)strtoul(text + 1, NULL, 10);
		flight->mapped[i] = world->events[flight->events[i]].mapped;
		end = text + 1 + strlen(world->events[flight->events[i]].text);
		assert_true(*end == (i + 1 < request->count ? ',' : ']'));
		text = end;
	}
	assert_ptr_equal(text + 1, request->body.data + request->body.len);
	if (flight->set != NULL)
		world_send_group(flight, request);
	if (world->body_most > 0 && request->body.len > world->body_most)
		world_say(flight, 413, "bad");
	return true;
}

/* ---- the world ---- */

static inline void
world_sender_start(void)
{
	struct err err;

	/* Another process: the clock that due times go by starts anew. */
	world->shared.due_ahead_ms = 0;
	assert_true(sender_new(&world->settings, &world->shared, &world->times,
	    NULL, 1, &world->now, &world->sender, &err));
}

/* A world of `count` waiting events of as many identities as there are. */
static inline void
world_start(size_t count)
{
	size_t i;

	world = calloc(1, sizeof(*world));
	world->now = (struct clock_times){
	    .mono_ms = 5000000, .wall_ms = INT64_C(1795000000000)};
	world->shared.boot = 7;
	world->shared.send = world_send;
	world->clean = true;
	world->most = world->count = count;
	world->events = calloc(count + 1, sizeof(*world->events));
	world->waiting = calloc(count + 1, sizeof(*world->waiting));
	buf_init(&world->state, SIZE_MAX / 2);
	world->identities =
	    calloc(WORLD_IDENTITIES, sizeof(*world->identities));
	world->latency_ms = 20;
	for (i = 0; i < count; i++) {
		(void)snprintf(world->events[i].text,
		    sizeof(world->events[i].text), "%zu", i);
		world->events[i].identity = (unsigned)(i % WORLD_IDENTITIES);
	}
	forwarder_destination_init(&world->settings);
	world->settings.name = "test";
	world->settings.outlet = &world->outlet;
	world->rules = 'e';
	world->url = "http://there/";
	world->announce_url = "http://there/announce";
	world->app_id = "1";
	world->outlet = (struct outlet){
	    .kind = "world",
	    .item_noun = "event",
	    .answer_max = 1000,
	    .frame_bytes = 64,
	    .request_items_most = 1000,
	    .context_new = world_context_new,
	    .context_free = world_context_free,
	    .limits = world_limits,
	    .address = world_address,
	    .rules = world_rules,
	    .prepare = world_prepare,
	    .frame = world_frame,
	    .judge = world_judge,
	};
}

/* All events are changes of so many groups, in turn; `alone`: as the outlet
 * wants them, and announced. */
static inline void
world_sets(size_t groups, bool alone)
{
	for (size_t i = 0; i < groups; i++) {
		(void)snprintf(
		    world->groups[i].id, sizeof(world->groups[i].id), "%zu", i);
		(void)snprintf(world->groups[i].name,
		    sizeof(world->groups[i].name), "name%zu", i);
	}
	for (size_t i = 0; i < world->most; i++) {
		world->events[i].set = &world->groups[i % groups];
		world->events[i].type = world->events[i].set->id;
	}
	world->outlet.item_noun = "change";
	world->outlet.set = true;
	world->outlet.label = world_label;
	world->outlet.hold_ms = world_hold_ms;
	world->outlet.group_alone = alone;
	world->outlet.announce = alone ? world_announce : NULL;
}

/* Our share of an amount of events a minute, of all and of an identity; 0 =
 * no limit. */
static inline void
world_quotas(unsigned all, unsigned identity)
{
	world->limit_count = 0;
	if (all > 0)
		world->limits[world->limit_count++] = (struct outlet_limit){
		    .unit = OUTLET_ITEMS,
		    .scope = OUTLET_DESTINATION,
		    .amount = all,
		    .window_ms = WORLD_WINDOW_MS,
		};
	if (identity > 0)
		world->limits[world->limit_count++] = (struct outlet_limit){
		    .unit = OUTLET_ITEMS,
		    .scope = OUTLET_KEY,
		    .amount = identity,
		    .window_ms = WORLD_WINDOW_MS,
		};
}

/* A planned stop, or (the queue being broken) a crash: what was in flight
 * still arrives, but its answer is lost. */
static inline void
world_sender_stop(bool crash)
{
	size_t i;

	world->broken = crash;
	sender_stop(world->sender);
	sender_end(world->sender, &world->now);
	sender_free(world->sender);
	world->sender = NULL;
	world->broken = false;
	for (i = 0; i < WORLD_FLIGHTS; i++)
		world->flights[i].request = NULL;
}

static inline void
world_end(void)
{
	size_t i;

	if (world->sender != NULL)
		world_sender_stop(false);
	assert_int_equal(world->leased, 0);
	for (i = 0; i < WORLD_FLIGHTS; i++)
		free(world->flights[i].events), free(world->flights[i].mapped);
	for (i = 0; i < WORLD_IDENTITIES; i++)
		free(world->identities[i].arrivals);
	free(world->app.arrivals);
	buf_fini(&world->state);
	free(world->identities);
	free(world->waiting);
	free(world->events);
	free(world);
}

/* The flight to which something happens next, and when. */
static inline struct world_flight *
world_flight_next(int64_t *ret_ms)
{
	struct world_flight *next = NULL;
	size_t i;

	*ret_ms = INT64_MAX;
	for (i = 0; i < WORLD_FLIGHTS; i++) {
		struct world_flight *flight = &world->flights[i];
		int64_t ms =
		    flight->arrived ? flight->answer_ms : flight->arrive_ms;

		if (flight->events == NULL || ms >= *ret_ms)
			continue;
		next = flight;
		*ret_ms = ms;
	}
	return next;
}

static inline void
world_flight_move(struct world_flight *flight)
{
	if (!flight->arrived) {
		world_arrive(flight);
		return;
	}
	flight->answer.now_ms = world->now.wall_ms;
	if (flight->request != NULL)
		sender_answer(flight->sender, flight->request, &flight->answer,
		    &world->now);
	free(flight->events);
	free(flight->mapped);
	flight->events = NULL;
	flight->mapped = NULL;
}

/* A round, as the forwarder's thread makes it. */
static inline int64_t
world_round(void)
{
	struct queue_lease *leases, *next;
	struct queue_want want;
	int64_t next_ms;

	for (;;) {
		next_ms = sender_step(world->sender, &world->now);
		if (!sender_want(world->sender, &world->now, &want))
			return next_ms;
		assert_true(queue_take(NULL, &want, 1,
		    sender_due_now_ms(&world->shared, &world->now), &leases,
		    NULL));
		for (; leases != NULL; leases = next) {
			next = leases->next;
			sender_give(world->sender, leases);
		}
		sender_given(world->sender, want.next_ms, &world->now);
	}
}

/* Let ms milliseconds pass. */
static inline void
world_pass(int64_t ms)
{
	int64_t end_ms = world->now.mono_ms + ms, next_ms, flight_ms;
	struct world_flight *flight;

	for (;;) {
		next_ms = world_round();
		flight = world_flight_next(&flight_ms);
		if (flight_ms < next_ms)
			next_ms = flight_ms;
		if (next_ms < world->now.mono_ms)
			next_ms = world->now.mono_ms;
		if (next_ms > end_ms)
			next_ms = end_ms;
		world->now.wall_ms += next_ms - world->now.mono_ms;
		world->now.mono_ms = next_ms;
		if (flight != NULL && flight_ms <= next_ms)
			world_flight_move(flight);
		else if (next_ms == end_ms)
			return;
	}
}

/* Let ms milliseconds pass without a sender: only what is on its way moves. */
static inline void
world_pass_quietly(int64_t ms)
{
	int64_t end_ms = world->now.mono_ms + ms, flight_ms;
	struct world_flight *flight;

	while ((flight = world_flight_next(&flight_ms)) != NULL &&
	       flight_ms <= end_ms) {
		if (flight_ms > world->now.mono_ms) {
			world->now.wall_ms += flight_ms - world->now.mono_ms;
			world->now.mono_ms = flight_ms;
		}
		world_flight_move(flight);
	}
	world->now.wall_ms += end_ms - world->now.mono_ms;
	world->now.mono_ms = end_ms;
}

/* One event in each `ms`, as they come in the night. */
static inline void
world_trickle(size_t events, int64_t ms)
{
	while (events-- > 0) {
		world->count++;
		sender_wake(world->sender);
		world_pass(ms);
	}
}

static inline struct forwarder_destination_status
world_status(void)
{
	struct forwarder_destination_status status;

	sender_status(world->sender, &world->now, &status);
	return status;
}

#endif
