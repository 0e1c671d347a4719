/** `dfdaemon gen-ca`: makes an authority for the hosts that dfdaemon shall intercept. Flags as in v1, keys EC. */

import { kindOf } from '../io/disk.ts';
import { type FlagTable, flagHelp, parseFlags } from '../io/flags.ts';
import { hostName } from '../io/this-host.ts';
import { Fault } from '../protocol/faults.ts';
import { AUTHORITY_DAYS, makeAuthority, saveAuthority } from './ca/authority.ts';

const DAY_MS = 86_400_000;
/** RFC 5280 ends at the year 9999; a lifetime beyond a century is a slip. */
const MAX_VALID_MS = 100 * 365 * DAY_MS;

const FLAGS = {
  'cert-output': { kind: 'text', value: 'FILE', help: 'where the certificate goes (ca.crt in this folder)' },
  'key-output': { kind: 'text', value: 'FILE', help: 'where the private key goes, for its owner alone (ca.key)' },
  'common-name': { kind: 'text', value: 'NAME', help: 'what clients will see (dfdaemon on HOSTNAME)' },
  'expire-duration': { kind: 'duration', value: 'TIME', help: 'how long it is valid (87600h, ten years)' },
  overwrite: { kind: 'boolean', help: 'replace what is there: every client must be told the new certificate' },
  help: { kind: 'boolean', short: 'h', help: 'this text' },
} as const satisfies FlagTable;

const HELP = `dfdaemon gen-ca makes a certificate authority for hijack_https.

${flagHelp(FLAGS)}

Name both files in dfdaemon.yml (hijack_https: cert, key), and make the engines trust the certificate.
`;

/** Returns the exit code. Faults: usage, local-io, no-space. */
export async function genCa(args: readonly string[]): Promise<number> {
  const { values, rest } = parseFlags(FLAGS, args);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (rest.length > 0) throw new Fault('usage', `${JSON.stringify(rest[0])} belongs to no flag of gen-ca`);
  const validMs = values['expire-duration'] ?? AUTHORITY_DAYS * DAY_MS;
  if (validMs < 60_000 || validMs > MAX_VALID_MS)
    throw new Fault('usage', '--expire-duration wants a time between a minute and 100 years (876000h)');
  const [certFile, keyFile] = [values['cert-output'] ?? 'ca.crt', values['key-output'] ?? 'ca.key'];
  if (certFile === keyFile) throw new Fault('usage', '--cert-output and --key-output must be two files');
  if (!values.overwrite) for (const file of [certFile, keyFile]) await refuseToReplace(file);
  const commonName = values['common-name'] ?? `dfdaemon on ${hostName()}`;
  if (commonName.length > 64) throw new Fault('usage', '--common-name holds at most 64 characters');
  await saveAuthority(await makeAuthority({ commonName, validMs }), certFile, keyFile);
  process.stdout.write(`certificate: ${certFile}\nprivate key: ${keyFile}\n`);
  return 0;
}

async function refuseToReplace(file: string): Promise<void> {
  if ((await kindOf(file)) === undefined) return;
  throw new Fault('usage', `${file} is there already; choose another name, or replace it with --overwrite`);
}
