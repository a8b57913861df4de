#ifndef CLI_PORT_H
#define CLI_PORT_H

/* Could the daemon listen at an address, and what keeps it from that? */

#include "base/err.h"

#include <sys/types.h>

enum port_state {
	PORT_FREE,
	PORT_OURS,    /* by the daemon of this state directory, which runs */
	PORT_SYSTEMD, /* by systemd, which passes it to the daemon */
	PORT_TAKEN,   /* by another program */
	PORT_ERROR,   /* no such address here, or no right to this port */
};

enum { PORT_NAME = 32 };

struct port {
	enum port_state state;
	pid_t pid;	      /* OURS, TAKEN: of the program; 0: unknown */
	char name[PORT_NAME]; /* TAKEN: of the program, or "" */
	bool root;	      /* TAKEN: it is of a program of root */
	int error;	      /* ERROR: errno */
};

/* The process of the daemon that runs with this state directory; 0: none
 * answers. */
pid_t port_daemon(const char *state_dir);

/* Try to bind "ADDRESS:PORT" or "unix:PATH", which is valid. */
void port_look(const char *address, pid_t daemon, struct port *ret_port);

#endif
