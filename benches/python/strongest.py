"""The strongest PyTorch training step we can write for the shapes of the peer; same command line, same JSON line.

What it does that a user's script does not:
- Masked diffusion: the positions that the loss reads are gathered before the last layer's output projection, so that
  projection, the last feed-forward, the final norm and the head run on them alone. The peer's next-token loss reads
  all positions but the last of each row, which is dropped at the same place.
- The number of rows changes from step to step. It is padded to a multiple of --bucket with rows that weigh nothing, and
  the compiled graphs are told that the dimension varies, so that nothing is compiled twice.
- The cross-entropy goes through the rows in chunks and makes the gradient of the logits, and with it those of head and
  rows, while the chunk's logits are there (a custom autograd function, forward and backward in one pass): one chunk of
  logits exists at a time.
- bf16 copies of the matrices, made once a step with one cast each and not once for each use; the residual stream is
  bf16. Masters and moments are fp32, and so is the table of embeddings, whose gradient is a sum of many rows.
- torch.compile over layers and loss; fused AdamW; foreach clipping.

What of it gains on a machine can be measured: see --help.
"""
import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F

import common


def one_chunk(rows, head, targets, weights):
    """Weighted cross-entropy of some rows, with its gradients for rows and head.

    rows [R, D] and head [V, D] are in the precision of the products, weights [R] are fp32 and hold every factor.
    """
    logits = (rows @ head.t()).float()
    log_sum = torch.logsumexp(logits, -1)
    loss = ((log_sum - logits.gather(1, targets[:, None])[:, 0]) * weights).sum()
    one = torch.arange(head.shape[0], device=rows.device)[None, :] == targets[:, None]
    grad = ((torch.exp(logits - log_sum[:, None]) - one.float()) * weights[:, None]).to(rows.dtype)
    return loss, grad @ head, grad.t() @ rows


def chunk_losses(x, head, targets, weights, size, losses):
    """`one_chunk` over all rows, `size` at a time: logits of one chunk exist at once."""
    total, grad_head, grad_x = 0.0, None, []
    for part in zip(x.split(size), targets.split(size), weights.split(size)):
        rows, wanted, weight = (tensor.contiguous() for tensor in part)
        for tensor in (rows, wanted, weight):
            torch._dynamo.maybe_mark_dynamic(tensor, 0)
        loss, grad, of_head = losses(rows, head, wanted, weight)
        total = total + loss
        grad_x.append(grad)
        # Sums of chunks are fp32; a single chunk needs no sum.
        grad_head = of_head if grad_head is None else grad_head.float().add_(of_head)
    return total, torch.cat(grad_x), grad_head


class ChunkedLoss(torch.autograd.Function):
    """`chunk_losses` as a loss: its gradients are there already when they are asked for."""

    @staticmethod
    def forward(ctx, x, head, targets, weights, size, losses):
        total, grad_x, grad_head = chunk_losses(x, head, targets, weights, size, losses)
        ctx.save_for_backward(grad_x, grad_head.to(head.dtype))
        return total

    @staticmethod
    def backward(ctx, grad):
        grad_x, grad_head = ctx.saved_tensors
        return (grad_x * grad).to(grad_x.dtype), (grad_head * grad).to(grad_head.dtype), None, None, None, None


def attention_inputs(block, x, cos, sin):
    b, s, _ = x.shape
    qkv = F.linear(block.norm1(x), block.qkv.weight).view(b, s, 3, block.heads, block.head_dim)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    return rotated(block.q_norm(q), cos, sin), rotated(block.k_norm(k), cos, sin), v


def rotated(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


def feed_forward(block, x):
    gate, up = F.linear(block.norm2(x), block.gate_up.weight).chunk(2, -1)
    return x + F.linear(F.silu(gate) * up, block.down.weight)


class Step(torch.nn.Module):
    """The peer's decoder up to the final norm, on the rows that the loss reads."""

    def __init__(self, decoder, causal, gather, dtype):
        super().__init__()
        self.decoder, self.causal, self.gather, self.dtype = decoder, causal, gather, dtype

    def forward(self, tokens, rows):
        """rows [R]: places in the flattened [B * T]. Gives their features [R, D]."""
        model = self.decoder
        x = F.embedding(tokens, model.embed.weight).to(self.dtype)
        cos, sin = model.cos.to(x.dtype), model.sin.to(x.dtype)
        last = len(model.blocks) - 1
        for i, block in enumerate(model.blocks):
            q, k, v = attention_inputs(block, x, cos, sin)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal).transpose(1, 2).flatten(2)
            if i == last and self.gather == "last-layer":
                y, x = y.flatten(0, 1)[rows], x.flatten(0, 1)[rows]
            x = feed_forward(block, x + F.linear(y, block.out.weight))
        if self.gather == "head":
            x = x.flatten(0, 1)[rows]
        return model.norm(x)


