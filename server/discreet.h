#ifndef SERVER_DISCREET_H
#define SERVER_DISCREET_H

/* Privacy at acceptance (schema/private.h): what the queue is given. */

#include "server/request.h"

/* Let the items of the put lend bytes without what is private, if the source
 * wants that. False if there is no memory. */
MUST_USE bool discreet_make(struct request *request);

#endif
