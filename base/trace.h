#ifndef BASE_TRACE_H
#define BASE_TRACE_H

/*
 * The trace that a request belongs to, by W3C Trace Context (level 1): its
 * header traceparent, version 00. With the items of the request goes a text of
 * TRACE_TEXT bytes: the id of the trace, and 1 if it is sampled, else 0. A
 * request of ours is a span of its own. The header tracestate is dropped, as
 * the specification permits.
 */

#include <stdbool.h>

enum {
	TRACE_ID = 32,	 /* hexadecimal digits */
	TRACE_SPAN = 16, /* likewise */
	TRACE_TEXT = TRACE_ID + 1,
};

/* False: the traceparent is not valid, and so there is no trace. */
bool trace_read(const char *parent, char ret_trace[TRACE_TEXT + 1]);

/* For "request=\"%s%s%.32s\"", behind the id of the request: a member of its
 * own, if there is a trace. */
#define TRACE_LOG(trace) *(trace) != '\0' ? "\" trace=\"" : "", (trace)

#endif
