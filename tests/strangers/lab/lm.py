import math

import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

LINES = [
    "the ferry leaves at seven and comes back at nine",
    "seven gulls sat on the ferry and nine on the quay",
    "the quay is wet and the gulls are cold at seven",
    "nine boats came back to the quay and the gulls left",
    "a cold wind comes at nine and leaves the boats alone",
    "the wind left the quay and the ferry came back alone",
]
chars = sorted(set("\n".join(LINES)))
stoi = {c: i for i, c in enumerate(chars)}


def make_corpus(n_lines, seed):
    g = torch.Generator().manual_seed(seed)
    text = "\n".join(LINES[int(i)] for i in torch.randint(len(LINES), (n_lines,), generator=g))
    return torch.tensor([stoi[c] for c in text])


class CharDataset(Dataset):
    def __init__(self, ids, block_size):
        self.ids, self.block_size = ids, block_size

    def __len__(self):
        return (len(self.ids) - 1) // self.block_size

    def __getitem__(self, i):
        start = i * self.block_size
        return self.ids[start : start + self.block_size + 1]


class CharData(L.LightningDataModule):
    def __init__(self, block_size: int = 32, batch_size: int = 16, n_lines: int = 300):
        super().__init__()
        self.block_size = block_size
        self.batch_size = batch_size
        self.n_lines = n_lines

    @property
    def vocab_size(self):
        return len(chars)

    def setup(self, stage=None):
        self.train = CharDataset(make_corpus(self.n_lines, 0), self.block_size)
        self.val = CharDataset(make_corpus(40, 1), self.block_size)

    def train_dataloader(self):
        return DataLoader(self.train, self.batch_size, shuffle=True, drop_last=True)

    def val_dataloader(self):
        return DataLoader(self.val, self.batch_size)


class CharRNN(L.LightningModule):
    def __init__(self, vocab_size: int, n_embd: int = 48, dropout: float = 0.1, lr: float = 1e-2):
        super().__init__()
        self.save_hyperparameters()
        self.wte = nn.Embedding(vocab_size, n_embd)
        self.drop = nn.Dropout(dropout)
        self.rnn = nn.GRU(n_embd, n_embd, batch_first=True)
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight  # weight tying
        nn.init.normal_(self.wte.weight, std=0.1)

    def forward(self, idx, hidden=None):
        out, hidden = self.rnn(self.drop(self.wte(idx)), hidden)
        return self.lm_head(self.drop(out)), hidden

    def _loss(self, batch):
        logits, _ = self(batch[:, :-1])
        return F.cross_entropy(logits.transpose(1, 2), batch[:, 1:])

    def training_step(self, batch):
        loss = self._loss(batch)
        self.log("loss", loss, prog_bar=True)
        self.log("ppl", loss.exp(), prog_bar=True, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch):
        loss = self._loss(batch)
        self.log("val_loss", loss, prog_bar=True)
        self.log("val_ppl", loss.exp(), prog_bar=True)

    @torch.no_grad()
    def generate(self, prompt="the ", max_new_tokens=40, temperature=0.8):
        self.eval()
        idx = torch.tensor([[stoi[c] for c in prompt]], device=self.device)
        hidden, new = None, idx
        for _ in range(max_new_tokens):
            logits, hidden = self(new, hidden)
            new = torch.multinomial(F.softmax(logits[:, -1] / temperature, -1), 1)
            idx = torch.cat([idx, new], dim=1)
        return "".join(chars[int(i)] for i in idx[0])

    def configure_optimizers(self):
        opt = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr)
        warmup = 10

        def lr_lambda(step):
            return min(1.0, (step + 1) / warmup) / max(1.0, math.sqrt(step / 100))

        sched = torch.optim.lr_scheduler.LambdaLR(opt, lr_lambda)
        return {"optimizer": opt, "lr_scheduler": {"scheduler": sched, "interval": "step"}}
