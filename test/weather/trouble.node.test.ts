import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type ProblemCode, problems } from "../../src/base/problems.ts";
import type { CallName } from "../harness/fake/calls.ts";
import type { Fault, FaultKind } from "../harness/fake/faults.ts";
import { Receiver } from "../harness/receiver.ts";
import { admin } from "../harness/relay-client.ts";
import { SOON } from "../harness/waiting.ts";
import { type Action, type Front, KEPT, kept } from "../harness/weather/front.ts";
import { relayWithFronts } from "../harness/weather/fronts.ts";
import { expectNothingRaw, expectRefusal } from "../harness/weather/refusal.ts";

/** Asks the relay and is asked by nobody: whoever follows a redirect brings a token here. */
const elsewhere = new Receiver();
elsewhere.answers.set("/moved-to", (response) => void response.end("[]"));
const weather = relayWithFronts();
const { openFront } = weather;

beforeAll(() => elsewhere.start());
afterAll(() => elsewhere.stop());

const redirect = (): FaultKind => ({
  kind: "redirect",
  to: elsewhere.url("/moved-to"),
});

type Trouble = {
  /** Made when the test runs: the redirect needs the address. */
  fault: () => FaultKind;
  /** What every call is told. */
  code: ProblemCode;
  /** What the relay cannot know the end of: a deletion is then looked for, in vain. */
  unclear?: true;
  /** Calls that do not touch what is in trouble. */
  fine?: Action[];
  /** The way out that a check finds in the answer or by trying once more; without, the code's own. */
  checked?: RegExp;
};

const hintOf = ({ code, checked }: Trouble) => (checked ? expect.stringMatching(checked) : problems[code].hint);

/** Both hang up on whoever connects. */
const CLOSING = /^Look at its log/;

const troubles: Record<string, Trouble> = {
  down: { fault: () => ({ kind: "down" }), code: "upstream_unreachable", unclear: true, checked: CLOSING },
  closing: { fault: () => ({ kind: "reset" }), code: "upstream_unreachable", unclear: true, checked: CLOSING },
  "ip-list": { fault: () => ({ kind: "ipRefused" }), code: "upstream_address_refused" },
  "rate-limit": { fault: () => ({ kind: "rateLimited" }), code: "upstream_rate_limited" },
  "html-403": { fault: () => ({ kind: "html", status: 403 }), code: "upstream_proxy_refused" },
  "html-502": { fault: () => ({ kind: "html", status: 502 }), code: "upstream_proxy_failed", unclear: true },
  "html-524": { fault: () => ({ kind: "html", status: 524 }), code: "upstream_timeout", unclear: true },
  "broken-json": { fault: () => ({ kind: "invalidJson" }), code: "upstream_invalid", unclear: true },
  "huge-json": { fault: () => ({ kind: "hugeJson", bytes: 17 << 20 }), code: "upstream_too_large", unclear: true },
  redirect: { fault: redirect, code: "upstream_redirected" },
  "dead-token": { fault: () => ({ kind: "deadToken" }), code: "upstream_unauthorized" },
  "s3-down": {
    fault: () => ({ kind: "s3Down" }),
    code: "upstream_storage_failed",
    unclear: true,
    fine: ["health"],
    checked: /could not reach its S3 storage/,
  },
};

/** The deletion first: later nobody knows any more what there is to delete. */
const everyAction: Action[] = [
  ...["delete", "list", "page", "create", "generate", "upload", "put", "download", "head"],
  ...["restore", "dryRun", "health", "check"],
] as Action[];

/** The server is fine again: everything is as it was, and nothing is under way. */
async function expectUntouched(front: Front, before: Record<string, string>): Promise<void> {
  front.server.fake.faults.clear();
  for (const { state } of await front.operations()) expect(["failed", "unknown"]).toContain(state);
  expect(kept(front)).toEqual(before);
  expect(front.server.fake.world.canaries.size).toBe(0);
}

/** Registering a server in trouble is refused with its reason, and leaves no instance behind. */
async function expectNotRegistered({ server, name }: Front, trouble: Trouble): Promise<void> {
  const { email, password } = server.fake;
  const body = { name: `${name}-again`, url: server.url, credential: { email, password } };
  const refused = await admin(weather.relay, "/v1/instances", { body });
  expect(refused.status).toBe(422);
  expect(await refused.json()).toMatchObject({ code: "check_failed", hint: hintOf(trouble) });
  expect((await admin(weather.relay, `/v1/instances/${name}-again`)).status).toBe(404);
}

