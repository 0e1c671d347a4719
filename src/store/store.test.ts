import { join } from 'node:path';
import { openDiskStore } from './disk-store.ts';
import { MemoryStore } from './memory-store.ts';
import { storeConformance } from './store.suite.ts';

storeConformance('disk', ({ folder, ...options }) => openDiskStore({ root: join(folder, 'store'), ...options }));
storeConformance('memory', async ({ folder: _, ...options }) => new MemoryStore(options));
