-- The audit log: a chain of hashes, and its head, which is also where control state is kept: a change
-- and its record are one transaction, put in order by the lock of that one row.
-- Columns and their order are those of AUDIT_FIELDS in gateway/audit/entry.h; a test compares them.

CREATE TABLE audit_entries (
    seq            bigint PRIMARY KEY,
    id             text NOT NULL,
    time_ns        bigint NOT NULL,
    mono_ns        bigint NOT NULL,
    actor          text NOT NULL,
    session        text NOT NULL,
    ip             text NOT NULL,
    action         text NOT NULL,
    target         text NOT NULL,
    outcome        text NOT NULL,
    reason         text NOT NULL,
    ticket         text NOT NULL,
    incident       text NOT NULL,
    request_sha256 bytea,
    before         text NOT NULL,
    after          text NOT NULL,
    approvals      text NOT NULL,
    trace          text NOT NULL,
    journal_id     text NOT NULL,
    prev_hash      bytea NOT NULL,
    hash           bytea NOT NULL,
    -- what gateway/audit/entry.c checks, once more for whoever writes past it
    CONSTRAINT audit_entries_seq CHECK (seq > 0),
    CONSTRAINT audit_entries_id CHECK (id ~ '^[0-7][0-9A-HJKMNP-TV-Z]{25}$'),
    CONSTRAINT audit_entries_actor CHECK (octet_length(actor) BETWEEN 1 AND 256),
    CONSTRAINT audit_entries_action CHECK (action ~ '^[a-z0-9_.-]{1,64}$'),
    CONSTRAINT audit_entries_outcome CHECK (outcome ~ '^[a-z0-9_.-]{1,32}$'),
    CONSTRAINT audit_entries_hashes CHECK (
        octet_length(hash) = 32 AND octet_length(prev_hash) = 32
            AND (request_sha256 IS NULL OR octet_length(request_sha256) = 32))
);
CREATE UNIQUE INDEX audit_entries_id_once ON audit_entries (id);
CREATE UNIQUE INDEX audit_entries_journal_once ON audit_entries (journal_id) WHERE journal_id <> '';
CREATE INDEX audit_entries_by_time ON audit_entries (time_ns);
CREATE INDEX audit_entries_by_actor ON audit_entries (actor, seq);
CREATE INDEX audit_entries_by_action ON audit_entries (action, seq);
CREATE INDEX audit_entries_by_target ON audit_entries (target, seq);
CREATE INDEX audit_entries_by_ticket ON audit_entries (ticket, seq) WHERE ticket <> '';
CREATE INDEX audit_entries_by_incident ON audit_entries (incident, seq) WHERE incident <> '';
COMMENT ON TABLE audit_entries IS
    'Who did what, when, why and with what effect: a chain of hashes whose heads are signed and kept '
    'outside the database. Append-only: triggers refuse the rest. Texts are hashed as they are, so '
    'they are text and not jsonb.';
COMMENT ON COLUMN audit_entries.seq IS 'Place in the chain: 1, 2, 3, without gaps.';
COMMENT ON COLUMN audit_entries.id IS 'Name of the record (ULID), given when the act was done.';
COMMENT ON COLUMN audit_entries.time_ns IS
    'Wall clock of the act, nanoseconds since 1970, UTC; of a record that came through the journal, '
    'the original time.';
COMMENT ON COLUMN audit_entries.mono_ns IS
    'Monotonic clock of that machine, nanoseconds; 0: not known.';
COMMENT ON COLUMN audit_entries.actor IS 'Who: user:NAME, key:ID, or system.';
COMMENT ON COLUMN audit_entries.session IS
    'Session or key the request came with, never its secret; empty: none.';
COMMENT ON COLUMN audit_entries.ip IS 'Address the request came from; empty: none.';
COMMENT ON COLUMN audit_entries.action IS 'What was asked for: a word such as symbol.mode.';
COMMENT ON COLUMN audit_entries.target IS 'What it was asked of: a symbol, a key, an incident.';
COMMENT ON COLUMN audit_entries.outcome IS
    'done, denied, failed, requested, approved, rejected and the like.';
COMMENT ON COLUMN audit_entries.reason IS 'Why, in the words of who asked.';
COMMENT ON COLUMN audit_entries.ticket IS 'Where it was decided; empty: not said.';
COMMENT ON COLUMN audit_entries.incident IS 'Incident it belongs to; empty: none.';
COMMENT ON COLUMN audit_entries.request_sha256 IS
    'SHA-256 of the canonical request, so that a request can be proven; NULL: none.';
