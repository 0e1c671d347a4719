/**
 * Signatures of S3 requests (AWS Signature Version 4), made by aws4fetch and wrapped here alone. Either as headers, for a
 * reader with keys of its own, or as a query that lets others read one object for some hours without ever seeing a key.
 */
import { AwsV4Signer } from 'aws4fetch';
import { Fault } from '../protocol/faults.ts';
import type { Credentials } from './s3-access.ts';

type Headers = readonly (readonly [name: string, value: string])[];

export type SignRequest = {
  /** GET where nothing is said. What a PUT sends is not part of its signature. */
  readonly method?: string;
  readonly url: string;
  readonly headers: Headers;
  readonly region: string;
  readonly credentials: Credentials;
};

/** How long others may read with a query that was signed. */
const QUERY_VALID_SECONDS = 12 * 3600;
/** Signed for the beginning of the hour, so that all reads of an hour have one signature. Milliseconds. */
const QUERY_ROUND_MS = 3_600_000;
const QUERY_NAMES = new Set([
  'X-Amz-Algorithm',
  'X-Amz-Credential',
  'X-Amz-Date',
  'X-Amz-Expires',
  'X-Amz-Security-Token',
  'X-Amz-Signature',
  'X-Amz-SignedHeaders',
]);

/** The headers with the signature. */
export async function signHeaders(request: SignRequest, wallNow: number): Promise<Headers> {
  const signer = signerOf(request, { datetime: datetimeOf(wallNow) });
  const { headers } = await signer.sign();
  const own = request.headers.filter(([name]) => !signedHeader(name) && name.toLowerCase() !== 'authorization');
  return [...own, ...headers];
}

/** The query for a read of this URL by others. */
export async function signQuery(request: SignRequest, wallNow: number): Promise<string> {
  const url = new URL(request.url);
  url.searchParams.set('X-Amz-Expires', String(QUERY_VALID_SECONDS));
  const rounded = Math.floor(wallNow / QUERY_ROUND_MS) * QUERY_ROUND_MS;
  const signer = signerOf({ ...request, url: url.href }, { datetime: datetimeOf(rounded), signQuery: true });
  return (await signer.sign()).url.search.slice(1);
}

/**
 * A signature that came from elsewhere may carry nothing that changes which bytes are meant: they are given to others under
 * the name of `url`. Fault usage.
 */
export function checkSignature(query: string, url: string): void {
  const wanted = new URL(url).searchParams.get('versionId');
  const params = new URLSearchParams(query);
  for (const name of params.keys()) {
    const known = QUERY_NAMES.has(name) || (name === 'versionId' && params.get(name) === wanted);
    if (known && params.getAll(name).length === 1) continue;
    throw new Fault('usage', 'the signature of an S3 read holds more than a signature');
  }
  if (wanted !== params.get('versionId'))
    throw new Fault('usage', 'the signature is for another version of the object');
}

function signerOf(
  { method = 'GET', url, headers, region, credentials }: SignRequest,
  more: { datetime: string; signQuery?: boolean },
) {
  return new AwsV4Signer({
    method,
    url,
    headers: Object.fromEntries(headers.filter(([name]) => signedHeader(name))),
    service: 's3',
    region,
    ...credentials,
    ...more,
  });
}

/** Only those that the store demands to be signed; others may be changed on the way. */
function signedHeader(name: string): boolean {
  return /^x-amz-/i.test(name);
}

function datetimeOf(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/[:-]|\.\d{3}/g, '');
}
