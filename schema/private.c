/*
 * First each member is judged, parents before children; then objects of
 * which nothing is left go too, since their names may tell; then the bytes
 * are copied around what goes. A comma goes with the member before it, or,
 * at the end of an object, with the last that stays.
 */
#include "schema/private.h"

#include "schema/track_parts.h"

#include <stdlib.h>

enum private_act {
	PRIVATE_KEEP,
	PRIVATE_REMOVE,
	PRIVATE_HASH,
};

/* An object whose members are being copied. */
struct private_frame {
	uint32_t object;      /* or FLAT_ROOT */
	bool gap;	      /* what was before goes */
	const char *gap_from; /* its first member */
	const char *gap_end;
	const char *kept_end; /* of the last that stays, or NULL */
};

struct private
{
	struct track_job job;
	struct track_result result; /* nobody asks */
	unsigned char *acts;	    /* enum private_act, of each node */
	uint32_t *left; /* of objects: members that stay; of what is hashed:
			   its number in hexes */
	struct buf hexes;
	bool unjudged; /* names take too much room */

	/* copying */
	struct buf *out;
	const char *at; /* copied up to here */
	struct private_frame frames[FLAT_DEPTH + 1];
	size_t depth;
};

/* To be replaced by its hash, if there is something to hash. */
static bool
private_hash(struct private *p, uint32_t index, enum catalogue_class class,
    struct err *reterr)
{
	const struct flat_node *node = &p->job.flat.nodes[index];
	struct flat_text text = node->text;
	char hex[TRACK_HEX];
	bool sent;

	if (node->kind == SCAN_OBJECT ||
	    (node->kind == SCAN_STRING && track_marked(&text)))
		return true; /* empty; or a hash already */
	if (!track_value_hash(&p->job, node, class, hex, &sent, reterr))
		return false;
	if (sent) {
		p->acts[index] = PRIVATE_HASH;
		p->left[index] = (uint32_t)(p->hexes.len / TRACK_HEX);
		return buf_append(&p->hexes, hex, sizeof(hex)) ||
		       buf_ok(&p->hexes, reterr);
	}
	/* never sent, being too long: but somebody's all the same */
	if (node->kind == SCAN_NUMBER || node->kind == SCAN_ARRAY)
		p->acts[index] = PRIVATE_REMOVE;
	return true;
}

static bool
private_judge(struct private *p, uint32_t index, const struct flat_text *name,
    bool name_cut, enum catalogue_class class, struct err *reterr)
{
	const char *why;

	switch (track_private_of(&p->job, name, name_cut, class, &why)) {
	case TRACK_PRIVATE_SEND:
		break;
	case TRACK_PRIVATE_DROP:
		p->acts[index] = PRIVATE_REMOVE;
		break;
	case TRACK_PRIVATE_HASH:
		return private_hash(p, index, class, reterr);
	}
	return true;
}

static bool
private_has_members(const struct private *p, uint32_t index)
{
	const struct flat *flat = &p->job.flat;

	return index + 1 < flat->count &&
	       flat->nodes[index + 1].parent == index;
}

static bool
private_judge_property(struct private *p, uint32_t index, struct err *reterr)
{
	const struct flat_node *node = &p->job.flat.nodes[index];

	if (node->kind == SCAN_OBJECT && private_has_members(p, index))
		return true; /* its members are judged */
	return private_judge(p, index, &node->path, node->path_cut,
	    track_class_of(&p->job, node->top), reterr);
}

/* ---- the ids of the user ---- */

static bool
private_within(const struct private *p, const struct flat_node *node,
    const struct flat_node *object)
{
	const struct flat *flat = &p->job.flat;

	while (node != object && node->parent != FLAT_ROOT)
		node = &flat->nodes[node->parent];
	return node == object;
}

/* Only its hash is the identity: no other id of the customer's is needed. */
static bool
private_hash_identity(struct private *p, struct err *reterr)
{
	static const char *const others[] = {
	    "external_user_id", "alias", "user_alias"};
	const struct flat *flat = &p->job.flat;
	const struct flat_node *node = p->job.identity_node, *other;

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		other =
		    flat_find(flat, flat_index(flat, p->job.user), others[i]);
		if (other != NULL && !private_within(p, node, other))
			p->acts[flat_index(flat, other)] = PRIVATE_REMOVE;
	}
	return private_hash(
	    p, flat_index(flat, node), CATALOGUE_PLAIN, reterr);
}

static bool
private_judge_added(struct private *p, const struct flat_node *node,
    const char *name, struct err *reterr)
{
	struct flat_text text = {name, strlen(name)};

	if (node == NULL || track_text_of(node).len == 0)
		return true;
	return private_judge(p, flat_index(&p->job.flat, node), &text, false,
	    CATALOGUE_PLAIN, reterr);
}

static bool
private_judge_user(struct private *p, struct err *reterr)
{
	struct track_job *job = &p->job;
	bool identified;

	if (job->user == NULL || track_erasure(job))
		return true;
	identified = track_identity_find(job) && !job->numeric;
	if (!private_judge_added(p, job->timezone, "timezone", reterr))
		return false;
	if (!identified)
		return true;
	if (job->user_id != job->identity_node &&
	    !private_judge_added(p, job->user_id, "braze_user_id", reterr))
		return false;
	if (!private_judge_added(p, job->device_id, "device_id", reterr))
		return false;
	return !job->rules->identity_hash || private_hash_identity(p, reterr);
}

