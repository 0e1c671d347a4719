/**
 * A host's side of a session with as little work as the protocol allows (RFC 6455, text frames and pings): what a load program spends on
 * itself it takes from the supernode that it shares the machine with. Only for a supernode that is trusted: nothing is checked.
 */
import { connect, type Socket } from 'node:net';
import type { HostMessage, SupernodeMessage } from '../src/protocol/messages.ts';

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const FIN = 0x80;
const MASKED = 0x80;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
/** Any will do, but none that is all zero, which the other side need not take off. */
const MASK = Buffer.from([0x5a, 0x17, 0xc3, 0x88]);
const HEAD_END = '\r\n\r\n';

export type LightReceiver = {
  onMessages(messages: readonly SupernodeMessage[]): void;
  onClose(reason: Error): void;
};

export class LightSession {
  readonly #socket: Socket;
  readonly #receiver: LightReceiver;
  #waiting: string[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #upgraded = false;

  /** `place` = `ip:port`. */
  constructor(place: string, receiver: LightReceiver) {
    this.#receiver = receiver;
    const [host = '', port = ''] = place.split(':');
    this.#socket = connect(Number(port), host);
    this.#socket.setNoDelay(true);
    const head = [
      `GET /v1/session HTTP/1.1`,
      `Host: ${place}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${Buffer.alloc(16, 1).toString('base64')}`,
    ];
    this.#socket.write(head.join('\r\n') + HEAD_END);
    this.#socket.on('data', (data: Buffer) => this.#read(data));
    this.#socket.on('error', (error) => receiver.onClose(error));
    this.#socket.on('close', () => receiver.onClose(new Error('the session was closed')));
  }

  /** Queues until the end of the turn. */
  send(message: HostMessage): void {
    if (this.#waiting.push(JSON.stringify(message)) === 1) setImmediate(() => this.sendNow());
  }

  sendNow(): void {
    if (!this.#upgraded || this.#waiting.length === 0) return;
    this.#frame(TEXT, Buffer.from(`[${this.#waiting.join(',')}]`));
    this.#waiting = [];
  }

  #frame(opcode: number, payload: Buffer): void {
    const { length } = payload;
    const long = length < LENGTH_16 ? 0 : 2;
    if (length > 0xffff) throw new Error('no light host has so much to say');
    const frame = Buffer.allocUnsafe(2 + long + MASK.length + length);
    frame[0] = FIN | opcode;
    frame[1] = MASKED | (long === 0 ? length : LENGTH_16);
    if (long > 0) frame.writeUInt16BE(length, 2);
    frame.set(MASK, 2 + long);
    const start = 2 + long + MASK.length;
    for (let at = 0; at < length; at++) frame[start + at] = (payload[at] ?? 0) ^ (MASK[at & 3] ?? 0);
    this.#socket.write(frame);
  }

  #read(data: Buffer): void {
    this.#rest = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    if (!this.#upgraded) {
      const end = this.#rest.indexOf(HEAD_END);
      if (end < 0) return;
      const head = this.#rest.toString('latin1', 0, end);
      if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(head);
      this.#rest = this.#rest.subarray(end + HEAD_END.length);
      this.#upgraded = true;
      this.sendNow();
    }
    while (this.#rest.length > 0 && this.#take());
  }

  /** False when the rest is no whole frame yet. */
  #take(): boolean {
    const rest = this.#rest;
    const short = (rest[1] ?? 0) & 0x7f;
    const head = short === LENGTH_16 ? 4 : short === LENGTH_64 ? 10 : 2;
    if (rest.length < head) return false;
    const length = head === 2 ? short : head === 4 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2));
    if (rest.length < head + length) return false;
    const payload = rest.subarray(head, head + length);
    this.#rest = rest.subarray(head + length);
    const opcode = (rest[0] ?? 0) & 0x0f;
    if (opcode === TEXT) this.#receiver.onMessages(JSON.parse(payload.toString()) as SupernodeMessage[]);
    else if (opcode === PING) this.#frame(PONG, payload);
    else if (opcode === CLOSE) this.#socket.destroy();
    return true;
  }
}
