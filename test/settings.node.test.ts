import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { readSettings } from "../src/settings.ts";

const secrets = {
  ADMIN_TOKEN: randomBytes(36).toString("base64url"),
  ENCRYPTION_KEY: randomBytes(32).toString("base64"),
};

const sentence = (changed: Record<string, string | undefined>): string => {
  const read = readSettings({ ...secrets, ...changed });
  if (read.ok) return "accepted";
  expect(read.error.code).toBe("misconfigured");
  return read.error.message ?? "";
};

describe("settings", () => {
  it("need two secrets and have a default for everything else", () => {
    const read = readSettings(secrets);
    expect(read.ok && read.value).toMatchObject({
      environmentInstance: null,
      privateNetwork: "none",
      clientAddress: { from: "cloudflare" },
      trustedProxies: [],
      resolver: null,
      webhookPorts: [],
      healing: "segments",
      publicUrl: null,
    });
  });

  it.each([
    ["ADMIN_TOKEN", "", /^ADMIN_TOKEN is not set/],
    ["ADMIN_TOKEN", "too-short", /^ADMIN_TOKEN is too short/],
    ["ADMIN_TOKEN", "a".repeat(40), /^ADMIN_TOKEN is a sample or repeats itself/],
    ["ADMIN_TOKEN", "abcdabcdabcdabcdabcdabcdabcdabcdabcd", /^ADMIN_TOKEN is a sample or repeats itself/],
    ["ADMIN_TOKEN", "change-me-change-me-change-me-change-me-", /^ADMIN_TOKEN is a sample or repeats itself/],
    ["ADMIN_TOKEN", `brk_${"x1y2z3w4".repeat(5)}`, /^ADMIN_TOKEN looks like an API key/],
    ["ADMIN_TOKEN", [1, 2, 3].map(() => randomBytes(36).toString("hex")).join(), /^ADMIN_TOKEN holds more than two/],
    ["ADMIN_TOKEN", `${randomBytes(36).toString("hex")},short`, /^ADMIN_TOKEN is too short/],
    ["ENCRYPTION_KEY", "", /^ENCRYPTION_KEY is not set/],
    ["ENCRYPTION_KEY", "c2hvcnQ=", /^ENCRYPTION_KEY must be 32 random bytes/],
    ["ENCRYPTION_KEY", "not base64 at all!", /^ENCRYPTION_KEY must be 32 random bytes/],
    ["ENCRYPTION_KEY", Buffer.alloc(32).toString("base64"), /^ENCRYPTION_KEY is a sample or repeats itself/],
    ["ENCRYPTION_KEY", Buffer.alloc(32, "abcd").toString("base64"), /^ENCRYPTION_KEY is a sample or repeats itself/],
    ["ALLOW_PRIVATE_NETWORK", "yes", /^ALLOW_PRIVATE_NETWORK must be/],
    ["HEALING", "on", /^HEALING must be/],
    ["CLIENT_ADDRESS", "proxy", /^CLIENT_ADDRESS must be/],
    ["CLIENT_ADDRESS", "header:x-forwarded-for", /needs TRUSTED_PROXIES/],
    ["TRUSTED_PROXIES", "10.0.0.0/33", /^TRUSTED_PROXIES must be/],
    ["TRUSTED_PROXIES", "my-proxy", /^TRUSTED_PROXIES must be/],
    ["RESOLVER", "http://resolver.example", /^RESOLVER must be/],
    ["WEBHOOK_PORTS", "587,https", /^WEBHOOK_PORTS must be/],
    ["WEBHOOK_PORTS", "70000", /^WEBHOOK_PORTS must be/],
    ["PUBLIC_URL", "relay.example.com", /^PUBLIC_URL must be/],
    ["PUBLIC_URL", "https://user@relay.example.com", /^PUBLIC_URL must be/],
    ["PUBLIC_URL", "https://relay.example.com/?a=1", /^PUBLIC_URL must be/],
    ["POCKETBASE_URL", "https://pb.example.com", /^POCKETBASE_URL needs POCKETBASE_TOKEN/],
    ["POCKETBASE_TOKEN", "a-token", /^POCKETBASE_URL is not set/],
  ] as const)("%s=%s is refused in one sentence that names it", (name, value, words) => {
    const told = sentence({ [name]: value });
    expect(told).toMatch(words);
    if (value.length > 8) expect(told).not.toContain(value);
  });

  it("judge the environment's address as any other", () => {
    const address = (url: string, more: Record<string, string> = {}) =>
      sentence({ POCKETBASE_URL: url, POCKETBASE_TOKEN: "a-token", ...more });
    expect(address("https://pb.example.com/prefix/")).toBe("accepted");
    for (const wrong of [
      "pb.example.com",
      "http://pb.example.com",
      "https://a:b@pb.example.com",
      "http://127.0.0.1:80",
    ])
      expect(address(wrong), wrong).toMatch(/^POCKETBASE_URL cannot be used\. \S/);
    expect(address("http://127.0.0.1:8090", { ALLOW_PRIVATE_NETWORK: "instances" })).toBe("accepted");
    expect(address("http://169.254.169.254", { ALLOW_PRIVATE_NETWORK: "all" })).toMatch(/metadata/);
    const read = readSettings({ ...secrets, POCKETBASE_URL: "https://pb.example.com/x/", POCKETBASE_TOKEN: "t" });
    expect(read.ok && read.value.environmentInstance?.url).toBe("https://pb.example.com/x");
  });

  it("take a second secret after a comma, for the time of a rotation", () => {
    const [one, other] = [randomBytes(32).toString("base64"), randomBytes(32).toString("base64")];
    const read = readSettings({
      ADMIN_TOKEN: `${secrets.ADMIN_TOKEN}, ${randomBytes(36).toString("hex")}`,
      ENCRYPTION_KEY: `${one},${other}`,
    });
    expect(read.ok && [read.value.administrators.length, read.value.encryptionKeys.length]).toEqual([2, 2]);
    expect(read.ok && Buffer.from(read.value.encryptionKeys[0]!).toString("base64")).toBe(one);
    expect(JSON.stringify(read)).not.toContain(secrets.ADMIN_TOKEN);
  });

  it("take administrators by name, two tokens each, beside plain tokens", () => {
    const token = () => randomBytes(24).toString("base64url");
    const names = (given: string) => {
      const read = readSettings({ ...secrets, ADMIN_TOKEN: given });
      return read.ok ? read.value.administrators.map(({ name }) => name) : read.error.message;
    };
    expect(names(`anna:${token()},bert:${token()},anna:${token()},${token()}`)).toEqual(["anna", "bert", "anna", null]);
    expect(names(`anna:${token()},anna:${token()},anna:${token()}`)).toBe(
      "ADMIN_TOKEN holds more than two tokens of anna.",
    );
    expect(names(`anna:${"ab".repeat(20)}`)).toContain("sample or repeats");
    expect(names(`anna:brk_${token()}`)).toContain("looks like an API key");
  });
});
