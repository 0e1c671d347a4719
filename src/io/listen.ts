/** Starting and stopping a server as promises, with the Fault that a user can act on. */
import type { AddressInfo, ListenOptions, Server } from 'node:net';
import { Fault } from '../protocol/faults.ts';

/** Resolves with the port (0 for a unix socket). Fault port-in-use, or usage for an address that is not ours. */
export function listenOn(server: Server, options: ListenOptions): Promise<number> {
  const place = options.path ?? `${options.host ?? ''}:${options.port}`;
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      server.off('listening', listening);
      reject(listenFault(error, place));
    };
    const listening = () => {
      server.off('error', failed);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? (address as AddressInfo).port : 0);
    };
    server.once('error', failed);
    server.once('listening', listening);
    server.listen(options);
  });
}

export function closeServer(server: Server): Promise<void> {
  if (!server.listening) return Promise.resolve();
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

function listenFault(error: NodeJS.ErrnoException, place: string): Fault {
  switch (error.code) {
    case 'EADDRINUSE':
      return new Fault('port-in-use', `${place} is in use by another program`, { cause: error });
    case 'EACCES':
      return new Fault('usage', `no permission to listen on ${place}`, { cause: error });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new Fault('usage', `${place} is not an address of this machine`, { cause: error });
    default:
      return new Fault('local-io', `cannot listen on ${place}: ${error.message}`, { cause: error });
  }
}