COMMENT ON COLUMN audit_entries.before IS 'State before, JSON text without secrets; empty: none.';
COMMENT ON COLUMN audit_entries.after IS 'State after, JSON text without secrets; empty: none.';
COMMENT ON COLUMN audit_entries.approvals IS 'Who approved it and when, JSON text; empty: none.';
COMMENT ON COLUMN audit_entries.trace IS 'W3C trace id of the request, 32 hex digits; empty: none.';
COMMENT ON COLUMN audit_entries.journal_id IS
    'Record of the emergency journal it came through, which is entered once; empty: none.';
COMMENT ON COLUMN audit_entries.prev_hash IS 'hash of the record before; zeros for the first.';
COMMENT ON COLUMN audit_entries.hash IS
    'SHA-256 over a domain, prev_hash and the fields, each with its length.';
COMMENT ON INDEX audit_entries_id_once IS
    'A record whose commit was not answered can be looked for and is not entered twice.';
COMMENT ON INDEX audit_entries_journal_once IS
    'The journal may be replayed any number of times: each of its records is entered once.';
COMMENT ON INDEX audit_entries_by_time IS 'For from and to of a search.';
COMMENT ON INDEX audit_entries_by_actor IS 'What somebody did.';
COMMENT ON INDEX audit_entries_by_action IS 'What was done.';
COMMENT ON INDEX audit_entries_by_target IS 'What was done to something.';
COMMENT ON INDEX audit_entries_by_ticket IS 'What was done for a ticket.';
COMMENT ON INDEX audit_entries_by_incident IS 'What was done in an incident.';

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_entries is append-only: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'Enter another record that says what is right.';
END $$;
COMMENT ON FUNCTION refuse_audit_change() IS 'Refuses each change of audit_entries but an insert.';

CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
-- else a session that replays replication would pass it
ALTER TABLE audit_entries ENABLE ALWAYS TRIGGER audit_entries_append_only;
COMMENT ON TRIGGER audit_entries_append_only ON audit_entries IS 'Records stay as they were entered.';

CREATE TABLE gate_head (
    only_row boolean PRIMARY KEY DEFAULT true,
    seq      bigint NOT NULL,
    hash     bytea NOT NULL,
    version  bigint NOT NULL,
    state    text NOT NULL,
    CONSTRAINT gate_head_only_row CHECK (only_row),
    CONSTRAINT gate_head_seq CHECK (seq >= 0),
    CONSTRAINT gate_head_hash CHECK (octet_length(hash) = 32),
    CONSTRAINT gate_head_version CHECK (version >= 0)
);
INSERT INTO gate_head (seq, hash, version, state) VALUES (0, decode(repeat('00', 32), 'hex'), 0, '');
COMMENT ON TABLE gate_head IS
    'One row: the end of the audit chain and the control state. Whoever changes either locks it '
    'first, so that records and states have one order.';
COMMENT ON COLUMN gate_head.only_row IS 'Always true: there is one row.';
COMMENT ON COLUMN gate_head.seq IS 'seq of the last record; 0: there is none yet.';
COMMENT ON COLUMN gate_head.hash IS 'Its hash; zeros before the first.';
COMMENT ON COLUMN gate_head.version IS 'Version of the state; grows with each change of it.';
COMMENT ON COLUMN gate_head.state IS
    'The whole control state as canonical JSON; empty: nothing was ever changed.';

CREATE FUNCTION guard_gate_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'gate_head has one row for ever: % is refused', TG_OP
            USING ERRCODE = 'restrict_violation', HINT = 'Update the row.';
    END IF;
    IF NEW.seq < OLD.seq OR NEW.version < OLD.version
        OR (NEW.seq = OLD.seq AND NEW.hash <> OLD.hash)
        OR (NEW.version = OLD.version AND NEW.state <> OLD.state) THEN
        RAISE EXCEPTION 'gate_head only goes forward'
            USING ERRCODE = 'restrict_violation',
                HINT = 'A new record has a new seq, a new state a new version.';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION guard_gate_head() IS 'Keeps the one row and lets it go forward only.';

CREATE TRIGGER gate_head_forward BEFORE UPDATE ON gate_head
    FOR EACH ROW EXECUTE FUNCTION guard_gate_head();
CREATE TRIGGER gate_head_stays BEFORE DELETE OR TRUNCATE ON gate_head
    FOR EACH STATEMENT EXECUTE FUNCTION guard_gate_head();
ALTER TABLE gate_head ENABLE ALWAYS TRIGGER gate_head_forward;
ALTER TABLE gate_head ENABLE ALWAYS TRIGGER gate_head_stays;
COMMENT ON TRIGGER gate_head_forward ON gate_head IS 'Neither the chain nor the state goes back.';
COMMENT ON TRIGGER gate_head_stays ON gate_head IS 'There is always one row.';
