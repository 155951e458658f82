// PostgreSQL's clock cannot be turned: instead what is stored of the incident NUMBER grows older, while no gateway runs.
export function growOlder(stage, number, minutes) {
  stage.sql(`ALTER TABLE incidents DISABLE TRIGGER incidents_guard;
    UPDATE incidents SET clock_at = clock_at - interval '${minutes} min', ack_due_at = ack_due_at - interval '${minutes} min',
      level_next_at = level_next_at - interval '${minutes} min' WHERE number = ${number};
    ALTER TABLE incidents ENABLE TRIGGER incidents_guard`);
}
