/** The command lines of what developers run: `--help` prints the usage, and what cannot be understood is said in one line above it. */
import { type ParseArgsConfig, parseArgs } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;

/** Ends the program after `--help` (0) or a mistake (2). */
export function readFlags<const Flags extends Options>(usage: string, options: Flags) {
  if (process.argv.includes('--help') || process.argv.includes('-h')) {
    process.stdout.write(usage);
    process.exit(0);
  }
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    process.exit(2);
  }
}
