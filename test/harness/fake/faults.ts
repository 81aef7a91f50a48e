import type { CallName } from "./calls.ts";

/** What goes wrong, as data. `worked` says whether the server carried the call out all the same. */
export type FaultKind =
  | { kind: "down" }
  | { kind: "slow"; ms: number }
  | { kind: "trickle"; bytes: number; everyMs: number }
  | { kind: "deadToken" }
  | { kind: "ipRefused" }
  | { kind: "rateLimited" }
  /** A proxy's own page: 502, 503, 504, 520 to 530, or 403. */
  | { kind: "html"; status: number; worked?: boolean }
  | { kind: "invalidJson" }
  | { kind: "hugeJson"; bytes: number }
  | { kind: "redirect"; to: string }
  /** Gives away what the request carried, its own paths and `words`: in headers, and with a status in a body as well. */
  | { kind: "telltale"; words: string; status?: number; form?: "json" | "fields" | "xml" | "html" }
  /** The backup goes away between the list and this call. */
  | { kind: "vanish" }
  /** The backup is replaced by another of the same size before this call; `sameSecond` keeps its Last-Modified. */
  | { kind: "swap"; sameSecond?: boolean }
  /** The body ends after so many bytes: `fin` as PocketBase does at 300 s, `reset` as a dying process does. */
  | { kind: "cutAt"; bytes: number; how?: "fin" | "reset" }
  | { kind: "ignoreRange" }
  | { kind: "wrongRange"; by: number }
  | { kind: "gzip" }
  | { kind: "wrongLength"; by: number }
  /** The connection closes without a byte of answer. */
  | { kind: "reset"; worked?: boolean }
  | { kind: "s3Down" }
  /** A hook that forgets `e.next()`: 204 and no file. */
  | { kind: "hollowCreate" }
  /** 400 "Failed to create backup."; `stored` when a hook threw after the file was written; `details` go into the log. */
  | { kind: "failedCreate"; stored?: boolean; details?: string }
  /** The list leaves out what was made less than this long ago, as S3 may. */
  | { kind: "listLag"; ms: number }
  /** Every other list is empty. */
  | { kind: "flapping" }
  /** 204, and nothing at all happens. */
  | { kind: "lyingRestore" }
  /** 204, the lock blinks, the restore fails, and no log row says so. */
  | { kind: "silentRestoreFailure" }
  /** 204, and the server goes down for good. */
  | { kind: "neverComesBack" };

export type Fault = FaultKind & {
  /** The calls it strikes; all when left out. */
  on?: CallName | CallName[];
  /** Lets so many matching calls pass first. */
  after?: number;
  /** Strikes so often, then heals; for ever when left out. */
  times?: number;
};

type Armed = { fault: Fault; passes: number; left: number };

/** The faults of one fake: every call takes out the ones that strike it. */
export class Faults {
  private armed: Armed[] = [];

  add(...faults: Fault[]): void {
    for (const fault of faults)
      this.armed.push({ fault, passes: fault.after ?? 0, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  clear(kind?: FaultKind["kind"]): void {
    this.armed = kind ? this.armed.filter(({ fault }) => fault.kind !== kind) : [];
  }

  /** Those that strike this call now, at most one of each kind. */
  strike(call: CallName): Strikes {
    const struck: Strikes = {};
    for (const one of this.armed) {
      const { on } = one.fault;
      if (on !== undefined && ![on].flat().includes(call)) continue;
      if (one.passes > 0) one.passes -= 1;
      else if (one.left > 0 && !(one.fault.kind in struck)) {
        one.left -= 1;
        (struck as Record<string, Fault>)[one.fault.kind] = one.fault;
      }
    }
    return struck;
  }
}

export type Strikes = { [K in FaultKind["kind"]]?: Extract<FaultKind, { kind: K }> };

/** Thrown instead of an answer: over HTTP the socket is destroyed, in process `fetch` rejects. */
export class ConnectionCut extends Error {
  constructor() {
    super("the connection was closed");
  }
}
