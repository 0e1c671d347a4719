/** nginx, where it is installed, as a source that nobody can say was written to please us. Its log is the judge. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Sample } from './sample.ts';

const PLACES = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/bin/nginx', '/usr/local/bin/nginx'];
export const nginxPath = PLACES.find((path) => existsSync(path));

export type LogEntry = { readonly method: string; readonly status: number; readonly bodyBytes: number };

export class Nginx {
  readonly url: string;
  readonly #folder: string;
  readonly #child: ReturnType<typeof spawn>;

  private constructor(folder: string, url: string, child: ReturnType<typeof spawn>) {
    this.#folder = folder;
    this.url = url;
    this.#child = child;
  }

  static async start(folder: string, ip: string, port: number, directives = ''): Promise<Nginx> {
    if (nginxPath === undefined) throw new Error('nginx is not installed');
    for (const name of ['files', 'temp']) mkdirSync(join(folder, name), { recursive: true });
    const config = join(folder, 'nginx.conf');
    const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    writeFileSync(
      config,
      `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
       ${process.getuid?.() === 0 ? 'user root;' : ''}
       events {}
       http {
         ${temps.map((name) => `${name}_temp_path ${folder}/temp;`).join(' ')}
         log_format count '$request_method $status $body_bytes_sent $uri';
         access_log ${folder}/access.log count;
         sendfile on;
         server { listen ${ip}:${port}; root ${folder}/files; ${directives} }
       }`,
    );
    execFileSync(nginxPath, ['-t', '-q', '-p', folder, '-c', config, '-e', join(folder, 'error.log')]);
    const child = spawn(nginxPath, ['-p', folder, '-c', config, '-e', join(folder, 'error.log')], { stdio: 'ignore' });
    const nginx = new Nginx(folder, `http://${ip}:${port}`, child);
    await nginx.#answers();
    return nginx;
  }

  serve(name: string, sample: Sample): string {
    const file = join(this.#folder, 'files', name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, '');
    for (const part of sample.parts(0, sample.length, 4 * 1024 * 1024)) writeFileSync(file, part, { flag: 'a' });
    return `${this.url}/${name}`;
  }

  log(name: string): LogEntry[] {
    const lines = readFileSync(join(this.#folder, 'access.log'), 'utf8').trim().split('\n');
    return lines
      .map((line) => line.split(' '))
      .filter(([, , , uri]) => uri === `/${name}`)
      .map(([method = '', status, bytes]) => ({ method, status: Number(status), bodyBytes: Number(bytes) }));
  }

  async close(): Promise<void> {
    this.#child.kill('SIGTERM');
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
  }

  async #answers(): Promise<void> {
    for (;;) {
      try {
        await fetch(this.url);
        return;
      } catch {
        if (this.#child.exitCode !== null) throw new Error('nginx ended at once');
        await new Promise((done) => setTimeout(done, 10));
      }
    }
  }
}
