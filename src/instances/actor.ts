import type { ApiKey, Holder } from "../access/key.ts";
import type { CallerActor } from "./caller.ts";

/** A caller with a trust is a `key`: it sends a session, as callers with keys do. */
const KINDS = { grant: "chat", trust: "key", schedule: "schedule" } as const satisfies Record<Holder["kind"], string>;

/** Who acts when these rights are used. */
export const actorOfKey = ({ id, name, holder }: Pick<ApiKey, "id" | "name" | "holder">): CallerActor => ({
  kind: holder ? KINDS[holder.kind] : "key",
  id,
  name,
});

/** `kind:id`, or the kind alone for the administrator. */
export const actorText = (actor: CallerActor): string => (actor.id ? `${actor.kind}:${actor.id}` : actor.kind);
