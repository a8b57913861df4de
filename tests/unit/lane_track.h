#ifndef TESTS_UNIT_LANE_TRACK_H
#define TESTS_UNIT_LANE_TRACK_H

/* A mapping that stands in for schema/track*; included by lane_queue.h, after
 * the world that it looks into. */

void
track_rules_init(struct track_rules *rules)
{
	memset(rules, 0, sizeof(*rules));
}

void
track_head_write(struct buf *out, const char *app_id)
{
	(void)buf_printf(out, "%s:[", app_id);
}

void
track_tail_write(struct buf *out)
{
	(void)buf_text(out, "]");
}

bool
track_write(const struct track_rules *rules, const char *event, size_t len,
    struct buf *out, struct track_result *ret_result, struct err *reterr)
{
	size_t number = strtoul(event, NULL, 10);
	struct world_event *of = &world->events[number];

	of->mapped = rules->identity;
	if (world->map_fails != ERR_NONE)
		return err_set(reterr, world->map_fails, "it fails");
	*ret_result = (struct track_result){.who = of->who, .note_count = 1};
	ret_result->notes[0] =
	    (struct track_omission){"plan", TRACK_OMISSION_CUT, 2};
	if (of->drop) {
		ret_result->fate = TRACK_DROP;
		ret_result->reason = "a rule";
		if (of->erase)
			ret_result->erase_len =
			    (size_t)snprintf(ret_result->erase, TRACK_ERASE_MAX,
				"id-%s", of->text);
		return true;
	}
	if (buf_append(out, event, len))
		return true;
	out->failed = false;
	return err_set_nomem(reterr);
}

#endif
