import { type Problem, problem } from "../base/problem.ts";
import { fail, ok, type Result } from "../base/result.ts";

/**
 * Globs over backup keys: `*` is any run of characters, also none; `?` is exactly one character; all else is itself,
 * case and bytes included. Matching reads every character of the name once, whatever the pattern (SECURITY 11).
 */
const MAX_PATTERNS = 20;
/** In characters (code points). */
export const MAX_PATTERN_LENGTH = 160;

type Matcher = (name: string) => boolean;

const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** One to 20 globs of 1–160 characters without control characters, else `invalid_request` naming `patterns`. */
export function checkPatterns(patterns: readonly string[]): Result<string[], Problem> {
  const refuse = (code: string, message: string) =>
    fail(problem("invalid_request", { data: { patterns: { code, message } } }));
  if (patterns.length < 1 || patterns.length > MAX_PATTERNS) {
    return refuse("validation_length_out_of_range", `There must be between 1 and ${MAX_PATTERNS} patterns.`);
  }
  for (const pattern of patterns) {
    if (pattern === "" || [...pattern].length > MAX_PATTERN_LENGTH) {
      return refuse("validation_length_out_of_range", `A pattern has between 1 and ${MAX_PATTERN_LENGTH} characters.`);
    }
    if (CONTROL.test(pattern) || !pattern.isWellFormed()) {
      return refuse("validation_match_invalid", "A pattern must not contain control characters.");
    }
  }
  return ok([...patterns]);
}

/**
 * The glob as an automaton whose states are bits (Shift-And, Baeza-Yates and Gonnet 1992): bit i is set when the first
 * i characters of the pattern have been used up; a star lets the state before it stay.
 */
function compile(pattern: string): Matcher {
  if (/^\*+$/.test(pattern)) return () => true;
  if (!/[*?]/.test(pattern)) return (name) => name === pattern;
  const singles = [...pattern].filter((character) => character !== "*");
  const words = (singles.length >>> 5) + 1;
  const set = (bits: Uint32Array, at: number) => {
    bits[at >>> 5]! |= 1 << (at & 31);
  };
  const stay = new Uint32Array(words);
  const anyCharacter = new Uint32Array(words);
  const enter = new Map<string, Uint32Array>();
  let used = 0;
  for (const character of pattern) {
    if (character === "*") set(stay, used);
    else if (character === "?") set(anyCharacter, ++used);
    else {
      const bits = enter.get(character) ?? new Uint32Array(words);
      enter.set(character, bits);
      set(bits, ++used);
    }
  }
  for (const bits of enter.values()) for (let w = 0; w < words; w++) bits[w]! |= anyCharacter[w]!;
  return (name) => {
    const state = new Uint32Array(words);
    state[0] = 1;
    for (const character of name) {
      const bits = enter.get(character) ?? anyCharacter;
      let carry = 0;
      for (let w = 0; w < words; w++) {
        const now = state[w]!;
        state[w] = (((now << 1) | carry) & bits[w]!) | (now & stay[w]!);
        carry = now >>> 31;
      }
    }
    return (state[used >>> 5]! & (1 << (used & 31))) !== 0;
  };
}

/** True for a name that any of the globs admits; no glob admits nothing. Compile once, ask often. */
export function matcher(patterns: readonly string[]): Matcher {
  const compiled = patterns.map(compile);
  return (name) => compiled.some((matches) => matches(name));
}
