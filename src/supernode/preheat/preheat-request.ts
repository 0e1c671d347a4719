/** What a preheat is asked to bring, and where; and how it is shown, which is without any secret. */
import type { Credential } from '../../io/registry-tokens.ts';
import type { FaultValue } from '../../protocol/faults.ts';
import type { ContentId, HostId, TaskId } from '../../protocol/ids.ts';
import type { Platform } from '../../protocol/oci/image-manifest.ts';
import type { Digest } from '../../protocol/task.ts';
import type { HostScope } from './choose-hosts.ts';

export type PreheatRequest = {
  readonly type: 'file' | 'image';
  /** Of a file; for an image its name or the URL of its manifest. */
  readonly url: string;
  /** For the source; may hold secrets. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly filter: readonly string[];
  readonly identifier?: string | undefined;
  readonly digest?: Digest | undefined;
  /** Of an image with an index; absent = all. */
  readonly platform?: Platform | undefined;
  /** Into the supernode's cache only, or on to hosts as well. */
  readonly scope: 'supernode' | HostScope;
  /** For people, to find it again. */
  readonly tag?: string | undefined;
  readonly credential?: Credential | undefined;
  readonly insecure?: boolean | undefined;
  readonly cacerts?: readonly string[] | undefined;
};

export type PreheatState = 'waiting' | 'running' | 'done' | 'failed' | 'stopped';

export type LayerView = {
  /** The digest of an image's blob, the URL of a file. */
  readonly name: string;
  readonly task: TaskId;
  readonly content?: ContentId;
  readonly state: PreheatState;
  /** Bytes in the supernode's cache. */
  readonly done: number;
  readonly length: number | null;
  readonly fault?: FaultValue;
};

export type HostView = {
  readonly host: HostId;
  readonly name: string;
  readonly state: PreheatState;
  /** Bytes that are on the host. */
  readonly done: number;
  readonly layersDone: number;
  /** The first one. */
  readonly fault?: FaultValue;
};

export type PreheatView = {
  readonly id: string;
  readonly type: PreheatRequest['type'];
  readonly url: string;
  readonly tag?: string;
  readonly platform?: string;
  readonly scope: 'supernode' | 'hosts';
  readonly state: PreheatState;
  readonly createdAt: string;
  readonly finishedAt?: string;
  /** Bytes of all layers; null until all are known. */
  readonly length: number | null;
  readonly done: number;
  readonly layers: readonly LayerView[];
  readonly hosts: readonly HostView[];
  readonly fault?: FaultValue;
};

/** No user, no password, no query. The name of an image has none of them. */
export function shownSource(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return text.replace(/[?#].*/s, '');
  return `${url.protocol}//${url.host}${url.pathname}`;
}
