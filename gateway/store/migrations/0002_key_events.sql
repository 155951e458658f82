-- What was done with keys, by whom and why: entered by the transaction of the change, for good.

CREATE TABLE key_events (
    -- an identity needs no right of its own on its sequence
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT now(),
    actor  text NOT NULL,
    action text NOT NULL,
    key_id text NOT NULL,
    reason text NOT NULL DEFAULT '',
    ticket text,
    detail jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT key_events_actor CHECK (length(actor) BETWEEN 1 AND 128),
    CONSTRAINT key_events_action CHECK (action ~ '^[a-z][a-z_]{0,31}$'),
    CONSTRAINT key_events_key_id CHECK (length(key_id) BETWEEN 1 AND 64),
    CONSTRAINT key_events_reason CHECK (length(reason) <= 500),
    CONSTRAINT key_events_ticket CHECK (length(ticket) BETWEEN 1 AND 100),
    CONSTRAINT key_events_detail CHECK (jsonb_typeof(detail) = 'object')
);
CREATE INDEX key_events_by_key ON key_events (key_id, id);
COMMENT ON TABLE key_events IS
    'One row a change of a key, from the transaction that made it. Append-only: a trigger refuses '
    'the rest.';
COMMENT ON COLUMN key_events.id IS 'Grows; numbers of transactions that failed are missing.';
COMMENT ON COLUMN key_events.at IS 'When its transaction began.';
COMMENT ON COLUMN key_events.actor IS 'Who asked for it.';
COMMENT ON COLUMN key_events.action IS 'bootstrap, issue, rotate, revoke, set_rate_class.';
COMMENT ON COLUMN key_events.key_id IS
    'api_keys.id; no reference, so that the event outlives whatever happens to the key.';
COMMENT ON COLUMN key_events.reason IS 'Why, in the words of who asked.';
COMMENT ON COLUMN key_events.ticket IS 'Where it was decided; NULL: not said.';
COMMENT ON COLUMN key_events.detail IS 'What it was changed to, and from; never a secret.';
COMMENT ON INDEX key_events_by_key IS 'The history of a key.';

CREATE FUNCTION refuse_key_event_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'key_events is append-only: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'Enter another event that says what is right.';
END $$;
COMMENT ON FUNCTION refuse_key_event_change() IS 'Refuses each change of key_events but an insert.';

CREATE TRIGGER key_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON key_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_key_event_change();
-- else a session that replays replication would pass it
ALTER TABLE key_events ENABLE ALWAYS TRIGGER key_events_append_only;
COMMENT ON TRIGGER key_events_append_only ON key_events IS 'Events stay as they were entered.';
