import * as z from "zod";
import { MADE_AT_BY, madeAtKinds } from "../../archive/made.ts";
import { isoTime } from "../../base/clock.ts";
import { ExpectationSchema } from "../../observing/expectation.ts";
import { CheckSchema } from "../../upstream/check-result.ts";
import type { InstanceRecord } from "./record.ts";

/** An instance as an administrator sees it; never a secret. */
export const InstanceSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    url: z.string(),
    state: z.enum(["reachable", "unreachable", "unauthorized", "unchecked"]),
    credential: z.object({
      kind: z.enum(["token", "password"]),
      email: z.string().optional(),
      expires: z.string().optional(),
    }),
    headers: z.array(z.string()).describe("Names of the extra headers; their values never come back."),
    pollSeconds: z.number(),
    expect: ExpectationSchema.nullable(),
    verify: z.boolean(),
    /** The newest one that counts, as of latest; null when none was seen yet. */
    newestBackup: z
      .object({
        key: z.string(),
        modified: z.string(),
        ageSeconds: z.number().describe("Since madeAt."),
        madeAt: z.string(),
        madeAtBy: z.enum(madeAtKinds).describe(MADE_AT_BY),
      })
      .nullable(),
    created: z.string(),
    updated: z.string(),
    check: z.union([CheckSchema, z.null()]),
    leftToReseal: z.number().describe("0 when a former ENCRYPTION_KEY can be taken away."),
    /** By name; what to do stands in the check's warnings. */
    locked: z.array(z.string()).describe("Sealed values that no configured ENCRYPTION_KEY opens."),
  })
  .meta({ id: "Instance" });
export type InstanceView = z.infer<typeof InstanceSchema>;

/** What an administrator is shown of the row, with what is kept in memory and in the sealed values. */
export function instanceView(
  stored: InstanceRecord,
  known: Pick<InstanceView, "newestBackup" | "locked" | "leftToReseal">,
): InstanceView {
  const { check, credential } = stored;
  return {
    id: stored.id,
    name: stored.name,
    url: stored.url,
    state: !check ? "unchecked" : !check.reachable ? "unreachable" : check.authorized ? "reachable" : "unauthorized",
    credential: {
      kind: credential.kind,
      ...(credential.email ? { email: credential.email } : {}),
      ...(credential.expires ? { expires: isoTime(credential.expires) } : {}),
    },
    headers: stored.headerNames,
    pollSeconds: stored.pollSeconds,
    expect: stored.expect,
    verify: stored.verify,
    created: isoTime(stored.created),
    updated: isoTime(stored.updated),
    check,
    ...known,
  };
}
