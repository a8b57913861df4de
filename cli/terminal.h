#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

/*
 * The caller of a command that runs in a process of its own: stdio. Whatever a
 * command prints goes through here: what comes from events may hold escape
 * sequences, which no terminal gets.
 */

#include "daemon/job.h"

#include <stdio.h>

struct terminal {
	FILE *in;	   /* the file that read() has open */
	bool stderr_shown; /* it is a terminal: progress is shown */
	bool stdout_shown; /* likewise: output may meet progress */
	bool progress;	   /* there is some on the line at present */
};

/* Print to stdout or stderr. On a terminal, and always on stderr, control
 * characters but newlines and tabs are shown as \xNN. */
MUST_USE bool terminal_print(FILE *to, const char *data, size_t len);

void terminal_init(struct terminal *terminal, struct job_caller *ret_caller);
void terminal_fini(struct terminal *terminal);

#endif
