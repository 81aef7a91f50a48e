import { Buffer } from "node:buffer";
import { expect, it } from "vitest";
import type { LedgerEvent } from "../../src/ledger/event.ts";
import { eventTypes } from "../../src/ledger/event-kinds.ts";
import { exampleEvent } from "../../src/ledger/event-types.ts";
import { recoverySteps } from "../../src/operations/recovery-steps.ts";
import { wayBack } from "../../src/operations/way-back.ts";
import { describe } from "../../src/webhooks/formats/describe.ts";
import { type Format, formats, missingInAddress, render } from "../../src/webhooks/formats/render.ts";

const addresses: Record<Format, string> = {
  standard: "https://hooks.acme.dev/relay",
  slack: "https://hooks.slack.com/services/T000/B000/XXXX",
  discord: "https://discord.com/api/webhooks/1/token",
  telegram: "https://api.telegram.org/bot1:token/sendMessage?chat_id=-1001",
  ntfy: "https://ntfy.sh/acme-backups",
  healthchecks: "https://hc-ping.com/6a5f0b5e-0000-4000-8000-000000000000",
};
const people = formats.filter((format) => format !== "standard");
const example = (type: LedgerEvent["type"], more = {}) => exampleEvent(type, more) as LedgerEvent;

it.each(people)("tells every type of event through %s as its golden file shows", async (format) => {
  const told = Object.fromEntries(
    eventTypes.map((type) => {
      const { url, contentType, body } = render(format, example(type), addresses[format]);
      return [type, { url, contentType, body: contentType === "application/json" ? JSON.parse(body) : body }];
    }),
  );
  await expect(`${JSON.stringify(told, null, 2)}\n`).toMatchFileSnapshot(`golden/${format}.json`);
});

it("tells people a command of the way back whole or not at all", () => {
  const steps = recoverySteps("not_back", "pre_restore_1.zip");
  const unknown = example("restore.unknown");
  const event = { ...unknown, data: { ...unknown.data, steps } } as LedgerEvent;
  const text = render("telegram", event, addresses.telegram).body;
  expect(text).not.toContain("sh -c");
  expect(text).toContain("result.steps");
  for (const prose of steps.filter((step) => step !== wayBack).slice(1, -1)) expect(text).toContain(prose);
});

const hostile =
  "<!channel> @everyone <@U1> *b* _i_ ~s~ `c` **B** ||s|| [x](https://evil.example) </b> &lt; :tada: #tag /restart \u202egpj\u0007\n.zip";
const evil = {
  ...exampleEvent("backup.suspect"),
  data: {
    backup: { key: hostile, size: 1, modified: null },
    archive: null,
    reasons: [{ code: "x", message: hostile }],
    actor: { kind: "key", id: "1", name: hostile },
  },
} as LedgerEvent;
const dangerous = /[<>@*_~`|[\]]|evil|tada|#tag|\/restart|[\u0000-\u0009\u000b-\u001f\u202e]/;

it("shows a hostile name to Slack only where nothing is markup or mention", () => {
  const body = JSON.parse(render("slack", evil, addresses.slack).body);
  expect(body.text).not.toMatch(/[<>\u202e\n]|&(?!(amp|lt|gt);)/);
  expect(body).toMatchObject({ mrkdwn: false, unfurl_links: false, unfurl_media: false });
  expect(body.link_names).toBeUndefined();
  for (const block of body.blocks)
    for (const text of [block.text, ...(block.elements ?? [])].filter(Boolean))
      expect(text).toMatchObject({ type: "plain_text", emoji: false });
  expect(body.blocks[0].text.text.length).toBeLessThanOrEqual(150);
});

it("shows a hostile name to Discord only in code, and lets nobody be mentioned", () => {
  const body = JSON.parse(render("discord", evil, addresses.discord).body);
  const outside = body.content.replace(/`[^`\n]*`/g, "").replaceAll("**", "");
  expect(outside).not.toMatch(dangerous);
  expect(body.content).toContain("evil.example");
  expect(body.allowed_mentions).toEqual({ parse: [] });
  expect(body.flags).toBe(4);
});

it("shows a hostile name to Telegram only in code entities", () => {
  const { url, body } = render("telegram", evil, addresses.telegram);
  const { text, entities, parse_mode, ...rest } = JSON.parse(body);
  expect(parse_mode).toBeUndefined();
  expect(rest).toEqual({ chat_id: "-1001", link_preview_options: { is_disabled: true } });
  expect(url).toBe("https://api.telegram.org/bot1:token/sendMessage");
  let outside = "";
  let at = 0;
  for (const { type, offset, length } of entities) {
    expect(length).toBeGreaterThan(0);
    if (type !== "code") continue;
    expect(offset).toBeGreaterThanOrEqual(at);
    outside += text.slice(at, offset);
    at = offset + length;
  }
  outside += text.slice(at);
  expect(outside).not.toMatch(dangerous);
  expect(text).toContain("evil.example");
});

it("shows a hostile name to ntfy and Healthchecks as plain text without control characters", () => {
  const body = JSON.parse(render("ntfy", evil, addresses.ntfy).body);
  expect(body.markdown).toBeUndefined();
  expect(body.title + body.message).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
  expect(render("healthchecks", evil, addresses.healthchecks)).toMatchObject({
    contentType: "text/plain; charset=utf-8",
  });
});

