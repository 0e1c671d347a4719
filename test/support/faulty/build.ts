/**
 * A test build of an agent: `NODE_OPTIONS=--import=<this file>` runs the program as it is but for two files that can misbehave, and do as
 * the file says that DRAGONFLY_TEST_FAULT names (fault.ts). No flag of the product can do that.
 */
import { registerHooks } from 'node:module';
import './broken-disk.ts';

/** Who imports the first file gets the second. */
const REPLACED: Readonly<Record<string, string>> = {
  'src/store/serving.ts': 'serving.ts',
  'src/peer/piece-fetch.ts': 'piece-fetch.ts',
};

const here = new URL('.', import.meta.url).href;
const root = new URL('../../../', import.meta.url).href;
const missing = new Set(Object.keys(REPLACED));

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    const original = found.url.startsWith(root) ? found.url.slice(root.length) : '';
    const substitute = REPLACED[original];
    // The substitute itself is built upon the original.
    if (substitute === undefined || context.parentURL?.startsWith(here)) return found;
    missing.delete(original);
    return { ...found, url: here + substitute };
  },
});

// A fault that was not built in would let every test pass.
process.on('exit', () => {
  if (process.argv.includes('server') && missing.size > 0)
    process.stderr.write(`not built in, because nobody imports them: ${[...missing].join(', ')}\n`);
});
