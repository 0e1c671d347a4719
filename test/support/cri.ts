/**
 * Kubernetes' way to pull: containerd's ImageService (CRI, runtime.v1) over its socket. gRPC is a POST over HTTP/2 with one
 * length-prefixed protobuf message each way, and the four messages here have a few texts each: no library is needed.
 */
import { type ClientHttp2Session, connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';

const LONGEST_CALL_MS = 120_000;
/** One byte that says whether it is compressed, four of length. */
const PREFIX_BYTES = 5;
const LENGTH_DELIMITED = 2;

export type CriCredentials = { readonly username: string; readonly password: string };
export type CriResult = { readonly code: number; readonly said: string; readonly imageRef: string };

export class CriImages {
  readonly #session: ClientHttp2Session;

  constructor(socket: string) {
    this.#session = connect('http://localhost', { createConnection: () => connectSocket(socket) });
    // What breaks is told to the call that runs.
    this.#session.on('error', () => undefined);
  }

  /** `code` is gRPC's: 0 = pulled and unpacked. */
  async pull(reference: string, credentials?: CriCredentials): Promise<CriResult> {
    const auth =
      credentials === undefined ? [] : [field(2, [text(1, credentials.username), text(2, credentials.password)])];
    const { code, said, message } = await this.#call('PullImage', [imageSpec(reference), ...auth]);
    return { code, said, imageRef: fieldsOf(message).get(1)?.toString() ?? '' };
  }

  /** The id of an image; undefined when containerd does not have it. */
  async status(reference: string): Promise<string | undefined> {
    const { code, said, message } = await this.#call('ImageStatus', [imageSpec(reference)]);
    if (code !== 0) throw new Error(said);
    const image = fieldsOf(message).get(1);
    return image === undefined ? undefined : fieldsOf(image).get(1)?.toString();
  }

  close(): void {
    this.#session.destroy();
  }

  #call(method: string, parts: readonly Buffer[]): Promise<{ code: number; said: string; message: Buffer }> {
    const body = Buffer.concat(parts);
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt32BE(body.length, 1);
    const call = this.#session.request({
      ':method': 'POST',
      ':path': `/runtime.v1.ImageService/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    call.setTimeout(LONGEST_CALL_MS, () => call.destroy(new Error(`${method} takes too long`)));
    call.end(Buffer.concat([prefix, body]));
    return new Promise((done, fail) => {
      let status: Record<string, unknown> = {};
      const chunks: Buffer[] = [];
      const learn = (headers: Record<string, unknown>) => {
        status = { ...status, ...headers };
      };
      call.on('response', learn).on('trailers', learn);
      call.on('data', (chunk: Buffer) => chunks.push(chunk));
      call.on('error', fail);
      call.on('end', () => {
        const code = Number(status['grpc-status'] ?? Number.NaN);
        const said = decodeURIComponent(String(status['grpc-message'] ?? ''));
        done({ code, said, message: Buffer.concat(chunks).subarray(PREFIX_BYTES) });
      });
    });
  }
}

function imageSpec(reference: string): Buffer {
  return field(1, [text(1, reference)]);
}

function text(number: number, value: string): Buffer {
  return field(number, [Buffer.from(value)]);
}

function field(number: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([varint((number << 3) | LENGTH_DELIMITED), varint(body.length), body]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** The last field of each number that has a length; numbers are skipped. */
function fieldsOf(message: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  let at = 0;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = number();
    const value = number();
    if ((tag & 7) !== LENGTH_DELIMITED) continue;
    found.set(tag >>> 3, message.subarray(at, at + value));
    at += value;
  }
  return found;
}
