#ifndef FORWARDER_BOOT_H
#define FORWARDER_BOOT_H

/* Which run of the machine this is: within one the monotonic clock goes on
 * over restarts of ours, whatever is done to the wall clock. */

#include <stdint.h>

/* 0: the kernel does not say. */
uint64_t boot_number(void);

#endif
