import fc from "fast-check";
import { expect, it } from "vitest";
import { anInstance, call, clock, type TestInstance } from "../../harness/worker.ts";

/*
 * Random trees of keys, grown and changed through the real API by whoever tries, against a model that knows nothing of
 * the relay but this: a key may what it and every key above it may, now.
 */

const SCOPES = ["backups:list", "backups:delete", "keys:read", "keys:write", "events:read", "audit:read"] as const;
type Scope = (typeof SCOPES)[number];

/** A call that needs the scope, and what a key that has it is answered. */
const PROBES: { scope: Scope; method: string; path: string; allowed: number }[] = [
  { scope: "backups:list", method: "GET", path: "/api/backups", allowed: 200 },
  { scope: "backups:delete", method: "DELETE", path: "/api/backups/a-missing.zip", allowed: 400 },
  { scope: "keys:read", method: "GET", path: "/v1/keys?limit=1", allowed: 200 },
  { scope: "events:read", method: "GET", path: "/v1/events?limit=1", allowed: 200 },
  { scope: "audit:read", method: "GET", path: "/v1/audit?limit=1", allowed: 200 },
];

type Limits = { scopes: Scope[]; disabled: boolean; patterns: string[]; networks: string[] };
type Modelled = Limits & {
  id: string;
  text: string;
  parent: Modelled | null;
  gone: boolean;
  /** Texts, sessions and tickets of secrets that were rotated away. */
  dead: string[];
  session: string | null;
  ticket: string | null;
};

/** Within the network that admits, from a new address each time: what is refused is braked by address. */
const here = (): string => `192.0.2.${1 + (asked++ % 250)}`;
let asked = 0;
const aLimits = fc.record({
  scopes: fc.uniqueArray(fc.constantFrom(...SCOPES), { minLength: 1 }),
  patterns: fc.constantFrom<string[]>(["*"], ["*"], ["a-*"], ["b-*"]),
  networks: fc.constantFrom<string[]>([], [], [], ["192.0.2.0/24"], ["203.0.113.0/24"]),
});
/** Below 6 one of the keys, else the administrator. */
const who = fc.nat(9);
const ADMINISTRATOR = 9;
const aStep = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("mint" as const), actor: who, limits: aLimits, within: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("change" as const),
      actor: who,
      target: who,
      change: fc.oneof(aLimits, fc.record({ scopes: fc.constant([...SCOPES]) }), fc.record({ disabled: fc.boolean() })),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("rotate" as const), actor: who, target: who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("delete" as const), actor: who, target: who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("login" as const), target: who }) },
);

type Step = typeof aStep extends fc.Arbitrary<infer T> ? T : never;

const chain = (key: Modelled): Modelled[] => (key.parent ? [key, ...chain(key.parent)] : [key]);
const lives = (key: Modelled): boolean => chain(key).every(({ disabled, gone }) => !disabled && !gone);
const near = (key: Modelled): boolean =>
  chain(key).every(({ networks }) => networks.length === 0 || networks.includes("192.0.2.0/24"));
const sees = (key: Modelled): boolean => chain(key).every(({ patterns }) => !patterns.includes("b-*"));
const has = (key: Modelled, scope: Scope): boolean => chain(key).every(({ scopes }) => scopes.includes(scope));

/** A minute is over before the next look: what keys were denied counts by the minute. */
const MINUTE = 62_000;

/** What the model says a probe is answered. */
function expected(key: Modelled, { scope, allowed }: (typeof PROBES)[number]): number {
  if (!lives(key)) return 401;
  if (!near(key) || !has(key, scope)) return 403;
  return scope === "backups:delete" && !sees(key) ? 404 : allowed;
}

class Trial {
  readonly keys: Modelled[] = [];
  private readonly instance: TestInstance;

  constructor(instance: TestInstance) {
    this.instance = instance;
  }

  private actor(n: number): Modelled | null {
    return n < 6 ? (this.keys[n % this.keys.length] ?? null) : null;
  }

  private by(actor: Modelled | null) {
    return actor ? { as: actor.text, address: here() } : { instance: this.instance.name, address: here() };
  }

  async run(step: Step): Promise<void> {
    if (step.do === "mint") return this.mint(step);
    const target = this.keys[step.target % Math.max(1, this.keys.length)];
    if (!target) return;
    if (step.do === "login") return this.login(target);
    const actor = this.actor(step.actor);
    const path = `/v1/keys/${target.id}`;
    const answer =
      step.do === "change"
        ? await call(path, { method: "PATCH", body: step.change, ...this.by(actor) })
        : step.do === "rotate"
          ? await call(`${path}/rotate`, { body: { graceSeconds: 0 }, ...this.by(actor) })
          : await call(path, { method: "DELETE", ...this.by(actor) });
    if (answer.status >= 300) return;
    this.mayAct(actor);
    expect(target.gone).toBe(false);
    if (actor) expect(chain(target).slice(1), "only keys below oneself are one's own").toContain(actor);
    if (step.do === "change") {
      if ("disabled" in step.change && step.change.disabled && !target.disabled) this.endTokens(target);
      Object.assign(target, step.change);
    } else if (step.do === "delete") target.gone = true;
    else {
      target.dead.push(...[target.text, target.session, target.ticket].filter((text) => text !== null));
      Object.assign(target, { text: answer.json.key, session: null, ticket: null });
    }
  }

