import manifest from "../package.json" with { type: "json" };

/** The relay's own version, as package.json has it. */
export const version: string = manifest.version;
