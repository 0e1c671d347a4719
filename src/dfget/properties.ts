/** The properties of a host, /etc/dragonfly/dfget.yml: what the agent takes where a flag does not say otherwise. */
import { loadSettings, setting } from '../io/config.ts';

const SHAPE = {
  /** `host[:port][=weight]` */
  nodes: setting.list.optional(),
  /** Data centre of this host, and its place in it: `row|rack|…`, widest first. */
  idc: setting.text.optional(),
  location: setting.text.optional(),
  localLimit: setting.rate.optional(),
  minRate: setting.rate.optional(),
  totalLimit: setting.rate.optional(),
  clientQueueSize: setting.count.optional(),
  workHome: setting.text.optional(),
  /** Contents that nobody used for this long are dropped. */
  expireTime: setting.duration.optional(),
  /** Most bytes that the store may take. */
  cacheQuota: setting.size.optional(),
  /** With less than this free on the disk, contents that have rested for intervalThreshold make room. */
  youngGCThreshold: setting.size.optional(),
  /** With no more than this free, idle contents make room at once, until youngGCThreshold is free. */
  fullGCThreshold: setting.size.optional(),
  intervalThreshold: setting.duration.optional(),
} as const;

export type Properties = ReturnType<typeof readProperties>;

/** Limits in bytes per second. Fault usage for a key or value that it does not know. */
export function readProperties(file: string, explicitFile: boolean) {
  return loadSettings({
    program: 'dfget',
    shape: SHAPE,
    flags: {},
    env: {},
    file,
    explicitFile,
  }).values;
}
