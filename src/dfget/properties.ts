/** The properties of a host, /etc/dragonfly/dfget.yml: what the agent takes where a flag does not say otherwise. */
import { loadSettings, setting } from '../io/config.ts';

const SHAPE = {
  /** `host[:port][=weight]` */
  nodes: setting.list.optional(),
  localLimit: setting.rate.optional(),
  minRate: setting.rate.optional(),
  totalLimit: setting.rate.optional(),
  clientQueueSize: setting.count.optional(),
  workHome: setting.text.optional(),
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
