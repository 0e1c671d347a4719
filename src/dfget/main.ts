/**
 * dfget, the command. It hands the work to the agent and shows how it goes; so it must start fast, and loads nothing
 * before it needs it (scripts/tidy.ts checks that).
 */
import { FAULTS, Fault } from '../protocol/faults.ts';
import { faultLine } from './report.ts';

/** Runs the command and returns its exit code (docs/exit-codes.md). */
export async function main(args: readonly string[]): Promise<number> {
  // A reader that goes away (`dfget … | head -1`) does not stop a download.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  try {
    return await run(args);
  } catch (error) {
    const fault = Fault.of(error);
    if (args.includes('--json'))
      process.stdout.write(`${JSON.stringify({ type: 'failed', fault: fault.toValue() })}\n`);
    process.stderr.write(`${faultLine(fault.toValue())}\n`);
    return FAULTS[fault.code].exit;
  }
}

async function run(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  switch (command) {
    case 'server':
      return (await import('./server-command.ts')).server(rest);
    case 'cache':
      return (await import('./cache-command.ts')).cache(rest);
    case 'preheat':
      return (await import('./preheat-command.ts')).preheat(rest);
    case 'stop':
      return (await import('./stop-command.ts')).stop(rest);
    case 'version':
    case '--version':
      process.stdout.write(`dfget ${(await import('./version.ts')).version()}\n`);
      return 0;
    case undefined:
    case 'help':
    case '--help':
    case '-h':
      process.stdout.write((await import('./help.ts')).help());
      return command === undefined ? FAULTS.usage.exit : 0;
    default:
      return (await import('./download-command.ts')).download(args);
  }
}
