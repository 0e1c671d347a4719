import type { FaultValue } from './faults.ts';
import type { ContentId } from './ids.ts';
import type { ContentShape } from './piece.ts';

/** `algorithm:hex`, lower case: md5, sha1, sha256 or sha512 over the whole content. */
export type Digest = string;

export type Pattern = 'p2p' | 'cdn' | 'source';

/** What a user asks for; everything the supernode needs to read the source in the user's place. */
export type TaskSpec = {
  /** Absolute URL as the user gave it; `filter` takes effect only in the task's identity. */
  readonly url: string;
  /** Repeated names stay repeated. May hold secrets: never logged, never shown by an API. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Names of query parameters that do not identify the content (signatures, expiry). */
  readonly filter: readonly string[];
  readonly digest?: Digest;
  /** Salt of the task's identity; without effect when a digest is given. */
  readonly identifier?: string;
  /** Do not verify the source's certificate. */
  readonly insecure?: boolean;
  /** PEM texts of the authorities to trust for this source, beside the system's. */
  readonly cacerts?: readonly string[];
  readonly callSystem?: string;
  /** Of an s3: URL, where it differs from the reader's own settings. */
  readonly s3?: S3Place;
  /**
   * Query that signs a read of this one s3: object in the asker's name for some hours. A secret; it goes only to the address that
   * follows from `url` and `s3`, so it cannot put another content in this one's place.
   */
  readonly signature?: string;
};

/** Where a bucket is, and how it is spoken to. No secret. */
export type S3Place = {
  /** Absent = the reader's own setting, else Amazon. */
  readonly endpoint?: string;
  readonly region?: string;
  /** `endpoint/bucket/key` in place of `bucket.endpoint/key`; absent = only where an endpoint is given. */
  readonly pathStyle?: boolean;
  /** Unsigned, although the reader has credentials. */
  readonly anonymous?: boolean;
};

/** What the source said about a content besides its bytes; kept with it and handed to those who ask by HTTP. */
export type SourceFacts = {
  readonly etag?: string;
  readonly lastModified?: string;
  readonly contentType?: string;
  /** The source answers ranges, so a read can be resumed and a host may fetch single pieces from it. */
  readonly ranges: boolean;
};

/** A content that may be out of date: its source could not be asked, and the operator allows it (`staleIfError`). */
export type Staleness = {
  /** Milliseconds since 1970 when the source last said that the content is right. */
  readonly checkedAt: number;
  /** Why it could not be asked now. */
  readonly why: FaultValue;
};

/**
 * The proof of a whole content: every piece's sha256 in order. `signature` is the supernode's HMAC over the other
 * fields, with the cluster's secret: a host only keeps it, and a restarted or succeeding supernode can tell from it
 * that the digests are its own kind's and need not read the source again.
 */
export type Manifest = {
  readonly content: ContentId;
  readonly shape: ContentShape;
  readonly facts: SourceFacts;
  /** base64 of the concatenated 32-byte piece digests. */
  readonly digests: string;
  /** Whole-content digest, where one was computed or given. */
  readonly digest?: Digest;
  readonly signature: string;
};
