/** What sentences call learning rates. */

/** The hyperparameters that are learning rates, that of hidden matrices first. */
export const rateNames = ["muon_learning_rate", "learning_rate"] as const;
const words: Readonly<Record<string, string>> = { learning_rate: "learning rate", muon_learning_rate: "Muon learning rate" };

/** What sentences call a rate; records leave the name of AdamW's out. */
export const rateWord = (name = "learning_rate"): string => words[name] ?? name;