def draw(tokens, objective, mask_id):
    """As the peer draws: what the model reads, the places that the loss reads, their targets and weights."""
    b, s = tokens.shape
    n = b * s
    if objective == "ar":
        rows = torch.arange(n).view(b, s)[:, :-1].flatten()
        return tokens, rows, tokens[:, 1:].flatten(), torch.full((b * (s - 1),), 1.0 / (b * (s - 1)))
    t = ((torch.rand(1) + torch.arange(b) / b) % 1) * 0.999 + 0.001
    masked = torch.rand(b, s) < t[:, None]
    rows = masked.flatten().nonzero()[:, 0]
    weights = (1 / (t * n))[:, None].expand(b, s).flatten()[rows]
    return torch.where(masked, mask_id, tokens), rows, tokens.flatten()[rows], weights


def padded(rows, targets, weights, bucket):
    """With rows of no weight, up to a multiple of `bucket`."""
    more = -len(rows) % bucket
    return F.pad(rows, (0, more)), F.pad(targets, (0, more)), F.pad(weights, (0, more))


class Trainer:
    def __init__(self, a, peer):
        torch.manual_seed(a.seed)
        self.a = a
        master = peer.Decoder(a).to(a.device)
        self.master = list(master.parameters())
        self.copies, self.dtype = None, torch.float32
        if a.weights == "copies" and a.bf16:
            self.model = peer.Decoder(a).to(a.device)
            self.copies = []
            for name, parameter in master.named_parameters():
                # The table stays fp32: it is looked up and not multiplied, and its gradient is a sum of many rows.
                is_table = parameter is master.embed.weight
                copy = parameter if is_table else torch.nn.Parameter(parameter.detach().to(torch.bfloat16))
                owner, _, leaf = name.rpartition(".")
                setattr(self.model.get_submodule(owner), leaf, copy)
                self.copies.append(copy)
            self.dtype = torch.bfloat16
        else:
            self.model = master
        self.optimizer = torch.optim.AdamW(self.master, lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
        self.causal = a.objective == "ar"
        self.body = Step(self.model, self.causal, a.gather, self.dtype)
        self.losses = one_chunk
        if a.compile:
            self.body = torch.compile(self.body)
            self.losses = torch.compile(one_chunk)

    def step(self, tokens):
        a = self.a
        read, rows, targets, weights = draw(tokens, a.objective, a.vocab - 1)
        rows, targets, weights = padded(rows, targets, weights, a.bucket)
        torch._dynamo.maybe_mark_dynamic(rows, 0)
        if self.copies:
            with torch.no_grad():
                pairs = [(copy, master) for copy, master in zip(self.copies, self.master) if copy is not master]
                torch._foreach_copy_([copy for copy, _ in pairs], [master for _, master in pairs])
        with torch.autocast(a.device.split(":")[0], torch.bfloat16, enabled=a.bf16 and not self.copies):
            x = self.body(read, rows)
        head = self.model.head.weight
        if a.bf16:
            x, head = x.to(torch.bfloat16), head.to(torch.bfloat16)
        loss = ChunkedLoss.apply(x, head, targets, weights, a.chunk, self.losses)
        loss.backward()
        if self.copies:
            for copy, master in pairs:
                master.grad, copy.grad = copy.grad.float(), None
        torch.nn.utils.clip_grad_norm_(self.master, 1.0, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.add_shape(p, steps=30, warmup=5)
    p.add_argument("--objective", choices=["ar", "mdm"], default="mdm")
    p.add_argument("--device", default="cpu")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--bf16", action="store_true")
    p.add_argument("--tokens", help="raw uint8 file to train on; random tokens without it")
    p.add_argument("--peer", default=common.PEER, help="torch_train.py, whose decoder is used")
    p.add_argument("--gather", choices=["last-layer", "head"], default="last-layer", help="where unread rows are dropped")
    p.add_argument("--weights", choices=["copies", "autocast"], default="copies", help="how matrices become bf16")
    p.add_argument("--bucket", type=int, default=64, help="rows are padded to a multiple of this")
    p.add_argument("--chunk", type=int, default=1024, help="rows of logits at a time")
    a = p.parse_args()
    torch.set_float32_matmul_precision("high")
    trainer = Trainer(a, common.load_peer(a.peer))
    if a.tokens:
        data = torch.frombuffer(bytearray(open(a.tokens, "rb").read()), dtype=torch.uint8).long()
    else:
        data = torch.randint(0, a.vocab - 1, (1 << 20,))
    sync = torch.cuda.synchronize if a.device.startswith("cuda") else (lambda: None)
    times, losses = [], []
    for _ in range(a.steps + a.warmup):
        at = torch.randint(0, len(data) - a.seq - 1, (a.batch,))
        tokens = torch.stack([data[i : i + a.seq] for i in at])
        sync()
        start = time.perf_counter()
        loss = trainer.step(tokens)
        sync()
        times.append(time.perf_counter() - start)
        losses.append(loss.item())
    median = statistics.median(times[a.warmup :])
    print(json.dumps(dict(
        tokens_per_s=round(a.batch * a.seq / median, 1), step_ms_median=round(1e3 * median, 2),
        params=sum(q.numel() for q in trainer.master), loss_first=losses[0], loss_last=losses[-1],
        torch=torch.__version__, compile=a.compile, objective=a.objective, device=a.device, bf16=a.bf16,
    )))


if __name__ == "__main__":
    main()
