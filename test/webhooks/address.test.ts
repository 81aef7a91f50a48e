import { expect, it } from "vitest";
import { type AddressPolicy, type AddressRule, decideResolved, readAddress } from "../../src/webhooks/address.ts";
import { dnsOverHttps, readAnswer } from "../../src/webhooks/resolver.ts";

const strict: AddressPolicy = { privateNetwork: "none", own: ["https://relay.example.org"], ports: [] };
const open: AddressPolicy = { privateNetwork: "all", own: ["http://127.0.0.1:8787"], ports: [] };

const ruleOf = (text: string, policy = strict) => {
  const read = readAddress(text, policy);
  return read.ok ? "taken" : read.error.rule;
};

/** Host as somebody may write it → why `https://<host>/hook` is refused. */
const spellings: [host: string, rule: AddressRule][] = [
  // IPv4 loopback: plain, short, decimal, octal, hex, mixed, padded, encoded, full-width, with dots
  ["127.0.0.1", "loopback"],
  ["127.1", "loopback"],
  ["127.0.1", "loopback"],
  ["127.255.255.254", "loopback"],
  ["2130706433", "loopback"],
  ["017700000001", "loopback"],
  ["0x7f000001", "loopback"],
  ["0x7f.1", "loopback"],
  ["0x7f.0x0.0x0.0x1", "loopback"],
  ["0177.0.0.1", "loopback"],
  ["0177.0x0.0.01", "loopback"],
  ["0000177.0.0.1", "loopback"],
  ["127.0.0.1.", "loopback"],
  ["%31%32%37.0.0.1", "loopback"],
  ["127%2E0%2E0%2E1", "loopback"],
  ["１２７.０.０.１", "loopback"],
  ["127。0。0。1", "loopback"],
  ["①②⑦.⓪.⓪.①", "loopback"],
  ["0X7F.1", "loopback"],
  // other IPv4 ranges
  ["0.0.0.0", "special"],
  ["0", "special"],
  ["0x0", "special"],
  ["0.1.2.3", "special"],
  ["10.0.0.1", "private"],
  ["167772161", "private"],
  ["0xa.1", "private"],
  ["012.1.1.1", "private"],
  ["100.64.0.1", "private"],
  ["100.127.255.255", "private"],
  ["172.16.0.1", "private"],
  ["172.31.255.255", "private"],
  ["192.168.1.1", "private"],
  ["0xc0a80101", "private"],
  ["169.254.1.1", "link-local"],
  ["192.0.0.1", "special"],
  ["192.0.2.1", "special"],
  ["192.31.196.1", "special"],
  ["192.52.193.1", "special"],
  ["192.88.99.1", "special"],
  ["192.175.48.1", "special"],
  ["198.18.0.1", "special"],
  ["198.19.255.255", "special"],
  ["198.51.100.1", "special"],
  ["203.0.113.1", "special"],
  ["224.0.0.1", "special"],
  ["239.255.255.255", "special"],
  ["240.0.0.1", "special"],
  ["255.255.255.255", "special"],
  ["4294967295", "special"],
  // metadata services
  ["169.254.169.254", "metadata"],
  ["2852039166", "metadata"],
  ["0xa9fea9fe", "metadata"],
  ["0251.0376.0251.0376", "metadata"],
  ["169.254.43518", "metadata"],
  ["169.254.170.2", "metadata"],
  ["100.100.100.200", "metadata"],
  ["168.63.129.16", "metadata"],
  ["192.0.0.192", "metadata"],
  ["[fd00:ec2::254]", "metadata"],
  ["[::ffff:169.254.169.254]", "metadata"],
  ["[64:ff9b::a9fe:a9fe]", "metadata"],
  ["metadata.google.internal", "metadata"],
  ["metadata.google.internal.", "metadata"],
  ["METADATA.google.internal", "metadata"],
  ["metadata", "metadata"],
  ["instance-data", "metadata"],
  ["metadata.goog", "metadata"],
  // IPv6
  ["[::1]", "loopback"],
  ["[0:0:0:0:0:0:0:1]", "loopback"],
  ["[0000:0000:0000:0000:0000:0000:0000:0001]", "loopback"],
  ["[::0.0.0.1]", "loopback"],
  ["[::]", "special"],
  ["[::127.0.0.1]", "special"],
  ["[::ffff:127.0.0.1]", "loopback"],
  ["[::ffff:7f00:1]", "loopback"],
  ["[::FFFF:0a00:0001]", "private"],
  ["[0:0:0:0:0:ffff:192.168.0.1]", "private"],
  ["[::ffff:0:127.0.0.1]", "special"],
  ["[64:ff9b::7f00:1]", "loopback"],
  ["[64:ff9b::10.0.0.1]", "private"],
  ["[64:ff9b:1::7f00:1]", "special"],
  ["[2002:7f00:1::]", "special"],
  ["[2002:a00:1::1]", "special"],
  ["[2001:0:7f00:1::]", "special"],
  ["[2001:0:4136:e378:8000:63bf:80ff:fffe]", "special"],
  ["[2001:db8::1]", "special"],
  ["[2001:10::1]", "special"],
  ["[2001:20::1]", "special"],
  ["[3fff::1]", "special"],
  ["[5f00::1]", "special"],
  ["[100::1]", "special"],
  ["[fc00::1]", "private"],
  ["[fdff:ffff::1]", "private"],
  ["[fe80::1]", "link-local"],
  ["[febf::1]", "link-local"],
  ["[fec0::1]", "special"],
  ["[ff02::1]", "special"],
  ["[2620:4f:8000::1]", "special"],
  ["[2600:1f18::5efe:7f00:1]", "tunnel"],
  ["[2600:1f18::200:5efe:10.0.0.1]", "tunnel"],
  ["[fe80::5efe:192.168.0.1]", "link-local"],
  ["[fe80::1%25eth0]", "unreadable"],
  ["[fe80::1%eth0]", "unreadable"],
  ["[::1%25lo]", "unreadable"],
  // names
  ["localhost", "loopback"],
  ["LOCALHOST", "loopback"],
  ["localhost.", "loopback"],
  ["ｌｏｃａｌｈｏｓｔ", "loopback"],
  ["%6cocalhost", "loopback"],
  ["a.b.localhost", "loopback"],
  ["localhost.localdomain", "private"],
  ["printer.local", "private"],
  ["db.internal", "private"],
  ["host.docker.internal", "private"],
  ["kubernetes.default.svc", "private"],
  ["kubernetes.default.svc.cluster.local", "private"],
  ["nas.lan", "private"],
  ["router.home.arpa", "private"],
  ["mail.corp", "private"],
  ["redis", "private"],
  ["relay", "private"],
  ["host.test", "special"],
  ["host.example", "special"],
  ["host.invalid", "special"],
  ["abc.onion", "special"],
  ["1.0.0.127.in-addr.arpa", "special"],
  ["127.0.0.1.nip.io", "wildcard-dns"],
  ["7f000001.sslip.io", "wildcard-dns"],
  ["localtest.me", "wildcard-dns"],
  ["app.lvh.me", "wildcard-dns"],
  // hosts that are none
  ["256.0.0.1", "unreadable"],
  ["1.2.3.4.5", "unreadable"],
  ["0x100000000", "unreadable"],
  ["127.0.0.08", "unreadable"],
  ["hooks.example.com..", "unreadable"],
  ["hooks..example.com", "unreadable"],
  [".example.com", "unreadable"],
  ["exa mple.com", "unreadable"],
  ["exa\tmple.com", "unreadable"],
  ["[::1", "unreadable"],
  ["[v1.fe80::1]", "unreadable"],
  [`${"a".repeat(60)}.`.repeat(5), "unreadable"],
];

