/** `npm run test:clients [-- --short]`: dfdaemon between real container clients and a real registry. Installs nothing. */
import { PACKAGES } from '../test/support/client-programs.ts';
import { programPath } from '../test/support/command.ts';
import { clients, runSteps } from './steps.ts';

const rows = Object.entries(PACKAGES).map(([program, name]) => ({ program, name, path: programPath(program) }));
for (const { program, name, path } of rows)
  console.log(`${path === undefined ? 'MISSING' : 'ok     '} ${program} (Debian: ${name})`);
const missing = [...new Set(rows.filter(({ path }) => path === undefined).map(({ name }) => name))];
if (missing.length > 0) console.log(`apt-get install --no-install-recommends ${missing.join(' ')}`);

const isShort = process.argv.includes('--short');
process.exitCode = await runSteps([[`real clients${isShort ? ', short' : ''}`, () => clients(isShort)]]);
