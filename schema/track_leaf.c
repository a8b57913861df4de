/*
 * Which properties go. Everything that is left out or cut is
 * noted under the catalogue's name of the property it was in, so that the
 * counters stay few and hold nothing of a customer's.
 */
#include "schema/track_parts.h"

#include "schema/text.h"

#include <stdlib.h>
#include <string.h>

/* What a nested value inherits from the property it is in. */
struct track_top {
	uint32_t index;
	const char *property; /* static */
	enum catalogue_class class;
};

static void
track_top_read(
    const struct track_job *job, uint32_t index, struct track_top *top)
{
	const struct str *key = &job->flat.nodes[index].key;
	const struct catalogue_property *property;
	size_t found = catalogue_property_find(key->data, key->len);

	top->index = index;
	top->property = track_other;
	top->class = CATALOGUE_PLAIN;
	if (found == catalogue_property_count())
		return;
	property = catalogue_property_at(found);
	top->property = property->name;
	top->class = property->class;
}

enum catalogue_class
track_class_of(const struct track_job *job, uint32_t index)
{
	struct track_top top;

	track_top_read(job, index, &top);
	return top.class;
}

static bool
track_leaves_grow(struct track_job *job, struct err *reterr)
{
	size_t cap = job->cap * 2;
	struct track_leaf *leaves;

	if (job->leaves == job->few) {
		leaves = malloc(cap * sizeof(*leaves));
		if (leaves != NULL)
			memcpy(leaves, job->few, sizeof(job->few));
	} else {
		leaves = realloc(job->leaves, cap * sizeof(*leaves));
	}
	if (leaves == NULL)
		return err_set_nomem(reterr);
	job->leaves = leaves;
	job->cap = cap;
	return true;
}

/* Judge the leaf at job->leaves[job->count], whose name and node are set (a
 * value too, if it has no node), and count it in if it is to be sent. */
static bool
track_leaf_judge(
    struct track_job *job, enum catalogue_class class, struct err *reterr)
{
	struct track_leaf *leaf = &job->leaves[job->count];
	bool cut = leaf->node != NULL && leaf->node->path_cut;
	enum track_private private;
	bool send = leaf->node == NULL;
	const char *why;

	private = track_private_of(job, &leaf->name, cut, class, &why);
	if (private == TRACK_PRIVATE_DROP)
		return track_leaf_none(job, leaf, TRACK_OMISSION_PRIVATE, why);
	leaf->class = class;
	leaf->hash = private == TRACK_PRIVATE_HASH;
	if (leaf->node != NULL && !track_value_read(job, leaf, &send, reterr))
		return false;
	if (!send)
		return true;
	if (leaf->hash && !track_leaf_hashed(job, leaf) &&
	    !track_leaf_hash(job, leaf, reterr))
		return false;
	if (!track_leaf_cut(job, leaf))
		return true;
	job->count++;
	if (leaf->hash)
		track_say(job, leaf->name.data, leaf->name.len,
		    "sent as its HMAC-SHA-256: hash");
	else
		track_say(job, leaf->name.data, leaf->name.len, "sent%s%s",
		    leaf->node == NULL ? ", added" : "",
		    why != NULL ? ": in keep" : "");
	return true;
}

/* Begin a leaf at job->leaves[job->count]. */
static struct track_leaf *
track_leaf_begin(struct track_job *job, const char *property,
    const struct str *name, struct err *reterr)
{
	struct track_leaf *leaf;

	if (job->count == job->cap && !track_leaves_grow(job, reterr))
		return NULL;
	leaf = &job->leaves[job->count];
	leaf->property = property;
	leaf->name = *name;
	leaf->node = NULL;
	leaf->held = false;
	leaf->number = false;
	return leaf;
}

static bool
track_leaf_add(struct track_job *job, bool wanted, const char *name,
    struct str value, struct err *reterr)
{
	struct str text = {name, strlen(name)};
	struct track_leaf *leaf;

	if (!wanted || value.len == 0)
		return true;
	leaf = track_leaf_begin(job, name, &text, reterr);
	if (leaf == NULL)
		return false;
	leaf->value = value;
	return track_leaf_judge(job, CATALOGUE_PLAIN, reterr);
}

