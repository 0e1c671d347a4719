/**
 * A bucket of our own to write to: whole objects, small or in parts, and ranges of them. Credentials as of s3 sources: the
 * environment or a profile of this process. Invariant: an object in parts appears when its last part is there, or never.
 */
import { errors } from 'undici';
import { Fault } from '../protocol/faults.ts';
import type { Span } from '../protocol/piece.ts';
import { createDispatchers, type Dispatchers } from './dispatchers.ts';
import { discard, isAbort, reason } from './http-body.ts';
import { exchange, type HttpAnswer } from './http-exchange.ts';
import { headerOf, retryAfterMs, statusFault } from './http-headers.ts';
import { accessOf, encodeName, objectUrl, parseS3Url, type S3Settings } from './s3-access.ts';
import { signHeaders } from './s3-signature.ts';

export type S3BucketOptions = {
  /** `s3://BUCKET/PREFIX`; keys are below the prefix. */
  readonly url: string;
  readonly settings: S3Settings;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly wallNow: () => number;
  /** Without an answer, or a byte of it, for so long a request has failed. Milliseconds. */
  readonly stallMs: number;
};

/** A part on its way, or one that is there. */
export type S3Part = { readonly number: number; readonly etag: string };

type Call = {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly key: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly signal: AbortSignal;
};

const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
/** So often it is said how much of a read is there. */
const STEP_BYTES = 64 * 1024;

export class S3Bucket {
  readonly #options: S3BucketOptions;
  readonly #dispatchers: Dispatchers;
  readonly #bucket: string;
  readonly #prefix: string;
  /** Told by the store, where it is another one than was said. */
  #region: string | undefined;

  /** Fault usage for a URL that is none of a bucket. */
  constructor(options: S3BucketOptions) {
    const { bucket, key, versionId } = parseS3Url(options.url);
    if (versionId !== undefined) throw new Fault('usage', 's3Store is of the form s3://BUCKET/PREFIX');
    this.#options = options;
    this.#bucket = bucket;
    this.#prefix = key === '' || key.endsWith('/') ? key : `${key}/`;
    this.#dispatchers = createDispatchers(options.env);
  }

  /** A URL below the prefix: what lies there belongs to nobody who asks for a source. */
  owns(url: string): boolean {
    const { bucket, key } = parseS3Url(url);
    return bucket === this.#bucket && key.startsWith(this.#prefix);
  }

  /**
   * Fills `into` with these bytes of an object, and says by `arrived` how many are there. Faults: source-refused (404 and the like),
   * source-unreachable, source-lied.
   */
  async read(
    key: string,
    span: Span,
    into: Uint8Array,
    { signal, arrived }: { readonly signal: AbortSignal; readonly arrived: (bytes: number) => void },
  ): Promise<void> {
    const headers = { range: `bytes=${span.start}-${span.end - 1}` };
    const answer = await this.#ask({ method: 'GET', key, headers, signal }, [206]);
    const bytes = span.end - span.start;
    try {
      for (let at = 0; at < bytes; arrived(at)) {
        const step = Math.min(STEP_BYTES, bytes - at);
        const filled = await answer.body.fill(into.subarray(at, bytes), step);
        if (filled < step) throw lied(key);
        at += filled;
      }
    } catch (error) {
      throw this.#broken(error, key);
    } finally {
      answer.body.close();
    }
  }

  /** A small object; undefined when there is none. */
  async text(key: string, signal: AbortSignal): Promise<string | undefined> {
    const answer = await this.#ask({ method: 'GET', key, signal }, [200, 404]);
    if (answer.statusCode !== 404) return this.#textOf(answer);
    discard(answer);
    return undefined;
  }