it("refuses every special address in every spelling, each with its reason", () => {
  expect(spellings.length).toBeGreaterThanOrEqual(80);
  expect(new Set(spellings.map(([host]) => host)).size).toBe(spellings.length);
  for (const [host, rule] of spellings) expect([host, ruleOf(`https://${host}/hook`)]).toEqual([host, rule]);
});

/** Whole addresses → why they are refused. */
const addresses: [url: string, rule: AddressRule][] = [
  ["http://hooks.acme.dev/hook", "scheme"],
  ["ftp://hooks.acme.dev/hook", "scheme"],
  ["ws://hooks.acme.dev/hook", "scheme"],
  ["file:///etc/passwd", "unreadable"],
  ["javascript:alert(1)", "unreadable"],
  ["data:text/plain,x", "unreadable"],
  ["//hooks.acme.dev/hook", "unreadable"],
  ["hooks.acme.dev/hook", "unreadable"],
  ["https:hooks.acme.dev", "unreadable"],
  ["https:/hooks.acme.dev", "unreadable"],
  ["https:///hooks.acme.dev", "unreadable"],
  ["https:\\\\hooks.acme.dev\\hook", "unreadable"],
  ["https://hooks.acme.dev\\@127.0.0.1/", "unreadable"],
  [" https://hooks.acme.dev/", "unreadable"],
  ["https://hooks.acme.dev/\n", "unreadable"],
  ["ht\ntps://hooks.acme.dev/", "unreadable"],
  ["https://hooks.acme.dev/\u0000", "unreadable"],
  [`https://hooks.acme.dev/${"a".repeat(2_048)}`, "unreadable"],
  ["", "unreadable"],
  ["https://", "unreadable"],
  ["https://user:secret@hooks.acme.dev/", "credentials"],
  ["https://user@hooks.acme.dev/", "credentials"],
  ["https://@hooks.acme.dev/", "credentials"],
  ["https://hooks.acme.dev@127.0.0.1/", "credentials"],
  ["https://hooks.acme.dev/#fragment", "fragment"],
  ["https://hooks.acme.dev/#", "fragment"],
  ["https://hooks.acme.dev:80/", "port"],
  ["https://hooks.acme.dev:22/", "port"],
  ["https://hooks.acme.dev:25/", "port"],
  ["https://hooks.acme.dev:0/", "port"],
  ["https://hooks.acme.dev:1024/", "port"],
  ["https://hooks.acme.dev:65536/", "unreadable"],
  ["https://hooks.acme.dev:port/", "unreadable"],
  ["https://relay.example.org/v1/webhooks", "own"],
  ["https://RELAY.example.org./", "own"],
  ["https://relay.example.org:8443/", "own"],
  ["https://r%65lay.example.org/", "own"],
  ["https://127.0.0.1:443/", "loopback"],
];

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
  expect(decided(["169.254.169.254"])).toBe("metadata");
  expect(decided(["2600:1f18::5efe:a00:1"])).toBe("tunnel");
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
