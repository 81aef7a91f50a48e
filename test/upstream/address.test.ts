import { describe, expect, it } from "vitest";
import { baseUrl, type PrivateNetwork } from "../../src/upstream/address.ts";
import { extraHeaders } from "../../src/upstream/extra-headers.ts";

const all: PrivateNetwork[] = ["none", "instances", "all"];
const accepted = (text: string, setting: PrivateNetwork) => {
  const result = baseUrl(text, setting);
  return result.ok ? result.value : null;
};

describe("the address of a server", () => {
  it("is https, with its path prefix and without a trailing slash", () => {
    for (const setting of all) {
      expect(accepted("https://pb.example.com", setting)).toBe("https://pb.example.com");
      expect(accepted("https://PB.Example.com:443/", setting)).toBe("https://pb.example.com");
      expect(accepted(" https://pb.example.com:8443/t/acme// ", setting)).toBe("https://pb.example.com:8443/t/acme");
      expect(accepted("https://93.184.216.34/a/../b/", setting)).toBe("https://93.184.216.34/b");
      expect(accepted("https://[2606:4700::1111]", setting)).toBe("https://[2606:4700::1111]");
    }
  });

  it("may be plain http only where it is private, and private only where the setting says so", () => {
    for (const text of [
      "http://127.0.0.1:8090",
      "http://localhost:8090",
      "http://[::1]:8090",
      "http://10.0.0.5",
      "http://pocketbase:8090",
      "http://nas.local",
      "https://192.168.1.5/pb",
      "http://100.101.102.103",
    ]) {
      expect([text, accepted(text, "none")]).toEqual([text, null]);
      expect([text, accepted(text, "instances")]).toEqual([text, text]);
      expect([text, accepted(text, "all")]).toEqual([text, text]);
    }
    for (const setting of all) expect(accepted("http://pb.example.com", setting)).toBeNull();
  });

  it("sees through spellings", () => {
    for (const host of ["0x7f.1", "2130706433", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "①②⑦.0.0.1"])
      expect([host, accepted(`https://${host}/`, "none")]).toEqual([host, null]);
    expect(accepted("http://0x7f.1:8090/", "instances")).toBe("http://127.0.0.1:8090");
  });

  it("is one address in every spelling of a name, and none with an empty label", () => {
    expect(accepted("https://pb.example.com./t/", "none")).toBe("https://pb.example.com/t");
    expect(accepted("https://metadata.example.com", "none")).toBe("https://metadata.example.com");
    for (const host of ["pb.example.com..", "pb..example.com", ".example.com", "[::ffff:8.8.8.8]", "[2002:808:808::]"])
      expect([host, accepted(`https://${host}`, "all")]).toEqual([host, null]);
    for (const host of ["localhost4.localdomain4", "localhost6.localdomain6", "localhost.localdomain", "pb.corp"]) {
      expect([host, accepted(`https://${host}`, "none")]).toEqual([host, null]);
      expect(accepted(`http://${host}:8090`, "instances")).toBe(`http://${host}:8090`);
    }
  });

  it("is never link-local, metadata or reserved", () => {
    for (const setting of all)
      for (const host of [
        "169.254.169.254",
        "0xa9fea9fe",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "metadata.google.internal",
        "100.100.100.200",
        "0.0.0.0",
        "[::]",
        "255.255.255.255",
        "192.0.2.1",
        "x.invalid",
        "224.0.0.1",
      ])
        expect([host, accepted(`https://${host}`, setting)]).toEqual([host, null]);
  });

  it("holds no credential, query, fragment or other scheme, and is not the dashboard's", () => {
    for (const text of [
      "https://u:p@pb.example.com",
      "https://u@pb.example.com",
      "https://pb.example.com?x=1",
      "https://pb.example.com/?",
      "https://pb.example.com/#",
      "https://pb.example.com/_/",
      "https://pb.example.com/t/_/",
      "https://pb.example.com/api",
      "ftp://pb.example.com",
      "file:///etc/passwd",
      "javascript:1",
      "pb.example.com",
      "",
      "https://",
      `https://pb.example.com/${"x".repeat(2048)}`,
    ])
      expect([text, accepted(text, "all")]).toEqual([text, null]);
  });

  it("is refused on the field url, without repeating what was typed", () => {
    const result = baseUrl("https://user:hunter2@pb.example.com", "none");
    expect(result).toMatchObject({
      ok: false,
      error: { code: "invalid_request", data: { url: { code: "validation_invalid_url" } } },
    });
    expect(JSON.stringify(result)).not.toContain("hunter2");
  });
});

describe("headers for a tunnel or proxy", () => {
  it("come back in lower case", () => {
    expect(extraHeaders({ "CF-Access-Client-Id": "a.access", "X-Tunnel-Skip-AntiPhishing-Page": "true 1" })).toEqual({
      ok: true,
      value: { "cf-access-client-id": "a.access", "x-tunnel-skip-antiphishing-page": "true 1" },
    });
    expect(extraHeaders({})).toEqual({ ok: true, value: {} });
  });

  it("are none of the relay's own, of HTTP's or of the caller's address", () => {
    for (const name of [
      "Authorization",
      "cookie",
      "HOST",
      "content-type",
      "transfer-encoding",
      "connection",
      "accept-encoding",
      "range",
      "if-range",
      "x-forwarded-for",
      "forwarded",
      "x-real-ip",
      "cf-connecting-ip",
      "metadata-flavor",
      "x-aws-ec2-metadata-token",
      "proxy-authorization",
      "bad name",
      "",
    ])
      expect([name, extraHeaders({ [name]: "v" }).ok]).toEqual([name, false]);
  });

  it("are ten at most, each once, of visible ASCII, and refused without their value", () => {
    expect(extraHeaders(Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`x-${n}`, "v"]))).ok).toBe(true);
    expect(extraHeaders(Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`x-${n}`, "v"]))).ok).toBe(false);
    expect(extraHeaders({ "X-A": "1", "x-a": "2" }).ok).toBe(false);
    for (const value of ["", " v", "v ", "a\r\nb: c", "é", "\u0000", "v".repeat(4097)]) {
      const result = extraHeaders({ "x-a": value });
      expect(result.ok).toBe(false);
      if (value.length > 2) expect(JSON.stringify(result)).not.toContain(value);
    }
  });
});
