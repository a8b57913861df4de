#ifndef DAEMON_SEGMENTS_H
#define DAEMON_SEGMENTS_H

/*
 * The segments that the queue knows, as an operator sees them: what the queue
 * says of each group, and what follows from the state of its source and of its
 * destination. Any thread.
 */

#include "daemon/status.h"

/* What an operator does about a sync that lost a page. */
#define SEGMENTS_SYNC_HELP "press sync now in Heap"

/* The first that applies, from the bottom up. */
enum segment_state {
	SEGMENT_FRESH,	 /* all is sent */
	SEGMENT_SENDING, /* changes wait */
	SEGMENT_RETIRED, /* by the operator, and no page came since */
	/* These need attention. */
	SEGMENT_STALE,	    /* no page came for twice the usual gap */
	SEGMENT_INCOMPLETE, /* a sync lacks pages */
	SEGMENT_HELD,	    /* a sync waits until it is released */
	SEGMENT_REFUSED,    /* by the destination */
	SEGMENT_STATES	    /* how many */
};

/* "fresh", "sending", ... */
const char *segment_state_name(enum segment_state state);

struct segment {
	struct stats_group of; /* its texts are owned */
	char *texts;	       /* owned; all of them */
	enum segment_state state;
	/* Until nothing waits but what is held; -1: unknown. */
	int64_t done_s;
	unsigned pages, total; /* INCOMPLETE: of the last such sync */
	char *why;   /* owned; REFUSED: what the destination answered last, or
		    * NULL */
	bool served; /* the settings have its destination */
	bool verifiable; /* one can ask there what a profile has */
};

struct segments {
	struct segment *list; /* owned */
	size_t count;
	size_t states[SEGMENT_STATES];	   /* how many are in each */
	int64_t waiting, held, incomplete; /* sums: members, syncs, syncs */
};

/* Read all of them. ERR_BUSY as for a look-up of the queue, ERR_NOMEM. */
MUST_USE bool
segments_read(struct daemon *daemon, const struct settings *settings,
    int64_t now_ms, struct segments *ret_segments, struct err *reterr);
void segments_fini(struct segments *segments);

/* Is it of this source and at this destination? NULL: of any. */
bool segment_selected(
    const struct segment *segment, const char *source, const char *destination);

/* The one of them that is called so, by its id or else by its name.
 * ERR_NOT_FOUND; ERR_CONFLICT if there are several. */
MUST_USE bool segments_find(const struct segments *segments, struct str called,
    const char *source, const char *destination,
    const struct segment **ret_segment, struct err *reterr);

static inline bool
segment_needs_attention(const struct segment *segment)
{
	return segment->state >= SEGMENT_STALE;
}

/* Append what is wrong with it and what to do, as a sentence; nothing if it
 * needs no attention. */
void segment_trouble_write(
    const struct segment *segment, int64_t now_ms, struct buf *out);

/* The names of segments by their ids, which are the types of their changes. */
struct segment_names {
	struct segments segments;
	const struct segment **sorted; /* by id; owned; or NULL */
};

/* None if they cannot be read. */
void segment_names_read(struct daemon *daemon, const struct settings *settings,
    int64_t now_ms, struct segment_names *ret_names);
void segment_names_fini(struct segment_names *names);

/* NULL if it is the type of no segment, or that has no name. Does not lock the
 * queue. */
const char *
segment_names_find(const struct segment_names *names, const char *type);

/* What is known of it, as members of the open object. */
void
segment_json(const struct segment *segment, int64_t now_ms, struct json *json);

#endif
