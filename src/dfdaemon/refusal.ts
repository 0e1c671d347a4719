/** What dfdaemon itself has to say when it cannot ask the target: an error in the form that registries' clients show. */
import type { ServerResponse } from 'node:http';
import type { Fault } from '../protocol/faults.ts';

export function refuse(response: ServerResponse, status: number, fault: Fault): void {
  const code = status === 403 ? 'DENIED' : status < 500 ? 'UNSUPPORTED' : 'UNAVAILABLE';
  const body = JSON.stringify({ errors: [{ code, message: `dfdaemon: ${fault.message}` }] });
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    // What a client still sends is not read.
    Connection: 'close',
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}
