-- The smoke test G0: what it settled, and where its symbol's feed stands. docs/SMOKE.md.

CREATE TABLE smoke_ledger_entries (
    id         bigserial PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    status     text NOT NULL DEFAULT 'settled',
    symbol     text NOT NULL,
    trade_id   bigint NOT NULL UNIQUE,
    side       text NOT NULL,
    price      numeric NOT NULL,
    qty        numeric NOT NULL,
    actor      text NOT NULL,
    once       text NOT NULL,
    trace      text NOT NULL,
    CONSTRAINT smoke_ledger_entries_once_key UNIQUE (actor, once),
    CONSTRAINT smoke_ledger_entries_status CHECK (status = 'settled'),
    CONSTRAINT smoke_ledger_entries_side CHECK (side IN ('buy', 'sell')),
    CONSTRAINT smoke_ledger_entries_amounts CHECK (price > 0 AND qty > 0),
    CONSTRAINT smoke_ledger_entries_once CHECK (length(once) BETWEEN 1 AND 255)
);
COMMENT ON TABLE smoke_ledger_entries IS
    'Trades of the smoke test. A row is there when POST /v1/smoke/trades says settled.';
COMMENT ON COLUMN smoke_ledger_entries.id IS 'Grows; may have gaps.';
COMMENT ON COLUMN smoke_ledger_entries.created_at IS 'When it was settled.';
COMMENT ON COLUMN smoke_ledger_entries.status IS 'settled.';
COMMENT ON COLUMN smoke_ledger_entries.symbol IS 'The symbol that is kept for this.';
COMMENT ON COLUMN smoke_ledger_entries.trade_id IS 'As on the trade channel; no gaps.';
COMMENT ON COLUMN smoke_ledger_entries.side IS 'The taker''s: buy or sell.';
COMMENT ON COLUMN smoke_ledger_entries.price IS 'In the quote asset.';
COMMENT ON COLUMN smoke_ledger_entries.qty IS 'In the base asset.';
COMMENT ON COLUMN smoke_ledger_entries.actor IS 'Who asked for it.';
COMMENT ON COLUMN smoke_ledger_entries.once IS 'The Idempotency-Key: the same again is the same row.';
COMMENT ON COLUMN smoke_ledger_entries.trace IS 'Of the request, as in the log.';

CREATE TABLE smoke_feed (
    only_one boolean PRIMARY KEY DEFAULT true,
    epoch    text NOT NULL,
    seq      bigint NOT NULL DEFAULT 0,
    trades   bigint NOT NULL DEFAULT 0,
    CONSTRAINT smoke_feed_only_one CHECK (only_one),
    CONSTRAINT smoke_feed_epoch CHECK (epoch ~ '^[A-Za-z0-9_-]{1,32}$')
);
COMMENT ON TABLE smoke_feed IS
    'Numbers of the smoke symbol''s feed (docs/FEED.md): one row, locked while a trade is settled.';
COMMENT ON COLUMN smoke_feed.only_one IS 'True: there is one row.';
COMMENT ON COLUMN smoke_feed.epoch IS 'Of this database.';
COMMENT ON COLUMN smoke_feed.seq IS 'The last number given.';
COMMENT ON COLUMN smoke_feed.trades IS 'The last trade_id given.';
INSERT INTO smoke_feed (epoch) VALUES ('s' || substr(md5(random()::text || clock_timestamp()::text), 1, 15));
