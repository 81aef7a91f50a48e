import { describe, expect, it } from "vitest";
import { checkOf } from "../../src/upstream/check.ts";
import type { Fetch } from "../../src/upstream/exchange.ts";
import { inspect } from "../../src/upstream/inspect.ts";
import { type UpstreamCredential, upstreamSession } from "../../src/upstream/session.ts";
import type { Fault } from "../harness/fake/faults.ts";
import { type FakeOptions, FakeUpstream } from "../harness/fake/upstream.ts";

type Looked = FakeOptions & {
  fault?: Fault;
  edge?: boolean;
  credential?: (fake: FakeUpstream) => UpstreamCredential;
  /** Headers a proxy adds to every answer. */
  proxy?: Record<string, string>;
  change?: (fake: FakeUpstream) => void;
};

/** One check of a fake server. */
async function look({ fault, edge = false, credential, proxy, change, ...options }: Looked = {}) {
  const fake = new FakeUpstream(options);
  if (fault) fake.faults.add(fault);
  change?.(fake);
  const fetch: Fetch = async (url, init) => {
    const answer = await fake.fetch(url, init);
    for (const [name, value] of Object.entries(proxy ?? {})) answer.headers.set(name, value);
    return answer;
  };
  const wire = { baseUrl: "https://pb.example.com/t", headers: {}, fetch, clock: Date.now };
  const own = credential?.(fake) ?? { kind: "password" as const, email: fake.email, password: fake.password };
  const session = upstreamSession({ ...wire, credential: own });
  const observed = await inspect({ ...wire, credential: own, edge, session });
  const { check, refusal } = checkOf(observed);
  return {
    fake,
    check,
    refusal: refusal?.code ?? null,
    warned: check.warnings.map(({ code }) => code),
    secrets: [...fake.secrets],
  };
}

const prefix = { prefix: "/t" };

