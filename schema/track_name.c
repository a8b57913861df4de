/*
 * Names. While there are few of them all pairs are compared. If two are the
 * same (which takes dots in a customer's keys), or there are many, they are
 * put in order and each takes its name or the first "#2", "#3", ... that is
 * free, out of a balanced tree: no sender can make it slow.
 */
#include "schema/track_parts.h"

#include "schema/text.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TRACK_NAME_BYTES = TRACK_KEY_MAX * 3,
	TRACK_SUFFIX = 12, /* "#4294967295" and a NUL */
};

static const char *
track_rename_find(const struct track_rules *rules, const struct str *name)
{
	for (size_t i = 0; i < rules->rename_count; i++) {
		const char *from = rules->renames[i].from;

		if (strlen(from) == name->len &&
		    memcmp(from, name->data, name->len) == 0)
			return rules->renames[i].to;
	}
	return NULL;
}

static size_t
track_prefix_len(const struct track_rules *rules)
{
	return rules->prefix == NULL ? 0 : strlen(rules->prefix);
}

/* The ones that carry their mark already. */
static bool
track_unprefixed(const struct track_leaf *leaf)
{
	return leaf->node == NULL && leaf->name.len > 6 &&
	       memcmp(leaf->name.data, "braze_", 6) == 0;
}

/* Put the prefix before a name, at the end of a buffer with room for it. */
static void
track_prefix_put(
    struct buf *names, const struct track_rules *rules, struct str *name)
{
	char *at = names->data + names->len;
	size_t prefix = track_prefix_len(rules);

	memcpy(at, rules->prefix, prefix);
	if (name->len > 0)
		memcpy(at + prefix, name->data, name->len);
	*name = (struct str){at, prefix + name->len};
	names->len += name->len;
}

/* Rename or prefix one property, and cut what is too long. */
static void
track_name_find(struct track_job *job, struct track_leaf *leaf)
{
	const struct track_rules *rules = job->rules;
	struct str path = leaf->name;
	const char *to = track_rename_find(rules, &path);
	size_t fits;

	leaf->renamed = to != NULL;
	if (to != NULL)
		leaf->name = (struct str){to, strlen(to)};
	else if (track_prefix_len(rules) > 0 && !track_unprefixed(leaf))
		track_prefix_put(&job->names, rules, &leaf->name);
	fits = text_cut(leaf->name.data, leaf->name.len, TRACK_KEY_MAX);
	if (fits < leaf->name.len ||
	    (leaf->node != NULL && to == NULL && leaf->node->path_cut))
		track_omission(job, leaf->property, TRACK_OMISSION_KEY_CUT);
	leaf->name.len = fits;
	if (to != NULL)
		track_say(job, path.data, path.len, "renamed %s", to);
}

static bool
track_names_same(const struct track_leaf *a, const struct track_leaf *b)
{
	return a->name.len == b->name.len &&
	       memcmp(a->name.data, b->name.data, a->name.len) == 0;
}

static bool
track_names_clash(const struct track_job *job)
{
	uint32_t prints[TRACK_FEW];

	if (job->count > TRACK_FEW)
		return true; /* perhaps: the tree will tell */
	for (size_t i = 0; i < job->count; i++) {
		const struct track_leaf *leaf = &job->leaves[i];

		prints[i] = text_print(leaf->name.data, leaf->name.len);
		if (!text_prints_hold(prints, i, prints[i]))
			continue;
		for (size_t j = 0; j < i; j++) {
			if (track_names_same(leaf, &job->leaves[j]))
				return true;
		}
	}
	return false;
}

static int
track_tree_compare(const void *a, const void *b)
{
	const struct str *one = &((const struct track_leaf *)a)->name;
	const struct str *two = &((const struct track_leaf *)b)->name;

	if (one->len != two->len)
		return one->len < two->len ? -1 : 1;
	return memcmp(one->data, two->data, one->len);
}

/* Real keys first, then those that were renamed, then by path; added
 * properties come last. */
static int
track_order_compare(const void *a, const void *b, void *arg)
{
	const struct track_leaf *one = *(struct track_leaf *const *)a;
	const struct track_leaf *two = *(struct track_leaf *const *)b;

	if (one->node == NULL || two->node == NULL) {
		if ((one->node == NULL) != (two->node == NULL))
			return one->node == NULL ? 1 : -1;
		return (one > two) - (one < two);
	}
	if (one->renamed != two->renamed)
		return one->renamed ? 1 : -1;
	return flat_compare(arg, one->node, two->node);
}

static void
track_tree_keep(void *leaf)
{
	(void)leaf; /* the tree only points */
}

/* Who has the name in the tree now: this one, if nobody had it. */
static struct track_leaf *
track_tree_claim(void **tree, struct track_leaf *leaf)
{
	struct track_leaf **owner = tsearch(leaf, tree, track_tree_compare);

	return owner == NULL ? NULL : *owner;
}

/* Give the leaf the first free name after the owner's. */
static bool
track_suffix_find(struct track_job *job, void **tree, struct track_leaf *owner,
    struct track_leaf *leaf)
{
	struct str base = owner->base;
	char *at = job->suffixed.data + job->suffixed.len;
	struct track_leaf *holder;
	char suffix[TRACK_SUFFIX];

	do {
		size_t len = (size_t)snprintf(
		    suffix, sizeof(suffix), "#%u", owner->suffix++);
		size_t fits =
		    text_cut(base.data, base.len, TRACK_KEY_MAX - len);

		memcpy(at, base.data, fits);
		memcpy(at + fits, suffix, len);
		leaf->name = (struct str){at, fits + len};
		holder = track_tree_claim(tree, leaf);
		if (holder == NULL)
			return false;
	} while (holder != leaf);
	job->suffixed.len += leaf->name.len;
	track_say(job, base.data, base.len,
	    "another has this name: sent as "
	    "%.*s",
	    (int)leaf->name.len, leaf->name.data);
	return true;
}

