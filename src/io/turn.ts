/** The event loop's next turn: what is to be read and written by then goes first. */

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