describe("a check", () => {
  it("finds a healthy server without a word of warning", async () => {
    const { check, refusal } = await look(prefix);
    expect(refusal).toBeNull();
    expect(check).toMatchObject({
      reachable: true,
      authorized: true,
      flavour: "pocketbase",
      version: ">=0.40",
      idle: true,
      storage: "local",
      warnings: [],
    });
    expect(check.at).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    expect(check.latencyMs! >= 0).toBe(true);
  });

  it("tells version lines apart as far as answers do, and claims no more", async () => {
    expect((await look({ ...prefix, version: "0.39.11" })).check.version).toBe("0.38-0.39");
    const older = await look({
      ...prefix,
      version: "0.39.11",
      change: (fake) => {
        (fake.world as { superuserIps: unknown }).superuserIps = null;
      },
    });
    expect([older.check.version, older.warned]).toEqual(["0.23-0.37", ["untested_version"]]);
    const dressed = await look({
      ...prefix,
      version: "0.39.11",
      proxy: { "Cross-Origin-Opener-Policy": "same-origin" },
    });
    expect("version" in dressed.check).toBe(false);
  });

  it("refuses PocketBase 0.22 in words", async () => {
    const { check, refusal } = await look({ ...prefix, version: "0.22.27" });
    expect(refusal).toBe("unsupported_version");
    expect(check).toMatchObject({ reachable: true, authorized: false, version: "<=0.22" });
    expect(check.warnings[0]).toMatchObject({
      code: "unsupported_version",
      message: expect.stringContaining("0.22"),
      hint: expect.stringContaining("0.23"),
    });
  });

  it("says that backups of BosBase hold no database", async () => {
    const { check, refusal, warned } = await look({ ...prefix, version: "bosbase" });
    expect([refusal, check.flavour, "version" in check, warned]).toEqual([
      null,
      "bosbase",
      false,
      ["no_database_in_backups", "password_in_server_log"],
    ]);
  });

  it("recommends a token where the server logs the password of a login", async () => {
    const credential = (fake: FakeUpstream): UpstreamCredential => ({
      kind: "token",
      token: fake.impersonate(90 * 86_400),
    });
    const { warned } = await look({ ...prefix, version: "bosbase", credential });
    expect(warned).not.toContain("password_in_server_log");
  });

  it("sees S3, and a store that cannot be reached", async () => {
    expect((await look({ ...prefix, s3: true })).check.storage).toBe("s3");
    const down = await look({ ...prefix, s3: true, fault: { kind: "s3Down" } });
    expect([down.refusal, down.check.reachable, down.check.authorized, down.warned]).toEqual([
      "upstream_storage_failed",
      true,
      true,
      ["upstream_storage_failed"],
    ]);
  });

  it("sees a backup or restore under way", async () => {
    const busy = await look({
      ...prefix,
      change: (fake) => {
        fake.world.lock = "a.zip";
      },
    });
    expect([busy.check.idle, busy.refusal]).toEqual([false, null]);
  });

  it("finds nobody, a proxy's page, a wrong prefix", async () => {
    const table: [Looked, string][] = [
      [{ ...prefix, fault: { kind: "down" } }, "upstream_unreachable"],
      [{ ...prefix, fault: { kind: "html", status: 521 } }, "upstream_proxy_failed"],
      [{ ...prefix, fault: { kind: "html", status: 403 } }, "upstream_proxy_refused"],
      [{ ...prefix, fault: { kind: "redirect", to: "https://login.example/" } }, "upstream_redirected"],
      [{ prefix: "/elsewhere" }, "upstream_not_found"],
    ];
    for (const [options, code] of table) {
      const { check, refusal, warned } = await look(options);
      expect([refusal, warned, check.reachable, check.authorized, check.latencyMs]).toEqual([
        code,
        [code],
        false,
        false,
        null,
      ]);
      expect(check.warnings[0]!.hint.length > 20).toBe(true);
    }
  });

  it("tells a dead credential, a second factor and an IP list that refuses us from a server that is away", async () => {
    const table: [Looked, string][] = [
      [
        { credential: () => ({ kind: "password", email: "a@example.com", password: "wrong" }) },
        "upstream_unauthorized",
      ],
      [{ credential: () => ({ kind: "token", token: "a.b.c" }) }, "upstream_unauthorized"],
      [
        { credential: (fake) => ({ kind: "token", token: fake.accounts.issue("auth", "user", 60) }) },
        "upstream_unauthorized",
      ],
      [
        {
          change: (fake) => {
            fake.world.mfa = true;
          },
        },
        "upstream_mfa",
      ],
      [{ fault: { kind: "ipRefused", after: 1 } }, "upstream_address_refused"],
    ];
    for (const [options, code] of table) {
      const { check, refusal } = await look({ ...prefix, ...options });
      expect([refusal, check.reachable, check.authorized]).toEqual([code, true, false]);
      expect(check.latencyMs).not.toBeNull();
    }
  });

  it("names a proxy's caps and the curl that goes straight to the server", async () => {
    for (const [proxy, words] of [
      [{ Server: "cloudflare", "CF-Ray": "8f-FRA" }, ["100 MB", "100 s"]],
      [{ Server: "nginx/1.27" }, ["1 MB", "60 s"]],
    ] as const) {
      const { check, warned } = await look({ ...prefix, proxy });
      expect(warned).toEqual(["origin_behind_proxy"]);
      for (const word of words) expect(check.warnings[0]!.message).toContain(word);
      expect(check.warnings[0]!.hint).toMatch(
        /curl .* -F file=@backup\.zip http:\/\/127\.0\.0\.1:8090\/api\/backups\/upload/,
      );
    }
    const { check, warned } = await look({ ...prefix, edge: true });
    expect(warned).toEqual(["edge_body_cap"]);
    expect(check.warnings[0]!.hint).toContain("https://pb.example.com/t/api/backups/upload");
  });

  it("warns two weeks before a token ends, not for passwords", async () => {
    const withToken = (days: number): Looked => ({
      ...prefix,
      credential: (fake) => ({ kind: "token", token: fake.impersonate(days * 86_400 + 60) }),
    });
    expect((await look(withToken(15))).warned).toEqual([]);
    const soon = await look(withToken(13));
    expect(soon.warned).toEqual(["token_expiring"]);
    expect(soon.check.warnings[0]!.message).toContain("13 days");
    expect((await look({ ...prefix, authTokenSeconds: 3600 })).warned).toEqual([]);
  });

  it("measures the server's clock", async () => {
    const right = await look(prefix);
    expect([Math.abs(right.check.clockSkewSeconds!) <= 1, Object.is(right.check.clockSkewSeconds, -0)]).toEqual([
      true,
      false,
    ]);
    for (const seconds of [-3600, 90]) {
      const { check, warned } = await look({ ...prefix, clockSkewMs: seconds * 1000 });
      expect(Math.abs(check.clockSkewSeconds! - seconds) <= 1).toBe(true);
      expect(warned).toEqual(["clock_skew"]);
    }
  });

  it("holds no token and no password", async () => {
    for (const options of [prefix, { ...prefix, fault: { kind: "deadToken" } as const }, { ...prefix, edge: true }]) {
      const { check, secrets } = await look(options);
      for (const secret of secrets) expect(JSON.stringify(check)).not.toContain(secret);
    }
  });
});
