#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

/*
 * Tells the service manager the daemon's state by the protocol of sd_notify(3):
 * a datagram to the socket in $NOTIFY_SOCKET. Without that variable nothing
 * happens, and failures do not matter.
 */

#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1", ... */
void notify_send(const char *state);

/* "RELOADING=1", with the time that systemd asks for; "READY=1" ends it. */
void notify_reloading(void);

/* Milliseconds within which WATCHDOG=1 is expected, or 0 if it is not. */
int64_t notify_watchdog_ms(void);

#endif
