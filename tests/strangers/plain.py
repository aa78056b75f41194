"""Run the strangers' pairs with Lightning alone: `python -m tests.strangers.plain [NAME ...]`."""

import contextlib
import io
import logging
import sys
import tempfile
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import lightning.pytorch as pl
import torch
from hydra.utils import instantiate
from lightning.pytorch.utilities.model_helpers import is_overridden
from omegaconf import OmegaConf

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

PAIRS = {  # name: the model, the data, what else the trainer needs
    "autoencoder": ("autoencoder", "autoencoder", {}),
    "gan": ("gan", "gan", {}),
    "classifier": ("classifier", "classifier", {}),
    "classifier_conv": ("classifier_conv", "classifier", {}),
    "text": ("text", "film_reviews", {}),
    "text_gru": ("text_gru", "film_reviews", {}),
    "lm": ("lm", "lm", {}),
    "unet": ("shapes_unet", "unet", {}),
    "multilabel": ("multilabel", "multilabel", {}),
    "multi_target": ("multi_target", "multi_target", {}),
    "linnerud": ("linnerud", "gym", {}),
    "contrastive": ("contrastive", "contrastive", {}),
    "probe": ("probe", "classifier", {}),
    "stream": ("stream", "stream", {}),
    "stream_val": ("stream", "stream_val", {}),
    "stream_endless": ("stream", "stream_endless", {"limit_train_batches": 32}),
    "many_val": ("many_val", "many_val", {}),
    "many_val_min": ("many_val", "many_val_min", {}),
    "many_val_named": ("many_val_named", "many_val", {}),
    "plateau": ("plateau", "plateau", {}),
    "parts": ("parts", "parts", {}),
    "raw": ("raw", "raw", {}),
    "raw_helper": ("raw", "raw_helper", {}),
    "raw_batches": ("raw", "raw_batches", {}),
    "raw_batches_torch": ("raw", "raw_batches_torch", {}),
    "two_tasks": ("two_tasks", "two_tasks", {}),
    "silent": ("silent", "flowers", {}),
    "train_only": ("train_only", "flowers", {}),
    "odd_name": ("odd_name", "flowers", {}),
    "tutorial": ("tutorial", "tutorial", {}),
    "boring": ("boring", "boring", {}),
    "boring_no_len": ("boring", "boring_no_len", {}),
    "boring_manual": ("boring_manual", "boring", {}),
    "boring_dict": ("boring_dict", "boring_dict", {}),
    "demo_model": ("demo_model", "boring", {}),
    "wiki": ("wiki", "wiki", {}),
}
LIBRARIES = {  # pairs with a library that need not be there, by that and a name
    "timm": {"timm": ("classifier_timm", "classifier", {})},
    "torchdata": {
        "stateful": ("classifier", "stateful", {}),
        "stateful_workers": ("classifier", "stateful_workers", {}),
    },
    "litdata": {"shards": ("classifier_conv", "shards", {})},
}
for library, pairs in LIBRARIES.items():
    PAIRS |= pairs if find_spec(library) else {}
NOT_FALLING = {"gan", "boring", "boring_no_len", "boring_manual"}  # two players; steps too long for batches of one


class Losses(pl.Callback):
    """The mean of the training losses of each epoch, and every name logged."""

    def __init__(self):
        self.losses, self.means, self.names = [], [], []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if loss is not None:
            self.losses.append(float(loss))

    def on_train_epoch_end(self, trainer, pl_module):
        if self.losses:
            self.means.append(sum(self.losses) / len(self.losses))
            self.losses.clear()

    def teardown(self, trainer, pl_module, stage):
        self.names += [name for name in trainer.callback_metrics if name not in self.names]


def load(model, data):
    """The two nodes as Hydra would compose them, instantiated."""
    cfg = OmegaConf.create(
        {
            "model": OmegaConf.load(HERE / f"conf/model/{model}.yaml"),
            "data": OmegaConf.load(HERE / f"conf/data/{data}.yaml"),
        }
    )
    return instantiate(cfg.model), instantiate(cfg.data)


def safe(path):
    """Whether the checkpoint loads without pickle; it has to load with it."""
    checkpoint = torch.load(path, weights_only=False)
    try:
        torch.load(path, weights_only=True)
    except Exception:
        return checkpoint, "pickle"
    return checkpoint, "safe"


def run(name, folder):
    model_name, data_name, options = PAIRS[name]
    pl.seed_everything(1, workers=True, verbose=False)
    model, data = load(model_name, data_name)
    losses = Losses()
    callbacks, logger = [losses], False
    if name == "parts":
        from lab.parts import GradNorm, JsonLinesLogger

        callbacks.append(GradNorm())
        logger = JsonLinesLogger(folder, name="parts")
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        devices=1,
        logger=logger,
        callbacks=callbacks,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        default_root_dir=folder,
        **options,
    )
    trainer.fit(model, data)
    done = ["fit"]
    trainer.save_checkpoint(Path(folder) / "last.ckpt")
    checkpoint, how = safe(Path(folder) / "last.ckpt")
    model.load_state_dict(checkpoint["state_dict"])
    if is_overridden("test_step", model) and is_overridden("test_dataloader", data):
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.test(model, data)
        done.append("test")
    if is_overridden("predict_step", model) and is_overridden("predict_dataloader", data):
        assert trainer.predict(model, data)
        done.append("predict")
    if logger:
        assert len(Path(folder, "parts.jsonl").read_text().splitlines()) > 3
        assert callbacks[1].largest > 0
    if name not in NOT_FALLING:
        assert losses.means[1] < losses.means[0], f"the loss went from {losses.means[0]} to {losses.means[1]}"
    return losses, done, how


def main(names):
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    failed = []
    for name in names or PAIRS:
        start = time.perf_counter()
        with (
            tempfile.TemporaryDirectory() as folder,
            contextlib.chdir(folder),
            warnings.catch_warnings(record=True) as caught,
        ):
            warnings.simplefilter("always")
            try:
                losses, done, how = run(name, folder)
            except Exception as error:
                failed.append(name)
                print(f"{name:18} FAILED {type(error).__name__}: {error}", flush=True)
                continue
        means = " -> ".join(f"{mean:.3f}" for mean in losses.means) or "-"
        print(f"{name:18} {time.perf_counter() - start:5.1f} s  {means:18} {how:6} {'+'.join(done)}", flush=True)
        print(f"{'':18} {', '.join(losses.names) or 'logs nothing'}", flush=True)
        if "-w" in sys.argv:
            for text in sorted({str(w.message).strip().split(chr(10))[0][:150] for w in caught}):
                print(f"{'':18} ! {text}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main([arg for arg in sys.argv[1:] if not arg.startswith("-")])
