/** dfdaemon as a process of a lab: its settings as an object, and where engines find it. */
import { writeFileSync } from 'node:fs';
import { freePort } from './free-port.ts';
import { type Lab, ready } from './lab.ts';
import type { Running } from './process.ts';

export type Dfdaemon = {
  /** `ip:port` */
  readonly host: string;
  /** As a proxy and as a mirror. */
  readonly url: string;
  readonly home: string;
  readonly running: Running;
};

/** `settings` are those of dfdaemon.yml. A second call with an old one starts it again at the same place. */
export async function startDfdaemon(
  lab: Lab,
  ip: string,
  node: string,
  settings: Readonly<Record<string, unknown>> = {},
  old?: Dfdaemon,
): Promise<Dfdaemon> {
  const port = old === undefined ? await freePort(ip) : Number(old.host.split(':').at(-1));
  const home = lab.path(`dfdaemon-${ip}`);
  const config = lab.path(`dfdaemon-${ip}.yml`);
  // JSON is YAML.
  writeFileSync(
    config,
    JSON.stringify({ port, hostIp: ip, localIP: ip, workHome: home, supernodes: [node], ...settings }),
  );
  const running = lab.run('dfdaemon', ['--config', config]);
  await ready(running, { host: ip, port });
  const host = `${ip}:${port}`;
  return { host, url: `http://${host}`, home, running };
}
