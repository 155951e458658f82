-- Accounts, their API keys, and what must be remembered about the use of keys.
-- Names are found along search_path; everything lives in the schema that was first there then.

CREATE TABLE accounts (
    id              text PRIMARY KEY,
    label           text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    created_by      text NOT NULL,
    disabled_at     timestamptz,
    disabled_by     text,
    disabled_reason text,
    CONSTRAINT accounts_id CHECK (id ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'),
    CONSTRAINT accounts_label CHECK (length(label) BETWEEN 1 AND 100),
    CONSTRAINT accounts_created_by CHECK (length(created_by) BETWEEN 1 AND 128),
    CONSTRAINT accounts_disabled CHECK (
        num_nulls(disabled_at, disabled_by, disabled_reason) IN (0, 3)),
    CONSTRAINT accounts_disabled_text CHECK (
        length(disabled_by) BETWEEN 1 AND 128 AND length(disabled_reason) BETWEEN 1 AND 500)
);
COMMENT ON TABLE accounts IS 'Who API keys belong to: a trading firm, a desk, a service.';
COMMENT ON COLUMN accounts.id IS
    'Short name, used in limits, modes and the audit log; never reused.';
COMMENT ON COLUMN accounts.label IS 'What people call it.';
COMMENT ON COLUMN accounts.created_at IS 'When it was entered.';
COMMENT ON COLUMN accounts.created_by IS 'Actor who entered it.';
COMMENT ON COLUMN accounts.disabled_at IS 'Since when none of its keys is accepted; NULL: enabled.';
COMMENT ON COLUMN accounts.disabled_by IS 'Actor who disabled it.';
COMMENT ON COLUMN accounts.disabled_reason IS 'Why, for the audit log.';

CREATE TABLE api_keys (
    id             text PRIMARY KEY,
    account        text NOT NULL REFERENCES accounts (id),
    label          text NOT NULL,
    algorithm      text NOT NULL,
    public_key     bytea,
    secret_sealed  bytea,
    master_version integer,
    scopes         bigint NOT NULL DEFAULT 0,
    ip_allow       cidr[] NOT NULL DEFAULT '{}',
    rate_class     text NOT NULL DEFAULT 'default',
    flags          bigint NOT NULL DEFAULT 0,
    not_before     timestamptz NOT NULL DEFAULT now(),
    not_after      timestamptz,
    revoked_at     timestamptz,
    revoked_by     text,
    revoke_reason  text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    created_by     text NOT NULL,
    rotated_from   text REFERENCES api_keys (id),
    CONSTRAINT api_keys_id CHECK (id ~ '^[A-Za-z0-9._:@/+=-]{1,64}$'),
    CONSTRAINT api_keys_label CHECK (length(label) BETWEEN 1 AND 100),
    CONSTRAINT api_keys_algorithm CHECK (
        algorithm IN ('ed25519', 'hmac-sha256', 'hmac-sha512-kraken')),
    -- each IS NOT NULL is needed: a CHECK that comes out NULL passes
    CONSTRAINT api_keys_material CHECK (
        CASE WHEN algorithm = 'ed25519' THEN
            public_key IS NOT NULL AND octet_length(public_key) = 32
                AND secret_sealed IS NULL AND master_version IS NULL
        ELSE
            public_key IS NULL
                AND secret_sealed IS NOT NULL AND octet_length(secret_sealed) BETWEEN 94 AND 1024
                AND master_version IS NOT NULL AND master_version > 0
        END),
    CONSTRAINT api_keys_scopes CHECK (scopes >= 0),
    CONSTRAINT api_keys_ip_allow CHECK (
        cardinality(ip_allow) <= 64 AND array_position(ip_allow, NULL) IS NULL),
    CONSTRAINT api_keys_rate_class CHECK (rate_class ~ '^[a-z0-9][a-z0-9_-]{0,31}$'),
    CONSTRAINT api_keys_flags CHECK (flags >= 0),
    CONSTRAINT api_keys_times CHECK (not_after > not_before),
    CONSTRAINT api_keys_revoked CHECK (num_nulls(revoked_at, revoked_by, revoke_reason) IN (0, 3)),
    CONSTRAINT api_keys_revoked_text CHECK (
        length(revoked_by) BETWEEN 1 AND 128 AND length(revoke_reason) BETWEEN 1 AND 500),
    CONSTRAINT api_keys_created_by CHECK (length(created_by) BETWEEN 1 AND 128),
    CONSTRAINT api_keys_rotated_from CHECK (rotated_from <> id)
);
CREATE INDEX api_keys_by_account ON api_keys (account);
-- one living successor: a rotation that was revoked may be tried again
CREATE UNIQUE INDEX api_keys_one_successor ON api_keys (rotated_from)
    WHERE rotated_from IS NOT NULL AND revoked_at IS NULL;
COMMENT ON TABLE api_keys IS
    'Credentials of programs. A row is never deleted: its id stays taken, its history readable.';
COMMENT ON COLUMN api_keys.id IS
    'The keyid of a signature, or the API-Key of the Kraken scheme; public.';
COMMENT ON COLUMN api_keys.account IS 'Owner; accounts.id.';
COMMENT ON COLUMN api_keys.label IS 'What people call it.';
COMMENT ON COLUMN api_keys.algorithm IS
    'The only algorithm this key is accepted with: ed25519, hmac-sha256, or hmac-sha512-kraken.';
COMMENT ON COLUMN api_keys.public_key IS 'Ed25519: the 32 bytes; otherwise NULL.';
COMMENT ON COLUMN api_keys.secret_sealed IS
    'HMAC: the secret in its envelope, which only the master key opens; otherwise NULL.';
COMMENT ON COLUMN api_keys.master_version IS
    'Version of the master key that secret_sealed is wrapped with; NULL without a secret.';
COMMENT ON COLUMN api_keys.scopes IS
    'What the key may do: a set of bits, as in the table of permissions.';
COMMENT ON COLUMN api_keys.ip_allow IS
    'Networks it may be used from; empty: any, which no key with an admin scope should have.';
COMMENT ON COLUMN api_keys.rate_class IS 'Row of the table of rate limits.';
COMMENT ON COLUMN api_keys.flags IS
    'Further properties: a set of bits, as in the table of key flags.';
COMMENT ON COLUMN api_keys.not_before IS 'Accepted from this time on.';
COMMENT ON COLUMN api_keys.not_after IS 'Accepted until before this time; NULL: no end.';
COMMENT ON COLUMN api_keys.revoked_at IS 'When it was revoked, for good; NULL: it was not.';
COMMENT ON COLUMN api_keys.revoked_by IS 'Actor who revoked it.';
COMMENT ON COLUMN api_keys.revoke_reason IS 'Why, for the audit log.';
COMMENT ON COLUMN api_keys.created_at IS 'When it was issued.';
COMMENT ON COLUMN api_keys.created_by IS 'Actor who issued it.';
COMMENT ON COLUMN api_keys.rotated_from IS
    'The key it replaces; both are accepted until the old one ends.';
COMMENT ON INDEX api_keys_by_account IS
    'The keys of an account, for its page and for disabling it.';
COMMENT ON INDEX api_keys_one_successor IS
    'A key is replaced by at most one key that is not revoked.';

CREATE TABLE api_key_use (
    key_id       text PRIMARY KEY REFERENCES api_keys (id) ON DELETE CASCADE,
    last_used_at timestamptz NOT NULL,
    last_ip      inet NOT NULL,
    last_route   text NOT NULL,
    use_count    bigint NOT NULL,
    CONSTRAINT api_key_use_route CHECK (length(last_route) BETWEEN 1 AND 200),
    CONSTRAINT api_key_use_count CHECK (use_count > 0)
);
COMMENT ON TABLE api_key_use IS
    'Last use of each key. Gateways upsert it in batches, seconds late; apart from api_keys, so '
    'that a use is not a change of a key.';
COMMENT ON COLUMN api_key_use.key_id IS 'api_keys.id.';
COMMENT ON COLUMN api_key_use.last_used_at IS
    'Time of the newest accepted request; several gateways write: the greatest wins.';
COMMENT ON COLUMN api_key_use.last_ip IS 'Where that request came from.';
COMMENT ON COLUMN api_key_use.last_route IS 'Route it asked for, as in the table of routes.';
COMMENT ON COLUMN api_key_use.use_count IS 'Accepted requests so far; each batch adds to it.';

CREATE TABLE admin_nonces (
    key_id     text NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    nonce      text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (key_id, nonce),
    CONSTRAINT admin_nonces_nonce CHECK (octet_length(nonce) BETWEEN 1 AND 128)
);
CREATE INDEX admin_nonces_by_expiry ON admin_nonces (expires_at);
COMMENT ON TABLE admin_nonces IS
    'Nonces of admin requests that changed something, entered by the transaction of the change: '
    'a replay breaks the primary key, and with it the change.';
COMMENT ON COLUMN admin_nonces.key_id IS 'api_keys.id.';
COMMENT ON COLUMN admin_nonces.nonce IS 'As it stood in the request.';
COMMENT ON COLUMN admin_nonces.expires_at IS
    'From when on the row may be deleted: the signature is refused as too old by then.';
COMMENT ON INDEX admin_nonces_by_expiry IS 'For the sweep of old rows.';

CREATE TABLE revocation_epoch (
    only_row   boolean PRIMARY KEY DEFAULT true,
    epoch      bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT revocation_epoch_only_row CHECK (only_row),
    CONSTRAINT revocation_epoch_epoch CHECK (epoch > 0)
);
INSERT INTO revocation_epoch (epoch) VALUES (1);
COMMENT ON TABLE revocation_epoch IS
    'One row: the version of api_keys and accounts. A gateway that has seen another number '
    'reads the keys again.';
COMMENT ON COLUMN revocation_epoch.only_row IS 'Always true: there is one row.';
COMMENT ON COLUMN revocation_epoch.epoch IS
    'Grows with every change; its row lock puts changes in the order of their commits.';
COMMENT ON COLUMN revocation_epoch.changed_at IS 'When it grew last.';

CREATE FUNCTION bump_revocation_epoch() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    now_at bigint;
BEGIN
    UPDATE revocation_epoch SET epoch = epoch + 1, changed_at = now()
        RETURNING epoch INTO STRICT now_at;
    PERFORM pg_notify('portcullis_keys', now_at::text);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION bump_revocation_epoch() IS
    'Raises revocation_epoch and tells the listeners of portcullis_keys the new number.';

CREATE TRIGGER api_keys_epoch AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON api_keys
    FOR EACH STATEMENT EXECUTE FUNCTION bump_revocation_epoch();
CREATE TRIGGER accounts_epoch AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON accounts
    FOR EACH STATEMENT EXECUTE FUNCTION bump_revocation_epoch();
COMMENT ON TRIGGER api_keys_epoch ON api_keys IS 'Every change of a key is a new epoch.';
COMMENT ON TRIGGER accounts_epoch ON accounts IS 'Every change of an account is a new epoch.';

CREATE FUNCTION guard_api_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.revoked_at IS NOT NULL AND
       (NEW.revoked_at, NEW.revoked_by, NEW.revoke_reason) IS DISTINCT FROM
       (OLD.revoked_at, OLD.revoked_by, OLD.revoke_reason) THEN
        RAISE EXCEPTION 'key % is revoked for good', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'Issue a new key.';
    END IF;
    IF (NEW.id, NEW.account, NEW.algorithm, NEW.public_key, NEW.created_at, NEW.created_by,
        NEW.rotated_from) IS DISTINCT FROM
       (OLD.id, OLD.account, OLD.algorithm, OLD.public_key, OLD.created_at, OLD.created_by,
        OLD.rotated_from) THEN
        RAISE EXCEPTION 'what key % is cannot be changed', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'Issue a new key that is rotated from it.';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION guard_api_keys() IS
    'A revoked key stays revoked; a key keeps its owner, algorithm and public key. A secret may '
    'be sealed again.';

CREATE TRIGGER api_keys_guard BEFORE UPDATE ON api_keys
    FOR EACH ROW EXECUTE FUNCTION guard_api_keys();
COMMENT ON TRIGGER api_keys_guard ON api_keys IS 'Keeps what must not change.';
