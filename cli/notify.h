#ifndef CLI_NOTIFY_H
#define CLI_NOTIFY_H

/*
 * Tells a service manager how we are, by sd_notify(3)'s protocol: a datagram
 * to the socket in $NOTIFY_SOCKET. Without it nothing happens, and nothing
 * that fails here matters.
 */

#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1", ... */
void notify_send(const char *state);

/* Milliseconds within which WATCHDOG=1 is wanted, or 0 if it is not. */
int64_t notify_watchdog_ms(void);

#endif
