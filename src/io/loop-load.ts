/** How busy this program's thread is. */
import { performance } from 'node:perf_hooks';

const MICROS_PER_MS = 1000;

/**
 * Each call gives the share of the time since the last one that this program's thread was at work, 0 to 1. While others use the machine too the event
 * loop looks busy when it only waits for its turn; so it counts no more than the processor time that was used.
 */
export function loopLoad(): () => number {
  let at = performance.now();
  let loop = performance.eventLoopUtilization();
  let cpu = process.cpuUsage();
  return () => {
    const elapsed = performance.now() - at;
    const { utilization } = performance.eventLoopUtilization(loop);
    const { user, system } = process.cpuUsage(cpu);
    at += elapsed;
    loop = performance.eventLoopUtilization();
    cpu = process.cpuUsage();
    return elapsed > 0 ? Math.min(utilization, (user + system) / MICROS_PER_MS / elapsed) : 0;
  };
}
