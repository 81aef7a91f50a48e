/**
 * Whether a listed key is a backup worth an event. The server lists its whole store: files in folders (a bucket shared
 * with uploads, pocketbase#5933), the temporary files of a copy in progress, attribute files, and markers of hooks.
 */
export const isBackupKey = (key: string): boolean => key !== "" && !/\/|^\.|\.(tmp|attrs)$/i.test(key);
