/**
 * Where a bucket is and in whose name it is read. What a request says comes first, then the settings of this process, then
 * the environment and the profile files that every S3 tool reads. Invariant: credentials of this process sign only what goes
 * to the endpoint of this process. Without any credentials requests are not signed.
 */
import { readSmall } from '../io/disk.ts';
import { Fault } from '../protocol/faults.ts';
import { canonicalEndpoint } from '../protocol/identity.ts';
import { isRegion } from '../protocol/shapes.ts';
import type { S3Place } from '../protocol/task.ts';

export type Credentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
};

/** Of a process that reads buckets. No secret: these come from the environment or a profile. */
export type S3Settings = {
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly pathStyle?: boolean | undefined;
  readonly profile?: string | undefined;
};

export type Access = {
  readonly place: {
    readonly endpoint: string | undefined;
    readonly region: string;
    readonly pathStyle: boolean | undefined;
  };
  /** The region was told; else it is a guess that the source may correct. */
  readonly regionKnown: boolean;
  readonly credentials: Credentials | undefined;
};

type Env = Readonly<Record<string, string | undefined>>;
type Section = Readonly<Record<string, string>>;

const DEFAULT_REGION = 'us-east-1';
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/;

export async function accessOf(asked: S3Place, settings: S3Settings, env: Env): Promise<Access> {
  const profile = await profileOf(settings.profile, env);
  // A profile that was named goes before the environment, as with other tools.
  const named = settings.profile === undefined ? undefined : credentialsIn(profile);
  const credentials = named ?? credentialsFrom(env) ?? credentialsIn(profile);
  const region = firstOf(asked.region, settings.region, env.AWS_REGION, env.AWS_DEFAULT_REGION, profile.region);
  const own = firstOf(settings.endpoint, env.AWS_ENDPOINT_URL_S3, env.AWS_ENDPOINT_URL, profile.endpoint_url);
  const ownEndpoint = own === undefined ? undefined : canonicalEndpoint(own);
  const endpoint = asked.endpoint === undefined ? ownEndpoint : canonicalEndpoint(asked.endpoint);
  if (region !== undefined && !isRegion(region)) throw new Fault('usage', 'an S3 region is of the form eu-central-1');
  return {
    place: {
      endpoint,
      region: region ?? DEFAULT_REGION,
      pathStyle: asked.pathStyle ?? settings.pathStyle,
    },
    regionKnown: region !== undefined,
    // Nobody can have our name written under a request to a place of his choice.
    credentials: asked.anonymous || endpoint !== ownEndpoint ? undefined : credentials,
  };
}

/** What is empty says nothing: so a variable can be taken back. */
function firstOf(...values: readonly (string | undefined)[]): string | undefined {
  return values.find((value) => value !== undefined && value !== '');
}

export type S3Name = {
  readonly bucket: string;
  /** Not encoded; empty = the bucket itself. */
  readonly key: string;
  readonly versionId: string | undefined;
};

/** Fault usage. */
export function parseS3Url(text: string): S3Name {
  const url = new URL(text);
  if (url.username !== '' || url.password !== '')
    throw new Fault('usage', 'an S3 URL holds no user; credentials come from flags, environment or a profile');
  if (!BUCKET.test(url.host)) throw new Fault('usage', 'an S3 URL is of the form s3://BUCKET/KEY');
  const other = [...url.searchParams.keys()].find((name) => name !== 'versionId');
  if (other !== undefined) throw new Fault('usage', 'in an S3 URL a ? that belongs to the key is written as %3F');
  const versionId = url.searchParams.get('versionId') ?? undefined;
  return { bucket: url.host, key: decoded(url.pathname.slice(1)), versionId };
}

/** The object's address without any signature. */
export function objectUrl({ endpoint, region, pathStyle }: Access['place'], bucket: string, key: string): string {
  const path = key.split('/').map(encodeName).join('/');
  const base = new URL(endpoint ?? `https://s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`);
  // A dot in the bucket's name would not fit the certificate; an endpoint of one's own seldom has a name per bucket.
  const inPath = pathStyle ?? (endpoint !== undefined || bucket.includes('.'));
  const folder = base.pathname.replace(/\/+$/, '');
  return inPath
    ? `${base.origin}${folder}/${bucket}/${path}`
    : `${base.protocol}//${bucket}.${base.host}${folder}/${path}`;
}

/** As signatures want it: everything but letters, digits and -._~ */
export function encodeName(name: string): string {
  return encodeURIComponent(name).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    throw new Fault('usage', 'in an S3 URL a percent sign of the key is written as %25', { cause: error });
  }
}

function credentialsFrom({
  AWS_ACCESS_KEY_ID,
  AWS_SECRET_ACCESS_KEY,
  AWS_SESSION_TOKEN,
}: Env): Credentials | undefined {
  if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) return undefined;
  const token = AWS_SESSION_TOKEN ? { sessionToken: AWS_SESSION_TOKEN } : {};
  return { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY, ...token };
}

function credentialsIn(section: Section): Credentials | undefined {
  return credentialsFrom({
    AWS_ACCESS_KEY_ID: section.aws_access_key_id,
    AWS_SECRET_ACCESS_KEY: section.aws_secret_access_key,
    AWS_SESSION_TOKEN: section.aws_session_token,
  });
}

/** Fault usage when a profile was named that is nowhere. */
async function profileOf(named: string | undefined, env: Env): Promise<Section> {
  const name = firstOf(named, env.AWS_PROFILE) ?? 'default';
  const folder = `${env.HOME ?? ''}/.aws`;
  const credentials = await sectionIn(env.AWS_SHARED_CREDENTIALS_FILE ?? `${folder}/credentials`, [name]);
  const config = await sectionIn(env.AWS_CONFIG_FILE ?? `${folder}/config`, [`profile ${name}`, name]);
  if (named !== undefined && credentials === undefined && config === undefined)
    throw new Fault('usage', `there is no profile ${JSON.stringify(named)} in the S3 credentials file`);
  return { ...config, ...credentials };
}

async function sectionIn(file: string, names: readonly string[]): Promise<Section | undefined> {
  const text = (await readSmall(file).catch(() => undefined))?.toString('utf8');
  if (text === undefined) return undefined; // Not there or not ours to read: then it says nothing.
  let section: Record<string, string> | undefined;
  let inside = false;
  for (const line of text.split(/\r?\n/)) {
    const head = /^\s*\[\s*(.*?)\s*\]\s*(?:[#;].*)?$/.exec(line)?.[1];
    if (head !== undefined) {
      inside = names.includes(head.replace(/\s+/g, ' '));
      if (inside) section ??= {};
      continue;
    }
    const pair = inside ? /^([A-Za-z0-9_]+)\s*=\s*(.*?)(?:\s+[#;].*)?\s*$/.exec(line) : null;
    if (pair?.[1] !== undefined && pair[2] !== undefined && section !== undefined) section[pair[1]] = pair[2];
  }
  return section;
}
