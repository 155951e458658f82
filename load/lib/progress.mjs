// What one sees while it runs: a line a run, and on a terminal a live line of the part that is going on.
import { format } from './table.mjs';

export class Progress {
  constructor(out = process.stderr) {
    this.out = out;
    this.live = out.isTTY === true;
    this.wide = 0;
  }

  line(text) {
    this.clear();
    this.out.write(`${text}\n`);
  }

  clear() {
    if (this.live && this.wide > 0) this.out.write(`\r${' '.repeat(this.wide)}\r`);
    this.wide = 0;
  }

  begin(scenario, pass, of, seconds) {
    this.scenario = scenario;
    this.line(`${scenario.name}: run ${pass} of ${of}, about ${Math.round(seconds)} s`);
  }

  part(part) {
    this.partStart = Date.now();
    if (!this.live && this.scenario.parts.length > 1) this.line(`  ${part.name}: ${part.sessions} clients`);
  }

  sample(s, part) {
    if (!this.live || s.away) return;
    const text = `  ${part.name}  ${Math.round((Date.now() - this.partStart) / 1000)} s  ${s.clients}/${part.sessions} clients  `
      + `${format(s.sent_per_s, 0)} msg/s  CPU ${format(s.cpu_percent, 0)} %  RSS ${format(s.rss / 2 ** 20, 0)} MiB`;
    this.clear();
    this.out.write(text);
    this.wide = text.length;
  }

  end(runs, seconds) {
    const failed = runs.flatMap((run) => run.failures);
    this.line(`  ${failed.length === 0 ? 'ok' : `FAILED: ${failed[0].what}`}, ${Math.round(seconds)} s`);
  }
}
