import { parseCredential } from "../access/credential.ts";
import { isoTime } from "../base/clock.ts";
import { fromUtf8 } from "../base/encoding.ts";
import { type FieldProblem, problem } from "../base/problem.ts";
import { type AppContext, refuse } from "../edge/context.ts";
import { parseJson, readBody } from "../http/body.ts";
import type { SessionGrant } from "../instances/keys/sessions.ts";
import type { Handle } from "./route.ts";

const BODY_LIMIT = 64 << 10;
const FIELD_LIMIT = 255;

/**
 * Logs an SDK of PocketBase in (upstream: apis/record_auth_with_password.go): the API key is the password, the identity
 * may be any text. The answer is a session, a JWT that the SDKs take for a superuser's.
 */
export const logIn: Handle<"session.create"> = async (c, client) => {
  const form = await credentials(c);
  if (form === null)
    return refuse(c, problem("invalid_request", { message: "An error occurred while loading the submitted data." }));
  const data: Record<string, FieldProblem> = {};
  for (const field of ["identity", "password"] as const) {
    const length = form[field].length;
    if (length === 0) data[field] = { code: "validation_required", message: "Cannot be blank." };
    else if (length > FIELD_LIMIT)
      data[field] = {
        code: "validation_length_out_of_range",
        message: "The length must be between 1 and 255.",
        params: { max: 255, min: 1 },
      };
  }
  if (Object.keys(data).length > 0) return refuse(c, problem("invalid_request", { data }));
  const credential = parseCredential(form.password);
  const { ask } = client.withCredential(credential?.kind === "key" ? credential : null);
  const session = await ask("session.create", {});
  if (session.ok) return c.json(authAnswer(session.value, form.identity));
  return refuse(c, session.error.code === "unauthenticated" ? problem("login_failed") : session.error);
};

export const refreshSession: Handle<"session.refresh"> = async (c, { ask }) => {
  const session = await ask("session.refresh", {});
  return session.ok ? c.json(authAnswer(session.value, "")) : refuse(c, session.error);
};

async function credentials(c: AppContext): Promise<{ identity: string; password: string } | null> {
  const bytes = await readBody(c.req.raw, BODY_LIMIT);
  if (bytes === null) return null;
  const isForm = (c.req.header("content-type") ?? "").startsWith("application/x-www-form-urlencoded");
  const value = isForm ? Object.fromEntries(new URLSearchParams(fromUtf8(bytes))) : parseJson(bytes);
  if (bytes.length > 0 && (value === undefined || typeof value !== "object" || Array.isArray(value))) return null;
  const fields = (value ?? {}) as Record<string, unknown>;
  const texts = [fields.identity, fields.password];
  if (texts.some((text) => text !== undefined && text !== null && typeof text !== "string")) return null;
  const text = (field: unknown) => (typeof field === "string" ? field : "");
  return { identity: text(fields.identity), password: text(fields.password) };
}

/** `{token, record}` as the SDKs store it. The record looks like a superuser's and carries the key's id and name. */
const authAnswer = (session: SessionGrant, identity: string) => ({
  record: {
    collectionId: "pbc_3142635823",
    collectionName: "_superusers",
    created: isoTime(session.created).replace("T", " "),
    email: identity.includes("@") ? identity : `${session.keyId.toLowerCase()}@key.invalid`,
    emailVisibility: false,
    id: session.keyId,
    name: session.keyName,
    updated: isoTime(session.created).replace("T", " "),
    verified: true,
  },
  token: session.token,
});
