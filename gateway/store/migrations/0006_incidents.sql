-- Incidents: what is wrong, since when, who has it; their timeline, tasks and playbook steps. Each change is made
-- under the lock of gate_head, in the transaction that enters it into the audit log.

CREATE TABLE incidents (
    number              bigint PRIMARY KEY,
    version             bigint NOT NULL,
    audit               bigint NOT NULL,
    severity            text NOT NULL,
    state               text NOT NULL,
    class               text,
    title               text NOT NULL,
    summary             text,
    source              text NOT NULL,
    detected_by         text NOT NULL,
    signal_key          text,
    signal_state        text,
    signal_since        timestamptz,
    signal_cleared_at   timestamptz,
    symbol              text,
    component           text,
    playbook            text,
    opened_at           timestamptz NOT NULL,
    opened_by           text NOT NULL,
    clock_at            timestamptz NOT NULL,
    ack_due_at          timestamptz,
    acked_at            timestamptz,
    acked_by            text,
    mitigation          text NOT NULL,
    mitigated_at        timestamptz,
    resolved_at         timestamptz,
    closed_at           timestamptz,
    reopened            bigint NOT NULL,
    level               bigint NOT NULL,
    level_next_at       timestamptz,
    commander           text,
    scribe              text,
    assignee            text,
    root_cause          text,
    postmortem_required boolean NOT NULL,
    postmortem_url      text,
    l3                  text NOT NULL,
    CONSTRAINT incidents_number CHECK (number > 0 AND version > 0 AND audit > 0),
    CONSTRAINT incidents_severity CHECK (severity IN ('SEV1', 'SEV2', 'SEV3', 'SEV4')),
    CONSTRAINT incidents_state CHECK (
        state IN ('open', 'acknowledged', 'mitigated', 'resolved', 'closed')),
    CONSTRAINT incidents_class CHECK (
        class IN ('data_quality', 'reconciliation', 'broker_connectivity')),
    CONSTRAINT incidents_texts CHECK (
        length(title) BETWEEN 1 AND 200 AND length(summary) BETWEEN 1 AND 2000
            AND length(root_cause) BETWEEN 1 AND 500),
    CONSTRAINT incidents_source CHECK (source IN ('human', 'alert', 'gateway', 'component')),
    CONSTRAINT incidents_detected_by CHECK (detected_by IN ('human', 'alert', 'gateway', 'customer')),
    CONSTRAINT incidents_signal CHECK (
        num_nulls(signal_key, signal_state, signal_since) IN (0, 3)
            AND signal_state IN ('firing', 'cleared')
            AND (signal_cleared_at IS NOT NULL) = (coalesce(signal_state, '') = 'cleared')),
    CONSTRAINT incidents_acked CHECK (num_nulls(acked_at, acked_by) IN (0, 2)),
    CONSTRAINT incidents_unacked CHECK ((state = 'open') = (acked_at IS NULL)),
    CONSTRAINT incidents_mitigation CHECK (mitigation IN ('none', 'partial', 'mitigated')),
    CONSTRAINT incidents_closed CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
    CONSTRAINT incidents_level CHECK (level BETWEEN 1 AND 3 AND reopened >= 0),
    CONSTRAINT incidents_l3 CHECK (l3 IN ('none', 'proposed', 'due', 'halted'))
);
CREATE INDEX incidents_by_audit ON incidents (audit);
CREATE INDEX incidents_open ON incidents (number) WHERE state <> 'closed';
CREATE UNIQUE INDEX incidents_signal_once ON incidents (signal_key) WHERE state <> 'closed';
CREATE INDEX incidents_by_signal ON incidents (signal_key, number) WHERE signal_key IS NOT NULL;
COMMENT ON TABLE incidents IS
    'What is or was wrong. A row is never deleted; what happened to it is in incident_timeline.';
COMMENT ON COLUMN incidents.number IS 'Of INC-7 the 7: 1, 2, 3, without gaps.';
COMMENT ON COLUMN incidents.version IS 'Grows with each change; the ETag.';
COMMENT ON COLUMN incidents.audit IS
    'Number of the audit entry of the last change: gateways read what is above the last they know.';
COMMENT ON COLUMN incidents.severity IS 'SEV1 (worst) to SEV4.';
COMMENT ON COLUMN incidents.state IS 'open, acknowledged, mitigated, resolved, closed.';
COMMENT ON COLUMN incidents.class IS 'What kind; NULL: nobody has said yet.';
COMMENT ON COLUMN incidents.title IS 'In one line.';
COMMENT ON COLUMN incidents.summary IS 'In more words; NULL: none.';
COMMENT ON COLUMN incidents.source IS 'What opened it.';
COMMENT ON COLUMN incidents.detected_by IS 'Who saw it first.';
COMMENT ON COLUMN incidents.signal_key IS 'The signal that opened it; NULL: a person did.';
COMMENT ON COLUMN incidents.signal_state IS 'firing, or cleared: it is over, which closes nothing.';
COMMENT ON COLUMN incidents.signal_since IS 'When it began, as its sender says.';
COMMENT ON COLUMN incidents.signal_cleared_at IS 'When it was over.';
COMMENT ON COLUMN incidents.symbol IS 'The one it is about; NULL: none alone.';
COMMENT ON COLUMN incidents.component IS 'The system it is about; NULL: not known.';
COMMENT ON COLUMN incidents.playbook IS 'What to do; NULL: there is none.';
COMMENT ON COLUMN incidents.opened_at IS 'When it was opened first.';
COMMENT ON COLUMN incidents.opened_by IS 'Who opened it; system: a signal did.';
COMMENT ON COLUMN incidents.clock_at IS
    'From when its clocks run: opened, reopened, or raised to a severity that is waited for.';
