/** The rules for a model that is trained elsewhere: a GPT of width 1024 with hyperparameters stated at width 256. */
import { parametrize } from "mutransfer";

const { attentionScale, tensors } = parametrize({
  ...{ parametrization: "mup", width: 1024, baseWidth: 256, headDim: 64 },
  hyperparameters: { learning_rate: 0.02, output_multiplier: 8, weight_decay: 0.1 },
  tensors: {
    wte: { role: "embedding" },
    "attn.q": { role: "hidden", fanIn: 1024, zeroInit: true },
    "mlp.out": { role: "hidden", fanIn: 4096 },
    "ln.gain": { role: "norm" },
    lm_head: { role: "readout", fanIn: 1024 },
  },
});
console.log(`attention logits × ${attentionScale}`);
for (const [name, { multiplier, initStd, learningRate, weightDecay, epsilon }] of Object.entries(tensors))
  console.log(`${name}: × ${multiplier}, std ${initStd}, rate ${learningRate}, decay ${weightDecay}, ε ${epsilon}`);
