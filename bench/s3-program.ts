/** An S3-compatible store at that address; writes each object's name when it is there. `s3-program.ts IP PORT`, keys from AWS_*. */
import { TestS3 } from '../test/support/s3.ts';

const [ip = '', port = '0'] = process.argv.slice(2);
const { AWS_ACCESS_KEY_ID: id = '', AWS_SECRET_ACCESS_KEY: secret = '' } = process.env;
const store = await TestS3.start({ ip, port: Number(port), keys: { [id]: secret } });
store.put('contents', 'other', Buffer.from('x'));
const said = new Set<string>();
setInterval(() => {
  for (const key of store.keys('contents')) {
    if (!said.has(key)) process.stdout.write(`${key}\n`);
    said.add(key);
  }
}, 50);
process.stdout.write('ready\n');
