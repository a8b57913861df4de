#include "forwarder/omissions.h"

#include <stdlib.h>
#include <string.h>

enum { OMISSIONS_FIRST = 16 };

bool
omissions_copy(
    const struct omissions *omissions, struct forwarder_omission **ret_rows)
{
	struct forwarder_omission *rows =
	    calloc(omissions->count + 1, sizeof(*rows));

	if (rows == NULL)
		return false;
	if (omissions->count > 0)
		memcpy(rows, omissions->rows, omissions->count * sizeof(*rows));
	*ret_rows = rows;
	return true;
}

void
omissions_fini(struct omissions *omissions)
{
	free(omissions->rows);
	table_fini(&omissions->table);
	*omissions = (struct omissions){0};
}

struct omissions_lookup {
	const struct forwarder_omission *rows;
	const struct outlet_omission *omission;
};

static bool
omissions_equal(const void *arg, uint32_t position)
{
	const struct omissions_lookup *lookup = arg;
	const struct forwarder_omission *row = &lookup->rows[position];

	return strcmp(row->property, lookup->omission->property) == 0 &&
	       strcmp(row->what, lookup->omission->what) == 0;
}

static bool
omissions_reserve(struct omissions *omissions)
{
	size_t cap = omissions->cap == 0 ? OMISSIONS_FIRST : 2 * omissions->cap;
	struct forwarder_omission *rows;

	if (omissions->count == FORWARDER_OMISSIONS_MAX ||
	    !table_reserve(&omissions->table, omissions->count + 1))
		return false;
	if (omissions->count < omissions->cap)
		return true;
	rows = realloc(omissions->rows, cap * sizeof(*rows));
	if (rows == NULL)
		return false;
	omissions->rows = rows;
	omissions->cap = cap;
	return true;
}

void
omissions_add(
    struct omissions *omissions, const struct outlet_prepared *prepared)
{
	omissions->lost += prepared->omissions_lost;
	omissions->changes += prepared->omission_count > 0;
	for (size_t i = 0; i < prepared->omission_count; i++) {
		const struct outlet_omission *omission =
		    &prepared->omissions[i];
		/* By the text: the same property may be named in two places. */
		uint64_t hash = str_hash(str_hash(0, str_text(omission->what)),
		    str_text(omission->property));
		uint32_t at =
		    table_find(&omissions->table, hash, omissions_equal,
			&(struct omissions_lookup){omissions->rows, omission});

		if (at == TABLE_NONE) {
			if (!omissions_reserve(omissions)) {
				omissions->lost += omission->count;
				continue;
			}
			at = (uint32_t)omissions->count++;
			table_add(&omissions->table, hash, at);
			omissions->rows[at] = (struct forwarder_omission){
			    .property = omission->property,
			    .what = omission->what,
			};
		}
		omissions->rows[at].count += omission->count;
	}
}
