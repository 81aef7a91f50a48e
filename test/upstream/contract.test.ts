import { FakeUpstream } from "../harness/fake/upstream.ts";
import { contract } from "./contract.ts";

contract("the fake as 0.40.6 inside workerd", async () => {
  const fake = new FakeUpstream({ pace: { restoreDelay: 50, log: 100 } });
  return {
    url: "https://pb.example.com",
    line: "0.40",
    patience: 100,
    email: fake.email,
    password: fake.password,
    fetch: fake.fetch,
    userTokens: async () => ({
      auth: fake.accounts.issue("auth", "user", 3600),
      file: fake.accounts.issue("file", "user", 180),
    }),
    stop: async () => {},
  };
});
