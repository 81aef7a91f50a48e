import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Outcome } from "../clients.ts";
import { SOON } from "../waiting.ts";
import { openStages, type Side, type Stage, versions } from "./sides.ts";

export type Act = (side: Side, stage: Stage) => Promise<Outcome>;
/** What JSON an answer holds at least, or what is to be seen in it. */
type Seen = object | ((outcome: Outcome) => void);

type More = {
  /** The backups there are before; without it, the table's. */
  given?: readonly string[];
  /** The keys in the store afterwards, on both sides; without it, what was given. */
  after?: readonly string[];
  /** Holds the server's lock meanwhile, by a create of this name ("" generates one) on this side. */
  lock?: { name: string; by: "direct" | "relay" };
  /** This version alone does it: for what takes long and differs in nothing. */
  only?: string;
  /** Headers that are alike on both sides, absent ones included. */
  headers?: readonly string[];
  /** Where the server itself differs. */
  versions?: Record<string, { status?: number; body?: Seen; after?: readonly string[] }>;
  /** Where the relay answers otherwise on purpose: an id of docs/drop-in.md, and what it answers instead. */
  relay?: { differs: string; status?: number; body?: Seen; message?: string; after?: readonly string[] };
};

/** One thing PocketBase does, to be done to the server and to the relay. */
export type Row = { name: string; act: Act; status: number; body?: Seen | undefined } & More;

/** A number at the beginning of a name is that of PocketBase's own scenario (`apis/backup_test.go`). */
export const row = (name: string, act: Act, status: number, body?: Seen, more: More = {}): Row => ({
  name,
  act,
  status,
  body,
  ...more,
});

/** What the relay alone does on purpose, by its row in docs/drop-in.md. */
export const difference = (id: string, what: string, test: () => Promise<void>): void => it(`${id}: ${what}`, test);

export const fourBackups = ["test1.zip", "test2.zip", "test3.zip", "@test4.zip"] as const;

type Table = { call: string; missingScope: string; given?: readonly string[] };

/** Starts the servers once and runs every row against both sides of each version. */
export function conformance(
  { call, missingScope, given }: Table,
  rows: readonly Row[],
  more?: (stages: Stages) => void,
) {
  describe(call, () => {
    let opened: Awaited<ReturnType<typeof openStages>>;
    const stageOf: Stages = (version) => opened.stages.find((stage) => stage.version === version)!;
    beforeAll(async () => {
      opened = await openStages(missingScope);
    });
    afterAll(() => opened?.close());

    // The two servers share nothing, so their rows need not wait for each other.
    for (const version of versions)
      describe(`PocketBase ${version}`, { concurrent: true }, () => {
        describe("is the same through the relay", { concurrent: false }, () => {
          const own = rows.filter(({ only }) => only === undefined || only === version);
          it.each(own.map((each) => [each.name, each] as const))("%s", async (_name, each) => {
            await compare({ given: given ?? [], ...each, ...each.versions?.[version] }, stageOf(version));
          });
        });
      });
    more?.(stageOf);
  });
}

export type Stages = (version: string) => Stage;

async function compare(each: Row, stage: Stage): Promise<void> {
  const given = each.given ?? [];
  const seen: Outcome[] = [];
  for (const side of [stage.direct, stage.behind]) {
    await stage.store.reset(given);
    const free = each.lock ? await hold(each.lock, given, stage) : async () => {};
    try {
      seen.push(await each.act(side, stage));
    } finally {
      await free();
    }
    const held = each.lock?.by === "relay" ? [each.lock.name] : [];
    const own = side.name === "relay" ? each.relay?.after : undefined;
    expect(await stage.store.names(), `the store after, ${side.name}`).toEqual(
      [...new Set([...(own ?? each.after ?? given), ...held])].sort(),
    );
  }
  const [direct, behind] = seen as [Outcome, Outcome];
  expect(direct.status, `the server: ${JSON.stringify(direct.body)}`).toBe(each.status);
  if (each.body) look("the server", direct, each.body);
  const { relay } = each;
  expect(behind.status, `the relay: ${JSON.stringify(behind.body)}`).toBe(relay?.status ?? direct.status);
  if (relay?.body) look("the relay", behind, relay.body);
  else {
    expect(plain(behind), "the relay").toEqual(expected(each, direct));
    expect(kindOf(behind)).toBe(kindOf(direct));
  }
  for (const name of each.headers ?? []) expect(behind.headers.get(name), name).toBe(direct.headers.get(name));
}

function look(who: string, outcome: Outcome, seen: Seen): void {
  if (typeof seen === "function") seen(outcome);
  else expect(withoutRandom(outcome.body), who).toMatchObject(seen);
}

const kindOf = ({ headers }: Outcome) => headers.get("content-type")?.split(";")[0] ?? null;

const isProblem = (body: unknown): body is Record<string, unknown> =>
  typeof body === "object" && body !== null && "status" in body && "message" in body && "data" in body;

/** PocketBase quotes a file's name with random letters in it. */
const withoutRandom = (body: unknown): unknown =>
  isProblem(body) ? JSON.parse(JSON.stringify(body).replace(/\\"[^"]*\\" mime type/, "… mime type")) : body;

/** The relay's body without the three fields it adds to every error. */
function plain({ body }: Outcome): unknown {
  if (!isProblem(body)) return body;
  const { code, hint, requestId, ...rest } = body;
  expect(code).toMatch(/^[a-z_]+$/);
  expect(hint).toBeTypeOf("string");
  expect(requestId).toMatch(/^\w{16}$/);
  return withoutRandom(rest);
}

function expected({ relay }: Row, direct: Outcome): unknown {
  if (!isProblem(direct.body)) return direct.body;
  const { status = direct.status, message = direct.body.message } = relay ?? {};
  return withoutRandom({ ...direct.body, status, message });
}

/** Takes the server's lock by a create that stays in its hook; what it returns frees it. */
async function hold(lock: NonNullable<Row["lock"]>, given: readonly string[], stage: Stage) {
  const byRelay = lock.by === "relay";
  await stage.hook(byRelay ? "hold-make" : "hold-fail");
  // A name that exists would be refused before the lock is taken.
  await stage.store.reset(given.filter((name) => name !== lock.name));
  const side = byRelay ? stage.behind : stage.direct;
  const body = JSON.stringify({ name: lock.name });
  const held = side.raw("POST", "/api/backups", { as: "S", headers: { "content-type": "application/json" }, body });
  await vi.waitUntil(async () => !(await stage.idle()), { ...SOON, interval: 5 });
  await stage.store.reset(given);
  return async () => {
    await stage.hook(null);
    expect((await held).status).toBe(byRelay ? 204 : 400);
  };
}