COMMENT ON COLUMN incidents.ack_due_at IS 'Somebody has to answer by then; NULL: nobody has to.';
COMMENT ON COLUMN incidents.acked_at IS 'When somebody did; NULL: nobody yet.';
COMMENT ON COLUMN incidents.acked_by IS 'Who.';
COMMENT ON COLUMN incidents.mitigation IS 'none, partial, mitigated.';
COMMENT ON COLUMN incidents.mitigated_at IS 'Since when it is mitigated.';
COMMENT ON COLUMN incidents.resolved_at IS 'When it was resolved last.';
COMMENT ON COLUMN incidents.closed_at IS 'When it was closed.';
COMMENT ON COLUMN incidents.reopened IS 'How often it was opened again.';
COMMENT ON COLUMN incidents.level IS 'Of escalation, as announced: 1, 2, 3.';
COMMENT ON COLUMN incidents.level_next_at IS
    'When the next level is due, by the clock of PostgreSQL; NULL: none is.';
COMMENT ON COLUMN incidents.commander IS 'Who leads; NULL: nobody.';
COMMENT ON COLUMN incidents.scribe IS 'Who writes; NULL: nobody.';
COMMENT ON COLUMN incidents.assignee IS 'Who works on it; NULL: nobody.';
COMMENT ON COLUMN incidents.root_cause IS
    'Why it happened; while NULL nothing is loosened if the incident is critical.';
COMMENT ON COLUMN incidents.postmortem_required IS 'It is closed with a postmortem only.';
COMMENT ON COLUMN incidents.postmortem_url IS 'Where that is.';
COMMENT ON COLUMN incidents.l3 IS
    'What level 3 led to: none; proposed: a halt, to people; due: a halt to be performed; halted.';
COMMENT ON INDEX incidents_by_audit IS 'For gateways that read what has changed.';
COMMENT ON INDEX incidents_open IS 'Those that are not closed.';
COMMENT ON INDEX incidents_signal_once IS 'A signal has one incident that is not closed.';
COMMENT ON INDEX incidents_by_signal IS 'The last incident of a signal.';

CREATE FUNCTION guard_incidents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.number, NEW.source, NEW.signal_key, NEW.opened_at, NEW.opened_by) IS DISTINCT FROM
       (OLD.number, OLD.source, OLD.signal_key, OLD.opened_at, OLD.opened_by)
       OR NEW.version <> OLD.version + 1 OR NEW.audit <= OLD.audit OR NEW.reopened < OLD.reopened THEN
        RAISE EXCEPTION 'incident % cannot be changed so', OLD.number
            USING ERRCODE = 'restrict_violation', HINT = 'Open another incident.';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION guard_incidents() IS
    'How an incident began stays, its versions go on one by one, each with its audit entry.';
CREATE TRIGGER incidents_guard BEFORE UPDATE ON incidents
    FOR EACH ROW EXECUTE FUNCTION guard_incidents();
COMMENT ON TRIGGER incidents_guard ON incidents IS 'Keeps what must not change.';

CREATE TABLE incident_timeline (
    incident  bigint NOT NULL REFERENCES incidents (number),
    seq       bigint NOT NULL,
    at        timestamptz NOT NULL,
    kind      text NOT NULL,
    by        text NOT NULL,
    text      text NOT NULL,
    audit     bigint NOT NULL,
    data      text NOT NULL,
    signal_id text,
    level     bigint,
    clock_at  timestamptz,
    PRIMARY KEY (incident, seq),
    CONSTRAINT incident_timeline_seq CHECK (seq > 0 AND audit > 0),
    CONSTRAINT incident_timeline_kind CHECK (
        kind IN ('opened', 'ack', 'note', 'severity', 'class', 'assign', 'mitigate', 'resolve', 'close',
                 'reopen', 'level', 'alert', 'cleared', 'step', 'task', 'audit', 'page')),
    CONSTRAINT incident_timeline_by CHECK (length(by) BETWEEN 1 AND 256),
    CONSTRAINT incident_timeline_data CHECK (data::json IS NOT NULL),
    CONSTRAINT incident_timeline_level CHECK (num_nulls(level, clock_at) IN (0, 2))
);
CREATE UNIQUE INDEX incident_timeline_signal_once ON incident_timeline (signal_id)
    WHERE signal_id IS NOT NULL;
