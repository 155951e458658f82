// Roles that take two persons, in words: the same in lists and in the sheet.
export const howWords = ({ kind, role, until }) => `${kind === 'eligible' ? 'may take up ' : ''}${role}${kind === 'temporary' ? ' (taken up)' : ''}${until ? ` until ${until.slice(0, 16).replace('T', ' ')} UTC` : ''}`;
export const roleTitle = (r) => `${r.role} for ${r.user}`;
