-- Grants of roles that take two persons, waiting for the second; and whom a loosening reaches, as it was
-- counted when it was asked for.

CREATE TABLE role_requests (
    id          text PRIMARY KEY,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    person      text NOT NULL,
    actor       text NOT NULL,
    account     text NOT NULL,
    user_name   text NOT NULL REFERENCES users (name),
    role        text NOT NULL,
    kind        text NOT NULL,
    until       timestamptz,
    reason      text NOT NULL,
    ticket      text,
    sha256      bytea NOT NULL,
    state       text NOT NULL DEFAULT 'pending',
    decided_at  timestamptz,
    decided_by  text,
    decided_why text,
    grant_id    bigint REFERENCES user_roles (id),
    CONSTRAINT role_requests_id CHECK (id ~ '^[0-9A-HJKMNP-TV-Z]{26}$'),
    CONSTRAINT role_requests_times CHECK (expires_at > created_at),
    CONSTRAINT role_requests_who CHECK (
        length(person) BETWEEN 1 AND 128 AND length(actor) BETWEEN 1 AND 128
            AND length(account) <= 128),
    CONSTRAINT role_requests_not_oneself CHECK (
        person <> 'user:' || user_name AND actor <> 'user:' || user_name),
    CONSTRAINT role_requests_role CHECK (role ~ '^[a-z][a-z_]{1,31}$'),
    CONSTRAINT role_requests_kind CHECK (kind IN ('standing', 'eligible')),
    CONSTRAINT role_requests_reason CHECK (length(reason) BETWEEN 10 AND 500),
    CONSTRAINT role_requests_ticket CHECK (length(ticket) BETWEEN 1 AND 100),
    -- what is approved is what was asked for, whatever the program believes
    CONSTRAINT role_requests_sha256 CHECK (sha256 = sha256(convert_to(json_build_array('role.grant',
        user_name, role, kind,
        to_char(until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), reason, ticket)::text, 'UTF8'))),
    CONSTRAINT role_requests_state CHECK (
        state IN ('pending', 'approved', 'rejected', 'cancelled', 'expired')),
    CONSTRAINT role_requests_decided CHECK (
        (state = 'pending') = (decided_at IS NULL) AND (decided_at IS NULL) = (decided_by IS NULL)),
    -- four eyes
    CONSTRAINT role_requests_two CHECK (
        state <> 'approved' OR (decided_by <> person AND decided_by <> 'user:' || user_name)),
    CONSTRAINT role_requests_in_time CHECK (state <> 'approved' OR decided_at < expires_at),
    CONSTRAINT role_requests_decided_text CHECK (
        length(decided_by) BETWEEN 1 AND 128 AND length(decided_why) <= 500),
    CONSTRAINT role_requests_granted CHECK ((state = 'approved') = (grant_id IS NOT NULL))
);
CREATE INDEX role_requests_open ON role_requests (expires_at) WHERE state = 'pending';
COMMENT ON TABLE role_requests IS
    'Grants of roles that take two persons. One is made in the transaction that approves it, once.';
COMMENT ON COLUMN role_requests.id IS 'ULID.';
COMMENT ON COLUMN role_requests.created_at IS 'When it was asked for.';
COMMENT ON COLUMN role_requests.expires_at IS 'From then on it cannot be approved.';
COMMENT ON COLUMN role_requests.person IS 'Who asked: the person, also when a key of hers did.';
COMMENT ON COLUMN role_requests.actor IS 'With what: user:ana, key:pk_...';
COMMENT ON COLUMN role_requests.account IS 'Whose key it was; empty: no key.';
COMMENT ON COLUMN role_requests.user_name IS 'users.name: who is to have the role.';
COMMENT ON COLUMN role_requests.role IS 'As in the table of roles.';
COMMENT ON COLUMN role_requests.kind IS 'standing: she holds it; eligible: she may take it up.';
COMMENT ON COLUMN role_requests.until IS 'End of the grant; NULL: none.';
COMMENT ON COLUMN role_requests.reason IS 'Why, in the words of who asked.';
COMMENT ON COLUMN role_requests.ticket IS 'Where it was decided; NULL: none was named.';
COMMENT ON COLUMN role_requests.sha256 IS
    'Of user, role, kind, end, reason and ticket; the approver names it.';
COMMENT ON COLUMN role_requests.state IS 'pending, approved, rejected, cancelled, expired.';
COMMENT ON COLUMN role_requests.decided_at IS 'When it was decided.';
COMMENT ON COLUMN role_requests.decided_by IS
    'The person who decided, never who asked when approved; system: it expired.';
COMMENT ON COLUMN role_requests.decided_why IS 'Her words; NULL: none.';
COMMENT ON COLUMN role_requests.grant_id IS 'user_roles.id: what came of it; NULL: nothing.';
COMMENT ON INDEX role_requests_open IS 'For what waits, and what has waited too long.';

CREATE FUNCTION guard_role_requests() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'pending' THEN
        RAISE EXCEPTION 'role request % was decided before', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'Ask for the role again.';
    END IF;
    IF (NEW.id, NEW.created_at, NEW.expires_at, NEW.person, NEW.actor, NEW.account, NEW.user_name,
        NEW.role, NEW.kind, NEW.until, NEW.reason, NEW.ticket, NEW.sha256)
        IS DISTINCT FROM
       (OLD.id, OLD.created_at, OLD.expires_at, OLD.person, OLD.actor, OLD.account, OLD.user_name,
        OLD.role, OLD.kind, OLD.until, OLD.reason, OLD.ticket, OLD.sha256) THEN
        RAISE EXCEPTION 'role request % cannot be altered', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'Ask for the role again.';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION guard_role_requests() IS
    'A request is decided once, and what was asked for is not altered.';
CREATE TRIGGER role_requests_guard BEFORE UPDATE ON role_requests
    FOR EACH ROW EXECUTE FUNCTION guard_role_requests();
COMMENT ON TRIGGER role_requests_guard ON role_requests IS
    'Whatever the program believes: decided once, never altered.';

ALTER TABLE change_requests ADD COLUMN radius text;
COMMENT ON COLUMN change_requests.radius IS
    'Whom it reaches, as counted when it was asked for (JSON); NULL: it was not counted.';

CREATE OR REPLACE FUNCTION change_requests_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'pending' THEN
        RAISE EXCEPTION 'change request % was decided before', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    IF (NEW.id, NEW.created_at, NEW.expires_at, NEW.person, NEW.action, NEW.target, NEW.record,
        NEW.sha256, NEW.base_version, NEW.diff, NEW.audit, NEW.radius)
        IS DISTINCT FROM
       (OLD.id, OLD.created_at, OLD.expires_at, OLD.person, OLD.action, OLD.target, OLD.record,
        OLD.sha256, OLD.base_version, OLD.diff, OLD.audit, OLD.radius) THEN
        RAISE EXCEPTION 'change request % cannot be altered', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
