/** Where the command puts what the restore had put in place. */
export const ASIDE = "pb_data_of_the_restore";

/**
 * A restore moves every entry of `pb_data` but four into one `old_pb_data_*`, then its own entries in (seen on PocketBase 0.40.6
 * and 0.39.11). What can be left of it, and what is right then:
 * - both have a `data.db`: the restore's data is in place, so all of it goes aside, also the `-wal` of a start that failed;
 * - else it was killed between its moves: only entries that the old data has as well are the restore's;
 * - no such folder, or an empty one: it failed before, took its moves back, or a start has deleted the old data.
 */
const script = [
  `stop() { echo "$1" >&2; exit 1; };`,
  `[ -d pb_data ] || stop "Nothing was moved: there is no pb_data here. Go to the folder that holds it.";`,
  `[ ! -e ${ASIDE} ] || stop "Nothing was moved: ${ASIDE} exists already, perhaps from an earlier run. Look into it and rename it.";`,
  `old=;`,
  `for each in pb_data/.pb_temp_to_delete/old_pb_data_*; do`,
  `[ -n "$(ls -A "$each" 2>/dev/null)" ] || continue;`,
  `[ -z "$old" ] || stop "Nothing was moved: there are several folders pb_data/.pb_temp_to_delete/old_pb_data_*. Move all but the newest elsewhere.";`,
  `old=$each;`,
  `done;`,
  `[ -n "$old" ] || stop "Nothing was moved: there is no old data in pb_data/.pb_temp_to_delete. The server has kept its data, or it has started since and deleted what was there: restore the safety backup instead.";`,
  `[ -f "$old/data.db" ] || [ -f pb_data/data.db ] || stop "Nothing was moved: there is no data.db, neither in $old nor in pb_data.";`,
  `if command -v fuser >/dev/null && fuser pb_data/data.db >/dev/null 2>&1; then stop "Nothing was moved: a process has pb_data/data.db open. Stop the server for good first."; fi;`,
  `mkdir ${ASIDE} || stop "Nothing was moved: ${ASIDE} cannot be made here.";`,
  `all=; [ -f "$old/data.db" ] && [ -f pb_data/data.db ] && all=yes;`,
  `move() { mv "$1" "$2" || stop "Stopped midway: $1 cannot be moved to $2. Nothing was deleted: the old data is in pb_data and $old, the restored data in ${ASIDE} and pb_data."; };`,
  `for each in pb_data/* pb_data/.[!.]*; do`,
  `case $each in pb_data/backups|pb_data/.pb_temp_to_delete|pb_data/.autocert_cache|pb_data/lost+found) continue;; esac;`,
  `[ -e "$each" ] || [ -L "$each" ] || continue;`,
  `if [ -n "$all" ] || [ -e "$old/\${each##*/}" ]; then move "$each" ${ASIDE}/; fi;`,
  `done;`,
  `for each in "$old"/* "$old"/.[!.]*; do`,
  `if [ -e "$each" ] || [ -L "$each" ]; then move "$each" pb_data/; fi;`,
  `done;`,
  `echo "The old data is in pb_data again. Start the server.";`,
].join(" ");

/**
 * One line for a POSIX shell, run in the folder above `pb_data` with the server stopped: puts the data from before a restore
 * back. It moves nothing before it knows where to go, and ends with a sentence and status 1 when it does not. In quotes, so
 * that any shell can run it and one that was cut off does nothing.
 */
export const wayBack = `sh -c '${script}'`;
