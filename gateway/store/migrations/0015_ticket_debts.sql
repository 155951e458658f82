-- Tickets that are owed: what tightened takes effect without one, and it is named later. Which those are
-- follows from the audit log alone, so that none is missed, however late an entry comes; here is where
-- they are found, and which ticket was named for them.

CREATE TABLE ticket_payments (
    audit      bigint PRIMARY KEY,
    ticket     text NOT NULL,
    paid_at    timestamptz NOT NULL,
    paid_by    text NOT NULL,
    paid_audit bigint NOT NULL UNIQUE,
    CONSTRAINT ticket_payments_ticket CHECK (length(ticket) BETWEEN 1 AND 100),
    CONSTRAINT ticket_payments_by CHECK (length(paid_by) BETWEEN 1 AND 256),
    CONSTRAINT ticket_payments_later CHECK (paid_audit > audit)
);
COMMENT ON TABLE ticket_payments IS
    'Tickets that were named after the act. Each is entered in the transaction of an audit entry of its own.';
COMMENT ON COLUMN ticket_payments.audit IS 'audit_entries.seq of the act, which stays as it was.';
COMMENT ON COLUMN ticket_payments.ticket IS 'Its ticket.';
COMMENT ON COLUMN ticket_payments.paid_at IS 'When it was named.';
COMMENT ON COLUMN ticket_payments.paid_by IS 'By whom: user:ana, key:pk_...';
COMMENT ON COLUMN ticket_payments.paid_audit IS 'audit_entries.seq of the entry that says so.';

-- Of a person or a key; by one alone; in force, or handed to the core. The gateway's own acts are
-- "system", and what changed nothing has the same before and after.
CREATE INDEX audit_entries_ticketless ON audit_entries (seq)
    WHERE ticket = '' AND approvals = '' AND (actor LIKE 'user:%' OR actor LIKE 'key:%')
        AND ((outcome = 'done' AND before <> after AND action IN ('symbol.mode', 'symbol.throttle',
            'kill.engage', 'withdrawals.set', 'account.trading', 'account.access'))
            OR (outcome = 'requested' AND action = 'symbol.cancel_all'));
COMMENT ON INDEX audit_entries_ticketless IS 'For ticket_debts, whose condition it has.';

CREATE VIEW ticket_debts AS
    SELECT e.seq AS audit, e.time_ns, e.actor,
        CASE WHEN k.id IS NULL THEN e.actor
            ELSE coalesce('user:' || k.owner, 'account:' || k.account) END AS person,
        e.action, e.target, e.reason, e.incident,
        p.ticket, p.paid_at, p.paid_by, p.paid_audit
    FROM audit_entries e
        LEFT JOIN api_keys k ON e.actor LIKE 'key:%' AND k.id = substr(e.actor, 5)
        LEFT JOIN ticket_payments p ON p.audit = e.seq
    WHERE e.ticket = '' AND e.approvals = '' AND (e.actor LIKE 'user:%' OR e.actor LIKE 'key:%')
        AND ((e.outcome = 'done' AND e.before <> e.after AND e.action IN ('symbol.mode',
            'symbol.throttle', 'kill.engage', 'withdrawals.set', 'account.trading', 'account.access'))
            OR (e.outcome = 'requested' AND e.action = 'symbol.cancel_all'));
COMMENT ON VIEW ticket_debts IS
    'Acts that tightened and took effect without a ticket, and the ticket that was named since.';
COMMENT ON COLUMN ticket_debts.audit IS 'audit_entries.seq of the act.';
COMMENT ON COLUMN ticket_debts.time_ns IS 'When it was ordered: nanoseconds since 1970.';
COMMENT ON COLUMN ticket_debts.actor IS 'Who did it: user:ana, key:pk_...';
COMMENT ON COLUMN ticket_debts.person IS 'Whom that counts as: a key is its owner''s, or its account''s.';
COMMENT ON COLUMN ticket_debts.action IS 'What was done.';
COMMENT ON COLUMN ticket_debts.target IS 'To what.';
COMMENT ON COLUMN ticket_debts.reason IS 'Why, in the words of who did it.';
COMMENT ON COLUMN ticket_debts.incident IS 'Incident it belongs to; empty: none was named.';
COMMENT ON COLUMN ticket_debts.ticket IS 'ticket_payments.ticket; NULL: it is owed.';
COMMENT ON COLUMN ticket_debts.paid_at IS 'ticket_payments.paid_at.';
COMMENT ON COLUMN ticket_debts.paid_by IS 'ticket_payments.paid_by.';
COMMENT ON COLUMN ticket_debts.paid_audit IS 'ticket_payments.paid_audit.';
