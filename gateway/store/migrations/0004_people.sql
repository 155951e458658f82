-- People: users, their roles, second factors, sessions, and the reviews of who may do what.

CREATE TABLE users (
    name               text PRIMARY KEY,
    label              text NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now(),
    created_by         text NOT NULL,
    disabled_at        timestamptz,
    disabled_by        text,
    disabled_reason    text,
    password_hash      text NOT NULL,
    password_at        timestamptz NOT NULL,
    password_until     timestamptz,
    totp_sealed        bytea,
    totp_at            timestamptz,
    totp_last_step     bigint,
    totp_next          bytea,
    failures           integer NOT NULL DEFAULT 0,
    locked_until       timestamptz,
    last_login_at      timestamptz,
    last_login_ip      inet,
    CONSTRAINT users_name CHECK (name ~ '^[a-z][a-z0-9_.-]{1,31}$'),
    CONSTRAINT users_label CHECK (length(label) BETWEEN 1 AND 100),
    CONSTRAINT users_created_by CHECK (length(created_by) BETWEEN 1 AND 128),
    CONSTRAINT users_disabled CHECK (
        num_nulls(disabled_at, disabled_by, disabled_reason) IN (0, 3)),
    CONSTRAINT users_disabled_text CHECK (
        length(disabled_by) BETWEEN 1 AND 128 AND length(disabled_reason) BETWEEN 1 AND 500),
    CONSTRAINT users_password_hash CHECK (
        password_hash ~ '^\$argon2id\$v=19\$' AND length(password_hash) < 128),
    CONSTRAINT users_totp CHECK (num_nulls(totp_sealed, totp_at) IN (0, 2)),
    CONSTRAINT users_totp_sealed CHECK (octet_length(totp_sealed) BETWEEN 94 AND 1024),
    CONSTRAINT users_totp_next CHECK (octet_length(totp_next) BETWEEN 94 AND 1024),
    CONSTRAINT users_totp_last_step CHECK (totp_last_step >= 0),
    CONSTRAINT users_failures CHECK (failures >= 0)
);
COMMENT ON TABLE users IS
    'People who may log in. A row is never deleted: its name stays taken, its history readable.';
COMMENT ON COLUMN users.name IS 'What she logs in with; the audit log has it as user:NAME.';
COMMENT ON COLUMN users.label IS 'Her name as people say it.';
COMMENT ON COLUMN users.created_at IS 'When it was entered.';
COMMENT ON COLUMN users.created_by IS 'Actor who entered it.';
COMMENT ON COLUMN users.disabled_at IS
    'Since when neither she nor a key of hers is accepted; NULL: active.';
COMMENT ON COLUMN users.disabled_by IS 'Actor who disabled her.';
COMMENT ON COLUMN users.disabled_reason IS 'Why, for the audit log.';
COMMENT ON COLUMN users.password_hash IS 'Argon2id, as a PHC text.';
COMMENT ON COLUMN users.password_at IS 'When the password was set.';
COMMENT ON COLUMN users.password_until IS
    'A password that another has chosen: good until then, and only for choosing one; else NULL.';
COMMENT ON COLUMN users.totp_sealed IS
    'Secret of the second factor in its envelope, which only a master key opens; NULL: none yet.';
COMMENT ON COLUMN users.totp_at IS 'When she proved to have it.';
COMMENT ON COLUMN users.totp_last_step IS
    'Time step of the last code that was accepted; none of it or before it is accepted again.';
COMMENT ON COLUMN users.totp_next IS 'A secret she was shown and has not proved yet to have.';
COMMENT ON COLUMN users.failures IS
    'Tries since the last that was right; counted before the try is judged.';
COMMENT ON COLUMN users.locked_until IS 'Until when no try is judged; NULL: never was.';
COMMENT ON COLUMN users.last_login_at IS 'When she logged in last.';
COMMENT ON COLUMN users.last_login_ip IS 'Where from.';

CREATE TABLE user_recovery_codes (
    user_name  text NOT NULL REFERENCES users (name),
    code_hash  bytea NOT NULL,
    created_at timestamptz NOT NULL,
    used_at    timestamptz,
    PRIMARY KEY (user_name, code_hash),
    CONSTRAINT user_recovery_codes_hash CHECK (octet_length(code_hash) = 32)
);
COMMENT ON TABLE user_recovery_codes IS
    'In place of a second factor that is lost; each once. A new set replaces the old.';
