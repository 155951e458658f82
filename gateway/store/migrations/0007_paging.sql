-- Pages: what is to be told to whoever is on call, in order, until the receiver has taken it.

CREATE TABLE pages (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    place        timestamptz NOT NULL DEFAULT clock_timestamp(),
    uid          text NOT NULL DEFAULT gen_random_uuid()::text UNIQUE,
    kind         text NOT NULL,
    incident     text NOT NULL,
    severity     text NOT NULL,
    level        integer NOT NULL,
    list         text NOT NULL,
    title        text NOT NULL,
    summary      text NOT NULL,
    symbol       text NOT NULL,
    component    text NOT NULL,
    class        text NOT NULL,
    playbook     text NOT NULL,
    at           timestamptz NOT NULL,
    leased_by    text,
    leased_until timestamptz,
    tries        integer NOT NULL DEFAULT 0,
    next_at      timestamptz NOT NULL DEFAULT '-infinity',
    last_error   text,
    delivered_at timestamptz,
    skipped_at   timestamptz,
    dead_at      timestamptz,
    retried_at   timestamptz,
    CONSTRAINT pages_uid CHECK (length(uid) BETWEEN 26 AND 36),
    CONSTRAINT pages_kind CHECK (
        kind IN ('trigger', 'escalate', 'acknowledge', 'resolve', 'test')),
    CONSTRAINT pages_incident CHECK (length(incident) <= 31),
    CONSTRAINT pages_severity CHECK (severity IN ('SEV1', 'SEV2', 'SEV3', 'SEV4')),
    CONSTRAINT pages_level CHECK (level BETWEEN 1 AND 3),
    CONSTRAINT pages_leased CHECK (num_nulls(leased_by, leased_until) IN (0, 2)),
    CONSTRAINT pages_tries CHECK (tries >= 0),
    CONSTRAINT pages_settled CHECK (num_nonnulls(delivered_at, skipped_at, dead_at) <= 1)
);
CREATE INDEX pages_open ON pages (incident, place, id)
    WHERE delivered_at IS NULL AND skipped_at IS NULL AND dead_at IS NULL;
CREATE INDEX pages_dead ON pages (dead_at) WHERE dead_at IS NOT NULL;
CREATE INDEX pages_by_incident ON pages (incident, id);
COMMENT ON TABLE pages IS
    'Pages, written in the transaction that causes them, sent by one gateway at a time, those of an '
    'incident in the order of place. Never deleted.';
COMMENT ON COLUMN pages.id IS 'Grows; numbers of transactions that failed are missing.';
COMMENT ON COLUMN pages.place IS
    'Their order, then id: when it was written; of a spooled page when it happened, which was before '
    'what was written since.';
COMMENT ON COLUMN pages.uid IS 'Name of it, for the receiver; that of a spooled page is its record''s.';
COMMENT ON COLUMN pages.kind IS 'trigger, escalate, acknowledge, resolve, test.';
COMMENT ON COLUMN pages.incident IS 'The key receivers tell pages apart by; "" for a test.';
COMMENT ON COLUMN pages.severity IS 'Of the incident then.';
COMMENT ON COLUMN pages.level IS '1 to 3.';
COMMENT ON COLUMN pages.list IS 'Who: oncall, stakeholders.';
COMMENT ON COLUMN pages.title IS 'One line.';
COMMENT ON COLUMN pages.summary IS 'More of it; "" none.';
COMMENT ON COLUMN pages.symbol IS 'What it is about; "" none.';
COMMENT ON COLUMN pages.component IS 'What it is about; "" none.';
COMMENT ON COLUMN pages.class IS 'Class of the incident; "" not known.';
COMMENT ON COLUMN pages.playbook IS 'Id of the playbook; "" none.';
COMMENT ON COLUMN pages.at IS 'When it happened; how long it has waited counts from here.';
COMMENT ON COLUMN pages.leased_by IS 'Process that is sending it; NULL: none.';
COMMENT ON COLUMN pages.leased_until IS 'From then on another may: that process has died.';
COMMENT ON COLUMN pages.tries IS 'Times it was claimed for sending.';
COMMENT ON COLUMN pages.next_at IS 'Not to be sent before.';
COMMENT ON COLUMN pages.last_error IS 'What the last try ran into; NULL: none failed.';
COMMENT ON COLUMN pages.delivered_at IS 'When the receiver took it.';
COMMENT ON COLUMN pages.skipped_at IS
    'When it was found that nobody is to be told: below slo_paging.min_severity, paging off, a test '
    'that failed.';
COMMENT ON COLUMN pages.dead_at IS 'When it was given up: a dead letter, which a person may send again.';
COMMENT ON COLUMN pages.retried_at IS 'When a person had a dead letter sent again.';
COMMENT ON INDEX pages_open IS 'The queue: the oldest of each incident is next.';
COMMENT ON INDEX pages_dead IS 'The dead letters.';
COMMENT ON INDEX pages_by_incident IS 'What was told of an incident.';

CREATE FUNCTION guard_pages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.delivered_at IS NOT NULL AND NEW.delivered_at IS DISTINCT FROM OLD.delivered_at THEN
        RAISE EXCEPTION 'page % was delivered', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'Write another page.';
    END IF;
    IF (NEW.id, NEW.place, NEW.uid, NEW.kind, NEW.incident, NEW.severity, NEW.level, NEW.list, NEW.title,
        NEW.summary, NEW.symbol, NEW.component, NEW.class, NEW.playbook, NEW.at) IS DISTINCT FROM
       (OLD.id, OLD.place, OLD.uid, OLD.kind, OLD.incident, OLD.severity, OLD.level, OLD.list, OLD.title,
        OLD.summary, OLD.symbol, OLD.component, OLD.class, OLD.playbook, OLD.at) THEN
        RAISE EXCEPTION 'what page % says cannot be changed', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'Write another page.';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION guard_pages() IS 'A page stays as it was written; delivered once is delivered.';
CREATE TRIGGER pages_guard BEFORE UPDATE ON pages FOR EACH ROW EXECUTE FUNCTION guard_pages();
COMMENT ON TRIGGER pages_guard ON pages IS 'Keeps what must not change.';