/* ---- all of it ---- */

/* Objects that lose all they had go, too. */
static void
private_prune(struct private *p)
{
	const struct flat *flat = &p->job.flat;

	for (uint32_t i = (uint32_t)flat->count; i-- > 0;) {
		const struct flat_node *node = &flat->nodes[i];

		if (node->top != FLAT_ROOT && node->kind == SCAN_OBJECT &&
		    private_has_members(p, i) && p->left[i] == 0)
			p->acts[i] = PRIVATE_REMOVE;
		if (p->acts[i] != PRIVATE_REMOVE && node->parent != FLAT_ROOT)
			p->left[node->parent]++;
	}
}

static bool
private_judge_all(struct private *p, struct err *reterr)
{
	const struct flat *flat = &p->job.flat;
	uint32_t properties = p->job.properties == NULL
				  ? FLAT_ROOT
				  : flat_index(flat, p->job.properties);

	for (uint32_t i = 0; i < flat->count; i++) {
		const struct flat_node *node = &flat->nodes[i];

		if (node->gone || (p->unjudged && node->parent == properties &&
				      properties != FLAT_ROOT)) {
			p->acts[i] = PRIVATE_REMOVE;
			continue;
		}
		if (node == p->job.user && !private_judge_user(p, reterr))
			return false;
		if (node->top != FLAT_ROOT && !p->unjudged &&
		    !private_judge_property(p, i, reterr))
			return false;
	}
	private_prune(p);
	return true;
}

static void
private_copy(struct private *p, const char *to)
{
	(void)buf_append(p->out, p->at, (size_t)(to - p->at));
	p->at = to;
}

static void
private_frame_open(struct private *p, uint32_t object)
{
	p->frames[p->depth++] = (struct private_frame){.object = object};
}

static void
private_frame_close(struct private *p)
{
	struct private_frame *frame = &p->frames[--p->depth];

	if (!frame->gap)
		return;
	private_copy(
	    p, frame->kept_end != NULL ? frame->kept_end : frame->gap_from);
	p->at = frame->gap_end;
}

static void
private_copy_member(struct private *p, uint32_t index)
{
	struct private_frame *frame = &p->frames[p->depth - 1];
	const struct flat_node *node = &p->job.flat.nodes[index];

	if (p->acts[index] == PRIVATE_REMOVE) {
		if (!frame->gap)
			frame->gap_from = node->from;
		frame->gap = true;
		frame->gap_end = node->end;
		return;
	}
	if (frame->gap) {
		private_copy(p, frame->gap_from);
		p->at = node->from;
		frame->gap = false;
	}
	frame->kept_end = node->end;
	if (p->acts[index] == PRIVATE_HASH) {
		private_copy(p, node->value);
		(void)buf_text(p->out, "\"" TRACK_MARK);
		(void)buf_append(p->out,
		    p->hexes.data + (size_t)p->left[index] * TRACK_HEX,
		    TRACK_HEX);
		(void)buf_char(p->out, '"');
		p->at = node->end;
	} else if (node->kind == SCAN_OBJECT) {
		private_frame_open(p, index);
	}
}

static void
private_copy_all(struct private *p, const char *event, size_t len)
{
	const struct flat *flat = &p->job.flat;

	p->at = event;
	private_frame_open(p, FLAT_ROOT);
	for (uint32_t i = 0; i < flat->count; i++) {
		uint32_t parent = flat->nodes[i].parent;

		if (parent != FLAT_ROOT && p->acts[parent] == PRIVATE_REMOVE) {
			p->acts[i] = PRIVATE_REMOVE;
			continue;
		}
		while (p->frames[p->depth - 1].object != parent)
			private_frame_close(p);
		private_copy_member(p, i);
	}
	while (p->depth > 0)
		private_frame_close(p);
	private_copy(p, event + len);
}

static bool
private_read(
    struct private *p, const char *event, size_t len, struct err *reterr)
{
	struct track_job *job = &p->job;
	struct err err;

	if (!track_members_read(job, event, len, reterr))
		return false;
	if (job->properties != NULL &&
	    !flat_paths(&job->flat, flat_index(&job->flat, job->properties),
		len, &err)) {
		if (err.code != ERR_LIMIT)
			return err_set_nomem(reterr);
		p->unjudged = true;
	}
	track_values_init(job, len);
	buf_init(&p->hexes, (job->flat.count + 1) * TRACK_HEX);
	p->acts = calloc(job->flat.count + 1, sizeof(*p->acts));
	p->left = calloc(job->flat.count + 1, sizeof(*p->left));
	return (p->acts != NULL && p->left != NULL) || err_set_nomem(reterr);
}

bool
private_write(const struct track_rules *rules, const char *event, size_t len,
    struct buf *out, struct err *reterr)
{
	struct private p = {.out = out};
	size_t before = out->len;
	bool ok;

	buf_init(&p.hexes, 0);
	track_job_init(&p.job, rules, &p.result);
	ok = private_read(&p, event, len, reterr) &&
	     private_judge_all(&p, reterr);
	if (ok) {
		private_copy_all(&p, event, len);
		ok = buf_ok(out, reterr);
	}
	if (!ok) {
		buf_truncate(out, before);
		out->failed = false;
	}
	free(p.acts);
	free(p.left);
	buf_fini(&p.hexes);
	track_job_fini(&p.job);
	return ok;
}
