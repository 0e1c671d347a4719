/** What dfdaemon has done since its start: for its status. */
export class Tally {
  requests = 0;
  p2p = 0;
  passed = 0;
  tunnels = 0;
  intercepted = 0;
  /** Bytes of answers that went by the engine's path. */
  sent = 0;
  /** Of these, bytes that had to come straight from the source. */
  bySource = 0;
}
