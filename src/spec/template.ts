/** The spec that `mutransfer init` writes: every section, with the choices a user will want to make. */
export const specTemplate = `# yaml-language-server: $schema=sweep.schema.json
# Completion in editors: mutransfer schema > sweep.schema.json
name: my-sweep
seed: 1

data:
  source: moby-dick               # or {files: ["texts/*.txt"]}
                                  # or {tokens: "train_*.bin", validation_tokens: val.bin, vocab_size: 50257}
                                  # (raw uint16; dtype: uint32 for wider ids; .npy and llm.c say it themselves)
  tokenizer: bytes                # bytes | characters | gpt2
  validation: 0.1                 # held out from the end of each file

model: {layers: 2, head_dim: 16, context: 64, mlp_ratio: 4}   # GPT-2's block; preset: gpt2 | llama | qwen3, or by itself
                                  # norm: rms_norm, positions: rope, mlp: swiglu | relu2, queries_per_kv: 2, qk_norm: true, …

parametrization: mup              # mup | completep, or sp_fan_in: standard, the control that they are compared with

width:                            # heads = width / head_dim
  base: 32                        # hyperparameters are stated at this width
  proxy: 32                       # many of these are trained
  target: 128                     # one of these, with the winner's hyperparameters

train:
  steps: 600
  batch: 16
  optimizer: {name: adamw, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.0}   # or name: muon
  schedule: {name: cosine, warmup: 0.05, final: 0.1}   # constant | linear | cosine | wsd
  # clip: 1.0                         # the norm of all gradients of a model at most
  evaluate: {every: 100, batches: 8}

search:
  # random: nothing to decide; sobol: spreads its trials evenly, better at every number of them;
  # tpe, gp: learn from what has ended, from 16 trials on; grid: every combination of \`values\`, without \`trials\`
  method: random
  trials: 16
  # early_stopping: {}                # an eighth of the steps for all, and on for the better half: a third of the cost
  # early_stopping: {method: asha}    # the same without waiting for a rung to be complete
  confirm: {seeds: 3}             # the best are trained again on fresh seeds, and their means decide; false: not
  parameters:                     # {distribution, min, max}, {values: […]} or {value: …}; bounds are real values
    learning_rate:        {distribution: log_uniform, min: 1e-3, max: 1e-1}
    init_std:             {distribution: log_uniform, min: 0.25, max: 4}     # in units of 1/sqrt(fan_in)
    embedding_std:        {values: [0.25, 0.5, 1, 2]}
    input_multiplier:     {value: 1}
    output_multiplier:    {distribution: log_uniform, min: 1, max: 64}       # decides at small widths
    attention_multiplier: {distribution: log_uniform, min: 0.25, max: 4}
`;
