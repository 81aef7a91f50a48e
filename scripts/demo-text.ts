export type DemoFacts = {
  relay: string;
  key: string;
  upstream: { url: string; version?: string; own: boolean };
  /** Where the same facts stand for scripts. */
  demoFile: string;
  /** The backup that was made, or one the server already had; null when there is none. */
  backup: string | null;
  mayWrite: boolean;
};

/** What `npm start` prints when everything answers: addresses, the key, and lines to paste. */
export function demoText({ relay, key, upstream, backup, mayWrite, demoFile }: DemoFacts): string {
  const name = backup ?? "NAME.zip";
  const path = encodeURIComponent(name);
  const auth = `-H "Authorization: Bearer ${key}"`;
  const create = mayWrite
    ? `curl ${auth} -H "Content-Type: application/json" -d '{"name":"mine.zip"}' ${relay}/api/backups`
    : "(this key only reads: nothing was said yes to)";
  return `
Backup Relay is ready.

  relay    ${relay}   (its API: ${relay}/docs)
  server   ${upstream.url}   ${upstream.version ? `PocketBase ${upstream.version}, ` : ""}dashboard ${upstream.url}/_/
  key      ${key}

With curl:
  list      curl ${auth} ${relay}/api/backups
  create    ${create}
  download  curl ${auth} -o ${name} ${relay}/api/backups/${path}

With the PocketBase JS SDK, unchanged (npm install pocketbase):
  import PocketBase from "pocketbase";
  const pb = new PocketBase("${relay}");
  pb.authStore.save("${key}");
  console.log(await pb.backups.getFullList());${mayWrite ? `\n  await pb.backups.create("mine.zip");` : ""}
  const file = await fetch(pb.backups.getDownloadURL(await pb.files.getToken(), "${name}"));

For scripts: ${demoFile} (until this ends)${upstream.own ? "; the dashboard's login stands there" : ""}. Ctrl-C ends everything.
`;
}
