/**
 * What belongs to one file of a request alone: access in the caller's name. His credentials are put to use here, on his side: a
 * bucket's keys become a signature for the one object that is asked for, and never leave this process.
 */
import type { TaskSpec } from '../protocol/task.ts';
import type { DownloadFlags } from './flags.ts';

export type OwnSpec = Partial<Pick<TaskSpec, 'headers' | 's3' | 'signature'>>;

/** Fault usage. */
export async function ownSpec(url: string, headers: TaskSpec['headers'], flags: DownloadFlags): Promise<OwnSpec> {
  if (/^s3:/i.test(url)) return (await import('./s3-access.ts')).s3Access({ url, headers }, flags);
  return /^hf:/i.test(url) ? withToken(headers) : {};
}

/** As the hub's own tools do: HF_TOKEN counts where no header says otherwise. */
function withToken(headers: TaskSpec['headers']): OwnSpec {
  const token = process.env.HF_TOKEN;
  const given = headers.some(([name]) => name.toLowerCase() === 'authorization');
  if (given || token === undefined || token === '') return {};
  return { headers: [...headers, ['authorization', `Bearer ${token}`]] };
}
