/**
 * What fastify does by JSON Schema, loaded when it is needed: to load the compilers of checks and of answers, and to compile what a program
 * might be asked, takes as long as all else that its API needs to start, and most of it is never asked. Each body's schema is compiled
 * when the first body comes for it; the answers' compiler is loaded with the first route that describes its answer.
 */
import { createRequire } from 'node:module';
import type { BuildCompilerFromPool } from '@fastify/ajv-compiler';
import type { SerializerFactory } from '@fastify/fast-json-stringify-compiler';

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

export const buildLazySerializer = ((...schemas: Parameters<SerializerFactory>) => {
  let compile: ReturnType<SerializerFactory> | undefined;
  return (route: Parameters<ReturnType<SerializerFactory>>[0]) => {
    const build = load('@fastify/fast-json-stringify-compiler') as () => SerializerFactory;
    compile ??= build()(...schemas);
    return compile(route);
  };
}) as SerializerFactory;
