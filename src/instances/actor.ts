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

/** The principal of an administrator: the name beside the token, or one for all who use a token without a name. */
export const administratorPrincipal = ({ name }: Pick<CallerActor, "name">): string => name ?? "administrator";

/** `kind:id`, of an administrator `admin:name`, or the kind alone. */
export const actorText = ({ kind, id, name }: CallerActor): string => {
  const who = id ?? (kind === "admin" ? name : undefined);
  return who ? `${kind}:${who}` : kind;
};
