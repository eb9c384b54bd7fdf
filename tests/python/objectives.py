"""Every objective as its paper states it, in plain PyTorch: noise, loss and likelihood bound.

Nothing here is derived from dlmc's formulas; each class names its source. All predict x_2..x_L of rows x_1..x_L,
whose first token is context and never corrupted, unless their source says otherwise. Losses are nats per target,
averaged over the batch as the source averages; bounds are nats per row.

A network is called as `net(tokens, sees, positions, t)` and gives log-odds [B, T, live]: `sees` is the boolean
matrix of who may attend to whom, `positions` are [T], `t` is [B] or None.

Shapes: B rows, L tokens of a row, n = L - 1 targets, V predictable ids.
"""
import math

import torch
import torch.nn.functional as F


def causal(length):
    return torch.ones(length, length, dtype=torch.bool).tril()


def full(length):
    return torch.ones(length, length, dtype=torch.bool)


def cross_entropy(logits, targets):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)


def uniform(generator, *shape):
    return torch.rand(*shape, dtype=torch.float64, generator=generator)


# alpha(t) and its derivative.
SCHEDULES = {
    "linear": (lambda t: 1 - t, lambda t: -torch.ones_like(t)),
    # MD4 and Duo.
    "cosine": (
        lambda t: 1 - torch.cos(math.pi / 2 * (1 - t)),
        lambda t: -math.pi / 2 * torch.sin(math.pi / 2 * (1 - t)),
    ),
}


class NextToken:
    """Chain rule. `input_mask`: inputs masked, targets clean (Gao et al., arXiv 2510.04071); `auxiliary`: the same
    loss again on masked inputs, times a weight (Xu et al., arXiv 2606.06888)."""

    def __init__(self, live, mask, length, input_mask=0.0, auxiliary=None):
        self.live, self.mask, self.length = live, mask, length
        self.input_mask, self.auxiliary = input_mask, auxiliary

    def hide(self, x, rate, generator):
        hidden = uniform(generator, *x.shape) < rate
        hidden[:, 0] = False
        return torch.where(hidden, self.mask, x)

    def noise(self, x, generator):
        z = self.hide(x, self.input_mask, generator)
        return dict(z=z) if self.auxiliary is None else dict(z=z, again=self.hide(x, self.auxiliary[0], generator))

    def mean(self, net, tokens, x):
        logits = net(tokens, causal(self.length), None, None)
        return cross_entropy(logits[:, :-1], x[:, 1:]).mean()

    def loss(self, net, x, noise):
        loss = self.mean(net, noise["z"], x)
        if self.auxiliary is not None:
            loss = loss + self.auxiliary[1] * self.mean(net, noise["again"], x)
        return loss

    def bound(self, net, x, generator, draws):
        logits = net(x, causal(self.length), None, None)
        return cross_entropy(logits[:, :-1], x[:, 1:]).sum(1)


