-- What the systems around the gateway report in: components, signals, alerts; and keys for those who
-- cannot sign.

-- A bearer key holds the hash of a random token, opens report-in alone, and signs nothing.
ALTER TABLE api_keys ADD COLUMN token_hash bytea;
ALTER TABLE api_keys DROP CONSTRAINT api_keys_algorithm;
ALTER TABLE api_keys ADD CONSTRAINT api_keys_algorithm CHECK (
    algorithm IN ('ed25519', 'hmac-sha256', 'hmac-sha512-kraken', 'bearer'));
ALTER TABLE api_keys DROP CONSTRAINT api_keys_material;
ALTER TABLE api_keys ADD CONSTRAINT api_keys_material CHECK (
    CASE algorithm
    WHEN 'ed25519' THEN
        public_key IS NOT NULL AND octet_length(public_key) = 32 AND token_hash IS NULL
            AND secret_sealed IS NULL AND master_version IS NULL
    WHEN 'bearer' THEN
        token_hash IS NOT NULL AND octet_length(token_hash) = 32 AND public_key IS NULL
            AND secret_sealed IS NULL AND master_version IS NULL
    ELSE
        public_key IS NULL AND token_hash IS NULL
            AND secret_sealed IS NOT NULL AND octet_length(secret_sealed) BETWEEN 94 AND 1024
            AND master_version IS NOT NULL AND master_version > 0
    END);
-- bit 10: report.write
ALTER TABLE api_keys ADD CONSTRAINT api_keys_bearer_scopes CHECK (
    algorithm <> 'bearer' OR scopes = 1024);
CREATE UNIQUE INDEX api_keys_by_token ON api_keys (token_hash) WHERE token_hash IS NOT NULL;
COMMENT ON COLUMN api_keys.token_hash IS
    'Bearer: SHA-256 of the token, which only its holder has; otherwise NULL.';
COMMENT ON COLUMN api_keys.algorithm IS
    'The only algorithm this key is accepted with: ed25519, hmac-sha256, hmac-sha512-kraken or bearer.';
COMMENT ON INDEX api_keys_by_token IS 'A token is of one key.';

CREATE OR REPLACE FUNCTION guard_api_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.revoked_at IS NOT NULL AND
       (NEW.revoked_at, NEW.revoked_by, NEW.revoke_reason) IS DISTINCT FROM
       (OLD.revoked_at, OLD.revoked_by, OLD.revoke_reason) THEN
        RAISE EXCEPTION 'key % is revoked for good', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'Issue a new key.';
    END IF;
    IF (NEW.id, NEW.account, NEW.owner, NEW.algorithm, NEW.public_key, NEW.token_hash,
        NEW.created_at, NEW.created_by, NEW.rotated_from) IS DISTINCT FROM
       (OLD.id, OLD.account, OLD.owner, OLD.algorithm, OLD.public_key, OLD.token_hash,
        OLD.created_at, OLD.created_by, OLD.rotated_from) THEN
        RAISE EXCEPTION 'what key % is cannot be changed', OLD.id
            USING ERRCODE = 'restrict_violation', HINT = 'Issue a new key that is rotated from it.';
    END IF;
    RETURN NEW;
END $$;

CREATE TABLE reported_components (
    id            text PRIMARY KEY,
    group_name    text NOT NULL DEFAULT '',
    role          text NOT NULL DEFAULT '',
    state         text NOT NULL,
    since         timestamptz NOT NULL,
    heard_at      timestamptz NOT NULL,
    ttl_s         integer NOT NULL,
    details       jsonb NOT NULL DEFAULT '{}',
    source        text NOT NULL,
    written_at    timestamptz NOT NULL,
    CONSTRAINT reported_components_id CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9:_.@-]{0,63}$'),
    CONSTRAINT reported_components_group CHECK (
        group_name = '' OR group_name ~ '^[A-Za-z0-9][A-Za-z0-9:_.@-]{0,63}$'),
    CONSTRAINT reported_components_role CHECK (role IN ('', 'primary', 'standby')),
    CONSTRAINT reported_components_state CHECK (state IN ('OK', 'DEGRADED', 'DOWN', 'PAUSED')),
    CONSTRAINT reported_components_ttl CHECK (ttl_s BETWEEN 5 AND 3600),
    CONSTRAINT reported_components_source CHECK (length(source) BETWEEN 1 AND 320)
);
COMMENT ON TABLE reported_components IS
    'The last heartbeat of each system around the gateway. How old it is decides what is shown: a '
    'row says nothing about now.';
COMMENT ON COLUMN reported_components.id IS 'Its name, as it reports itself.';
COMMENT ON COLUMN reported_components.group_name IS
    'Those that stand in for each other; empty: it stands alone.';
COMMENT ON COLUMN reported_components.role IS 'Its part in the group; empty: not said.';
COMMENT ON COLUMN reported_components.state IS 'What it said of itself.';
COMMENT ON COLUMN reported_components.since IS 'Since when it says so.';
COMMENT ON COLUMN reported_components.heard_at IS
    'Time of the heartbeat by the clock of the gateway that heard it; several write: the newest wins.';
COMMENT ON COLUMN reported_components.ttl_s IS 'Silent for longer, it is DISCONNECTED.';
COMMENT ON COLUMN reported_components.details IS
    'Session, sequence numbers, version, lease and the like, as it sent them.';
COMMENT ON COLUMN reported_components.source IS 'Who reported it: person or account, and key.';
COMMENT ON COLUMN reported_components.written_at IS
    'When the row was written, by the clock of PostgreSQL: gateways read what is new.';

