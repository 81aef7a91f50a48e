import { expect, it } from "vitest";
import { type AddressPolicy, decideResolved, readAddress } from "../../src/webhooks/address.ts";
import { dnsOverHttps, readAnswer } from "../../src/webhooks/resolver.ts";
import { addresses, spellings } from "./spellings.ts";

const strict: AddressPolicy = { privateNetwork: "none", own: ["https://relay.example.org"], ports: [] };
const open: AddressPolicy = { privateNetwork: "all", own: ["http://127.0.0.1:8787"], ports: [] };

const ruleOf = (text: string, policy = strict) => {
  const read = readAddress(text, policy);
  return read.ok ? "taken" : read.error.rule;
};

it("refuses every special address in every spelling, each with its reason", () => {
  expect(spellings.length).toBeGreaterThanOrEqual(80);
  expect(new Set(spellings.map(([host]) => host)).size).toBe(spellings.length);
  for (const [host, rule] of spellings) expect([host, ruleOf(`https://${host}/hook`)]).toEqual([host, rule]);
});

it("refuses an address that is not plainly https, or the relay itself", () => {
  for (const [url, rule] of addresses) expect([url, ruleOf(url)]).toEqual([url, rule]);
});

it("says each refusal in words that name no address", () => {
  for (const url of ["https://169.254.169.254/", "http://a.dev/", "https://127.0.0.1.nip.io/"]) {
    const read = readAddress(url, strict);
    expect(read.ok).toBe(false);
    if (!read.ok) expect(read.error.message).toMatch(/^[A-Z].{20,}\.$/);
    if (!read.ok) expect(read.error.message).not.toMatch(/169|nip/);
  }
});

it("takes public addresses and shows only host and port of them", () => {
  const taken = (url: string) => {
    const read = readAddress(url, strict);
    return read.ok ? read.value : read.error.rule;
  };
  expect(taken("https://hooks.acme.dev/T0/B0/secret?k=v@x")).toEqual({
    url: "https://hooks.acme.dev/T0/B0/secret?k=v@x",
    host: "hooks.acme.dev",
    name: "hooks.acme.dev",
  });
  expect(taken("HTTPS://Hooks.Acme.DEV.:8443/x")).toMatchObject({
    url: "https://hooks.acme.dev:8443/x",
    host: "hooks.acme.dev:8443",
  });
  expect(taken("https://münchen.de:1025/")).toMatchObject({ name: "xn--mnchen-3ya.de" });
  expect(taken("https://8.8.8.8/")).toMatchObject({ host: "8.8.8.8", name: null });
  expect(taken("https://134744072/"), "another spelling of it").toMatchObject({ host: "8.8.8.8", name: null });
  expect(taken("https://[2606:4700::1111]/")).toMatchObject({ host: "[2606:4700::1111]", name: null });
  expect(taken("https://[64:ff9b::808:808]/"), "NAT64 of a public address").toMatchObject({ name: null });
  for (const url of [
    "https://localhost.acme.dev/",
    "https://127.0.0.1.acme.dev/",
    "https://internal.acme.dev/",
    "https://x.localhosts.dev",
    "https://metadata.acme.dev/",
  ])
    expect(taken(url), url).toMatchObject({ host: new URL(url).host });
  expect(readAddress("https://hooks.acme.dev:465/", { ...strict, ports: [465] }).ok).toBe(true);
});

it("with ALLOW_PRIVATE_NETWORK=all takes http and private hosts, never link-local, metadata or the relay itself", () => {
  for (const url of [
    "http://127.0.0.1:9999/",
    "http://receiver:8080/",
    "http://10.0.0.7/",
    "https://nas.lan/hook",
    "http://localhost:3000/",
    "http://[::1]:3000/",
    "http://[fd12::1]:3000/",
    "http://hooks.acme.dev/",
  ])
    expect(ruleOf(url, open), url).toBe("taken");
  expect(ruleOf("http://169.254.169.254/latest", open)).toBe("metadata");
  expect(ruleOf("http://metadata.google.internal/", open)).toBe("metadata");
  expect(ruleOf("http://100.100.100.200/", open)).toBe("metadata");
  expect(ruleOf("http://[::ffff:169.254.169.254]/", open)).toBe("metadata");
  expect(ruleOf("http://169.254.7.7/", open)).toBe("link-local");
  expect(ruleOf("http://[fe80::1]/", open)).toBe("link-local");
  expect(ruleOf("http://0.0.0.0:9999/", open)).toBe("special");
  expect(ruleOf("http://127.0.0.1.nip.io/", open)).toBe("wildcard-dns");
  expect(ruleOf("http://127.0.0.1:8787/v1/nudge", open)).toBe("own");
  expect(ruleOf("http://127.1:8787/", open)).toBe("own");
  expect(ruleOf("http://127.0.0.1:22/", open)).toBe("port");
  expect(ruleOf("ftp://127.0.0.1/", open)).toBe("scheme");
  const instances: AddressPolicy = { ...open, privateNetwork: "instances" };
  expect(ruleOf("http://hooks.acme.dev/", instances), "that setting is about servers").toBe("scheme");
  expect(ruleOf("https://10.0.0.7/", instances)).toBe("private");
});

