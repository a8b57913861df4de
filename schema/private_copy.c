/*
 * The bytes are copied around what goes. A comma goes with the member before
 * it, or, at the end of an object, with the last that stays.
 */
#include "schema/private_parts.h"

static void
copy_to(struct private *p, const char *to)
{
	(void)buf_append(p->out, p->at, (size_t)(to - p->at));
	p->at = to;
}

static void
copy_open(struct private *p, uint32_t object)
{
	p->frames[p->depth++] = (struct private_frame){.object = object};
}

static void
copy_close(struct private *p)
{
	struct private_frame *frame = &p->frames[--p->depth];

	if (!frame->gap)
		return;
	copy_to(p, frame->kept_end != NULL ? frame->kept_end : frame->gap_from);
	p->at = frame->gap_end;
}

static void
copy_member(struct private *p, uint32_t index)
{
	struct private_frame *frame = &p->frames[p->depth - 1];
	const struct flat_node *node = &p->job.flat.nodes[index];
	const struct private_fate *fate = &p->fates[index];

	if (fate->act == PRIVATE_REMOVE) {
		if (!frame->gap)
			frame->gap_from = node->from;
		frame->gap = true;
		frame->gap_end = node->end;
		return;
	}
	if (frame->gap) {
		copy_to(p, frame->gap_from);
		p->at = node->from;
		frame->gap = false;
	}
	frame->kept_end = node->end;
	if (fate->act == PRIVATE_REPLACE) {
		copy_to(p, node->value);
		(void)buf_append(
		    p->out, p->job.values.data + fate->at, fate->len);
		p->at = node->end;
	} else if (node->kind == SCAN_OBJECT) {
		copy_open(p, index);
	}
}

void
private_copy(struct private *p, const char *event, size_t len)
{
	const struct flat *flat = &p->job.flat;

	p->at = event;
	copy_open(p, FLAT_ROOT);
	for (uint32_t i = 0; i < flat->count; i++) {
		uint32_t parent = flat->nodes[i].parent;

		if (parent != FLAT_ROOT &&
		    p->fates[parent].act != PRIVATE_KEEP) {
			p->fates[i].act = PRIVATE_REMOVE;
			continue; /* gone with it */
		}
		while (p->frames[p->depth - 1].object != parent)
			copy_close(p);
		copy_member(p, i);
	}
	while (p->depth > 0)
		copy_close(p);
	copy_to(p, event + len);
}
