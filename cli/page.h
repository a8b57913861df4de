#ifndef CLI_PAGE_H
#define CLI_PAGE_H

/*
 * currentsd validate, explain, for a page of changes of a segment: the file is
 * one body, as Heap posts it.
 */

#include "cli/command.h"

/* Does the text look like such a body, and not like events? */
bool page_recognised(struct str text);

/* Show the verdict on each change, by the rules of a source; with a
 * destination, what would be sent to it. Returns an exit code. */
int page_show(struct command_context *context,
    const struct segments_settings *settings,
    const struct settings_destination *destination, struct str text,
    struct buf *out);

#endif
