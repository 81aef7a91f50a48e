import { MinuteCounter } from "../access/counters.ts";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { sealer } from "../base/seal.ts";
import type { Sleep } from "../base/sleep.ts";
import type { Reach } from "../http/reach.ts";
import type { OperationKinds } from "../operations/kind.ts";
import { kinds as operationKinds } from "../operations/kinds.ts";
import { requesterRefusal } from "../operations/requester.ts";
import { lastRestore } from "../operations/undo.ts";
import type { Settings } from "../settings.ts";
import type { Fetch } from "../upstream/exchange.ts";
import { auditHandlers } from "./audit/commands.ts";
import { Audit } from "./audit/store.ts";
import { backupHandlers } from "./backups/commands.ts";
import { buildClaims } from "./claims.ts";
import { DelayedWrites } from "./delayed-writes.ts";
import { Door } from "./door/door.ts";
import { aboutBackup } from "./door/requirements.ts";
import { dutiesOf } from "./duties.ts";
import { keyHandlers } from "./keys/commands.ts";
import { KeyMinter } from "./keys/minter.ts";
import { Quotas } from "./keys/quotas.ts";
import { SessionKeys } from "./keys/session-keys.ts";
import { sessionHandlers } from "./keys/sessions.ts";
import { KeyStore } from "./keys/store.ts";
import { BackupOrigins } from "./ledger/backup-origins.ts";
import { eventHandlers } from "./ledger/commands.ts";
import { ExpectedChanges } from "./ledger/expected-changes.ts";
import { Ledger } from "./ledger/store.ts";
import { Expiries } from "./observing/expiries.ts";
import { Judge } from "./observing/judge.ts";
import { Looks } from "./observing/looks.ts";
import { Nudges } from "./observing/nudges.ts";
import { Observer } from "./observing/observer.ts";
import { TrackedBackups } from "./observing/tracked-backups.ts";
import { Verifications } from "./observing/verifications.ts";
import { Verifier } from "./observing/verifier.ts";
import { CleanUps } from "./operations/clean-ups.ts";
import { operationHandlers } from "./operations/commands.ts";
import { Operations } from "./operations/engine.ts";
import { IdempotentRequests } from "./operations/idempotent-requests.ts";
import { runDependenciesOf } from "./operations/run-dependencies.ts";
import { OperationStore } from "./operations/store.ts";
import { administrationHandlers } from "./server/commands.ts";
import { describer } from "./server/describe.ts";
import { Server } from "./server/server.ts";
import { Configuration } from "./server/store.ts";
import { transferHandlers } from "./transfers/commands.ts";
import { Transfers } from "./transfers/store.ts";
import type { EndpointObject } from "./webhooks/commands.ts";
import { buildWebhooks } from "./webhooks/parts.ts";

/** What the platform and the tests give an instance: every effect its parts have goes through here. */
export type Platform = {
  storage: DurableObjectStorage;
  settings: Settings;
  clock: Clock;
  random: Random;
  fetch: Fetch;
  /** Tries a connection to a server; null on Cloudflare, which tells in its answers what is in the way. */
  reach: Reach | null;
  sleep: Sleep;
  /** Keeps the object alive for work that no request waits for. */
  detach: (work: Promise<unknown>) => void;
  /** The object of one webhook endpoint. */
  endpoint: (id: string) => EndpointObject;
  /** An alarm no later than `at`, written with what this turn writes. */
  wake: (at: number) => void;
  /** The storage is only read (src/storage/room.ts): what a list shows is not turned into events. */
  writesNothing?: boolean;
  /** Called when work of its own is over: what is due next may be another moment. */
  settled: () => void;
};

export type Parts = ReturnType<typeof buildParts>;

