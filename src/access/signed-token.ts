import { type JWTPayload, jwtVerify, SignJWT } from "jose";
import { pastOrUnknown } from "../base/clock.ts";

/** Signs the claims of a session or a ticket as a JWT. */
export const signToken = (key: CryptoKey, claims: JWTPayload): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(key);

type Expected = { type: string; aud: string; ins: string; at: number; required: string[] };

/**
 * The claims of a genuine token of this type, audience and instance that is unexpired at `at` (ms since the epoch) and
 * has the required claims; else null, also for one that a clock dated ahead, which would live on by as much; without a reason, because callers get none either.
 */
export async function verifyToken<Claims extends JWTPayload>(
  key: CryptoKey,
  jwt: string,
  { type, aud, ins, at, required }: Expected,
): Promise<Claims | null> {
  try {
    const { payload } = await jwtVerify<Claims>(jwt, key, {
      algorithms: ["HS256"],
      audience: aud,
      currentDate: new Date(at),
      requiredClaims: required,
    });
    const issued = pastOrUnknown((payload.iat ?? 0) * 1000, at);
    return payload.type === type && payload.ins === ins && issued !== null ? payload : null;
  } catch {
    return null;
  }
}
