/** The address of this host as another one would see it. */
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { Fault } from '../protocol/faults.ts';

/** The local address of the route to `host`; no packet is sent. Fault supernode-unreachable. */
export async function localAddressTowards(host: string, port: number): Promise<string> {
  try {
    const { address, family } = await lookup(host);
    return await connectedAddress(address, port, family === 6 ? 'udp6' : 'udp4');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Fault('supernode-unreachable', `no way to ${host}: ${why}`, { cause });
  }
}

function connectedAddress(address: string, port: number, type: 'udp4' | 'udp6'): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(type);
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.connect(port, address, () => {
      const local = socket.address().address;
      socket.close(() => resolve(local));
    });
  });
}
