#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

/*
 * Listening sockets.
 */

#include "base/err.h"

/* Listen on ADDRESS:PORT or [V6]:PORT. *ret_address is what was bound, as
 * text of LISTEN_TEXT bytes. */
enum { LISTEN_TEXT = 80 };
MUST_USE bool listen_open(const char *address, int *ret_fd, unsigned *ret_port,
    char *ret_text, struct err *reterr);

#endif
