#ifndef DAEMON_PROCESS_H
#define DAEMON_PROCESS_H

/* What the kernel says of this process. Any thread. */

#include "base/err.h"

#include <stdint.h>

struct process {
	double cpu_s;
	int64_t resident_bytes, virtual_bytes;
	int64_t open_files, files_max;
	int64_t threads;
	int64_t started_ms; /* for the caller to fill in */
};

/* False where /proc cannot be read. */
MUST_USE bool process_read(struct process *ret_process);

#endif
