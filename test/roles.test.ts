import { expect, test } from "vitest";

import { FolderBundles } from "../adapters/bundles/folder-bundles.ts";
import { SHIPPED_BUNDLE } from "./support/engine.ts";
import type { Role } from "../engine/policy/bundle-data.ts";
import { checkData } from "../engine/policy/check-data.ts";

const { data } = new FolderBundles(SHIPPED_BUNDLE, null).current();
const withRoles = (roles: unknown) => ({
  ...data,
  principals: { ops: { claims: {}, roles: roles as readonly Role[], tenants: ["acme"] } },
});

test("the shipped data is taken, and so are principals with and without roles", () => {
  for (const one of [
    data,
    withRoles(undefined),
    withRoles([]),
    withRoles(["operator", "reader", "auditor"]),
  ]) {
    expect(() => checkData(one)).not.toThrow();
  }
});

test.each([["operator"], [["operater"]], [["operator", "admin"]], [null]])(
  "roles %j are refused, naming the principal",
  (roles) => {
    expect(() => checkData(withRoles(roles))).toThrow(
      `config.principals["ops"].roles: ${JSON.stringify(roles)} is not accepted; accepted is a list of "operator", "reader", "auditor"`,
    );
  },
);

test.each(["false", 0, null])("amounts %j are refused, naming the principal", (amounts) => {
  const ops = { amounts: amounts as unknown as boolean, claims: {}, tenants: ["acme"] };
  expect(() => checkData({ ...data, principals: { ops } })).toThrow(
    `config.principals["ops"].amounts: ${JSON.stringify(amounts)} is not accepted; accepted is true or false`,
  );
});
