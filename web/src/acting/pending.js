// What waits for a second person: requests to loosen, and roles that take two. Asked for again whenever something was asked
// for or decided.
import { computed } from '@preact/signals';
import { onEvent } from '../data/events.js';
import { resource, useResource } from '../data/api.js';
import { isMe } from '../session/session.js';

const PATH = '/v1/changes?open=true';

export const pending = () => resource(PATH, { every: 20000 });
export const usePending = () => useResource(PATH, { every: 20000 });
// For who has people.read.
const ROLES = '/v1/role-requests?open=true';
export const rolePending = () => resource(ROLES, { every: 20000 });
export const useRolePending = () => useResource(ROLES, { every: 20000 });
// Of what waits, what another asked for.
export const forMe = (changes) => changes.filter((c) => !isMe(c.requested_by));
export const pendingList = computed(() => pending().state.value.data?.changes ?? []);

export function startPending() {
  onEvent('change', () => pending().refresh());
  onEvent('role_request', () => rolePending().refresh());
}
