import { type Problem, problem } from "../../base/problem.ts";

/** What an instance keeps sealed. */
export type SealedName = "credential" | "previousCredential" | "headers" | "sessionKey" | "nudgeSecret";

const WORDS: { [N in SealedName]: string } = {
  credential: "credential of the server",
  previousCredential: "former credential of the server",
  headers: "extra headers",
  sessionKey: "signing key of sessions and tickets",
  nudgeSecret: "nudge secret",
};

export const sealedLocked = (name: SealedName): Problem =>
  problem("sealed_locked", {
    message: `The stored ${WORDS[name]} cannot be opened with the configured ENCRYPTION_KEY.`,
  });

/** Credentials and headers are bound to the origin they are meant for, the other values to the instance alone. */
export function sealContext({ id, url }: { id: string; url: string }, name: SealedName): string {
  const origin = name === "sessionKey" || name === "nudgeSecret" ? "" : new URL(url).origin;
  return `${id}|sealed|${name}|${origin}`;
}
