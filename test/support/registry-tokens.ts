/**
 * A bearer token server as registries have it: GET with Basic credentials or none, POST with a form. Its tokens are signed
 * JWTs that a real registry accepts by the certificate in them. It counts what it gives, per scope and per user.
 */
import { createPrivateKey, type KeyObject, randomUUID, sign, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { makeAuthority } from '../../src/dfdaemon/ca/authority.ts';

const FORM_LIMIT_BYTES = 64 * 1024;
const VALID_SECONDS = 300;

export type Given = { readonly scope: string; readonly user: string; readonly method: string };
export type Access = { readonly type: string; readonly name: string; readonly actions: readonly string[] };

export type TokenServerOptions = {
  readonly ip?: string;
  readonly validSeconds?: number;
  /** Passwords by user; without it anybody gets a token, anonymous ones too. */
  readonly users?: Readonly<Record<string, string>>;
  /** Under which URL clients are told to ask; that of the server itself when it is left out. */
  readonly realm?: string;
  /** No token is given before this is resolved. */
  readonly gate?: Promise<void>;
};

export class TokenServer {
  static readonly service = 'registry of the test';
  static readonly issuer = 'tokens of the test';
  /** Every token that was given, in order. */
  readonly given: Given[] = [];
  /** The certificate that signs, PEM: what a registry calls its root certificate bundle. */
  readonly certificate: string;
  readonly #server: Server;
  readonly #key: KeyObject;
  readonly #options: TokenServerOptions;
  readonly #tokens = new Map<string, { user: string; access: readonly Access[]; expiresAt: number }>();
  refused = 0;

  private constructor(server: Server, pair: { certificates: string; key: string }, options: TokenServerOptions) {
    this.#server = server;
    this.#key = createPrivateKey(pair.key);
    this.certificate = pair.certificates;
    this.#options = options;
    server.on('request', (request, response) => {
      this.#answer(request)
        .then(({ status, body }) => {
          const challenge = status === 401 ? { 'www-authenticate': 'Basic realm="tokens"' } : {};
          response.writeHead(status, { 'content-type': 'application/json', ...challenge }).end(JSON.stringify(body));
        })
        .catch(() => response.destroy());
    });
  }

  static async start(options: TokenServerOptions = {}): Promise<TokenServer> {
    const server = createServer();
    const tokens = new TokenServer(server, await makeAuthority({ commonName: 'tokens of the test' }), options);
    server.listen(0, options.ip ?? '127.0.0.1');
    await once(server, 'listening');
    return tokens;
  }

  /** `ip:port` */
  get host(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `${address}:${port}`;
  }

  get realm(): string {
    return this.#options.realm ?? `http://${this.host}/token`;
  }

  challenge(scope: string): string {
    const asked = scope === '' ? '' : `,scope="${scope}"`;
    return `Bearer realm="${this.realm}",service="${TokenServer.service}"${asked}`;
  }

  count(scope: string): number {
    return this.given.filter((one) => one.scope === scope).length;
  }

  /** Whether an Authorization header allows that; false for a token that is unknown or over. */
  allows(authorization: string | undefined, name: string, action: string): boolean {
    const token = this.#tokens.get(/^Bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? '');
    if (token === undefined || token.expiresAt <= Date.now()) return false;
    return name === '' || token.access.some((one) => one.name === name && one.actions.includes(action));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage): Promise<{ status: number; body: object }> {
    const url = new URL(request.url ?? '/', 'http://tokens');
    const asked = request.method === 'POST' ? new URLSearchParams(await bodyOf(request)) : url.searchParams;
    await this.#options.gate;
    const { users, validSeconds = VALID_SECONDS } = this.#options;
    const [user, password] = credentialsOf(request.headers.authorization, asked);
    if (users !== undefined && (users[user] === undefined || users[user] !== password)) {
      this.refused++;
      return { status: 401, body: { details: 'incorrect username or password' } };
    }
    const scopes = asked
      .getAll('scope')
      .flatMap((text) => text.split(' '))
      .filter((text) => text !== '');
    const access = scopes.map(accessOf);
    const token = this.#sign(user, access, validSeconds);
    this.#tokens.set(token, { user, access, expiresAt: Date.now() + validSeconds * 1000 });
    this.given.push({ scope: scopes.join(' '), user, method: request.method ?? '' });
    const issued = new Date().toISOString();
    return { status: 200, body: { token, access_token: token, expires_in: validSeconds, issued_at: issued } };
  }

  #sign(user: string, access: readonly Access[], validSeconds: number): string {
    const now = Math.floor(Date.now() / 1000);
    const head = { typ: 'JWT', alg: 'ES256', x5c: [new X509Certificate(this.certificate).raw.toString('base64')] };
    const claims = {
      iss: TokenServer.issuer,
      aud: TokenServer.service,
      sub: user,
      exp: now + validSeconds,
      nbf: now - 10,
      iat: now,
      jti: randomUUID(),
      access,
    };
    const text = [head, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    const signature = sign('sha256', Buffer.from(text), { key: this.#key, dsaEncoding: 'ieee-p1363' });
    return `${text}.${signature.toString('base64url')}`;
  }
}

function credentialsOf(authorization: string | undefined, form: URLSearchParams): [user: string, password: string] {
  const basic = /^Basic (.+)$/i.exec(authorization ?? '')?.[1];
  if (basic === undefined) return [form.get('username') ?? '', form.get('password') ?? ''];
  const [user = '', ...password] = Buffer.from(basic, 'base64').toString('utf8').split(':');
  return [user, password.join(':')];
}

/** `repository:NAME:pull,push`; a name may hold a colon (a port). */
function accessOf(scope: string): Access {
  const [type = '', ...rest] = scope.split(':');
  return { type, name: rest.slice(0, -1).join(':'), actions: (rest.at(-1) ?? '').split(',') };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request.setEncoding('utf8')) {
    text += part;
    if (text.length > FORM_LIMIT_BYTES) throw new Error('the form is too long');
  }
  return text;
}
