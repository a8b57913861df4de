/*
 * Of each membership it is known whether Heap has it (IN) and what was said
 * of it last (WORD, by the sync last_sync). A page that is lost for good says
 * nothing, so the two differ until the segment is synced in full.
 */

#include "tests/sim/segmentsim_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	IN = 1,
	WORD = 2,
	UNSURE = 4,
	FIRST_SEGMENT_ID = 1000,
	TRIES = 50,
};

struct segmentsim_segment {
	uint32_t syncs;
	uint32_t long_syncs; /* of two pages or more */
	bool lost;	     /* a page, since the last full sync */
};

struct segmentsim_plan *
segmentsim_plan_new(const struct segmentsim_settings *settings)
{
	struct segmentsim_plan *plan = sim_alloc(sizeof(*plan));
	size_t people = (size_t)settings->people;
	size_t n = (size_t)settings->segments * people;

	plan->settings = settings;
	sim_random_init(&plan->random, (uint64_t)settings->seed);
	plan->segments =
	    sim_alloc((size_t)settings->segments * sizeof(*plan->segments));
	plan->last_sync = sim_alloc(n * sizeof(*plan->last_sync));
	plan->flags = sim_alloc(n);
	plan->picked = sim_alloc(people * sizeof(*plan->picked));
	plan->chosen = sim_alloc(people * sizeof(*plan->chosen));
	return plan;
}

void
segmentsim_plan_free(struct segmentsim_plan *plan)
{
	free(plan->losses);
	free(plan->segments);
	free(plan->last_sync);
	free(plan->flags);
	free(plan->picked);
	free(plan->chosen);
	free(plan);
}

static size_t
membership(
    const struct segmentsim_plan *plan, uint32_t segment, uint32_t person)
{
	return (size_t)segment * (size_t)plan->settings->people + person;
}

static bool
chance(struct segmentsim_plan *plan, double percent)
{
	return percent > 0 && sim_random_unit(&plan->random) * 100 < percent;
}

static size_t
below(struct segmentsim_plan *plan, size_t n)
{
	return (size_t)(sim_random_unit(&plan->random) * (double)n);
}

/* How many changes may still be made. */
static size_t
changes_left(const struct segmentsim_plan *plan)
{
	if (plan->settings->changes == 0)
		return SIZE_MAX;
	return (size_t)((uint64_t)plan->settings->changes - plan->changes);
}

static void
choose(struct segmentsim_plan *plan, uint32_t person, bool in)
{
	plan->chosen[plan->n_chosen++] = 2 * person + (in ? 1 : 0);
}

/* Those of whom percent says so, or all who are in. */
static void
choose_all(struct segmentsim_plan *plan, uint32_t segment, double percent,
    bool leavers, size_t left)
{
	uint32_t people = (uint32_t)plan->settings->people;
	uint32_t person;
	bool in;

	for (person = 0; person < people && plan->n_chosen < left; person++) {
		in = plan->flags[membership(plan, segment, person)] & IN;
		if (leavers ? in : chance(plan, percent))
			choose(plan, person, !in);
	}
}

/* Someone who is in, or is not; after many misses anyone. */
static uint32_t
someone(struct segmentsim_plan *plan, uint32_t segment, bool in)
{
	uint32_t person = 0;
	int i;

	for (i = 0; i < TRIES; i++) {
		person = (uint32_t)below(plan, (size_t)plan->settings->people);
		if (!(plan->flags[membership(plan, segment, person)] & IN) !=
		    in)
			break;
	}
	return person;
}

/* As many as churn says, each once; half of them leave. */
static void
choose_churn(struct segmentsim_plan *plan, uint32_t segment, size_t left)
{
	size_t people = (size_t)plan->settings->people;
	size_t churn = (size_t)plan->settings->churn;
	uint32_t mark = (uint32_t)plan->syncs;
	uint32_t person;

	if (2 * churn >= people) {
		choose_all(plan, segment,
		    100.0 * (double)churn / (double)people, false, left);
		return;
	}
	while (plan->n_chosen < churn && plan->n_chosen < left) {
		person = someone(plan, segment, plan->n_chosen % 2 == 1);
		if (plan->picked[person] == mark)
			continue;
		plan->picked[person] = mark;
		choose(plan, person,
		    !(plan->flags[membership(plan, segment, person)] & IN));
	}
}