/* The last dotted part of a text, which is cut off it with its dot. */
static struct str
track_part_take(struct str *text)
{
	const char *dot = memrchr(text->data, '.', text->len);
	struct str part = *text;

	if (dot != NULL) {
		part.data = dot + 1;
		part.len = (size_t)(text->data + text->len - part.data);
	}
	text->len = dot == NULL ? 0 : (size_t)(dot - text->data);
	return part;
}

static struct str
track_unless_blank(struct str text)
{
	if (text_blank(text.data, text.len))
		text.len = 0;
	return text;
}

static bool
track_leaves_add(struct track_job *job, struct err *reterr)
{
	const struct track_rules *rules = job->rules;
	struct str rest = job->type, action, channel = {NULL, 0};
	struct str user_id = track_text_of(job->user_id);

	/* An identity that is hashed is not told by another name. */
	if (job->identity_hashed && job->user_id == job->identity_node)
		user_id = job->identity;
	action = track_unless_blank(track_part_take(&rest));
	if (rest.len > 0)
		channel = track_unless_blank(track_part_take(&rest));
	return track_leaf_add(
		   job, rules->add_channel, "braze_channel", channel, reterr) &&
	       track_leaf_add(
		   job, rules->add_channel, "braze_action", action, reterr) &&
	       track_leaf_add(job, rules->add_event_id, "braze_event_id",
		   job->id, reterr) &&
	       track_leaf_add(
		   job, rules->add_user_id, "braze_user_id", user_id, reterr) &&
	       track_leaf_add(job, rules->add_device_id, "device_id",
		   track_text_of(job->device_id), reterr) &&
	       track_leaf_add(job, rules->add_timezone, "timezone",
		   track_text_of(job->timezone), reterr);
}

static bool
track_leaf_read(struct track_job *job, const struct flat_node *node,
    const struct track_top *top, struct err *reterr)
{
	struct track_leaf *leaf;

	leaf = track_leaf_begin(job, top->property, &node->path, reterr);
	if (leaf == NULL)
		return false;
	leaf->node = node;
	if (text_blank(node->path.data, node->path.len))
		return track_leaf_none(
		    job, leaf, TRACK_OMISSION_BLANK, "its name is blank");
	return track_leaf_judge(job, top->class, reterr);
}

/* The first of two equal names; what was in it goes with it. */
static void
track_twin_note(struct track_job *job, const struct flat_node *node)
{
	const struct flat_node *nodes = job->flat.nodes;
	struct track_top top = {.property = track_other};
	uint32_t at = flat_index(&job->flat, node), properties = FLAT_ROOT;

	if (job->properties != NULL)
		properties = flat_index(&job->flat, job->properties);
	if (node->parent != FLAT_ROOT && nodes[node->parent].gone)
		return;
	while (nodes[at].parent != FLAT_ROOT && nodes[at].parent != properties)
		at = nodes[at].parent;
	if (nodes[at].parent != FLAT_ROOT)
		track_top_read(job, at, &top);
	track_omission(job, top.property, TRACK_OMISSION_REPEATED);
	track_say(job, node->key.data, node->key.len,
	    "left out: its name came again");
}

/* An object is nothing but what is in it, if anything is. */
static bool
track_node_passed(const struct track_job *job, size_t i)
{
	const struct flat_node *nodes = job->flat.nodes;

	return nodes[i].top == FLAT_ROOT ||
	       (nodes[i].kind == SCAN_OBJECT && i + 1 < job->flat.count &&
		   nodes[i + 1].parent == i);
}

bool
track_leaves_read(struct track_job *job, struct err *reterr)
{
	struct track_top top = {FLAT_ROOT, NULL, CATALOGUE_PLAIN};

	if (!track_leaves_add(job, reterr))
		return false;
	for (size_t i = 0; i < job->flat.count; i++) {
		const struct flat_node *node = &job->flat.nodes[i];

		if (node->gone)
			track_twin_note(job, node);
		if (node->gone || track_node_passed(job, i))
			continue;
		if (node->top != top.index)
			track_top_read(job, node->top, &top);
		if (!track_leaf_read(job, node, &top, reterr))
			return false;
	}
	for (size_t i = 0; i < job->count; i++) {
		struct track_leaf *leaf = &job->leaves[i];

		if (leaf->held)
			leaf->value.data = job->values.data + leaf->held_at;
	}
	return true;
}
