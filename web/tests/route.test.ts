import { describe, expect, it } from "vitest";
import { readRoute, writeRoute } from "../src/address/route";

describe("routes", () => {
  it.each([
    ["", "search", "", ""],
    ["#/search?t=a?b", "search", "", "t=a?b"],
    ["#/scene/4521ee3da23ee42e?window=0,0,256,256", "scene", "4521ee3da23ee42e", "window=0,0,256,256"],
    ["#/archive", "archive", "", ""],
    ["#/nowhere", "search", "", ""],
    ["#/scene", "search", "", ""],
  ])("%j", (hash, screen, subject, query) => {
    expect(readRoute(hash)).toEqual({ screen, subject, query });
  });

  it("come back as they were written", () => {
    expect(readRoute(writeRoute("scene", "a=1", "x/y"))).toEqual({ screen: "scene", subject: "x/y", query: "a=1" });
  });
});