CREATE TABLE reported_signals (
    name       text NOT NULL,
    labels     jsonb NOT NULL,
    value      text NOT NULL,
    unit       text NOT NULL DEFAULT '',
    at         timestamptz NOT NULL,
    ttl_s      integer NOT NULL,
    source     text NOT NULL,
    written_at timestamptz NOT NULL,
    PRIMARY KEY (name, labels),
    CONSTRAINT reported_signals_name CHECK (name ~ '^[a-zA-Z_:][a-zA-Z0-9_:]{0,99}$'),
    CONSTRAINT reported_signals_labels CHECK (jsonb_typeof(labels) = 'object'),
    CONSTRAINT reported_signals_value CHECK (value ~ '^-?[0-9]{1,30}([.][0-9]{1,30})?$'),
    CONSTRAINT reported_signals_ttl CHECK (ttl_s BETWEEN 5 AND 86400),
    CONSTRAINT reported_signals_unit CHECK (length(unit) <= 32),
    CONSTRAINT reported_signals_source CHECK (length(source) BETWEEN 1 AND 320)
);
COMMENT ON TABLE reported_signals IS
    'The last value of each series that others report. Too old a value counts as unknown.';
COMMENT ON COLUMN reported_signals.name IS 'As a metric of Prometheus.';
COMMENT ON COLUMN reported_signals.labels IS 'Names and values, as of a metric of Prometheus.';
COMMENT ON COLUMN reported_signals.value IS 'Decimal, digit by digit as it was sent.';
COMMENT ON COLUMN reported_signals.unit IS 'What it is counted in; empty: not said.';
COMMENT ON COLUMN reported_signals.at IS 'When it was measured; the newest wins.';
COMMENT ON COLUMN reported_signals.ttl_s IS 'Older than that, it counts as unknown.';
COMMENT ON COLUMN reported_signals.source IS 'Who reported it.';
COMMENT ON COLUMN reported_signals.written_at IS
    'When the row was written, by the clock of PostgreSQL: gateways read what is new.';

CREATE TABLE reported_alerts (
    key         text PRIMARY KEY,
    fingerprint text NOT NULL,
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz,
    firing      boolean NOT NULL,
    severity    text NOT NULL,
    content     jsonb NOT NULL,
    source      text NOT NULL,
    first_at    timestamptz NOT NULL DEFAULT now(),
    last_at     timestamptz NOT NULL DEFAULT now(),
    received    bigint NOT NULL DEFAULT 1,
    CONSTRAINT reported_alerts_key CHECK (length(key) BETWEEN 1 AND 200),
    CONSTRAINT reported_alerts_fingerprint CHECK (length(fingerprint) BETWEEN 1 AND 64),
    CONSTRAINT reported_alerts_severity CHECK (severity IN ('SEV1', 'SEV2', 'SEV3', 'SEV4')),
    CONSTRAINT reported_alerts_content CHECK (jsonb_typeof(content) = 'object'),
    CONSTRAINT reported_alerts_source CHECK (length(source) BETWEEN 1 AND 320),
    CONSTRAINT reported_alerts_received CHECK (received > 0)
);
CREATE INDEX reported_alerts_firing ON reported_alerts (last_at) WHERE firing;
COMMENT ON TABLE reported_alerts IS
    'Alerts as Alertmanager sent them; written before it is answered, so that none is lost with a '
    'process.';
COMMENT ON COLUMN reported_alerts.key IS
    'alert:FINGERPRINT:STARTSAT, by which incidents know it.';
COMMENT ON COLUMN reported_alerts.fingerprint IS 'Of its labels, as Alertmanager computes it.';
COMMENT ON COLUMN reported_alerts.starts_at IS 'Since when it fires.';
COMMENT ON COLUMN reported_alerts.ends_at IS 'When it ended; NULL: it has not.';
COMMENT ON COLUMN reported_alerts.firing IS 'Whether it fires, as last heard.';
COMMENT ON COLUMN reported_alerts.severity IS 'On our scale.';
COMMENT ON COLUMN reported_alerts.content IS 'Labels, annotations and links, as they were sent.';
COMMENT ON COLUMN reported_alerts.source IS 'Who sent it.';
COMMENT ON COLUMN reported_alerts.first_at IS 'When it was first heard of.';
COMMENT ON COLUMN reported_alerts.last_at IS 'When it was last heard of.';
COMMENT ON COLUMN reported_alerts.received IS 'How often it was sent.';
COMMENT ON INDEX reported_alerts_firing IS 'What fires, for a gateway that starts.';

CREATE TABLE slo_breaches (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slo      text NOT NULL,
    value    text NOT NULL,
    since    timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    CONSTRAINT slo_breaches_slo CHECK (slo ~ '^[a-z][a-z0-9_]{0,63}$'),
    CONSTRAINT slo_breaches_value CHECK (length(value) BETWEEN 1 AND 64),
    CONSTRAINT slo_breaches_ended CHECK (ended_at >= since)
);
CREATE UNIQUE INDEX slo_breaches_open ON slo_breaches (slo) WHERE ended_at IS NULL;
COMMENT ON TABLE slo_breaches IS 'When an objective was missed, and until when.';
COMMENT ON COLUMN slo_breaches.id IS 'Grows; numbers of transactions that failed are missing.';
COMMENT ON COLUMN slo_breaches.slo IS 'Id of the objective, as GET /v1/slo has it.';
COMMENT ON COLUMN slo_breaches.value IS 'What was measured when it was first seen to be missed.';
COMMENT ON COLUMN slo_breaches.since IS 'When a gateway saw it.';
COMMENT ON COLUMN slo_breaches.ended_at IS
    'When it was met again; unknown is not met. NULL: it has not been.';
COMMENT ON INDEX slo_breaches_open IS 'Several gateways see one breach once.';