/* Let each claim its name in order; then the rest get suffixes. */
static bool
track_names_claim(
    struct track_job *job, struct track_leaf **order, struct err *reterr)
{
	size_t rest = 0, room = 0;
	void *tree = NULL;
	bool ok = false;

	for (size_t i = 0; i < job->count; i++) {
		struct track_leaf *leaf = order[i], *owner;

		leaf->base = leaf->name;
		leaf->suffix = 2;
		owner = track_tree_claim(&tree, leaf);
		if (owner == NULL)
			goto out;
		leaf->owner = owner;
		if (owner == leaf)
			continue;
		room += leaf->name.len + TRACK_SUFFIX;
		order[rest++] = leaf;
	}
	buf_init(&job->suffixed, room);
	if (!buf_reserve(&job->suffixed, room))
		goto out;
	for (size_t i = 0; i < rest; i++) {
		if (!track_suffix_find(job, &tree, order[i]->owner, order[i]))
			goto out;
	}
	ok = true;
out:
	tdestroy(tree, track_tree_keep);
	return ok || err_set_nomem(reterr);
}

static bool
track_names_part(struct track_job *job, struct err *reterr)
{
	struct track_leaf **order = malloc(job->count * sizeof(*order));
	bool ok;

	if (order == NULL)
		return err_set_nomem(reterr);
	for (size_t i = 0; i < job->count; i++)
		order[i] = &job->leaves[i];
	qsort_r(
	    order, job->count, sizeof(*order), track_order_compare, &job->flat);
	ok = track_names_claim(job, order, reterr);
	free(order);
	return ok;
}

/* Name them all; what has no name left once it is cut is left out. */
static void
track_names_read(struct track_job *job)
{
	size_t kept = 0;

	for (size_t i = 0; i < job->count; i++) {
		struct track_leaf *leaf = &job->leaves[i];
		struct str path = leaf->name;

		track_name_find(job, leaf);
		if (text_blank(leaf->name.data, leaf->name.len)) {
			track_omission(
			    job, leaf->property, TRACK_OMISSION_BLANK);
			track_say(job, path.data, path.len,
			    "left out: its name is blank");
			continue;
		}
		if (kept < i)
			job->leaves[kept] = *leaf;
		kept++;
	}
	job->count = kept;
}

bool
track_names_find(struct track_job *job, struct err *reterr)
{
	size_t prefix = track_prefix_len(job->rules), room = 0;

	if (prefix > 0) {
		for (size_t i = 0; i < job->count; i++)
			room += prefix + job->leaves[i].name.len;
		buf_init(&job->names, room);
		if (!buf_reserve(&job->names, room))
			return err_set_nomem(reterr);
	}
	track_names_read(job);
	if (job->count == 0 || !track_names_clash(job))
		return true;
	return track_names_part(job, reterr);
}

/* The name that a customer gave to a custom event, or NULL if there is none
 * that may be sent as it is. */
static const struct flat_node *
track_custom_name(const struct track_job *job)
{
	static const char custom[] = "users.behaviors.CustomEvent";
	const struct str path = {"name", 4};
	const struct flat_node *name;
	const char *why;

	if (!job->rules->custom_event_name || job->properties == NULL ||
	    job->type.len != sizeof(custom) - 1 ||
	    memcmp(job->type.data, custom, job->type.len) != 0)
		return NULL;
	name = flat_find(
	    &job->flat, flat_index(&job->flat, job->properties), "name");
	/* What may not be sent as a property is not sent as the event either. */
	if (track_text_of(name).len == 0 ||
	    track_private_of(job, &path, false, CATALOGUE_PLAIN, &why) !=
		TRACK_PRIVATE_SEND)
		return NULL;
	return name;
}

/* *ret_blank: as far as it fits there is nothing to be seen of it. */
static bool
track_event_named(struct track_job *job, const struct str *name, bool custom,
    bool *ret_blank, struct err *reterr)
{
	const struct track_rules *rules = job->rules;
	const char *to = track_rename_find(rules, name);
	size_t prefix = track_prefix_len(rules), fits;

	job->event = *name;
	if (to != NULL) {
		job->event = (struct str){to, strlen(to)};
	} else if (prefix > 0) {
		buf_fini(&job->event_name);
		buf_init(&job->event_name, prefix + name->len);
		if (!buf_reserve(&job->event_name, prefix + name->len))
			return err_set_nomem(reterr);
		track_prefix_put(&job->event_name, rules, &job->event);
	}
	fits = text_cut(job->event.data, job->event.len, TRACK_KEY_MAX);
	*ret_blank = text_blank(job->event.data, fits);
	if (*ret_blank)
		return true;
	if (fits < job->event.len)
		track_omission(job, "event", TRACK_OMISSION_KEY_CUT);
	job->event.len = fits;
	track_say(job, "event", 5, "%s",
	    to != NULL ? "renamed"
	    : custom   ? "the custom event's name"
		       : "event_type");
	return true;
}

bool
track_event_name_find(struct track_job *job, struct err *reterr)
{
	const struct flat_node *custom = track_custom_name(job);
	bool blank = true;

	if (custom != NULL &&
	    !track_event_named(job, &custom->text, true, &blank, reterr))
		return false;
	if (blank && !track_event_named(job, &job->type, false, &blank, reterr))
		return false;
	if (blank)
		(void)track_dead(job, "the event's name is blank");
	return true;
}
