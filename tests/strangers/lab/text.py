import random

import lightning.pytorch as pl
import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset
from torchmetrics.functional import accuracy

PAD, UNK = 0, 1
GOOD = "lovely bright warm funny moving clever gentle brave".split()
BAD = "dull slow cold loud empty clumsy harsh stale".split()
FILLER = "the a film plot actor scene and with but very it was music story end this that of in on".split()
VOCAB = {w: i for i, w in enumerate(["<pad>", "<unk>"] + GOOD + BAD + FILLER)}


class Reviews(Dataset):
    """Made-up reviews, three to twenty words long."""

    def __init__(self, n, seed):
        rng = random.Random(seed)
        self.samples = []
        for _ in range(n):
            label = rng.randint(0, 1)
            words = rng.choices(FILLER, k=rng.randint(2, 16))
            words += rng.choices(GOOD if label else BAD, k=rng.randint(1, 4))
            rng.shuffle(words)
            self.samples.append((" ".join(words), label))

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, idx):
        text, label = self.samples[idx]
        return {"text": text, "label": label}


class Collate:
    """Tokenizes and pads; drops a few words at random while training."""

    def __init__(self, word_dropout=0.0):
        self.word_dropout = word_dropout

    def __call__(self, samples):
        ids = []
        for s in samples:
            tokens = [VOCAB.get(w, UNK) for w in s["text"].split()]
            tokens = [UNK if random.random() < self.word_dropout else t for t in tokens]
            ids.append(torch.tensor(tokens))
        input_ids = pad_sequence(ids, batch_first=True, padding_value=PAD)
        return {
            "input_ids": input_ids,
            "attention_mask": (input_ids != PAD).long(),
            "labels": torch.tensor([s["label"] for s in samples]),
        }


class ReviewsData(pl.LightningDataModule):
    def __init__(self, batch_size=32, num_workers=0, word_dropout=0.1, n_train=800):
        super().__init__()
        self.save_hyperparameters()

    def setup(self, stage):
        if stage == "fit":
            self.train = Reviews(self.hparams.n_train, seed=0)
        self.val = Reviews(200, seed=1)
        self.test = Reviews(200, seed=2)

    def loader(self, ds, **kw):
        kw.setdefault("collate_fn", Collate())
        return DataLoader(ds, batch_size=self.hparams.batch_size, num_workers=self.hparams.num_workers, **kw)

    def train_dataloader(self):
        return self.loader(self.train, shuffle=True, collate_fn=Collate(self.hparams.word_dropout))

    def val_dataloader(self):
        return self.loader(self.val)

    def test_dataloader(self):
        return self.loader(self.test)

    def predict_dataloader(self):
        return self.loader(self.test)


class TextClassifier(pl.LightningModule):
    """encoder: "pool" (mean of the embeddings) or "gru"."""

    def __init__(self, vocab_size=64, dim=32, encoder="pool", dropout=0.2, lr=5e-3, num_labels=2):
        super().__init__()
        self.save_hyperparameters()
        self.embeddings = nn.Embedding(vocab_size, dim, padding_idx=PAD)
        self.dropout = nn.Dropout(dropout)
        self.gru = nn.GRU(dim, dim, batch_first=True) if encoder == "gru" else None
        self.classifier = nn.Linear(dim, num_labels)
        self.loss_fct = nn.CrossEntropyLoss()

    def forward(self, input_ids, attention_mask, labels=None):
        h = self.dropout(self.embeddings(input_ids))
        if self.gru is not None:
            lengths = attention_mask.sum(1).cpu()
            packed = pack_padded_sequence(h, lengths, batch_first=True, enforce_sorted=False)
            pooled = self.gru(packed)[1][-1]
        else:
            mask = attention_mask.unsqueeze(-1).to(h.dtype)
            pooled = (h * mask).sum(1) / mask.sum(1)
        logits = self.classifier(self.dropout(pooled))
        loss = self.loss_fct(logits, labels) if labels is not None else None
        return loss, logits

    def training_step(self, batch, batch_idx):
        loss, _ = self(**batch)
        self.log("train_loss", loss, batch_size=len(batch["labels"]))
        return loss

    def _eval(self, batch, prefix):
        loss, logits = self(**batch)
        acc = accuracy(logits, batch["labels"], task="multiclass", num_classes=self.hparams.num_labels)
        self.log_dict({f"{prefix}_loss": loss, f"{prefix}_acc": acc}, prog_bar=True, batch_size=len(batch["labels"]))

    def validation_step(self, batch, batch_idx):
        self._eval(batch, "valid")

    def test_step(self, batch, batch_idx):
        self._eval(batch, "test")

    def predict_step(self, batch, batch_idx):
        _, logits = self(batch["input_ids"], batch["attention_mask"])
        return logits.argmax(-1)

    def configure_optimizers(self):
        no_decay = [p for n, p in self.named_parameters() if n.endswith("bias")]
        decay = [p for n, p in self.named_parameters() if not n.endswith("bias")]
        return torch.optim.AdamW(
            [{"params": decay, "weight_decay": 0.01}, {"params": no_decay, "weight_decay": 0.0}], lr=self.hparams.lr
        )
