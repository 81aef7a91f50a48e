import { Duties, periodic } from "../storage/duties.ts";
import type { DelayedWrites } from "./delayed-writes.ts";
import type { ExpectedChanges } from "./ledger/expected-changes.ts";
import { EXPIRY_ROUND_MS, type Expiries } from "./observing/expiries.ts";
import type { Looks } from "./observing/looks.ts";
import type { Verifier } from "./observing/verifier.ts";
import type { CleanUps } from "./operations/clean-ups.ts";
import type { Operations } from "./operations/engine.ts";
import type { Configuration } from "./server/store.ts";
import type { buildWebhooks } from "./webhooks/parts.ts";

type Deps = {
  operations: Operations;
  delayedWrites: DelayedWrites;
  expiries: Expiries;
  configuration: Configuration;
  expected: ExpectedChanges;
  looks: Looks;
  verifier: Verifier;
  cleanUps: CleanUps;
  webhooks: ReturnType<typeof buildWebhooks>;
  detach: (work: Promise<unknown>) => void;
};

/** How often values that a former ENCRYPTION_KEY sealed are sealed anew, ms. */
const RESEAL_ROUND_MS = EXPIRY_ROUND_MS;

/**
 * Everything an instance does on its own, in the order in which it runs. The alarm knows this list and nothing else.
 *
 * A new duty is one file with a class that implements `Duty` (src/storage/duties.ts says what that promises), and one row
 * here. Its `due` should follow from what is stored: fields are at their first values again after ten idle seconds, and
 * a duty whose field says "now" at first runs whenever the object wakes. `periodic` makes one that may.
 */
export const dutiesOf = (parts: Deps): Duties =>
  new Duties([
    { name: "operations", due: (now) => parts.operations.due(now), run: () => parts.operations.resume() },
    parts.delayedWrites,
    periodic("expiry warnings", EXPIRY_ROUND_MS, (now) => parts.expiries.warn(now)),
    periodic("re-sealing", RESEAL_ROUND_MS, () => parts.detach(parts.configuration.reseal())),
    { name: "expected changes", due: () => parts.expected.pruneAt, run: () => parts.expected.prune() },
    parts.looks,
    parts.verifier,
    parts.cleanUps,
    parts.webhooks.removals,
    parts.webhooks.resealing,
    parts.webhooks.round,
    parts.webhooks.announcer,
  ]);