describe.concurrent("a server in trouble", () => {
  for (const [name, trouble] of Object.entries(troubles)) {
    it(`${name}: every call is told ${trouble.code}, and nothing is half done`, async () => {
      const front = await openFront(name);
      const before = kept(front);
      front.server.fake.faults.add(trouble.fault());
      for (const action of everyAction) {
        const outcome = await front.act(action);
        if (trouble.fine?.includes(action)) expect(outcome.status).toBe(200);
        else if (action === "delete" && trouble.unclear) expectRefusal(front, outcome, "delete_unsettled");
        else if (action === "head") expect(outcome.status).toBe(problems[trouble.code].status);
        else if (action === "check")
          expect(outcome).toMatchObject({ status: 200, code: trouble.code, hint: hintOf(trouble) });
        else expectRefusal(front, outcome, trouble.code);
        expectNothingRaw(front, outcome);
      }
      await expectNotRegistered(front, trouble);
      await expectUntouched(front, before);
      expect(elsewhere.got).toEqual([]);
    });
  }
});

/** What each call is told when it alone is struck, and everything around it works. */
const struck: Record<string, [fault: () => FaultKind, codes: { [D in Action]?: ProblemCode | ProblemCode[] }]> = {
  cut: [
    () => ({ kind: "reset" }),
    {
      create: "create_lost",
      // In the middle, or when the last boundary was out: which of them is a matter of chance.
      upload: ["upload_cut", "upstream_unreachable"],
      put: ["upload_cut", "upstream_unreachable"],
      download: "upstream_unreachable",
      delete: "delete_lost",
    },
  ],
  "proxy-gives-up": [
    () => ({ kind: "html", status: 524 }),
    {
      create: "create_lost",
      upload: "upstream_timeout",
      put: "upstream_timeout",
      download: "upstream_timeout",
      delete: "delete_lost",
    },
  ],
  redirected: [
    redirect,
    {
      create: "upstream_redirected",
      upload: "upstream_redirected",
      put: "upstream_redirected",
      download: "upstream_redirected",
      restore: "upstream_redirected",
      delete: "upstream_redirected",
    },
  ],
  "not-understood": [
    () => ({ kind: "invalidJson" }),
    { create: "create_lost", download: "upstream_invalid", delete: "delete_lost" },
  ],
  "too-large": [
    () => ({ kind: "hugeJson", bytes: 2 << 20 }),
    { create: "create_lost", download: "upstream_invalid", delete: "delete_lost" },
  ],
  "store-away": [
    () => ({ kind: "s3Down" }),
    {
      create: "upstream_storage_failed",
      upload: "upstream_storage_failed",
      put: "upstream_storage_failed",
      download: "upstream_storage_failed",
      delete: "backup_deleted",
    },
  ],
  vanished: [() => ({ kind: "vanish" }), { download: "backup_not_found" }],
  "page-not-found": [
    () => ({ kind: "html", status: 404 }),
    { create: "upstream_not_found", upload: "upstream_not_found", download: "upstream_not_found" },
  ],
  // Its 204 comes before it is sent; what became of it is in the operation.
  "restore-cut": [() => ({ kind: "reset" }), { restore: "restore_failed" }],
  "restore-busy": [() => ({ kind: "rateLimited" }), { restore: "upstream_rate_limited" }],
};

const callOf = (action: Action): CallName => (action === "put" ? "upload" : (action as CallName));

describe.concurrent("a call that is struck alone", () => {
  for (const [name, [fault, codesOf]] of Object.entries(struck)) {
    // A server each: what became of a lost answer is looked for during many seconds.
    for (const [action, codes] of Object.entries(codesOf) as [Action, ProblemCode | ProblemCode[]][])
      it(`${name}, ${action}: is told what became of it, and nothing is half done`, async () => {
        const front = await openFront(`${name}-${action}`.toLowerCase());
        const before = kept(front);
        front.server.fake.faults.add({ ...fault(), on: callOf(action) } as Fault);
        const outcome = await front.act(action);
        const code = [codes].flat().find((each) => each === outcome.code) ?? [codes].flat()[0]!;
        if (action === "restore") {
          expect(outcome.status).toBe(204);
          expect((await front.operations())[0]).toMatchObject({ state: "failed", error: { code } });
        } else expectRefusal(front, outcome, code);
        front.server.fake.faults.clear();
        const made = Object.keys(kept(front)).filter((key) => key.startsWith("pre_restore_"));
        expect(made.length).toBe(action === "restore" ? 1 : 0);
        for (const key of made) front.server.fake.remove(key);
        if (name === "vanished") await front.server.fake.make(KEPT);
        else await expectUntouched(front, before);
        expect(elsewhere.got).toEqual([]);
      });
  }
});

