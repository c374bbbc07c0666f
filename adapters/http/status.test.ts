import { expect, it } from "vitest";
import { ERROR_CODES, WeirError } from "../../engine/errors.ts";
import { refusalOf, STATUS_BY_CODE } from "./status.ts";

it("maps every code, and to an error", () => {
  expect(Object.keys(STATUS_BY_CODE).toSorted()).toEqual(Object.keys(ERROR_CODES).toSorted());
  for (const status of Object.values(STATUS_BY_CODE)) expect(status).toBeGreaterThanOrEqual(400);
});

it("tells what to do next in headers", () => {
  expect(refusalOf(new WeirError("auth.unauthenticated", "no")).headers).toHaveProperty(
    "www-authenticate",
  );
  expect(refusalOf(new WeirError("server.overloaded", "busy")).headers).toEqual({
    "retry-after": "1",
  });
});

it("keeps the cause of an internal error inside", () => {
  const { body } = refusalOf(WeirError.from(new Error("secret")));
  expect(JSON.stringify(body)).not.toContain("secret");
});
