/** The help text, from the same tables that parse. */
import { flagHelp } from '../io/flags.ts';
import { AGENT_FLAGS, DOWNLOAD_FLAGS } from './flags.ts';

export function help(): string {
  return `dfget downloads a file by way of the Dragonfly agent of this host, which it starts if none runs.

  dfget --url URL [--output FILE] [flags]   download
  dfget server [flags]                      run the agent here, in the foreground
  dfget stop [--home DIR]                   end the agent
  dfget cache ls|rm|verify|pin|unpin        look after what this host keeps
  dfget preheat IMAGE|URL [--wait]          bring it to the supernode or to hosts beforehand
  dfget version                             print the version

Flags of a download:
${flagHelp(DOWNLOAD_FLAGS)}

Flags of dfget server:
${flagHelp(AGENT_FLAGS)}

Sizes and rates: 512K, 20M, 1G. Times: 500ms, 30s, 5m, 1h30m. Exit codes: docs/exit-codes.md.
`;
}
