/** Finds out what a preheat has to bring: a file is one content; for an image its registry is asked for the manifests. */
import { taskIdOf } from '../../io/hash.ts';
import type { Credential } from '../../io/registry-tokens.ts';
import { Fault } from '../../protocol/faults.ts';
import { parseSourceUrl, taskIdentity } from '../../protocol/identity.ts';
import { type ImageManifest, parseImageManifest } from '../../protocol/oci/image-manifest.ts';
import { blobUrl, type ImageReference, parseImageReference } from '../../protocol/oci/image-reference.ts';
import type { Digest, TaskSpec } from '../../protocol/task.ts';
import type { RegistryClient, RegistryRepository } from '../../source/registry-client.ts';
import type { LayerWanted } from './layer.ts';
import { blobsOf, manifestsFor } from './plan.ts';
import { type PreheatRequest, shownSource } from './preheat-request.ts';

/** Manifests of one image that are read: more than all platforms that there are. */
const MAX_MANIFESTS = 64;

/** Faults: usage, bad-message, not-found, and those of the registry. */
export async function planPreheat(
  registries: RegistryClient,
  request: PreheatRequest,
  signal: AbortSignal,
): Promise<readonly LayerWanted[]> {
  return request.type === 'file' ? [fileWanted(request)] : imageWanted(registries, request, signal);
}

/** Fault usage for what can be seen to be wrong at once. */
export function checkRequest(request: PreheatRequest): void {
  if (request.type === 'file') parseSourceUrl(request.url);
  else imageOf(request);
}

function fileWanted(request: PreheatRequest): LayerWanted {
  const { url, headers, filter, digest, identifier } = request;
  const spec: TaskSpec = {
    url,
    headers,
    filter,
    ...(digest === undefined ? {} : { digest }),
    ...(identifier === undefined ? {} : { identifier }),
    ...trust(request),
  };
  return {
    name: shownSource(url),
    task: taskIdOf(taskIdentity(spec)),
    length: null,
    spec: async () => spec,
  };
}

async function imageWanted(
  registries: RegistryClient,
  request: PreheatRequest,
  signal: AbortSignal,
): Promise<readonly LayerWanted[]> {
  const image = imageOf(request);
  const { headers, insecure, cacerts } = request;
  const credential = request.credential ?? userIn(request.url);
  const repository = registries.open(image, { headers, credential, insecure, cacerts, signal });
  const manifests = await readManifests(repository, request);
  return blobsOf(manifests).map(({ digest, size }) => {
    const url = blobUrl(image, digest);
    return {
      name: digest,
      task: taskIdOf(taskIdentity({ url, headers: [], filter: [], digest })),
      length: size,
      spec: async () => ({ url, headers: await repository.blobHeaders(), filter: [], digest, ...trust(request) }),
    };
  });
}

/** The image's own manifest, or those of the wanted platforms where it has an index. */
async function readManifests(
  repository: RegistryRepository,
  { platform }: PreheatRequest,
): Promise<readonly ImageManifest[]> {
  const read = async (reference?: Digest): Promise<ImageManifest> => {
    const { text, mediaType } = await repository.manifest(reference);
    return parseImageManifest(text, mediaType);
  };
  const root = await read();
  if (root.type === 'image') return [root];
  const digests = manifestsFor(root, platform);
  if (digests.length > MAX_MANIFESTS)
    throw new Fault('usage', `the image has ${digests.length} platforms; name the one that is wanted`);
  return Promise.all(digests.map(read));
}

function imageOf({ url }: PreheatRequest): ImageReference {
  const image = parseImageReference(withoutUser(url));
  if (image === undefined)
    throw new Fault(
      'usage',
      'the URL of an image is its name (host/repository:tag) or https://host/v2/name/manifests/tag',
    );
  return image;
}

const USER = /^(https?:\/\/)([^/@]*)@/i;

function withoutUser(text: string): string {
  return text.replace(USER, '$1');
}

/** `https://user:password@registry/…`: a login like any other. */
function userIn(text: string): Credential | undefined {
  const user = USER.exec(text)?.[2];
  if (user === undefined) return undefined;
  const [username = '', ...password] = user.split(':').map((part) => decodeURIComponent(part));
  return { username, password: password.join(':') };
}

function trust({ insecure, cacerts }: PreheatRequest): Pick<TaskSpec, 'insecure' | 'cacerts'> {
  return {
    ...(insecure === undefined ? {} : { insecure }),
    ...(cacerts === undefined ? {} : { cacerts }),
  };
}
