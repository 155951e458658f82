// CELL, of the control state, if it was set after version BASE: then a request of that version is refused. Pure.
export const movedSince = (cell, base) => (cell && Number(cell.version) > Number(base) ? cell : undefined);
