import { expect, it } from "vitest";
import { nearest } from "./nearest.ts";

it("takes the fewest edits, a swap of neighbours being one", () => {
  expect(nearest("grcp", ["http", "grpc"])).toBe("grpc");
  expect(nearest("inputP95", ["input", "input_p95"])).toBe("input_p95");
  expect(nearest("", ["one", "to"])).toBe("to");
  expect(nearest("x", [])).toBe("");
});

it("is quick on names of any length", () => {
  expect(nearest("a".repeat(1_000_000), ["b"])).toBe("b");
});
