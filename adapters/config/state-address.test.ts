import { expect, test } from "vitest";

import { stateAddress } from "./state-address.ts";

const SERVER = {
  database: 0,
  hosts: [{ host: "redis.internal", port: 6_379 }],
  kind: "server",
  name: "",
  password: "",
  tls: false,
  user: "",
};

test.each([
  ["memory", { kind: "memory" }],
  ["redis://redis.internal", SERVER],
  [
    "redis://redis.internal:80/3",
    { ...SERVER, database: 3, hosts: [{ ...SERVER.hosts[0], port: 80 }] },
  ],
  ["rediss://me:p%40ss@redis.internal/", { ...SERVER, password: "p@ss", tls: true, user: "me" }],
  [
    "redis+cluster://[::1]:7000,10.0.0.2",
    {
      ...SERVER,
      hosts: [
        { host: "::1", port: 7_000 },
        { host: "10.0.0.2", port: 6_379 },
      ],
      kind: "cluster",
    },
  ],
  [
    "rediss+sentinel://:secret@a:1,b/main/2",
    {
      ...SERVER,
      database: 2,
      hosts: [
        { host: "a", port: 1 },
        { host: "b", port: 26_379 },
      ],
      kind: "sentinel",
      name: "main",
      password: "secret",
      tls: true,
    },
  ],
])("%s", (text, wanted) => {
  expect(stateAddress().read(text, "/")).toEqual(wanted);
});
