#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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
	(void)fprintf(stderr, "currentsd: broken invariant at %s:%d: %s\n",
	    file, line, cond);
	abort();
}
