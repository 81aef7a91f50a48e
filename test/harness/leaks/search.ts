/** Something that must not be found; `places` are the few where it may stand, by their names. */
export type Secret = { what: string; text: string; places: Set<string> };

/** A hit: what was found, in which spelling, where. Never the secret itself, which would then stand in a test's output. */
export type Found = { what: string; spelling: string; place: string };

/** A haystack: all bytes of one response, log, file, row's column. */
export type Place = { place: string; bytes: Buffer };

/** Shortest text that cannot turn up by chance, and how much of a secret's beginning or end counts as the secret. */
const PIECE = 12;

/**
 * The part of a secret that nobody can guess: of a JWT its signature, of an API key its 32 secret characters, of a
 * webhook's secret what follows its prefix. Whoever shows the whole shows this part.
 */
export function coreOf(text: string): string {
  if (/^brk_\w{62}$/.test(text)) return text.slice(28, 60);
  if (/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/.test(text)) return text.slice(text.lastIndexOf(".") + 1);
  return text.replace(/^whsec_/, "");
}

/** Base64 of bytes that stand anywhere in a longer text: one spelling for each of the three ways they can be cut. */
function base64s(bytes: Buffer, alphabet: "base64" | "base64url"): string[] {
  return [0, 1, 2].map((before) => {
    const coded = Buffer.concat([Buffer.alloc(before), bytes]).toString(alphabet);
    return coded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
  });
}

const json = (text: string) => JSON.stringify(text).slice(1, -1);
const ascii = (text: string) =>
  json(text).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
const html = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** A text in every spelling in which programs pass it on, by name. */
export function spellings(text: string): Map<string, string[]> {
  const bytes = Buffer.from(text);
  return new Map([
    ["plain", [text]],
    ["base64", base64s(bytes, "base64")],
    ["base64url", base64s(bytes, "base64url")],
    ["hex", [bytes.toString("hex"), bytes.toString("hex").toUpperCase()]],
    ["percent-encoded", [encodeURIComponent(text), encodeURIComponent(text).replace(/%../g, (at) => at.toLowerCase())]],
    ["form-encoded", [new URLSearchParams([["", text]]).toString().slice(1)]],
    ["JSON-escaped", [json(text), ascii(text), json(json(text))]],
    ["HTML-escaped", [html(text)]],
    ["UTF-16", [Buffer.from(text, "utf16le").toString("latin1")]],
  ]);
}

type Needle = { secret: Secret; spelling: string; bytes: Buffer };

const hashed = (key: number): number => (key ^ (key >>> 13)) & 0xfffff;

/** Looks for the first and the last bytes of every spelling of every secret, in one pass over each place. */
export class Search {
  private readonly needles = new Map<number, Needle[]>();
  private readonly perhaps = new Uint8Array(1 << 20);

  constructor(secrets: Iterable<Secret>) {
    for (const secret of secrets) {
      const core = coreOf(secret.text);
      if (core.length < PIECE) throw new Error(`too short to be told from chance: ${secret.what}`);
      const all = spellings(core);
      // A key that is written as base64 is as good as the bytes it stands for.
      if (/^[A-Za-z0-9+/]{40,}={0,2}$/.test(core)) {
        const raw = Buffer.from(core, "base64");
        all.set("raw bytes", [raw.toString("latin1")]).set("raw bytes in hex", [raw.toString("hex")]);
      }
      for (const [spelling, texts] of all) for (const text of texts) this.add(secret, spelling, text);
    }
  }

  private add(secret: Secret, spelling: string, text: string): void {
    const bytes = Buffer.from(text, spelling === "UTF-16" || spelling === "raw bytes" ? "latin1" : "utf8");
    for (const piece of [bytes.subarray(0, PIECE), bytes.subarray(-PIECE)]) {
      const key = piece.readInt32BE(0);
      const same = this.needles.get(key) ?? [];
      this.needles.set(key, same);
      if (same.some((one) => one.secret === secret && one.bytes.equals(piece))) continue;
      same.push({ secret, spelling, bytes: piece });
      this.perhaps[hashed(key)] = 1;
    }
  }

  /** Every secret that stands where it must not. */
  in(places: Iterable<Place>): Found[] {
    const found = new Map<string, Found>();
    for (const { place, bytes } of places) {
      let key = 0;
      for (let at = 0; at < bytes.length; at++) {
        key = (key << 8) | bytes[at]!;
        if (at < 3 || this.perhaps[hashed(key)] === 0) continue;
        for (const { secret, spelling, bytes: needle } of this.needles.get(key) ?? []) {
          const start = at - 3;
          if (secret.places.has(place) || !bytes.subarray(start, start + needle.length).equals(needle)) continue;
          const one = { what: secret.what, spelling, place };
          found.set(Object.values(one).join("\n"), one);
        }
      }
    }
    return [...found.values()];
  }
}
