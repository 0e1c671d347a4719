/** `npm start [-- URL] [--keep]`: shows the main job on this machine and leaves nothing behind, Ctrl-C included. */
import { parseArgs } from 'node:util';
import { Lab } from '../test/support/lab.ts';
import { explainKeep, runDemo } from './demo/run.ts';

const INTERRUPTED = 130;

const { values, positionals } = parseArgs({ options: { keep: { type: 'boolean' } }, allowPositionals: true });
const lab = new Lab();
const interrupted = new Promise<never>((_, fail) => {
  // A terminal and `npm` may each send one: the first counts, the clean-up goes on.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => fail(signal));
});
interrupted.catch(() => undefined);

try {
  const right = await Promise.race([runDemo(lab, positionals[0]), interrupted]);
  process.exitCode = right ? 0 : 1;
  if (values.keep) {
    explainKeep(lab);
    await interrupted.catch(() => undefined);
  }
} catch (error) {
  process.exitCode = error instanceof Error ? 1 : INTERRUPTED;
  process.stderr.write(error instanceof Error ? `demo: ${error.message}\n` : '\ninterrupted; cleaning up\n');
} finally {
  await lab.close();
  // An interrupted demo may still wait for something that will not come.
  process.exit();
}
