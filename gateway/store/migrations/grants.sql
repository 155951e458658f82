-- What the gateway's own role may do. Run after the migrations, every time, when a role is named:
--   ALTER DATABASE portcullis SET portcullis.writer_role = 'portcullis_gateway';
-- The role that migrates owns the tables; the gateway, with another, cannot change the schema,
-- delete a key or empty a table. A migration that makes a table adds its line here.

DO $$
DECLARE
    writer text := current_setting('portcullis.writer_role');
    rights text;
    list CONSTANT text[] := ARRAY[
        'SELECT ON schema_migrations',
        'SELECT, INSERT, UPDATE ON accounts',
        'SELECT, INSERT, UPDATE ON api_keys',
        'SELECT, INSERT, UPDATE ON api_key_use',
        'SELECT, INSERT, UPDATE, DELETE ON api_key_networks',
        'SELECT, INSERT, UPDATE, DELETE ON api_key_seen',
        'SELECT, INSERT, UPDATE, DELETE ON api_key_refusals',
        'SELECT, INSERT, DELETE ON admin_nonces',
        'SELECT, UPDATE ON revocation_epoch',
        'SELECT, INSERT ON key_events',
        'SELECT, INSERT, UPDATE ON users',
        'SELECT, INSERT, UPDATE, DELETE ON user_recovery_codes',
        'SELECT, INSERT, UPDATE ON user_roles',
        'SELECT, INSERT, UPDATE ON user_sessions',
        'SELECT, INSERT (id, expires_at, person, actor, account, user_name, role, kind, until, reason,'
            ' ticket, sha256), UPDATE (state, decided_at, decided_by, decided_why, grant_id)'
            ' ON role_requests',
        'SELECT, INSERT ON access_reviews',
        'SELECT, UPDATE ON people_epoch',
        'SELECT, INSERT, UPDATE ON change_requests',
        'SELECT, INSERT, UPDATE, DELETE ON request_answers',
        'SELECT, INSERT, UPDATE ON incidents',
        'SELECT, INSERT ON incident_timeline',
        'SELECT, INSERT, UPDATE ON incident_tasks',
        'SELECT, INSERT, UPDATE ON incident_steps',
        'SELECT, INSERT, UPDATE ON pages',
        'SELECT, INSERT, UPDATE, DELETE ON gateways',
        'SELECT, INSERT ON smoke_ledger_entries',
        'USAGE ON SEQUENCE smoke_ledger_entries_id_seq',
        'SELECT, UPDATE ON smoke_feed',
        'SELECT, INSERT ON audit_entries',
        'SELECT, INSERT ON ticket_payments',
        'SELECT ON ticket_debts',
        'SELECT, UPDATE ON gate_head',
        'SELECT, INSERT, UPDATE, DELETE ON reported_components',
        'SELECT, INSERT, UPDATE, DELETE ON reported_signals',
        'SELECT, INSERT, UPDATE ON reported_alerts',
        'SELECT, INSERT, UPDATE ON slo_breaches'
    ];
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), writer);
    FOREACH rights IN ARRAY list LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %I', substring(rights from ' ON (.*)$'), writer);
        EXECUTE format('GRANT %s TO %I', rights, writer);
    END LOOP;
END $$;
