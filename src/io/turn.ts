/** The event loop's next turn: what is to be read and written by then goes first. */
export { setImmediate as nextTurn } from 'node:timers/promises';
