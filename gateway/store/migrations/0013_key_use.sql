-- From where and for what each key is used, and what it was refused for: what somebody looks at when a
-- key may be in wrong hands.

CREATE TABLE api_key_networks (
    key_id        text NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    network       cidr NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    use_count     bigint NOT NULL,
    told_at       timestamptz,
    PRIMARY KEY (key_id, network),
    CONSTRAINT api_key_networks_times CHECK (last_seen_at >= first_seen_at),
    CONSTRAINT api_key_networks_count CHECK (use_count > 0)
);
CREATE INDEX api_key_networks_untold ON api_key_networks (key_id) WHERE told_at IS NULL;
COMMENT ON TABLE api_key_networks IS
    'Networks each key was used from. Gateways upsert them in batches, seconds late; the insert of a row '
    'decides who of them tells people of a new network.';
COMMENT ON COLUMN api_key_networks.key_id IS 'api_keys.id.';
COMMENT ON COLUMN api_key_networks.network IS 'The address up to /24, or /48 of IPv6.';
COMMENT ON COLUMN api_key_networks.first_seen_at IS 'Time of the first accepted request from there.';
COMMENT ON COLUMN api_key_networks.last_seen_at IS 'Time of the last one.';
COMMENT ON COLUMN api_key_networks.use_count IS 'Accepted requests from there; each batch adds to it.';
COMMENT ON COLUMN api_key_networks.told_at IS
    'Since when there is nothing (more) to tell of it; NULL: people have to hear of it.';
COMMENT ON INDEX api_key_networks_untold IS 'For those that people have to hear of.';

-- what a key used before is no news
INSERT INTO api_key_networks
    SELECT key_id, network(set_masklen(last_ip, CASE family(last_ip) WHEN 4 THEN 24 ELSE 48 END)),
        last_used_at, last_used_at, use_count, last_used_at
    FROM api_key_use;

CREATE TABLE api_key_seen (
    key_id        text NOT NULL,
    network       cidr NOT NULL,
    method        text NOT NULL,
    route         text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    use_count     bigint NOT NULL,
    PRIMARY KEY (key_id, network, route, method),
    FOREIGN KEY (key_id, network) REFERENCES api_key_networks ON DELETE CASCADE,
    CONSTRAINT api_key_seen_method CHECK (method ~ '^[A-Z-]{1,16}$'),
    CONSTRAINT api_key_seen_route CHECK (length(route) BETWEEN 1 AND 200),
    CONSTRAINT api_key_seen_times CHECK (last_seen_at >= first_seen_at),
    CONSTRAINT api_key_seen_count CHECK (use_count > 0)
);
COMMENT ON TABLE api_key_seen IS 'What each key was used for, by network.';
COMMENT ON COLUMN api_key_seen.key_id IS 'api_keys.id.';
COMMENT ON COLUMN api_key_seen.network IS 'api_key_networks.network.';
COMMENT ON COLUMN api_key_seen.method IS 'GET, POST, ...; - when the address spoke none.';
COMMENT ON COLUMN api_key_seen.route IS 'As in the table of routes: /v1/keys/{id}.';
COMMENT ON COLUMN api_key_seen.first_seen_at IS 'Time of the first accepted request.';
COMMENT ON COLUMN api_key_seen.last_seen_at IS 'Time of the last one.';
COMMENT ON COLUMN api_key_seen.use_count IS 'Accepted requests; each batch adds to it.';

CREATE TABLE api_key_refusals (
    key_id       text NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    cause        text NOT NULL,
    first_at     timestamptz NOT NULL,
    last_at      timestamptz NOT NULL,
    last_network cidr NOT NULL,
    count        bigint NOT NULL,
    PRIMARY KEY (key_id, cause),
    CONSTRAINT api_key_refusals_cause CHECK (cause ~ '^[a-z_]{1,32}$'),
    CONSTRAINT api_key_refusals_times CHECK (last_at >= first_at),
    CONSTRAINT api_key_refusals_count CHECK (count > 0)
);
COMMENT ON TABLE api_key_refusals IS
    'Requests that each key did sign, but that were refused all the same.';
COMMENT ON COLUMN api_key_refusals.key_id IS 'api_keys.id.';
COMMENT ON COLUMN api_key_refusals.cause IS
    'rate_limited, replay, forbidden_scope, wrong_network.';
COMMENT ON COLUMN api_key_refusals.first_at IS 'Time of the first.';
COMMENT ON COLUMN api_key_refusals.last_at IS 'Time of the last.';
COMMENT ON COLUMN api_key_refusals.last_network IS 'Where the last came from.';
COMMENT ON COLUMN api_key_refusals.count IS 'How many; each batch adds to it.';

COMMENT ON COLUMN key_events.action IS
    'bootstrap, issue, rotate, revoke, set_rate_class, flag, rewrap (of a master key).';
