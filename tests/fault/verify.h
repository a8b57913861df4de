#ifndef TESTS_FAULT_VERIFY_H
#define TESTS_FAULT_VERIFY_H

/* Does a queue hold what the model says that it must and may? */

#include "work.h"

#include <stdio.h>

/* Look at a running queue, as of a position of the tape. False, with a line
 * on stderr for each finding, if it is wrong. All leases were freed. */
bool verify_queue(struct work *work, int64_t position);

/* Open the queue that is in `dir`, look at it, put everything again (what is
 * there must be told as a duplicate, and only that), close it, and look at
 * the file itself. */
bool verify_dir(struct model *model, const char *dir, int64_t position);

#endif
