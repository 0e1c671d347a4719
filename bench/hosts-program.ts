/**
 * A thousand light hosts in one process: each has a real session, takes its assigned pieces over real sockets, checks
 * and reports them. Their bytes lie in one memory and one piece server, so that the machine can play them all. Prints one
 * line of JSON: seconds until the last one had all, and pieces taken from hosts and from the supernode.
 */
import { once } from 'node:events';
import { sameBytes, sha256, taskIdOf } from '../src/io/hash.ts';
import { silentLog } from '../src/io/log.ts';
import { PieceClient } from '../src/io/piece-client.ts';
import { PieceServer } from '../src/io/piece-server.ts';
import { connectSession } from '../src/io/session.ts';
import { taskIdentity } from '../src/protocol/identity.ts';
import type { HostId } from '../src/protocol/ids.ts';
import { type HeldPiece, PROTOCOL_VERSION, type SupernodeMessage } from '../src/protocol/messages.ts';
import { type ContentShape, pieceCount, pieceSpan } from '../src/protocol/piece.ts';
import { contentPath } from '../src/protocol/piece-path.ts';
import type { Manifest } from '../src/protocol/task.ts';

type Opened = Extract<SupernodeMessage, { type: 'opened' }>;
type Assign = Extract<SupernodeMessage, { type: 'assign' }>;

const [supernode = '', url = '', count = '1000'] = process.argv.slice(2);
const hosts = Number(count);
const spec = { url, headers: [], filter: [] };
const task = taskIdOf(taskIdentity(spec));
const client = new PieceClient({ maxConnectionsPerParent: 16, connectTimeoutMs: 30_000, maxIdleConnections: 64 });
const taken = { hosts: 0, supernode: 0 };
let bytes: Buffer | undefined;
let shape: ContentShape | undefined;
/** As in the manifest, once there is one. */
let digests: Buffer | undefined;

const server = new PieceServer({
  locate: () =>
    shape === undefined
      ? undefined
      : {
          shape,
          has: () => true,
          read: async (offset, into) => void into.set(bytes?.subarray(offset, offset + into.length) ?? []),
          acquire: () => undefined,
          release: () => undefined,
        },
  slots: 0,
  queueLimit: 100_000,
  log: silentLog,
});
const port = await server.listen('127.0.0.1', 0);

function learn(manifest: Manifest): void {
  digests ??= Buffer.from(manifest.digests, 'base64');
}

/** Resolves when this host has every piece. */
function play(index: number): Promise<void> {
  const id = (index + 1).toString(16).padStart(32, '0') as HostId;
  const held = new Set<number>();
  return new Promise((resolve, reject) => {
    const session = connectSession(`ws://${supernode}/v1/session`, {
      connectTimeoutMs: 60_000,
      onOpen: () => undefined,
      onMessages: (messages) => {
        for (const message of messages) {
          if (message.type === 'welcome') session.send({ type: 'open', request: 1, task, spec });
          else if (message.type === 'opened') opened(message);
          else if (message.type === 'assign') for (const at of message.pieces.keys()) void take(message, at);
          else if (message.type === 'manifest') learn(message.manifest);
          else if (message.type === 'refused' || message.type === 'failed') reject(new Error(message.fault.message));
        }
      },
      onClose: reject,
    });
    const site = { idc: '', location: '', machine: id };
    const host = { id, name: `light-${index}`, ip: '127.0.0.1', port, site, version: '0', uploads: true };
    session.send({ type: 'hello', protocol: PROTOCOL_VERSION, host });

    const opened = (message: Opened): void => {
      shape ??= message.shape;
      bytes ??= Buffer.alloc(message.shape.length ?? 0);
      if (message.manifest !== undefined) learn(message.manifest);
      if (message.inline !== undefined) resolve();
    };
    const take = async ({ content, parents, pieces }: Assign, at: number): Promise<void> => {
      const [piece, parentAt, lease, digest] = pieces[at] ?? [0, 0, 0];
      const parent = parents[parentAt];
      const expected =
        digest === undefined ? digests?.subarray(piece * 32, piece * 32 + 32) : Buffer.from(digest, 'base64');
      if (parent === undefined || shape === undefined || expected === undefined)
        throw new Error('an unclear assignment');
      const span = pieceSpan(shape, piece);
      const buffer = Buffer.allocUnsafe(span.end - span.start);
      const since = performance.now();
      try {
        await client.fetch(parent, contentPath(content), span, buffer, { stallMs: 60_000 });
        if (!sameBytes(sha256(buffer), expected)) throw new Error('a wrong piece');
      } catch (error) {
        reject(error);
        return;
      }
      bytes?.set(buffer, span.start);
      taken[parent.port === port ? 'hosts' : 'supernode']++;
      held.add(piece);
      const report: HeldPiece = [piece, lease, Math.round(performance.now() - since)];
      session.send({ type: 'report', content, held: [report], failed: [] });
      if (held.size === pieceCount(shape)) resolve();
    };
  });
}

const started = performance.now();
await Promise.all(Array.from({ length: hosts }, (_, index) => play(index)));
const seconds = (performance.now() - started) / 1000;
process.stdout.write(`${JSON.stringify({ seconds, ...taken })}\n`);
if (process.stdout.writableLength > 0) await once(process.stdout, 'drain');
process.exit(0);
