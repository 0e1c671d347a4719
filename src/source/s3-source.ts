/**
 * s3://bucket/key of any store that speaks Amazon's protocol. Requests are signed with the reader's own credentials, or carry
 * the signature that the asker made for this one object: his keys never leave his host. Redirects to another region are heeded.
 */
import { Fault } from '../protocol/faults.ts';
import type { HeaderMap } from './http-headers.ts';
import { headerOf } from './http-headers.ts';
import type { HttpReader } from './http-reader.ts';
import { type Access, accessOf, encodeName, objectUrl, parseS3Url, type S3Settings } from './s3-access.ts';
import { readListing } from './s3-listing.ts';
import { checkSignature, signHeaders } from './s3-signature.ts';
import type { ListRequest, Source, SourceEntry, SourcePlace, SourceRequest } from './source.ts';

const MAX_BUCKETS = 1_000;
const MAX_LISTED_PAGES = 1_000_000;

export type S3Parts = {
  readonly http: HttpReader;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly wallNow: () => number;
  readonly settings?: S3Settings;
};

export function createS3Source(parts: S3Parts): Source {
  const reader = new S3Reader(parts);
  return {
    schemes: ['s3'],
    open: (request) => reader.open(request),
    list: (request) => reader.list(request),
  };
}

class S3Reader {
  readonly #parts: S3Parts;
  /** Regions that the store told us of buckets. */
  readonly #regions = new Map<string, string>();

  constructor(parts: S3Parts) {
    this.#parts = parts;
  }

  async open(request: SourceRequest) {
    const { bucket, key, versionId } = parseS3Url(request.url);
    if (key === '') throw new Fault('usage', `s3://${bucket}/ names a bucket; give a key in it, or --recursive`);
    const query = versionId === undefined ? '' : `?versionId=${encodeName(versionId)}`;
    return this.#inRegion(bucket, request, async (access, observe) => {
      const url = `${objectUrl(access.place, bucket, key)}${query}`;
      const signed = await this.#signed(request, url, access);
      return this.#parts.http.open({ ...request, ...signed }, observe);
    });
  }

  async *list(request: ListRequest): AsyncGenerator<SourceEntry> {
    const { bucket, key } = parseS3Url(request.url);
    const prefix = key === '' || key.endsWith('/') ? key : `${key}/`;
    let token: string | undefined;
    for (let pages = 0; pages < MAX_LISTED_PAGES; pages++) {
      const query = [
        ['continuation-token', token],
        ['encoding-type', 'url'],
        ['list-type', '2'],
        ['prefix', prefix],
      ].flatMap(([name = '', value]) => (value === undefined ? [] : [`${name}=${encodeName(value)}`]));
      const text = await this.#inRegion(bucket, request, async (access, observe) => {
        const url = `${objectUrl(access.place, bucket, '')}?${query.join('&')}`;
        const { signature: _, ...unsigned } = request;
        const signed = await this.#signed(unsigned, url, access);
        return (await this.#parts.http.page({ ...unsigned, ...signed }, observe)).text;
      });
      const page = readListing(text);
      for (const object of page.objects) {
        // A key that ends in a slash stands for a folder in some tools.
        if (!object.key.startsWith(prefix) || object.key.endsWith('/')) continue;
        const url = `s3://${bucket}/${object.key.split('/').map(encodeName).join('/')}`;
        yield { url, path: object.key.slice(prefix.length), bytes: object.bytes };
      }
      token = page.next;
      if (token === undefined) return;
    }
    throw new Fault('source-lied', `the listing of s3://${bucket}/ has no end`);
  }

  /** Again in the bucket's own region when the store says that it is another one. */
  async #inRegion<T>(
    bucket: string,
    request: SourcePlace,
    read: (access: Access, observe: (status: number, headers: HeaderMap) => void) => Promise<T>,
  ): Promise<T> {
    const asked = request.s3 ?? {};
    const { settings = {}, env } = this.#parts;
    const access = await accessOf(asked, settings, env);
    const key = `${access.place.endpoint ?? ''}/${bucket}`;
    const known = access.regionKnown ? undefined : this.#regions.get(key);
    let told: string | undefined;
    const observe = (_: number, headers: HeaderMap) => {
      told ??= headerOf(headers, 'x-amz-bucket-region');
    };
    try {
      return await read(known === undefined ? access : inRegion(access, known), observe);
    } catch (error) {
      const region = told;
      const wrong = error instanceof Fault && error.code === 'source-refused' && region !== undefined;
      if (!wrong || region === (known ?? access.place.region)) throw error;
      if (request.signature !== undefined) throw elsewhere(bucket, region, error);
      if (this.#regions.size >= MAX_BUCKETS) this.#regions.clear();
      this.#regions.set(key, region);
      return read(inRegion(access, region), () => undefined);
    }
  }

  async #signed(
    request: SourcePlace,
    url: string,
    { place, credentials }: Access,
  ): Promise<Pick<SourcePlace, 'url' | 'headers'>> {
    const { headers, signature } = request;
    if (signature !== undefined) {
      checkSignature(signature, url);
      return { url: `${url.replace(/\?.*/s, '')}?${signature}`, headers };
    }
    if (credentials === undefined) return { url, headers };
    return {
      url,
      headers: await signHeaders({ url, headers, region: place.region, credentials }, this.#parts.wallNow()),
    };
  }
}

/** A signature holds for one region: only the asker can make another. */
function elsewhere(bucket: string, region: string, { sourceStatus }: Fault): Fault {
  const message = `the bucket ${bucket} is in the region ${region}; say so with --s3-region or AWS_REGION`;
  return new Fault('source-refused', message, sourceStatus === undefined ? {} : { sourceStatus });
}

function inRegion(access: Access, region: string): Access {
  return { ...access, place: { ...access.place, region } };
}
