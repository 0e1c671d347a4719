/**
 * Connections to sources, kept apart by how their certificates are checked: what one caller trusts says nothing about the next
 * caller's request to the same host. Proxies come from the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).
 */
import { Agent, type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { trustedCertificates } from '../io/trusted-certificates.ts';
import { bulkConnector, MAX_HEAD_BYTES } from './bulk-connect.ts';

const MAX_KINDS = 32;
const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 10_000;

export interface Dispatchers {
  get(insecure: boolean, cacerts: readonly string[]): Dispatcher;
  close(): Promise<void>;
}

type Env = Readonly<Record<string, string | undefined>>;

export function createDispatchers(env: Env = process.env): Dispatchers {
  /** The longest unused first. */
  const kinds = new Map<string, Dispatcher>();
  return {
    get(insecure, cacerts) {
      const key = JSON.stringify([insecure, cacerts]);
      const dispatcher = kinds.get(key) ?? makeDispatcher(insecure, cacerts, env);
      kinds.delete(key);
      kinds.set(key, dispatcher);
      const [oldest] = kinds;
      if (oldest !== undefined && kinds.size > MAX_KINDS) {
        kinds.delete(oldest[0]);
        // Requests that still run on it end first; that they may fail is told to those who wait for them.
        void oldest[1].close().catch(() => {});
      }
      return dispatcher;
    },
    async close() {
      const all = [...kinds.values()];
      await Promise.all(all.map((dispatcher) => dispatcher.destroy()));
      kinds.clear();
    },
  };
}

function makeDispatcher(insecure: boolean, cacerts: readonly string[], env: Env): Dispatcher {
  const tls = {
    rejectUnauthorized: !insecure,
    ...(cacerts.length === 0 ? {} : { ca: [...trustedCertificates(), ...cacerts] }),
  };
  // HTTP/2 costs several times the CPU per byte and gains nothing for one long body.
  const connect = { timeout: CONNECT_TIMEOUT_MS, allowH2: false, ...tls };
  const options = { keepAliveTimeout: KEEP_ALIVE_MS, maxHeaderSize: MAX_HEAD_BYTES, allowH2: false };
  const httpProxy = env.http_proxy || env.HTTP_PROXY || '';
  const httpsProxy = env.https_proxy || env.HTTPS_PROXY || '';
  if (httpProxy === '' && httpsProxy === '') return new Agent({ ...options, connect: bulkConnector(connect) });
  const noProxy = env.no_proxy || env.NO_PROXY || '';
  return new EnvHttpProxyAgent({ ...options, connect, httpProxy, httpsProxy, noProxy, requestTls: tls });
}
