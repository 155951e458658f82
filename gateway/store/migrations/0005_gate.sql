-- Requests to loosen, waiting for a second person, and answers kept for repetitions of a request.

CREATE TABLE change_requests (
    id           text PRIMARY KEY,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    person       text NOT NULL,
    action       text NOT NULL,
    target       text NOT NULL,
    record       text NOT NULL,
    sha256       bytea NOT NULL,
    base_version bigint NOT NULL,
    diff         text NOT NULL,
    audit        bigint NOT NULL,
    state        text NOT NULL DEFAULT 'pending',
    decided_at   timestamptz,
    decided_by   text,
    decided_why  text,
    result_audit bigint,
    CONSTRAINT change_requests_id CHECK (id ~ '^[0-9A-HJKMNP-TV-Z]{26}$'),
    CONSTRAINT change_requests_person CHECK (length(person) BETWEEN 1 AND 256),
    CONSTRAINT change_requests_sha256 CHECK (octet_length(sha256) = 32),
    CONSTRAINT change_requests_times CHECK (expires_at > created_at),
    CONSTRAINT change_requests_state CHECK (state IN ('pending', 'approved', 'rejected', 'cancelled')),
    CONSTRAINT change_requests_decided CHECK (
        (state = 'pending') = (decided_at IS NULL) AND (decided_at IS NULL) = (decided_by IS NULL)),
    -- four eyes, whatever the program believes
    CONSTRAINT change_requests_two CHECK (state <> 'approved' OR decided_by <> person),
    CONSTRAINT change_requests_result CHECK ((result_audit IS NULL) = (state = 'pending'))
);
CREATE INDEX change_requests_open ON change_requests (expires_at) WHERE state = 'pending';
COMMENT ON TABLE change_requests IS
    'Loosenings that were asked for. One takes effect in the transaction that approves it, once.';
COMMENT ON COLUMN change_requests.id IS 'ULID.';
COMMENT ON COLUMN change_requests.created_at IS 'When it was asked for.';
COMMENT ON COLUMN change_requests.expires_at IS 'From then on it cannot be approved.';
COMMENT ON COLUMN change_requests.person IS 'Who asked: the person, also when a key of hers did.';
COMMENT ON COLUMN change_requests.action IS 'As in the audit log.';
COMMENT ON COLUMN change_requests.target IS 'As in the audit log.';
COMMENT ON COLUMN change_requests.record IS 'The order as it came (JSON); read again at approval.';
COMMENT ON COLUMN change_requests.sha256 IS 'Of what is to be done; the approver names it.';
COMMENT ON COLUMN change_requests.base_version IS 'Version of the control state it was computed for.';
COMMENT ON COLUMN change_requests.diff IS 'Before and after at that version (JSON).';
COMMENT ON COLUMN change_requests.audit IS 'Audit entry of the request.';
COMMENT ON COLUMN change_requests.state IS 'pending, approved, rejected, cancelled.';
COMMENT ON COLUMN change_requests.decided_at IS 'When it was decided.';
COMMENT ON COLUMN change_requests.decided_by IS 'The person who decided; never who asked, when approved.';
COMMENT ON COLUMN change_requests.decided_why IS 'Her words.';
COMMENT ON COLUMN change_requests.result_audit IS 'Audit entry of the decision.';
COMMENT ON INDEX change_requests_open IS 'For the list of what waits.';

CREATE FUNCTION change_requests_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'pending' THEN
        RAISE EXCEPTION 'change request % was decided before', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    IF (NEW.id, NEW.created_at, NEW.expires_at, NEW.person, NEW.action, NEW.target, NEW.record,
        NEW.sha256, NEW.base_version, NEW.diff, NEW.audit)
        IS DISTINCT FROM
       (OLD.id, OLD.created_at, OLD.expires_at, OLD.person, OLD.action, OLD.target, OLD.record,
        OLD.sha256, OLD.base_version, OLD.diff, OLD.audit) THEN
        RAISE EXCEPTION 'change request % cannot be altered', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER change_requests_guard BEFORE UPDATE ON change_requests
    FOR EACH ROW EXECUTE FUNCTION change_requests_guard();

COMMENT ON FUNCTION change_requests_guard IS
    'A request is decided once, and what was asked for is not altered.';
COMMENT ON TRIGGER change_requests_guard ON change_requests IS
    'Whatever the program believes: decided once, never altered.';

CREATE TABLE request_answers (
    actor      text NOT NULL,
    once       text NOT NULL,
    sha256     bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    status     integer,
    body       text,
    PRIMARY KEY (actor, once),
    CONSTRAINT request_answers_actor CHECK (length(actor) BETWEEN 1 AND 256),
    CONSTRAINT request_answers_once CHECK (length(once) BETWEEN 1 AND 255),
    CONSTRAINT request_answers_sha256 CHECK (octet_length(sha256) = 32),
    CONSTRAINT request_answers_whole CHECK ((status IS NULL) = (body IS NULL))
);
CREATE INDEX request_answers_by_age ON request_answers (created_at);
COMMENT ON TABLE request_answers IS
    'What was answered under an Idempotency-Key, for a day: a repetition gets the same answer.';
COMMENT ON COLUMN request_answers.actor IS 'Who sent it.';
COMMENT ON COLUMN request_answers.once IS 'The Idempotency-Key.';
COMMENT ON COLUMN request_answers.sha256 IS 'Of what was asked for.';
COMMENT ON COLUMN request_answers.created_at IS 'When it was first asked for.';
COMMENT ON COLUMN request_answers.status IS 'HTTP status; NULL: the effect is in the chain, the answer was not kept.';
COMMENT ON COLUMN request_answers.body IS 'The answer.';
COMMENT ON INDEX request_answers_by_age IS 'For the sweep of old rows.';
