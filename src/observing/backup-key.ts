/** What the server's own cron calls its backups (core/base_backup.go), and what it prunes by. */
export const CRON_PREFIX = "@auto_pb_backup_";

/**
 * Whether a listed key is a backup worth an event. The server lists its whole store: files in folders (a bucket shared
 * with uploads, pocketbase#5933), the temporary files of a copy in progress, attribute files, and markers of hooks.
 */
export const isBackupKey = (key: string): boolean => key !== "" && !/\/|^\.|\.(tmp|attrs)$/i.test(key);
