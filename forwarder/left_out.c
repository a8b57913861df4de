#include "forwarder/left_out.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

void
left_out_fini(struct left_out *left_out)
{
	for (size_t i = 0; i < left_out->count; i++)
		free(left_out->texts[i]);
	table_fini(&left_out->table);
	*left_out = (struct left_out){0};
}

/* ---- the texts of an item ---- */

/* The length of some texts, without the NUL at their end. */
static size_t
texts_len(const char *texts)
{
	size_t len = 0;

	while (texts[len] != '\0')
		len += strlen(texts + len) + 1;
	return len;
}

struct left_out_lookup {
	char *const *texts;
	struct str wanted;
};

static bool
left_out_equal(const void *arg, uint32_t position)
{
	const struct left_out_lookup *lookup = arg;
	const char *texts = lookup->texts[position];

	return str_equal(lookup->wanted, str_bytes(texts, texts_len(texts)));
}

const char *
left_out_of(struct left_out *left_out, const struct outlet_prepared *prepared)
{
	static const char more[] = "(more)\0"; /* as in the queue */
	struct str wanted =
	    str_bytes(prepared->left_out, prepared->left_out_len);
	uint64_t hash;
	uint32_t at;
	char *copy;

	if (wanted.len == 0)
		return NULL;
	hash = str_hash(0, wanted);
	at = table_find(&left_out->table, hash, left_out_equal,
	    &(struct left_out_lookup){left_out->texts, wanted});
	if (at != TABLE_NONE)
		return left_out->texts[at];
	if (left_out->count == LEFT_OUT_MAX ||
	    !table_reserve(&left_out->table, left_out->count + 1))
		return more;
	copy = calloc(wanted.len + 1, 1);
	if (copy == NULL)
		return more;
	memcpy(copy, wanted.data, wanted.len);
	table_add(&left_out->table, hash, (uint32_t)left_out->count);
	left_out->texts[left_out->count++] = copy;
	return copy;
}

/* ---- the counts of a lease ---- */

/* A replay adds nothing at the destination, and was counted before. */
static bool
left_out_counts(const struct queue_lease *lease, const struct queue_item *item)
{
	return item->left_out != NULL && item->outcome == QUEUE_DELIVERED &&
	       !item->settled && !lease->replay;
}

static void
left_out_add(struct queue_lease *lease, const char *text)
{
	size_t count = lease->drift_count;
	struct queue_drift *more;

	for (size_t i = 0; i < count; i++) {
		if (lease->drift[i].text == text) {
			lease->drift[i].events++;
			return;
		}
	}
	if ((count & (count - 1)) == 0) { /* a power of two: full */
		more = realloc(
		    lease->drift, (count == 0 ? 1 : 2 * count) * sizeof(*more));
		if (more == NULL)
			return;
		lease->drift = more;
	}
	lease->drift[lease->drift_count++] =
	    (struct queue_drift){.text = text, .events = 1};
}

void
left_out_count(struct queue_lease *lease)
{
	for (size_t i = 0; i < lease->count; i++) {
		const struct queue_item *item = &lease->items[i];

		if (!left_out_counts(lease, item))
			continue;
		for (const char *text = item->left_out; *text != '\0';
		     text += strlen(text) + 1)
			left_out_add(lease, text);
	}
}

void
left_out_counted(struct queue_lease *lease)
{
	free(lease->drift);
	lease->drift = NULL;
	lease->drift_count = 0;
}
