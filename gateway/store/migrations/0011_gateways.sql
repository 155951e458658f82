-- The gateways of this database, as each says of itself once a second; pages that are not sent because paging is off.

CREATE TABLE gateways (
    name           text PRIMARY KEY,
    boot           text NOT NULL,
    seen_at        timestamptz NOT NULL,
    paging         boolean NOT NULL,
    counts_known   boolean NOT NULL,
    slow_closes    bigint NOT NULL,
    backlog_bytes  bigint NOT NULL,
    trades_dropped bigint NOT NULL,
    CONSTRAINT gateways_name CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT gateways_boot CHECK (length(boot) = 26)
);
COMMENT ON TABLE gateways IS
    'A row for each gateway: exit conditions of playbooks are counted over all of them. One that ends in order takes its '
    'row away; one that died is forgotten after playbooks.forget_after.';
COMMENT ON COLUMN gateways.name IS 'Its host and admin.listen: the same after a restart.';
COMMENT ON COLUMN gateways.boot IS 'ULID of the process: its counters begin with it.';
COMMENT ON COLUMN gateways.seen_at IS 'When it last said so, by the clock of PostgreSQL.';
COMMENT ON COLUMN gateways.paging IS 'It sends pages.';
COMMENT ON COLUMN gateways.counts_known IS 'It counts what follows.';
COMMENT ON COLUMN gateways.slow_closes IS 'Clients closed for SLOW_CONSUMER since it was started.';
COMMENT ON COLUMN gateways.backlog_bytes IS 'Bytes that its clients are behind.';
COMMENT ON COLUMN gateways.trades_dropped IS 'Trades dropped since it was started.';

ALTER TABLE pages
    ADD COLUMN suppressed  boolean NOT NULL DEFAULT false,
    ADD COLUMN in_timeline boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT pages_suppressed CHECK (NOT suppressed OR skipped_at IS NOT NULL OR delivered_at IS NOT NULL);
COMMENT ON COLUMN pages.suppressed IS 'It was skipped because paging was off; last_error says so.';
COMMENT ON COLUMN pages.in_timeline IS
    'The entry of the timeline that caused it says so, too; else GET /v1/incidents/ID/timeline adds it.';
