/** PocketBase's field errors for a name that is taken, in the words of each call; as an upload's when another one holds it. */
export const nameExists = {
  create: {
    name: { code: "validation_backup_name_exists", message: "The backup file name is invalid or already exists." },
  },
  upload: {
    file: { code: "validation_backup_name_exists", message: "Backup file with the specified name already exists." },
  },
} as const;