CREATE UNIQUE INDEX incident_timeline_level_once
    ON incident_timeline (incident, clock_at, level) WHERE level IS NOT NULL;
COMMENT ON TABLE incident_timeline IS 'What happened to an incident, in order. Append-only.';
COMMENT ON COLUMN incident_timeline.incident IS 'incidents.number.';
COMMENT ON COLUMN incident_timeline.seq IS 'Place in it: 1, 2, 3, without gaps.';
COMMENT ON COLUMN incident_timeline.at IS 'When, by the clock of PostgreSQL.';
COMMENT ON COLUMN incident_timeline.kind IS 'What happened.';
COMMENT ON COLUMN incident_timeline.by IS 'Who did it; system: a clock or a signal.';
COMMENT ON COLUMN incident_timeline.text IS 'In words of people.';
COMMENT ON COLUMN incident_timeline.audit IS 'Number of its audit entry.';
COMMENT ON COLUMN incident_timeline.data IS 'What belongs to it, a JSON object.';
COMMENT ON COLUMN incident_timeline.signal_id IS 'ULID of the signal that was entered; NULL: it was none.';
COMMENT ON COLUMN incident_timeline.level IS 'The level of escalation it announces; NULL: none.';
COMMENT ON COLUMN incident_timeline.clock_at IS 'incidents.clock_at at that time, when it announces a level.';
COMMENT ON INDEX incident_timeline_signal_once IS 'A signal is entered once.';
COMMENT ON INDEX incident_timeline_level_once IS
    'A level is announced once each time the clocks run, whatever the programs believe.';

CREATE TABLE incident_tasks (
    incident bigint NOT NULL REFERENCES incidents (number),
    id       bigint NOT NULL,
    text     text NOT NULL,
    owner    text,
    due_at   timestamptz,
    done_at  timestamptz,
    done_by  text,
    PRIMARY KEY (incident, id),
    CONSTRAINT incident_tasks_id CHECK (id > 0),
    CONSTRAINT incident_tasks_text CHECK (length(text) BETWEEN 1 AND 500),
    CONSTRAINT incident_tasks_done CHECK (num_nulls(done_at, done_by) IN (0, 2))
);
COMMENT ON TABLE incident_tasks IS 'What is to be done because of an incident.';
COMMENT ON COLUMN incident_tasks.incident IS 'incidents.number.';
COMMENT ON COLUMN incident_tasks.id IS '1, 2, 3 of that incident.';
COMMENT ON COLUMN incident_tasks.text IS 'What.';
COMMENT ON COLUMN incident_tasks.owner IS 'By whom; NULL: not said.';
COMMENT ON COLUMN incident_tasks.due_at IS 'Until when; NULL: not said.';
COMMENT ON COLUMN incident_tasks.done_at IS 'When it was done; NULL: it is not.';
COMMENT ON COLUMN incident_tasks.done_by IS 'Who said so.';

CREATE TABLE incident_steps (
    incident bigint NOT NULL REFERENCES incidents (number),
    round    bigint NOT NULL,
    step     text NOT NULL,
    outcome  text NOT NULL,
    by       text NOT NULL,
    at       timestamptz NOT NULL,
    notes    text,
    answer   text,
    PRIMARY KEY (incident, round, step),
    CONSTRAINT incident_steps_outcome CHECK (outcome IN ('done', 'skipped')),
    CONSTRAINT incident_steps_step CHECK (step ~ '^[a-z][a-z0-9_]{0,63}$'),
    CONSTRAINT incident_steps_texts CHECK (length(notes) <= 500 AND length(answer) <= 200)
);
COMMENT ON TABLE incident_steps IS 'Steps of its playbook that were done or skipped.';
COMMENT ON COLUMN incident_steps.incident IS 'incidents.number.';
COMMENT ON COLUMN incident_steps.round IS
    'incidents.reopened at that time: an incident that is opened again begins its steps anew.';
COMMENT ON COLUMN incident_steps.step IS 'Id of the step.';
COMMENT ON COLUMN incident_steps.outcome IS 'done or skipped.';
COMMENT ON COLUMN incident_steps.by IS 'Who says so.';
COMMENT ON COLUMN incident_steps.at IS 'When.';
COMMENT ON COLUMN incident_steps.notes IS 'Her words.';
COMMENT ON COLUMN incident_steps.answer IS 'To the question of its guard.';

CREATE FUNCTION refuse_incident_timeline_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'incident_timeline is append-only: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'Add a note.';
END $$;
COMMENT ON FUNCTION refuse_incident_timeline_change() IS
    'Refuses each change of incident_timeline but an insert.';
CREATE TRIGGER incident_timeline_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON incident_timeline
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_incident_timeline_change();
COMMENT ON TRIGGER incident_timeline_append_only ON incident_timeline IS
    'What was written stays as it was written.';
