#include "queue/sums.h"

#include <stdlib.h>

bool
sums_init(struct sums *sums, struct err *reterr)
{
	int64_t other;

	return names_add(&sums->prefixes, (struct str)SUMS_OTHER_NAME, &other,
		   reterr) &&
	       sums_rule(sums, (struct str)SUMS_OTHER_NAME, reterr);
}

void
sums_fini(struct sums *sums)
{
	names_fini(&sums->sources);
	names_fini(&sums->prefixes);
	names_fini(&sums->rules);
	free(sums->lines);
}

bool
sums_prefix(
    struct sums *sums, struct str type, int64_t *ret_prefix, struct err *reterr)
{
	size_t len = type.len;

	CHECK(sums->sources.count == 0);
	while (len > 0 && type.data[len - 1] != '.')
		len--;
	*ret_prefix = SUMS_OTHER;
	return len == 0 ||
	       names_add(&sums->prefixes, str_bytes(type.data, len - 1),
		   ret_prefix, reterr);
}

bool
sums_source(struct sums *sums, struct str source, struct err *reterr)
{
	size_t count = sums->sources.count, prefixes = sums->prefixes.count;
	struct stats_line *lines;
	int64_t number;

	if (count > SUMS_NAMES_MAX || names_find(&sums->sources, source) != 0)
		return true;
	lines = realloc(sums->lines, (count + 1) * prefixes * sizeof(*lines));
	if (lines == NULL)
		return err_set_nomem(reterr);
	memset(lines + count * prefixes, 0, prefixes * sizeof(*lines));
	sums->lines = lines;
	return names_add(&sums->sources, source, &number, reterr);
}

bool
sums_rule(struct sums *sums, struct str rule, struct err *reterr)
{
	int64_t number;

	return sums->rules.count > SUMS_NAMES_MAX ||
	       names_add(&sums->rules, rule, &number, reterr);
}

/* Where the sum of a name is: its own or, last, the shared one. */
static size_t
sums_at(const struct names *names, struct str name)
{
	int64_t number = names_find(names, name);

	return (size_t)(number > 0 ? number : SUMS_OTHER) - 1;
}

void
sums_add(struct sums *sums, struct str source, int64_t prefix,
    const struct stats_line *moved)
{
	size_t row = sums_at(&sums->sources, source) * sums->prefixes.count;

	stats_line_add(&sums->lines[row + (size_t)prefix - 1], moved);
}

void
sums_drop(struct sums *sums, struct str rule, int64_t events)
{
	sums->dropped[sums_at(&sums->rules, rule)] += events;
}

void
sums_reset(struct sums *sums)
{
	memset(sums->lines, 0,
	    sums->sources.count * sums->prefixes.count * sizeof(*sums->lines));
	memset(sums->dropped, 0, sizeof(sums->dropped));
}

void
sums_each(const struct sums *sums, stats_sum_fn *fn, void *arg)
{
	size_t prefixes = sums->prefixes.count;

	for (size_t i = 0; i < sums->sources.count * prefixes; i++) {
		struct stats_sum sum = {
		    .source = sums->sources.texts[i / prefixes].data,
		    .types = sums->prefixes.texts[i % prefixes].data,
		    .line = sums->lines[i],
		};

		if (sum.line.received != 0 && !fn(arg, &sum))
			break;
	}
}

void
sums_each_rule(const struct sums *sums, stats_rule_fn *fn, void *arg)
{
	for (size_t i = 0; i < sums->rules.count; i++) {
		if (sums->dropped[i] > 0 &&
		    !fn(arg, sums->rules.texts[i].data, sums->dropped[i]))
			break;
	}
}
