/**
 * Node's HTTP server without the rest of `node:http`: an `import` of that module reads each of its exports, among them those that load
 * Node's own fetch and WebSocket, which takes longer than all that the server itself needs.
 */
const { createServer } = process.getBuiltinModule('node:http');

export { createServer };
