import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist/", "node_modules/", "runs/"] },
  ...tseslint.configs.strictTypeChecked.map((config) => ({ ...config, files: ["**/*.ts"] })),
  {
    files: ["**/*.ts"],
    languageOptions: { parserOptions: { project: "./tsconfig.json" } },
    rules: {
      // Numbers belong in messages; objects do not.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // `void f()` as an arrow's body says that nothing is returned.
      "@typescript-eslint/no-confusing-void-expression": [
        "error",
        { ignoreVoidOperator: true, ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      "@typescript-eslint/no-meaningless-void-operator": "off",
      // An index may be out of range although its type does not say so.
      "@typescript-eslint/no-unnecessary-condition": "off",
    },
  },
);
