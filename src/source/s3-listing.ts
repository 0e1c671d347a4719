/** PURE. One page of ListObjectsV2. The few elements that are read hold no others of their name, so no tree is built. */
import { Fault } from '../protocol/faults.ts';

export type ListingPage = {
  readonly objects: readonly { readonly key: string; readonly bytes: number | null }[];
  /** Token of the next page. */
  readonly next: string | undefined;
};

export function readListing(xml: string): ListingPage {
  if (!/<ListBucketResult[\s>]/.test(xml)) throw new Fault('source-lied', 'the store answered with no listing');
  // Keys may hold what XML cannot say, so they are asked for in URL encoding; not every store heeds that.
  const encoded = elementOf(xml, 'EncodingType') === 'url';
  const objects = [...xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)].flatMap(([, inside = '']) => {
    const key = elementOf(inside, 'Key');
    if (key === undefined) return [];
    const bytes = Number(elementOf(inside, 'Size') ?? Number.NaN);
    return [{ key: encoded ? decodeKey(key) : key, bytes: Number.isSafeInteger(bytes) ? bytes : null }];
  });
  const more = elementOf(xml, 'IsTruncated') === 'true';
  return { objects, next: more ? elementOf(xml, 'NextContinuationToken') : undefined };
}

function elementOf(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return text === undefined ? undefined : unescaped(text);
}

const NAMES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replace(/&(?:(amp|lt|gt|quot|apos)|#(\d{1,7})|#x([0-9a-fA-F]{1,6}));/g, (whole, name, decimal, hex) => {
    if (name !== undefined) return NAMES[String(name)] ?? whole;
    const point = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal);
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}

function decodeKey(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (cause) {
    throw new Fault('source-lied', 'the store sent a key in a broken encoding', { cause });
  }
}