describe.concurrent("a credential that ends", () => {
  it("a dead token is replaced by one login, unseen by whoever calls", async () => {
    const front = await openFront("revoked");
    for (const action of ["list", "health", "upload", "put", "download", "create", "dryRun", "delete"] as Action[]) {
      const before = front.asked("login");
      front.server.fake.revokeTokens();
      expect((await front.act(action)).status).toBeLessThan(300);
      expect(front.asked("login") - before).toBe(1);
    }
  });

  it("a changed password is tried once, and everybody is told who can mend it", async () => {
    const front = await openFront("password-changed");
    front.server.fake.world.superuser.password = "another one";
    front.server.fake.revokeTokens();
    const before = front.asked("login");
    for (const action of ["list", "health", "upload", "put", "download", "create", "dryRun"] as Action[])
      expectRefusal(front, await front.act(action), "upstream_unauthorized");
    expect(front.asked("login") - before).toBe(1);
  });

  it("a login or a token's request that is redirected takes neither password nor token along", async () => {
    const front = await openFront("redirected-login");
    front.server.fake.revokeTokens();
    front.server.fake.faults.add({ ...redirect(), on: ["login", "refresh", "fileToken"] } as Fault);
    for (const action of ["list", "upload", "download", "create"] as Action[])
      expectRefusal(front, await front.act(action), "upstream_redirected");
    expect(elsewhere.got).toEqual([]);
  });
});

describe.concurrent("a server that does not answer", () => {
  const silent: Fault = { kind: "slow", ms: 20_000 };
  const trickle: Fault = { kind: "trickle", bytes: 1, everyMs: 1_500 };

  it("is given up on after a time, call by call", async () => {
    const front = await openFront("silent");
    front.server.fake.faults.add(silent);
    const given = await Promise.all([front.act("health"), front.act("check"), front.act("download")]);
    expectRefusal(front, given[0], "upstream_timeout");
    expect(given[1]).toMatchObject({ status: 200, code: "upstream_timeout" });
    expectRefusal(front, given[2], "upstream_timeout");
  });

  it("is asked three things at once; the next are told to come again, and downloads open all the same", async () => {
    const front = await openFront("hanging");
    front.server.fake.faults.add({ ...silent, on: "health" });
    const asked = Array.from({ length: 5 }, () => front.act("health"));
    // Registering asked twice; the others wait in line.
    await vi.waitUntil(() => front.asked("health") === 5, SOON);
    expect((await front.act("download")).status).toBe(200);
    const outcomes = await Promise.all(asked);
    const saturated = outcomes.filter(({ code }) => code === "upstream_saturated");
    for (const outcome of saturated) expectRefusal(front, outcome, "upstream_saturated");
    expect(outcomes.filter(({ code }) => code === "upstream_timeout").length).toBe(3);
    expect(saturated.length).toBe(2);
  });

  it("or that answers at a trickle, is given up on as well", async () => {
    const front = await openFront("trickling");
    front.server.fake.faults.add({ ...trickle, on: ["health", "fileToken"] });
    const [health, download] = await Promise.all([front.act("health"), front.act("download")]);
    expectRefusal(front, health, "upstream_timeout");
    expectRefusal(front, download, "upstream_timeout");
  });

  it("whose refusal trickles, is judged by its status, while a file that trickles is waited for", async () => {
    const front = await openFront("trickling-download");
    front.server.fake.faults.add({ ...trickle, on: "download" }, { kind: "html", status: 502, on: "download" });
    expectRefusal(front, await front.act("download"), "upstream_proxy_failed");
    front.server.fake.faults.clear();
    front.server.fake.faults.add({ kind: "trickle", bytes: 400, everyMs: 200, on: "download" });
    expect(await front.act("download")).toMatchObject({ status: 200, whole: true });
  });
});
