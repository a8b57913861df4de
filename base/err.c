#include "base/err.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHECK_WAIT_MS = 1000 };

void
err_fill(struct err *reterr, enum err_code code, const char *format, ...)
{
	va_list args;

	if (reterr == NULL)
		return;
	reterr->code = code;
	va_start(args, format);
	(void)vsnprintf(reterr->text, sizeof(reterr->text), format, args);
	va_end(args);
}

_Noreturn void
check_failed(const char *file, int line, const char *cond)
{
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
	char text[480];
	int len = snprintf(text, sizeof(text),
	    "currentsd: broken invariant at %s:%d: %s\n", file, line, cond);

	/* Nobody may be reading it, and the process is to end. */
	if (len > 0 && poll(&fd, 1, CHECK_WAIT_MS) == 1)
		(void)!write(STDERR_FILENO, text, strlen(text));
	abort();
}
