import { isoTime } from "../../base/clock.ts";
import type { EventDraft } from "../../ledger/event.ts";
import { expiring, type Warned, type WarningDays } from "../../observing/expiring.ts";
import type { KeyStore } from "../keys/store.ts";
import type { Ledger } from "../ledger/store.ts";
import type { Configuration } from "../server/store.ts";

/** How often expiries are checked. */
export const EXPIRY_ROUND_MS = 3_600_000;

type Deps = {
  storage: DurableObjectStorage;
  keys: KeyStore;
  configuration: Configuration;
  ledger: Ledger;
};

/** Announces 14, 3 and 1 days ahead that a key, or the credential for the server, expires. */
export class Expiries {
  private readonly deps: Deps;

  constructor(deps: Deps) {
    this.deps = deps;
  }

  /** Warns of what ends soon, as of `at`, ms since the epoch. */
  warn(at: number): void {
    const { storage, keys, configuration, ledger } = this.deps;
    const [row] = storage.sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'warned'").toArray();
    const before: Record<string, Warned> = row ? JSON.parse(row.value) : {};
    const after: Record<string, Warned> = {};
    const drafts: EventDraft[] = [];
    const judge = (name: string, expires: number | null, draft: (days: WarningDays, end: string) => EventDraft) => {
      const days = expiring(expires, before[name], at);
      if (days !== null && expires !== null) {
        after[name] = { expires, days, at };
        drafts.push(draft(days, isoTime(expires)));
      } else if (before[name]?.expires === expires) after[name] = before[name]!;
    };
    const actor = { kind: "relay" as const };
    judge("credential", configuration.own.credential.expires ?? null, (daysLeft, expires) => ({
      type: "credential.expiring",
      data: { expires, daysLeft, actor },
    }));
    for (const key of keys.all()) {
      if (key.disabled) continue;
      judge(key.id, key.expires, (daysLeft, expires) => ({
        type: "key.expiring",
        data: { key: { id: key.id, name: key.name }, expires, daysLeft, actor },
      }));
    }
    if (drafts.length === 0) return;
    storage.transactionSync(() => {
      storage.sql.exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('warned', ?)", JSON.stringify(after));
      ledger.append(drafts);
    });
  }
}
