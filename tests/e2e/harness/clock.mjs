// A process with clocks of its own: see tests/env/clock_shift.c.
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const source = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../env/clock_shift.c');

export class Clock {
  constructor(stage, name) {
    this.library = path.join(stage.dir, 'clock_shift.so');
    this.file = path.join(stage.dir, `${name}.clock`);
    if (!existsSync(this.library)) execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', this.library, source, '-ldl']);
    this.real = this.mono = 0;
    this.write('w');
  }

  // For `env` of whom it is for.
  get env() {
    return { ...process.env, LD_PRELOAD: this.library, CLOCK_SHIFT_FILE: this.file };
  }

  write(flag) {
    const bytes = Buffer.alloc(16);
    bytes.writeBigInt64LE(BigInt(Math.round(this.real * 1e9)), 0);
    bytes.writeBigInt64LE(BigInt(Math.round(this.mono * 1e9)), 8);
    writeFileSync(this.file, bytes, { flag }); // in place: it is mapped
  }

  // Time goes by.
  pass(seconds) {
    this.real += seconds;
    this.mono += seconds;
    this.write('r+');
  }

  // Somebody sets the clock.
  set(seconds) {
    this.real += seconds;
    this.write('r+');
  }
}