COMMENT ON COLUMN user_recovery_codes.user_name IS 'users.name.';
COMMENT ON COLUMN user_recovery_codes.code_hash IS 'SHA-256 over name and code, which has 80 bits.';
COMMENT ON COLUMN user_recovery_codes.created_at IS 'When the set was made.';
COMMENT ON COLUMN user_recovery_codes.used_at IS 'When it was used; NULL: it was not.';

CREATE TABLE user_roles (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_name   text NOT NULL REFERENCES users (name),
    role        text NOT NULL,
    kind        text NOT NULL,
    granted_at  timestamptz NOT NULL DEFAULT now(),
    granted_by  text NOT NULL,
    approved_by text,
    until       timestamptz,
    reason      text NOT NULL DEFAULT '',
    ticket      text,
    ended_at    timestamptz,
    ended_by    text,
    end_reason  text,
    CONSTRAINT user_roles_role CHECK (role ~ '^[a-z][a-z_]{1,31}$'),
    CONSTRAINT user_roles_kind CHECK (kind IN ('standing', 'eligible', 'temporary')),
    CONSTRAINT user_roles_granted_by CHECK (length(granted_by) BETWEEN 1 AND 128),
    -- nobody gives herself a role; a temporary one she takes up, where another made her eligible
    CONSTRAINT user_roles_not_oneself CHECK (
        kind = 'temporary' OR granted_by <> 'user:' || user_name),
    CONSTRAINT user_roles_approved_by CHECK (
        approved_by <> granted_by AND approved_by <> 'user:' || user_name
            AND length(approved_by) BETWEEN 1 AND 128),
    CONSTRAINT user_roles_until CHECK (until > granted_at),
    CONSTRAINT user_roles_temporary CHECK (
        kind <> 'temporary'
            OR (until IS NOT NULL AND ticket IS NOT NULL AND length(reason) >= 10
                AND until BETWEEN granted_at + interval '15 min' AND granted_at + interval '60 min')),
    CONSTRAINT user_roles_break_glass CHECK (role <> 'break_glass' OR kind <> 'standing'),
    CONSTRAINT user_roles_reason CHECK (length(reason) <= 500),
    CONSTRAINT user_roles_ticket CHECK (length(ticket) BETWEEN 1 AND 100),
    CONSTRAINT user_roles_ended CHECK (num_nulls(ended_at, ended_by, end_reason) IN (0, 3)),
    CONSTRAINT user_roles_ended_text CHECK (
        length(ended_by) BETWEEN 1 AND 128 AND length(end_reason) <= 500)
);
CREATE UNIQUE INDEX user_roles_once ON user_roles (user_name, role, kind)
    WHERE ended_at IS NULL AND kind <> 'temporary';
CREATE INDEX user_roles_living ON user_roles (user_name) WHERE ended_at IS NULL;
COMMENT ON TABLE user_roles IS
    'Who holds which role, and who held it: a row is never deleted, only ended.';
COMMENT ON COLUMN user_roles.id IS 'Grows; numbers of transactions that failed are missing.';
COMMENT ON COLUMN user_roles.user_name IS 'users.name.';
COMMENT ON COLUMN user_roles.role IS 'As in the table of roles.';
COMMENT ON COLUMN user_roles.kind IS
    'standing: held; eligible: may be taken up for a while; temporary: taken up.';
COMMENT ON COLUMN user_roles.granted_at IS 'From when on.';
COMMENT ON COLUMN user_roles.granted_by IS 'Actor who granted it; of a temporary one the user.';
COMMENT ON COLUMN user_roles.approved_by IS 'Second person, where the role takes two.';
COMMENT ON COLUMN user_roles.until IS 'Until before this time; NULL: no end.';
COMMENT ON COLUMN user_roles.reason IS 'Why, in the words of who asked.';
COMMENT ON COLUMN user_roles.ticket IS 'Where it was decided.';
COMMENT ON COLUMN user_roles.ended_at IS 'When it was taken back, for good; NULL: it was not.';
COMMENT ON COLUMN user_roles.ended_by IS 'Actor who took it back.';
COMMENT ON COLUMN user_roles.end_reason IS 'Why.';
COMMENT ON INDEX user_roles_once IS 'A role is held once.';
COMMENT ON INDEX user_roles_living IS 'The roles of a user.';