/* All who are in, and all who may be thought to be. */
static void
choose_full(struct segmentsim_plan *plan, uint32_t segment)
{
	uint32_t people = (uint32_t)plan->settings->people;
	uint32_t person;
	uint8_t flags;

	for (person = 0; person < people; person++) {
		flags = plan->flags[membership(plan, segment, person)];
		if (flags & (IN | WORD))
			choose(plan, person, flags & IN);
	}
}

/* What the page says is Heap's truth from now on; unless it is lost, it is
 * the last word too. */
static void
page_tell(
    struct segmentsim_plan *plan, const struct segmentsim_page *page, bool lost)
{
	size_t at;
	size_t i;
	bool in;

	for (i = 0; i < page->n; i++) {
		at = membership(plan, page->segment, page->changes[i] / 2);
		in = page->changes[i] & 1;
		plan->flags[at] =
		    (uint8_t)((plan->flags[at] & ~IN) | (in ? IN : 0));
		if (lost)
			continue;
		plan->flags[at] =
		    (uint8_t)((plan->flags[at] & ~WORD) | (in ? WORD : 0));
		plan->last_sync[at] = page->sync;
	}
}

static struct segmentsim_page *
page_new(const uint32_t *changes, size_t n)
{
	struct segmentsim_page *page =
	    sim_alloc(sizeof(*page) + n * sizeof(*changes));

	page->n = n;
	memcpy(page->changes, changes, n * sizeof(*changes));
	return page;
}

static void
shuffle(struct segmentsim_plan *plan, struct segmentsim_sync *sync)
{
	struct segmentsim_page *page;
	size_t i, j;

	for (i = sync->n; i > 1; i--) {
		j = below(plan, i);
		page = sync->pages[i - 1];
		sync->pages[i - 1] = sync->pages[j];
		sync->pages[j] = page;
	}
}

/* The page that gets lost, or SIZE_MAX. A sync of one page cannot lose it:
 * nobody could tell. */
static size_t
page_to_lose(struct segmentsim_plan *plan, uint32_t segment, size_t of)
{
	int64_t every = plan->settings->lose_every;

	if (every == 0 || of < 2 ||
	    ++plan->segments[segment].long_syncs % every != 0)
		return SIZE_MAX;
	return below(plan, of);
}

static void
loss_add(struct segmentsim_plan *plan, const struct segmentsim_page *page)
{
	plan->losses =
	    sim_grow(plan->losses, plan->n_losses + 1, sizeof(*plan->losses));
	plan->losses[plan->n_losses++] = (struct segmentsim_loss){
	    page->segment, page->sync, page->number, page->of};
	plan->segments[page->segment].lost = true;
}

/* At least one page of a sync is not held back: it says that there is one. */
static void
sync_cut(struct segmentsim_plan *plan, uint32_t segment, bool full,
    struct segmentsim_sync *sync)
{
	const struct segmentsim_settings *settings = plan->settings;
	size_t size = (size_t)settings->page;
	size_t of = plan->n_chosen > 0 ? (plan->n_chosen + size - 1) / size : 1;
	size_t lose = full ? SIZE_MAX : page_to_lose(plan, segment, of);
	struct segmentsim_page *page;
	size_t i, n;

	*sync = (struct segmentsim_sync){.segment = segment};
	sync->pages = sim_alloc(of * sizeof(struct segmentsim_page *));
	for (i = 0; i < of; i++) {
		n = plan->n_chosen - i * size;
		page = page_new(&plan->chosen[i * size], n < size ? n : size);
		page->segment = segment;
		page->sync = plan->segments[segment].syncs;
		page->number = (uint32_t)i + 1;
		page->of = (uint32_t)of;
		page_tell(plan, page, i == lose);
		if (i == lose) {
			loss_add(plan, page);
			free(page);
			continue;
		}
		sync->pages[sync->n++] = page;
		sync->n_changes += page->n;
	}
	shuffle(plan, sync);
	for (i = 1; i < sync->n; i++) {
		if (full || !chance(plan, settings->late_percent))
			continue;
		sync->pages[i]->late =
		    1 + (uint32_t)below(plan, (size_t)settings->late_syncs);
		plan->late_pages++;
	}
	plan->changes += sync->n_changes;
	plan->pages += sync->n;
}

int64_t
segmentsim_plan_segment(const struct segmentsim_plan *plan, bool repair)
{
	const struct segmentsim_settings *settings = plan->settings;
	int64_t segment;

	if (!repair) {
		if ((settings->syncs > 0 &&
			plan->syncs >= (uint64_t)settings->syncs) ||
		    changes_left(plan) == 0)
			return -1;
		return (int64_t)(plan->syncs % (uint64_t)settings->segments);
	}
	for (segment = 0; segment < settings->segments; segment++)
		if (plan->segments[segment].lost)
			return segment;
	return -1;
}

