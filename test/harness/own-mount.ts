/**
 * The beginning of a command line for `RelayOptions.within`: `script` mounts something on `$0`, for the process that
 * follows and for nobody else.
 */
export function ownMount(script: string, path: string): readonly string[] {
  const root = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  return ["unshare", "--mount", ...root, "sh", "-c", `${script} && exec "$@"`, path];
}
