import { z } from "@hono/zod-openapi";
import { InstanceSchema } from "../instances/server/view.ts";
import { ExpectationSchema } from "../observing/expectation.ts";
import type { UpstreamCredential } from "../upstream/session.ts";

/** What `/v1/instances` takes, and what it answers besides the instance. */
export const instanceName = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/);
const url = z.string().min(1).max(2048);
const headers = z.record(z.string(), z.string());
const pollSeconds = z.number().int().min(15).max(86_400);
const CredentialSchema = z.union([
  z.strictObject({ token: z.string().min(1).max(4096) }),
  z.strictObject({ email: z.string().min(3).max(255), password: z.string().min(1).max(255) }),
]);

export const CreateInstance = z.strictObject({
  name: instanceName,
  url,
  credential: CredentialSchema,
  headers: headers.optional(),
  pollSeconds: pollSeconds.optional(),
  expect: ExpectationSchema.optional(),
  verify: z.boolean().optional(),
  force: z.boolean().optional(),
});

/** A JSON merge patch: null removes a setting, or puts it back to its default. */
export const ChangeInstance = z.strictObject({
  url: url.optional(),
  credential: CredentialSchema.optional(),
  headers: headers.nullable().optional(),
  pollSeconds: pollSeconds.nullable().optional(),
  expect: ExpectationSchema.nullable().optional(),
  verify: z.boolean().optional(),
  force: z.boolean().optional(),
});

export const credentialIn = (given: z.output<typeof CredentialSchema>): UpstreamCredential =>
  "token" in given
    ? { kind: "token", token: given.token }
    : { kind: "password", email: given.email, password: given.password };

export const NudgeSchema = z
  .object({
    url: z.string().describe("Where the server's hook sends its nudges; without PUBLIC_URL the path alone."),
    secret: z.string(),
    hint: z.string().optional().describe("What url is missing, without PUBLIC_URL."),
  })
  .meta({ id: "Nudge" });
export const NewInstanceSchema = z
  .intersection(InstanceSchema, z.object({ nudge: NudgeSchema }))
  .meta({ id: "NewInstance" });
