import { once } from 'node:events';
import { createServer } from 'node:net';

/** A TCP port of this address that nobody has now. Another program may take it meanwhile; on a loopback address of one's own that is not likely. */
export async function freePort(ip: string): Promise<number> {
  const server = createServer().listen(0, ip);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
