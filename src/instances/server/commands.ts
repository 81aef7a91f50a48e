import { problem } from "../../base/problem.ts";
import { problems } from "../../base/problems.ts";
import { fail, ok } from "../../base/result.ts";
import type { ServerCheck } from "../../upstream/check-result.ts";
import type { Handlers, Policies } from "../caller.ts";
import type { SessionKeys } from "../keys/session-keys.ts";
import type { Observer } from "../observing/observer.ts";
import type { InstanceChange } from "./record.ts";
import type { Server } from "./server.ts";
import type { Configuration } from "./store.ts";
import type { InstanceView } from "./view.ts";

export type InstanceCommands = {
  "instance.read": { input: object; output: InstanceView };
  "instance.change": { input: InstanceChange; output: InstanceView };
  "instance.check": { input: object; output: ServerCheck };
  "instance.rotateNudge": { input: object; output: { place: { id: string; tag: string }; secret: string } };
};

export const instancePolicies: Policies<InstanceCommands> = {
  // The administrator's calls have their rows in any case.
  "instance.read": { scope: "admin", audit: false },
  "instance.change": { scope: "admin", audit: true },
  "instance.check": { scope: "admin", audit: true },
  "instance.rotateNudge": { scope: "admin", audit: true },
};

type Deps = {
  configuration: Configuration;
  server: Server;
  observer: Observer;
  tokenKeys: SessionKeys;
  view: () => Promise<InstanceView>;
};

/** What an administrator does to the instance itself. */
export function administrationHandlers({
  configuration,
  server,
  observer,
  tokenKeys,
  view,
}: Deps): Handlers<InstanceCommands> {
  return {
    "instance.read": async () => ok(await view()),

    "instance.change": async ({ do: _do, force, ...change }) => {
      const changed = await configuration.change(change);
      if (!changed.ok) return changed;
      if (change.expect !== undefined) observer.expect(change.expect);
      server.reset();
      tokenKeys.forget();
      if (change.url !== undefined || change.credential !== undefined || change.headers !== undefined) {
        const checked = await server.check();
        if (checked.ok && checked.value.refusal && !force) {
          const { code, message, hint } = checked.value.refusal;
          // The values are kept, because they may be right while the server is down, but the answer says what the check found.
          return fail(
            problem("check_failed", {
              message: `Saved, but: ${message ?? problems[code].message}`,
              hint: hint ?? problems[code].hint,
            }),
          );
        }
      }
      return ok(await view());
    },

    "instance.check": async () => {
      const checked = await server.check();
      return checked.ok ? ok(checked.value.check) : checked;
    },

    "instance.rotateNudge": async () => {
      const { id, tag } = configuration.own;
      return ok({ place: { id, tag }, secret: await configuration.rotateNudge() });
    },
  };
}