void
segmentsim_plan_next(
    struct segmentsim_plan *plan, bool repair, struct segmentsim_sync *ret_sync)
{
	const struct segmentsim_settings *settings = plan->settings;
	uint32_t segment = (uint32_t)segmentsim_plan_segment(plan, repair);
	size_t left = changes_left(plan);
	uint32_t sync = ++plan->segments[segment].syncs;

	plan->n_chosen = 0;
	if (repair) {
		plan->full_syncs++;
		plan->segments[segment].lost = false;
		choose_full(plan, segment);
	} else {
		plan->syncs++;
		if (sync == 1)
			choose_all(plan, segment, settings->first_percent,
			    false, left);
		else if (sync == settings->empty_at)
			choose_all(plan, segment, 0, true, left);
		else
			choose_churn(plan, segment, left);
	}
	sync_cut(plan, segment, repair, ret_sync);
}

/* Were it obeyed, the memberships would be wrong. */
struct segmentsim_page *
segmentsim_page_bad(
    struct segmentsim_plan *plan, const struct segmentsim_page *page)
{
	struct segmentsim_page *bad;
	size_t i;

	if (!chance(plan, plan->settings->bad_percent))
		return NULL;
	bad = page_new(page->changes, page->n);
	for (i = 0; i < bad->n; i++)
		bad->changes[i] ^= 1;
	bad->segment = page->segment;
	bad->sync = UINT32_MAX - page->sync;
	bad->number = page->number;
	bad->of = page->of;
	bad->flaw =
	    SEGMENTSIM_GOOD + 1 + plan->bad_pages++ % (SEGMENTSIM_FLAWS - 1);
	return bad;
}

/* Only if no later sync has spoken of them. */
void
segmentsim_plan_unsure(
    struct segmentsim_plan *plan, const struct segmentsim_page *page)
{
	size_t at;
	size_t i;

	for (i = 0; i < page->n; i++) {
		at = membership(plan, page->segment, page->changes[i] / 2);
		if (plan->last_sync[at] == page->sync)
			plan->flags[at] |= UNSURE;
	}
}

static void
truth_line(const struct segmentsim_plan *plan, uint32_t segment,
    uint32_t person, const char *word, FILE *file)
{
	struct sim_text line = {0};

	segmentsim_segment_write(segment, &line);
	sim_text_add(&line, "\t", 1);
	segmentsim_person_write(plan->settings, person, &line);
	sim_text_print(&line, "\t%s\n", word);
	fwrite(line.at, line.len, 1, file);
	sim_text_fini(&line);
}

static void
truth_count(const struct segmentsim_plan *plan, uint32_t segment,
    uint32_t person, FILE *file, struct segmentsim_tally *tally)
{
	size_t at = membership(plan, segment, person);
	uint8_t flags = plan->flags[at];

	tally->differs += !(flags & IN) != !(flags & WORD);
	if (plan->last_sync[at] == 0)
		return;
	tally->memberships++;
	tally->in += (flags & WORD) != 0;
	tally->unknown += (flags & UNSURE) != 0;
	if (file != NULL)
		truth_line(plan, segment, person,
		    flags & UNSURE ? "unknown"
		    : flags & WORD ? "in"
				   : "out",
		    file);
}

void
segmentsim_truth_write(const struct segmentsim_plan *plan, const char *path,
    struct segmentsim_tally *ret_tally)
{
	uint32_t segments = (uint32_t)plan->settings->segments;
	uint32_t people = (uint32_t)plan->settings->people;
	FILE *file = NULL;
	uint32_t segment, person;

	*ret_tally = (struct segmentsim_tally){0};
	if (path[0] != '\0') {
		file = fopen(path, "w");
		if (file == NULL)
			sim_die("%s: %s", path, strerror(errno));
	}
	for (segment = 0; segment < segments; segment++)
		for (person = 0; person < people; person++)
			truth_count(plan, segment, person, file, ret_tally);
	if (file != NULL && (ferror(file) || fclose(file) != 0))
		sim_die("%s: %s", path, strerror(errno));
}

void
segmentsim_person_write(const struct segmentsim_settings *settings,
    uint32_t person, struct sim_text *out)
{
	sim_text_print(out, "%s%u",
	    settings->ids == SEGMENTSIM_STRINGS ? settings->prefix : "",
	    person);
}

