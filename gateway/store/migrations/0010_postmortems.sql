-- Postmortems: when one is due, which reminders of it came.

ALTER TABLE incidents
    ADD COLUMN postmortem_due_at timestamptz,
    ADD COLUMN reminded          bigint NOT NULL DEFAULT 0,
    ADD COLUMN remind_next_at    timestamptz,
    ADD CONSTRAINT incidents_reminded CHECK (reminded BETWEEN 0 AND 3);
COMMENT ON COLUMN incidents.postmortem_due_at IS 'When the postmortem is due; NULL: none is owed.';
COMMENT ON COLUMN incidents.reminded IS
    'Reminders that came: 1: 24 hours before it is due, 2: four hours before, 3: overdue.';
COMMENT ON COLUMN incidents.remind_next_at IS
    'When the next is due, by the clock of PostgreSQL; NULL: none is.';

ALTER TABLE incidents DISABLE TRIGGER incidents_guard;
UPDATE incidents SET postmortem_due_at = resolved_at + interval '48 hours',
        remind_next_at = resolved_at + interval '24 hours'
    WHERE state = 'resolved' AND postmortem_required AND postmortem_url IS NULL;
ALTER TABLE incidents ENABLE TRIGGER incidents_guard;

ALTER TABLE incident_timeline
    ADD COLUMN reminder bigint,
    ADD COLUMN due_at   timestamptz,
    DROP CONSTRAINT incident_timeline_kind,
    ADD CONSTRAINT incident_timeline_kind CHECK (
        kind IN ('opened', 'ack', 'note', 'severity', 'class', 'assign', 'mitigate', 'resolve', 'close',
                 'reopen', 'level', 'alert', 'cleared', 'step', 'task', 'reminder', 'audit', 'page')),
    ADD CONSTRAINT incident_timeline_reminder CHECK (num_nulls(reminder, due_at) IN (0, 2));
CREATE UNIQUE INDEX incident_timeline_reminder_once
    ON incident_timeline (incident, due_at, reminder) WHERE reminder IS NOT NULL;
COMMENT ON COLUMN incident_timeline.reminder IS 'The reminder it announces; NULL: none.';
COMMENT ON COLUMN incident_timeline.due_at IS 'incidents.postmortem_due_at at that time, when it is a reminder.';
COMMENT ON INDEX incident_timeline_reminder_once IS
    'A reminder comes once for each time it is due, whatever the programs believe.';
