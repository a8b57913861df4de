#ifndef SEGMENTSIM_PLAN_H
#define SEGMENTSIM_PLAN_H

/*
 * The syncs to send, and what they say of each membership in the end. They
 * depend on the settings alone. One thread at a time.
 */

#include "tests/sim/segmentsim_sign.h"

/* A page is what is posted, once or again. */
struct segmentsim_page {
	uint32_t segment; /* from 0 */
	uint32_t sync;	  /* of its segment, from 1 */
	uint32_t number;  /* from 1 */
	uint32_t of;
	uint32_t late; /* held back until so many later syncs began */

	enum segmentsim_flaw flaw; /* says the opposite of another page */
	bool again;		   /* was answered 200 before */
	int64_t timestamp_ms;	   /* of the last attempt; sent anew if 0 */
	unsigned attempts;
	size_t n;
	uint32_t changes[]; /* twice the person's number, and 1 for in */
};

struct segmentsim_sync {
	uint32_t segment;
	struct segmentsim_page **pages; /* in random order */
	size_t n;
	size_t n_changes;
};

/* A sync that lost a page for good. */
struct segmentsim_loss {
	uint32_t segment;
	uint32_t sync;
	uint32_t page;
	uint32_t of;
};

struct segmentsim_plan {
	const struct segmentsim_settings *settings;
	uint64_t changes; /* in pages to be sent */
	uint64_t syncs;
	uint64_t full_syncs;
	uint64_t pages;
	uint64_t late_pages;
	struct segmentsim_loss *losses;
	size_t n_losses;

	/* internal */
	struct sim_random random;
	struct segmentsim_segment *segments;
	uint32_t *last_sync; /* that names the membership; 0: none */
	uint8_t *flags;
	uint32_t *picked; /* by person: the sync that picks them */
	uint32_t *chosen; /* the changes of the sync at hand */
	size_t n_chosen;
	uint32_t bad_pages; /* so far */
};

struct segmentsim_plan *
segmentsim_plan_new(const struct segmentsim_settings *settings);
void segmentsim_plan_free(struct segmentsim_plan *plan);

/* The segment of the next sync, or -1 at the end. With repair, of the full
 * syncs that are still due. */
int64_t
segmentsim_plan_segment(const struct segmentsim_plan *plan, bool repair);
/* That sync; the pages and their array pass to the caller. */
void segmentsim_plan_next(struct segmentsim_plan *plan, bool repair,
    struct segmentsim_sync *ret_sync);
/* The page that says the opposite, of a sync that there is not. */
struct segmentsim_page *segmentsim_page_bad(
    struct segmentsim_plan *plan, const struct segmentsim_page *page);

/* The page was never answered 200. */
void segmentsim_plan_unsure(
    struct segmentsim_plan *plan, const struct segmentsim_page *page);

struct segmentsim_tally {
	uint64_t memberships; /* that were named */
	uint64_t in;
	uint64_t unknown;
	uint64_t differs; /* the last word is not what Heap has */
};

/* Counts; writes the truth, too, unless path is "". */
void segmentsim_truth_write(const struct segmentsim_plan *plan,
    const char *path, struct segmentsim_tally *ret_tally);

/* Append as text: the ids, and the page's body. Any thread. */
void segmentsim_person_write(const struct segmentsim_settings *settings,
    uint32_t person, struct sim_text *out);
void segmentsim_segment_write(uint32_t segment, struct sim_text *out);
void segmentsim_task_write(const struct segmentsim_settings *settings,
    uint32_t segment, uint32_t sync, struct sim_text *out);
void segmentsim_page_write(const struct segmentsim_settings *settings,
    const struct segmentsim_page *page, struct sim_text *out);

#endif
