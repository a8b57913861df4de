#include "forwarder/groups.h"

#include <stdlib.h>
#include <string.h>

static void
group_free(struct group *group)
{
	free(group->texts);
	free(group);
}

void
groups_fini(struct groups *groups)
{
	for (size_t i = 0; i < groups->count; i++)
		group_free(groups->groups[i]);
	free(groups->groups);
	table_fini(&groups->table);
	*groups = (struct groups){0};
}

/* ---- texts ---- */

/* Copy a text to *at, which moves behind its NUL. */
static struct str
text_copy(char **at, struct str text)
{
	char *copy = *at;

	if (text.len > 0)
		memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	*at += text.len + 1;
	return str_bytes(copy, text.len);
}

/* Its texts may be of this very group. */
static bool
group_copy(struct group *group, struct queue_group of)
{
	char *texts = malloc(of.id.len + of.name.len + of.kind.len +
			     of.label.len + of.announced.len + 5);
	char *at = texts;

	if (texts == NULL)
		return false;
	of.id = text_copy(&at, of.id);
	of.name = text_copy(&at, of.name);
	of.kind = text_copy(&at, of.kind);
	of.label = text_copy(&at, of.label);
	of.announced = text_copy(&at, of.announced);
	free(group->texts);
	group->texts = texts;
	group->of = of;
	return true;
}

static bool
group_equal(const struct queue_group *a, const struct queue_group *b)
{
	return str_equal(a->id, b->id) && str_equal(a->name, b->name) &&
	       str_equal(a->kind, b->kind) && str_equal(a->label, b->label) &&
	       str_equal(a->announced, b->announced);
}

bool
group_set(struct group *group, struct str label, struct str announced)
{
	struct queue_group of = group->of;

	of.label = label;
	of.announced = announced;
	return group_copy(group, of);
}

struct outlet_group *
group_view(const struct group *group, struct outlet_group *ret_view)
{
	if (group == NULL)
		return NULL;
	*ret_view = (struct outlet_group){
	    .id = group->of.id,
	    .name = group->of.name,
	    .label = group->of.label,
	};
	return ret_view;
}

struct str
group_called(const struct group *group)
{
	return group->of.name.len > 0 ? group->of.name : group->of.id;
}

/* ---- by number ---- */

static uint64_t
group_hash(int64_t number)
{
	return str_hash(0, str_bytes((const char *)&number, sizeof(number)));
}

struct group_lookup {
	struct group *const *groups;
	int64_t number;
};

static bool
group_is(const void *arg, uint32_t position)
{
	const struct group_lookup *lookup = arg;

	return lookup->groups[position]->of.number == lookup->number;
}

struct group *
groups_find(const struct groups *groups, int64_t number)
{
	uint32_t at = table_find(&groups->table, group_hash(number), group_is,
	    &(struct group_lookup){groups->groups, number});

	return at == TABLE_NONE ? NULL : groups->groups[at];
}

/* NULL without memory. */
static struct group *
groups_add(struct groups *groups, struct queue_group of)
{
	size_t count = groups->count;
	struct group **more, *group;

	if (!table_reserve(&groups->table, count + 1))
		return NULL;
	if ((count & (count - 1)) == 0) { /* a power of two: full */
		more = realloc(groups->groups,
		    (count == 0 ? 1 : 2 * count) * sizeof(struct group *));
		if (more == NULL)
			return NULL;
		groups->groups = more;
	}
	group = calloc(1, sizeof(*group));
	if (group == NULL)
		return NULL;
	group->until_ms = INT64_MIN;
	if (!group_copy(group, of)) {
		group_free(group);
		return NULL;
	}
	table_add(&groups->table, group_hash(of.number), (uint32_t)count);
	groups->groups[groups->count++] = group;
	return group;
}

struct group *
groups_see(
    struct groups *groups, const char *kind, const struct queue_group *of)
{
	struct group *group = groups_find(groups, of->number);
	struct queue_group seen = *of;

	if (!str_equal_text(seen.kind, kind)) {
		seen.kind = str_text(kind);
		seen.label = seen.announced = str_text("");
	}
	if (group == NULL)
		return groups_add(groups, seen);
	if (!group_equal(&group->of, &seen) && !group_copy(group, seen))
		return NULL;
	return group;
}
