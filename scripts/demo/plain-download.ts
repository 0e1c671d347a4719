/** What a host does without Dragonfly: one GET into a file. `node plain-download.ts URL FILE` */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const [url = '', file = ''] = process.argv.slice(2);
const answer = await fetch(url);
if (!answer.ok || answer.body === null) throw new Error(`${url} answered ${answer.status}`);
await pipeline(Readable.fromWeb(answer.body), createWriteStream(file));
