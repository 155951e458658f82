// The way to one server, of one gateway alone: a unix socket that passes everything on until it is cut. Then nothing
// comes through and nothing is said, as behind a broken switch.
import { mkdirSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';

export class Cut {
  constructor(target) {
    Object.assign(this, { target, pairs: new Set(), isCut: false });
  }

  async listen(file) {
    mkdirSync(path.dirname(file), { recursive: true });
    this.server = net.createServer((near) => this.take(near));
    await new Promise((resolve) => this.server.listen(file, resolve));
    return this;
  }

  take(near) {
    const far = net.connect(this.target);
    const pair = [near, far];
    this.pairs.add(pair);
    const drop = () => {
      near.destroy();
      far.destroy();
      this.pairs.delete(pair);
    };
    for (const socket of pair) {
      socket.on('error', drop);
      socket.on('close', drop);
    }
    near.on('data', (data) => this.isCut || far.write(data));
    far.on('data', (data) => this.isCut || near.write(data));
  }

  cut() {
    this.isCut = true;
  }

  // Connections of before have lost bytes: they end.
  heal() {
    this.isCut = false;
    for (const [near] of this.pairs) near.destroy();
  }

  close() {
    this.server.close();
    this.heal();
  }
}

// To STAGE's PostgreSQL; CUT.dsn is what to give a gateway.
export async function cutPostgres(stage, name) {
  const host = new URL(stage.dsn.replace('postgresql:///', 'postgresql://x/')).searchParams.get('host');
  const dir = path.join(stage.dir, name);
  const cut = await new Cut(path.join(host, '.s.PGSQL.5432')).listen(path.join(dir, '.s.PGSQL.5432'));
  cut.dsn = stage.dsn.replace(/host=[^&]*/, `host=${encodeURIComponent(dir)}`);
  return cut;
}

export async function cutRedis(stage, name) {
  const file = path.join(stage.dir, `${name}.sock`);
  const cut = await new Cut(stage.redisSocket).listen(file);
  cut.endpoint = `unix:${file}`;
  return cut;
}
