#ifndef QUEUE_STORE_SQL_H
#define QUEUE_STORE_SQL_H

/*
 * Every statement of the queue in one place, in the order of enum store_sql.
 * Included by store.c alone; the tables are in store_schema.h.
 */

#define LEDGER_SUMS                                                            \
	"sum(received), sum(queued), sum(delivered), sum(dead),"               \
	" sum(dropped), sum(duplicates), sum(erased), sum(expired),"           \
	" sum(replayed), sum(replay_delivered), sum(replay_refused)"

static const char *const store_texts[STORE_STATEMENTS] = {
    [STORE_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_COMMIT] = "COMMIT",
    [STORE_ROLLBACK] = "ROLLBACK",
    [STORE_PAGES] = "PRAGMA page_count",
    [STORE_FREE_PAGES] = "PRAGMA freelist_count",
    [STORE_META_READ] = "SELECT value FROM meta WHERE key=?1",
    [STORE_META_WRITE] = "INSERT OR REPLACE INTO meta VALUES(?1, ?2)",
    [STORE_NAME_ALL] = "SELECT id, text FROM name ORDER BY id",
    [STORE_NAME_ADD] = "INSERT INTO name(id, text) VALUES(?1, ?2)",
    [STORE_BATCH_ADD] = "INSERT INTO batch VALUES(?1, ?2, ?3, ?4)",
    [STORE_BATCH_READ] =
	"SELECT accepted_ms, events, data FROM batch WHERE seq=?1",
    [STORE_BATCH_DELETE] = "DELETE FROM batch WHERE seq=?1",
    [STORE_BATCH_LAST] = "SELECT max((SELECT coalesce(max(seq), 0) FROM batch),"
			 " (SELECT coalesce(max(seq), 0) FROM quarantine))",
    [STORE_DELIVERY_ADD] =
	"INSERT INTO delivery VALUES(?1, ?2, ?3, ?4, ?5, ?6, NULL, NULL,"
	" ?7)",
    [STORE_DELIVERY_READ] =
	"SELECT remaining, done, delivered FROM delivery"
	" WHERE destination=?1 AND source=?2 AND due_ms=?3 AND"
	" seq=?4",
    [STORE_DELIVERY_UPDATE] =
	"UPDATE delivery SET remaining=?5, done=?6, delivered=?7"
	" WHERE destination=?1 AND source=?2 AND due_ms=?3 AND"
	" seq=?4",
    [STORE_DELIVERY_DELETE] =
	"DELETE FROM delivery WHERE destination=?1 AND source=?2"
	" AND due_ms=?3 AND seq=?4",
    [STORE_DELIVERY_SOURCE_AFTER] = "SELECT min(source) FROM delivery"
				    " WHERE destination=?1 AND source>?2",
    [STORE_DELIVERY_FRESH] =
	"SELECT due_ms, seq, attempts, remaining, done, replay"
	" FROM delivery WHERE destination=?1 AND source=?2 AND"
	" due_ms=0 AND seq>=?3 ORDER BY seq",
    [STORE_DELIVERY_REPLAY] =
	"SELECT due_ms, seq, attempts, remaining, done, replay"
	" FROM delivery WHERE destination=?1 AND source=?2 AND due_ms=?3 ORDER "
	"BY seq",
    [STORE_DELIVERY_DEFERRED] =
	"SELECT due_ms, seq, attempts, remaining, done, replay"
	" FROM delivery WHERE destination=?1 AND source=?2 AND"
	" due_ms>0 AND due_ms<=?3 AND replay=0 ORDER BY due_ms, seq",
    /* Further off than anything is ever set aside: the clock was wrong. */
    [STORE_DELIVERY_DEFERRED_FAR] =
	"SELECT due_ms, seq, attempts, remaining, done, replay"
	" FROM delivery WHERE destination=?1 AND source=?2 AND"
	" due_ms>?3 + 172800000 AND replay=0 ORDER BY due_ms, seq",
    [STORE_DELIVERY_REPLAY_DEFERRED] =
	"SELECT due_ms, seq, attempts, remaining, done, replay"
	" FROM delivery WHERE destination=?1 AND source=?2 AND"
	" due_ms>0 AND due_ms<=?3 AND replay=1 ORDER BY due_ms, seq",
    [STORE_DELIVERY_OLDEST_FRESH] =
	"SELECT accepted_ms FROM batch WHERE seq=(SELECT min(seq) FROM delivery"
	" WHERE destination=?1 AND source=?2 AND due_ms=0)",
    [STORE_DELIVERY_OLDEST_DEFERRED] =
	"SELECT min(accepted_ms) FROM batch WHERE seq IN (SELECT seq FROM"
	" delivery WHERE destination=?1 AND source=?2 AND due_ms>0 LIMIT 1000)",
    [STORE_DELIVERY_AFTER] =
	"SELECT destination, source, due_ms, seq, attempts, remaining, done,"
	" delivered, replay FROM delivery"
	" WHERE (destination, source, due_ms, seq) > (?1, ?2, ?3, ?4)"
	" ORDER BY destination, source, due_ms, seq LIMIT 1",
    [STORE_DELIVERY_OF_DESTINATION] =
	"SELECT source, due_ms, seq, remaining, replay FROM delivery"
	" WHERE destination=?1 LIMIT ?2",
    [STORE_DELIVERY_REDIRECT] =
	"UPDATE delivery SET destination=?5 WHERE destination=?1"
	" AND source=?2 AND due_ms=?3 AND seq=?4",
    [STORE_BATCH_AFTER] =
	"SELECT seq, data FROM batch WHERE seq>?1 ORDER BY seq LIMIT 1",
    [STORE_BATCH_WRITE] = "UPDATE batch SET data=?2 WHERE seq=?1",
    [STORE_QUARANTINE_ADD] =
	"INSERT INTO quarantine SELECT destination, source, due_ms, seq, "
	"attempts,"
	" remaining, done, delivered, replay, ?5, ?6 FROM delivery"
	" WHERE destination=?1 AND source=?2 AND due_ms=?3 AND seq=?4",
    [STORE_QUARANTINE_BACK] =
	"INSERT OR IGNORE INTO delivery SELECT destination, source, due_ms, "
	"seq,"
	" attempts, remaining, done, delivered, replay FROM quarantine",
    [STORE_QUARANTINE_CLEAR] = "DELETE FROM quarantine",
    [STORE_QUARANTINE_COUNT] = "SELECT count(*) FROM quarantine",
    [STORE_QUARANTINE_QUEUED] =
	"SELECT coalesce(sum(remaining), 0) FROM quarantine"
	" WHERE destination=?1 AND replay=0",
    [STORE_QUARANTINE_REDIRECT] =
	"UPDATE quarantine SET destination=?2 WHERE destination=?1",
    [STORE_DEAD_ADD] = "INSERT INTO dead VALUES"
		       "(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
		       " ?11)",
    [STORE_DEAD_AFTER] =
	"SELECT b.id, s.text, l.text, k.text, b.accepted_ms, b.dead_ms,"
	" b.attempts, b.reason, b.status, b.answer, b.sent, b.data,"
	" b.destination, b.type"
	" FROM dead b JOIN name s ON s.id=b.source"
	" JOIN name l ON l.id=b.destination JOIN name k ON k.id=b.type"
	" WHERE b.id>?1 ORDER BY b.id LIMIT ?2",
    [STORE_DEAD_LAST] = "SELECT coalesce(max(id), 0) FROM dead",
    [STORE_DEAD_REDIRECT] =
	"UPDATE dead SET destination=?2 WHERE destination=?1"
	" AND id>?3 AND id<=?4",
    [STORE_ARCHIVE_LAST] = "SELECT coalesce(max(id), 0) FROM archive",
    [STORE_ARCHIVE_REDIRECT] =
	"UPDATE archive SET destination=?2 WHERE destination=?1"
	" AND id>?3 AND id<=?4",
    [STORE_DEAD_TOP] = "SELECT reason, status, count(*) FROM (SELECT reason,"
		       " status FROM dead ORDER BY id DESC LIMIT ?1)"
		       " GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT ?2",
    [STORE_ARCHIVE_ADD] =
	"INSERT INTO archive VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6)",
    [STORE_ARCHIVE_FIRST] =
	"SELECT id, seq, delivered_ms, bytes FROM archive ORDER BY id LIMIT 1",
    [STORE_ARCHIVE_DELETE] = "DELETE FROM archive WHERE id=?1",
    [STORE_ARCHIVE_TOTALS] =
	"SELECT count(*), coalesce(sum(bytes), 0) FROM archive",
    [STORE_ARCHIVE_AFTER] =
	"SELECT id, seq, destination, source, delivered_ms, bytes, delivered"
	" FROM archive WHERE id>?1 ORDER BY id LIMIT 1",
    [STORE_ARCHIVE_WRITE] =
	"UPDATE archive SET bytes=?2, delivered=?3 WHERE id=?1",
    [STORE_DEAD_DELETE] = "DELETE FROM dead WHERE id=?1",
    [STORE_ERASURE_LAST] = "SELECT coalesce(max(id), 0) FROM erasure",
    [STORE_ERASURE_DONE] = "DELETE FROM erasure WHERE subject=?1 AND id<=?2",
    [STORE_ERASURE_ERASED] =
	"UPDATE erasure SET erased_ms=?3 WHERE subject=?1 AND id<=?2",
    /* Who asks again is to be erased again. */
    [STORE_ERASURE_ADD] =
	"INSERT OR REPLACE INTO erasure VALUES(NULL, ?1, ?2, ?3, 0)",
    [STORE_ERASURE_AFTER] =
	"SELECT e.id, s.text, e.subject, e.noted_ms, e.erased_ms"
	" FROM erasure e"
	" JOIN name s ON s.id=e.source WHERE e.id>?1 ORDER BY e.id LIMIT ?2",
    [STORE_DRIFT_ADD] =
	"INSERT INTO drift VALUES(?1, ?2, ?3, ?3) ON CONFLICT DO UPDATE SET"
	" events=events+?2, last_ms=?3 RETURNING events=?2",
    [STORE_DRIFT_AGAIN] =
	"UPDATE drift SET events=events+?2, last_ms=?3 WHERE text=?1"
	" RETURNING 0",
    [STORE_DRIFT_ALL] =
	"SELECT text, events, first_ms, last_ms FROM drift ORDER BY text",
    [STORE_DRIFT_COUNT] = "SELECT count(*) FROM drift",
    [STORE_UNREADABLE_ADD] =
	"INSERT INTO unreadable VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6)",
    [STORE_UNREADABLE_FIND] = "SELECT 1 FROM unreadable WHERE hash=?1",
    [STORE_UNREADABLE_TOTALS] =
	"SELECT count(*), coalesce(sum(length(data)), 0) FROM unreadable",
    [STORE_UNREADABLE_AFTER] =
	"SELECT b.id, s.text, b.received_ms, b.reason, b.encoding, b.data"
	" FROM unreadable b JOIN name s ON s.id=b.source WHERE b.id>?1"
	" ORDER BY b.id LIMIT 1",
    [STORE_UNREADABLE_DELETE] = "DELETE FROM unreadable WHERE id=?1",
    [STORE_SEEN_ALL] = "SELECT hashes FROM seen ORDER BY n",
    [STORE_SEEN_ADD] = "INSERT INTO seen(hashes) VALUES(?1)",
    [STORE_SEEN_FIRST] = "SELECT n, length(hashes) FROM seen ORDER BY n"
			 " LIMIT 1",
    [STORE_SEEN_DELETE] = "DELETE FROM seen WHERE n=?1",
    [STORE_LEDGER_ADD] =
	"INSERT INTO ledger VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
	" ?11, ?12, ?13, ?14) ON CONFLICT DO UPDATE SET received=received+?4,"
	" queued=queued+?5, delivered=delivered+?6, dead=dead+?7,"
	" dropped=dropped+?8, duplicates=duplicates+?9,"
	" erased=erased+?10, expired=expired+?11,"
	" replayed=replayed+?12, replay_delivered=replay_delivered+?13,"
	" replay_refused=replay_refused+?14",
    [STORE_LEDGER_TOTALS] = "SELECT '', " LEDGER_SUMS " FROM ledger",
    [STORE_LEDGER_BY_SOURCE] =
	"SELECT text, " LEDGER_SUMS " FROM ledger JOIN name ON id=source"
	" GROUP BY source ORDER BY text",
    [STORE_LEDGER_BY_TYPE] =
	"SELECT text, " LEDGER_SUMS " FROM ledger JOIN name ON id=type"
	" GROUP BY type ORDER BY text",
    [STORE_LEDGER_BY_HOUR] =
	"SELECT strftime('%Y-%m-%dT%H:%MZ', hour*3600, "
	"'unixepoch'), " LEDGER_SUMS " FROM ledger GROUP BY hour ORDER BY hour",
    /* Hours before ?1 into their days; a day is the row of its first hour. */
    [STORE_LEDGER_FOLD] =
	"INSERT INTO ledger SELECT hour/24*24, source, type, " LEDGER_SUMS
	" FROM ledger WHERE hour<?1 AND hour%24<>0 GROUP BY 1, 2, 3"
	" ON CONFLICT DO UPDATE SET"
	" received=received+excluded.received,"
	" queued=queued+excluded.queued,"
	" delivered=delivered+excluded.delivered,"
	" dead=dead+excluded.dead,"
	" dropped=dropped+excluded.dropped,"
	" duplicates=duplicates+excluded.duplicates,"
	" erased=erased+excluded.erased,"
	" expired=expired+excluded.expired,"
	" replayed=replayed+excluded.replayed,"
	" replay_delivered=replay_delivered+excluded.replay_delivered,"
	" replay_refused=replay_refused+excluded.replay_refused",
    [STORE_LEDGER_FOLDED] = "DELETE FROM ledger WHERE hour<?1 AND hour%24<>0",
    [STORE_DROP_FOLD] =
	"INSERT INTO dropped SELECT hour/24*24, source, type, rule, sum(events)"
	" FROM dropped WHERE hour<?1 AND hour%24<>0 GROUP BY 1, 2, 3, 4"
	" ON CONFLICT DO UPDATE SET events=events+excluded.events",
    [STORE_DROP_FOLDED] = "DELETE FROM dropped WHERE hour<?1 AND hour%24<>0",
    [STORE_DROP_ADD] = "INSERT INTO dropped VALUES(?1, ?2, ?3, ?4, ?5)"
		       " ON CONFLICT DO UPDATE SET events=events+?5",
    [STORE_DROP_ALL] = "SELECT r.text, k.text, sum(d.events) FROM dropped d"
		       " JOIN name r ON r.id=d.rule JOIN name k ON k.id=d.type"
		       " GROUP BY d.rule, d.type ORDER BY r.text, k.text",
    [STORE_DROP_TOP] = "SELECT r.text, 0, sum(d.events) FROM dropped d"
		       " JOIN name r ON r.id=d.rule GROUP BY d.rule"
		       " ORDER BY 3 DESC, 1 LIMIT ?2",
    [STORE_DESTINATION_ALL] =
	"SELECT id, queued, delivered_ms FROM destination",
    [STORE_DESTINATION_ADD] =
	"INSERT INTO destination VALUES(?1, 0, 0, 0, 0, NULL, 0)",
    [STORE_DESTINATION_READ] = "SELECT last_post_ms, clean_ms, paused, sends,"
			       " (SELECT max(last_post_ms) FROM destination) "
			       "FROM destination WHERE id=?1",
    [STORE_DESTINATION_QUEUED] =
	"UPDATE destination SET queued=queued+?2, delivered_ms=?3 WHERE id=?1",
    [STORE_DESTINATION_RUN] =
	"UPDATE destination SET clean_ms=0, sends=NULL WHERE id=?1",
    [STORE_DESTINATION_POST] =
	"UPDATE destination SET last_post_ms=?2 WHERE id=?1",
    [STORE_DOUBT_READ] = "SELECT data FROM doubt WHERE destination=?1",
    [STORE_DOUBT_COUNT] = "SELECT count(*) FROM doubt WHERE destination=?1",
    [STORE_DOUBT_WRITE] = "INSERT OR REPLACE INTO doubt VALUES(?1, ?2)",
    [STORE_DOUBT_DELETE] = "DELETE FROM doubt WHERE destination=?1",
    [STORE_DESTINATION_REST] =
	"UPDATE destination SET clean_ms=?2, sends=?3 WHERE id=?1",
    [STORE_DESTINATION_PAUSE] = "UPDATE destination SET paused=?2 WHERE id=?1",
    [STORE_INTEGRITY] = "PRAGMA integrity_check(100)",
    [STORE_CHECK_QUEUED] =
	"SELECT (SELECT coalesce(sum(remaining), 0) FROM delivery"
	" WHERE replay=0) +"
	" (SELECT coalesce(sum(remaining), 0) FROM quarantine"
	" WHERE replay=0)",
    [STORE_CHECK_DEAD] = "SELECT count(*) FROM dead",
    [STORE_CHECK_DESTINATIONS] =
	"SELECT coalesce(sum(queued), 0) FROM destination",
};

#endif
