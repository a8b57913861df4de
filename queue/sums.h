#ifndef QUEUE_SUMS_H
#define QUEUE_SUMS_H

/*
 * Totals of the ledger for series that are few: by source and by what types
 * have in common, and of what was dropped by rule. Those that have no sum of
 * their own share one. Not thread safe: the ledger's.
 */

#include "queue/admin.h"
#include "queue/names.h"

enum {
	SUMS_NAMES_MAX = 100, /* sources, and rules, besides the shared one */
	SUMS_OTHER = 1,	      /* the number of what is shared */
};

#define SUMS_OTHER_NAME STR("(other)")

struct sums {
	struct names sources, prefixes, rules;
	struct stats_line *lines; /* owned; sources x prefixes */
	int64_t dropped[SUMS_NAMES_MAX + 1];
};

/* Zeroed before; fini also after it failed. */
MUST_USE bool sums_init(struct sums *sums, struct err *reterr);
void sums_fini(struct sums *sums);

/* The number of what a type's name has before its last dot. All of them come
 * before the first source, which is the shared one. */
MUST_USE bool sums_prefix(struct sums *sums, struct str type,
    int64_t *ret_prefix, struct err *reterr);

/* Let a source or a rule have a sum of its own, as long as there is room. False
 * only for want of memory. */
MUST_USE bool
sums_source(struct sums *sums, struct str source, struct err *reterr);
MUST_USE bool sums_rule(struct sums *sums, struct str rule, struct err *reterr);

void sums_add(struct sums *sums, struct str source, int64_t prefix,
    const struct stats_line *moved);
void sums_drop(struct sums *sums, struct str rule, int64_t events);

/* All are zero again. */
void sums_reset(struct sums *sums);

/* Those that are not zero. */
void sums_each(const struct sums *sums, stats_sum_fn *fn, void *arg);
void sums_each_rule(const struct sums *sums, stats_rule_fn *fn, void *arg);

#endif
