#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

/* The caller of a command that runs in a process of its own: stdio. */

#include "cli/screen.h"
#include "daemon/job.h"

struct terminal {
	struct screen *screen;
	FILE *in; /* the file that read() has open */
};

/* The screen stays lent. */
void terminal_init(struct terminal *terminal, struct screen *screen,
    struct job_caller *ret_caller);
void terminal_fini(struct terminal *terminal);

#endif
