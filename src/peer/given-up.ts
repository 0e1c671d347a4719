/** Why what nobody waits for any more is aborted. One for all: an abort without a reason makes one of its own, stack and all, for each download. */
export const GIVEN_UP = new DOMException('nobody waits for it any more', 'AbortError');
