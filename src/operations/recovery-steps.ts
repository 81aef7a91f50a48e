import { quotedName } from "../archive/entry-name.ts";
import type { RestoreOutcome } from "./restore-outcome.ts";
import { ASIDE, wayBack } from "./way-back.ts";

type Unknown = Extract<RestoreOutcome, { state: "unknown" }>["because"];

const found: Record<Unknown, string> = {
  not_back:
    "The server has not come back since it took the restore. Look whether its process runs, and at the end of its log.",
  still_busy: "The server has said for 20 minutes that it is making or restoring a backup. Look at its log.",
  no_access:
    "The server answers but accepts none of the relay's credentials, so its data could not be looked at. Log in and look.",
  contended:
    "Another restore was under way on the server at the same time, by another relay or by hand: which backup is in place now cannot be told from outside. Log in and look at the newest records, and keep to one relay for a server.",
  no_evidence:
    "The server answers, but what would prove the outcome cannot be read. Log in and look at the newest records.",
};

/**
 * What a person has to do when nothing proves a restore's end: what to look at, where the old data lies on the server,
 * the command that puts it back, and where the safety backup is. The command was run against servers that a restore
 * had ended for good (PocketBase 0.40.6 and 0.39.11).
 */
export function recoverySteps(because: Unknown, safetyKey: string | null): string[] {
  return [
    found[because],
    "Only if it does not start any more: look for its data from before in pb_data/.pb_temp_to_delete/old_pb_data_* on the server, and copy that folder away before anything else; the first start that succeeds deletes it. If there is none, leave out the next two steps.",
    "Stop the server for good, go to the folder that holds pb_data, and run the line below. It says why when it moves nothing.",
    wayBack,
    `Start the server again. What the restore had put in place is in ${ASIDE}.`,
    safetyKey
      ? `The data from just before the restore is also in the safety backup ${quotedName(safetyKey)}: in pb_data/backups on the server, or in its S3 bucket. It can be restored like any other backup.`
      : "There is no safety backup: it was left out on request.",
  ];
}