class Masked:
    """Absorbing-state diffusion. `form`:
    n1     mean of mask CE w(t), w = -alpha'/(1 - alpha) (Sahoo et al., arXiv 2406.07524; LLaDA's 1/t)
    n2     each row's mean over its masked tokens, at least one (MegaDLMs)
    n3     sum of CE over masked / number of masked in the batch (BERT, MaskGIT)
    n4     sum of CE over masked / number of tokens
    count  k uniform, k masked, n/k times the sum (LLaDA's likelihood estimator, arXiv 2502.09992)
    `shift`: output i predicts x_{i+1} (Dream). `importance`: t such that every row weighs alike (MDLM's repository).
    """

    def __init__(self, live, mask, length, form, schedule="linear", low=0.0, high=1.0, shift=False, importance=False):
        self.live, self.mask, self.length, self.form = live, mask, length, form
        self.alpha, self.slope = SCHEDULES[schedule]
        self.low, self.high, self.shift, self.importance = low, high, shift, importance

    def noise(self, x, generator):
        rows, targets = x.shape[0], self.length - 1
        u = uniform(generator, rows)
        if self.form == "count":
            return self.with_count((u * targets).long() + 1, x, generator)
        if self.importance:
            # log of the mask rate is uniform between its ends; alpha = 1 - t here.
            t = torch.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))
        else:
            t = self.low + (self.high - self.low) * u
        hidden = uniform(generator, rows, targets) < (1 - self.alpha(t))[:, None]
        if self.form == "n2":
            none = ~hidden.any(1)
            hidden[none, (uniform(generator, rows)[none] * targets).long()] = True
        return dict(z=self.hide(x, hidden), t=t)

    def with_count(self, k, x, generator):
        ranks = uniform(generator, x.shape[0], self.length - 1).argsort(1).argsort(1)
        # Noise level at which as large a share is masked; alpha = 1 - t.
        return dict(z=self.hide(x, ranks < k[:, None]), t=k.double() / (self.length - 1))

    def hide(self, x, hidden):
        return torch.cat([x[:, :1], torch.where(hidden, self.mask, x[:, 1:])], 1)

    def masked_ce(self, net, x, z):
        """Cross-entropy [B, n] where masked, else 0, and the mask."""
        logits = net(z, full(self.length), None, None)
        logits = logits[:, :-1] if self.shift else logits[:, 1:]
        hidden = z[:, 1:] == self.mask
        return cross_entropy(logits, x[:, 1:]) * hidden, hidden

    def loss(self, net, x, noise):
        ce, hidden = self.masked_ce(net, x, noise["z"])
        k = hidden.sum(1).double()
        if self.form == "n1":
            t = noise["t"]
            if self.importance:
                weight = torch.full_like(t, math.log(self.high / self.low))
            else:
                weight = -self.slope(t) / (1 - self.alpha(t)) * (self.high - self.low)
            return (weight[:, None].to(ce.dtype) * ce).mean()
        if self.form == "n2":
            return (ce / (k / (self.length - 1))[:, None].to(ce.dtype)).mean()
        if self.form == "n3":
            return ce.sum() / hidden.sum()
        if self.form == "n4":
            return ce.mean()
        return (ce.sum(1) * ((self.length - 1) / k).to(ce.dtype)).mean() / (self.length - 1)

    def bound(self, net, x, generator, draws):
        """LLaDA's estimator: k_j evenly spread from a random start, n/k_j times the sum over k_j masked."""
        targets, total = self.length - 1, 0.0
        start = uniform(generator, x.shape[0])
        for j in range(draws):
            k = (((start + j) / draws * targets).long() + 1).clamp(max=targets)
            ce, _ = self.masked_ce(net, x, self.with_count(k, x, generator)["z"])
            total = total + ce.double().sum(1) * targets / k / draws
        return total


class AnyOrder(Masked):
    """Orders drawn uniformly, a place in the order drawn uniformly, all tokens from that place on predicted at once
    (Uria et al., arXiv 1310.1757; Hoogeboom et al., arXiv 2110.02037)."""

    def __init__(self, live, mask, length):
        super().__init__(live, mask, length, "count")

    def noise(self, x, generator):
        rows, targets = x.shape[0], self.length - 1
        order = uniform(generator, rows, targets).argsort(1)
        place = (uniform(generator, rows) * targets).long()
        position_in_order = order.argsort(1)
        return dict(z=self.hide(x, position_in_order >= place[:, None]))


class MaskedLm(Masked):
    """One mask rate, the mean over the masked tokens of the batch (BERT without its replaced and kept tokens)."""

    def __init__(self, live, mask, length, rate):
        super().__init__(live, mask, length, "n3")
        self.rate = rate

    def noise(self, x, generator):
        return dict(z=self.hide(x, uniform(generator, x.shape[0], self.length - 1) < self.rate))


class MegaDlms(Masked):
    """MegaDLMs' loader and loss: of the L tokens of its next-token arm's rows, which here are x_1..x_L with their
    L - 1 labels, the first token and the last label fall away; no context; t ~ U(0, 1), N2."""

    def __init__(self, live, mask, length):
        super().__init__(live, mask, length, "n2")

    def noise(self, x, generator):
        x = x[:, 1:-1]
        t = uniform(generator, x.shape[0])
        hidden = uniform(generator, *x.shape) < t[:, None]
        none = ~hidden.any(1)
        hidden[none, (uniform(generator, x.shape[0])[none] * x.shape[1]).long()] = True
        return dict(z=torch.where(hidden, self.mask, x), t=t)

    def loss(self, net, x, noise):
        x, hidden = x[:, 1:-1], noise["z"] == self.mask
        ce = cross_entropy(net(noise["z"], full(x.shape[1]), None, None), x)
        p_mask = hidden.double().mean(1, keepdim=True).to(ce.dtype)
        return (ce * hidden / p_mask).mean()