CREATE TABLE user_sessions (
    id           text PRIMARY KEY,
    token_hash   bytea NOT NULL,
    user_name    text NOT NULL REFERENCES users (name),
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    factor_at    timestamptz,
    ends_at      timestamptz NOT NULL,
    ip           inet NOT NULL,
    user_agent   text NOT NULL DEFAULT '',
    ended_at     timestamptz,
    end_reason   text,
    CONSTRAINT user_sessions_id CHECK (id ~ '^s_[a-z2-7]{20}$'),
    CONSTRAINT user_sessions_token_hash CHECK (octet_length(token_hash) = 32),
    CONSTRAINT user_sessions_ends_at CHECK (
        ends_at > created_at AND ends_at <= created_at + interval '8 h'),
    CONSTRAINT user_sessions_user_agent CHECK (length(user_agent) <= 200),
    CONSTRAINT user_sessions_ended CHECK (num_nulls(ended_at, end_reason) IN (0, 2)),
    CONSTRAINT user_sessions_end_reason CHECK (
        end_reason IN ('logout', 'idle', 'absolute', 'killed', 'replaced', 'password', 'factor',
                       'disabled'))
);
CREATE UNIQUE INDEX user_sessions_by_token ON user_sessions (token_hash) WHERE ended_at IS NULL;
CREATE INDEX user_sessions_living ON user_sessions (user_name) WHERE ended_at IS NULL;
COMMENT ON TABLE user_sessions IS 'Browsers that are logged in, and those that were.';
COMMENT ON COLUMN user_sessions.id IS 'Public name of it: in lists, and in the audit log.';
COMMENT ON COLUMN user_sessions.token_hash IS
    'SHA-256 of the token, which only the browser has; replaced when the session is renewed.';
COMMENT ON COLUMN user_sessions.user_name IS 'users.name.';
COMMENT ON COLUMN user_sessions.created_at IS 'When she logged in.';
COMMENT ON COLUMN user_sessions.last_seen_at IS
    'Last request; gateways write it in batches, seconds late.';
COMMENT ON COLUMN user_sessions.factor_at IS
    'When a second factor was last proved in it; NULL: never, she has none yet.';
COMMENT ON COLUMN user_sessions.ends_at IS 'No request is accepted from then on.';
COMMENT ON COLUMN user_sessions.ip IS 'Where she logged in from.';
COMMENT ON COLUMN user_sessions.user_agent IS 'What the browser called itself.';
COMMENT ON COLUMN user_sessions.ended_at IS 'When it ended; NULL: it has not.';
COMMENT ON COLUMN user_sessions.end_reason IS 'Why.';
COMMENT ON INDEX user_sessions_by_token IS 'A token opens one session.';
COMMENT ON INDEX user_sessions_living IS 'The sessions of a user.';

CREATE TABLE access_reviews (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT now(),
    signed_by    text NOT NULL,
    note         text NOT NULL,
    content      text NOT NULL,
    content_hash text NOT NULL,
    CONSTRAINT access_reviews_signed_by CHECK (length(signed_by) BETWEEN 1 AND 128),
    CONSTRAINT access_reviews_note CHECK (length(note) BETWEEN 10 AND 500),
    CONSTRAINT access_reviews_content_hash CHECK (
        content_hash = encode(sha256(convert_to(content, 'UTF8')), 'hex'))
);
COMMENT ON TABLE access_reviews IS 'Who looked at who may do what, and when. Append-only.';
COMMENT ON COLUMN access_reviews.id IS 'Grows; numbers of transactions that failed are missing.';
COMMENT ON COLUMN access_reviews.at IS 'When it was signed off.';
COMMENT ON COLUMN access_reviews.signed_by IS 'Actor who did.';
COMMENT ON COLUMN access_reviews.note IS 'What she found.';
COMMENT ON COLUMN access_reviews.content IS
    'What she signed, as JSON: users, second factors, roles and their ends.';
