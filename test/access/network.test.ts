import fc from "fast-check";
import { expect, it } from "vitest";
import { brakeBucket, checkNetworks, inNetworks, MAX_NETWORKS } from "../../src/access/network.ts";

it("finds IPv4 and IPv6 addresses in their networks, on the boundaries too", () => {
  for (const [address, network, inside] of [
    ["203.0.113.0", "203.0.113.0/24", true],
    ["203.0.113.255", "203.0.113.0/24", true],
    ["203.0.114.0", "203.0.113.0/24", false],
    ["203.0.112.255", "203.0.113.0/24", false],
    ["198.51.100.7", "198.51.100.7/32", true],
    ["198.51.100.8", "198.51.100.7", false],
    ["8.8.8.8", "0.0.0.0/0", true],
    ["2001:db8::1", "2001:db8::/32", true],
    ["2001:DB8:0:0::1", "2001:db8::/64", true],
    ["2001:db9::1", "2001:db8::/32", false],
    ["fe80::1%eth0", "fe80::/10", true],
    ["::1", "::/0", true],
    ["8.8.8.8", "::/0", false],
    ["::1", "0.0.0.0/0", false],
  ] as const) {
    expect([address, network, inNetworks(address, [network])]).toEqual([address, network, inside]);
  }
  expect(inNetworks("10.0.0.1", ["192.0.2.0/24", "10.0.0.0/8"])).toBe(true);
});

it("takes an IPv4 address inside IPv6 for the IPv4 address, on both sides", () => {
  expect(inNetworks("::ffff:203.0.113.9", ["203.0.113.0/24"])).toBe(true);
  expect(inNetworks("::ffff:cb00:7109", ["203.0.113.0/24"])).toBe(true);
  expect(inNetworks("203.0.113.9", ["::ffff:203.0.113.0/120"])).toBe(true);
  expect(inNetworks("203.0.114.9", ["::ffff:203.0.113.0/120"])).toBe(false);
  expect(inNetworks("::ffff:203.0.113.9", ["::/0"])).toBe(false);
});

it("finds an unknown or unreadable address nowhere, and nothing in no network", () => {
  const everywhere = ["0.0.0.0/0", "::/0"];
  const unreadable = [
    "",
    "unknown",
    "1.2.3",
    "010.0.0.1",
    "0x7f000001",
    "2130706433",
    "1.2.3.4:80",
    "[::1]",
    "1.2.3.4, 5.6.7.8",
    "::ffff:1.2.3.400",
  ];
  for (const address of [null, ...unreadable])
    expect([address, inNetworks(address, everywhere)]).toEqual([address, false]);
  expect(inNetworks("10.0.0.1", [])).toBe(false);
  expect(inNetworks("10.0.0.1", ["rubbish", "10.0.0.0/33"])).toBe(false);
});

it("stores networks in one spelling, without host bits", () => {
  const checked = checkNetworks(["203.0.113.77/24", "198.51.100.7", "2001:DB8::1/32", "::1", "::ffff:10.1.2.3/104"]);
  expect(checked).toEqual({
    ok: true,
    value: ["203.0.113.0/24", "198.51.100.7/32", "2001:db8::/32", "::1/128", "10.0.0.0/8"],
  });
  expect(checkNetworks([])).toEqual({ ok: true, value: [] });
});

it("refuses what is no network and says which", () => {
  const bad = [
    "",
    "x",
    "1.2.3.4/33",
    "1.2.3.4/-1",
    "1.2.3.4/08",
    "1.2.3.4/",
    "1.2.3/24",
    "::/129",
    "fe80::1%eth0/64",
    "1.2.3.4/8/8",
    "::ffff:1.2.3.4/95",
    "010.0.0.0/8",
  ];
  for (const network of bad) {
    const checked = checkNetworks(["10.0.0.0/8", network]);
    expect([network, checked.ok ? "ok" : checked.error.data?.networks?.message]).toEqual([
      network,
      "Number 2 is not a CIDR block such as 203.0.113.0/24.",
    ]);
  }
  expect(checkNetworks(Array(MAX_NETWORKS).fill("10.0.0.0/8")).ok).toBe(true);
  expect(checkNetworks(Array(MAX_NETWORKS + 1).fill("10.0.0.0/8")).ok).toBe(false);
});

it("brakes one IPv4 address, one IPv6 /64, and all unknown ones together", () => {
  expect(brakeBucket("203.0.113.9")).toBe("203.0.113.9");
  expect(brakeBucket("::ffff:203.0.113.9")).toBe("203.0.113.9");
  expect(brakeBucket("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
  expect(brakeBucket("2001:db8:1:2::ffff")).toBe("2001:db8:1:2::/64");
  expect(brakeBucket("2001:db8:1:3::1")).not.toBe(brakeBucket("2001:db8:1:2::1"));
  expect(brakeBucket("fe80::1%eth0")).toBe("fe80::/64");
  for (const address of [null, "", "x"]) expect(brakeBucket(address)).toBe("unknown");
});

it("never fails, whatever stands for an address or a network", () => {
  const text = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.string(),
    fc.ipV6().map((a) => `${a}/64`),
    fc.ipV4Extended(),
  );
  fc.assert(
    fc.property(text, text, (a, b) => {
      const checked = checkNetworks([b]);
      expect(typeof inNetworks(a, [b])).toBe("boolean");
      expect(brakeBucket(a).length).toBeGreaterThan(0);
      if (checked.ok) expect(inNetworks(a, checked.value)).toBe(inNetworks(a, [b]));
    }),
    { numRuns: 1000 },
  );
});
