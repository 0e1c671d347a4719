/** The supernode's own limits, with their units. */

/** A host that says nothing for so long gets a ping; the session's own heartbeat ends it when that is not answered. */
export const BEAT_MS = 10_000;
export const HELLO_TIMEOUT_MS = 10_000;
/** Contents that one host may announce. */
export const MAX_INVENTORY = 100_000;
/** Tasks that one host may be downloading at once. */
export const MAX_OPEN_PER_HOST = 4096;
/** Piece buffers of all cache fills together. */
export const FILL_BUDGET_BYTES = 64 * 1024 * 1024;
/** Writes of one fill that may wait for the disk: so many, and more while they are together no more than these bytes. */
export const FILL_QUEUE_PIECES = 4;
export const FILL_QUEUE_BYTES = 2 * 1024 * 1024;
/** A source that sends nothing for so long has stalled. */
export const SOURCE_STALL_MS = 30_000;
/** Repeated reads after cuts, without any progress in between. */
export const SOURCE_RETRIES = 5;
/** Reads of a source whose first answer does not come, before hosts are told; the time in which all of them begin. */
export const SOURCE_OPEN_ATTEMPTS = 3;
export const SOURCE_OPEN_PATIENCE_MS = 20_000;
/** A longer Retry-After is the hosts' answer, not ours to wait for. */
export const SOURCE_MAX_REST_MS = 30_000;
export const SOURCE_BACKOFF = { firstMs: 200, maxMs: 5_000 } as const;
/** How long hosts are asked for a manifest before the source is read. */
export const MANIFEST_TIMEOUT_MS = 3_000;
export const CLOSE_TIMEOUT_MS = 5_000;
/** Contents that hosts are told to fetch, over all hosts, at once. */
export const FETCHES_AT_ONCE = 512;
/** A host that was told to fetch and says nothing for so long has failed. */
export const FETCH_SILENCE_MS = 120_000;
/** Of chance in the name of a grant: nobody guesses one. */
export const GRANT_BYTES = 16;
/** How long hosts may take to move here with what another supernode had given them, before the source is read for it. */
export const HOSTS_GRACE_MS = 2_000;
/** With so many hosts their sessions, and not the reading of sources, are what memory is collected for. */
export const MANY_HOSTS = 256;
