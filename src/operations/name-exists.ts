/** PocketBase's field errors for a name that is taken, in the words of its create and of its upload. */
export const nameExists = {
  create: {
    name: { code: "validation_backup_name_exists", message: "The backup file name is invalid or already exists." },
  },
  upload: {
    file: { code: "validation_backup_name_exists", message: "Backup file with the specified name already exists." },
  },
} as const;
