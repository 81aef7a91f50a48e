/** A process under test. */
export type Peer = {
  /** On 127.0.0.1. */
  port: number;
  /** All its processes as they are now. */
  pids(): number[];
};
