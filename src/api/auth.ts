import { parseCredential } from "../access/credential.ts";
import { isoTime } from "../base/clock.ts";
import { type FieldProblem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";
import { type AppContext, refuse } from "../edge/context.ts";
import type { SessionGrant } from "../instances/keys/sessions.ts";
import { bindBody } from "./bound-body.ts";
import { answerFields } from "./fields.ts";
import type { Handle } from "./route.ts";

const FIELD_LIMIT = 255;
const BODY_HINT = 'Send {"identity":"any","password":"<API key>"} as application/json.';

/**
 * Logs an SDK of PocketBase in (upstream: apis/record_auth_with_password.go): the API key is the password, the identity
 * may be any text. The answer is a session, a JWT that the SDKs take for a superuser's.
 */
export const logIn: Handle<"session.create"> = async (c, client) => {
  const read = await credentials(c);
  if (!read.ok) return refuse(c, problem("invalid_request", { message: read.error, hint: BODY_HINT }));
  const form = read.value;
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
  if (session.ok) return answerFields(c, authAnswer(session.value, form.identity));
  return refuse(c, session.error.code === "unauthenticated" ? problem("login_failed") : session.error);
};

export const refreshSession: Handle<"session.refresh"> = async (c, { ask }) => {
  const session = await ask("session.refresh", {});
  return session.ok ? answerFields(c, authAnswer(session.value, "")) : refuse(c, session.error);
};

type Credentials = { identity: string; password: string };

/** The message, word for word, for a body that gives no credentials. */
async function credentials(c: AppContext): Promise<Result<Credentials, string>> {
  const bound = await bindBody(c.req.raw);
  if (!bound.ok && bound.error === "unsupported_type") return fail("Unsupported Content-Type.");
  const [identity, password] = bound.ok ? [bound.value("identity") ?? "", bound.value("password") ?? ""] : [];
  return typeof identity === "string" && typeof password === "string"
    ? ok({ identity, password })
    : fail("An error occurred while loading the submitted data.");
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
