/** Writes the configuration anew without the binding that tells plain workerd, and becomes workerd with that one. */
const SCRIPT = `program=$1 command=$2 config=$3
shift 3
own="\${config%.capnp}-metered.capnp"
sed '/(name = "PUBLIC", /d' "$config" > "$own.$$" && mv "$own.$$" "$own" && exec "$program" "$command" "$own" "$@"`;

/** For `startRelay({ within })`: the relay takes the runtime for Cloudflare's, and has it pipe the pieces of downloads. */
export const asOnCloudflare: readonly string[] = ["/bin/sh", "-c", SCRIPT, "as-on-cloudflare"];
