import type { Context } from "hono";
import type { Problem } from "../base/problem.ts";
import type { Bindings } from "../bindings.ts";
import type { LimitState } from "../instances/door/limits.ts";
import type { Settings } from "../settings.ts";
import { problemResponse } from "./problem.ts";

/** What every handler finds in its context. */
export type AppEnv = {
  Bindings: Bindings;
  Variables: {
    settings: Settings;
    requestId: string;
    /** What is left of the key's limits, for the RateLimit headers; set when an instance answered. */
    limits: LimitState[] | undefined;
    /** An instance has accepted the request's credential once. */
    admitted: boolean | undefined;
  };
};

export type AppContext = Context<AppEnv>;

export const refuse = (c: AppContext, problem: Problem): Response => problemResponse(problem, c.get("requestId"));
