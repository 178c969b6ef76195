import assert from "node:assert/strict";
import { test } from "node:test";

import { ago, summary } from "./bowls.ts";

const now = new Date("2024-03-01T12:00:00Z");

for (const [moment, expected] of [
  ["2024-03-01T12:00:07Z", "just now"], // the clocks differ
  ["2024-03-01T11:59:01Z", "just now"],
  ["2024-03-01T11:59:00Z", "1 minute ago"],
  ["2024-03-01T11:00:01Z", "59 minutes ago"],
  ["2024-03-01T10:00:00Z", "2 hours ago"],
  ["2024-02-28T12:00:00Z", "2 days ago"],
] as const) {
  test(`${moment} is ${expected}`, () => {
    assert.equal(ago(new Date(moment), now), expected);
  });
}

test("the summary counts the bowls", () => {
  assert.match(summary(0), /^No bowls yet/);
  assert.equal(summary(1), "One bowl of porridge.");
  assert.equal(summary(3), "3 bowls of porridge.");
});
