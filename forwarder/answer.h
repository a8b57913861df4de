#ifndef FORWARDER_ANSWER_H
#define FORWARDER_ANSWER_H

/*
 * The text of a destination's answer, as the log and the status show it. What
 * is wrong with a value is often told with the value, which may be personal
 * data: so each word that is in the request, too, is shown as a star, unless
 * it is the name of a member there. So is a word that is not ASCII, since the
 * request may have it in another form.
 */

#include "base/str.h"

#include <stddef.h>

enum { ANSWER_SHOWN = 200 }; /* bytes of it, at most */

/* Returns the length; the result has no quotes and no control characters. */
size_t
answer_show(struct str answer, struct str request, char ret[ANSWER_SHOWN + 1]);

#endif