/** Puts an instance together: each part owns its tables and is handed the others it needs. */
export function buildParts(platform: Platform, kinds: OperationKinds = operationKinds) {
  const { storage, settings, clock, random, fetch, reach, sleep, detach, settled } = platform;
  const { sql } = storage;
  const seals = sealer(settings.encryptionKeys, random);
  const configuration = new Configuration(storage, seals, clock, random);
  const keys = new KeyStore(sql, clock);
  const counters = { rates: new MinuteCounter(), denials: new MinuteCounter(), quotas: new Quotas(sql) };
  const audit = new Audit(sql, clock);
  const transfers = new Transfers(sql, clock, random);
  const ledger = new Ledger(sql, clock, random, () => configuration.own.name);
  const origins = new BackupOrigins(sql);
  const expected = new ExpectedChanges(sql, clock);
  const verifications = new Verifications(sql, clock);
  const tracked = new TrackedBackups(sql);
  const judge = new Judge({ tracked, verifications, skewMs: () => observer.skewMs, clock });
  const observer: Observer = new Observer({
    storage,
    clock,
    ledger,
    expected,
    tracked,
    judge,
    verifications,
    expectation: () => configuration.own.expect,
    verifies: () => configuration.own.verify,
    lastRestore: (since) => lastRestore(rows.recent(), since),
  });
  const server = new Server(configuration, settings, fetch, clock, reach, (listing, began) => {
    if (!platform.writesNothing) observer.take(listing, began);
  });
  const verifier = new Verifier({
    storage,
    server,
    verifications,
    judge,
    ledger,
    clock,
    detach,
    paused: () => operations.pollingPaused,
    judged: () => observer.judgeAgain(),
  });
  const expiries = new Expiries({ storage, keys, configuration, ledger });
  const runDependencies = runDependenciesOf({ configuration, server, origins, judge });
  const rows = new OperationStore({ kinds, storage, ledger, clock, random, sleep });
  const mayUse = buildClaims({ transfers, operations: rows, clock });
  const operations = new Operations(rows, {
    kinds,
    mayUse,
    requesterRefusal: (operation) =>
      requesterRefusal(operation, operation.actor.id ? keys.lineage(operation.actor.id) : null, clock()),
    giveBack: (use) => counters.quotas.giveBack(use),
    runDependencies,
    expected,
    ledger,
    clock,
    random,
    sleep,
    detach,
    ended: async ({ state, target }, change) => {
      if (await server.backupChanged(target.key, change === "deleted" && state === "succeeded")) looks.nudge();
    },
  });
  const idempotent = new IdempotentRequests(sql, operations, clock);
  const looks = new Looks({ configuration, server, operations, observer, clock, detach, settled });
  const webhooks = buildWebhooks({
    ...platform,
    sealer: seals,
    keys,
    ledger,
    instanceName: () => configuration.own.name,
  });
  const view = describer({ configuration, server, judge, endpointsToReseal: () => webhooks.resealing.left(), clock });
  const minter = new KeyMinter({ store: keys, ledger, clock, random, place: () => configuration.own });
  const tokenKeys = new SessionKeys(configuration);
  const door = new Door(
    {
      configuration,
      tokenKeys,
      keys,
      counters,
      audit,
      transfers,
      clock,
      repeats: (actor, command) => "idempotency" in command && idempotent.repeats(actor, command.idempotency),
    },
    {
      ...backupHandlers({ server, judge, observer, origins, clock }),
      ...operationHandlers({ server, judge, operations, keys, idempotent, mayUse, runDependencies, clock }),
      ...transferHandlers({ server, transfers, mayUse, expected, audit }),
      ...sessionHandlers({ configuration, tokenKeys }),
      ...keyHandlers({ store: keys, minter, counters, ledger, clock, narrowed: () => operations.resume() }),
      ...administrationHandlers({ configuration, server, observer, tokenKeys, view }),
      ...auditHandlers({ audit, keys, aboutBackup }),
      ...eventHandlers({ ledger }),
      ...webhooks.handlers,
    },
  );
  const duties = dutiesOf({
    operations,
    delayedWrites: new DelayedWrites([keys, audit]),
    expiries,
    configuration,
    expected,
    looks,
    verifier,
    cleanUps: new CleanUps({ operations, server, observer, detach }),
    webhooks,
    detach,
  });
  return {
    configuration,
    server,
    keys,
    minter,
    audit,
    operations,
    transfers,
    expected,
    ledger,
    looks,
    nudges: new Nudges(sql, clock),
    duties,
    webhooks,
    door,
    view,
  };
}
