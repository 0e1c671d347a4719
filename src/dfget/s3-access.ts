/** The caller's access to a bucket: flags, else the environment and profile that every S3 tool reads. Loaded for s3: URLs only. */
import type { TaskSpec } from '../protocol/task.ts';
import { accessOf, encodeName, objectUrl, parseS3Url, type S3Settings } from '../source/s3-access.ts';
import { signQuery } from '../source/s3-signature.ts';
import type { DownloadFlags } from './flags.ts';

/** `s3` and, where the caller has credentials, a signature that reads this one object. Fault usage. */
export async function s3Access(
  { url, headers }: Pick<TaskSpec, 'url' | 'headers'>,
  flags: DownloadFlags,
): Promise<Pick<TaskSpec, 's3' | 'signature'>> {
  const { bucket, key, versionId } = parseS3Url(url);
  const anonymous = flags['s3-anonymous'];
  const { place, regionKnown, credentials } = await accessOf({ anonymous }, s3Settings(flags), s3Env(flags));
  const s3 = {
    ...(place.endpoint === undefined ? {} : { endpoint: place.endpoint }),
    ...(regionKnown || credentials !== undefined ? { region: place.region } : {}),
    ...(place.pathStyle === undefined ? {} : { pathStyle: place.pathStyle }),
    ...(anonymous ? { anonymous } : {}),
  };
  if (credentials === undefined) return { s3 };
  const version = versionId === undefined ? '' : `?versionId=${encodeName(versionId)}`;
  const object = `${objectUrl(place, bucket, key)}${version}`;
  return { s3, signature: await signQuery({ url: object, headers, region: place.region, credentials }, Date.now()) };
}

/** What the flags say of the place: the caller's own words, so his credentials may go there. */
export function s3Settings(flags: DownloadFlags): S3Settings {
  return {
    endpoint: flags['s3-endpoint'],
    region: flags['s3-region'],
    pathStyle: flags['s3-path-style'] ? true : undefined,
    profile: flags['s3-profile'],
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
