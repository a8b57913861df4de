#ifndef DAEMON_PAGE_H
#define DAEMON_PAGE_H

/* The operator's page: the files of daemon/page/, gzipped, which the build
 * makes constants of. */

#include "base/str.h"

extern const struct str page_html, page_css, page_js;

#endif
