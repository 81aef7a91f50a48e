import { Webhook } from "standardwebhooks";
import { expect, it } from "vitest";
import { utf8 } from "../../src/base/encoding.ts";
import { secureRandom } from "../../src/base/random.ts";
import { chainEvent, EMPTY_LEDGER } from "../../src/ledger/chain.ts";
import { eventKinds, eventTypes } from "../../src/ledger/event-kinds.ts";
import { formats } from "../../src/webhooks/formats/render.ts";
import { newSeed } from "../../src/webhooks/key-pair.ts";
import { newSecret, secretText } from "../../src/webhooks/secret.ts";
import { signer } from "../../src/webhooks/signature.ts";
import { testEvent } from "../../src/webhooks/test-event.ts";
import { type WireEndpoint, wireRequest } from "../../src/webhooks/wire.ts";

const secret = newSecret(secureRandom);
const endpoint = (more: Partial<WireEndpoint> = {}): WireEndpoint => ({
  url: "https://hooks.acme.dev/relay",
  headers: {},
  format: "standard",
  sign: signer({ secrets: [secret], seeds: [newSeed(secureRandom)] }),
  ...more,
});
const { event } = chainEvent(
  EMPTY_LEDGER,
  { type: "backup.created", data: eventKinds["backup.created"].example },
  { id: "evt_1", at: Date.now(), instance: "acme" },
);

it("sends the ledger's text byte for byte, even where it is no tidy JSON", () => {
  const text = `{ "id":"evt_1",  "é":1.0e0 }`;
  const request = wireRequest(endpoint(), { id: "evt_1", text }, Date.now());
  expect(request).toMatchObject({ url: "https://hooks.acme.dev/relay", method: "POST", body: text });
  expect(request.headers["content-type"]).toBe("application/json");
  expect(new Webhook(secretText(secret)).verify(request.body, request.headers)).toEqual(JSON.parse(text));
});

it("keeps the id and renews the time in every attempt", () => {
  const first = wireRequest(endpoint(), event, 1_700_000_000_999);
  const second = wireRequest(endpoint(), event, 1_700_000_005_000);
  expect([first.headers["webhook-id"], second.headers["webhook-id"]]).toEqual(["evt_1", "evt_1"]);
  expect(first.headers["webhook-timestamp"]).toBe("1700000000");
  expect(second.headers["webhook-timestamp"]).toBe("1700000005");
  expect(first.body).toBe(second.body);
  expect(first.headers["webhook-signature"]).not.toBe(second.headers["webhook-signature"]);
});

it("adds the owner's headers and lets them replace none of its own but the user agent", () => {
  const headers = { authorization: "Bearer abc", "user-agent": "acme", "content-type": "text/html", "webhook-id": "x" };
  const request = wireRequest(endpoint({ headers }), event, Date.now());
  expect(request.headers).toMatchObject({
    authorization: "Bearer abc",
    "user-agent": "acme",
    "content-type": "application/json",
    "webhook-id": "evt_1",
    "accept-encoding": "identity",
  });
});

it("signs what it carries in every format, in less than 20 kB", () => {
  const addresses: Partial<Record<(typeof formats)[number], string>> = {
    telegram: "https://api.telegram.org/bot1:t/sendMessage?chat_id=1",
    ntfy: "https://ntfy.sh/topic",
  };
  for (const format of formats)
    for (const type of eventTypes) {
      const test = testEvent(type, { instance: "acme", at: Date.now(), random: secureRandom });
      const url = addresses[format] ?? "https://hooks.acme.dev/relay";
      const request = wireRequest(endpoint({ format, url }), test, Date.now());
      expect(utf8(request.body).length).toBeLessThan(20_000);
      const verifier = new Webhook(secretText(secret));
      if (format === "healthchecks") expect(() => verifier.verify(request.body, request.headers)).toThrow(SyntaxError);
      else expect(verifier.verify(request.body, request.headers)).toEqual(JSON.parse(request.body));
    }
});

it("marks a test event as one in its id, its data and its place", () => {
  const test = testEvent("restore.completed", { instance: "acme", at: 0, random: secureRandom });
  expect(test.id).toMatch(/^evt_test_[0-9A-Za-z]{16}$/);
  expect(JSON.parse(test.text)).toMatchObject({
    id: test.id,
    seq: 0,
    prev: "0".repeat(64),
    type: "restore.completed",
    timestamp: "1970-01-01T00:00:00.000Z",
    instance: "acme",
    data: { test: true },
  });
});

it("signs as another endpoint for another endpoint", () => {
  const other = new Webhook(secretText(newSecret(secureRandom)));
  const { body, headers } = wireRequest(endpoint(), event, Date.now());
  expect(() => other.verify(body, headers)).toThrow();
});
