/// A command line of its own for the server: `pocketbase backup NAME`, as an administrator's script would add it.
$app.rootCmd.addCommand(
  new Command({
    use: "backup",
    run: (_cmd, args) => {
      $app.createBackup(new Context(), args[0]);
    },
  }),
);
