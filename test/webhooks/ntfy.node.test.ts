import { expect, it } from "vitest";
import type { LedgerEvent } from "../../src/ledger/event.ts";
import { exampleEvent } from "../../src/ledger/event-types.ts";
import { missingInAddress, render } from "../../src/webhooks/formats/render.ts";

it("an address whose topic is no topic is refused, and never ends the rendering of an event", () => {
  for (const topic of ["%zz", "%", "a%20b", "%61lerts", "%E0%A4"]) {
    const url = new URL(`https://ntfy.example.com/${topic}`).href;
    expect(missingInAddress("ntfy", url), topic).not.toBeNull();
    expect(() => render("ntfy", exampleEvent("backup.created") as LedgerEvent, url), topic).not.toThrow();
  }
  // What stands before the topic is the server's affair.
  const below = "https://ntfy.example.com/%zz/alerts";
  expect(missingInAddress("ntfy", below)).toBeNull();
  const { body } = render("ntfy", exampleEvent("backup.created") as LedgerEvent, below);
  expect(JSON.parse(body).topic).toBe("alerts");
});
