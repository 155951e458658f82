// How a stage of the pipeline does, from the newest figure of it and from what its component says. Pure.

// STAGE: {flows: true} where nothing at all is trouble, {many: kind} where something is; SIGNAL as GET /v1/signals has it;
// STATE of its component, as one may believe it. A stage that is down is not well, whatever its last figure.
export function stageKind(stage, signal, state) {
  if (!signal || signal.stale) return 'off';
  if (state === 'DOWN' || state === 'DISCONNECTED') return 'bad';
  const n = Number(signal.value);
  if (Number.isNaN(n)) return 'off';
  if (stage.flows) return n > 0 ? 'ok' : 'bad';
  return n > 0 ? stage.many : 'ok';
}
