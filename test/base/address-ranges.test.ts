import { describe, expect, it } from "vitest";
import { classify, classifyHost } from "../../src/base/address-ranges.ts";

const cases: Record<string, string[]> = {
  public: [
    "1.1.1.1",
    "100.63.255.255",
    "100.128.0.0",
    "172.32.0.1",
    "223.255.255.255",
    "2606:4700::1111",
    "64:ff9b::808:808",
  ],
  loopback: ["2606:4700::5efe:7f00:1", "127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"],
  private: [
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "fc00::1",
    "fd12:3456::1",
    "::ffff:10.1.2.3",
  ],
  "link-local": ["169.254.0.1", "fe80::1", "fe80::200:5efe:127.0.0.1", "fe80::1%eth0", "::ffff:169.254.1.1"],
  metadata: [
    "169.254.169.254",
    "169.254.170.2",
    "168.63.129.16",
    "100.100.100.200",
    "fd00:ec2::254",
    "::ffff:a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
  ],
  special: [
    "0.0.0.0",
    "0.1.2.3",
    "192.0.0.1",
    "192.0.2.5",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::127.0.0.1",
    "::8.8.8.8",
    "::808:808",
    "::ffff:8.8.8.8",
    "::ffff:808:808",
    "0:0:0:0:0:ffff:1.1.1.1",
    "2002:808:808::",
    "::ffff:0:127.0.0.1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fec0::1",
    "ff02::1",
    "",
    "nonsense",
    "1.2.3.4.5",
  ],
};

describe("address ranges", () => {
  for (const [kind, addresses] of Object.entries(cases))
    it(`sorts ${kind} addresses`, () => {
      for (const address of addresses) expect([address, classify(address)]).toEqual([address, kind]);
    });

  it("sees through every spelling of an address that a URL can hold", () => {
    for (const spelling of [
      "127.1",
      "2130706433",
      "0x7f000001",
      "0177.0.0.1",
      "127.0.0.1.",
      "①②⑦.0.0.1",
      "[::ffff:7f00:1]",
      "[0:0:0:0:0:0:0:1]",
    ])
      expect([spelling, classifyHost(new URL(`http://${spelling}/`).hostname)]).toEqual([spelling, "loopback"]);
    expect(classifyHost(new URL("http://0xA9FEA9FE/").hostname)).toBe("metadata");
  });

  it("knows names that can only be local", () => {
    const hosts: Record<string, string[]> = {
      loopback: [
        ...["localhost", "localhost.", "a.localhost", "LOCALHOST", "localhost.localdomain"],
        ...["localhost4", "localhost4.localdomain4", "localhost6.localdomain6", "ip6-localhost", "ip6-loopback"],
      ],
      private: [
        ...["pocketbase", "nas.local", "db.internal", "x.home.arpa", "nas.lan", "broadcasthost", "ip6-allnodes"],
        ...["a.localdomain", "a.localdomain4", "pb.default.svc", "mail.corp", "host.docker.internal"],
      ],
      metadata: [
        ...["metadata.google.internal", "metadata.google.internal.", "metadata", "metadata.goog", "instance-data"],
        ...["instance-data.ec2.internal", "instance-data.eu-west-1.compute.internal", "metadata.tencentyun.com"],
      ],
      special: ["x.invalid", "x.test", "1.0.0.127.in-addr.arpa", "", ".", "a..example.com", "pb.example.com.."],
      public: [
        ...["pb.example.com", "pb.example.com.", "metadatas.example.com", "local.example.com", "localhost.example.com"],
        ...[
          "metadata.example.com",
          "instance-data.example.com",
          "metadata.goog.example.com",
          "localdomain4.example.com",
        ],
      ],
    };
    for (const [kind, names] of Object.entries(hosts))
      for (const name of names) expect([name, classifyHost(name)]).toEqual([name, kind]);
  });
});
