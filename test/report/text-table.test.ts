/** Text and tables fit the columns there are, and no word or number is divided. */
import { describe, expect, it } from "vitest";
import { colored, plain, type Style } from "../../src/report/style.ts";
import { textTable } from "../../src/report/text-table.ts";
import { clip, widthOf, wrapped } from "../../src/report/text.ts";

const within = (columns: number): Style => ({ ...plain, columns });

describe("text", () => {
  it("takes the columns that a terminal gives it", () => {
    expect(["abc", "größe", "模型", "🚀", "e\u0301", "ｶﾅ", colored.bold("ab")].map(widthOf)).toEqual([3, 5, 4, 2, 1, 2, 2]);
  });
  it("is cut between characters, with its styles whole", () => {
    expect([clip("模型x", 3), clip(colored.red("abc"), 2), clip("🚀🚀", 3)]).toEqual(["模", colored.red("ab"), "🚀"]);
  });
  it("wraps at words, keeps numbers with their signs, and divides nothing", () => {
    expect(wrapped("costs 47 % of it, 2.05 ± 0.01 nats", 10).split("\n")).toEqual(["costs 47 %", "  of it,", "  2.05 ± 0.01", "  nats"]);
    expect(wrapped("  /a/very/long/path stays", 10).split("\n")).toEqual(["  /a/very/long/path", "    stays"]);
    expect(wrapped("as it is", Infinity)).toBe("as it is");
  });
});

describe("a table", () => {
  const table = (columns: number): readonly string[] =>
    textTable(
      ["name", "learning rate", "steps", "note"],
      [
        ["first", "0.01", "100", "a"],
        ["second", "0.002", "20", "模型"],
      ],
      [false, true, true, false],
      within(columns),
      { drop: ["note"], elsewhere: "--json" },
    ).split("\n");

  it("has one line a row where that fits", () =>
    expect(table(80)).toEqual([
      "name    learning rate  steps  note",
      "first            0.01    100  a",
      "second          0.002     20  模型",
    ]));
  it("then takes its titles in several lines, then leaves columns out and says so", () => {
    expect(table(30)).toEqual([
      "        learning",
      "name        rate  steps  note",
      "first       0.01    100  a",
      "second     0.002     20  模型",
    ]);
    expect(table(24)).toEqual([
      ...["        learning", "name        rate  steps", "first       0.01    100", "second     0.002     20"],
      ...["… more columns in a", "  wider terminal, or", "  --json: note"],
    ]);
  });
  it("then has a block for each row, with all that it says", () =>
    expect(table(20)).toEqual([
      ...["first", "  learning rate: 0.01,", "  steps: 100,", "  note: a"],
      ...["second", "  learning rate: 0.002,", "  steps: 20,", "  note: 模型"],
    ]));
});