it("stays within every service's limits, whatever the event holds", () => {
  const long = "é".repeat(1_000);
  const huge = {
    ...exampleEvent("restore.unknown"),
    data: {
      ...exampleEvent("restore.unknown").data,
      backup: { key: long, size: 1, modified: null },
      error: { code: "x", message: long },
      steps: Array.from({ length: 20 }, () => long),
    },
  } as LedgerEvent;
  const body = (format: Exclude<Format, "standard">) => render(format, huge, addresses[format]).body;
  const slack = JSON.parse(body("slack"));
  expect(slack.blocks[0].text.text.length).toBeLessThanOrEqual(150);
  expect(slack.blocks[1].text.text.length).toBeLessThanOrEqual(3_000);
  expect(JSON.parse(body("discord")).content.length).toBeLessThanOrEqual(2_000);
  expect(JSON.parse(body("telegram")).text.length).toBeLessThanOrEqual(4_096);
  expect(Buffer.byteLength(JSON.parse(body("ntfy")).message)).toBeLessThanOrEqual(4_096);
  for (const format of people) expect(Buffer.byteLength(body(format))).toBeLessThan(20_000);
});

it("puts failures first and announces recovery", () => {
  const level = (type: LedgerEvent["type"]) => describe(example(type)).level;
  for (const type of [
    "backup.failed",
    "backup.suspect",
    "backup.overdue",
    "restore.failed",
    "restore.unknown",
  ] as const) {
    expect(level(type), type).toBe("failure");
    expect(describe(example(type)).title[0], type).toMatch(/failed|worthless|overdue|unknown/);
  }
  for (const type of ["backup.recovered", "instance.reachable", "webhook.resumed"] as const) {
    expect(level(type), type).toBe("recovery");
    expect(describe(example(type)).title[0], type).toMatch(/^Recovered: /);
  }
  const ntfy = (type: LedgerEvent["type"]) => JSON.parse(render("ntfy", example(type), addresses.ntfy).body).priority;
  expect([ntfy("backup.overdue"), ntfy("backup.recovered"), ntfy("backup.created")]).toEqual([5, 3, 2]);
});

it("says that a test is a test, and never turns a check red or green by one", () => {
  const test = example("backup.overdue", { test: true, id: "evt_test_1" });
  for (const format of people) expect(render(format, test, addresses[format]).body, format).toContain("Test: ");
  expect(render("healthchecks", test, addresses.healthchecks).url).toBe(`${addresses.healthchecks}/log`);
});

it("pings a check on success, at /fail on failure and overdue, at /log on anything else", () => {
  const end = (type: LedgerEvent["type"], url = addresses.healthchecks) =>
    render("healthchecks", example(type), url).url.slice(addresses.healthchecks.length);
  expect([end("backup.created"), end("backup.recovered")]).toEqual(["", ""]);
  for (const type of ["backup.failed", "backup.overdue", "backup.suspect", "restore.failed"] as const)
    expect(end(type), type).toBe("/fail");
  for (const type of ["restore.completed", "instance.reachable", "key.created", "backup.deleted"] as const)
    expect(end(type), type).toBe("/log");
  expect(end("backup.overdue", `${addresses.healthchecks}/?rid=1`)).toBe("/fail?rid=1");
});

it("turns a check green by a new backup that is sound, or is not to be looked into, and not by an old one", () => {
  const end = (type: LedgerEvent["type"], more: object, since = "2026-11-22T03:00:04.120Z") => {
    const event = example(type) as LedgerEvent & { data: { backup: object } };
    const data = { ...event.data, ...more, backup: { ...event.data.backup, madeAt: since } };
    const told = { ...event, data } as unknown as LedgerEvent;
    return render("healthchecks", told, addresses.healthchecks).url.slice(addresses.healthchecks.length);
  };
  expect([end("backup.created", { verified: "pending" }), end("backup.created", { verified: "no" })]).toEqual([
    "/log",
    "",
  ]);
  expect(end("backup.verified", {})).toBe("");
  for (const type of ["backup.created", "backup.verified"] as const)
    expect(end(type, {}, "2024-11-22T03:00:04.120Z"), type).toBe("/log");
});

it("says what a service needs of its address", () => {
  for (const format of formats) expect(missingInAddress(format, addresses[format]), format).toBeNull();
  expect(missingInAddress("telegram", "https://api.telegram.org/bot1:t/sendMessage")).toMatch(/chat_id/);
  expect(missingInAddress("telegram", "https://api.telegram.org/bot1:t/getMe?chat_id=1")).toMatch(/sendMessage/);
  expect(missingInAddress("ntfy", "https://ntfy.sh/")).toMatch(/topic/);
  expect(missingInAddress("ntfy", "https://ntfy.sh/a%20b")).toMatch(/topic/);
  expect(missingInAddress("healthchecks", "https://hc-ping.com/uuid/fail")).toMatch(/without/);
  expect(missingInAddress("healthchecks", "https://hc-ping.com/")).toMatch(/ping address/);
});
