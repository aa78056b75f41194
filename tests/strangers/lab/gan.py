import lightning as L
import torch
import torch.nn as nn
import torch.nn.functional as F
from lightning.pytorch.loggers import TensorBoardLogger
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset


class G(nn.Module):
    def __init__(self, nz, nf=48):
        super().__init__()
        self.main = nn.Sequential(
            nn.Linear(nz, nf),
            nn.LeakyReLU(0.2),
            nn.Linear(nf, 2 * nf),
            nn.BatchNorm1d(2 * nf),
            nn.LeakyReLU(0.2),
            nn.Linear(2 * nf, 64),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.main(z).unflatten(1, (1, 8, 8))


class D(nn.Module):
    def __init__(self, nf=48):
        super().__init__()
        self.main = nn.Sequential(nn.Flatten(), nn.Linear(64, nf), nn.LeakyReLU(0.2), nn.Dropout(0.2), nn.Linear(nf, 1))

    def forward(self, img):
        return self.main(img).squeeze(1)


class GAN(L.LightningModule):
    def __init__(self, nz: int = 16, lr_g: float = 2e-3, lr_d: float = 1e-3, betas=(0.5, 0.999)):
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False  # two players
        self.net_g = G(nz)
        self.net_d = D()
        self.fixed_z = torch.randn(8, nz)

    def forward(self, z):
        return self.net_g(z)

    def bce(self, logits, target):
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))

    def training_step(self, batch):
        real, _ = batch
        opt_g, opt_d = self.optimizers()
        z = torch.randn(len(real), self.hparams.nz, device=self.device)

        # D
        self.toggle_optimizer(opt_d)
        with torch.no_grad():
            fake = self(z)
        d_loss = 0.5 * (self.bce(self.net_d(real), 0.9) + self.bce(self.net_d(fake), 0.0))
        opt_d.zero_grad()
        self.manual_backward(d_loss)
        opt_d.step()
        self.untoggle_optimizer(opt_d)

        # G
        self.toggle_optimizer(opt_g)
        g_loss = self.bce(self.net_d(self(z)), 1.0)
        opt_g.zero_grad()
        self.manual_backward(g_loss)
        opt_g.step()
        self.untoggle_optimizer(opt_g)

        self.log_dict({"g_loss": g_loss, "d_loss": d_loss}, prog_bar=True)

    def on_train_epoch_end(self):
        # decay both by hand, lightning does not step them here
        for sched in self.lr_schedulers():
            sched.step()
        if isinstance(self.logger, TensorBoardLogger):
            with torch.no_grad():
                strip = torch.cat(list(self(self.fixed_z.to(self.device))), dim=-1)
            self.logger.experiment.add_image("samples", (strip + 1) / 2, self.current_epoch)

    def configure_optimizers(self):
        opt_g = torch.optim.Adam(self.net_g.parameters(), lr=self.hparams.lr_g, betas=tuple(self.hparams.betas))
        opt_d = torch.optim.Adam(self.net_d.parameters(), lr=self.hparams.lr_d, betas=tuple(self.hparams.betas))
        return [opt_g, opt_d], [torch.optim.lr_scheduler.ExponentialLR(o, gamma=0.99) for o in (opt_g, opt_d)]


class GANData(L.LightningDataModule):
    def __init__(self, batch_size: int = 64, num_workers: int = 0):
        super().__init__()
        self.bs, self.nw = batch_size, num_workers

    def setup(self, stage=None):
        X, y = load_digits(return_X_y=True)
        X = torch.from_numpy(X).float().view(-1, 1, 8, 8) / 8 - 1
        self.train = TensorDataset(X, torch.from_numpy(y))

    def train_dataloader(self):
        return DataLoader(self.train, self.bs, shuffle=True, num_workers=self.nw, drop_last=True)

    # no validation: we look at the samples
