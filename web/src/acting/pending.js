// What waits for a second person. Asked for again whenever something was asked for or decided.
import { computed } from '@preact/signals';
import { onEvent } from '../data/events.js';
import { resource, useResource } from '../data/api.js';
import { isMe } from '../session/session.js';

const PATH = '/v1/changes?open=true';

export const pending = () => resource(PATH, { every: 20000 });
export const usePending = () => useResource(PATH, { every: 20000 });
// Of what waits, what another asked for.
export const forMe = (changes) => changes.filter((c) => !isMe(c.requested_by));
export const pendingList = computed(() => pending().state.value.data?.changes ?? []);

export function startPending() {
  onEvent('change', () => pending().refresh());
}