  /** A key that is disabled loses its sessions and those of all keys below it, for good. */
  private endTokens(target: Modelled): void {
    for (const key of this.keys.filter((each) => chain(each).includes(target))) {
      if (key.session !== null) key.dead.push(key.session);
      key.session = null;
    }
  }

  private mayAct(actor: Modelled | null): void {
    if (!actor) return;
    expect(lives(actor) && near(actor) && has(actor, "keys:write"), "a key that may not write keys did").toBe(true);
  }

  private async mint({ actor, limits: asked, within }: Extract<Step, { do: "mint" }>): Promise<void> {
    if (this.keys.length >= 6) return;
    const parent = this.actor(actor);
    // What exceeds the parent is refused; more trees grow when some ask for less.
    const scopes = parent && within ? asked.scopes.filter((scope) => has(parent, scope)) : asked.scopes;
    const limits = { ...asked, scopes };
    const answer = await call("/v1/keys", { body: { name: "k", ...limits }, ...this.by(parent) });
    if (answer.status !== 201) return;
    this.mayAct(parent);
    expect(parent ? chain(parent).length : 0).toBeLessThan(3);
    if (parent) for (const scope of limits.scopes) expect(has(parent, scope), `minted ${scope}`).toBe(true);
    const { id, key } = answer.json;
    const secrets = { text: key, dead: [], session: null, ticket: null };
    this.keys.push({ id, parent, gone: false, disabled: false, ...secrets, ...limits });
  }

  private async login(key: Modelled): Promise<void> {
    const body = { identity: "x", password: key.text };
    const login = "/api/collections/_superusers/auth-with-password";
    const answer = await call(login, { as: null, body, address: here() });
    expect(answer.status === 200, "a login").toBe(lives(key) && near(key));
    if (answer.status === 200) key.session = answer.json.token;
    else if (lives(key)) return;
    const ticket = await call("/api/files/token", { method: "POST", as: key.text, address: here() });
    expect([401, 403], "a ticket without the right to download").toContain(ticket.status);
  }

  /** Every key, and every session it still has, may what the model says; what was rotated away may nothing. */
  async check(): Promise<void> {
    clock.forward(MINUTE);
    for (const key of this.keys) {
      for (const as of [key.text, key.session].filter((text) => text !== null))
        for (const probe of PROBES) {
          const { status } = await call(probe.path, { method: probe.method, as, address: here() });
          expect(status, `${probe.scope} of ${JSON.stringify(chain(key).map(shown))}`).toBe(expected(key, probe));
        }
      for (const as of key.dead) expect((await call("/v1/keys/self", { as, address: here() })).status).toBe(401);
      const self = await call("/v1/keys/self", { as: key.text, address: here() });
      if (self.status !== 200) continue;
      const root = chain(key).at(-1)!;
      for (const scope of self.json.rights.scopes) expect(root.scopes, "a right its root lacks").toContain(scope);
      expect([...self.json.rights.scopes].sort()).toEqual(SCOPES.filter((scope) => has(key, scope)).sort());
    }
  }
}

const shown = ({ scopes, disabled, patterns, networks, gone }: Modelled) => ({
  scopes,
  disabled,
  patterns,
  networks,
  gone,
});

it("no sequence of minting, changing, rotating and disabling gives a key a right its root lacks", async () => {
  const instance = await anInstance({}, { verify: false });
  await fc.assert(
    fc.asyncProperty(fc.array(aStep, { minLength: 6, maxLength: 24 }), async (steps) => {
      const trial = new Trial(instance);
      const limits = { scopes: [...SCOPES], patterns: ["*"], networks: [] };
      await trial.run({ do: "mint", actor: ADMINISTRATOR, limits, within: false });
      for (const [n, step] of steps.entries()) {
        await trial.run(step);
        if (n % 6 === 5) await trial.check();
      }
      await trial.check();
      // The end of the root is the end of everything below it, whatever it is called by.
      const root = trial.keys[0]!;
      await trial.run({ do: "change", actor: ADMINISTRATOR, target: 0, change: { disabled: true } });
      for (const key of trial.keys.filter((each) => chain(each).includes(root)))
        for (const as of [key.text, key.session].filter((text) => text !== null))
          expect((await call("/v1/keys/self", { as, address: here() })).status).toBe(401);
    }),
    { numRuns: 60, interruptAfterTimeLimit: 8_000, endOnFailure: false },
  );
}, 60_000);
