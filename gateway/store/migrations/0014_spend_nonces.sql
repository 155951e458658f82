-- Nonces of requests that change nothing, which are most: many in one call, its plan kept by the session,
-- and no wait for the disk. What a PostgreSQL that dies forgets so, the gateways refuse (docs/AUTH.md).

CREATE FUNCTION spend_nonces(keys text[], nonces text[], expiries bigint[])
    RETURNS TABLE (verdict text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    -- in order, so that two gateways that enter the same ones wait for each other one way only
    RETURN QUERY
        WITH asked AS MATERIALIZED (
            SELECT a.k, a.n, a.e, a.o, EXISTS (SELECT FROM api_keys WHERE id = a.k) AS has_key,
                row_number() OVER (PARTITION BY a.k, a.n ORDER BY a.o) = 1 AS is_first
            FROM unnest(keys, nonces, expiries) WITH ORDINALITY AS a (k, n, e, o)
        ), entered AS (
            INSERT INTO admin_nonces AS t (key_id, nonce, expires_at)
            SELECT k, n, 'epoch'::timestamptz + e * interval '1 microsecond' FROM asked
            WHERE has_key AND is_first ORDER BY k, n
            ON CONFLICT DO NOTHING
            RETURNING t.key_id, t.nonce
        )
        SELECT CASE WHEN NOT a.has_key THEN 'no key'
            WHEN a.is_first AND e.nonce IS NOT NULL THEN 'new'
            ELSE 'known' END
        FROM asked a LEFT JOIN entered e ON e.key_id = a.k AND e.nonce = a.n
        ORDER BY a.o;
END $$;
COMMENT ON FUNCTION spend_nonces(text[], text[], bigint[]) IS
    'Enters nonces (key, nonce, expiry in us) and says of each, in their order: new, known (it was used '
    'before) or no key. Commits without waiting for the disk.';
COMMENT ON TABLE admin_nonces IS
    'Nonces of signed requests, each until it would have expired. That of a change is entered by the '
    'transaction of the change: a replay breaks the primary key, and with it the change. Others are entered '
    'by spend_nonces(), for gateways that cannot ask Redis.';
