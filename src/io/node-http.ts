/**
 * Node's HTTP, taken as CommonJS takes it. An `import` of node:http reads all that it exports, and so loads its WebSocket and fetch too, which
 * nobody here uses: half as much again as the start of Node itself, for every program and every agent that is started.
 */
import type * as Http from 'node:http';

export const { Agent, createServer, request } = process.getBuiltinModule('node:http') as typeof Http;
