#ifndef DAEMON_PERSONS_H
#define DAEMON_PERSONS_H

/*
 * Whose an item is: an event names people by its ids, a change of a set names
 * its member.
 *
 * And whose items an erasure is about. Braze asks for it by its own id alone,
 * but events of the same person may carry only another one. So the events that
 * name an id that was given are read for the ids beside it: external id,
 * Braze's id and alias; one step, not from id to id. Never the device, which
 * may be shared: what is anonymous on a device of these people is theirs only
 * if no event from there names anybody else.
 *
 * In three passes over all events: persons_find(), persons_share() if there are
 * devices, persons_match(). Not thread safe.
 */

#include "daemon/settings.h"
#include "schema/currents/currents.h"

/* As person_each() and person_matches(), for an item of either kind. A member
 * is a PERSON_EXTERNAL, whichever kind its id is of. */
bool persons_each(struct str type, struct str data, person_fn *fn, void *arg);
bool persons_matches(
    struct str type, struct str data, const struct str *ids, size_t count);

/* Is it a change? *ret_member is lent by the data. (An event that has a type is
 * an object.) */
bool persons_change(struct str type, struct str data, struct str *ret_member,
    bool *ret_entered);

struct persons;

/* Does the id stand for many people, by the rules of any destination? */
bool persons_stands_for_many(const struct settings *settings, struct str id);

/* The ids that are given are lent. With the forms that private_at = accept
 * stores. */
MUST_USE bool persons_new(struct settings *settings, const char *const *given,
    size_t count, struct persons **ret_persons, struct err *reterr);
void persons_free(struct persons *persons); /* accepts NULL */

/* First: note the ids and devices beside those that were given. */
void persons_find(struct persons *persons, struct str type, struct str data);

/* After all of them: complete what was found. ERR_LIMIT if that is too much to
 * be of one person, ERR_NOMEM. *ret_devices: the second pass is needed. */
MUST_USE bool
persons_found(struct persons *persons, bool *ret_devices, struct err *reterr);

/* Second: note the devices from which somebody else is named. */
void persons_share(struct persons *persons, struct str type, struct str data);

/* Third: is it about one of these people? When in doubt, yes. */
bool persons_match(struct persons *persons, struct str type, struct str data);

/* All ids, as they may stand in bytes that are not JSON; without devices. */
const struct str *persons_ids(const struct persons *persons, size_t *ret_count);

/* How many ids were found beside those given, how many of these stand alone,
 * and how many devices are shared. */
struct persons_told {
	size_t found, alone, shared;
};
struct persons_told persons_told(const struct persons *persons);

#endif