it("refuses a name when any address it resolves to is not public", () => {
  const decided = (addresses: string[], policy = strict) => {
    const decision = decideResolved(addresses, policy);
    return decision.ok ? "taken" : decision.error.rule;
  };
  expect(decided(["93.184.215.14", "2606:2800:21f::1"])).toBe("taken");
  expect(decided([])).toBe("unresolved");
  expect(decided(["93.184.215.14", "::1"])).toBe("loopback");
  expect(decided(["93.184.215.14", "10.0.0.1"])).toBe("private");
  expect(decided(["::ffff:127.0.0.1"])).toBe("loopback");
  expect(decided(["64:ff9b::a9fe:a9fe"])).toBe("metadata");
  expect(decided(["64:ff9b::808:808"]), "what DNS64 makes of a public address").toBe("taken");
  expect(decided(["::ffff:8.8.8.8"])).toBe("special");
  expect(decided(["169.254.169.254"])).toBe("metadata");
  expect(decided(["2600:1f18::5efe:a00:1"])).toBe("private");
  expect(decided(["fe80::1%eth0"])).toBe("link-local");
  expect(decided(["not an address"])).toBe("special");
  expect(decided(["127.0.0.1", "10.0.0.1"], open)).toBe("taken");
  expect(decided(["127.0.0.1", "169.254.169.254"], open)).toBe("metadata");
  expect(decided(["fe80::1"], open)).toBe("link-local");
});

const answer = (type: string, data: string[], more: object = {}) => ({
  Status: 0,
  Answer: data.map((text) => ({ name: "hooks.acme.dev", type: type === "A" ? 1 : 28, TTL: 300, data: text })),
  ...more,
});

it("reads what a DNS over HTTPS resolver answers, and nothing out of anything else", () => {
  expect(readAnswer(JSON.stringify(answer("A", ["1.2.3.4"])), "A")).toEqual({
    ok: true,
    value: { addresses: ["1.2.3.4"], ttlSeconds: 60 },
  });
  const chain = {
    Status: 0,
    Answer: [
      { type: 5, TTL: 7, data: "x.dev." },
      { type: 1, TTL: 30, data: "1.2.3.4" },
    ],
  };
  expect(readAnswer(JSON.stringify(chain), "A")).toEqual({
    ok: true,
    value: { addresses: ["1.2.3.4"], ttlSeconds: 7 },
  });
  expect(readAnswer('{"Status":3}', "A")).toMatchObject({ ok: true, value: { addresses: [] } });
  expect(readAnswer('{"Status":0}', "AAAA")).toMatchObject({ ok: true, value: { addresses: [] } });
  for (const text of ["", "<html>", "null", "[]", "{}", '{"Status":2}', '{"Status":0,"TC":true}', '{"Status":"0"}'])
    expect(readAnswer(text, "A").ok, text).toBe(false);
  expect(
    readAnswer('{"Status":0,"Answer":[{"type":1,"data":{}},null]}', "A"),
    "decided as special later",
  ).toMatchObject({
    value: { addresses: ["[object Object]"] },
  });
});

it("asks for both kinds of address, remembers them for a minute at most, and fails when half an answer is missing", async () => {
  let now = 0;
  const asked: string[] = [];
  const replies: Record<string, () => Response> = {
    A: () => Response.json(answer("A", ["1.2.3.4"])),
    AAAA: () =>
      Response.json(answer("AAAA", ["2606:4700::1"], { Answer: [{ type: 28, TTL: 40, data: "2606:4700::1" }] })),
  };
  const resolver = dnsOverHttps(
    "https://dns.example/query?token=t",
    async (url, init) => {
      asked.push(url);
      expect(new Headers(init.headers).get("accept")).toBe("application/dns-json");
      expect(init.redirect).toBe("manual");
      return replies[new URL(url).searchParams.get("type")!]!();
    },
    () => now,
  );
  const resolved = { ok: true, value: { addresses: ["1.2.3.4", "2606:4700::1"], ttlSeconds: 40 } };
  expect(await resolver("hooks.acme.dev")).toEqual(resolved);
  now = 39_999;
  expect(await resolver("hooks.acme.dev")).toEqual(resolved);
  expect(asked).toEqual([
    "https://dns.example/query?token=t&name=hooks.acme.dev&type=A",
    "https://dns.example/query?token=t&name=hooks.acme.dev&type=AAAA",
  ]);
  now = 40_000;
  for (const broken of [
    () => new Response("no", { status: 500 }),
    () => Response.json({ Status: 2 }),
    () => new Response("x".repeat(70_000)),
    () => Response.redirect("https://elsewhere.example/", 302),
    () => {
      throw new Error("connection lost");
    },
  ]) {
    replies.AAAA = broken;
    expect((await resolver("hooks.acme.dev")).ok).toBe(false);
  }
});
