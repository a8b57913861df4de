#include "server/listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LISTEN_BACKLOG = 1024,
	LISTEN_HOST = 256,
};

/* Split at the last colon; a V6 address wears brackets. */
static bool
listen_split(const char *address, char ret_host[LISTEN_HOST],
    const char **ret_port, struct err *reterr)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon != NULL ? (size_t)(colon - address) : 0;

	if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
		address++;
		len -= 2;
	} else if (memchr(address, ':', len) != NULL) {
		len = 0;
	}
	if (len == 0 || len >= LISTEN_HOST || colon[1] == '\0')
		return err_set(reterr, ERR_CONFIG,
		    "listen address should be ADDRESS:PORT or [V6]:PORT, is "
		    "\"%s\"",
		    address);
	memcpy(ret_host, address, len);
	ret_host[len] = '\0';
	*ret_port = colon + 1;
	return true;
}

static bool
listen_describe(int fd, unsigned *ret_port, char *ret_text, struct err *reterr)
{
	struct sockaddr_storage name = {0};
	socklen_t len = sizeof(name);
	char host[64], port[8];
	unsigned number = 0;

	if (getsockname(fd, (struct sockaddr *)&name, &len) != 0 ||
	    getnameinfo((struct sockaddr *)&name, len, host, sizeof(host), port,
		sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return err_set(reterr, ERR_IO,
		    "cannot read the address of a listening socket");
	for (const char *digit = port; *digit != '\0'; digit++)
		number = number * 10 + (unsigned)(*digit - '0');
	*ret_port = number;
	(void)snprintf(ret_text, LISTEN_TEXT,
	    name.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return true;
}

bool
listen_open(const char *address, int *ret_fd, unsigned *ret_port,
    char *ret_text, struct err *reterr)
{
	const struct addrinfo hints = {
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_PASSIVE,
	};
	struct addrinfo *info = NULL;
	char host[LISTEN_HOST];
	const char *port = NULL;
	const int yes = 1;
	int code, fd = -1;
	bool ok = false;

	if (!listen_split(address, host, &port, reterr))
		return false;
	code = getaddrinfo(host, port, &hints, &info);
	if (code != 0)
		return err_set(reterr, ERR_CONFIG, "listen address %s: %s",
		    address, gai_strerror(code));
	fd = socket(
	    info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
	    bind(fd, info->ai_addr, info->ai_addrlen) != 0 ||
	    listen(fd, LISTEN_BACKLOG) != 0) {
		(void)err_set(reterr, ERR_CONFIG, "cannot listen on %s: %s",
		    address, strerror(errno));
		goto out;
	}
	if (!listen_describe(fd, ret_port, ret_text, reterr))
		goto out;
	*ret_fd = fd;
	fd = -1;
	ok = true;
out:
	if (fd >= 0)
		(void)close(fd);
	freeaddrinfo(info);
	return ok;
}
