// How long the machine held a measurement up: the gateway's loop and this process were ready to run and had no core. A
// promise about waiting is about the rest: what a gateway that blocks, or sleeps too long, takes is not in here.
import { readFileSync } from 'node:fs';

// Of the first thread of PID: the loop that answers HTTP. 0 where the kernel does not tell.
function readyMs(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
  } catch {
    return 0;
  }
}

// Begins a measurement; the result ends it, in milliseconds. Both may have waited at the same time: only the longer counts.
export function heldUp(stage) {
  const now = () => [stage.gateway.pid, process.pid].map(readyMs);
  const from = now();
  return () => Math.max(...now().map((ms, i) => ms - from[i]));
}
