"""Optuna's samplers on the replay table: prints {sampler: [[cells tried, in order] for each replay]}.

optuna_peer.py TABLE TRIALS BATCH FIRST_REPLAY REPLAYS. Values are given as integers (positions in their
lists), so that Optuna knows that they are ordered and evenly spaced. Batches are asked for with
`constant_liar` where they hold more than one trial. From Optuna 5 on TPE is multivariate whatever is asked for.
"""
import json
import sys

import optuna

path, trials, batch, first, replays = sys.argv[1], *map(int, sys.argv[2:6])
optuna.logging.set_verbosity(optuna.logging.ERROR)
import warnings

warnings.filterwarnings("ignore")
table = json.load(open(path))
sizes = {name: len(domain["values"]) for name, domain in table["space"].items()}
losses = [[seed[-1] for seed in cell] for cell in table["losses_nats"]]
liar = batch > 1
samplers = {
    "optuna random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "optuna tpe, multivariate": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=liar),
}
distributions = {name: optuna.distributions.IntDistribution(0, size - 1) for name, size in sizes.items()}


def replay(sampler, number):
    study = optuna.create_study(sampler=sampler(number))
    cells = []
    while len(cells) < trials:
        asked = [study.ask(distributions) for _ in range(min(batch, trials - len(cells)))]
        for trial in asked:
            cell = 0
            for name, size in sizes.items():
                cell = cell * size + trial.params[name]
            cells.append(cell)
            loss = losses[cell][number % len(table["seeds"])]
            if loss is None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, loss)
    return cells


result = {name: [replay(sampler, number) for number in range(first, first + replays)] for name, sampler in samplers.items()}
print(json.dumps({"version": optuna.__version__, "cells": result}))
