/** The registry that most people run, where it is installed: over HTTP or TLS, open, with htpasswd or with bearer tokens. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { request as requestTls } from 'node:https';
import { join } from 'node:path';
import { programPath, Service } from './command.ts';
import { freePort } from './free-port.ts';
import { TokenServer } from './registry-tokens.ts';

export const dockerRegistryPath = programPath('docker-registry');

export const USER = 'robin';
export const PASSWORD = 'a secret of the test';
/** `htpasswd -nbB robin 'a secret of the test'` */
const HTPASSWD = '$2y$05$CGw1eKt.iA1kaB4SUsW3rewrQ9nlcbkJxez00QKw0.AG1NtWnY1XO';

export type DockerRegistryOptions = {
  /** Where its contents lie: two registries may share them. */
  readonly storage: string;
  readonly ip?: string;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly auth?: 'htpasswd' | TokenServer;
};

let count = 0;

export class DockerRegistry {
  readonly host: string;
  readonly url: string;
  readonly #service: Service;

  private constructor(host: string, url: string, service: Service) {
    this.host = host;
    this.url = url;
    this.#service = service;
  }

  static async start(folder: string, options: DockerRegistryOptions): Promise<DockerRegistry> {
    const { ip = '127.0.0.1', tls } = options;
    const home = join(folder, `docker-registry-${++count}`);
    for (const path of [home, options.storage]) mkdirSync(path, { recursive: true });
    const host = `${ip}:${await freePort(ip)}`;
    const config = join(home, 'config.yml');
    writeFileSync(config, configOf(home, host, options));
    const service = new Service('docker-registry', ['serve', config], { cwd: home });
    const url = `${tls === undefined ? 'http' : 'https'}://${host}`;
    await service.ready(() => answers(url));
    return new DockerRegistry(host, url, service);
  }

  /** Successful reads in its access log, as `METHOD path`. */
  reads(): readonly string[] {
    const lines = this.#service.said.matchAll(/"(GET|HEAD) (\/v2\/[^ "]*) HTTP\/1\.1" (\d+)/g);
    return [...lines]
      .filter(([, , , status]) => status === '200' || status === '206')
      .map(([, method, path]) => `${method} ${path}`);
  }

  get log(): string {
    return this.#service.said;
  }

  close(): Promise<void> {
    return this.#service.stop();
  }
}

function configOf(home: string, host: string, { storage, tls, auth }: DockerRegistryOptions): string {
  const file = (name: string, text: string) => {
    writeFileSync(join(home, name), text, { mode: 0o600 });
    return join(home, name);
  };
  const tlsPart = tls && { certificate: file('tls.crt', tls.cert), key: file('tls.key', tls.key) };
  const config = {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: false } },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    http: { addr: host, ...(tlsPart ? { tls: tlsPart } : {}) },
    ...(auth === 'htpasswd'
      ? { auth: { htpasswd: { realm: 'test', path: file('htpasswd', `${USER}:${HTPASSWD}\n`) } } }
      : {}),
    ...(auth instanceof TokenServer
      ? {
          auth: {
            token: {
              realm: auth.realm,
              service: TokenServer.service,
              issuer: TokenServer.issuer,
              rootcertbundle: file('tokens.crt', auth.certificate),
            },
          },
        }
      : {}),
  };
  // JSON is YAML.
  return JSON.stringify(config);
}

/** Any status will do: it listens. */
function answers(url: string): Promise<boolean> {
  const send = url.startsWith('https:') ? requestTls : request;
  return new Promise((done) => {
    send(`${url}/v2/`, { rejectUnauthorized: false }, (response) => {
      response.resume();
      done(true);
    })
      .on('error', () => done(false))
      .end();
  });
}
