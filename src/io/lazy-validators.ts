/**
 * Checks of request bodies, for fastify. To load the compiler of JSON Schema and compile what a program might be asked takes as long as all
 * else that its API needs to start, and most of it is never asked: each schema is compiled when the first body comes for it.
 */
import { createRequire } from 'node:module';
import type { BuildCompilerFromPool } from '@fastify/ajv-compiler';

type Check = { (data: unknown): unknown; readonly errors?: unknown };
type Compile = (route: unknown) => Check;

const load = createRequire(import.meta.url);

export const buildLazyValidator = ((...pool: Parameters<BuildCompilerFromPool>) => {
  let compile: Compile | undefined;
  return (route: unknown) => {
    let check: Check | undefined;
    return (data: unknown) => {
      if (check === undefined) {
        const build = load('@fastify/ajv-compiler') as () => BuildCompilerFromPool;
        compile ??= build()(...pool) as Compile;
        check = compile(route);
      }
      return check(data) === true ? true : { error: check.errors };
    };
  };
}) as unknown as BuildCompilerFromPool;