  async put(key: string, body: Uint8Array | string, signal: AbortSignal): Promise<void> {
    discard(await this.#ask({ method: 'PUT', key, body, signal }, [200]));
  }

  /** Resolves with the upload's name. */
  async begin(key: string, signal: AbortSignal): Promise<string> {
    const answer = await this.#textOf(await this.#ask({ method: 'POST', key, query: 'uploads=', signal }, [200]));
    const name = /<UploadId>([^<]+)<\/UploadId>/.exec(answer)?.[1];
    if (name === undefined) throw lied(key);
    return name;
  }

  async putPart(key: string, upload: string, number: number, body: Uint8Array, signal: AbortSignal): Promise<S3Part> {
    const query = `partNumber=${number}&uploadId=${encodeName(upload)}`;
    const answer = await this.#ask({ method: 'PUT', key, query, body, signal }, [200]);
    const etag = headerOf(answer.headers, 'etag');
    discard(answer);
    if (etag === undefined) throw lied(key);
    return { number, etag };
  }

  async finish(key: string, upload: string, parts: readonly S3Part[], signal: AbortSignal): Promise<void> {
    const list = parts.map(({ number, etag }) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`);
    const body = `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`;
    const query = `uploadId=${encodeName(upload)}`;
    const answer = await this.#textOf(await this.#ask({ method: 'POST', key, query, body, signal }, [200]));
    // It may fail after the head of the answer has gone.
    if (/<Error[\s>]/.test(answer)) throw new Fault('source-unreachable', `the store could not put together ${key}`);
  }

  async abandon(key: string, upload: string, signal: AbortSignal): Promise<void> {
    const query = `uploadId=${encodeName(upload)}`;
    discard(await this.#ask({ method: 'DELETE', key, query, signal }, [200, 204, 404]));
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    discard(await this.#ask({ method: 'DELETE', key, signal }, [200, 204, 404]));
  }

  close(): Promise<void> {
    return this.#dispatchers.close();
  }

  /** Once more in the bucket's own region when the store says that it is another one. */
  async #ask(call: Call, expected: readonly number[]): Promise<HttpAnswer> {
    const before = this.#region;
    const answer = await this.#send(call);
    if (expected.includes(answer.statusCode)) return answer;
    const region = headerOf(answer.headers, 'x-amz-bucket-region');
    discard(answer);
    if (region !== undefined && region !== before && answer.statusCode < 500) {
      this.#region = region;
      const second = await this.#send(call);
      if (expected.includes(second.statusCode)) return second;
      discard(second);
      throw this.#refused(call, second);
    }
    throw this.#refused(call, answer);
  }

  async #send({ method, key, query = '', headers = {}, body, signal }: Call): Promise<HttpAnswer> {
    const { settings, env, wallNow, stallMs } = this.#options;
    const { place, credentials } = await accessOf({}, settings, env);
    const region = this.#region ?? place.region;
    const name = objectUrl({ ...place, region }, this.#bucket, this.#prefix + key);
    const url = query === '' ? name : `${name}?${query}`;
    const plain = Object.entries(headers);
    const signed =
      credentials === undefined
        ? plain
        : await signHeaders({ method, url, headers: plain, region, credentials }, wallNow());
    const { origin, pathname, search } = new URL(url);
    const options = {
      ...{ origin, path: pathname + search, method, headers: signed.flat() },
      ...{ headersTimeout: stallMs, bodyTimeout: stallMs },
      ...(body === undefined
        ? {}
        : { body: typeof body === 'string' ? body : Buffer.from(body.buffer, body.byteOffset, body.length) }),
    };
    try {
      return await exchange(this.#dispatchers.get(false, []), options, signal);
    } catch (error) {
      throw this.#broken(error, key);
    }
  }

  async #textOf(answer: HttpAnswer): Promise<string> {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    try {
      for await (const part of answer.body) {
        bytes += part.length;
        if (bytes > MAX_ANSWER_BYTES) throw lied('an answer');
        parts.push(Buffer.from(part));
      }
    } catch (error) {
      throw this.#broken(error, this.#bucket);
    }
    return Buffer.concat(parts).toString('utf8');
  }

  #refused({ method, key }: Call, answer: HttpAnswer): Fault {
    const where = `${method} s3://${this.#bucket}/${this.#prefix}${key}`;
    return statusFault(answer.statusCode, where, retryAfterMs(answer.headers, this.#options.wallNow()));
  }

  #broken(error: unknown, what: string): Fault {
    if (error instanceof Fault) return error;
    if (isAbort(error)) return new Fault('cancelled', 'the S3 store is not waited for', { cause: error });
    const why = error instanceof errors.BodyTimeoutError ? 'it stalled' : reason(error);
    return new Fault('source-unreachable', `the S3 store: ${what}: ${why}`, { cause: error });
  }
}

function lied(key: string): Fault {
  return new Fault('source-lied', `the S3 store answered for ${key} what it was not asked`);
}
