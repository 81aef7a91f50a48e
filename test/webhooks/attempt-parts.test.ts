import { Buffer } from "node:buffer";
import fc from "fast-check";
import { expect, it } from "vitest";
import { utf8 } from "../../src/base/encoding.ts";
import { type AddressPolicy, isPublicReceiver, readAddress } from "../../src/webhooks/address.ts";
import { acceptEndpointHeaders } from "../../src/webhooks/headers.ts";
import { reasonOfLookup, reasonOfRefusal, reasonOfStatus, reasonOfThrow } from "../../src/webhooks/reason.ts";
import { endpointSecrets, responseSnippet, SNIPPET_BYTES, SNIPPET_READ_BYTES } from "../../src/webhooks/snippet.ts";

const refusal = (given: Record<string, string>) => {
  const read = acceptEndpointHeaders(given);
  return read.ok ? "taken" : read.error;
};

it("takes an owner's headers in lower case", () => {
  expect(acceptEndpointHeaders({ Authorization: "Bearer abc", "X-Team": "ops on call" })).toEqual({
    ok: true,
    value: { authorization: "Bearer abc", "x-team": "ops on call" },
  });
  expect(acceptEndpointHeaders({}).ok).toBe(true);
  expect(refusal(Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`x-${at}`, "v"])))).toBe("taken");
});

it("refuses headers that sign, frame or route a request, or open a metadata service", () => {
  for (const name of [
    "webhook-id",
    "Webhook-Signature",
    "webhook-anything",
    "Host",
    "Content-Type",
    "content-length",
    "Content-Encoding",
    "transfer-encoding",
    "Connection",
    "keep-alive",
    "Upgrade",
    "TE",
    "Trailer",
    "Expect",
    "Proxy-Authorization",
    "CF-Connecting-IP",
    "cf-worker",
    "Forwarded",
    "X-Forwarded-For",
    "x-forwarded-host",
    "X-Real-IP",
    "Accept-Encoding",
    "Metadata",
    "Metadata-Flavor",
    "X-aws-ec2-metadata-token",
    "X-aws-ec2-metadata-token-ttl-seconds",
    "X-Google-Metadata-Request",
  ])
    expect(refusal({ [name]: "v" }), name).toBe(`The header ${name.toLowerCase()} cannot be set.`);
});

it("refuses headers that are not plain, too many, too long or given twice, and quotes no value", () => {
  for (const name of ["", "x y", "x:y", "x\r\ny", "é", "(x)", "a".repeat(101)])
    expect(refusal({ [name]: "v" }), name).toMatch(/not one/);
  for (const value of ["", " v", "v ", "a\r\nb: c", "a\nb", "a\u0000", "é", "a\tb", "v".repeat(2_049)]) {
    expect(refusal({ "x-key": value })).toMatch(/visible ASCII/);
    if (value.trim().length > 1) expect(refusal({ "x-key": value })).not.toContain(value.slice(0, 5));
  }
  expect(refusal({ "X-Key": "a", "x-key": "b" })).toMatch(/twice/);
  expect(refusal(Object.fromEntries(Array.from({ length: 11 }, (_, at) => [`x-${at}`, "v"])))).toMatch(/at most 10/);
});

it("shows the start of an answer with the endpoint's own secrets masked", () => {
  const basic = Buffer.from("robot:pa55word").toString("base64");
  const headers = {
    authorization: "Bearer s3cr3t-t0ken",
    "x-env": "prod",
    "x-basic": `Basic ${basic}`,
    "x-odd": 'a"b<c',
  };
  const url = "https://hooks.acme.dev/services/T000/B000/XXXXXXXXXXXX?sig=abcdefgh%2F";
  const secrets = endpointSecrets(headers, url);
  const shown = (text: string) => responseSnippet(utf8(text), secrets);
  expect(shown("ok")).toBe("ok");
  expect(shown('{"Authorization":"Bearer s3cr3t-t0ken"}')).toBe('{"Authorization":"•••"}');
  expect(shown("token S3CR3T-T0KEN in prod")).toBe("token ••• in •••");
  expect(shown("hello robot:pa55word and pa55word")).toBe("hello ••• and •••");
  expect(shown('{"x":"a\\"b<c"} a&quot;b&lt;c a%22b%3Cc')).toBe('{"x":"•••"} ••• •••');
  expect(shown("POST /services/T000/B000/XXXXXXXXXXXX?sig=abcdefgh%2F")).toBe("POST •••");
  expect(shown("no hook XXXXXXXXXXXX, sig abcdefgh/")).toBe("no hook •••, sig •••");
});

it("masks a secret that reading tore in two, too", () => {
  const token = `s3cr3t-${"x0".repeat(900)}`;
  const body = utf8(`${token} `.repeat(6)).slice(0, SNIPPET_READ_BYTES);
  expect(responseSnippet(body, endpointSecrets({ "x-token": token }, "https://hooks.acme.dev/"))).toBe(
    "••• ••• ••• ••• •••",
  );
  expect(responseSnippet(utf8("ends in s3c"), endpointSecrets({ "x-token": token }, "https://hooks.acme.dev/"))).toBe(
    "ends in s3c",
  );
});

