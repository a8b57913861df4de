#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool
err_set(struct err *reterr, enum err_code code, const char *format, ...)
{
	va_list args;

	if (reterr == NULL)
		return false;
	reterr->code = code;
	va_start(args, format);
	(void)vsnprintf(reterr->text, sizeof(reterr->text), format, args);
	va_end(args);
	return false;
}

bool
err_set_nomem(struct err *reterr)
{
	return err_set(reterr, ERR_NOMEM, "out of memory");
}

_Noreturn void
check_failed(const char *file, int line, const char *cond)
{
	(void)fprintf(stderr, "currentsd: broken invariant at %s:%d: %s\n",
	    file, line, cond);
	abort();
}