void
segmentsim_segment_write(uint32_t segment, struct sim_text *out)
{
	sim_text_print(out, "%u", FIRST_SEGMENT_ID + segment);
}

/* A UUID of version 4, as far as anyone can see. */
void
segmentsim_task_write(const struct segmentsim_settings *settings,
    uint32_t segment, uint32_t sync, struct sim_text *out)
{
	uint64_t high = sim_mix((uint64_t)settings->seed + 1);
	uint64_t low = sim_mix(high + ((uint64_t)segment << 32 | sync));

	high = sim_mix(low + 1);
	sim_text_print(out, "%08x-%04x-4%03x-a%03x-%012llx",
	    (unsigned)(high >> 32), (unsigned)(high >> 16) & 0xffff,
	    (unsigned)high & 0xfff, (unsigned)(low >> 48) & 0xfff,
	    (unsigned long long)(low & 0xffffffffffff));
}

static void
list_write(const struct segmentsim_settings *settings,
    const struct segmentsim_page *page, bool in, struct sim_text *out)
{
	const char *quote = settings->ids == SEGMENTSIM_STRINGS ? "\"" : "";
	const char *comma = "";
	size_t i;

	for (i = 0; i < page->n; i++) {
		if ((page->changes[i] & 1) != (in ? 1 : 0))
			continue;
		sim_text_print(out, "%s{\"id\":%s", comma, quote);
		segmentsim_person_write(settings, page->changes[i] / 2, out);
		sim_text_print(out, "%s}", quote);
		comma = ",";
	}
}

/* Members whom nobody can find. */
static void
odd_write(const struct segmentsim_settings *settings, struct sim_text *out)
{
	int64_t i;

	for (i = 0; i < settings->odd; i++) {
		if (out->at[out->len - 1] == '}')
			sim_text_add(out, ",", 1);
		if (i % 4 == 0)
			sim_text_print(out, "{}");
		else if (i % 4 == 1)
			sim_text_print(out, "{\"id\":\" \"}");
		else if (i % 4 == 2)
			sim_text_print(out, "{\"id\":\"%01100d\"}", 7);
		else
			sim_text_print(out, "{\"id\":\"null\"}");
	}
}

/* Every second sync leaves the list out that is empty. */
static void
lists_write(const struct segmentsim_settings *settings,
    const struct segmentsim_page *page, struct sim_text *out)
{
	size_t adds = 0;
	size_t i;

	for (i = 0; i < page->n; i++)
		adds += page->changes[i] & 1;
	if (adds > 0 || page->n == 0 || settings->odd > 0 ||
	    page->sync % 2 == 1) {
		sim_text_print(out, ",\"add\":[");
		list_write(settings, page, true, out);
		odd_write(settings, out);
		sim_text_add(out, "]", 1);
	}
	if (adds < page->n || page->sync % 2 == 1) {
		sim_text_print(out, ",\"remove\":[");
		list_write(settings, page, false, out);
		sim_text_add(out, "]", 1);
	}
}

void
segmentsim_page_write(const struct segmentsim_settings *settings,
    const struct segmentsim_page *page, struct sim_text *out)
{
	const char *quote =
	    settings->segment_ids == SEGMENTSIM_STRINGS ? "\"" : "";
	int64_t names =
	    settings->rename_every > 0 && page->flaw == SEGMENTSIM_GOOD
		? (page->sync - 1) / settings->rename_every
		: 0;

	sim_text_print(out, "{\"action_type\":\"segment.users.sync\",");
	if (settings->id_token[0] != '\0')
		sim_text_print(out, "\"id_token\":\"%s\",", settings->id_token);
	sim_text_print(out,
	    "\"customer_config\":{\"fields\":[]},"
	    "\"data\":{\"segment\":{\"id\":%s",
	    quote);
	segmentsim_segment_write(page->segment, out);
	sim_text_print(
	    out, "%s,\"name\":\"Segment %u", quote, page->segment + 1);
	if (names > 0)
		sim_text_print(out, ", name %lld", (long long)names + 1);
	sim_text_print(out, "\"}");
	if (settings->sync_info) {
		sim_text_print(out,
		    ",\"sync_info\":{\"page_number\":%u,\"total_pages\":%u,"
		    "\"sync_task_id\":\"",
		    page->number, page->of);
		segmentsim_task_write(settings, page->segment, page->sync, out);
		sim_text_print(out, "\"}");
	}
	lists_write(settings, page, out);
	sim_text_print(out, "}}");
}
