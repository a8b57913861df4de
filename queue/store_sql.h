#ifndef QUEUE_STORE_SQL_H
#define QUEUE_STORE_SQL_H

/*
 * Every statement of the queue in one place, in the order of enum store_sql.
 * Included by store.c alone; the tables are in store_schema.h.
 */

#define LEDGER_SUMS                                                            \
	"sum(received), sum(waiting), sum(delivered), sum(buried),"            \
	" sum(dropped), sum(duplicates), sum(forgotten), sum(expired),"        \
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
    [STORE_PARCEL_ADD] = "INSERT INTO parcel VALUES(?1, ?2, ?3, ?4)",
    [STORE_PARCEL_READ] =
	"SELECT accepted_ms, events, data FROM parcel WHERE seq=?1",
    [STORE_PARCEL_DELETE] = "DELETE FROM parcel WHERE seq=?1",
    [STORE_PARCEL_LAST] =
	"SELECT max((SELECT coalesce(max(seq), 0) FROM parcel),"
	" (SELECT coalesce(max(seq), 0) FROM damaged))",
    [STORE_TICKET_ADD] =
	"INSERT INTO ticket VALUES(?1, ?2, ?3, ?4, ?5, ?6, NULL, NULL,"
	" ?7)",
    [STORE_TICKET_READ] = "SELECT remaining, done, delivered FROM ticket"
			  " WHERE lane=?1 AND source=?2 AND due_ms=?3 AND"
			  " seq=?4",
    [STORE_TICKET_UPDATE] =
	"UPDATE ticket SET remaining=?5, done=?6, delivered=?7"
	" WHERE lane=?1 AND source=?2 AND due_ms=?3 AND"
	" seq=?4",
    [STORE_TICKET_DELETE] = "DELETE FROM ticket WHERE lane=?1 AND source=?2"
			    " AND due_ms=?3 AND seq=?4",
    [STORE_TICKET_SOURCE_AFTER] = "SELECT min(source) FROM ticket"
				  " WHERE lane=?1 AND source>?2",
    [STORE_TICKET_FRESH] =
	"SELECT due_ms, seq, attempts, remaining, done, replay"
	" FROM ticket WHERE lane=?1 AND source=?2 AND"
	" due_ms=0 AND seq>=?3 ORDER BY seq",
    [STORE_TICKET_REPLAY] =
	"SELECT due_ms, seq, attempts, remaining, done, replay"
	" FROM ticket WHERE lane=?1 AND source=?2 AND due_ms=?3 ORDER BY seq",
    [STORE_TICKET_ASIDE] =
	"SELECT due_ms, seq, attempts, remaining, done, replay"
	" FROM ticket WHERE lane=?1 AND source=?2 AND"
	" due_ms>0 AND due_ms<=?3 AND replay=0 ORDER BY due_ms, seq",
    /* Further off than anything is ever set aside: the clock was wrong. */
    [STORE_TICKET_ASIDE_FAR] =
	"SELECT due_ms, seq, attempts, remaining, done, replay"
	" FROM ticket WHERE lane=?1 AND source=?2 AND"
	" due_ms>?3 + 172800000 AND replay=0 ORDER BY due_ms, seq",
    [STORE_TICKET_REPLAY_ASIDE] =
	"SELECT due_ms, seq, attempts, remaining, done, replay"
	" FROM ticket WHERE lane=?1 AND source=?2 AND"
	" due_ms>0 AND due_ms<=?3 AND replay=1 ORDER BY due_ms, seq",
    [STORE_TICKET_OLDEST_FRESH] =
	"SELECT accepted_ms FROM parcel WHERE seq=(SELECT min(seq) FROM ticket"
	" WHERE lane=?1 AND source=?2 AND due_ms=0)",
    [STORE_TICKET_OLDEST_ASIDE] =
	"SELECT min(accepted_ms) FROM parcel WHERE seq IN (SELECT seq FROM"
	" ticket WHERE lane=?1 AND source=?2 AND due_ms>0 LIMIT 1000)",
    [STORE_TICKET_AFTER] =
	"SELECT lane, source, due_ms, seq, attempts, remaining, done,"
	" delivered, replay FROM ticket"
	" WHERE (lane, source, due_ms, seq) > (?1, ?2, ?3, ?4)"
	" ORDER BY lane, source, due_ms, seq LIMIT 1",
    [STORE_TICKET_OF_LANE] =
	"SELECT source, due_ms, seq, remaining, replay FROM ticket"
	" WHERE lane=?1 LIMIT ?2",
    [STORE_TICKET_REDIRECT] = "UPDATE ticket SET lane=?5 WHERE lane=?1"
			      " AND source=?2 AND due_ms=?3 AND seq=?4",
    [STORE_PARCEL_AFTER] =
	"SELECT seq, data FROM parcel WHERE seq>?1 ORDER BY seq LIMIT 1",
    [STORE_PARCEL_WRITE] = "UPDATE parcel SET data=?2 WHERE seq=?1",
    [STORE_DAMAGED_ADD] =
	"INSERT INTO damaged SELECT lane, source, due_ms, seq, attempts,"
	" remaining, done, delivered, replay, ?5, ?6 FROM ticket"
	" WHERE lane=?1 AND source=?2 AND due_ms=?3 AND seq=?4",
    [STORE_DAMAGED_BACK] =
	"INSERT OR IGNORE INTO ticket SELECT lane, source, due_ms, seq,"
	" attempts, remaining, done, delivered, replay FROM damaged",
    [STORE_DAMAGED_CLEAR] = "DELETE FROM damaged",
    [STORE_DAMAGED_COUNT] = "SELECT count(*) FROM damaged",
    [STORE_DAMAGED_WAITING] = "SELECT coalesce(sum(remaining), 0) FROM damaged"
			      " WHERE lane=?1 AND replay=0",
    [STORE_DAMAGED_REDIRECT] = "UPDATE damaged SET lane=?2 WHERE lane=?1",
    [STORE_BURIED_ADD] = "INSERT INTO buried VALUES"
			 "(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
			 " ?11)",
    [STORE_BURIED_AFTER] =
	"SELECT b.id, s.text, l.text, k.text, b.accepted_ms, b.buried_ms,"
	" b.attempts, b.reason, b.status, b.words, b.sent, b.data,"
	" b.lane, b.kind"
	" FROM buried b JOIN name s ON s.id=b.source"
	" JOIN name l ON l.id=b.lane JOIN name k ON k.id=b.kind"
	" WHERE b.id>?1 ORDER BY b.id LIMIT ?2",
    [STORE_BURIED_LAST] = "SELECT coalesce(max(id), 0) FROM buried",
    [STORE_BURIED_REDIRECT] = "UPDATE buried SET lane=?2 WHERE lane=?1"
			      " AND id>?3 AND id<=?4",
    [STORE_KEPT_LAST] = "SELECT coalesce(max(id), 0) FROM kept",
    [STORE_KEPT_REDIRECT] = "UPDATE kept SET lane=?2 WHERE lane=?1"
			    " AND id>?3 AND id<=?4",
    [STORE_BURIED_TOP] = "SELECT reason, status, count(*) FROM (SELECT reason,"
			 " status FROM buried ORDER BY id DESC LIMIT ?1)"
			 " GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT ?2",
    [STORE_KEPT_ADD] = "INSERT INTO kept VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6)",
    [STORE_KEPT_FIRST] =
	"SELECT id, seq, delivered_ms, bytes FROM kept ORDER BY id LIMIT 1",
    [STORE_KEPT_DELETE] = "DELETE FROM kept WHERE id=?1",
    [STORE_KEPT_TOTALS] = "SELECT count(*), coalesce(sum(bytes), 0) FROM kept",
    [STORE_KEPT_AFTER] =
	"SELECT id, seq, lane, source, delivered_ms, bytes, delivered"
	" FROM kept WHERE id>?1 ORDER BY id LIMIT 1",
    [STORE_KEPT_WRITE] = "UPDATE kept SET bytes=?2, delivered=?3 WHERE id=?1",
    [STORE_BURIED_DELETE] = "DELETE FROM buried WHERE id=?1",
    [STORE_ERASURE_LAST] = "SELECT coalesce(max(id), 0) FROM erasure",
    [STORE_ERASURE_DONE] = "DELETE FROM erasure WHERE subject=?1 AND id<=?2",
    [STORE_ERASURE_FORGOTTEN] =
	"UPDATE erasure SET forgotten_ms=?3 WHERE subject=?1 AND id<=?2",
    /* Who asks again is to be forgotten again. */
    [STORE_ERASURE_ADD] =
	"INSERT OR REPLACE INTO erasure VALUES(NULL, ?1, ?2, ?3, 0)",
    [STORE_ERASURE_AFTER] =
	"SELECT e.id, s.text, e.subject, e.noted_ms, e.forgotten_ms"
	" FROM erasure e"
	" JOIN name s ON s.id=e.source WHERE e.id>?1 ORDER BY e.id LIMIT ?2",
    [STORE_NOTE_ADD] =
	"INSERT INTO note VALUES(?1, ?2, ?3, ?3) ON CONFLICT DO UPDATE SET"
	" events=events+?2, last_ms=?3 RETURNING events=?2",
    [STORE_NOTE_AGAIN] =
	"UPDATE note SET events=events+?2, last_ms=?3 WHERE text=?1"
	" RETURNING 0",
    [STORE_NOTE_ALL] =
	"SELECT text, events, first_ms, last_ms FROM note ORDER BY text",
    [STORE_NOTE_COUNT] = "SELECT count(*) FROM note",
    [STORE_BODY_ADD] = "INSERT INTO body VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6)",
    [STORE_BODY_FIND] = "SELECT 1 FROM body WHERE hash=?1",
    [STORE_BODY_TOTALS] =
	"SELECT count(*), coalesce(sum(length(data)), 0) FROM body",
    [STORE_BODY_AFTER] =
	"SELECT b.id, s.text, b.received_ms, b.reason, b.encoding, b.data"
	" FROM body b JOIN name s ON s.id=b.source WHERE b.id>?1"
	" ORDER BY b.id LIMIT 1",
    [STORE_BODY_DELETE] = "DELETE FROM body WHERE id=?1",
    [STORE_SEEN_ALL] = "SELECT hashes FROM seen ORDER BY n",
    [STORE_SEEN_ADD] = "INSERT INTO seen(hashes) VALUES(?1)",
    [STORE_SEEN_FIRST] = "SELECT n, length(hashes) FROM seen ORDER BY n"
			 " LIMIT 1",
    [STORE_SEEN_DELETE] = "DELETE FROM seen WHERE n=?1",
    [STORE_LEDGER_ADD] =
	"INSERT INTO ledger VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
	" ?11, ?12, ?13, ?14) ON CONFLICT DO UPDATE SET received=received+?4,"
	" waiting=waiting+?5, delivered=delivered+?6, buried=buried+?7,"
	" dropped=dropped+?8, duplicates=duplicates+?9,"
	" forgotten=forgotten+?10, expired=expired+?11,"
	" replayed=replayed+?12, replay_delivered=replay_delivered+?13,"
	" replay_refused=replay_refused+?14",
    [STORE_LEDGER_TOTALS] = "SELECT '', " LEDGER_SUMS " FROM ledger",
    [STORE_LEDGER_BY_SOURCE] =
	"SELECT text, " LEDGER_SUMS " FROM ledger JOIN name ON id=source"
	" GROUP BY source ORDER BY text",
    [STORE_LEDGER_BY_KIND] =
	"SELECT text, " LEDGER_SUMS " FROM ledger JOIN name ON id=kind"
	" GROUP BY kind ORDER BY text",
    [STORE_LEDGER_BY_HOUR] =
	"SELECT strftime('%Y-%m-%dT%H:%MZ', hour*3600, "
	"'unixepoch'), " LEDGER_SUMS " FROM ledger GROUP BY hour ORDER BY hour",
    /* Hours before ?1 into their days; a day is the row of its first hour. */
    [STORE_LEDGER_FOLD] =
	"INSERT INTO ledger SELECT hour/24*24, source, kind, " LEDGER_SUMS
	" FROM ledger WHERE hour<?1 AND hour%24<>0 GROUP BY 1, 2, 3"
	" ON CONFLICT DO UPDATE SET"
	" received=received+excluded.received,"
	" waiting=waiting+excluded.waiting,"
	" delivered=delivered+excluded.delivered,"
	" buried=buried+excluded.buried,"
	" dropped=dropped+excluded.dropped,"
	" duplicates=duplicates+excluded.duplicates,"
	" forgotten=forgotten+excluded.forgotten,"
	" expired=expired+excluded.expired,"
	" replayed=replayed+excluded.replayed,"
	" replay_delivered=replay_delivered+excluded.replay_delivered,"
	" replay_refused=replay_refused+excluded.replay_refused",
    [STORE_LEDGER_FOLDED] = "DELETE FROM ledger WHERE hour<?1 AND hour%24<>0",
    [STORE_DROP_FOLD] =
	"INSERT INTO dropped SELECT hour/24*24, source, kind, rule, sum(events)"
	" FROM dropped WHERE hour<?1 AND hour%24<>0 GROUP BY 1, 2, 3, 4"
	" ON CONFLICT DO UPDATE SET events=events+excluded.events",
    [STORE_DROP_FOLDED] = "DELETE FROM dropped WHERE hour<?1 AND hour%24<>0",
    [STORE_DROP_ADD] = "INSERT INTO dropped VALUES(?1, ?2, ?3, ?4, ?5)"
		       " ON CONFLICT DO UPDATE SET events=events+?5",
    [STORE_DROP_ALL] = "SELECT r.text, k.text, sum(d.events) FROM dropped d"
		       " JOIN name r ON r.id=d.rule JOIN name k ON k.id=d.kind"
		       " GROUP BY d.rule, d.kind ORDER BY r.text, k.text",
    [STORE_DROP_TOP] = "SELECT r.text, 0, sum(d.events) FROM dropped d"
		       " JOIN name r ON r.id=d.rule GROUP BY d.rule"
		       " ORDER BY 3 DESC, 1 LIMIT ?2",
    [STORE_LANE_ALL] = "SELECT id, waiting, delivered_ms FROM lane",
    [STORE_LANE_ADD] = "INSERT INTO lane VALUES(?1, 0, 0, 0, 0, NULL, 0)",
    [STORE_LANE_READ] =
	"SELECT last_post_ms, clean_ms, paused, sends,"
	" (SELECT max(last_post_ms) FROM lane) FROM lane WHERE id=?1",
    [STORE_LANE_WAITING] =
	"UPDATE lane SET waiting=waiting+?2, delivered_ms=?3 WHERE id=?1",
    [STORE_LANE_RUN] = "UPDATE lane SET clean_ms=0, sends=NULL WHERE id=?1",
    [STORE_LANE_POST] = "UPDATE lane SET last_post_ms=?2 WHERE id=?1",
    [STORE_DOUBT_READ] = "SELECT data FROM doubt WHERE lane=?1",
    [STORE_DOUBT_COUNT] = "SELECT count(*) FROM doubt WHERE lane=?1",
    [STORE_DOUBT_WRITE] = "INSERT OR REPLACE INTO doubt VALUES(?1, ?2)",
    [STORE_DOUBT_DELETE] = "DELETE FROM doubt WHERE lane=?1",
    [STORE_LANE_REST] = "UPDATE lane SET clean_ms=?2, sends=?3 WHERE id=?1",
    [STORE_LANE_PAUSE] = "UPDATE lane SET paused=?2 WHERE id=?1",
    [STORE_INTEGRITY] = "PRAGMA integrity_check(100)",
    [STORE_CHECK_WAITING] =
	"SELECT (SELECT coalesce(sum(remaining), 0) FROM ticket"
	" WHERE replay=0) +"
	" (SELECT coalesce(sum(remaining), 0) FROM damaged"
	" WHERE replay=0)",
    [STORE_CHECK_BURIED] = "SELECT count(*) FROM buried",
    [STORE_CHECK_LANES] = "SELECT coalesce(sum(waiting), 0) FROM lane",
};

#endif
