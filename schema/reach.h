#ifndef SCHEMA_REACH_H
#define SCHEMA_REACH_H

/*
 * How far what is private reaches, by rules that are made: asked of the
 * matcher that maps, so that what is said before is what happens. Slow: for
 * the start and for people. Any thread.
 */

#include "schema/track.h"

enum reach {
	REACH_NONE,	   /* all of the class is left out */
	REACH_HASHED_PART, /* some of it is hashed, none is sent */
	REACH_HASHED,
	REACH_PART, /* some of it can be sent */
	REACH_ALL,
};

/* That of a class, "content" or "contact": over every type and property of
 * the catalogue, and over what the selectors could mean beside it. */
enum reach reach_of(const struct track_rules *rules, const char *class);

/* What a selector of keep, drop or hash selects of the catalogue. */
enum reach_selected {
	REACH_NOTHING, /* a typing error, or newer than the catalogue */
	REACH_SECRETS, /* only what is never sent */
	REACH_SOMETHING,
};
enum reach_selected reach_selects(const char *selector);

#endif
