#include "base/trace.h"

#include <stddef.h>
#include <string.h>

enum { TRACE_PARENT = 3 + TRACE_ID + 1 + TRACE_SPAN + 1 + 2 };

/* Does the text begin with so many digits, not all zero, and then `next`? */
static bool
digits_valid(const char *text, size_t count, char next)
{
	return strspn(text, "0123456789abcdef") == count &&
	       strspn(text, "0") < count && text[count] == next;
}

bool
trace_read(const char *parent, char ret_trace[TRACE_TEXT + 1])
{
	const char *id = parent + 3, *span = id + TRACE_ID + 1;
	const char *flags = span + TRACE_SPAN + 1;

	if (strlen(parent) != TRACE_PARENT || memcmp(parent, "00-", 3) != 0 ||
	    !digits_valid(id, TRACE_ID, '-') ||
	    !digits_valid(span, TRACE_SPAN, '-') ||
	    strspn(flags, "0123456789abcdef") != 2)
		return false;
	memcpy(ret_trace, id, TRACE_ID);
	ret_trace[TRACE_ID] = strchr("13579bdf", flags[1]) ? '1' : '0';
	ret_trace[TRACE_TEXT] = '\0';
	return true;
}