it("escapes what could mislead a terminal or a reader, and keeps lines", () => {
  expect(responseSnippet(utf8("a\u001b[31mred\u0000\r\n\tb\u202ec\u200b"), [])).toBe(
    "a\\u{1b}[31mred\\u{0}\n  b\\u{202e}c\\u{200b}",
  );
  expect(responseSnippet(Uint8Array.of(0xff, 0xfe, 0x41), [])).toBe("��A");
});

it("never shows a secret nor more than 4 kB, whatever is answered", () => {
  const value = fc.stringMatching(/^[!-~]([ -~]{0,40}[!-~])?$/);
  const junk = fc.string({ unit: "binary", maxLength: 3_000 });
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 3 }),
      fc.array(fc.tuple(junk, fc.nat(2), fc.boolean())),
      (values, parts) => {
        const headers = Object.fromEntries(values.map((text, at) => [`x-${at}`, text]));
        const secrets = endpointSecrets(headers, "https://hooks.acme.dev/very-secret-path");
        const text = parts.map(([other, which, upper]) => {
          const secret = values[which % values.length]!;
          return other + (upper ? secret.toUpperCase() : secret);
        });
        const shown = responseSnippet(utf8(text.join("")).slice(0, SNIPPET_READ_BYTES), secrets);
        expect(utf8(shown).length).toBeLessThanOrEqual(SNIPPET_BYTES);
        for (const secret of values) expect(shown.toLowerCase()).not.toContain(secret.toLowerCase());
      },
    ),
    { numRuns: 100 },
  );
});

it("shows answers of receivers only that are known to be public", () => {
  const policy = (privateNetwork: AddressPolicy["privateNetwork"]): AddressPolicy => ({
    privateNetwork,
    own: [],
    ports: [],
  });
  const isPublic = (url: string, privateNetwork: AddressPolicy["privateNetwork"], resolved: string[] | null = null) => {
    const read = readAddress(url, policy(privateNetwork));
    return read.ok ? isPublicReceiver(read.value, policy(privateNetwork), resolved) : null;
  };
  expect(isPublic("https://hooks.acme.dev/", "none")).toBe(true);
  expect(isPublic("http://10.0.0.1/", "all")).toBe(false);
  expect(isPublic("http://receiver/", "all", ["8.8.8.8"])).toBe(false);
  expect(isPublic("https://hooks.acme.dev/", "all")).toBe(false);
  expect(isPublic("https://hooks.acme.dev/", "all", ["8.8.8.8", "10.0.0.1"])).toBe(false);
  expect(isPublic("https://hooks.acme.dev/", "all", ["8.8.8.8"])).toBe(true);
  expect(isPublic("https://8.8.8.8/", "all")).toBe(true);
});

it("says in words why an attempt failed", () => {
  expect(reasonOfStatus(302)).toEqual({
    kind: "redirect",
    message: "It answered 302. Redirects are never followed: register the final address.",
  });
  expect(reasonOfStatus(410).kind).toBe("gone");
  expect(reasonOfStatus(401)).toMatchObject({ kind: "status", message: expect.stringContaining("credential") });
  expect(reasonOfStatus(418)).toEqual({ kind: "status", message: "It answered 418." });
  expect([522, 525, 526, 530, 521].map((status) => reasonOfStatus(status).kind)).toEqual([
    "timeout",
    "tls",
    "tls",
    "dns",
    "connection",
  ]);
  expect(reasonOfRefusal({ rule: "private", message: "This leads into a private network." })).toEqual({
    kind: "address",
    message: "The address is refused. This leads into a private network.",
  });
  expect(reasonOfRefusal({ rule: "unresolved", message: "The name has no address." }).kind).toBe("dns");
  expect(reasonOfLookup("The resolver did not answer.").message).toBe(
    "The name could not be looked up. The resolver did not answer.",
  );
});

it("tells apart what the runtime throws, and passes none of its text on", () => {
  const internal = { name: "Error", message: "internal error; reference = poprdisikrvcribs5ial9rpe" };
  const kind = (error: { name: string; message: string }, facts: Partial<Parameters<typeof reasonOfThrow>[1]> = {}) => {
    const reason = reasonOfThrow(error, { https: true, resolved: false, reached: null, ...facts });
    expect(reason.message).not.toContain("reference");
    return reason.kind;
  };
  expect(kind({ name: "TimeoutError", message: "The operation was aborted due to timeout" })).toBe("timeout");
  expect(kind({ name: "Error", message: "Network connection lost." })).toBe("connection");
  expect(kind(internal)).toBe("dns");
  expect(kind(internal, { reached: false })).toBe("dns");
  expect(kind(internal, { reached: true })).toBe("tls");
  expect(kind(internal, { reached: true, https: false })).toBe("connection");
  expect(kind(internal, { resolved: true })).toBe("connection");
});
