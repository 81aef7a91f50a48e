import { makeBackup } from "./make-backup.ts";
import type { Ending } from "./operation.ts";
import { type Work, wasSent } from "./work.ts";

/** Makes one backup and stays until it is known what became of it. */
export async function runCreate(work: Work): Promise<Ending> {
  const made = await makeBackup(work, work.operation.target.key, {
    alreadySent: wasSent(work.operation),
    sending: () => work.step("sent", "running"),
    sent: (detail) => work.step("sent", "done", detail),
  });
  if (made.ok) {
    work.step("listed", "done");
    return { state: "succeeded", result: { backup: made.value } };
  }
  const { problem, settled } = made.error;
  return { state: settled ? "failed" : "unknown", error: problem };
}
