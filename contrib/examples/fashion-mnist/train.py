#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Train a small classifier on Fashion-MNIST and write model.npz and metrics.json.

    train.py [--data DIR] [--epochs N] [--hidden N] [--rate R] [--seed N] [--torch]

Trains on the 60,000 images of DIR/idx, or with --images on the PGM files of
DIR/images/train, one directory per class; tests on the 10,000 of DIR/idx.  The same
inputs, arguments and machine give the same bytes: one thread, a fixed seed, and an
archive without timestamps.  With --torch the same network is trained by PyTorch
instead of NumPy.
"""

import argparse
import io
import json
import os
import zipfile

# Before NumPy is loaded: sums done by several threads come in any order.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402

BATCH = 100
MOMENTUM = np.float32(0.9)


def load_idx(data, prefix):
    path = os.path.join(data, "idx", prefix)
    with open(path + "-images-idx3-ubyte", "rb") as f:
        images = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 784)
    with open(path + "-labels-idx1-ubyte", "rb") as f:
        labels = np.frombuffer(f.read(), np.uint8, offset=8)
    return images, labels


def load_pgm(data):
    root = os.path.join(data, "images", "train")
    images, labels = [], []
    for name in sorted(os.listdir(root)):
        for file in sorted(os.listdir(os.path.join(root, name))):
            with open(os.path.join(root, name, file), "rb") as f:
                images.append(np.frombuffer(f.read()[-784:], np.uint8))
            labels.append(int(name[0]))
    return np.stack(images), np.array(labels, np.uint8)


def load(args):
    train = load_pgm(args.data) if args.images else load_idx(args.data, "train")
    return [(images.astype(np.float32) / np.float32(255), labels.astype(np.int64))
            for images, labels in (train, load_idx(args.data, "t10k"))]


def initial(hidden, rng):
    def layer(n, m):
        return (rng.standard_normal((n, m), np.float32) * np.sqrt(np.float32(2 / n)),
                np.zeros(m, np.float32))
    w1, b1 = layer(784, hidden)
    w2, b2 = layer(hidden, 10)
    return {"b1": b1, "b2": b2, "w1": w1, "w2": w2}


def forward(p, x):
    h = np.maximum(x @ p["w1"] + p["b1"], 0)
    z = h @ p["w2"] + p["b2"]
    z -= z.max(axis=1, keepdims=True)
    q = np.exp(z)
    return h, q / q.sum(axis=1, keepdims=True)


def gradients(p, x, y):
    h, q = forward(p, x)
    q[np.arange(len(y)), y] -= 1
    q /= len(y)
    back = (q @ p["w2"].T) * (h > 0)
    return {"b1": back.sum(axis=0), "b2": q.sum(axis=0), "w1": x.T @ back, "w2": h.T @ q}


def train_numpy(p, train, epochs, rate, rng):
    x, y = train
    velocity = {k: np.zeros_like(v) for k, v in p.items()}
    for epoch in range(epochs):
        order = rng.permutation(len(y))
        for i in range(0, len(y), BATCH):
            pick = order[i:i + BATCH]
            for k, g in gradients(p, x[pick], y[pick]).items():
                velocity[k] = MOMENTUM * velocity[k] - np.float32(rate) * g
                p[k] += velocity[k]
        report(epoch, p, train)
    return p


def train_torch(p, train, epochs, rate, rng):
    import torch
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    t = {k: torch.tensor(v, requires_grad=True) for k, v in p.items()}
    step = torch.optim.SGD(list(t.values()), lr=rate, momentum=float(MOMENTUM))
    x, y = (torch.tensor(a) for a in train)
    for epoch in range(epochs):
        order = torch.tensor(rng.permutation(len(y)))
        for i in range(0, len(y), BATCH):
            pick = order[i:i + BATCH]
            h = torch.relu(x[pick] @ t["w1"] + t["b1"])
            loss = torch.nn.functional.cross_entropy(h @ t["w2"] + t["b2"], y[pick])
            step.zero_grad()
            loss.backward()
            step.step()
        report(epoch, {k: v.detach().numpy() for k, v in t.items()}, train)
    return {k: v.detach().numpy() for k, v in t.items()}


def score(p, part):
    x, y = part
    q = forward(p, x)[1][np.arange(len(y)), y]
    guess = np.concatenate([forward(p, x[i:i + 1000])[1].argmax(axis=1)
                            for i in range(0, len(y), 1000)])
    return float((guess == y).mean()), float(-np.log(np.maximum(q, 1e-12)).mean())


def report(epoch, p, train):
    acc, loss = score(p, [a[:5000] for a in train])
    print("epoch %d: accuracy %.4f, loss %.4f on training images" % (epoch + 1, acc, loss),
          flush=True)


def save(path, arrays):
    """As np.savez does, but without the time of day in the archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as z:
        for name in sorted(arrays):
            raw = io.BytesIO()
            np.lib.format.write_array(raw, np.ascontiguousarray(arrays[name]))
            z.writestr(zipfile.ZipInfo(name + ".npy", (1980, 1, 1, 0, 0, 0)), raw.getvalue())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", default="data", metavar="DIR")
    parser.add_argument("--images", action="store_true", help="train on the PGM files")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--torch", action="store_true", help="train with PyTorch")
    args = parser.parse_args()

    train, test = load(args)
    rng = np.random.Generator(np.random.PCG64(args.seed))
    learn = train_torch if args.torch else train_numpy
    model = learn(initial(args.hidden, rng), train, args.epochs, args.rate, rng)
    acc, loss = score(model, test)
    save("model.npz", model)
    with open("metrics.json", "w") as f:
        json.dump({"epochs": args.epochs, "test_images": len(test[1]),
                   "train_images": len(train[1]), "val_acc": round(acc, 4),
                   "val_loss": round(loss, 6)}, f, indent=1, sort_keys=True)
        f.write("\n")
    print("test accuracy %.4f" % acc)


if __name__ == "__main__":
    main()
