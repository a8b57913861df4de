#ifndef DAEMON_ACTIVATION_H
#define DAEMON_ACTIVATION_H

/*
 * Sockets that listen already, as a service manager passes them
 * (sd_listen_fds(3)). Those that are named "admin" take the place of the
 * setting admin, others that of listen.
 */

#include "daemon/settings.h"

/* Take them out of the environment into settings->server. ERR_CONFIG if one of
 * them cannot be served. Call this before threads start. */
MUST_USE bool activation_take(struct settings *settings, struct err *reterr);

#endif