COMMENT ON COLUMN access_reviews.content_hash IS 'SHA-256 of it in hex, as the page showed it.';

CREATE TABLE people_epoch (
    only_row   boolean PRIMARY KEY DEFAULT true,
    epoch      bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT people_epoch_only_row CHECK (only_row),
    CONSTRAINT people_epoch_epoch CHECK (epoch > 0)
);
INSERT INTO people_epoch (epoch) VALUES (1);
COMMENT ON TABLE people_epoch IS
    'One row: the version of users, user_roles and user_sessions as far as requests are judged by '
    'them. A gateway that has seen another number reads them again.';
COMMENT ON COLUMN people_epoch.only_row IS 'Always true: there is one row.';
COMMENT ON COLUMN people_epoch.epoch IS
    'Grows with every change; its row lock puts changes in the order of their commits.';
COMMENT ON COLUMN people_epoch.changed_at IS 'When it grew last.';

CREATE FUNCTION bump_people_epoch() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    now_at bigint;
BEGIN
    UPDATE people_epoch SET epoch = epoch + 1, changed_at = now()
        RETURNING epoch INTO STRICT now_at;
    PERFORM pg_notify('portcullis_people', now_at::text);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION bump_people_epoch() IS
    'Raises people_epoch and tells the listeners of portcullis_people the new number.';

-- not for each try to log in, nor for each request: only for what requests are judged by
CREATE TRIGGER users_epoch AFTER UPDATE ON users FOR EACH ROW
    WHEN ((OLD.label, OLD.disabled_at, OLD.password_at, OLD.password_until, OLD.totp_at)
          IS DISTINCT FROM
          (NEW.label, NEW.disabled_at, NEW.password_at, NEW.password_until, NEW.totp_at))
    EXECUTE FUNCTION bump_people_epoch();
CREATE TRIGGER user_roles_epoch AFTER INSERT OR UPDATE ON user_roles
    FOR EACH ROW EXECUTE FUNCTION bump_people_epoch();
CREATE TRIGGER user_sessions_epoch_new AFTER INSERT ON user_sessions
    FOR EACH ROW EXECUTE FUNCTION bump_people_epoch();
CREATE TRIGGER user_sessions_epoch AFTER UPDATE ON user_sessions FOR EACH ROW
    WHEN ((OLD.token_hash, OLD.factor_at, OLD.ends_at, OLD.ended_at)
          IS DISTINCT FROM (NEW.token_hash, NEW.factor_at, NEW.ends_at, NEW.ended_at))
    EXECUTE FUNCTION bump_people_epoch();
COMMENT ON TRIGGER users_epoch ON users IS 'What sessions are judged by is a new epoch.';
COMMENT ON TRIGGER user_roles_epoch ON user_roles IS 'Every change of a role is a new epoch.';
COMMENT ON TRIGGER user_sessions_epoch_new ON user_sessions IS 'Every session is a new epoch.';
COMMENT ON TRIGGER user_sessions_epoch ON user_sessions IS
    'Every renewal and every end of a session is a new epoch; last_seen_at is not.';

CREATE FUNCTION guard_users() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.name, NEW.created_at, NEW.created_by) IS DISTINCT FROM
       (OLD.name, OLD.created_at, OLD.created_by) THEN
        RAISE EXCEPTION 'who user % is cannot be changed', OLD.name
            USING ERRCODE = 'restrict_violation', HINT = 'Create another user.';
    END IF;
    -- a code that was used stays used, unless the secret is another
    IF NEW.totp_sealed IS NOT DISTINCT FROM OLD.totp_sealed
       AND (NEW.totp_last_step IS NULL OR NEW.totp_last_step < OLD.totp_last_step)
       AND OLD.totp_last_step IS NOT NULL THEN
        RAISE EXCEPTION 'the last step of user % cannot go back', OLD.name
            USING ERRCODE = 'restrict_violation', HINT = 'Enrol a new second factor.';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION guard_users() IS
    'A user keeps name and origin; the steps of a second factor only go on.';
CREATE TRIGGER users_guard BEFORE UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION guard_users();
COMMENT ON TRIGGER users_guard ON users IS 'Keeps what must not change.';

