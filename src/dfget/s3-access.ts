/** The caller's access to a bucket: flags, else the environment and profile that every S3 tool reads. Loaded for s3: URLs only. */
import type { TaskSpec } from '../protocol/task.ts';
import { accessOf, encodeName, objectUrl, parseS3Url } from '../source/s3-access.ts';
import { signQuery } from '../source/s3-signature.ts';
import type { DownloadFlags } from './flags.ts';

/** `s3` and, where the caller has credentials, a signature that reads this one object. Fault usage. */
export async function s3Access(
  { url, headers }: Pick<TaskSpec, 'url' | 'headers'>,
  flags: DownloadFlags,
): Promise<Pick<TaskSpec, 's3' | 'signature'>> {
  const { bucket, key, versionId } = parseS3Url(url);
  const asked = askedPlace(flags);
  const { place, regionKnown, credentials } = await accessOf(asked, { profile: flags['s3-profile'] }, s3Env(flags));
  const s3 = {
    ...(place.endpoint === undefined ? {} : { endpoint: place.endpoint }),
    ...(regionKnown || credentials !== undefined ? { region: place.region } : {}),
    ...(place.pathStyle === undefined ? {} : { pathStyle: place.pathStyle }),
    ...(asked.anonymous ? { anonymous: true } : {}),
  };
  if (credentials === undefined) return { s3 };
  const version = versionId === undefined ? '' : `?versionId=${encodeName(versionId)}`;
  const object = `${objectUrl(place, bucket, key)}${version}`;
  return { s3, signature: await signQuery({ url: object, headers, region: place.region, credentials }, Date.now()) };
}

/** What the flags say of the place, for listings too. */
export function askedPlace(flags: DownloadFlags): NonNullable<TaskSpec['s3']> {
  return {
    ...(flags['s3-endpoint'] === undefined ? {} : { endpoint: flags['s3-endpoint'] }),
    ...(flags['s3-region'] === undefined ? {} : { region: flags['s3-region'] }),
    ...(flags['s3-path-style'] ? { pathStyle: true } : {}),
    ...(flags['s3-anonymous'] ? { anonymous: true } : {}),
  };
}

/** The environment with what the flags put in its place. */
export function s3Env(flags: DownloadFlags): Readonly<Record<string, string | undefined>> {
  const id = flags['s3-access-key-id'];
  const secret = flags['s3-secret-access-key'];
  if (id === undefined || secret === undefined) return process.env;
  const { AWS_SESSION_TOKEN: _, ...env } = process.env;
  return { ...env, AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret };
}