class Blocks:
    """Block diffusion (Arriola et al., arXiv 2503.09573): noisy and clean copies side by side, a level for each
    block; masks at rate t with weight 1/t, t in [low, high]."""

    def __init__(self, live, mask, length, block, low=0.0, high=1.0):
        self.live, self.mask, self.length, self.block = live, mask, length, block
        self.low, self.high = low, high
        of = torch.arange(length) // block
        q, k = of[:, None], of[None, :]
        self.sees = torch.cat(
            [torch.cat([q == k, q > k], 1), torch.cat([torch.zeros(length, length, dtype=torch.bool), q >= k], 1)]
        )
        self.positions = torch.arange(length).repeat(2)

    def at(self, t, x, generator):
        """Masks each token at its block's rate."""
        rate = t.repeat_interleave(self.block, 1)
        hidden = uniform(generator, *x.shape) < rate
        hidden[:, 0] = False
        return dict(z=torch.where(hidden, self.mask, x), t=t)

    def noise(self, x, generator):
        u = uniform(generator, x.shape[0], self.length // self.block)
        return self.at(self.low + (self.high - self.low) * u, x, generator)

    def weighted(self, net, x, noise):
        z = noise["z"]
        logits = net(torch.cat([z, x], 1), self.sees, self.positions, None)[:, : self.length]
        weight = (self.high - self.low) / noise["t"].repeat_interleave(self.block, 1)
        return cross_entropy(logits, x) * (z == self.mask) * weight.to(logits.dtype)

    def loss(self, net, x, noise):
        return self.weighted(net, x, noise).sum() / (x.shape[0] * (self.length - 1))

    def bound(self, net, x, generator, draws):
        """Over the full range; within each block LLaDA's exact counts, which have no weight that grows."""
        total = 0.0
        n_blocks = self.length // self.block
        sizes = torch.full((n_blocks,), self.block)
        sizes[0] -= 1
        start = uniform(generator, x.shape[0], n_blocks)
        for j in range(draws):
            k = (((start + j) / draws * sizes).long() + 1).minimum(sizes)
            scores = uniform(generator, x.shape[0], n_blocks, self.block)
            scores[:, 0, 0] = 2.0  # context is last in every ranking
            hidden = (scores.argsort(2).argsort(2) < k[:, :, None]).flatten(1)
            hidden[:, 0] = False
            z = torch.where(hidden, self.mask, x)
            logits = net(torch.cat([z, x], 1), self.sees, self.positions, None)[:, : self.length]
            ce = (cross_entropy(logits, x) * hidden).double().unflatten(1, (n_blocks, self.block)).sum(2)
            total = total + (ce * sizes / k.clamp(min=1)).sum(1) / draws
        return total


class Uniform:
    """Uniform-state diffusion, the NELBO of Duo (Sahoo et al., arXiv 2506.10892) and UDLM (arXiv 2412.10193)."""

    def __init__(self, live, length, schedule="linear", low=0.0, high=1.0):
        self.live, self.length, self.low, self.high = live, length, low, high
        self.alpha, self.slope = SCHEDULES[schedule]

    def at(self, t, x, generator):
        kept = uniform(generator, *x.shape) < self.alpha(t)[:, None]
        kept[:, 0] = True
        anything = (uniform(generator, *x.shape) * self.live).long()
        return dict(z=torch.where(kept, x, anything), t=t)

    def noise(self, x, generator):
        return self.at(self.low + (self.high - self.low) * uniform(generator, x.shape[0]), x, generator)

    def tokens(self, net, x, noise):
        """The loss [B, n] of each target; the published expression, term by term."""
        z, t, n = noise["z"], noise["t"], self.live
        theta = net(z, full(self.length), None, t).softmax(-1)[:, 1:]
        z, x = z[:, 1:], x[:, 1:]
        alpha = self.alpha(t)[:, None, None].to(theta.dtype)
        slope = self.slope(t)[:, None].to(theta.dtype)
        bar = n * alpha * F.one_hot(x, n) + (1 - alpha)
        bar_theta = n * alpha * theta + (1 - alpha)
        bar_i = bar.gather(-1, z[..., None])
        bar_theta_i = bar_theta.gather(-1, z[..., None])
        others = bar / bar_i * (bar_theta_i.log() + bar.log() - bar_theta.log() - bar_i.log())
        others = others.masked_fill(F.one_hot(z, n).bool(), 0.0).sum(-1)
        bracket = n / bar_i[..., 0] - n / bar_theta_i[..., 0] - others
        return slope / (n * alpha[..., 0]) * bracket

    def loss(self, net, x, noise):
        return (self.high - self.low) * self.tokens(net, x, noise).mean()

    def bound(self, net, x, generator, draws):
        total = 0.0
        start = uniform(generator, x.shape[0])
        for j in range(draws):
            # t = s^2: replaced tokens weigh 1/t, so that small t has to be looked at closely.
            s = ((start + j) / draws).clamp(1e-6, 1 - 1e-6)
            noise = self.at(s**2, x, generator)
            total = total + 2 * s * self.tokens(net, x, noise).double().sum(1) / draws
        return total


class Hybrid:
    """GIDD (von Rütte et al., arXiv 2503.04482): masks and uniform noise; `weight` elbo or dynamic."""

    def __init__(self, live, mask, length, uniform, weight="elbo", low=1e-4, high=1 - 1e-4):
        self.live, self.mask, self.length, self.p, self.weight = live, mask, length, uniform, weight
        self.low, self.high = low, high

    def c(self, t):
        return 2 * self.p / (1 - self.p) * (t * (1 - t)).sqrt()

    def at(self, t, x, generator):
        c = self.c(t)[:, None]
        total = 1 + c
        u = uniform(generator, *x.shape)
        anything = (uniform(generator, *x.shape) * self.live).long()
        clean, masked = (1 - t)[:, None] / total, t[:, None] / total
        z = torch.where(u < clean, x, torch.where(u < clean + masked, self.mask, anything))
        return dict(z=torch.cat([x[:, :1], z[:, 1:]], 1), t=t)

    def noise(self, x, generator):
        return self.at(self.low + (self.high - self.low) * uniform(generator, x.shape[0]), x, generator)

    def tokens(self, net, x, noise, weighting):
        z, t, n = noise["z"], noise["t"][:, None], self.live
        theta = net(z, full(self.length), None, noise["t"]).softmax(-1)[:, 1:]
        z, x = z[:, 1:], x[:, 1:]
        c = self.c(t)
        c_slope = 0.5 * (1 - 2 * t) / (t * (1 - t)) * c
        # Over all ids, the mask last.
        noise_part = torch.cat([(c / n).expand(-1, n), t], 1) / (1 + c)
        alpha = ((1 - t) / (1 + c))[..., None].to(theta.dtype)
        noise_part = noise_part[:, None].to(theta.dtype)
        q = alpha * F.one_hot(x, n + 1) + noise_part
        q_theta = alpha * F.pad(theta, (0, 1)) + noise_part
        kl = (q * (q / q_theta).log()).masked_fill(q == 0, 0.0).sum(-1)
        place = z.clamp(max=n)[..., None]  # the mask is the entry behind the predictable ids
        r = (q.gather(-1, place) / q_theta.gather(-1, place))[..., 0]
        change = c + (1 - t) * c_slope
        is_mask, is_clean = z == self.mask, z == x
        if weighting == "elbo":
            weight = torch.where(
                is_mask,
                1 / (t * (1 - t)),
                torch.where(is_clean, change / n / ((1 - t) * (1 - t + c / n)), change / ((1 - t) * c)),
            )
        else:
            # B/N exp(-lambda/2) with lambda the log of alpha/(1 - alpha); N counts the mask. (The released code has
            # a sigmoid of -t in the place of -lambda.)
            clean = (1 - t) / (1 + c)
            scale = 2 * self.p / (1 - self.p) / (n + 1) * ((1 - clean) / clean).sqrt()
            weight = torch.where(is_mask, 2.0, torch.where(is_clean, scale, 1.0)).clamp(0.0, 2.0)
        return weight.to(theta.dtype) * (kl + r - r.log() - 1)

    def loss(self, net, x, noise):
        factor = self.high - self.low if self.weight == "elbo" else 1.0
        return factor * self.tokens(net, x, noise, self.weight).mean()

    def bound(self, net, x, generator, draws):
        total = 0.0
        start = uniform(generator, x.shape[0])
        for j in range(draws):
            # t = s^3: replaced tokens weigh 1/(2t), and there are sqrt(t) of them.
            s = ((start + j) / draws).clamp(1e-4, 1 - 1e-6)
            noise = self.at(s**3, x, generator)
            total = total + 3 * s**2 * self.tokens(net, x, noise, "elbo").double().sum(1) / draws
        return total


def build(name, live, mask, length, options):
    """The objective of that name in a case's description."""
    if name == "next_token":
        return NextToken(live, mask, length, **options)
    if name == "any_order":
        return AnyOrder(live, mask, length)
    if name == "megadlms":
        return MegaDlms(live, mask, length)
    if name == "uniform":
        return Uniform(live, length, **options)
    return {"masked": Masked, "masked_lm": MaskedLm, "blocks": Blocks, "hybrid": Hybrid}[name](
        live, mask, length, **options
    )
