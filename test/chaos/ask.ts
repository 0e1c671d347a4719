/** Questions to agents (on their sockets) and supernodes; nobody waits long for a process that may be stopped. */
import { request } from 'node:http';

const PATIENCE_MS = 1_500;

export type Target = { readonly socketPath: string } | { readonly host: string; readonly port: number };

/** The answer's JSON, or undefined when there is none in time. */
export function ask(target: Target, path: string): Promise<unknown> {
  return new Promise((done) => {
    const asked = request({ ...target, path, agent: false, signal: AbortSignal.timeout(PATIENCE_MS) }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('error', () => done(undefined));
      response.on('end', () => done(response.statusCode === 200 ? parsed(text) : undefined));
    });
    asked.on('error', () => done(undefined)).end();
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export type Status = {
  readonly pid: number;
  readonly supernodes: readonly { readonly place: string; readonly up: boolean; readonly upMillis?: number }[];
  readonly downloads: number;
  readonly contents: number;
};

export type Contents = {
  readonly contents: readonly {
    readonly content: string;
    readonly url: string;
    readonly heldBytes: number;
    readonly complete: boolean;
  }[];
};