CREATE FUNCTION guard_user_roles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.ended_at IS NOT NULL OR
       (NEW.id, NEW.user_name, NEW.role, NEW.kind, NEW.granted_at, NEW.granted_by,
        NEW.approved_by, NEW.until, NEW.reason, NEW.ticket) IS DISTINCT FROM
       (OLD.id, OLD.user_name, OLD.role, OLD.kind, OLD.granted_at, OLD.granted_by,
        OLD.approved_by, OLD.until, OLD.reason, OLD.ticket) THEN
        RAISE EXCEPTION 'a grant can only be ended, once'
            USING ERRCODE = 'restrict_violation', HINT = 'Grant the role anew.';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION guard_user_roles() IS 'A grant stays as it was entered; it may end, once.';
CREATE TRIGGER user_roles_guard BEFORE UPDATE ON user_roles
    FOR EACH ROW EXECUTE FUNCTION guard_user_roles();
COMMENT ON TRIGGER user_roles_guard ON user_roles IS 'Keeps what must not change.';

CREATE FUNCTION guard_user_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.ended_at IS NOT NULL OR (NEW.id, NEW.user_name, NEW.created_at, NEW.ip) IS DISTINCT FROM
       (OLD.id, OLD.user_name, OLD.created_at, OLD.ip) OR NEW.ends_at > OLD.ends_at THEN
        RAISE EXCEPTION 'session % has ended, or is another''s', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'Log in again.';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION guard_user_sessions() IS
    'A session stays its user''s, ends once, and never later than it was to.';
CREATE TRIGGER user_sessions_guard BEFORE UPDATE ON user_sessions
    FOR EACH ROW EXECUTE FUNCTION guard_user_sessions();
COMMENT ON TRIGGER user_sessions_guard ON user_sessions IS 'Keeps what must not change.';

CREATE FUNCTION refuse_access_review_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'access_reviews is append-only: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'Sign another review off.';
END $$;
COMMENT ON FUNCTION refuse_access_review_change() IS
    'Refuses each change of access_reviews but an insert.';
CREATE TRIGGER access_reviews_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_reviews
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_access_review_change();
ALTER TABLE access_reviews ENABLE ALWAYS TRIGGER access_reviews_append_only;
COMMENT ON TRIGGER access_reviews_append_only ON access_reviews IS
    'Reviews stay as they were signed.';

-- A key may be a person's: then what it does counts as hers, and it ends with her.
ALTER TABLE api_keys ADD COLUMN owner text REFERENCES users (name);
CREATE INDEX api_keys_by_owner ON api_keys (owner) WHERE owner IS NOT NULL;
COMMENT ON COLUMN api_keys.owner IS
    'users.name: the person who uses it, so that two keys of one person count as one; NULL: a program.';
COMMENT ON INDEX api_keys_by_owner IS 'The keys of a user, for disabling her.';

CREATE OR REPLACE FUNCTION guard_api_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.revoked_at IS NOT NULL AND
       (NEW.revoked_at, NEW.revoked_by, NEW.revoke_reason) IS DISTINCT FROM
       (OLD.revoked_at, OLD.revoked_by, OLD.revoke_reason) THEN
        RAISE EXCEPTION 'key % is revoked for good', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'Issue a new key.';
    END IF;
    IF (NEW.id, NEW.account, NEW.owner, NEW.algorithm, NEW.public_key, NEW.created_at,
        NEW.created_by, NEW.rotated_from) IS DISTINCT FROM
       (OLD.id, OLD.account, OLD.owner, OLD.algorithm, OLD.public_key, OLD.created_at,
        OLD.created_by, OLD.rotated_from) THEN
        RAISE EXCEPTION 'what key % is cannot be changed', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'Issue a new key that is rotated from it.';
    END IF;
    RETURN NEW;
END $$;

-- disabling a person disables her keys: gateways must read the keys again
CREATE TRIGGER users_key_epoch AFTER UPDATE ON users FOR EACH ROW
    WHEN (OLD.disabled_at IS DISTINCT FROM NEW.disabled_at)
    EXECUTE FUNCTION bump_revocation_epoch();
COMMENT ON TRIGGER users_key_epoch ON users IS 'A user''s state is that of her keys.';
