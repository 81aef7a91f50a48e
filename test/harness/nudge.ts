import { createHmac, randomUUID } from "node:crypto";

/** The request that a server's hook file sends to the relay, signed with the instance's nudge secret. */
export function signedNudge(secret: string, { at = Date.now(), nonce = randomUUID() as string } = {}) {
  const body = JSON.stringify({ at: new Date(at).toISOString(), nonce });
  const signature = createHmac("sha256", secret).update(body).digest("hex");
  return { method: "POST", headers: { "x-signature": signature }, body };
}
