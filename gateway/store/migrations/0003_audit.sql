-- Held for the audit log.
DO $$ BEGIN END $$;
